//! Restoring one data set of a sealed point beside the live data: where it may go, what refuses it, how it ended. Pure.
//!
//! ```text
//! place named by a person → spelled as the component does → shares nothing with a data set, nothing of ours, not there yet → brought up
//! ```

use serde::{Deserialize, Serialize};

use super::{ClusterName, ComponentKind, DataSetName, Digest, Manifest, PairName, PointId, RelPath, RestoreId, Trouble, TroubleKind};

/// Why nothing is restored. The codes stay; words are made from them here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case", tag = "code")]
pub enum RestoreRefusal {
    /// Something is there already.
    PlaceExists {
        /// The place.
        place: String,
    },
    /// The place is a data set of a pair, or lies inside one.
    PlaceInDataSet {
        /// The place.
        place: String,
        /// The data set.
        data_set: DataSetName,
        /// Whose.
        pair: PairName,
    },
    /// A data set of a pair lies inside the place.
    PlaceAboveDataSet {
        /// The place.
        place: String,
        /// The data set.
        data_set: DataSetName,
        /// Whose.
        pair: PairName,
    },
    /// The place is where this program keeps its own.
    PlaceIsOurs {
        /// The place.
        place: String,
        /// What of ours is there.
        ours: String,
    },
    /// The text is no place of the component.
    PlaceInvalid {
        /// The text.
        place: String,
        /// What it has to be.
        wanted: String,
    },
    /// What the place would lie in is not there.
    NoParent {
        /// The place.
        place: String,
        /// What is missing.
        parent: String,
    },
    /// A restore to this place is under way, or half-made.
    PlaceTaken {
        /// The place.
        place: String,
        /// The restore.
        restore: RestoreId,
    },
    /// The cluster does not hold the point's data set.
    NotHeld {
        /// The cluster.
        cluster: ClusterName,
        /// The point.
        point: PointId,
    },
    /// The point has no such data set.
    NoSuchDataSet {
        /// Its data sets.
        known: Vec<String>,
    },
    /// The data set has no such part in the point.
    NoSuchPart {
        /// The part.
        only: String,
    },
    /// Parts of this sort of data set cannot be restored alone.
    NoParts {
        /// The component.
        kind: ComponentKind,
    },
    /// The agent's version cannot restore.
    AgentTooOld {
        /// Its cluster.
        cluster: ClusterName,
    },
    /// A restore reads what was to be given up.
    RestoreReads {
        /// The restore.
        restore: RestoreId,
        /// Where to.
        place: String,
    },
    /// It is whole: it belongs to its owner.
    AlreadyWhole {
        /// Where it is.
        place: String,
    },
}

impl RestoreRefusal {
    /// In words, with what to do. `object`: what a person asked about.
    pub fn trouble(&self, object: impl std::fmt::Display) -> Trouble {
        use RestoreRefusal as R;
        let (kind, reason, next) = match self {
            R::PlaceExists { place } => {
                (TroubleKind::Refused, format!("{place} exists already"), "name a place that does not exist yet".to_owned())
            }
            R::PlaceInDataSet { place, data_set, pair } => (
                TroubleKind::Refused,
                format!("{place} lies in {data_set}, a data set of pair {pair}"),
                "name a place outside every data set: a restore never touches live data".to_owned(),
            ),
            R::PlaceAboveDataSet { place, data_set, pair } => (
                TroubleKind::Refused,
                format!("{data_set}, a data set of pair {pair}, lies in {place}"),
                "name a place outside every data set: a restore never touches live data".to_owned(),
            ),
            R::PlaceIsOurs { place, ours } => (TroubleKind::Refused, format!("{place} is {ours}"), "name a place of your own".to_owned()),
            R::PlaceInvalid { place, wanted } => {
                (TroubleKind::Invalid, format!("{place:?} is no place to restore to"), format!("name {wanted}"))
            }
            R::NoParent { place, parent } => (
                TroubleKind::Refused,
                format!("{parent}, which {place} would lie in, does not exist"),
                "make it first, or name another place".to_owned(),
            ),
            R::PlaceTaken { place, restore } => (
                TroubleKind::Refused,
                format!("restore {restore} to {place} is under way, or half-made"),
                "wait for its end; what is half-made is listed by `understudy leftovers PAIR` and removed with --remove".to_owned(),
            ),
            R::NotHeld { cluster, point } => (
                TroubleKind::NotFound,
                format!("{cluster} does not hold it in point {point}"),
                "restore it at the other cluster with --at, or choose another recovery point (`understudy points SERVICE`)".to_owned(),
            ),
            R::NoSuchDataSet { known } => {
                (TroubleKind::NotFound, "the point has no such data set".to_owned(), format!("it has: {}", known.join(", ")))
            }
            R::NoSuchPart { only } => (
                TroubleKind::NotFound,
                format!("it has no {only} in this point"),
                "name a directory, or a table of a database, as it was called then".to_owned(),
            ),
            R::NoParts { kind } => {
                (TroubleKind::Invalid, format!("a part of a data set of {kind} cannot be restored alone"), "leave --only out".to_owned())
            }
            R::AgentTooOld { cluster } => (
                TroubleKind::Refused,
                format!("the version of the agent at {cluster} cannot restore beside the live data"),
                "install this version there, then try again".to_owned(),
            ),
            R::RestoreReads { restore, place } => {
                (TroubleKind::Refused, format!("restore {restore} to {place} is under way"), "wait for its end".to_owned())
            }
            R::AlreadyWhole { place } => (
                TroubleKind::Refused,
                format!("it has ended: {place} is whole and belongs to its owner"),
                "remove it yourself if nobody needs it".to_owned(),
            ),
        };
        Trouble::new(kind, object, reason).next(next).coded(self)
    }

