//! An application on two clusters: it asks the agents' routes which one is active, writes each order there as a file in HDFS and a row in
//! HBase, as an ordinary user, and remembers what was acknowledged to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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

/// Acknowledged orders: number → when the acknowledgement came.
pub type Acknowledged = BTreeMap<usize, DateTime<Utc>>;

/// One cluster as the application reaches it.
struct Branch {
    cluster: &'static str,
    active: String,
    files: Arc<hdfs_native::Client>,
    rows: Rows,
}

/// Orders that keep coming, wherever they are taken.
pub struct Shop {
    acknowledged: Arc<Mutex<Acknowledged>>,
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
        });
        let (acknowledged, stop): (Arc<Mutex<Acknowledged>>, _) = (Arc::default(), CancellationToken::new());
        let lane = tokio::spawn(trade(branches, directory.to_owned(), table.to_owned(), acknowledged.clone(), stop.clone()));
        Shop { acknowledged, stop, lane }
    }

    /// Everything acknowledged so far.
    pub fn acknowledged(&self) -> Acknowledged {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many more are acknowledged.
    pub async fn sells(&self, more: usize) {
        let goal = self.acknowledged().len() + more;
        crate::stand::until("orders acknowledged", Duration::from_secs(120), || async {
            (self.acknowledged().len() >= goal).then_some(())
        })
        .await;
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
    acknowledged: Arc<Mutex<Acknowledged>>,
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
        let (file, row) = tokio::join!(
            timeout(PATIENCE, put_file(&branch.files, format!("{directory}/order {number}"), number)),
            timeout(PATIENCE, branch.rows.ask(&put))
        );
        if matches!(file, Ok(Ok(()))) && matches!(row, Ok(Ok(_))) {
            acknowledged.lock().unwrap_or_else(PoisonError::into_inner).insert(number, Utc::now());
        }
        if row.is_err() {
            branches[index].rows = Rows::start(branches[index].cluster);
        }
    }
}

async fn put_file(client: &hdfs_native::Client, path: String, number: usize) -> Result<(), String> {
    let mut writer = client.create(&path, hdfs_native::WriteOptions::default()).await.map_err(|e| e.to_string())?;
    writer.write_bytes(content(number, 200)).await.map_err(|e| e.to_string())?;
    writer.close().await.map_err(|e| e.to_string())
}
