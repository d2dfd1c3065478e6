//! What stands in the way of a data set before its first byte, and which data sets have the same files. Pure.

use serde::{Deserialize, Serialize};

use super::{DataSetName, Note, Trouble, TroubleKind};

/// What a cluster is to a data set that it is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AskedAs {
    /// It has the data set.
    Source,
    /// It is to get it.
    Target,
    /// It has, or gets, the data set of another policy: only where its files are matters.
    Neighbour,
}

impl AskedAs {
    /// As it is asked for.
    pub fn word(self) -> &'static str {
        match self {
            AskedAs::Source => "source",
            AskedAs::Target => "target",
            AskedAs::Neighbour => "neighbour",
        }
    }
}

/// Everything that a cluster says of a data set at one look. Unknown fields are let be: an agent of a later version may tell more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// What forbids a run, each on its object and with what to do.
    #[serde(default)]
    pub refusals: Vec<Trouble>,
    /// What is good to know.
    #[serde(default)]
    pub notes: Vec<Note>,
    /// The directories that its files are in, as `hdfs://AUTHORITY/PATH`; empty where nobody else could have them.
    #[serde(default)]
    pub places: Vec<String>,
}

impl Said {
    /// Of findings: refusals and notes.
    pub fn of(findings: impl IntoIterator<Item = Result<Note, Trouble>>) -> Said {
        let mut said = Said::default();
        for finding in findings {
            match finding {
                Ok(note) => said.notes.push(note),
                Err(trouble) => said.refusals.push(trouble),
            }
        }
        said
    }

    /// The first refusal, as its trouble; else all notes.
    pub fn settle(self) -> Result<Vec<Note>, Trouble> {
        self.refusals.into_iter().next().map_or(Ok(self.notes), Err)
    }
}

/// As `GET /v1/admission` tells it to consoles of an earlier version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    /// Whether it forbids a run. Otherwise it is something to know.
    pub refuses: bool,
    /// What it is, on which object, and what to do.
    pub trouble: Trouble,
}

/// Likewise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admitted {
    /// What stands in the way, and what is good to know.
    #[serde(default)]
    pub obstacles: Vec<Obstacle>,
    /// The places.
    #[serde(default)]
    pub places: Vec<String>,
}

impl From<Said> for Admitted {
    fn from(said: Said) -> Admitted {
        let refusals = said.refusals.into_iter().map(|trouble| Obstacle { refuses: true, trouble });
        let notes = said.notes.into_iter().map(|Note { object, code, reason, next_step, facts }| {
            let facts = facts.unwrap_or_else(|| Box::new(serde_json::json!({ "code": code })));
            Obstacle { refuses: false, trouble: Trouble { kind: TroubleKind::Refused, object, reason, next_step, facts: Some(facts) } }
        });
        Admitted { obstacles: refusals.chain(notes).collect(), places: said.places }
    }
}

impl From<Admitted> for Said {
    fn from(told: Admitted) -> Said {
        let finding = |Obstacle { refuses, trouble }: Obstacle| {
            if refuses {
                return Err(trouble);
            }
            let code = trouble.code().to_owned();
            let Trouble { object, reason, next_step, facts, .. } = trouble;
            Ok(Note { object, code, reason, next_step, facts })
        };
        Said { places: told.places, ..Said::of(told.obstacles.into_iter().map(finding)) }
    }
}

/// Two data sets of different components that have the same files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case", tag = "code")]
pub enum Nesting {
    /// One of the places lies in the other, or is it.
    PlacesNested {
        /// A data set.
        set: DataSetName,
        /// A place of its files.
        place: String,
        /// The other data set.
        other: DataSetName,
        /// A place of that one's files.
        other_place: String,
    },
}

impl Nesting {
    /// Whether it is about this data set.
    pub fn names(&self, asked: &DataSetName) -> bool {
        let Nesting::PlacesNested { set, other, .. } = self;
        [set, other].contains(&asked)
    }

