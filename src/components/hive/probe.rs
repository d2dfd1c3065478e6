//! How a Hive is doing, from its metastores: dead, hung, or answering with what is in their database.
//!
//! [`probe_addresses`] needs nothing but addresses, so that the other cluster's agent can ask as well.

use std::time::{Duration, Instant};

use chrono::Utc;
use futures_util::future::join_all;

use super::metastore::{Limits, Metastore};
use crate::domain::{ComponentName, Health, ProbeReport, Trouble, TroubleKind};

/// Whom a metastore is told that we are: it only has to list its databases, which everybody may.
const PERSON: &str = "understudy-probe";

/// Probes the Hive whose metastores are at `addresses` (`thrift://host:port` each); takes no longer than `limit`.
pub async fn probe_addresses(component: &ComponentName, addresses: &[String], limit: Duration) -> ProbeReport {
    let began = Instant::now();
    let answers = join_all(addresses.iter().map(|address| ask(address, limit))).await;
    let (health, evidence) = judge(addresses, &answers, limit);
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    ProbeReport { component: component.clone(), at: Utc::now(), health, evidence, took_ms, note: None }
}

/// How many databases it has: a question that goes to its own database, which may hang while it does not.
async fn ask(address: &String, limit: Duration) -> Result<usize, Trouble> {
    let limits = Limits { connect: limit, call: limit, work: limit };
    let metastore = Metastore::new(std::slice::from_ref(address), PERSON, limits)
        .map_err(|reason| Trouble::new(TroubleKind::Invalid, address, reason))?;
    let asked = metastore.run(address, |session| session.databases());
    let late = || Trouble::new(TroubleKind::Unreachable, address, SILENT);
    tokio::time::timeout(limit, asked).await.map_err(|_| late())?.map(|databases| databases.len())
}

const SILENT: &str = "no answer within";

/// One metastore that answers is enough: they share their database.
fn judge(addresses: &[String], answers: &[Result<usize, Trouble>], limit: Duration) -> (Health, String) {
    if addresses.is_empty() {
        return (Health::Unknown, "no metastore's address is known".into());
    }
    let answered = answers.iter().zip(addresses).find_map(|(answer, address)| answer.as_ref().ok().map(|count| (count, address)));
    if let Some((count, address)) = answered {
        return (Health::Healthy, format!("the metastore at {address} answers with {count} databases"));
    }
    let words = answers.iter().zip(addresses).filter_map(|(answer, address)| {
        let reason = &answer.as_ref().err()?.reason;
        Some(if reason.contains("refused") {
            format!("the metastore at {address} refuses connections: it is not running")
        } else if reason.contains(SILENT) {
            let secs = limit.as_secs_f32();
            format!("the metastore at {address} did not answer within {secs} s: it or its database hangs, or the way to it is cut")
        } else {
            format!("the metastore at {address}: {reason}")
        })
    });
    (Health::Faulty, words.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::hive::thrift::{Struct, Value};
    use std::net::{TcpListener, TcpStream};
    use thrift::protocol::{
        TBinaryInputProtocol, TBinaryOutputProtocol, TInputProtocol, TMessageIdentifier, TMessageType, TOutputProtocol,
    };

    fn serve(each: impl Fn(TcpStream) + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("thrift://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || listener.incoming().flatten().for_each(each));
        address
    }

    /// A metastore that knows two databases; `database_hangs`: it answers only what needs no database.
    fn metastore(database_hangs: bool) -> String {
        serve(move |socket| {
            let mut input = TBinaryInputProtocol::new(socket.try_clone().expect("a socket"), true);
            let mut output = TBinaryOutputProtocol::new(socket, true);
            while let Ok(head) = input.read_message_begin() {
                drop(Struct::read(&mut input).expect("arguments"));
                if database_hangs && head.name != "set_ugi" {
                    std::thread::sleep(Duration::from_secs(3));
                    return;
                }
                let names = Value::texts(&["default".to_owned(), "sales".to_owned()]);
                let head = TMessageIdentifier::new(head.name, TMessageType::Reply, head.sequence_number);
                output.write_message_begin(&head).expect("written");
                Struct::of([(0, names)]).write_to(&mut output).expect("written");
                output.flush().expect("sent");
            }
        })
    }

    async fn said(addresses: &[String]) -> (Health, String) {
        let report = probe_addresses(&"hive".parse().expect("a name"), addresses, Duration::from_millis(500)).await;
        (report.health, report.evidence)
    }

    #[tokio::test]
    async fn hung_dead_and_well_read_differently() {
        let (well, words) = said(&[metastore(false)]).await;
        assert!(well == Health::Healthy && words.contains("answers with 2 databases"), "{words}");
        let (hung, words) = said(&[metastore(true)]).await;
        assert!(hung == Health::Faulty && words.contains("within 0.5 s: it or its database hangs"), "{words}");
        let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
        let dead = format!("thrift://{nobody}");
        let (faulty, words) = said(std::slice::from_ref(&dead)).await;
        assert!(faulty == Health::Faulty && words.contains("refuses connections: it is not running"), "{words}");
        let (second, words) = said(&[metastore(true), dead, metastore(false)]).await;
        assert_eq!(second, Health::Healthy, "one that answers is enough: {words}");
        assert_eq!(said(&[]).await.0, Health::Unknown);
    }
}
