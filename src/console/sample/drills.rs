//! The sample's drills: one that waits for its sign-off, one that failed, one of the week before.

use super::{id, name, time};
use crate::controller::command::{Check, DrillChecks};
use crate::controller::snapshot::DrillView;
use crate::domain::drill::check::{CheckEnd, CheckResult, DrillCheck, DrillPlace};
use crate::domain::drill::machine::{DrillSpec, Event, apply};
use crate::domain::drill::report::{DrillRan, SignOff};
use crate::domain::{DrillId, Epoch, InstructionId, PointId};

fn check(words: &str) -> DrillCheck {
    DrillCheck { command: Some(vec!["/opt/orders/smoke".to_owned()]), ..DrillCheck::named(words) }
}

fn drill(number: u128, pressed: &str, took_secs: i64, second: (CheckEnd, &str), signed: bool) -> DrillView {
    let at = time(pressed);
    let after = |secs| at + chrono::Duration::seconds(secs);
    let checks = vec![check("the application starts on it"), check("orders of the last hour are there")];
    let spec = DrillSpec {
        drill: DrillId(id(number)),
        pair: name("sz-gy"),
        service: name("orders"),
        point: PointId(id(number + 1)),
        captured_at: after(-420),
        cluster: name("guiyang"),
        epoch: Epoch(7),
        instruction: InstructionId(id(number + 2)),
        checks: checks.clone(),
        rto_target_minutes: Some(10),
        by: "ana".to_owned(),
    };
    let result = |check: &DrillCheck, (state, evidence): (CheckEnd, &str), took_ms| CheckResult {
        name: check.name.clone(),
        state,
        evidence: evidence.to_owned(),
        took_ms,
    };
    let place = |set: &str, place: &str| DrillPlace { data_set: name(set), place: format!("{place}/{number}") };
    let ran = DrillRan {
        places: vec![
            place("hdfs:/data/orders/invoices", "hdfs://guiyang:8020/understudy/drills"),
            place("tables:orders", "/var/lib/understudy/store/tables/drills"),
        ],
        checks: vec![
            result(&checks[0], (CheckEnd::Passed, "/opt/orders/smoke ended with status 0"), 8_400),
            result(&checks[1], second, 1_900),
        ],
        bring_up_ms: 241_000,
    };
    let removed = vec!["hdfs: /understudy/drills".to_owned(), "tables: /var/lib/understudy/store/tables/drills".to_owned()];
    let mut events = vec![
        Event::Pressed { at, spec: Box::new(spec) },
        Event::Reported { at: after(took_secs), ran: Box::new(ran) },
        Event::Cleaned { at: after(took_secs + 6), removed, left: Vec::new() },
    ];
    if signed {
        let remark = "the last hour was there, invoices open".to_owned();
        events.push(Event::SignedOff { sign_off: SignOff { at: after(took_secs + 900), by: "ana".to_owned(), remark } });
    }
    let mut state = None;
    for event in &events {
        state = match apply(state.as_ref(), event) {
            Ok(next) => Some(next),
            Err(error) => unreachable!("the sample's own drill: {error}"),
        };
    }
    match state {
        Some(state) => DrillView { report: state.report(), doing: String::new() },
        None => unreachable!("the sample's own drill has events"),
    }
}

/// Three drills, newest first.
pub fn drills() -> Vec<DrillView> {
    let held = (CheckEnd::Passed, "/opt/orders/smoke ended with status 0; it said: 4,812 orders");
    let wrong = (CheckEnd::Failed, "it answered \"0\" instead of \"1\"");
    vec![
        drill(960, "2026-11-21T03:10:00Z", 252, held, false),
        drill(940, "2026-11-20T03:10:00Z", 260, wrong, true),
        drill(920, "2026-11-14T03:10:00Z", 371, held, true),
    ]
}

/// The pre-flight lines of `orders`.
pub fn drill_checks() -> DrillChecks {
    DrillChecks {
        service: name("orders"),
        cluster: name("guiyang"),
        point: Some(PointId(id(1))),
        checks: vec![
            Check::ok("Pair", "replicating"),
            Check::ok("Agent of guiyang", "it answers"),
            Check::ok("Recovery point", "captured 2026-11-21 06:00:00 UTC, skew 84 ms"),
            Check::ok("Space in hdfs", "384.0 GiB are copied, 8.2 TiB are free"),
            Check::ok("Checks", "2; target RTO 10 min"),
            Check::ok("Other drills", "none of this service is under way"),
        ],
    }
}
