//! Promises about schemas that come from the other cluster.

use proptest::prelude::*;

use super::*;

/// What a capture would send of table `t` of such a database.
fn captured(schema: &str) -> String {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(schema).unwrap();
    super::super::dump::schema(&db, "t").unwrap()
}

/// Tables as people have them.
const HONEST: [&str; 13] = [
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)",
    "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a, b TEXT NOT NULL DEFAULT '', twice INTEGER AS (id * 2) STORED, c AS (lower(b)))",
    "CREATE TABLE t (k TEXT, n INTEGER, v, PRIMARY KEY (k, n)) WITHOUT ROWID; CREATE UNIQUE INDEX t_v ON t (v DESC)",
    "CREATE TABLE t (id INTEGER PRIMARY KEY, j TEXT CHECK (json_valid(j)), x REAL CHECK (abs(x) < 10 AND x IN (1, 2, 3))) STRICT",
    "CREATE TABLE t (a UNIQUE, b DEFAULT (datetime('now')), c DEFAULT CURRENT_TIMESTAMP, d DEFAULT (hex(randomblob(8))), UNIQUE (b, c));
     CREATE INDEX t_expr ON t (lower(a), length(b)); CREATE INDEX t_part ON t (a) WHERE b IS NOT NULL AND c > 'x'",
    "CREATE TABLE log (what); CREATE TABLE t (id INTEGER PRIMARY KEY, a);
     CREATE TRIGGER t_log AFTER INSERT ON t WHEN new.a > 1 BEGIN INSERT INTO log VALUES ('a;b' || new.a); DELETE FROM log WHERE what = 'BEGIN; END;'; END;
     CREATE TRIGGER t_stop BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, 'no; never'); END",
    "CREATE TABLE u (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY, u REFERENCES u (id) ON DELETE CASCADE); CREATE VIEW v AS SELECT * FROM t",
    "CREATE TABLE t (\"a column; with -- words\" TEXT, 'b' INT /* a comment; here */, [c d] COLLATE NOCASE)",
    "CREATE TABLE \"first one\" (id INTEGER PRIMARY KEY); ALTER TABLE \"first one\" RENAME TO t; ALTER TABLE t ADD COLUMN later INTEGER DEFAULT 7",
    "CREATE TABLE t (a, b); CREATE INDEX \"an index\" ON t (a COLLATE NOCASE, b); CREATE INDEX \"ind\"\"ex\" ON t (b)",
    "CREATE TABLE t (a INTEGER, b GENERATED ALWAYS AS (CASE WHEN a > 0 THEN 'x' ELSE 'y' END) VIRTUAL); CREATE INDEX t_b ON t (b)",
    "CREATE TABLE t (a); ANALYZE; CREATE TRIGGER t_up AFTER UPDATE OF a ON t FOR EACH ROW BEGIN UPDATE t SET a = a WHERE rowid = new.rowid; END",
    "CREATE TABLE t (a TEXT CHECK (a LIKE 'x%' OR a GLOB '*y' OR a NOT NULL AND printf('%d', 3) = '3' AND strftime('%Y', a) > '1'))",
];

#[test]
fn tables_as_people_have_them_pass_and_arrive_as_they_were() {
    for schema in HONEST {
        let text = captured(schema);
        let trial = trial("t", &text).unwrap_or_else(|trouble| panic!("{schema}: {trouble}"));
        assert_eq!(trial.counts, schema.contains("AUTOINCREMENT"), "{schema}");
        let mut db = Connection::open_in_memory().unwrap();
        harden(&db).unwrap();
        let watch = Watch::over(&mut db).unwrap();
        make(&db, &watch, "t", &text).unwrap();
        assert_eq!(super::super::dump::schema(&db, "t").unwrap(), text, "{schema}");
    }
}

