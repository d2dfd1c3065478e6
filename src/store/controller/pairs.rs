//! Who we are, whom we are paired with, and the policies.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::domain::maintenance::Maintenance;
use crate::domain::switchover::machine::Event;
use crate::domain::{ClusterName, ComponentInfo, PairName, RecoveryPoint, Service, ServiceName, Term, Trouble};

use super::{Store, from_json, micros, to_json};

/// An agent that knows our key and whose key we have pinned, paired or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// `host:port` as the person gave it.
    pub address: String,
    /// SHA-256 of its SubjectPublicKeyInfo, hex.
    pub key: String,
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its site.
    pub site: String,
}

/// One agent of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairedAgent {
    /// How to reach and recognise it.
    #[serde(flatten)]
    pub enrolled: Enrolled,
    /// Its components as it told when it was paired.
    pub components: Vec<ComponentInfo>,
}

/// The two agents of a pair, as they were when paired; who has which identity is in the pair's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairedClusters {
    /// The pair.
    pub name: PairName,
    /// Primary and secondary at pairing.
    pub agents: [PairedAgent; 2],
    /// When.
    pub paired_at: DateTime<Utc>,
}

/// All that is known of a pair when it is made, or rebuilt from what agents hold.
#[derive(Debug, Clone)]
pub struct KeptPair {
    /// Who.
    pub paired: PairedClusters,
    /// Its identities' events, oldest first.
    pub events: Vec<Event>,
    /// Its policies.
    pub services: Vec<Service>,
    /// The sealed points to be cached.
    pub points: Vec<RecoveryPoint>,
}

impl Store {
    /// The highest term we have taken.
    pub fn term(&self) -> Result<Term, Trouble> {
        Ok(Term(self.meta("term")?.and_then(|text| text.parse().ok()).unwrap_or(0)))
    }

    /// Takes a term; never a lower one than stored.
    pub fn take_term(&self, term: Term) -> Result<(), Trouble> {
        self.sql(|c| {
            c.execute(
                "INSERT INTO meta(key, value) VALUES('term', ?1)
                 ON CONFLICT(key) DO UPDATE SET value = excluded.value WHERE CAST(value AS INTEGER) < CAST(excluded.value AS INTEGER)",
                [term.0.to_string()],
            )
        })
        .map(drop)
    }

    fn meta(&self, key: &str) -> Result<Option<String>, Trouble> {
        self.sql(|c| c.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional())
    }

    /// Remembers an agent that has enrolled us, so that its code need not be used twice.
    pub fn keep_enrolled(&self, agent: &Enrolled) -> Result<(), Trouble> {
        self.sql(|c| {
            c.execute(
                "INSERT INTO enrolled(address, body) VALUES(?1, ?2) ON CONFLICT(address) DO UPDATE SET body = excluded.body",
                params![agent.address, to_json(agent)?],
            )
        })
        .map(drop)
    }

    /// The agent enrolled under an address.
    pub fn enrolled(&self, address: &str) -> Result<Option<Enrolled>, Trouble> {
        self.sql(|c| {
            let body: Option<String> =
                c.query_row("SELECT body FROM enrolled WHERE address = ?1", [address], |row| row.get(0)).optional()?;
            body.map(|text| from_json(&text)).transpose()
        })
    }

    /// Forgets an enrolment (the agent no longer knows us).
    pub fn forget_enrolled(&self, address: &str) -> Result<(), Trouble> {
        self.sql(|c| c.execute("DELETE FROM enrolled WHERE address = ?1", [address])).map(drop)
    }

    /// Keeps a pair, in place of what was known of it before; all of it or nothing. Its maintenance stays.
    pub fn keep_pair(&self, kept: &KeptPair, at: DateTime<Utc>) -> Result<(), Trouble> {
        let before = self.services_of(&kept.paired.name)?;
        self.sql(|c| {
            let transaction = c.transaction()?;
            let name = &kept.paired.name;
            forget(&transaction, name, &before)?;
            transaction.execute("INSERT INTO pair(name, body) VALUES(?1, ?2)", params![name.as_str(), to_json(&kept.paired)?])?;
            for (seq, event) in kept.events.iter().enumerate() {
                super::events::append(&transaction, name, seq, event)?;
            }
            for service in &kept.services {
                keep_policy(&transaction, service, at)?;
            }
            for point in &kept.points {
                super::facts::keep_point(&transaction, point)?;
            }
            transaction.commit()
        })
    }

    /// All pairs.
    pub fn pairs(&self) -> Result<Vec<PairedClusters>, Trouble> {
        self.sql(|c| {
            let mut query = c.prepare("SELECT body FROM pair ORDER BY name")?;
            query.query_map([], |row| row.get::<_, String>(0))?.map(|body| from_json(&body?)).collect()
        })
    }

