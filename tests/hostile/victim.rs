//! A real agent with the secondary identity, its console, and the key of the peer that it trusts.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tempfile::TempDir;
use understudy::agent::clock::HostClock;
use understudy::agent::config::AgentConfig;
use understudy::agent::{RunningAgent, issue_code, serve};
use understudy::components::files::make_removable;
use understudy::domain::user_data::{UserData, UserDataChange};
use understudy::domain::*;
use understudy::protocol::tls::{OwnKey, install_provider};
use understudy::protocol::*;
use understudy::store::agent::CodePurpose;
use uuid::Uuid;

use crate::peer::{Lie, answer, send};

/// Whom the honest entries belong to: nobody of importance, by number. Only a superuser can give things away.
pub fn honest_owner() -> String {
    let me = rustix::process::geteuid();
    if me.is_root() { "4242".into() } else { me.as_raw().to_string() }
}

/// The agent under attack.
pub struct Victim {
    dir: TempDir,
    _running: RunningAgent,
    console: AgentClient,
    peer: AgentClient,
    /// Its state and the keys' folders.
    _keys: [TempDir; 2],
}

impl Drop for Victim {
    fn drop(&mut self) {
        drop(make_removable(self.dir.path()));
    }
}

fn pair() -> PairName {
    "p".parse().unwrap()
}

fn key(name: &str) -> (TempDir, Arc<OwnKey>) {
    let dir = tempfile::tempdir().unwrap();
    let key = OwnKey::load_or_create(dir.path(), name, Utc::now()).unwrap();
    (dir, key)
}

impl Victim {
    /// Starts it beside a directory tree (with more in its configuration) and a database, and pairs it with the peer's key.
    pub async fn start(files: &str) -> Victim {
        install_provider();
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("root/other")).unwrap();
        rusqlite::Connection::open(dir.path().join("data.db")).unwrap().pragma_update(None, "journal_mode", "wal").unwrap();
        let config = format!(
            "name = \"west\"\nsite = \"Site\"\nlisten = \"127.0.0.1:0\"\nroute = \"127.0.0.1:0\"\nstate = \"state\"\n
             [[component]]\nkind = \"files\"\nroot = \"root\"\n{files}\n\n[[component]]\nkind = \"tables\"\ndatabase = \"data.db\"\n"
        );
        let running = serve(AgentConfig::parse(&config, dir.path()).unwrap(), Arc::new(HostClock)).await.unwrap();
        let address: SocketAddr = running.address();
        let ((console_dir, console), (peer_dir, peer)) = (key("console"), key("liar"));
        let code = issue_code(&dir.path().join("state"), CodePurpose::Enrol, Utc::now()).unwrap().0;
        enrol(&address.to_string(), &code, console.clone()).await.unwrap();
        let spec = ConnectSpec { address: address.to_string(), key: running.fingerprint().to_owned() };
        let client = |own: &Arc<OwnKey>| AgentClient::new(&spec, own.clone()).unwrap();
        let peer_spec = PeerSpec {
            cluster: "liar".parse().unwrap(),
            address: "127.0.0.1:1".into(),
            key: peer.fingerprint().to_owned(),
            route: "127.0.0.1:1".into(),
            components: vec![],
        };
        let victim = Victim { console: client(&console), peer: client(&peer), _running: running, _keys: [console_dir, peer_dir], dir };
        victim.done(Order::Join(JoinOrder { identity: Identity::Secondary, peer: peer_spec })).await.unwrap();
        victim
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub fn mode(&self, path: &str) -> u32 {
        std::fs::symlink_metadata(self.at(path)).unwrap().mode()
    }

    pub fn sql(&self, text: &str) {
        rusqlite::Connection::open(self.at("data.db")).unwrap().execute_batch(text).unwrap();
    }

    pub fn count(&self, query: &str) -> i64 {
        rusqlite::Connection::open(self.at("data.db")).unwrap().query_row(query, [], |row| row.get(0)).unwrap()
    }

