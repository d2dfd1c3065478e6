//! The lab's faults are real: a site that is off refuses, a frozen one hangs, a full disk fails writes, and all of it ends again.
#![cfg(feature = "lab")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::stand::{http, provider, runs, until};
use reqwest::StatusCode;
use understudy::lab::desk::Order;
use understudy::lab::seed;
use understudy::lab::sites::{Site, SitePorts};

fn east(root: &Path) -> Site {
    let ports = SitePorts::choose().unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_understudy"));
    let site = Site::new("east".parse().unwrap(), root.join("east"), ports, program, ports.agent).unwrap();
    seed::primary(&site.place()).unwrap();
    site
}

async fn order(desk: SocketAddr, id: u64) -> Result<StatusCode, reqwest::Error> {
    let order = Order { id, customer: "ana".into(), cents: 1 };
    let reply = http(Duration::from_secs(2)).post(format!("http://{desk}/orders")).json(&order).send().await?;
    Ok(reply.status())
}

#[tokio::test]
async fn faults_are_felt_and_end() {
    provider();
    let dir = tempfile::tempdir().unwrap();
    let mut east = east(dir.path());
    let desk = east.ports.desk;
    east.power_on().await.unwrap();
    assert_eq!(order(desk, 1).await.unwrap(), StatusCode::OK);

    east.freeze(true).unwrap();
    assert!(order(desk, 2).await.unwrap_err().is_timeout(), "a frozen site hangs");
    east.freeze(false).unwrap();
    until("the thaw", Duration::from_secs(10), || async { (order(desk, 3).await.ok()? == StatusCode::OK).then_some(()) }).await;

    east.fill_disk(true).unwrap();
    assert_eq!(order(desk, 4).await.unwrap(), StatusCode::SERVICE_UNAVAILABLE, "a full disk takes no order");
    assert!(runs(east.pid().unwrap()), "and kills nobody");
    east.fill_disk(false).unwrap();
    assert_eq!(order(desk, 5).await.unwrap(), StatusCode::OK);

    east.set_clock_off(3_600).await.unwrap();
    assert_eq!(east.view().clock_step_secs, 3_600);

    let pid = east.pid().unwrap();
    east.power_off().await.unwrap();
    assert!(!runs(pid));
    assert!(order(desk, 6).await.unwrap_err().is_connect(), "a site without power refuses");
    east.power_on().await.unwrap();
    assert_eq!(order(desk, 6).await.unwrap(), StatusCode::OK, "it comes back where it was, with its data");
    assert_eq!(order(desk, 5).await.unwrap(), StatusCode::SERVICE_UNAVAILABLE, "order 5 is there already");
}
