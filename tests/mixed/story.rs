//! A service over three formats, told in order: two directories, three tables of HBase's (one with 20 regions, written to all the
//! time), two tables of Hive's (one with 2,000 partitions). Backed up, changed, backed up again, failed over: Apache's own clients read
//! at the secondary what the primary had at the moment.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::pair::{At, Pair};
use crate::stand::hdfs::{self, Listing, Web, content, write};
use crate::support::contract::Side;
use crate::support::hive_judge::hive;
use crate::support::rows::Rows;

/// What the service is made of.
struct Shop {
    pair: Pair,
    directories: [String; 2],
    /// The first is written to.
    tables: [String; 3],
    database: String,
}

/// What a service holds, as Apache's clients tell it.
#[derive(Debug, PartialEq)]
struct Held {
    files: Listing,
    rows: BTreeMap<String, Vec<String>>,
    metadata: BTreeMap<String, Value>,
    /// Names, lengths and hashes of the files of Hive's tables.
    data: BTreeMap<String, (usize, String)>,
}

const FILES: usize = 300;

impl Shop {
    async fn made() -> Option<Shop> {
        let pair = Pair::new().await?;
        let own = uuid::Uuid::now_v7().simple().to_string();
        let table = |name: &str| format!("story_{own}:{name}");
        let shop = Shop {
            pair,
            directories: ["invoices", "contracts"].map(|name| format!("/story-{own}/{name}")),
            tables: ["orders", "customers", "stock"].map(table),
            database: format!("s{own}"),
        };
        let at = &shop.pair.primary;
        let client = hdfs::client(&at.hdfs.fs, &at.hdfs.user);
        let web = Web::new(&at.hdfs.webhdfs, &at.hdfs.user);
        client.mkdirs(&shop.directories[0], 0o755, true).await.unwrap();
        for number in 10..FILES {
            let path = format!("{}/{}", shop.directories[0], hdfs::path(number));
            write(&client, &path, content(number, number % 900 * 30)).await;
            client.set_permission(&path, [0o600, 0o640, 0o755][number % 3]).await.unwrap();
        }
        web.set_xattr(&format!("{}/{}", shop.directories[0], hdfs::path(12)), "user.origin", "%22till%22").await;
        client.mkdirs(&shop.directories[1], 0o750, true).await.unwrap();
        write(&client, &format!("{}/one 契約", shop.directories[1]), content(1, 3 << 20)).await;

        let rows = &at.hbase.rows;
        rows.tell(&["namespace", &format!("story_{own}")]).await;
        let splits: Vec<String> = ('b'..='t').map(String::from).collect();
        rows.tell(&["create", &shop.tables[0], "f,g", &splits.join(",")]).await;
        assert_eq!(rows.tell(&["regions", &shop.tables[0]]).await.len(), 20);
        rows.tell(&["create", &shop.tables[1], "f,m:mob", ""]).await;
        rows.tell(&["create", &shop.tables[2], "f", "m"]).await;
        rows.tell(&["fill", &shop.tables[0], "f", "0", "10000", "2000"]).await;
        rows.tell(&["fill", &shop.tables[1], "m", "0", "40", "20000"]).await;
        rows.tell(&["fill", &shop.tables[2], "f", "0", "1000", "500"]).await;

        hive(Side::Source, &["create-database", &shop.database, ""]);
        hive(Side::Source, &["create-orders", &shop.database, "orders"]);
        hive(Side::Source, &["create-table-as", "", &shop.database, "customers"]);
        hive(Side::Source, &["add-partitions", &shop.database, "orders", "1", "2001"]);
        assert_eq!(hive(Side::Source, &["partitions", &shop.database, "orders"]).split(',').count(), 2_000);
        write(&client, &shop.partition_file(7), content(7, 40_000)).await;
        write(&client, &format!("/warehouse/{}.db/customers/part-0", shop.database), content(8, 30_000)).await;
        Some(shop)
    }

    /// A file of the partition that `add-partitions` made for a number that 3 does not divide.
    fn partition_file(&self, number: usize) -> String {
        format!("/warehouse/{}.db/orders/day={number}/place=place {number}%25%3A/part-0", self.database)
    }

