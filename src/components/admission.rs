//! What a cluster says of a data set before its first byte: a question of its own beside [`Component`].
//!
//! ```text
//! a policy is checked → Occasion::Policy   (changes nothing; nobody knows yet what there will be)
//! a run is armed      → Occasion::Run      (what is our own is put right; clusters change)
//! the plan is there   → Occasion::Plan     (every entry that will be touched, before any of them is staged)
//! ```
//! Nothing that a target can refuse may be met after the commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::Component;
use crate::domain::admission::{AskedAs, Said, nested};
use crate::domain::{ChangeSet, ComponentName, DataSetName, Manifest, Note, PointId, Trouble};

/// When it is asked, and what is known then.
#[derive(Debug, Clone, Copy)]
pub enum Occasion<'a> {
    /// A policy is checked.
    Policy,
    /// A run begins.
    Run,
    /// Its changes are known.
    Plan {
        /// The run's point, under whose name it will be staged.
        point: PointId,
        /// What is to be changed.
        changes: &'a ChangeSet,
        /// What that makes of the base.
        after: &'a Manifest,
    },
}

/// The same without what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// A policy is checked.
    Policy,
    /// A run begins.
    Run,
    /// Its changes are known, or staged already.
    Plan(PointId),
}

impl Occasion<'_> {
    /// Which of the three it is.
    pub fn time(&self) -> Time {
        match self {
            Occasion::Policy => Time::Policy,
            Occasion::Run => Time::Run,
            Occasion::Plan { point, .. } => Time::Plan(*point),
        }
    }
}

/// A component that can tell what would stand in the way.
#[async_trait]
pub trait Admission: Send + Sync {
    /// The directories that a data set's files are in, or will be, as `hdfs://AUTHORITY/PATH`.
    async fn places(&self, set: &str) -> Result<Vec<String>, Trouble>;

    /// What this cluster, as the target, would refuse or change of a data set.
    async fn obstacles(&self, _set: &str, _occasion: Occasion<'_>) -> Result<Said, Trouble> {
        Ok(Said::default())
    }
}

/// Asks a component as the target; its notes, or the first refusal.
pub async fn admit(component: &dyn Component, set: &str, occasion: Occasion<'_>) -> Result<Vec<Note>, Trouble> {
    if let Occasion::Plan { changes, after, .. } = occasion {
        component.admit(set, changes, after).await?;
    }
    match component.admission() {
        Some(admission) => admission.obstacles(set, occasion).await?.settle(),
        None => Ok(Vec::new()),
    }
}

/// What a component says of a data set of a policy, as the source or as the target, at one look.
pub async fn of_policy(component: &dyn Component, set: &str, asked_as: AskedAs) -> Result<Said, Trouble> {
    match (asked_as, component.admission()) {
        (AskedAs::Source, _) => component.survey(set).await,
        (AskedAs::Target | AskedAs::Neighbour, None) => Ok(Said::default()),
        (AskedAs::Neighbour, Some(admission)) => Ok(Said { places: admission.places(set).await?, ..Said::default() }),
        (AskedAs::Target, Some(admission)) => {
            let places = admission.places(set).await?;
            Ok(Said { places, ..admission.obstacles(set, Occasion::Policy).await? })
        }
    }
}

/// Refuses data sets of different components that have the same files here.
pub async fn apart(components: &BTreeMap<ComponentName, Arc<dyn Component>>, sets: &[&DataSetName]) -> Result<(), Trouble> {
    // Those of one component are told apart by their names, and asking may take a metastore long.
    let kinds: BTreeSet<&ComponentName> =
        sets.iter().map(|set| &set.component).filter(|name| components.get(*name).is_some_and(|one| one.admission().is_some())).collect();
    if kinds.len() < 2 {
        return Ok(());
    }
    let mut placed = Vec::new();
    for set in sets {
        let Some(component) = components.get(&set.component) else { continue };
        if let Some(admission) = component.admission() {
            placed.push(((*set).clone(), admission.places(&set.path).await?));
        }
    }
    nested(&placed).first().map_or(Ok(()), |nesting| Err(nesting.trouble()))
}
