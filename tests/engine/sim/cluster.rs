//! One simulated cluster with its agent: what it holds, and what an instruction does to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use understudy::agent::guard::founding_claim;
use understudy::domain::admission::AskedAs;
use understudy::domain::backup::machine::{CaptureReport, CapturedSet};
use understudy::domain::drill::check::{CheckEnd, CheckResult};
use understudy::domain::drill::report::DrillRan;
use understudy::domain::switchover::machine::Decision;
use understudy::domain::user_data::UserData;
use understudy::domain::*;
use understudy::protocol::*;

use super::PAIR;

/// One cluster's whole state.
pub struct SimCluster {
    pub name: ClusterName,
    /// The restores that are not whole here.
    pub restores: Vec<UnfinishedRestore>,
    /// Its agent answers the controller.
    pub up: bool,
    /// Its agent answers the other agent.
    pub seen_by_peer: bool,
    /// What the other agent finds when it probes its components; `None`: they cannot be probed from there.
    pub probed_by_peer: Option<Health>,
    /// What its own probes say.
    pub health: Health,
    /// What they say beside.
    pub note: Option<ProbeNote>,
    /// Services that a promotion cannot bring up, and why.
    pub broken: BTreeMap<ServiceName, Trouble>,
    /// A service whose verification is not over yet.
    pub slow: Option<ServiceName>,
    /// Arming lacks room while it holds more points than this.
    pub room: usize,
    /// Its agent's.
    pub certificate: CertificateStatus,
    /// Enrolled controllers would be listed here; the sim only counts enrolments.
    pub enrolments: u32,
    pub term: Term,
    pub claim: Option<Claim>,
    pub confirmed: bool,
    pub fenced: bool,
    pub peer: Option<PeerSpec>,
    pub services: Vec<Service>,
    pub points: Vec<RecoveryPoint>,
    /// Committed, and not sealed because of `stuck`.
    pub unsealed: Vec<RecoveryPoint>,
    /// Why what is committed cannot be sealed.
    pub stuck: Option<Trouble>,
    /// Its version neither tells what is unsealed nor takes it back.
    pub is_old: bool,
    /// What it was asked about for policies.
    pub looks: Vec<(String, AskedAs)>,
    /// Captures held (primary).
    pub captures: BTreeSet<PointId>,
    /// Points in staging (secondary).
    pub staging: BTreeSet<PointId>,
    pub decisions: Vec<Decision>,
    /// Drills that have a space here.
    pub drills: BTreeSet<DrillId>,
    /// Orders carried out, in order, by name.
    pub done: Vec<&'static str>,
    /// Orders answered with `Running` until they are let go.
    pub held: BTreeSet<&'static str>,
    /// What came past its fence since the final runs.
    pub passed: Option<Trouble>,
    /// How often it was asked for that.
    pub looked: u32,
    /// Orders during which it is stopped: its start carries out what they ask, and so many requests fail before one is answered, as of an
    /// agent whose identity nobody has confirmed yet.
    pub stopped_during: BTreeMap<&'static str, u32>,
    /// Orders that fail.
    pub failing: BTreeMap<&'static str, Trouble>,
    answers: HashMap<InstructionId, (Instruction, Option<AnswerState>)>,
}

impl SimCluster {
    /// Up, well, and in no pair.
    pub fn new(name: ClusterName) -> SimCluster {
        SimCluster {
            name,
            certificate: super::certificate(90),
            up: true,
            seen_by_peer: true,
            probed_by_peer: None,
            health: Health::Healthy,
            note: None,
            broken: BTreeMap::new(),
            slow: None,
            room: usize::MAX,
            enrolments: 0,
            term: Term(0),
            claim: None,
            confirmed: true,
            fenced: false,
            peer: None,
            services: Vec::new(),
            points: Vec::new(),
            unsealed: Vec::new(),
            stuck: None,
            is_old: false,
            restores: Vec::new(),
            looks: Vec::new(),
            captures: BTreeSet::new(),
            staging: BTreeSet::new(),
            decisions: Vec::new(),
            drills: BTreeSet::new(),
            done: Vec::new(),
            held: BTreeSet::new(),
            passed: None,
            looked: 0,
            stopped_during: BTreeMap::new(),
            failing: BTreeMap::new(),
            answers: HashMap::new(),
        }
    }

