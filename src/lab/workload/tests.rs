//! What `workload` promises.

use super::*;
use crate::lab::desk::{self, DataPlace};
use crate::lab::seed;

/// A site's desk, served from a directory and a database without an agent.
async fn site(dir: &std::path::Path) -> SocketAddr {
    let place = DataPlace::of_site(dir);
    seed::primary(&place).unwrap();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = desk::router(place).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn until(what: &str, mut held: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !held() {
        assert!(Instant::now() < limit, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_follow_the_route_and_hold_still_while_frozen() {
    // Another test may have installed it already.
    drop(rustls::crypto::ring::default_provider().install_default());
    let (east, west): (ClusterName, ClusterName) = ("east".parse().unwrap(), "west".parse().unwrap());
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let desks = BTreeMap::from([(east.clone(), site(dirs[0].path()).await), (west.clone(), site(dirs[1].path()).await)]);
    let (route, active) = watch::channel(Some(east.clone()));
    let workload = Workload::start(desks, active).await.unwrap();
    workload.run(true);
    until("ten orders at east", || workload.view(None).written >= 10).await;

    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(http.post(workload.freeze_url(30)).send().await.unwrap().status().is_success());
    let still = workload.view(None).sent;
    assert_eq!(workload.view(None).written, still, "nothing is under way when the freeze is answered");
    route.send_replace(Some(west.clone()));
    let seconds = workload.view(None).seconds.len();
    until("the picture goes on", || workload.view(None).seconds.len() > seconds).await;
    assert_eq!(workload.view(None).sent, still, "frozen means no new order");
    assert!(http.post(workload.thaw_url()).send().await.unwrap().status().is_success());

    let since = Utc::now();
    until("orders at west", || workload.first_served(&west, since).is_some()).await;
    workload.run(false);
    workload.drained().await;
    let ids: Vec<u64> = workload.acknowledged().iter().filter(|ack| ack.by == west).map(|ack| ack.id).collect();
    let last = ids.iter().rev().take(5).copied().collect::<Vec<_>>();
    assert_eq!(workload.read_back(&west, &last).await, (last.len() as u64, 0));
    assert_eq!(workload.read_back(&east, &last).await, (0, last.len() as u64));
}

#[tokio::test]
async fn a_freeze_ends_by_itself_after_its_limit() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let east: ClusterName = "east".parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (_route, active) = watch::channel(Some(east.clone()));
    let workload = Workload::start(BTreeMap::from([(east, site(dir.path()).await)]), active).await.unwrap();
    workload.run(true);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(http.post(workload.freeze_url(1)).send().await.unwrap().status().is_success());
    let still = workload.view(None).sent;
    until("it thaws by itself", || workload.view(None).sent > still).await;
}
