//! How an HBase is doing, from its masters' own web pages: dead, hung, starting, without a region server, or short of some.
//!
//! [`probe_addresses`] needs nothing but addresses, so that the other cluster's agent can ask as well.

use std::time::{Duration, Instant};

use chrono::Utc;
use futures_util::future::join_all;
use serde_json::Value;

use crate::components::hdfs::error::HdfsError;
use crate::components::hdfs::webhdfs::{broken, http_client, within};
use crate::domain::{ComponentName, Health, ProbeNote, ProbeReport};

/// What one master says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Master {
    active: bool,
    /// It took over completely.
    ready: bool,
    live_servers: u64,
    dead_servers: u64,
}

/// Probes the HBase whose masters' web pages are at `addresses` (`http://host:port` each); takes no longer than `limit`.
pub async fn probe_addresses(component: &ComponentName, addresses: &[String], limit: Duration) -> ProbeReport {
    let started = Instant::now();
    let answers = match http_client(limit) {
        Ok(http) => join_all(addresses.iter().map(|address| within(limit, ask(&http, address)))).await,
        Err(error) => vec![Err(error)],
    };
    let (health, evidence) = judge(addresses, &answers);
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    ProbeReport { component: component.clone(), at: Utc::now(), health, evidence, took_ms, note: None }
}

async fn ask(http: &reqwest::Client, address: &str) -> Result<Master, HdfsError> {
    let page = format!("{}/jmx?qry=Hadoop:service=HBase,name=Master,sub=Server", address.trim_end_matches('/'));
    let answer = http.get(page).send().await.map_err(broken)?;
    if answer.status() == reqwest::StatusCode::UNAUTHORIZED {
        return Err(HdfsError::Kerberos);
    }
    let value: Value = answer.json().await.map_err(|e| HdfsError::Answer(e.to_string()))?;
    let bean = &value["beans"][0];
    let number = |name: &str| bean[name].as_u64().unwrap_or(0);
    Ok(Master {
        active: bean["tag.isActiveMaster"] == "true",
        ready: number("masterFinishedInitializationTime") > 0,
        live_servers: number("numRegionServers"),
        dead_servers: number("numDeadRegionServers"),
    })
}

/// What the answers amount to: the active master decides, else the best reason why none is.
fn judge(addresses: &[String], answers: &[Result<Master, HdfsError>]) -> (Health, String) {
    let mut masters = answers.iter().zip(addresses);
    if let Some((Ok(master), address)) = masters.find(|(answer, _)| answer.as_ref().is_ok_and(|master| master.active)) {
        let (health, words) = judge_active(master);
        return (health, format!("master {address} {words}"));
    }
    if answers.is_empty() {
        return (Health::Unknown, "no master's web address is known".into());
    }
    let words: Vec<String> = answers.iter().zip(addresses).map(|(answer, address)| why_not(answer, address)).collect();
    let unknown = answers.iter().all(|answer| matches!(answer, Err(HdfsError::Kerberos)));
    (if unknown { Health::Unknown } else { Health::Faulty }, words.join("; "))
}

fn why_not(answer: &Result<Master, HdfsError>, address: &str) -> String {
    match answer {
        Ok(_) => format!("master {address} is up and not active"),
        Err(HdfsError::Refused(why)) if why.to_lowercase().contains("refused") => {
            format!("master {address} refuses connections: it is not running")
        }
        Err(HdfsError::Silent(limit)) => {
            format!("master {address} did not answer within {} s: it hangs, or the way to it is cut", limit.as_secs_f32())
        }
        Err(error) => format!("master {address}: {error}"),
    }
}

fn judge_active(master: &Master) -> (Health, String) {
    let Master { live_servers: live, dead_servers: dead, .. } = master;
    if !master.ready {
        (Health::Suspect, "is taking over".into())
    } else if *live == 0 {
        (Health::Faulty, "is active and has no live region server".into())
    } else if *dead > 0 {
        (Health::Suspect, format!("counts {dead} region servers dead, {live} alive"))
    } else {
        (Health::Healthy, format!("is active with {live} live region servers"))
    }
}

/// What the master's RPC says of its region servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Servers {
    pub live: usize,
    pub dead: usize,
    /// The port of the active master's pages; `None` or 0: it told none.
    pub web_port: Option<i32>,
}

/// A master whose pages cannot be read, and whose RPC answers, is a wrong address and no fault. Pages that say of an active master that
/// it cannot serve are believed, unless its RPC counts servers that are alive.
pub(super) fn weighed(pages: ProbeReport, rpc: Option<Servers>) -> ProbeReport {
    let Some(Servers { live, dead, web_port }) = rpc.filter(|servers| pages.health == Health::Faulty && servers.live > 0) else {
        return pages;
    };
    let count = if dead > 0 { format!("{live} region servers alive, {dead} dead") } else { format!("{live} live region servers") };
    let hint = web_port.filter(|port| *port > 0).map_or(String::new(), |port| format!("; the active master's are at port {port}"));
    let evidence = format!(
        "the active master answers its RPC with {count}; the monitoring address is wrong ({}){hint}: correct `web` of the component in agent.toml",
        pages.evidence
    );
    let health = if dead > 0 { Health::Suspect } else { Health::Healthy };
    ProbeReport { health, evidence, note: Some(ProbeNote::MonitoringAddressWrong), ..pages }
}

#[cfg(test)]
mod tests;