    /// Forgets a pair with its events, policies, points and user data.
    pub fn forget_pair(&self, pair: &PairName) -> Result<(), Trouble> {
        let services = self.services_of(pair)?;
        self.sql(|c| {
            let transaction = c.transaction()?;
            forget(&transaction, pair, &services)?;
            transaction.execute("DELETE FROM maintenance WHERE pair = ?1", [pair.as_str()])?;
            transaction.commit()
        })
    }

    fn services_of(&self, pair: &PairName) -> Result<Vec<ServiceName>, Trouble> {
        Ok(self.services()?.into_iter().filter(|s| &s.pair == pair).map(|s| s.name).collect())
    }

    /// Keeps that a pair is in maintenance, in place of what was kept before.
    pub fn keep_maintenance(&self, pair: &PairName, maintenance: &Maintenance) -> Result<(), Trouble> {
        self.sql(|c| {
            c.execute(
                "INSERT INTO maintenance(pair, body) VALUES(?1, ?2) ON CONFLICT(pair) DO UPDATE SET body = excluded.body",
                params![pair.as_str(), to_json(maintenance)?],
            )
        })
        .map(drop)
    }

    /// The maintenance of a pair, also one whose time is over and that nobody has ended yet.
    pub fn maintenance(&self, pair: &PairName) -> Result<Option<Maintenance>, Trouble> {
        self.sql(|c| {
            let body: Option<String> =
                c.query_row("SELECT body FROM maintenance WHERE pair = ?1", [pair.as_str()], |row| row.get(0)).optional()?;
            body.map(|text| from_json(&text)).transpose()
        })
    }

    /// Forgets the maintenance of a pair.
    pub fn end_maintenance(&self, pair: &PairName) -> Result<(), Trouble> {
        self.sql(|c| c.execute("DELETE FROM maintenance WHERE pair = ?1", [pair.as_str()])).map(drop)
    }

    /// Keeps a policy as a new version; the same policy again makes none. Returns the version.
    pub fn save_service(&self, service: &Service, at: DateTime<Utc>) -> Result<u32, Trouble> {
        self.sql(|c| {
            let transaction = c.transaction()?;
            let version = keep_policy(&transaction, service, at)?;
            transaction.commit()?;
            Ok(version)
        })
    }

    /// The policies in force.
    pub fn services(&self) -> Result<Vec<Service>, Trouble> {
        self.sql(|c| {
            let mut query = c.prepare("SELECT body FROM policy WHERE current = 1 ORDER BY service")?;
            query.query_map([], |row| row.get::<_, String>(0))?.map(|body| from_json(&body?)).collect()
        })
    }

    /// Puts a policy out of force; its versions stay.
    pub fn remove_service(&self, service: &ServiceName) -> Result<(), Trouble> {
        self.sql(|c| c.execute("UPDATE policy SET current = 0 WHERE service = ?1", [service.as_str()])).map(drop)
    }
}

/// Everything of a pair but its maintenance.
fn forget(transaction: &Transaction<'_>, pair: &PairName, services: &[ServiceName]) -> rusqlite::Result<()> {
    for sql in ["DELETE FROM pair WHERE name = ?1", "DELETE FROM pair_event WHERE pair = ?1", "DELETE FROM users WHERE pair = ?1"] {
        transaction.execute(sql, [pair.as_str()])?;
    }
    for service in services {
        transaction.execute("UPDATE policy SET current = 0 WHERE service = ?1", [service.as_str()])?;
        transaction.execute("DELETE FROM point WHERE service = ?1", [service.as_str()])?;
        transaction.execute("DELETE FROM moment WHERE service = ?1", [service.as_str()])?;
    }
    Ok(())
}

/// See [`Store::save_service`].
pub(super) fn keep_policy(transaction: &Transaction<'_>, service: &Service, at: DateTime<Utc>) -> rusqlite::Result<u32> {
    let body = to_json(service)?;
    let name = service.name.as_str();
    let newest: Option<(u32, String, bool)> = transaction
        .query_row("SELECT version, body, current FROM policy WHERE service = ?1 ORDER BY version DESC LIMIT 1", [name], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let version = match newest {
        Some((version, old, true)) if old == body => return Ok(version),
        Some((version, ..)) => version + 1,
        None => 1,
    };
    transaction.execute("UPDATE policy SET current = 0 WHERE service = ?1", [name])?;
    transaction.execute(
        "INSERT INTO policy(service, version, at, body, current) VALUES(?1, ?2, ?3, ?4, 1)",
        params![name, version, micros(at), body],
    )?;
    Ok(version)
}
