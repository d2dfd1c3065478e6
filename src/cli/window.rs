//! The console's window: on the main thread, with the engine on a background runtime.

use std::path::PathBuf;

use poll_promise::Promise;

use crate::console::{ConsoleSpec, StartEngine, StartLab};
use crate::controller::fn_waker::Waker;
use crate::domain::Trouble;

use super::runtime;
use super::session::open_engine;

/// Opens the console and returns when its window is closed.
pub(super) fn open(state: PathBuf, lab: bool) -> Result<(), Trouble> {
    let runtime = runtime()?;
    let background = runtime.handle().clone();
    let engine_state = state.clone();
    let engine: StartEngine = Box::new(move || {
        let (tell, promise) = Promise::new();
        background.spawn(async move {
            tell.send(open_engine(&engine_state, Waker::default(), None).await.map(|(handle, _)| handle));
        });
        promise
    });
    let mut spec = ConsoleSpec::new(engine, state);
    spec.start_lab = start_lab(runtime.handle().clone());
    spec.open_lab = lab;
    let closed = crate::console::run(spec);
    // What the engine was doing goes on at its next start; nothing holds the window's end up.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    closed
}

#[cfg(feature = "lab")]
fn start_lab(background: tokio::runtime::Handle) -> Option<StartLab> {
    Some(Box::new(move || {
        let (tell, promise) = Promise::new();
        background.spawn(async move { tell.send(crate::lab::start(crate::lab::LabOptions::default())) });
        promise
    }))
}

#[cfg(not(feature = "lab"))]
fn start_lab(_background: tokio::runtime::Handle) -> Option<StartLab> {
    None
}
