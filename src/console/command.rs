//! The one command list: buttons, shortcuts and the palette all take from here. And what screens return.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use egui::{Key, KeyboardShortcut, Modifiers};

use super::lab_seam::LabCommand;
use super::places::Place;
use super::theme::Preference;
use crate::controller::command::Removal;
use crate::controller::{Command, Snapshot};
use crate::domain::{DrillId, PairName, PointId, RunId, ServiceName};

/// A screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Screen {
    /// Both clusters and all services; the welcome while there is no pair.
    #[default]
    Overview,
    /// Both clusters, closely.
    Clusters,
    /// Pair two clusters.
    Pairing,
    /// The services.
    Services,
    /// One service's policy.
    Policy,
    /// Recovery points.
    Points,
    /// The runs.
    Runs,
    /// One run.
    Run,
    /// Users, permissions, tenants.
    Users,
    /// Drills.
    Drills,
    /// What happened.
    Activity,
    /// The training lab.
    Lab,
    /// Settings.
    Settings,
}

impl Screen {
    /// The navigation's items; the last two stand below.
    pub const NAVIGATION: [Screen; 10] = [
        Screen::Overview,
        Screen::Clusters,
        Screen::Services,
        Screen::Points,
        Screen::Runs,
        Screen::Users,
        Screen::Drills,
        Screen::Activity,
        Screen::Lab,
        Screen::Settings,
    ];

    /// Its name in the navigation.
    pub fn title(self) -> &'static str {
        match self {
            Screen::Overview => "Overview",
            Screen::Clusters => "Clusters",
            Screen::Pairing => "Pair clusters",
            Screen::Services => "Services",
            Screen::Policy => "Service policy",
            Screen::Points => "Recovery points",
            Screen::Runs => "Runs",
            Screen::Run => "Run",
            Screen::Users => "User data",
            Screen::Drills => "Drills",
            Screen::Activity => "Activity",
            Screen::Lab => "Training lab",
            Screen::Settings => "Settings",
        }
    }

    /// The navigation's item that it belongs to.
    pub fn parent(self) -> Screen {
        match self {
            Screen::Pairing => Screen::Clusters,
            Screen::Policy => Screen::Services,
            Screen::Run => Screen::Runs,
            other => other,
        }
    }
}

/// A command of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UiCommand {
    /// Shows a screen.
    Go(Screen),
    /// The pairing form.
    PairClusters,
    /// An empty policy form.
    NewService,
    /// The policy form of a service.
    EditService(ServiceName),
    /// A run now.
    RunService(ServiceName),
    /// A service's recovery points.
    ShowPoints(ServiceName),
    /// The drills screen, ready for a service.
    DrillService(ServiceName),
    /// A run.
    ShowRun(RunId),
    /// Brings in a plan.
    OpenPlan,
    /// Writes the plan.
    ExportPlan,
    /// Compares user data again.
    ReadUsers,
    /// Moves the primary identity without a fault.
    PlannedSwitchover(PairName),
    /// Makes the old primary the target.
    ReverseReplication(PairName),
    /// Opens the services of a held promotion.
    CommitPromotion(PairName),
    /// Takes a promotion back.
    TakeBack(PairName),
    /// Begins, changes or ends a pair's maintenance.
    Maintenance(PairName),
    /// Brings the fault prompt back.
    ShowFault(PairName),
    /// The training lab.
    OpenLab,
    /// Back from it.
    LeaveLab,
    /// Something asked of it, in words.
    Lab(String, LabCommand),
    /// Where the lab's debrief is written.
    ExportDebrief,
    /// Switches the theme.
    Theme(Preference),
    /// One of many things that is found by its name or id: its words, and what is done with it.
    Named(String, Box<UiCommand>),
    /// A recovery point.
    ShowPoint(ServiceName, PointId),
    /// A drill.
    ShowDrill(DrillId),
    /// Dissolves a pair; shows what goes first.
    Dissolve(PairName),
    /// Removes a service's policy; asks first.
    RemoveService(ServiceName),
    /// The palette itself.
    Palette,
}

