//! A database of a point beside the live one, or one table: its data where a metastore would put it, its metadata under the new name.
//!
//! ```text
//! trees ─ copied aside, each compared ─ journal 1 ─ renamed to the place's directory ─ metadata, marked ─ equal to what it is to be ─ mark off
//! ```
//! While it bears the mark it is half-made and ours. No file is ever removed by way of the metastore.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::Hive;
use super::dump::Depth;
use super::model::{ConstraintKind, Metadata, RESTORE, Table, database};
use super::names::{DEFAULT, SetName, drill_of, restored_constraint, usual_database};
use super::places::{database_path, is_inside, path_in};
use super::plan::steps;
use super::space::Space;
use super::target::{Wanted, manifest_in};
use crate::components::restores::{Clearing, Restores, Restoring};
use crate::domain::restore::{RestoreNote, RestoreProof, RestoreRefusal, part};
use crate::domain::{ComponentKind, Digest, Manifest, RelPath, RestoreId, Trouble, TroubleKind};

/// What a place of a whole database has to be.
const DATABASE: &str = "a database that does not exist yet, for example sales_old";
/// The same of one table.
const TABLE: &str = "a table that does not exist yet with its database, which does, for example sales_old.orders";
/// Where, in a place's directory, is what lay outside the data set's own.
const OUTSIDE: &str = "outside";

/// One directory that is copied.
struct Piece {
    /// Where it is in production.
    from: String,
    /// The tree that it is of, and where in it.
    tree: String,
    inner: RelPath,
    /// Where it goes below the place's directory; empty: it is that directory.
    to: String,
    manifest: Manifest,
}

/// What is restored, in production's words.
struct What {
    from: SetName,
    metadata: Metadata,
    pieces: Vec<Piece>,
    notes: Vec<RestoreNote>,
}

#[async_trait]
impl Restores for Hive {
    fn place(&self, set: &str, only: Option<&str>, place: &str) -> Result<String, Trouble> {
        let (set, object) = (self.set(set)?, self.depot.object(set));
        let from = one_of(&set, only).map_err(|refusal| refusal.trouble(&object))?;
        let wanted = if from.table.is_some() { TABLE } else { DATABASE };
        let named = SetName::parse(place).ok().filter(|to| to.table.is_some() == from.table.is_some());
        let to =
            named.ok_or_else(|| RestoreRefusal::PlaceInvalid { place: place.to_owned(), wanted: wanted.to_owned() }.trouble(&object))?;
        if drill_of(&to.database).is_some() {
            return Err(RestoreRefusal::PlaceIsOurs { place: place.to_owned(), ours: "a drill's".into() }.trouble(&object));
        }
        Ok(to.to_string())
    }

    async fn directories(&self, place: &str) -> Result<Vec<String>, Trouble> {
        Ok(vec![format!("{}{}", self.fs, self.directory(&self.set(place)?).await?)])
    }

    async fn free(&self, place: &str) -> Result<(), Trouble> {
        let to = self.set(place)?;
        if self.is_named(&to).await?.is_some() {
            return Err(RestoreRefusal::PlaceExists { place: to.to_string() }.trouble(self.object(&to)));
        }
        self.hdfs.refuse_there(&self.object(&to), &self.directory(&to).await?).await
    }

    async fn bring(&self, what: Restoring<'_>) -> Result<RestoreProof, Trouble> {
        let (set, to) = (self.set(what.set)?, self.set(what.place)?);
        let object = self.object(&set);
        let from = one_of(&set, what.only).map_err(|refusal| refusal.trouble(&object))?;
        let found =
            chosen(from, self.wanted(&set, what.manifest).await?, what.manifest, &self.fs).map_err(|refusal| refusal.trouble(&object))?;
        let base = self.directory(&to).await?;
        let aside = self.hdfs.aside(what.restore);
        let space = self.space(what.restore, &found, &to, &base);
        let metadata = space.metadata(&found.metadata).map_err(|(table, reason)| {
            self.refused(&table, &reason).next("restore the other tables one by one with --only, each to DATABASE.TABLE")
        })?;
        // A view has no files.
        if !found.pieces.is_empty() {
            if what.journal.done()? == 0 {
                self.free(what.place).await?;
                self.copy_aside(&set, &found, &aside, what).await?;
                what.journal.advance(1)?;
            }
            self.hdfs.put_into_place(&self.object(&to), &aside, &base).await?;
            self.hdfs.clear_aside(what.restore).await?;
        }
        self.bring_metadata_beside(&to, what.restore, metadata).await?;
        let whole = found.from.table.is_none();
        let digests: Vec<Digest> = found.pieces.iter().map(|piece| piece.manifest.digest()).collect();
        Ok(RestoreProof {
            place: to.to_string(),
            files: if whole { what.manifest.files() } else { found.pieces.iter().map(|piece| piece.manifest.files()).sum() },
            bytes: if whole { what.manifest.bytes() } else { found.pieces.iter().map(|piece| piece.manifest.bytes()).sum() },
            digest: if whole { what.manifest.digest() } else { Digest::of_pieces(&digests) },
            notes: notes(found, &to),
        })
    }

