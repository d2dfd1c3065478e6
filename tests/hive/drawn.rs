//! Odd databases, drawn: every run ends sealed, with both sides equal under Apache's own client, or is refused by a table's name.
//!
//! | command | what |
//! |---|---|
//! | `cargo test --test hive drawn -- --nocapture` | two of them |
//! | `HIVE_SEEDS=100 …` | seeds 1 to 100, with the count of each ending |
//! | `HIVE_FROM=51 …` | from another seed on |

use std::collections::BTreeMap;

use understudy::domain::TroubleKind;

use crate::changes::{assert_same, put};
use crate::support::contract::{Side, World};
use crate::support::draw::{Draw, seeds};
use crate::support::ferry::{Staged, run};
use crate::support::hive_judge::hive;
use crate::support::hive_world::HiveWorld;

/// Values that a partition's name has to write in another way, or that look like something else.
const VALUES: [&str; 9] = ["", "1", "a/b c", "大 阪", "%41", "x=y", "__HIVE_DEFAULT_PARTITION_", "{a}[b]*?", "2026-11-30 12:00:00"];

/// A database as it grows.
struct Estate<'a> {
    world: &'a HiveWorld,
    draw: Draw,
    fs: String,
    outside: String,
    tables: usize,
    /// Directories outside the database's that tables read from.
    places: Vec<String>,
    /// What must be refused, by table.
    refused: BTreeMap<String, &'static str>,
}

impl Estate<'_> {
    fn tell(&self, words: &[&str]) {
        let mut all = words.to_vec();
        all.insert(1, &self.world.database);
        hive(Side::Source, &all);
    }

    /// A place outside, with a file.
    async fn place(&mut self, name: &str) -> String {
        let path = format!("{}/{name}", self.outside);
        put(self.world, &format!("{path}/part 0"), name).await;
        self.places.push(path.clone());
        format!("{}{path}", self.fs)
    }

    /// A place in the database's directory.
    fn inside(&self, name: &str) -> String {
        format!("{}{}/{name}", self.fs, self.world.directory())
    }

    /// One more table or function of some kind.
    async fn grow(&mut self) {
        self.tables += 1;
        let name = format!("t{}", self.tables);
        let kind = self.draw.below(22);
        let refuse = |estate: &mut Self, code| estate.refused.extend([(name.clone(), code)]);
        match kind {
            0..=4 => self.parts(&name).await,
            5 => self.tell(&["create-external", &name, &self.inside(&format!("elsewhere/{name}"))]),
            6 | 7 => {
                let place = self.place(&format!("大 {name}")).await;
                self.tell(&["create-external", &name, &place]);
            }
            8..=10 => {
                let path = if self.draw.below(3) == 0 { self.inside(&format!("sparks {name}")) } else { self.place(&name).await };
                let placeholder = format!("{}/{name}-__PLACEHOLDER__", self.world.directory());
                self.tell(&["create-spark", &name, &format!("{}{placeholder}", self.fs), &path]);
                self.world.hdfs.delete(Side::Source, &placeholder).await;
            }
            11 | 12 => {
                self.tell(&["create-partitioned-view", &name, "select 1"]);
                let value = VALUES[self.draw.below(VALUES.len())];
                self.tell(&["add-partition", &name, "", value]);
            }
            13 => self.tell(&["create-function", &name, &format!("{}/jars/{name}.jar", self.fs)]),
            14..=16 => {
                let place = self.place(&name).await;
                self.tell(&["create-external", &name, &place]);
                let two = format!("{place}/a,{}/b", self.fs);
                let key = ["avro.schema.url", "x.list", "hoodie.base"][self.draw.below(3)];
                self.tell(&["set-parameter", &name, key, &two]);
            }
            17 => {
                self.tell(&["create-external", &name, &self.inside(&name)]);
                self.tell(&["set-input-format", &name, "org.apache.hudi.hadoop.HoodieParquetInputFormat"]);
            }
            18 => {
                self.tell(&["create-external", &name, &self.inside(&name)]);
                self.tell(&["set-parameter", &name, "Table_Type", "iceberg"]);
                refuse(self, "iceberg");
            }
            19 => {
                self.tell(&["create-external", &name, &self.inside(&name)]);
                self.tell(&["set-input-format", &name, "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat"]);
                refuse(self, "symlink-manifest");
            }
            20 => {
                self.tell(&["create-transactional", &name]);
                refuse(self, "transactional");
            }
            _ => {
                let path = ["s3a://bucket/x".to_owned(), self.inside("x/day=[12]")][self.draw.below(2)].clone();
                self.tell(&["create-spark", &name, &self.inside(&name), &path]);
                refuse(self, if path.starts_with("s3a") { "other-file-system" } else { "place-is-pattern" });
            }
        }
    }

    /// A table with partitions, some with places of their own.
    async fn parts(&mut self, name: &str) {
        self.tell(&["create-items", name]);
        for _ in 0..=self.draw.below(4) {
            self.part(name).await;
        }
    }

    async fn part(&mut self, name: &str) {
        let at = self.draw.below(VALUES.len());
        let place = if self.draw.below(4) == 0 { self.place(&format!("{name} part {at}")).await } else { String::new() };
        // The value may be there already.
        let words = ["add-partition", &self.world.database, name, &place, VALUES[at]];
        drop(crate::support::hive_judge::try_hive(Side::Source, &words));
    }

    /// What an application does between two runs.
    async fn change(&mut self) {
        match (self.draw.below(3), 1 + self.draw.below(self.tables)) {
            (0, _) => self.grow().await,
            (1, n) if hive(Side::Source, &["tables", &self.world.database]).split(',').any(|table| table == format!("t{n}")) => {
                self.tell(&["drop-table", &format!("t{n}")]);
                self.refused.remove(&format!("t{n}"));
            }
            _ => {
                self.tables += 1;
                let name = format!("t{}", self.tables);
                self.parts(&name).await;
            }
        }
    }

    async fn same(&self) {
        let told = |side| self.world.told(side, &self.world.database);
        let here = told(Side::Source);
        assert_same(&here, &told(Side::Target));
        for place in self.places.iter().chain([&self.world.directory()]) {
            // What no table reads from any more is no part of the point.
            if here.values().any(|text| text.contains(&format!("FS{place}"))) {
                let [here, there] = [Side::Source, Side::Target].map(|side| self.world.hdfs.tree(side, place));
                assert_same(&here.await, &there.await);
            }
        }
    }
}

