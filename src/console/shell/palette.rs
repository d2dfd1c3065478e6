//! The command palette: type a few letters of what you want.

use egui::{Align2, Area, Context, Frame, Id, Key, Margin, Modal, Modifiers, vec2};

use crate::console::command::{Act, UiCommand};
use crate::console::said::Said;
use crate::console::theme::{self, space};
use crate::console::widgets::{self, Field};

/// From the window's top.
const TOP: f32 = 88.0;

/// What is typed and chosen.
#[derive(Debug, Clone, Default)]
pub struct Palette {
    text: String,
    chosen: usize,
    focused: bool,
    /// The things found, of which text and generation of the facts.
    found: Option<(String, u64, Vec<UiCommand>)>,
}

/// The words of a text. What is typed and what is looked through are split alike, so that a name is found however it is written.
fn words(text: &str) -> Vec<String> {
    text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Whether every word typed begins a word of a title. ("freeze" is not "unfreeze".)
pub fn fits(text: &str) -> impl Fn(&str) -> bool {
    let typed = words(text);
    move |title| {
        let said = words(title);
        typed.iter().all(|word| said.iter().any(|said| said.starts_with(word.as_str())))
    }
}

/// The commands that fit what was typed, in the list's order.
pub fn matching<'a>(commands: &'a [UiCommand], text: &str) -> Vec<&'a UiCommand> {
    let fits = fits(text);
    commands.iter().filter(|command| fits(&command.title())).collect()
}

/// Draws it; false when it is to be closed. `things` finds what is no command by what was typed: asked when that or the facts change.
pub fn show(
    ctx: &Context,
    palette: &mut Palette,
    commands: &[UiCommand],
    generation: u64,
    things: &dyn Fn(&str) -> Vec<UiCommand>,
    acts: &mut Vec<Act>,
) -> bool {
    let down = ctx.input_mut(|input| input.consume_key(Modifiers::NONE, Key::ArrowDown));
    let up = ctx.input_mut(|input| input.consume_key(Modifiers::NONE, Key::ArrowUp));
    let mut run = None;
    let tokens = if ctx.global_style().visuals.dark_mode { theme::Tokens::dark() } else { theme::Tokens::light() };
    let frame = Frame::NONE
        .fill(tokens.raised)
        .stroke(egui::Stroke::new(1.0, tokens.line2))
        .corner_radius(egui::CornerRadius::same(space::CARD_RADIUS))
        .inner_margin(Margin::same(12));
    let id = Id::unique("palette");
    let area: Area = Modal::default_area(id).anchor(Align2::CENTER_TOP, vec2(0.0, TOP)).accessible_name("Command palette");
    let shown = Modal::new(id).area(area).frame(frame).backdrop_color(tokens.scrim).show(ctx, |ui| {
        ui.set_width(space::PALETTE_WIDTH);
        let field = Field::new("Search commands").unlabelled().hint("Search or run a command").show(ui, &mut palette.text);
        if !palette.focused {
            field.request_focus();
            palette.focused = true;
        }
        if field.changed() {
            palette.chosen = 0;
        }
        // Looked for after the field has taken its keys: a slow frame brings the words and Enter together.
        if !matches!(&palette.found, Some((text, of, _)) if *text == palette.text && *of == generation) {
            palette.found = Some((palette.text.clone(), generation, things(&palette.text)));
        }
        let mut found = matching(commands, &palette.text);
        found.extend(palette.found.iter().flat_map(|(_, _, things)| things));
        palette.chosen = (palette.chosen + usize::from(down)).saturating_sub(usize::from(up)).min(found.len().saturating_sub(1));
        if ui.input(|input| input.key_pressed(Key::Enter)) {
            run = found.get(palette.chosen).map(|command| (*command).clone());
        }
        ui.add_space(space::SMALL);
        let room = ui.ctx().content_rect().height() - TOP - 4.0 * space::CONTROL_HEIGHT;
        widgets::scrolled(ui, "commands", (space::TREE_ROW * 12.0).min(room.max(space::LEAST_BODY)), |ui| {
            for (place, command) in found.iter().enumerate() {
                let keys = command.shortcut().map(|keys| ctx.format_shortcut(&keys)).unwrap_or_default();
                let item = widgets::wide_item(ui, &command.title(), &keys, place == palette.chosen, ui.available_width());
                if place == palette.chosen && (up || down) {
                    item.scroll_to_me(None);
                }
                if item.clicked() {
                    run = Some((*command).clone());
                }
            }
            if found.is_empty() {
                widgets::say(ui, &Said::muted("No match."));
            }
        });
    });
    if let Some(command) = run {
        acts.push(Act::Do(command));
        return false;
    }
    !shown.should_close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::command::Screen;

    #[test]
    fn every_word_typed_must_begin_a_word_of_the_command() {
        let all = [UiCommand::Go(Screen::Points), UiCommand::Go(Screen::Runs), UiCommand::PairClusters];
        assert_eq!(matching(&all, "go po"), vec![&all[0]]);
        assert_eq!(matching(&all, "PAIR"), vec![&all[2]]);
        assert_eq!(matching(&all, "").len(), 3);
        assert!(matching(&all, "nothing like it").is_empty());
        assert!(matching(&all, "usters").is_empty());
        let named = [UiCommand::RunService("svc-150".parse().expect("a name")), UiCommand::RunService("svc_15.1".parse().expect("a name"))];
        for (typed, found) in [("svc-150", 1), ("svc 150", 1), ("svc_15.1", 2), ("svc_x", 0), ("SVC-15", 2), ("-", 2), ("svc-2", 0)] {
            assert_eq!(matching(&named, typed).len(), found, "{typed}");
        }
    }
}
