//! Identity: the machine of a pair, from replicating over a fault to the other cluster being primary.

pub mod machine;
