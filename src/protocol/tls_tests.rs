//! What the own key promises: one for life, kept private, made once.

use super::*;

fn now() -> DateTime<Utc> {
    Utc::now()
}

/// `serve` and `enrol` on a fresh state folder, at the same time.
#[test]
fn programs_that_start_together_hold_one_key() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().expect("a folder");
        let starting: Vec<_> = (0..4)
            .map(|_| {
                let dir = dir.path().to_owned();
                std::thread::spawn(move || OwnKey::load_or_create(&dir, "east", now()).expect("a key").fingerprint().to_owned())
            })
            .collect();
        let held: std::collections::BTreeSet<_> = starting.into_iter().map(|one| one.join().expect("no panic")).collect();
        assert_eq!(held.len(), 1, "{held:?}");
        let kept = OwnKey::load_or_create(dir.path(), "east", now()).expect("a key");
        assert!(held.contains(kept.fingerprint()), "and it is the one that is kept");
    }
}

#[test]
fn renewal_keeps_the_key_and_the_pin() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = OwnKey::load_or_create(dir.path(), "east", now()).expect("made");
    assert!(!first.renew_if_due(now() + TimeDelta::days(59)).expect("looked"));
    let pin = first.fingerprint().to_owned();
    assert!(first.renew_if_due(now() + TimeDelta::days(61)).expect("renewed"));
    assert!(first.certificate_until() > now() + TimeDelta::days(150));
    let again = OwnKey::load_or_create(dir.path(), "east", now() + TimeDelta::days(400)).expect("issued again");
    assert_eq!(again.fingerprint(), pin);
    assert!(again.certificate_until() > now() + TimeDelta::days(480));
}

#[test]
fn only_the_owner_reads_the_key_and_a_damaged_key_is_not_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    drop(OwnKey::load_or_create(dir.path(), "east", now()).expect("made"));
    let path = dir.path().join("key.pem");
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    fs::write(&path, "rubbish").expect("written");
    assert_eq!(OwnKey::load_or_create(dir.path(), "east", now()).expect_err("refused").kind, TroubleKind::Corrupt);
    assert_eq!(fs::read_to_string(&path).expect("there"), "rubbish");
}
