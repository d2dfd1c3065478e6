//! Labels and lines of text.

use egui::text::{LayoutJob, TextFormat};
use egui::{Align, Label, Layout, Response, Ui};

use crate::console::said::Said;
use crate::console::theme::{self, Type, space};

/// The texts as one line (or paragraph).
pub fn job(ui: &Ui, spans: &[Said]) -> LayoutJob {
    let tokens = theme::of(ui);
    let mut job = LayoutJob::default();
    for span in spans {
        let format = TextFormat {
            font_id: span.kind.font(),
            color: tokens.colour(span.tone),
            line_height: Some(span.kind.line_height()),
            valign: Align::Center,
            ..TextFormat::default()
        };
        job.append(&span.text, 0.0, format);
    }
    job
}

/// One text, cut with `…` where there is no room; the whole of it is shown on hover.
pub fn say(ui: &mut Ui, said: &Said) -> Response {
    line(ui, std::slice::from_ref(said))
}

/// Several texts on one line, cut where there is no room.
pub fn line(ui: &mut Ui, spans: &[Said]) -> Response {
    let job = job(ui, spans);
    ui.add(Label::new(job).truncate())
}

/// Several texts as a paragraph. It can be selected and copied.
pub fn wrapped(ui: &mut Ui, spans: &[Said]) -> Response {
    let job = job(ui, spans);
    ui.add(Label::new(job).wrap().selectable(true))
}

/// A card's heading, with what explains it.
pub fn heading(ui: &mut Ui, text: &str, explains: &str) {
    let mut spans = vec![Said::plain(text).of(Type::Heading)];
    if !explains.is_empty() {
        spans.push(Said::muted(format!("   {explains}")));
    }
    line(ui, &spans);
    ui.add_space(space::SMALL);
}

/// A page's head: title, what explains it or how it is, and at the right what can be done (drawn from right to left). What can be done is
/// never cut: where the title would lose its place, it stands on lines of its own.
pub fn page_head(ui: &mut Ui, title: &str, beside: impl FnOnce(&mut Ui), actions: impl FnOnce(&mut Ui)) {
    /// The largest share of the width that the buttons may take from the title.
    const MOST: f32 = 0.62;
    let full = egui::vec2(ui.available_width(), space::CONTROL_HEIGHT);
    let id = ui.unique_id().with("page head's buttons");
    let needs: f32 = ui.data(|data| data.get_temp(id)).unwrap_or(0.0);
    let (here, below) = if needs > full.x * MOST { (None, Some(actions)) } else { (Some(actions), None) };
    ui.allocate_ui_with_layout(full, Layout::right_to_left(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = space::ROW;
        if let Some(actions) = here {
            let right = ui.cursor().right();
            actions(ui);
            let took = right - ui.cursor().right();
            ui.data_mut(|data| data.insert_temp(id, took));
            if took > full.x * MOST {
                ui.ctx().request_discard("a page's buttons have no room beside its title");
            }
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = space::ROW;
            say(ui, &Said::plain(title).of(Type::Title));
            beside(ui);
        });
    });
    if let Some(below) = below {
        ui.add_space(space::SMALL);
        self::actions(ui, below);
    }
    ui.add_space(space::ROW);
}

/// A thing's name, a chip, and at the right how it is. Only the name may be cut.
pub fn name_and_state(ui: &mut Ui, name: &Said, is: &Said, state: &Said) {
    let full = egui::vec2(ui.available_width(), space::CHIP_HEIGHT);
    ui.allocate_ui_with_layout(full, Layout::right_to_left(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = space::ROW;
        say(ui, state);
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = space::ROW;
            let room = ui.available_width() - super::chip_width(ui, is) - space::ROW;
            ui.scope(|ui| {
                ui.set_max_width(room.max(space::LEAST_TEXT));
                say(ui, name);
            });
            super::chip(ui, is);
        });
    });
}

/// Things side by side, centred on one line that is as high as a button.
pub fn row<R>(ui: &mut Ui, add: impl FnOnce(&mut Ui) -> R) -> R {
    let size = egui::vec2(ui.available_width(), space::CONTROL_HEIGHT);
    let centred = Layout::left_to_right(Align::Center);
    let shown = ui.allocate_ui_with_layout(size, centred, |ui| {
        ui.spacing_mut().item_spacing.x = space::ROW;
        add(ui)
    });
    shown.inner
}

/// What can be done, at the right, drawn from right to left; on several lines where one has no room.
pub fn actions<R>(ui: &mut Ui, add: impl FnOnce(&mut Ui) -> R) -> R {
    let size = egui::vec2(ui.available_width(), space::CONTROL_HEIGHT);
    let shown = ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center).with_main_wrap(true), |ui| {
        ui.spacing_mut().item_spacing = egui::vec2(space::ROW, space::SMALL);
        add(ui)
    });
    shown.inner
}

/// Room for the bar beside scrolled content, in points.
const BAR: f32 = 8.0;

/// Content that scrolls where it is higher than `height`. In a dialog, whose own size follows its content, egui would
/// else keep a scroll area at the height it had when the dialog was small.
pub fn scrolled<R>(ui: &mut Ui, salt: &str, height: f32, add: impl FnOnce(&mut Ui) -> R) -> R {
    let area = egui::ScrollArea::vertical().id_salt(salt).max_height(height).min_scrolled_height(height).auto_shrink([false, true]);
    // Where a bar is needed it stands beside the content, not on its last letters.
    ui.scope(|ui| {
        ui.spacing_mut().scroll.floating_allocated_width = BAR;
        area.show(ui, add).inner
    })
    .inner
}
