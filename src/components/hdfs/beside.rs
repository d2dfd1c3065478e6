//! A directory of a point beside the live data: copied out of the snapshot into a directory of our own, as a drill's is, held against the
//! manifest, and renamed to the place, which HDFS refuses where something is.

use async_trait::async_trait;

use super::error::HdfsError;
use super::listing::{full, list};
use super::status::status_if_there;
use super::webhdfs::Operation;
use super::{Cut, HOME, Hdfs};
use crate::components::restores::{Clearing, Restores, Restoring};
use crate::domain::restore::{RestoreProof, RestoreRefusal, directory, part};
use crate::domain::{Manifest, RelPath, RestoreId, Trouble, TroubleKind};

/// What a place has to be.
const WANTED: &str = "a directory that does not exist yet, for example /data/orders-old";

/// Where the restores are made.
fn restores() -> String {
    format!("{HOME}/restores")
}

impl Hdfs {
    /// Where a restore is made before it has its place.
    pub(in crate::components) fn aside(&self, restore: RestoreId) -> String {
        format!("{}/{restore}/{}", restores(), self.name)
    }

    /// A directory that a person named; what is none, and what is HDFS's or ours, is refused.
    fn named(&self, object: &str, place: &str) -> Result<String, Trouble> {
        let plain = place.strip_prefix('/').map(|path| path.strip_suffix('/').unwrap_or(path)).map(RelPath::new);
        let Some(Ok(path)) = plain.filter(|path| path.as_ref().is_ok_and(|path| !path.is_root())) else {
            return Err(RestoreRefusal::PlaceInvalid { place: place.to_owned(), wanted: WANTED.to_owned() }.trouble(object));
        };
        let path = format!("/{path}");
        self.check_set(&path).map_err(|trouble| {
            RestoreRefusal::PlaceIsOurs { place: path.clone(), ours: format!("not for users' data: {}", trouble.reason) }.trouble(object)
        })?;
        Ok(path)
    }

    /// Refuses a place where something is, and one without a directory to be in.
    pub(in crate::components) async fn refuse_there(&self, object: &str, place: &str) -> Result<(), Trouble> {
        let about = |error: HdfsError| error.about(object);
        if status_if_there(&self.web, place).await.map_err(about)?.is_some() {
            return Err(RestoreRefusal::PlaceExists { place: place.to_owned() }.trouble(object));
        }
        let parent = place.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty()).unwrap_or("/");
        match status_if_there(&self.web, parent).await.map_err(about)? {
            Some(status) if status.is_directory() => Ok(()),
            _ => Err(RestoreRefusal::NoParent { place: place.to_owned(), parent: parent.to_owned() }.trouble(object)),
        }
    }

    /// A tree as it was, copied out of a snapshot and compared whole: every byte on its way, every entry by a listing.
    async fn copy_and_compare(&self, from: &str, to: &str, manifest: &Manifest) -> Result<(), Trouble> {
        self.copy_out(from, to, manifest).await?;
        self.check_tree(to, manifest).await
    }

    /// The same of a part of a tree of another component's.
    pub(in crate::components) async fn copy_part(&self, cut: &Cut, inner: &RelPath, to: &str, manifest: &Manifest) -> Result<(), Trouble> {
        self.copy_and_compare(&full(&cut.path, inner), to, manifest).await
    }

    /// Makes a directory that its owner may use, and what leads there.
    pub(in crate::components) async fn make_directory(&self, path: &str) -> Result<(), Trouble> {
        self.web.run(Operation::put("MKDIRS", path).with("permission", "755")).await.map_err(|error| error.about(self.object(path)))
    }

    /// Renames what was made aside to its place. Done already, it stays.
    pub(in crate::components) async fn put_into_place(&self, object: &str, aside: &str, place: &str) -> Result<(), Trouble> {
        let about = |error: HdfsError| error.about(object);
        if status_if_there(&self.web, aside).await.map_err(about)?.is_none() {
            // It is under its own name until it is in the place.
            return match status_if_there(&self.web, place).await.map_err(about)? {
                Some(_) => Ok(()),
                None => Err(Trouble::new(TroubleKind::NotFound, object, format!("neither {aside} nor {place} is there any more"))
                    .next("restore it once more")),
            };
        }
        match self.rename(aside, place, false).await {
            Err(error) if error.is("FileAlreadyExistsException") => {
                Err(RestoreRefusal::PlaceExists { place: place.to_owned() }.trouble(object))
            }
            renamed => renamed.map_err(about),
        }
    }

    /// Removes what is aside, and the directories above it that are empty then; well when there is nothing.
    pub(in crate::components) async fn clear_aside(&self, restore: RestoreId) -> Result<(), Trouble> {
        let about = |error: HdfsError| error.about(self.object(&self.aside(restore)));
        self.remove(&format!("{}/{restore}", restores())).await.map_err(about)?;
        match list(&self.web, &restores()).await {
            Ok(left) if left.is_empty() => match self.web.boolean(Operation::delete("DELETE", &restores())).await {
                // Another one may begin there at this moment: HDFS then refuses, which is as well.
                Err(error) if !error.is_remote() => Err(about(error)),
                _ => Ok(()),
            },
            Err(error) if !error.is_missing() => Err(about(error)),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Restores for Hdfs {
    fn place(&self, set: &str, only: Option<&str>, place: &str) -> Result<String, Trouble> {
        let object = self.object(set);
        if let Some(only) = only {
            directory(only).ok_or_else(|| RestoreRefusal::NoSuchPart { only: only.to_owned() }.trouble(&object))?;
        }
        self.named(&object, place)
    }

    async fn directories(&self, place: &str) -> Result<Vec<String>, Trouble> {
        Ok(vec![format!("{}{place}", self.fs.trim_end_matches('/'))])
    }

    async fn free(&self, place: &str) -> Result<(), Trouble> {
        self.refuse_there(&self.object(place), place).await
    }

    async fn bring(&self, what: Restoring<'_>) -> Result<RestoreProof, Trouble> {
        let (object, aside) = (self.object(what.set), self.aside(what.restore));
        let no_part = || RestoreRefusal::NoSuchPart { only: what.only.unwrap_or_default().to_owned() }.trouble(&object);
        let only = what.only.map_or_else(|| Some(RelPath::root()), directory).ok_or_else(no_part)?;
        let manifest = part(what.manifest, &only).ok_or_else(no_part)?;
        if what.journal.done()? == 0 {
            self.refuse_there(&self.object(what.place), what.place).await?;
            let cut = self.find_cut(what.set, what.point).await?.ok_or_else(|| {
                let reason = format!("its snapshot of point {} is not here", what.point);
                Trouble::new(TroubleKind::NotFound, &object, reason).next("choose another recovery point, or the other cluster with --at")
            })?;
            self.copy_and_compare(&full(&cut.path, &only), &aside, &manifest).await?;
            what.journal.advance(1)?;
        }
        self.put_into_place(&self.object(what.place), &aside, what.place).await?;
        self.clear_aside(what.restore).await?;
        Ok(RestoreProof {
            place: format!("{}{}", self.fs.trim_end_matches('/'), what.place),
            files: manifest.files(),
            bytes: manifest.bytes(),
            digest: manifest.digest(),
            notes: Vec::new(),
        })
    }

    async fn clear(&self, what: Clearing<'_>) -> Result<(), Trouble> {
        self.clear_aside(what.restore).await
    }
}
