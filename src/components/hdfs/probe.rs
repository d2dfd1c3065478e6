//! How an HDFS is doing, from its NameNodes' own web pages: dead, hung, in safe mode, in standby, short of blocks or DataNodes.
//!
//! [`probe_addresses`] needs nothing but addresses, so that the other cluster's agent can ask as well.

use std::time::{Duration, Instant};

use chrono::Utc;
use futures_util::future::join_all;
use serde_json::Value;

use super::error::HdfsError;
use super::webhdfs::{broken, http_client, within};
use crate::domain::{ComponentName, Health, ProbeNote, ProbeReport};

/// What one NameNode says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct NameNode {
    /// `active`, `standby`, `observer`, `initializing`.
    state: String,
    /// Empty unless safe mode is on.
    safe_mode: String,
    missing_blocks: u64,
    live_data_nodes: u64,
    dead_data_nodes: u64,
    /// Silent for half a minute: a NameNode calls them dead only after ten.
    stale_data_nodes: u64,
    /// It answered a question about the file system itself, not only about itself.
    serves: Option<String>,
    /// Why its pages say nothing, though it serves files.
    blind: Option<String>,
}

/// Probes the HDFS whose NameNodes are at `addresses` (`http://host:port` each); takes no longer than `limit`.
pub async fn probe_addresses(component: &ComponentName, addresses: &[String], limit: Duration) -> ProbeReport {
    let started = Instant::now();
    let answers = match http_client(limit) {
        Ok(http) => join_all(addresses.iter().map(|address| within(limit, ask(&http, address, limit)))).await,
        Err(error) => vec![Err(error)],
    };
    let (health, evidence) = judge(addresses, &answers);
    let blind = health == Health::Healthy && answers.iter().any(|answer| matches!(answer, Ok(node) if node.blind.is_some()));
    let note = blind.then_some(ProbeNote::MonitoringAddressWrong);
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    ProbeReport { component: component.clone(), at: Utc::now(), health, evidence, took_ms, note }
}

/// What a NameNode's pages say; where they say nothing, whether it answers what it is for.
async fn ask(http: &reqwest::Client, address: &str, limit: Duration) -> Result<NameNode, HdfsError> {
    let (pages, why) = match pages(http, address, limit).await {
        Err(HdfsError::Answer(why)) => (Err(HdfsError::Answer(why.clone())), why),
        Ok(node) if node.state.is_empty() => {
            let why = "its pages do not say how the NameNode is".to_owned();
            (Err(HdfsError::Answer(why.clone())), why)
        }
        told => return told,
    };
    match tokio::time::timeout(limit / 2, serves_files(http, address)).await {
        Ok(true) => Ok(NameNode { state: "active".into(), blind: Some(why), ..NameNode::default() }),
        _ => pages,
    }
}

/// Whether there is a NameNode that serves files, and nothing else: a standby refuses, and any other server knows no such question.
async fn serves_files(http: &reqwest::Client, address: &str) -> bool {
    let url = format!("{address}/webhdfs/v1/?op=GETFILESTATUS&user.name=understudy-probe");
    let Ok(answer) = http.get(url).send().await else { return false };
    answer.status().is_success() && answer.json::<Value>().await.is_ok_and(|value| value["FileStatus"].is_object())
}

async fn pages(http: &reqwest::Client, address: &str, limit: Duration) -> Result<NameNode, HdfsError> {
    let bean = |query: String| async move {
        let answer = http.get(format!("{address}/jmx?{query}")).send().await.map_err(broken)?;
        if answer.status() == reqwest::StatusCode::UNAUTHORIZED {
            return Err(HdfsError::Kerberos);
        }
        let value: Value = answer.json().await.map_err(|e| HdfsError::Answer(e.to_string()))?;
        Ok(value["beans"][0].clone())
    };
    let status = bean("qry=Hadoop:service=NameNode,name=NameNodeStatus".into()).await?;
    let state = bean("qry=Hadoop:service=NameNode,name=FSNamesystemState".into()).await?;
    // One attribute each: the whole bean names every DataNode.
    let attribute = |name: &str| bean(format!("get=Hadoop:service=NameNode,name=NameNodeInfo::{name}"));
    let safe_mode = attribute("Safemode").await?;
    let missing = attribute("NumberOfMissingBlocks").await?;
    let mut node = NameNode {
        state: status["State"].as_str().unwrap_or_default().to_owned(),
        safe_mode: safe_mode["Safemode"].as_str().unwrap_or_default().to_owned(),
        missing_blocks: missing["NumberOfMissingBlocks"].as_u64().unwrap_or(0),
        live_data_nodes: state["NumLiveDataNodes"].as_u64().unwrap_or(0),
        dead_data_nodes: state["NumDeadDataNodes"].as_u64().unwrap_or(0),
        stale_data_nodes: state["NumStaleDataNodes"].as_u64().unwrap_or(0),
        serves: None,
        blind: None,
    };
    if node.state == "active" {
        node.serves = serves(http, address, limit).await;
    }
    Ok(node)
}

