//! A drill's tables: the sealed snapshot cloned into a namespace of the drill's own, `understudy_drill_ID:NAMESPACE.TABLE`, writable.
//!
//! A clone reads the snapshot's HFiles through links and writes files of its own, so that nothing done to it reaches the point.

use super::live::state_of;
use super::names::Table;
use super::rpc::RpcError;
use super::{Hbase, coprocessors};
use crate::domain::{DrillId, Manifest, PointId, Trouble, TroubleKind};

/// What the namespaces of drills are called before the drill's id.
const PREFIX: &str = "understudy_drill_";

/// The namespace of a drill.
fn namespace(drill: DrillId) -> String {
    format!("{PREFIX}{}", drill.0.simple())
}

/// The drill of a namespace, if it is one's.
pub(super) fn drill_of(namespace: &str) -> Option<DrillId> {
    namespace.strip_prefix(PREFIX)?.parse().ok()
}

/// A table in a drill's namespace. No namespace has a dot in its name, so that no two tables meet.
fn table_of(drill: DrillId, table: &Table) -> Table {
    Table { namespace: namespace(drill), name: format!("{}.{}", table.namespace, table.name) }
}

/// What a table, as HBase spells it, is called in a drill: for those who reach it from elsewhere.
pub fn drill_table(drill: DrillId, table: &str) -> String {
    table_of(drill, &Table::of_text(table)).text()
}

impl Hbase {
    pub(super) async fn rehearse_set(
        &self,
        set: &str,
        table: &Table,
        point: PointId,
        manifest: &Manifest,
        drill: DrillId,
    ) -> Result<String, Trouble> {
        let about = |error: RpcError| error.about(self.object(set));
        if !self.is_shown(set, point, manifest).await? {
            let reason = format!("its sealed snapshot of point {point} is not here");
            return Err(Trouble::new(TroubleKind::NotFound, self.object(set), reason).next("choose another recovery point"));
        }
        coprocessors::check(manifest, &self.allowed, &self.object(set))?;
        self.check_complete(set, manifest).await?;
        let clone = table_of(drill, table);
        self.client.make_namespace(&clone.namespace).await.map_err(about)?;
        self.drop_table(&clone).await.map_err(about)?;
        // With the name of a table that is not there, restoring clones.
        self.client.restore(self.description(set, &clone, point)).await.map_err(about)?;
        self.bring_to(&clone, state_of(manifest)).await.map_err(about)?;
        // The sealed descriptor may be that of a table that was fenced when it was captured.
        self.unfence_set(set, &clone, None).await?;
        Ok(clone.set())
    }

    pub(super) async fn drop_table(&self, table: &Table) -> Result<(), RpcError> {
        if self.client.schema(table).await?.is_some() {
            self.client.disable(table).await?;
            self.client.delete(table).await?;
        }
        Ok(())
    }

    /// Removes the tables and the namespace of a drill.
    pub(super) async fn clear_space(&self, drill: DrillId) -> Result<(), Trouble> {
        let own = namespace(drill);
        let about = |error: RpcError| error.about(self.object(&own));
        if !self.client.namespaces().await.map_err(about)?.contains(&own) {
            return Ok(());
        }
        for table in self.client.tables(&own).await.map_err(about)? {
            self.drop_table(&table).await.map_err(about)?;
        }
        self.client.delete_namespace(&own).await.map_err(about)
    }

    /// The drills that have a namespace here.
    pub(super) async fn spaces(&self) -> Result<Vec<(DrillId, String)>, Trouble> {
        let all = self.client.namespaces().await.map_err(|error| error.about(self.object("")))?;
        Ok(all.into_iter().filter_map(|name| Some((drill_of(&name)?, format!("namespace {name}")))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_tells_its_drill_and_no_others_is_taken_for_one() {
        let drill = DrillId(uuid::Uuid::now_v7());
        assert_eq!(drill_of(&namespace(drill)), Some(drill));
        for other in ["shop", "understudy_drill_", "understudy_drill_x", "my_understudy_drill_1"] {
            assert_eq!(drill_of(other), None, "{other}");
        }
        let clone = table_of(drill, &Table { namespace: "shop".into(), name: "orders".into() });
        assert_eq!(drill_table(drill, "shop:orders"), clone.set());
        assert!(drill_table(drill, "orders").ends_with(":default.orders"));
        assert_eq!(Table::of_set(&clone.set()), Ok(clone));
    }
}
