//! Codes and their words.

use super::*;

fn coded(value: &impl Serialize) -> String {
    serde_json::to_value(value).expect("JSON")["code"].as_str().expect("a code").to_owned()
}

#[test]
fn a_code_in_json_is_the_code() {
    let table = || "t".to_owned();
    let owner = Owner::Table(table());
    let notes = [
        HiveNote::RowsElsewhere { table: table(), handler: "x".into() },
        HiveNote::NotCopied { owner: owner.clone(), key: "k".into(), place: "/x".into(), partitions: 0 },
        HiveNote::TextLeftAlone { owner, key: "k".into() },
        HiveNote::FormatMayNamePlaces { table: table(), format: Format::Hudi },
        HiveNote::DropKeepsFiles { table: table(), partition: None, place: "/x".into(), more: 0, at: SnapshotsAt::Both },
        HiveNote::DropDatabaseKeepsFiles { database: "d".into(), place: "/x".into() },
        HiveNote::ConstraintLeftOut { table: table(), constraint: "pk".into(), why: Unmakeable::ColumnsLost },
        HiveNote::SnapshotsWider { root: "/x".into(), place: "/x/t".into(), more: 0 },
        HiveNote::CapturesDropped { root: "/x".into() },
        HiveNote::TreesPartlyLookedAt { looked_at: 1, trees: 2 },
        HiveNote::More { count: 1 },
    ];
    for note in notes {
        assert_eq!(coded(&note), note.code());
    }
}
