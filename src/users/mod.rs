//! User data: users, groups, permissions and tenants, collected from the components, compared, adjusted at the secondary.
//!
//! ```text
//! fourth instruction:  primary reads its own → asks the peer for its side → compares (pure, domain) → has the peer adjust
//! by the controller:   ReadUsers at both → compares → AdjustUsers at the secondary
//! ```
//! Both ways end in [`adjust`] at the secondary, which first asks of every change whether it may be made here (`scope`, and the component): one
//! that may not refuses the whole request. Then removals first, additions last, so that at no time does the secondary
//! allow more than the primary. Permissions of a sealed data set are the manifest's, not the fenced live tree's.

mod collect;
mod peer;
mod scope;

use std::collections::BTreeMap;

use crate::agent::jobs::Site;
use crate::domain::user_data::{UserData, UserDataAction, UserDataChange, UserDataKind};
use crate::domain::{ComponentKind, DataSetName, Entry, PairName, Service, ServiceName, Trouble, TroubleKind};
use crate::store::agent::StoredManifest;

pub use collect::{Side, read, read_manifest};
pub use peer::{PeerUsers, ask_peer, have_peer_adjust, router};
pub use scope::may_adjust;

/// What adjusting did.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adjusted {
    /// Changes carried out.
    pub applied: u64,
    /// Changes that could not be, in words.
    pub failed: Vec<String>,
}

/// Refuses a request that would change anything outside the pair's data sets, or give a privilege. Changes nothing.
async fn check(site: &Site, services: &[Service], changes: &[UserDataChange]) -> Result<(), Trouble> {
    for change in changes {
        let here = collect::to_side(change, services, Side::Secondary);
        // A component that is not here is told as a change that failed.
        let Some(component) = site.components.get(&here.key.component) else { continue };
        may_adjust(services, &here.key, component.kind())?;
        component.may_adjust(&here).await?;
    }
    Ok(())
}

/// Carries the changes out at this (secondary) cluster and remembers what now counts as last applied: the primary's user data,
/// less what failed, so that the next comparison finds the failed ones again.
pub async fn adjust(site: &Site, pair: &PairName, changes: &[UserDataChange], primary: &UserData) -> Result<Adjusted, Trouble> {
    let services = site.ledger.policies(pair)?;
    check(site, &services, changes).await?;
    let mut unsealed = Vec::new();
    for (service, set) in sets_of(&services, Side::Secondary) {
        if site.ledger.newest_sealed(pair, &service)?.is_none() {
            unsealed.push(set);
        }
    }
    let mut adjusted = Adjusted::default();
    let mut applied = primary.clone();
    let mut amended: BTreeMap<(ServiceName, DataSetName), Vec<Entry>> = BTreeMap::new();
    for change in changes {
        let here = collect::to_side(change, &services, Side::Secondary);
        let Some(component) = site.components.get(&here.key.component) else {
            let trouble = Trouble::new(TroubleKind::NotFound, &here.key.object, format!("there is no component {}", here.key.component));
            note_failure(&mut adjusted, &mut applied, change, &trouble);
            continue;
        };
        let is_tree = matches!(component.kind(), ComponentKind::Files | ComponentKind::Hdfs);
        let lies_in =
            |set: &DataSetName| set.component == here.key.component && scope::lies_in(&here.key.object, &set.path, component.kind());
        if is_tree && unsealed.iter().any(lies_in) {
            // Its rights are kept on the files themselves, and there are none yet. The first recovery point brings them along.
            not_applied(&mut applied, change);
            continue;
        }
        match component.adjust_user(&here).await {
            Ok(entries) => {
                adjusted.applied += 1;
                for (set, entry) in entries {
                    if let Some((service, name)) = collect::owner(&services, &here.key.component, &set) {
                        amended.entry((service, name)).or_default().push(entry);
                    }
                }
            }
            Err(trouble) => note_failure(&mut adjusted, &mut applied, change, &trouble),
        }
    }
    for ((service, set), entries) in amended {
        amend(site, pair, &service, &set, entries)?;
    }
    site.ledger.note_applied_users(pair, &applied)?;
    Ok(adjusted)
}

fn note_failure(adjusted: &mut Adjusted, applied: &mut UserData, change: &UserDataChange, trouble: &Trouble) {
    adjusted.failed.push(format!("{} {}: {trouble}", verb(change.action), change.key.object));
    not_applied(applied, change);
}

/// A change that was not made keeps its former value as the last applied one.
fn not_applied(applied: &mut UserData, change: &UserDataChange) {
    match &change.last_applied {
        Some(value) => applied.items.insert(change.key.clone(), value.clone()),
        None => applied.items.remove(&change.key),
    };
}

fn verb(action: UserDataAction) -> &'static str {
    match action {
        UserDataAction::Remove => "remove",
        UserDataAction::Change => "change",
        UserDataAction::Add => "add",
    }
}

/// Keeps new metadata with the newest sealed manifest, so that the live tree stays what the manifest says.
fn amend(site: &Site, pair: &PairName, service: &ServiceName, set: &DataSetName, entries: Vec<Entry>) -> Result<(), Trouble> {
    let Some(mut record) = site.ledger.newest_sealed(pair, service)? else { return Ok(()) };
    let Some(stored) = site.ledger.manifest(record.id, set)? else { return Ok(()) };
    let mut manifest = read_manifest(set, &stored)?;
    for entry in entries {
        manifest.entries.insert(entry.path.clone(), entry);
    }
    let stored = StoredManifest::of(&manifest);
    for part in record.data_sets.iter_mut().filter(|part| part.to == *set) {
        part.manifest = Some(stored.digest);
    }
    site.ledger.amend_manifest(&record, set, &stored)
}

/// How many users, groups, permissions and tenants there are, for people.
pub fn counts(users: &UserData) -> [u64; 4] {
    let count = |kind| users.items.keys().filter(|key| key.kind == kind).count() as u64;
    [count(UserDataKind::User), count(UserDataKind::Group), count(UserDataKind::Permission), count(UserDataKind::Tenant)]
}

/// The data sets of all services, as this side calls them.
pub(crate) fn sets_of(services: &[Service], side: Side) -> Vec<(ServiceName, DataSetName)> {
    let name = |service: &Service, set: &crate::domain::DataSet| {
        (service.name.clone(), if side == Side::Primary { set.from.clone() } else { set.to.clone() })
    };
    services.iter().flat_map(|service| service.data_sets.iter().map(move |set| name(service, set))).collect()
}
