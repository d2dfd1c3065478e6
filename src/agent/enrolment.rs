//! Enrolment at the agent: issuing a code, and judging whoever shows that they know it.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};

use super::jobs::Site;
use crate::domain::{Trouble, TroubleKind};
use crate::protocol::enrol::{EnrolCode, ProofOf, is_proof, proof};
use crate::protocol::{EnrolReply, EnrolRequest};
use crate::store::agent::{CodeCheck, CodeKey, CodePurpose, Ledger, NewController};

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

/// What the agent judges a proof by.
pub struct Judged<'a> {
    /// The agent.
    pub object: &'a str,
    /// Our key.
    pub own: &'a str,
    /// The controller, with the key that its certificate proved.
    pub caller: NewController<'a>,
}

impl Judged<'_> {
    /// Whether the proof is right by the code in memory, without a word to the ledger. The request must be that of the key that is shown.
    pub fn is_right(&self, code: Option<&CodeKey>, now: DateTime<Utc>, request: &EnrolRequest) -> Result<bool, Trouble> {
        if request.controller_key != self.caller.key {
            return Err(Trouble::new(TroubleKind::Refused, self.object, "the certificate shows another key than the request names")
                .next("somebody may stand between; check the address"));
        }
        let good = code.filter(|code| now < code.expires_at);
        // Without a code the work is the same, so that the time it takes says nothing.
        let key = good.map_or([0; 32], |code| code.key);
        let fits = is_proof(&request.proof, &key, ProofOf::Controller, self.caller.key, self.own);
        Ok(fits && good.is_some())
    }

    /// The one answer to a proof that is not right. It does not tell whether a code is out.
    pub fn refusal(&self, too_many: bool) -> Trouble {
        if too_many {
            return Trouble::new(TroubleKind::Refused, self.object, "too many wrong codes were tried here within a second")
                .next("check the code and try again; the right one is taken at any time");
        }
        Trouble::new(TroubleKind::Refused, self.object, "the code is wrong, used or expired, or none was issued")
            .next("type it as it was printed, or run `understudy-agent enrol` on the agent's host for a new one")
    }
}

/// Uses the code up and makes the controller known, if its proof is still right.
pub fn enrol(site: &Site, place: &str, judged: &Judged<'_>, request: &EnrolRequest) -> Result<EnrolReply, Trouble> {
    let mut answer = String::new();
    let check = site.ledger.redeem_code(site.clock.now(), judged.caller, |code| {
        answer = proof(code, ProofOf::Agent, judged.own, judged.caller.key);
        is_proof(&request.proof, code, ProofOf::Controller, judged.caller.key, judged.own)
    })?;
    match check {
        CodeCheck::Accepted(purpose) => {
            tracing::warn!(controller = judged.caller.key, from = judged.caller.address, ?purpose, "controller enrolled");
            Ok(EnrolReply {
                cluster: site.cluster.clone(),
                site: place.to_owned(),
                proof: answer,
                term: site.ledger.term(Some(judged.caller.key))?,
            })
        }
        // It was used up, replaced or expired in this instant.
        CodeCheck::NoCode | CodeCheck::Wrong => Err(judged.refusal(false)),
    }
}
