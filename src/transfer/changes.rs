//! A change set as text: one change a line, then a line with their number and hash. The same text crosses the wire and is
//! kept in the ledger, so that a plan that was cut or altered on either way is told. On the wire empty lines may come before it (it is
//! being worked on), and a trouble instead of it.

use serde::{Deserialize, Serialize};

use super::beat::Told;
use crate::domain::{Change, ChangeSet, Digest, Trouble, TroubleKind};

/// The media type of such text.
pub const MEDIA_TYPE: &str = "application/x-ndjson";
/// The longest line accepted, in bytes.
const MAX_LINE_BYTES: usize = 1 << 20;
/// The most changes accepted in one set.
const MAX_CHANGES: usize = 20_000_000;
/// Lines are handed on in portions of about so many bytes.
const PORTION_BYTES: usize = 64 << 10;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LastLine {
    count: u64,
    digest: Digest,
}

/// The text of a change set, in portions, made as they are asked for.
pub fn encode(changes: &ChangeSet) -> impl Iterator<Item = Result<Vec<u8>, Trouble>> + '_ {
    let mut left = changes.changes.iter();
    let mut hasher = blake3::Hasher::new();
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let mut portion = Vec::with_capacity(PORTION_BYTES + 1024);
        while portion.len() < PORTION_BYTES {
            let Some(change) = left.next() else {
                hasher.update(&portion);
                ended = true;
                let last = LastLine { count: changes.changes.len() as u64, digest: Digest(*hasher.finalize().as_bytes()) };
                return Some(push_line(&mut portion, &last).map(|()| portion));
            };
            if let Err(trouble) = push_line(&mut portion, change) {
                ended = true;
                return Some(Err(trouble));
            }
        }
        hasher.update(&portion);
        Some(Ok(portion))
    })
}

/// The whole text at once, for the ledger.
pub fn to_text(changes: &ChangeSet) -> Result<Vec<u8>, Trouble> {
    encode(changes).try_fold(Vec::new(), |mut text, portion| {
        text.extend_from_slice(&portion?);
        Ok(text)
    })
}

/// The change set of a whole text.
pub fn from_text(text: &[u8], object: &str) -> Result<ChangeSet, Trouble> {
    let mut decoder = ChangesDecoder::new(object);
    decoder.feed(text)?;
    decoder.end()
}

fn push_line(out: &mut Vec<u8>, line: &impl Serialize) -> Result<(), Trouble> {
    serde_json::to_writer(&mut *out, line).map_err(|e| Trouble::new(TroubleKind::Failed, "change set", e))?;
    out.push(b'\n');
    Ok(())
}

/// Takes the text as it comes, in whatever portions.
pub struct ChangesDecoder {
    object: String,
    line: Vec<u8>,
    hasher: blake3::Hasher,
    changes: Vec<Change>,
    last: Option<LastLine>,
}

impl ChangesDecoder {
    /// A decoder; `object` is named in troubles.
    pub fn new(object: &str) -> ChangesDecoder {
        ChangesDecoder { object: object.to_owned(), line: Vec::new(), hasher: blake3::Hasher::new(), changes: Vec::new(), last: None }
    }

    /// Takes a portion.
    pub fn feed(&mut self, mut portion: &[u8]) -> Result<(), Trouble> {
        while let Some(end) = portion.iter().position(|byte| *byte == b'\n') {
            self.line.extend_from_slice(&portion[..=end]);
            portion = &portion[end + 1..];
            self.take_line()?;
        }
        self.line.extend_from_slice(portion);
        if self.line.len() > MAX_LINE_BYTES {
            return Err(self.bad("a line is too long"));
        }
        Ok(())
    }

    /// After the last portion: the change set, if it is whole and unaltered.
    pub fn end(self) -> Result<ChangeSet, Trouble> {
        let Some(last) = &self.last else {
            let reason = format!("the list of changes was cut off after {} of them", self.changes.len());
            return Err(Trouble::new(TroubleKind::Unreachable, &self.object, reason).next("it is sent again by itself"));
        };
        if !self.line.is_empty() || last.count != self.changes.len() as u64 || last.digest.0 != *self.hasher.finalize().as_bytes() {
            return Err(self.bad("the list of changes was altered on the way: its hash or number differs from the sender's"));
        }
        Ok(ChangeSet { changes: self.changes })
    }

