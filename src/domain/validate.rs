//! Policies: what is wrong with one, before anything is saved or started, and what it means in words.
//!
//! Every finding names its object, what was seen, and what to do about it.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::drill::check::Kind;
use super::schedule::{self, Timing};
use super::versions::{Fit, fit};
use super::{ClusterName, ComponentInfo, ComponentKind, Consistency, CopyMode, DataSet, DataSetName, Hook, Service};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The policy cannot be saved.
    Failed,
    /// It can, with something to know.
    Warning,
}

/// One thing to say about a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// What it is about, as the person named it.
    pub object: String,
    /// What was seen.
    pub evidence: String,
    /// What to do.
    pub fix: String,
}

/// The pair that a policy is for.
#[derive(Debug, Clone, Copy)]
pub struct PairFacts<'a> {
    /// The primary.
    pub from: &'a ClusterName,
    /// Its components as last described.
    pub from_components: &'a [ComponentInfo],
    /// The secondary.
    pub to: &'a ClusterName,
    /// Its components as last described.
    pub to_components: &'a [ComponentInfo],
}

/// What is known of the pair that a policy names.
#[derive(Debug, Clone, Copy)]
pub enum PairKnown<'a> {
    /// There is no such pair.
    Absent,
    /// The same plan makes it; nobody has asked its agents yet.
    Planned,
    /// Its agents have told.
    Told(PairFacts<'a>),
}

/// What a policy is checked against.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Its pair.
    pub pair: PairKnown<'a>,
    /// All services in force; an earlier version of the policy itself may be among them.
    pub services: &'a [Service],
    /// In the training lab, captures at several moments are allowed.
    pub in_lab: bool,
    /// Now.
    pub now: DateTime<Utc>,
}

/// Everything that is to say about a policy, failures first.
pub fn problems(service: &Service, context: &Context<'_>) -> Vec<Finding> {
    let mut found = Findings(Vec::new());
    names(service, context, &mut found);
    overlaps(service, context, &mut found);
    if let PairKnown::Told(pair) = &context.pair {
        service.data_sets.iter().for_each(|set| components(set, pair, &mut found));
    }
    timing(service, context.now, &mut found);
    limits(service, context.in_lab, &mut found);
    hooks(service, &mut found);
    checks(service, context, &mut found);
    found.0.sort_by_key(|finding| finding.severity);
    found.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn failed(&mut self, object: impl ToString, evidence: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Finding { severity: Severity::Failed, object: object.to_string(), evidence: evidence.into(), fix: fix.into() });
    }

    fn warn(&mut self, object: impl ToString, evidence: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Finding { severity: Severity::Warning, object: object.to_string(), evidence: evidence.into(), fix: fix.into() });
    }
}

fn names(service: &Service, context: &Context<'_>, found: &mut Findings) {
    if matches!(context.pair, PairKnown::Absent) {
        found.failed(format!("pair {}", service.pair), "there is no such pair", "pair its two clusters first, or name another pair");
    }
    if let Some(other) = context.services.iter().find(|other| other.name == service.name && other.pair != service.pair) {
        let object = format!("service {}", service.name);
        found.failed(object, format!("pair {} has a service of this name already", other.pair), "choose another name");
    }
    if service.data_sets.is_empty() {
        found.failed(format!("service {}", service.name), "it has no data sets", "pick at least one directory or table");
    }
}