    /// Takes an instruction as a real agent's guard does.
    pub fn take(&mut self, instruction: &Instruction) -> Result<Answer, Trouble> {
        let outdated = |reason: String| Err(Trouble::new(TroubleKind::Outdated, format!("agent {}", self.name), reason));
        if instruction.term < self.term {
            return outdated(format!("term {} is over", instruction.term));
        }
        self.term = instruction.term;
        let id = instruction.id;
        if let Some((before, _)) = self.answers.get(&id) {
            assert_eq!(before.order, instruction.order, "an id was used again for another order");
            return self.answer(id);
        }
        let epoch = self.claim.map(|c| c.epoch).unwrap_or_default();
        let decides = matches!(instruction.order, Order::Join(_) | Order::Promote(_) | Order::Demote(_) | Order::Unfence(_));
        if instruction.epoch < epoch {
            return outdated(format!("epoch {} is over", instruction.epoch));
        }
        if instruction.epoch > epoch && !decides {
            return Err(Trouble::new(TroubleKind::Refused, format!("agent {}", self.name), "it was not told of that epoch"));
        }
        self.answers.insert(id, (instruction.clone(), None));
        self.answer(id)
    }

    /// What it did for orders of this name is on no record of its own: the disk was full when it should have been written.
    pub fn forget(&mut self, order: &str) {
        self.answers.retain(|_, (instruction, _)| instruction.order.name() != order);
    }

    /// Where an instruction is; what was not carried out yet is now.
    pub fn answer(&mut self, id: InstructionId) -> Result<Answer, Trouble> {
        let Some((instruction, state)) = self.answers.get(&id).cloned() else {
            return Err(Trouble::new(TroubleKind::NotFound, format!("instruction {id}"), "it never arrived"));
        };
        if let Some(state) = state {
            return Ok(Answer { id, state });
        }
        let name = instruction.order.name();
        if self.held.contains(name) {
            let committed = name == "commit";
            return Ok(Answer { id, state: AnswerState::Running(Progress { doing: name.into(), committed, ..Progress::default() }) });
        }
        if matches!(&instruction.order, Order::Verify(verify) if Some(&verify.service) == self.slow.as_ref()) {
            // It goes on, as its progress says.
            let progress = Progress { doing: Utc::now().to_string(), ..Progress::default() };
            return Ok(Answer { id, state: AnswerState::Running(progress) });
        }
        let full = name == "arm" && self.points.len() > self.room;
        let full =
            full.then(|| Trouble::new(TroubleKind::Exhausted, "files:invoices", "its space quota leaves 3 bytes, and 30 are needed"));
        if let Some(trouble) = self.failing.get(name).cloned().or(full) {
            self.answers.remove(&id);
            return Ok(Answer { id, state: AnswerState::Failed(trouble) });
        }
        if let (Order::Demote(demote), Some(trouble)) = (&instruction.order, self.passed.clone())
            && self.is_last_look(demote)
        {
            self.answers.insert(id, (instruction, Some(AnswerState::Failed(trouble.clone()))));
            return Ok(Answer { id, state: AnswerState::Failed(trouble) });
        }
        if let (Order::Commit(commit), Some(trouble)) = (&instruction.order, self.stuck.clone()) {
            if self.unsealed.iter().all(|known| known.id != commit.point.id) {
                self.unsealed.push(commit.point.clone());
            }
            self.answers.remove(&id);
            // As a real agent tells an older engine: that it will not do is told with the status.
            return Ok(Answer { id, state: AnswerState::Failed(Trouble { kind: TroubleKind::Failed, ..trouble }) });
        }
        let outcome = self.carry_out(&instruction.order, instruction.epoch);
        self.done.push(name);
        if let Some(unheard) = self.stopped_during.get_mut(name).filter(|unheard| **unheard > 0) {
            *unheard -= 1;
            self.answers.remove(&id);
            let stopped = Trouble::new(TroubleKind::Failed, format!("agent {}", self.name), "it stopped while this was being done");
            return Ok(Answer { id, state: AnswerState::Failed(stopped) });
        }
        let state = AnswerState::Done(Box::new(outcome));
        self.answers.insert(id, (instruction, Some(state.clone())));
        Ok(Answer { id, state })
    }

    /// Whether the fence of a planned switchover is asked for once more, its final runs sealed.
    fn is_last_look(&self, demote: &DemoteOrder) -> bool {
        demote.fence_only && self.decisions.iter().any(|known| known.id == demote.decision.id && known.points != demote.decision.points)
    }

