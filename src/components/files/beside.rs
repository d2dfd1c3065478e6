//! A directory of a point beside the live tree: made in a folder of our own in the place's parent, read back whole, and renamed to the place,
//! which the kernel refuses where something is.

use std::os::fd::OwnedFd;

use async_trait::async_trait;
use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::apply::{Apply, plan_restore};
use super::fence::make_removable;
use super::meta::{Fail, Names, give_in};
use super::target::NoJournal;
use super::tree::{Tree, WORKPLACE, remove, trouble};
use super::walk::{Look, survey};
use super::{Files, Inner, LOOK, WALK, drift};
use crate::components::depot::{Captured, blocking, limited};
use crate::components::objects::sync_dir;
use crate::components::restores::{Clearing, Restores, Restoring};
use crate::domain::restore::{RestoreProof, RestoreRefusal, directory, part};
use crate::domain::{Manifest, PointId, RelPath, RestoreId, Trouble, TroubleKind};

/// What a place has to be.
const WANTED: &str = "a directory in the component's tree that does not exist yet, for example invoices-old";

/// What is made aside for a restore, in the directory that its place will be in.
fn aside(restore: RestoreId) -> String {
    format!("{WORKPLACE}restore-{restore}")
}

#[async_trait]
impl Restores for Files {
    fn place(&self, set: &str, only: Option<&str>, place: &str) -> Result<String, Trouble> {
        let object = self.inner.depot.object(set);
        only.map(|only| directory(only).ok_or_else(|| no_part(only, &object))).transpose()?;
        let path = directory(place).filter(|path| !path.is_root());
        let path =
            path.ok_or_else(|| RestoreRefusal::PlaceInvalid { place: place.to_owned(), wanted: WANTED.to_owned() }.trouble(&object))?;
        if path.as_str().split('/').any(|name| name.starts_with(WORKPLACE)) {
            let ours = "a name that only this program gives".to_owned();
            return Err(RestoreRefusal::PlaceIsOurs { place: place.to_owned(), ours }.trouble(&object));
        }
        Ok(path.as_str().to_owned())
    }

    async fn free(&self, place: &str) -> Result<(), Trouble> {
        let (inner, place) = (self.inner.clone(), place.to_owned());
        let object = inner.depot.object(&place);
        limited(LOOK, &object, blocking(move || inner.parent(&place).and_then(|parent| parent.refuse_there(&inner)))).await
    }

    async fn bring(&self, what: Restoring<'_>) -> Result<RestoreProof, Trouble> {
        let inner = self.inner.clone();
        let object = inner.depot.object(what.set);
        let place = what.place.to_owned();
        let only = what.only.and_then(directory).unwrap_or_default();
        let manifest = part(what.manifest, &only).ok_or_else(|| no_part(only.as_str(), &object))?;
        if what.journal.done()? == 0 {
            let (inner, place, manifest, set) = (inner.clone(), place.clone(), manifest.clone(), what.set.to_owned());
            let (point, restore) = (what.point, what.restore);
            limited(WALK, &object, blocking(move || inner.make_aside(&set, &place, point, &manifest, restore))).await?;
            what.journal.advance(1)?;
        }
        let restore = what.restore;
        let proof = RestoreProof {
            place: inner.root.join(&place).display().to_string(),
            files: manifest.files(),
            bytes: manifest.bytes(),
            digest: manifest.digest(),
            notes: Vec::new(),
        };
        limited(LOOK, &object, blocking(move || inner.put_into_place(&place, restore))).await?;
        Ok(proof)
    }

    async fn clear(&self, what: Clearing<'_>) -> Result<(), Trouble> {
        let (inner, place, restore) = (self.inner.clone(), what.place.to_owned(), what.restore);
        let object = inner.depot.object(&place);
        limited(WALK, &object, blocking(move || inner.clear_aside(&place, restore))).await
    }
}

fn no_part(only: &str, object: &str) -> Trouble {
    RestoreRefusal::NoSuchPart { only: only.to_owned() }.trouble(object)
}

/// The directory that a place is in, open, and the place's name in it.
struct Parent {
    tree: Tree,
    name: String,
    place: String,
}

impl Parent {
    fn is_there(&self, name: &str) -> Result<bool, Trouble> {
        match rustix::fs::statat(self.tree.fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(trouble(&self.tree.place.join(name), "look at", e)),
        }
    }

    fn refuse_there(&self, inner: &Inner) -> Result<(), Trouble> {
        if self.is_there(&self.name)? { Err(self.exists(inner)) } else { Ok(()) }
    }

    fn exists(&self, inner: &Inner) -> Trouble {
        RestoreRefusal::PlaceExists { place: self.place.clone() }.trouble(inner.depot.object(&self.place))
    }

    fn fd(&self) -> &OwnedFd {
        self.tree.fd()
    }
}

impl Inner {
    fn parent(&self, place: &str) -> Result<Parent, Trouble> {
        let object = self.depot.object(place);
        let path = RelPath::new(place).map_err(|e| Trouble::new(TroubleKind::Invalid, &object, e))?;
        let above = path.parent().unwrap_or_default();
        let tree = Tree::open(&self.root, &above)?.ok_or_else(|| {
            let (place, parent) = (place.to_owned(), self.root.join(above.as_str()).display().to_string());
            RestoreRefusal::NoParent { place, parent }.trouble(&object)
        })?;
        Ok(Parent { tree, name: path.name().to_owned(), place: place.to_owned() })
    }

