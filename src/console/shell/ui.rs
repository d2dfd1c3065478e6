//! Draws navigation, header and footer.

use egui::accesskit::Role;
use egui::{
    Align, Color32, CornerRadius, CursorIcon, Frame, Layout, Margin, Panel, Popup, ScrollArea, Sense, Stroke, StrokeKind, Ui, WidgetInfo,
    pos2, vec2,
};

use super::data;
use crate::console::command::{Act, Screen, UiCommand};
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::screens::clusters::maintenance;
use crate::console::theme::{self, Tone, Type, space};
use crate::console::widgets::{self, Look};
use crate::console::words;

/// Between the navigation's items.
const ITEM_GAP: f32 = 2.0;
/// The search field is not there where it would be narrower than this; its keys are.
const LEAST_SEARCH: f32 = 90.0;

fn edge(ui: &Ui) -> Frame {
    Frame::NONE.fill(theme::of(ui).panel)
}

/// The navigation at the left.
pub fn navigation(ui: &mut Ui, scene: Option<&Scene<'_>>, here: Screen, acts: &mut Vec<Act>) {
    let frame = edge(ui).inner_margin(Margin { left: 8, right: 9, top: 12, bottom: 12 });
    let panel = Panel::left("navigation").exact_size(space::NAV_WIDTH).resizable(false).show_separator_line(false).frame(frame);
    let shown = panel.show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.add_space(space::FIELD);
            ui.vertical(|ui| {
                ui.add_space(space::TINY);
                widgets::say(ui, &Said::plain("Understudy").of(Type::Brand));
                widgets::say(ui, &Said::muted("disaster recovery console").of(Type::Small));
            });
        });
        ui.add_space(18.0);
        let needs = (space::CONTROL_HEIGHT + ITEM_GAP) * Screen::NAVIGATION.len() as f32;
        if ui.available_height() < needs {
            // Too low a window for all of them: they scroll.
            ScrollArea::vertical().id_salt("navigation").show(ui, |ui| {
                for screen in Screen::NAVIGATION {
                    item(ui, scene, screen, here, acts);
                }
            });
            return;
        }
        let (above, below) = Screen::NAVIGATION.split_at(8);
        for screen in above {
            item(ui, scene, *screen, here, acts);
        }
        ui.with_layout(Layout::bottom_up(Align::Min), |ui| {
            for screen in below.iter().rev() {
                item(ui, scene, *screen, here, acts);
            }
        });
    });
    let rect = shown.response.rect;
    ui.painter().vline(rect.right() - 0.5, rect.y_range(), Stroke::new(1.0, theme::of(ui).line));
}

fn item(ui: &mut Ui, scene: Option<&Scene<'_>>, screen: Screen, here: Screen, acts: &mut Vec<Act>) {
    let tokens = theme::of(ui);
    let on = here.parent() == screen;
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), space::CONTROL_HEIGHT), Sense::click());
    ui.add_space(ITEM_GAP);
    let warm = response.hovered() || response.has_focus();
    let fill = if on {
        tokens.accent_bg
    } else if warm {
        tokens.raised
    } else {
        Color32::TRANSPARENT
    };
    ui.painter().rect_filled(rect, CornerRadius::same(space::RADIUS), fill);
    if response.has_focus() {
        ui.painter().rect_stroke(rect, CornerRadius::same(space::RADIUS), Stroke::new(1.0, tokens.accent), StrokeKind::Inside);
    }
    let colour = if on { tokens.nav_on } else { tokens.muted };
    let galley = ui.painter().layout_no_wrap(screen.title().to_owned(), Type::Body.font(), colour);
    ui.painter().galley(pos2(rect.left() + 10.0, rect.center().y - galley.size().y / 2.0), galley, colour);
    let badge = scene.map_or(0, |scene| data::badge(scene, screen));
    if badge > 0 {
        let text = ui.painter().layout_no_wrap(badge.to_string(), Type::Chip.font(), tokens.bad);
        let pill = egui::Rect::from_center_size(pos2(rect.right() - 20.0, rect.center().y), vec2(text.size().x + 14.0, 18.0));
        ui.painter().rect_filled(pill, CornerRadius::same(9), tokens.bad_bg);
        ui.painter().galley(pill.center() - text.size() / 2.0, text, tokens.bad);
    }
    response.widget_info(|| WidgetInfo::selected(Role::Tab, true, on, screen.title()));
    if response.on_hover_cursor(CursorIcon::PointingHand).clicked() {
        acts.push(Act::Do(UiCommand::Go(screen)));
    }
}

