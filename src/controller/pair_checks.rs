//! The checks before pairing, each a line: check, evidence, fix.

use crate::domain::ComponentInfo;
use crate::domain::versions::{Fit, fit};

use super::command::{Check, CheckState, ComponentMatch, PairChecks, PairRequest};
use super::engine::Engine;
use super::pairing::{Found, is_loopback, is_member, shares_host};
use crate::domain::clock::{ClockTrack, Offset};

/// The version of the protocol that we speak.
const PROTOCOL: u32 = 1;
/// Samples of each clock.
const SAMPLES: usize = 3;
/// Clocks may be this far apart.
const CLOCK_LIMIT_MS: f64 = 1_000.0;

fn line(name: &str, state: CheckState, evidence: impl Into<String>, fix: &str) -> Check {
    let fix = if state == CheckState::Ok { "" } else { fix };
    Check { name: name.to_owned(), state, evidence: evidence.into(), fix: fix.to_owned(), facts: None }
}

fn ok_or(bad: CheckState, holds: bool) -> CheckState {
    if holds { CheckState::Ok } else { bad }
}

/// All of them.
pub(super) async fn all(engine: &Engine, request: &PairRequest, primary: &Found, secondary: &Found) -> PairChecks {
    let components = matches(primary, secondary);
    let mut checks = vec![
        reachable(primary, secondary),
        protocol(primary, secondary),
        clocks(engine, primary, secondary).await,
        isolated(primary),
        described(request, primary, secondary),
        kerberos(primary, secondary),
        rights(primary, secondary),
        space(primary, secondary),
        membership(request, primary, secondary),
    ];
    if components.iter().all(|c| c.secondary.is_none()) {
        checks.push(line(
            "components",
            CheckState::Failed,
            "no component of the primary has a counterpart of its kind at the secondary",
            "configure components of the same kinds at both agents",
        ));
    }
    PairChecks { primary: primary.shown(), secondary: secondary.shown(), components, checks }
}

fn reachable(primary: &Found, secondary: &Found) -> Check {
    let evidence = format!(
        "{} answered in {} ms, {} in {} ms",
        primary.enrolled.cluster, primary.took_ms, secondary.enrolled.cluster, secondary.took_ms
    );
    line("both agents answer", CheckState::Ok, evidence, "")
}

fn protocol(primary: &Found, secondary: &Found) -> Check {
    let [a, b] = [primary, secondary].map(|f| f.status.protocol);
    let evidence = format!(
        "{} {} speaks version {a}, {} {} speaks version {b}, this controller version {PROTOCOL}",
        primary.enrolled.cluster, primary.status.version, secondary.enrolled.cluster, secondary.status.version
    );
    line("protocol", ok_or(CheckState::Failed, a == PROTOCOL && b == PROTOCOL), evidence, "install the same version everywhere")
}

async fn clocks(engine: &Engine, primary: &Found, secondary: &Found) -> Check {
    let name = "one clock source";
    let fix = "set up one time source (NTP, chrony) for the controller and both clusters";
    let (a, b) = tokio::join!(offset(engine, primary), offset(engine, secondary));
    let (Some(a), Some(b)) = (a, b) else {
        return line(name, CheckState::Failed, "a clock could not be measured", fix);
    };
    let worst = [a, b, a.between(b)].map(Offset::worst_ms).into_iter().fold(0.0, f64::max);
    let sources = [primary, secondary].map(|f| if f.status.clock_source.is_empty() { "source unknown" } else { &f.status.clock_source });
    let evidence = format!(
        "{} {:+.1} ± {:.1} ms ({}), {} {:+.1} ± {:.1} ms ({})",
        primary.enrolled.cluster,
        a.middle_ms(),
        a.bound_ms(),
        sources[0],
        secondary.enrolled.cluster,
        b.middle_ms(),
        b.bound_ms(),
        sources[1]
    );
    line(name, ok_or(CheckState::Failed, worst <= CLOCK_LIMIT_MS), evidence, fix)
}

async fn offset(engine: &Engine, found: &Found) -> Option<Offset> {
    let mut track = ClockTrack::default();
    let mut taken = 0;
    for _ in 0..SAMPLES {
        let sample = super::clock::sample(engine, &found.enrolled).await.ok()?;
        taken = sample.taken_ns;
        track.add(sample);
    }
    track.offset(taken)
}

fn isolated(primary: &Found) -> Check {
    let shared = shares_host(&primary.status.host) || is_loopback(&primary.enrolled.address);
    let evidence = if shared {
        format!("the controller runs on the host of {}: losing that host loses both", primary.enrolled.cluster)
    } else {
        format!("the controller shares no host with {}", primary.enrolled.cluster)
    };
    // Training labs and trials share one host on purpose: told, not refused.
    line(
        "controller apart from the primary",
        ok_or(CheckState::Warning, !shared),
        evidence,
        "run the console or the engine at the secondary's site",
    )
}

fn each<'a>(primary: &'a Found, secondary: &'a Found) -> impl Iterator<Item = (&'a Found, &'a ComponentInfo)> {
    [primary, secondary].into_iter().flat_map(|f| f.status.components.iter().map(move |c| (f, c)))
}

/// A component that does not answer cannot be checked: nothing new is built on it, though a pair that stands stays as it is.
fn described(request: &PairRequest, primary: &Found, secondary: &Found) -> Check {
    let silent: Vec<String> = each(primary, secondary).filter(|(_, c)| !c.described).map(|(f, c)| why_silent(f, c)).collect();
    let known = [primary, secondary].iter().all(|f| is_member(&f.status, &request.name));
    let evidence = if silent.is_empty() { "each told its version and what the agent may do".to_owned() } else { silent.join("; ") };
    let state = ok_or(if known { CheckState::Warning } else { CheckState::Failed }, silent.is_empty());
    line("components answer", state, evidence, "start them, or take them out of agent.toml, and check again")
}

