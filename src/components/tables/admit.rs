//! What of another cluster's plan may become a table here: known before a byte moves by its paths, and before the commit by its schema.

use futures_util::StreamExt;

use super::dump::{chunk_name, chunk_range};
use super::schema::{self, SCHEMA_BYTES};
use super::{Tables, sql};
use crate::components::Slot;
use crate::components::depot::blocking;
use crate::domain::{Change, ChangeSet, Digest, Entry, Manifest, Node, PointId, RelPath, Trouble, TroubleKind};

/// The longest number of AUTOINCREMENT, in bytes.
pub const SEQUENCE_BYTES: u64 = 20;

/// Refuses a plan whose outcome would be no table as `dump` writes one. Pure.
pub fn check_plan(set: &str, changes: &ChangeSet, after: &Manifest) -> Result<(), Trouble> {
    let refused = |reason: String| {
        Trouble::new(TroubleKind::Refused, set, reason).next("look at the primary's agent: a table is never captured like this; run again")
    };
    if changes.changes.iter().any(|change| matches!(change, Change::Rename { .. })) {
        return Err(refused("parts of it are renamed".into()));
    }
    if let Some(foreign) = after.entries.values().find(|entry| !is_part(entry)) {
        return Err(refused(format!("{:?} is no part of a table", foreign.path.as_str())));
    }
    match RelPath::new("schema.sql").ok().and_then(|path| after.entries.get(&path)) {
        Some(_) => Ok(()),
        None => Err(refused("it has no schema".into())),
    }
}

/// Whether an entry is one that `dump` makes: by its path, its sort and, where it is read whole, its length.
fn is_part(entry: &Entry) -> bool {
    let path = entry.path.as_str();
    match &entry.node {
        Node::Directory => ["", "rows", "ordered"].contains(&path),
        Node::Link { .. } => false,
        Node::File { bytes, .. } => match path {
            "schema.sql" => *bytes <= SCHEMA_BYTES,
            "sequence" => *bytes <= SEQUENCE_BYTES,
            _ => is_chunk(&entry.path),
        },
    }
}

/// Each chunk has one name only: under a second one its rows would be brought in twice.
fn is_chunk(path: &RelPath) -> bool {
    match chunk_range(path) {
        Some((first, _)) => path.as_str() == format!("rows/{}.jsonl", chunk_name(first)),
        None => path
            .as_str()
            .strip_prefix("ordered/")
            .and_then(|name| name.strip_suffix(".jsonl"))
            .is_some_and(|name| name.len() >= 10 && name.bytes().all(|byte| byte.is_ascii_digit())),
    }
}

impl Tables {
    /// Looks into what was staged: a schema is tried in memory, and AUTOINCREMENT's number must be one of a table that counts.
    pub(super) async fn examine_staged(&self, set: &str, point: PointId, changes: &ChangeSet) -> Result<(), Trouble> {
        let text = self.staged_text(set, point, changes, "schema.sql").await?;
        let sequence = self.staged_text(set, point, changes, "sequence").await?;
        let (this, owned) = (self.clone(), set.to_owned());
        let examined = blocking(move || this.examine_texts(&owned, text.as_deref(), sequence.as_deref())).await;
        examined.map_err(|trouble| if trouble.object == set { Trouble { object: self.depot.object(set), ..trouble } } else { trouble })
    }

    fn examine_texts(&self, set: &str, schema: Option<&str>, sequence: Option<&str>) -> Result<(), Trouble> {
        let live = if self.database.exists() { Some(self.reader()?) } else { None };
        let counts = match (schema, &live) {
            (Some(text), live) => {
                let trial = schema::trial(set, text)?;
                if let Some(connection) = live {
                    schema::check_names(connection, set, &trial)?;
                }
                trial.counts
            }
            (None, Some(connection)) => connection
                .query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence')", [], |row| row.get(0))
                .map_err(|e| sql(set, "look at its AUTOINCREMENT number", e))?,
            (None, None) => false,
        };
        match sequence.map(|text| (counts, text.parse::<i64>())) {
            None | Some((true, Ok(_))) => Ok(()),
            Some(_) => Err(Trouble::new(TroubleKind::Refused, set, "it has an AUTOINCREMENT number that does not fit its schema")
                .next("look at the primary's agent: a table is never captured like this; run again")),
        }
    }

