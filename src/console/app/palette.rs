//! The palette and the shortcuts: both take from the one command list.

use egui::Context;

use super::App;
#[cfg(feature = "lab")]
use super::Lab;
use crate::console::command::{self, Act, LabPlace};
use crate::console::shell;
use crate::controller::Snapshot;

impl App {
    pub(super) fn palette_ui(&mut self, ctx: &Context, snapshot: Option<&Snapshot>, acts: &mut Vec<Act>) {
        let pair = self.pair.clone().or_else(|| snapshot.and_then(|snapshot| snapshot.pairs.first()).map(|pair| pair.name.clone()));
        if self.palette.is_some() {
            let commands = command::list(snapshot, pair.as_ref(), self.lab_place());
            let (now, zone) = ((self.spec.clock)(), self.spec.zone);
            let things = |text: &str| command::things(snapshot, pair.as_ref(), text, &|at| zone.day_clock(at, now));
            let generation = snapshot.map_or(0, |snapshot| snapshot.generation);
            if let Some(palette) = &mut self.palette
                && !shell::palette::show(ctx, palette, &commands, generation, &things, acts)
            {
                self.palette = None;
            }
            return;
        }
        // Shortcuts must not reach through a dialog that waits for an answer.
        if ctx.memory(|memory| memory.top_modal_layer().is_some()) {
            return;
        }
        for command in command::with_keys(pair.is_some()) {
            if let Some(keys) = command.shortcut()
                && ctx.input_mut(|input| input.consume_shortcut(&keys))
            {
                acts.push(Act::Do(command));
            }
        }
    }

    fn lab_place(&self) -> LabPlace {
        match &self.lab {
            #[cfg(feature = "lab")]
            Lab::Running { news, .. } if self.inside_lab => LabPlace::Inside(crate::console::screens::lab::data::commands(&news.newest())),
            _ if self.start_lab.is_some() => LabPlace::Outside,
            _ => LabPlace::Absent,
        }
    }
}
