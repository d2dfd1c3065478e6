//! A snapshot as a manifest, and a manifest as a snapshot. Pure, and each the other's inverse.
//!
//! ```text
//! data.manifest ⇄ ""                             the table's descriptor, as it truly is (without our fence); whether it was disabled
//!                 regions/REGION                 the region
//!                 regions/REGION/FAMILY          its store files by name
//!                 archive/data/NS/TABLE/REGION/FAMILY/HFILE    the HFiles that these lead to: immutable, the only bytes to copy
//! ```
//! Everything but the HFiles travels as attributes, so that a table that did not change has the same manifest at every point.

use std::collections::BTreeMap;

use prost::Message;

use super::fence::{fenced_schema, true_schema};
use super::files::{HFile, encoded_name};
use super::names::Table;
use super::rpc::snapshot::{DataManifest, FamilyFiles, RegionManifest, TableSchema};
use crate::domain::{Change, ChangeSet, Entry, Manifest, Metadata, Node, RelPath};

/// Attribute of the root: the descriptor.
const SCHEMA: &str = "hbase.schema";
/// Attribute of the root of a table that was disabled. An enabled one has none, as before there was this attribute.
const STATE: &str = "hbase.state";
const DISABLED: &[u8] = b"disabled";
/// Attribute of a region: what the snapshot says of it but its files.
const REGION: &str = "hbase.region";
/// Attribute of a family: its store files.
const FILES: &str = "hbase.files";
/// Where HFiles are filed.
const FILED: &str = "archive/data";
/// Where regions are told.
const REGIONS: &str = "regions";
/// First row of the region that MOB files are filed under.
pub const MOB_START: &[u8] = b".mob";
/// Bytes of one attribute; a manifest's line has an end.
const ATTRIBUTE_BYTES: usize = 400_000;

/// A family's MOB files but for those of no bytes. A file whose tracker is FILE is written in its place, and HBase lists the MOB files after the
/// regions: no cell of the snapshot leads to one that was still being written then.
fn written(family: &FamilyFiles) -> FamilyFiles {
    let mut written = family.clone();
    written.store_files.retain(|file| file.file_size != Some(0));
    written
}

/// The manifest of a snapshot of `table`; why not, where it cannot be kept.
pub fn manifest_of(data: &DataManifest, table: &Table) -> Result<Manifest, String> {
    let mut entries = Entries::default();
    let mut schema = true_schema(&data.table_schema);
    sort_schema(&mut schema);
    entries.directory("", Some((SCHEMA, schema.encode_to_vec())))?;
    for region in &data.region_manifests {
        let name = encoded_name(&region.region_info)?;
        let bare = RegionManifest { family_files: Vec::new(), ..region.clone() };
        entries.directory(&format!("{REGIONS}/{name}"), Some((REGION, bare.encode_to_vec())))?;
        let is_mob = region.region_info.start_key() == MOB_START;
        for family in &region.family_files {
            let family = if is_mob { written(family) } else { family.clone() };
            entries.family(table, &name, family)?;
        }
    }
    Ok(Manifest { entries: entries.0 })
}

/// What `data.manifest` is to hold so that it says what a manifest says, the table fenced.
pub fn data_of(manifest: &Manifest) -> Result<DataManifest, String> {
    let mut data = DataManifest { table_schema: fenced_schema(&schema_of(manifest)?), region_manifests: Vec::new() };
    for (path, entry) in &manifest.entries {
        if let Some(bytes) = attribute(entry, REGION) {
            data.region_manifests.push(decode(&bytes?, path)?);
        } else if let Some(bytes) = attribute(entry, FILES) {
            // A region comes before its families: they are in order of their paths.
            let region = data.region_manifests.last_mut().ok_or_else(|| format!("{path} has no region"))?;
            region.family_files.push(decode(&bytes?, path)?);
        }
    }
    Ok(data)
}

/// The same manifest, of a table that was disabled.
pub fn disabled(mut manifest: Manifest) -> Manifest {
    if let Some(root) = manifest.entries.get_mut(&RelPath::root()) {
        root.meta.xattrs.insert(STATE.to_owned(), hex_of(DISABLED));
    }
    manifest
}

/// Whether the table was disabled, and is to be so wherever the point is brought up.
pub fn is_disabled(manifest: &Manifest) -> bool {
    let told = manifest.entries.get(&RelPath::root()).and_then(|root| root.meta.xattrs.get(STATE));
    told.is_some_and(|told| *told == hex_of(DISABLED))
}

/// A manifest's descriptor of the table.
pub fn schema_of(manifest: &Manifest) -> Result<TableSchema, String> {
    let root = manifest.entries.get(&RelPath::root()).ok_or("it has no root")?;
    schema_in(root)
}

/// The descriptor that a root entry holds.
pub fn schema_in(root: &Entry) -> Result<TableSchema, String> {
    let bytes = attribute(root, SCHEMA).ok_or("its root holds no descriptor of a table")?;
    decode(&bytes?, &root.path)
}

/// The HFiles of a manifest, with their lengths in bytes.
pub fn hfiles(manifest: &Manifest) -> BTreeMap<HFile, u64> {
    let files = manifest.entries.values().filter(|entry| entry.is_file());
    files.filter_map(|entry| Some((hfile_at(&entry.path)?, entry.bytes()))).collect()
}

