//! Whether a person's decision to change identities may be taken, as far as the pair tells. Pure.
//!
//! ```text
//! what is asked + what both agents said a moment ago → nothing against it | a refusal that names the reason and the next step
//! ```

use crate::domain::switchover::machine::{Decision, PairPhase};
use crate::domain::{ClusterName, Trouble, TroubleKind};

use super::adjust::Ask;
use super::model::PairModel;
use super::{alone, exchange, view, withheld};

/// Why a decision may not be taken; in the order in which a person would want to hear of it.
pub(super) fn check(pair: &PairModel, ask: &Ask) -> Result<(), Trouble> {
    let refuse = |reason: String| Trouble::new(TroubleKind::Refused, format!("pair {}", ask.pair), reason);
    if pair.agent(&ask.to).is_none() {
        let names: Vec<_> = pair.paired.agents.iter().map(|a| a.enrolled.cluster.as_str()).collect();
        return Err(refuse(format!("{} is not one of its clusters ({})", ask.to, names.join(", ")))
            .next("name the one of them that is to become primary"));
    }
    withheld::check_changes(pair)?;
    let answers = |cluster: &ClusterName| pair.answers(cluster);
    if pair.is_contended() {
        // Whichever the person names is right; the other one, primary or not, stands back for it.
        return match (ask.planned, answers(&ask.to)) {
            (false, true) => Ok(()),
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
    if let Some(left) = pair.left_from(&ask.to) {
        return may_go_on(pair, ask, left);
    }
    let is_lost = alone::is_lost(pair);
    if ask.to == *pair.state.serving() || (!is_lost && view::active(pair).as_ref() == Some(&ask.to)) {
        return Err(
            refuse(format!("{} has the primary identity already", ask.to)).next("there is nothing to change; see `understudy status`")
        );
    }
    if pair.is_suspended() && (pair.state.phase.lost().is_none() || ask.planned) {
        return Err(refuse(format!("an identity change is under way or done: the pair is {}", pair.state.phase.name())));
    }
    if !answers(&ask.to) {
        return Err(refuse(format!("the agent of {} does not answer: it cannot take over", ask.to))
            .next("bring that agent back, or check the network to it"));
    }
    if ask.planned {
        if !answers(&pair.state.primary) {
            return Err(refuse(format!("the agent of {} does not answer: a planned switchover needs both", pair.state.primary))
                .next("if that cluster is lost, adjust identity without --planned"));
        }
        return Ok(());
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
    withheld::check_decides(pair)
}

/// The primary, fenced for a switchover that another controller has left, goes on as soon as the other cluster says that it does not follow
/// it; where that one is lost, by a person's decision, above the one that it may have followed.
fn may_go_on(pair: &PairModel, ask: &Ask, left: &Decision) -> Result<(), Trouble> {
    let refuse = |reason: String, next: &str| Err(Trouble::new(TroubleKind::Refused, format!("pair {}", ask.pair), reason).next(next));
    if ask.planned || ask.hold {
        return refuse(format!("{} goes on from what it holds itself", ask.to), "decide without --planned and --hold");
    }
    if pair.answers(&left.to) {
        return refuse(format!("{} answers: the fence of {} is lifted by itself", left.to, left.from), "see `understudy status`");
    }
    pair.check_answers(&ask.to)?;
    withheld::check_decides(pair)
}
