//! Who gets how much of a table's width. Pure.

use crate::console::theme::space;

/// A column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Column {
    /// Its head.
    pub head: &'static str,
    /// Its width.
    pub share: Share,
}

/// How wide a column is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Share {
    /// As wide as its contents, always.
    Whole,
    /// As wide as its contents where there is room.
    Text,
    /// A share of what is left.
    Rest(f32),
    /// So many points.
    Points(f32),
    /// As wide as its contents where there is room; else it is left out.
    Extra,
}

/// A state, an RPO, a time, a figure with its unit: never cut.
pub const fn whole(head: &'static str) -> Column {
    Column { head, share: Share::Whole }
}

/// A name or an address: may be cut.
pub const fn text(head: &'static str) -> Column {
    Column { head, share: Share::Text }
}

/// Evidence and reasons: they get what is left, and may be cut.
pub const fn share(head: &'static str, share: f32) -> Column {
    Column { head, share: Share::Rest(share) }
}

/// Something drawn, so many points wide.
pub const fn points(head: &'static str, points: f32) -> Column {
    Column { head, share: Share::Points(points) }
}

/// What only adds to the others: left out where there is no room.
pub const fn extra(head: &'static str) -> Column {
    Column { head, share: Share::Extra }
}

/// The widths. Their sum is more than `available` only where that is less than what must not be cut.
pub fn share_out(columns: &[Column], needs: &[f32], available: f32) -> Vec<f32> {
    let least = |(column, need): (&Column, &f32)| match column.share {
        Share::Whole => *need,
        Share::Text | Share::Rest(_) => need.min(space::LEAST_TEXT + 2.0 * space::CELL_X),
        Share::Points(points) => points,
        Share::Extra => 0.0,
    };
    let mut widths: Vec<f32> = columns.iter().zip(needs).map(least).collect();
    let mut left = (available - widths.iter().sum::<f32>()).max(0.0);
    for (place, column) in columns.iter().enumerate() {
        if column.share == Share::Extra && needs[place] <= left {
            widths[place] = needs[place];
            left -= needs[place];
        }
    }
    left = give(columns, needs, &mut widths, left, |share| share == Share::Text);
    let rest: f32 = columns.iter().filter_map(|column| if let Share::Rest(share) = column.share { Some(share) } else { None }).sum();
    if rest > 0.0 {
        for (width, column) in widths.iter_mut().zip(columns) {
            *width += if let Share::Rest(share) = column.share { left * share / rest } else { 0.0 };
        }
        return widths;
    }
    // Nobody asks for what is left: all get of it, but the fixed ones and what is left out.
    let takes = |place: usize| !matches!(columns[place].share, Share::Points(_)) && widths[place] > 0.0;
    let takers: Vec<usize> = (0..columns.len()).filter(|place| takes(*place)).collect();
    let total: f32 = takers.iter().map(|place| widths[*place]).sum();
    for place in takers {
        widths[place] += left * widths[place] / total.max(1.0);
    }
    widths
}

/// Gives those columns what they lack, each the same share of it. What is left over.
fn give(columns: &[Column], needs: &[f32], widths: &mut [f32], left: f32, takes: impl Fn(Share) -> bool) -> f32 {
    let lacks: Vec<f32> =
        (0..columns.len()).map(|place| if takes(columns[place].share) { (needs[place] - widths[place]).max(0.0) } else { 0.0 }).collect();
    let lacking: f32 = lacks.iter().sum();
    if lacking <= 0.0 {
        return left;
    }
    let part = (left / lacking).min(1.0);
    widths.iter_mut().zip(&lacks).for_each(|(width, lack)| *width += lack * part);
    left - lacking * part
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COLUMNS: [Column; 6] = [text("name"), whole("state"), extra("history"), share("why", 1.0), whole("rpo"), points("bar", 60.0)];

    #[test]
    fn columns_fill_the_table_and_never_more() {
        let columns = [text("a"), points("b", 200.0), whole("c")];
        for available in [400.0, 600.0, 1200.0] {
            let widths = share_out(&columns, &[80.0, 0.0, 120.0], available);
            assert!((widths.iter().sum::<f32>() - available).abs() < 0.1, "{widths:?} in {available}");
        }
    }

    proptest! {
        #[test]
        fn what_must_not_be_cut_keeps_its_width_whatever_the_others_need(
            needs in proptest::collection::vec(0f32..900.0, 6), available in 100f32..2_000.0
        ) {
            let widths = share_out(&COLUMNS, &needs, available);
            for place in [1, 4] {
                prop_assert!(widths[place] >= needs[place] - 0.1, "{:?} of {:?}", widths, needs);
            }
            prop_assert!(widths[2] == 0.0 || widths[2] >= needs[2] - 0.1, "an extra is whole or not there");
            let least = needs[1] + needs[4] + 60.0 + needs[0].min(68.0) + needs[3].min(68.0);
            prop_assert!(widths.iter().sum::<f32>() <= available.max(least) + 0.5, "{:?} in {}", widths, available);
        }
    }
}
