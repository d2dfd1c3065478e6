//! Who this agent is: its claim in each pair, its peer, the services active here, persons' decisions, and whom it obeys.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::switchover::machine::Decision;
use crate::domain::{Claim, DataSetName, DecisionId, Epoch, PairName, PointId, Service, ServiceName, Term, Trouble, TroubleKind};
use crate::protocol::PeerSpec;

use super::controllers::{not_enrolled, standing};
use super::terms;
use super::{Ledger, StoreError, from_json, to_json, to_micros};

pub(super) const SCHEMA: &str = "
CREATE TABLE facts(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE pairs(
    pair TEXT PRIMARY KEY, identity TEXT NOT NULL, epoch INTEGER NOT NULL, decision TEXT NOT NULL,
    peer TEXT NOT NULL, confirmed_in TEXT, conflict TEXT, fence TEXT NOT NULL) STRICT;
CREATE TABLE pair_controllers(
    pair TEXT NOT NULL REFERENCES pairs(pair) ON DELETE CASCADE, key TEXT NOT NULL, PRIMARY KEY(pair, key)) STRICT;
CREATE TABLE active_services(
    pair TEXT NOT NULL REFERENCES pairs(pair) ON DELETE CASCADE, service TEXT NOT NULL, point TEXT, PRIMARY KEY(pair, service)) STRICT;
CREATE TABLE policies(
    pair TEXT NOT NULL REFERENCES pairs(pair) ON DELETE CASCADE, service TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY(pair, service)) STRICT;
CREATE TABLE decisions(pair TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, kept_at INTEGER NOT NULL, PRIMARY KEY(pair, id)) STRICT;
";

/// The fence of a pair's data sets, as last carried out and read back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FenceState {
    /// It should be on; kept before the first data set is fenced.
    pub wanted: bool,
    /// The data sets it is on.
    pub sets: Vec<DataSetName>,
    /// It was read back as on, everywhere.
    pub held: bool,
    /// What the read-back said, data set by data set.
    pub evidence: Vec<String>,
    /// It was put on to prove that nothing was written here: unless this side then stands back, what was open is opened again.
    #[serde(default)]
    pub proving: bool,
    /// It is of a planned switchover away from this cluster, which was primary of this epoch: no promotion of that epoch lifts it.
    #[serde(default)]
    pub planned: Option<Epoch>,
}

impl FenceState {
    /// To be put on these data sets.
    pub fn of(sets: &[DataSetName]) -> FenceState {
        FenceState { wanted: true, sets: sets.to_vec(), ..FenceState::default() }
    }
}

/// What the ledger knows of one pair.
#[derive(Debug, Clone, PartialEq)]
pub struct PairFacts {
    /// The pair.
    pub pair: PairName,
    /// Our durable claim.
    pub claim: Claim,
    /// Confirmed since the agent started.
    pub confirmed: bool,
    /// Two decisions of one epoch were seen: why nothing is done until a person makes a new one.
    pub conflict: Option<String>,
    /// The fence.
    pub fence: FenceState,
    /// The other agent.
    pub peer: PeerSpec,
    /// Services whose promotion here is complete, with the point each resumed from (none: it began here).
    pub active: BTreeMap<ServiceName, Option<PointId>>,
    /// Keys of the controllers that may command the pair.
    pub controllers: BTreeSet<String>,
}

impl Ledger {
    /// A new start of the agent: no claim is confirmed any more.
    pub fn begin_start(&self) -> Result<(), Trouble> {
        self.write(|t| set_fact(t, "start", &Uuid::now_v7().to_string()))
    }

    /// All pairs.
    pub fn pairs(&self) -> Result<Vec<PairFacts>, Trouble> {
        self.read(|c| {
            let names = c
                .prepare("SELECT pair FROM pairs ORDER BY pair")?
                .query_map([], |r| r.get::<_, String>(0))?
                .collect::<Result<Vec<_>, _>>()?;
            names.iter().filter_map(|name| pair_facts(c, name).transpose()).collect()
        })
    }

