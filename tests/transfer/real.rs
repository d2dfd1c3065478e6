//! The same between real components: a directory tree and a SQLite database.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use tempfile::TempDir;
use understudy::agent::jobs::bring_up;
use understudy::components::Component;
use understudy::components::files::{Files, Privilege, make_removable};
use understudy::components::tables::Tables;
use understudy::domain::*;

use crate::relay::Fault;
use crate::watched::Fuse;
use crate::world::{Life, Run, World, scratch};

/// Two sites with a tree and a database each.
struct Sites {
    dir: TempDir,
    world: World,
}

impl Drop for Sites {
    /// A fenced tree takes no deletion either.
    fn drop(&mut self) {
        drop(make_removable(self.dir.path()));
    }
}

impl Sites {
    fn new(copy: &str) -> Sites {
        let dir = scratch();
        let text = format!(r#"{{"name":"orders","pair":"sz-gy","data_sets":["files:invoices","tables:orders"],"copy":"{copy}"}}"#);
        let service = serde_json::from_str(&text).expect("a service");
        let site = |name: &str| -> Vec<Arc<dyn Component>> {
            let at = dir.path().join(name);
            fs::create_dir_all(at.join("root")).expect("a root");
            let database = at.join("orders.db");
            Connection::open(&database).and_then(|db| db.pragma_update(None, "journal_mode", "wal")).expect("a database");
            let files = Files::new("files".parse().expect("a name"), at.join("root"), at.join("store")).expect("files").allowing(as_root());
            let tables = Tables::new("tables".parse().expect("a name"), database, at.join("table-store"));
            vec![Arc::new(files), Arc::new(tables)]
        };
        let (from, to) = (site("a"), site("b"));
        let sites = Sites { world: World::new(service, from, to), dir };
        let root = sites.root("a");
        fs::create_dir_all(root.join("2026/empty")).expect("directories");
        for i in 0..8 {
            fs::write(root.join(format!("2026/発票 {i} 'q' 100%.txt")), format!("invoice {i}\n").repeat(i * 500)).expect("a file");
        }
        symlink("2026/nowhere", root.join("link")).expect("a link");
        fs::set_permissions(root.join("2026"), fs::Permissions::from_mode(0o2750)).expect("a mode");
        sites.sql("CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT, paid REAL)");
        for i in 0..300 {
            sites.sql(&format!("INSERT INTO orders VALUES ({i}, 'order {i}', {i}.5)"));
        }
        sites
    }

    fn root(&self, site: &str) -> PathBuf {
        self.dir.path().join(site).join("root/invoices")
    }

    fn sql(&self, text: &str) {
        Connection::open(self.dir.path().join("a/orders.db")).and_then(|db| db.execute_batch(text)).expect("sql");
    }

    fn change(&self) {
        let root = self.root("a");
        fs::rename(root.join("2026"), root.join("moved")).expect("moved");
        fs::remove_file(root.join("moved/発票 2 'q' 100%.txt")).expect("removed");
        fs::write(root.join("moved/発票 3 'q' 100%.txt"), "rewritten").expect("rewritten");
        fs::write(root.join("late"), "a late one").expect("written");
        fs::set_permissions(root.join("moved/発票 4 'q' 100%.txt"), fs::Permissions::from_mode(0o600)).expect("a mode");
        self.sql(
            "DELETE FROM orders WHERE id < 10; UPDATE orders SET what = 'changed' WHERE id = 77; INSERT INTO orders VALUES (900, 'new', 1)",
        );
    }

    fn run(&self, fault: Fault) -> (Life, Run) {
        let life = self.world.start(&Fuse::endless(), fault);
        let mut run = Run::new();
        life.drive(&self.world.service, &mut run).unwrap_or_else(|trouble| panic!("{trouble}"));
        (life, run)
    }

    fn rows(&self, site: &str) -> Vec<(i64, String, f64)> {
        let db = Connection::open(self.dir.path().join(site).join("orders.db")).expect("a database");
        let mut select = db.prepare("SELECT id, what, paid FROM orders ORDER BY id").expect("a query");
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("rows");
        rows.collect::<Result<_, _>>().expect("rows")
    }

    fn assert_identical(&self, at: &str) {
        assert_eq!(tree(&self.root("b")), tree(&self.root("a")), "{at}");
        assert_eq!(self.rows("b"), self.rows("a"), "{at}");
    }
}

/// What agents of root let in: their trees belong to root.
fn as_root() -> Vec<Privilege> {
    if rustix::process::geteuid().is_root() { vec![Privilege::RootOwner] } else { Vec::new() }
}

/// Everything below a root: sort, mode, time in nanoseconds (not of links), digest of the content.
fn tree(root: &Path) -> BTreeMap<PathBuf, (u32, i64, String)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a directory") {
            let path = entry.expect("an entry").path();
            let meta = fs::symlink_metadata(&path).expect("metadata");
            let content = if meta.is_symlink() {
                fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes()
            } else if meta.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else {
                fs::read(&path).expect("content")
            };
            let time = if meta.is_symlink() { 0 } else { meta.mtime() * 1_000_000_000 + meta.mtime_nsec() };
            // The fence takes the right to write from every directory; the true modes are in the manifest.
            let mode = if meta.is_dir() { meta.mode() & !0o222 } else { meta.mode() };
            found.insert(path.strip_prefix(root).expect("below the root").to_owned(), (mode, time, Digest::of_bytes(&content).to_string()));
        }
    }
    found
}