    fn sets(&self) -> String {
        let mut sets: Vec<String> = self.directories.iter().map(|directory| format!("\"hdfs:{directory}\"")).collect();
        sets.extend(self.tables.iter().map(|table| format!("\"hbase:{table}\"")));
        sets.extend(["orders", "customers"].map(|table| format!("\"hive:{}.{table}\"", self.database)));
        format!("[{}]", sets.join(", "))
    }

    async fn run(&self) -> Value {
        let said = self.pair.controller.say(&["run", "orders"]);
        assert_eq!(
            said.code(),
            0,
            "{}\nprimary: {}\nsecondary: {}",
            said.stderr,
            self.pair.primary.agent.log(),
            self.pair.secondary.agent.log()
        );
        let report = said.json;
        let captured = &report["captured"];
        println!("moment {}, skew {} ms, {}; {}", report["moment"], captured["skew_ms"], captured["grade"], report["timings_ms"]);
        for set in report["data_sets"].as_array().unwrap() {
            println!(
                "  {}: {} files {} bytes, copied {} files {} bytes",
                set["name"], set["files"], set["bytes"], set["copied_files"], set["copied_bytes"]
            );
        }
        report
    }

    /// A few of each.
    async fn change(&self) {
        let at = &self.pair.primary;
        let client = hdfs::client(&at.hdfs.fs, &at.hdfs.user);
        let directory = &self.directories[0];
        client.rename(&format!("{directory}/{}", hdfs::path(18)), &format!("{directory}/plain/renamed"), false).await.unwrap();
        client.delete(&format!("{directory}/{}", hdfs::path(20)), false).await.unwrap();
        write(&client, &format!("{directory}/new"), content(5, 5_000)).await;
        at.hbase.rows.tell(&["fill", &self.tables[2], "f", "1000", "3", "500"]).await;
        hive(Side::Source, &["add-partitions", &self.database, "orders", "2001", "2004"]);
        hive(Side::Source, &["drop-partition", &self.database, "orders", "4", "place 4%:"]);
        hive(Side::Source, &["add-column", &self.database, "customers", "city", "string"]);
        write(&client, &self.partition_file(8), content(9, 20_000)).await;
    }

    /// What the primary had at the moment: files as HDFS's snapshot shows them, rows as HBase's own clone of the snapshot does; Hive's
    /// tables as they are, for nobody touches them meanwhile.
    async fn at_the_moment(&self, point: &str) -> Held {
        let at = &self.pair.primary;
        let mut rows = BTreeMap::new();
        for table in &self.tables {
            let clone = at.clone_of(table, point).await;
            rows.insert(table.clone(), self.table(at, &clone).await);
            at.hbase.rows.tell(&["drop", &clone]).await;
        }
        Held { files: self.files(at, &format!("/.snapshot/understudy-{point}")).await, rows, ..self.hive(at).await }
    }

    /// What the secondary serves.
    async fn now(&self) -> Held {
        let at = &self.pair.secondary;
        let mut rows = BTreeMap::new();
        for table in &self.tables {
            rows.insert(table.clone(), self.table(at, table).await);
        }
        Held { files: self.files(at, "").await, rows, ..self.hive(at).await }
    }

    /// Cells, regions and families.
    async fn table(&self, at: &At, table: &str) -> Vec<String> {
        let mut told = at.hbase.rows.tell(&["digest", table]).await;
        told.extend(at.hbase.rows.tell(&["regions", table]).await);
        told.extend(at.hbase.rows.tell(&["descriptor", table]).await.into_iter().filter(|line| line.starts_with("family")));
        told
    }

    async fn files(&self, at: &At, below: &str) -> Listing {
        let (client, web) = (hdfs::client(&at.hdfs.fs, &at.hdfs.user), Web::new(&at.hdfs.webhdfs, &at.hdfs.user));
        let mut all = Listing::new();
        for directory in &self.directories {
            let listing = hdfs::listing(&client, &web, &format!("{directory}{below}")).await;
            all.extend(listing.into_iter().map(|(path, facts)| (format!("{directory} {path}"), facts)));
        }
        all
    }

