//! What only tables promise; what all components promise is in `tests/contract.rs`.

use std::sync::Mutex;

use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::domain::{Change, piece_count};

/// A journal in memory.
#[derive(Default)]
struct Phases(Mutex<u32>);

impl PhaseJournal for Phases {
    fn done(&self) -> Result<u32, Trouble> {
        Ok(*self.0.lock().unwrap())
    }
    fn advance(&self, count: u32) -> Result<(), Trouble> {
        *self.0.lock().unwrap() = count;
        Ok(())
    }
}

struct World {
    _dir: TempDir,
    source: Tables,
    target: Tables,
    last: Option<(PointId, Manifest)>,
}

impl World {
    fn new(schema: &str) -> World {
        let dir = tempfile::tempdir().unwrap();
        let at = |side: &str| Tables::new("tables".parse().unwrap(), dir.path().join(format!("{side}.db")), dir.path().join(side));
        let (source, target) = (at("source"), at("target"));
        let db = source.writer().unwrap();
        db.execute_batch(schema).unwrap();
        World { source, target, last: None, _dir: dir }
    }

    fn sql(&self, text: &str) {
        self.source.ordinary().unwrap().execute_batch(text).unwrap();
    }

    /// One run for table `t`; returns the paths that were staged.
    async fn run(&mut self) -> Vec<String> {
        let point = PointId(Uuid::now_v7());
        self.source.arm("t").await.unwrap();
        self.source.capture("t", point).await.unwrap();
        let changes = self.source.changes("t", point, self.last.as_ref().map(|(last, _)| *last)).await.unwrap();
        let mut staged = Vec::new();
        for (file, change) in (0u32..).zip(&changes.changes) {
            let Change::Put(entry) = change else { continue };
            let Node::File { digest: Some(digest), .. } = &entry.node else { continue };
            if self.target.holds(digest).await.unwrap() {
                continue;
            }
            staged.push(entry.path.to_string());
            for piece in 0..piece_count(entry.bytes()) {
                let bytes = self.source.read("t", point, entry, piece).await.unwrap();
                self.target.stage("t", point, Slot { file, piece }, entry, bytes).await.unwrap();
            }
        }
        let empty = Manifest::default();
        let base = self.last.as_ref().map_or(&empty, |(_, manifest)| manifest);
        let manifest = plan::fold(base, &changes).unwrap();
        let steps = plan::plan_apply(base, &changes).unwrap();
        self.target.sync_staging("t", point).await.unwrap();
        for _ in 0..2 {
            // Twice from the start, as after a crash before the journal's word.
            self.target.apply("t", point, &steps, &manifest, &Phases::default()).await.unwrap();
        }
        self.target.seal("t", point, &manifest).await.unwrap();
        assert_eq!(self.target.drift("t", Some((point, &manifest))).await.unwrap(), [] as [String; 0]);
        self.last = Some((point, manifest));
        staged
    }

    fn same(&self, query: &str) {
        let rows = |tables: &Tables| -> Vec<String> {
            let db = tables.reader().unwrap();
            let mut query = db.prepare(query).unwrap();
            let columns = query.column_count();
            let row =
                |r: &rusqlite::Row<'_>| Ok((0..columns).map(|c| format!("{:?}", r.get_ref(c).unwrap())).collect::<Vec<_>>().join("|"));
            query.query_map([], row).unwrap().map(Result::unwrap).collect()
        };
        let (source, target) = (rows(&self.source), rows(&self.target));
        assert!(!source.is_empty(), "an empty table proves nothing");
        assert_eq!(source, target);
    }
}

#[tokio::test]
async fn every_value_arrives_exactly() {
    let mut world = World::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a, b TEXT NOT NULL DEFAULT '', twice INTEGER AS (id * 2) STORED);
         CREATE INDEX t_a ON t (a);
         INSERT INTO t(id, a) VALUES (-9000, 1.0), (-1, 9223372036854775807), (0, -0.0), (1, x'00ff'), (2, NULL), (3, 'O''Brien 發票 \" 🦀'),
           (4, 1e308 * 10), (5, ''), (100000, 0.1);",
    );
    world.run().await;
    world.same("SELECT *, typeof(a) FROM t ORDER BY id");
    world.same("SELECT seq FROM sqlite_sequence WHERE name = 't'");
    world.same("SELECT name, sql FROM sqlite_schema WHERE tbl_name = 't' AND name NOT LIKE 'understudy%' ORDER BY name");
}

