//! The console's window: on the main thread, with the engine on a background runtime.

use std::path::PathBuf;
use std::time::Duration;

use poll_promise::Promise;
use tokio::sync::mpsc;

use crate::console::{AttachEngine, ConsoleSpec, StartEngine, StartLab};
use crate::controller::attach;
use crate::controller::fn_waker::Waker;
use crate::domain::Trouble;

use super::runtime;
use super::session::open_engine;

/// How long closing the window waits for the training lab to end and to remove its folder: some ten thousand files on a slow disk.
const LAB_END_LIMIT: Duration = Duration::from_secs(30);

/// Opens the console and returns when its window is closed.
pub(super) fn open(state: PathBuf, lab: bool) -> Result<(), Trouble> {
    let runtime = runtime()?;
    let background = runtime.handle().clone();
    let engine_state = state.clone();
    let engine: StartEngine = Box::new(move || {
        let (tell, promise) = Promise::new();
        background.spawn(async move {
            tell.send(open_engine(&engine_state, Waker::default()).await.map(|(handle, _)| handle));
        });
        promise
    });
    let (background, engine_state) = (runtime.handle().clone(), state.clone());
    let again: AttachEngine = Box::new(move || {
        let (tell, promise) = Promise::new();
        let state = engine_state.clone();
        background.spawn(async move { tell.send(attach(&state).await) });
        promise
    });
    let mut spec = ConsoleSpec::new(engine, state);
    spec.attach = Some(again);
    let (lab_alive, mut labs) = mpsc::channel(1);
    spec.start_lab = start_lab(runtime.handle().clone(), lab_alive);
    spec.open_lab = lab;
    let closed = crate::console::run(spec);
    // The window is closed and has let go of its lab: the sites end and the folder goes before we do.
    runtime.block_on(async {
        if tokio::time::timeout(LAB_END_LIMIT, labs.recv()).await.is_err() {
            tracing::warn!("the training lab did not end in time; a folder understudy-lab-… may be left among the temporary files");
        }
    });
    // What the engine was doing goes on at its next start; nothing holds the window's end up.
    runtime.shutdown_timeout(Duration::from_secs(2));
    closed
}

#[cfg(feature = "lab")]
fn start_lab(background: tokio::runtime::Handle, alive: mpsc::Sender<()>) -> Option<StartLab> {
    Some(Box::new(move || {
        let (tell, promise) = Promise::new();
        let options = crate::lab::LabOptions { alive: Some(alive.clone()), ..Default::default() };
        background.spawn(async move { tell.send(crate::lab::start(options)) });
        promise
    }))
}

#[cfg(not(feature = "lab"))]
fn start_lab(_background: tokio::runtime::Handle, _alive: mpsc::Sender<()>) -> Option<StartLab> {
    None
}
