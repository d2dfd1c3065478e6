//! The pairing form and what it shows.

use crate::console::places::{Place, Side};
use crate::console::said::Said;
use crate::console::words;
use crate::controller::command::{AgentFound, AgentRequest, CheckState, PairChecks, PairRequest};
use crate::controller::{Command, Reply};
use crate::domain::{PairName, Trouble};

/// One side's fields.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SideForm {
    /// `host:port`.
    pub address: String,
    /// The enrolment code. A secret.
    pub code: String,
    /// A test is under way.
    pub testing: bool,
    /// What the last test of this address found.
    pub tested: Option<Result<AgentFound, Trouble>>,
}

impl SideForm {
    fn found(&self) -> Option<&AgentFound> {
        self.tested.as_ref().and_then(|tested| tested.as_ref().ok())
    }

    fn request(&self) -> AgentRequest {
        let code = self.code.trim();
        AgentRequest { address: self.address.trim().to_owned(), code: (!code.is_empty()).then(|| code.to_owned()) }
    }

    /// Forgets what was found, since a field was changed.
    pub fn touched(&mut self) {
        self.tested = None;
    }
}

/// The form.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Form {
    /// The cluster to get the primary identity.
    pub primary: SideForm,
    /// The other.
    pub secondary: SideForm,
    /// The pair's name; empty: made of the clusters' names.
    pub name: String,
    /// The checks are under way.
    pub checking: bool,
    /// What they said.
    pub checks: Option<Result<PairChecks, Trouble>>,
    /// Pairing is under way.
    pub pairing: bool,
}

impl Form {
    /// One side.
    pub fn side(&mut self, side: Side) -> &mut SideForm {
        match side {
            Side::Primary => &mut self.primary,
            Side::Secondary => &mut self.secondary,
        }
    }

    /// The command that tests one side; `None` while there is no address.
    pub fn test(&mut self, side: Side) -> Option<(Place, Command)> {
        let form = self.side(side);
        let request = form.request();
        if request.address.is_empty() || form.testing {
            return None;
        }
        form.testing = true;
        self.checks = None;
        Some((Place::Test(side), Command::TestAgent { address: request.address, code: request.code }))
    }

    /// What will be asked for; `None` until both agents answered and the name is one.
    pub fn request(&self) -> Option<PairRequest> {
        self.primary.found().and(self.secondary.found())?;
        Some(PairRequest { name: self.pair_name()?, primary: self.primary.request(), secondary: self.secondary.request() })
    }

    /// The pair's name as it will be.
    pub fn pair_name(&self) -> Option<PairName> {
        let typed = self.name.trim();
        if !typed.is_empty() {
            return typed.parse().ok();
        }
        format!("{}-{}", self.primary.found()?.cluster, self.secondary.found()?.cluster).parse().ok()
    }

    /// The command that checks everything; `None` until it can.
    pub fn check(&mut self) -> Option<(Place, Command)> {
        if self.checking {
            return None;
        }
        let request = self.request()?;
        self.checking = true;
        self.checks = None;
        Some((Place::PairChecks, Command::CheckPair(request)))
    }

    /// The command that pairs; `None` while a check failed or none was made.
    pub fn pair(&mut self) -> Option<(Place, Command)> {
        if !self.may_pair() {
            return None;
        }
        let request = self.request()?;
        self.pairing = true;
        Some((Place::Pair, Command::Pair(request)))
    }

    /// Whether everything that pairing needs holds.
    pub fn may_pair(&self) -> bool {
        let Some(Ok(checks)) = &self.checks else { return false };
        let ok = checks
            .checks
            .iter()
            .chain(checks.components.iter().map(|matched| &matched.check))
            .all(|check| check.state != CheckState::Failed);
        ok && !self.pairing && self.request().is_some()
    }

    /// Takes in a reply of one of the commands above. True when the pair was made.
    pub fn receive(&mut self, place: &Place, reply: Reply) -> bool {
        match (place, reply) {
            (Place::Test(side), reply) => {
                let tested = match reply {
                    Reply::Agent(found) => Ok(found),
                    other => Err(refusal(other)),
                };
                let form = self.side(*side);
                form.testing = false;
                form.tested = Some(tested);
            }
            (Place::PairChecks, reply) => {
                self.checking = false;
                self.checks = Some(match reply {
                    Reply::PairChecks(checks) => Ok(checks),
                    other => Err(refusal(other)),
                });
            }
            (Place::Pair, Reply::Refused(trouble)) => {
                self.pairing = false;
                self.checks = Some(Err(trouble));
            }
            (Place::Pair, _) => {
                *self = Form::default();
                return true;
            }
            _ => {}
        }
        false
    }
}

fn refusal(reply: Reply) -> Trouble {
    match reply {
        Reply::Refused(trouble) => trouble,
        other => Trouble::new(crate::domain::TroubleKind::Failed, "engine", format!("it answered something else: {other:?}")),
    }
}

