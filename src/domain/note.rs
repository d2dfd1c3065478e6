//! What a person should know of a data set before it matters: said by a policy's check, in every run, and kept with the recovery point. Pure.

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

use super::shown::Escaping;

/// The most notes that are kept with a point.
pub const MOST_NOTES: usize = 500;

/// A part of a data set that is not carried, or something that a promotion will need. Unknown fields are let be: an agent of a later version
/// may tell more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What it is about, as the person named it.
    pub object: String,
    /// Its stable code, for example `coprocessor-jar`.
    pub code: String,
    /// What is so.
    pub reason: String,
    /// What the person can do; empty when there is nothing to add.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub next_step: String,
    /// The same for programs: the code with what belongs to it. An earlier version's note has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Box<serde_json::Value>>,
}

impl Note {
    /// A note made of an enum that is tagged with `code`.
    pub fn new(facts: &impl Serialize, object: impl fmt::Display, reason: impl fmt::Display, next_step: impl fmt::Display) -> Note {
        let facts = serde_json::to_value(facts).unwrap_or_default();
        Note {
            object: object.to_string(),
            code: facts["code"].as_str().unwrap_or_default().to_owned(),
            reason: reason.to_string(),
            next_step: next_step.to_string(),
            facts: Some(Box::new(facts)),
        }
    }

    /// Adds notes to those that a point has: each once, and no more than are kept.
    pub fn gather(kept: &mut Vec<Note>, more: impl IntoIterator<Item = Note>) {
        for note in more {
            if kept.len() < MOST_NOTES && !kept.contains(&note) {
                kept.push(note);
            }
        }
    }
}

/// One line, whatever names are in it.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Escaping(f);
        write!(line, "{}: {}", self.object, self.reason)?;
        if self.next_step.is_empty() { Ok(()) } else { write!(line, "; {}", self.next_step) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    #[serde(tag = "code", rename_all = "kebab-case")]
    enum Told {
        OwnSnapshots { count: u64 },
    }

    #[test]
    fn a_note_has_its_code_and_data_and_one_of_an_earlier_version_is_read() {
        let note = Note::new(&Told::OwnSnapshots { count: 2 }, "hdfs:/d", "two are there", "");
        assert_eq!((note.code.as_str(), note.facts.as_ref().map(|facts| facts["count"].clone())), ("own-snapshots", Some(2.into())));
        assert_eq!(note.to_string(), "hdfs:/d: two are there");
        let earlier: Note = serde_json::from_str(r#"{"object":"hdfs:/d","code":"quotas","reason":"x"}"#).expect("a note");
        assert_eq!((earlier.code.as_str(), earlier.facts), ("quotas", None));
    }

    #[test]
    fn a_point_keeps_each_note_once_and_not_without_end() {
        let note = |count| Note::new(&Told::OwnSnapshots { count }, "hdfs:/d", count, "");
        let mut kept = vec![note(0)];
        Note::gather(&mut kept, (0..2 * MOST_NOTES as u64).map(note));
        assert_eq!((kept.len(), &kept[1]), (MOST_NOTES, &note(1)));
    }
}
