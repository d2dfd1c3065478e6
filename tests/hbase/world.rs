//! Two clusters and one table, written and read by HBase's Java client.

use std::sync::Arc;

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use understudy::components::Component;
use understudy::components::hbase::Hbase;
use understudy::domain::{ChangeSet, Entry, RelPath};

use super::support::ferry::Staged;
use super::support::hbase_world::{HbaseCluster, clusters};

/// Tests that break daemons hold it alone.
static DISTURBED: RwLock<()> = RwLock::const_new(());

/// One table at the primary, and where it goes.
pub struct Shop {
    pub primary: HbaseCluster,
    pub secondary: HbaseCluster,
    pub source: Hbase,
    pub target: Arc<dyn Component>,
    pub set: String,
}

/// Both clusters, undisturbed as long as the guard lives.
pub async fn undisturbed() -> Option<([HbaseCluster; 2], RwLockReadGuard<'static, ()>)> {
    let found = clusters().await?;
    Some((found, DISTURBED.read().await))
}

/// A namespace of its own at the primary only, undisturbed as long as the guard lives.
pub async fn shop() -> Option<(Shop, RwLockReadGuard<'static, ()>)> {
    clusters().await?;
    let guard = DISTURBED.read().await;
    Some((made().await?, guard))
}

/// The same for a test that breaks daemons.
pub async fn shop_to_break() -> Option<(Shop, RwLockWriteGuard<'static, ()>)> {
    clusters().await?;
    let guard = DISTURBED.write().await;
    Some((made().await?, guard))
}

async fn made() -> Option<Shop> {
    let [primary, secondary] = clusters().await?;
    let namespace = format!("shop_{}", uuid::Uuid::now_v7().simple());
    primary.rows.tell(&["namespace", &namespace]).await;
    let (source, target): (_, Arc<dyn Component>) = (primary.component(), Arc::new(secondary.component()));
    Some(Shop { source, target, set: format!("{namespace}:orders"), primary, secondary })
}

impl Shop {
    /// Makes the table at the primary.
    pub async fn create(&self, families: &str, splits: &str) {
        self.primary.rows.tell(&["create", &self.set, families, splits]).await;
    }

    /// `count` rows from number `from` on, `bytes` of noise each.
    pub async fn fill(&self, family: &str, from: u32, count: u32, bytes: u32) {
        let [from, count, bytes] = [from, count, bytes].map(|number| number.to_string());
        self.primary.rows.tell(&["fill", &self.set, family, &from, &count, &bytes]).await;
    }

    /// Something done to the table at the primary: `flush`, `compact`, `split KEY`, `drop`.
    pub async fn primary_does(&self, words: &[&str]) {
        self.primary.rows.tell(&[&[words[0], self.set.as_str()], &words[1..]].concat()).await;
    }

    /// Number of cells and their digest, all versions.
    pub async fn at_primary(&self) -> Vec<String> {
        self.primary.rows.tell(&["digest", &self.set]).await
    }

    /// The same at the secondary, once the table is live there.
    pub async fn at_secondary(&self) -> Vec<String> {
        self.secondary.rows.tell(&["digest", &self.set]).await
    }

    /// Makes what was sealed live.
    pub async fn promote(&self, staged: &Staged) {
        self.target.make_live(&self.set, staged.point, &staged.manifest).await.expect("made");
        let drift = self.target.drift(&self.set, Some((staged.point, &staged.manifest))).await.expect("compared");
        assert!(drift.is_empty(), "{drift:?}");
    }
}

/// Files and bytes that a run copied.
pub fn copied(staged: &Staged) -> (usize, u64) {
    let bytes = staged.copied.iter().map(|path| staged.manifest.entries[&RelPath::new(path.as_str()).expect("a path")].bytes());
    (staged.copied.len(), bytes.sum())
}

/// Files of a change set.
pub fn files(changes: &ChangeSet) -> Vec<Entry> {
    use understudy::domain::Change;
    let put = changes.changes.iter().filter_map(|change| if let Change::Put(entry) = change { Some(entry.clone()) } else { None });
    put.filter(Entry::is_file).collect()
}
