//! What the owner of a data set of HDFS should know: where its snapshots are, and what that forbids. Codes are promises; words are made here.

use serde::{Deserialize, Serialize};

use super::Hdfs;
use super::roots::is_inside;
use crate::protocol::Note;

/// One thing to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum HdfsNote {
    /// Snapshots are on the data set's own directory.
    RootStays {
        /// The directory.
        path: String,
    },
    /// They are on a directory above it, which other data sets share.
    SnapshotsWider {
        /// The data set's directory.
        path: String,
        /// The directory above.
        root: String,
    },
}

impl HdfsNote {
    /// The code, as JSON has it.
    pub fn code(&self) -> &'static str {
        match self {
            HdfsNote::RootStays { .. } => "root-stays",
            HdfsNote::SnapshotsWider { .. } => "snapshots-wider",
        }
    }

    /// As the policy check tells it.
    pub fn told(&self, object: &str) -> Note {
        let (reason, next_step) = match self {
            HdfsNote::RootStays { path } => (
                format!(
                    "snapshots are on {path} itself: applications can delete and rename what is in {path}, and not {path} or a directory above \
                     it, while a recovery point is held"
                ),
                "if an application replaces the whole directory, name the directory above it as the data set",
            ),
            HdfsNote::SnapshotsWider { path, root } => (
                format!(
                    "snapshots for {path} are on {root}, as for other data sets there; what is deleted in {root} keeps its space while a \
                     recovery point is held"
                ),
                "plan space for it",
            ),
        };
        Note { code: self.code().to_owned(), object: object.to_owned(), reason, next_step: next_step.to_owned() }
    }
}

impl Hdfs {
    /// What a policy says of a data set. A NameNode that does not answer forbids no policy.
    pub(super) async fn policy_notes(&self, set: &str) -> Vec<HdfsNote> {
        let known = self.known_roots(&[set.to_owned()]).await.unwrap_or_default();
        let above = known.into_iter().find(|root| root.shared && root.path != set && is_inside(set, &root.path));
        let path = set.to_owned();
        vec![match above {
            Some(above) => HdfsNote::SnapshotsWider { path, root: above.path },
            None => HdfsNote::RootStays { path },
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_in_json_is_the_code() {
        for note in [HdfsNote::RootStays { path: "/d".into() }, HdfsNote::SnapshotsWider { path: "/d/x".into(), root: "/d".into() }] {
            assert_eq!(serde_json::to_value(&note).expect("JSON")["code"], note.code());
            assert!(note.told("hdfs:/d").reason.contains("/d"));
        }
    }
}
