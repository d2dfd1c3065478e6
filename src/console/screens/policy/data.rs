//! The policy form: what is typed and chosen, the policy it makes, and what the engine says of it.

use chrono::NaiveDateTime;

use super::tree::Tree;
use crate::console::places::Place;
use crate::console::said::Said;
use crate::console::words::{self, Zone};
use crate::controller::command::{Check, CheckState, ServiceCheck};
use crate::controller::{Command, Reply};
use crate::domain::{Consistency, CopyMode, DataSet, Hook, Keep, PairName, Service, ServiceName, Trouble};

/// When a service is captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum When {
    /// By a schedule.
    #[default]
    Repeat,
    /// At one moment.
    Once,
    /// As soon as it is saved; then on demand.
    Now,
}

/// How writers are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HookKind {
    /// They are not.
    #[default]
    None,
    /// By a program on the primary agent's host.
    Command,
    /// By HTTP.
    Url,
}

/// The form.
#[derive(Debug, Clone, Default)]
pub struct Form {
    /// The policy that is changed; `None` for a new one.
    pub editing: Option<ServiceName>,
    /// Service name.
    pub name: String,
    /// Who to call.
    pub owner: String,
    /// What is looked for in the tree.
    pub find: String,
    /// The catalogue, as far as it was opened.
    pub tree: Tree,
    /// The data sets chosen.
    pub chosen: Vec<DataSet>,
    /// When.
    pub when: When,
    /// Five-field cron.
    pub cron: String,
    /// IANA zone.
    pub zone: String,
    /// The one moment, `2026-11-21 14:00`.
    pub once: String,
    /// Target RPO in minutes; empty: none.
    pub rpo: String,
    /// Largest skew in seconds.
    pub skew: String,
    /// Every point of so many hours.
    pub all_hours: String,
    /// One a day for so many days.
    pub daily_days: String,
    /// Push or pull.
    pub copy: CopyMode,
    /// Freeze and thaw.
    pub hook: HookKind,
    /// Program or URL that freezes.
    pub freeze: String,
    /// Program or URL that thaws.
    pub thaw: String,
    /// Thaws by itself after so many seconds.
    pub limit: String,
    /// Sync user data with every run.
    pub sync_users: bool,
    /// Kept from the policy that is changed.
    kept: Option<Service>,
    /// Rises with every change.
    pub version: u64,
    /// The version that was sent to be checked.
    asked: u64,
    /// What the engine said, and of which version.
    pub checked: Option<(u64, Result<ServiceCheck, Trouble>)>,
    /// Saving is under way.
    pub saving: bool,
    /// *Dry run* was pressed: the result is shown even when all is well.
    pub dry: bool,
    /// Something was changed that is not saved.
    pub changed: bool,
}

impl Form {
    /// An empty form.
    pub fn new(zone: Zone) -> Form {
        Form {
            cron: "*/15 * * * *".to_owned(),
            zone: if let Zone::Named(zone) = zone { zone.to_string() } else { "UTC".to_owned() },
            rpo: "15".to_owned(),
            skew: "5".to_owned(),
            all_hours: "24".to_owned(),
            daily_days: "30".to_owned(),
            limit: "10".to_owned(),
            sync_users: true,
            version: 1,
            ..Form::default()
        }
    }

    /// The form of an existing policy.
    pub fn edit(service: &Service, local: Zone) -> Form {
        let mut form = Form::new(local);
        form.editing = Some(service.name.clone());
        form.name = service.name.to_string();
        form.owner = service.owner.clone();
        form.chosen = service.data_sets.clone();
        form.when = match (&service.schedule, service.moment) {
            (Some(_), _) => When::Repeat,
            (None, Some(_)) => When::Once,
            (None, None) => When::Now,
        };
        form.zone = service.timezone.map_or("UTC".to_owned(), |zone| zone.to_string());
        form.cron = service.schedule.clone().unwrap_or(form.cron);
        if let Some(at) = service.moment {
            form.once = at.format("%Y-%m-%d %H:%M").to_string();
        }
        form.rpo = service.rpo_target_minutes.map_or(String::new(), |minutes| minutes.to_string());
        form.skew = format!("{}", service.skew_limit_ms as f64 / 1_000.0);
        form.all_hours = service.keep.all_hours.to_string();
        form.daily_days = service.keep.daily_days.to_string();
        form.copy = service.copy;
        form.sync_users = service.sync_users;
        form.take_hooks(service);
        form.kept = Some(service.clone());
        form
    }

    fn take_hooks(&mut self, service: &Service) {
        let words = |hook: &Option<Hook>| {
            hook.as_ref()
                .map_or(String::new(), |hook| hook.url.clone().unwrap_or_else(|| hook.command.clone().unwrap_or_default().join(" ")))
        };
        if let Some(freeze) = &service.freeze {
            self.hook = if freeze.url.is_some() { HookKind::Url } else { HookKind::Command };
            self.limit = freeze.limit_secs.to_string();
        }
        self.freeze = words(&service.freeze);
        self.thaw = words(&service.thaw);
    }