    /// The refusal it is.
    pub fn trouble(&self) -> Trouble {
        let Nesting::PlacesNested { set, place, other, other_place } = self;
        let how = if place == other_place {
            "both have their files in".to_owned()
        } else {
            format!("its files in {place} and those of {other} in")
        };
        Trouble::new(TroubleKind::Refused, set, format!("it shares files with {other}: {how} {other_place}"))
            .next("back up each directory in one data set only: leave one of the two out, or give them places side by side")
            .coded(self)
    }
}

/// Pairs of data sets of different components with places in one another. Two of one component are told by their names alone.
pub fn nested(sets: &[(DataSetName, Vec<String>)]) -> Vec<Nesting> {
    let mut found = Vec::new();
    for (index, (set, places)) in sets.iter().enumerate() {
        for (other, theirs) in sets[..index].iter().filter(|(other, _)| other.component != set.component) {
            let both = places.iter().flat_map(|place| theirs.iter().map(move |their| (place, their)));
            found.extend(both.filter(|(place, their)| is_in(place, their) || is_in(their, place)).take(1).map(|(place, their)| {
                let (other, other_place) = (other.clone(), their.clone());
                Nesting::PlacesNested { set: set.clone(), place: place.clone(), other, other_place }
            }));
        }
    }
    found
}

fn is_in(inner: &str, outer: &str) -> bool {
    let outer = outer.trim_end_matches('/');
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, places: &[&str]) -> (DataSetName, Vec<String>) {
        (name.parse().expect("a name"), places.iter().map(|place| (*place).to_owned()).collect())
    }

    fn pairs(sets: &[(DataSetName, Vec<String>)]) -> Vec<(String, String)> {
        let names = |Nesting::PlacesNested { set, other, .. }: Nesting| (set.to_string(), other.to_string());
        nested(sets).into_iter().map(names).collect()
    }

    #[test]
    fn a_table_inside_a_directory_that_is_a_data_set_is_told_with_both_names() {
        let landing = set("hdfs:/d/landing", &["hdfs://nn/d/landing"]);
        let found = |name: &str, places: &[&str]| pairs(&[landing.clone(), set(name, places)]);
        let both = vec![("hive:sales".to_owned(), "hdfs:/d/landing".to_owned())];
        assert_eq!(found("hive:sales", &["hdfs://nn/w/sales.db", "hdfs://nn/d/landing/orders"]), both);
        assert_eq!(found("hive:sales", &["hdfs://nn/d/landing"]), both, "the same place");
        assert_eq!(found("hive:sales", &["hdfs://nn/d"]), both, "around it");
        assert_eq!(found("hive:sales", &["hdfs://nn/d/landing-old", "hdfs://other/d/landing"]), []);
        assert_eq!(found("hdfs:/d/landing/x", &["hdfs://nn/d/landing/x"]), [], "names of one component are compared elsewhere");
        let told = nested(&[landing, set("hive:sales.orders", &["hdfs://nn/d/landing/orders"])]).remove(0).trouble();
        assert_eq!((told.code(), told.object.as_str()), ("places-nested", "hive:sales.orders"));
        assert!(told.reason.contains("hdfs:/d/landing"), "{told}");
    }

    #[test]
    fn one_refusal_is_enough_and_consoles_of_an_earlier_version_read_the_same() {
        let trouble = Trouble::new(TroubleKind::Refused, "hdfs:/d", "no").coded(&serde_json::json!({ "code": "acls-off" }));
        let note = Note::new(&serde_json::json!({ "code": "target-striped" }), "hdfs:/d", "good to know", "plan space");
        let notes = Said { notes: vec![note.clone()], places: vec!["hdfs://nn/d".into()], ..Said::default() };
        assert_eq!(notes.clone().settle(), Ok(vec![note]));
        let both = Said { refusals: vec![trouble.clone()], ..notes };
        assert_eq!(both.clone().settle(), Err(trouble));
        let told = Admitted::from(both.clone());
        assert_eq!(
            told.obstacles.iter().map(|one| (one.refuses, one.trouble.code())).collect::<Vec<_>>(),
            [(true, "acls-off"), (false, "target-striped")]
        );
        assert_eq!(Said::from(told), both);
    }
}
