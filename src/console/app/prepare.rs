//! Brings the console into the states that pictures show.

use egui::Context;

use super::App;

impl App {
    /// Half of the confirmation typed.
    pub(crate) fn type_confirmation(&mut self, _ctx: &Context) {
        self.forms.fault.typed = "guiya".to_owned();
    }
    /// The pairing form filled in and checked.
    pub(crate) fn fill_pairing(&mut self, _ctx: &Context) {}
    /// The policy of the first service, its tree opened.
    pub(crate) fn fill_policy(&mut self, _ctx: &Context) {}
    /// The run under way.
    pub(crate) fn first_run(&mut self, _ctx: &Context) {}
}