#[test]
fn trees_and_tables_arrive_identical_and_later_only_what_changed() {
    for copy in ["push", "pull"] {
        let sites = Sites::new(copy);
        let (life, first) = sites.run(Fault::Cut { times: 3, after: 5_000 });
        sites.assert_identical(copy);
        life.kill();
        sites.change();
        let (life, second) = sites.run(Fault::None);
        sites.assert_identical(copy);
        assert_eq!(second.sealed.expect("sealed").base, Some(first.point));
        let files = second.counts.as_ref().expect("counts")[0];
        assert_eq!((files.files, files.copied_files), (8, 2), "{copy}: {files:?}");
        life.kill();
    }
}

#[test]
fn a_crash_of_real_components_ends_like_no_crash() {
    let mut steps = 1;
    loop {
        let sites = Sites::new("push");
        sites.run(Fault::None).0.kill();
        sites.change();
        let fuse = Fuse::of(steps);
        let life = sites.world.start(&fuse, Fault::None);
        let mut run = Run::new();
        let ended = life.runtime.block_on(async {
            tokio::select! {
                result = life.steps(&sites.world.service, &mut run) => Some(result),
                () = fuse.burnt.notified() => None,
            }
        });
        life.kill();
        let at = format!("crash {} (step {steps})", fuse.log.lock().expect("a log").last().cloned().unwrap_or_default());
        let life = sites.world.start(&Fuse::endless(), Fault::None);
        if let Err(trouble) = life.drive(&sites.world.service, &mut run) {
            assert!(trouble.reason.contains("was released"), "{at}: {trouble}");
            assert_eq!(life.runtime.block_on(life.abort(&sites.world.service, &run)), Ok(Vec::new()), "{at}");
            life.drive(&sites.world.service, &mut Run::new()).unwrap_or_else(|trouble| panic!("{at}: {trouble}"));
        }
        sites.assert_identical(&at);
        life.kill();
        if ended.is_some() {
            break;
        }
        // Every step is taken in memory (`main.rs`); here every other one.
        steps += 2;
    }
}

#[test]
fn real_components_come_up_at_an_older_point_and_not_at_an_altered_one() {
    let sites = Sites::new("pull");
    let (life, first) = sites.run(Fault::None);
    life.kill();
    let (old_tree, old_rows) = (tree(&sites.root("b")), sites.rows("b"));
    sites.change();
    let (life, second) = sites.run(Fault::None);
    life.runtime.block_on(async {
        let (site, name) = (&life.secondary.site, &sites.world.service.name);
        bring_up(site, name, first.point).await.unwrap_or_else(|trouble| panic!("{trouble}"));
        assert_eq!(tree(&sites.root("b")), old_tree);
        assert_eq!(sites.rows("b"), old_rows);
        bring_up(site, name, second.point).await.unwrap_or_else(|trouble| panic!("{trouble}"));
        sites.assert_identical("the newest again");
        fs::write(sites.root("b").join("late"), "a forged 1").expect("written by a superuser");
        let refused = bring_up(site, name, second.point).await.expect_err("altered");
        assert!(refused.reason.contains("late"), "{refused}");
    });
    life.kill();
}

/// From now on the database of b has an index of the name that the table's next schema needs.
fn obstruct(sites: &Sites) {
    let b = Connection::open(sites.dir.path().join("b/orders.db")).expect("a database");
    b.execute_batch("CREATE TABLE other (x); CREATE INDEX by_what ON other (x)").expect("an obstacle");
}

/// Runs until the commit stands still, with the point that was sealed before, if any.
fn stuck(sites: &Sites, first: bool) -> (Life, Run) {
    if first {
        sites.run(Fault::None).0.kill();
    }
    sites.sql("CREATE INDEX by_what ON orders (what)");
    sites.change();
    let life = sites.world.start(&Fuse::endless(), Fault::None);
    let (mut run, service) = (Run::new(), &sites.world.service);
    life.runtime.block_on(life.until_transferred(service, &mut run)).expect("staged");
    life.runtime.block_on(life.verify(service, &mut run)).expect("nobody can know it yet");
    obstruct(sites);
    let trouble = life.drive(service, &mut run).expect_err("it cannot be sealed");
    assert!(trouble.reason.contains("by_what"), "{trouble}");
    (life, run)
}

