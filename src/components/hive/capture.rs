//! One moment of a data set: the metadata and, by snapshots, the data.
//!
//! ```text
//! read all (when armed) → events since? read those again → E1 → snapshots of every root → E2 → events in (E1, E2]? all of it again
//! ```
//! Between E1 and E2 nothing of the data set's metadata changed, so that what was read is its state at the snapshots, which lie
//! between. Files are no business of the metastore's events: the snapshots alone say which there were.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use super::Hive;
use super::constraints::take_out;
use super::dump::{Depth, base, table_names, update_tables, whole};
use super::model::Metadata;
use super::names::SetName;
use super::notes::HiveRefusal;
use super::places::{Tree, database_path, trees};
use super::rewrite::Origin;
use super::roots::{Estate, Roots, choose, relevant};
use super::survey::has_event_log;
use super::thrift::{Session, SessionError, Struct};
use super::told::{Scene, notes, reader, refusal};
use crate::components::Capture;
use crate::domain::{Note, PointId, Trouble, TroubleKind};

/// Metadata read when a run was armed is good for so long: events are kept for a day, but reading thousands of them takes longer.
pub const ARMED_FOR: Duration = Duration::from_secs(600);
/// Times that a capture is tried while the metadata changes under it.
const ROUNDS: usize = 12;
/// Events read at once.
const EVENTS_AT_ONCE: i32 = 1_000;
/// With more events than this it is quicker to read everything again.
const EVENTS: i64 = 10_000;
/// Open files named in a point.
const OPEN_FILES: usize = 100;

/// The metadata as it was at an event.
#[derive(Debug, Clone)]
pub struct State {
    /// What was read.
    pub metadata: Metadata,
    /// All events up to this are in it.
    pub event: i64,
    /// When it was read.
    pub read: Instant,
}

/// What an event means for a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Touched {
    Nothing,
    /// Tables may have come or gone.
    Names,
    /// One table.
    Table(String),
    /// The database or its functions.
    Base,
    /// Anything.
    All,
}

/// The decision about one `NotificationEvent`.
fn touched(event: &Struct, set: &SetName) -> Touched {
    let text = |id| event.text(id).unwrap_or_default();
    let (kind, database, table) = (text(3), text(4).to_lowercase(), text(5).to_lowercase());
    if database != set.database {
        // A table may be renamed from one database into another, and the event tells the one that it left.
        return if kind == "ALTER_TABLE" { Touched::Names } else { Touched::Nothing };
    }
    match (&set.table, table.as_str()) {
        (_, "") if kind.contains("DATABASE") || kind.contains("FUNCTION") => Touched::Base,
        (_, "") => Touched::All,
        (None, table) => Touched::Table(table.to_owned()),
        (Some(own), table) if own == table => Touched::Table(own.clone()),
        (Some(_), _) if kind == "ALTER_TABLE" => Touched::Names,
        (Some(_), _) => Touched::Nothing,
    }
}

/// Whether the log of changes has no longer told every event after `first`, up to `last`. A metastore counts them without a gap.
fn is_cleaned(told: &BTreeSet<i64>, first: i64, last: i64) -> bool {
    let expected = usize::try_from(last.saturating_sub(first)).unwrap_or(usize::MAX);
    told.range(first.saturating_add(1)..=last).count() < expected
}

/// Reads everything, at an event.
pub fn read_state(session: &mut Session, set: &SetName) -> Result<State, SessionError> {
    let event = session.event_id()?;
    Ok(State { metadata: whole(session, set, Depth::All)?, event, read: Instant::now() })
}

