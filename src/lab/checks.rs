//! What must hold at the surviving site after a switch, each with counts. Reading the data is apart from judging it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OpenFlags};

use super::desk::{BUSY, DataPlace, KEPT_ORDERS};
use super::view::LabCheck;
use super::workload::Acknowledged;
use crate::domain::{CapturedSpan, Trouble, TroubleKind};

/// The orders and invoices that a site holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Ids of the order rows.
    pub orders: BTreeSet<u64>,
    /// Ids of the invoice files.
    pub invoices: BTreeSet<u64>,
}

impl Holdings {
    /// Reads a site's data. Blocking; the application should stand still meanwhile.
    pub fn read(place: &DataPlace) -> Result<Holdings, Trouble> {
        let files = |e: std::io::Error| Trouble::new(TroubleKind::Failed, place.invoices().display(), e);
        let tables = |e: rusqlite::Error| Trouble::new(TroubleKind::Failed, place.database.display(), e);
        let mut invoices = BTreeSet::new();
        for entry in std::fs::read_dir(place.invoices()).map_err(files)? {
            let name = entry.map_err(files)?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".json")).and_then(|id| id.parse().ok());
            let stray = || Trouble::new(TroubleKind::Corrupt, place.invoices().display(), format!("{} is no invoice", name.display()));
            invoices.insert(id.ok_or_else(stray)?);
        }
        let db = Connection::open_with_flags(&place.database, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(tables)?;
        db.busy_timeout(BUSY).map_err(tables)?;
        let mut rows = db.prepare("SELECT id FROM orders").map_err(tables)?;
        let orders = rows
            .query_map([], |row| row.get::<_, i64>(0))
            .and_then(|ids| ids.map(|id| id.map(i64::unsigned_abs)).collect::<rusqlite::Result<_>>())
            .map_err(tables)?;
        Ok(Holdings { orders, invoices })
    }
}

/// Every order has its invoice.
pub fn every_order_has_its_invoice(held: &Holdings) -> LabCheck {
    let without = held.orders.difference(&held.invoices).count();
    let all = held.orders.len();
    let detail = if without == 0 { format!("{all} of {all}") } else { format!("{without} of {all} orders have no invoice") };
    check("every order has its invoice", without == 0 && all > 0, detail)
}

/// No invoice without an order.
pub fn no_invoice_without_an_order(held: &Holdings) -> LabCheck {
    let without = held.invoices.difference(&held.orders).count();
    check("no invoice without an order", without == 0, format!("{without} found among {} invoices", held.invoices.len()))
}

/// What the application knows about a loss.
#[derive(Debug, Clone)]
pub struct Loss<'a> {
    /// The orders that the lost cluster had acknowledged.
    pub acknowledged: &'a [Acknowledged],
    /// The highest id drawn: orders [`KEPT_ORDERS`] below it are archived.
    pub last_id: u64,
    /// When the resumed point was captured.
    pub captured: CapturedSpan,
    /// When the site was lost.
    pub lost_at: DateTime<Utc>,
    /// What the report of the identity change said: seconds of writes lost.
    pub reported_secs: Option<u64>,
    /// By how much that may differ from the truth: the report counts to the primary's last sign of life, seen from outside.
    pub tolerance_secs: u64,
}

/// What is missing is what the report said: everything acknowledged before R is there, nothing sent after S is.
pub fn missing_is_what_was_said(held: &Holdings, loss: &Loss<'_>) -> LabCheck {
    let archived = loss.last_id.saturating_sub(KEPT_ORDERS);
    let known = || loss.acknowledged.iter().filter(|ack| ack.id > archived);
    let missing: Vec<_> = known().filter(|ack| !held.orders.contains(&ack.id)).collect();
    let owed = missing.iter().filter(|ack| ack.at < loss.captured.first).count();
    let early = known().filter(|ack| ack.sent > loss.captured.last && held.orders.contains(&ack.id)).count();
    let lost = loss.lost_at.signed_duration_since(loss.captured.first).to_std().unwrap_or_default();
    let told = loss.reported_secs.is_some_and(|said| said.abs_diff(lost.as_secs()) <= loss.tolerance_secs);
    let mut detail = format!("{} orders, {:.1} s", missing.len(), lost.as_secs_f64());
    if owed > 0 {
        detail += &format!("; {owed} of them were acknowledged before the recovery point's moment");
    }
    if early > 0 {
        detail += &format!("; {early} orders are there that were sent after it");
    }
    if !told {
        let said = loss.reported_secs.map_or("nothing".into(), |secs| format!("{secs} s"));
        detail += &format!("; the report said {said}");
    }
    check("what is missing is what the report said", owed == 0 && early == 0 && told, detail)
}

