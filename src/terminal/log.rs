//! The log of both programs on standard error: one event is one line, whatever its message and fields hold.
//!
//! ```text
//! event → time, level, target (ours) → each field's value through `shown` → one line
//! ```
//! Only the colours of the format itself are sequences that a terminal obeys, and only on a terminal.

use std::fmt::{self, Debug, Write};
use std::io::IsTerminal;

use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::domain::shown::Escaping;

/// Logs to standard error from now on: what `UNDERSTUDY_LOG` asks for, else `level`.
pub fn init(level: &str) {
    let filter = EnvFilter::try_from_env("UNDERSTUDY_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let to = subscriber(filter, std::io::stderr, std::io::stderr().is_terminal());
    // Somebody else's log stands already: theirs is used.
    drop(tracing::subscriber::set_global_default(to));
}

fn subscriber<W>(filter: EnvFilter, to: W, colours: bool) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let fields = debug_fn(field).delimited(" ");
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(to).fmt_fields(fields).finish()
}

/// `name=value`, the message without its name.
fn field(to: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    match field.name() {
        "message" => {}
        name if to.has_ansi_escapes() => write!(to, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m")?,
        name => write!(to, "{name}=")?,
    }
    write!(Escaping(to), "{value:?}")
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("one writer").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What an event with these words is logged as.
    fn logged(words: &str, colours: bool) -> String {
        let kept = Kept::default();
        let to = kept.clone();
        tracing::subscriber::with_default(subscriber(EnvFilter::new("info"), move || to.clone(), colours), || {
            let failure = io::Error::other(words.to_owned());
            let _inside = tracing::info_span!("inside", place = %words).entered();
            tracing::info!(pair = %words, quoted = words, error = &failure as &dyn std::error::Error, "not removed: {words}");
        });
        let bytes = kept.0.lock().expect("one writer").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn a_forged_line_in_a_name_stays_in_the_line_that_tells_of_it() {
        let line = logged("a\n2026-11-30T00:00:00Z  INFO sealed\x1b[2K", false);
        assert_eq!(line.matches('\n').count(), 1, "{line:?}");
        assert!(line.contains("not removed: a\\u{a}2026-11-30") && line.contains("\\u{1b}[2K") && !line.contains('\x1b'), "{line:?}");
        let coloured = logged("a\x1b[2Kb", true);
        assert!(coloured.contains("\x1b[3mpair\x1b[0m") && !coloured.contains("\x1b[2K"), "{coloured:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn one_event_is_one_line_without_a_control_byte(words in any::<String>()) {
            let text = logged(&words, false);
            let line = text.strip_suffix('\n').expect("a whole line");
            prop_assert!(!line.chars().any(crate::domain::shown::misleads), "{line:?}");
        }
    }
}