    /// Everything up to a whole tree that was read back, under a name of ours. Begun anew when an earlier attempt left something.
    fn make_aside(&self, set: &str, place: &str, point: PointId, manifest: &Manifest, restore: RestoreId) -> Result<(), Trouble> {
        let parent = self.parent(place)?;
        parent.refuse_there(self)?;
        self.refuse_missing(set, point, manifest)?;
        let names = Names::load();
        self.check_privileges(set, manifest, &names)?;
        self.clear_aside(place, restore)?;
        let own = RelPath::new(aside(restore)).map_err(|e| Trouble::new(TroubleKind::Invalid, place, e))?;
        let tree = Tree::make(&parent.tree.place, &own, 0o700)?;
        let apply = Apply { tree: &tree, objects: &self.depot.objects, point, names: &names, allowed: &self.allowed, manifest };
        apply.run(&plan_restore(&Captured::new(), manifest), &NoJournal)?;
        self.open_root(&tree, manifest, &names)?;
        let found = survey(&tree, Look::Content, &names)?;
        let mut differs = drift::tell(manifest, &found);
        let read = |manifest: &Manifest| manifest.entries.values().map(|entry| entry.node.clone()).collect::<Vec<_>>();
        if differs.is_empty() && read(manifest) != read(&found) {
            differs.push("its content is not the point's".into());
        }
        if differs.is_empty() {
            return Ok(());
        }
        let reason = format!("what was made of point {point} is not what the point holds: {}", differs.join("; "));
        Err(Trouble::new(TroubleKind::Corrupt, self.depot.object(set), reason).next("choose another recovery point"))
    }

    /// An apply leaves its root to a fence; there is none here.
    fn open_root(&self, tree: &Tree, manifest: &Manifest, names: &Names) -> Result<(), Trouble> {
        let root = RelPath::root();
        let Some(entry) = manifest.entries.get(&root) else { return Ok(()) };
        let stat = rustix::fs::fstat(tree.fd()).map_err(|e| tree.failed(&root, "look at", e))?;
        give_in(tree.fd(), ".", &stat, entry, (names, &self.allowed), false).map_err(|fail| match fail {
            Fail::Told(trouble) => trouble,
            Fail::Number(doing, e) => tree.failed(&root, doing, e),
        })
    }

    /// Renames it to the place, for good. Done already, it stays.
    fn put_into_place(&self, place: &str, restore: RestoreId) -> Result<(), Trouble> {
        let parent = self.parent(place)?;
        let own = aside(restore);
        match rustix::fs::renameat_with(parent.fd(), &own, parent.fd(), &parent.name, RenameFlags::NOREPLACE) {
            Ok(()) => sync_dir(&parent.tree.place),
            // It is under its own name until it is in the place.
            Err(Errno::NOENT) if parent.is_there(&parent.name)? => Ok(()),
            Err(Errno::EXIST | Errno::NOTEMPTY) => Err(parent.exists(self)),
            Err(e) => Err(trouble(&parent.tree.place.join(&own), "rename into place", e)),
        }
    }

    fn clear_aside(&self, place: &str, restore: RestoreId) -> Result<(), Trouble> {
        let parent = match self.parent(place) {
            Err(trouble) if trouble.code() == "no-parent" => return Ok(()),
            parent => parent?,
        };
        let own = aside(restore);
        if !parent.is_there(&own)? {
            return Ok(());
        }
        let folder = parent.tree.place.join(&own);
        make_removable(&folder)?;
        remove(parent.fd(), &own, &folder)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::components::{Component, PhaseJournal};
    use crate::domain::{Change, PointId};

    /// Somebody makes the place while the restore is being made.
    struct Meanwhile(PathBuf);

    impl PhaseJournal for Meanwhile {
        fn done(&self) -> Result<u32, Trouble> {
            Ok(0)
        }

        fn advance(&self, _: u32) -> Result<(), Trouble> {
            fs::create_dir(&self.0).expect("made");
            Ok(())
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_directory_that_somebody_made_meanwhile_is_not_replaced() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("docs")).expect("made");
        fs::write(root.join("docs/file"), "text").expect("written");
        let files = Files::new("files".parse().expect("a name"), &root, dir.path().join("store")).expect("opened");
        let files = files.allowing([super::super::Privilege::RootOwner]);
        let point = PointId(uuid::Uuid::now_v7());
        files.capture("docs", point).await.expect("captured");
        let all = files.changes("docs", point, None).await.expect("told").changes;
        let manifest =
            Manifest::from_entries(all.into_iter().filter_map(|change| if let Change::Put(entry) = change { Some(entry) } else { None }));
        let (restore, journal) = (RestoreId(uuid::Uuid::now_v7()), Meanwhile(root.join("old")));
        let what = Restoring { restore, set: "docs", only: None, point, manifest: &manifest, place: "old", journal: &journal };
        assert_eq!(files.bring(what).await.expect_err("it is somebody's").code(), "place-exists");
        assert_eq!(fs::read_dir(root.join("old")).expect("there").count(), 0, "it is as it was made");
        files.clear(Clearing { restore, set: "docs", point, place: "old", phases: 1 }).await.expect("cleared");
        let mut left: Vec<_> = fs::read_dir(&root).expect("listed").flatten().map(|entry| entry.file_name()).collect();
        left.sort();
        assert_eq!(left, ["docs", "old"]);
        assert_eq!(fs::read_to_string(root.join("docs/file")).expect("read"), "text");
    }
}