    /// A short staged file as text; `None` when the plan does not bring it.
    async fn staged_text(&self, set: &str, point: PointId, changes: &ChangeSet, path: &str) -> Result<Option<String>, Trouble> {
        let put = changes.changes.iter().zip(0_u32..).find_map(|(change, file)| match change {
            Change::Put(entry) if entry.is_file() && entry.path.as_str() == path => Some((file, entry)),
            _ => None,
        });
        let Some((file, entry)) = put else { return Ok(None) };
        let object = format!("{}/{path}", self.depot.object(set));
        let refused = |reason: &str| Trouble::new(TroubleKind::Refused, &object, reason).next("look at the primary's agent; run again");
        if entry.bytes() > SCHEMA_BYTES {
            return Err(refused("it is longer than any schema"));
        }
        let mut content = self.depot.read_staged(set, point, Slot { file, piece: 0 }, entry).await?;
        let mut text = Vec::new();
        while let Some(portion) = content.next().await {
            text.extend_from_slice(&portion?);
        }
        // What an earlier attempt left in staging may be another text than the one that is held under the digest and will be applied.
        if !matches!(entry.node, Node::File { digest: Some(told), .. } if told == Digest::of_bytes(&text)) {
            return Err(refused("what is staged of it is not what its digest says"));
        }
        String::from_utf8(text).map(Some).map_err(|_| refused("it is no text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Metadata;

    fn after(paths: &[(&str, Option<u64>)]) -> Manifest {
        let node = |bytes: &Option<u64>| bytes.map_or(Node::Directory, |bytes| Node::File { bytes, digest: None });
        let entry = |(path, bytes): &(&str, Option<u64>)| Entry {
            path: RelPath::new(*path).expect("a path"),
            node: node(bytes),
            meta: Metadata::default(),
        };
        Manifest::from_entries(paths.iter().map(entry))
    }

    #[test]
    fn only_what_a_dump_writes_is_a_part_of_a_table() {
        let plan = |more: &[(&str, Option<u64>)]| {
            let whole = [&[("", None), ("rows", None), ("schema.sql", Some(40))], more].concat();
            check_plan("orders", &ChangeSet::default(), &after(&whole))
        };
        plan(&[("rows/8000000000000000.jsonl", Some(9)), ("ordered", None), ("ordered/0000000001.jsonl", Some(1)), ("sequence", Some(3))])
            .expect("a table");
        for (path, bytes) in [
            ("rows/+800000000000000.jsonl", Some(1)),
            ("rows/8000000000000000.JSONL", Some(1)),
            ("rows/800000000000000A.jsonl", Some(1)),
            ("ordered/x.jsonl", Some(1)),
            ("more.jsonl", Some(1)),
            ("rows/deep", None),
            ("sequence", Some(21)),
            ("schema.sql", Some(SCHEMA_BYTES + 1)),
        ] {
            let refused = plan(&[(path, bytes)]).expect_err(path);
            assert!(refused.reason.contains(path), "{refused}");
        }
        assert!(check_plan("orders", &ChangeSet::default(), &after(&[("", None)])).expect_err("no schema").reason.contains("no schema"));
        let path = |text: &str| RelPath::new(text).expect("a path");
        let renamed = ChangeSet { changes: vec![Change::Rename { from: path("schema.sql"), to: path("sequence") }] };
        assert!(check_plan("orders", &renamed, &after(&[("schema.sql", Some(1))])).expect_err("renamed").reason.contains("renamed"));
    }
}
