//! What the engine's store promises.

use std::os::unix::fs::PermissionsExt;

use chrono::{DateTime, Utc};

use crate::domain::maintenance::Maintenance;
use crate::domain::switchover::machine::Event;
use crate::domain::{Service, Term, TroubleKind};

use super::{Enrolled, KeptPair, MomentRecord, MomentState, PairedAgent, PairedClusters, Store};

fn service(text: &str) -> Service {
    toml::from_str(text).unwrap()
}

fn at(secs: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(secs, 0).unwrap()
}

#[test]
fn what_was_stored_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    {
        let store = Store::open(&state).unwrap();
        store.take_term(Term(7)).unwrap();
        store.take_term(Term(3)).unwrap();
        let paired = Event::Paired { primary: "a".parse().unwrap(), secondary: "b".parse().unwrap(), epoch: Default::default() };
        store.append_with_policies(&"p".parse().unwrap(), 0, &paired, &[], at(1)).unwrap();
    }
    let store = Store::open(&state).unwrap();
    assert_eq!(store.term().unwrap(), Term(7), "a lower term never replaces a higher one");
    assert_eq!(store.pair_events(&"p".parse().unwrap()).unwrap().len(), 1);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&state.join("engine.db")), 0o600);
}

#[test]
fn two_writers_of_one_event_cannot_both_succeed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let pair = "p".parse().unwrap();
    let event = Event::Suspected { at: at(1) };
    store.append_with_policies(&pair, 0, &event, &[], at(1)).unwrap();
    assert!(store.append_with_policies(&pair, 0, &event, &[], at(1)).is_err());
}

#[test]
fn a_pair_is_rebuilt_whole_or_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let agent = |name: &str| PairedAgent {
        enrolled: Enrolled { address: format!("{name}:7443"), key: name.into(), cluster: name.parse().unwrap(), site: String::new() },
        components: Vec::new(),
    };
    let paired = PairedClusters { name: "p".parse().unwrap(), agents: [agent("a"), agent("b")], paired_at: at(1) };
    let event = Event::Paired { primary: "a".parse().unwrap(), secondary: "b".parse().unwrap(), epoch: Default::default() };
    let policy = |name: String| service(&format!("name = '{name}'\npair = 'p'\ndata_sets = ['files:invoices']"));
    let kept = |services: Vec<_>| KeptPair { paired: paired.clone(), events: vec![event.clone()], services, points: Vec::new() };
    let small = kept(vec![policy("orders".into())]);
    store.keep_pair(&small, at(1)).unwrap();
    store.keep_pair(&small, at(2)).unwrap();
    let seen = || (store.pairs().unwrap(), store.pair_events(&paired.name).unwrap(), store.services().unwrap());
    let before = seen();
    assert_eq!((before.0.len(), before.1.len(), before.2.len()), (1, 1, 1));
    // A disk on which there is room for no more than there is.
    let pages: u32 = store.sql(|c| c.pragma_query_value(None, "page_count", |row| row.get(0))).unwrap();
    store.sql(|c| c.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))).unwrap();
    let trouble = store.keep_pair(&kept((0..2000).map(|n| policy(format!("service-{n}"))).collect()), at(3)).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Exhausted, "{trouble}");
    assert_eq!(seen(), before);
}

#[test]
fn a_policy_saved_again_unchanged_makes_no_version() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let mut policy = service("name = 'orders'\npair = 'p'\ndata_sets = ['files:invoices']");
    assert_eq!(store.save_service(&policy, at(1)).unwrap(), 1);
    assert_eq!(store.save_service(&policy, at(2)).unwrap(), 1);
    policy.skew_limit_ms = 1;
    assert_eq!(store.save_service(&policy, at(3)).unwrap(), 2);
    store.remove_service(&policy.name).unwrap();
    assert!(store.services().unwrap().is_empty());
    assert_eq!(store.save_service(&policy, at(4)).unwrap(), 3);
    assert_eq!(store.services().unwrap(), vec![policy]);
}

#[test]
fn the_first_note_of_a_moment_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let note = |secs, state, reason: &str| {
        store.note_moment(&MomentRecord { service: "s".parse().unwrap(), at: at(secs), state, reason: reason.into() }).unwrap()
    };
    assert!(note(1, MomentState::Started, ""));
    assert!(!note(1, MomentState::Missed, "late"));
    assert!(note(2, MomentState::Missed, "the engine was not running"));
    assert_eq!(store.missed_moments(&"s".parse().unwrap(), 20).unwrap(), vec![(at(2), "the engine was not running".to_owned())]);
    assert_eq!(store.last_moment(&"s".parse().unwrap()).unwrap(), Some(at(2)));
}

#[test]
fn a_maintenance_is_kept_replaced_and_goes_with_its_end_or_its_pair() {
    let dir = tempfile::tempdir().unwrap();
    let pair = "p".parse().unwrap();
    let told = |until| Maintenance { since: at(1), until: at(until), reason: "disks".into(), by: "ana".into(), pause_runs: true };
    {
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.maintenance(&pair).unwrap(), None);
        store.keep_maintenance(&pair, &told(60)).unwrap();
        store.keep_maintenance(&pair, &told(120)).unwrap();
    }
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(store.maintenance(&pair).unwrap(), Some(told(120)));
    assert_eq!(store.maintenance(&"q".parse().unwrap()).unwrap(), None);
    store.end_maintenance(&pair).unwrap();
    assert_eq!(store.maintenance(&pair).unwrap(), None);
    store.keep_maintenance(&pair, &told(60)).unwrap();
    store.forget_pair(&pair).unwrap();
    assert_eq!(store.maintenance(&pair).unwrap(), None);
}

#[test]
fn a_newer_schema_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let raw = rusqlite::Connection::open(dir.path().join("engine.db")).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    let refused = Store::open(dir.path()).unwrap_err();
    assert!(refused.reason.contains("version 99"), "{refused}");
}