fn why_silent(found: &Found, component: &ComponentInfo) -> String {
    let probe = found.status.probes.iter().find(|probe| probe.component == component.name);
    let why = probe.map_or("not asked yet", |probe| probe.evidence.as_str());
    format!("{}:{}: {why}", found.enrolled.cluster, component.name)
}

fn kerberos(primary: &Found, secondary: &Found) -> Check {
    let asks: Vec<String> =
        each(primary, secondary).filter(|(_, c)| c.kerberos).map(|(f, c)| format!("{}:{}", f.enrolled.cluster, c.name)).collect();
    let evidence =
        if asks.is_empty() { "no component asks for Kerberos".to_owned() } else { format!("Kerberos is asked for by {}", asks.join(", ")) };
    line(
        "Kerberos",
        ok_or(CheckState::Failed, asks.is_empty()),
        evidence,
        "this version does not support Kerberos; leave these components out",
    )
}

fn rights(primary: &Found, secondary: &Found) -> Check {
    let missing: Vec<String> = each(primary, secondary)
        .filter(|(_, c)| !c.missing_rights.is_empty())
        .map(|(f, c)| format!("{}:{}: {}", f.enrolled.cluster, c.name, c.missing_rights.join(", ")))
        .collect();
    let evidence = if missing.is_empty() { "the agents may do all that they need to".to_owned() } else { missing.join("; ") };
    line("rights", ok_or(CheckState::Failed, missing.is_empty()), evidence, "give the agents' users these rights")
}

/// Whether what the primary uses fits beside what the secondary has; told, as policies may choose a part of it.
fn space(primary: &Found, secondary: &Found) -> Check {
    let mut short = Vec::new();
    let mut known = false;
    for (mine, theirs) in matches(primary, secondary).iter().filter_map(|m| Some((&m.primary, m.secondary.as_ref()?))) {
        if let (Some(used), Some(free)) = (mine.used_bytes, theirs.free_bytes) {
            known = true;
            if used > free {
                short.push(format!("{} uses {} MiB, {} has {} MiB free", mine.name, used >> 20, secondary.enrolled.cluster, free >> 20));
            }
        }
    }
    let evidence = match (known, short.is_empty()) {
        (false, _) => "the components cannot tell".to_owned(),
        (true, true) => format!("{} has room for all that {} uses", secondary.enrolled.cluster, primary.enrolled.cluster),
        (true, false) => short.join("; "),
    };
    line(
        "space at the secondary",
        ok_or(CheckState::Warning, known && short.is_empty()),
        evidence,
        "choose data sets that fit, or add space",
    )
}

fn membership(request: &PairRequest, primary: &Found, secondary: &Found) -> Check {
    let name = "not paired elsewhere";
    let others: Vec<String> = [primary, secondary]
        .iter()
        .flat_map(|f| {
            f.status.pairs.iter().filter(|p| p.pair != request.name).map(move |p| format!("{} is in pair {}", f.enrolled.cluster, p.pair))
        })
        .collect();
    if !others.is_empty() {
        return line(name, CheckState::Failed, others.join("; "), "unpair it there first");
    }
    let in_it: Vec<_> = [primary, secondary].iter().filter(|f| !f.status.pairs.is_empty()).map(|f| f.enrolled.cluster.as_str()).collect();
    let peers = |f: &Found, other: &Found| f.status.pairs.iter().all(|p| p.peer.cluster == other.enrolled.cluster);
    if !peers(primary, secondary) || !peers(secondary, primary) {
        return line(
            name,
            CheckState::Failed,
            format!("pair {} exists with another cluster", request.name),
            "choose another name, or unpair it first",
        );
    }
    let evidence = match in_it.len() {
        0 => "neither agent is in a pair".to_owned(),
        1 => format!("only {} knows pair {}: it is completed", in_it.join(""), request.name),
        _ => format!("both already form pair {}: it is taken over as it is", request.name),
    };
    line(name, CheckState::Ok, evidence, "")
}

/// Component by component: the same name and kind first, else the only other one of the kind.
fn matches(primary: &Found, secondary: &Found) -> Vec<ComponentMatch> {
    primary.status.components.iter().map(|mine| matched(mine, &secondary.status.components)).collect()
}

fn matched(mine: &ComponentInfo, theirs: &[ComponentInfo]) -> ComponentMatch {
    let of_kind: Vec<&ComponentInfo> = theirs.iter().filter(|c| c.kind == mine.kind).collect();
    let found = of_kind.iter().find(|c| c.name == mine.name).or(if of_kind.len() == 1 { of_kind.first() } else { None });
    let name = format!("{} has a counterpart", mine.name);
    let check = match found {
        None => line(
            &name,
            CheckState::Warning,
            format!("nothing of kind {} at the secondary matches it", mine.kind),
            "configure one there, or leave it out",
        ),
        Some(c) if c.name != mine.name => {
            line(&name, CheckState::Warning, format!("it is called {} there", c.name), "name the target in each data set: { from, to }")
        }
        Some(c) => match fit(mine, c) {
            Fit::Good => line(&name, CheckState::Ok, format!("{} {} at {}", c.kind, c.version, c.address).replace("  ", " "), ""),
            Fit::Doubtful(why, fix) => line(&name, CheckState::Warning, why, fix),
            // The others may still be paired; a policy that names this one is refused.
            Fit::Bad(why, fix) => {
                return ComponentMatch { primary: mine.clone(), secondary: None, check: line(&name, CheckState::Warning, why, fix) };
            }
        },
    };
    ComponentMatch { primary: mine.clone(), secondary: found.map(|c| (*c).clone()), check }
}
