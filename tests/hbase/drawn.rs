//! Odd tables, drawn: every run ends sealed, with both sides equal under Apache's own client, or is refused before the commit for a
//! reason that was drawn. Then the service goes to the secondary and back, with a sealed run after each step.
//!
//! | command | what |
//! |---|---|
//! | `cargo test --test hbase drawn -- --nocapture` | two of them |
//! | `HBASE_SEEDS=100 …` | seeds 1 to 100, with the count of each ending |
//! | `HBASE_FROM=51 …` | from another seed on |

use std::collections::BTreeMap;
use std::sync::Arc;

use understudy::components::Component;
use understudy::domain::{Manifest, PointId, TroubleKind};

use super::support::draw::{Draw, seeds};
use super::support::ferry::{Staged, finish, stage};
use super::support::hbase_world::HbaseCluster;
use super::support::rows::Rows;

/// Names that HBase takes and that look like something else in a path.
const NAMES: [&str; 6] = ["orders", "or.ders-1", "_x", "注文", "data", "A"];
/// What a fence writes into a descriptor, and what HBase writes into one where it was silent.
const NOT_COMPARED: [&str; 3] = ["READONLY", "UNDERSTUDY", "hbase.store.file-tracker.impl=DEFAULT"];

/// A seed for the Java client.
fn seed_for_java(draw: &mut Draw) -> String {
    (draw.next() >> 1).to_string()
}

/// One cluster with the table's name, and the component beside it.
struct Site {
    cluster: HbaseCluster,
    component: Arc<dyn Component>,
}

impl Site {
    fn rows(&self) -> &Rows {
        &self.cluster.rows
    }
}

/// What a table is, as Apache's client tells it.
#[derive(Debug, PartialEq)]
struct Table {
    state: Vec<String>,
    descriptor: Vec<String>,
    regions: Vec<String>,
    /// Nobody reads a disabled one.
    cells: Option<Vec<String>>,
}

struct Estate {
    sites: [Site; 2],
    set: String,
    draw: Draw,
    /// Whether its descriptor names a jar.
    jar: bool,
}

impl Estate {
    async fn table(&self, at: usize) -> Table {
        let rows = self.sites[at].rows();
        let tell = async |verb: &str| rows.tell(&[verb, &self.set]).await;
        let state = tell("state").await;
        let mut descriptor = tell("descriptor").await;
        descriptor.retain(|line| !NOT_COMPARED.iter().any(|own| line.starts_with(own)));
        let cells = if state == ["enabled"] { Some(tell("digest").await) } else { None };
        Table { state, descriptor, regions: tell("regions").await, cells }
    }

    /// Something that an application or its administrator does at a site. What the table's own settings forbid is not done.
    async fn change(&mut self, at: usize) {
        let set = self.set.clone();
        let seed = seed_for_java(&mut self.draw);
        let number = |count: usize| count.to_string();
        let kind = self.draw.below(18);
        let from = self.draw.below(500);
        let rows = &self.sites[at].cluster.rows;
        let families = rows.tell(&["families", &set]).await;
        let family = &families[from % families.len()];
        let does = async |fields: &[&str]| drop(rows.ask(fields).await);
        match kind {
            0..=3 => does(&["odd-cells", &set, &seed]).await,
            4..=6 => does(&["fill", &set, family, &number(from), "40", "60"]).await,
            7 => does(&["flush", &set]).await,
            8 => does(&["compact", &set]).await,
            9 => does(&["split", &set, "k"]).await,
            10 => does(&["merge", &set]).await,
            11 => does(&["bulk-load", &set, family, &format!("loaded {from}"), "x"]).await,
            12 | 13 => does(&["alter", &set, &seed]).await,
            14 => {
                let verb = if rows.tell(&["state", &set]).await == ["disabled"] { "enable" } else { "disable" };
                does(&[verb, &set]).await;
            }
            15 => does(&["set", &set, "READONLY", if from.is_multiple_of(2) { "true" } else { "false" }]).await,
            16 if from.is_multiple_of(2) => does(&["truncate", &set]).await,
            16 => {
                rows.tell(&["drop", &set]).await;
                rows.tell(&["drawn", &set, &seed]).await;
                self.jar = false;
            }
            _ if self.jar => self.without_jars(at).await,
            _ => {
                let jar = format!("/drawn/{seed}.jar");
                does(&["coprocessor", &set, &jar, "org.apache.hadoop.hbase.constraint.ConstraintProcessor"]).await;
                self.jar = rows.tell(&["descriptor", &set]).await.iter().any(|line| line.contains(".jar|"));
            }
        }
    }

    async fn without_jars(&mut self, at: usize) {
        self.sites[at].rows().tell(&["no-jars", &self.set]).await;
        self.jar = false;
    }

