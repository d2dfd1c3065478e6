//! The sample's leftovers, one of ours and one that nobody knows, and what a removal would take away.

use super::{id, name, time};
use crate::controller::command::{ClusterGoing, ClusterLeftovers, Going, Leftovers, Removal, ServiceGoing};
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
        half_made: Vec::new(),
    };
    let clusters = vec![cluster("shenzhen", "hdfs", "/data/orders", true), cluster("guiyang", "hbase", "shop:orders", false)];
    Leftovers { pair: name("sz-gy"), clusters }
}

/// What goes with the pair; or with its leftovers.
pub fn going(removal: &Removal) -> Going {
    let cluster = |cluster: &str, hdfs: u64, hbase: u64, fenced: u64| ClusterGoing {
        snapshots: [(name("hbase"), hbase), (name("hdfs"), hdfs)].into_iter().filter(|(_, count)| *count > 0).collect(),
        fenced,
        ..ClusterGoing::nothing(name(cluster), Some(super::now()))
    };
    let service = |service: &str, points: u64, oldest: &str, newest: &str| ServiceGoing {
        service: name(service),
        points,
        oldest: Some(time(oldest)),
        newest: Some(time(newest)),
    };
    let of_pair = *removal == Removal::Pair;
    let mut clusters = if of_pair {
        vec![cluster("shenzhen", 6, 4, 0), cluster("guiyang", 188, 96, 9)]
    } else {
        vec![cluster("shenzhen", 1, 0, 0), cluster("guiyang", 0, 1, 0)]
    };
    clusters[1].not_made_here = u64::from(!of_pair);
    let services = vec![
        service("billing", 31, "2026-10-22T16:00:00Z", "2026-11-21T05:00:00Z"),
        service("orders", 94, "2026-10-21T16:00:00Z", "2026-11-21T06:00:00Z"),
    ];
    Going { pair: name("sz-gy"), removal: removal.clone(), services: if of_pair { services } else { Vec::new() }, clusters }
}
