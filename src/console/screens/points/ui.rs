//! Draws the recovery points.

use egui::{Align2, CornerRadius, Pos2, Rect, ScrollArea, Sense, Stroke, StrokeKind, Ui, pos2, vec2};

use super::data::{State, Timeline, detail, points_of, row, service, timeline};
use crate::console::command::{Act, Dialog};
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::theme::{self, Tone, Type, space};
use crate::console::widgets::{self, Cell, Look, Surface, Table};
use crate::console::words;
use crate::controller::snapshot::PairView;
use crate::domain::{PointId, RecoveryPoint};

const NAMES: f32 = 110.0;
const LINE: f32 = 40.0;
const LIST_HEIGHT: f32 = 400.0;
/// Narrower than this, the list and the chosen point stand below one another.
const SIDE_BY_SIDE: f32 = 900.0;

/// Draws it.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, pair: &PairView, state: &mut State, acts: &mut Vec<Act>) {
    let Some(name) = service(pair, state).cloned() else {
        widgets::page_head(ui, "Recovery points", |_| {}, |_| {});
        widgets::card(ui, Surface::Plain, |ui| drop(widgets::say(ui, &Said::muted("No service yet, so no recovery points."))));
        return;
    };
    let services: Vec<String> = pair.services.iter().map(|service| service.name.to_string()).collect();
    widgets::page_head(ui, "Recovery points", |_| {}, |ui| choose(ui, &services, name.as_str(), pair, state));
    let line = timeline(scene, pair, state);
    let points = points_of(scene, &name);
    let chosen = points.iter().position(|point| Some(point.id) == state.point).unwrap_or(0);
    widgets::card(ui, Surface::Plain, |ui| {
        widgets::heading(
            ui,
            "Timeline",
            "every mark is one moment at which all data sets were captured; Ctrl and the wheel zoom, dragging moves",
        );
        let picked = draw_timeline(ui, &line, state, points.get(chosen).map(|point| point.id));
        if let Some(point) = picked.and_then(|id| scene.snapshot.points.iter().find(|point| point.id == id)) {
            state.service = Some(point.service.clone());
            state.point = Some(point.id);
        }
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 20.0;
            widgets::say(ui, &Said::ok("■ bounded or quiesced").of(Type::Label));
            widgets::say(ui, &Said::warn("▲ wide: above the skew limit, kept, not offered first").of(Type::Label));
            widgets::say(ui, &Said::bad("✖ failed: nothing sealed").of(Type::Label));
        });
        if line.more > 0 {
            widgets::say(
                ui,
                &Said::muted(format!("Not drawn: {}. Choose one above.", words::plural(line.more as u64, "more service"))).of(Type::Label),
            );
        }
    });
    ui.add_space(space::GAP);
    let keep = pair.services.iter().find(|service| service.name == name).map(|service| service.policy.keep);
    let mut part = |ui: &mut Ui, place: usize| match (place, points.get(chosen)) {
        (0, _) => list(ui, &points, chosen, state, |point| row(scene, point, keep)),
        (_, Some(point)) => close(ui, &detail(scene, point), point.id, acts),
        (_, None) => drop(widgets::say(ui, &Said::muted("No recovery point is sealed yet."))),
    };
    let surfaces = [Surface::Table, Surface::Plain];
    if ui.available_width() < SIDE_BY_SIDE {
        // Too narrow for both: the chosen point stands above the list, where a click on the list shows it at once.
        for place in [1, 0] {
            widgets::card(ui, surfaces[place], |ui| part(ui, place));
            ui.add_space(space::GAP);
        }
        return;
    }
    widgets::columns(ui, "list", &[1.0, 380.0], space::GAP, |ui, place, cell| cell.card(ui, surfaces[place], |ui| part(ui, place)));
}