    fn carry_out(&mut self, order: &Order, epoch: Epoch) -> Outcome {
        match order {
            Order::Join(join) => {
                self.claim = Some(founding_claim(&PAIR.parse().unwrap(), epoch, &self.name, join));
                self.peer = Some(join.peer.clone());
                Outcome::Done
            }
            Order::Leave => {
                self.claim = None;
                Outcome::Left(LeaveReport { removed: 1, leftovers: Vec::new() })
            }
            Order::Holdings => Outcome::Holdings(self.holdings()),
            Order::StorePolicies(policies) => {
                self.services = policies.services.clone();
                self.confirmed = true;
                Outcome::Done
            }
            Order::Arm(_) => Outcome::Armed(ArmReport {
                last_point: self.points.last().map(|p| p.id),
                held_points: self.captures.iter().copied().collect(),
                drift: Vec::new(),
                warnings: Vec::new(),
            }),
            Order::Capture(capture) => {
                assert!(self.captures.insert(capture.point), "a point was captured twice");
                Outcome::Captured(captured(capture.service.data_sets.len()))
            }
            Order::Push(t) | Order::Pull(t) => Outcome::Transferred(TransferReport {
                sets: t
                    .data_sets
                    .iter()
                    .map(|_| SetCounts { files: 3, bytes: 30, copied_files: 3, copied_bytes: 30, ..SetCounts::default() })
                    .collect(),
            }),
            Order::Verify(v) => {
                self.staging.insert(v.point);
                Outcome::Verified(VerifyReport { files: 3, bytes: 30 })
            }
            Order::Commit(commit) => {
                self.staging.remove(&commit.point.id);
                let point = RecoveryPoint { sealed_at: Some(Utc::now()), ..commit.point.clone() };
                self.unsealed.retain(|known| known.id != point.id);
                match self.points.iter().find(|known| known.id == point.id) {
                    Some(known) => Outcome::Sealed(Box::new(known.clone())),
                    None => {
                        self.points.push(point.clone());
                        Outcome::Sealed(Box::new(point))
                    }
                }
            }
            Order::Abandon(abandon) => {
                assert!(self.points.iter().all(|point| point.id != abandon.point), "a sealed point was given up");
                self.unsealed.retain(|point| point.id != abandon.point);
                self.staging.remove(&abandon.point);
                let back_to = self.points.last().map(|point| point.id);
                Outcome::Abandoned(AbandonReport { by: abandon.by.clone(), at: abandon.at, back_to, leftovers: Vec::new() })
            }
            Order::Abort(abort) => {
                self.staging.remove(&abort.point);
                self.captures.remove(&abort.point);
                Outcome::Dropped(Vec::new())
            }
            Order::Prune(prune) => {
                self.points.retain(|p| !prune.points.contains(&p.id));
                self.captures.retain(|p| !prune.points.contains(p));
                Outcome::Dropped(Vec::new())
            }
            Order::SyncUsers(_) | Order::ReadUsers | Order::AdjustUsers(_) => Outcome::Users(UsersReport {
                read: Some(UserData { read_at: DateTime::UNIX_EPOCH, items: BTreeMap::new() }),
                last_applied: None,
                changes: Vec::new(),
                applied: 0,
                failed: Vec::new(),
            }),
            Order::Leftovers(asked) => self.leftovers(asked),
            Order::Drill(drill) => {
                assert!(self.points.iter().any(|p| p.id == drill.point), "a drill of a point that is not here");
                self.drills.insert(drill.drill);
                let ran = |check: &DrillCheck| CheckResult {
                    name: check.name.clone(),
                    state: if check.name.starts_with("bad") { CheckEnd::Failed } else { CheckEnd::Passed },
                    evidence: "looked".into(),
                    took_ms: 1,
                };
                Outcome::Drilled(DrillRan { places: Vec::new(), checks: drill.checks.iter().map(ran).collect(), bring_up_ms: 1 })
            }
            Order::Restore(restore) => {
                assert!(self.points.iter().any(|p| p.id == restore.point), "a restore of a point that is not here");
                let place = restore.place.clone();
                let proof = restore::RestoreProof { place, files: 1, bytes: 2, digest: Digest::of_bytes(b"x"), notes: Vec::new() };
                Outcome::Restored(Restored { compared_with: restore::ComparedWith::Manifest, proof })
            }
            Order::EndRestore(end) => {
                self.restores.retain(|one| one.restore != end.restore);
                Outcome::RestoreEnded(Vec::new())
            }
            Order::EndDrill(end) => {
                let removed = if self.drills.remove(&end.drill) { vec![format!("space of {}", end.drill)] } else { Vec::new() };
                Outcome::DrillEnded(DrillEnded { removed, left: Vec::new() })
            }
            Order::Reverse(reverse) => {
                assert!(self.fenced, "a cluster that takes writes was to go back");
                assert!(reverse.reversal.points.values().all(|point| self.captures.contains(point)), "a common point is not held");
                Outcome::Reversed(ReverseReport { services: BTreeMap::new() })
            }
            Order::Promote(promote) => self.promote(&promote.decision),
            Order::Demote(demote) => {
                self.looked += u32::from(self.is_last_look(demote));
                self.fenced = true;
                let decision = &demote.decision;
                if self.decisions.iter().all(|known| known.id != decision.id) {
                    self.decisions.push(decision.clone());
                }
                if !demote.fence_only {
                    self.claim = Some(Claim { identity: Identity::Secondary, epoch: decision.epoch, decision: decision.id });
                }
                Outcome::Fenced(vec!["files: read back".into()])
            }
            Order::CopyKept(_) => unreachable!("it keeps nothing"),
            Order::Unfence(_) => {
                self.fenced = false;
                Outcome::Done
            }
        }
    }

