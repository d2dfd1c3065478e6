//! Strangers keep nobody waiting: a real agent under silent TLS connections, half-sent requests and garbage proofs, all at once, while
//! its console, an application and a new console go about their work.

#![cfg(all(feature = "agent", feature = "lab"))]
#![allow(clippy::unwrap_used)]

mod stand;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::Utc;
use stand::processes::Agent;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use understudy::domain::{Claim, DecisionId, Epoch, Identity, Term, TroubleKind};
use understudy::protocol::enrol::EnrolCode;
use understudy::protocol::serve::SECURE_PLACES;
use understudy::protocol::serve::descriptors;
use understudy::protocol::tls::{OwnKey, client_config};
use understudy::protocol::{AgentApi, AgentClient, ConnectSpec, EnrolRequest, PeerSpec, enrol};
use understudy::store::agent::Ledger;

/// More than all places of the HTTPS listener.
const SILENT: usize = SECURE_PLACES.all() + 100;
/// Half-sent requests on the route.
const HALF_SENT: usize = 2_000;
/// A stranger whose connection is closed opens the next one so much later.
const RENEWED_AFTER: Duration = Duration::from_secs(1);
/// How long all of it lasts.
const FLOOD: Duration = Duration::from_secs(6);
/// How often the console and an application ask at least, however slow the machine is.
const ROUNDS: usize = 5;
/// How long anybody with a key, or an application, may be kept waiting.
const PATIENCE: Duration = Duration::from_secs(2);

fn own_key(dir: &tempfile::TempDir, name: &str) -> Arc<OwnKey> {
    let dir = dir.path().join(name);
    std::fs::create_dir_all(&dir).unwrap();
    OwnKey::load_or_create(&dir, name, Utc::now()).unwrap()
}