fn choose(ui: &mut Ui, services: &[String], name: &str, pair: &PairView, state: &mut State) {
    let spans = [("Last 24 hours", 24.0), ("Last 7 days", 168.0), ("Last 30 days", 720.0)];
    let options: Vec<String> = spans.iter().map(|(words, _)| (*words).to_owned()).collect();
    let shown = spans
        .iter()
        .find(|(_, hours)| (state.hours - hours).abs() < 0.01 && state.back == 0.0)
        .map_or("Chosen by hand", |(words, _)| words);
    if let Some(chosen) = widgets::select(ui, "Span", shown, &options, None) {
        (state.hours, state.back) = (spans[chosen].1, 0.0);
    }
    if let Some(service) = widgets::select(ui, "Service", name, services, None).and_then(|chosen| pair.services.get(chosen)) {
        state.service = Some(service.name.clone());
        state.point = None;
    }
}

fn draw_timeline(ui: &mut Ui, line: &Timeline, state: &mut State, chosen: Option<PointId>) -> Option<PointId> {
    let height = LINE * line.rows.len() as f32 + 28.0;
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click_and_drag());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Image, true, "Timeline of recovery points"));
    let tokens = theme::of(ui);
    let (left, right) = (rect.left() + NAMES, rect.right() - 10.0);
    let x = |at: f32| left + (right - left) * at;
    let mut picked = None;
    let pointer = response.hover_pos();
    let mut hovered = None;
    for (number, row) in line.rows.iter().enumerate() {
        let y = rect.top() + LINE * (number as f32 + 0.6);
        ui.painter().hline(left..=right, y, Stroke::new(1.0, tokens.line));
        let name = ui.painter().layout_job(elided(&row.service, NAMES - 8.0, tokens.muted));
        ui.painter().galley(pos2(rect.left(), y - name.size().y / 2.0), name, tokens.muted);
        for mark in &row.marks {
            let centre = pos2(x(mark.at), y);
            draw_mark(ui, centre, mark.tone);
            if mark.point.is_some() && mark.point == chosen {
                let ring = Rect::from_center_size(centre, vec2(14.0, 20.0));
                ui.painter().rect_stroke(ring, CornerRadius::same(4), Stroke::new(2.0, tokens.accent), StrokeKind::Middle);
            }
            if pointer.is_some_and(|at| (at.y - y).abs() < LINE / 2.0 && (at.x - centre.x).abs() < 5.0) {
                hovered = Some(mark.words.clone());
                picked = mark.point;
            }
        }
    }
    for (at, words) in &line.axis {
        let anchor = if *at <= 0.0 {
            Align2::LEFT_BOTTOM
        } else if *at >= 1.0 {
            Align2::RIGHT_BOTTOM
        } else {
            Align2::CENTER_BOTTOM
        };
        ui.painter().text(pos2(x(*at), rect.bottom() - 6.0), anchor, words, Type::Axis.font(), tokens.muted);
    }
    let clicked = response.clicked();
    zoom(ui, &response, state, right - left);
    if let Some(words) = hovered {
        response.on_hover_text_at_pointer(words);
    }
    picked.filter(|_| clicked)
}

fn zoom(ui: &Ui, response: &egui::Response, state: &mut State, width: f32) {
    const LEAST_HOURS: f64 = 1.0;
    const MOST_HOURS: f64 = 24.0 * 365.0;
    if response.dragged() {
        let hours = f64::from(response.drag_delta().x / width) * state.hours;
        state.back = (state.back + hours).max(0.0);
    }
    // The wheel alone scrolls the page, here as everywhere.
    let zoomed = ui.input(egui::InputState::zoom_delta);
    if response.hovered() && zoomed != 1.0 {
        state.hours = (state.hours / f64::from(zoomed)).clamp(LEAST_HOURS, MOST_HOURS);
    }
}

