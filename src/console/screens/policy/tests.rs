//! The policy form, read as text.

use super::*;
use crate::console::sample;

fn shanghai() -> Zone {
    Zone::Named(chrono_tz::Asia::Shanghai)
}

fn pair() -> PairName {
    "sz-gy".parse().expect("a name")
}

#[test]
fn an_existing_policy_survives_the_form_unchanged() {
    for view in sample::services() {
        let form = Form::edit(&view.policy, shanghai());
        assert_eq!(form.service(&pair()).expect("a good policy"), view.policy);
    }
}

#[test]
fn what_is_wrong_is_said_by_field() {
    let mut form = Form::new(shanghai());
    form.name = "two words".to_owned();
    form.zone = "Asia/Nowhere".to_owned();
    form.rpo = "soon".to_owned();
    let wrong = form.service(&pair()).expect_err("much is wrong");
    let text: Vec<_> = wrong.iter().map(|check| format!("{}: {}", check.name, check.evidence)).collect();
    assert_eq!(
        text,
        [
            "Service: only a to z, A to Z, 0 to 9, '.', '_' and '-' are allowed",
            "Data sets: none is chosen",
            "Target RPO: \"soon\" is no whole number",
            "Time zone: no such time zone",
        ]
    );
}

#[test]
fn a_policy_is_saved_only_in_the_version_that_was_checked() {
    let mut form = Form::edit(&sample::services()[0].policy, shanghai());
    assert!(form.save(&pair()).is_none(), "nothing was checked yet");
    let (place, _) = form.check(&pair()).expect("a first check");
    assert!(form.check(&pair()).is_none(), "a version is checked once");
    let good = ServiceCheck { in_words: "Every 15 minutes…".to_owned(), next_moments: Vec::new(), checks: Vec::new() };
    form.receive(&place, Reply::ServiceChecked(good));
    assert!(form.may_save(&pair()));
    form.owner.push('x');
    form.touched();
    assert!(!form.may_save(&pair()), "the check was of another version");
}

#[test]
fn once_is_read_in_the_zone_chosen() {
    let mut form = Form::edit(&sample::services()[0].policy, shanghai());
    form.when = When::Once;
    form.once = "2026-11-21 14:00".to_owned();
    let service = form.service(&pair()).expect("a good policy");
    assert_eq!(service.moment.expect("a moment").to_rfc3339(), "2026-11-21T14:00:00+08:00");
    assert_eq!(service.schedule, None);
}
