//! Whether two clusters' components fit one another: what they are and their versions in, a verdict in words out. Pure.

use super::{ComponentInfo, ComponentKind};

/// What two components of one kind are to one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// Nothing speaks against it.
    Good,
    /// Nobody has tried it, or it is known to have limits: why, and what to do.
    Doubtful(String, &'static str),
    /// What one writes the other does not read: why, and what to do.
    Bad(String, &'static str),
}

const TRY: &str = "try a run and a drill before you rely on it";
const SAME: &str = "bring both clusters to the same major version, or leave this component out";

/// Whether `theirs`, at the secondary, can hold what `mine`, at the primary, has; and the other way round after a failover.
///
/// A component that has no version (a directory, a database file) fits every other of its kind; so does one that has not told it.
pub fn fit(mine: &ComponentInfo, theirs: &ComponentInfo) -> Fit {
    let (Some(here), Some(there)) = (numbers(&mine.version), numbers(&theirs.version)) else { return Fit::Good };
    let kind = mine.kind;
    let both = format!("{kind} {} here, {} there", mine.version, theirs.version);
    match kind {
        ComponentKind::Files | ComponentKind::Tables => Fit::Good,
        // Bytes and attributes are the same in all of them.
        ComponentKind::Hdfs if here.0 != there.0 => Fit::Doubtful(both, TRY),
        ComponentKind::Hdfs => Fit::Good,
        ComponentKind::Hbase if here.0 != there.0 => Fit::Bad(format!("{both}: one does not read the other's snapshots"), SAME),
        // HBase promises that newer releases read what older ones wrote, not the reverse.
        ComponentKind::Hbase if here != there => {
            Fit::Doubtful(format!("{both}: the older does not promise to read the newer's files"), TRY)
        }
        ComponentKind::Hbase => Fit::Good,
        ComponentKind::Hive if here.0 != there.0 => Fit::Bad(format!("{both}: their metastores describe tables differently"), SAME),
        ComponentKind::Hive if [mine, theirs].iter().any(|info| is_untested_hive(&info.version)) => Fit::Doubtful(both, TRY),
        ComponentKind::Hive => Fit::Good,
    }
}

/// Versions of Hive that are like the one that the tests run against, 3.1.
const TESTED_HIVE: &str = "3.";

/// Whether it is of another line than what the tests run against; one that is not told is not guessed at.
pub fn is_untested_hive(version: &str) -> bool {
    !version.is_empty() && !version.starts_with(TESTED_HIVE)
}

/// Major and minor version, for example 2 and 6 of `2.6.1-hadoop3`; `None`: not told, or not numbers.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(kind: ComponentKind, version: &str) -> ComponentInfo {
        let name = kind.to_string().parse().expect("a name");
        ComponentInfo { version: version.into(), described: true, ..ComponentInfo::undescribed(name, kind) }
    }

    fn of(kind: ComponentKind, mine: &str, theirs: &str) -> Fit {
        fit(&info(kind, mine), &info(kind, theirs))
    }

    #[test]
    fn the_same_version_fits_and_a_vendor_s_suffix_does_not_matter() {
        for (kind, version) in [(ComponentKind::Hdfs, "3.4.1"), (ComponentKind::Hbase, "2.6.1"), (ComponentKind::Hive, "3.1.3")] {
            assert_eq!(of(kind, version, version), Fit::Good);
            assert_eq!(of(kind, version, &format!("{version}-vendor7")), Fit::Good);
        }
    }

    #[test]
    fn what_one_cannot_read_is_told_with_both_versions() {
        for (kind, mine, theirs) in [(ComponentKind::Hbase, "2.6.1", "3.0.0"), (ComponentKind::Hive, "3.1.3", "4.0.1")] {
            let Fit::Bad(why, fix) = of(kind, mine, theirs) else { panic!("{kind} {mine} with {theirs}") };
            assert!(why.contains(mine) && why.contains(theirs) && !fix.is_empty(), "{why}");
            assert!(matches!(of(kind, theirs, mine), Fit::Bad(..)), "after a failover it is the other way round");
        }
    }

    #[test]
    fn what_nobody_tried_is_doubtful_and_the_unknown_is_not_guessed_at() {
        for (kind, mine, theirs) in
            [(ComponentKind::Hdfs, "2.10.2", "3.4.1"), (ComponentKind::Hbase, "2.6.1", "2.4.18"), (ComponentKind::Hive, "4.0.1", "4.0.1")]
        {
            assert!(matches!(of(kind, mine, theirs), Fit::Doubtful(..)), "{kind} {mine} with {theirs}");
        }
        assert_eq!(of(ComponentKind::Hbase, "", "2.6.1"), Fit::Good);
        assert_eq!(of(ComponentKind::Files, "", ""), Fit::Good);
    }
}
