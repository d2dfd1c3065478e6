//! The sample's pair: clusters, fault, users, pairing checks, catalogue.

use chrono::Duration;

use super::{name, now, points, services, time};
use crate::controller::command::{
    AgentFound, Check, CheckState, ComponentMatch, FenceLine, PairChecks, ReversalOutcome, ReversalReport, Runbook, RunbookStep,
    ServiceTurned, Verb,
};
use crate::controller::snapshot::{CertificateView, ClockView, ClusterView, FaultPrompt, Observation, PairView, ResumeView, UsersView};
use crate::domain::user_data::{UserDataAction, UserDataChange, UserDataKey, UserDataKind};
use crate::domain::watch::Verdict;
use crate::domain::{ComponentInfo, ComponentKind, Epoch, Health, Identity, PointId, ProbeReport};
use crate::protocol::CatalogueItem;

const TIB: f64 = (1u64 << 40) as f64;

fn component(text: &str, kind: ComponentKind, version: &str, address: &str, used_tib: f64) -> ComponentInfo {
    ComponentInfo {
        name: name(text),
        kind,
        version: version.to_owned(),
        address: address.to_owned(),
        probe_addresses: Vec::new(),
        free_bytes: Some((20.0 * TIB) as u64),
        storage: String::new(),
        copies: 1,
        used_bytes: Some((used_tib * TIB) as u64),
        described: true,
        kerberos: false,
        missing_rights: Vec::new(),
    }
}

fn probe(text: &str, health: Health, evidence: &str) -> ProbeReport {
    ProbeReport { component: name(text), at: now() - Duration::seconds(1), health, evidence: evidence.to_owned(), took_ms: 6, note: None }
}

/// A certificate that was issued then.
pub(super) fn certificate(issued: &str) -> CertificateView {
    let issued = time(issued);
    CertificateView { issued_at: Some(issued), valid_until: issued + Duration::days(90), ends_soon: false, renewal_failure: None }
}

fn cluster(text: &str, site: &str, agent: &str, identity: Identity) -> ClusterView {
    let primary = identity == Identity::Primary;
    let short = if primary { "sz" } else { "gy" };
    let issued = if primary { "2026-11-18T02:11:00Z" } else { "2026-11-21T03:37:00Z" };
    ClusterView {
        name: name(text),
        site: site.to_owned(),
        agent: agent.to_owned(),
        identity,
        epoch: Some(Epoch(4)),
        fenced: Some(!primary),
        health: Health::Healthy,
        evidence: vec![format!("the agent answers in {} ms", if primary { 8 } else { 21 }), "every component answers".to_owned()],
        last_seen: Some(now() - Duration::seconds(1)),
        agent_answers: true,
        components: vec![
            component("hdfs", ComponentKind::Hdfs, "3.4.1", &format!("hdfs://{short}"), 41.2),
            component("tables", ComponentKind::Tables, "3.46", "/srv/retail/retail.db", 6.8),
            component("files", ComponentKind::Files, "", "/srv/retail/files", 9.1),
        ],
        probes: vec![
            probe("hdfs", Health::Healthy, if primary { "24 DataNodes" } else { "20 DataNodes" }),
            if primary { probe("tables", Health::Suspect, "slow: 2.1 s") } else { probe("tables", Health::Healthy, "answers") },
            probe("files", Health::Healthy, "writable"),
        ],
        certificate_until: Some(certificate(issued).valid_until),
        certificate: Some(certificate(issued)),
        key: if primary {
            "9f3c51b2aa0d47e8c1d2e3f405162738495a6b7c8d9eafb0c1d2e3f40516a2a1"
        } else {
            "41d07710bb1e58f9d2e3f405162738495a6b7c8d9eafb0c1d2e3f405162737e0"
        }
        .to_owned(),
    }
}

/// The healthy pair.
pub fn pair() -> PairView {
    PairView {
        name: name("sz-gy"),
        epoch: Epoch(4),
        active: Some(name("shenzhen")),
        clusters: vec![
            cluster("shenzhen", "Shenzhen DC 2", "10.4.0.9:7443", Identity::Primary),
            cluster("guiyang", "Guiyang DC 1", "10.9.0.4:7443", Identity::Secondary),
        ],
        services: services(),
        fault: None,
        phase: "replicating".to_owned(),
        clock: ClockView {
            offsets: vec![(name("shenzhen"), 1.2, 2.1), (name("guiyang"), -0.8, 2.6)],
            bound_ms: Some(3.0),
            good: true,
            words: "same source, offsets +1.2 ms and −0.8 ms".to_owned(),
        },
        users: users(),
        controller_isolated: Some(true),
        maintenance: None,
        held_fault: None,
        conflict: String::new(),
        behind: String::new(),
        left: String::new(),
        reversible: None,
        window: None,
    }
}

