//! The dialogs that remove for good: what goes, as both agents tell it, and the name to type.

use egui::Ui;

use super::questions::Question;
use crate::console::places::Place;
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::screens::fault::ui::person;
use crate::console::theme::Type;
use crate::console::widgets;
use crate::console::words;
use crate::controller::Command;
use crate::controller::command::{Going, Removal};
use crate::domain::{PairName, RunId, ServiceName, Trouble};

/// What is asked before a removal.
pub(super) fn question(pair: &PairName, removal: &Removal) -> Option<Question> {
    let (confirm, by) = (pair.to_string(), person());
    let (title, text, button, place, command) = match removal {
        Removal::Pair => (
            format!("Dissolve the pair {pair}?"),
            "Everything of Understudy goes on both clusters, the recovery points too; what could not be removed is listed. The data of the \
             applications stays.",
            "Dissolve the pair",
            Place::Unpair,
            Command::Unpair { pair: pair.clone(), confirm: confirm.clone(), by },
        ),
        // The command line alone removes what is kept: no screen lists it.
        Removal::Kept(_) => return None,
        Removal::Leftovers => (
            "Remove leftovers, unknown ones too?".to_owned(),
            "Some of them were made by no agent of this pair. If another installation counts on them, its next backup run fails.",
            "Remove the leftovers",
            Place::Leftovers,
            Command::Leftovers { pair: pair.clone(), remove: true, unknown: true, confirm: Some(confirm.clone()), by },
        ),
    };
    Some(Question {
        title,
        text: text.to_owned(),
        button: button.to_owned(),
        confirm,
        place,
        command,
        verb: None,
        removal: Some(removal.clone()),
        can_hold: false,
    })
}

/// What is asked before a committed point is given up.
pub(super) fn abandon(scene: &Scene<'_>, run: RunId, service: &ServiceName) -> Question {
    let known = scene.snapshot.runs.iter().find(|view| view.run == run);
    let to = known.map_or("the secondary".to_owned(), |view| view.report.to.to_string());
    let last = scene.snapshot.points.iter().find(|point| point.service == *service && point.to.as_str() == to);
    let back = match last {
        Some(point) => format!("goes back to the recovery point of {}", scene.zone.moment(point.moment, scene.now)),
        None => "is emptied, because no recovery point was ever sealed there".to_owned(),
    };
    Question {
        title: format!("Abandon the stuck point of {service}?"),
        text: format!(
            "What this run brought to {to} is given up: the data of {service} there {back}. The point is never offered, and cannot be had \
             back. The primary is not touched; the next run copies again what has changed."
        ),
        button: "Abandon the point".to_owned(),
        confirm: service.to_string(),
        place: Place::Abandon,
        command: Command::AbandonRun { run, confirm: service.to_string(), by: person() },
        verb: None,
        removal: None,
        can_hold: false,
    }
}

/// What goes, line by line, and whether that is known: nothing is removed unseen.
pub(super) fn shown(scene: &Scene<'_>, removal: &Removal, going: Option<&Result<Going, Trouble>>) -> (Vec<Said>, bool) {
    match going {
        None => (vec![Said::muted("Asking both agents what they hold…")], false),
        Some(Err(trouble)) => (vec![Said::bad(format!("✖ {trouble}"))], false),
        Some(Ok(going)) if going.removal != *removal => (vec![Said::muted("Asking both agents what they hold…")], false),
        Some(Ok(going)) => {
            let lines = going.lines(&|at| scene.zone.day_clock(at, scene.now));
            let mut shown = vec![Said::plain("What goes for good").of(Type::Heading)];
            if going.services.len() > 1 {
                let points = going.services.iter().map(|service| service.points).sum();
                let (services, points) = (words::plural(going.services.len() as u64, "service"), words::plural(points, "recovery point"));
                shown.push(Said::bad(format!("✖ {services} with {points}")).strong());
            }
            // The first line says what is asked, as the title does.
            shown.extend(lines.iter().skip(1).map(|line| match line.strip_prefix("  ") {
                Some(inner) => Said::plain(format!("      {inner}")),
                None => Said::plain(format!("· {line}")),
            }));
            let unknown = going.clusters.iter().filter(|cluster| cluster.unknown.is_some() || !cluster.failed.is_empty());
            shown.extend(unknown.map(|cluster| Said::warn(format!("▲ {} may hold more than is shown.", cluster.cluster))));
            (shown, true)
        }
    }
}

/// Draws it.
pub(super) fn ui(ui: &mut Ui, lines: &[Said]) {
    for line in lines {
        widgets::wrapped(ui, std::slice::from_ref(line));
    }
}
