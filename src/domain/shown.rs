//! Text from data, made fit to be shown: file names and other foreign words, on their way to a terminal, a log, a report, an alert or a label.
//!
//! ```text
//! a name that an application chose → shown → one line, no byte that a terminal obeys, no sign that turns or hides what stands beside it
//! ```
//! Every such character is written as `\u{…}`; text of any script stays as it is. What is shown is for eyes and is never read back.

use std::fmt::{self, Display, Write};

/// Shows a value with what controls a terminal, ends a line, turns the reading direction or cannot be seen as `\u{…}`.
#[derive(Debug, Clone, Copy)]
pub struct Shown<T>(pub T);

/// A file name, or any other text that somebody else wrote, as it may be shown.
pub fn shown(text: &str) -> Shown<&str> {
    Shown(text)
}

/// The same as a text of its own; one that needs nothing is handed back as it is.
pub fn shown_text(text: String) -> String {
    if text.chars().any(misleads) { Shown(&text).to_string() } else { text }
}

impl<T: Display> Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// A writer that lets through only what may be shown.
pub struct Escaping<'a, W: ?Sized>(pub &'a mut W);

impl<W: Write + ?Sized> Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut from = 0;
        for (at, found) in text.char_indices().filter(|(_, character)| misleads(*character)) {
            self.0.write_str(&text[from..at])?;
            write!(self.0, "\\u{{{:x}}}", u32::from(found))?;
            from = at + found.len_utf8();
        }
        self.0.write_str(&text[from..])
    }
}

/// Whether a terminal obeys it, a line ends with it, the reading direction turns at it, or it stands there unseen.
pub fn misleads(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Unseen: soft hyphen, Mongolian separator, zero width, word joiner and unseen signs, byte order mark, annotations, tags.
            '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
            // Direction: marks, embeddings, overrides, isolates.
            | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
            // Ends of a line and of a paragraph.
            | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_obeys_or_an_eye_misses_is_written_out() {
        let name = "a\n2026-11-30T00:00:00Z INFO forged\x1b[2Kb";
        assert_eq!(shown(name).to_string(), "a\\u{a}2026-11-30T00:00:00Z INFO forged\\u{1b}[2Kb");
        for bad in [
            '\0',
            '\t',
            '\r',
            '\x07',
            '\x7f',
            '\u{80}',
            '\u{9b}',
            '\u{9d}',
            '\u{202e}',
            '\u{2066}',
            '\u{200f}',
            '\u{61c}',
            '\u{2028}',
            '\u{200b}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            assert_eq!(shown(&format!("x{bad}y")).to_string(), format!("x\\u{{{:x}}}y", u32::from(bad)));
        }
    }

    #[test]
    fn text_of_any_script_stays() {
        for text in ["/data/orders", "订单/深圳", "заказы", "طلبات", "הזמנות", "आदेश", "naïve – “quoted” …", "🗂 ✓ ▲", "C:\\u{1b}"]
        {
            assert_eq!(shown(text).to_string(), text);
            assert_eq!(shown_text(text.to_owned()), text);
        }
    }

    proptest! {
        #[test]
        fn no_text_whatever_leaves_its_line_or_reaches_a_terminal(text in any::<String>(), raw in proptest::collection::vec(any::<char>(), 0..40)) {
            for text in [text, raw.into_iter().collect()] {
                let once = shown(&text).to_string();
                prop_assert!(!once.chars().any(misleads), "{once:?}");
                prop_assert!(once.bytes().all(|byte| byte >= 0x20 && byte != 0x7f));
                prop_assert_eq!(shown(&once).to_string(), once.clone());
                prop_assert_eq!(shown_text(text), once);
            }
        }
    }
}
