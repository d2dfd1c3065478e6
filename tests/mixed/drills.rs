//! A drill of a service over HDFS, HBase and Hive with real agents: its checks read and write by Apache's client, the secondary's agent is
//! killed in the middle, and in the end nothing of it is anywhere.

use std::time::Duration;

use understudy::components::Component;

use crate::mixed::Mixed;
use crate::stand::hdfs::Web;
use crate::stand::processes::re_plan;
use crate::stand::until;
use crate::support::contract::Side;
use crate::support::hive_judge::try_hive;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_over_three_formats_is_looked_at_by_apaches_client_killed_and_leaves_nothing() {
    let Some(mut mixed) = Mixed::sealed().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let place = format!("UNDERSTUDY_PLACE_HIVE_{}", mixed.database.to_uppercase());
    // The drill's database by name: its partition is there, and another one is made.
    let judge = format!("{} secondary hive-judge", std::env::var("HADOOP_LAB_RUN").unwrap());
    let script = format!(
        "set -e; echo \"${place}\" > \"$0/came\"; while [ -e \"$0/hold\" ]; do sleep 0.05; done\n\
         printf 'add-partition\\t%s\\titems\\t\\tdrilled\\npartitions\\t%s\\titems\\n' \"${place}\" \"${place}\" | {judge} | grep name=0"
    );
    std::fs::write(dir.path().join("hold"), "").unwrap();
    let checks = format!("checks = [{{ name = \"partitions\", command = [\"/bin/sh\", \"-c\", {script:?}, {:?}] }}]", dir.path());
    mixed.controller.apply(&re_plan(&mixed.primary.agent, &mixed.secondary.agent, &mixed.sets(), &checks));
    let before = mixed.held(&mixed.secondary).await;

    let report = dir.path().join("drill.json");
    let (mut drill, lines) = mixed.controller.begin(&["drill", "orders", "--report", report.to_str().unwrap()]);
    let named = until("the check", Duration::from_secs(120), || async {
        std::fs::read_to_string(dir.path().join("came")).ok().filter(|text| text.ends_with('\n'))
    })
    .await;
    let database = named.trim();
    assert!(database.starts_with("understudy_drill_") && database.ends_with(&mixed.database), "{database}");
    mixed.secondary.agent.kill();
    std::fs::remove_file(dir.path().join("hold")).unwrap();
    mixed.secondary.agent.start();
    let ended = tokio::task::block_in_place(|| drill.wait().unwrap());
    let said: Vec<String> = lines.collect();
    let told: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
    assert_eq!(ended.code(), Some(0), "{told:#} {said:?} {}", mixed.secondary.agent.log());
    assert!(told["checks"][0]["evidence"].as_str().unwrap().contains("name=drilled"), "{told:#}");
    println!("RTO {} ms, the agent's death in it", told["rto_ms"]);
    let removed: Vec<&str> = told["removed"].as_array().unwrap().iter().filter_map(|line| line.as_str()).collect();
    assert!(removed.contains(&format!("hive: database {database}").as_str()) && removed.len() == 4, "{removed:?}");

    assert!(try_hive(Side::Target, &["has-partition", database, "items", "x"]).is_err(), "no database");
    let web = Web::new(&mixed.secondary.hdfs.webhdfs, &mixed.secondary.hdfs.user);
    let id = told["drill"].as_str().unwrap();
    let drills = web.names("/understudy").await.contains(&"drills".to_owned());
    assert!(!drills || !web.names("/understudy/drills").await.contains(&id.to_owned()), "no files");
    let clones = mixed.secondary.hbase.component().rehearsals().await.expect("listed");
    assert!(clones.iter().all(|(drill, _)| drill.to_string() != id), "no tables");
    assert_eq!(mixed.held(&mixed.secondary).await, before, "production at the secondary is what it was");
    mixed.work(1).await;
    mixed.run_is_right().await;
}