    /// It tries by itself, whether anybody asks or not.
    pub fn go_on(&mut self) {
        if self.stuck.is_none() {
            let sealed = std::mem::take(&mut self.unsealed).into_iter();
            self.points.extend(sealed.map(|point| RecoveryPoint { sealed_at: Some(Utc::now()), ..point }));
        }
    }

    /// What it tells of its committed points.
    pub fn unfinished(&self) -> Vec<UnfinishedPoint> {
        let told = |point: &RecoveryPoint| UnfinishedPoint {
            pair: point.pair.clone(),
            service: point.service.clone(),
            run: point.run,
            point: point.id,
            work: unfinished::Work::Seal,
            tries: 1,
            trouble: self.stuck.clone(),
            next_try: None,
        };
        self.unsealed.iter().map(told).collect()
    }

    /// What leaving would remove.
    fn holdings(&self) -> Holdings {
        let held = |point: &RecoveryPoint| PointHeld { point: point.id, service: point.service.clone(), moment: point.moment };
        Holdings {
            points: self.points.iter().map(held).collect(),
            snapshots: BTreeMap::from([("files".parse().unwrap(), self.captures.len() as u64)]),
            staging: self.staging.len() as u64,
            fenced: u64::from(self.fenced),
            ..Holdings::default()
        }
    }

    /// What was captured or staged for points that nobody counts on.
    fn leftovers(&mut self, asked: &LeftoversOrder) -> Outcome {
        let counted = |point: &PointId| asked.wanted.contains(point) || self.points.iter().any(|p| p.id == *point);
        let old = |point: &PointId| point.made_at().is_none_or(|at| at < asked.before);
        let found: Vec<PointId> = self.captures.iter().copied().filter(|point| !counted(point) && old(point)).collect();
        let told = |point: &PointId| Leftover {
            snapshot: OwnSnapshot { component: "files".parse().unwrap(), path: "orders".into(), point: *point },
            service: None,
            made_here: true,
            made_at: point.made_at(),
        };
        let report = LeftoversReport { found: found.iter().map(told).collect(), removed: 0, failed: Vec::new() };
        if !asked.remove {
            return Outcome::Leftovers(report);
        }
        self.captures.retain(|point| !found.contains(point));
        Outcome::Leftovers(LeftoversReport { removed: found.len() as u64, ..report })
    }

    fn promote(&mut self, decision: &Decision) -> Outcome {
        let again = self.claim.is_some_and(|c| c.decision == decision.id);
        assert!(again || self.claim.is_some_and(|c| c.epoch < decision.epoch), "a promotion does not raise the epoch");
        let held = |id: &PointId| self.points.iter().any(|p| p.id == *id && p.sealed_at.is_some());
        assert!(decision.points.values().all(held), "a point that is not sealed here was to be promoted");
        self.claim = Some(Claim { identity: Identity::Primary, epoch: decision.epoch, decision: decision.id });
        if !again {
            self.decisions.push(decision.clone());
        }
        self.fenced = false;
        self.unsealed.clear();
        let services = decision.points.iter().filter(|(service, _)| !self.broken.contains_key(*service));
        let services = services.map(|(service, point)| (service.clone(), *point)).collect();
        Outcome::Promoted(PromoteReport { epoch: decision.epoch, services, failed: self.broken.clone() })
    }
}

fn captured(sets: usize) -> CaptureReport {
    let now = Utc::now();
    let window = Window { lo: now, hi: now + TimeDelta::milliseconds(2) };
    CaptureReport {
        sets: (0..sets).map(|_| CapturedSet { window, server_time: None, open_files: Vec::new(), event_id: None }).collect(),
        frozen: false,
        clock_stepped: false,
    }
}
