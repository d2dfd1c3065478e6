//! The one way to standard output and standard error, of both programs and of the lab: results, progress, troubles and the log.
//!
//! ```text
//! words with names from data → shown → exactly one line
//! JSON and plans             → their own escapes → as many lines as the document has
//! ```
//! Nothing that data says reaches the terminal as anything but letters. `println!` and the like stand nowhere else (`tests/tidy.rs`).

pub mod log;

use std::fmt::Display;
use std::io::{self, Write};

use crate::domain::shown::{Shown, misleads};
use crate::domain::{Trouble, TroubleKind};

/// Prints one line of a result. A reader that went away is an error like any other.
pub fn line(text: impl Display) -> Result<(), Trouble> {
    print(&Shown(text))
}

/// Prints a JSON document. It means the same when it is read: what a terminal would obey stands there as JSON writes it.
pub fn json(text: &str) -> Result<(), Trouble> {
    print(&escaped(text, |unit| format!("\\u{unit:04x}"), |_| None))
}

/// Prints a plan. What a terminal would obey stands there as TOML writes it in a basic string.
pub fn toml(text: &str) -> Result<(), Trouble> {
    print(&toml_text(text))
}

/// A plan as [`toml()`] prints it.
pub fn toml_text(text: &str) -> String {
    escaped(text, |unit| format!("\\u{unit:04X}"), |character| Some(format!("\\U{:08X}", u32::from(character))))
}

/// One line for a person, beside the results: on standard error. There is nobody to tell that nobody reads it.
pub fn aside(text: impl Display) {
    drop(writeln!(io::stderr(), "{}", Shown(text)));
}

/// What failed, on which object, why, and what to do next.
pub fn trouble(program: &str, trouble: &Trouble) {
    aside(format_args!("{program}: {}: {}", trouble.object, trouble.reason));
    if !trouble.next_step.is_empty() {
        aside(format_args!("next: {}", trouble.next_step));
    }
}

fn print(text: &dyn Display) -> Result<(), Trouble> {
    writeln!(io::stdout(), "{text}").map_err(|e| Trouble::new(TroubleKind::Failed, "standard output", e))
}

/// A document with its own escapes for what misleads, line ends aside: by UTF-16 unit, or as a whole beyond the first plane.
fn escaped(text: &str, unit: impl Fn(u16) -> String, whole: impl Fn(char) -> Option<String>) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\n' || !misleads(character) {
            safe.push(character);
        } else if let Some(whole) = whole(character).filter(|_| u32::from(character) > 0xffff) {
            safe.push_str(&whole);
        } else {
            character.encode_utf16(&mut [0; 2]).iter().for_each(|code| safe.push_str(&unit(*code)));
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn json_that_is_printed_is_the_same_data_and_obeyed_by_no_terminal(names in proptest::collection::vec(any::<String>(), 0..5)) {
            let text = serde_json::to_string_pretty(&names).expect("JSON");
            let safe = escaped(&text, |unit| format!("\\u{unit:04x}"), |_| None);
            prop_assert!(!safe.chars().any(|character| character != '\n' && misleads(character)), "{safe:?}");
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&safe).expect("JSON"), names);
        }
    }

    #[test]
    fn a_plan_that_is_printed_is_the_same_plan() {
        let name = "a\u{9b}2K\u{202e}b\u{e0041}";
        let safe = toml_text(&format!("path = \"{name}\"\nother = 1\n"));
        assert_eq!(safe, "path = \"a\\u009B2K\\u202Eb\\U000E0041\"\nother = 1\n");
        let read: toml::Table = toml::from_str(&safe).expect("TOML");
        assert_eq!(read["path"].as_str(), Some(name));
    }
}
