//! Bytes between the agents: framed, hashed, resumed.
//!
//! ```text
//! source: capture ─ changes ─┐ plan                          ┌─ inventory ─ verify …
//!                            ├──────── HTTPS, either way ────┤
//!         component.read ────┘ pieces, framed and hashed     └─ component.stage (hashes what it wrote)
//! ```
//! Push and pull differ only in who opens the connection: both read through one [`Source`] and write through one [`Sink`].
//! What is left to do is always computed: wanted = plan − verified inventory − content already held ([`plan`]). A piece is the
//! unit of everything: at most 64 MiB, streamed in short frames with backpressure, never whole in memory. Answers that may take long
//! (all but pieces) beat while they are worked on (`beat.rs`), so that 20 s of silence are a hung peer and nothing else is.
//!
//! Endpoints (for the peer agent only; errors are a `Trouble`):
//! ```text
//! GET  /v1/captures/{point}/{set}/changes?base=             the change set, one a line (see `changes`)
//! GET  /v1/captures/{point}/{set}/piece?file=&piece=        framed bytes (see `frame`)
//! PUT  /v1/staging/{point}/{set}/changes?run=&base=         the change set → Told<WantedReply>
//! GET  /v1/staging/{point}/{set}/wanted                     → Told<WantedReply>
//! PUT  /v1/staging/{point}/{set}/piece?file=&piece=         framed bytes → 204
//! POST /v1/staging/{point}/{set}/done                       → Told<SetCounts>
//! ```

mod beat;
pub mod changes;
mod copy;
pub mod frame;
pub mod gate;
mod limits;
pub mod plan;
mod remote;
mod router;
mod sink;
mod source;
mod stream;

use std::sync::Arc;

pub use copy::{Copying, Far, copy_set, pull, push};
pub use limits::{Limits, silent};
pub use remote::Remote;
pub use router::{PeerOf, router, router_within};
pub use sink::{Sink, load_base, load_inventory, load_manifest};
pub use source::Source;

use crate::components::Component;
use crate::domain::{DataSetName, Trouble};
use crate::store::agent::Ledger;

/// What a transfer needs of the agent it runs at.
pub trait DataPlane: Send + Sync {
    /// The component of a data set; an unknown one is named.
    fn component_of(&self, set: &DataSetName) -> Result<Arc<dyn Component>, Trouble>;
    /// The agent's durable memory.
    fn ledger(&self) -> &Arc<Ledger>;
    /// Who may touch a point's staging at once.
    fn gates(&self) -> &gate::Gates;
}

/// Runs ledger work that may take long (large plans and manifests) on a blocking thread.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Trouble> + Send + 'static) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Trouble::new(crate::domain::TroubleKind::Failed, "agent", format!("a piece of work ended early: {e}")))?
}
