//! The mixed service: a directory, a table of HBase's and a database of Hive's, small, with a real agent at each side.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use serde_json::Value;

use crate::pair::{At, Pair};
use crate::stand::hdfs::{self, Web, content, write};
use crate::stand::until;
use crate::support::contract::Side;
use crate::support::hive_judge::hive;

/// Two clusters, two agents, and the service `orders`, once sealed.
pub struct Mixed {
    pub pair: Pair,
    pub directory: String,
    pub table: String,
    pub database: String,
}

impl Deref for Mixed {
    type Target = Pair;
    fn deref(&self) -> &Pair {
        &self.pair
    }
}

impl DerefMut for Mixed {
    fn deref_mut(&mut self) -> &mut Pair {
        &mut self.pair
    }
}

impl At {
    /// The points of every snapshot of ours that stands in the service's places, by Apache's own servers and clients.
    pub async fn snapshots(&self, mixed: &Mixed) -> BTreeSet<String> {
        let web = Web::new(&self.hdfs.webhdfs, &self.hdfs.user);
        let mut names = self.hbase.rows.tell(&["snapshots", &mixed.table]).await;
        for root in [mixed.directory.clone(), format!("/warehouse/{}.db", mixed.database)] {
            names.extend(web.names(&format!("{root}/.snapshot")).await);
        }
        // understudy-POINT, and for some a tag or a digest behind it.
        names.iter().filter_map(|name| name.strip_prefix("understudy-")?.get(..36).map(str::to_owned)).collect()
    }
}

impl Mixed {
    /// `None`, said aloud, where there are no clusters.
    pub async fn sealed() -> Option<Mixed> {
        let own = uuid::Uuid::now_v7().simple().to_string();
        let mut mixed = Mixed {
            pair: Pair::new().await?,
            directory: format!("/faults-{own}/orders"),
            table: format!("faults_{own}:orders"),
            database: format!("f{own}"),
        };
        let rows = &mixed.primary.hbase.rows;
        rows.tell(&["namespace", &format!("faults_{own}")]).await;
        rows.tell(&["create", &mixed.table, "f", "m"]).await;
        hive(Side::Source, &["create-database", &mixed.database, ""]);
        hive(Side::Source, &["create-items", &mixed.database, "items"]);
        let client = hdfs::client(&mixed.primary.hdfs.fs, &mixed.primary.hdfs.user);
        client.mkdirs(&mixed.directory, 0o755, true).await.unwrap();
        mixed.work(0).await;
        let sets = mixed.sets();
        mixed.begin(&sets);
        mixed.run_is_right().await;
        Some(mixed)
    }

    /// Its data sets, as a plan names them.
    pub fn sets(&self) -> String {
        format!("[\"hdfs:{}\", \"hbase:{}\", \"hive:{}\"]", self.directory, self.table, self.database)
    }

    /// A file, a row and a partition with a file, all with this number.
    pub async fn work(&self, number: usize) {
        let client = hdfs::client(&self.primary.hdfs.fs, &self.primary.hdfs.user);
        write(&client, &format!("{}/order {number}", self.directory), content(number, 2_000)).await;
        self.primary.hbase.rows.tell(&["put", &self.table, &format!("order {number}"), "f", "x"]).await;
        let partition = number.to_string();
        write(&client, &format!("/warehouse/{}.db/items/name={partition}/data", self.database), content(number, 50)).await;
        hive(Side::Source, &["add-partition", &self.database, "items", "", &partition]);
    }

    /// The ids of the sealed points.
    pub fn points(&self) -> BTreeSet<String> {
        let told = self.controller.done(&["points", "orders"]);
        told.as_array().unwrap().iter().map(|point| point["recovery_point"].as_str().unwrap().to_owned()).collect()
    }

    /// A run that seals; one that was broken off before is resumed first, and ends by itself. Then nothing stands on either side but
    /// what belongs to a sealed point, and both hold the same.
    pub async fn run_is_right(&self) {
        let report = until("the end of the run before", Duration::from_secs(120), || async {
            let said = self.controller.say(&["run", "orders"]);
            let waits = said.code() == 3 && said.stderr.contains("still under way");
            let logs = || format!("\nprimary: {}\nsecondary: {}", self.primary.agent.log(), self.secondary.agent.log());
            assert!(waits || said.code() == 0, "{}{}", said.stderr, logs());
            (!waits).then_some(said.json)
        })
        .await;
        assert_eq!(report["outcome"], "sealed", "{report:#}");
        let sealed = self.points();
        for at in [&self.primary, &self.secondary] {
            let standing = at.snapshots(self).await;
            let orphans: Vec<_> = standing.difference(&sealed).collect();
            assert!(orphans.is_empty(), "orphaned snapshots at the {}: {orphans:?}", at.cluster());
            assert!(standing.contains(report["recovery_point"].as_str().unwrap()), "the new point's own snapshots are there");
        }
        assert_eq!(self.held(&self.secondary).await, self.held(&self.primary).await);
    }

    /// What one side holds, as Apache's clients tell it. At the secondary HBase's table is its newest snapshot.
    pub async fn held(&self, at: &At) -> BTreeMap<String, String> {
        let client = hdfs::client(&at.hdfs.fs, &at.hdfs.user);
        let web = Web::new(&at.hdfs.webhdfs, &at.hdfs.user);
        let listing = hdfs::listing(&client, &web, &self.directory).await;
        let mut held: BTreeMap<String, String> = listing.into_iter().map(|(path, facts)| (path, format!("{facts:?}"))).collect();
        let told = hive(at.side, &["describe", &self.database, &at.hdfs.fs, "FS"]);
        let told: BTreeMap<String, Value> = serde_json::from_str(&told).unwrap();
        held.extend(told.into_iter().map(|(name, told)| (name, told.to_string())));
        let rows = &at.hbase.rows;
        let digest = match rows.tell(&["snapshots", &self.table]).await.pop() {
            Some(newest) if at.side == Side::Target => {
                let clone = format!("{}_seen", self.table);
                rows.tell(&["clone", &clone, &newest]).await;
                let digest = rows.tell(&["digest", &clone]).await;
                rows.tell(&["drop", &clone]).await;
                digest
            }
            _ => rows.tell(&["digest", &self.table]).await,
        };
        held.insert("rows".into(), digest.join(" "));
        held
    }
}