    /// The refusal that a trouble is, if it is one of these.
    pub fn of(trouble: &Trouble) -> Option<RestoreRefusal> {
        serde_json::from_value(*trouble.facts.clone()?).ok()
    }
}

/// Whether a place shares anything with a data set. `separator` parts the component's paths, `folds` whether case counts for nothing.
pub fn beside(
    place: &DataSetName,
    separator: char,
    folds: bool,
    held: impl IntoIterator<Item = (PairName, DataSetName)>,
) -> Result<(), RestoreRefusal> {
    let fold =
        |set: &DataSetName| DataSetName { path: if folds { set.path.to_ascii_lowercase() } else { set.path.clone() }, ..set.clone() };
    let own = fold(place);
    for (pair, data_set) in held {
        let theirs = fold(&data_set);
        if !own.shares_place(&theirs, separator) {
            continue;
        }
        let place = place.to_string();
        let is_above = own.path.trim_matches('/').len() < theirs.path.trim_matches('/').len();
        return Err(match is_above {
            true => RestoreRefusal::PlaceAboveDataSet { place, data_set, pair },
            false => RestoreRefusal::PlaceInDataSet { place, data_set, pair },
        });
    }
    Ok(())
}

/// A directory as a person names it, with or without slashes around; `None` when it is none.
pub fn directory(text: &str) -> Option<RelPath> {
    let text = text.strip_prefix('/').unwrap_or(text);
    RelPath::new(text.strip_suffix('/').unwrap_or(text)).ok()
}

/// The part of a manifest below a directory, as a whole of its own; `None` when the directory is not in it.
pub fn part(manifest: &Manifest, only: &RelPath) -> Option<Manifest> {
    if only.is_root() {
        return Some(manifest.clone());
    }
    let below = format!("{only}/");
    let inner = |path: &RelPath| -> Option<RelPath> {
        if path == only { Some(RelPath::root()) } else { RelPath::new(path.as_str().strip_prefix(&below)?).ok() }
    };
    manifest.entries.get(only).filter(|entry| entry.node == super::Node::Directory)?;
    let entries = manifest.entries.values().filter_map(|entry| {
        let path = inner(&entry.path)?;
        Some(super::Entry { path, ..entry.clone() })
    });
    Some(Manifest::from_entries(entries))
}

/// With what the restored data was compared before anybody was told that it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComparedWith {
    /// The point's own manifest, whose digest its record names.
    Manifest,
    /// What the capture itself says: the cluster that keeps the manifest did not answer.
    OwnCapture,
}

/// What of a data set is not, or not so, in a restored one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case", tag = "code")]
pub enum RestoreNote {
    /// Triggers would act on the live data when somebody writes to the restored table.
    TriggersLeftOut {
        /// Their names.
        names: Vec<String>,
    },
    /// Foreign keys of one table, which lead to tables that were not restored with it.
    KeysLeftOut {
        /// Their names.
        names: Vec<String>,
    },
    /// Names that may be there once only.
    Renamed {
        /// From what to what.
        names: Vec<(String, String)>,
    },
}

