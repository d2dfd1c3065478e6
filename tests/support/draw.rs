//! What a seed decides, and which seeds a test lives through.

use std::ops::Range;

/// A sequence that a seed decides (splitmix64).
pub struct Draw(pub u64);

impl Draw {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("small")
    }
}

/// As many seeds as `NAME_SEEDS` says, from `NAME_FROM` on; two from 1 on where nothing is said.
pub fn seeds(name: &str) -> Range<u64> {
    let number = |what: &str, usual| std::env::var(format!("{name}_{what}")).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (from, count): (u64, u64) = (number("FROM", 1), number("SEEDS", 2));
    from..from + count
}
