//! What of a data set is refused, and what its owner should know. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Metadata, Table, database, function, partition, storage, table};
use super::names::SetName;
use super::notes::{HiveNote, HiveRefusal, Owner, SnapshotsAt};
use super::places::{Tree, database_path, is_inside, path_in};
use super::reads::{Format, PATH, Role, addresses, is_prose, serde_parameters};
use super::roots::Roots;
use super::thrift::Value;

/// Notes that are told one by one.
const MOST: usize = 100;
/// The schema of an Avro table, which may be a path alone.
const SCHEMA: &str = "avro.schema.url";

/// Why a data set's metadata cannot be captured: the first table that is in the way.
pub fn refusal(metadata: &Metadata) -> Option<HiveRefusal> {
    metadata.tables.iter().find_map(|(name, found)| refused(name.clone(), found))
}

fn refused(table: String, found: &Table) -> Option<HiveRefusal> {
    let truth = |parameter: &str| found.parameter(parameter).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if truth("transactional") {
        return Some(HiveRefusal::Transactional { table });
    }
    if found.kind() == "MATERIALIZED_VIEW" {
        return Some(HiveRefusal::MaterializedView { table });
    }
    if found.is_view() {
        return None;
    }
    if found.format() == Some(Format::Iceberg) {
        return Some(HiveRefusal::Iceberg { table });
    }
    if let Some(partition) = found.symlinks() {
        return Some(HiveRefusal::SymlinkManifest { table, partition });
    }
    found.pattern().map(|read| HiveRefusal::PlaceIsPattern { table, place: read.place })
}

/// The table that reads from a path, for a refusal of that path.
pub fn reader(metadata: &Metadata, fs: &str, path: &str) -> String {
    let reads = |found: &Table| found.reads().iter().any(|read| path_in(&read.place, fs).as_deref() == Some(path));
    metadata.tables.iter().find(|(_, found)| reads(found)).map(|(name, _)| name.clone()).unwrap_or_default()
}

/// Where a data set comes from, and where it is captured.
pub struct Scene<'a> {
    /// Its name.
    pub set: &'a SetName,
    /// Its file system.
    pub fs: &'a str,
    /// Its trees.
    pub trees: &'a [Tree],
    /// Which directories are snapshotted.
    pub roots: &'a Roots,
}

/// What the owner of a data set should know in every run.
pub fn notes(metadata: &Metadata, scene: &Scene<'_>) -> Vec<HiveNote> {
    let mut all: BTreeSet<HiveNote> = metadata.tables.iter().flat_map(|(name, found)| of_table(name, found, scene)).collect();
    if let Some(body) = metadata.database.as_ref().filter(|_| scene.set.table.is_none()) {
        let owner = Owner::Database(scene.set.database.clone());
        all.extend(body.texts(database::PARAMETERS).iter().filter_map(|(key, value)| of_text(&owner, key, value, 0, scene)));
    }
    for (name, body) in &metadata.functions {
        let resources = body.items(function::RESOURCES).iter().filter_map(Value::as_struct);
        for place in resources.filter_map(|resource| resource.text(function::URI)).filter(|place| is_outside(place, scene)) {
            let owner = Owner::Function(name.clone());
            all.insert(HiveNote::NotCopied { owner, key: "resource".into(), place: place.to_owned(), partitions: 0 });
        }
    }
    all.extend(scene.roots.drop.iter().map(|root| HiveNote::CapturesDropped { root: root.clone() }));
    let count = all.len().saturating_sub(MOST);
    let mut told: Vec<HiveNote> = all.into_iter().take(MOST).collect();
    told.extend((count > 0).then_some(HiveNote::More { count }));
    told
}

/// What a policy says beside them.
pub fn policy_notes(metadata: &Metadata, scene: &Scene<'_>) -> Vec<HiveNote> {
    let mut all = notes(metadata, scene);
    let own = metadata.database.as_ref().and_then(|body| path_in(body.text(database::LOCATION)?, scene.fs));
    if let Some(place) = own.filter(|place| scene.set.table.is_none() && scene.trees.iter().any(|tree| tree.path == *place)) {
        all.push(HiveNote::DropDatabaseKeepsFiles { database: scene.set.database.clone(), place });
    }
    let mut wider: BTreeMap<&String, Vec<&String>> = BTreeMap::new();
    for (place, root) in scene.roots.of.iter().filter(|(place, root)| place != root) {
        wider.entry(root).or_default().push(place);
    }
    let note = |(root, places): (&String, Vec<&String>)| {
        let more = places.len() - 1;
        Some(HiveNote::SnapshotsWider { root: root.clone(), place: (*places.first()?).clone(), more })
    };
    all.extend(wider.into_iter().filter_map(note));
    all
}