fn overlaps(service: &Service, context: &Context<'_>, found: &mut Findings) {
    let known = match &context.pair {
        PairKnown::Told(pair) => [pair.from_components, pair.to_components],
        PairKnown::Absent | PairKnown::Planned => [[].as_slice(); 2],
    };
    let [from, to] = known.map(|all| move |set: &DataSetName| separator(set, all));
    let overlap = |set: &DataSet, other: &DataSet, whose: &str, found: &mut Findings| {
        let fix = "back up each place in one data set only: name the outer one, or two places side by side";
        if set.from.shares_place(&other.from, from(&set.from)) {
            found.failed(&set.from, format!("it overlaps {} of {whose} at the primary", other.from), fix);
        } else if set.to.shares_place(&other.to, to(&set.to)) {
            found.failed(&set.to, format!("it overlaps {} of {whose} at the secondary", other.to), fix);
        }
    };
    for (index, set) in service.data_sets.iter().enumerate() {
        for earlier in &service.data_sets[..index] {
            overlap(set, earlier, "this service", found);
        }
    }
    for other in context.services.iter().filter(|other| other.pair == service.pair && other.name != service.name) {
        for (set, theirs) in service.data_sets.iter().flat_map(|set| other.data_sets.iter().map(move |theirs| (set, theirs))) {
            overlap(set, theirs, &format!("service {}", other.name), found);
        }
    }
}

/// What stands between a place and what is inside: a database's tables come after a dot.
fn separator(set: &DataSetName, known: &[ComponentInfo]) -> char {
    let is_hive = known.iter().any(|info| info.name == set.component && info.kind == ComponentKind::Hive);
    if is_hive { '.' } else { '/' }
}

fn components(set: &DataSet, pair: &PairFacts<'_>, found: &mut Findings) {
    let source = component(&set.from, pair.from, pair.from_components, found);
    let target = component(&set.to, pair.to, pair.to_components, found);
    if let (Some(source), Some(target)) = (source, target)
        && source.kind != target.kind
    {
        let evidence =
            format!("{} is {} at {}, and {} is {} at {}", source.name, source.kind, pair.from, target.name, target.kind, pair.to);
        found.failed(&set.from, evidence, format!("name a component of kind {} at {}: {{ from = …, to = … }}", source.kind, pair.to));
        return;
    }
    let (Some(source), Some(target)) = (source, target) else { return };
    let keeps = match source.kind {
        ComponentKind::Hbase => Some(("a table of HBase", "namespace and table")),
        ComponentKind::Tables => Some(("a table of a database", "table")),
        _ => None,
    };
    if let Some((what, both)) = keeps.filter(|_| set.from.path != set.to.path) {
        found.failed(
            &set.from,
            format!("it is to be {} at {}, but {what} keeps its name", set.to, pair.to),
            format!("name the same {both} at both ends"),
        );
    }
    // What is doubtful was told when the clusters were paired.
    if let Fit::Bad(why, fix) = fit(source, target) {
        found.failed(&set.from, why, fix);
    }
}

/// The component of one end of a data set, if it is there and can be used.
fn component<'a>(set: &DataSetName, cluster: &ClusterName, known: &'a [ComponentInfo], found: &mut Findings) -> Option<&'a ComponentInfo> {
    let Some(info) = known.iter().find(|info| info.name == set.component) else {
        let names: Vec<_> = known.iter().map(|info| info.name.as_str()).collect();
        let there = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
        let fix = format!("add it to the agent.toml of {cluster}, or name another one");
        found.failed(set, format!("{cluster} has no component {}; {there}", set.component), fix);
        return None;
    };
    if !info.described {
        let evidence = format!("{} at {cluster} has not answered: its version and the agent's rights are not known", info.name);
        found.warn(set, evidence, "start it and look again");
    }
    if info.kerberos {
        let evidence = format!("{} at {cluster} asks for Kerberos, which this version cannot do", info.name);
        found.failed(set, evidence, "leave it out, or use a cluster with simple authentication");
    }
    for right in &info.missing_rights {
        found.warn(set, format!("the agent of {cluster} lacks a right: {right}"), "grant it before the first run");
    }
    Some(info)
}