    /// One pair, if we are a member.
    pub fn pair(&self, pair: &PairName) -> Result<Option<PairFacts>, Trouble> {
        self.read(|c| pair_facts(c, pair.as_str()))
    }

    /// One pair; not being a member is `NotFound`.
    pub fn member(&self, pair: &PairName) -> Result<PairFacts, Trouble> {
        self.pair(pair)?.ok_or_else(|| not_a_member(pair))
    }

    /// Becomes a member, or renews the membership (address, key, components of the peer), and lets the controller with this key command the
    /// pair. A claim of a higher epoch stays. Refused when its key was revoked meanwhile, or when another controller was faster.
    pub fn join(&self, pair: &PairName, claim: Claim, peer: &PeerSpec, controller: &str, term: Term) -> Result<(), Trouble> {
        self.write(|t| {
            if !standing(t, controller, DateTime::UNIX_EPOCH)?.enrolled {
                return Err(not_enrolled(format!("pair {pair}")).into());
            }
            if pair_facts(t, pair.as_str())?.is_some_and(|facts| !facts.controllers.contains(controller)) {
                let reason = "another controller commands this pair here";
                return Err(Trouble::new(TroubleKind::Refused, format!("pair {pair}"), reason).into());
            }
            t.execute(
                "INSERT INTO pairs(pair, identity, epoch, decision, peer, confirmed_in, fence, term)
                 VALUES(?1, ?2, ?3, ?4, ?5, (SELECT value FROM facts WHERE name = 'start'), ?6, ?7)
                 ON CONFLICT(pair) DO UPDATE SET peer = excluded.peer, identity = excluded.identity, epoch = excluded.epoch,
                 decision = excluded.decision, confirmed_in = excluded.confirmed_in, conflict = NULL
                 WHERE excluded.epoch > epoch OR (excluded.epoch = epoch AND excluded.decision = decision)",
                params![
                    pair.as_str(),
                    to_json(&claim.identity)?,
                    to_epoch(claim.epoch),
                    claim.decision.to_string(),
                    to_json(peer)?,
                    to_json(&FenceState::default())?,
                    terms::to_term(term)
                ],
            )?;
            t.execute("INSERT OR IGNORE INTO pair_controllers(pair, key) VALUES(?1, ?2)", params![pair.as_str(), controller])?;
            t.execute("UPDATE controllers SET may_join_until = NULL WHERE key = ?1", [controller])?;
            Ok(())
        })
    }

    /// Forgets a pair and everything noted for it. Its decisions stay as a record.
    pub fn forget_pair(&self, pair: &PairName) -> Result<(), Trouble> {
        self.write(|t| {
            for table in ["plans", "pieces", "held"] {
                let sql = format!("DELETE FROM {table} WHERE point IN (SELECT point FROM staging WHERE pair = ?1)");
                t.execute(&sql, [pair.as_str()])?;
            }
            for table in ["staging", "armed", "captures", "applied", "applied_users", "points", "abandoned", "notes", "pairs"] {
                t.execute(&format!("DELETE FROM {table} WHERE pair = ?1"), [pair.as_str()])?;
            }
            Ok(())
        })
    }

    /// Takes a claim by [`PairFacts::take`], durably, with the decision it follows.
    pub fn set_claim(&self, pair: &PairName, claim: Claim, decision: Option<&Decision>, at: DateTime<Utc>) -> Result<(), Trouble> {
        self.write(|t| {
            change(t, pair, |facts| facts.take(claim))?;
            decision.map_or(Ok(()), |d| keep_decision(t, pair, d, at))
        })
    }