#[test]
fn a_point_that_was_given_up_is_gone_wherever_the_agent_dies_and_the_next_run_seals() {
    for first in [true, false] {
        let mut steps = 1;
        loop {
            let sites = Sites::new("push");
            let service = sites.world.service.clone();
            let before = if first { Some((tree(&sites.root("a")), sites.rows("a"))) } else { None };
            let (life, run) = stuck(&sites, first);
            let held = life.secondary.site.ledger.points_of(&service.pair, &service.name).expect("points").len();
            assert_eq!(held, if first { 2 } else { 1 }, "it is committed");
            life.kill();
            // The agent that starts tries to seal it, which goes on failing.
            let fuse = Fuse::of(steps + 1_000_000);
            let life = sites.world.start_stuck(&fuse, Fault::None);
            fuse.burn_after(steps);
            let ended = life.runtime.block_on(async {
                tokio::select! {
                    result = life.abandon(&service, &run) => Some(result),
                    () = fuse.burnt.notified() => None,
                }
            });
            life.kill();
            let at = format!("{first}, crash {} (step {steps})", fuse.log.lock().expect("a log").last().cloned().unwrap_or_default());
            let life = sites.world.start(&Fuse::endless(), Fault::None);
            assert_eq!(
                life.secondary.site.ledger.point(run.point).map(|row| row.is_none()),
                Ok(true),
                "{at}: the agent alone takes it back"
            );
            let report = life.runtime.block_on(life.abandon(&service, &run)).unwrap_or_else(|trouble| panic!("{at}: {trouble}"));
            assert_eq!((report.by.as_str(), report.back_to.is_some(), report.leftovers), ("ana", first, Vec::new()), "{at}");
            let site = &life.secondary.site;
            assert!(site.ledger.point(run.point).expect("a ledger").is_none() && site.ledger.all_staging() == Ok(Vec::new()), "{at}");
            for component in site.components.values() {
                let own = life.runtime.block_on(component.snapshots()).expect("snapshots");
                assert!(own.iter().all(|own| own.point != run.point) && own.len() == usize::from(first), "{at}: {own:?}");
            }
            match &before {
                Some((files, rows)) => {
                    assert_eq!((&tree(&sites.root("b")), &sites.rows("b")), (files, rows), "{at}");
                }
                None => {
                    assert_eq!(tree(&sites.root("b")), BTreeMap::new(), "{at}");
                    let b = Connection::open(sites.dir.path().join("b/orders.db")).expect("a database");
                    assert!(b.prepare("SELECT 1 FROM orders").is_err(), "{at}: the table is gone");
                    fs::write(sites.root("b").join("by somebody"), "").expect("it is not fenced");
                    fs::remove_file(sites.root("b").join("by somebody")).expect("removed");
                }
            }
            let late = life.runtime.block_on(life.seal(&service, &mut run.clone())).expect_err("never sealed");
            assert_eq!(late.kind, TroubleKind::Refused, "{at}: {late}");
            assert_eq!(life.runtime.block_on(life.abort(&service, &run)), Ok(Vec::new()), "{at}: what the primary captured for it");
            let b = Connection::open(sites.dir.path().join("b/orders.db")).expect("a database");
            b.execute_batch("DROP INDEX by_what").expect("the obstacle is gone");
            life.drive(&service, &mut Run::new()).unwrap_or_else(|trouble| panic!("{at}: {trouble}"));
            sites.assert_identical(&at);
            life.kill();
            if ended.is_some() {
                break;
            }
            steps += 2;
        }
    }
}

#[test]
fn a_sealed_point_is_not_given_up_and_what_is_stuck_seals_once_its_cause_is_gone() {
    let sites = Sites::new("push");
    let service = sites.world.service.clone();
    let (life, run) = stuck(&sites, true);
    let b = Connection::open(sites.dir.path().join("b/orders.db")).expect("a database");
    b.execute_batch("DROP INDEX by_what").expect("the obstacle is gone");
    life.kill();
    // Nobody gives an order: the agent starts, and that is all.
    let life = sites.world.start(&Fuse::endless(), Fault::None);
    sites.assert_identical("sealed by itself");
    let refused = life.runtime.block_on(life.abandon(&service, &run)).expect_err("sealed");
    assert_eq!(refused.kind, TroubleKind::Refused, "{refused}");
    sites.assert_identical("nothing was changed");
    life.kill();
}
