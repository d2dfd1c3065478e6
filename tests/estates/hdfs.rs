//! Odd trees in HDFS: names, rights, both scopes of ACLs, attributes, replication and block sizes; quotas, storage policies, default ACLs,
//! snapshots and foreign content around the target.

use std::sync::Arc;

use understudy::components::Component;

use crate::judged::{Ending, run, seeds, unlike};
use crate::rng::Rng;
use crate::support::contract::{Side, World};
use crate::support::hdfs_world::HdfsWorld;
use crate::support::rows::Rows;

/// Runs of one estate, each after more has happened.
const RUNS: usize = 3;

/// Names that have troubled somebody.
fn names() -> Vec<String> {
    let odd = [
        "a",
        "b c",
        "é",
        "e\u{301}",
        "100%",
        "x+y=z",
        "-__PLACEHOLDER__",
        ".hidden",
        "日本",
        "[1]*?{x}",
        "'q'\"",
        "%2F",
        "a&b;c",
        "~",
        "_tmp",
    ];
    odd.iter().map(|name| (*name).to_owned()).chain(["n".repeat(255)]).collect()
}

/// A tree as it is drawn; kept here so that steps fit.
struct Estate {
    rng: Rng,
    set: String,
    directories: Vec<String>,
    files: Vec<String>,
    steps: Vec<Vec<String>>,
}

impl Estate {
    fn place(&mut self) -> String {
        let names = names();
        let name = &names[self.rng.below(names.len() as u64) as usize];
        format!("{}/{name}", self.one_of(true))
    }

    fn one_of(&mut self, directory: bool) -> String {
        let of = if directory { &self.directories } else { &self.files };
        of[self.rng.below(of.len() as u64) as usize].clone()
    }

    fn acl(&mut self, default: bool) -> String {
        let bits = ["r--", "rw-", "r-x", "rwx", "---"];
        let mut pick = |who: &str| format!("{who}:{}", bits[self.rng.below(5) as usize]);
        let mut entries = vec!["user::rwx".to_owned(), pick("group:"), pick("other:"), pick("user:bo")];
        entries.push(pick("group:audit"));
        if default {
            entries.extend([pick("default:user:eve"), pick("default:group:")]);
        }
        entries.join(",")
    }

    /// One thing that an application or an administrator does at A.
    fn step(&mut self) {
        let at = if self.files.is_empty() || self.rng.percent(50) { self.one_of(true) } else { self.one_of(false) };
        let is_directory = self.directories.contains(&at);
        let seed = self.rng.below(1 << 30).to_string();
        let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let step = match self.rng.below(16) {
            0 | 1 => {
                let place = self.place();
                if self.files.contains(&place) || place.len() > 600 {
                    return;
                }
                self.directories.push(place.clone());
                text(&["mkdir", &place])
            }
            2..=4 => {
                let place = self.place();
                if self.directories.contains(&place) {
                    return;
                }
                if !self.files.contains(&place) {
                    self.files.push(place.clone());
                }
                let bytes = [0, 1, 1000, 70_000][self.rng.below(4) as usize].to_string();
                let block = ["1048576", "2097152"][self.rng.below(2) as usize];
                text(&["write", &place, &bytes, &seed, if self.rng.percent(50) { "1" } else { "2" }, block])
            }
            5 => text(&["chmod", &at, ["755", "700", "1777", "640", "000", "2750"][self.rng.below(6) as usize]]),
            6 => text(&["chown", &at, ["shop", "bo"][self.rng.below(2) as usize], ["retail", "audit"][self.rng.below(2) as usize]]),
            7 | 8 => {
                let default = is_directory && self.rng.percent(60);
                let spec = self.acl(default);
                text(&["setacl", &at, &spec])
            }
            9 if is_directory => text(&["removedefault", &at]),
            9 | 10 => text(&["removeacl", &at]),
            // What only a superuser sees must be allowed by name at the target.
            11 if self.rng.percent(5) => text(&["setxattr", &at, "trusted.t", &seed]),
            11 => text(&["setxattr", &at, ["user.a", "user.é"][self.rng.below(2) as usize], &seed]),
            12 if !is_directory => text(&["append", &at, "500", &seed]),
            13 if !is_directory => text(&["setrep", &at, "2"]),
            14 => text(&["times", &at, "1500000000000", if is_directory { "-1" } else { "1400000000000" }]),
            15 if at != self.set => {
                if self.rng.percent(40) {
                    self.forget(&at);
                    text(&["delete", &at])
                } else {
                    let to = self.place();
                    if to.starts_with(&format!("{at}/")) || to == at || self.directories.contains(&to) || self.files.contains(&to) {
                        return;
                    }
                    self.move_to(&at, &to);
                    text(&["rename", &at, &to])
                }
            }
            _ => return,
        };
        self.steps.push(step);
    }

    fn forget(&mut self, at: &str) {
        let below = format!("{at}/");
        self.directories.retain(|known| known != at && !known.starts_with(&below));
        self.files.retain(|known| known != at && !known.starts_with(&below));
    }