    /// What the applied table holds.
    pub fn orders(&self) -> Vec<String> {
        let db = rusqlite::Connection::open(self.at("data.db")).unwrap();
        let mut query = db.prepare("SELECT item FROM orders ORDER BY id").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// Files in a component's staging.
    pub fn staged(&self, component: &str) -> usize {
        let sets = self.at(&format!("state/components/{component}/sets"));
        let Ok(sets) = std::fs::read_dir(sets) else { return 0 };
        let staging = sets.map(|set| set.unwrap().path().join("staging")).filter_map(|dir| std::fs::read_dir(dir).ok());
        staging.flatten().filter_map(|point| std::fs::read_dir(point.unwrap().path()).ok()).flatten().count()
    }

    /// Gives the console's instruction and waits for its end.
    pub async fn done(&self, order: Order) -> Result<Outcome, Trouble> {
        let instruction = Instruction { id: InstructionId(Uuid::now_v7()), pair: pair(), term: Term(1), epoch: Epoch(1), order };
        let mut answer = self.console.instruct(&instruction).await?;
        for _ in 0..30 {
            match answer.state {
                AnswerState::Done(outcome) => return Ok(*outcome),
                AnswerState::Failed(trouble) => return Err(trouble),
                AnswerState::Running(_) => answer = self.console.answer(instruction.id, Duration::from_secs(2)).await?,
            }
        }
        panic!("{} does not end", instruction.order.name())
    }

    fn policy(sets: &str) -> Service {
        toml::from_str(&format!("name = \"orders\"\npair = \"p\"\ndata_sets = {sets}\n")).unwrap()
    }

    pub async fn store_policies(&self, sets: &str) {
        self.done(Order::StorePolicies(StorePoliciesOrder { services: vec![Self::policy(sets)] })).await.unwrap();
    }

    /// One backup run, the primary's side of which is the lie. What fails is dropped, as an engine does.
    pub async fn seal(&self, lie: &Lie) -> Result<PointId, Trouble> {
        let (run, point) = (RunId(Uuid::now_v7()), PointId(Uuid::now_v7()));
        let service = Self::policy(&format!("[\"{}\"]", lie.set));
        let sealed = self.run(run, point, &service, lie).await;
        if sealed.is_err() {
            let order = AbortOrder { run, point, service: service.name.clone(), data_sets: service.data_sets.clone() };
            self.done(Order::Abort(order)).await.unwrap();
        }
        sealed.map(|()| point)
    }

    async fn run(&self, run: RunId, point: PointId, service: &Service, lie: &Lie) -> Result<(), Trouble> {
        let (name, data_sets) = (service.name.clone(), service.data_sets.clone());
        self.done(Order::Arm(ArmOrder { run, service: name.clone(), data_sets: data_sets.clone() })).await?;
        send(&self.peer, run, point, lie).await?;
        self.done(Order::Verify(VerifyOrder { run, point, service: name.clone() })).await?;
        let sets = data_sets.iter().map(|set| PointDataSet {
            name: set.from.clone(),
            to: set.to.clone(),
            window: Window { lo: Utc::now(), hi: Utc::now() },
            server_time: None,
            open_files: Vec::new(),
            event_id: None,
            files: 0,
            bytes: 0,
            copied_files: 0,
            copied_bytes: 0,
            renamed: 0,
            deleted: 0,
            manifest: None,
        });
        let record = RecoveryPoint {
            id: point,
            run,
            service: name,
            pair: pair(),
            epoch: Epoch(1),
            from: "liar".parse().unwrap(),
            to: "west".parse().unwrap(),
            moment: Utc::now(),
            captured: CapturedSpan { first: Utc::now(), last: Utc::now(), skew_ms: 0, grade: Grade::Bounded },
            data_sets: sets.collect(),
            base: None,
            timings_ms: Timings::default(),
            sealed_at: None,
            notes: Vec::new(),
        };
        self.done(Order::Commit(CommitOrder { point: record, service: service.clone() })).await.map(drop)
    }

    /// The newest point that the agent counts as sealed.
    pub async fn newest_sealed(&self) -> Option<PointId> {
        let records = self.console.records().await.unwrap();
        records.pairs.iter().flat_map(|pair| &pair.points).filter(|point| point.sealed_at.is_some()).map(|point| point.id).max()
    }

    /// The peer's own request to change user data.
    pub async fn adjust_as_peer(&self, changes: Vec<UserDataChange>) -> Result<(), Trouble> {
        let wish = serde_json::json!({ "epoch": 1, "changes": changes, "primary": UserData::default() });
        answer(self.peer.http().post(format!("{}/v1/peer/users/p/adjust", self.peer.base())).json(&wish)).await.map(drop)
    }
}
