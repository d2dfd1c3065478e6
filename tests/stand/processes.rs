//! Real processes: agents beside a directory tree and a database, and the command line of the controller.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// One agent: its configuration, and its process while it runs.
pub struct Agent {
    /// Its cluster's name.
    pub name: String,
    /// Its folder: `agent.toml`, `agent.log`, `state/`, and for local components `files/` and `orders.db`.
    pub dir: PathBuf,
    /// Its HTTPS address.
    pub listen: SocketAddr,
    /// Its plain-HTTP route.
    pub route: SocketAddr,
    process: Option<Child>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Addresses that no other agent of any test has: each gets a loopback address of its own (all of 127/8 is this host).
fn own_addresses() -> (SocketAddr, SocketAddr) {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    let [low, high, ..] = std::process::id().to_le_bytes();
    let host = Ipv4Addr::new(127, high.max(1), low, COUNT.fetch_add(1, Ordering::Relaxed));
    (SocketAddr::from((host, 7443)), SocketAddr::from((host, 8443)))
}

/// Such an address for something else than an agent.
pub fn own_address() -> SocketAddr {
    own_addresses().0
}

/// The environment in which a process takes the time to be off by so much (`+3m`); `None` where libfaketime is not installed.
pub fn faked_time(offset: &str) -> Option<[(&'static str, String); 3]> {
    let folders = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime", "/usr/lib64/faketime"];
    let library = folders.iter().map(|folder| Path::new(folder).join("libfaketimeMT.so.1")).find(|library| library.exists())?;
    let monotonic = ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned());
    Some([("LD_PRELOAD", library.to_str()?.to_owned()), ("FAKETIME", offset.to_owned()), monotonic])
}

/// Likewise, but told by a file (`+0`, `-1h`), whose changes are steps of the running process's clock.
pub fn faked_by(file: &Path) -> Option<Vec<(&'static str, String)>> {
    let [library, _, monotonic] = faked_time("+0")?;
    let file = ("FAKETIME_TIMESTAMP_FILE", file.to_str()?.to_owned());
    // Looked at with every question, and files keep their times.
    Some(vec![library, monotonic, file, ("FAKETIME_NO_CACHE", "1".to_owned()), ("NO_FAKE_STAT", "1".to_owned())])
}

impl Agent {
    /// An agent with a directory tree and a database, not started.
    pub fn local(root: &Path, name: &str) -> Agent {
        let dir = root.join(name);
        std::fs::create_dir_all(dir.join("files")).unwrap();
        let components = format!(
            "[[component]]\nkind = \"files\"\nroot = {:?}\n{}\n[[component]]\nkind = \"tables\"\ndatabase = {:?}\n",
            dir.join("files"),
            // As root, whatever a test writes belongs to root.
            if rustix::process::geteuid().is_root() { "allow = [\"root-owner\"]\n" } else { "" },
            dir.join("orders.db")
        );
        rusqlite::Connection::open(dir.join("orders.db")).unwrap().pragma_update(None, "journal_mode", "WAL").unwrap();
        Agent::with(root, name, &components)
    }

    /// An agent with the given `[[component]]` tables, not started.
    pub fn with(root: &Path, name: &str, components: &str) -> Agent {
        let dir = root.join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let (listen, route) = own_addresses();
        let config = format!(
            "name = \"{name}\"\nsite = \"test site {name}\"\nlisten = \"{listen}\"\nroute = \"{route}\"\nstate = {:?}\n\n{components}",
            dir.join("state")
        );
        std::fs::write(dir.join("agent.toml"), config).unwrap();
        Agent { name: name.into(), dir, listen, route, process: None }
    }

    /// An agent whose folder is there, with its configuration, state and data; not started.
    pub fn found(root: &Path, name: &str) -> Agent {
        let dir = root.join(name);
        let config: toml::Table = std::fs::read_to_string(dir.join("agent.toml")).unwrap().parse().unwrap();
        let address = |key: &str| config[key].as_str().unwrap().parse().unwrap();
        Agent { name: name.into(), listen: address("listen"), route: address("route"), dir, process: None }
    }

    /// Makes the other agent and its routes reach this one elsewhere than where it listens.
    pub fn advertise(&self, https: SocketAddr, route: SocketAddr) {
        let file = self.dir.join("agent.toml");
        let config = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("advertise = \"{https}\"\nadvertise_route = \"{route}\"\n{config}")).unwrap();
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_understudy-agent"));
        command.arg(verb).arg("--config").arg(self.dir.join("agent.toml"));
        command
    }

    /// Starts it and waits until it listens.
    pub fn start(&mut self) {
        self.start_in(&[]);
    }