/// One seed's life: a run, changes, another run; how it ended.
async fn live(seed: u64) -> Option<Vec<String>> {
    let world = HiveWorld::bare().await?;
    hive(Side::Source, &["create-database", &world.database, ""]);
    let (fs, outside) = (world.hdfs.side(Side::Source)[1].clone(), format!("/ext-{}", world.database));
    let (tables, places, refused) = (0, Vec::new(), BTreeMap::new());
    let mut estate = Estate { world: &world, draw: Draw(seed), fs, outside, tables, places, refused };
    for _ in 0..=estate.draw.below(4) {
        estate.grow().await;
    }
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    let mut endings = Vec::new();
    let mut last: Option<Staged> = None;
    for _ in 0..2 {
        if let Err(trouble) = source.arm(&world.set()).await {
            assert_eq!(trouble.kind, TroubleKind::Refused, "seed {seed}: {trouble}");
            let table = trouble.object.rsplit('.').next().unwrap_or_default();
            let code = estate.refused.get(table).unwrap_or_else(|| panic!("seed {seed}: {table} is refused: {trouble}"));
            endings.push(format!("refused: {code}"));
        } else {
            assert!(estate.refused.is_empty(), "seed {seed}: not refused: {:?}", estate.refused);
            let base = last.as_ref().map(|last| (last.point, &last.manifest));
            last = Some(run(source.as_ref(), &target, &world.set(), base).await);
            estate.same().await;
            endings.push("sealed".to_owned());
        }
        for _ in 0..=estate.draw.below(2) {
            estate.change().await;
        }
    }
    if let Some(point) = last.map(|last| last.point) {
        source.release(&world.set(), point).await.expect("released");
        target.release(&world.set(), point).await.expect("released");
    }
    Some(endings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_drawn_database_is_sealed_equal_or_refused_by_a_tables_name() {
    let seeds = seeds("HIVE");
    let mut endings: BTreeMap<String, usize> = BTreeMap::new();
    for seed in seeds.clone() {
        println!("seed {seed}");
        let Some(ended) = live(seed).await else { return };
        ended.into_iter().for_each(|ending| *endings.entry(ending).or_default() += 1);
    }
    println!("seeds {} to {}: {endings:?}", seeds.start, seeds.end - 1);
}
