//! Promises about snapshots as manifests.

use proptest::prelude::*;

use super::*;
use crate::components::hbase::rpc::snapshot::{BytesPair, FamilySchema, Reference, RegionInfo, StoreFile};
use crate::domain::backup::plan::fold;

fn table() -> Table {
    Table::of_text("shop:orders")
}

/// A snapshot of a table with these regions, each with files by their numbers.
fn snapshot(regions: &BTreeMap<u64, Vec<u8>>) -> DataManifest {
    let table_name = table().wire();
    let family = FamilySchema { name: b"f".to_vec(), ..FamilySchema::default() };
    let table_schema = TableSchema { table_name: Some(table_name.clone()), column_families: vec![family], ..TableSchema::default() };
    let region = |(id, files): (&u64, &Vec<u8>)| {
        let store_files =
            files.iter().map(|file| StoreFile { name: format!("aa{file:02x}"), reference: None, file_size: Some(7 + u64::from(*file)) });
        RegionManifest {
            version: Some(2),
            region_info: RegionInfo {
                region_id: *id,
                table_name: table_name.clone(),
                start_key: Some(vec![1, 0, 255]),
                ..RegionInfo::default()
            },
            family_files: vec![FamilyFiles { family_name: b"f".to_vec(), store_files: store_files.collect() }],
        }
    };
    DataManifest { table_schema, region_manifests: regions.iter().map(region).collect() }
}

fn of(data: &DataManifest) -> Manifest {
    manifest_of(data, &table()).expect("a manifest")
}

fn regions() -> impl Strategy<Value = BTreeMap<u64, Vec<u8>>> {
    prop::collection::btree_map(1..9_u64, prop::collection::btree_set(any::<u8>(), 0..5).prop_map(|set| set.into_iter().collect()), 0..5)
}

proptest! {
    #[test]
    fn the_snapshot_made_of_a_manifest_says_the_same(regions in regions()) {
        let manifest = of(&snapshot(&regions));
        let made = data_of(&manifest).expect("a snapshot");
        prop_assert_eq!(of(&made), manifest, "and its fence is not part of what it says");
        prop_assert_eq!(made.region_manifests.len(), regions.len());
    }

    #[test]
    fn differences_lead_from_one_point_to_the_next_and_copy_only_new_hfiles(old in regions(), new in regions()) {
        let (old, new) = (of(&snapshot(&old)), of(&snapshot(&new)));
        let changes = differences(&old, &new);
        prop_assert_eq!(fold(&old, &changes).expect("they fit"), new.clone());
        let (before, after) = (hfiles(&old), hfiles(&new));
        let copied = changes.changes.iter().filter(|change| matches!(change, Change::Put(entry) if entry.is_file())).count();
        prop_assert_eq!(copied, after.keys().filter(|file| !before.contains_key(*file)).count());
    }
}

#[test]
fn nothing_changed_is_no_change_whatever_the_order() {
    let one = snapshot(&BTreeMap::from([(1, vec![1, 2]), (2, vec![3])]));
    let mut other = one.clone();
    other.region_manifests.reverse();
    other.region_manifests[1].family_files[0].store_files.reverse();
    other.table_schema.attributes = vec![];
    assert_eq!(differences(&of(&one), &of(&other)), ChangeSet::default());
}

#[test]
fn a_mob_file_that_was_being_written_is_no_part_of_a_point_and_an_empty_file_elsewhere_is() {
    let mut data = snapshot(&BTreeMap::from([(1, vec![1, 2]), (2, vec![3])]));
    for region in &mut data.region_manifests {
        region.family_files[0].store_files[0].file_size = Some(0);
    }
    data.region_manifests[0].region_info.start_key = Some(MOB_START.to_vec());
    let held = of(&data);
    let lengths: Vec<(String, u64)> = hfiles(&held).into_iter().map(|(file, bytes)| (file.name, bytes)).collect();
    assert_eq!(lengths.len(), 2, "{lengths:?}");
    assert!(lengths.contains(&("aa02".into(), 9)) && lengths.contains(&("aa03".into(), 0)), "{lengths:?}");
    assert_eq!(of(&data_of(&held).expect("a snapshot")), held, "what is made of it does not tell of the file either");
}

#[test]
fn links_and_halves_lead_to_the_hfile_once() {
    let mut data = snapshot(&BTreeMap::from([(1, vec![])]));
    let region = "0123456789abcdef0123456789abcdef";
    let file = |name: String, reference| StoreFile { name, reference, file_size: Some(9) };
    let half = |range| Some(Reference { splitkey: b"m".to_vec(), range });
    data.region_manifests[0].family_files[0].store_files = vec![
        file(format!("aa11.{region}"), half(0)),
        file(format!("shop=orders={region}-aa11"), None),
        file(format!("old={region}-bb22"), None),
    ];
    let manifest = of(&data);
    let found: Vec<String> = hfiles(&manifest).keys().map(HFile::path).collect();
    assert_eq!(found, [format!("default/old/{region}/f/bb22"), format!("shop/orders/{region}/f/aa11")]);
    assert_eq!(data_of(&manifest).expect("a snapshot").region_manifests[0].family_files[0].store_files.len(), 3);
}

#[test]
fn what_cannot_be_kept_is_named() {
    let mut data = snapshot(&BTreeMap::from([(1, vec![1])]));
    data.region_manifests[0].family_files[0].store_files[0].file_size = None;
    assert!(manifest_of(&data, &table()).expect_err("no length").contains("no length"));
    data.region_manifests[0].family_files[0].store_files[0].name = "../etc".into();
    assert!(manifest_of(&data, &table()).is_err());
    data.region_manifests.clear();
    data.table_schema.attributes.push(BytesPair { first: b"x".to_vec(), second: vec![0; ATTRIBUTE_BYTES] });
    assert!(manifest_of(&data, &table()).expect_err("too long").contains("more than"));
}

#[test]
fn a_disabled_table_is_told_with_every_point_and_no_enabled_one_says_a_word() {
    let enabled = of(&snapshot(&BTreeMap::from([(1, vec![1, 2])])));
    let off = disabled(enabled.clone());
    assert!(is_disabled(&off) && !is_disabled(&enabled));
    assert_eq!(data_of(&off).expect("a snapshot"), data_of(&enabled).expect("a snapshot"), "HBase's own manifest has no place for it");
    for (base, new) in [(&enabled, &off), (&off, &enabled)] {
        assert_eq!(fold(base, &differences(base, new)).expect("they fit"), *new);
    }
    // The base may have been copied by a version that did not know.
    let told = differences(&off, &off);
    assert_eq!(fold(&enabled, &told).expect("they fit"), off);
    assert_eq!(differences(&enabled, &enabled), ChangeSet::default());
}
