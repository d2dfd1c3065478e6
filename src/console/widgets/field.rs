//! Fields with a label above, choices and checks. Each is found by its label, by people and by assistive technology.

use egui::accesskit::Role;
use egui::{Color32, CornerRadius, CursorIcon, Frame, Margin, Popup, Response, Sense, Stroke, StrokeKind, TextEdit, Ui, WidgetInfo, vec2};

use super::text::{job, say};
use crate::console::said::Said;
use crate::console::theme::{self, Tokens, Tone, Type, space};

/// A text field.
#[derive(Debug)]
pub struct Field<'a> {
    label: &'a str,
    hint: &'a str,
    mono: bool,
    enabled: bool,
    show_label: bool,
    wrong: bool,
}

impl<'a> Field<'a> {
    /// A field with that label above it.
    pub fn new(label: &'a str) -> Field<'a> {
        Field { label, hint: "", mono: false, enabled: true, show_label: true, wrong: false }
    }
    /// What an empty field says.
    #[must_use]
    pub fn hint(mut self, hint: &'a str) -> Self {
        self.hint = hint;
        self
    }
    /// In the monospaced face.
    #[must_use]
    pub fn mono(mut self) -> Self {
        self.mono = true;
        self
    }
    /// Without the visible label: its place says what it is.
    #[must_use]
    pub fn unlabelled(mut self) -> Self {
        self.show_label = false;
        self
    }
    /// Only to be read.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.enabled = false;
        self
    }
    /// Marked as not right.
    #[must_use]
    pub fn wrong(mut self, wrong: bool) -> Self {
        self.wrong = wrong;
        self
    }

    /// Draws it as wide as there is room.
    pub fn show(self, ui: &mut Ui, text: &mut String) -> Response {
        let label = self.show_label.then(|| {
            let label = say(ui, &Said::muted(self.label).of(Type::Label));
            ui.add_space(space::TINY);
            label
        });
        let id = ui.unique_id().with(("field", self.label));
        let tokens = theme::of(ui);
        let focused = ui.memory(|memory| memory.has_focus(id));
        let face = if self.mono { Type::Mono } else { Type::Body };
        let edit = TextEdit::singleline(text)
            .id(id)
            .frame(frame(tokens, focused, self.wrong))
            .margin(Margin::ZERO)
            .desired_width(f32::INFINITY)
            .min_size(vec2(0.0, 18.0))
            .font(face.font())
            .text_color(if self.enabled { tokens.text } else { tokens.muted })
            .hint_text(egui::RichText::new(self.hint).color(tokens.faint).font(face.font()))
            .interactive(self.enabled);
        let response = ui.add(edit);
        match label {
            Some(label) => response.labelled_by(label.id),
            None => {
                ui.ctx().accesskit_node_builder(id, |node| node.set_label(self.label));
                response
            }
        }
    }
}

fn frame(tokens: &Tokens, focused: bool, wrong: bool) -> Frame {
    let border = if wrong {
        tokens.bad
    } else if focused {
        tokens.accent
    } else {
        tokens.line2
    };
    Frame::NONE
        .fill(tokens.bg)
        .stroke(Stroke::new(1.0, border))
        .corner_radius(CornerRadius::same(space::RADIUS))
        .inner_margin(Margin::symmetric(space::FIELD_X, space::FIELD_Y))
}

/// A choice of one: the field shows it with `▾`, a menu the others. Returns the number chosen.
pub fn select(ui: &mut Ui, label: &str, shown: &str, options: &[String], width: Option<f32>) -> Option<usize> {
    let tokens = theme::of(ui);
    let mut text = job(ui, &[Said::plain(format!("{shown} ▾"))]);
    let pad = f32::from(space::FIELD_X);
    if let Some(width) = width {
        text.wrap = egui::text::TextWrapping::truncate_at_width(width - 2.0 * pad);
    }
    let galley = ui.painter().layout_job(text);
    let size = vec2(width.unwrap_or(galley.size().x + 2.0 * pad), space::CONTROL_HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let border = if response.has_focus() || response.hovered() { tokens.accent } else { tokens.line2 };
    ui.painter().rect(rect, CornerRadius::same(space::RADIUS), tokens.bg, Stroke::new(1.0, border), StrokeKind::Inside);
    ui.painter().galley(egui::pos2(rect.left() + pad, rect.center().y - galley.size().y / 2.0), galley, tokens.text);
    response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, format!("{label}: {shown}")));
    let response = response.on_hover_cursor(CursorIcon::PointingHand);
    let mut chosen = None;
    Popup::menu(&response).show(|ui| {
        egui::ScrollArea::vertical().max_height(space::TREE_ROW * 12.0).show(ui, |ui| {
            for (number, option) in options.iter().enumerate() {
                if menu_item(ui, option, option == shown).clicked() {
                    chosen = Some(number);
                }
            }
        });
    });
    chosen
}

