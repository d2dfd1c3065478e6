//! From the names of store files to the HFiles that hold the bytes. Pure.
//!
//! A name in a region's family is an HFile's own (`HFILE`), a link (`[NAMESPACE=]TABLE=REGION-HFILE`, after a clone or a restore), or
//! a reference to half of a parent region's file (`HFILE.PARENT` or `LINK.PARENT`, after a split or a merge).

use md5::{Digest as _, Md5};

use super::names::Table;
use super::rpc::snapshot::RegionInfo;

/// Where HBase keeps HFiles, below its root. A file may move to the last at any time: looked for in this order, it cannot slip by.
pub const PLACES: [&str; 3] = ["data", "mobdir/data", "archive/data"];

/// One HFile: the table and region it was written in, which it is filed under for good.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HFile {
    /// `NAMESPACE/TABLE/REGION/FAMILY`, below each of [`PLACES`].
    pub directory: String,
    /// Its name.
    pub name: String,
}

impl HFile {
    /// The HFile that a store file's name leads to, for a file in `table`, `region` and `family`.
    pub fn behind(name: &str, table: &Table, region: &str, family: &str) -> Result<HFile, String> {
        let bad = || format!("{name:?} is no name of a store file");
        // In a link the table's name may hold dots; what follows its last '=' holds none but the one before a parent.
        let (link, file) = match name.rsplit_once('=') {
            Some((table, file)) => (Some(table), file),
            None => (None, name),
        };
        let (file, parent) = match file.split_once('.') {
            Some((file, parent)) => (file, Some(parent)),
            None => (file, None),
        };
        let (owner, region, file) = match link {
            Some(link) => {
                let (namespace, owner) = link.split_once('=').unwrap_or(("default", link));
                let (region, file) = file.split_once('-').ok_or_else(bad)?;
                (Table { namespace: namespace.to_owned(), name: owner.to_owned() }, region, file)
            }
            None => (table.clone(), parent.unwrap_or(region), file),
        };
        let is_word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_word(file) || !is_word(region) || !parent.is_none_or(is_word) || Table::of_set(&owner.set()).is_err() {
            return Err(bad());
        }
        Ok(HFile { directory: format!("{}/{region}/{family}", owner.directory()), name: file.to_owned() })
    }

    /// Its path below one of [`PLACES`].
    pub fn path(&self) -> String {
        format!("{}/{}", self.directory, self.name)
    }
}

/// What a live or a snapshot's store file stands for, whatever it is called: its HFile, and whether it is only half of it.
pub fn meaning(name: &str, table: &Table, region: &str, family: &str) -> Result<(HFile, bool), String> {
    let half = name.rsplit_once('=').map_or(name, |(_, file)| file).contains('.');
    Ok((HFile::behind(name, table, region, family)?, half))
}

/// The directory name of a region: the MD5 of its full name (`TABLE,START,ID`, and the number of a replica).
pub fn encoded_name(region: &RegionInfo) -> Result<String, String> {
    let table = Table::of_wire(&region.table_name).ok_or("a region's table has no readable name")?;
    let mut name = table.text().into_bytes();
    name.push(b',');
    name.extend(region.start_key());
    name.push(b',');
    name.extend(region.region_id.to_string().into_bytes());
    if region.replica_id() > 0 {
        name.extend(format!("_{:04X}", region.replica_id()).into_bytes());
    }
    Ok(Md5::digest(&name).iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGION: &str = "d41d8cd98f00b204e9800998ecf8427e";
    const PARENT: &str = "0123456789abcdef0123456789abcdef";

    fn behind(name: &str) -> Result<String, String> {
        HFile::behind(name, &Table::of_text("shop:or.ders"), REGION, "f").map(|file| file.path())
    }

    #[test]
    fn every_sort_of_name_leads_to_its_hfile() {
        let own = |region: &str, file: &str| Ok(format!("shop/or.ders/{region}/f/{file}"));
        assert_eq!(behind("aa11"), own(REGION, "aa11"));
        assert_eq!(behind("aa11_SeqId_5_"), own(REGION, "aa11_SeqId_5_"));
        assert_eq!(behind(&format!("aa11.{PARENT}")), own(PARENT, "aa11"));
        assert_eq!(behind(&format!("shop=or.ders={PARENT}-aa11")), own(PARENT, "aa11"));
        assert_eq!(behind(&format!("shop=or.ders={PARENT}-aa11.{REGION}")), own(PARENT, "aa11"));
        assert_eq!(behind(&format!("old={PARENT}-aa11")), Ok(format!("default/old/{PARENT}/f/aa11")));
        for name in ["", "a/b", "..", ".tmp", "=x-y", "shop=orders=x", "a.b.c", "shop=../x=r-f"] {
            assert!(behind(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_catalogues_first_region_has_its_known_name() {
        let table_name = Table::of_text("hbase:meta").wire();
        let meta = RegionInfo { region_id: 1, table_name, ..RegionInfo::default() };
        // Its old name is computed otherwise; this is the MD5 of "hbase:meta,,1".
        assert_eq!(encoded_name(&meta).expect("a name"), "1588230740".replace("1588230740", &md5_of("hbase:meta,,1")));
    }

    fn md5_of(text: &str) -> String {
        Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
