//! What a probe of an HBase says: of a page as a master serves it, with one figure changed each, and of silence.

use super::*;
use crate::components::hdfs::tests as fake;

fn health(answers: &[Result<Master, HdfsError>]) -> (Health, String) {
    let addresses = ["http://a:16010".to_owned(), "http://b:16010".to_owned()];
    judge(&addresses[..answers.len()], answers)
}

#[test]
fn hung_dead_standby_and_short_of_servers_read_differently() {
    let up = Master { active: true, ready: true, live_servers: 3, dead_servers: 0 };
    let dead = Err(HdfsError::Refused("Connection refused (os error 111)".into()));
    assert_eq!(health(&[dead.clone(), Ok(up.clone())]).0, Health::Healthy);
    assert_eq!(health(&[Ok(Master { live_servers: 0, ..up.clone() })]).0, Health::Faulty);
    assert_eq!(health(&[Ok(Master { dead_servers: 1, ..up.clone() })]).0, Health::Suspect);
    assert_eq!(health(&[Ok(Master { ready: false, ..up.clone() })]).0, Health::Suspect);
    assert_eq!(health(&[Ok(Master { active: false, ..up })]).0, Health::Faulty);
    let (faulty, words) = health(&[dead]);
    assert!(faulty == Health::Faulty && words.contains("not running"), "{words}");
    let (hung, words) = health(&[Err(HdfsError::Silent(Duration::from_secs(3)))]);
    assert!(hung == Health::Faulty && words.contains("hangs") && words.contains("3 s"), "{words}");
    assert_eq!(health(&[Err(HdfsError::Kerberos)]).0, Health::Unknown);
}

/// The figures that are read, named and typed as HBase 2 names and types them; `tests/hbase` asks a real master.
const MASTER: &str = r#"{ "beans" : [ {
    "name" : "Hadoop:service=HBase,name=Master,sub=Server", "modelerType" : "Master,sub=Server",
    "tag.liveRegionServers" : "localhost,16020,1795799811556", "tag.deadRegionServers" : "", "tag.isActiveMaster" : "true",
    "tag.Context" : "master", "masterActiveTime" : 1795799811333, "masterFinishedInitializationTime" : 1795799817412,
    "averageLoad" : 3.0, "numRegionServers" : 1, "numDeadRegionServers" : 0 } ] }"#;

async fn said(addresses: &[String]) -> (Health, String) {
    let report = probe_addresses(&"hbase".parse().expect("a name"), addresses, Duration::from_millis(800)).await;
    (report.health, report.evidence)
}

async fn page(from: &str, to: &str) -> String {
    assert!(MASTER.contains(from), "{from}");
    fake::pages(vec![("name=Master,sub=Server", MASTER.replace(from, to))]).await
}

#[tokio::test]
async fn an_absent_master_and_region_servers_that_died_are_told_in_words() {
    let (well, words) = said(&[page("averageLoad", "averageLoad").await]).await;
    assert!(well == Health::Healthy && words.contains("1 live region servers"), "{words}");
    for (from, to, health, says) in [
        ("\"numDeadRegionServers\" : 0", "\"numDeadRegionServers\" : 2", Health::Suspect, "counts 2 region servers dead, 1 alive"),
        ("\"numRegionServers\" : 1", "\"numRegionServers\" : 0", Health::Faulty, "no live region server"),
        ("1795799817412", "0", Health::Suspect, "is taking over"),
        ("\"tag.isActiveMaster\" : \"true\"", "\"tag.isActiveMaster\" : \"false\"", Health::Faulty, "is up and not active"),
    ] {
        let (found, words) = said(&[page(from, to).await]).await;
        assert!(found == health && words.contains(says), "{found}: {words}, not {health}: {says}");
    }
}

#[tokio::test]
async fn a_hung_master_is_told_from_a_dead_one_and_a_second_one_serves() {
    let (hung, words) = said(&[fake::hung().await]).await;
    assert!(hung == Health::Faulty && words.contains("it hangs, or the way to it is cut"), "{words}");
    let (dead, words) = said(&[fake::dead().await]).await;
    assert!(dead == Health::Faulty && words.contains("it is not running"), "{words}");
    let (served, words) = said(&[fake::dead().await, page("averageLoad", "averageLoad").await]).await;
    assert_eq!(served, Health::Healthy, "{words}");
}

#[test]
fn pages_that_nobody_serves_are_a_wrong_address_where_the_master_counts_servers_that_live() {
    let pages = |health, evidence: &str| ProbeReport {
        component: "hbase".parse().expect("a name"),
        at: Utc::now(),
        health,
        evidence: evidence.into(),
        took_ms: 1,
        note: None,
    };
    let refused = || pages(Health::Faulty, "master http://a:1 refuses connections: it is not running");
    let up = Servers { live: 2, dead: 0, web_port: Some(16_010) };
    let found = weighed(refused(), Some(up));
    assert_eq!((found.health, found.note), (Health::Healthy, Some(ProbeNote::MonitoringAddressWrong)));
    assert!(found.evidence.contains("16010") && found.evidence.contains("http://a:1"), "{found:?}");
    let short = weighed(refused(), Some(Servers { dead: 1, ..up }));
    assert_eq!((short.health, short.note), (Health::Suspect, Some(ProbeNote::MonitoringAddressWrong)));
    for rpc in [None, Some(Servers { live: 0, ..up })] {
        assert_eq!((weighed(refused(), rpc).health, weighed(refused(), rpc).note), (Health::Faulty, None), "{rpc:?}");
    }
    let suspect = weighed(pages(Health::Suspect, "counts 1 region servers dead"), Some(up));
    assert_eq!((suspect.health, suspect.note), (Health::Suspect, None), "what the pages say is believed");
}