    /// Something was changed.
    pub fn touched(&mut self) {
        self.version += 1;
        (self.dry, self.changed) = (false, true);
    }

    /// Asks once more what the policy means, and shows it also when all is well.
    pub fn dry_run(&mut self) {
        self.version += 1;
        self.dry = true;
    }

    /// Takes a data set in or out.
    pub fn toggle(&mut self, set: DataSet) {
        match self.chosen.iter().position(|chosen| chosen.from == set.from) {
            Some(place) => drop(self.chosen.remove(place)),
            None => self.chosen.push(set),
        }
        self.touched();
    }

    /// The policy, or what is not right yet: the field and why.
    pub fn service(&self, pair: &PairName) -> Result<Service, Vec<Check>> {
        let mut wrong = Vec::new();
        let name = parse(&mut wrong, "Service", &self.name, |text| text.parse::<ServiceName>().map_err(|error| error.reason.to_owned()));
        if self.chosen.is_empty() {
            wrong.push(failed("Data sets", "none is chosen", "tick at least one in the tree"));
        }
        let rpo = match self.rpo.trim() {
            "" => None,
            text => parse(&mut wrong, "Target RPO", text, whole),
        };
        let skew = parse(&mut wrong, "Largest skew allowed", &self.skew, seconds);
        let all_hours = parse(&mut wrong, "Keep, hours", &self.all_hours, whole);
        let daily_days = parse(&mut wrong, "Keep, days", &self.daily_days, whole);
        let timezone =
            parse(&mut wrong, "Time zone", &self.zone, |text| text.parse::<chrono_tz::Tz>().map_err(|_| "no such time zone".to_owned()));
        let moment = match (self.when, timezone) {
            (When::Once, Some(zone)) => parse(&mut wrong, "Moment", &self.once, |text| instant(text, zone)),
            _ => None,
        };
        let (freeze, thaw) = self.hooks(&mut wrong);
        let (Some(name), Some(skew_limit_ms), Some(all_hours), Some(daily_days)) = (name, skew, all_hours, daily_days) else {
            return Err(wrong);
        };
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Service {
            name,
            pair: pair.clone(),
            owner: self.owner.trim().to_owned(),
            data_sets: self.chosen.clone(),
            schedule: (self.when == When::Repeat).then(|| self.cron.trim().to_owned()),
            moment,
            timezone,
            copy: self.copy,
            consistency: self.kept.as_ref().map_or(Consistency::default(), |kept| kept.consistency),
            skew_limit_ms,
            rpo_target_minutes: rpo,
            rto_target_minutes: self.kept.as_ref().and_then(|kept| kept.rto_target_minutes),
            checks: self.kept.as_ref().map(|kept| kept.checks.clone()).unwrap_or_default(),
            keep: Keep { all_hours, daily_days },
            freeze,
            thaw,
            sync_users: self.sync_users,
            labels: self.kept.as_ref().map(|kept| kept.labels.clone()).unwrap_or_default(),
        })
    }

    fn hooks(&self, wrong: &mut Vec<Check>) -> (Option<Hook>, Option<Hook>) {
        if self.hook == HookKind::None {
            return (None, None);
        }
        let limit_secs = parse(wrong, "Hook's limit", &self.limit, whole).unwrap_or(0);
        if self.freeze.trim().is_empty() {
            wrong.push(failed("Freeze hook", "it says nothing to run", "give a program or a URL, or choose no hook"));
        }
        let hook = |text: &str| {
            let text = text.trim();
            if text.is_empty() {
                None
            } else if self.hook == HookKind::Url {
                Some(Hook { command: None, url: Some(text.to_owned()), limit_secs })
            } else {
                Some(Hook { command: Some(text.split_whitespace().map(str::to_owned).collect()), url: None, limit_secs })
            }
        };
        (hook(&self.freeze), hook(&self.thaw))
    }

    /// Asks the engine what the present version means, once a version.
    pub fn check(&mut self, pair: &PairName) -> Option<(Place, Command)> {
        if self.asked == self.version {
            return None;
        }
        let service = self.service(pair).ok()?;
        self.asked = self.version;
        Some((Place::PolicyCheck(self.version), Command::CheckService(Box::new(service))))
    }

    /// Saves; `None` while something is wrong.
    pub fn save(&mut self, pair: &PairName) -> Option<(Place, Command)> {
        if self.saving || !self.may_save(pair) {
            return None;
        }
        let service = self.service(pair).ok()?;
        self.saving = true;
        Some((Place::PolicySave(service.name.clone(), self.when == When::Now), Command::SaveService(Box::new(service))))
    }

    /// Whether the engine found nothing against the present version.
    pub fn may_save(&self, pair: &PairName) -> bool {
        let holds = |check: &ServiceCheck| check.checks.iter().all(|check| check.state != CheckState::Failed);
        let checked = matches!(&self.checked, Some((version, Ok(check))) if *version == self.version && holds(check));
        checked && self.service(pair).is_ok()
    }

    /// Takes in a reply. True when the policy was saved.
    pub fn receive(&mut self, place: &Place, reply: Reply) -> bool {
        match (place, reply) {
            (Place::PolicyCheck(version), Reply::ServiceChecked(check)) => self.checked = Some((*version, Ok(check))),
            (Place::PolicyCheck(version), Reply::Refused(trouble)) => self.checked = Some((*version, Err(trouble))),
            (Place::PolicySave(..), reply) => {
                self.saving = false;
                match reply {
                    Reply::Refused(trouble) => self.checked = Some((self.version, Err(trouble))),
                    Reply::ServiceChecked(check) if check.checks.iter().any(|check| check.state == CheckState::Failed) => {
                        self.checked = Some((self.version, Ok(check)));
                    }
                    _ => return true,
                }
            }
            _ => {}
        }
        false
    }
}

