//! What validation promises: every way to get a policy wrong is named, with the object and what to do.

use super::*;
use crate::domain::ComponentKind;

fn policy(text: &str) -> Service {
    let whole = format!("name = \"orders\"\npair = \"sz-gy\"\n{text}");
    toml::from_str(&whole).expect("a policy that can be read")
}

fn good() -> Service {
    policy(
        "data_sets = [\"hdfs:/data/orders\", \"tables:orders\", \"files:invoices\"]\nschedule = \"*/15 * * * *\"\nrpo_target_minutes = 15",
    )
}

fn info(name: &str, kind: ComponentKind) -> ComponentInfo {
    ComponentInfo { described: true, ..ComponentInfo::undescribed(name.parse().expect("a good name"), kind) }
}

fn all_components() -> Vec<ComponentInfo> {
    vec![info("hdfs", ComponentKind::Hdfs), info("tables", ComponentKind::Tables), info("files", ComponentKind::Files)]
}

#[test]
fn a_table_of_hbase_keeps_its_name() {
    let both = [info("hbase", ComponentKind::Hbase)];
    let check = |data_sets: &str| check_all(&policy(data_sets), &[], &both, &both, false);
    assert_eq!(check("data_sets = [\"hbase:shop:orders\"]"), []);
    let renamed = check("data_sets = [{ from = \"hbase:shop:orders\", to = \"hbase:dr:orders\" }]");
    assert_found(&renamed, Severity::Failed, &["hbase:shop:orders", "keeps its name"]);
}

/// Its schema names it: brought in under another name, the recovery point could not be sealed, and the run would try for ever.
#[test]
fn a_table_of_a_database_keeps_its_name() {
    let (east, west) =
        ([info("tables", ComponentKind::Tables)], [info("tables", ComponentKind::Tables), info("more", ComponentKind::Tables)]);
    let check = |data_sets: &str| check_all(&policy(data_sets), &[], &east, &west, false);
    assert_eq!(check("data_sets = [{ from = \"tables:orders\", to = \"more:orders\" }]"), []);
    let renamed = check("data_sets = [{ from = \"tables:orders\", to = \"tables:orders_copy\" }]");
    assert_found(&renamed, Severity::Failed, &["tables:orders_copy", "keeps its name", "the same table"]);
}

fn check_all(service: &Service, services: &[Service], from: &[ComponentInfo], to: &[ComponentInfo], in_lab: bool) -> Vec<Finding> {
    let names = ["shenzhen", "guiyang"].map(|name| name.parse::<ClusterName>().expect("a good name"));
    let pair = PairFacts { from: &names[0], from_components: from, to: &names[1], to_components: to };
    let now = "2026-11-21T12:00:00Z".parse().expect("a moment");
    problems(service, &Context { pair: PairKnown::Told(pair), services, in_lab, now })
}

fn check(service: &Service) -> Vec<Finding> {
    check_all(service, &[], &all_components(), &all_components(), false)
}

/// One finding that says all of `words`, and nothing worse beside it.
fn assert_found(found: &[Finding], severity: Severity, words: &[&str]) {
    let says = |finding: &&Finding| {
        let text = format!("{} {} {}", finding.object, finding.evidence, finding.fix);
        finding.severity == severity && words.iter().all(|word| text.contains(word))
    };
    let hit = found.iter().find(says);
    assert!(hit.is_some(), "nothing says {words:?}: {found:#?}");
    assert!(hit.is_some_and(|hit| !hit.fix.is_empty()), "no next step: {found:#?}");
}

#[test]
fn a_good_policy_has_nothing_to_say_about_it() {
    assert_eq!(check(&good()), []);
    let earlier = good();
    assert_eq!(check_all(&good(), &[earlier], &all_components(), &all_components(), false), [], "its own earlier version is no rival");
}

