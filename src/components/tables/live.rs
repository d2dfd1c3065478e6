//! Looking at the live table: what differs from a manifest, whose rows they are, whether the fence holds.

use std::collections::BTreeSet;

use super::dump::Shape;
use super::{DRIFT_LINES, Tables, dump, fence, quoted, sql};
use crate::domain::{ComponentInfo, ComponentKind, Digest, Manifest, PIECE_BYTES, Trouble, TroubleKind};

impl Tables {
    /// What the component is.
    pub(super) fn info(&self) -> ComponentInfo {
        let space = rustix::fs::statvfs(self.database.parent().unwrap_or(&self.database)).ok();
        let is_locked = self.database.exists() && self.ordinary().is_err();
        ComponentInfo {
            name: self.name.clone(),
            kind: ComponentKind::Tables,
            version: format!("SQLite {}", rusqlite::version()),
            address: self.database.display().to_string(),
            probe_addresses: Vec::new(),
            free_bytes: space.map(|space| space.f_bavail.saturating_mul(space.f_frsize)),
            storage: String::new(),
            copies: 1,
            used_bytes: std::fs::metadata(&*self.database).ok().map(|found| found.len()),
            described: true,
            kerberos: false,
            missing_rights: is_locked.then(|| "the database cannot be opened for writing".to_owned()).into_iter().collect(),
        }
    }

    /// Where the live table is not what the manifest says, in words.
    pub(super) fn differences(&self, set: &str, manifest: &Manifest) -> Result<Vec<String>, Trouble> {
        let live = match self
            .reader()
            .and_then(|connection| dump::dump(&connection, set, &mut |content| Ok((digest_of(content), content.len() as u64))))
        {
            Ok(live) => live,
            Err(trouble) if trouble.kind == TroubleKind::NotFound => {
                return Ok(vec![format!("{}: the table is gone", self.depot.object(set))]);
            }
            Err(trouble) => return Err(trouble),
        };
        let paths: BTreeSet<_> = live.entries.keys().chain(manifest.entries.keys()).filter(|path| path.as_str() != "sequence").collect();
        let differs =
            paths.into_iter().filter(|path| live.entries.get(*path).map(|e| &e.node) != manifest.entries.get(*path).map(|e| &e.node));
        let words = differs.map(|path| match dump::chunk_range(path) {
            Some((first, last)) => format!("{}: rows {first} to {last} were changed", self.depot.object(set)),
            None => format!("{}: {path} was changed", self.depot.object(set)),
        });
        Ok(words.take(DRIFT_LINES).collect())
    }

    /// A first target must not hold rows that are somebody else's.
    pub(super) fn refuse_foreign(&self, set: &str) -> Result<(), Trouble> {
        if !self.database.exists() {
            return Ok(());
        }
        let connection = self.reader()?;
        if Shape::read(&connection, set)?.is_none() || self.depot.newest_sealed(set)?.is_some() {
            return Ok(());
        }
        let empty = connection
            .query_row(&format!("SELECT NOT EXISTS (SELECT 1 FROM main.{})", quoted(set)), [], |row| row.get::<_, bool>(0))
            .map_err(|e| sql(set, "look into it", e))?;
        if empty {
            return Ok(());
        }
        Err(Trouble::new(TroubleKind::Refused, set, "the target table has rows that are not ours")
            .next("move it away, or choose another target with { from, to }"))
    }

    pub(super) fn read_fence(&self, set: &str) -> Result<(bool, String), Trouble> {
        if !self.database.exists() {
            return Ok((true, "there is no database yet: nothing can be written to it".into()));
        }
        fence::read_back(&mut self.ordinary()?, set)
    }
}

/// The digest under which the store would keep content.
pub(super) fn digest_of(content: &[u8]) -> Digest {
    let pieces: Vec<_> = content.chunks(usize::try_from(PIECE_BYTES).unwrap_or(usize::MAX)).map(Digest::of_bytes).collect();
    if pieces.is_empty() { Digest::of_bytes(&[]) } else { Digest::of_pieces(&pieces) }
}