/// Reads again what changed since; true when nothing did.
pub fn refresh(session: &mut Session, set: &SetName, state: &mut State) -> Result<bool, SessionError> {
    let now = session.event_id()?;
    if now == state.event {
        return Ok(true);
    }
    // The log of events begins anew when a metastore's database was made anew.
    if now < state.event || now - state.event > EVENTS {
        *state = read_state(session, set)?;
        return Ok(false);
    }
    let (first, mut all, mut told) = (state.event, Vec::new(), BTreeSet::new());
    while state.event < now {
        let events = session.events(state.event, EVENTS_AT_ONCE)?;
        let last = events.iter().filter_map(|event| event.number(1)).max().filter(|last| *last > state.event);
        told.extend(events.iter().filter_map(|event| event.number(1)));
        all.extend(events.iter().map(|event| touched(event, set)));
        let Some(last) = last else { break };
        state.event = last;
    }
    state.event = state.event.max(now);
    // The metastore cleans its log by age: what an event said that is gone is not known, and everything is read again.
    if is_cleaned(&told, first, now) {
        *state = State { event: state.event, ..read_state(session, set)? };
        return Ok(false);
    }
    all.retain(|touched| *touched != Touched::Nothing);
    if all.is_empty() {
        return Ok(true);
    }
    if all.contains(&Touched::All) {
        *state = State { event: state.event, ..read_state(session, set)? };
        return Ok(false);
    }
    if all.contains(&Touched::Base) {
        base(session, set, Depth::All, &mut state.metadata)?;
    }
    let there: BTreeSet<String> = table_names(session, set, &state.metadata)?.into_iter().collect();
    state.metadata.tables.retain(|name, _| there.contains(name));
    let dirty: BTreeSet<&String> = all.iter().filter_map(|one| if let Touched::Table(name) = one { Some(name) } else { None }).collect();
    let wanted: Vec<String> = there
        .iter()
        .filter(|name| dirty.contains(name) || !state.metadata.tables.contains_key(*name) || set.table.is_some())
        .cloned()
        .collect();
    update_tables(session, set, Depth::All, &wanted, &mut state.metadata)?;
    Ok(false)
}

impl Hive {
    /// Reads everything and makes every root ready for snapshots.
    pub(super) async fn arm_set(&self, set: &SetName) -> Result<Vec<Note>, Trouble> {
        let object = self.object(set);
        let owned = set.clone();
        let (logged, mut state) =
            self.metastore.run(&object, move |session| Ok((has_event_log(session)?, read_state(session, &owned)?))).await?;
        if !logged {
            return Err(HiveRefusal::NoEventLog.trouble(object));
        }
        let left_out = take_out(&mut state.metadata.clone(), set);
        let (there, roots) = self.ready(set, &state.metadata).await?;
        let scene = Scene { set, fs: &self.fs, trees: &there, roots: &roots };
        let mut said: Vec<Note> = left_out.into_iter().chain(notes(&state.metadata, &scene)).map(|note| note.told(&object)).collect();
        said.extend(self.notes_of_trees(set, &there).await?);
        state.read = Instant::now();
        self.remember(set, state);
        Ok(said)
    }

    /// What must be captured: the trees that are there, and for each the directory to be snapshotted, made ready for it.
    async fn ready(&self, set: &SetName, metadata: &Metadata) -> Result<(Vec<Tree>, Roots), Trouble> {
        let mut there = Vec::new();
        for tree in self.capturable(set, metadata)? {
            self.hdfs.check_set(&tree.path)?;
            if self.hdfs.is_directory(&tree.path).await? {
                there.push(tree);
            } else if self.hdfs.is_there(&tree.path).await? {
                let refusal = HiveRefusal::PlaceIsFile { table: reader(metadata, &self.fs, &tree.path), place: tree.path };
                return Err(self.refused_table(set, &refusal));
            }
        }
        let roots = self.roots_of(set, &there, database_path(metadata, &self.fs).as_deref(), true).await?;
        self.make_way(set, &roots).await?;
        for root in roots.of.values().collect::<BTreeSet<_>>() {
            self.hdfs.allow_shared(root).await?;
        }
        Ok((there, roots))
    }

