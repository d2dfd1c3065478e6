//! What an HBase data set consists of, and what becomes of each part.

use crate::components::parts::{Fate, Part, part};

/// Everything that a table of HBase consists of.
pub const PARTS: &[Part] = &[
    part("cells, every version, deletions too", Fate::Carried, "as HFiles of a flush snapshot"),
    part("MOB cells", Fate::Carried, "as HFiles of the table's MOB region"),
    part(
        "bulk-loaded HFiles",
        Fate::Carried,
        "as any other; one that is loaded past a fence is looked for before a planned switchover promotes",
    ),
    part("regions and their boundaries", Fate::Carried, "as the snapshot's regions"),
    part("the descriptor: attributes, settings, column families", Fate::Carried, "whole, in the snapshot"),
    part("a disabled table", Fate::CarriedAndNamed("table-disabled"), "it stays disabled"),
    part("a table that is just being enabled or disabled", Fate::CarriedAndNamed("table-changing"), "its state is that of the capture"),
    part("the store file tracker (DEFAULT, FILE)", Fate::Carried, "as the descriptor names it; a live table with another one is made anew"),
    part("coprocessors on the servers' class path", Fate::Carried, "by class; the secondary needs the class"),
    part("coprocessors in a jar", Fate::Refused("coprocessor-jars"), "unless the secondary's agent.toml allows coprocessor-jars"),
    part("the jar of a coprocessor", Fate::Named("coprocessor-jar"), "it is a file outside the table"),
    part("replication scopes", Fate::CarriedAndNamed("replication-scope"), "in the descriptor; the replication peers are the cluster's"),
    part("encrypted column families", Fate::CarriedAndNamed("encrypted-family"), "the master key is the cluster's"),
    part("the namespace", Fate::Carried, "made where it is missing"),
    part("properties of the namespace", Fate::Named("namespace-properties"), "they are shared with other tables"),
    part("quotas of the table and of the namespace", Fate::Named("quotas"), "they are the cluster's"),
    part("rights of HBase", Fate::Named("rights"), "they are the cluster's"),
    part(
        "visibility labels",
        Fate::CarriedAndNamed("visibility-labels"),
        "cells keep the numbers of their labels, which are the cluster's",
    ),
    part("the owner's own snapshots", Fate::Named("own-snapshots"), "they stay at the primary"),
    part("write-ahead logs", Fate::LeftOut, "what is in them is flushed before the snapshot"),
];
