//! Data sets: `COMPONENT:PATH`, at the primary and at the secondary.

use std::fmt;
use std::str::FromStr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{ComponentName, Trouble, TroubleKind};

/// One data set at one cluster: `hdfs:/data/orders`, `tables:orders`, `files:invoices`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DataSetName {
    /// The component that stores it.
    pub component: ComponentName,
    /// The place inside: a directory (`files`: relative to the root; `hdfs`: absolute) or a table.
    pub path: String,
}

impl FromStr for DataSetName {
    type Err = Trouble;
    fn from_str(text: &str) -> Result<Self, Trouble> {
        let bad = |reason: String| {
            Trouble::new(TroubleKind::Invalid, format!("data set {text:?}"), reason)
                .next("write COMPONENT:PATH, for example hdfs:/data/orders or tables:orders")
        };
        let (component, path) = text.split_once(':').ok_or_else(|| bad("it names no component".into()))?;
        let component = component.parse().map_err(|e| bad(format!("{e}")))?;
        let inner = path.trim_start_matches('/');
        if path.len() - inner.len() > 1 {
            return Err(bad("its path starts with more than one '/'".into()));
        }
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        super::RelPath::new(inner).map_err(|e| bad(e.to_string()))?;
        if path.is_empty() {
            return Err(bad("it names no place inside the component".into()));
        }
        let path = if path.starts_with('/') { format!("/{inner}") } else { inner.to_owned() };
        Ok(DataSetName { component, path })
    }
}

impl fmt::Display for DataSetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.component, self.path)
    }
}

impl TryFrom<String> for DataSetName {
    type Error = Trouble;
    fn try_from(text: String) -> Result<Self, Trouble> {
        text.parse()
    }
}

impl From<DataSetName> for String {
    fn from(name: DataSetName) -> String {
        name.to_string()
    }
}

impl DataSetName {
    /// Whether one is the other, or lies inside it. `separator` parts the component's paths.
    pub fn shares_place(&self, other: &DataSetName, separator: char) -> bool {
        let (a, b) = (self.path.trim_matches('/'), other.path.trim_matches('/'));
        let inside = |inner: &str, outer: &str| {
            outer.is_empty() || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(separator))
        };
        self.component == other.component && (inside(a, b) || inside(b, a))
    }
}

/// Where a data set is at the primary, and where its backup goes at the secondary.
///
/// In a plan it is the name alone when both are the same, else `{ from, to }`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "DataSetText")]
pub struct DataSet {
    /// At the primary.
    pub from: DataSetName,
    /// At the secondary.
    pub to: DataSetName,
}

#[derive(Serialize)]
#[serde(untagged)]
enum DataSetText {
    Same(DataSetName),
    Other(FromTo),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FromTo {
    from: DataSetName,
    to: DataSetName,
}

// By hand, so that what is wrong with a name is told: an untagged enum would only say that no variant fits.
impl<'de> Deserialize<'de> for DataSet {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<DataSet, D::Error> {
        from.deserialize_any(DataSetVisitor)
    }
}

struct DataSetVisitor;

impl<'de> Visitor<'de> for DataSetVisitor {
    type Value = DataSet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a data set: \"COMPONENT:PATH\", or { from, to }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<DataSet, E> {
        let name: DataSetName = text.parse().map_err(E::custom)?;
        Ok(DataSet { from: name.clone(), to: name })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DataSet, A::Error> {
        let FromTo { from, to } = FromTo::deserialize(MapAccessDeserializer::new(map))?;
        Ok(DataSet { from, to })
    }
}

impl From<DataSet> for DataSetText {
    fn from(set: DataSet) -> DataSetText {
        if set.from == set.to { DataSetText::Same(set.from) } else { DataSetText::Other(FromTo { from: set.from, to: set.to }) }
    }
}
