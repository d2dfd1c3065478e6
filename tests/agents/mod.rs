//! Real agents on 127.0.0.1 for tests, each beside a SQLite database, and a console's key to command them with.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use understudy::agent::clock::Clock;
use understudy::agent::config::AgentConfig;
use understudy::agent::guard::body_digest;
use understudy::agent::{RunningAgent, issue_code, ledger_path, serve};
use understudy::domain::switchover::machine::Decision;
use understudy::domain::{DecisionId, Epoch, Identity, InstructionId, PairName, Service, Term, Trouble};
use understudy::protocol::enrol::EnrolCode;
use understudy::protocol::tls::{self, OwnKey, install_provider};
use understudy::protocol::{
    AgentApi, AgentClient, AnswerState, ConnectSpec, Instruction, JoinOrder, Order, Outcome, PeerSpec, StorePoliciesOrder, enrol,
};
use understudy::route::RouteClient;
use understudy::store::agent::{Admission, CodePurpose, Ledger};
use uuid::Uuid;

/// The host's clock, stepped.
#[derive(Default)]
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn step(&self, by: TimeDelta) {
        self.0.fetch_add(by.num_seconds(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::seconds(self.0.load(Ordering::SeqCst))
    }
}

/// An agent that is not running.
pub struct StoppedAgent {
    name: &'static str,
    dir: TempDir,
    listen: SocketAddr,
    route: SocketAddr,
    pub clock: Arc<TestClock>,
}

/// An agent that serves.
pub struct TestAgent {
    pub clock: Arc<TestClock>,
    stopped: StoppedAgent,
    running: RunningAgent,
}

impl StoppedAgent {
    /// A new one with an empty state and a database that has one table, `orders`, if it is the first primary, `east`.
    pub fn new(name: &'static str) -> StoppedAgent {
        install_provider();
        let dir = tempfile::tempdir().unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let agent = StoppedAgent { name, dir, listen: any, route: any, clock: Arc::default() };
        let database = rusqlite::Connection::open(agent.dir.path().join("data.db")).unwrap();
        if name == "east" {
            database.execute_batch("CREATE TABLE orders(id INTEGER PRIMARY KEY, item TEXT)").unwrap();
        }
        agent
    }

    /// Starts it, at the ports that it had before.
    pub async fn start(mut self) -> TestAgent {
        let running = serve(self.config(self.listen, self.route), self.clock.clone()).await.unwrap();
        (self.listen, self.route) = (running.address(), running.route_address());
        TestAgent { clock: self.clock.clone(), stopped: self, running }
    }

    fn text(&self, listen: SocketAddr, route: SocketAddr) -> String {
        format!(
            "name = \"{}\"\nsite = \"Site\"\nlisten = \"{listen}\"\nroute = \"{route}\"\nstate = \"state\"\n[[component]]\nkind = \"tables\"\ndatabase = \"data.db\"\n",
            self.name
        )
    }

    fn config(&self, listen: SocketAddr, route: SocketAddr) -> AgentConfig {
        AgentConfig::parse(&self.text(listen, route), self.dir.path()).unwrap()
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// As if it had been killed while it carried the instruction out.
    pub fn mark_running(&self, instruction: &Instruction) {
        let ledger = Ledger::open(&ledger_path(&self.state())).unwrap();
        let digest = body_digest(instruction).unwrap();
        ledger.admit(instruction, "", digest, Utc::now(), |_| Ok(Admission::Start { confirm: false })).unwrap();
    }
}

impl TestAgent {
    pub async fn start(name: &'static str) -> TestAgent {
        StoppedAgent::new(name).start().await
    }

    pub async fn stop(self) -> StoppedAgent {
        self.running.stop().await;
        self.stopped
    }

    /// A second agent with the same state, at other ports.
    pub async fn start_another(&self) -> Result<(), Trouble> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        serve(self.stopped.config(any, any), self.clock.clone()).await.map(drop)
    }

    pub async fn restart(self) -> TestAgent {
        self.stop().await.start().await
    }

    pub fn address(&self) -> String {
        self.running.address().to_string()
    }

    pub fn fingerprint(&self) -> &str {
        self.running.fingerprint()
    }

    pub fn state(&self) -> PathBuf {
        self.stopped.state()
    }

    /// Another table in its database.
    pub fn make_table(&self, table: &str) {
        let database = rusqlite::Connection::open(self.stopped.dir.path().join("data.db")).unwrap();
        database.execute_batch(&format!("CREATE TABLE {table}(id INTEGER PRIMARY KEY, item TEXT)")).unwrap();
    }

    /// Its configuration as a file, for the program itself.
    pub fn config_file(&self) -> PathBuf {
        let path = self.stopped.dir.path().join("agent.toml");
        std::fs::write(&path, self.stopped.text(self.running.address(), self.running.route_address())).unwrap();
        path
    }

    pub fn code(&self, purpose: CodePurpose) -> EnrolCode {
        issue_code(&self.stopped.state(), purpose, self.clock.now()).unwrap().0
    }

    pub fn route(&self) -> RouteClient {
        route_of(&[self])
    }

    /// As an ordinary application.
    pub fn write_order(&self) -> rusqlite::Result<usize> {
        rusqlite::Connection::open(self.stopped.dir.path().join("data.db"))?.execute("INSERT INTO orders(item) VALUES('tea')", [])
    }

    /// Nothing can be done with the database while `meanwhile` lasts: a folder is in its place.
    pub async fn without_database<T>(&self, meanwhile: impl Future<Output = T>) -> T {
        let [here, away] = ["data.db", "data.away"].map(|name| self.stopped.dir.path().join(name));
        std::fs::rename(&here, &away).unwrap();
        std::fs::create_dir(&here).unwrap();
        let done = meanwhile.await;
        std::fs::remove_dir(&here).unwrap();
        std::fs::rename(&away, &here).unwrap();
        done
    }

    pub fn as_peer(&self) -> PeerSpec {
        PeerSpec {
            cluster: self.stopped.name.parse().unwrap(),
            address: self.address(),
            key: self.fingerprint().to_owned(),
            route: self.running.route_address().to_string(),
            components: vec![],
        }
    }
}

/// The routes of these agents.
pub fn route_of(agents: &[&TestAgent]) -> RouteClient {
    RouteClient::new(agents.iter().map(|agent| agent.running.route_address().to_string()).collect())
}

/// A console: its key.
pub struct Console {
    pub key: Arc<OwnKey>,
    pins: Mutex<BTreeMap<String, String>>,
    _dir: TempDir,
}

impl Console {
    pub fn new() -> Console {
        install_provider();
        let dir = tempfile::tempdir().unwrap();
        Console { key: OwnKey::load_or_create(dir.path(), "console", Utc::now()).unwrap(), pins: Mutex::default(), _dir: dir }
    }

    pub async fn enrolled(agent: &TestAgent) -> Console {
        let console = Console::new();
        console.enrol(agent).await;
        console
    }

    pub async fn enrol(&self, agent: &TestAgent) {
        let (reply, key) = enrol(&agent.address(), &agent.code(CodePurpose::Enrol), self.key.clone()).await.unwrap();
        self.pins.lock().unwrap().insert(reply.cluster.to_string(), key);
    }

    /// A client that accepts the key learnt at enrolment (before that: the agent's own word).
    pub fn client(&self, agent: &TestAgent) -> AgentClient {
        let pinned = self.pins.lock().unwrap().get(agent.stopped.name).cloned();
        let key = pinned.unwrap_or_else(|| agent.fingerprint().to_owned());
        AgentClient::new(&ConnectSpec { address: agent.address(), key }, self.key.clone()).unwrap()
    }

    pub fn instruction(&self, epoch: u64, order: Order) -> Instruction {
        Instruction { id: InstructionId(Uuid::now_v7()), pair: pair(), term: Term(1), epoch: Epoch(epoch), order }
    }

    /// Gives an instruction and waits for its end.
    pub async fn done(&self, agent: &TestAgent, instruction: Instruction) -> Result<Outcome, Trouble> {
        let client = self.client(agent);
        let mut answer = client.instruct(&instruction).await?;
        for _ in 0..30 {
            match answer.state {
                AnswerState::Done(outcome) => return Ok(*outcome),
                AnswerState::Failed(trouble) => return Err(trouble),
                AnswerState::Running(_) => answer = client.answer(instruction.id, Duration::from_secs(2)).await?,
            }
        }
        panic!("{} does not end", instruction.order.name())
    }

    pub async fn store_policies(&self, agents: &[&TestAgent]) {
        for agent in agents {
            let order = Order::StorePolicies(StorePoliciesOrder { services: vec![policy()] });
            self.done(agent, self.instruction(1, order)).await.unwrap();
        }
    }
}

/// Pairs two agents at epoch 1, the first as primary.
pub async fn pair_up(primary: &TestAgent, secondary: &TestAgent) -> Console {
    let console = Console::new();
    for agent in [primary, secondary] {
        console.enrol(agent).await;
    }
    for (agent, other, identity) in [(primary, secondary, Identity::Primary), (secondary, primary, Identity::Secondary)] {
        let join = Order::Join(JoinOrder { identity, peer: other.as_peer() });
        console.done(agent, console.instruction(1, join)).await.unwrap();
    }
    console
}

pub fn pair() -> PairName {
    "p".parse().unwrap()
}

pub fn policy() -> Service {
    toml::from_str("name = \"orders\"\npair = \"p\"\ndata_sets = [\"tables:orders\"]\n").unwrap()
}

pub fn decision(epoch: u64, to: &str, from: &str) -> Decision {
    let id = || InstructionId(Uuid::now_v7());
    Decision {
        id: DecisionId(Uuid::now_v7()),
        epoch: Epoch(epoch),
        by: "ana".into(),
        at: Utc::now(),
        to: to.parse().unwrap(),
        from: from.parse().unwrap(),
        planned: false,
        points: BTreeMap::new(),
        shown: vec!["the evidence".into()],
        promote: id(),
        demote: id(),
        unfence: id(),
        hold: false,
        take_back: false,
        live: None,
        declared: None,
    }
}

/// Waits for a condition, at most 20 s.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never: {what}");
}

