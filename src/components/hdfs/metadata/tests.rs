//! Rights against a small model of what a NameNode does with them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn meta(mode: u32, acl: &[&str]) -> Metadata {
    Metadata { mode, owner: "o".into(), group: "g".into(), acl: acl.iter().map(|e| (*e).into()).collect(), ..Metadata::default() }
}

#[test]
fn nothing_to_do_is_no_request() {
    assert!(steps("/a", &meta(0o640, &["user:ana:r--", "group::r--"]), &meta(0o640, &["user:ana:r--", "group::r--"])).is_empty());
}

#[test]
fn an_acl_carries_owner_others_and_the_mask_of_the_mode() {
    assert_eq!(acl_spec(&meta(0o660, &["group::r--", "user:ana:r--"])), "user::rw-,other::---,mask::rw-,group::r--,user:ana:r--");
    assert_eq!(acl_spec(&meta(0o750, &["default:user::rwx"])), "user::rwx,other::---,group::r-x,default:user::rwx");
}

#[test]
fn times_come_last_and_the_mode_after_the_acl() {
    let mut want = meta(0o1750, &[]);
    want.modified_ns = 5_000_000;
    want.xattrs.insert("user.a".into(), "6b".into());
    let all = format!("{:?}", steps("/a", &meta(0o640, &["user:ana:r--"]), &want));
    let at = |name: &str| all.find(name).unwrap_or_else(|| panic!("{name} is missing in {all}"));
    assert!(at("REMOVEACL") < at("SETPERMISSION") && at("SETPERMISSION") < at("SETXATTR") && at("SETXATTR") < at("SETTIMES"));
    assert!(all.contains("permission=1750") && all.contains("modificationtime=5&accesstime=%2D1") || all.contains("accesstime=-1"));
}

/// The rights of one inode as a NameNode keeps them (AclStorage of Hadoop 3): owner, others and, beside named entries, the mask are
/// the mode's; the access scope holds the rest of a whole ACL, the default scope all of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Inode {
    mode: u32,
    access: Scope,
    default: Scope,
}

/// Entries by name (`user:`, `user:ana`, `mask:`), with their bits.
type Scope = BTreeMap<String, u32>;

fn is_named(name: &str) -> bool {
    !name.ends_with(':')
}

/// The union of what a mask limits.
fn union(scope: &Scope) -> u32 {
    scope.iter().filter(|(name, _)| name.starts_with("group:") || is_named(name)).fold(0, |all, (_, bits)| all | bits)
}

fn bits_of(text: &str) -> u32 {
    [('r', 4), ('w', 2), ('x', 1)].iter().filter(|(letter, _)| text.contains(*letter)).map(|(_, bit)| bit).sum()
}

impl Inode {
    /// As GETACLSTATUS and a status tell it.
    fn told(&self) -> Metadata {
        let line = |scope: &str, (name, bits): (&String, &u32)| format!("{scope}{name}:{}", rwx(*bits));
        let access = self.access.iter().map(|entry| line("", entry));
        let mut acl: Vec<String> = access.chain(self.default.iter().map(|entry| line("default:", entry))).collect();
        acl.sort();
        Metadata { mode: self.mode, acl, ..meta(0, &[]) }
    }

    /// The access scope with what the mode has of it.
    fn whole_access(&self) -> Scope {
        let mut whole = self.access.clone();
        whole.insert("user:".into(), self.mode >> 6 & 7);
        whole.insert("other:".into(), self.mode & 7);
        whole.insert(if self.access.is_empty() { "group:" } else { "mask:" }.into(), self.mode >> 3 & 7);
        whole
    }

    fn keep(&mut self, mut access: Scope, default: Scope) {
        let bits = |scope: &Scope, name: &str| *scope.get(name).unwrap_or_else(|| panic!("an ACL without {name} is refused: {scope:?}"));
        let class = if access.len() == 3 { bits(&access, "group:") } else { bits(&access, "mask:") };
        assert!(access.len() == 3 || access.contains_key("group:"), "an ACL without group:: is refused");
        self.mode = self.mode & 0o1000 | bits(&access, "user:") << 6 | class << 3 | bits(&access, "other:");
        let minimal = access.len() == 3;
        access.retain(|name, _| !minimal && !["user:", "mask:", "other:"].contains(&name.as_str()));
        (self.access, self.default) = (access, default);
    }

