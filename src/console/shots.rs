//! Pictures of every screen, from the real window, with sample data.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use egui::{ColorImage, Ui, ViewportCommand};

use super::command::{Screen, UiCommand};
use super::theme::{Preference, space};
use super::{App, open_window, sample};
use crate::controller::Snapshot;
use crate::domain::{Trouble, TroubleKind};

/// One picture: its file, what the engine shows, and what is done before it is taken.
struct Shot {
    file: &'static str,
    snapshot: fn() -> Snapshot,
    theme: Preference,
    screen: Screen,
    prepare: fn(&mut App, &egui::Context),
}

fn shot(file: &'static str, screen: Screen) -> Shot {
    Shot { file, snapshot: sample::snapshot, theme: Preference::Dark, screen, prepare: |_, _| {} }
}

fn shots() -> Vec<Shot> {
    let open_lab: fn(&mut App, &egui::Context) = |app, ctx| app.command(ctx, UiCommand::OpenLab);
    vec![
        Shot { snapshot: sample::empty, ..shot("welcome", Screen::Overview) },
        shot("overview", Screen::Overview),
        Shot { theme: Preference::Light, ..shot("overview-light", Screen::Overview) },
        Shot { snapshot: sample::faulty, prepare: App::type_confirmation, ..shot("fault", Screen::Overview) },
        Shot {
            snapshot: sample::faulty,
            theme: Preference::Light,
            prepare: App::type_confirmation,
            ..shot("fault-light", Screen::Overview)
        },
        Shot { snapshot: sample::faulty, prepare: App::list_points, ..shot("fault-points", Screen::Overview) },
        Shot { snapshot: sample::lost, prepare: App::type_confirmation, ..shot("fault-alone", Screen::Overview) },
        Shot { snapshot: sample::lost_promoting, prepare: App::type_confirmation, ..shot("fault-promoting", Screen::Overview) },
        Shot { snapshot: sample::left, ..shot("left", Screen::Overview) },
        Shot { snapshot: sample::left, theme: Preference::Light, ..shot("left-light", Screen::Overview) },
        Shot { snapshot: sample::ousted, ..shot("ousted", Screen::Clusters) },
        Shot { snapshot: sample::ousted, theme: Preference::Light, ..shot("ousted-light", Screen::Overview) },
        shot("clusters", Screen::Clusters),
        Shot { prepare: App::open_switchover, ..shot("switchover", Screen::Clusters) },
        Shot { prepare: App::open_unpair, ..shot("unpair", Screen::Clusters) },
        Shot { theme: Preference::Light, prepare: App::open_leftovers, ..shot("leftovers-light", Screen::Clusters) },
        Shot { snapshot: sample::held, ..shot("held", Screen::Clusters) },
        Shot { snapshot: sample::maintained, ..shot("maintenance", Screen::Overview) },
        Shot {
            snapshot: sample::maintained,
            theme: Preference::Light,
            prepare: App::open_maintenance,
            ..shot("maintenance-light", Screen::Clusters)
        },
        Shot { snapshot: sample::empty, prepare: App::fill_pairing, ..shot("pairing", Screen::Pairing) },
        shot("services", Screen::Services),
        Shot { prepare: App::fill_policy, ..shot("policy", Screen::Policy) },
        shot("points", Screen::Points),
        Shot { prepare: App::open_restore, ..shot("restore", Screen::Points) },
        Shot { theme: Preference::Light, prepare: App::open_restore, ..shot("restore-light", Screen::Points) },
        shot("runs", Screen::Runs),
        Shot { prepare: App::first_run, ..shot("run", Screen::Overview) },
        shot("users", Screen::Users),
        shot("drills", Screen::Drills),
        shot("activity", Screen::Activity),
        Shot { prepare: open_lab, ..shot("lab", Screen::Lab) },
        shot("settings", Screen::Settings),
        Shot { prepare: |app, ctx| app.command(ctx, UiCommand::Palette), ..shot("palette", Screen::Overview) },
    ]
}

