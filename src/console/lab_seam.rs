//! What the console knows of the training lab, also when it is built without it: then no lab can exist.

#[cfg(feature = "lab")]
pub use crate::lab::LabHandle;
#[cfg(feature = "lab")]
pub use crate::lab::view::{LabCommand, LabSnapshot};

#[cfg(not(feature = "lab"))]
mod absent {
    use std::sync::Arc;

    use tokio::sync::watch;

    /// No lab can be running.
    #[derive(Debug, Clone)]
    pub enum LabHandle {}

    impl LabHandle {
        /// Never called.
        pub fn ask(&self, _command: LabCommand) -> bool {
            match *self {}
        }
        /// Never called.
        pub fn snapshots(&self) -> watch::Receiver<Arc<LabSnapshot>> {
            match *self {}
        }
    }

    /// Nothing can be asked of it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum LabCommand {}

    /// Nothing can be seen of it.
    #[derive(Debug, Clone)]
    pub enum LabSnapshot {}
}

#[cfg(not(feature = "lab"))]
pub use absent::{LabCommand, LabHandle, LabSnapshot};