/// The header above.
pub fn header(ui: &mut Ui, scene: Option<&Scene<'_>>, acts: &mut Vec<Act>) {
    let frame = edge(ui).inner_margin(Margin::symmetric(16, 0));
    let panel = Panel::top("header").exact_size(space::HEADER_HEIGHT).resizable(false).show_separator_line(false).frame(frame);
    let shown = panel.show(ui, |ui| {
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = space::ROW;
            match scene {
                Some(scene) => {
                    picker(ui, scene, acts);
                    widgets::chip(ui, &data::state_chip(scene));
                    for said in maintenance::chips(scene) {
                        widgets::chip(ui, &said);
                    }
                }
                None => drop(widgets::chip(ui, &Said::new("Starting…", Tone::Muted))),
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| search(ui, acts));
        });
    });
    let rect = shown.response.rect;
    ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, theme::of(ui).line));
}

fn picker(ui: &mut Ui, scene: &Scene<'_>, acts: &mut Vec<Act>) {
    let in_lab = scene.lab.is_some();
    let words = data::pair_words(scene.pair, in_lab);
    let several = !scene.snapshot.pairs.is_empty() || in_lab;
    let shown = if several { format!("{words} ▾") } else { words };
    let response = picker_button(ui, &shown);
    if !several {
        return;
    }
    Popup::menu(&response).show(|ui| {
        for pair in &scene.snapshot.pairs {
            let chosen = scene.pair.is_some_and(|here| here.name == pair.name);
            if widgets::menu_item(ui, &data::pair_words(Some(pair), in_lab), chosen).clicked() {
                acts.push(Act::ChoosePair(pair.name.clone()));
            }
        }
        let mut last = vec![UiCommand::PairClusters];
        match (scene.lab_there, in_lab) {
            (true, false) => last.push(UiCommand::OpenLab),
            (_, true) => last.push(UiCommand::LeaveLab),
            (false, false) => {}
        }
        for command in last {
            if widgets::menu_item(ui, &command.title(), false).clicked() {
                acts.push(Act::Do(command));
            }
        }
    });
}

fn picker_button(ui: &mut Ui, text: &str) -> egui::Response {
    let tokens = theme::of(ui);
    let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), egui::FontId { size: 13.0, ..Type::Chip.font() }, tokens.text);
    // The state beside it says more than a long name.
    job.wrap = egui::text::TextWrapping::truncate_at_width((ui.available_width() * 0.45).min(360.0));
    let galley = ui.painter().layout_job(job);
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x + 26.0, 30.0), Sense::click());
    let border = if response.hovered() || response.has_focus() { tokens.accent } else { tokens.line2 };
    ui.painter().rect(rect, CornerRadius::same(space::RADIUS), tokens.raised, Stroke::new(1.0, border), StrokeKind::Inside);
    ui.painter().galley(rect.center() - galley.size() / 2.0, galley, tokens.text);
    response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, format!("Pair: {text}")));
    response
}

