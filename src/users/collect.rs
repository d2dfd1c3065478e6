//! Reading one side's user data, under the names that the primary uses for its data sets.

use std::collections::BTreeMap;

use super::scope::brings_users;
use crate::agent::jobs::Site;
use crate::domain::user_data::{UserData, UserDataChange, UserDataKey, UserDataKind};
use crate::domain::{ComponentKind, ComponentName, DataSetName, Manifest, PairName, Service, ServiceName, Trouble, TroubleKind};
use crate::store::agent::StoredManifest;

/// Which side of the policies' data sets this cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// It is captured here: the live data sets are the truth.
    Primary,
    /// It is backed up here: the newest sealed manifests are.
    Secondary,
}

/// Reads all components' user data of a pair. Keys name data sets as the primary does, so that both sides compare.
pub async fn read(site: &Site, pair: &PairName, side: Side) -> Result<UserData, Trouble> {
    let services = site.ledger.policies(pair)?;
    let mut sets: BTreeMap<ComponentName, Vec<String>> = BTreeMap::new();
    let mut sealed: BTreeMap<ComponentName, BTreeMap<String, Manifest>> = BTreeMap::new();
    for (service, set) in super::sets_of(&services, side) {
        if side == Side::Secondary {
            // Before the first point nothing of the data set is here, so it has no permissions either.
            let Some(record) = site.ledger.newest_sealed(pair, &service)? else { continue };
            let Some(stored) = site.ledger.manifest(record.id, &set)? else { continue };
            sealed.entry(set.component.clone()).or_default().insert(set.path.clone(), read_manifest(&set, &stored)?);
        }
        sets.entry(set.component).or_default().push(set.path);
    }
    let mut items = BTreeMap::new();
    for (name, component) in &site.components {
        // What the other side would refuse is not compared.
        if component.kind() == ComponentKind::Tables && !brings_users(&services, name) {
            continue;
        }
        let empty = BTreeMap::new();
        let own = sets.get(name).map_or(&[][..], Vec::as_slice);
        for (key, value) in component.read_users(own, sealed.get(name).unwrap_or(&empty)).await? {
            items.insert(if side == Side::Secondary { renamed(&key, &services, Side::Primary) } else { key }, value);
        }
    }
    Ok(UserData { read_at: site.clock.now(), items })
}

/// A stored manifest, its digest checked.
pub fn read_manifest(set: &DataSetName, stored: &StoredManifest) -> Result<Manifest, Trouble> {
    let corrupt = |why: String| Trouble::new(TroubleKind::Corrupt, set, why).next("run a full copy of the service");
    let manifest = Manifest::from_json_lines(&stored.body).map_err(|e| corrupt(format!("its stored manifest cannot be read: {e}")))?;
    if manifest.digest() != stored.digest {
        return Err(corrupt("its stored manifest is not what was stored".into()));
    }
    Ok(manifest)
}

/// A change with its key as `side` names it.
pub fn to_side(change: &UserDataChange, services: &[Service], side: Side) -> UserDataChange {
    UserDataChange { key: renamed(&change.key, services, side), ..change.clone() }
}

/// Names a permission's place as `to` does, when it lies in a data set that has another name there.
fn renamed(key: &UserDataKey, services: &[Service], to: Side) -> UserDataKey {
    if key.kind != UserDataKind::Permission {
        return key.clone();
    }
    for set in services.iter().flat_map(|service| &service.data_sets) {
        let (old, new) = if to == Side::Primary { (&set.to, &set.from) } else { (&set.from, &set.to) };
        if old == new || key.component != old.component {
            continue;
        }
        let Some(rest) = key.object.strip_prefix(&old.path) else { continue };
        if rest.is_empty() || rest.starts_with('/') {
            return UserDataKey { component: new.component.clone(), object: format!("{}{rest}", new.path), ..key.clone() };
        }
    }
    key.clone()
}

/// Which service a data set of the secondary belongs to.
pub(super) fn owner(services: &[Service], component: &ComponentName, path: &str) -> Option<(ServiceName, DataSetName)> {
    services.iter().find_map(|service| {
        let set = service.data_sets.iter().find(|set| set.to.component == *component && set.to.path == path)?;
        Some((service.name.clone(), set.to.clone()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_compared_under_the_primarys_name_and_applied_under_the_secondarys() {
        let plan: crate::domain::Plan = toml::from_str(
            "[[service]]\nname = \"orders\"\npair = \"p\"\ndata_sets = [{ from = \"hdfs:/data/orders\", to = \"hdfs:/standby/orders\" }]",
        )
        .expect("a plan");
        let key = |object: &str| UserDataKey {
            component: "hdfs".parse().expect("a name"),
            kind: UserDataKind::Permission,
            object: object.into(),
            principal: "user:ana".into(),
        };
        assert_eq!(renamed(&key("/standby/orders/2026"), &plan.services, Side::Primary), key("/data/orders/2026"));
        assert_eq!(renamed(&key("/data/orders"), &plan.services, Side::Secondary), key("/standby/orders"));
        assert_eq!(renamed(&key("/data/orders-old"), &plan.services, Side::Secondary), key("/data/orders-old"));
    }
}
