//! Two agents, an engine and everything between them that a fault needs: links of relays, disks of their own, clocks told by files.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::seen::Watcher;
use crate::stand::Dir;
use crate::stand::cables::Link;
use crate::stand::disk::Disk;
use crate::stand::processes::{Agent, Controller, Engine, faked_by};
use crate::stand::trees::{Listing, change, listing, make};

/// What anything may take that is waited for.
pub const LIMIT: Duration = Duration::from_secs(120);
/// Silence is told soon, so that a row need not wait long for it.
const WATCH: &str =
    "[watch]\ninterval_secs = 0.3\ntime_limit_secs = 2\nfailures = 3\nfault_after_secs = 2\nsettle_secs = 1\nunstable_times = 100\n";
const CHECKS: &str = "checks = [{ name = \"the tree\", command = [\"/bin/sh\", \"-c\", \"test -d \\\"$UNDERSTUDY_PLACE_FILES_DOCS\\\"\"] }, \
                      { name = \"orders\", sql = \"select count(*) > 0 from orders\", on = \"tables:orders\", expect = \"1\" }]";

/// One of the three that run all the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    East,
    West,
    Engine,
}

/// What a fault needs of its world.
#[derive(Clone, Copy, Default)]
pub struct Needs {
    /// Whose disk is small.
    pub disk: Option<Place>,
    /// Everybody's clock can be stepped.
    pub clocks: bool,
    /// The engine is in the command itself.
    pub no_engine: bool,
}

/// See the module. The order of the fields is that of their end.
pub struct World {
    pub routes: Watcher,
    pub east: Agent,
    pub west: Agent,
    pub controller: Controller,
    pub engine: Option<Engine>,
    pub disk: Option<Disk>,
    /// Engine to east, engine to west, between the agents.
    pub links: [Link; 3],
    needs: Needs,
    dir: Dir,
}