    /// Likewise, with environment variables.
    pub fn start_in(&mut self, environment: &[(&str, String)]) {
        let log = std::fs::File::options().create(true).append(true).open(self.dir.join("agent.log")).unwrap();
        let mut command = self.command("serve");
        command.envs(environment.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.process = Some(command.spawn().unwrap());
        let end = Instant::now() + Duration::from_secs(20);
        // Whoever asks for a port of the system's own range again and again may be given that very port to ask from, and answers itself.
        let serves = |stream: TcpStream| stream.local_addr().ok() != stream.peer_addr().ok();
        while !TcpStream::connect(self.listen).is_ok_and(serves) {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < end, "agent {} does not serve; its log: {}", self.name, self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `kill -9`; well when it does not run.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.process.as_ref().expect("it runs").id()).unwrap()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("agent.log")).unwrap_or_default()
    }

    /// Waits until its log, from `since` (bytes) on, tells of `what`.
    pub fn tells(&self, since: usize, what: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        while !self.log()[since..].contains(what) {
            assert!(Instant::now() < end, "agent {} never told: {what}", self.name);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Its ledger.
    pub fn ledger(&self) -> rusqlite::Connection {
        let ledger = rusqlite::Connection::open(self.dir.join("state/ledger.db")).unwrap();
        ledger.busy_timeout(Duration::from_secs(5)).unwrap();
        ledger
    }

    /// How far its ledger says it is with a point that is not sealed: phases done of the apply; `None` before the commit.
    pub fn phases_done(&self) -> Option<u32> {
        let text = "SELECT max(coalesce((SELECT max(done) FROM phases WHERE phases.point = points.point), 0)) FROM points WHERE sealed = 0";
        self.ledger().query_row(text, [], |row| row.get(0)).unwrap()
    }

    /// What `understudy-agent check` says of its configuration; its lines are in `stderr`.
    pub fn check(&self) -> Said {
        let told = self.command("check").output().unwrap();
        let text = String::from_utf8_lossy(&told.stdout).into_owned();
        Said { status: told.status, json: Value::Null, stderr: String::from_utf8_lossy(&told.stderr).into_owned() + &text }
    }

    /// A fresh enrolment code.
    pub fn enrol(&self) -> String {
        self.say("enrol")
    }

    /// A fresh code that authorises a new controller to take over.
    pub fn adopt(&self) -> String {
        self.say("adopt")
    }

    fn say(&self, verb: &str) -> String {
        let told = self.command(verb).output().unwrap();
        let text = String::from_utf8(told.stdout).unwrap();
        assert!(told.status.success(), "{verb}: {text}{}", String::from_utf8_lossy(&told.stderr));
        // The code stands alone on the first line.
        text.lines().next().unwrap_or_default().trim().to_owned()
    }
}

/// The controller's command line on one state directory.
pub struct Controller {
    /// The state directory.
    pub state: PathBuf,
}

/// What a command printed.
#[derive(Debug)]
pub struct Said {
    /// How it ended.
    pub status: ExitStatus,
    /// The JSON object on standard output; `Null` when there was none.
    pub json: Value,
    /// Standard error.
    pub stderr: String,
}

impl Said {
    /// The exit status as a number; -1 when a signal ended it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }
}

impl Said {
    /// Its one trouble, which must name its object, a reason and a next step: `OBJECT: REASON` and the step.
    #[track_caller]
    pub fn trouble(&self) -> (String, String) {
        let line = |from: &str| self.stderr.lines().find_map(|line| line.strip_prefix(from)).unwrap_or_default().to_owned();
        let (what, next) = (line("understudy: "), line("next: "));
        let (object, reason) = what.split_once(": ").unwrap_or_default();
        assert!(!object.is_empty() && !reason.is_empty() && !next.is_empty(), "object, reason and next step, not: {}", self.stderr);
        assert!(!["Some(", "Err(", "Trouble {"].iter().any(|debug| self.stderr.contains(debug)), "plain words, not: {}", self.stderr);
        (what, next)
    }
}

/// An engine of its own, `kill -9`ed when it goes.
pub struct Engine {
    process: Child,
    told: std::sync::mpsc::Receiver<String>,
}

impl Engine {
    /// `kill -9`.
    pub fn kill(mut self) {
        self.end();
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.process.id()).unwrap()
    }

    /// Waits for a line of its log.
    pub fn tells(&self, what: &str) -> String {
        let end = Instant::now() + Duration::from_secs(60);
        let mut others = Vec::new();
        loop {
            let line = self.told.recv_timeout(end.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|_| panic!("the engine never told: {what}; what it told: {others:#?}"));
            if line.contains(what) {
                return line;
            }
            others.push(line);
        }
    }

    /// The lines of its log that nobody has asked for yet.
    pub fn lines(&self) -> Vec<String> {
        self.told.try_iter().collect()
    }

    fn end(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end();
    }
}

/// Two agents, east and west, and a controller that paired them, with the service `orders` over `sets` (a TOML list) and `more` of its policy.
pub fn paired(root: &Path, sets: &str, more: &str) -> (Agent, Agent, Controller) {
    let (mut east, mut west) = (Agent::local(root, "east"), Agent::local(root, "west"));
    east.start();
    west.start();
    let controller = Controller::new(root, "controller");
    controller.apply(&format!("{}{more}\n", plan(&east, &west, sets)));
    (east, west, controller)
}

impl Controller {
    /// On a state directory below `root`.
    pub fn new(root: &Path, name: &str) -> Controller {
        Controller { state: root.join(name) }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_understudy"));
        command.args(arguments).arg("--state").arg(&self.state).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn say(&self, arguments: &[&str]) -> Said {
        let told = self.command(arguments).arg("--json").output().unwrap();
        let text = String::from_utf8_lossy(&told.stdout).into_owned();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Said { status: told.status, json, stderr: String::from_utf8_lossy(&told.stderr).into_owned() + &text }
    }

    /// Runs a command that must end with 0; its JSON.
    #[track_caller]
    pub fn done(&self, arguments: &[&str]) -> Value {
        let said = self.say(arguments);
        assert_eq!(said.code(), 0, "{arguments:?}: {}", said.stderr);
        said.json
    }

    /// Starts an engine that stays, and waits until it is ready.
    pub fn engine(&self, more: &[&str]) -> Engine {
        self.engine_in(more, &[])
    }

    /// Likewise, with environment variables.
    pub fn engine_in(&self, more: &[&str], environment: &[(&str, String)]) -> Engine {
        let mut command = self.command(&[&["engine"], more].concat());
        command.envs(environment.iter().map(|(key, value)| (key, value))).stdout(Stdio::null()).stderr(Stdio::piped());
        let (process, told) = heard(command);
        let engine = Engine { process, told };
        engine.tells("engine ready");
        engine
    }

    /// Makes its state what it would be, had no engine run for the last `secs`: what it knows of schedules is that much older.
    pub fn age_schedules(&self, secs: i64) {
        let store = rusqlite::Connection::open(self.state.join("engine.db")).unwrap();
        for table in ["policy", "moment"] {
            store.execute(&format!("UPDATE {table} SET at = at - ?1"), [secs * 1_000_000]).unwrap();
        }
    }

    /// Runs a command that must end with 0; what it prints for people.
    #[track_caller]
    pub fn text(&self, arguments: &[&str]) -> String {
        let told = self.command(arguments).output().unwrap();
        assert!(told.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8_lossy(&told.stdout).into_owned()
    }

    /// Starts a command and gives its lines of standard error as they come. They are read to the end even when nobody takes them:
    /// a closed pipe would stop the command.
    pub fn begin(&self, arguments: &[&str]) -> (Child, impl Iterator<Item = String> + use<>) {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let (child, told) = heard(command);
        (child, told.into_iter())
    }

    /// Writes a plan beside the state directory; where.
    pub fn write_plan(&self, plan: &str) -> PathBuf {
        let file = self.state.with_extension("toml");
        std::fs::write(&file, plan).unwrap();
        file
    }

    /// Writes a plan and applies it.
    pub fn apply(&self, plan: &str) -> Value {
        self.done(&["apply", self.write_plan(plan).to_str().unwrap()])
    }
}

/// Starts a command; its lines of standard error.
fn heard(mut command: Command) -> (Child, std::sync::mpsc::Receiver<String>) {
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let (heard, told) = std::sync::mpsc::channel();
    // Nobody may listen any more.
    std::thread::spawn(move || lines.for_each(|line| drop(heard.send(line))));
    (child, told)
}

/// The plan of the pair that stands, without codes, and of the service `orders` over `sets` (a TOML list) with `more` of its policy.
pub fn re_plan(primary: &Agent, secondary: &Agent, sets: &str, more: &str) -> String {
    format!(
        "[[pair]]\nname = \"p\"\nprimary = {{ agent = \"{}\" }}\nsecondary = {{ agent = \"{}\" }}\n\n\
         [[service]]\nname = \"orders\"\npair = \"p\"\ndata_sets = {sets}\n{more}\n",
        primary.listen, secondary.listen
    )
}

/// Likewise, with new codes: an agent that has left a pair needs one to be paired again.
pub fn re_plan_with_codes(primary: &Agent, secondary: &Agent, sets: &str, more: &str) -> String {
    format!("{}{more}\n", plan(primary, secondary, sets))
}

/// The plan of one pair and one service over `sets` (a TOML list).
pub fn plan(primary: &Agent, secondary: &Agent, sets: &str) -> String {
    format!(
        "[[pair]]\nname = \"p\"\nprimary = {{ agent = \"{}\", code = \"{}\" }}\nsecondary = {{ agent = \"{}\", code = \"{}\" }}\n\n\
         [[service]]\nname = \"orders\"\npair = \"p\"\ndata_sets = {sets}\n",
        primary.listen,
        primary.enrol(),
        secondary.listen,
        secondary.enrol()
    )
}
