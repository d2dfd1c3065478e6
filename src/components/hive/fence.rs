//! Fences: every tree closed as HDFS does it, and a parameter on the database or table that says so to whoever looks.
//!
//! A metastore has no lock of its own. It touches files as whoever asks it (`metastore.execute.setugi`, on unless switched off),
//! so that ordinary users make and drop no tables and partitions in closed directories; properties they can still change.

use std::collections::BTreeMap;

use super::Hive;
use super::dump::Depth;
use super::metastore::Metastore;
use super::model::{FENCE, MARK, Metadata, OWN, database, table};
use super::names::SetName;
use super::places::{database_path, trees};
use super::thrift::{Method, Struct, Value};
use crate::domain::{Trouble, TroubleKind};

impl Hive {
    /// Where the data set's data is now; where it will be, when there is none yet.
    pub(super) fn live_places(&self, set: &SetName, live: &Metadata) -> Result<Vec<String>, Trouble> {
        let known = trees(live, set, &self.fs, &self.warehouse).map_err(|refusal| self.refused_table(set, &refusal))?;
        let there = match &set.table {
            None => live.database.is_some(),
            Some(table) => live.tables.contains_key(table),
        };
        if there {
            return Ok(known.into_iter().map(|tree| tree.path).collect());
        }
        Ok(match (database_path(live, &self.fs), &set.table) {
            (Some(database), Some(table)) => vec![format!("{database}/{table}")],
            _ => vec![set.usual_place(&self.warehouse)],
        })
    }

    pub(super) async fn fence_set(&self, set: &SetName) -> Result<String, Trouble> {
        let hdfs = self.hdfs_of(set);
        let live = self.metastore.dump(&self.object(set), set, Depth::Places).await?;
        let there = live.database.is_some() && (set.table.is_none() || !live.tables.is_empty());
        for place in self.live_places(set, &live)? {
            // What is to come is closed before it comes; a location without a directory holds nothing.
            if !there || hdfs.is_directory(&place).await? {
                hdfs.fence_set(&place).await?;
            }
        }
        if there {
            let fence = self.marks(set).remove(FENCE).unwrap_or_default();
            self.metastore.mark(&self.object(set), set, BTreeMap::from([(FENCE.to_owned(), Some(fence))])).await?;
        }
        match self.read_fence(set).await? {
            (true, evidence) => Ok(evidence),
            (false, evidence) => Err(Trouble::new(TroubleKind::Failed, self.object(set), format!("the fence does not hold: {evidence}"))),
        }
    }

    pub(super) async fn read_fence(&self, set: &SetName) -> Result<(bool, String), Trouble> {
        let hdfs = self.hdfs_of(set);
        let live = self.metastore.dump(&self.object(set), set, Depth::Places).await?;
        let there = live.database.is_some() && (set.table.is_none() || !live.tables.is_empty());
        let mut told = Vec::new();
        for place in self.live_places(set, &live)? {
            if there && !hdfs.is_directory(&place).await? {
                continue;
            }
            match hdfs.read_fence(&place).await? {
                (true, evidence) => told.push(format!("{place}: {evidence}")),
                (false, evidence) => return Ok((false, format!("{place}: {evidence}"))),
            }
        }
        if there && !live.marks.contains_key(FENCE) {
            return Ok((false, "its parameters do not say that it is fenced".into()));
        }
        let count = told.len();
        let first = told.into_iter().next().unwrap_or_else(|| "it has no data".into());
        let more = if count > 1 { format!("; {} more directories likewise", count - 1) } else { String::new() };
        Ok((
            true,
            format!(
                "{first}{more}; properties of tables can still be changed by whom the metastore lets, and a planned switchover looks for that"
            ),
        ))
    }

    pub(super) async fn unfence_set(&self, set: &SetName) -> Result<(), Trouble> {
        let hdfs = self.hdfs_of(set);
        let live = self.metastore.dump(&self.object(set), set, Depth::Places).await?;
        for place in self.live_places(set, &live)? {
            if hdfs.is_directory(&place).await? {
                hdfs.unfence_set(&place, None).await?;
            }
        }
        if live.marks.is_empty() {
            return Ok(());
        }
        // With writers let in, what is here may be theirs.
        self.metastore.mark(&self.object(set), set, [FENCE, MARK].map(|name| (name.to_owned(), None)).into()).await
    }
}

impl Metastore {
    /// Sets (`Some`) or takes away (`None`) parameters of ours on the database, or on the one table.
    pub(super) async fn mark(&self, object: &str, set: &SetName, marks: BTreeMap<String, Option<String>>) -> Result<(), Trouble> {
        let set = set.clone();
        self.run(object, move |session| {
            let (parameters, found) = match &set.table {
                None => (database::PARAMETERS, session.database(&set.database)?),
                Some(table) => (table::PARAMETERS, session.tables_named(&set.database, std::slice::from_ref(table))?.into_iter().next()),
            };
            let Some(mut body) = found else { return Ok(()) };
            let mut all = body.texts(parameters);
            let before = all.clone();
            for (name, value) in marks.iter().filter(|(name, _)| name.starts_with(OWN)) {
                match value {
                    Some(value) => drop(all.insert(name.clone(), value.clone())),
                    None => drop(all.remove(name)),
                }
            }
            if all == before {
                return Ok(());
            }
            body.set(parameters, Value::from(&all));
            let quietly = Struct::of([(1, Value::from(&BTreeMap::from([("DO_NOT_UPDATE_STATS".to_owned(), "true".to_owned())])))]);
            match &set.table {
                None => {
                    let method = Method("alter_database", &["MetaException", "NoSuchObjectException"]);
                    session.order(method, [(1, (&set.database).into()), (2, body.into())])
                }
                Some(table) => {
                    let method = Method("alter_table_with_environment_context", &["InvalidOperationException", "MetaException"]);
                    session.order(method, [(1, (&set.database).into()), (2, table.into()), (3, body.into()), (4, quietly.into())])
                }
            }
        })
        .await
    }
}
