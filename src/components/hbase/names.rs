//! Names: data sets `NAMESPACE:TABLE`, and our snapshots, which tell their point and table.

use super::rpc::snapshot::TableName;
use crate::domain::{Digest, PointId};

/// What every snapshot of ours is called before its point's id.
const PREFIX: &str = "understudy-";
/// HBase's own namespace.
const SYSTEM: &str = "hbase";
/// The namespace of tables that name none.
const DEFAULT: &str = "default";

/// A table by its full name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Table {
    /// Its namespace.
    pub namespace: String,
    /// Its name in it.
    pub name: String,
}

impl Table {
    /// From a data set's path; why not, where it is none.
    pub fn of_set(set: &str) -> Result<Table, &'static str> {
        let (namespace, name) = set.split_once(':').ok_or("it names no namespace")?;
        let word = |c: char| c.is_alphanumeric() || c == '_';
        if namespace.is_empty() || !namespace.chars().all(word) {
            return Err("its namespace is not one that HBase allows");
        }
        if name.is_empty() || name.starts_with(['-', '.']) || !name.chars().all(|c| word(c) || c == '-' || c == '.') {
            return Err("its table's name is not one that HBase allows");
        }
        if namespace == SYSTEM {
            return Err("HBase keeps its own tables there");
        }
        Ok(Table { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// From a message; `None` when it is no text.
    pub fn of_wire(name: &TableName) -> Option<Table> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        Some(Table { namespace: text(&name.namespace)?, name: text(&name.qualifier)? })
    }

    /// From HBase's own spelling, in which the default namespace is left out.
    pub fn of_text(text: &str) -> Table {
        let (namespace, name) = text.split_once(':').unwrap_or((DEFAULT, text));
        Table { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// As messages have it.
    pub fn wire(&self) -> TableName {
        TableName { namespace: self.namespace.clone().into_bytes(), qualifier: self.name.clone().into_bytes() }
    }

    /// As HBase spells it.
    pub fn text(&self) -> String {
        if self.namespace == DEFAULT { self.name.clone() } else { self.set() }
    }

    /// As a data set's path.
    pub fn set(&self) -> String {
        format!("{}:{}", self.namespace, self.name)
    }

    /// Whether it is one of HBase's own.
    pub fn is_system(&self) -> bool {
        self.namespace == SYSTEM
    }

    /// Its directory below `data`, `archive/data` and `mobdir/data`.
    pub fn directory(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// What the snapshot of a table in a point is called.
pub fn snapshot_name(set: &str, point: PointId) -> String {
    let own = Digest::of_bytes(set.as_bytes()).to_string();
    format!("{PREFIX}{point}-{}", &own[..16])
}

/// The point of a snapshot of ours, if the name is one that `set`'s snapshots have.
pub fn point_of(snapshot: &str, set: &str) -> Option<PointId> {
    let (point, _) = snapshot.strip_prefix(PREFIX)?.rsplit_once('-')?;
    let point = point.parse().ok()?;
    (snapshot_name(set, point) == snapshot).then_some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tables_of_users_are_data_sets() {
        for set in ["shop:orders", "default:o.r-d_ers", "läden:aufträge"] {
            assert_eq!(Table::of_set(set).expect("a table").set(), set);
        }
        for set in
            ["orders", "hbase:meta", ":orders", "shop:", "shop:a:b", "shop:.x", "shop:-x", "shop:a/b", "a.b:c", "shop:a\0b", "../x:y"]
        {
            assert!(Table::of_set(set).is_err(), "{set:?}");
        }
        assert_eq!(Table::of_text("orders").set(), "default:orders");
        assert_eq!(Table::of_set("default:orders").expect("a table").text(), "orders");
    }

    #[test]
    fn a_snapshot_tells_its_point_and_whether_it_is_ours() {
        let point = PointId(uuid::Uuid::now_v7());
        let name = snapshot_name("shop:orders", point);
        assert_eq!(point_of(&name, "shop:orders"), Some(point));
        assert_eq!(point_of(&name, "shop:others"), None);
        assert_eq!(point_of("nightly", "shop:orders"), None);
        assert_eq!(point_of(&format!("{PREFIX}x-y"), "shop:orders"), None);
    }
}