impl UiCommand {
    /// Its words.
    pub fn title(&self) -> String {
        match self {
            UiCommand::Go(screen) => format!("Go to {}", screen.title()),
            UiCommand::PairClusters => "Pair clusters…".to_owned(),
            UiCommand::NewService => "New service policy…".to_owned(),
            UiCommand::EditService(service) => format!("Edit the policy of {service}…"),
            UiCommand::RunService(service) => format!("Back up {service} now"),
            UiCommand::ShowPoints(service) => format!("Show recovery points of {service}"),
            UiCommand::DrillService(service) => format!("Drill {service}…"),
            UiCommand::ShowRun(_) => "Open run".to_owned(),
            UiCommand::OpenPlan => "Open a plan…".to_owned(),
            UiCommand::ExportPlan => "Export the plan…".to_owned(),
            UiCommand::ReadUsers => "Read both sides again".to_owned(),
            UiCommand::PlannedSwitchover(pair) => format!("Planned switchover of {pair}…"),
            UiCommand::ReverseReplication(pair) => format!("Reverse the replication of {pair}…"),
            UiCommand::CommitPromotion(pair) => format!("Commit the promotion of {pair}…"),
            UiCommand::TakeBack(pair) => format!("Take the promotion of {pair} back…"),
            UiCommand::Maintenance(pair) => format!("Maintenance of {pair}…"),
            UiCommand::ShowFault(pair) => format!("Show the fault prompt of {pair}"),
            UiCommand::OpenLab => "Open the training lab".to_owned(),
            UiCommand::LeaveLab => "Leave the training lab".to_owned(),
            UiCommand::Lab(title, _) | UiCommand::Named(title, _) => title.clone(),
            UiCommand::ShowPoint(service, _) => format!("Show a recovery point of {service}"),
            UiCommand::ShowDrill(_) => "Show a drill".to_owned(),
            UiCommand::Dissolve(pair) => format!("Dissolve the pair {pair}…"),
            UiCommand::RemoveService(service) => format!("Remove the policy of {service}…"),
            UiCommand::ExportDebrief => "Export the debrief…".to_owned(),
            UiCommand::Theme(Preference::Dark) => "Dark theme".to_owned(),
            UiCommand::Theme(Preference::Light) => "Light theme".to_owned(),
            UiCommand::Theme(Preference::System) => "Theme as the desktop says".to_owned(),
            UiCommand::Palette => "Search or run a command".to_owned(),
        }
    }

    /// Its keys.
    pub fn shortcut(&self) -> Option<KeyboardShortcut> {
        let ctrl = |key| Some(KeyboardShortcut::new(Modifiers::COMMAND, key));
        match self {
            UiCommand::Palette => ctrl(Key::K),
            UiCommand::NewService => ctrl(Key::N),
            UiCommand::OpenPlan => ctrl(Key::O),
            UiCommand::Go(screen) => {
                let keys = [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8];
                let place = Screen::NAVIGATION.iter().position(|item| item == screen)?;
                keys.get(place).and_then(|key| ctrl(*key))
            }
            _ => None,
        }
    }
}

/// What the training lab is to this console.
#[derive(Debug, Clone, PartialEq)]
pub enum LabPlace {
    /// This console has none.
    Absent,
    /// It can be opened.
    Outside,
    /// The console is inside, and these can be asked of it, in words.
    Inside(Vec<(String, LabCommand)>),
}

/// Everything that can be done now, in the palette's order.
pub fn list(snapshot: Option<&Snapshot>, pair: Option<&PairName>, lab: LabPlace) -> Vec<UiCommand> {
    let mut all: Vec<UiCommand> = Screen::NAVIGATION.iter().map(|screen| UiCommand::Go(*screen)).collect();
    all.push(UiCommand::PairClusters);
    let shown = snapshot.and_then(|snapshot| snapshot.pairs.iter().find(|view| Some(&view.name) == pair));
    if let Some(view) = shown {
        all.extend([UiCommand::NewService, UiCommand::ReadUsers, UiCommand::PlannedSwitchover(view.name.clone())]);
        all.push(UiCommand::Maintenance(view.name.clone()));
        all.push(UiCommand::Dissolve(view.name.clone()));
        if view.reversible.is_some() {
            all.push(UiCommand::ReverseReplication(view.name.clone()));
        }
        if let Some(window) = &view.window {
            all.extend(window.held.then(|| UiCommand::CommitPromotion(view.name.clone())));
            all.extend(window.refused.is_empty().then(|| UiCommand::TakeBack(view.name.clone())));
        }
        if view.fault.is_some() {
            all.insert(0, UiCommand::ShowFault(view.name.clone()));
        }
        for service in &view.services {
            let name = &service.name;
            all.push(UiCommand::RunService(name.clone()));
            all.push(UiCommand::ShowPoints(name.clone()));
            all.push(UiCommand::DrillService(name.clone()));
            all.push(UiCommand::EditService(name.clone()));
            all.push(UiCommand::RemoveService(name.clone()));
        }
    }
    all.extend([UiCommand::OpenPlan, UiCommand::ExportPlan]);
    match lab {
        LabPlace::Absent => {}
        LabPlace::Outside => all.push(UiCommand::OpenLab),
        LabPlace::Inside(asked) => {
            all.extend(asked.into_iter().map(|(title, command)| UiCommand::Lab(title, command)));
            all.extend([UiCommand::ExportDebrief, UiCommand::LeaveLab]);
        }
    }
    all.extend([Preference::Dark, Preference::Light, Preference::System].map(UiCommand::Theme));
    all
}

