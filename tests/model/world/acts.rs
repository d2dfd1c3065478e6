//! What controllers do, and the persons at them: send, read, give up, confirm, decide, end a conflict, adopt.

use super::*;

impl World {
    pub(super) fn sends(&mut self, who: usize) -> bool {
        let controller = &self.controllers[who];
        if !controller.is_in_command() || controller.errand.is_some() {
            return false;
        }
        let Some((effect, letter)) = controller.wants() else { return false };
        let to = index(&letter.to);
        if !controller.met[to] {
            return false;
        }
        self.controller(who).errand = Some((effect, Arc::new(letter.clone())));
        self.send(who, to, letter.id, letter.epoch, letter.order);
        true
    }

    /// The answer to the errand under way.
    pub(super) fn reads(&mut self, who: usize) -> bool {
        let Some((effect, letter)) = self.controllers[who].errand.clone() else { return false };
        if let Some(trouble) = self.controller(who).refused.take() {
            return self.fails(who, &effect, &letter.to, &trouble);
        }
        let agent = self.agents[index(&letter.to)].clone();
        let record = agent.records.get(&letter.id).filter(|_| agent.up && self.controllers[who].up);
        match record.map(|record| &record.state) {
            Some(InstructionState::Done(_)) => self.controller(who).done(&effect),
            Some(InstructionState::Failed(trouble)) => self.fails(who, &effect, &letter.to, trouble),
            _ => false,
        }
    }

    fn fails(&mut self, who: usize, effect: &Effect, to: &ClusterName, trouble: &Trouble) -> bool {
        if trouble.kind == TroubleKind::Outdated {
            self.look(who, index(to));
        }
        self.controller(who).errand = None;
        self.controller(who).held = Some(trouble.clone());
        let Some(state) = self.controllers[who].state.clone().filter(|_| self.controllers[who].is_in_command()) else { return true };
        let undone = match (exchange::way_back(&state, effect, trouble), effect) {
            (WayBack::Now, _) => true,
            (WayBack::IfNotTaken, Effect::Promote(decision)) => {
                self.look(who, index(to));
                let agent = &self.agents[index(to)];
                agent.up && exchange::has_not_taken(decision, [agent.facts.claim].into_iter())
            }
            _ => false,
        };
        if undone {
            self.controller(who).append(&exchange::given_up(effect, trouble));
        }
        true
    }

    /// Nobody answered within the errand's patience.
    pub(super) fn gives_up(&mut self, who: usize) -> bool {
        let Some((effect, letter)) = self.controllers[who].errand.clone() else { return false };
        self.budget.give_ups -= 1;
        self.fails(who, &effect, &letter.to, &Trouble::new(TroubleKind::Unreachable, &letter.to, "silence"))
    }

    pub(super) fn confirms(&mut self, who: usize, i: usize) -> bool {
        let controller = &self.controllers[who];
        let (Some(state), Some((told, false)), true) = (&controller.state, controller.told[i], controller.is_in_command()) else {
            return false;
        };
        if !exchange::may_confirm(state, &controller.claims(), cluster(i), told) {
            return false;
        }
        let epoch = exchange::highest(state, &controller.claims());
        let id = InstructionId(Uuid::from_u64_pair(5, 2 * epoch.0 + i as u64));
        self.send(who, i, id, epoch, Order::StorePolicies(StorePoliciesOrder { services: vec![policy().clone()] }))
    }

    /// What a person's command needs first: a fresh look at both.
    fn looks_round(&mut self, who: usize, to: &ClusterName) -> Option<PairState> {
        (0..2).for_each(|i| self.look(who, i));
        let controller = &self.controllers[who];
        controller.state.clone().filter(|_| controller.is_in_command() && self.agents[index(to)].up)
    }

    pub(super) fn decides(&mut self, who: usize, planned: bool) -> bool {
        let Some(to) = self.controllers[who].state.as_ref().map(|state| state.other().clone()) else { return false };
        let Some(state) = self.looks_round(who, &to) else { return false };
        let claims = self.controllers[who].claims();
        if exchange::contended(&claims).is_some() || (planned && !self.agents[1 - index(&to)].up) {
            return false;
        }
        if !planned && machine::apply(Some(&state), &Event::FaultDeclared { at: at() }).is_ok() {
            self.controller(who).append(&Event::FaultDeclared { at: at() });
        }
        let mut decision = self.decision(exchange::next_epoch(&state, &claims, None), to, planned);
        if state.phase.is_unprotected() {
            // The other cluster holds no newer point: it goes on from what is live there.
            (decision.live, decision.hold) = (Some(at()), false);
        }
        self.controller(who).append(&Event::Decided { decision: Box::new(decision) })
    }

    pub(super) fn ends_conflict(&mut self, who: usize, to: usize) -> bool {
        let Some(state) = self.looks_round(who, cluster(to)) else { return false };
        let claims = self.controllers[who].claims();
        if exchange::contended(&claims).is_none() {
            return false;
        }
        let decision = self.decision(exchange::highest(&state, &claims).next(), cluster(to).clone(), false);
        self.controller(who).append(&Event::ConflictEnded { decision: Box::new(decision) })
    }

    /// A person has looked at what is held.
    pub(super) fn commits(&mut self, who: usize) -> bool {
        let Some(state) = self.looks_round(who, &self.primary_of(who)) else { return false };
        self.budget.windows = self.budget.windows.saturating_sub(1);
        self.drawn += 1;
        let promote = InstructionId(Uuid::from_u64_pair(6, self.drawn << 1));
        let contended = exchange::contended(&self.controllers[who].claims()).is_some();
        let event = Event::PromotionCommitted { at: at(), by: "ana".into(), promote };
        !contended && machine::apply(Some(&state), &event).is_ok() && self.controller(who).append(&event)
    }

