//! The command palette: type a few letters of what you want.

use egui::{Align2, Area, Context, Frame, Id, Key, Margin, Modal, Modifiers, vec2};

use crate::console::command::{Act, UiCommand};
use crate::console::said::Said;
use crate::console::theme::{self, space};
use crate::console::widgets::{self, Field};

/// What is typed and chosen.
#[derive(Debug, Clone, Default)]
pub struct Palette {
    text: String,
    chosen: usize,
    focused: bool,
}

/// The commands in which every word typed begins a word, in the list's order. ("freeze" is not "unfreeze".)
pub fn matching<'a>(commands: &'a [UiCommand], text: &str) -> Vec<&'a UiCommand> {
    let typed: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let fits = |command: &&UiCommand| {
        let title = command.title().to_lowercase();
        let words: Vec<&str> = title.split(|c: char| !c.is_alphanumeric()).collect();
        typed.iter().all(|word| words.iter().any(|said| said.starts_with(word.as_str())))
    };
    commands.iter().filter(fits).collect()
}

/// Draws it; false when it is to be closed.
pub fn show(ctx: &Context, palette: &mut Palette, commands: &[UiCommand], acts: &mut Vec<Act>) -> bool {
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
    let area: Area = Modal::default_area(id).anchor(Align2::CENTER_TOP, vec2(0.0, 88.0)).accessible_name("Command palette");
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
        let found = matching(commands, &palette.text);
        palette.chosen = (palette.chosen + usize::from(down)).saturating_sub(usize::from(up)).min(found.len().saturating_sub(1));
        if ui.input(|input| input.key_pressed(Key::Enter)) {
            run = found.get(palette.chosen).map(|command| (*command).clone());
        }
        ui.add_space(space::SMALL);
        widgets::scrolled(ui, "commands", space::TREE_ROW * 12.0, |ui| {
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
                widgets::say(ui, &Said::muted("Nothing is called that."));
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
    }
}