fn is_outside(place: &str, scene: &Scene<'_>) -> bool {
    path_in(place, scene.fs).is_some_and(|path| !scene.trees.iter().any(|tree| is_inside(&path, &tree.path)))
}

fn of_table(name: &str, found: &Table, scene: &Scene<'_>) -> Vec<HiveNote> {
    let owner = Owner::Table(name.to_owned());
    let mut all: Vec<HiveNote> =
        found.rows_elsewhere().map(|handler| HiveNote::RowsElsewhere { table: name.to_owned(), handler }).into_iter().collect();
    let format = found.format().filter(|format| *format != Format::Iceberg && !found.is_view());
    all.extend(format.map(|format| HiveNote::FormatMayNamePlaces { table: name.to_owned(), format }));
    let mut texts: Vec<(String, String)> = found.body.texts(table::PARAMETERS).into_iter().collect();
    if let Some(kept) = found.body.part(table::STORAGE).filter(|_| !found.is_view()) {
        texts.extend(kept.texts(storage::PARAMETERS));
        texts.extend(serde_parameters(kept).into_iter().filter(|(key, _)| !key.eq_ignore_ascii_case(PATH)));
    }
    let view = table::VIEW_TEXTS.iter().filter_map(|id| found.body.text(*id)).find(|text| text.contains(scene.fs));
    all.extend(view.map(|_| HiveNote::TextLeftAlone { owner: owner.clone(), key: "the text of the view".into() }));
    all.extend(texts.iter().filter_map(|(key, value)| of_text(&owner, key, value, 0, scene)));
    all.extend(of_partitions(&owner, found, scene));
    all.extend(of_drops(name, found, scene));
    all
}

/// Partitions have the same parameters mostly: told once for each key and place, with their number.
fn of_partitions(owner: &Owner, found: &Table, scene: &Scene<'_>) -> Vec<HiveNote> {
    let mut counted: BTreeMap<(String, String), usize> = BTreeMap::new();
    for part in found.partitions.values() {
        let mut texts: BTreeMap<String, String> = part.body.texts(partition::PARAMETERS);
        if let Some(kept) = part.body.part(partition::STORAGE).filter(|_| !found.is_view()) {
            texts.extend(serde_parameters(kept).into_iter().filter(|(key, _)| !key.eq_ignore_ascii_case(PATH)));
        }
        for one in texts.into_iter().filter(|(_, value)| value.contains("hdfs://") || value.starts_with('/')) {
            *counted.entry(one).or_default() += 1;
        }
    }
    counted.into_iter().filter_map(|((key, value), count)| of_text(owner, &key, &value, count, scene)).collect()
}

/// What is to be said of one parameter.
fn of_text(owner: &Owner, key: &str, value: &str, partitions: usize, scene: &Scene<'_>) -> Option<HiveNote> {
    if is_prose(key) {
        return None;
    }
    let schema = key.eq_ignore_ascii_case(SCHEMA) && value.starts_with('/');
    let named = addresses(value);
    if let Some(place) = named.iter().copied().chain(schema.then_some(value)).find(|place| is_outside(place, scene)) {
        let (owner, key, place) = (owner.clone(), key.to_owned(), place.to_owned());
        return Some(HiveNote::NotCopied { owner, key, place, partitions });
    }
    let mentions = named.is_empty() && value.contains(scene.fs);
    mentions.then(|| HiveNote::TextLeftAlone { owner: owner.clone(), key: key.to_owned() })
}

/// Which directories that a DROP would remove have snapshots of their own. Where no directory above may be taken here, none may at the
/// secondary, which decides it in the same way.
fn of_drops(name: &str, found: &Table, scene: &Scene<'_>) -> Vec<HiveNote> {
    let mut by_site: BTreeMap<SnapshotsAt, Vec<(Option<String>, String)>> = BTreeMap::new();
    for read in found.reads().into_iter().filter(|read| read.role != Role::Skew) {
        let Some(place) = path_in(&read.place, scene.fs).filter(|place| scene.roots.of.get(place) == Some(place)) else { continue };
        let site = if scene.roots.alone.contains(&place) { SnapshotsAt::Both } else { SnapshotsAt::Source };
        let known = by_site.entry(site).or_default();
        if known.iter().all(|(_, other)| *other != place) {
            known.push((read.partition, place));
        }
    }
    by_site.into_iter().filter_map(|(at, places)| keeps_files(name, at, places)).collect()
}

