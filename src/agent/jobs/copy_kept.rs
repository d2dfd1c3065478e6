//! Kept writes, copied out for their owner into a directory of this host.
//!
//! ```text
//! kept here? → place free? → every data set into .DIR.understudy-ID beside it → synced → renamed to DIR
//! ```
//! So the directory is whole or absent. It has each data set whole, as it was when it was kept, and `kept.json`, which says what it is: an
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
    let made = make(job, &order, &part, &copied).await;
    if let Err(trouble) = made {
        let part = part.clone();
        if let Err(left) = blocking(move || clear(&part)).await {
            tracing::warn!(%left, "a copy that broke off could not be removed");
        }
        return Err(trouble);
    }
    tracing::info!(kept = %order.kept, to = %about, "kept writes were copied out");
    Ok(Outcome::CopiedKept(copied))
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