/// The same pair with shenzhen dark.
pub fn fault() -> PairView {
    let mut pair = pair();
    let observation = |who: &str, saw: &str, health| Observation { who: who.to_owned(), saw: saw.to_owned(), health };
    let seen = time("2026-11-21T06:05:41Z");
    let primary = &mut pair.clusters[0];
    primary.health = Health::Faulty;
    primary.identity = Identity::Unknown;
    primary.agent_answers = false;
    primary.last_seen = Some(seen);
    primary.fenced = None;
    primary.evidence = vec!["no answer, 11 of 11 probes".to_owned()];
    let mut points = points();
    points.retain(|point| pair.services.iter().any(|service| service.last_point == Some(point.id)));
    let resume = points.into_iter().map(|point| ResumeView {
        service: point.service.clone(),
        live: false,
        lost_secs: u64::try_from((time("2026-11-21T06:05:48Z") - point.captured.first).num_seconds()).ok(),
        point: Some(point),
    });
    let unproven = pair.services.iter().flat_map(|service| &service.policy.data_sets).map(|set| FenceLine {
        cluster: name("shenzhen"),
        data_set: set.from.clone(),
        proven: false,
        evidence: "the agent of shenzhen does not answer, and a cluster that cannot be reached cannot be asked".to_owned(),
    });
    pair.fault = Some(FaultPrompt {
        faulty: name("shenzhen"),
        cause: Verdict::Faulty,
        survivor: name("guiyang"),
        since: time("2026-11-21T06:05:48Z"),
        observed: vec![
            observation("Primary client (this console)", "no answer, 11 of 11 probes", Health::Faulty),
            observation("Agent at guiyang → shenzhen", "no answer, 9 of 9 probes", Health::Faulty),
            observation("Agent at shenzhen", "last seen 14:05:41", Health::Faulty),
            observation("Secondary cluster guiyang", "healthy, secondary identity", Health::Healthy),
        ],
        verdict: "Two independent views agree: a fault of this console's own network is unlikely.".to_owned(),
        resume: resume.collect(),
        users: "in sync at 14:00:12.".to_owned(),
        will: vec![
            "record epoch 5 on guiyang; shenzhen cannot be fenced while unreachable: what is written there directly is kept aside when it returns".to_owned(),
            "bring all 10 data sets on guiyang to the recovery points above, each service at its one moment".to_owned(),
            "give guiyang the primary identity".to_owned(),
            "make the secondary client the one that applications access".to_owned(),
        ],
        unproven: unproven.collect(),
        can_adjust: true,
        refused: String::new(),
        live: false,
        promoting: false,
    });
    pair.phase = "awaiting decision".to_owned();
    pair
}

/// Shenzhen dark while it runs alone, after an earlier fault of guiyang, which is back and fenced.
pub fn lost() -> PairView {
    let mut pair = fault();
    let Some(fault) = &mut pair.fault else { return pair };
    fault.live = true;
    for line in &mut fault.resume {
        (line.live, line.point, line.lost_secs) = (true, None, Some(5_400));
    }
    fault.will = vec![
        "make the next epoch durable at guiyang".to_owned(),
        "open every service at guiyang as it is there, without what shenzhen took alone".to_owned(),
        "point applications to guiyang".to_owned(),
        "shenzhen takes the secondary identity, fenced, as soon as it answers".to_owned(),
    ];
    pair.phase = "shenzhen ran alone and is faulty since 06:05:48: waiting for a person".to_owned();
    pair
}

/// Guiyang dark in the middle of a planned switchover to it: shenzhen is fenced.
pub fn lost_promoting() -> PairView {
    let mut pair = lost();
    pair.clusters.swap(0, 1);
    let Some(fault) = &mut pair.fault else { return pair };
    (fault.promoting, fault.faulty, fault.survivor) = (true, name("guiyang"), name("shenzhen"));
    let other = |text: &String| text.replace("shenzhen", "\u{0}").replace("guiyang", "shenzhen").replace('\u{0}', "guiyang");
    fault.will = fault.will.iter().map(other).collect();
    fault.verdict = other(&fault.verdict);
    for line in &mut fault.observed {
        (line.who, line.saw) = (other(&line.who), other(&line.saw));
    }
    for line in &mut fault.resume {
        line.lost_secs = Some(0);
    }
    for line in &mut fault.unproven {
        line.evidence = other(&line.evidence);
    }
    pair.phase = "guiyang is faulty since 06:05:48, in the middle of its promotion: waiting for a person".to_owned();
    pair
}