/// The old primary accepted nothing after it was fenced.
pub fn nothing_after_the_fence(old: &str, tried: u32, accepted: u32, before: &Holdings, after: &Holdings) -> LabCheck {
    let grown = after.orders.difference(&before.orders).count() + after.invoices.difference(&before.invoices).count();
    let held = tried > 0 && accepted == 0 && grown == 0;
    let detail = match (accepted, grown) {
        (0, 0) => format!("0 of {tried} accepted, nothing new"),
        _ => format!("{accepted} of {tried} accepted, {grown} new rows and files"),
    };
    check(&format!("{old} accepted nothing after it was fenced"), held, detail)
}

/// The application reads back at the surviving site what the point holds.
pub fn reads_back(site: &str, right: u64, wrong: u64) -> LabCheck {
    check(
        &format!("the application reads its orders at {site}"),
        right > 0 && wrong == 0,
        format!("{right} of {} read back", right + wrong),
    )
}

/// A right that was revoked at the primary is gone at the secondary.
pub fn revoked_right_is_gone(who: (&str, &str), found: Option<&str>) -> LabCheck {
    let (principal, object) = who;
    let detail =
        found.map_or_else(|| format!("{principal} has none on {object}"), |rights| format!("{principal} still may {rights} {object}"));
    check("a right revoked at the primary is gone", found.is_none(), detail)
}

/// A check that could not be made does not hold.
pub fn impossible(name: &str, trouble: &Trouble) -> LabCheck {
    check(name, false, trouble.to_string())
}

fn check(name: &str, held: bool, detail: String) -> LabCheck {
    LabCheck { name: name.to_owned(), held: Some(held), detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Grade;
    use chrono::TimeDelta;

    fn held(orders: &[u64], invoices: &[u64]) -> Holdings {
        Holdings { orders: orders.iter().copied().collect(), invoices: invoices.iter().copied().collect() }
    }

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(ms)
    }

    fn acks(times: &[i64]) -> Vec<Acknowledged> {
        let by: crate::domain::ClusterName = "east".parse().unwrap();
        times.iter().zip(1..).map(|(ms, id)| Acknowledged { id, sent: at(ms - 5), at: at(*ms), by: by.clone() }).collect()
    }

    fn loss(acknowledged: &[Acknowledged], reported_secs: Option<u64>) -> Loss<'_> {
        let captured = CapturedSpan { first: at(1_000), last: at(1_010), skew_ms: 10, grade: Grade::Quiesced };
        Loss { acknowledged, last_id: 4, captured, lost_at: at(4_100), reported_secs, tolerance_secs: 1 }
    }

    #[test]
    fn orders_without_invoices_are_counted_and_an_empty_site_holds_nothing() {
        assert_eq!(every_order_has_its_invoice(&held(&[1, 2, 3], &[1])).detail, "2 of 3 orders have no invoice");
        assert_eq!(every_order_has_its_invoice(&held(&[1, 2], &[1, 2])).held, Some(true));
        assert_eq!(every_order_has_its_invoice(&held(&[], &[])).held, Some(false), "nothing there is no success");
        assert_eq!(no_invoice_without_an_order(&held(&[1], &[1, 2])).held, Some(false));
    }

    #[test]
    fn only_what_came_after_the_moment_may_be_missing() {
        let acks = acks(&[500, 900, 2_000, 4_000]);
        let good = missing_is_what_was_said(&held(&[1, 2], &[]), &loss(&acks, Some(3)));
        assert_eq!((good.held, good.detail.as_str()), (Some(true), "2 orders, 3.1 s"));
        assert_eq!(missing_is_what_was_said(&held(&[1], &[]), &loss(&acks, Some(3))).held, Some(false), "2 was acknowledged before R");
        assert_eq!(missing_is_what_was_said(&held(&[1, 2, 4], &[]), &loss(&acks, Some(3))).held, Some(false), "4 was sent after S");
        assert_eq!(missing_is_what_was_said(&held(&[1, 2], &[]), &loss(&acks, Some(9))).held, Some(false), "the report said 9 s");
        assert_eq!(missing_is_what_was_said(&held(&[1, 2], &[]), &loss(&acks, None)).held, Some(false), "the report said nothing");
    }

    #[test]
    fn a_fence_that_was_not_tried_proves_nothing() {
        let same = held(&[1], &[1]);
        assert_eq!(nothing_after_the_fence("east", 0, 0, &same, &same).held, Some(false));
        let proven = nothing_after_the_fence("east", 10, 0, &same, &same);
        assert_eq!(proven.held, Some(true));
        assert!(proven.detail.len() <= 32, "longer is cut on the lab's screen: {}", proven.detail);
        assert_eq!(nothing_after_the_fence("east", 5, 0, &same, &held(&[1, 2], &[1])).held, Some(false));
    }
}
