//! Kept writes, copied out for their owner into a directory of this host.
//!
//! ```text
//! kept here? → place free? → every data set into .DIR.understudy-ID beside it → synced → renamed to DIR
//! ```
//! What is being made is noted in the agent's state before it is begun, so that a start removes what an agent left that died over it. So the
//! directory is whole or absent. It has each data set whole, as it was when it was kept, and `kept.json`, which says what it is: an
//! order that comes again after its end finds itself there. Nothing live and nothing kept is changed.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Job, Site};
use crate::components::files::make_removable;
use crate::domain::{DataSetName, InstructionId, Note, Trouble, TroubleKind};
use crate::protocol::{CopiedKept, CopyKeptOrder, CopyRefusal, KeptWrites, Outcome, beside};
use crate::store::agent::CaptureRow;
use crate::transfer::blocking;

/// What a copy says of itself.
const PAPER: &str = "kept.json";
/// Where the agent's state has a note of each copy that is being made.
const NOTES: &str = "copying-out";
/// While a data set is copied, that it still is is told this often.
const BEAT: Duration = Duration::from_secs(5);

#[derive(Serialize, Deserialize)]
struct Paper {
    id: InstructionId,
    copied: CopiedKept,
}

/// Carries the order out.
pub async fn run(job: &Job, order: CopyKeptOrder) -> Result<Outcome, Trouble> {
    let (writes, sets) = kept(job, &order)?;
    let about = order.to.display().to_string();
    let part = beside(&order.to, order.id).ok_or_else(|| CopyRefusal::PlaceNotAbsolute.trouble(&about))?;
    let (site, asked) = (job.site.clone(), order.clone());
    if let Some(done) = blocking(move || look(&site, &asked)).await? {
        return Ok(Outcome::CopiedKept(done));
    }
    let (can, not): (Vec<_>, Vec<_>) = sets.into_iter().partition(|set| can_copy(&job.site, set));
    if can.is_empty() {
        return Err(CopyRefusal::NothingToCopy.trouble(format!("kept writes {}", order.kept)));
    }
    let not_copied = not.iter().map(|set| read_in_place(set, &writes)).collect();
    let copied = CopiedKept { to: order.to.clone(), writes, copied: can, not_copied };
    let begun = Begun::at(&job.site.state, order.id);
    let (noted, place) = (begun.clone(), part.clone());
    blocking(move || noted.note(&place)).await?;
    let made = make(job, &order, &part, &copied).await;
    // Whole, or removed again: either way nothing is beside the directory any more.
    let (failed, place) = (made.is_err(), part.clone());
    let over = blocking(move || if failed { clear(&place).and_then(|()| begun.over()) } else { begun.over() }).await;
    if let Err(left) = over {
        tracing::warn!(%left, part = %part.display(), "what a copy left is removed by the next start of the agent");
    }
    made?;
    tracing::info!(kept = %order.kept, to = %about, "kept writes were copied out");
    Ok(Outcome::CopiedKept(copied))
}

/// The note of one copy that is being made: a file of the agent's state with the path of what is made.
#[derive(Debug, Clone)]
struct Begun(PathBuf);

impl Begun {
    fn at(state: &Path, id: InstructionId) -> Begun {
        Begun(state.join(NOTES).join(id.to_string()))
    }

    fn note(&self, part: &Path) -> Result<(), Trouble> {
        let about = |e: std::io::Error| failed(&self.0, "note what is copied out", &e);
        let folder = self.0.parent().unwrap_or(&self.0);
        fs::create_dir_all(folder).map_err(about)?;
        let text = serde_json::to_vec(part).map_err(|e| failed(&self.0, "note what is copied out", &e))?;
        let mut file = File::create(&self.0).map_err(about)?;
        std::io::Write::write_all(&mut file, &text).and_then(|()| file.sync_all()).map_err(about)?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(about)
    }

    fn over(&self) -> Result<(), Trouble> {
        match fs::remove_file(&self.0) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(failed(&self.0, "remove it", &e)),
            _ => Ok(()),
        }
    }
}

/// Removes what copies have left over which the agent died. Before anybody is served: an order that comes again begins anew.
pub fn clear_broken_off(state: &Path) {
    let Ok(notes) = fs::read_dir(state.join(NOTES)) else { return };
    for note in notes.flatten().map(|note| note.path()) {
        if let Err(trouble) = clear_one(&note) {
            tracing::warn!(%trouble, "what a copy left cannot be removed yet; the next start of the agent tries again");
        }
    }
}

fn clear_one(note: &Path) -> Result<(), Trouble> {
    let text = fs::read(note).map_err(|e| failed(note, "read it", &e))?;
    let part: Option<PathBuf> = serde_json::from_slice(&text).ok();
    // A note that was not whole was of a copy that had not begun; and nothing is removed that has not the copy's own name.
    let id = note.file_name().and_then(|id| id.to_str()).unwrap_or_default();
    let own =
        |part: &PathBuf| part.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(&format!(".understudy-{id}")));
    if let Some(part) = part.filter(|part| !id.is_empty() && own(part)) {
        clear(&part)?;
        tracing::info!(part = %part.display(), "what was left of a copy that broke off is removed");
    }
    Begun(note.to_owned()).over()
}

fn kept(job: &Job, order: &CopyKeptOrder) -> Result<(KeptWrites, Vec<DataSetName>), Trouble> {
    let row = job.site.ledger.capture(order.kept)?.filter(|row| row.pair == job.pair);
    let found = row.as_ref().and_then(|row| Some((CaptureRow::kept(row)?.clone(), row.data_sets.clone())));
    found.ok_or_else(|| CopyRefusal::NothingKept.trouble(format!("kept writes {}", order.kept)))
}