/// The commands that have keys of their own.
pub fn with_keys(paired: bool) -> Vec<UiCommand> {
    let mut all: Vec<UiCommand> = Screen::NAVIGATION.iter().map(|screen| UiCommand::Go(*screen)).collect();
    all.extend(paired.then_some(UiCommand::NewService));
    all.extend([UiCommand::OpenPlan, UiCommand::Palette]);
    all
}

/// Things found by words of theirs: clusters, data sets, runs, drills and points, also by the first letters of an id. At most so many.
pub fn things(snapshot: Option<&Snapshot>, pair: Option<&PairName>, text: &str, at: &dyn Fn(DateTime<Utc>) -> String) -> Vec<UiCommand> {
    const MOST: usize = 40;
    let shown = snapshot.and_then(|snapshot| Some((snapshot, snapshot.pairs.iter().find(|view| Some(&view.name) == pair)?)));
    let Some((snapshot, view)) = shown.filter(|_| !text.trim().is_empty()) else { return Vec::new() };
    let named = |words: String, command: UiCommand| UiCommand::Named(words, Box::new(command));
    let clusters = view.clusters.iter().map(|cluster| named(format!("Cluster {}", cluster.name), UiCommand::Go(Screen::Clusters)));
    let sets = view.services.iter().flat_map(|service| {
        let edit = move || UiCommand::EditService(service.name.clone());
        service.policy.data_sets.iter().map(move |set| named(format!("Data set {} of {}", set.from, service.name), edit()))
    });
    let runs = snapshot
        .runs
        .iter()
        .filter(|run| run.report.pair == view.name)
        .map(|run| named(format!("Run {} of {}, {}", run.run, run.report.service, at(run.report.moment)), UiCommand::ShowRun(run.run)));
    let drills = snapshot.drills.iter().map(|drill| &drill.report).filter(|report| report.pair == view.name).map(|report| {
        named(format!("Drill {} of {}, {}", report.drill, report.service, at(report.pressed_at)), UiCommand::ShowDrill(report.drill))
    });
    let points = snapshot.points.iter().filter(|point| point.pair == view.name).map(|point| {
        let words = format!("Recovery point {} of {}, {}", point.id, point.service, at(point.moment));
        named(words, UiCommand::ShowPoint(point.service.clone(), point.id))
    });
    let fits = super::shell::palette::fits(text);
    clusters.chain(sets).chain(runs).chain(drills).chain(points).filter(|command| fits(&command.title())).take(MOST).collect()
}

/// What a screen wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// A command of the list.
    Do(UiCommand),
    /// A question to the engine, and where the reply goes.
    Ask(Place, Box<Command>),
    /// A question to the lab.
    Lab(LabCommand),
    /// Another pair.
    ChoosePair(PairName),
    /// A dialog.
    Open(Dialog),
    /// Closes the dialog.
    Close,
    /// Reads a plan file.
    ReadPlan(PathBuf),
    /// Lets the person pick a file to read (true) or to write.
    Pick(bool),
    /// Writes the exported plan there.
    WritePlan(PathBuf),
}

/// A dialog.
#[derive(Debug, Clone, PartialEq)]
pub enum Dialog {
    /// Cancel a run?
    CancelRun(RunId),
    /// Restore a data set of this point beside the live data.
    Restore(PointId),
    /// Give a stuck run's point up?
    AbandonRun(RunId, ServiceName),
    /// Remove a service?
    RemoveService(ServiceName),
    /// Remove for good: shows what goes first.
    Remove(PairName, Removal),
    /// Move the primary identity, planned.
    Switchover(PairName),
    /// Make the old primary the target.
    Reverse(PairName),
    /// Open the services of a held promotion.
    Commit(PairName),
    /// Take a promotion back.
    TakeBack(PairName),
    /// A pair's maintenance.
    Maintenance(PairName),
    /// A plan to bring in.
    OpenPlan,
    /// Where the plan is written.
    ExportPlan,
    /// Where the debrief is written.
    Debrief,
    /// Leave the policy form with what was changed in it?
    DropEdits(Box<Act>),
    /// Close the window that holds the engine?
    Quit,
    /// Lines to read, for example of a diagnosis.
    Read(String, Vec<String>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_commands_share_keys_or_words() {
        let snapshot = crate::console::sample::snapshot();
        let pair = snapshot.pairs[0].name.clone();
        let asked = crate::console::screens::lab::data::commands(&crate::console::sample::lab());
        let all = list(Some(&snapshot), Some(&pair), LabPlace::Inside(asked));
        let mut words: Vec<_> = all.iter().map(UiCommand::title).collect();
        words.sort();
        words.dedup();
        assert_eq!(words.len(), all.len());
        let keys: Vec<_> = all.iter().filter_map(UiCommand::shortcut).map(|keys| format!("{keys:?}")).collect();
        let mut once = keys.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), keys.len());
    }
}
