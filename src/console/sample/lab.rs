//! The sample's training lab.

use chrono::Duration;

use super::{name, now};
use crate::domain::Consistency;
use crate::lab::view::{LabCheck, LabSnapshot, LabStep, Scenario, SiteView, WorkloadSecond, WorkloadView};

fn workload() -> WorkloadView {
    let from = now() - Duration::seconds(240);
    let seconds = (0..240u32).map(|second| {
        let wave = second * 7 % 11;
        let (orders, served_by) = match second {
            0..116 => (84 + wave, Some(name("east"))),
            116..167 => (0, None),
            167 => (72, Some(name("west"))),
            _ => (83 + wave, Some(name("west"))),
        };
        WorkloadSecond { at: from + Duration::seconds(i64::from(second)), orders, served_by }
    });
    WorkloadView {
        sent: 12_516,
        written: 12_480,
        after_point: 312,
        seconds: seconds.collect(),
        marks: vec![
            (from + Duration::seconds(116), "east lost".to_owned()),
            (from + Duration::seconds(167), "identity adjusted".to_owned()),
        ],
    }
}

/// The scenario *site loss*, nearly done.
pub fn lab() -> LabSnapshot {
    let site = |text: &str, up| SiteView { name: name(text), up, frozen: false, disk_full: false, clock_step_secs: 0 };
    let check = |text: &str, detail: &str| LabCheck { name: text.to_owned(), held: Some(true), detail: detail.to_owned() };
    let step = |text: &str, done| LabStep { text: text.to_owned(), done };
    LabSnapshot {
        doing: "running".to_owned(),
        ready: true,
        scenario: Some(Scenario::SiteLoss),
        consistency: Consistency::Service,
        sites: vec![site("east", false), site("west", true)],
        link_cut: false,
        console_cut: false,
        workload: workload(),
        checks: vec![
            check("Every order has its invoice", "12 168 of 12 168"),
            check("No invoice without an order", "0 found"),
            check("What is missing is what the report said", "312 orders, 3.1 s"),
            check("East accepted nothing after it was fenced", "0 writes"),
        ],
        steps: vec![
            step("Watch the topology: east turns grey, then red.", true),
            step("Read the prompt. Who saw it? What would be lost?", true),
            step("Decide, type west, adjust the identity.", true),
            step("Check that applications go on.", false),
            step("Bring east back. What does it say?", false),
            step("Write your report.", false),
        ],
        rto_ms: Some(51_000),
        rpo_ms: Some(3_100),
        deciding_ms: Some(38_000),
        switching_ms: Some(1_200),
        wrong_moves: 0,
        old_way: Some("Tables captured at 14:05:00, files at 14:04:20: 2 713 orders without an invoice. That is what one moment for the whole service prevents.".to_owned()),
        trouble: None,
    }
}
