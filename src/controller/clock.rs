//! One clock source for controller, primary and secondary: measured here, decided in `domain::clock`, shown, and a gate on captures.

use crate::domain::clock::{Offset, Sample};
use crate::domain::{PairName, Trouble, TroubleKind};
use crate::store::controller::{Enrolled, PairedAgent};

use super::engine::Engine;
use super::instruct::within;
use super::model::PairModel;
use super::snapshot::ClockView;

/// Clocks that may be further apart than this are not one clock source.
const LIMIT_MS: f64 = 1_000.0;
/// Samples taken at a time before a capture.
const SAMPLES: usize = 3;

/// A wall clock's nanoseconds since 1970.
fn wall_ns(engine: &Engine) -> i64 {
    engine.now().timestamp_nanos_opt().unwrap_or(i64::MAX)
}

/// Takes one sample of an agent's clock.
pub(super) async fn sample(engine: &Engine, agent: &Enrolled) -> Result<Sample, Trouble> {
    let link = engine.link(agent)?;
    let t1 = wall_ns(engine);
    let reply = within(engine.settings.time_limit, agent, link.clock()).await?;
    Ok(Sample { t1, t2: reply.received_ns, t3: reply.sent_ns, t4: wall_ns(engine), taken_ns: engine.monotonic_ns() })
}

/// Samples both clocks of a pair afresh, where both agents answered a moment ago.
pub(super) async fn measure(engine: &Engine, pair: &PairName) {
    let answer = |p: &PairModel| p.paired.agents.iter().all(|agent| p.answers(&agent.enrolled.cluster));
    let agents = engine.read(|m| m.pairs.get(pair).filter(|p| answer(p)).map(|p| p.paired.agents.clone()));
    if let Some(agents) = agents {
        sample_both(engine, pair, agents).await;
    }
}

async fn sample_both(engine: &Engine, pair: &PairName, [first, second]: [PairedAgent; 2]) {
    for _ in 0..SAMPLES {
        let (a, b) = tokio::join!(sample(engine, &first.enrolled), sample(engine, &second.enrolled));
        engine.change(|m| {
            if let Some(pair) = m.pairs.get_mut(pair) {
                for (watch, sample) in pair.watch.iter_mut().zip([a.ok(), b.ok()]) {
                    if let Some(sample) = sample {
                        watch.clock.add(sample);
                    }
                }
                pair.clock = view(pair, engine.monotonic_ns());
            }
        });
    }
}

/// Samples both clocks of a pair afresh and refuses when they are, or may be, too far apart.
pub(super) async fn gate(engine: &Engine, pair: &PairName) -> Result<(), Trouble> {
    let agents = engine.read(|m| m.pairs.get(pair).map(|p| p.paired.agents.clone()));
    let Some(agents) = agents else {
        return Err(Trouble::new(TroubleKind::NotFound, format!("pair {pair}"), "it is not paired any more"));
    };
    sample_both(engine, pair, agents).await;
    let clock = engine.read(|m| m.pairs.get(pair).map(|p| p.clock.clone()));
    match clock {
        Some(clock) if clock.good => Ok(()),
        Some(clock) => Err(Trouble::new(TroubleKind::Refused, format!("the clocks of pair {pair}"), clock.words)
            .next("set up one time source (NTP, chrony) for the controller and both clusters, then run again")),
        None => Err(Trouble::new(TroubleKind::NotFound, format!("pair {pair}"), "it is not paired any more")),
    }
}

/// What the clocks' samples amount to, at an instant of our monotonic clock.
pub(super) fn view(pair: &PairModel, now_ns: i64) -> ClockView {
    let offsets = pair.watch.each_ref().map(|w| w.clock.offset(now_ns));
    let names = pair.paired.agents.each_ref().map(|a| a.enrolled.cluster.clone());
    let shown = names.iter().zip(offsets).filter_map(|(name, o)| o.map(|o| (name.clone(), o.middle_ms(), o.bound_ms()))).collect();
    let [Some(first), Some(second)] = offsets else {
        return ClockView { offsets: shown, bound_ms: None, good: false, words: "the clocks have not both been measured yet".into() };
    };
    let between = first.between(second);
    let worst = [first, second, between].map(Offset::worst_ms).into_iter().fold(0.0, f64::max);
    let good = worst <= LIMIT_MS;
    let words = if good {
        format!("one clock source: all within {worst:.1} ms of each other")
    } else {
        let furthest = names.iter().zip([first, second]).max_by(|a, b| a.1.worst_ms().total_cmp(&b.1.worst_ms()));
        let name = furthest.map(|(name, _)| name.to_string()).unwrap_or_default();
        format!("they may be {worst:.0} ms apart, more than the {LIMIT_MS:.0} ms allowed; {name} is furthest from the controller")
    };
    ClockView { offsets: shown, bound_ms: Some(between.bound_ms()), good, words }
}