/// The HFile that is filed at a path.
pub fn hfile_at(path: &RelPath) -> Option<HFile> {
    let (directory, name) = path.as_str().strip_prefix(FILED)?.strip_prefix('/')?.rsplit_once('/')?;
    (directory.split('/').count() == 4).then(|| HFile { directory: directory.to_owned(), name: name.to_owned() })
}

/// What differs between two points. An HFile that both have is the same file.
pub fn differences(base: &Manifest, new: &Manifest) -> ChangeSet {
    let gone = |path: &RelPath| !new.entries.contains_key(path);
    let top = |path: &&RelPath| gone(path) && path.parent().is_none_or(|parent| !gone(&parent));
    let mut changes: Vec<Change> = base.entries.keys().filter(top).map(|path| Change::Delete { path: path.clone() }).collect();
    changes.extend(new.entries.values().filter_map(|entry| match base.entries.get(&entry.path) {
        // A base that an earlier version copied does not know that its table is disabled: that is told each time.
        Some(old) if old.node == entry.node => {
            (old.meta != entry.meta || (entry.path.is_root() && is_disabled(new))).then(|| Change::Meta(entry.clone()))
        }
        _ => Some(Change::Put(entry.clone())),
    }));
    ChangeSet { changes }
}

/// A descriptor says the same in any order.
pub fn sort_schema(schema: &mut TableSchema) {
    schema.attributes.sort_by(|one, other| one.first.cmp(&other.first));
    schema.configuration.sort_by(|one, other| one.name.cmp(&other.name));
    schema.column_families.sort_by(|one, other| one.name.cmp(&other.name));
    for family in &mut schema.column_families {
        family.attributes.sort_by(|one, other| one.first.cmp(&other.first));
        family.configuration.sort_by(|one, other| one.name.cmp(&other.name));
    }
}

#[derive(Default)]
struct Entries(BTreeMap<RelPath, Entry>);

impl Entries {
    /// Adds a directory and those above it.
    fn directory(&mut self, path: &str, told: Option<(&str, Vec<u8>)>) -> Result<(), String> {
        if let Some((key, bytes)) = told.as_ref().filter(|(_, bytes)| bytes.len() > ATTRIBUTE_BYTES) {
            return Err(format!("{path}: {key} takes {} bytes, more than a manifest holds", bytes.len()));
        }
        let mut path = RelPath::new(path).map_err(|e| e.to_string())?;
        let xattrs = told.into_iter().map(|(key, bytes)| (key.to_owned(), hex_of(&bytes))).collect();
        let meta = |xattrs| Metadata { mode: 0o755, xattrs, ..Metadata::default() };
        let entry = Entry { path: path.clone(), node: Node::Directory, meta: meta(xattrs) };
        self.0.insert(path.clone(), entry);
        while let Some(parent) = path.parent().filter(|parent| !self.0.contains_key(parent)) {
            let entry = Entry { path: parent.clone(), node: Node::Directory, meta: meta(BTreeMap::new()) };
            self.0.insert(parent.clone(), entry);
            path = parent;
        }
        Ok(())
    }

    fn family(&mut self, table: &Table, region: &str, mut family: FamilyFiles) -> Result<(), String> {
        family.store_files.sort_by(|one, other| one.name.cmp(&other.name));
        let name = std::str::from_utf8(&family.family_name).map_err(|_| "a column family has no readable name")?;
        self.directory(&format!("{REGIONS}/{region}/{name}"), Some((FILES, family.encode_to_vec())))?;
        for file in &family.store_files {
            let hfile = HFile::behind(&file.name, table, region, name)?;
            let bytes = file.file_size.ok_or_else(|| format!("{} has no length in the snapshot", hfile.path()))?;
            let above = format!("{FILED}/{}", hfile.directory);
            if !self.0.contains_key(&RelPath::new(&*above).map_err(|e| e.to_string())?) {
                self.directory(&above, None)?;
            }
            let path = RelPath::new(format!("{FILED}/{}", hfile.path())).map_err(|e| e.to_string())?;
            let meta = Metadata { mode: 0o644, ..Metadata::default() };
            let entry = Entry { path: path.clone(), node: Node::File { bytes, digest: None }, meta };
            if self.0.insert(path, entry).is_some_and(|other| other.bytes() != bytes) {
                return Err(format!("the snapshot tells two lengths of {}", hfile.path()));
            }
        }
        Ok(())
    }
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attribute(entry: &Entry, key: &str) -> Option<Result<Vec<u8>, String>> {
    let hex = entry.meta.xattrs.get(key)?.as_bytes();
    let bytes = hex.chunks(2).map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()));
    Some(bytes.collect::<Option<Vec<u8>>>().ok_or_else(|| format!("{}: {key} is not in hex digits", entry.path)))
}

fn decode<M: Message + Default>(bytes: &[u8], path: &RelPath) -> Result<M, String> {
    M::decode(bytes).map_err(|e| format!("{path}: what it holds cannot be understood: {e}"))
}

#[cfg(test)]
mod tests;
