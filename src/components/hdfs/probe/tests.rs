//! What a probe of an HDFS says: of pages as Hadoop 3.4.2 serves them, with one figure changed each, and of silence.

use super::*;
use crate::components::hdfs::tests as fake;

fn node(state: &str) -> NameNode {
    NameNode { state: state.into(), live_data_nodes: 3, ..NameNode::default() }
}

fn health(answers: &[Result<NameNode, HdfsError>]) -> (Health, String) {
    let addresses = ["http://a:9870".to_owned(), "http://b:9870".to_owned()];
    judge(&addresses[..answers.len()], answers)
}

#[test]
fn one_active_name_node_is_enough() {
    let dead = Err(HdfsError::Refused("Connection refused (os error 111)".into()));
    assert_eq!(health(&[dead.clone(), Ok(node("active"))]).0, Health::Healthy);
    assert_eq!(health(&[Ok(node("standby")), Ok(node("standby"))]).0, Health::Faulty);
    let (health, words) = health(&[dead]);
    assert!(health == Health::Faulty && words.contains("not running"), "{words}");
}

#[test]
fn hung_dead_and_safe_mode_read_differently() {
    let (hung, words) = health(&[Err(HdfsError::Silent(Duration::from_secs(3)))]);
    assert!(hung == Health::Faulty && words.contains("within 3 s") && words.contains("hangs"), "{words}");
    let (safe, words) = health(&[Ok(NameNode { safe_mode: "Safe mode is ON.".into(), ..node("active") })]);
    assert!(safe == Health::Suspect && words.contains("safe mode"), "{words}");
    assert_eq!(health(&[Ok(NameNode { live_data_nodes: 0, ..node("active") })]).0, Health::Faulty);
    assert_eq!(health(&[Ok(NameNode { missing_blocks: 1, ..node("active") })]).0, Health::Suspect);
    assert_eq!(health(&[Err(HdfsError::Kerberos)]).0, Health::Unknown);
}

const STATUS: &str = include_str!("namenode-status.json");
const STATE: &str = include_str!("namenode-state.json");
/// As a NameNode says it that was told to enter safe mode.
const SAFE_MODE: &str = "Safe mode is ON. It was turned on manually. Use \"hdfs dfsadmin -safemode leave\" to turn safe mode off.";

async fn said(status: &str, state: &str, safe_mode: &str, missing: u64) -> (Health, String) {
    let info = |attribute: &str, value: String| {
        let head = r#""name" : "Hadoop:service=NameNode,name=NameNodeInfo", "modelerType" : "org.apache.hadoop.hdfs.server.namenode.FSNamesystem""#;
        format!(r#"{{ "beans" : [ {{ {head}, "{attribute}" : {value} }} ] }}"#)
    };
    let address = fake::pages(vec![
        ("name=NameNodeStatus", status.to_owned()),
        ("name=FSNamesystemState", state.to_owned()),
        ("::Safemode", info("Safemode", Value::from(safe_mode).to_string())),
        ("::NumberOfMissingBlocks", info("NumberOfMissingBlocks", missing.to_string())),
    ])
    .await;
    let report = probe_addresses(&"hdfs".parse().expect("a name"), &[address], Duration::from_secs(5)).await;
    (report.health, report.evidence)
}

fn with(key: &str, value: u64) -> String {
    let mut page: Value = serde_json::from_str(STATE).expect("JSON");
    assert!(page["beans"][0][key].is_u64(), "{key} is not in the page");
    page["beans"][0][key] = value.into();
    page.to_string()
}

#[tokio::test]
async fn each_sign_is_told_in_words_and_only_what_cannot_serve_is_faulty() {
    let (well, words) = said(STATUS, STATE, "", 0).await;
    assert!(well == Health::Healthy && words.contains("1 live DataNodes"), "{words}");
    for (state, safe_mode, missing, health, says) in [
        (STATE.to_owned(), SAFE_MODE, 0, Health::Suspect, "is in safe mode, so nothing can be written: Safe mode is ON."),
        (STATE.to_owned(), "", 7, Health::Suspect, "counts 7 blocks missing; 1 alive"),
        (with("NumDeadDataNodes", 2), "", 0, Health::Suspect, "counts 2 DataNodes dead; 1 alive"),
        (with("NumStaleDataNodes", 1), "", 0, Health::Suspect, "1 DataNodes not heard of lately"),
        (with("NumDeadDataNodes", 2), SAFE_MODE, 7, Health::Suspect, "and counts 7 blocks missing, 2 DataNodes dead"),
        (with("NumLiveDataNodes", 0), "", 0, Health::Faulty, "has no live DataNode"),
        (with("NumLiveDataNodes", 0), SAFE_MODE, 0, Health::Faulty, "has no live DataNode and is in safe mode"),
    ] {
        let (found, words) = said(STATUS, &state, safe_mode, missing).await;
        assert!(found == health && words.contains(says), "{found}: {words}, not {health}: {says}");
    }
    let standby = STATUS.replace("\"active\"", "\"standby\"");
    let (found, words) = said(&standby, STATE, "", 0).await;
    assert!(found == Health::Faulty && words.contains("is in state standby"), "{words}");
}

#[tokio::test]
async fn a_hung_name_node_is_told_from_a_dead_one() {
    let name = "hdfs".parse().expect("a name");
    let hung = probe_addresses(&name, &[fake::hung().await], Duration::from_millis(300)).await;
    assert!(hung.health == Health::Faulty && hung.evidence.contains("it hangs, or the way to it is cut"), "{hung:?}");
    let dead = probe_addresses(&name, &[fake::dead().await], Duration::from_secs(5)).await;
    assert!(dead.health == Health::Faulty && dead.evidence.contains("it is not running"), "{dead:?}");
}

#[tokio::test]
async fn a_name_node_that_serves_files_and_no_pages_is_well_and_any_other_server_is_not() {
    let name = "hdfs".parse().expect("a name");
    let ask = async |page: Vec<(&'static str, String)>| probe_addresses(&name, &[fake::pages(page).await], Duration::from_secs(5)).await;
    let file = r#"{"FileStatus":{"type":"DIRECTORY","length":0}}"#.to_owned();
    for jmx in ["<html>nothing here</html>", r#"{ "beans" : [ ] }"#] {
        let found = ask(vec![("/jmx", jmx.to_owned()), ("op=GETFILESTATUS", file.clone())]).await;
        assert_eq!((found.health, found.note), (Health::Healthy, Some(ProbeNote::MonitoringAddressWrong)), "{found:?}");
        assert!(found.evidence.contains("/jmx"), "{found:?}");
        let other = ask(vec![("/jmx", jmx.to_owned())]).await;
        assert_eq!((other.health, other.note), (Health::Faulty, None), "{other:?}");
    }
}
