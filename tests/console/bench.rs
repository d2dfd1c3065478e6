//! A console without a window, on an engine whose commands a test reads and answers.

use std::sync::Arc;

use egui::accesskit::Role;
use egui::{Key, Modifiers, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use poll_promise::Promise;
use tokio::sync::{mpsc, watch};
use understudy::console::{App, ConsoleSpec, Screen, sample};
use understudy::controller::{Asked, EngineHandle, Snapshot};

/// A console on an engine whose commands the test reads and answers.
pub struct Bench {
    pub harness: Harness<'static, App>,
    asked: mpsc::Receiver<Asked>,
    pub news: watch::Sender<Arc<Snapshot>>,
}

/// An engine, and the two ends that a test holds.
pub fn engine(snapshot: Snapshot) -> (EngineHandle, mpsc::Receiver<Asked>, watch::Sender<Arc<Snapshot>>) {
    let (commands, asked) = mpsc::channel(64);
    let (news, snapshots) = watch::channel(Arc::new(snapshot));
    (EngineHandle::new(commands, snapshots), asked, news)
}

pub fn bench(snapshot: Snapshot) -> Bench {
    let (handle, asked, news) = engine(snapshot);
    let mut spec = sample::spec(sample::empty());
    spec.engine = Box::new(move || Promise::from_ready(Ok(handle)));
    Bench { harness: window(spec), asked, news }
}

/// The console's window, drawn a few times.
pub fn window(spec: ConsoleSpec) -> Harness<'static, App> {
    let mut harness = Harness::builder().with_size(vec2(1440.0, 900.0)).build_eframe(|creation| App::new(&creation.egui_ctx, spec));
    harness.run_steps(3);
    harness
}

impl Bench {
    pub fn steps(&mut self) {
        self.harness.run_steps(3);
    }

    pub fn click(&mut self, label: &str) {
        self.harness.get_by_role_and_label(Role::Button, label).click();
        self.steps();
    }

    pub fn go(&mut self, screen: Screen) {
        self.harness.get_by_role_and_label(Role::Tab, screen.title()).click();
        self.steps();
        assert_eq!(self.harness.state().screen(), screen);
    }

    pub fn sees(&self, words: &str) -> bool {
        self.harness.query_all_by_label_contains(words).next().is_some()
    }

    /// The commands asked since the last time.
    pub fn commands(&mut self) -> Vec<Asked> {
        std::iter::from_fn(|| self.asked.try_recv().ok()).collect()
    }

    /// Types into the confirmation, in place of what is there.
    pub fn confirm(&mut self, typed: &str) {
        self.write("Type guiyang to confirm", typed);
    }

    /// How a person knows that nobody writes at the faulty cluster.
    pub fn declare(&mut self, words: &str) {
        self.write("How do you know that nobody writes at shenzhen? (required; saved in the audit log)", words);
    }

    pub fn write(&mut self, field: &str, typed: &str) {
        self.harness.get_by_role_and_label(Role::TextInput, field).focus();
        self.steps();
        self.harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
        self.steps();
        self.harness.get_by_role_and_label(Role::TextInput, field).type_text(typed);
        self.steps();
        let value = self.harness.get_by_role_and_label(Role::TextInput, field).value();
        assert_eq!(value.as_deref(), Some(typed));
    }

    /// Also one that only shows once the screen is scrolled.
    pub fn tick(&mut self, label: &str) {
        self.harness.get_by_role_and_label(Role::CheckBox, label).click_accesskit();
        self.steps();
    }

    /// Likewise a button.
    pub fn reach(&mut self, label: &str) {
        self.harness.get_by_role_and_label(Role::Button, label).click_accesskit();
        self.steps();
    }

    pub fn enabled(&self, label: &str) -> bool {
        !self.harness.get_by_role_and_label(Role::Button, label).accesskit_node().is_disabled()
    }

    /// The window's size in points, and its pixels a point.
    pub fn resize(&mut self, (width, height): (f32, f32), pixels: f32) {
        self.harness.set_size(vec2(width, height));
        self.harness.set_pixels_per_point(pixels);
        self.steps();
        self.steps();
    }

    /// Whether all of that lies in the window.
    pub fn in_window(&self, role: Role, label: &str) -> bool {
        let window = self.harness.ctx.content_rect();
        self.harness.query_all_by_role(role).any(|node| {
            let said = node.accesskit_node().label().or_else(|| node.value());
            let named = said.is_some_and(|said| said.contains(label));
            named && window.contains_rect(node.rect()) && node.rect().height() > 0.0
        })
    }

    /// Turns the wheel down over the middle of the window, with a key held or none.
    pub fn wheel(&mut self, at: egui::Pos2, modifiers: Modifiers, lines: f32) {
        self.harness.hover_at(at);
        self.steps();
        let event = egui::Event::MouseWheel {
            unit: egui::MouseWheelUnit::Line,
            delta: vec2(0.0, -lines),
            phase: egui::TouchPhase::Move,
            source: egui::MouseWheelSource::Wheel,
            modifiers,
        };
        self.harness.event_modifiers(event, modifiers);
        self.harness.run_steps(8);
    }
}
