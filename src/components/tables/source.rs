//! A captured table as the source has it: dumped once out of its point's read transaction, then kept in the store.

use super::{Tables, dump};
use crate::components::depot::{Captured, Seen};
use crate::domain::{Entry, Manifest, PointId, Trouble, TroubleKind};

impl Tables {
    /// The dump of a captured table, made from the point's read transaction when it is not there yet.
    pub(super) fn captured(&self, set: &str, point: PointId) -> Result<Captured, Trouble> {
        let lock = self.depot.lock(set);
        let _own = lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(captured) = self.depot.capture(set, point)? {
            return Ok(captured);
        }
        let connection = self.cuts.connection(point, set).ok_or_else(|| {
            Trouble::new(
                TroubleKind::Refused,
                self.depot.object(set),
                format!("its capture for point {point} is gone: the agent was restarted"),
            )
            .next("start a new run")
        })?;
        let manifest = {
            let _all = self.depot.objects.keep_all();
            let connection = connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let manifest = dump::dump(&connection, set, &mut |content| self.depot.objects.put(&mut &content[..]))?;
            self.depot.keep_capture(set, point, &seen(&manifest))?;
            manifest
        };
        self.depot.settle(set, point)?;
        self.cuts.end(point, set);
        Ok(seen(&manifest))
    }
}

fn seen(manifest: &Manifest) -> Captured {
    let seen = |entry: &Entry| Seen { entry: entry.clone(), inode: 0, changed_ns: 0 };
    manifest.entries.iter().map(|(path, entry)| (path.clone(), seen(entry))).collect()
}

/// What was captured, without what only the capturing side needs.
pub fn manifest_of(captured: Captured) -> Manifest {
    Manifest { entries: captured.into_iter().map(|(path, seen)| (path, seen.entry)).collect() }
}