    /// Takes the secondary identity by [`PairFacts::stand_back`], durably, with the decision it follows.
    pub fn stand_back(
        &self,
        pair: &PairName,
        claim: Claim,
        sets: &[DataSetName],
        decision: Option<&Decision>,
        at: DateTime<Utc>,
    ) -> Result<(), Trouble> {
        self.write(|t| {
            change(t, pair, |facts| facts.stand_back(claim, sets))?;
            decision.map_or(Ok(()), |d| keep_decision(t, pair, d, at))
        })
    }

    /// Likewise by [`PairFacts::stand_back_first`].
    pub fn stand_back_first(
        &self,
        pair: &PairName,
        claim: Claim,
        sets: &[DataSetName],
        decision: &Decision,
        at: DateTime<Utc>,
    ) -> Result<(), Trouble> {
        self.write(|t| {
            change(t, pair, |facts| facts.stand_back_first(claim, sets))?;
            keep_decision(t, pair, decision, at)
        })
    }

    /// Keeps a decision that does not change the claim (the fence of a planned switchover).
    pub fn keep_decision(&self, pair: &PairName, decision: &Decision, at: DateTime<Utc>) -> Result<(), Trouble> {
        self.write(|t| keep_decision(t, pair, decision, at))
    }

    /// The other agent confirmed the claim, by [`PairFacts::confirm_compared`].
    pub fn confirm_compared(&self, pair: &PairName, compared: Claim) -> Result<(), Trouble> {
        self.write(|t| change(t, pair, |facts| Ok(facts.confirm_compared(compared))))
    }

    /// The controller or a person confirmed the claim.
    pub fn confirm(&self, pair: &PairName) -> Result<(), Trouble> {
        self.write(|t| change(t, pair, |facts| Ok(facts.confirm())))
    }

    /// Two decisions of one epoch were seen, by [`PairFacts::contend`]: nothing is done until a person makes a new one.
    pub fn set_conflict(&self, pair: &PairName, compared: Claim, why: &str) -> Result<(), Trouble> {
        self.write(|t| change(t, pair, |facts| Ok(facts.contend(compared, why))))
    }

    /// Only these data sets stay fenced, by [`PairFacts::keep_fenced`].
    pub fn keep_fenced(&self, pair: &PairName, sets: &[DataSetName]) -> Result<(), Trouble> {
        self.write(|t| change(t, pair, |facts| Ok(facts.keep_fenced(sets))))
    }

    /// Notes what was read back of the fence, by [`PairFacts::fence_seen`].
    pub fn fence_seen(&self, compared: &PairFacts, held: bool, evidence: &[String]) -> Result<(), Trouble> {
        self.write(|t| change(t, &compared.pair, |facts| Ok(facts.fence_seen(compared, held, evidence))))
    }

    /// Notes the fence.
    pub fn set_fence(&self, pair: &PairName, fence: &FenceState) -> Result<(), Trouble> {
        self.write(|t| Ok(t.execute("UPDATE pairs SET fence = ?2 WHERE pair = ?1", params![pair.as_str(), to_json(fence)?])?)).map(drop)
    }

    /// The peer's components or addresses changed.
    pub fn set_peer(&self, pair: &PairName, peer: &PeerSpec) -> Result<(), Trouble> {
        self.write(|t| Ok(t.execute("UPDATE pairs SET peer = ?2 WHERE pair = ?1", params![pair.as_str(), to_json(peer)?])?)).map(drop)
    }

    /// Notes, before a promotion lifts a service's fence, by which decision: from here on its live data may hold more than its point.
    pub fn note_opened(&self, pair: &PairName, service: &ServiceName, decision: DecisionId) -> Result<(), Trouble> {
        self.write(|t| set_fact(t, &opened_name(pair, service), &decision.to_string()))
    }

    /// By which decision a service's fence was lifted last, or began to be.
    pub fn opened(&self, pair: &PairName, service: &ServiceName) -> Result<Option<DecisionId>, Trouble> {
        let text = self.read(|c| fact(c, &opened_name(pair, service)))?;
        Ok(text.and_then(|text| text.parse().ok()))
    }

