//! Jobs: what an accepted instruction does. Every job may be run again after a crash with the effect of one run.

pub mod abandon;
pub mod arm;
mod bring_up;
pub mod capture;
pub mod commit;
pub mod copy_kept;
pub mod dispatch;
pub mod drill;
pub mod drop;
pub mod fence;
mod freeze;
mod holdings;
mod hooks;
pub mod identity;
mod late;
mod leftovers;
pub mod membership;
pub mod restore;
mod reverse;
mod roles;
pub mod take_back;
mod thaw_guard;
pub mod transfer;
pub mod users;
pub mod verify;

pub use self::bring_up::bring_up;
pub use self::thaw_guard::{ThawGuard, thaw_after};
pub use crate::transfer::gate;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::agent::clock::Clock;
use crate::agent::unfinished::Tries;
use crate::components::Component;
use crate::domain::{
    ClusterName, ComponentKind, ComponentName, DataSetName, DrillId, Epoch, PairName, RestoreId, Term, Trouble, TroubleKind,
};
use crate::protocol::Progress;
use crate::store::agent::Ledger;
use crate::transfer::DataPlane;

/// What all jobs of an agent share.
pub struct Site {
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its components.
    pub components: BTreeMap<ComponentName, Arc<dyn Component>>,
    /// Its durable memory.
    pub ledger: Arc<Ledger>,
    /// Its folder of durable things beside the memory.
    pub state: PathBuf,
    /// Its clocks.
    pub clock: Arc<dyn Clock>,
    /// Who may touch a point's staging at the same time; starts as `Gates::default()`.
    pub gates: gate::Gates,
    /// The drills being worked on; starts as `Gates::default()`.
    pub drills: gate::Gates<DrillId>,
    /// The restores being worked on; starts as `Gates::default()`.
    pub restores: gate::Gates<RestoreId>,
    /// Held while a restore takes a point to read from, and while retention lets points go: a point is never both.
    pub letting_go: tokio::sync::Mutex<()>,
    /// Committed points that could not be finished yet; starts as `Tries::default()`.
    pub tries: Tries,
    /// Held by one change of identity at a time, and by whatever puts a fence on beside it.
    pub identity: tokio::sync::Mutex<()>,
    /// Lets held writers go should this process die; `None`: its next start does.
    pub thaw_guard: Option<ThawGuard>,
}

impl Site {
    /// The components whose paths are parted by dots instead of slashes.
    pub fn dotted(&self) -> BTreeSet<ComponentName> {
        self.components
            .values()
            .filter(|component| component.kind() == ComponentKind::Hive)
            .map(|component| component.name().clone())
            .collect()
    }

    /// The component of a data set; an unknown one is named.
    pub fn component(&self, set: &DataSetName) -> Result<&Arc<dyn Component>, Trouble> {
        self.components.get(&set.component).ok_or_else(|| {
            let known: Vec<_> = self.components.keys().map(ComponentName::as_str).collect();
            Trouble::new(TroubleKind::NotFound, set, format!("cluster {} has no component {}", self.cluster, set.component))
                .next(format!("it has: {}", known.join(", ")))
        })
    }
}

impl DataPlane for Site {
    fn component_of(&self, set: &DataSetName) -> Result<Arc<dyn Component>, Trouble> {
        self.component(set).cloned()
    }

    fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    fn gates(&self) -> &gate::Gates {
        &self.gates
    }
}

/// The data plane of the other agent: an HTTP client that shows our certificate and knows its key.
#[derive(Clone)]
pub struct PeerLink {
    /// The other cluster.
    pub cluster: ClusterName,
    /// `https://host:port`.
    pub base: String,
    /// The client.
    pub http: reqwest::Client,
}

/// One job under way.
pub struct Job {
    /// What it shares with the others.
    pub site: Arc<Site>,
    /// Its pair.
    pub pair: PairName,
    /// Under which epoch it was given.
    pub epoch: Epoch,
    /// Under which term of its controller it was given.
    pub term: Term,
    /// The other agent, once joined.
    pub peer: Option<PeerLink>,
    /// Where it tells how far it is.
    pub progress: watch::Sender<Progress>,
    /// Cancelled when the run is aborted or the agent stops.
    pub cancel: CancellationToken,
}

impl Job {
    /// Tells what it is doing now.
    pub fn tell(&self, doing: impl Into<String>) {
        self.progress.send_modify(|progress| progress.doing = doing.into());
    }
}
