//! Certificates live as long as the engine runs, and a person hears of one that is not renewed.

use chrono::{TimeDelta, Utc};

use understudy::controller::Snapshot;
use understudy::controller::snapshot::Level;
use understudy::domain::{Trouble, TroubleKind};
use understudy::protocol::RenewalFailure;

use crate::sim::certificate;
use crate::stand::Stand;

/// Lines of activity about certificates, newest first.
fn told(snapshot: &Snapshot) -> Vec<(Level, String)> {
    let lines = snapshot.activity.iter().filter(|line| line.text.contains("certificate"));
    lines.map(|line| (line.level, line.text.clone())).collect()
}

fn both_answer(snapshot: &Snapshot) -> bool {
    snapshot.pairs[0].clusters.iter().all(|cluster| cluster.agent_answers)
}

#[tokio::test]
async fn an_engine_that_has_run_for_a_hundred_days_has_renewed_its_certificate_and_sees_both_agents() {
    let stand = Stand::paired().await;
    stand.world.own.lock().unwrap().status = Some(certificate(90));
    let shown = stand.until("it is shown", |s| s.certificate.is_some()).await;
    assert!(!shown.certificate.as_ref().unwrap().ends_soon);
    assert_eq!(stand.world.own.lock().unwrap().renewals, 0, "none is due");

    stand.step_clock(TimeDelta::days(100));
    let later = Utc::now() + TimeDelta::days(180);
    let renewed = |s: &Snapshot| s.certificate.as_ref().is_some_and(|own| own.valid_until > later && !own.ends_soon);
    let shown = stand.until("it is renewed", renewed).await;
    assert!(both_answer(&shown));
    assert_eq!(stand.world.own.lock().unwrap().renewals, 1, "once");
    stand.until("it is told", |s| told(s).iter().any(|(level, text)| *level == Level::Info && text.contains("renewed"))).await;
    stand.stop().await;
}

#[tokio::test]
async fn a_renewal_that_fails_is_alerted_once_with_what_to_do_and_its_end_is_told() {
    let stand = Stand::paired().await;
    let full = Trouble::new(TroubleKind::Failed, "/state/certificate.pem", "the disk is full").next("make room there");
    {
        let mut own = stand.world.own.lock().unwrap();
        (own.status, own.trouble) = (Some(certificate(20)), Some(full.clone()));
    }
    let failing = |s: &Snapshot| s.certificate.as_ref().is_some_and(|own| own.renewal_failure.is_some());
    stand.until("it is shown", failing).await;
    let alerted = |s: &Snapshot| told(s).iter().any(|(level, text)| *level == Level::Warning && text.contains("make room there"));
    stand.until("it is alerted", alerted).await;
    // It goes on to fail for a quarter of an hour.
    stand.step_clock(TimeDelta::minutes(11));
    stand.until("it is tried again", |_| stand.world.own.lock().unwrap().renewals == 2).await;
    stand.world.own.lock().unwrap().trouble = None;
    stand.step_clock(TimeDelta::minutes(22));
    let over = |s: &Snapshot| told(s).iter().any(|(level, text)| *level == Level::Info && text.contains("by itself again"));
    let shown = stand.until("it is over", over).await;
    assert_eq!(told(&shown).iter().filter(|(level, _)| *level == Level::Warning).count(), 1, "once: {:?}", told(&shown));
    assert!(!failing(&shown));
    stand.stop().await;
}

#[tokio::test]
async fn an_agent_that_cannot_renew_and_one_that_is_not_renewed_are_alerted_by_name() {
    let stand = Stand::paired().await;
    let trouble = Trouble::new(TroubleKind::Failed, "/var/lib/agent/certificate.pem", "the disk is full").next("make room there");
    stand.world.east().certificate.renewal_failure = Some(RenewalFailure { since: Utc::now(), trouble });
    stand.world.west().certificate.valid_until = Utc::now() + TimeDelta::days(14);
    let has = |s: &Snapshot, parts: &[&str]| {
        told(s).iter().any(|(level, text)| *level == Level::Warning && parts.iter().all(|part| text.contains(part)))
    };
    let shown = stand
        .until("both are alerted", |s| {
            has(s, &["agent of east", "/var/lib/agent/certificate.pem", "make room there"])
                && has(s, &["agent of west ends", "look at the host"])
        })
        .await;
    let clusters = &shown.pairs[0].clusters;
    let east = clusters.iter().find(|cluster| cluster.name.as_str() == "east").unwrap().certificate.clone().unwrap();
    let west = clusters.iter().find(|cluster| cluster.name.as_str() == "west").unwrap().certificate.clone().unwrap();
    assert!(east.renewal_failure.is_some() && !east.ends_soon && west.ends_soon, "{east:?} {west:?}");

    // An agent that is away is no news; back and renewed, it is told to be over.
    stand.world.west().up = false;
    stand.until("it is away", |s| !both_answer(s)).await;
    stand.world.west().certificate = certificate(90);
    stand.world.east().certificate.renewal_failure = None;
    stand.until("east is over", |s| told(s).iter().any(|(_, text)| text.contains("agent of east is renewed by itself again"))).await;
    assert!(!told(&stand.handle().snapshot()).iter().any(|(_, text)| text.contains("agent of west is renewed")));
    stand.world.west().up = true;
    let shown =
        stand.until("west is over", |s| told(s).iter().any(|(_, text)| text.contains("agent of west is renewed by itself again"))).await;
    assert_eq!(told(&shown).iter().filter(|(level, _)| *level == Level::Warning).count(), 2, "each once: {:?}", told(&shown));
    stand.stop().await;
}