/// Shape as well as colour: a bar is well, a triangle wide, a cross failed.
fn draw_mark(ui: &Ui, centre: Pos2, tone: Tone) {
    let colour = theme::of(ui).colour(tone);
    match tone {
        Tone::Warn => {
            let points = vec![centre + vec2(0.0, -6.0), centre + vec2(5.0, 5.0), centre + vec2(-5.0, 5.0)];
            ui.painter().add(egui::Shape::convex_polygon(points, colour, Stroke::NONE));
        }
        Tone::Bad => {
            let stroke = Stroke::new(2.5, colour);
            ui.painter().line_segment([centre + vec2(-4.0, -5.0), centre + vec2(4.0, 5.0)], stroke);
            ui.painter().line_segment([centre + vec2(-4.0, 5.0), centre + vec2(4.0, -5.0)], stroke);
        }
        _ => drop(ui.painter().rect_filled(Rect::from_center_size(centre, vec2(6.0, 10.0)), CornerRadius::same(2), colour)),
    }
}

fn elided(text: &str, width: f32, colour: egui::Color32) -> egui::text::LayoutJob {
    let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), Type::Axis.font(), colour);
    job.wrap = egui::text::TextWrapping::truncate_at_width(width);
    job
}

fn list(ui: &mut Ui, points: &[&RecoveryPoint], chosen: usize, state: &mut State, line: impl Fn(&RecoveryPoint) -> super::data::PointRow) {
    let columns = [
        widgets::whole("Moment"),
        widgets::whole("Grade"),
        widgets::whole("Skew"),
        widgets::extra("Parts"),
        widgets::whole("Size"),
        widgets::whole("Copied"),
        widgets::extra("Verified"),
        widgets::extra("Kept until"),
    ];
    ScrollArea::vertical().id_salt("points").max_height(LIST_HEIGHT).auto_shrink([false, true]).show(ui, |ui| {
        let reply = Table::new("points", &columns).clickable(Some(chosen)).show(ui, points.len(), |number| {
            let data = line(points[number]);
            let moment = Said::plain(data.moment);
            vec![
                if number == chosen { moment.strong() } else { moment }.into(),
                Cell::Chip(data.grade),
                data.skew.into(),
                Said::plain(data.parts).into(),
                Said::plain(data.size).into(),
                Said::plain(data.copied).into(),
                data.verified.into(),
                Said::plain(data.kept).into(),
            ]
        });
        if let Some(point) = reply.clicked.and_then(|number| points.get(number)) {
            state.service = Some(point.service.clone());
            state.point = Some(point.id);
        }
    });
}

fn close(ui: &mut Ui, data: &super::data::Detail, point: PointId, acts: &mut Vec<Act>) {
    widgets::heading(ui, &data.title, "");
    let columns = [widgets::share("", 1.0), widgets::whole(""), widgets::whole("")];
    Table::new("sets", &columns).headless().show(ui, data.sets.len(), |number| data.sets[number].iter().cloned().map(Cell::from).collect());
    ui.add_space(space::SMALL);
    widgets::wrapped(ui, &[Said::muted(&data.open_words)]);
    ui.add_space(space::SMALL);
    for (key, value) in &data.facts {
        widgets::wrapped(ui, &[Said::muted(format!("{key}  ")), Said::plain(value)]);
        ui.add_space(2.0);
    }
    ui.add_space(space::ROW);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::ROW;
        if widgets::button(ui, Look::Plain, "Open files…", !data.open_files.is_empty()).clicked() {
            acts.push(Act::Open(Dialog::Read("Files that were open at the moment".to_owned(), data.open_files.clone())));
        }
        if widgets::button(ui, Look::Plain, "Notes…", !data.notes.is_empty()).clicked() {
            acts.push(Act::Open(Dialog::Read("What was said of its data sets, and what is not carried".to_owned(), data.notes.clone())));
        }
        if widgets::button(ui, Look::Plain, "Restore a data set…", true).clicked() {
            acts.push(Act::Open(Dialog::Restore(point)));
        }
    });
}
