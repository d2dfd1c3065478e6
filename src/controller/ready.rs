//! What the services would resume from, as lines of a runbook: one a service, or one for all that are alike where they are many. Pure.

use crate::domain::{CapturedSpan, ClusterName, Grade, PointId, ServiceName};

use super::command::Check;

/// With more services than this, those that are alike share a line: what is wrong with one must not stand in the middle of hundreds.
const ONE_BY_ONE: usize = 8;
/// Services named in a line before the rest is only counted.
const NAMED: usize = 8;

/// What one service would resume from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ready {
    /// The service.
    pub service: ServiceName,
    /// Its newest point that may be promoted; `None`: it would not come up.
    pub point: Option<(PointId, CapturedSpan)>,
}

impl Ready {
    fn is_wide(&self) -> bool {
        self.point.is_some_and(|(_, captured)| captured.grade == Grade::Wide)
    }
}

/// The runbook's lines, what is wrong first where they are folded.
pub(super) fn lines(secondary: &ClusterName, all: &[Ready]) -> Vec<Check> {
    if all.len() <= ONE_BY_ONE {
        return all.iter().map(|ready| line(secondary, ready)).collect();
    }
    let (with, without): (Vec<&Ready>, Vec<&Ready>) = all.iter().partition(|ready| ready.point.is_some());
    let (wide, well): (Vec<&Ready>, Vec<&Ready>) = with.into_iter().partition(|ready| ready.is_wide());
    let title = format!("Recovery points of {} services", all.len());
    let mut found = Vec::new();
    if !without.is_empty() {
        let evidence = format!("{secondary} holds none of {}: they will not come up", names(&without));
        found.push(Check::warning(format!("{title}: {} hold none", without.len()), evidence, "run a backup of them first"));
    }
    if !wide.is_empty() {
        let next = "their data sets lie further apart than the policy allows";
        found.push(Check::warning(format!("{title}: {} are wide", wide.len()), names(&wide), next));
    }
    if let (Some(first), Some(last), Some(skew)) = (moments(&well).min(), moments(&well).max(), well.iter().filter_map(|r| skew(r)).max()) {
        let span = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
        let evidence = format!("captured from {} to {}, skew at most {skew} ms", span(first), span(last));
        found.push(Check::ok(format!("{title}: {} ready", well.len()), evidence));
    }
    found
}

fn moments<'a>(of: &'a [&Ready]) -> impl Iterator<Item = chrono::DateTime<chrono::Utc>> + 'a {
    of.iter().filter_map(|ready| ready.point.map(|(_, captured)| captured.first))
}

fn skew(of: &Ready) -> Option<u64> {
    of.point.map(|(_, captured)| captured.skew_ms)
}

fn names(of: &[&Ready]) -> String {
    let named: Vec<&str> = of.iter().take(NAMED).map(|ready| ready.service.as_str()).collect();
    let more = of.len().saturating_sub(NAMED);
    if more > 0 { format!("{} and {more} more", named.join(", ")) } else { named.join(", ") }
}

fn line(secondary: &ClusterName, ready: &Ready) -> Check {
    let name = format!("Recovery point of {}", ready.service);
    let Some((id, captured)) = &ready.point else {
        return Check::warning(name, format!("{secondary} holds none: the service will not come up"), "run a backup first");
    };
    // The time first: it is what a person compares.
    let evidence = format!("captured {}, skew {} ms, {id}", captured.first.format("%Y-%m-%d %H:%M:%S UTC"), captured.skew_ms);
    match captured.grade {
        Grade::Wide => Check::warning(name, evidence, "its data sets lie further apart than the policy allows"),
        _ => Check::ok(name, evidence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::command::CheckState;
    use chrono::{DateTime, TimeDelta};

    fn ready(number: i64, grade: Option<Grade>) -> Ready {
        let first = DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(number);
        let captured = |grade| CapturedSpan { first, last: first, skew_ms: number.unsigned_abs(), grade };
        let point = grade.map(|grade| (PointId(uuid::Uuid::from_u128(7)), captured(grade)));
        Ready { service: format!("svc-{number}").parse().expect("a name"), point }
    }

    #[test]
    fn many_services_that_are_alike_share_a_line_and_the_others_are_named_first() {
        let west = "west".parse().expect("a name");
        let mut all: Vec<Ready> = (0..200).map(|number| ready(number, Some(Grade::Bounded))).collect();
        all.extend([ready(200, None), ready(201, Some(Grade::Wide))]);
        let lines = lines(&west, &all);
        let text: Vec<String> = lines.iter().map(|check| format!("{:?} | {} | {}", check.state, check.name, check.evidence)).collect();
        assert_eq!(
            text,
            [
                "Warning | Recovery points of 202 services: 1 hold none | west holds none of svc-200: they will not come up",
                "Warning | Recovery points of 202 services: 1 are wide | svc-201",
                "Ok | Recovery points of 202 services: 200 ready | captured from 2024-10-04 00:00:00 UTC to 2024-10-04 00:03:19 UTC, skew \
                 at most 199 ms",
            ]
        );
    }

    #[test]
    fn a_few_services_have_a_line_each_with_the_time_before_the_id() {
        let west = "west".parse().expect("a name");
        let lines = lines(&west, &[ready(1, Some(Grade::Bounded)), ready(2, None)]);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].evidence.starts_with("captured 2024-10-04 00:00:01 UTC, skew 1 ms, "), "{}", lines[0].evidence);
        assert_eq!((lines[1].state, lines[1].name.as_str()), (CheckState::Warning, "Recovery point of svc-2"));
    }
}