/// A question that needs the file system's lock: why it failed, `None` when it was answered.
async fn serves(http: &reqwest::Client, address: &str, limit: Duration) -> Option<String> {
    let url = format!("{address}/webhdfs/v1/?op=GETFILESTATUS&user.name=understudy-probe");
    match tokio::time::timeout(limit / 2, http.get(url).send()).await {
        Err(_) => Some("it does not answer questions about files".into()),
        Ok(Err(error)) => Some(broken(error).to_string()),
        Ok(Ok(answer)) if answer.status().is_server_error() => Some(format!("it answers HTTP {} about files", answer.status().as_u16())),
        Ok(Ok(_)) => None,
    }
}

/// What the answers amount to: the NameNode that serves decides, else the best reason why none does.
fn judge(addresses: &[String], answers: &[Result<NameNode, HdfsError>]) -> (Health, String) {
    let active = answers.iter().zip(addresses).find_map(|(answer, address)| match answer {
        Ok(node) if node.state == "active" => Some((node, address)),
        _ => None,
    });
    if let Some((node, address)) = active {
        let (health, words) = judge_active(node);
        return (health, format!("NameNode {address} {words}"));
    }
    if answers.is_empty() {
        return (Health::Unknown, "no NameNode address is known".into());
    }
    let words: Vec<String> = answers
        .iter()
        .zip(addresses)
        .map(|(answer, address)| match answer {
            Ok(node) => format!("NameNode {address} is in state {}", node.state),
            Err(HdfsError::Refused(why)) if why.to_lowercase().contains("refused") => {
                format!("NameNode {address} refuses connections: it is not running")
            }
            Err(HdfsError::Silent(limit)) => {
                format!("NameNode {address} did not answer within {} s: it hangs, or the way to it is cut", limit.as_secs_f32())
            }
            Err(error) => format!("NameNode {address}: {error}"),
        })
        .collect();
    let unknown = answers.iter().all(|answer| matches!(answer, Err(HdfsError::Kerberos)));
    (if unknown { Health::Unknown } else { Health::Faulty }, words.join("; "))
}

/// It cannot serve without its lock or without a DataNode; everything else are signs, all of which are told.
fn judge_active(node: &NameNode) -> (Health, String) {
    if let Some(why) = &node.blind {
        let words = format!("answers questions about files; its monitoring pages cannot be read ({why}): see that /jmx is served there");
        return (Health::Healthy, words);
    }
    let counted = |count: u64, words: &str| (count > 0).then(|| format!("{count} {words}"));
    let safe_mode = (!node.safe_mode.is_empty())
        .then(|| format!("is in safe mode, so nothing can be written: {}", node.safe_mode.lines().next().unwrap_or_default()));
    let short = [
        counted(node.missing_blocks, "blocks missing"),
        counted(node.dead_data_nodes, "DataNodes dead"),
        counted(node.stale_data_nodes, "DataNodes not heard of lately: they hang, or have just died"),
    ];
    let short = short.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let short = (!short.is_empty()).then(|| format!("counts {short}; {} alive", node.live_data_nodes));
    let signs = safe_mode.into_iter().chain(short).collect::<Vec<_>>().join(" and ");
    if let Some(why) = &node.serves {
        (Health::Faulty, format!("is up, but {why}"))
    } else if node.live_data_nodes == 0 {
        let signs = if signs.is_empty() { signs } else { format!(" and {signs}") };
        (Health::Faulty, format!("has no live DataNode{signs}"))
    } else if !signs.is_empty() {
        (Health::Suspect, signs)
    } else {
        (Health::Healthy, format!("is active with {} live DataNodes, no missing blocks", node.live_data_nodes))
    }
}

#[cfg(test)]
mod tests;
