//! The correlated workload: an order is a row in HBase, a file in HDFS and a partition in Hive with the same number, written together by
//! clients that are not the code under test. What was begun and acknowledged when is kept.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::mixed::Mixed;
use crate::pair::At;
use crate::stand::hdfs::{self, Web, content};
use crate::support::contract::Side;
use crate::support::hive_judge::{hive, try_hive};
use crate::support::rows::Rows;

/// Where a part of an order is.
pub const PARTS: [&str; 3] = ["hdfs:", "hbase:", "hive:"];

/// One part of one order.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    /// Just before it was asked for.
    pub begun: DateTime<Utc>,
    /// Just after it was acknowledged; `None`: it failed, and may be there or not.
    pub acknowledged: Option<DateTime<Utc>>,
}

/// The workload. Orders are numbered from 1_000_000, in the order in which they were begun.
#[derive(Clone)]
pub struct Orders {
    written: Arc<Mutex<Vec<[Written; 3]>>>,
    rows: Rows,
}

const FIRST: usize = 1_000_000;
/// Between two orders.
const BREATH: Duration = Duration::from_millis(40);

impl Orders {
    pub fn new() -> Orders {
        Orders { written: Arc::default(), rows: Rows::start("primary") }
    }

    /// Every order so far; the first has the number [`FIRST`].
    pub fn so_far(&self) -> Vec<(usize, [Written; 3])> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.iter().enumerate().map(|(place, parts)| (FIRST + place, *parts)).collect()
    }

    /// Writes orders, one after the other with a breath between, until it is ended: a partition an order is more than any metastore is
    /// asked for, and Hive's capture needs an instant in which nothing of it changes.
    pub fn flow(&self, mixed: &Mixed) -> Flow {
        let stop = CancellationToken::new();
        let lane = tokio::spawn(self.clone().lane(mixed, stop.clone()));
        Flow { stop, lane }
    }

    /// Takes the next number, writes its three parts at once, notes how that went.
    fn lane(self, mixed: &Mixed, stop: CancellationToken) -> impl Future<Output = ()> + use<> {
        let client = hdfs::client(&mixed.primary.hdfs.fs, &mixed.primary.hdfs.user);
        let (directory, table, database) = (mixed.directory.clone(), mixed.table.clone(), mixed.database.clone());
        async move {
            while !stop.is_cancelled() {
                tokio::time::sleep(BREATH).await;
                let place = self.begin();
                let number = FIRST + place;
                let file = {
                    let (client, path, own) = (client.clone(), format!("{directory}/order {number}"), self.clone());
                    tokio::spawn(async move { own.part(place, 0, put_file(&client, &path, number)).await })
                };
                let row = {
                    let (rows, table, own) = (self.rows.clone(), table.clone(), self.clone());
                    tokio::spawn(async move {
                        let number = number.to_string();
                        own.part(place, 1, async { rows.ask(&["put", &table, &number, "f", &number]).await.map(drop) }).await;
                    })
                };
                let partition = {
                    let (database, own) = (database.clone(), self.clone());
                    tokio::spawn(async move {
                        let number = number.to_string();
                        let add = async { try_hive(Side::Source, &["add-partition", &database, "items", "", &number]).map(drop) };
                        own.part(place, 2, add).await;
                    })
                };
                for part in [file, row, partition] {
                    part.await.expect("a part ends");
                }
            }
        }
    }

    fn begin(&self) -> usize {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        // Each part begins later than this; that it may have begun now is the careful reading.
        written.push([Written { begun: Utc::now(), acknowledged: None }; 3]);
        written.len() - 1
    }

    async fn part(&self, place: usize, part: usize, write: impl Future<Output = Result<(), String>>) {
        let begun = Utc::now();
        let done = write.await;
        let acknowledged = done.is_ok().then(Utc::now);
        self.written.lock().unwrap_or_else(PoisonError::into_inner)[place][part] = Written { begun, acknowledged };
    }
}

async fn put_file(client: &hdfs_native::Client, path: &str, number: usize) -> Result<(), String> {
    let mut writer = client.create(path, hdfs_native::WriteOptions::default()).await.map_err(|e| e.to_string())?;
    writer.write_bytes(content(number, 200)).await.map_err(|e| e.to_string())?;
    writer.close().await.map_err(|e| e.to_string())
}

/// Orders that keep coming.
pub struct Flow {
    stop: CancellationToken,
    lane: JoinHandle<()>,
}

impl Flow {
    /// Lets the orders under way end, and no further one begin.
    pub async fn end(self) {
        self.stop.cancel();
        self.lane.await.expect("the orders end");
    }
}

/// The numbers that a side holds, by Apache's own servers and clients: of HDFS, HBase and Hive. `table` is HBase's.
pub async fn held(at: &At, mixed: &Mixed, table: &str) -> [BTreeSet<usize>; 3] {
    let number = |name: &String| name.rsplit(['=', ' ']).next()?.parse().ok().filter(|number| *number >= FIRST);
    let numbers = |names: Vec<String>| names.iter().filter_map(number).collect();
    let files = Web::new(&at.hdfs.webhdfs, &at.hdfs.user).names(&mixed.directory).await;
    let rows = at.hbase.rows.tell(&["rows", table]).await.into_iter().step_by(2).collect();
    let partitions = hive(at.side, &["partitions", &mixed.database, "items"]).split(',').map(str::to_owned).collect();
    [numbers(files), numbers(rows), numbers(partitions)]
}
