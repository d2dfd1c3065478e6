//! The dialog that restores one data set of a point beside the live data: what is asked for, what will happen, and what came of it.

use egui::{Context, Ui};

use crate::console::command::Act;
use crate::console::places::Place;
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::screens::fault::ui::person;
use crate::console::theme::{Type, space};
use crate::console::widgets::{self, Field, Look};
use crate::console::words;
use crate::controller::command::RestoreReport;
use crate::controller::{Command, Reply};
use crate::domain::restore::RestoreEnding;
use crate::domain::{ClusterName, ComponentKind, DataSetName, PointId, RecoveryPoint, Trouble};

/// What is chosen and typed, and what became of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Form {
    /// Which of the point's data sets, by its place among them.
    pub set: usize,
    /// At the cluster that the point was captured on, and not at the one that sealed it.
    pub at_source: bool,
    /// Only this directory or table in it.
    pub only: String,
    /// Where to.
    pub place: String,
    /// It was asked for, and goes on.
    pub busy: bool,
    /// How the last one ended, or why it was not begun.
    pub ended: Option<Result<RestoreReport, Trouble>>,
}

impl Form {
    /// Takes in what the engine answered.
    pub fn receive(&mut self, reply: Reply) {
        self.busy = false;
        self.ended = match reply {
            Reply::Restored(report) => Some(Ok(report)),
            Reply::Refused(trouble) => Some(Err(trouble)),
            _ => None,
        };
    }

    /// The cluster that was chosen.
    pub fn cluster<'a>(&self, point: &'a RecoveryPoint) -> &'a ClusterName {
        if self.at_source { &point.from } else { &point.to }
    }

    /// The data set that was chosen, by its name at that cluster.
    pub fn data_set<'a>(&self, point: &'a RecoveryPoint) -> Option<&'a DataSetName> {
        let set = point.data_sets.get(self.set).or(point.data_sets.first())?;
        Some(if self.at_source { &set.name } else { &set.to })
    }

    /// The command, when all is given.
    pub fn command(&self, point: &RecoveryPoint, by: &str) -> Option<Command> {
        let only = self.only.trim();
        let place = self.place.trim();
        (!place.is_empty() && !self.busy).then_some(())?;
        Some(Command::Restore {
            point: point.id,
            data_set: self.data_set(point)?.clone(),
            only: (!only.is_empty()).then(|| only.to_owned()),
            place: place.to_owned(),
            at: Some(self.cluster(point).to_string()),
            by: by.to_owned(),
        })
    }
}

/// What a place of a sort of component is, as an example.
fn example(kind: Option<ComponentKind>, one: bool) -> &'static str {
    match kind {
        Some(ComponentKind::Hdfs) => "a directory that does not exist yet, for example /data/orders-old",
        Some(ComponentKind::Hbase) => "a table that does not exist yet, for example shop:orders-old",
        Some(ComponentKind::Hive) if one => "a table that does not exist yet, for example sales_old.orders",
        Some(ComponentKind::Hive) => "a database that does not exist yet, for example sales_old",
        Some(ComponentKind::Tables) => "a table that does not exist yet, for example orders_old",
        _ => "a directory that does not exist yet, for example invoices-old",
    }
}

/// Whether parts of it can be restored alone, and what they are called.
fn part(kind: Option<ComponentKind>) -> Option<&'static str> {
    match kind {
        Some(ComponentKind::Hbase | ComponentKind::Tables) => None,
        Some(ComponentKind::Hive) => Some("Only this table (optional)"),
        _ => Some("Only this directory in it (optional)"),
    }
}

/// What will happen, line by line.
pub fn will(scene: &Scene<'_>, point: &RecoveryPoint, form: &Form) -> Vec<String> {
    let cluster = form.cluster(point);
    let what = form.data_set(point).map(words::data_set).unwrap_or_default();
    let from = if form.at_source {
        format!("{cluster} reads its own capture of this point, as long as it still holds it")
    } else {
        format!("{cluster} reads what it sealed")
    };
    let place = if form.place.trim().is_empty() { "the place that you name" } else { form.place.trim() };
    vec![
        format!("{what} comes up at {cluster} in {place}, as it was {}. {from}.", scene.zone.day_moment(point.moment, scene.now)),
        "Nothing that is there is touched: a place that exists, or lies in a data set, is refused.".to_owned(),
        "Every file is compared with the point before it is said to be restored.".to_owned(),
        "From then on it belongs to its owner, with the rights that the point has. Understudy neither changes nor removes it.".to_owned(),
    ]
}

