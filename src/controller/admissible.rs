//! Whether a verb that changes a pair may be begun now. Pure, and the one place where that is decided: the runbook, the fault prompt, what
//! the console offers and the command itself all ask here.
//!
//! ```text
//! what is asked + what both agents said a moment ago → rules → the identity machine, asked on trial → nothing against it
//!                                                        └──────────┴→ a refusal that names the reason and the next step
//! ```

use uuid::Uuid;

use crate::domain::switchover::machine::{self, Decision, Event, PairPhase};
use crate::domain::{ClusterName, Trouble, TroubleKind};

use super::command::{Refusal, Refused, Verb};
use super::model::{Model, PairModel};
use super::{adjust, alone, catch_up, exchange, reverse, view, window, withheld};

/// A change of identities that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub to: &'a ClusterName,
    pub planned: bool,
    pub hold: bool,
}

/// What a change of identities that may be begun comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admitted {
    /// A decision.
    Decide,
    /// It was decided before: what could not be brought up then is tried again.
    BringUp,
}

/// Whether a verb may be begun, as its runbook asks: the other cluster is to become primary, or to stand by.
pub(super) fn of_verb(model: &Model, pair: &PairModel, verb: Verb) -> Result<(), Refused> {
    match verb {
        Verb::Planned | Verb::Adjust => {
            let wanted = Wanted { to: pair.state.other(), planned: verb == Verb::Planned, hold: false };
            may_decide(model, pair, wanted).map(drop)
        }
        Verb::Reverse => may_reverse(pair).map(drop),
        Verb::TakeBack => may_take_back(pair).map(drop),
    }
}

/// Whether the replication may be reversed now, and by which decision the pair came where it is.
pub(super) fn may_reverse(pair: &PairModel) -> Result<&Decision, Refused> {
    let decision = reverse::admissible(pair)?;
    on_trial(pair, &reverse::begin(&Uuid::nil, decision.at, decision, ""))?;
    Ok(decision)
}

/// Whether the promotion may be taken back now, and by which decision it was made.
pub(super) fn may_take_back(pair: &PairModel) -> Result<&Decision, Refused> {
    withheld::check_changes(pair)?;
    let made_by = window::may_take_back(pair)?;
    on_trial(pair, &window::take_back_event(&Uuid::nil, made_by.at, pair, made_by, ""))?;
    Ok(made_by)
}

/// Whether a change of identities may be begun now.
pub(super) fn may_decide(model: &Model, pair: &PairModel, wanted: Wanted<'_>) -> Result<Admitted, Refused> {
    if check(pair, wanted)? == Admitted::BringUp {
        return Ok(Admitted::BringUp);
    }
    let coded = |refusal| Err(Refused::Coded(format!("pair {}", pair.paired.name), refusal));
    let (points, live) = adjust::resumes(model, pair, wanted.to);
    if points.is_empty() && live.is_none() && !(pair.is_contended() && pair.claims_primary(wanted.to)) {
        return coded(Refusal::NoRecoveryPoint { cluster: wanted.to.clone() });
    }
    if wanted.planned {
        catch_up::check_followed(pair)?;
        if let Some(run) = model.runs.values().find(|r| !r.has_ended() && r.state.spec.service.pair == pair.paired.name) {
            let spec = &run.state.spec;
            return coded(Refusal::RunUnderWay { run: spec.run, service: spec.service.name.clone() });
        }
        if !pair.clock.good {
            return coded(Refusal::ClocksApart { words: pair.clock.words.clone() });
        }
    }
    let record = adjust::Record { by: "", at: chrono::DateTime::UNIX_EPOCH, shown: Vec::new(), declared: None };
    on_trial(pair, &adjust::decided(model, pair, wanted, record, &Uuid::nil))?;
    Ok(Admitted::Decide)
}

/// The machine's own word: what it would not fold is not begun, whatever the rules say.
fn on_trial(pair: &PairModel, event: &Event) -> Result<(), Refused> {
    match machine::apply(Some(&pair.state), event) {
        Ok(_) => Ok(()),
        Err(_) => {
            let refusal = Refusal::NotNow { phase: pair.state.phase.name().to_owned() };
            Err(Refused::Coded(format!("pair {}", pair.paired.name), refusal))
        }
    }
}

