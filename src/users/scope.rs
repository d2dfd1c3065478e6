//! Which user data a pair may change here: nothing outside the data sets of its policies. Pure.

use crate::domain::user_data::{UserDataKey, UserDataKind};
use crate::domain::{ComponentKind, ComponentName, RelPath, Service, Trouble, TroubleKind};

/// Whether a pair with these policies may change the item, named as this (secondary) cluster names it. `kind` is the component's here.
///
/// Permissions of directories, tables and databases must lie in a data set of the pair. An application's own users and grants are one list for its
/// whole database: they go along when a policy that brings user data along names the database's component.
pub fn may_adjust(services: &[Service], key: &UserDataKey, kind: ComponentKind) -> Result<(), Trouble> {
    let refused = |reason: String| {
        Err(Trouble::new(TroubleKind::Refused, format!("{}:{}", key.component, key.object), reason)
            .next("nothing of the request was changed; compare the pair's policies on both clusters, and look at who asked for this"))
    };
    if kind == ComponentKind::Tables {
        return match brings_users(services, &key.component) {
            true => Ok(()),
            false => refused(format!("no policy of the pair brings user data of the component {} along", key.component)),
        };
    }
    if key.kind != UserDataKind::Permission {
        return refused(format!("a component of the kind {kind} keeps permissions only"));
    }
    let sets = services.iter().flat_map(|service| &service.data_sets).map(|set| &set.to);
    match sets.filter(|set| set.component == key.component).any(|set| lies_in(&key.object, &set.path, kind)) {
        true => Ok(()),
        false => refused("it lies in no data set of the pair".into()),
    }
}

/// Whether a policy that syncs user data has a data set in the component, on whichever side.
pub fn brings_users(services: &[Service], component: &ComponentName) -> bool {
    let sets = services.iter().filter(|service| service.sync_users).flat_map(|service| &service.data_sets);
    sets.into_iter().any(|set| set.to.component == *component || set.from.component == *component)
}

/// Whether an object is a data set or below it. What is below a directory is a plain path: no way leads out again.
pub(super) fn lies_in(object: &str, set: &str, kind: ComponentKind) -> bool {
    let below = match kind {
        ComponentKind::Files | ComponentKind::Hdfs => '/',
        // A table of a database.
        ComponentKind::Hive => '.',
        ComponentKind::Hbase | ComponentKind::Tables => return object == set,
    };
    match object.strip_prefix(set) {
        Some("") => true,
        Some(rest) => rest.strip_prefix(below).is_some_and(|rest| !rest.is_empty() && RelPath::new(rest).is_ok()),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policies() -> Vec<Service> {
        let plan: crate::domain::Plan = toml::from_str(
            "[[service]]\nname = \"orders\"\npair = \"p\"\nsync_users = false
             data_sets = [{ from = \"hdfs:/data/orders\", to = \"hdfs:/standby/orders\" }, \"files:invoices\", \"tables:orders\", \"hive:sales\", \"hbase:shop:items\"]",
        )
        .expect("a plan");
        plan.services
    }

    fn key(component: &str, object: &str) -> UserDataKey {
        UserDataKey {
            component: component.parse().expect("a name"),
            kind: UserDataKind::Permission,
            object: object.into(),
            principal: "mode".into(),
        }
    }

    #[test]
    fn what_lies_in_no_data_set_of_the_pair_is_refused_by_name() {
        use ComponentKind::{Files, Hbase, Hdfs, Hive};
        let ask = |component: &str, object: &str, kind| may_adjust(&policies(), &key(component, object), kind);
        for (component, object, kind) in [
            ("hdfs", "/standby/orders", Hdfs),
            ("hdfs", "/standby/orders/2026/a b", Hdfs),
            ("files", "invoices/x", Files),
            ("hive", "sales.orders", Hive),
            ("hbase", "shop:items", Hbase),
        ] {
            ask(component, object, kind).unwrap_or_else(|trouble| panic!("{trouble}"));
        }
        for (component, object, kind) in [
            ("hdfs", "/", Hdfs),
            ("hdfs", "", Hdfs),
            ("hdfs", "/standby", Hdfs),
            ("hdfs", "/standby/orders-old", Hdfs),
            ("hdfs", "/standby/orders/../../user", Hdfs),
            ("hdfs", "/standby/orders/%2e%2e/x", Hdfs),
            ("hdfs", "/standby/orders//x", Hdfs),
            ("hdfs", "/standby/orders/", Hdfs),
            ("hdfs", "/data/orders", Hdfs),
            ("hdfs2", "/standby/orders", Hdfs),
            ("files", "invoices/../other", Files),
            ("files", "other", Files),
            ("hive", "sales2", Hive),
            ("hive", "sales/x", Hive),
            ("hbase", "shop:items2", Hbase),
        ] {
            let refused = ask(component, object, kind).expect_err(object);
            assert_eq!((refused.kind, refused.object), (TroubleKind::Refused, format!("{component}:{object}")));
        }
        let group = UserDataKey { kind: UserDataKind::Group, ..key("hdfs", "/standby/orders") };
        assert!(may_adjust(&policies(), &group, Hdfs).is_err(), "HDFS keeps no groups");
    }

    #[test]
    fn an_applications_users_go_along_only_where_a_policy_says_so() {
        let mut services = policies();
        let ask = |services: &[Service], component: &str| may_adjust(services, &key(component, "anything"), ComponentKind::Tables);
        assert!(ask(&services, "tables").is_err(), "its policy leaves user data alone");
        services[0].sync_users = true;
        ask(&services, "tables").expect("allowed");
        assert!(ask(&services, "accounts").is_err(), "another database");
    }

    proptest! {
        #[test]
        fn nothing_that_is_allowed_lies_outside(object in "(/standby|/data)?(/orders)?[/a-z.%2e]{0,12}") {
            if may_adjust(&policies(), &key("hdfs", &object), ComponentKind::Hdfs).is_ok() {
                let mut place: Vec<&str> = Vec::new();
                // As a server reads it: after decoding, step by step.
                let decoded = object.replace("%2e", ".");
                for step in decoded.split('/') {
                    match step {
                        "" | "." => {}
                        ".." => drop(place.pop()),
                        step => place.push(step),
                    }
                }
                prop_assert!(place.starts_with(&["standby", "orders"]), "{object} is {place:?}");
            }
        }
    }
}