pub async fn wait_confirmed(console: &Console, agent: &TestAgent) {
    eventually("confirmed", async || console.client(agent).status().await.is_ok_and(|status| status.pairs[0].confirmed)).await;
}

/// Asks as a client without any certificate; the HTTP status.
pub async fn get_without_certificate(agent: &TestAgent, path: &str) -> u16 {
    let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap();
    http.get(format!("https://{}{path}", agent.address())).send().await.unwrap().status().as_u16()
}

/// Stands between: shows its own key to both ends, passes on what it reads, and puts its own key where the console's is named.
pub async fn man_in_the_middle(agent: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let own = OwnKey::load_or_create(dir.path(), "between", Utc::now()).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls::server_config(own.clone()).unwrap()));
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls::client_config(own.clone(), None).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let agent = agent.to_owned();
    tokio::spawn(async move {
        let _kept = dir;
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(inner) = acceptor.accept(stream).await else { continue };
            let shown = tls::fingerprint(inner.get_ref().1.peer_certificates().unwrap().first().unwrap()).unwrap();
            let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
            let outer = connector.connect(name, TcpStream::connect(&agent).await.unwrap()).await.unwrap();
            let ours = own.fingerprint().to_owned();
            tokio::spawn(async move {
                let (mut from_console, mut to_console) = tokio::io::split(inner);
                let (mut from_agent, mut to_agent) = tokio::io::split(outer);
                let back = tokio::io::copy(&mut from_agent, &mut to_console);
                let forth = async {
                    let mut buffer = vec![0; 64 << 10];
                    while let Ok(read @ 1..) = from_console.read(&mut buffer).await {
                        let bytes = &mut buffer[..read];
                        if let Some(at) = bytes.windows(shown.len()).position(|window| window == shown.as_bytes()) {
                            bytes[at..at + ours.len()].copy_from_slice(ours.as_bytes());
                        }
                        to_agent.write_all(bytes).await.unwrap();
                        to_agent.flush().await.unwrap();
                    }
                };
                tokio::select! {
                    _ = back => {}
                    () = forth => {}
                }
            });
        }
    });
    address
}