#[tokio::test]
async fn a_later_run_copies_only_the_rows_that_changed() {
    let mut world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)");
    world.sql(
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t SELECT i, 'row ' || i FROM n",
    );
    assert!(world.run().await.len() >= 5);
    world.sql("UPDATE t SET a = 'ROW 9' WHERE id = 9; DELETE FROM t WHERE id > 16400;");
    let staged = world.run().await;
    world.same("SELECT * FROM t ORDER BY id");
    assert_eq!(staged.len(), 2, "the first chunk and the one that was shortened: {staged:?}");
    world.sql("ALTER TABLE t ADD COLUMN later INTEGER DEFAULT 7");
    world.run().await;
    world.same("SELECT * FROM t ORDER BY id");
}

#[tokio::test]
async fn a_table_without_rowid_is_carried_over_as_a_whole() {
    let mut world = World::new(
        "CREATE TABLE t (k TEXT, n INTEGER, v, PRIMARY KEY (k, n)) WITHOUT ROWID; INSERT INTO t VALUES ('b', 1, 'x'), ('a', 2, 1.5);",
    );
    world.run().await;
    world.same("SELECT * FROM t ORDER BY k, n");
    world.sql("DELETE FROM t WHERE k = 'b'; INSERT INTO t VALUES ('c', 3, NULL);");
    world.run().await;
    world.same("SELECT * FROM t ORDER BY k, n");
}

#[tokio::test]
async fn two_tables_of_one_point_are_cut_at_the_same_instant() {
    let world = World::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE TABLE u (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1); INSERT INTO u VALUES (1);",
    );
    let point = PointId(Uuid::now_v7());
    let first = world.source.capture("t", point).await.unwrap();
    world.sql("INSERT INTO u VALUES (2)");
    let second = world.source.capture("u", point).await.unwrap();
    assert_eq!((first.lo, first.hi), (second.lo, second.hi), "they share one read transaction");
    let rows = |changes: ChangeSet| {
        changes.changes.iter().filter_map(|c| if let Change::Put(e) = c { Some(e.bytes()) } else { None }).sum::<u64>()
    };
    let then = rows(world.source.changes("u", point, None).await.unwrap());
    let later = PointId(Uuid::now_v7());
    world.source.capture("u", later).await.unwrap();
    let now = rows(world.source.changes("u", later, None).await.unwrap());
    assert!(then < now, "the row written between the two captures is not in the point");
    assert_eq!(world.source.capture("t", point).await.unwrap_err().kind, TroubleKind::Refused, "a second cut would be another moment");
}

#[tokio::test]
async fn a_capture_lost_with_the_agent_is_told_and_never_replaced_by_another_moment() {
    let world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);");
    let point = PointId(Uuid::now_v7());
    world.source.capture("t", point).await.unwrap();
    let restarted = Tables::new("tables".parse().unwrap(), world.source.database.to_path_buf(), world._dir.path().join("source"));
    let trouble = restarted.changes("t", point, None).await.unwrap_err();
    assert!(trouble.to_string().contains("restarted"), "{trouble}");
}

#[tokio::test]
async fn a_fenced_table_refuses_writers_until_it_is_promoted() {
    let mut world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL CHECK (a <> '')); INSERT INTO t VALUES (1, 'x');");
    assert!(world.target.fence("t").await.unwrap().contains("no database yet"));
    world.run().await;
    assert!(world.target.fenced("t").await.unwrap().0);
    let refused = world.target.ordinary().unwrap().execute("INSERT INTO t VALUES (2, 'y')", []).unwrap_err();
    assert!(refused.to_string().contains("secondary identity"), "{refused}");
    world.target.unfence("t", None).await.unwrap();
    assert!(!world.target.fenced("t").await.unwrap().0);
    world.target.ordinary().unwrap().execute("INSERT INTO t VALUES (2, 'y')", []).unwrap();
    let (point, manifest) = world.last.clone().unwrap();
    assert_eq!(world.target.drift("t", Some((point, &manifest))).await.unwrap().len(), 1);
    world.target.restore("t", point, &manifest).await.unwrap();
    world.same("SELECT * FROM t");
}