fn can_copy(site: &Site, set: &DataSetName) -> bool {
    site.component(set).is_ok_and(|component| component.copies_out())
}

fn read_in_place(set: &DataSetName, writes: &KeptWrites) -> Note {
    Note {
        object: set.to_string(),
        code: "read-in-place".into(),
        reason: "the agent does not copy data sets of this component out".into(),
        next_step: format!("read its snapshot understudy-{} there, with its own tools", writes.id),
        facts: None,
    }
}

/// Whether the place may be taken; what is there already, where this very order put it there.
fn look(site: &Site, order: &CopyKeptOrder) -> Result<Option<CopiedKept>, Trouble> {
    if let Some(done) = told_before(order) {
        return Ok(Some(done));
    }
    free(&order.to)?;
    if site.components.values().any(|component| component.has_place(&order.to)) {
        return Err(CopyRefusal::PlaceInUse.trouble(order.to.display()));
    }
    Ok(None)
}

/// What this very order brought, should it have ended before without being heard of.
fn told_before(order: &CopyKeptOrder) -> Option<CopiedKept> {
    let text = fs::read_to_string(order.to.join(PAPER)).ok()?;
    let paper: Paper = serde_json::from_str(&text).ok()?;
    (paper.id == order.id).then_some(paper.copied)
}

/// The directory is absent or empty, and what would hold it is there.
fn free(to: &Path) -> Result<(), Trouble> {
    let about = to.display();
    if !to.parent().is_some_and(Path::is_dir) {
        return Err(CopyRefusal::PlaceAboveMissing.trouble(about));
    }
    match fs::symlink_metadata(to) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(failed(to, "look at it", &e)),
        Ok(found) if !found.is_dir() => return Err(CopyRefusal::PlaceNotADirectory.trouble(about)),
        Ok(_) => {}
    }
    match fs::read_dir(to).map_err(|e| failed(to, "list it", &e))?.next() {
        None => Ok(()),
        Some(_) => Err(CopyRefusal::PlaceNotEmpty.trouble(about)),
    }
}

async fn make(job: &Job, order: &CopyKeptOrder, part: &Path, copied: &CopiedKept) -> Result<(), Trouble> {
    let place = part.to_owned();
    blocking(move || {
        clear(&place)?;
        private(&place)
    })
    .await?;
    for set in &copied.copied {
        if job.cancel.is_cancelled() {
            return Err(Trouble::new(TroubleKind::Cancelled, format!("kept writes {}", order.kept), "copying them was cancelled"));
        }
        copy(job, order, part, set).await?;
    }
    job.tell("making the copy durable");
    let paper = Paper { id: order.id, copied: copied.clone() };
    let (part, to): (PathBuf, PathBuf) = (part.to_owned(), order.to.clone());
    blocking(move || {
        let text = serde_json::to_string_pretty(&paper).map_err(|e| failed(&part, "describe it", &e))?;
        fs::write(part.join(PAPER), text + "\n").map_err(|e| failed(&part, "write into it", &e))?;
        let opened = File::open(&part).map_err(|e| failed(&part, "open it", &e))?;
        rustix::fs::syncfs(opened).map_err(|e| failed(&part, "sync it", &e))?;
        fs::rename(&part, &to).map_err(|e| match e.kind() {
            ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists => CopyRefusal::PlaceNotEmpty.trouble(to.display()),
            _ => failed(&to, "give the copy this name", &e),
        })?;
        let above = to.parent().unwrap_or(&to);
        File::open(above).and_then(|dir| dir.sync_all()).map_err(|e| failed(above, "sync it", &e))
    })
    .await
}

/// Copies a data set, telling now and then that it goes on.
async fn copy(job: &Job, order: &CopyKeptOrder, part: &Path, set: &DataSetName) -> Result<(), Trouble> {
    let component = job.site.component(set)?;
    let place = part.join(set.component.as_str());
    let work = component.copy_out(&set.path, order.kept, &place);
    tokio::pin!(work);
    let mut beat = tokio::time::interval(BEAT);
    let mut seconds = 0;
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = beat.tick() => {
                job.tell(format!("copying {set} ({seconds} s)"));
                seconds += BEAT.as_secs();
            }
        }
    }
}

/// A directory for the agent's user alone: what is in it has the owners and modes that it had.
fn private(place: &Path) -> Result<(), Trouble> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(place).map_err(|e| failed(place, "make it", &e))
}

fn clear(part: &Path) -> Result<(), Trouble> {
    if fs::symlink_metadata(part).is_err() {
        return Ok(());
    }
    make_removable(part)?;
    fs::remove_dir_all(part).map_err(|e| failed(part, "remove it", &e))
}

fn failed(place: &Path, doing: &str, e: &dyn std::fmt::Display) -> Trouble {
    Trouble::new(TroubleKind::Failed, place.display(), format!("cannot {doing}: {e}"))
        .next("see that the agent's user may write there and that there is room, then try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_removes_what_a_copy_left_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a folder");
        let (state, id) = (dir.path().join("state"), InstructionId(uuid::Uuid::now_v7()));
        let part = beside(&dir.path().join("out"), id).expect("a place");
        fs::create_dir_all(part.join("files/docs")).expect("made");
        let theirs = dir.path().join("theirs");
        fs::create_dir_all(&theirs).expect("made");
        Begun::at(&state, id).note(&part).expect("noted");
        Begun::at(&state, InstructionId(uuid::Uuid::now_v7())).note(&theirs).expect("noted");
        fs::write(state.join(NOTES).join("half"), "\"/no").expect("written");
        for _ in 0..2 {
            clear_broken_off(&state);
            assert!(!part.exists() && theirs.exists());
            assert_eq!(fs::read_dir(state.join(NOTES)).expect("there").count(), 0);
        }
    }
}
