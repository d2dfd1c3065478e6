//! Whom the agent knows, what it tells applications and which code is out: the ledger's facts, kept in memory.
//!
//! ```text
//! any request ─ have they changed? ──────┬─ no: the facts in memory
//!                 (by us, or by adopt,   └─ yes: read again, one reader at a time, off the async threads, on a connection of its own
//!                  revoke, enrol beside us)
//! ```
//! So strangers cost no read of the file, and a revoked key is refused from the next request on, whoever revoked it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tokio::task::spawn_blocking;

use crate::domain::{PairName, Service, Trouble, TroubleKind};
use crate::store::agent::{ChangeWatch, CodeKey, ControllerRecord, FormerKey, Ledger, PairFacts, Standing};
use crate::transfer::PeerOf;

/// The ledger's facts at one moment.
pub struct Known {
    /// The enrolled controllers, by their keys.
    controllers: BTreeMap<String, ControllerRecord>,
    /// The keys that were cut off.
    former: BTreeMap<String, FormerKey>,
    /// The pairs and their policies.
    pairs: BTreeMap<PairName, (PairFacts, Vec<Service>)>,
    /// The present code.
    pub code: Option<CodeKey>,
}

/// Who a key is.
#[derive(Debug, Clone, Default)]
pub struct Who {
    /// What it may do as a controller's.
    pub standing: Standing,
    /// It was a controller's, and was cut off.
    pub former: Option<FormerKey>,
    /// It is the other agent's in these pairs.
    pub peer: Option<PeerOf>,
}

impl Known {
    /// Who this key is at this time.
    pub fn who(&self, key: &str, now: DateTime<Utc>) -> Who {
        let as_peer = || self.pairs.values().map(|(facts, _)| facts).filter(|pair| pair.peer.key == key);
        let peer = as_peer().next().map(|first| first.peer.cluster.clone());
        Who {
            standing: self.standing(key, now),
            former: self.former.get(key).cloned(),
            peer: peer.map(|cluster| PeerOf {
                pairs: as_peer().filter(|pair| pair.peer.cluster == cluster).map(|pair| pair.pair.clone()).collect(),
                cluster,
            }),
        }
    }

    fn standing(&self, key: &str, now: DateTime<Utc>) -> Standing {
        self.controllers.get(key).map_or(Standing::default(), |known| known.standing(now))
    }

    /// Whether a connection with this key is more than a stranger's.
    pub fn holds(&self, key: &str, now: DateTime<Utc>) -> bool {
        self.standing(key, now).may_look() || self.pairs.values().any(|(facts, _)| facts.peer.key == key)
    }

    /// A pair and its policies, if we are a member.
    pub fn pair(&self, pair: &PairName) -> Option<&(PairFacts, Vec<Service>)> {
        self.pairs.get(pair)
    }

    fn read(ledger: &Ledger) -> Result<Known, Trouble> {
        let pairs = ledger.pairs()?.into_iter().map(|facts| {
            let policies = ledger.policies(&facts.pair)?;
            Ok((facts.pair.clone(), (facts, policies)))
        });
        Ok(Known {
            pairs: pairs.collect::<Result<_, Trouble>>()?,
            controllers: ledger.controllers()?.into_iter().map(|known| (known.key.clone(), known)).collect(),
            former: ledger.former_controllers()?.into_iter().map(|former| (former.key.clone(), former)).collect(),
            code: ledger.code()?,
        })
    }
}

/// See the module.
pub struct Memory {
    watch: ChangeWatch,
    /// Apart from the ledger that jobs use: their writes hold no reader up.
    ledger: Ledger,
    kept: Mutex<Option<(i64, Arc<Known>)>>,
    one_reader: tokio::sync::Mutex<()>,
}

impl Memory {
    /// Of the ledger at `path`, which is there.
    pub fn open(path: &Path) -> Result<Memory, Trouble> {
        Ok(Memory { watch: ChangeWatch::open(path)?, ledger: Ledger::open(path)?, kept: Mutex::default(), one_reader: Default::default() })
    }

    /// The facts as they are now: every commit before this call is in them.
    pub async fn now(self: &Arc<Memory>) -> Result<Arc<Known>, Trouble> {
        if let Some(known) = self.unchanged() {
            return Ok(known);
        }
        let _one = self.one_reader.lock().await;
        if let Some(known) = self.unchanged() {
            return Ok(known);
        }
        let memory = self.clone();
        let read = spawn_blocking(move || memory.read()).await;
        read.map_err(|e| Trouble::new(TroubleKind::Failed, "agent", format!("a piece of work ended early: {e}")))?
    }

    /// What is kept, if nothing was committed since. A look that fails is answered by the reading, which tells why.
    fn unchanged(&self) -> Option<Arc<Known>> {
        let version = self.watch.version().ok()?;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|(of, _)| *of == version).map(|(_, known)| known.clone())
    }

    fn read(&self) -> Result<Arc<Known>, Trouble> {
        // Looked at first: what is committed while we read is then read again.
        let version = self.watch.version();
        let known = Arc::new(Known::read(&self.ledger)?);
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = version.ok().map(|version| (version, known.clone()));
        Ok(known)
    }
}
