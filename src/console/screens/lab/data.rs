//! What the training lab shows.

use chrono::{DateTime, Utc};

use crate::console::said::Said;
use crate::console::theme::Tone;
use crate::console::words::{self, Zone};
use crate::domain::{ClusterName, Consistency};
use crate::lab::view::{LabCommand, LabSnapshot, Scenario, SiteView};

/// A scenario to choose.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioCard {
    /// Its title.
    pub title: &'static str,
    /// What happens.
    pub text: &'static str,
    /// It is under way.
    pub on: bool,
    /// The words of its button.
    pub words: String,
    /// What begins it.
    pub begin: LabCommand,
}

/// The scenarios that this lab has.
pub fn scenarios(lab: &LabSnapshot) -> Vec<ScenarioCard> {
    let on = |consistency| lab.scenario == Some(Scenario::SiteLoss) && lab.consistency == consistency;
    let words = |title: &str, on: bool| format!("Begin “{title}”{}", if on { " again" } else { "" });
    vec![
        ScenarioCard {
            words: words("Site loss", on(Consistency::Service)),
            title: "Site loss",
            text: "the primary site goes dark; you decide",
            on: on(Consistency::Service),
            begin: LabCommand::Begin(Scenario::SiteLoss, Consistency::Service),
        },
        ScenarioCard {
            words: words("The old way", on(Consistency::PerComponent)),
            title: "The old way",
            text: "each component at its own time, and what it costs",
            on: on(Consistency::PerComponent),
            begin: LabCommand::Begin(Scenario::SiteLoss, Consistency::PerComponent),
        },
    ]
}

/// Everything that can be asked of the lab now, in words.
pub fn commands(lab: &LabSnapshot) -> Vec<(String, LabCommand)> {
    let mut all: Vec<_> = scenarios(lab).into_iter().map(|card| (card.words, card.begin)).collect();
    all.extend(lab.sites.iter().flat_map(site_faults));
    all.extend(cuts(lab));
    all.push(("Reset the lab".to_owned(), LabCommand::Reset));
    all
}

/// What lies between the sites and the console, to cut or to mend.
pub fn cuts(lab: &LabSnapshot) -> Vec<(String, LabCommand)> {
    let mut all = Vec::new();
    let link = if lab.link_cut { "Mend the link" } else { "Cut the link" };
    all.push((link.to_owned(), LabCommand::CutLink(!lab.link_cut)));
    let console = if lab.console_cut { "Reconnect console" } else { "Cut off console" };
    all.push((console.to_owned(), LabCommand::CutConsole(!lab.console_cut)));
    all
}

/// Something to break at a site, or to mend when it is broken.
pub fn site_faults(site: &SiteView) -> Vec<(String, LabCommand)> {
    let name = &site.name;
    if !site.up {
        return vec![(format!("Power on {name}"), LabCommand::PowerOn(name.clone()))];
    }
    let freeze = if site.frozen { "Unfreeze" } else { "Freeze" };
    let disk = if site.disk_full { "Empty" } else { "Fill" };
    let off = if site.clock_step_secs == 0 { 30 } else { 0 };
    let clock = if site.clock_step_secs == 0 { format!("Step {name}’s clock") } else { format!("Set {name}’s clock right") };
    vec![
        (format!("Power off {name}"), LabCommand::PowerOff(name.clone())),
        (format!("{freeze} {name}"), LabCommand::Freeze(name.clone(), !site.frozen)),
        (format!("{disk} {name}’s disk"), LabCommand::FillDisk(name.clone(), !site.disk_full)),
        (clock, LabCommand::SetClockOff(name.clone(), off)),
    ]
}

/// A stretch of the application's chart served by one cluster, or by none.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// By whom.
    pub by: Option<ClusterName>,
    /// Its tone.
    pub tone: Tone,
    /// From 0 to 1 and orders a second.
    pub points: Vec<(f32, f32)>,
}

/// The application's chart.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chart {
    /// Stretch by stretch.
    pub stretches: Vec<Stretch>,
    /// Orders a second at the top.
    pub top: f32,
    /// Place, words and whether it is a loss.
    pub marks: Vec<(f32, String, Tone)>,
    /// Place and time.
    pub axis: Vec<(f32, String)>,
}

/// The chart.
pub fn chart(lab: &LabSnapshot, zone: Zone) -> Chart {
    // The second that is still running would look like a drop.
    let seconds = lab.workload.seconds.split_last().map_or(&[][..], |(_, whole)| whole);
    let (Some(first), Some(last)) = (seconds.first(), seconds.last()) else { return Chart::default() };
    let span = (last.at - first.at).num_milliseconds().max(1) as f32;
    let place = |at: DateTime<Utc>| (at - first.at).num_milliseconds() as f32 / span;
    let most = seconds.iter().map(|second| second.orders).max().unwrap_or(0).max(1);
    let top = [10u32, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000].into_iter().find(|top| *top >= most).unwrap_or(most) as f32;
    let mut stretches: Vec<Stretch> = Vec::new();
    for second in seconds {
        let point = (place(second.at), second.orders as f32);
        match stretches.last_mut() {
            Some(stretch) if stretch.by == second.served_by => stretch.points.push(point),
            before => {
                // The line is not broken: a stretch begins where the one before it ended.
                let start = before.and_then(|stretch| stretch.points.last().copied());
                stretches.push(Stretch {
                    by: second.served_by.clone(),
                    tone: tone(lab, second.served_by.as_ref()),
                    points: start.into_iter().chain([point]).collect(),
                });
            }
        }
    }
    let loss = |words: &str| if words.contains("lost") || words.contains("cut") || words.contains("frozen") { Tone::Bad } else { Tone::Ok };
    let marks =
        lab.workload.marks.iter().map(|(at, words)| (place(*at), words.clone(), loss(words))).filter(|(at, ..)| (0.0..=1.0).contains(at));
    let axis = [0.0f32, 0.5, 1.0].map(|at| (at, zone.clock(first.at + chrono::Duration::milliseconds((span * at) as i64))));
    Chart { stretches, top, marks: marks.collect(), axis: axis.into() }
}

