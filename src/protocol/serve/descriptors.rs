//! The process's limit on open files: raised at start, and checked, since connections, storage and the ledger share it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::domain::{Trouble, TroubleKind};

/// No more than this is asked for, however high the hard limit is: some programs that are started walk over all of them.
const ENOUGH: u64 = 65_536;

/// Raises the limit to what the system allows; what it is then.
pub fn raise() -> u64 {
    let before = getrlimit(Resource::Nofile);
    let current = before.current.unwrap_or(u64::MAX);
    let wanted = before.maximum.unwrap_or(u64::MAX).min(ENOUGH);
    if current >= wanted {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: before.maximum }) {
        Ok(()) => wanted,
        Err(error) => {
            tracing::warn!(%error, current, wanted, "the limit on open files could not be raised");
            current
        }
    }
}

/// Raises it, and refuses when it stays below the need.
pub fn ensure(need: u64) -> Result<(), Trouble> {
    suffices(raise(), need)
}

fn suffices(limit: u64, need: u64) -> Result<(), Trouble> {
    if limit >= need {
        return Ok(());
    }
    let reason = format!("the system allows {limit} open files, and its connections and storage need {need}");
    Err(Trouble::new(TroubleKind::Refused, "agent", reason)
        .next(format!("raise the hard limit: `LimitNOFILE={ENOUGH}` in its systemd unit, or `ulimit -Hn {ENOUGH}` before it is started")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_descriptors_are_refused_with_what_to_do() {
        assert!(suffices(2_048, 2_048).is_ok());
        let trouble = suffices(1_024, 2_048).expect_err("too few");
        assert_eq!(trouble.kind, TroubleKind::Refused);
        let told = trouble.to_string();
        assert!(told.contains("1024") && told.contains("2048"), "{told}");
    }
}