    /// A run from a site to the other one; `None` when it is refused before the commit.
    async fn run(&self, from: usize, base: Option<(PointId, &Manifest)>) -> Option<Staged> {
        let [source, target] = [from, 1 - from].map(|at| &self.sites[at].component);
        target.fence(&self.set).await.expect("fenced");
        let drift = target.drift(&self.set, base).await.expect("compared");
        assert!(drift.is_empty(), "the target is what the last point left: {drift:?}");
        let staged = stage(source.as_ref(), target, &self.set, base).await;
        if let Err(trouble) = target.admit(&self.set, &staged.changes, &staged.manifest).await {
            assert!(trouble.kind == TroubleKind::Refused && self.jar, "{trouble}");
            target.discard(&self.set, staged.point).await.expect("dropped");
            source.release(&self.set, staged.point).await.expect("released");
            return None;
        }
        assert!(!self.jar, "a jar came in");
        finish(target, &self.set, &staged).await;
        Some(staged)
    }

    /// Makes what was sealed live at a site; it is still fenced.
    async fn bring_up(&self, at: usize, staged: &Staged) {
        let target = &self.sites[at].component;
        target.make_live(&self.set, staged.point, &staged.manifest).await.expect("made");
        let drift = target.drift(&self.set, Some((staged.point, &staged.manifest))).await.expect("compared");
        assert!(drift.is_empty(), "{drift:?}");
    }

    /// The other site serves from a sealed point on, and this one stands by.
    async fn turn_round(&self, from: usize, staged: &Staged) {
        let [old, new] = [from, 1 - from].map(|at| &self.sites[at].component);
        old.fence(&self.set).await.expect("fenced");
        let root = staged.manifest.entries.values().find(|entry| entry.path.is_root());
        self.bring_up(1 - from, staged).await;
        new.unfence(&self.set, root).await.expect("open");
        old.rebase(&self.set, staged.point, &staged.manifest).await.expect("it stands by");
    }
}

/// One seed's life; how each run of it ended.
async fn live(seed: u64, [primary, secondary]: [HbaseCluster; 2]) -> Vec<&'static str> {
    let mut draw = Draw(seed);
    let own = uuid::Uuid::now_v7().simple().to_string();
    let name = NAMES[draw.below(NAMES.len())];
    let set = if draw.below(5) == 0 { format!("default:{name}{own}") } else { format!("drawn_{own}:{name}") };
    if !set.starts_with("default") {
        primary.rows.tell(&["namespace", &format!("drawn_{own}")]).await;
    }
    primary.rows.tell(&["drawn", &set, &seed_for_java(&mut draw)]).await;
    let sites = [primary, secondary].map(|cluster| Site { component: Arc::new(cluster.component()), cluster });
    let mut estate = Estate { sites, set, draw, jar: false };
    let mut endings = Vec::new();
    let mut sealed: Vec<Staged> = Vec::new();
    for round in 0..3 {
        for _ in 0..=estate.draw.below(4) {
            estate.change(0).await;
        }
        if round == 2 {
            estate.without_jars(0).await;
        }
        let here = estate.table(0).await;
        let base = sealed.last().map(|last| (last.point, &last.manifest));
        match estate.run(0, base).await {
            None => endings.push("refused: coprocessor in a jar"),
            Some(staged) => {
                if round == 2 || estate.draw.below(3) == 0 {
                    estate.bring_up(1, &staged).await;
                    assert_eq!(estate.table(1).await, here, "seed {seed}, run {round}");
                }
                sealed.push(staged);
                endings.push("sealed");
            }
        }
    }
    // There and back, with a run after each.
    for from in [0, 1] {
        let last = sealed.last().expect("the last run was sealed");
        estate.turn_round(from, last).await;
        estate.change(1 - from).await;
        estate.without_jars(1 - from).await;
        let there = estate.table(1 - from).await;
        let back = estate.run(1 - from, Some((last.point, &last.manifest))).await.expect("nothing to refuse");
        estate.bring_up(from, &back).await;
        assert_eq!(estate.table(from).await, there, "seed {seed}, turned round from {from}");
        sealed.push(back);
        endings.push("sealed after it was turned round");
    }
    for site in &estate.sites {
        for staged in &sealed {
            site.component.release(&estate.set, staged.point).await.expect("released");
        }
        site.rows().tell(&["drop", &estate.set]).await;
    }
    endings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_drawn_table_is_sealed_equal_there_and_back_or_refused_before_the_commit() {
    let seeds = seeds("HBASE");
    let mut endings: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in seeds.clone() {
        let Some((clusters, _guard)) = super::world::undisturbed().await else { return };
        println!("seed {seed}");
        live(seed, clusters).await.into_iter().for_each(|ending| *endings.entry(ending).or_default() += 1);
    }
    println!("seeds {} to {}: {endings:?}", seeds.start, seeds.end - 1);
}