/// What came of it; `None`: nothing was asked for yet.
pub fn ended(form: &Form) -> Option<(Said, Vec<Said>)> {
    if form.busy {
        return Some((Said::accent("Restoring…"), vec![Said::muted("This goes on even if the console is closed.")]));
    }
    Some(match form.ended.as_ref()? {
        Err(trouble) => (Said::bad("✖ Refused, nothing was made"), vec![Said::plain(trouble.to_string())]),
        Ok(report) => {
            let title = match report.ending {
                RestoreEnding::Restored => Said::ok("✓ Restored"),
                RestoreEnding::Refused => Said::bad("✖ Refused, nothing was made"),
                RestoreEnding::HalfMade => {
                    Said::bad("✖ Half-made: asked again it goes on; leftovers can be removed on the clusters screen")
                }
                RestoreEnding::Unanswered => Said::warn("▲ The agent does not answer: it may go on by itself; asked again it is followed"),
            };
            let lines = match &report.error {
                Some(trouble) => vec![Said::plain(trouble.to_string())],
                None => report.lines().into_iter().map(Said::plain).collect(),
            };
            (title, lines)
        }
    })
}

/// Draws the dialog. True when it is left.
pub fn dialog(ctx: &Context, scene: &Scene<'_>, point: PointId, form: &mut Form, acts: &mut Vec<Act>) -> bool {
    let Some(point) = scene.snapshot.points.iter().find(|known| known.id == point) else { return true };
    let title = format!("Restore a data set of {}, {}", point.service, super::data::moment(scene.zone, point, scene.now));
    let mut done = false;
    let left = widgets::dialog(ctx, "restore", &title, space::DIALOG_WIDTH + 160.0, |sheet| {
        sheet.body(|ui| choose(ui, scene, point, form));
        sheet.foot(|ui| {
            widgets::actions(ui, |ui| {
                let command = form.command(point, &person());
                if widgets::button(ui, Look::Primary, "Restore it", command.is_some()).clicked()
                    && let Some(command) = command
                {
                    (form.busy, form.ended) = (true, None);
                    acts.push(Act::Ask(Place::Restore, Box::new(command)));
                }
                done = widgets::button(ui, Look::Plain, "Close", true).clicked();
            });
        });
    });
    done || left
}

fn choose(ui: &mut Ui, scene: &Scene<'_>, point: &RecoveryPoint, form: &mut Form) {
    let shown = form.data_set(point).map(words::data_set).unwrap_or_default();
    let sets: Vec<String> = point.data_sets.iter().map(|set| words::data_set(if form.at_source { &set.name } else { &set.to })).collect();
    let clusters = [format!("{} (it sealed the point)", point.to), format!("{} (its own capture, while it holds it)", point.from)];
    ui.horizontal_wrapped(|ui| {
        if let Some(chosen) = widgets::select(ui, "Data set", &shown, &sets, None) {
            (form.set, form.ended) = (chosen, None);
        }
        ui.add_space(space::SMALL);
        if let Some(chosen) = widgets::select(ui, "At", &clusters[usize::from(form.at_source)], &clusters, None) {
            (form.at_source, form.ended) = (chosen == 1, None);
        }
    });
    let kind = form.data_set(point).and_then(|set| scene.kind_of(&set.component));
    ui.add_space(space::GAP);
    if let Some(label) = part(kind) {
        Field::new(label).mono().show(ui, &mut form.only);
        ui.add_space(space::SMALL);
    } else {
        form.only.clear();
    }
    Field::new("To").hint(example(kind, !form.only.trim().is_empty())).mono().show(ui, &mut form.place);
    ui.add_space(space::GAP);
    widgets::say(ui, &Said::plain("What will happen").of(Type::Heading));
    for line in will(scene, point, form) {
        widgets::wrapped(ui, &[Said::muted(format!("· {line}"))]);
    }
    if let Some((title, lines)) = ended(form) {
        ui.add_space(space::GAP);
        widgets::wrapped(ui, &[title.strong()]);
        for line in &lines {
            widgets::wrapped(ui, std::slice::from_ref(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;
    use crate::domain::TroubleKind;

    #[test]
    fn the_command_names_the_data_set_as_the_chosen_cluster_calls_it_and_waits_for_a_place() {
        let snapshot = sample::snapshot();
        let mut point = snapshot.points[0].clone();
        point.data_sets[1].to.path = "elsewhere".into();
        let mut form = Form { set: 1, ..Form::default() };
        assert_eq!(form.command(&point, "ana"), None, "it needs a place");
        form.place = " old ".into();
        let Some(Command::Restore { data_set, place, at, only, .. }) = form.command(&point, "ana") else { panic!("no command") };
        assert_eq!((data_set.path.as_str(), place.as_str(), at, only), ("elsewhere", "old", Some(point.to.to_string()), None));
        form.at_source = true;
        let Some(Command::Restore { data_set, at, .. }) = form.command(&point, "ana") else { panic!("no command") };
        assert_eq!((&data_set, at), (&point.data_sets[1].name, Some(point.from.to_string())));
        form.busy = true;
        assert_eq!(form.command(&point, "ana"), None, "one at a time");
        form.receive(Reply::Refused(Trouble::new(TroubleKind::Refused, "hive:sales", "no")));
        assert!(!form.busy && ended(&form).is_some_and(|(title, _)| title.text.contains("nothing was made")));
    }
}
