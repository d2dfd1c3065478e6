//! The checks that a service's owner writes into its policy, and what one of them brought.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::DataSetName;

/// The longest time limit of one check, in seconds: a step that is silent for longer counts as hung.
pub const MOST_SECS: u32 = 300;

/// One check: a command, an HTTP call or a query, and what must come of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillCheck {
    /// What it proves, for people.
    pub name: String,
    /// A program and its arguments, run without a shell beside the secondary's agent; must end with status 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Called (GET) from the secondary's agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// What it must answer; 200 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_status: Option<u16>,
    /// A query, read-only, of a `tables` data set's drill database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// The data set whose database it asks, as it is called at the secondary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<DataSetName>,
    /// The first value of the first row, as text, must be this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// Seconds until it counts as failed.
    #[serde(default = "default_limit_secs", skip_serializing_if = "is_default_limit")]
    pub limit_secs: u32,
}

fn default_limit_secs() -> u32 {
    60
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_default_limit(secs: &u32) -> bool {
    *secs == default_limit_secs()
}

/// What a check does, once it is known to be of one sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// Run a program.
    Command {
        /// It.
        program: &'a str,
        /// Its arguments.
        arguments: &'a [String],
    },
    /// Call a URL.
    Http {
        /// It.
        url: &'a str,
        /// The status that it must answer.
        status: u16,
    },
    /// Ask a database.
    Sql {
        /// The query.
        query: &'a str,
        /// Whose database.
        on: &'a DataSetName,
        /// What must come.
        expect: &'a str,
    },
}

impl DrillCheck {
    /// One that does nothing yet.
    pub fn named(name: &str) -> DrillCheck {
        DrillCheck {
            name: name.to_owned(),
            command: None,
            http: None,
            expect_status: None,
            sql: None,
            on: None,
            expect: None,
            limit_secs: default_limit_secs(),
        }
    }

    /// Its sort, or what is wrong with it.
    pub fn kind(&self) -> Result<Kind<'_>, &'static str> {
        if self.name.trim().is_empty() {
            return Err("it has no name");
        }
        if self.limit_secs == 0 || self.limit_secs > MOST_SECS {
            return Err("its limit is not between 1 and 300 s");
        }
        match (&self.command, &self.http, &self.sql) {
            (Some(command), None, None) => match command.as_slice() {
                _ if self.expect_status.is_some() || self.on.is_some() || self.expect.is_some() => {
                    Err("a command's exit status decides; it has no `expect`, `expect_status` or `on`")
                }
                [program, arguments @ ..] if !program.is_empty() => Ok(Kind::Command { program, arguments }),
                _ => Err("its command names no program"),
            },
            (None, Some(_), None) if self.on.is_some() || self.expect.is_some() => {
                Err("an HTTP call is judged by `expect_status`; it has no `expect` or `on`")
            }
            (None, Some(url), None) if url.starts_with("http://") || url.starts_with("https://") => {
                Ok(Kind::Http { url, status: self.expect_status.unwrap_or(200) })
            }
            (None, Some(_), None) => Err("its URL is not http:// or https://"),
            (None, None, Some(_)) if self.expect_status.is_some() => Err("a query has no `expect_status`"),
            (None, None, Some(query)) if query.trim().is_empty() => Err("its query is empty"),
            (None, None, Some(query)) => match (&self.on, &self.expect) {
                (Some(on), Some(expect)) => Ok(Kind::Sql { query, on, expect }),
                (None, _) => Err("its query does not say `on` which data set"),
                (_, None) => Err("its query does not say what to `expect`: it could not fail"),
            },
            _ => Err("it must have one of `command`, `http` and `sql`"),
        }
    }
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckEnd {
    /// What was expected.
    Passed,
    /// Something else.
    Failed,
    /// It was not come to.
    NotExecuted,
}

/// What a check brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub state: CheckEnd,
    /// What was seen, bounded.
    pub evidence: String,
    /// Milliseconds it took.
    pub took_ms: u64,
}

impl CheckResult {
    /// One that was not come to.
    pub fn not_executed(check: &DrillCheck) -> CheckResult {
        CheckResult { name: check.name.clone(), state: CheckEnd::NotExecuted, evidence: String::new(), took_ms: 0 }
    }
}

/// A data set's place in a drill's space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillPlace {
    /// The data set, as it is called at the secondary.
    pub data_set: DataSetName,
    /// Where the drill has it: a directory, a database file, an HDFS URL, a database's or a table's full name.
    pub place: String,
}

/// The variables that tell a command where a drill has its data sets: `UNDERSTUDY_PLACE_FILES_INVOICES`. Two data sets whose names come
/// out alike get a number each but the first.
pub fn variables(places: &[DrillPlace]) -> BTreeMap<String, String> {
    let mut known = BTreeSet::new();
    let mut all = BTreeMap::new();
    for place in places {
        let plain = place.data_set.to_string();
        let words: Vec<String> =
            plain.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_ascii_uppercase).collect();
        let first = format!("UNDERSTUDY_PLACE_{}", words.join("_"));
        let name = std::iter::once(first.clone()).chain((2_u32..).map(|n| format!("{first}_{n}"))).find(|name| !known.contains(name));
        if let Some(name) = name {
            known.insert(name.clone());
            all.insert(name, place.place.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> DrillCheck {
        toml::from_str(&format!("name = 'orders are there'\n{text}")).expect("a check")
    }

    #[test]
    fn a_check_is_of_one_sort_and_can_fail() {
        assert!(matches!(check("command = ['/bin/test', '-s', 'x']").kind(), Ok(Kind::Command { program: "/bin/test", .. })));
        assert!(matches!(check("http = 'http://localhost/health'").kind(), Ok(Kind::Http { status: 200, .. })));
        assert!(matches!(check("sql = 'select 1'\non = 'tables:orders'\nexpect = '1'").kind(), Ok(Kind::Sql { expect: "1", .. })));
        for wrong in [
            "",
            "command = []",
            "command = ['']",
            "command = ['x']\nhttp = 'http://x'",
            "command = ['x']\nexpect = '1'",
            "http = 'ftp://x'",
            "http = 'http://x'\nexpect = '1'",
            "sql = 'select 1'\nexpect = '1'",
            "sql = 'select 1'\non = 'tables:orders'",
            "sql = ' '\non = 'tables:orders'\nexpect = '1'",
            "command = ['x']\nlimit_secs = 0",
            "command = ['x']\nlimit_secs = 301",
        ] {
            assert!(check(wrong).kind().is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_data_set_has_a_variable_of_its_own() {
        let place = |set: &str| DrillPlace { data_set: set.parse().expect("a name"), place: format!("place of {set}") };
        let all = variables(&[place("hdfs:/data/orders"), place("hdfs:/data-orders"), place("tables:orders")]);
        assert_eq!(all.len(), 3);
        assert_eq!(all["UNDERSTUDY_PLACE_HDFS_DATA_ORDERS"], "place of hdfs:/data/orders");
        assert_eq!(all["UNDERSTUDY_PLACE_HDFS_DATA_ORDERS_2"], "place of hdfs:/data-orders");
    }
}