    async fn hive(&self, at: &At) -> Held {
        let told = hive(at.side, &["describe", &self.database, &at.hdfs.fs, "FS"]);
        let mut metadata: BTreeMap<String, Value> = serde_json::from_str(&told).unwrap();
        metadata.retain(|name, _| {
            ["table", "partition"]
                .iter()
                .any(|sort| ["orders", "customers"].iter().any(|table| name.starts_with(&format!("{sort} {table}"))))
        });
        let (client, web) = (hdfs::client(&at.hdfs.fs, &at.hdfs.user), Web::new(&at.hdfs.webhdfs, &at.hdfs.user));
        let mut data = BTreeMap::new();
        for table in ["orders", "customers"] {
            for (path, facts) in hdfs::listing(&client, &web, &format!("/warehouse/{}.db/{table}", self.database)).await {
                if !facts.7.is_empty() {
                    data.insert(format!("{table}/{path}"), (facts.4, facts.7));
                }
            }
        }
        Held { files: Listing::new(), rows: BTreeMap::new(), metadata, data }
    }
}

/// Rows into the first table, until told to stop; into regions all over it.
async fn keep_writing(rows: Rows, table: String, stop: CancellationToken) -> usize {
    let mut number = 100_000;
    while !stop.is_cancelled() {
        rows.tell(&["fill", &table, "g", &number.to_string(), "20", "100"]).await;
        number += 20;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    number - 100_000
}

fn copied(report: &Value, kind: &str) -> (u64, u64) {
    let sets = report["data_sets"].as_array().unwrap().iter().filter(|set| set["name"].as_str().unwrap().starts_with(kind));
    sets.fold((0, 0), |(files, bytes), set| (files + set["copied_files"].as_u64().unwrap(), bytes + set["copied_bytes"].as_u64().unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_service_over_three_formats_is_at_the_secondary_what_it_was_at_the_moment() {
    let Some(mut shop) = Shop::made().await else { return };
    let sets = shop.sets();
    shop.pair.begin(&sets);
    let stop = CancellationToken::new();
    let writer = tokio::spawn(keep_writing(Rows::start("primary"), shop.tables[0].clone(), stop.clone()));

    let first = shop.run().await;
    shop.change().await;
    let second = shop.run().await;
    stop.cancel();
    println!("{} rows were written meanwhile", writer.await.unwrap());

    // Three files, a few flushed HFiles of the regions written to, three partitions and a column; not all of it again.
    let (files, bytes) = copied(&second, "hdfs:");
    assert!(files <= 2 && bytes <= 10_000, "{second:#}");
    let (_, bytes) = copied(&second, "hbase:");
    assert!(bytes * 3 < copied(&first, "hbase:").1, "{second:#}");
    let stock = second["data_sets"].as_array().unwrap().iter().find(|set| set["name"].as_str().unwrap().ends_with(":customers")).unwrap();
    assert!(
        stock["copied_bytes"].as_u64().unwrap() < 20_000,
        "of a table that nobody wrote to nothing is copied but its snapshot's own files: {stock:#}"
    );
    let (_, bytes) = copied(&second, "hive:");
    assert!(bytes * 2 < copied(&first, "hive:").1, "{second:#}");

    let then = shop.at_the_moment(second["recovery_point"].as_str().unwrap()).await;
    let engine = shop.pair.controller.engine(&[]);
    shop.pair.lose_primary();
    let report = shop.pair.promote_secondary().await;
    assert_eq!(report["services"][0]["recovery_point"], second["recovery_point"], "{report:#}");
    let now = shop.now().await;
    let found = hdfs::differences(&then.files, &now.files);
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(now.rows, then.rows);
    assert_eq!(now.data, then.data);
    let wrong: Vec<_> = then.metadata.iter().filter(|(name, told)| now.metadata.get(*name) != Some(told)).take(3).collect();
    assert!(wrong.is_empty() && now.metadata.len() == then.metadata.len(), "{wrong:#?}");
    engine.kill();
    shop.pair.primary_returns().await;
}