#[test]
fn overlapping_data_sets_are_refused_inside_and_across_services_at_both_ends() {
    let inside = policy("data_sets = [\"hdfs:/data/orders\", \"hdfs:/data/orders/2026\"]");
    assert_found(&check(&inside), Severity::Failed, &["hdfs:/data/orders/2026", "overlaps hdfs:/data/orders of this service", "primary"]);
    let target = policy("data_sets = [\"hdfs:/a\", { from = \"hdfs:/b\", to = \"hdfs:/a/b\" }]");
    assert_found(&check(&target), Severity::Failed, &["hdfs:/a/b", "secondary"]);
    let other = Service { name: "billing".parse().expect("a good name"), ..policy("data_sets = [\"hdfs:/data\"]") };
    let found = check_all(&good(), std::slice::from_ref(&other), &all_components(), &all_components(), false);
    assert_found(&found, Severity::Failed, &["hdfs:/data/orders", "service billing"]);
    let root = policy("data_sets = [\"hdfs:/\", \"hdfs:/x\"]");
    assert_found(&check(&root), Severity::Failed, &["hdfs:/x", "overlaps hdfs:/ "]);
    let mut known = all_components();
    known.push(info("hive", ComponentKind::Hive));
    let tables = |text: &str| check_all(&policy(text), &[], &known, &known, false);
    let inside = tables("data_sets = [\"hive:sales\", \"hive:sales.orders\"]");
    assert_found(&inside, Severity::Failed, &["hive:sales.orders", "overlaps hive:sales "]);
    assert_eq!(tables("data_sets = [\"hive:sales.orders\", \"hive:sales.items\", \"hive:sales2\", \"files:a\", \"files:a.b\"]"), []);
    let beside = policy("data_sets = [\"hdfs:/data/orders\", \"hdfs:/data/orders2\", \"files:data/orders\"]");
    assert_eq!(check(&beside), [], "side by side is no overlap");
}

#[test]
fn components_must_be_there_at_both_ends_and_be_of_one_kind() {
    let only = [info("hdfs", ComponentKind::Hdfs)];
    let found = check_all(&good(), &[], &only, &all_components(), false);
    assert_found(&found, Severity::Failed, &["tables:orders", "shenzhen has no component tables", "it has hdfs"]);
    let found = check_all(&good(), &[], &all_components(), &only, false);
    assert_found(&found, Severity::Failed, &["files:invoices", "guiyang has no component files"]);
    let crossed = policy("data_sets = [{ from = \"hdfs:/data\", to = \"files:data\" }]");
    assert_found(&check(&crossed), Severity::Failed, &["hdfs is hdfs at shenzhen", "files is files at guiyang"]);
}

#[test]
fn kerberos_is_refused_by_name_and_missing_rights_are_told() {
    let mut secured = all_components();
    secured[0].kerberos = true;
    secured[1].missing_rights = vec!["cannot set owners".into()];
    let found = check_all(&good(), &[], &all_components(), &secured, false);
    assert_found(&found, Severity::Failed, &["hdfs:/data/orders", "hdfs at guiyang asks for Kerberos"]);
    assert_found(&found, Severity::Warning, &["tables:orders", "cannot set owners"]);
    assert_eq!(found[0].severity, Severity::Failed, "failures come first");
}

#[test]
fn a_version_that_cannot_read_the_other_s_is_refused_and_a_silent_component_is_told() {
    let at = |version: &str| [ComponentInfo { version: version.into(), ..info("hbase", ComponentKind::Hbase) }];
    let service = policy("data_sets = [\"hbase:shop:orders\"]");
    assert_eq!(check_all(&service, &[], &at("2.6.1"), &at("2.6.1"), false), []);
    let found = check_all(&service, &[], &at("2.6.1"), &at("3.0.0"), false);
    assert_found(&found, Severity::Failed, &["hbase:shop:orders", "2.6.1 here, 3.0.0 there"]);
    let mut silent = all_components();
    silent[0].described = false;
    assert_found(&check_all(&good(), &[], &silent, &all_components(), false), Severity::Warning, &["hdfs at shenzhen has not answered"]);
}

#[test]
fn names_pairs_and_empty_policies_are_checked() {
    let empty = policy("data_sets = []");
    assert_found(&check(&empty), Severity::Failed, &["service orders", "no data sets"]);
    let elsewhere = Service { pair: "other".parse().expect("a good name"), ..good() };
    let found = check_all(&good(), &[elsewhere], &all_components(), &all_components(), false);
    assert_found(&found, Severity::Failed, &["service orders", "pair other"]);
    let context = Context { pair: PairKnown::Absent, services: &[], in_lab: false, now: DateTime::UNIX_EPOCH };
    assert_found(&problems(&good(), &context), Severity::Failed, &["pair sz-gy", "no such pair"]);
}