    fn move_to(&mut self, at: &str, to: &str) {
        for known in self.directories.iter_mut().chain(&mut self.files) {
            if known == at || known.starts_with(&format!("{at}/")) {
                *known = format!("{to}{}", &known[at.len()..]);
            }
        }
    }
}

/// What is odd around the target; in words, for the report.
async fn prepare_target(estate: &mut Estate, target: &Rows) -> &'static str {
    let (set, above) = (estate.set.clone(), estate.set.rsplit_once('/').expect("a parent").0.to_owned());
    target.tell(&["mkdir", &above]).await;
    match estate.rng.below(8) {
        0 => {
            target.tell(&["setacl", &above, "user::rwx,group::r-x,other::r-x,default:user:eve:rwx,default:group::rwx"]).await;
            "a default ACL above the target"
        }
        1 => {
            target.tell(&["quota", &above, "6", "-1"]).await;
            "a quota of names above the target"
        }
        2 => {
            target.tell(&["quota", &above, "-1", "4194304"]).await;
            "a quota of space above the target"
        }
        3 => {
            target.tell(&["allow", &above]).await;
            "snapshots allowed above the target"
        }
        4 => {
            target.tell(&["policy", &above, "COLD"]).await;
            "a storage policy above the target"
        }
        5 => {
            target.tell(&["mkdir", &format!("{set}/theirs")]).await;
            "foreign content in the target"
        }
        _ => "nothing odd at the target",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_run_of_an_odd_tree_is_sealed_and_equal_or_refused_before_a_byte_or_named() {
    let Some(world) = HdfsWorld::new().await else { return };
    let (source, target) = (Rows::of_hdfs("primary"), Rows::of_hdfs("secondary"));
    let (mut sealed, mut refused, mut broken) = (0, 0, Vec::new());
    for seed in seeds(6) {
        match live(&world, &source, &target, seed).await {
            Ok((good, why)) => {
                sealed += good;
                refused += u32::from(why.is_some());
            }
            Err(why) => broken.push(format!("seed {seed}: {why}")),
        }
    }
    println!("estates of HDFS: {sealed} runs sealed and equal, {refused} estates refused by name, {} broken", broken.len());
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
    assert!(sealed > 0, "something was sealed");
}

/// Runs that sealed, and why the estate was refused, if it was.
async fn live(world: &HdfsWorld, source: &Rows, target: &Rows, seed: u64) -> Result<(u32, Option<String>), String> {
    let set = format!("{}/estate {seed}/set", world.home());
    let rng = Rng::new(seed);
    let mut estate = Estate { rng, directories: vec![set.clone()], set: set.clone(), files: Vec::new(), steps: Vec::new() };
    source.tell(&["mkdir", &set]).await;
    let odd = prepare_target(&mut estate, target).await;
    let (from, to): (Arc<dyn Component>, _) = (world.open(Side::Source), world.open(Side::Target));
    let mut base = None;
    let mut good = 0;
    for _ in 0..RUNS {
        for _ in 0..15 {
            estate.step();
        }
        for step in std::mem::take(&mut estate.steps) {
            let words: Vec<&str> = step.iter().map(String::as_str).collect();
            source.ask(&words).await.map_err(|error| format!("the drawn step {step:?} failed: {error}"))?;
        }
        let last = base.as_ref().map(|(point, manifest)| (*point, manifest));
        match run(from.as_ref(), &to, &set, last).await.map_err(|why| format!("{odd}: {why}"))? {
            Ending::Refused(trouble) => return Ok((good, Some(trouble.to_string()))),
            Ending::Sealed(point, manifest) => {
                good += 1;
                base = Some((point, manifest));
                let (a, b) = (source.tell(&["tell", &set]).await, target.tell(&["tell", &set]).await);
                // The target's root is fenced: its rights are compared once it is open.
                let inside = |lines: Vec<String>| lines.into_iter().filter(|line| !line.starts_with(". | ")).collect::<Vec<_>>();
                let differing = unlike(&inside(a), &inside(b));
                if !differing.is_empty() {
                    return Err(format!("{odd}: sealed, and not equal:\n  {}", differing.join("\n  ")));
                }
            }
        }
    }
    let (_, manifest) = base.as_ref().expect("a sealed run");
    let root = manifest.entries.values().find(|entry| entry.path.is_root());
    to.unfence(&set, root).await.map_err(|trouble| format!("unfenced: {trouble}"))?;
    let (a, b) = (source.tell(&["tell", &set]).await, target.tell(&["tell", &set]).await);
    let differing = unlike(&timeless_root(a), &timeless_root(b));
    if differing.is_empty() { Ok((good, None)) } else { Err(format!("{odd}: promoted, and not equal:\n  {}", differing.join("\n  "))) }
}

/// The root's own time is left out: a snapshot moves it, at A as well.
fn timeless_root(lines: Vec<String>) -> Vec<String> {
    let timeless = |line: String| match line.strip_prefix(". | ") {
        Some(root) => {
            let fields: Vec<&str> = root.split(" | ").enumerate().filter(|(at, _)| *at != 7).map(|(_, field)| field).collect();
            format!(". | {}", fields.join(" | "))
        }
        None => line,
    };
    lines.into_iter().map(timeless).collect()
}
