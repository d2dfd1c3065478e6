//! What a data set of a component consists of, and what becomes of each part: one table a component. Pure.
//!
//! ```text
//! PARTS of files, tables, HDFS, HBase, Hive → docs/what-is-backed-up.md   (a test makes it; UNDERSTUDY_WRITE_DOCS=1 writes it)
//! codes of refusals and notes ───────────┘   each stands in its component's table, and the table names no other
//! ```

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{files, hbase, hdfs, hive, tables};
use crate::domain::ComponentKind;

/// What becomes of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is at the secondary as it was: the seal or the promotion compares it.
    Carried,
    /// It is at the secondary, and something about it is said under this code.
    CarriedAndNamed(&'static str),
    /// A data set that has it is refused before a byte is staged, with this code.
    Refused(&'static str),
    /// It stays behind. The policy's check, every run and the recovery point say so, under this code.
    Named(&'static str),
    /// It stays behind and is not looked for: it belongs to a cluster or a host, not to the data set. This table alone says so.
    LeftOut,
}

impl Fate {
    /// Its code; none where nothing is said.
    pub fn code(self) -> Option<&'static str> {
        match self {
            Fate::Carried | Fate::LeftOut => None,
            Fate::CarriedAndNamed(code) | Fate::Refused(code) | Fate::Named(code) => Some(code),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Fate::Carried => "carried",
            Fate::CarriedAndNamed(_) => "carried, named",
            Fate::Refused(_) => "refused",
            Fate::Named(_) => "not carried, named",
            Fate::LeftOut => "not carried",
        }
    }
}

/// One part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub what: &'static str,
    /// What becomes of it.
    pub fate: Fate,
    /// How, or why not.
    pub how: &'static str,
}

/// A row.
pub const fn part(what: &'static str, fate: Fate, how: &'static str) -> Part {
    Part { what, fate, how }
}

/// Every table, with what a data set of the component is.
pub fn all() -> [(ComponentKind, &'static str, &'static [Part]); 5] {
    [
        (ComponentKind::Hdfs, "a directory with all that is below it", hdfs::PARTS),
        (ComponentKind::Hbase, "a table", hbase::PARTS),
        (ComponentKind::Hive, "a database, or one table", hive::PARTS),
        (ComponentKind::Files, "a directory of the agent's host with all that is below it", files::PARTS),
        (ComponentKind::Tables, "a table of a SQLite database", tables::PARTS),
    ]
}

/// The codes that a table names.
pub fn codes(parts: &[Part]) -> BTreeSet<&'static str> {
    parts.iter().filter_map(|part| part.fate.code()).collect()
}

const HEAD: &str = "# What is backed up

Understudy carries data sets. This page says for each component what a data set consists of, and what becomes of each part.
It is made from the tables in the code (`PARTS` of each component), and a test keeps it so.

| word | meaning |
|---|---|
| carried | the part is at the secondary as it was |
| carried, named | the part is at the secondary, and something about it is said |
| refused | a data set that has it is not backed up: the policy or the run is refused by name, before a byte is staged |
| not carried, named | the part stays behind: the policy's check, every run and the recovery point say so |
| not carried | the part stays behind and is not looked for: only this page says so |

The code is the name of the note or refusal in JSON (`code`), which does not change. `understudy points SERVICE --json` lists the notes of the
run that made a recovery point (`notes`).
";

/// The page `docs/what-is-backed-up.md`.
pub fn page() -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut page = String::from(HEAD);
    let mut line = |text: std::fmt::Arguments<'_>| page.write_fmt(format_args!("{text}\n")).unwrap_or_default();
    line(format_args!("\n## Not supported by this version\n\nA data set or a cluster that has one of these is refused by name:\n"));
    for unsupported in NOT_SUPPORTED {
        line(format_args!("- {unsupported}"));
    }
    for (kind, what, parts) in all() {
        line(format_args!(
            "\n## {kind}\n\nA data set is {what}.\n\n| part | what becomes of it | code | how, or why not |\n|---|---|---|---|"
        ));
        for part in parts {
            let code = part.fate.code().map_or(String::new(), |code| format!("`{code}`"));
            line(format_args!("| {} | {} | {code} | {} |", cell(part.what), part.fate.word(), cell(part.how)));
        }
    }
    page
}

/// What the first screen of README.md says too.
pub const NOT_SUPPORTED: &[&str] = &[
    "clusters with Kerberos",
    "Hive's transactional (ACID) tables and materialized views",
    "Iceberg tables, and Hive tables that read through symlink manifests",
    "targets in an HDFS encryption zone (a source in one is copied, and is not encrypted at the secondary)",
    "data outside HDFS (S3, Ozone, ABFS) of Hive tables",
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_documentation_is_what_the_tables_say() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/what-is-backed-up.md");
        if std::env::var_os("UNDERSTUDY_WRITE_DOCS").is_some() {
            std::fs::write(&path, page()).expect("written");
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(there == page(), "docs/what-is-backed-up.md is not made from the tables: UNDERSTUDY_WRITE_DOCS=1 cargo test --lib parts");
    }

    #[test]
    fn the_first_screen_of_the_readme_names_what_is_not_supported_and_leads_to_the_table() {
        let readme = include_str!("../../README.md");
        let first: String = readme.lines().take(40).collect::<Vec<_>>().join(" ");
        for named in ["Kerberos", "ACID", "Iceberg", "encryption zone", "symlink manifests", "docs/what-is-backed-up.md"] {
            assert!(first.contains(named), "{named}");
        }
    }

    #[test]
    fn each_part_is_named_once_and_its_code_is_one() {
        for (kind, _, parts) in all() {
            let names: BTreeSet<&str> = parts.iter().map(|part| part.what).collect();
            assert_eq!(names.len(), parts.len(), "{kind}");
            let codes = codes(parts);
            let is_kebab = |code: &str| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            assert!(codes.iter().all(|code| is_kebab(code)), "{kind}: {codes:?}");
        }
    }
}