    /// Which directories are to be snapshotted for these trees; refused where a directory inside one has snapshots of somebody else's.
    pub(super) async fn roots_of(&self, set: &SetName, trees: &[Tree], database: Option<&str>, may_drop: bool) -> Result<Roots, Trouble> {
        let paths = || trees.iter().map(|tree| tree.path.as_str());
        let estate = Estate { warehouse: &self.warehouse, database, known: &[], may_drop };
        let mut known = self.hdfs_of(set).known_roots(&relevant(paths(), &estate)).await?;
        let name = set.to_string();
        for root in &mut known {
            // A recovery point never goes for another one.
            root.mine &= !root.points.iter().any(|point| self.depot.is_sealed(&name, *point));
        }
        Ok(choose(paths(), &Estate { known: &known, ..estate }))
    }

    /// What has to go before the directories can be snapshotted; refused where that is not ours.
    pub(super) async fn make_way(&self, set: &SetName, roots: &Roots) -> Result<(), Trouble> {
        let hdfs = self.hdfs_of(set);
        if let Some((tree, root)) = roots.blocked.iter().next() {
            return Err(HiveRefusal::SnapshotsInside { place: tree.clone(), root: root.clone() }.trouble(self.object(set)));
        }
        for root in &roots.drop {
            tracing::info!(%set, root, "older captures are in the way of a place above them, and go");
            hdfs.clear_root(root).await?;
        }
        for root in &roots.give_up {
            hdfs.give_up(root).await?;
        }
        Ok(())
    }

    /// The trees of a data set that can be captured; refuses by name what cannot be.
    pub(super) fn capturable(&self, set: &SetName, metadata: &Metadata) -> Result<Vec<Tree>, Trouble> {
        let missing = match (&metadata.database, &set.table) {
            (None, _) => Some(format!("there is no database {}", set.database)),
            (_, Some(table)) if !metadata.tables.contains_key(table) => Some(format!("there is no table {set}")),
            _ => None,
        };
        if let Some(reason) = missing {
            return Err(
                Trouble::new(TroubleKind::NotFound, self.object(set), reason).next("name one that exists, or remove it from the service")
            );
        }
        match refusal(metadata) {
            Some(refusal) => Err(self.refused_table(set, &refusal)),
            None => trees(metadata, set, &self.fs, &self.warehouse).map_err(|refusal| self.refused_table(set, &refusal)),
        }
    }

    /// A refusal about the table that it names.
    pub(super) fn refused_table(&self, set: &SetName, refusal: &HiveRefusal) -> Trouble {
        let table = Some(refusal.table().to_owned()).filter(|table| !table.is_empty()).or_else(|| set.table.clone());
        refusal.trouble(self.object(&SetName { database: set.database.clone(), table }))
    }

    pub(super) async fn capture_set(&self, set: &SetName, point: PointId) -> Result<Capture, Trouble> {
        let object = self.object(set);
        let hdfs = self.hdfs_of(set);
        if self.depot.capture(&set.to_string(), point)?.is_some() {
            return Err(self.refused(set, &format!("it is captured for point {point} already")).next("start a new run"));
        }
        let mut state = match self.recall(set) {
            Some(state) => state,
            None => {
                let owned = set.clone();
                self.metastore.run(&object, move |session| read_state(session, &owned)).await?
            }
        };
        for _ in 0..ROUNDS {
            let (there, roots) = self.ready(set, &state.metadata).await?;
            let roots: BTreeSet<&String> = roots.of.values().collect();
            let lo = Instant::now();
            let quiet;
            (quiet, state) = self.refreshed(set, state).await?;
            if !quiet {
                continue;
            }
            let cuts = try_join_all(roots.iter().map(|root| hdfs.cut(root, point))).await;
            let after = match &cuts {
                Ok(_) => self.refreshed(set, state.clone()).await,
                Err(trouble) => Err(trouble.clone()),
            };
            let hi = Instant::now();
            match after {
                Ok((true, after)) => {
                    let kept = self.keep(set, point, after.metadata, there.clone()).await;
                    if let Err(trouble) = kept {
                        hdfs.uncut(point).await?;
                        return Err(trouble);
                    }
                    let mut open_files = Vec::new();
                    for tree in &there {
                        open_files.extend(hdfs.open_files(&tree.path).await);
                    }
                    open_files.truncate(OPEN_FILES);
                    let server_time = cuts.ok().and_then(|times| times.into_iter().flatten().max());
                    return Ok(Capture { lo, hi, server_time, open_files, event_id: Some(state.event) });
                }
                Ok((false, after)) => {
                    hdfs.uncut(point).await?;
                    state = after;
                }
                // One that stands already is another capture's, for the same point: it is not ours to drop.
                Err(trouble) if trouble.kind == TroubleKind::Refused => return Err(trouble),
                Err(trouble) => {
                    hdfs.uncut(point).await?;
                    return Err(trouble);
                }
            }
        }
        let reason = format!("its metadata changed during each of {ROUNDS} tries to capture it");
        Err(Trouble::new(TroubleKind::Failed, object, reason).next("give the service a freeze hook, or run when fewer partitions are made"))
    }