type Taken = Arc<Mutex<Option<Arc<ColorImage>>>>;

/// Walks through the shots; a few frames for each, so that replies come and layouts settle.
struct Walk {
    out: PathBuf,
    left: Vec<Shot>,
    app: Option<App>,
    frames: u32,
    taken: Taken,
    failed: Arc<Mutex<Option<Trouble>>>,
}

impl Walk {
    const FRAMES: u32 = 18;

    fn begin(&mut self, ctx: &egui::Context) {
        let Some(shot) = self.left.first() else {
            ctx.send_viewport_cmd(ViewportCommand::Close);
            return;
        };
        let mut spec = sample::spec((shot.snapshot)());
        (spec.theme, spec.start_screen) = (shot.theme, shot.screen);
        self.app = Some(App::new(ctx, spec));
        self.frames = 0;
    }

    fn save(&mut self, image: &ColorImage) -> Result<(), Trouble> {
        let shot = self.left.remove(0);
        let path = self.out.join(format!("{}.png", shot.file));
        let trouble = |reason: &dyn std::fmt::Display| Trouble::new(TroubleKind::Failed, path.display(), reason);
        let (width, height) = (image.width() as u32, image.height() as u32);
        let bytes: Vec<u8> = image.pixels.iter().flat_map(|pixel| pixel.to_array()[..3].to_vec()).collect();
        let picture =
            image::RgbImage::from_raw(width, height, bytes).ok_or_else(|| trouble(&"the picture has another size than it says"))?;
        picture.save(&path).map_err(|error| trouble(&error))
    }

    fn take(&mut self, ctx: &egui::Context) {
        let taken = self.taken.clone();
        let repaint = ctx.clone();
        let callback = egui::ScreenshotCallback::new(move |image| {
            if let Ok(mut slot) = taken.lock() {
                *slot = Some(image);
            }
            repaint.request_repaint();
        });
        ctx.send_viewport_cmd(ViewportCommand::Screenshot(callback));
    }
}

impl eframe::App for Walk {
    /// Where the pointer happens to be must not be in the picture.
    fn raw_input_hook(&mut self, _ctx: &egui::Context, raw: &mut egui::RawInput) {
        raw.events.retain(|event| !matches!(event, egui::Event::PointerMoved(_) | egui::Event::MouseMoved(_)));
    }

    fn ui(&mut self, ui: &mut Ui, frame: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        ctx.request_repaint();
        let taken = self.taken.lock().ok().and_then(|mut slot| slot.take());
        if let Some(image) = taken {
            if let Err(trouble) = self.save(&image) {
                self.left.clear();
                if let Ok(mut failed) = self.failed.lock() {
                    *failed = Some(trouble);
                }
            }
            self.app = None;
        }
        if self.app.is_none() {
            self.begin(&ctx);
        }
        let Some(app) = &mut self.app else { return };
        if self.frames == 2
            && let Some(shot) = self.left.first()
        {
            (shot.prepare)(app, &ctx);
        }
        app.ui(ui, frame);
        self.frames += 1;
        if self.frames == Walk::FRAMES {
            self.take(&ctx);
        }
    }
}

/// Opens the window, walks through all screens with sample data and saves a PNG of each into `out`.
pub fn screenshots(out: &Path) -> Result<(), Trouble> {
    let trouble = |reason: &dyn std::fmt::Display| Trouble::new(TroubleKind::Failed, out.display(), reason);
    std::fs::create_dir_all(out).map_err(|error| trouble(&error))?;
    let failed = Arc::new(Mutex::new(None));
    let walk = Walk { out: out.to_path_buf(), left: shots(), app: None, frames: 0, taken: Taken::default(), failed: failed.clone() };
    open_window(space::WINDOW, move |_| Box::new(walk))?;
    match failed.lock().map_err(|error| trouble(&error))?.take() {
        Some(trouble) => Err(trouble),
        None => Ok(()),
    }
}
