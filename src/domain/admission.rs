//! What stands in the way of a data set before its first byte, and which data sets have the same files. Pure.

use serde::{Deserialize, Serialize};

use super::{DataSetName, Trouble, TroubleKind};

/// One thing that a cluster would meet with a data set. Its trouble has a code and the data (see [`Trouble::code`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    /// Whether it forbids a run. Otherwise it is something to know.
    pub refuses: bool,
    /// What it is, on which object, and what to do.
    pub trouble: Trouble,
}

impl Obstacle {
    /// The first that refuses, as its trouble; else all notes in words.
    pub fn settle(obstacles: Vec<Obstacle>) -> Result<Vec<String>, Trouble> {
        let mut notes = Vec::new();
        for obstacle in obstacles {
            if obstacle.refuses {
                return Err(obstacle.trouble);
            }
            notes.push(obstacle.trouble.to_string());
        }
        Ok(notes)
    }
}

/// What a cluster says of a data set of a policy, before any run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admitted {
    /// What stands in the way, and what is good to know.
    #[serde(default)]
    pub obstacles: Vec<Obstacle>,
    /// The directories that its files are in, as `hdfs://AUTHORITY/PATH`; empty where nobody else could have them.
    #[serde(default)]
    pub places: Vec<String>,
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
    fn one_refusal_is_enough_and_notes_are_words() {
        let trouble = |reason: &str| Trouble::new(TroubleKind::Refused, "hdfs:/d", reason);
        let note = Obstacle { refuses: false, trouble: trouble("good to know") };
        assert_eq!(Obstacle::settle(vec![note.clone()]), Ok(vec!["hdfs:/d: good to know".to_owned()]));
        let refusal = Obstacle { refuses: true, trouble: trouble("no") };
        assert_eq!(Obstacle::settle(vec![note, refusal]), Err(trouble("no")));
    }
}