fn timing(service: &Service, now: DateTime<Utc>, found: &mut Findings) {
    let timing = match Timing::of(service) {
        Ok(timing) => timing,
        Err(trouble) => return found.failed(trouble.object, trouble.reason, trouble.next_step),
    };
    let object = format!("service {}", service.name);
    match &timing {
        Timing::Repeat(schedule) if schedule.next_after(now).is_none() => {
            found.failed(object, "its schedule names a date that never comes", "change the day or the month");
            return;
        }
        Timing::Once(moment) if *moment <= now => {
            found.warn(
                &object,
                format!("its moment {moment} is past: nothing will run by itself"),
                "name a later moment, or run it by hand",
            );
        }
        Timing::Repeat(_) | Timing::Once(_) | Timing::OnDemand => {}
    }
    let Some(minutes) = service.rpo_target_minutes else { return };
    match timing.longest_gap(now) {
        Some(gap) if gap > TimeDelta::minutes(i64::from(minutes)) => {
            let evidence = format!("the target RPO is {minutes} min, but moments are up to {} apart", span(gap));
            found.warn(object, evidence, "run more often, or promise less");
        }
        Some(_) => {}
        None => {
            found.warn(object, format!("the target RPO is {minutes} min, but nothing repeats it"), "give it a schedule");
        }
    }
}

fn limits(service: &Service, in_lab: bool, found: &mut Findings) {
    let object = format!("service {}", service.name);
    if service.skew_limit_ms == 0 {
        found.failed(&object, "its skew limit is 0 ms, and no capture takes no time at all", "allow some milliseconds; 5000 suits most");
    }
    if service.consistency == Consistency::PerComponent && !in_lab {
        let evidence = "it asks for a moment of its own for each component: what belongs together would not fit";
        found.failed(&object, evidence, "leave `consistency` out; only the training lab shows what the old way costs");
    }
    if service.keep.all_hours == 0 && service.keep.daily_days == 0 {
        found.warn(&object, "only its newest recovery point is kept: damage noticed later could not be undone", "keep some hours or days");
    }
}

