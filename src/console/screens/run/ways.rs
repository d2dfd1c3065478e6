//! The ways out of a committed point that its secondary cannot finish, in words.

use crate::console::words::{self, Zone};
use crate::domain::unfinished::{Abandonment, Stuck, Work};

/// What becomes of a point that stands still.
pub fn out(stuck: &Stuck, zone: Zone) -> String {
    match stuck.work {
        Work::Seal => {
            let since = zone.clock(stuck.since);
            format!(
                "Stuck since {since}. The secondary tries again by itself, at least once a minute. If the cause cannot be removed, abandon \
                 the point."
            )
        }
        Work::Abandon => "The point is given up. The secondary tries again by itself to take it back.".to_owned(),
    }
}

/// Who gave a point up, and where the live data is now.
pub fn given_up(given_up: &Abandonment, over: bool, zone: Zone) -> String {
    let Abandonment { by, at, back_to } = given_up;
    let back = match (over, back_to) {
        (false, _) => "the secondary takes it back".to_owned(),
        (true, Some(point)) => format!("the live data is back at point {}", words::short_word(&point.to_string())),
        (true, None) => "its target is as it was before the run, or the log says what is not".to_owned(),
    };
    format!("Abandoned by {by} at {}: {back}.", zone.clock(*at))
}