    fn take_line(&mut self) -> Result<(), Trouble> {
        let line = std::mem::take(&mut self.line);
        if line == b"\n" {
            return Ok(());
        }
        if self.last.is_some() || line.len() > MAX_LINE_BYTES || self.changes.len() >= MAX_CHANGES {
            return Err(self.bad("it goes on after its last line, or a line is too long"));
        }
        if line.starts_with(b"{\"count\"") {
            self.last = Some(serde_json::from_slice(&line).map_err(|e| self.bad(e))?);
            return Ok(());
        }
        if line.starts_with(b"{\"trouble\"") {
            return Told::<()>::result(serde_json::from_slice(&line).map_err(|e| self.bad(e))?);
        }
        let change: Change = serde_json::from_slice(&line).map_err(|e| self.bad(e))?;
        if let Change::Put(entry) | Change::Meta(entry) = &change
            && entry.meta.mode > 0o7777
        {
            return Err(self.bad(format!("{:?} has mode {:o}", entry.path, entry.meta.mode)));
        }
        self.hasher.update(&line);
        self.changes.push(change);
        Ok(())
    }

    fn bad(&self, reason: impl std::fmt::Display) -> Trouble {
        Trouble::new(TroubleKind::Corrupt, &self.object, format!("change {}: {reason}", self.changes.len()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Entry, Metadata, Node, RelPath};

    fn any_changes() -> impl Strategy<Value = ChangeSet> {
        let path = "[a-z%'é\n]{1,8}(/[a-z ]{1,5})?".prop_filter_map("a path", |text| RelPath::new(text).ok());
        let entry =
            |path, bytes| Entry { path, node: Node::File { bytes, digest: None }, meta: Metadata { mode: 0o640, ..Metadata::default() } };
        let change = (path, any::<u64>(), 0..3).prop_map(move |(path, bytes, sort)| match sort {
            0 => Change::Delete { path },
            1 => Change::Put(entry(path, bytes)),
            _ => Change::Meta(entry(path, bytes)),
        });
        prop::collection::vec(change, 0..40).prop_map(|changes| ChangeSet { changes })
    }

    proptest! {
        #[test]
        fn changes_come_back_however_the_text_is_cut(changes in any_changes(), portion in 1usize..500) {
            let text = to_text(&changes).expect("text");
            let mut decoder = ChangesDecoder::new("files:x");
            for part in text.chunks(portion) {
                decoder.feed(part).expect("a good portion");
            }
            prop_assert_eq!(decoder.end().expect("whole"), changes);
        }

        #[test]
        fn a_cut_or_an_alteration_is_told(changes in any_changes(), at in any::<prop::sample::Index>(), cut in any::<bool>()) {
            let mut text = to_text(&changes).expect("text");
            let at = at.index(text.len());
            if cut { text.truncate(at) } else { text[at] ^= 1 }
            prop_assert!(from_text(&text, "files:x").is_err());
        }
    }

    #[test]
    fn signs_of_life_are_no_changes_and_a_trouble_is_told_as_it_is() {
        let mut decoder = ChangesDecoder::new("files:x");
        decoder.feed(b"\n\n").expect("signs of life");
        let trouble = Trouble::new(TroubleKind::Refused, "files:x", "the base is no longer held");
        let line = super::super::beat::line(&Told::<()>::Trouble(trouble.clone())).expect("a line");
        assert_eq!(decoder.feed(&line), Err(trouble));
    }

    #[test]
    fn a_path_that_leaves_its_data_set_is_refused() {
        let mut decoder = ChangesDecoder::new("files:x");
        let trouble = decoder.feed(b"{\"change\":\"delete\",\"path\":\"a/../../etc\"}\n").expect_err("refused");
        assert!(trouble.reason.contains("parent directory"), "{trouble}");
    }
}