impl World {
    /// Paired and once sealed, or in words why this world cannot be.
    pub fn new(needs: Needs) -> Result<World, String> {
        let dir = Dir::new();
        let disk = needs.disk.map(|place| Disk::at(&dir.path().join(folder(place)))).transpose()?;
        if needs.clocks && faked_by(dir.path()).is_none() {
            return Err("libfaketime is not installed".into());
        }
        for place in [Place::East, Place::West, Place::Engine] {
            std::fs::write(clock(dir.path(), place), "+0").unwrap();
        }
        let (east, west) = (Agent::local(dir.path(), "east"), Agent::local(dir.path(), "west"));
        let mut links = [Link::default(), Link::default(), Link::default()];
        for agent in [&east, &west] {
            agent.advertise(links[2].to(agent.listen), links[2].to(agent.route));
            // Where the disk is small the log goes elsewhere: it tells what happened.
            std::os::unix::fs::symlink(dir.path().join(format!("{}.log", agent.name)), agent.dir.join("agent.log")).unwrap();
        }
        make(&east.dir.join("files/docs"), 40);
        let db = rusqlite::Connection::open(east.dir.join("orders.db")).unwrap();
        db.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT); INSERT INTO orders VALUES (1, 'first')").unwrap();
        let controller = Controller::new(dir.path(), folder(Place::Engine));
        std::fs::create_dir_all(&controller.state).unwrap();
        std::fs::write(controller.state.join("engine.toml"), WATCH).unwrap();
        let routes = Watcher::new([east.route, west.route]);
        let mut world = World { routes, east, west, controller, engine: None, disk, links, needs, dir };
        world.start(Place::East);
        world.start(Place::West);
        world.start(Place::Engine);
        let member = |agent: &Agent, at: SocketAddr| format!("{{ agent = \"{at}\", code = \"{}\" }}", agent.enrol());
        let (to_east, to_west) = (world.links[0].to(world.east.listen), world.links[1].to(world.west.listen));
        let plan = format!(
            "[[pair]]\nname = \"p\"\nprimary = {}\nsecondary = {}\n\n[[service]]\nname = \"orders\"\npair = \"p\"\n\
             data_sets = [\"files:docs\", \"tables:orders\"]\n{CHECKS}\n",
            member(&world.east, to_east),
            member(&world.west, to_west)
        );
        world.controller.apply(&plan);
        world.run_seals("the first run");
        world.work(Place::East, 0);
        Ok(world)
    }

    /// Leaves the engine to the command that comes, if that is what the fault needs.
    pub fn ready(&mut self) {
        if self.needs.no_engine
            && let Some(engine) = self.engine.take()
        {
            engine.kill();
        }
    }

    /// Starts one; well when it runs.
    pub fn start(&mut self, place: Place) {
        let environment = if self.needs.clocks { faked_by(&clock(self.dir.path(), place)).unwrap() } else { Vec::new() };
        match place {
            Place::East => self.east.start_in(&environment),
            Place::West => self.west.start_in(&environment),
            Place::Engine if self.engine.is_some() => {}
            Place::Engine => self.engine = Some(self.controller.engine_in(&[], &environment)),
        }
    }

    /// Steps one's clock: it is off by so much from now on.
    pub fn step(&self, place: Place, offset: &str) {
        // In one step: half a file would be another time.
        let (file, next) = (clock(self.dir.path(), place), clock(self.dir.path(), place).with_extension("next"));
        std::fs::write(&next, offset).unwrap();
        std::fs::rename(next, file).unwrap();
    }

    /// An agent.
    pub fn agent(&self, place: Place) -> &Agent {
        if place == Place::West { &self.west } else { &self.east }
    }

    /// The process of one.
    pub fn pid(&self, place: Place) -> i32 {
        match place {
            Place::Engine => self.engine.as_ref().expect("an engine").pid(),
            agent => self.agent(agent).pid(),
        }
    }

    /// An application writes at a cluster.
    pub fn work(&self, place: Place, round: usize) {
        let dir = &self.agent(place).dir;
        change(&dir.join("files/docs"), round);
        let db = rusqlite::Connection::open(dir.join("orders.db")).unwrap();
        db.busy_timeout(Duration::from_secs(5)).unwrap();
        db.execute("INSERT INTO orders (what) VALUES (?1)", [format!("round {round}")]).unwrap();
    }

    /// Whether applications can write there.
    pub fn takes_writes(&self, place: Place) -> bool {
        let file = self.agent(place).dir.join("files/docs/probe of the test");
        let takes = std::fs::write(&file, "x").is_ok();
        takes && std::fs::remove_file(file).is_ok()
    }

    /// All data of a cluster, as an application finds it.
    pub fn data(&self, place: Place) -> (Listing, Vec<(i64, String)>) {
        let dir = &self.agent(place).dir;
        let mut files = listing(&dir.join("files/docs"));
        // A probe of the test changes the time of the folder itself, which no listing has.
        files.remove("probe of the test");
        (files, rows(dir))
    }

    /// The status, once the engine answers.
    pub fn status(&self) -> Value {
        self.controller.say(&["status"]).json
    }

    /// A run, as soon as none is under way, that must seal.
    pub fn run_seals(&self, when: &str) {
        let end = Instant::now() + LIMIT;
        loop {
            let said = self.controller.say(&["run", "orders"]);
            if said.code() == 0 && said.json["outcome"] == "sealed" {
                return;
            }
            let not_yet = said.code() == 3 && ["under way", "still"].iter().any(|word| said.stderr.contains(word));
            assert!(not_yet && Instant::now() < end, "{when}: {}", said.stderr);
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn folder(place: Place) -> &'static str {
    match place {
        Place::East => "east",
        Place::West => "west",
        Place::Engine => "controller",
    }
}

fn clock(root: &Path, place: Place) -> PathBuf {
    root.join(format!("clock of {}", folder(place)))
}

fn rows(dir: &Path) -> Vec<(i64, String)> {
    let db = rusqlite::Connection::open_with_flags(dir.join("orders.db"), rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut rows = db.prepare("SELECT id, what FROM orders ORDER BY id").unwrap();
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}