    pub(super) fn takes_back(&mut self, who: usize) -> bool {
        let Some(state) = self.looks_round(who, &self.primary_of(who)) else { return false };
        let claims = self.controllers[who].claims();
        if exchange::contended(&claims).is_some() || self.agents.iter().any(|agent| !agent.up) {
            return false;
        }
        let decision = self.decision(exchange::highest(&state, &claims).next(), state.secondary.clone(), false);
        self.budget.windows = self.budget.windows.saturating_sub(1);
        let decision = Box::new(Decision { take_back: true, live: Some(decision.at), hold: false, ..decision });
        self.controller(who).append(&Event::TakeBackBegan { decision })
    }

    fn primary_of(&self, who: usize) -> ClusterName {
        self.controllers[who].state.as_ref().map_or(cluster(0), |state| &state.primary).clone()
    }

    pub(super) fn decision(&mut self, epoch: Epoch, to: ClusterName, planned: bool) -> Decision {
        self.budget.decisions = self.budget.decisions.saturating_sub(1);
        self.drawn += 1;
        // The low bit is the exchange's, for the second of two ids.
        let id = |kind| InstructionId(Uuid::from_u64_pair(kind, self.drawn << 1));
        let from = cluster(1 - index(&to)).clone();
        Decision {
            id: DecisionId(Uuid::from_u64_pair(1, self.drawn)),
            epoch,
            by: "ana".into(),
            at: at(),
            to,
            from,
            planned,
            points: [].into(),
            shown: Vec::new(),
            promote: id(2),
            demote: id(3),
            unfence: id(4),
            hold: self.budget.holds,
            take_back: false,
            live: None,
            declared: None,
        }
    }

    /// `understudy-agent adopt` on the hosts of some agents, and `understudy adopt` here.
    /// With the highest term that an agent follows at once, and above every epoch that it knows.
    pub(super) fn forges(&mut self, to: usize, what: Forgery) -> bool {
        self.budget.forgeries -= 1;
        let agent = self.agents[to].clone();
        let (term, epoch, here) = (agent.term.reach(), agent.facts.claim.epoch, agent.here.clone());
        let decision = self.decision(epoch.next(), here.clone(), false);
        let peer = agent.facts.peer.clone();
        let (epoch, order) = match what {
            Forgery::JoinsAPairOfItsOwn => (Epoch(1), Order::Join(JoinOrder { identity: Identity::Primary, peer })),
            Forgery::Promotes => (decision.epoch, Order::Promote(PromoteOrder { decision })),
            Forgery::Fences => {
                let decision = Decision { to: decision.from.clone(), from: here, ..decision };
                (epoch, Order::Demote(DemoteOrder { decision, fence_only: true }))
            }
            Forgery::Leaves => (epoch, Order::Leave),
        };
        let pair = if matches!(order, Order::Join(_)) { "q".parse().unwrap() } else { pair().clone() };
        let id = InstructionId(Uuid::from_u64_pair(FORGED, 10 * epoch.0 + what as u64));
        let instruction = Instruction { id, pair, term, epoch, order };
        let digest = body_digest(&instruction).unwrap();
        let message = Message { instruction: Arc::new(instruction), digest, key: self.controllers[0].key, from: 0, to };
        Arc::make_mut(&mut self.sent).push(Arc::new(message));
        Arc::make_mut(&mut self.sent).sort_by_key(|message| message.mark());
        true
    }

    pub(super) fn adopts(&mut self, who: usize, agents: [bool; 2]) -> bool {
        let asked: Vec<usize> = (0..2).filter(|i| agents[*i]).collect();
        if !self.controllers[who].is_in_command() || asked.iter().any(|i| !self.agents[*i].up) {
            return false;
        }
        let own = &self.controllers[who];
        if own.state.as_ref().is_some_and(|state| !exchange::may_rebuild(state, own.held.as_ref())) {
            return false;
        }
        self.budget.adoptions = self.budget.adoptions.saturating_sub(1);
        let key = self.controllers[who].key;
        for i in &asked {
            self.agent(*i).adopt(key);
            self.controller(who).met[*i] = false;
            self.look(who, *i);
        }
        let (agents, told): (_, Vec<_>) = (&self.agents, (0..2).filter(|i| self.agents[*i].up).collect());
        let told: Vec<&Agent> = told.into_iter().map(|i| &*agents[i]).filter(|a| a.facts.controllers.contains(key)).collect();
        let Some(newest) = told.iter().max_by_key(|agent| agent.facts.claim.epoch) else { return false };
        if exchange::is_untold(&newest.here, &record_of(newest), told.iter().flat_map(|agent| &agent.decisions)) {
            return true;
        }
        let record = record_of(newest);
        let events = exchange::history(
            &newest.here,
            &record,
            told.iter().flat_map(|agent| agent.decisions.iter().map(|decision| (&agent.here, decision))),
            false,
            [].into(),
        );
        self.controller(who).state = None;
        events.iter().all(|event| self.controller(who).append(event))
    }
}

fn record_of(agent: &Agent) -> PairRecord {
    PairRecord {
        pair: pair().clone(),
        claim: agent.facts.claim,
        peer: agent.facts.peer.clone(),
        services: Vec::new(),
        points: Vec::new(),
        user_data: None,
        decisions: Vec::new(),
        kept: Vec::new(),
    }
}