fn descriptors_of(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// What the strangers do until they are told to stop, and how often.
#[derive(Default)]
struct Flood {
    stop: AtomicBool,
    opened: AtomicUsize,
    proofs: AtomicUsize,
}

impl Flood {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Keeps one connection open that has sent `bytes` and nothing else; opens a new one whenever it is closed.
    async fn hold(self: Arc<Flood>, target: SocketAddr, bytes: &'static [u8]) {
        while !self.is_over() {
            if let Ok(mut stream) = TcpStream::connect(target).await {
                self.opened.fetch_add(1, Ordering::Relaxed);
                // Closed in this instant, or read until it is.
                if stream.write_all(bytes).await.is_ok() {
                    drop(tokio::time::timeout(FLOOD, stream.read(&mut [0; 64])).await);
                }
            }
            tokio::time::sleep(RENEWED_AFTER).await;
        }
    }

    /// Finishes the handshake with a key that nobody knows, and says nothing more.
    async fn stand_about(self: Arc<Flood>, target: SocketAddr, key: Arc<OwnKey>) {
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client_config(key, None).unwrap()));
        let name = || rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
        while !self.is_over() {
            if let Ok(stream) = TcpStream::connect(target).await
                && let Ok(mut stream) = connector.connect(name(), stream).await
            {
                drop(tokio::time::timeout(FLOOD, stream.read(&mut [0; 64])).await);
            }
            tokio::time::sleep(RENEWED_AFTER).await;
        }
    }

    /// Sends proofs that are garbage, each over a connection of its own.
    async fn guess(self: Arc<Flood>, target: SocketAddr, pinned: String, key: Arc<OwnKey>) {
        while !self.is_over() {
            let client = AgentClient::new(&ConnectSpec { address: target.to_string(), key: pinned.clone() }, key.clone()).unwrap();
            let request = EnrolRequest { controller_key: key.fingerprint().to_owned(), proof: "00".repeat(32) };
            let asked = client.http().post(format!("{}/v1/enrol", client.base())).json(&request).timeout(PATIENCE).send();
            if asked.await.is_ok_and(|answer| answer.status() == 403) {
                self.proofs.fetch_add(1, Ordering::Relaxed);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// As if it had been paired: a member of the pair `p`, commanded by this key, with a service that is active here.
fn make_member(agent: &Agent, controller: &str) {
    let ledger = Ledger::open(&agent.dir.join("state/ledger.db")).unwrap();
    let claim = Claim { identity: Identity::Primary, epoch: Epoch(1), decision: DecisionId(uuid::Uuid::now_v7()) };
    let peer = PeerSpec {
        cluster: "west".parse().unwrap(),
        address: "127.0.0.1:9".into(),
        key: "11".repeat(32),
        route: "127.0.0.1:9".into(),
        components: vec![],
    };
    let pair = "p".parse().unwrap();
    ledger.join(&pair, claim, &peer, controller, Term(1)).unwrap();
    let policy = toml::from_str("name = \"orders\"\npair = \"p\"\ndata_sets = [\"tables:orders\"]\n").unwrap();
    ledger.store_policies(&pair, &[policy]).unwrap();
    ledger.activate(&pair, Epoch(1), &"orders".parse().unwrap(), None).unwrap();
}

/// Waits patiently for something that must come in time; how long it took.
async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    let done = tokio::time::timeout(PATIENCE, work).await;
    (done.unwrap_or_else(|_| panic!("{what} took longer than {} s", PATIENCE.as_secs())), began.elapsed())
}

/// Invariant 17.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_strangers_keeps_nobody_with_a_key_waiting() {
    stand::provider();
    descriptors::ensure((2 * (SILENT + HALF_SENT)) as u64).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Agent::local(dir.path(), "east");
    agent.start();
    let console = own_key(&dir, "console");
    let (_, pinned) = enrol(&agent.listen.to_string(), &EnrolCode::parse(&agent.enrol()).unwrap(), console.clone()).await.unwrap();
    make_member(&agent, console.fingerprint());
    let spec = ConnectSpec { address: agent.listen.to_string(), key: pinned.clone() };
    let client = || AgentClient::new(&spec, console.clone()).unwrap();
    let kept = client();
    kept.status().await.unwrap();
    let before = descriptors_of(agent.pid());

    let flood = Arc::new(Flood::default());
    // On a thread of their own: they are other hosts, and must not keep us waiting in this process. It ends with the process.
    let elsewhere = Box::leak(Box::new(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()));
    let mut strangers = JoinSet::new();
    for _ in 0..SILENT {
        strangers.spawn_on(flood.clone().hold(agent.listen, b""), elsewhere.handle());
    }
    for n in 0..HALF_SENT {
        let bytes: &[u8] = if n % 2 == 0 { b"GET /v1/ro" } else { b"" };
        strangers.spawn_on(flood.clone().hold(agent.route, bytes), elsewhere.handle());
    }
    for n in 0..4 {
        let key = own_key(&dir, &format!("stranger {n}"));
        strangers.spawn(flood.clone().guess(agent.listen, pinned.clone(), key.clone()));
        for _ in 0..4 {
            strangers.spawn(flood.clone().stand_about(agent.listen, key.clone()));
        }
    }
    // The flood is there: more was opened than there are places, and guesses were answered.
    stand::until("the flood", Duration::from_secs(20), async || {
        let there = flood.opened.load(Ordering::Relaxed) >= SILENT + HALF_SENT && flood.proofs.load(Ordering::Relaxed) > 0;
        there.then_some(())
    })
    .await;

    let http = stand::http(PATIENCE);
    let url = format!("http://{}/v1/route/p/orders", agent.route);
    let mut slowest = [Duration::ZERO; 3];
    let (end, mut rounds) = (Instant::now() + FLOOD, 0);
    while Instant::now() < end || rounds < ROUNDS {
        let (status, took) = in_time("a status over the connection that was there", kept.status()).await;
        status.unwrap();
        slowest[0] = slowest[0].max(took);
        let (status, took) = in_time("a status over a new connection", async { client().status().await }).await;
        status.unwrap();
        slowest[1] = slowest[1].max(took);
        let (answer, took) = in_time("the route", async { http.get(&url).send().await?.text().await }).await;
        assert!(answer.as_ref().is_ok_and(|text| text.contains("\"active\":\"east\"")), "{answer:?}");
        slowest[2] = slowest[2].max(took);
        rounds += 1;
    }

    // A new console with a fresh code: no garbage has voided it, and none keeps its proof out.
    let newcomer = own_key(&dir, "newcomer");
    let code = EnrolCode::parse(&agent.enrol()).unwrap();
    let (enrolled, _) = in_time("a new enrolment", enrol(&spec.address, &code, newcomer.clone())).await;
    enrolled.unwrap();
    let status = AgentClient::new(&spec, newcomer).unwrap().status().await;
    assert!(status.is_ok(), "the new console is known: {status:?}");
    let wrong = enrol(&spec.address, &code, own_key(&dir, "late")).await.unwrap_err();
    assert_eq!(wrong.kind, TroubleKind::Refused, "the code is used up: {wrong}");

    flood.stop.store(true, Ordering::Relaxed);
    let (opened, proofs) = (flood.opened.load(Ordering::Relaxed), flood.proofs.load(Ordering::Relaxed));
    println!("{rounds} rounds, slowest {slowest:?}; strangers opened {opened} connections and sent {proofs} proofs");
    stand::until("descriptors as before", Duration::from_secs(20), async || (descriptors_of(agent.pid()) <= before + 16).then_some(()))
        .await;
    strangers.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_silent_are_closed_also_when_nobody_needs_their_places() {
    stand::provider();
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Agent::local(dir.path(), "east");
    agent.start();
    let mut silent = JoinSet::new();
    for (target, bytes) in [(agent.listen, &b""[..]), (agent.listen, b"\x16\x03"), (agent.route, b""), (agent.route, b"GET /v1/ro")] {
        silent.spawn(async move {
            let mut stream = TcpStream::connect(target).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            let mut rest = Vec::new();
            drop(tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut rest)).await.expect("closed by the agent"));
        });
    }
    while let Some(closed) = silent.join_next().await {
        closed.unwrap();
    }
}

#[test]
fn an_agent_with_too_few_descriptors_says_so_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::local(dir.path(), "east");
    let serve = format!(
        "ulimit -n 3000; exec {} serve --config {}",
        env!("CARGO_BIN_EXE_understudy-agent"),
        agent.dir.join("agent.toml").display()
    );
    let mut started = std::process::Command::new("sh");
    let mut process = started.args(["-c", &serve]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(20);
    while process.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            process.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let told = process.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(3), "{text}");
    assert!(text.contains("3000 open files") && text.contains("LimitNOFILE="), "{text}");
}
