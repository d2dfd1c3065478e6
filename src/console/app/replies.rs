//! Takes in replies and errands.

use egui::Context;

use super::App;
use crate::console::errand::Brought;
use crate::console::places::Place;
use crate::console::said::Said;
use crate::controller::Reply;
use crate::domain::{PairName, Trouble, TroubleKind};

impl App {
    pub(super) fn receive(&mut self, ctx: &Context, place: Place, reply: Reply) {
        match (place, reply) {
            (Place::Adjust(pair), reply) => self.adjusted(&pair, reply),
            (_, Reply::Refused(trouble)) => self.toast(ctx, Said::bad(format!("✖ {trouble}"))),
            (_, _) => {}
        }
    }

    fn adjusted(&mut self, pair: &PairName, reply: Reply) {
        let ended = match reply {
            Reply::Adjusted(report) => Ok(report),
            Reply::Refused(trouble) => Err(trouble),
            other => Err(Trouble::new(TroubleKind::Failed, pair, format!("the engine answered something else: {other:?}"))),
        };
        if let Some(change) = &mut self.forms.fault.change {
            change.ended = Some(ended);
        }
    }

    pub(super) fn take_in(&mut self, brought: Brought) {
        match brought {
            Brought::Plan(_) | Brought::Picked(..) | Brought::Written(_) => {}
        }
    }
}