/// Statements that a schema of `t` must never hold, each with a piece of what is said of it.
const HOSTILE: [(&str, &str); 34] = [
    ("COMMIT", "transaction"),
    ("ROLLBACK", "transaction"),
    ("BEGIN IMMEDIATE", "transaction"),
    ("SAVEPOINT s", "Savepoint"),
    ("ATTACH '/tmp/understudy-hostile.db' AS x", "attaches the file \"/tmp/understudy-hostile.db\""),
    ("ATTACH ':memory:' AS x", "attaches"),
    ("DETACH x", "Detach"),
    ("PRAGMA writable_schema = ON", "writable_schema"),
    ("PRAGMA journal_mode = OFF", "journal_mode"),
    ("PRAGMA trusted_schema = ON", "trusted_schema"),
    ("PRAGMA table_list", "table_list"),
    ("CREATE TABLE other (a)", "other"),
    ("CREATE TABLE temp.t2 (a)", ""),
    ("CREATE TEMP TABLE t (a)", ""),
    ("CREATE TABLE other AS SELECT 1", ""),
    ("CREATE VIEW v AS SELECT 1", ""),
    ("CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END", ""),
    ("CREATE TRIGGER understudy_fence_insert_t BEFORE INSERT ON t WHEN 0 BEGIN SELECT 1; END", "fence of ours"),
    ("CREATE TRIGGER Understudy_Fence_delete_t BEFORE DELETE ON t WHEN 0 BEGIN SELECT 1; END", "fence of ours"),
    ("CREATE VIRTUAL TABLE f USING fts5(a)", ""),
    ("CREATE VIRTUAL TABLE t USING fts5(a)", ""),
    ("INSERT INTO t VALUES (1, 2)", "Insert"),
    ("UPDATE t SET a = 1", ""),
    ("DELETE FROM t", "Delete"),
    ("INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 2, 'CREATE TABLE x (a)')", ""),
    ("DROP TABLE t", ""),
    ("DROP INDEX IF EXISTS nothing", ""),
    ("ALTER TABLE t ADD COLUMN z", ""),
    ("ANALYZE", ""),
    ("REINDEX", ""),
    ("VACUUM INTO '/tmp/understudy-hostile.db'", ""),
    ("SELECT load_extension('/tmp/x.so')", ""),
    ("WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT * FROM n", ""),
    ("EXPLAIN CREATE INDEX t_x ON t (a)", ""),
];

#[test]
fn whatever_else_a_schema_would_do_is_refused_in_words() {
    for (statement, said) in HOSTILE {
        for text in [
            format!("CREATE TABLE t (id INTEGER PRIMARY KEY, a);\n{statement};\n"),
            format!("CREATE TABLE t (id INTEGER PRIMARY KEY, a); CREATE INDEX t_a ON t (a); {statement}; CREATE INDEX t_b ON t (a);"),
        ] {
            let refused = trial("t", &text).expect_err(statement);
            assert_eq!((refused.kind, refused.object.as_str()), (TroubleKind::Refused, "t"), "{statement}: {refused}");
            assert!(refused.reason.contains(said), "{statement}: {refused}");
            assert!(!refused.next_step.is_empty(), "{refused}");
        }
    }
    assert!(!std::path::Path::new("/tmp/understudy-hostile.db").exists(), "a file was made");
    for text in [
        "",
        "-- nothing",
        "CREATE TABLE other (a)",
        "CREATE TABLE T (a)",
        "CREATE TABLE t AS SELECT 1 AS a",
        "garbage",
        "CREATE TABLE t (a) \0 x",
    ] {
        assert_eq!(trial("t", text).expect_err(text).kind, TroubleKind::Refused, "{text:?}");
    }
}

#[test]
fn functions_that_do_more_than_compute_are_not_part_of_a_table() {
    for expression in ["load_extension('x')", "fts3_tokenizer('x')"] {
        let text = format!("CREATE TABLE t (a CHECK ({expression} IS NULL));");
        let refused = trial("t", &text).expect_err(expression);
        assert_eq!(refused.kind, TroubleKind::Refused, "{refused}");
    }
}

#[test]
fn an_index_with_the_name_of_another_tables_is_refused_before_the_commit() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch("CREATE TABLE other (a); CREATE INDEX By_A ON other (a); CREATE TABLE t (a); CREATE INDEX t_a ON t (a)").unwrap();
    let with = |name: &str| trial("t", &format!("CREATE TABLE t (a); CREATE INDEX {name} ON t (a);")).unwrap();
    check_names(&db, "t", &with("t_a")).expect("its own of before");
    let refused = check_names(&db, "t", &with("by_a")).expect_err("another's");
    assert!(refused.reason.contains("\"by_a\"") && refused.reason.contains("\"other\""), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_list_of_statements_with_one_that_is_no_part_of_the_table_is_refused(
        honest in prop::collection::vec(0..4_usize, 0..4), hostile in 0..HOSTILE.len(), at in any::<prop::sample::Index>(), case in any::<bool>(),
    ) {
        let parts = ["CREATE INDEX i{} ON t (a)", "CREATE UNIQUE INDEX i{} ON t (a, id)", "CREATE TRIGGER i{} AFTER INSERT ON t BEGIN SELECT 1; END", "CREATE INDEX i{} ON t (lower(a))"];
        let mut list: Vec<String> = honest.iter().enumerate().map(|(n, part)| parts[*part].replace("{}", &n.to_string())).collect();
        list.insert(0, "CREATE TABLE t (id INTEGER PRIMARY KEY, a)".into());
        prop_assert!(trial("t", &list.join(";\n")).is_ok());
        let statement = HOSTILE[hostile].0;
        let lower = case && !statement.contains('\'');
        list.insert(1 + at.index(list.len()), if lower { statement.to_lowercase() } else { statement.to_owned() });
        prop_assert!(trial("t", &list.join(";\n")).is_err(), "{list:?}");
    }
}