/// Shenzhen fenced by a planned switchover that a console began and nobody ended.
pub fn left() -> PairView {
    PairView {
        left: "ana began a planned switchover to guiyang at a console that did not end it: shenzhen is fenced until guiyang answers and \
               agrees that it is given up. If guiyang is lost, decide that shenzhen goes on: understudy adjust-identity sz-gy --to shenzhen \
               --confirm shenzhen"
            .to_owned(),
        ..pair()
    }
}

/// User data with a few differences.
pub fn users() -> UsersView {
    let change = |kind, component: &str, object: &str, principal: &str, action, sides: [Option<&str>; 3], drifted| UserDataChange {
        key: UserDataKey { component: name(component), kind, object: object.to_owned(), principal: principal.to_owned() },
        action,
        primary: sides[0].map(str::to_owned),
        secondary: sides[1].map(str::to_owned),
        last_applied: sides[2].map(str::to_owned),
        drifted,
    };
    use UserDataAction::{Add, Change, Remove};
    use UserDataKind::{Group, Permission, Tenant};
    UsersView {
        at: Some(time("2026-11-21T06:00:12Z")),
        differences: vec![
            change(Permission, "hdfs", "/data/orders", "user:mallory", Remove, [None, Some("rwx"), Some("rwx")], false),
            change(
                Permission,
                "tables",
                "orders",
                "user:etl",
                Change,
                [Some("read,write"), Some("admin,read,write"), Some("admin,read,write")],
                false,
            ),
            change(Tenant, "tables", "retail", "", Change, [Some("40 %"), Some("55 %"), Some("40 %")], true),
            change(Group, "tables", "retail-audit", "", Add, [Some("ana,wei"), None, None], false),
            change(Permission, "hdfs", "/data/orders", "group:retail-audit", Add, [Some("r-x"), None, None], false),
        ],
        counts: [41, 12, 318, 3],
        trouble: None,
    }
}

/// An agent as *Test connection* finds it.
pub fn agent_found(primary: bool) -> AgentFound {
    let cluster = pair().clusters.swap_remove(usize::from(!primary));
    AgentFound {
        cluster: cluster.name,
        site: cluster.site,
        key: cluster.key,
        took_ms: if primary { 8 } else { 21 },
        components: cluster.components,
    }
}

/// The checks before pairing.
pub fn pair_checks() -> PairChecks {
    let check = |text: &str, state, evidence: &str, fix: &str| Check {
        name: text.to_owned(),
        state,
        evidence: evidence.to_owned(),
        fix: fix.to_owned(),
        facts: None,
    };
    let (primary, mut secondary) = (agent_found(true), agent_found(false));
    secondary.components[1].version = "3.40".to_owned();
    let fits = |place: usize| match place {
        1 => check("versions", CheckState::Warning, "older than primary", "it works; update it before the primary's next upgrade"),
        _ => check("versions", CheckState::Ok, "", ""),
    };
    let matched = primary.components.iter().zip(&secondary.components).enumerate().map(|(place, (from, to))| ComponentMatch {
        primary: from.clone(),
        secondary: Some(to.clone()),
        check: fits(place),
    });
    PairChecks {
        components: matched.collect(),
        checks: vec![
            check("Both agents reachable, protocol 1", CheckState::Ok, "8 ms · 21 ms", ""),
            check("Same clock source", CheckState::Ok, "offsets +1.2 ms, −0.8 ms, ± 3 ms", ""),
            check("Control device isolated from the primary", CheckState::Ok, "no shared host or address", ""),
            check("Snapshots may be taken on the primary", CheckState::Ok, "3 of 3 components", ""),
            check("Space on the secondary", CheckState::Warning, "61 TiB free, 57 TiB needed: 7 % to spare", "add space before it fills"),
            check("Not paired elsewhere, no other control device", CheckState::Ok, "epoch 0", ""),
        ],
        primary,
        secondary,
    }
}

