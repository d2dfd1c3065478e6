//! States that earlier builds left (`tests/upgrade/NAME/`, made by `tests/upgrade/make`) are opened by today's programs: everything is
//! there, and backups, drills and identity changes go on. What to do when this is red: `tests/upgrade/README.md`.
#![cfg(feature = "agent")]

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use stand::Dir;
use stand::processes::{Agent, Controller};
use stand::trees::{assert_same, listing};
use stand::web::Web;

#[path = "../stand/mod.rs"]
mod stand;

const EAST: usize = 0;
const WEST: usize = 1;
/// Where each cluster has a tree that is to be equal at both.
const TREES: [[&str; 2]; 3] = [["invoices", "invoices"], ["archive", "standby/archive"], ["notes", "notes"]];
/// How long the same copy may be in use by another test run on this host.
const TURN: Duration = Duration::from_secs(180);
/// How long a change of identities may go on by itself.
const SETTLED: Duration = Duration::from_secs(60);

/// One kept state, unpacked, and its programs.
struct Kept {
    name: String,
    story: Value,
    agents: [Agent; 2],
    controller: Controller,
    /// The files belong to other users, so that only root can keep them.
    as_root: bool,
    /// Nobody else uses the addresses of this copy as long as this is bound.
    _turn: TcpListener,
    // Last, so that nothing runs in it any more when it goes.
    _dir: Dir,
}

/// The folders of this test that hold a kept state.
fn copies() -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrade");
    let entries = std::fs::read_dir(here).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.join("story.json").exists()).collect()
}

impl Kept {
    fn unpack(from: &Path) -> Kept {
        let dir = Dir::new();
        let tar = Command::new("tar")
            .args(["--extract", "--gzip", "--preserve-permissions", "--file"])
            .arg(from.join("state.tar.gz"))
            .arg("--directory")
            .arg(dir.path())
            .output()
            .expect("tar");
        assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
        let agents = ["east", "west"].map(|name| Agent::found(dir.path(), name));
        Kept {
            name: from.file_name().unwrap().to_string_lossy().into_owned(),
            story: serde_json::from_slice(&std::fs::read(from.join("story.json")).unwrap()).unwrap(),
            controller: Controller::new(dir.path(), "engine"),
            as_root: std::fs::metadata(dir.path()).unwrap().uid() == 0,
            _turn: turn(&agents[EAST]),
            agents,
            _dir: dir,
        }
    }

    fn pair(&self) -> &str {
        self.story["pair"]["name"].as_str().unwrap()
    }

    fn services(&self) -> Vec<String> {
        // As an ordinary user only that of tables: files keep their owners, and giving them away is for root.
        let all = self.story["points"].as_object().unwrap().keys();
        all.filter(|name| self.as_root || *name == "ledger").cloned().collect()
    }

    fn status(&self) -> Value {
        self.controller.done(&["status"])["pairs"][0].clone()
    }

    /// Whatever the story tells is still told.
    fn tells_the_story(&self) {
        let (told, story) = (|words: &[&str]| self.controller.done(words), &self.story);
        self.has("the pair", &story["pair"], &self.status());
        self.has("the plan", &story["plan"], &told(&["export-plan"]));
        for (service, points) in story["points"].as_object().unwrap() {
            self.has(&format!("the points of {service}"), points, &told(&["points", service]));
        }
        self.has("the runs", &story["runs"], &told(&["runs", "--limit", "1000"]));
        self.has("the drills", &story["drills"], &told(&["drills", "--limit", "1000"]));
        self.has("what is kept", &story["kept"], &told(&["kept", self.pair()]));
        let users = told(&["sync-users", self.pair(), "--dry-run"]);
        self.has("the differences of user data", &story["differences"], &users["changes"]);
    }

    #[track_caller]
    fn has(&self, what: &str, then: &Value, now: &Value) {
        if let Err(place) = contains(then, now) {
            panic!("{}: {what} of the kept state are not as they were, at {place}\nthen: {then:#}\nnow: {now:#}", self.name);
        }
    }

    /// What an application does at a cluster. A file of root's would not be taken by the other side.
    fn write(&self, at: usize, text: &str) {
        let agent = &self.agents[at];
        for tree in TREES {
            let folder = agent.dir.join("files").join(tree[at]);
            let (file, owner) = (folder.join("written now"), std::fs::metadata(&folder).unwrap());
            std::fs::write(&file, text).unwrap();
            if self.as_root {
                std::os::unix::fs::chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
            }
        }
        let db = rusqlite::Connection::open(agent.dir.join("orders.db")).unwrap();
        db.busy_timeout(Duration::from_secs(10)).unwrap();
        db.execute("INSERT INTO orders(what) VALUES (?1)", [text]).unwrap();
        db.execute("INSERT INTO entries VALUES (?1, 1)", [text]).unwrap();
    }

