//! An application on two clusters: it asks the agents' routes which one is active, writes each order there as a file in HDFS and a row in
//! HBase, as an ordinary user, and remembers what was acknowledged to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::pair::At;
use crate::stand::hdfs::{self, content};
use crate::stand::http;
use crate::support::rows::Rows;

/// Whom it acts as: no superuser, or no fence would keep it out.
pub const USER: &str = "shop";
/// Between two orders.
const BREATH: Duration = Duration::from_millis(30);
/// A part of an order that takes longer is not acknowledged, and its client is started anew.
const PATIENCE: Duration = Duration::from_secs(8);
/// The same for the first part that a client is asked for: it is a JVM that starts and connects, on a machine that may be busy.
const FIRST_PATIENCE: Duration = Duration::from_secs(60);

/// How long so many orders as a test waits for may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Acknowledged orders: number → when the acknowledgement came.
pub type Acknowledged = BTreeMap<usize, DateTime<Utc>>;

/// One cluster as the application reaches it.
struct Branch {
    cluster: &'static str,
    active: String,
    files: Arc<hdfs_native::Client>,
    rows: Rows,
    /// Its client of rows has answered.
    has_answered: bool,
}

/// Orders that keep coming, wherever they are taken.
pub struct Shop {
    acknowledged: Arc<Mutex<Acknowledged>>,
    /// Why the last order that was not acknowledged was not.
    refused: Arc<Mutex<String>>,
    stop: CancellationToken,
    lane: JoinHandle<()>,
}

impl Shop {
    /// Opens it; it writes until it is closed.
    pub fn open(both: [&At; 2], directory: &str, table: &str) -> Shop {
        let branches = both.map(|at| Branch {
            cluster: at.cluster(),
            active: format!("http://{}/v1/active/p/orders", at.agent.route),
            files: hdfs::client(&at.hdfs.fs, USER),
            rows: Rows::start(at.cluster()),
            has_answered: false,
        });
        let (acknowledged, refused): (Arc<Mutex<Acknowledged>>, Arc<Mutex<String>>) = (Arc::default(), Arc::default());
        let stop = CancellationToken::new();
        let told = (acknowledged.clone(), refused.clone());
        let lane = tokio::spawn(trade(branches, directory.to_owned(), table.to_owned(), told, stop.clone()));
        Shop { acknowledged, refused, stop, lane }
    }

    /// Everything acknowledged so far.
    pub fn acknowledged(&self) -> Acknowledged {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many more are acknowledged.
    pub async fn sells(&self, more: usize) {
        let (goal, end) = (self.acknowledged().len() + more, Instant::now() + LIMIT);
        while self.acknowledged().len() < goal {
            let refused = || self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
            assert!(
                Instant::now() < end,
                "{} of {goal} orders are acknowledged; the last that was not: {}",
                self.acknowledged().len(),
                refused()
            );
            tokio::time::sleep(BREATH).await;
        }
    }

    /// Closes it: the order under way ends.
    pub async fn close(self) -> Acknowledged {
        self.stop.cancel();
        self.lane.await.expect("the shop closes");
        Arc::into_inner(self.acknowledged).expect("nobody else counts").into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn trade(
    mut branches: [Branch; 2],
    directory: String,
    table: String,
    (acknowledged, refused): (Arc<Mutex<Acknowledged>>, Arc<Mutex<String>>),
    stop: CancellationToken,
) {
    let web = http(Duration::from_secs(2));
    let mut number = 0;
    while !stop.is_cancelled() {
        tokio::time::sleep(BREATH).await;
        let mut active = None;
        for (index, branch) in branches.iter().enumerate() {
            if web.get(&branch.active).send().await.is_ok_and(|reply| reply.status() == 200) {
                active = Some(index);
            }
        }
        let Some(index) = active else { continue };
        number += 1;
        let branch = &branches[index];
        let key = number.to_string();
        let put = ["put", &table, &key, "f", &key];
        let patience = if branch.has_answered { PATIENCE } else { FIRST_PATIENCE };
        let (file, row) = tokio::join!(
            timeout(PATIENCE, put_file(&branch.files, format!("{directory}/order {number}"), number)),
            timeout(patience, branch.rows.ask(&put))
        );
        if matches!(file, Ok(Ok(()))) && matches!(row, Ok(Ok(_))) {
            acknowledged.lock().unwrap_or_else(PoisonError::into_inner).insert(number, Utc::now());
        } else {
            *refused.lock().unwrap_or_else(PoisonError::into_inner) = format!("at {}: file {file:?}, row {row:?}", branch.cluster);
        }
        let branch = &mut branches[index];
        branch.has_answered = row.is_ok();
        if row.is_err() {
            branch.rows = Rows::start(branch.cluster);
        }
    }
}

async fn put_file(client: &hdfs_native::Client, path: String, number: usize) -> Result<(), String> {
    let mut writer = client.create(&path, hdfs_native::WriteOptions::default()).await.map_err(|e| e.to_string())?;
    writer.write_bytes(content(number, 200)).await.map_err(|e| e.to_string())?;
    writer.close().await.map_err(|e| e.to_string())
}