fn failed(name: &str, evidence: &str, fix: &str) -> Check {
    Check { name: name.to_owned(), state: CheckState::Failed, evidence: evidence.to_owned(), fix: fix.to_owned(), facts: None }
}

fn parse<T>(wrong: &mut Vec<Check>, field: &str, text: &str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
    match read(text.trim()) {
        Ok(value) => Some(value),
        Err(reason) => {
            wrong.push(failed(field, &reason, ""));
            None
        }
    }
}

fn whole(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{text:?} is no whole number"))
}

fn seconds(text: &str) -> Result<u64, String> {
    match text.parse::<f64>() {
        Ok(secs) if (0.0..86_400.0).contains(&secs) => Ok((secs * 1_000.0).round() as u64),
        _ => Err(format!("{text:?} is no number of seconds")),
    }
}

fn instant(text: &str, zone: chrono_tz::Tz) -> Result<chrono::DateTime<chrono::FixedOffset>, String> {
    let wall = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S"))
        .map_err(|_| "write it as 2026-11-21 14:00".to_owned())?;
    Zone::Named(zone).instant(wall).ok_or_else(|| "the clock skips that time in this zone".to_owned())
}

/// What stands under the tree.
pub fn summary(form: &Form) -> (String, String) {
    let components: std::collections::BTreeSet<_> = form.chosen.iter().map(|set| &set.from.component).collect();
    let head =
        format!("{} in {}", words::plural(form.chosen.len() as u64, "data set"), words::plural(components.len() as u64, "component"));
    let sizes: Vec<_> = form.chosen.iter().map(|set| form.tree.bytes_of(&set.from)).collect();
    let known: u64 = sizes.iter().flatten().sum();
    let size = match (known, sizes.iter().all(Option::is_some)) {
        (0, _) => String::new(),
        (known, true) => format!(" · {}", words::bytes(known)),
        (known, false) => format!(" · at least {}", words::bytes(known)),
    };
    (head, size)
}

/// `Sat 21 Nov 14:15 · 14:30, in Asia/Shanghai (UTC+08:00)`.
fn next_moments(zone: Zone, moments: &[chrono::DateTime<chrono::Utc>], now: chrono::DateTime<chrono::Utc>) -> String {
    match moments.first() {
        Some(first) => format!("{}, in {}", zone.moments(moments, now), zone.named(*first)),
        None => String::new(),
    }
}

/// *In words*, the next moments, and the checks' lines.
pub fn verdict(form: &Form, pair: &PairName, zone: Zone, now: chrono::DateTime<chrono::Utc>) -> (Said, String, Vec<[Said; 3]>) {
    let row = |check: &Check| {
        let fix = if check.fix.is_empty() { String::new() } else { format!(" · {}", check.fix) };
        [words::check_sign(check.state), Said::plain(&check.name), Said::muted(format!("{}{fix}", check.evidence))]
    };
    if let Err(wrong) = form.service(pair) {
        let words = Said::muted("Fill in the service, its data sets and its moment. What they mean is said here before anything is saved.");
        return (words, String::new(), wrong.iter().map(row).collect());
    }
    match &form.checked {
        Some((_, Ok(check))) => {
            let rows = check.checks.iter().map(row).collect();
            if check.checks.iter().any(|check| check.state == CheckState::Failed) {
                // What it would mean is not told of a policy that cannot be: it reads as if it were well.
                return (Said::bad("✖ This policy cannot be saved. What is wrong stands below."), String::new(), rows);
            }
            let zone = form.zone.parse().map_or(zone, Zone::Named);
            (Said::plain(&check.in_words), next_moments(zone, &check.next_moments, now), rows)
        }
        Some((_, Err(trouble))) => (Said::bad(format!("✖ {trouble}")), String::new(), Vec::new()),
        None => (Said::muted("Asking the engine what this policy means…"), String::new(), Vec::new()),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