    async fn refreshed(&self, set: &SetName, mut state: State) -> Result<(bool, State), Trouble> {
        let (object, owned) = (self.object(set), set.clone());
        self.metastore
            .run(&object, move |session| {
                let quiet = refresh(session, &owned, &mut state)?;
                Ok((quiet, state))
            })
            .await
    }

    /// Where the data set's metadata comes from.
    pub(super) fn origin(&self, set: &SetName, metadata: &Metadata, trees: Vec<Tree>) -> Origin {
        Origin {
            format: 1,
            set: set.to_string(),
            fs: self.fs.clone(),
            warehouse: self.warehouse.clone(),
            database: database_path(metadata, &self.fs).unwrap_or_default(),
            trees,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_event_that_was_cleaned_away_is_noticed_wherever_it_was(first in 0_i64..50, count in 1_i64..50, gone in 0_i64..60, again in 0_i64..60) {
            let all: BTreeSet<i64> = (first + 1..=first + count).collect();
            // Events that came meanwhile, and one that is told twice, hide nothing.
            let mut told: BTreeSet<i64> = all.iter().copied().filter(|event| *event != first + gone).collect();
            told.insert(first + count + 1 + again);
            prop_assert_eq!(is_cleaned(&told, first, first + count), all.contains(&(first + gone)));
        }
    }

    fn event(kind: &str, database: &str, table: &str) -> Struct {
        Struct::of([(3, kind.into()), (4, database.into()), (5, table.into())])
    }

    #[test]
    fn only_what_touches_the_data_set_is_read_again() {
        let whole = SetName::parse("sales").expect("a name");
        let one = SetName::parse("sales.orders").expect("a name");
        for (kind, database, table, of_whole, of_one) in [
            ("ADD_PARTITION", "sales", "orders", Touched::Table("orders".into()), Touched::Table("orders".into())),
            ("ADD_PARTITION", "SALES", "Other", Touched::Table("other".into()), Touched::Nothing),
            ("ADD_PARTITION", "hr", "orders", Touched::Nothing, Touched::Nothing),
            ("ALTER_TABLE", "hr", "orders", Touched::Names, Touched::Names),
            ("ALTER_TABLE", "sales", "draft", Touched::Table("draft".into()), Touched::Names),
            ("CREATE_FUNCTION", "sales", "", Touched::Base, Touched::Base),
            ("ALTER_DATABASE", "sales", "", Touched::Base, Touched::Base),
            ("ADD_PRIMARYKEY", "sales", "", Touched::All, Touched::All),
        ] {
            let told = event(kind, database, table);
            assert_eq!((touched(&told, &whole), touched(&told, &one)), (of_whole, of_one), "{kind} {database}.{table}");
        }
    }
}