/// What stands beside *Test connection*.
pub fn tested(side: &SideForm) -> Vec<Said> {
    match &side.tested {
        _ if side.testing => vec![Said::muted("connecting…")],
        None => vec![Said::muted("not tested yet")],
        Some(Ok(found)) => {
            vec![Said::ok(format!("● Connected in {} ms · certificate ", found.took_ms)), Said::ok(words::short_key(&found.key)).mono()]
        }
        Some(Err(trouble)) => vec![Said::bad(format!("✖ {trouble}"))],
    }
}

/// Name and site as the agent told them.
pub fn told(side: &SideForm) -> (String, String) {
    side.found().map_or((String::new(), String::new()), |found| (found.cluster.to_string(), found.site.clone()))
}

/// The components' table: primary, stores, capture, arrow, secondary, stores, compatible.
pub fn component_rows(checks: &PairChecks) -> Vec<[Vec<Said>; 7]> {
    let named = |info: &crate::domain::ComponentInfo| {
        vec![Said::plain(format!("{} {} ", words::component(info), info.version)), Said::muted(&info.address).mono()]
    };
    let row = |matched: &crate::controller::command::ComponentMatch| {
        let (stores, capture) = words::stores(matched.primary.kind);
        let (to, theirs) = match &matched.secondary {
            Some(info) => (named(info), words::stores(info.kind).0),
            None => (vec![Said::bad("✖ nothing there can back it up")], "—"),
        };
        let check = &matched.check;
        let sign = words::check_sign(check.state);
        let why = if check.state == CheckState::Ok { String::new() } else { format!(" {}", check.evidence) };
        [
            named(&matched.primary),
            vec![Said::muted(stores)],
            vec![Said::muted(capture)],
            vec![Said::accent("→")],
            to,
            vec![Said::muted(theirs)],
            vec![Said::new(format!("{}{why}", sign.text), sign.tone)],
        ]
    };
    checks.components.iter().map(row).collect()
}

/// The button.
pub fn button(form: &Form) -> String {
    match (form.primary.found(), form.secondary.found()) {
        _ if form.pairing => "Pairing…".to_owned(),
        (Some(primary), Some(secondary)) => format!("Pair {} ⇄ {}", primary.cluster, secondary.cluster),
        _ => "Pair".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;
    use crate::domain::TroubleKind;

    fn filled() -> Form {
        let mut form = Form::default();
        form.primary.address = "10.4.0.9:7443".to_owned();
        form.secondary.address = "10.9.0.4:7443".to_owned();
        form
    }

    #[test]
    fn nothing_is_paired_before_both_agents_answered_and_every_check_holds() {
        let mut form = filled();
        assert!(form.pair().is_none() && form.check().is_none());
        for side in [Side::Primary, Side::Secondary] {
            let (place, _) = form.test(side).expect("an address is given");
            assert!(form.test(side).is_none(), "a second test waits for the first");
            form.receive(&place, Reply::Agent(sample::agent_found(side == Side::Primary)));
        }
        assert_eq!(crate::console::said::read(&tested(&form.primary)), "● Connected in 8 ms · certificate 9f:3c…a1");
        assert_eq!(form.pair_name().expect("a name").as_str(), "shenzhen-guiyang");
        let (place, _) = form.check().expect("both answered");
        let mut checks = sample::pair_checks();
        checks.checks[1].state = CheckState::Failed;
        form.receive(&place, Reply::PairChecks(checks));
        assert!(!form.may_pair() && form.pair().is_none(), "a failed check refuses");
        form.receive(&place, Reply::PairChecks(sample::pair_checks()));
        assert!(form.may_pair(), "warnings do not refuse");
        let (place, command) = form.pair().expect("all holds");
        assert!(matches!(command, Command::Pair(_)));
        assert!(form.receive(&place, Reply::Done));
    }

    #[test]
    fn a_refusal_is_shown_beside_the_button() {
        let mut form = filled();
        let (place, _) = form.test(Side::Primary).expect("an address");
        form.receive(&place, Reply::Refused(Trouble::new(TroubleKind::Unreachable, "10.4.0.9:7443", "connection refused")));
        assert_eq!(crate::console::said::read(&tested(&form.primary)), "✖ 10.4.0.9:7443: connection refused");
    }

    #[test]
    fn components_show_what_does_not_fit() {
        let rows = component_rows(&sample::pair_checks());
        let text: Vec<_> = rows[1].iter().map(|cell| crate::console::said::read(cell)).collect();
        assert_eq!(
            text,
            [
                "Tables 3.46 /srv/retail/retail.db",
                "tables",
                "database snapshot",
                "→",
                "Tables 3.40 /srv/retail/retail.db",
                "tables",
                "▲ older than primary"
            ]
        );
    }
}