/// A table's places with snapshots of their own at one cluster.
fn keeps_files(table: &str, at: SnapshotsAt, places: Vec<(Option<String>, String)>) -> Option<HiveNote> {
    let more = places.len().checked_sub(1)?;
    let (partition, place) = places.into_iter().next()?;
    Some(HiveNote::DropKeepsFiles { table: table.to_owned(), partition, place, more, at })
}

/// The same at the secondary, of the metadata as it is there.
pub fn drops_here(metadata: &Metadata, fs: &str, roots: &Roots) -> Vec<HiveNote> {
    let own = database_path(metadata, fs);
    let of = |(name, found): (&String, &Table)| {
        let mut places: Vec<(Option<String>, String)> = Vec::new();
        for read in found.reads() {
            let place = path_in(&read.place, fs).filter(|place| roots.of.get(place) == Some(place) && Some(place) != own.as_ref());
            if let Some(place) = place.filter(|place| places.iter().all(|(_, other)| other != place)) {
                places.push((read.partition, place));
            }
        }
        keeps_files(name, SnapshotsAt::Secondary, places)
    };
    metadata.tables.iter().filter_map(of).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::super::model::Partition;
    use super::super::places::trees;
    use super::super::roots::{Estate, choose};
    use super::super::thrift::Struct;
    use super::*;

    const FS: &str = "hdfs://a:9820";

    fn texts(pairs: &[(&str, &str)]) -> Value {
        Value::from(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>())
    }

    fn stored(location: &str, inner: &[(&str, &str)]) -> Value {
        let serde = Struct::of([(storage::SERDE_PARAMETERS, texts(inner))]);
        Struct::of([(storage::LOCATION, location.into()), (storage::SERDE, serde.into())]).into()
    }

    fn table_at(location: &str, parameters: &[(&str, &str)], parts: &[(&str, &str)]) -> Table {
        let part = |(name, location): &(&str, &str)| {
            let body = Struct::of([(partition::STORAGE, stored(location, &[]))]);
            ((*name).to_owned(), Partition { body, ..Partition::default() })
        };
        let body = Struct::of([(table::PARAMETERS, texts(parameters)), (table::STORAGE, stored(location, &[]))]);
        Table { body, partitions: parts.iter().map(part).collect(), ..Table::default() }
    }

    fn sales(tables: Vec<(&str, Table)>) -> Metadata {
        Metadata {
            database: Some(Struct::of([(database::LOCATION, "hdfs://a:9820/w/sales.db".into())])),
            tables: tables.into_iter().map(|(name, table)| (name.to_owned(), table)).collect(),
            ..Metadata::default()
        }
    }

    fn said(set: &str, metadata: &Metadata, policy: bool) -> Vec<HiveNote> {
        let set = SetName::parse(set).expect("a name");
        let trees = trees(metadata, &set, FS, "/w").expect("its trees");
        let estate = Estate { warehouse: "/w", database: Some("/w/sales.db"), known: &[], may_drop: true };
        let roots = choose(trees.iter().map(|tree| tree.path.as_str()), &estate);
        let scene = Scene { set: &set, fs: FS, trees: &trees, roots: &roots };
        if policy { policy_notes(metadata, &scene) } else { notes(metadata, &scene) }
    }

    #[test]
    fn each_kind_of_table_that_cannot_be_copied_is_refused_by_its_code() {
        let with = |parameters: &[(&str, &str)]| refusal(&sales(vec![("orders", table_at("hdfs://a:9820/w/sales.db/o", parameters, &[]))]));
        let code = |parameters: &[(&str, &str)]| with(parameters).map(|refusal| refusal.code());
        assert_eq!(code(&[("Transactional", "TRUE")]), Some("transactional"));
        assert_eq!(code(&[("table_type", "ICEBERG")]), Some("iceberg"));
        let handler = "org.apache.iceberg.mr.hive.HiveIcebergStorageHandler";
        assert_eq!(code(&[("storage_handler", handler)]), Some("iceberg"), "and not told to be another data set");
        for harmless in [&[("transactional", "false")][..], &[("spark.sql.sources.provider", "delta")], &[]] {
            assert_eq!(code(harmless), None, "{harmless:?}");
        }
        assert_eq!(with(&[("table_type", "iceberg")]).expect("refused").table(), "orders");
        let mut view = table_at("", &[("table_type", "iceberg-view")], &[]);
        view.body.set(table::TYPE, "MATERIALIZED_VIEW");
        assert_eq!(refusal(&sales(vec![("v", view)])).map(|refusal| refusal.code()), Some("materialized-view"));
    }

    #[test]
    fn what_lies_outside_the_data_set_is_named_and_what_lies_inside_is_not() {
        let inside = "hdfs://a:9820/w/sales.db/o";
        let parameters = [
            ("avro.schema.url", "/schemas/o.avsc"),
            ("inside", "hdfs://a:9820/w/sales.db/o.avsc"),
            ("two", "hdfs://a:9820/x,hdfs://a:9820/y"),
            ("json", "{\"at\":\"hdfs://a:9820/x\"}"),
            ("comment", "was at hdfs://a:9820/x"),
            ("other", "hdfs://elsewhere/x"),
        ];
        let mut metadata = sales(vec![("o", table_at(inside, &parameters, &[]))]);
        let jar = Struct::of([(function::URI, "hdfs://a:9820/jars/f.jar".into())]);
        metadata.functions = [("f".to_owned(), Struct::of([(function::RESOURCES, vec![jar].into())]))].into();
        let owner = || Owner::Table("o".into());
        let not = |owner: Owner, key: &str, place: &str| HiveNote::NotCopied { owner, key: key.into(), place: place.into(), partitions: 0 };
        assert_eq!(
            said("sales", &metadata, false),
            [
                not(owner(), "avro.schema.url", "/schemas/o.avsc"),
                not(owner(), "two", "hdfs://a:9820/x"),
                not(Owner::Function("f".into()), "resource", "hdfs://a:9820/jars/f.jar"),
                HiveNote::TextLeftAlone { owner: owner(), key: "json".into() },
            ]
        );
    }

    #[test]
    fn a_drop_that_leaves_its_files_and_a_wider_directory_are_named() {
        let parts = [("day=1", "/d1"), ("day=2", "/d2"), ("day=3", "/w/sales.db/o/day=3"), ("day=4", "/ext/d4"), ("day=5", "/ext/d5")];
        let metadata = sales(vec![("o", table_at("hdfs://a:9820/w/sales.db/o", &[], &parts))]);
        let (partition, place, at) = (Some("day=1".into()), "/d1".into(), SnapshotsAt::Both);
        let kept = HiveNote::DropKeepsFiles { table: "o".into(), partition, place, more: 1, at };
        assert_eq!(said("sales", &metadata, false), std::slice::from_ref(&kept), "only the root is above these");
        let database = HiveNote::DropDatabaseKeepsFiles { database: "sales".into(), place: "/w/sales.db".into() };
        let wider = |root: &str, place: &str, more| HiveNote::SnapshotsWider { root: root.into(), place: place.into(), more };
        let outside = wider("/ext", "/ext/d4", 1);
        assert_eq!(said("sales", &metadata, true), [kept.clone(), database, outside.clone()]);
        assert_eq!(said("sales.o", &metadata, true), [kept, outside, wider("/w/sales.db", "/w/sales.db/o", 0)]);

        let roots = Roots {
            of: [("/ext/d4", "/ext/d4"), ("/w/sales.db", "/w/sales.db")].map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
            ..Roots::default()
        };
        let (partition, place, at) = (Some("day=4".into()), "/ext/d4".into(), SnapshotsAt::Secondary);
        assert_eq!(drops_here(&metadata, FS, &roots), [HiveNote::DropKeepsFiles { table: "o".into(), partition, place, more: 0, at }]);
    }

    #[test]
    fn a_thousand_things_to_say_are_a_hundred_and_a_number() {
        let many: Vec<(String, Table)> =
            (0..150).map(|n| (format!("t{n:03}"), table_at(&format!("hdfs://a:9820/ext{n}"), &[], &[]))).collect();
        let metadata = sales(many.iter().map(|(name, table)| (name.as_str(), table.clone())).collect());
        let told = said("sales", &metadata, false);
        assert_eq!((told.len(), told.last()), (101, Some(&HiveNote::More { count: 50 })));
    }
}
