//! What a restore beside the live data did.

use serde::{Deserialize, Serialize};

use crate::domain::restore::{ComparedWith, RestoreEnding, RestoreNote};
use crate::domain::{ClusterName, DataSetName, Digest, PointId, RestoreId, ServiceName, Trouble};

/// `restore --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// How it ended.
    pub ending: RestoreEnding,
    /// It; `None`: it was refused before it had an id.
    pub restore: Option<RestoreId>,
    /// The recovery point.
    pub point: PointId,
    /// Its service; `None`: no such point is known.
    pub service: Option<ServiceName>,
    /// The data set, by its name at the cluster.
    pub data_set: DataSetName,
    /// Only this directory or table in it.
    pub only: Option<String>,
    /// Where; `None`: no such point is known.
    pub cluster: Option<ClusterName>,
    /// Where to, as it was asked for.
    pub place: String,
    /// What was compared before it was put into place.
    pub proof: Option<RestoreEvidence>,
    /// Why it is not restored.
    pub error: Option<Trouble>,
}

/// What a restore proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreEvidence {
    /// The place, as the component's clients call it.
    pub place: String,
    /// What it was compared with.
    pub compared_with: ComparedWith,
    /// Files, or parts of tables, that were compared one by one.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Digest of what was compared with.
    pub digest: Digest,
    /// What is not, or not so.
    pub notes: Vec<RestoreNote>,
}

impl RestoreReport {
    /// For a person, a line each.
    pub fn lines(&self) -> Vec<String> {
        let of = match &self.only {
            Some(only) => format!("{only} of {}", self.data_set),
            None => self.data_set.to_string(),
        };
        let at = self.cluster.as_ref().map_or(String::new(), |cluster| format!(" at {cluster}"));
        match (&self.ending, &self.proof) {
            (RestoreEnding::Restored, Some(proof)) => {
                let with = match proof.compared_with {
                    ComparedWith::Manifest => "with the point's manifest",
                    ComparedWith::OwnCapture => {
                        "with what the capture itself says (the cluster that keeps the point's manifest did not answer)"
                    }
                };
                let mut lines = vec![
                    format!("restored: {of} of point {} is{at} in {}", self.point, proof.place),
                    format!("{} files or parts, {} bytes, compared {with}: {}", proof.files, proof.bytes, proof.digest),
                    "it is open and belongs to its owner: nothing of Understudy changes or removes it".to_owned(),
                ];
                lines.extend(proof.notes.iter().map(|note| format!("note: {note}")));
                lines
            }
            (RestoreEnding::HalfMade, _) => vec![format!(
                "half-made: {of} of point {}{at}; asked again it goes on, and `understudy leftovers PAIR --remove` removes it",
                self.point
            )],
            (RestoreEnding::Unanswered, _) => {
                vec![format!("unanswered: {of} of point {}{at} may go on by itself; asked again it is followed", self.point)]
            }
            _ => vec![format!("refused: nothing of {of} was restored{at}")],
        }
    }
}