/// A catalogue to pick data sets from: what is inside a component and a place of it.
pub fn catalogue(component: Option<&str>, path: &str) -> Vec<CatalogueItem> {
    let item = |of: &str, path: &str, label: &str, selectable, expandable, bytes: Option<f64>, files: Option<u64>| CatalogueItem {
        component: name(of),
        path: path.to_owned(),
        label: label.to_owned(),
        selectable,
        expandable,
        bytes: bytes.map(|tib| (tib * TIB) as u64),
        files,
    };
    match (component, path) {
        (None, _) => ["hdfs", "tables", "files"].map(|of| item(of, "", of, false, true, None, None)).into(),
        (Some("hdfs"), "") => vec![item("hdfs", "/data", "/data", true, true, None, None)],
        (Some("hdfs"), "/data") => vec![
            item("hdfs", "/data/clickstream", "/data/clickstream", true, true, Some(18.2), None),
            item("hdfs", "/data/orders", "/data/orders", true, true, None, None),
        ],
        (Some("hdfs"), "/data/orders") => {
            vec![item("hdfs", "/data/orders/invoices", "/data/orders/invoices", true, true, Some(2.4), Some(1_102_331))]
        }
        (Some("tables"), "") => vec![
            item("tables", "orders", "orders", true, false, Some(1.9), Some(88_213_004)),
            item("tables", "order_items", "order_items", true, false, Some(3.3), Some(390_118_551)),
            item("tables", "sessions", "sessions", true, false, Some(0.8), Some(1_204_551)),
        ],
        (Some("files"), "") => vec![
            item("files", "receipts", "receipts", true, true, Some(0.6), Some(211_400)),
            item("files", "tmp", "tmp", true, true, None, None),
        ],
        _ => Vec::new(),
    }
}

/// Guiyang made the target of shenzhen, having kept what it wrote.
pub fn reversal(kept: PointId) -> ReversalReport {
    let service = ServiceTurned { name: name("orders"), recovery_point: Some(PointId(uuid::Uuid::from_u128(6))), kept: Some(kept) };
    ReversalReport {
        pair: name("sz-gy"),
        epoch: Epoch(5),
        primary: name("shenzhen"),
        secondary: name("guiyang"),
        services: vec![service],
        outcome: ReversalOutcome::Reversed,
        steps: Vec::new(),
        error: None,
        refusal: None,
    }
}

/// The runbook of a verb that may be begun.
pub fn runbook(verb: Verb) -> Runbook {
    let step = |step: &str, who: &str, guard: &str, planned_secs| RunbookStep {
        step: step.to_owned(),
        who: who.to_owned(),
        guard: guard.to_owned(),
        planned_secs,
    };
    let steps = match verb {
        Verb::Reverse => vec![
            step("read back that guiyang is fenced", "agent of guiyang", "a person typed the name", None),
            step("keep what guiyang wrote after the common points", "agent of guiyang", "its snapshots are still there", None),
            step("bring guiyang back to the common points and prove it", "agent of guiyang", "what it wrote is kept", None),
            step("turn the policies round", "both agents", "its data is what the points hold", None),
            step("backups go on, from shenzhen to guiyang", "both agents", "the pair replicates", Some(74)),
        ],
        Verb::Planned | Verb::Adjust | Verb::TakeBack => vec![
            step("fence shenzhen and read the fence back", "agent of shenzhen", "a person typed the name", None),
            step("run every service a last time", "both agents", "every data set's fence was read back", Some(74)),
            step("make the next epoch durable at guiyang", "agent of guiyang", "every final run is sealed", None),
            step("bring every service at guiyang to its point", "agent of guiyang", "the epoch is durable", None),
            step("point applications to guiyang", "both agents' routes", "the service is up", None),
            step("shenzhen takes the secondary identity", "agent of shenzhen", "the promotion is over", None),
            step("reverse the replication: shenzhen stands by", "agent of shenzhen", "all services are up", None),
        ],
    };
    let mut checks = vec![
        Check::ok("One decision", "epoch 4, replicating"),
        Check::ok("Agent of shenzhen", "it answers"),
        Check::ok("Agent of guiyang", "it answers"),
    ];
    checks.push(match verb {
        Verb::Reverse => Check::ok(
            "guiyang is fenced",
            "its agent read the fence back; what it wrote after the common points is kept before its data goes back",
        ),
        _ => Check::warning("Users, permissions and tenants", "3 differences open as of 2026-11-21 05:58:10 UTC", "compare them first"),
    });
    Runbook { pair: name("sz-gy"), verb, generation: 1, confirm: name("guiyang"), checks, steps, ready: true, refusal: None }
}
