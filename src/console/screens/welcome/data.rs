//! What the welcome says.

use crate::console::command::UiCommand;
use crate::console::screens::Scene;

/// One way to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Its title.
    pub title: &'static str,
    /// What it is.
    pub text: String,
    /// Its button.
    pub button: String,
    /// What the button does; `None`: it cannot be done here, the text says why.
    pub command: Option<UiCommand>,
}

/// The three ways.
pub fn ways(scene: &Scene<'_>) -> [Way; 3] {
    let lab = match (scene.lab_there, scene.lab_starting) {
        (false, _) => Way {
            title: "Try it here first",
            text:
                "The training lab is not part of this build. Build it with the feature \"lab\" to get two small real sites on this machine."
                    .to_owned(),
            button: UiCommand::OpenLab.title(),
            command: None,
        },
        (true, starting) => Way {
            title: "Try it here first",
            text: "Two small real sites on this machine, an application at work, and a site to lose. Ten minutes, nothing to install."
                .to_owned(),
            button: if starting { "Starting the sites…".to_owned() } else { UiCommand::OpenLab.title() },
            command: (!starting).then_some(UiCommand::OpenLab),
        },
    };
    [
        lab,
        Way {
            title: "Pair your clusters",
            text: "You need an agent beside each cluster and the enrolment code it prints. We check everything before anything changes."
                .to_owned(),
            button: UiCommand::PairClusters.title(),
            command: Some(UiCommand::PairClusters),
        },
        Way {
            title: "Bring a plan",
            text: "Pairs, services and policies from a file, shown as a list of changes first. You can also drop it onto this window."
                .to_owned(),
            button: UiCommand::OpenPlan.title(),
            command: Some(UiCommand::OpenPlan),
        },
    ]
}
