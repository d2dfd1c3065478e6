//! Users, groups, permissions and tenants: one model for every source of them.
//!
//! An item is a key and a value, so that comparing three sides is one function for all kinds
//! (see [`compare`](super::user_data)).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ComponentName;

/// The kind of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserDataKind {
    /// A user.
    User,
    /// A group; its value lists its members.
    Group,
    /// What somebody may do with something; its value lists the rights.
    Permission,
    /// A tenant; its value is its share or quota.
    Tenant,
}

/// What an item is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UserDataKey {
    /// The component that stores it.
    pub component: ComponentName,
    /// Its kind.
    pub kind: UserDataKind,
    /// The object: a user's, group's or tenant's name, or what a permission is on (`/data/orders`).
    pub object: String,
    /// Whose permission, for example `user:ana`, `group:retail`, `owner`, `mode`; empty for other kinds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub principal: String,
}

/// The user data of one cluster. Values are canonical texts: members and rights sorted, joined by `,`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UserData {
    /// When it was read.
    pub read_at: DateTime<Utc>,
    /// The items.
    #[serde(with = "as_list")]
    pub items: BTreeMap<UserDataKey, String>,
}

/// What becomes of one item at the secondary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserDataAction {
    /// It went on the primary: take it away. First of all, so that the secondary never allows more.
    Remove,
    /// Its value differs.
    Change,
    /// It is new on the primary.
    Add,
}

/// One difference, with the three sides that led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDataChange {
    /// The item.
    pub key: UserDataKey,
    /// What will be done at the secondary.
    pub action: UserDataAction,
    /// At the primary now.
    pub primary: Option<String>,
    /// At the secondary now.
    pub secondary: Option<String>,
    /// What we applied last.
    pub last_applied: Option<String>,
    /// Changed at the secondary by somebody else since we last applied: taken over from the primary all the same, and shown.
    pub drifted: bool,
}

/// Maps with struct keys are lists of pairs in JSON.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::UserDataKey;

    pub fn serialize<S: Serializer>(items: &BTreeMap<UserDataKey, String>, to: S) -> Result<S::Ok, S::Error> {
        items.iter().collect::<Vec<_>>().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<UserDataKey, String>, D::Error> {
        Ok(Vec::<(UserDataKey, String)>::deserialize(from)?.into_iter().collect())
    }
}
