//! Certificates live as long as the product runs: the engine renews its own, and says in time when one of the three is not renewed.
//!
//! In: our own certificate (the [`Connector`](super::Connector) keeps it) and what each agent's status tells of its own. Out: a renewal,
//! an alert when one begins to fail or runs out, a line of activity when that is over, and what the screens show. A certificate that runs
//! out locks out nobody of this version, which checks keys and no dates; an older version does check them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::protocol::{CertificateStatus, RENEWAL_LOOK_EVERY, RenewalFailure, RenewalPace};

use super::alerts::AlertKind;
use super::engine::Engine;
use super::host::on_disk;
use super::model::{AgentWatch, Model};
use super::snapshot::{CertificateView, Level};

/// What the task remembers.
#[derive(Default)]
struct Memory {
    pace: RenewalPace,
    /// The last attempt did not even reach the certificate's keeper.
    broke_off: Option<RenewalFailure>,
    /// What was alerted, and is not over.
    told: BTreeSet<Concern>,
}

/// What a person has to know of a certificate; told once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Concern {
    whose: Whose,
    about: About,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    Renewal,
    End,
}

/// Whose certificate it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Ours,
    /// A cluster's agent, by the name of the cluster and of a pair of it.
    Agent(String, String),
}

/// Renews and tells, again and again.
pub(super) async fn keep(engine: Arc<Engine>) {
    let mut memory = Memory::default();
    loop {
        renew(&engine, &mut memory).await;
        tell(&engine, &mut memory.told).await;
        tokio::time::sleep(RENEWAL_LOOK_EVERY).await;
    }
}

async fn renew(engine: &Arc<Engine>, memory: &mut Memory) {
    let now = engine.now();
    let Some(own) = engine.connector.certificate() else { return };
    let due = own.is_due(now) || memory.broke_off.is_some();
    if memory.pace.is_time(due, now) {
        let connector = engine.connector.clone();
        let renewed = on_disk(&*engine.host, move || Ok(connector.renew(now))).await;
        match &renewed {
            Ok(Ok(true)) => engine.note(Level::Info, "", "the certificate of this console was renewed for the same key").await,
            Ok(Ok(false)) => {}
            Ok(Err(trouble)) | Err(trouble) => tracing::error!(%trouble, "this console's certificate could not be renewed"),
        }
        let since = memory.broke_off.as_ref().map_or(now, |failure| failure.since);
        memory.broke_off = renewed.err().map(|trouble| RenewalFailure { since, trouble });
    }
    let own = engine
        .connector
        .certificate()
        .map(|own| CertificateStatus { renewal_failure: memory.broke_off.clone().or(own.renewal_failure.clone()), ..own });
    if engine.read(|m| m.certificate != own) {
        engine.change(|m| m.certificate = own);
    }
}

/// Alerts what is new, and notes what is over. Of an agent that does not answer nothing is news.
async fn tell(engine: &Arc<Engine>, told: &mut BTreeSet<Concern>) {
    let now = engine.now();
    let agents_are_ours = engine.check_in_command().is_ok();
    let seen = engine.read(|m| seen(m, now, agents_are_ours));
    let before = told.clone();
    for (whose, view) in &seen {
        for (about, text) in [(About::Renewal, renewal(whose, view)), (About::End, end(whose, view, now))] {
            let concern = Concern { whose: whose.clone(), about };
            match text {
                Some(text) if !before.contains(&concern) => {
                    engine.alert(AlertKind::Certificate, concern.whose.subject(), &text).await;
                    told.insert(concern);
                }
                // What is over because something else is wrong now is no good news.
                None if told.remove(&concern) && !view.ends_soon && view.renewal_failure.is_none() => {
                    let until = view.valid_until.format("%Y-%m-%d");
                    let text = format!("{} is renewed by itself again: it is valid until {until}", whose.certificate());
                    engine.note(Level::Info, concern.whose.subject(), text).await;
                }
                Some(_) | None => {}
            }
        }
    }
}

