//! The console: draws a snapshot of the engine, returns commands, and never blocks a frame.
//!
//! ```text
//! engine ── watch::Receiver<Arc<Snapshot>> ──> link ──> scene ──> screens/NAME/data (pure: what is shown)
//!                                                                      └──> screens/NAME/ui (draws it) ──> acts
//! engine <── ask_later(Command), its reply polled <── app <── acts, and the one command list (command.rs)
//! ```
//! Whatever arrives (a snapshot, a reply) wakes the window by itself; a window that nobody touches and that gets no news
//! draws once a second, for its clock. Colours, type and distances come from `theme` alone.

mod app;
pub mod command;
mod errand;
mod lab_seam;
mod link;
mod places;
pub mod said;
#[doc(hidden)]
pub mod sample;
mod screens;
mod shell;
mod shots;
pub mod theme;
mod widgets;
pub mod words;

pub use app::App;
pub use command::Screen;
pub use lab_seam::LabHandle;
pub use shots::screenshots;

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use poll_promise::Promise;

use crate::controller::EngineHandle;
use crate::domain::{Trouble, TroubleKind};
use theme::Preference;
use words::Zone;

/// Starts (or attaches to) an engine on a background runtime; called on the window's thread, so it must return at once.
pub type StartEngine = Box<dyn FnOnce() -> Promise<Result<EngineHandle, Trouble>>>;
/// Looks for an engine that another process runs, and attaches to it; returns at once.
pub type AttachEngine = Box<dyn Fn() -> Promise<Result<EngineHandle, Trouble>>>;
/// Starts the training lab and the engine that watches it; likewise returns at once.
pub type StartLab = Box<dyn Fn() -> Promise<Result<(LabHandle, EngineHandle), Trouble>>>;

/// What a console is opened with.
pub struct ConsoleSpec {
    /// The engine; started when it is first needed.
    pub engine: StartEngine,
    /// Attaches again to an engine of another process that was lost; `None`: it stays lost.
    pub attach: Option<AttachEngine>,
    /// The training lab; `None` where it is not built in.
    pub start_lab: Option<StartLab>,
    /// Opens the lab at once, instead of the engine.
    pub open_lab: bool,
    /// The engine's state directory; also where exports are proposed.
    pub state_dir: PathBuf,
    /// Dark, light, or as the desktop says.
    pub theme: Preference,
    /// The first screen.
    pub start_screen: Screen,
    /// The window's size in points.
    pub size: [f32; 2],
    /// Where times are read.
    pub zone: Zone,
    /// The clock; a fixed one for pictures and tests.
    pub clock: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    /// Marks everything as invented; for pictures.
    pub sample: bool,
}

impl ConsoleSpec {
    /// A console as people use it: the desktop's zone and clock, the mockups' size.
    pub fn new(engine: StartEngine, state_dir: PathBuf) -> ConsoleSpec {
        ConsoleSpec {
            engine,
            attach: None,
            start_lab: None,
            open_lab: false,
            state_dir,
            theme: Preference::default(),
            start_screen: Screen::Overview,
            size: theme::space::WINDOW,
            zone: Zone::local(),
            clock: Arc::new(Utc::now),
            sample: false,
        }
    }
}

impl std::fmt::Debug for ConsoleSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsoleSpec").field("state_dir", &self.state_dir).field("start_screen", &self.start_screen).finish_non_exhaustive()
    }
}

/// Opens the window and returns when it is closed. Must be called on the main thread.
pub fn run(spec: ConsoleSpec) -> Result<(), Trouble> {
    open_window(spec.size, move |ctx| Box::new(App::new(ctx, spec)))
}

pub(crate) fn open_window(size: [f32; 2], make: impl FnOnce(&egui::Context) -> Box<dyn eframe::App> + 'static) -> Result<(), Trouble> {
    let viewport = egui::ViewportBuilder::default()
        .with_title("Understudy")
        .with_app_id("understudy")
        .with_inner_size(size)
        .with_min_inner_size(theme::space::WINDOW_MIN)
        .with_drag_and_drop(true);
    let options = eframe::NativeOptions { viewport, ..eframe::NativeOptions::default() };
    let made: eframe::AppCreator<'_> = Box::new(move |creation| Ok(make(&creation.egui_ctx)));
    eframe::run_native("Understudy", options, made).map_err(|error| {
        Trouble::new(TroubleKind::Failed, "window", error)
            .next("run it on a desktop with OpenGL 2 or later, or use the command line: understudy --help")
    })
}