impl std::fmt::Display for RestoreNote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RestoreNote::TriggersLeftOut { names } => {
                write!(f, "its triggers ({}) are left out: they would act on the live data", names.join(", "))
            }
            RestoreNote::KeysLeftOut { names } => {
                write!(f, "its foreign keys ({}) are left out: the tables that they name were not restored with it", names.join(", "))
            }
            RestoreNote::Renamed { names } => {
                let names: Vec<String> = names.iter().map(|(from, to)| format!("{from} is {to}")).collect();
                write!(f, "a name may be there once only: {}", names.join(", "))
            }
        }
    }
}

/// What was compared, of a restored data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreProof {
    /// Where it is, as the component's clients call it.
    pub place: String,
    /// Files (or parts of tables) compared, one by one.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Digest of what was compared: of the manifest, or of the part of it.
    pub digest: Digest,
    /// What is not, or not so.
    #[serde(default)]
    pub notes: Vec<RestoreNote>,
}

/// How a restore ended, for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestoreEnding {
    /// It is there, equal and open.
    Restored,
    /// Nothing was made.
    Refused,
    /// It was begun and is not whole: asked again it goes on, and `leftovers --remove` removes it.
    HalfMade,
    /// The agent does not answer: it may go on by itself. Asked again, it is followed.
    Unanswered,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Entry, Metadata, Node};
    use proptest::prelude::*;

    fn set(text: &str) -> DataSetName {
        text.parse().expect("a name")
    }

    fn asked(place: &str, separator: char, held: &str) -> String {
        let pair: PairName = "p".parse().expect("a name");
        let told = beside(&set(place), separator, separator == '.', [(pair, set(held))]);
        told.err().map(|refusal| refusal.trouble(place).code().to_owned()).unwrap_or_default()
    }

    #[test]
    fn a_place_that_shares_anything_with_a_data_set_is_refused_by_its_code() {
        for (place, separator, held, code) in [
            ("hdfs:/d/orders", '/', "hdfs:/d/orders", "place-in-data-set"),
            ("hdfs:/d/orders/old", '/', "hdfs:/d/orders", "place-in-data-set"),
            ("hdfs:/d", '/', "hdfs:/d/orders", "place-above-data-set"),
            ("hdfs:/d/orders-old", '/', "hdfs:/d/orders", ""),
            ("other:/d/orders", '/', "hdfs:/d/orders", ""),
            ("hive:sales.old", '.', "hive:sales", "place-in-data-set"),
            ("hive:Sales", '.', "hive:sales.orders", "place-above-data-set"),
            ("hive:sales_old", '.', "hive:sales", ""),
        ] {
            assert_eq!(asked(place, separator, held), code, "{place} beside {held}");
        }
    }

    #[test]
    fn a_refusal_is_told_from_its_code_alone() {
        let refusal = RestoreRefusal::PlaceExists { place: "/d/x".into() };
        let trouble = refusal.trouble("hdfs:/d/orders");
        assert_eq!((trouble.code(), RestoreRefusal::of(&trouble)), ("place-exists", Some(refusal)));
        assert_eq!(RestoreRefusal::of(&Trouble::new(TroubleKind::Failed, "x", "y")), None);
    }

    proptest! {
        #[test]
        fn a_part_has_all_that_is_below_it_and_nothing_else(names in proptest::collection::btree_set("[ab]{1,2}(/[ab]{1,2}){0,2}", 1..12)) {
            let entry = |path: &str, node| Entry { path: RelPath::new(path).expect("a path"), node, meta: Metadata::default() };
            let mut entries = vec![entry("", Node::Directory)];
            for name in &names {
                let mut above = String::new();
                for step in name.split('/') {
                    above = if above.is_empty() { step.to_owned() } else { format!("{above}/{step}") };
                    entries.push(entry(&above, Node::Directory));
                }
                entries.push(entry(&format!("{name}/file"), Node::File { bytes: 1, digest: None }));
            }
            let whole = Manifest::from_entries(entries);
            prop_assert_eq!(part(&whole, &RelPath::root()), Some(whole.clone()));
            for only in whole.entries.values() {
                let found = part(&whole, &only.path);
                if only.is_file() {
                    prop_assert_eq!(found, None);
                    continue;
                }
                let found = found.expect("a directory of it");
                let back: Vec<String> = found.entries.keys().map(|path| format!("{}/{path}", only.path)).map(|path| path.trim_matches('/').to_owned()).collect();
                let wanted: Vec<String> = whole.entries.keys().map(|path| path.as_str())
                    .filter(|path| only.path.is_root() || *path == only.path.as_str() || path.starts_with(&format!("{}/", only.path)))
                    .map(str::to_owned).collect();
                prop_assert_eq!(back, wanted);
            }
        }
    }
}
