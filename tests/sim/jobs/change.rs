//! Jobs that change or keep identities: the agent of `tests/model` takes the durable steps, the data follows.

use understudy::domain::switchover::machine::Decision;
use understudy::domain::*;
use understudy::protocol::{Outcome, PromoteReport};
use understudy::store::agent::{InstructionState, rules};

use super::Job;
use crate::truth;
use crate::world::{cluster, policy};

impl Job {
    pub(super) async fn join(&self, caller: &str) -> Result<Outcome, Trouble> {
        self.write(|s, i| {
            s.sites[i].agent.facts.controllers.insert(caller.to_owned());
            Ok(Outcome::Done)
        })
        .await
    }

    pub(super) async fn store_policies(&self, services: &[Service]) -> Result<Outcome, Trouble> {
        self.write(|s, i| {
            let site = &mut s.sites[i];
            let facts = site.agent.facts.clone();
            for service in services.iter().filter(|service| site.services.iter().all(|known| known.name != service.name)) {
                if facts.claim.identity == Identity::Primary {
                    site.agent.facts = site.agent.facts.activate(facts.claim.epoch, &service.name, None)?;
                }
            }
            site.services = services.to_vec();
            Ok(Outcome::Done)
        })
        .await
    }

    pub(super) async fn promote(&self, decision: &Decision) -> Result<Outcome, Trouble> {
        let decision = &self.world.with(|s| rules::as_first_told(&s.sites[self.i].agent.decisions, decision.clone()));
        let claim = Claim { identity: Identity::Primary, epoch: decision.epoch, decision: decision.id };
        self.write(|s, i| {
            let agent = &mut s.sites[i].agent;
            agent.facts = agent.facts.take(claim)?;
            agent.keep(decision);
            s.note(format_args!("{} is primary of epoch {} by {}", cluster(i), decision.epoch, decision.by));
            Ok(())
        })
        .await?;
        if self.world.with(|s| s.sites[self.i].agent.facts.opens_again()) {
            self.touch(|s, i| Ok(s.sites[i].agent.open_left())).await?;
        }
        let mut report = PromoteReport { epoch: decision.epoch, services: [].into(), failed: [].into() };
        if self.world.with(|s| s.sites[self.i].agent.facts.is_past(decision.epoch)) {
            return Ok(Outcome::Promoted(report));
        }
        let name = policy().name.clone();
        let is_open = self.world.with(|s| {
            let site = &s.sites[self.i];
            site.agent.facts.active.contains_key(&name) && (decision.live.is_none() || site.opened == Some(decision.id))
        });
        if !is_open {
            match self.start_service(decision).await {
                Ok(point) => drop(point.map(|point| report.services.insert(name, point))),
                Err(trouble) => drop(report.failed.insert(name, trouble)),
            }
        }
        self.write(|s, i| {
            let agent = &mut s.sites[i].agent;
            let closed = !report.failed.is_empty() || (agent.is_held(decision) && !agent.facts.active.contains_key(&policy().name));
            let sets = if closed { agent.sets() } else { Vec::new() };
            agent.facts = agent.facts.settle_fence(report.epoch, &sets);
            Ok(())
        })
        .await?;
        Ok(Outcome::Promoted(report))
    }

    async fn start_service(&self, decision: &Decision) -> Result<Option<PointId>, Trouble> {
        let name = &policy().name;
        if decision.live.is_some() {
            return self.reopen(decision).await.map(|()| None);
        }
        let decided = decision.points.get(name).copied().ok_or_else(|| self.refused("the decision names no recovery point for it"))?;
        let (held, newest) = self.world.with(|s| {
            let site = &s.sites[self.i];
            (site.points.contains_key(&decided), site.newest().filter(|p| p.record.to == *cluster(self.i)).map(|p| p.record.id))
        });
        let point = rules::resumes_from(decided, held, newest);
        if self.world.with(|s| s.sites[self.i].opened != Some(decision.id)) {
            self.bring_up(point).await?;
            if self.world.with(|s| s.sites[self.i].agent.is_held(decision)) {
                self.world.with(|s| truth::held(s, self.i, point));
                return Ok(Some(point));
            }
            self.write(|s, i| {
                s.sites[i].opened = Some(decision.id);
                Ok(())
            })
            .await?;
        }
        self.touch(|s, i| {
            if s.sites[i].agent.data_fenced {
                truth::promoted(s, i, decision, Some(point));
            }
            s.sites[i].agent.data_fenced = false;
            Ok(())
        })
        .await?;
        self.write(|s, i| {
            let agent = &mut s.sites[i].agent;
            agent.facts = agent.facts.activate(decision.epoch, name, Some(point))?;
            Ok(())
        })
        .await?;
        Ok(Some(point))
    }

