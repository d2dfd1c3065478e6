//! A certificate as a person reads of it: how old it is, how long it is good, and what keeps it from being renewed.

use chrono::{DateTime, Utc};

use super::{Zone, plural};
use crate::console::said::Said;
use crate::controller::snapshot::CertificateView;

/// `issued 3 days ago`.
pub fn certificate_age(view: &CertificateView, now: DateTime<Utc>) -> Said {
    let Some(issued) = view.issued_at else { return Said::muted("issued at an unknown time") };
    let age = now - issued;
    match (age.num_hours(), age.num_days()) {
        (..0, _) => Said::plain("issued by a clock ahead of this one"),
        (0, _) => Said::plain("issued within the last hour"),
        (hours @ 1..48, _) => Said::plain(format!("issued {} ago", plural(hours.unsigned_abs(), "hour"))),
        (_, days) => Said::plain(format!("issued {} ago", plural(days.unsigned_abs(), "day"))),
    }
}

/// `14 Feb 2027, renews by itself`, or what is wrong with that.
pub fn certificate_until(view: &CertificateView, zone: Zone, now: DateTime<Utc>) -> Said {
    let until = zone.date_year(view.valid_until);
    match (&view.renewal_failure, view.ends_soon) {
        (Some(_), _) => Said::warn(format!("▲ {until}, the renewal fails")),
        (None, true) if view.valid_until < now => Said::warn(format!("▲ {until}: it has ended")),
        (None, true) => Said::warn(format!("▲ {until}, should be renewed by now")),
        (None, false) => Said::plain(format!("{until}, renews by itself")),
    }
}

/// What a person should know of a certificate, as what and why; `None`: it is as it should be.
pub fn certificate_trouble(whose: &str, view: &CertificateView, zone: Zone) -> Option<(String, String)> {
    if let Some(failure) = &view.renewal_failure {
        return Some((format!("The certificate of {whose} cannot be renewed."), failure.trouble.to_string()));
    }
    let until = zone.date_year(view.valid_until);
    let why = format!("It is valid until {until} and should have been renewed long before. Look at the clock and the disk of that host.");
    view.ends_soon.then(|| (format!("The certificate of {whose} is not renewed."), why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::snapshot::CertificateView;
    use crate::domain::{Trouble, TroubleKind};
    use crate::protocol::RenewalFailure;
    use chrono::TimeDelta;

    #[test]
    fn a_certificate_says_its_age_its_end_and_what_is_wrong_with_it() {
        let (now, zone) = (DateTime::UNIX_EPOCH + TimeDelta::days(20_000), Zone::Named(chrono_tz::UTC));
        let view = |age: TimeDelta, ends_soon| CertificateView {
            issued_at: Some(now - age),
            valid_until: now + TimeDelta::days(if ends_soon { 9 } else { 90 }),
            ends_soon,
            renewal_failure: None,
        };
        let age = |age| certificate_age(&view(age, false), now).text;
        assert_eq!(age(TimeDelta::days(3)), "issued 3 days ago");
        assert_eq!(age(TimeDelta::hours(1)), "issued 1 hour ago");
        assert_eq!(age(TimeDelta::minutes(1)), "issued within the last hour");
        assert_eq!(
            certificate_age(&CertificateView { issued_at: None, ..view(TimeDelta::zero(), false) }, now).text,
            "issued at an unknown time"
        );
        assert_eq!(certificate_until(&view(TimeDelta::zero(), false), zone, now).text, "2 Jan 2025, renews by itself");
        assert_eq!(certificate_trouble("east", &view(TimeDelta::zero(), false), zone), None);
        let (what, why) = certificate_trouble("east", &view(TimeDelta::days(81), true), zone).expect("told");
        assert!(what.contains("not renewed") && why.contains("13 Oct 2024"), "{what} {why}");
        let trouble = Trouble::new(TroubleKind::Failed, "/state/certificate.pem", "full").next("make room");
        let failing = CertificateView { renewal_failure: Some(RenewalFailure { since: now, trouble }), ..view(TimeDelta::days(61), false) };
        assert_eq!(certificate_trouble("east", &failing, zone).expect("told").1, "/state/certificate.pem: full (make room)");
        assert!(certificate_until(&failing, zone, now).text.ends_with("the renewal fails"));
    }
}
