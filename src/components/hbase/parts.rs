//! What a table is made of: its store files by region and family, as a point tells them and as they lie in the table's directories; and
//! what came past a fence, which is how the two differ.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::Hbase;
use super::fence::true_schema;
use super::files::{HFile, encoded_name, meaning};
use super::manifest::{MOB_START, data_of, hfiles, schema_of};
use super::names::Table;
use super::rpc::RpcError;
use crate::components::hdfs::error::HdfsError;
use crate::components::hdfs::listing::{AT_ONCE, list};
use crate::domain::{Manifest, PastFence, PointId, Trouble};

/// Where live regions are, below HBase's root.
const LIVE: [&str; 2] = ["data", "mobdir/data"];

/// What a table is made of: by region and family, its HFiles, and whether each counts whole or half.
pub type Parts = BTreeMap<(String, String), BTreeSet<(HFile, bool)>>;

/// One file in a live table's directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveFile {
    /// Its region.
    pub region: String,
    /// Its family.
    pub family: String,
    /// Its whole path.
    pub path: String,
    /// What its name stands for; `None` where HBase would never give a file that name.
    pub meant: Option<(HFile, bool)>,
}

/// Live files as parts. What has no store file's name is no part.
pub fn parts_in(live: &[LiveFile]) -> Parts {
    let mut parts = Parts::new();
    for file in live {
        if let Some(meant) = &file.meant {
            parts.entry((file.region.clone(), file.family.clone())).or_default().insert(meant.clone());
        }
    }
    parts
}

/// What a point's table is made of.
pub fn parts_of(manifest: &Manifest, table: &Table) -> Result<Parts, String> {
    let mut parts = Parts::new();
    for region in &data_of(manifest)?.region_manifests {
        let name = encoded_name(&region.region_info)?;
        for family in &region.family_files {
            let family_name = String::from_utf8_lossy(&family.family_name).into_owned();
            let files = family.store_files.iter().map(|file| meaning(&file.name, table, &name, &family_name));
            let files = files.collect::<Result<BTreeSet<_>, _>>()?;
            if !files.is_empty() {
                parts.insert((name.clone(), family_name), files);
            }
        }
    }
    Ok(parts)
}

/// The HFiles that the regions in use are made of: not those of a region that was split, which HBase takes away by and by, nor MOB files, of
/// which it takes away those that no cell leads to.
fn in_use(manifest: &Manifest, parts: &Parts) -> Result<BTreeSet<HFile>, String> {
    let mut passing = BTreeSet::new();
    for region in &data_of(manifest)?.region_manifests {
        let info = &region.region_info;
        if (info.offline() && info.split()) || info.start_key() == MOB_START {
            passing.insert(encoded_name(info)?);
        }
    }
    let used = parts.iter().filter(|((region, _), _)| !passing.contains(region));
    Ok(used.flat_map(|(_, files)| files.iter().map(|(file, _)| file.clone())).collect())
}

/// Live files that a point does not hold. A reference or a link to an HFile that it holds is nothing new, wherever it is.
pub fn strangers<'a>(point: &Parts, live: &'a [LiveFile]) -> Vec<&'a LiveFile> {
    let known: BTreeSet<&HFile> = point.values().flatten().map(|(file, _)| file).collect();
    live.iter().filter(|file| file.meant.as_ref().is_none_or(|(hfile, _)| !known.contains(hfile))).collect()
}

impl Hbase {
    /// The store files of the live table.
    pub(super) async fn live_files(&self, table: &Table) -> Result<Vec<LiveFile>, HdfsError> {
        let mut found = Vec::new();
        for place in LIVE {
            let root = self.below(&format!("{place}/{}", table.directory()));
            let regions = self.names_in(&root).await?;
            let looks = regions.into_iter().map(|region| self.files_of_region(table, &root, region));
            let looked: Vec<Vec<LiveFile>> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
            found.extend(looked.into_iter().flatten());
        }
        Ok(found)
    }

    async fn files_of_region(&self, table: &Table, root: &str, region: String) -> Result<Vec<LiveFile>, HdfsError> {
        let mut found = Vec::new();
        for family in self.names_in(&format!("{root}/{region}")).await?.into_iter().filter(|name| name != "recovered.edits") {
            let directory = format!("{root}/{region}/{family}");
            found.extend(self.names_in(&directory).await?.into_iter().map(|name| LiveFile {
                meant: meaning(&name, table, &region, &family).ok(),
                path: format!("{directory}/{name}"),
                region: region.clone(),
                family: family.clone(),
            }));
        }
        Ok(found)
    }