    /// It goes on from what is live here, unless that may be part of two states.
    async fn reopen(&self, decision: &Decision) -> Result<(), Trouble> {
        let name = &policy().name;
        self.world.with(|s| {
            let (site, common) = (&s.sites[self.i], decision.points.get(name));
            let torn = common.is_some_and(|common| site.applied.is_none() && site.kept.contains_key(common));
            if torn { Err(self.refused("its data was going back when its direction was being turned")) } else { Ok(()) }
        })?;
        self.touch(|s, i| {
            if s.sites[i].agent.data_fenced {
                truth::went_on(s, i, decision);
            }
            s.sites[i].agent.data_fenced = false;
            Ok(())
        })
        .await?;
        self.write(|s, i| {
            let agent = &mut s.sites[i].agent;
            agent.facts = agent.facts.activate(decision.epoch, name, None)?;
            s.sites[i].opened = Some(decision.id);
            Ok(())
        })
        .await
    }

    pub(super) async fn demote(&self, decision: &Decision, fence_only: bool) -> Result<Outcome, Trouble> {
        if fence_only {
            if self.world.with(|s| !rules::captured_under_fence(&s.sites[self.i].agent.decisions, decision).is_empty()) {
                return self.last_look(decision).await;
            }
            self.write(|s, i| s.sites[i].agent.fence(decision, 0)).await?;
        } else if decision.take_back {
            if let Err(trouble) = self.stand_back(decision).await {
                // Where that does not succeed either, the watch of the fence goes on with it.
                drop(self.touch(|s, i| Ok(s.sites[i].agent.open_left())).await);
                return Err(trouble);
            }
        } else {
            self.write(|s, i| s.sites[i].agent.step_down(decision)).await?;
            self.write(|s, i| s.sites[i].agent.put_on(0)).await?;
        }
        self.touch(|s, i| {
            s.note(format_args!("{} is fenced", cluster(i)));
            let agent = &mut s.sites[i].agent;
            Ok(if fence_only { agent.fence(decision, 1) } else { agent.put_on(1) }?.expect("it is on"))
        })
        .await
    }

    /// The fence still has to be up. Nothing comes past the fences of this simulation.
    async fn last_look(&self, decision: &Decision) -> Result<Outcome, Trouble> {
        self.touch(|s, i| {
            let agent = &s.sites[i].agent;
            rules::may_still_fence(decision, agent.records.get(&decision.unfence))?;
            match agent.data_fenced && agent.facts.fence.planned == Some(agent.facts.claim.epoch) {
                true => Ok(Outcome::Fenced(Vec::new())),
                false => Err(self.refused("its fence is up no more")),
            }
        })
        .await
    }

    /// Fences, proves that the live data is what the service was brought up from, and stands back; or opens again what was open.
    async fn stand_back(&self, decision: &Decision) -> Result<(), Trouble> {
        let claim = Claim { identity: Identity::Secondary, epoch: decision.epoch, decision: decision.id };
        if self.world.with(|s| s.sites[self.i].agent.facts.claim == claim) {
            return Ok(());
        }
        self.write(|s, i| {
            s.sites[i].agent.prove(0);
            Ok(())
        })
        .await?;
        self.touch(|s, i| {
            s.sites[i].agent.prove(1);
            Ok(())
        })
        .await?;
        self.touch(|s, i| s.sites[i].written_since().map_or(Ok(()), |why| Err(self.refused(why)))).await?;
        self.write(|s, i| {
            let agent = &mut s.sites[i].agent;
            agent.facts = agent.facts.stand_back_first(claim, &agent.sets())?;
            agent.keep(decision);
            s.note(format_args!("{} stands back: nothing was written there", cluster(i)));
            Ok(())
        })
        .await
    }

    pub(super) async fn unfence(&self, decision: &Decision) -> Result<Outcome, Trouble> {
        self.write(|s, i| s.sites[i].agent.unfence(decision, 0)).await?;
        self.touch(|s, i| s.sites[i].agent.unfence(decision, 1)).await?;
        self.write(|s, i| {
            let lifted = s.sites[i].agent.unfence(decision, 2)?;
            s.note(format_args!("the fence of {} is lifted", cluster(i)));
            debug_assert!(s.sites[i].agent.records.values().any(|r| r.state == InstructionState::Running));
            Ok(lifted.expect("it is lifted"))
        })
        .await
    }
}