fn search(ui: &mut Ui, acts: &mut Vec<Act>) {
    if ui.available_width() < LEAST_SEARCH {
        return;
    }
    let tokens = theme::of(ui);
    let width = space::SEARCH_WIDTH.min(ui.available_width());
    let (rect, response) = ui.allocate_exact_size(vec2(width, 30.0), Sense::click());
    let border = if response.hovered() || response.has_focus() { tokens.accent } else { tokens.line };
    ui.painter().rect(rect, CornerRadius::same(space::RADIUS), tokens.bg, Stroke::new(1.0, border), StrokeKind::Inside);
    let words = format!("{}   Ctrl+K", UiCommand::Palette.title());
    let mut job = egui::text::LayoutJob::simple_singleline(words, Type::Body.font(), tokens.faint);
    job.wrap = egui::text::TextWrapping::truncate_at_width(width - 26.0);
    let galley = ui.painter().layout_job(job);
    ui.painter().galley(pos2(rect.left() + 13.0, rect.center().y - galley.size().y / 2.0), galley, tokens.faint);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, UiCommand::Palette.title()));
    if response.on_hover_cursor(CursorIcon::Text).clicked() {
        acts.push(Act::Do(UiCommand::Palette));
    }
}

/// The footer below.
pub fn footer(ui: &mut Ui, scene: Option<&Scene<'_>>, engine: &Said, sample: bool) {
    let frame = edge(ui).inner_margin(Margin::symmetric(16, 0));
    let panel = Panel::bottom("footer").exact_size(space::FOOTER_HEIGHT).resizable(false).show_separator_line(false).frame(frame);
    let shown = panel.show(ui, |ui| {
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 22.0;
            widgets::say(ui, &engine.clone().of(Type::Small));
            for said in scene.map(data::footer).unwrap_or_default() {
                widgets::say(ui, &said.of(Type::Small));
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if let Some(scene) = scene {
                    let now = format!("{} · times in {}", scene.zone.full(scene.now), scene.zone.named(scene.now));
                    widgets::say(ui, &Said::muted(now).of(Type::Small));
                }
                if sample {
                    widgets::say(ui, &Said::warn("▲ sample data, invented figures").of(Type::Small));
                }
            });
        });
    });
    let rect = shown.response.rect;
    ui.painter().hline(rect.x_range(), rect.top() + 0.5, Stroke::new(1.0, theme::of(ui).line));
}

/// Why nobody is prompted, on every screen, with what would have been.
pub fn hold_banner(ui: &mut Ui, scene: &Scene<'_>, acts: &mut Vec<Act>) {
    let Some(pair) = scene.pair else { return };
    let lines = maintenance::banner(scene, pair);
    if lines.is_empty() {
        return;
    }
    let surface = if pair.held_fault.is_some() { widgets::Surface::Bad } else { widgets::Surface::Plain };
    widgets::card(ui, surface, |ui| {
        ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
            if pair.maintenance.is_some() && widgets::button(ui, Look::Plain, "Change or end it…", true).clicked() {
                acts.push(Act::Do(UiCommand::Maintenance(pair.name.clone())));
            }
            ui.with_layout(Layout::top_down(Align::Min), |ui| {
                for line in &lines {
                    widgets::wrapped(ui, &[line.clone().strong()]);
                }
            });
        });
    });
    ui.add_space(space::GAP);
}

/// A fault that waits, on every screen, after "Keep waiting".
pub fn fault_banner(ui: &mut Ui, scene: &Scene<'_>, acts: &mut Vec<Act>) {
    let Some((pair, fault)) = scene.pair.and_then(|pair| pair.fault.as_ref().map(|fault| (pair, fault))) else { return };
    let surface = if words::fault_can_be_decided(fault) { widgets::Surface::Bad } else { widgets::Surface::Plain };
    widgets::card(ui, surface, |ui| {
        widgets::row(ui, |ui| {
            let tone = words::fault_chip(fault).tone;
            let what = format!("{} since {}.", words::fault_title(fault), scene.zone.clock(fault.since));
            widgets::say(ui, &Said::new(what, tone).strong());
            widgets::say(ui, &Said::muted("Nothing has been switched."));
            let (look, words) = if words::fault_can_be_decided(fault) { (Look::Danger, "Decide…") } else { (Look::Plain, "Show…") };
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if widgets::button(ui, look, words, true).clicked() {
                    acts.push(Act::Do(UiCommand::ShowFault(pair.name.clone())));
                }
            });
        });
    });
    ui.add_space(space::GAP);
}