#[test]
fn schedules_are_checked_to_the_field() {
    let with = |schedule: &str| Service { schedule: Some(schedule.into()), ..good() };
    assert_found(&check(&with("*/15 25 * * *")), Severity::Failed, &["field 2 (hour)"]);
    assert_found(&check(&with("0 0 31 4 *")), Severity::Failed, &["never comes"]);
    assert_found(&check(&with("0 * * * *")), Severity::Warning, &["target RPO is 15 min", "up to 60 minutes apart"]);
    let both = policy("data_sets = [\"files:x\"]\nschedule = \"0 * * * *\"\nmoment = \"2026-11-21T14:00:00+08:00\"");
    assert_found(&check(&both), Severity::Failed, &["schedule and a single moment"]);
    let past = policy("data_sets = [\"files:x\"]\nmoment = \"2026-11-21T14:00:00+08:00\"");
    assert_found(&check(&past), Severity::Warning, &["past"]);
}

#[test]
fn limits_and_hooks_are_checked() {
    let zero = Service { skew_limit_ms: 0, ..good() };
    assert_found(&check(&zero), Severity::Failed, &["skew limit is 0"]);
    let old_way = Service { consistency: Consistency::PerComponent, ..good() };
    assert_found(&check(&old_way), Severity::Failed, &["training lab"]);
    assert_eq!(check_all(&old_way, &[], &all_components(), &all_components(), true), [], "the lab may");
    let hook = |text: &str| policy(&format!("data_sets = [\"files:x\"]\n{text}"));
    assert_found(&check(&hook("freeze = { command = [\"/bin/f\"] }")), Severity::Warning, &["no thaw hook", "10 s"]);
    assert_found(&check(&hook("freeze = { }\nthaw = { url = \"http://x\" }")), Severity::Failed, &["freeze hook of orders", "neither"]);
    assert_found(&check(&hook("freeze = { url = \"ftp://x\" }")), Severity::Failed, &["not http"]);
    assert_found(&check(&hook("freeze = { command = [] }")), Severity::Failed, &["names no program"]);
    assert_found(&check(&hook("keep = { all_hours = 0, daily_days = 0 }")), Severity::Warning, &["only its newest"]);
}

#[test]
fn checks_of_a_drill_are_checked_before_the_night_they_are_needed() {
    let with = |text: &str| policy(&format!("data_sets = [\"files:x\", \"tables:orders\"]\n{text}"));
    let good = "rto_target_minutes = 10\nchecks = [{ name = \"a\", command = [\"/bin/true\"] }, { name = \"b\", http = \"http://x\" }, \
                { name = \"c\", sql = \"select 1\", on = \"tables:orders\", expect = \"1\" }]";
    assert_eq!(check(&with(good)), []);
    assert!(in_words(&with(good), "a", "b").contains("makes 3 checks, to be done within 10 minutes"));
    for (wrong, words) in [
        ("checks = [{ name = \"a\" }]", ["check \"a\" of orders", "one of"]),
        ("checks = [{ name = \"a\", http = \"http://x\" }, { name = \"a\", http = \"http://y\" }]", ["check \"a\"", "another check"]),
        ("checks = [{ name = \"a\", sql = \"select 1\", on = \"tables:others\", expect = \"1\" }]", ["tables:others", "no data set"]),
        ("checks = [{ name = \"a\", sql = \"select 1\", on = \"files:x\", expect = \"1\" }]", ["files:x", "in SQL"]),
        ("rto_target_minutes = 0", ["service orders", "RTO is 0"]),
    ] {
        assert_found(&check(&with(wrong)), Severity::Failed, &words);
    }
}

#[test]
fn a_policy_reads_like_what_it_does() {
    assert_eq!(
        in_words(&good(), "shenzhen", "guiyang"),
        "Every 15 minutes, the 3 data sets of orders are captured on shenzhen at that one moment, pushed to guiyang, verified, and sealed \
         together as one recovery point. A point with more than 5 s of skew is kept but flagged. You are told when orders falls more than \
         15 minutes behind. Users, permissions and tenants follow with every run."
    );
    let one =
        policy("data_sets = [\"files:x\"]\ncopy = \"pull\"\nsync_users = false\nskew_limit_ms = 250\nfreeze = { url = \"http://x\" }");
    assert_eq!(
        in_words(&one, "east", "west"),
        "Whenever you ask, the data set of orders is captured on east at that one moment, while its writers are held still, pulled by west, \
         verified, and sealed as one recovery point. A point with more than 250 ms of skew is kept but flagged."
    );
}