#[tokio::test]
async fn what_is_not_ours_is_refused_by_name() {
    let world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT 1;");
    world.target.ordinary().unwrap().execute_batch("CREATE TABLE t (id); INSERT INTO t VALUES ('somebody''s')").unwrap();
    let trouble = world.target.drift("t", None).await.unwrap_err();
    assert_eq!((trouble.kind, trouble.object.as_str()), (TroubleKind::Refused, "tables:t"));
    assert!(world.source.arm("v").await.unwrap_err().to_string().contains("view"));
    assert_eq!(world.source.arm("absent").await.unwrap_err().kind, TroubleKind::NotFound);
}

#[tokio::test]
async fn users_grants_and_tenants_are_read_and_adjusted() {
    use crate::domain::user_data::{UserData, compare};
    let world = World::new(
        "CREATE TABLE app_users (name); CREATE TABLE app_group_members (grp, member); CREATE TABLE app_grants (principal, object, rights);
         CREATE TABLE app_tenants (name, quota); INSERT INTO app_users VALUES ('ana'), ('bo'); INSERT INTO app_group_members VALUES ('g', 'bo'), ('g', 'ana');
         INSERT INTO app_grants VALUES ('user:bo', 'orders', 'write,read'), ('user:ana', 'orders', 'read'); INSERT INTO app_tenants VALUES ('retail', '40');",
    );
    let read = async |tables: &Tables| UserData { read_at: Utc::now(), items: tables.read_users(&[], &BTreeMap::new()).await.unwrap() };
    let mut last = None;
    for revoked in [false, true] {
        if revoked {
            world.sql("DELETE FROM app_grants WHERE principal = 'user:bo'; DELETE FROM app_users WHERE name = 'bo'");
        }
        let primary = read(&world.source).await;
        for change in compare(&primary, &read(&world.target).await, last.as_ref()) {
            world.target.adjust_user(&change).await.unwrap();
        }
        assert_eq!(read(&world.target).await.items, primary.items);
        last = Some(primary);
    }
}

/// A point of table `t` whose schema the peer wrote itself: its manifest, and the one change that brings the schema.
async fn hostile(world: &World, schema: &str) -> (PointId, Manifest, ChangeSet) {
    let point = PointId(Uuid::now_v7());
    let digest = Digest::of_bytes(schema.as_bytes());
    let entry =
        |path: &str, node| Entry { path: crate::domain::RelPath::new(path).unwrap(), node, meta: crate::domain::Metadata::default() };
    let put = entry("schema.sql", Node::File { bytes: schema.len() as u64, digest: Some(digest) });
    let entries = [entry("", Node::Directory), entry("rows", Node::Directory), put.clone()];
    let changes = ChangeSet { changes: entries.iter().cloned().map(Change::Put).collect() };
    let bytes = bytes::Bytes::copy_from_slice(schema.as_bytes());
    let content = Box::pin(futures_util::stream::iter([Ok(bytes)]));
    world.target.stage("t", point, Slot { file: 2, piece: 0 }, &put, content).await.unwrap();
    (point, Manifest::from_entries(entries), changes)
}

