//! What came past the fence of a database or table since a point was captured under it: a metastore changes properties, and drops what has no
//! directory of its own, whatever rights directories have; and a superuser writes files there.
//!
//! ```text
//! the point's metadata, the live metadata → the steps from one to the other → by table, pure · HDFS's own look at each tree
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::Hive;
use super::constraints::take_out;
use super::dump::Depth;
use super::model::Metadata;
use super::names::SetName;
use super::plan::steps;
use crate::domain::{PastFence, PointId, Trouble, TroubleKind};

/// How live metadata is not that of a point any more.
fn passed(set: &SetName, live: &Metadata, then: &Metadata) -> Vec<PastFence> {
    // Whether it is fenced is told by the fence.
    let then = Metadata { marks: live.marks.clone(), ..then.clone() };
    let gone = live.database.is_none() || set.table.as_ref().is_some_and(|table| !live.tables.contains_key(table));
    if gone {
        return vec![PastFence::Replaced];
    }
    let names = |metadata: &Metadata| metadata.tables.keys().cloned().collect::<BTreeSet<_>>();
    let (old, new) = (names(&then), names(live));
    let mut all: Vec<PastFence> = new.difference(&old).map(|table| PastFence::TableCame { table: table.clone() }).collect();
    all.extend(old.difference(&new).map(|table| PastFence::TableGone { table: table.clone() }));
    let one = |metadata: &Metadata, table: &String| Metadata {
        tables: metadata.tables.get_key_value(table).map(|(name, table)| (name.clone(), table.clone())).into_iter().collect(),
        ..Metadata::default()
    };
    let changed = old.intersection(&new).filter(|table| !steps(&one(live, table), &one(&then, table), true).is_empty());
    all.extend(changed.map(|table| PastFence::TableChanged { table: table.clone() }));
    let without_tables = |metadata: &Metadata| Metadata { tables: BTreeMap::new(), ..metadata.clone() };
    if !steps(&without_tables(live), &without_tables(&then), set.table.is_none()).is_empty() {
        all.push(PastFence::DefinitionChanged);
    }
    all.truncate(PastFence::MOST);
    all
}

impl Hive {
    /// What is not as it was captured.
    pub(super) async fn passed_since(&self, set: &SetName, point: PointId) -> Result<Vec<PastFence>, Trouble> {
        let (then, trees) = match self.as_captured(set, point).await {
            Err(trouble) if matches!(trouble.kind, TroubleKind::NotFound | TroubleKind::Refused) => {
                return Ok(vec![PastFence::Unknown { reason: trouble.reason }]);
            }
            told => told?,
        };
        let mut live = self.metastore.dump(&self.object(set), set, Depth::All).await?;
        take_out(&mut live, set);
        let mut all = passed(set, &live, &then);
        let hdfs = self.hdfs_of(set);
        for tree in trees {
            all.extend(hdfs.passed_since(&tree.path, point).await?);
        }
        all.truncate(PastFence::MOST);
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Table;
    use super::super::thrift::Struct;
    use super::*;

    fn set() -> SetName {
        SetName::parse("sales").expect("a name")
    }

    fn metadata(tables: &[(&str, &str)]) -> Metadata {
        let tables = tables.iter().map(|(name, owner)| {
            let body = Struct::of([(3, (*owner).into())]);
            ((*name).to_owned(), Table { body, ..Table::default() })
        });
        Metadata { database: Some(Struct::default()), tables: tables.collect(), ..Metadata::default() }
    }

    #[test]
    fn what_a_metastore_did_past_the_fence_is_told_by_table() {
        let then = metadata(&[("orders", "ana"), ("far", "ana")]);
        assert_eq!(passed(&set(), &then, &then), []);
        let table = |name: &str| name.to_owned();
        let live = metadata(&[("orders", "bo"), ("new", "ana")]);
        let told = [
            PastFence::TableCame { table: table("new") },
            PastFence::TableGone { table: table("far") },
            PastFence::TableChanged { table: table("orders") },
        ];
        assert_eq!(passed(&set(), &live, &then), told);
        assert_eq!(passed(&set(), &Metadata::default(), &then), [PastFence::Replaced]);
        let one = SetName::parse("sales.far").expect("a name");
        assert_eq!(passed(&one, &metadata(&[]), &metadata(&[("far", "ana")])), [PastFence::Replaced]);
    }
}