    /// Applications may use the service here from now on, by [`PairFacts::activate`].
    pub fn activate(&self, pair: &PairName, epoch: Epoch, service: &ServiceName, point: Option<PointId>) -> Result<(), Trouble> {
        self.write(|t| change(t, pair, |facts| facts.activate(epoch, service, point)))
    }

    /// A promotion of this epoch is over, by [`PairFacts::settle_fence`]: only these data sets stay fenced.
    pub fn settle_fence(&self, pair: &PairName, epoch: Epoch, sets: &[DataSetName]) -> Result<(), Trouble> {
        self.write(|t| change(t, pair, |facts| Ok(facts.settle_fence(epoch, sets))))
    }

    /// Keeps the pair's policies; one that is missing is forgotten.
    pub fn store_policies(&self, pair: &PairName, services: &[Service]) -> Result<(), Trouble> {
        self.write(|t| {
            t.execute("DELETE FROM policies WHERE pair = ?1", [pair.as_str()])?;
            let mut insert = t.prepare("INSERT INTO policies(pair, service, body) VALUES(?1, ?2, ?3)")?;
            for service in services {
                insert.execute(params![pair.as_str(), service.name.as_str(), to_json(service)?])?;
            }
            Ok(())
        })
    }

    /// The pair's policies, by name.
    pub fn policies(&self, pair: &PairName) -> Result<Vec<Service>, Trouble> {
        self.read(|c| bodies(c, "SELECT body FROM policies WHERE pair = ?1 ORDER BY service", pair))
    }

    /// Persons' decisions carried out here, oldest first.
    pub fn decisions(&self, pair: &PairName) -> Result<Vec<Decision>, Trouble> {
        self.read(|c| bodies(c, "SELECT body FROM decisions WHERE pair = ?1 ORDER BY kept_at, id", pair))
    }
}

/// Reads the pair's facts, lets a rule change them, and keeps what it made of them.
fn change(t: &Transaction<'_>, pair: &PairName, rule: impl FnOnce(&PairFacts) -> Result<PairFacts, Trouble>) -> Result<(), StoreError> {
    let old = pair_facts(t, pair.as_str())?.ok_or_else(|| not_a_member(pair))?;
    keep_facts(t, &old, &rule(&old)?)
}

/// Writes what a rule made of the facts: claim, confirmation, conflict, fence, active services.
pub(super) fn keep_facts(t: &Transaction<'_>, old: &PairFacts, new: &PairFacts) -> Result<(), StoreError> {
    let pair = new.pair.as_str();
    t.execute(
        "UPDATE pairs SET identity = ?2, epoch = ?3, decision = ?4, conflict = ?5, fence = ?6,
         confirmed_in = CASE WHEN ?7 THEN (SELECT value FROM facts WHERE name = 'start') END WHERE pair = ?1",
        params![
            pair,
            to_json(&new.claim.identity)?,
            to_epoch(new.claim.epoch),
            new.claim.decision.to_string(),
            new.conflict,
            to_json(&new.fence)?,
            new.confirmed
        ],
    )?;
    if new.active != old.active {
        t.execute("DELETE FROM active_services WHERE pair = ?1", [pair])?;
        let mut insert = t.prepare("INSERT INTO active_services(pair, service, point) VALUES(?1, ?2, ?3)")?;
        for (service, point) in &new.active {
            insert.execute(params![pair, service.as_str(), point.map(|p| p.to_string())])?;
        }
    }
    Ok(())
}

fn opened_name(pair: &PairName, service: &ServiceName) -> String {
    format!("opened {pair} {service}")
}

/// SQLite's integers are signed; an epoch counts persons' decisions and never gets there.
fn to_epoch(epoch: Epoch) -> i64 {
    i64::try_from(epoch.0).unwrap_or(i64::MAX)
}

fn not_a_member(pair: &PairName) -> Trouble {
    Trouble::new(TroubleKind::NotFound, pair, "this agent is no member of the pair").next("pair the clusters first")
}

