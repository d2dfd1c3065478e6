//! What the drills screen says: that there are none in this version, and what to do instead.

/// The screen's paragraphs.
pub fn words() -> [&'static str; 3] {
    [
        "Drills come with a later version. This one cannot bring a recovery point up beside production, and shows no results that it has not got.",
        "What you can do today: practise the whole failover in the training lab, where two real sites run on this machine.",
        "And every recovery point here was read back and hashed on the secondary before it was sealed.",
    ]
}
