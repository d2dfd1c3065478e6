//! The application's own users, groups, grants and tenants, where the database has the tables for them.
//!
//! ```text
//! app_users(name)   app_group_members(grp, member)   app_grants(principal, object, rights)   app_tenants(name, quota)
//! ```

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::dump::Shape;
use super::sql;
use crate::domain::user_data::{UserDataChange, UserDataKey, UserDataKind};
use crate::domain::{ComponentName, Trouble};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS app_users (name TEXT PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS app_group_members (grp TEXT NOT NULL, member TEXT NOT NULL, PRIMARY KEY (grp, member));
    CREATE TABLE IF NOT EXISTS app_grants (principal TEXT NOT NULL, object TEXT NOT NULL, rights TEXT NOT NULL, PRIMARY KEY (principal, object));
    CREATE TABLE IF NOT EXISTS app_tenants (name TEXT PRIMARY KEY, quota TEXT NOT NULL);";

/// All items; none where the tables are missing.
pub fn read(component: &ComponentName, connection: &Connection) -> Result<BTreeMap<UserDataKey, String>, Trouble> {
    let mut items = BTreeMap::new();
    let key = |kind, object: String, principal: String| UserDataKey { component: component.clone(), kind, object, principal };
    for [name] in rows(connection, "app_users", ["name"])? {
        items.insert(key(UserDataKind::User, name, String::new()), String::new());
    }
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for [group, member] in rows(connection, "app_group_members", ["grp", "member"])? {
        groups.entry(group).or_default().insert(member);
    }
    for (group, members) in groups {
        items.insert(key(UserDataKind::Group, group, String::new()), members.into_iter().collect::<Vec<_>>().join(","));
    }
    for [principal, object, rights] in rows(connection, "app_grants", ["principal", "object", "rights"])? {
        let sorted: BTreeSet<_> = rights.split(',').map(str::trim).filter(|right| !right.is_empty()).collect();
        items.insert(key(UserDataKind::Permission, object, principal), sorted.into_iter().collect::<Vec<_>>().join(","));
    }
    for [name, quota] in rows(connection, "app_tenants", ["name", "quota"])? {
        items.insert(key(UserDataKind::Tenant, name, String::new()), quota);
    }
    Ok(items)
}

/// Carries one change out, as one transaction.
pub fn adjust(connection: &mut Connection, change: &UserDataChange) -> Result<(), Trouble> {
    let object = change.key.object.clone();
    let failed = |e| sql(&object, "change it", e);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    write(&transaction, change).map_err(failed)?;
    transaction.commit().map_err(failed)
}

fn write(transaction: &Transaction<'_>, change: &UserDataChange) -> rusqlite::Result<()> {
    transaction.execute_batch(SCHEMA)?;
    let (object, value) = (&change.key.object, change.primary.as_deref());
    match change.key.kind {
        UserDataKind::User => {
            transaction.execute("DELETE FROM app_users WHERE name = ?1", [object])?;
            if value.is_some() {
                transaction.execute("INSERT INTO app_users VALUES (?1)", [object])?;
            }
        }
        UserDataKind::Group => {
            transaction.execute("DELETE FROM app_group_members WHERE grp = ?1", [object])?;
            for member in value.unwrap_or_default().split(',').filter(|member| !member.is_empty()) {
                transaction.execute("INSERT INTO app_group_members VALUES (?1, ?2)", [object.as_str(), member])?;
            }
        }
        UserDataKind::Permission => {
            let principal = &change.key.principal;
            transaction.execute("DELETE FROM app_grants WHERE principal = ?1 AND object = ?2", [principal, object])?;
            if let Some(rights) = value {
                transaction.execute("INSERT INTO app_grants VALUES (?1, ?2, ?3)", params![principal, object, rights])?;
            }
        }
        UserDataKind::Tenant => {
            transaction.execute("DELETE FROM app_tenants WHERE name = ?1", [object])?;
            if let Some(quota) = value {
                transaction.execute("INSERT INTO app_tenants VALUES (?1, ?2)", params![object, quota])?;
            }
        }
    }
    Ok(())
}

fn rows<const N: usize>(connection: &Connection, table: &str, columns: [&str; N]) -> Result<Vec<[String; N]>, Trouble> {
    let Some(shape) = Shape::read(connection, table)? else { return Ok(Vec::new()) };
    if !columns.iter().all(|column| shape.columns.iter().any(|c| c == column)) {
        return Ok(Vec::new()); // A table of the same name that is not the one we know.
    }
    let failed = |e| sql(table, "read it", e);
    let mut query = connection.prepare(&format!("SELECT {} FROM main.{table}", columns.join(", "))).map_err(failed)?;
    let read = query.query_map([], |row| {
        let mut values = [const { String::new() }; N];
        for (at, value) in values.iter_mut().enumerate() {
            *value = row.get(at)?;
        }
        Ok(values)
    });
    read.map_err(failed)?.collect::<Result<_, _>>().map_err(failed)
}