#[tokio::test]
async fn a_schema_that_does_more_than_make_its_table_is_never_executed() {
    let mut world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'kept');");
    world.run().await;
    let made = world._dir.path().join("owned");
    let ledger = world._dir.path().join("ledger.db");
    Connection::open(&ledger).unwrap().execute_batch("CREATE TABLE controllers (key)").unwrap();
    for attack in [
        format!("CREATE TABLE t (a); COMMIT; ATTACH '{}' AS x; CREATE TABLE x.k (k); BEGIN IMMEDIATE;", made.display()),
        format!("CREATE TABLE t (a); ATTACH '{}' AS l; INSERT INTO l.controllers VALUES ('mine');", ledger.display()),
        format!("CREATE TABLE t (a); VACUUM INTO '{}';", made.display()),
        "CREATE TABLE t (a); CREATE TRIGGER understudy_fence_delete_t BEFORE DELETE ON t WHEN 0 BEGIN SELECT 1; END;".into(),
        "CREATE TABLE t (a); CREATE TABLE other (a);".into(),
        "DROP TABLE t;".into(),
    ] {
        let (point, manifest, changes) = hostile(&world, &attack).await;
        world.target.admit("t", &changes, &manifest).await.unwrap();
        let early = world.target.examine("t", point, &changes).await.expect_err("before the commit");
        assert_eq!((early.kind, early.object.as_str()), (TroubleKind::Refused, "tables:t"), "{early}");
        // And where it were committed all the same, by an earlier version.
        let steps = plan::plan_apply(&Manifest::default(), &changes).unwrap();
        let late = world.target.apply("t", point, &steps, &manifest, &Phases::default()).await.expect_err("at the apply");
        assert_eq!((late.kind, late.object.as_str()), (TroubleKind::Refused, "tables:t"), "{late}");
        assert_eq!(world.target.restore("t", point, &manifest).await.expect_err("by a restore").kind, TroubleKind::Refused);
        let drill = DrillId(Uuid::now_v7());
        assert_eq!(world.target.rehearse("t", point, &manifest, drill).await.expect_err("in a drill").kind, TroubleKind::Refused);
        assert!(!made.exists(), "{attack}");
        let keys: i64 = Connection::open(&ledger).unwrap().query_row("SELECT count(*) FROM controllers", [], |r| r.get(0)).unwrap();
        assert_eq!(keys, 0, "{attack}");
        world.same("SELECT * FROM t");
        assert!(world.target.fenced("t").await.unwrap().0);
        world.target.discard("t", point).await.unwrap();
    }
    world.sql("INSERT INTO t VALUES (2, 'later')");
    world.run().await;
    world.same("SELECT * FROM t");
}

#[tokio::test]
async fn no_connection_of_ours_reaches_another_file() {
    let world = World::new("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    let other = world._dir.path().join("other.db");
    for connection in [world.source.reader().unwrap(), world.source.writer().unwrap(), world.source.ordinary().unwrap()] {
        assert!(connection.execute_batch(&format!("ATTACH '{}' AS x", other.display())).is_err());
        connection.execute_batch("PRAGMA writable_schema = ON").unwrap();
        assert!(
            connection.execute_batch("UPDATE sqlite_schema SET sql = 'x'").is_err(),
            "the schema is changed by its own statements only"
        );
    }
    assert!(!other.exists());
}

#[tokio::test]
async fn tables_with_everything_that_sqlite_has_arrive_and_what_cannot_be_carried_is_refused_by_name() {
    let mut world = World::new(
        "CREATE TABLE log (what); CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT CHECK (length(a) < 9) UNIQUE, b AS (upper(a)) STORED);
         CREATE INDEX t_part ON t (lower(a)) WHERE a IS NOT NULL;
         CREATE TRIGGER t_log AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.a || ';'); END; INSERT INTO t (a) VALUES ('x'), ('y');
         CREATE VIEW v AS SELECT * FROM t; CREATE VIRTUAL TABLE words USING fts5(text);",
    );
    world.run().await;
    world.same("SELECT * FROM t ORDER BY id");
    world.same("SELECT name, sql FROM sqlite_schema WHERE tbl_name = 't' AND name NOT LIKE 'understudy%' ORDER BY name");
    let log: i64 =
        world.target.reader().unwrap().query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'log'", [], |row| row.get(0)).unwrap();
    assert_eq!(log, 0, "its trigger was made and never fired");
    for (set, said) in [("v", "view"), ("words", "virtual"), ("words_data", "shadow")] {
        assert!(world.source.arm(set).await.unwrap_err().to_string().contains(said), "{set}");
    }
}