/// Every certificate that can be seen just now, each agent's once.
fn seen(model: &Model, now: DateTime<Utc>, agents_are_ours: bool) -> BTreeMap<Whose, CertificateView> {
    let own = model.certificate.as_ref().map(|own| (Whose::Ours, view(own, now)));
    let pairs = model.pairs.values().filter(|_| agents_are_ours);
    let agents = pairs.flat_map(|pair| pair.paired.agents.iter().zip(&pair.watch).map(move |(agent, watch)| (pair, agent, watch)));
    let answering = agents.filter(|(.., watch)| watch.trouble.is_none());
    let mut seen: BTreeMap<&str, (Whose, CertificateView)> = BTreeMap::new();
    for (pair, agent, watch) in answering {
        if let Some(view) = of_agent(watch) {
            let whose = Whose::Agent(agent.enrolled.cluster.to_string(), pair.paired.name.to_string());
            // An agent that is in several pairs has one certificate.
            seen.entry(&agent.enrolled.key).or_insert((whose, view));
        }
    }
    own.into_iter().chain(seen.into_values()).collect()
}

/// What an agent last told of its certificate, by its own clock: it is the one by which that agent renews.
pub(super) fn of_agent(watch: &AgentWatch) -> Option<CertificateView> {
    watch.status.as_ref().map(|status| view(&status.certificate(), status.now))
}

/// What is shown of a certificate.
pub(super) fn view(status: &CertificateStatus, now: DateTime<Utc>) -> CertificateView {
    CertificateView {
        issued_at: status.issued_at,
        valid_until: status.valid_until,
        ends_soon: status.ends_soon(now),
        renewal_failure: status.renewal_failure.clone(),
    }
}

impl Whose {
    /// The pair that an alert is about; empty: the engine.
    fn subject(&self) -> &str {
        match self {
            Whose::Ours => "",
            Whose::Agent(_, pair) => pair,
        }
    }

    fn certificate(&self) -> String {
        match self {
            Whose::Ours => "the certificate of this console".to_owned(),
            Whose::Agent(cluster, _) => format!("the certificate of the agent of {cluster}"),
        }
    }
}

fn renewal(whose: &Whose, view: &CertificateView) -> Option<String> {
    let failure = view.renewal_failure.as_ref()?;
    let since = failure.since.format("%Y-%m-%d %H:%M:%S UTC");
    Some(format!("the renewal of {} has failed since {since}: {}", whose.certificate(), failure.trouble))
}

fn end(whose: &Whose, view: &CertificateView, now: DateTime<Utc>) -> Option<String> {
    // The renewal that fails is told with its reason.
    if !view.ends_soon || view.renewal_failure.is_some() {
        return None;
    }
    let until = view.valid_until.format("%Y-%m-%d %H:%M:%S UTC");
    let ends = if view.valid_until < now { "ended" } else { "ends" };
    let place = match whose {
        Whose::Ours => "this host: the clock, and the disk and the rights of certificate.pem in the engine's state directory",
        Whose::Agent(..) => {
            "the host of that agent: the clock, and the disk and the rights of certificate.pem in the agent's state directory"
        }
    };
    Some(format!("{} {ends} {until} and should have been renewed long before; look at {place}", whose.certificate()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Trouble, TroubleKind};
    use chrono::TimeDelta;

    fn status(days: i64, failing: bool) -> CertificateStatus {
        let trouble = Trouble::new(TroubleKind::Failed, "/var/lib/understudy/certificate.pem", "the disk is full").next("make room");
        let renewal_failure = failing.then_some(RenewalFailure { since: DateTime::UNIX_EPOCH, trouble });
        CertificateStatus { issued_at: None, valid_until: DateTime::UNIX_EPOCH + TimeDelta::days(days), renewal_failure }
    }

    #[test]
    fn a_certificate_is_told_of_by_its_failing_renewal_or_by_its_end_and_what_to_do_is_said() {
        let (now, agent) = (DateTime::UNIX_EPOCH, Whose::Agent("east".into(), "p".into()));
        let told = |whose: &Whose, days, failing| {
            let view = view(&status(days, failing), now);
            (renewal(whose, &view), end(whose, &view, now))
        };
        assert_eq!(told(&agent, 16, false), (None, None));
        let (renewal, end) = told(&agent, 14, true);
        let renewal = renewal.expect("told");
        assert!(
            renewal.contains("of the agent of east") && renewal.contains("certificate.pem") && renewal.contains("make room"),
            "{renewal}"
        );
        assert_eq!(end, None, "not twice");
        let ours = told(&Whose::Ours, 14, false).1.expect("told");
        assert!(ours.contains("of this console ends 1970-01-15") && ours.contains("rights of certificate.pem"), "{ours}");
        assert!(told(&agent, -1, false).1.expect("told").contains("of the agent of east ended 1969-12-31"));
    }
}