fn hooks(service: &Service, found: &mut Findings) {
    for (name, hook) in [("freeze", &service.freeze), ("thaw", &service.thaw)] {
        if let Some(reason) = hook.as_ref().and_then(hook_fault) {
            found.failed(
                format!("{name} hook of {}", service.name),
                reason,
                "give it either `command = [\"/path/to/program\", …]` or `url = \"http…\"`",
            );
        }
    }
    let object = format!("service {}", service.name);
    match (&service.freeze, &service.thaw) {
        (Some(freeze), None) => {
            let evidence =
                format!("it freezes its writers and has no thaw hook: they stay still until the limit of {} s", freeze.limit_secs);
            found.warn(object, evidence, "add a thaw hook, or make sure that the application thaws by itself");
        }
        (None, Some(_)) => {
            found.warn(object, "it has a thaw hook and no freeze hook: it is never called", "add a freeze hook, or leave it out")
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
}

fn hook_fault(hook: &Hook) -> Option<&'static str> {
    match (&hook.command, &hook.url) {
        (Some(_), Some(_)) => Some("it has a command and a URL"),
        (None, None) => Some("it has neither a command nor a URL"),
        (Some(command), None) if command.first().is_none_or(String::is_empty) => Some("its command names no program"),
        (None, Some(url)) if !url.starts_with("http://") && !url.starts_with("https://") => Some("its URL is not http:// or https://"),
        _ if hook.limit_secs == 0 => Some("its limit is 0 s"),
        _ => None,
    }
}

/// The owner's checks: each of one sort, able to fail, and about what the service has.
fn checks(service: &Service, context: &Context<'_>, found: &mut Findings) {
    let kinds = match &context.pair {
        PairKnown::Told(pair) => pair.to_components,
        PairKnown::Absent | PairKnown::Planned => &[],
    };
    for (index, check) in service.checks.iter().enumerate() {
        let object = format!("check {:?} of {}", check.name, service.name);
        if service.checks[..index].iter().any(|earlier| earlier.name == check.name) {
            found.failed(&object, "another check has that name", "give each check a name of its own");
        }
        let on = match check.kind() {
            Ok(Kind::Sql { on, .. }) => on,
            Ok(Kind::Command { .. } | Kind::Http { .. }) => continue,
            Err(reason) => {
                let fix = "give it `command = [\"/path/to/program\", …]`, `http = \"http…\"`, or `sql`, `on` and `expect`";
                found.failed(object, reason, fix);
                continue;
            }
        };
        if !service.data_sets.iter().any(|set| set.to == *on) {
            let sets: Vec<String> = service.data_sets.iter().map(|set| set.to.to_string()).collect();
            found.failed(object, format!("it asks {on}, which is no data set of the service"), format!("name one of {}", sets.join(", ")));
        } else if let Some(info) = kinds.iter().find(|info| info.name == on.component && info.kind != ComponentKind::Tables) {
            let fix = "use a command for it; only data sets of a tables component can be asked in SQL";
            found.failed(object, format!("it asks {on} in SQL, and that is {}", info.kind), fix);
        }
    }
    if service.rto_target_minutes == Some(0) {
        found.failed(format!("service {}", service.name), "its target RTO is 0 min", "promise at least one minute, or leave it out");
    }
}

/// What a policy means, as a person would say it; `from` and `to` are the clusters' names.
pub fn in_words(service: &Service, from: &str, to: &str) -> String {
    let zone = service.timezone.unwrap_or(Tz::UTC);
    let when = match (&service.schedule, service.moment) {
        (Some(cron), _) => schedule::in_words(cron, zone),
        (None, Some(moment)) => format!("Once, at {}", moment.format("%Y-%m-%d %H:%M:%S %:z")),
        (None, None) => "Whenever you ask".to_owned(),
    };
    let (sets, are, together) = match service.data_sets.len() {
        1 => ("the data set".to_owned(), "is", "sealed"),
        count => (format!("the {count} data sets"), "are", "sealed together"),
    };
    let held = if service.freeze.is_some() { ", while its writers are held still" } else { "" };
    let moment = match service.consistency {
        Consistency::Service => format!("at that one moment{held}"),
        Consistency::PerComponent => "each component at a time of its own (training only: what belongs together may not fit)".to_owned(),
    };
    let copied = match service.copy {
        CopyMode::Push => format!("pushed to {to}"),
        CopyMode::Pull => format!("pulled by {to}"),
    };
    let mut text = format!(
        "{when}, {sets} of {} {are} captured on {from} {moment}, {copied}, verified, and {together} as one recovery point.",
        service.name
    );
    text.push_str(&format!(" A point with more than {} of skew is kept but flagged.", millis(service.skew_limit_ms)));
    if let Some(minutes) = service.rpo_target_minutes {
        text.push_str(&format!(
            " You are told when {} falls more than {} behind.",
            service.name,
            span(TimeDelta::minutes(i64::from(minutes)))
        ));
    }
    let checks = match service.checks.len() {
        0 => None,
        1 => Some("1 check".to_owned()),
        count => Some(format!("{count} checks")),
    };
    match (checks, service.rto_target_minutes) {
        (Some(checks), Some(minutes)) => text.push_str(&format!(
            " A drill brings it up beside production and makes {checks}, to be done within {}.",
            span(TimeDelta::minutes(i64::from(minutes)))
        )),
        (Some(checks), None) => text.push_str(&format!(" A drill brings it up beside production and makes {checks}.")),
        (None, Some(minutes)) => {
            text.push_str(&format!(" A drill is to bring it up within {}.", span(TimeDelta::minutes(i64::from(minutes)))));
        }
        (None, None) => {}
    }
    if service.sync_users {
        text.push_str(" Users, permissions and tenants follow with every run.");
    }
    text
}

fn millis(ms: u64) -> String {
    if ms.is_multiple_of(1000) { format!("{} s", ms / 1000) } else { format!("{ms} ms") }
}

fn span(time: TimeDelta) -> String {
    let minutes = time.num_minutes();
    match minutes {
        1 => "1 minute".to_owned(),
        0..120 => format!("{minutes} minutes"),
        120..2880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

#[cfg(test)]
mod tests;
