//! Users, groups, permissions and tenants: one model for every source of them.
//!
//! An item is a key and a value, so that comparing three sides is one function for all kinds
//! (see [`compare`]).

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

/// What has to be done at the secondary so that it says what the primary says: removals first, then changes, then additions,
/// so that at no step the secondary allows more than before and than the primary.
///
/// An item that only the secondary has goes when we once brought it there, and always when it is a permission: a right that the
/// primary does not have must not survive (invariant 11). Other items of the secondary's own are left alone.
pub fn compare(primary: &UserData, secondary: &UserData, last_applied: Option<&UserData>) -> Vec<UserDataChange> {
    let applied = |key: &UserDataKey| last_applied.and_then(|users| users.items.get(key)).cloned();
    let change = |key: &UserDataKey, action| {
        let (there, last) = (secondary.items.get(key).cloned(), applied(key));
        UserDataChange {
            key: key.clone(),
            action,
            primary: primary.items.get(key).cloned(),
            drifted: last_applied.is_some() && there != last,
            secondary: there,
            last_applied: last,
        }
    };
    let gone = secondary.items.keys().filter(|key| !primary.items.contains_key(*key));
    let ours = gone.filter(|key| key.kind == UserDataKind::Permission || applied(key).is_some());
    let mut changes: Vec<_> = ours.map(|key| change(key, UserDataAction::Remove)).collect();
    for (key, value) in &primary.items {
        match secondary.items.get(key) {
            Some(there) if there == value => {}
            Some(_) => changes.push(change(key, UserDataAction::Change)),
            None => changes.push(change(key, UserDataAction::Add)),
        }
    }
    changes.sort_by(|a, b| (a.action, order(a), &a.key).cmp(&(b.action, order(b), &b.key)));
    changes
}

/// Permissions go before the users and groups they name, and come after them.
fn order(change: &UserDataChange) -> u8 {
    let dependent = matches!(change.key.kind, UserDataKind::Permission);
    u8::from(dependent != (change.action == UserDataAction::Remove))
}

/// The items after a change, for previews and tests.
pub fn after(items: &BTreeMap<UserDataKey, String>, change: &UserDataChange) -> BTreeMap<UserDataKey, String> {
    let mut items = items.clone();
    match &change.primary {
        Some(value) => items.insert(change.key.clone(), value.clone()),
        None => items.remove(&change.key),
    };
    items
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = UserDataKey> {
        let kinds = [UserDataKind::User, UserDataKind::Group, UserDataKind::Permission, UserDataKind::Tenant];
        (proptest::sample::select(kinds.to_vec()), 0..4u8, 0..3u8).prop_map(|(kind, object, principal)| UserDataKey {
            component: "tables".parse().expect("a name"),
            kind,
            object: format!("o{object}"),
            principal: if kind == UserDataKind::Permission { format!("user:u{principal}") } else { String::new() },
        })
    }

    fn users() -> impl Strategy<Value = UserData> {
        proptest::collection::btree_map(key(), "[rwx]{1,3}", 0..12).prop_map(|items| UserData { read_at: DateTime::UNIX_EPOCH, items })
    }

    proptest! {
        #[test]
        fn a_right_that_the_primary_does_not_have_goes_first_and_for_good(primary in users(), secondary in users(), last in proptest::option::of(users())) {
            let changes = compare(&primary, &secondary, last.as_ref());
            let mut items = secondary.items.clone();
            let mut removals_over = false;
            for change in &changes {
                removals_over |= change.action != UserDataAction::Remove;
                prop_assert_eq!(removals_over, change.action != UserDataAction::Remove);
                items = after(&items, change);
                if removals_over {
                    let extra = items.keys().find(|key| key.kind == UserDataKind::Permission && !primary.items.contains_key(*key));
                    prop_assert!(extra.is_none(), "the secondary allows {extra:?}");
                }
            }
            for (key, value) in &primary.items {
                prop_assert_eq!(items.get(key), Some(value));
            }
            for key in items.keys().filter(|key| !primary.items.contains_key(*key)) {
                prop_assert!(key.kind != UserDataKind::Permission, "{key:?} survived");
                prop_assert!(last.as_ref().is_none_or(|users| !users.items.contains_key(key)), "{key:?} was ours and stayed");
            }
            let now = UserData { items, ..secondary };
            prop_assert!(compare(&primary, &now, last.as_ref()).is_empty(), "a second comparison finds nothing");
        }
    }

    #[test]
    fn what_somebody_else_changed_at_the_secondary_is_taken_over_and_told() {
        let key = UserDataKey {
            component: "hdfs".parse().expect("a name"),
            kind: UserDataKind::Tenant,
            object: "retail".into(),
            principal: String::new(),
        };
        let side = |value: &str| UserData { read_at: DateTime::UNIX_EPOCH, items: BTreeMap::from([(key.clone(), value.to_owned())]) };
        let changes = compare(&side("40"), &side("55"), Some(&side("40")));
        assert_eq!(changes.len(), 1);
        assert!(changes[0].drifted, "{changes:?}");
        assert!(!compare(&side("41"), &side("40"), Some(&side("40")))[0].drifted);
    }
}
