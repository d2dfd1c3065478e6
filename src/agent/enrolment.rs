//! Enrolment at the agent: issuing a code, and judging whoever shows that they know it.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};

use super::jobs::Site;
use crate::domain::{Trouble, TroubleKind};
use crate::protocol::enrol::{EnrolCode, ProofOf, is_proof, proof};
use crate::protocol::{EnrolReply, EnrolRequest};
use crate::store::agent::{CodeCheck, CodePurpose, Ledger, NewController};

/// How long a code may be used.
pub const CODE_MINUTES: i64 = 15;

/// The ledger's file in a state folder.
pub fn ledger_path(state: &Path) -> std::path::PathBuf {
    state.join("ledger.db")
}

/// Issues a single-use code, valid for [`CODE_MINUTES`]; the one before it is void. Works beside a serving agent.
pub fn issue_code(state: &Path, purpose: CodePurpose, now: DateTime<Utc>) -> Result<(EnrolCode, DateTime<Utc>), Trouble> {
    let ledger = Ledger::open(&ledger_path(state))?;
    let code = EnrolCode::draw()?;
    let expires_at = now + TimeDelta::minutes(CODE_MINUTES);
    ledger.issue_code(purpose, &code.key(), expires_at)?;
    Ok((code, expires_at))
}

/// Judges a controller's proof. `caller` has the key that its certificate proved, `own` is ours.
pub fn enrol(site: &Site, place: &str, own: &str, caller: NewController<'_>, request: &EnrolRequest) -> Result<EnrolReply, Trouble> {
    let shown = caller.key;
    let object = format!("agent {}", site.cluster);
    if request.controller_key != shown {
        return Err(Trouble::new(TroubleKind::Refused, object, "the certificate shows another key than the request names")
            .next("somebody may stand between; check the address"));
    }
    let mut answer = String::new();
    let check = site.ledger.redeem_code(site.clock.now(), caller, |code| {
        answer = proof(code, ProofOf::Agent, own, shown);
        is_proof(&request.proof, code, ProofOf::Controller, shown, own)
    })?;
    let next = "run `understudy-agent enrol` on the agent's host for a new code";
    match check {
        CodeCheck::Accepted(purpose) => {
            tracing::warn!(controller = shown, from = caller.address, ?purpose, "controller enrolled");
            Ok(EnrolReply { cluster: site.cluster.clone(), site: place.to_owned(), proof: answer, term: site.ledger.term(Some(shown))? })
        }
        CodeCheck::NoCode => {
            Err(Trouble::new(TroubleKind::Refused, object, "no code is valid: none was issued, or it is used or expired").next(next))
        }
        CodeCheck::Wrong(0) => {
            Err(Trouble::new(TroubleKind::Refused, object, "the code is wrong, and void after too many attempts").next(next))
        }
        CodeCheck::Wrong(left) => Err(Trouble::new(TroubleKind::Refused, object, format!("the code is wrong; {left} attempts are left"))
            .next("type it as it was printed; if it was, somebody may stand between")),
    }
}