/// The rules of a change of identities; in the order in which a person would want to hear of them.
fn check(pair: &PairModel, ask: Wanted<'_>) -> Result<Admitted, Trouble> {
    let refuse = |reason: String| Trouble::new(TroubleKind::Refused, format!("pair {}", pair.paired.name), reason);
    if pair.agent(ask.to).is_none() {
        let names: Vec<_> = pair.paired.agents.iter().map(|a| a.enrolled.cluster.as_str()).collect();
        return Err(refuse(format!("{} is not one of its clusters ({})", ask.to, names.join(", ")))
            .next("name the one of them that is to become primary"));
    }
    withheld::check_changes(pair)?;
    let answers = |cluster: &ClusterName| pair.answers(cluster);
    let decide = |()| Admitted::Decide;
    if pair.is_contended() {
        // Whichever the person names is right; the other one, primary or not, stands back for it.
        return match (ask.planned, answers(ask.to)) {
            (false, true) => Ok(Admitted::Decide),
            (true, _) => Err(refuse(pair.diagnosis.conflict.clone()).next("decide without --planned")),
            (false, false) => Err(refuse(format!("the agent of {} does not answer", ask.to)).next("bring that agent back first")),
        };
    }
    if matches!(pair.state.phase, PairPhase::Promoting { .. })
        && let Some(trouble) = pair.held_by.as_ref().filter(|trouble| exchange::is_for_good(trouble))
    {
        return Err(refuse(format!("the promotion under way is refused: {trouble}")).next(
            "another decision or another controller came in between: run `understudy-agent adopt` on the host of each agent and `understudy \
             adopt` here; this console then follows what the agents hold",
        ));
    }
    if let Some(left) = pair.left_from(ask.to) {
        return may_go_on(pair, ask, left).map(decide);
    }
    let is_lost = alone::is_lost(pair);
    if !is_lost && *ask.to == pair.state.primary && is_partly_up(pair) {
        pair.check_answers(ask.to)?;
        return Ok(Admitted::BringUp);
    }
    if ask.to == pair.state.serving() || (!is_lost && view::active(pair).as_ref() == Some(ask.to)) {
        return Err(
            refuse(format!("{} has the primary identity already", ask.to)).next("there is nothing to change; see `understudy status`")
        );
    }
    if pair.is_suspended() && (pair.state.phase.lost().is_none() || ask.planned) {
        return Err(refuse(format!("an identity change is under way or done: the pair is {}", pair.state.phase.name()))
            .next("see `understudy status`"));
    }
    if !answers(ask.to) {
        return Err(refuse(format!("the agent of {} does not answer: it cannot take over", ask.to))
            .next("bring that agent back, or check the network to it"));
    }
    if ask.planned {
        if !answers(&pair.state.primary) {
            return Err(refuse(format!("the agent of {} does not answer: a planned switchover needs both", pair.state.primary))
                .next("if that cluster is lost, adjust identity without --planned"));
        }
        return Ok(Admitted::Decide);
    }
    if !pair.diagnosis.verdict.offers_button() {
        return Err(refuse(pair.diagnosis.words.clone()).next(if answers(pair.state.serving()) {
            "use a planned switchover: it loses nothing"
        } else {
            "wait for evidence, or look at the primary yourself"
        }));
    }
    if is_lost && ask.hold {
        return Err(refuse(format!("{} goes on from what it holds itself: there is no recovery point to look at first", ask.to))
            .next("decide without --hold"));
    }
    withheld::check_decides(pair).map(decide)
}

/// Whether the primary runs, and a service of it could not be brought up.
fn is_partly_up(pair: &PairModel) -> bool {
    matches!(&pair.state.phase, PairPhase::ActiveAlone { failed, .. } if !failed.is_empty())
}

/// The primary, fenced for a switchover that another controller has left, goes on as soon as the other cluster says that it does not follow
/// it; where that one is lost, by a person's decision, above the one that it may have followed.
fn may_go_on(pair: &PairModel, ask: Wanted<'_>, left: &Decision) -> Result<(), Trouble> {
    let refuse =
        |reason: String, next: &str| Err(Trouble::new(TroubleKind::Refused, format!("pair {}", pair.paired.name), reason).next(next));
    if ask.planned || ask.hold {
        return refuse(format!("{} goes on from what it holds itself", ask.to), "decide without --planned and --hold");
    }
    if pair.answers(&left.to) {
        return refuse(format!("{} answers: the fence of {} is lifted by itself", left.to, left.from), "see `understudy status`");
    }
    pair.check_answers(ask.to)?;
    withheld::check_decides(pair)
}

#[cfg(test)]
mod tests;