fn fact(c: &Connection, name: &str) -> Result<Option<String>, StoreError> {
    Ok(c.query_row("SELECT value FROM facts WHERE name = ?1", [name], |r| r.get(0)).optional()?)
}

pub(super) fn set_fact(t: &Transaction<'_>, name: &str, value: &str) -> Result<(), StoreError> {
    t.execute("INSERT OR REPLACE INTO facts(name, value) VALUES(?1, ?2)", params![name, value])?;
    Ok(())
}

fn keep_decision(t: &Transaction<'_>, pair: &PairName, decision: &Decision, at: DateTime<Utc>) -> Result<(), StoreError> {
    // A held promotion that is committed comes without its hold, and is kept so.
    let sql = match decision.hold {
        true => "INSERT OR IGNORE INTO decisions(pair, id, body, kept_at) VALUES(?1, ?2, ?3, ?4)",
        false => {
            "INSERT INTO decisions(pair, id, body, kept_at) VALUES(?1, ?2, ?3, ?4)
             ON CONFLICT(pair, id) DO UPDATE SET body = excluded.body WHERE json_extract(body, '$.hold')"
        }
    };
    t.execute(sql, params![pair.as_str(), decision.id.to_string(), to_json(decision)?, to_micros(at)])?;
    Ok(())
}

fn bodies<T: serde::de::DeserializeOwned>(c: &Connection, sql: &str, pair: &PairName) -> Result<Vec<T>, StoreError> {
    let texts = c.prepare(sql)?.query_map([pair.as_str()], |r| r.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    texts.iter().map(|text| from_json(text)).collect()
}

/// Everything about one pair, from one connection, so that a transaction sees one state.
pub(super) fn pair_facts(c: &Connection, pair: &str) -> Result<Option<PairFacts>, StoreError> {
    let row = c
        .query_row(
            "SELECT identity, epoch, decision, peer, conflict, fence,
             confirmed_in IS NOT NULL AND confirmed_in = (SELECT value FROM facts WHERE name = 'start') FROM pairs WHERE pair = ?1",
            [pair],
            |r| {
                let texts: [String; 4] = [r.get(0)?, r.get(2)?, r.get(3)?, r.get(5)?];
                Ok((texts, r.get::<_, i64>(1)?, r.get::<_, Option<String>>(4)?, r.get::<_, bool>(6)?))
            },
        )
        .optional()?;
    let Some(([identity, decision, peer, fence], epoch, conflict, confirmed)) = row else { return Ok(None) };
    let damaged = |what: &str| Trouble::new(TroubleKind::Corrupt, "agent ledger", format!("{what} of pair {pair} cannot be read"));
    let mut active = BTreeMap::new();
    let mut query = c.prepare("SELECT service, point FROM active_services WHERE pair = ?1")?;
    for row in query.query_map([pair], |r| Ok((r.get::<_, String>(0)?, r.get::<_, Option<String>>(1)?)))? {
        let (service, point) = row?;
        let point = point.map(|text| text.parse()).transpose().map_err(|_| damaged("a point"))?;
        active.insert(service.parse().map_err(|_| damaged("a service"))?, point);
    }
    let controllers = c
        .prepare("SELECT key FROM pair_controllers WHERE pair = ?1")?
        .query_map([pair], |r| r.get(0))?
        .collect::<Result<BTreeSet<String>, _>>()?;
    Ok(Some(PairFacts {
        pair: pair.parse().map_err(|_| damaged("the name"))?,
        claim: Claim {
            identity: from_json(&identity)?,
            epoch: Epoch(u64::try_from(epoch).map_err(|_| damaged("the epoch"))?),
            decision: decision.parse::<DecisionId>().map_err(|_| damaged("the decision"))?,
        },
        confirmed,
        conflict,
        fence: from_json(&fence)?,
        peer: from_json(&peer)?,
        active,
        controllers,
    }))
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