    async fn clear(&self, what: Clearing<'_>) -> Result<(), Trouble> {
        let (restore, phases) = (what.restore, what.phases);
        let to = self.set(what.place)?;
        let base = match self.directory(&to).await {
            Err(trouble) if trouble.code() == "no-parent" => None,
            base => Some(base?),
        };
        let is_aside = self.hdfs.is_there(&self.hdfs.aside(restore)).await?;
        self.hdfs.clear_aside(restore).await?;
        match self.is_named(&to).await? {
            Some(marks) if marks.get(RESTORE) != Some(&restore.to_string()) => return Ok(()),
            Some(_) => match &to.table {
                None => self.metastore.drop_databases(&self.object(&to), vec![to.database.clone()]).await?,
                Some(table) => self.metastore.drop_table(&self.object(&to), &to.database, table).await?,
            },
            None => {}
        }
        // What was made aside and is there no more is in the place: nobody else moves it.
        match base.filter(|_| phases > 0 && !is_aside) {
            Some(base) => self.hdfs.remove(&base).await.map_err(|error| error.about(self.object(&to))),
            None => Ok(()),
        }
    }
}

/// The data set that is restored: itself, or one table of a database.
fn one_of(set: &SetName, only: Option<&str>) -> Result<SetName, RestoreRefusal> {
    let Some(only) = only else { return Ok(set.clone()) };
    if set.table.is_some() {
        return Err(RestoreRefusal::NoParts { kind: ComponentKind::Hive });
    }
    let one = SetName::parse(&format!("{}.{only}", set.database));
    one.map_err(|_| RestoreRefusal::NoSuchPart { only: only.to_owned() })
}

/// What of a point is restored, and where each of its directories goes. Pure.
fn chosen(from: SetName, wanted: Wanted, manifest: &Manifest, fs: &str) -> Result<What, RestoreRefusal> {
    let Wanted { mut metadata, trees } = wanted;
    let missing = |only: &str| RestoreRefusal::NoSuchPart { only: only.to_owned() };
    let (mut notes, mut pieces) = (Vec::new(), Vec::new());
    let own = match &from.table {
        None => database_path(&metadata, fs),
        Some(name) => {
            let table = metadata.tables.remove(name).ok_or_else(|| missing(name))?;
            let own = table.location().and_then(|location| path_in(location, fs));
            metadata.tables = BTreeMap::from([(name.clone(), without_keys(table, &mut notes))]);
            metadata.functions.clear();
            // Its database is there, and stays as it is.
            metadata.database = None;
            own
        }
    };
    let top = |path: &str| Some(path) == own.as_deref();
    let outside = free_name(manifest, &trees, own.as_deref());
    let to = |path: &str| if top(path) { String::new() } else { format!("/{outside}{path}") };
    match &from.table {
        None => {
            for (root, place) in &trees {
                let manifest = manifest_in(manifest, root);
                pieces.push(Piece { to: to(place), from: place.clone(), tree: place.clone(), inner: RelPath::root(), manifest });
            }
        }
        Some(_) => {
            let reads = metadata.tables.values().flat_map(Table::reads).filter_map(|read| path_in(&read.place, fs));
            let mut places: Vec<String> = reads.collect();
            places.sort();
            places.dedup();
            let outermost: Vec<&String> =
                places.iter().filter(|path| places.iter().all(|other| other == *path || !is_inside(path, other))).collect();
            for path in outermost {
                let Some((root, tree)) = trees.iter().find(|(_, tree)| is_inside(path, tree)) else { continue };
                let inner = RelPath::new(path[tree.len()..].trim_start_matches('/')).unwrap_or_default();
                // A directory that its table never made has nothing to copy.
                let Some(manifest) = part(&manifest_in(manifest, root), &inner) else { continue };
                pieces.push(Piece { to: to(path), from: path.clone(), tree: tree.clone(), inner, manifest });
            }
        }
    }
    // The directory itself comes first: what is outside goes into it.
    pieces.sort_by(|one, other| one.to.cmp(&other.to));
    Ok(What { from, metadata, pieces, notes })
}

/// What is not, or not so: a metastore of version 3.1 takes each constraint's name once only.
fn notes(what: What, to: &SetName) -> Vec<RestoreNote> {
    let constraints = what.metadata.tables.values().flat_map(|table| table.constraints.keys());
    let names: Vec<(String, String)> = constraints.map(|(_, name)| (name.clone(), restored_constraint(to, name))).collect();
    let renamed = (!names.is_empty()).then_some(RestoreNote::Renamed { names });
    what.notes.into_iter().chain(renamed).collect()
}