    fn step(&mut self, step: &Rights) {
        match step {
            Rights::RemoveAcl => {
                if let Some(group) = self.access.get("group:") {
                    self.mode = self.mode & !0o070 | group << 3;
                }
                (self.access, self.default) = (Scope::new(), Scope::new());
            }
            Rights::RemoveDefaultAcl => self.default.clear(),
            Rights::SetMode(mode) => self.mode = *mode,
            Rights::SetAcl(spec) => {
                let (mut access, mut default) = (Scope::new(), Scope::new());
                for entry in spec.split(',') {
                    let (name, bits) = entry.rsplit_once(':').expect("an entry");
                    match name.strip_prefix("default:") {
                        Some(name) => default.insert(name.into(), bits_of(bits)),
                        None => access.insert(name.into(), bits_of(bits)),
                    };
                }
                // A scope that is not named stays; a mask that is needed and not named is the union.
                let access = if access.is_empty() { self.whole_access() } else { completed(access) };
                let default = if default.is_empty() { self.default.clone() } else { default };
                let missing = ["user:", "group:", "other:"].into_iter().filter(|name| !default.is_empty() && !default.contains_key(*name));
                let copied: Scope = missing.map(|name| (name.to_owned(), access.get(name).copied().unwrap_or(0))).collect();
                self.keep(access, completed(default.into_iter().chain(copied).collect()));
            }
        }
    }

    /// A directory made in it.
    fn directory_inside(&self, mode: u32) -> Inode {
        if self.default.is_empty() {
            return Inode { mode, ..Inode::default() };
        }
        let mut access = self.default.clone();
        let limit = |access: &mut Scope, name: &str, bits: u32| drop(access.entry(name.into()).and_modify(|had| *had &= bits));
        limit(&mut access, "user:", mode >> 6 & 7);
        limit(&mut access, "other:", mode & 7);
        let class = if access.contains_key("mask:") { "mask:" } else { "group:" };
        limit(&mut access, class, mode >> 3 & 7);
        let mut inside = Inode { mode, ..Inode::default() };
        inside.keep(access, self.default.clone());
        inside
    }
}

fn completed(mut scope: Scope) -> Scope {
    if scope.keys().any(|name| is_named(name)) && !scope.contains_key("mask:") {
        let mask = union(&scope);
        scope.insert("mask:".into(), mask);
    }
    scope
}

fn some_inode() -> impl Strategy<Value = Inode> {
    let bits = || 0u32..8;
    let named = || proptest::collection::btree_map("(user:(ana|bo)|group:aud)", bits(), 0..3);
    // A mask may be there without named entries.
    let scope = move || proptest::option::of((named(), bits(), proptest::option::of(bits()), bits(), bits()));
    (0u32..0o2000, scope(), scope()).prop_map(|(mode, access, default)| {
        let mut inode = Inode { mode, ..Inode::default() };
        if let Some((mut named, group, mask, ..)) = access.filter(|(named, _, mask, ..)| !named.is_empty() || mask.is_some()) {
            named.insert("group:".into(), group);
            inode.access = named;
            inode.mode = inode.mode & !0o070 | mask.unwrap_or(union(&inode.access)) << 3;
        }
        if let Some((mut named, group, mask, user, other)) = default {
            named.extend([("user:".to_owned(), user), ("group:".to_owned(), group), ("other:".to_owned(), other)]);
            named.extend(mask.map(|mask| ("mask:".to_owned(), mask)));
            inode.default = completed(named);
        }
        inode
    })
}

proptest! {
    #[test]
    fn any_rights_become_any_others_in_both_scopes_also_after_a_crash(from in some_inode(), want in some_inode(), stop in 0usize..4) {
        let steps = rights(&from.told(), &want.told());
        prop_assert_eq!(steps.is_empty(), from == want);
        let mut now = from;
        for step in steps.iter().take(stop) {
            now.step(step);
        }
        for step in rights(&now.told(), &want.told()) {
            now.step(&step);
        }
        prop_assert_eq!(now, want);
    }

    #[test]
    fn what_is_made_below_a_directory_with_a_default_acl_gets_the_rights_of_the_point(above in some_inode(), want in some_inode()) {
        let mut made = above.directory_inside(0o700);
        for step in rights(&made.told(), &want.told()) {
            made.step(&step);
        }
        prop_assert_eq!(made, want);
    }
}
