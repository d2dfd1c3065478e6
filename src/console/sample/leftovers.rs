//! The sample's leftovers: one of ours, and one that nobody knows.

use super::{id, name, time};
use crate::controller::command::{ClusterLeftovers, Leftovers};
use crate::domain::PointId;
use crate::protocol::{Leftover, LeftoversReport, OwnSnapshot};

/// One at each cluster.
pub fn leftovers() -> Leftovers {
    let cluster = |cluster: &str, component: &str, path: &str, ours: bool| ClusterLeftovers {
        cluster: name(cluster),
        report: LeftoversReport {
            found: vec![Leftover {
                snapshot: OwnSnapshot { component: name(component), path: path.to_owned(), point: PointId(id(900)) },
                service: Some(name("orders")),
                made_here: ours,
                made_at: ours.then(|| time("2026-11-21T04:00:02Z")),
            }],
            removed: 0,
            failed: Vec::new(),
        },
    };
    let clusters = vec![cluster("shenzhen", "hdfs", "/data/orders", true), cluster("guiyang", "hbase", "shop:orders", false)];
    Leftovers { pair: name("sz-gy"), clusters }
}