    /// What a directory holds but for HBase's own notes; nothing where there is none.
    async fn names_in(&self, path: &str) -> Result<Vec<String>, HdfsError> {
        match list(&self.hdfs.web, path).await {
            Ok(found) => {
                Ok(found.into_iter().map(|status| status.path_suffix).filter(|name| !name.starts_with('.') && !name.is_empty()).collect())
            }
            Err(error) if error.is_missing() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// What came past the fence of a table since a point was captured under it. A read-only table is neither flushed nor compacted, so that
    /// a file which the point does not hold was bulk-loaded, or put there by path.
    pub(super) async fn passed_since(&self, set: &str, table: &Table, point: PointId) -> Result<Vec<PastFence>, Trouble> {
        let about = |error: RpcError| error.about(self.object(set));
        let Some(manifest) = self.manifest_at(set, table, point).await? else {
            return Ok(vec![PastFence::Unknown { reason: format!("its snapshot of point {point} is not here") }]);
        };
        let Some(schema) = self.client.schema(table).await.map_err(about)? else { return Ok(vec![PastFence::Replaced]) };
        let corrupt = |reason: String| self.corrupt(set, &reason);
        let mut passed = Vec::new();
        if !super::live::says(&true_schema(&schema), &schema_of(&manifest).map_err(corrupt)?) {
            passed.push(PastFence::DefinitionChanged);
        }
        let parts = parts_of(&manifest, table).map_err(corrupt)?;
        let live = self.live_files(table).await.map_err(|error| error.about(self.object(set)))?;
        let mut new = strangers(&parts, &live);
        if new.iter().any(|file| parts.keys().all(|(region, _)| *region != file.region)) {
            // Of a region that was merged away before the fence, for example, the files lie there for a while.
            let served = self.client.regions(table).await.map_err(about)?;
            new.retain(|file| served.contains(&file.region) || parts.keys().any(|(region, _)| *region == file.region));
        }
        passed.extend(new.into_iter().map(|file| PastFence::FileCame { path: file.path.clone() }));
        let there: BTreeSet<HFile> = live.into_iter().filter_map(|file| file.meant).map(|(hfile, _)| hfile).collect();
        let used = in_use(&manifest, &parts).map_err(corrupt)?;
        passed.extend(used.difference(&there).map(|file| PastFence::FileGone { path: self.below(&format!("data/{}", file.path())) }));
        let lengths = self.missing(&hfiles(&manifest)).await.map_err(|error| error.about(self.object(set)))?;
        passed.extend(lengths.into_values().map(|reason| PastFence::Unknown { reason }));
        passed.truncate(PastFence::MOST);
        Ok(passed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table() -> Table {
        Table::of_text("shop:orders")
    }

    fn live(region: &str, name: &str) -> LiveFile {
        let meant = meaning(name, &table(), region, "f").ok();
        LiveFile { region: region.into(), family: "f".into(), path: format!("/hbase/data/shop/orders/{region}/f/{name}"), meant }
    }

    fn point(files: &[LiveFile]) -> Parts {
        parts_in(files)
    }

    #[test]
    fn a_bulk_loaded_file_and_one_put_there_by_path_are_strangers_and_halves_of_known_files_are_none() {
        let (parent, daughter) = ("0123456789abcdef0123456789abcdef", "d41d8cd98f00b204e9800998ecf8427e");
        let captured = point(&[live(parent, "aa11"), live(parent, &format!("old={parent}-bb22"))]);
        let now = [
            live(parent, "aa11"),
            live(parent, &format!("old={parent}-bb22")),
            live(daughter, &format!("aa11.{parent}")),
            live(daughter, &format!("old={parent}-bb22.{parent}")),
            live(daughter, &format!("shop=orders={parent}-aa11")),
            live(parent, "cc33_SeqId_7_"),
            live(daughter, "dd44"),
            live(parent, "copied-by hand.hfile.bak"),
        ];
        let new: Vec<&str> = strangers(&captured, &now).into_iter().map(|file| file.path.rsplit('/').next().expect("a name")).collect();
        assert_eq!(new, ["cc33_SeqId_7_", "dd44", "copied-by hand.hfile.bak"]);
    }

    proptest! {
        #[test]
        fn whatever_was_captured_is_no_stranger_and_whatever_else_is_there_is_one(
            captured in prop::collection::btree_set(0..30_u8, 0..12),
            came in prop::collection::btree_set(30..60_u8, 0..6),
        ) {
            let file = |number: &u8| live(&format!("r{}", number % 3), &format!("aa{number:02x}"));
            let held: Vec<LiveFile> = captured.iter().map(file).collect();
            let now: Vec<LiveFile> = captured.iter().chain(&came).map(file).collect();
            prop_assert_eq!(strangers(&point(&held), &held).len(), 0);
            prop_assert_eq!(strangers(&point(&held), &now).len(), came.len());
        }
    }
}
