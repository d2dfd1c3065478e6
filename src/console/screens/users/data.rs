//! What the user data screen shows.

use crate::console::places::Place;
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::words;
use crate::controller::snapshot::PairView;
use crate::controller::{Command, Reply};
use crate::domain::user_data::{UserDataAction, UserDataChange, UserDataKind};
use crate::domain::{PairName, Trouble};

/// What a comparison or an application brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Brought {
    /// The differences found.
    pub changes: Vec<UserDataChange>,
    /// How many were applied.
    pub applied: u64,
    /// What could not be.
    pub failed: Vec<String>,
}

/// What the person does here.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// The controller reads both sides and adjusts, instead of the primary sending.
    pub by_controller: bool,
    /// A comparison (true: dry) or an application is under way.
    pub busy: Option<bool>,
    /// What the last one brought.
    pub brought: Option<Result<Brought, Trouble>>,
}

impl State {
    /// Compares, or applies.
    pub fn sync(&mut self, pair: &PairName, dry_run: bool) -> Option<(Place, Command)> {
        if self.busy.is_some() {
            return None;
        }
        self.busy = Some(dry_run);
        Some((Place::Users(dry_run), Command::SyncUsers { pair: pair.clone(), dry_run, by_controller: self.by_controller }))
    }

    /// Takes in the reply.
    pub fn receive(&mut self, reply: Reply) {
        self.busy = None;
        self.brought = Some(match reply {
            Reply::Users { changes, applied, failed, .. } => Ok(Brought { changes, applied, failed }),
            Reply::Refused(trouble) => Err(trouble),
            other => Err(Trouble::new(crate::domain::TroubleKind::Failed, "engine", format!("it answered something else: {other:?}"))),
        });
    }
}

/// One of the four figures above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// How many at the primary.
    pub number: String,
    /// Of what.
    pub what: &'static str,
    /// How they differ.
    pub state: Said,
}

/// The four figures.
pub fn counts(pair: &PairView, changes: &[UserDataChange]) -> [Count; 4] {
    let kinds = [UserDataKind::User, UserDataKind::Group, UserDataKind::Permission, UserDataKind::Tenant];
    let words = ["users", "groups", "permissions", "tenants"];
    std::array::from_fn(|place| {
        let of = |action| changes.iter().filter(|change| change.key.kind == kinds[place] && change.action == action).count();
        let parts =
            [(of(UserDataAction::Add), "to add"), (of(UserDataAction::Change), "to change"), (of(UserDataAction::Remove), "to remove")];
        let parts: Vec<_> = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        let state = match (parts.is_empty(), pair.users.at) {
            (_, None) => Said::muted("○ never compared"),
            (true, Some(_)) => Said::ok("✓ in sync"),
            (false, Some(_)) => Said::warn(format!("▲ {}", parts.join(", "))),
        };
        Count { number: words::count(pair.users.counts[place]), what: words[place], state }
    })
}

/// The chip beside the title.
pub fn chip(scene: &Scene<'_>, pair: &PairView, changes: &[UserDataChange]) -> Said {
    match (pair.users.at, changes.len() as u64) {
        (None, _) => Said::muted("never compared"),
        (Some(at), 0) => Said::ok(format!("✓ in sync at {}", scene.zone.moment(at, scene.now))),
        (Some(_), count) => Said::warn(format!("▲ {}", words::plural(count, "difference"))),
    }
}

/// A difference: kind, object, primary, secondary, last applied, will, remark.
pub fn row(change: &UserDataChange) -> [Said; 7] {
    let kind = match change.key.kind {
        UserDataKind::User => "User",
        UserDataKind::Group => "Group",
        UserDataKind::Permission => "Permission",
        UserDataKind::Tenant => "Tenant",
    };
    let object = if change.key.principal.is_empty() {
        change.key.object.clone()
    } else {
        format!("{} · {}", change.key.object, change.key.principal)
    };
    let side = |value: &Option<String>, absent: &str| value.as_ref().map_or(Said::muted(absent), |text| Said::plain(text).mono());
    let (will, remark) = match (change.action, change.drifted) {
        (UserDataAction::Remove, _) => (Said::bad("− remove"), Said::bad("access still open")),
        (UserDataAction::Change, true) => (Said::warn("↓ change"), Said::warn("▲ changed there since")),
        (UserDataAction::Change, false) => (Said::warn("↓ change"), Said::default()),
        (UserDataAction::Add, _) => (Said::accent("+ add"), Said::default()),
    };
    [
        Said::plain(format!("{kind} ({})", words::component_name(&change.key.component))),
        Said::plain(object).mono(),
        side(&change.primary, "absent"),
        side(&change.secondary, "absent"),
        side(&change.last_applied, "—"),
        will,
        remark,
    ]
}

/// The differences to show: of the last command here, else the snapshot's.
pub fn changes<'a>(pair: &'a PairView, state: &'a State) -> &'a [UserDataChange] {
    match &state.brought {
        Some(Ok(brought)) if brought.applied == 0 => &brought.changes,
        _ => &pair.users.differences,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;

    #[test]
    fn differences_are_counted_by_kind_and_a_revoked_right_is_called_open() {
        let snapshot = sample::snapshot();
        let pair = &snapshot.pairs[0];
        let shown = counts(pair, &pair.users.differences);
        let text: Vec<_> = shown.iter().map(|count| format!("{} {}: {}", count.number, count.what, count.state.text)).collect();
        assert_eq!(
            text,
            [
                "41 users: ✓ in sync",
                "12 groups: ▲ 1 to add",
                "318 permissions: ▲ 1 to add, 1 to change, 1 to remove",
                "3 tenants: ▲ 1 to change"
            ]
        );
        let first: Vec<_> = row(&pair.users.differences[0]).iter().map(|said| said.text.clone()).collect();
        assert_eq!(first, ["Permission (HDFS)", "/data/orders · user:mallory", "absent", "rwx", "rwx", "− remove", "access still open"]);
    }
}