    fn runs_seal(&self) {
        for service in self.services() {
            assert_eq!(self.controller.done(&["run", &service])["outcome"], "sealed", "{}: {service}", self.name);
        }
        let rows = |at: usize, table: &str| -> Vec<String> {
            let db = rusqlite::Connection::open(self.agents[at].dir.join("orders.db")).unwrap();
            let mut query = db.prepare(&format!("SELECT format('%s %s', what, id) FROM ({table}) ORDER BY 1")).unwrap();
            query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let entries = "SELECT account AS what, amount AS id FROM entries";
        assert_eq!(rows(EAST, entries), rows(WEST, entries), "{}", self.name);
        if self.as_root {
            let orders = "SELECT what, id FROM orders";
            assert_eq!(rows(EAST, orders), rows(WEST, orders), "{}", self.name);
            for tree in TREES {
                let [east, west] = [EAST, WEST].map(|at| listing(&self.agents[at].dir.join("files").join(tree[at])));
                assert_same(&east, &west);
            }
        }
    }

    /// The differences that the story left are brought over, once.
    fn users_are_synced(&self) {
        let synced = self.controller.say(&["sync-users", self.pair()]).json;
        self.has("the differences of user data", &self.story["differences"], &synced["changes"]);
        if !self.as_root {
            // Unpacked by an ordinary user the folders have another owner, which is a difference that only root can bring over.
            return;
        }
        assert_eq!(synced["failed"], Value::Array(Vec::new()), "{}: {synced:#}", self.name);
        let again = self.controller.done(&["sync-users", self.pair()]);
        assert_eq!(again["changes"], Value::Array(Vec::new()), "{}", self.name);
    }

    fn drill_passes(&self) {
        let service = if self.as_root { "orders" } else { "ledger" };
        let report = self.controller.done(&["drill", service]);
        assert_eq!((&report["outcome"], &report["clean"]), (&"passed".into(), &true.into()), "{}: {report:#}", self.name);
        self.controller.done(&["sign-off", report["drill"].as_str().unwrap(), "--remark", "after the upgrade"]);
    }

    fn switches_to(&self, name: &str, epoch: u64) {
        let report = self.controller.done(&["adjust-identity", self.pair(), "--to", name, "--confirm", name, "--planned"]);
        assert_eq!((&report["outcome"], &report["epoch"]), (&"promoted".into(), &epoch.into()), "{}: {report:#}", self.name);
        let end = Instant::now() + SETTLED;
        loop {
            // The old primary is made the target of the new one meanwhile.
            let status = self.status();
            if (&status["active"], &status["phase"]) == (&name.into(), &"replicating".into()) {
                return;
            }
            assert!(Instant::now() < end, "{}: it does not replicate from {name}: {status:#}", self.name);
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Waits until no other test run uses the addresses of this copy. They are the copy's own (127.0.x.y) and in its state: nothing of it is
/// rewritten to be opened.
fn turn(agent: &Agent) -> TcpListener {
    let (place, end) = ((agent.listen.ip(), 7400), Instant::now() + TURN);
    loop {
        match TcpListener::bind(place) {
            Ok(turn) => return turn,
            Err(error) => assert!(Instant::now() < end, "another test run has {place:?} for {} s: {error}", TURN.as_secs()),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether everything that was told is still told: more keys and more members may be there, in the same order. If not, where.
fn contains(then: &Value, now: &Value) -> Result<(), String> {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => then.iter().try_for_each(|(key, value)| {
            let found = now.get(key).unwrap_or(&Value::Null);
            contains(value, found).map_err(|place| format!("{key}.{place}"))
        }),
        (Value::Array(then), Value::Array(now)) => {
            let mut rest = now.iter();
            then.iter().enumerate().try_for_each(|(index, value)| match rest.any(|found| contains(value, found).is_ok()) {
                true => Ok(()),
                false => Err(format!("[{index}]")),
            })
        }
        _ if then == now => Ok(()),
        _ => Err(format!(": {then} then, {now} now")),
    }
}

fn goes_on(from: &Path) {
    let mut kept = Kept::unpack(from);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _hooks = runtime.block_on(Web::start_at(kept.story["hooks"].as_str().unwrap()));
    kept.agents.iter_mut().for_each(Agent::start);
    let _engine = kept.controller.engine(&[]);
    kept.tells_the_story();
    kept.users_are_synced();
    kept.write(EAST, "at east after the upgrade");
    kept.runs_seal();
    kept.drill_passes();
    if !kept.as_root {
        return eprintln!(
            "{}: switchover and files are skipped: the files belong to another user, and giving them away is for root",
            kept.name
        );
    }
    let epoch = kept.story["pair"]["epoch"].as_u64().unwrap();
    kept.switches_to("west", epoch + 1);
    kept.write(WEST, "at west after the upgrade");
    kept.runs_seal();
    kept.switches_to("east", epoch + 2);
    kept.controller.done(&["run", "orders"]);
}

#[test]
fn a_state_of_an_earlier_build_opens_and_backs_up_drills_and_switches_over() {
    stand::provider();
    let copies = copies();
    assert!(!copies.is_empty(), "no kept state was found");
    // At once: they mostly wait for processes.
    std::thread::scope(|scope| {
        for copy in &copies {
            scope.spawn(|| goes_on(copy));
        }
    });
}