/// A table without the keys that lead to others.
fn without_keys(mut table: Table, notes: &mut Vec<RestoreNote>) -> Table {
    let (foreign, kept) = std::mem::take(&mut table.constraints).into_iter().partition(|((kind, _), _)| *kind == ConstraintKind::Foreign);
    table.constraints = kept;
    let foreign: BTreeMap<(ConstraintKind, String), _> = foreign;
    if !foreign.is_empty() {
        notes.push(RestoreNote::KeysLeftOut { names: foreign.into_keys().map(|(_, name)| name).collect() });
    }
    table
}

/// A name that nothing in the data set's own directory has.
fn free_name(manifest: &Manifest, trees: &[(RelPath, String)], own: Option<&str>) -> String {
    let mut name = OUTSIDE.to_owned();
    let root = trees.iter().find(|(_, place)| Some(place.as_str()) == own).map(|(root, _)| root);
    while root.is_some_and(|root| root.join(&name).is_ok_and(|path| manifest.entries.contains_key(&path))) {
        name.push('_');
    }
    name
}

impl Hive {
    /// Where the data of a place goes: where a metastore puts it when nobody says otherwise.
    async fn directory(&self, to: &SetName) -> Result<String, Trouble> {
        let Some(table) = &to.table else { return Ok(usual_database(&self.warehouse, &to.database)) };
        let name = to.database.clone();
        let found = self.metastore.run(&self.object(to), move |session| session.database(&name)).await?;
        let Some(body) = found else {
            let parent = format!("database {}", to.database);
            return Err(RestoreRefusal::NoParent { place: to.to_string(), parent }.trouble(self.object(to)));
        };
        let own = body.text(database::LOCATION).and_then(|location| path_in(location, &self.fs)).filter(|_| to.database != DEFAULT);
        Ok(format!("{}/{table}", own.unwrap_or_else(|| usual_database(&self.warehouse, &to.database))))
    }

    /// The marks of what the metastore has under a name; `None` where it has nothing.
    async fn is_named(&self, to: &SetName) -> Result<Option<BTreeMap<String, String>>, Trouble> {
        let live = self.metastore.dump(&self.object(to), to, Depth::Tables).await?;
        let there = match &to.table {
            None => live.database.is_some(),
            Some(table) => live.tables.contains_key(table),
        };
        Ok(there.then_some(live.marks))
    }

    fn space(&self, restore: RestoreId, what: &What, to: &SetName, base: &str) -> Space {
        let mut places: Vec<(String, String)> =
            what.pieces.iter().map(|piece| (piece.from.clone(), format!("{base}{}", piece.to))).collect();
        // A database's directories that hold none of its data: they go with it.
        let own = what.metadata.database.as_ref().filter(|_| what.from.table.is_none());
        for (id, to) in [(database::LOCATION, base.to_owned()), (database::MANAGED_LOCATION, format!("{base}/managed"))] {
            let path = own.and_then(|body| path_in(body.text(id)?, &self.fs));
            places.extend(path.filter(|path| !what.pieces.iter().any(|piece| is_inside(path, &piece.from))).map(|path| (path, to)));
        }
        Space::beside(restore, &what.from, to.clone(), &self.fs, base, places)
    }

    async fn copy_aside(&self, set: &SetName, what: &What, aside: &str, asked: Restoring<'_>) -> Result<(), Trouble> {
        let hdfs = self.hdfs_of(set);
        hdfs.clear_aside(asked.restore).await?;
        hdfs.make_directory(aside).await?;
        for piece in &what.pieces {
            let cut = hdfs.find_cut(&piece.tree, asked.point).await?.ok_or_else(|| {
                let reason = format!("its snapshot of {} for point {} is not here", piece.tree, asked.point);
                Trouble::new(TroubleKind::NotFound, self.object(set), reason)
                    .next("choose another recovery point, or the other cluster with --at")
            })?;
            let to = format!("{aside}{}", piece.to);
            // What leads to a directory outside is open: HDFS would give it the mode of a directory that is being copied.
            if let Some((above, _)) = to.rsplit_once('/').filter(|_| !piece.to.is_empty()) {
                hdfs.make_directory(above).await?;
            }
            hdfs.copy_part(&cut, &piece.inner, &to, &piece.manifest).await?;
        }
        Ok(())
    }

    /// The metadata, until the metastore has what it is to have; the mark goes last.
    async fn bring_metadata_beside(&self, to: &SetName, restore: RestoreId, metadata: Metadata) -> Result<(), Trouble> {
        let object = self.object(to);
        if let Some(marks) = self.is_named(to).await?
            && marks.get(RESTORE) != Some(&restore.to_string())
        {
            // Whole already, and the mark gone; or somebody else's.
            let live = self.metastore.dump(&object, to, Depth::All).await?;
            let wanted = Metadata { marks: live.marks.clone(), ..metadata };
            return match steps(&live, &wanted, to.table.is_none()).first() {
                None => Ok(()),
                Some(_) => Err(RestoreRefusal::PlaceExists { place: to.to_string() }.trouble(object)),
            };
        }
        self.metastore.bring_to(&object, to, metadata).await?;
        self.metastore.mark(&object, to, BTreeMap::from([(RESTORE.to_owned(), None)])).await
    }
}
