//! What the command line says is so: a promotion that left a service down ends with 1 each time, and the verbs about the past tell the truth.

use serde_json::Value;

use crate::stand::processes::paired;
use crate::stand::trees::make;
use crate::stand::{Dir, provider};

const BILLS: &str = "\n[[service]]\nname = \"bills\"\npair = \"p\"\ndata_sets = [\"files:bills\"]\n";

fn run_ids(told: &Value) -> Vec<String> {
    told.as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_promotion_that_left_a_service_down_ends_with_1_and_is_tried_again_and_what_is_past_is_told_page_by_page() {
    provider();
    let dir = Dir::new();
    let (mut east, _west, controller) = paired(dir.path(), "[\"files:docs\"]", BILLS);
    std::fs::write(dir.path().join("controller/engine.toml"), "[watch]\ntime_limit_secs = 0.5\nfault_after_secs = 1\n").unwrap();
    for set in ["docs", "bills"] {
        make(&east.dir.join("files").join(set), 5);
    }

    // Nothing is sealed: there is nothing at west that user data could be adjusted on, and nothing has failed.
    let synced = controller.done(&["sync-users", "p"]);
    assert!(synced["failed"].as_array().unwrap().is_empty() && synced["waiting"].as_u64() > Some(0), "{synced:#}");

    for _ in 0..3 {
        assert_eq!(controller.done(&["run", "orders"])["outcome"], "sealed");
    }
    let past = controller.say(&["run", "orders", "--at", "2020-01-01T00:00:00Z"]);
    assert_eq!(past.code(), 2, "{}", past.stderr);
    let all = run_ids(&controller.done(&["runs", "orders"]));
    let pages: Vec<String> = ["", &all[0], &all[1]]
        .iter()
        .flat_map(|before| {
            let from: &[&str] = if before.is_empty() { &[] } else { &["--before", before] };
            run_ids(&controller.done(&[&["runs", "orders", "--limit", "1"], from].concat()))
        })
        .collect();
    assert_eq!((all.len(), &pages), (3, &all), "no run for the moment that is over, and each of the others once");
    assert!(controller.text(&["runs", "orders"]).contains(&all[2]), "the id that `cancel` and `--before` take");
    let kept = controller.done(&["prune", "orders"]);
    assert_eq!((&kept["ending"], kept["points"].as_array().unwrap().len()), (&"nothing-to-drop".into(), 3), "{kept:#}");
    assert_eq!(kept["points"][2]["fate"], "newest", "{kept:#}");
    assert!(controller.text(&["prune", "orders", "--dry-run"]).contains("nothing to drop"));

    east.kill();
    for attempt in 1..=2 {
        let said = controller.say(&["adjust-identity", "p", "--to", "west", "--confirm", "west"]);
        assert_eq!(said.code(), 1, "attempt {attempt}: {}", said.stderr);
        let report = &said.json;
        assert_eq!((&report["outcome"], &report["epoch"]), (&"promoted".into(), &2.into()), "attempt {attempt}: {}", said.stderr);
        let service = |name: &str| report["services"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
        assert_eq!((&service("orders")["ending"], &service("bills")["ending"]), (&"resumed".into(), &"not-up".into()), "{report:#}");
        assert!(said.stderr.contains("not up at west: bills") && !said.stderr.contains("nothing to change"), "{}", said.stderr);
    }
}
