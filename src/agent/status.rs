//! What the agent answers about itself: status, records, the route. From the ledger and from what it saw last; never from a component
//! that may hang.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::jobs::Site;
use super::serving;
use super::views::Views;
use crate::domain::{Service, ServiceName, Trouble};
use crate::protocol::route::RouteReply;
use crate::protocol::tls::OwnKey;
use crate::protocol::{AgentStatus, PROTOCOL_VERSION, PairRecord, PairStatus, Records, ServiceStatus};
use crate::store::agent::PairFacts;

/// What is told of the agent that never changes while it runs.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Its site.
    pub site: String,
    /// This host's marks.
    pub host: Vec<String>,
    /// See [`AgentStatus::peer_address`].
    pub peer_address: String,
    /// See [`AgentStatus::route_address`].
    pub route_address: String,
}

/// The status now, for the controller with this key or for a peer.
pub fn status(site: &Arc<Site>, views: &Views, own: &OwnKey, facts: &Facts, controller: Option<&str>) -> Result<AgentStatus, Trouble> {
    let (components, probes, clock_source) = views.own();
    let pairs = site.ledger.pairs()?;
    let certificate = own.certificate();
    Ok(AgentStatus {
        cluster: site.cluster.clone(),
        site: facts.site.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: PROTOCOL_VERSION,
        host: facts.host.clone(),
        term: site.ledger.term(controller)?,
        now: site.clock.now(),
        clock_source,
        certificate_until: certificate.valid_until,
        certificate: Some(certificate),
        components,
        probes,
        peer_address: facts.peer_address.clone(),
        route_address: facts.route_address.clone(),
        unfinished: Some(super::unfinished::told(site, controller, &pairs)?),
        restores: Some(super::jobs::restore::told(site, controller, &pairs)?),
        pairs: pairs.into_iter().map(|pair| pair_status(site, views, pair)).collect::<Result<_, _>>()?,
    })
}

fn pair_status(site: &Site, views: &Views, pair: PairFacts) -> Result<PairStatus, Trouble> {
    let services = site.ledger.policies(&pair.pair)?.into_iter().map(|service| {
        let last_point = site.ledger.newest_sealed(&pair.pair, &service.name)?.map(|point| point.id);
        Ok(ServiceStatus { last_point, active: serving::may_serve(&pair, &service).is_ok(), service: service.name })
    });
    Ok(PairStatus {
        services: services.collect::<Result<_, Trouble>>()?,
        peer: views.peer(&pair),
        confirmed: pair.confirmed && pair.conflict.is_none(),
        fenced: pair.fence.held,
        fence_evidence: pair.fence.evidence,
        claim: pair.claim,
        pair: pair.pair,
    })
}

/// Everything durable that a controller rebuilds from: of the pairs that this controller commands.
pub fn records(site: &Site, controller: &str) -> Result<Records, Trouble> {
    let pairs = site.ledger.pairs()?.into_iter().filter(|pair| pair.controllers.contains(controller));
    let record = |pair: PairFacts| {
        Ok(PairRecord {
            services: site.ledger.policies(&pair.pair)?,
            points: site.ledger.points_of_pair(&pair.pair)?.into_iter().map(|row| row.record).collect(),
            user_data: site.ledger.applied_users(&pair.pair)?,
            decisions: site.ledger.decisions(&pair.pair)?,
            kept: site.ledger.kept(&pair.pair)?,
            claim: pair.claim,
            peer: pair.peer,
            pair: pair.pair,
        })
    };
    Ok(Records { cluster: site.cluster.clone(), pairs: pairs.map(record).collect::<Result<_, Trouble>>()? })
}

/// The route as this agent knows it, from a pair's facts and policies in memory.
pub fn route(site: &Site, views: &Views, (facts, policies): &(PairFacts, Vec<Service>), service: &ServiceName) -> RouteReply {
    let policy = policies.iter().find(|policy| policy.name == *service);
    let mut reply = RouteReply {
        pair: facts.pair.clone(),
        service: service.clone(),
        says: site.cluster.clone(),
        claim: facts.claim,
        active: None,
        components: BTreeMap::new(),
        reason: String::new(),
    };
    let Some(policy) = policy else {
        reply.reason = format!("the pair has no service {service}");
        return reply;
    };
    match serving::active(facts, policy, &site.cluster) {
        Ok(active) => {
            if active == site.cluster {
                reply.components = views.own().0.into_iter().map(|c| (c.name.to_string(), c.address)).collect();
            }
            reply.active = Some(active);
        }
        Err(reason) => reply.reason = reason,
    }
    reply
}