/// One line of a menu.
pub fn menu_item(ui: &mut Ui, text: &str, chosen: bool) -> Response {
    const LEAST_WIDTH: f32 = 160.0;
    wide_item(ui, text, "", chosen, LEAST_WIDTH)
}

/// One line of a list at least that wide, with something at its right.
pub fn wide_item(ui: &mut Ui, text: &str, beside: &str, chosen: bool, width: f32) -> Response {
    let tokens = theme::of(ui);
    let galley = ui.painter().layout_job(job(ui, &[Said::plain(text)]));
    let size = vec2((galley.size().x + 20.0).max(width), space::TREE_ROW);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let fill = if chosen || response.hovered() || response.has_focus() { tokens.accent_bg } else { Color32::TRANSPARENT };
    ui.painter().rect_filled(rect, CornerRadius::same(space::RADIUS), fill);
    ui.painter().galley(egui::pos2(rect.left() + 10.0, rect.center().y - galley.size().y / 2.0), galley, tokens.text);
    if !beside.is_empty() {
        let right = ui.painter().layout_job(job(ui, &[Said::muted(beside).of(Type::Small)]));
        let at = egui::pos2(rect.right() - 10.0 - right.size().x, rect.center().y - right.size().y / 2.0);
        ui.painter().galley(at, right, tokens.muted);
    }
    response.widget_info(|| WidgetInfo::selected(Role::MenuItem, true, chosen, text));
    response.on_hover_cursor(CursorIcon::PointingHand)
}

fn signed(ui: &mut Ui, sign: &str, on: bool, spans: &[Said], role: Role, enabled: bool) -> Response {
    let tone = if on { Tone::Accent } else { Tone::Muted };
    let mut parts = vec![Said::new(format!("{sign}  "), tone)];
    parts.extend_from_slice(spans);
    let mut text = job(ui, &parts);
    // A name as long as a path may be must not widen what it stands in.
    text.wrap = egui::text::TextWrapping::truncate_at_width(ui.available_width().max(space::LEAST_TEXT));
    let galley = ui.painter().layout_job(text);
    let elided = galley.elided;
    let sense = if enabled { Sense::click() } else { Sense::hover() };
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x, space::TREE_ROW), sense);
    ui.painter().galley(egui::pos2(rect.left(), rect.center().y - galley.size().y / 2.0), galley, theme::of(ui).text);
    if response.has_focus() {
        let ring = Stroke::new(1.0, theme::of(ui).accent);
        ui.painter().rect_stroke(rect.expand(2.0), CornerRadius::same(space::RADIUS), ring, StrokeKind::Outside);
    }
    let label = crate::console::said::read(spans);
    response.widget_info(|| WidgetInfo::selected(role, enabled, on, &label));
    if elided { response.on_hover_text(label) } else { response }
}

/// A check; true when it was just changed.
pub fn check(ui: &mut Ui, on: &mut bool, spans: &[Said], enabled: bool) -> bool {
    let response = signed(ui, if *on { "☑" } else { "☐" }, *on, spans, Role::CheckBox, enabled);
    if response.clicked() {
        *on = !*on;
    }
    response.clicked()
}

/// One of several; true when it was just chosen.
pub fn choice(ui: &mut Ui, on: bool, spans: &[Said]) -> bool {
    signed(ui, if on { "◉" } else { "○" }, on, spans, Role::RadioButton, true).clicked()
}

/// The handle that opens and closes a place of a tree.
pub fn fold(ui: &mut Ui, open: bool, label: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(space::INDENT, space::TREE_ROW), Sense::click());
    let tokens = theme::of(ui);
    let colour = if response.hovered() || response.has_focus() { tokens.accent } else { tokens.muted };
    let galley = ui.painter().layout_no_wrap(if open { "▾" } else { "▸" }.to_owned(), Type::Mono.font(), colour);
    ui.painter().galley(egui::pos2(rect.left(), rect.center().y - galley.size().y / 2.0), galley, colour);
    response.widget_info(|| WidgetInfo::selected(Role::DisclosureTriangle, true, open, label));
    response.on_hover_cursor(CursorIcon::PointingHand)
}
