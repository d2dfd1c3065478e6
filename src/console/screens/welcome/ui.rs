//! Draws the welcome.

use egui::{Margin, Ui};

use super::data::{Way, ways};
use crate::console::command::{Act, UiCommand};
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::theme::{Type, space};
use crate::console::widgets::{self, Look, Surface};

const WIDTH: f32 = 900.0;
const ABOVE: f32 = 110.0;
const TEXT_HEIGHT: f32 = 76.0;

/// Draws it.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, acts: &mut Vec<Act>) {
    let aside = ((ui.available_width() - WIDTH) / 2.0).max(0.0);
    ui.add_space(ABOVE);
    ui.horizontal(|ui| {
        ui.add_space(aside);
        ui.vertical(|ui| {
            ui.set_width(WIDTH.min(ui.available_width()));
            widgets::say(ui, &Said::plain("Welcome. Nothing is protected yet.").of(Type::Hero));
            ui.add_space(space::SMALL);
            let lead = "Understudy keeps a second cluster ready to take a service over: all its data sets, in all their components, as they were at one moment.";
            widgets::wrapped(ui, &[Said::muted(lead).of(Type::Lead)]);
            ui.add_space(26.0);
            let ways = ways(scene);
            widgets::columns(ui, "ways", &[1.0, 1.0, 1.0], 16.0, |ui, place, cell| {
                let surface = if place == 0 { Surface::Chosen } else { Surface::Plain };
                cell.card(ui, surface, |ui| way(ui, &ways[place], place == 0, acts));
            });
        });
    });
}

/// In the training lab, before a scenario has paired its sites.
pub fn unpaired_lab(ui: &mut Ui, title: &str, acts: &mut Vec<Act>) {
    widgets::page_head(ui, title, |_| {}, |_| {});
    widgets::card(ui, Surface::Plain, |ui| {
        widgets::wrapped(ui, &[Said::muted("The lab's two sites are not paired yet: a scenario does that when it begins.")]);
        ui.add_space(space::SMALL);
        if widgets::button(ui, Look::Primary, &UiCommand::OpenLab.title(), true).clicked() {
            acts.push(Act::Do(UiCommand::OpenLab));
        }
    });
}

fn way(ui: &mut Ui, way: &Way, first: bool, acts: &mut Vec<Act>) {
    // The cards' own margin is 14; the welcome's are roomier.
    egui::Frame::NONE.inner_margin(Margin::same(6)).show(ui, |ui| {
        widgets::say(ui, &Said::plain(way.title).of(Type::Card));
        ui.add_space(space::SMALL);
        let text = widgets::wrapped(ui, &[Said::muted(&way.text)]);
        ui.add_space((TEXT_HEIGHT - text.rect.height()).max(0.0) + space::FIELD);
        let look = if first { Look::Primary } else { Look::Plain };
        if widgets::button(ui, look, &way.button, way.command.is_some()).clicked()
            && let Some(command) = &way.command
        {
            acts.push(Act::Do(command.clone()));
        }
    });
}