/// The first site has the primary's colour, the second the secondary's; nobody is a loss once somebody has served.
fn tone(lab: &LabSnapshot, by: Option<&ClusterName>) -> Tone {
    match lab.sites.iter().position(|site| Some(&site.name) == by) {
        Some(0) => Tone::Accent,
        Some(_) => Tone::Secondary,
        None if lab.workload.written == 0 => Tone::Faint,
        None => Tone::Bad,
    }
}

/// The line under the chart.
pub fn legend(lab: &LabSnapshot) -> Vec<Said> {
    let mut parts: Vec<Said> =
        lab.sites.iter().map(|site| Said::new(format!("━ served by {}      ", site.name), tone(lab, Some(&site.name)))).collect();
    let work = &lab.workload;
    let unanswered = work.sent.saturating_sub(work.written);
    let figures = [(work.written, "orders written"), (unanswered, "not acknowledged"), (work.after_point, "after the recovery point")];
    parts.push(Said::muted(figures.map(|(count, what)| format!("{} {what}", words::count(count))).join(" · ")));
    parts
}

/// The checks: what must hold, and whether.
pub fn checks(lab: &LabSnapshot) -> Vec<[Said; 2]> {
    let row = |check: &crate::lab::view::LabCheck| {
        let result = match check.held {
            Some(true) => Said::ok(format!("✓ {}", check.detail)),
            Some(false) => Said::bad(format!("✖ {}", check.detail)),
            None => Said::muted("○ not checked yet"),
        };
        [Said::plain(&check.name), result]
    };
    lab.checks.iter().map(row).collect()
}

/// The steps: done, now, later.
pub fn steps(lab: &LabSnapshot) -> Vec<Said> {
    let now = lab.steps.iter().position(|step| !step.done);
    let line = |(place, step): (usize, &crate::lab::view::LabStep)| match (step.done, now == Some(place)) {
        (true, _) => Said::ok(format!("✓ {}", step.text)),
        (false, true) => Said::accent(format!("● {}", step.text)).strong(),
        (false, false) => Said::muted(format!("○ {}", step.text)),
    };
    lab.steps.iter().enumerate().map(line).collect()
}

/// RTO, RPO and wrong moves as figures; what they consist of in a sentence.
pub fn time(lab: &LabSnapshot) -> ([(String, &'static str); 3], String) {
    let clock = |ms: u64| format!("{}:{:02}", ms / 60_000, ms / 1_000 % 60);
    let rto = lab.rto_ms.map_or("—".to_owned(), clock);
    // A figure has room for four or five characters.
    let rpo = lab.rpo_ms.map_or("—".to_owned(), |ms| match ms {
        0..10_000 => words::millis(ms),
        10_000..60_000 => words::duration(ms / 1_000),
        _ => clock(ms),
    });
    let words = match (lab.rto_ms, lab.deciding_ms, lab.switching_ms) {
        (Some(rto), Some(deciding), Some(switching)) => format!(
            "Of the {}, {} were yours: reading the evidence. The system took {} to switch.",
            words::duration(rto / 1_000),
            words::duration(deciding / 1_000),
            words::millis(switching)
        ),
        _ => "Measured from the loss until the application goes on.".to_owned(),
    };
    ([(rto, "RTO"), (rpo, "RPO"), (lab.wrong_moves.to_string(), "wrong moves")], words)
}

/// The site whose checks are shown: the one that is up, or the second.
pub fn survivor(lab: &LabSnapshot) -> String {
    let sites = &lab.sites;
    let up: Vec<_> = sites.iter().filter(|site| site.up).collect();
    if let [one] = up.as_slice() {
        one.name.to_string()
    } else {
        sites.get(1).map_or("the other site".to_owned(), |site| site.name.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;

    #[test]
    fn the_chart_shows_who_served_and_that_nobody_did() {
        let lab = sample::lab();
        let shown = chart(&lab, Zone::Named(chrono_tz::Asia::Shanghai));
        let by: Vec<_> = shown.stretches.iter().map(|stretch| stretch.by.as_ref().map(|name| name.to_string())).collect();
        assert_eq!(by, [Some("east".to_owned()), None, Some("west".to_owned())]);
        assert!((shown.top - 100.0).abs() < 0.1);
        assert_eq!(shown.marks.len(), 2);
        assert_eq!(time(&lab).0[0].0, "0:51");
        assert_eq!(time(&lab).1, "Of the 51 s, 38 s were yours: reading the evidence. The system took 1.2 s to switch.");
        assert_eq!(survivor(&lab), "west");
    }

    #[test]
    fn what_is_broken_can_be_mended() {
        let mut lab = sample::lab();
        lab.sites[1].frozen = true;
        lab.link_cut = true;
        lab.sites[1].clock_step_secs = 30;
        let words: Vec<_> = commands(&lab).into_iter().skip(2).map(|(words, _)| words).collect();
        assert_eq!(words[0], "Power on east");
        let right = ("Set west’s clock right".to_owned(), LabCommand::SetClockOff(lab.sites[1].name.clone(), 0));
        assert!(commands(&lab).contains(&right));
        assert!(words.contains(&"Unfreeze west".to_owned()) && words.contains(&"Mend the link".to_owned()));
    }
}
