//! Identities, health, components and data sets in words and signs.

use crate::console::said::Said;
use crate::console::theme::Tone;
use crate::controller::command::CheckState;
use crate::domain::{ComponentInfo, ComponentKind, ComponentName, DataSet, DataSetName, Grade, Health, Identity};

/// `● healthy`, `▲ suspect`, `✖ faulty`, `○ unknown`, with other words where there are better ones.
pub fn health(health: Health, words: &str) -> Said {
    let (sign, tone) = match health {
        Health::Healthy => ("●", Tone::Ok),
        Health::Suspect => ("▲", Tone::Warn),
        Health::Faulty => ("✖", Tone::Bad),
        Health::Unknown => ("○", Tone::Muted),
    };
    Said::new(format!("{sign} {words}"), tone)
}

/// The health in one word with its sign; the evidence stands beside it.
pub fn health_word(of: Health) -> Said {
    match of {
        Health::Healthy => health(of, "Healthy"),
        Health::Suspect => health(of, "Suspect"),
        Health::Faulty => health(of, "Faulty"),
        Health::Unknown => health(of, "Unknown"),
    }
}

/// The chip of a recovery point's grade.
pub fn grade(grade: Grade) -> Said {
    match grade {
        Grade::Quiesced => Said::ok("quiesced"),
        Grade::Bounded => Said::ok("bounded"),
        Grade::Wide => Said::warn("▲ wide"),
        Grade::Invalid => Said::bad("✖ invalid"),
    }
}

/// The chip of an identity.
pub fn identity(identity: Identity) -> Said {
    match identity {
        Identity::Primary => Said::new("PRIMARY identity", Tone::Accent),
        Identity::Secondary => Said::new("SECONDARY identity", Tone::Secondary),
        Identity::Unknown => Said::new("? identity unknown", Tone::Muted),
    }
}

/// `HDFS`, `Files`, `Tables`; a component with a name of its own keeps it.
pub fn component(info: &ComponentInfo) -> String {
    let own = component_name(&info.name);
    if info.name.as_str() == info.kind.to_string() { own } else { format!("{own} ({})", kind(info.kind)) }
}

/// Likewise from its name alone.
pub fn component_name(name: &ComponentName) -> String {
    match name.as_str() {
        "hdfs" => "HDFS".to_owned(),
        "hbase" => "HBase".to_owned(),
        "hive" => "Hive".to_owned(),
        "files" => "Files".to_owned(),
        "tables" => "Tables".to_owned(),
        other => other.to_owned(),
    }
}

fn kind(kind: ComponentKind) -> &'static str {
    match kind {
        ComponentKind::Files => "Files",
        ComponentKind::Tables => "Tables",
        ComponentKind::Hdfs => "HDFS",
        ComponentKind::Hive => "Hive",
        ComponentKind::Hbase => "HBase",
    }
}

/// What a component stores, and how it is captured.
pub fn stores(kind: ComponentKind) -> (&'static str, &'static str) {
    match kind {
        ComponentKind::Files => ("files", "directory tree, copied aside"),
        ComponentKind::Tables => ("tables", "database snapshot"),
        ComponentKind::Hdfs => ("files", "HDFS snapshot"),
        ComponentKind::Hive => ("tables", "metadata at an event, HDFS snapshot"),
        ComponentKind::Hbase => ("tables", "flush snapshot"),
    }
}

/// With what a person looks at a component's data.
pub fn how_to_look(kind: Option<ComponentKind>) -> &'static str {
    match kind {
        Some(ComponentKind::Files) => "ls, on that host",
        Some(ComponentKind::Tables) => "sqlite3 -readonly",
        Some(ComponentKind::Hdfs) => "hdfs dfs -ls",
        Some(ComponentKind::Hive) => "beeline: SELECT",
        Some(ComponentKind::Hbase) => "hbase shell: scan",
        None => "",
    }
}

/// `HDFS /data/orders`, `Tables orders`.
pub fn data_set(name: &DataSetName) -> String {
    format!("{} {}", component_name(&name.component), name.path)
}

/// What the files of a data set are called: a table is kept in parts, and how many rows they hold no report says.
pub fn unit(kind: Option<ComponentKind>, count: u64) -> &'static str {
    match (kind, count) {
        (Some(ComponentKind::Tables), 1) => "part",
        (Some(ComponentKind::Tables), _) => "parts",
        (_, 1) => "file",
        _ => "files",
    }
}

/// What the catalogue counts of a component's data sets.
pub fn catalogue_unit(kind: Option<ComponentKind>) -> &'static str {
    match kind {
        Some(ComponentKind::Tables | ComponentKind::Hive) => "rows",
        _ => "files",
    }
}

/// `HDFS 1 · Tables 2`, in the order of first mention.
pub fn data_sets_by_component(sets: &[DataSet]) -> String {
    let mut counts: Vec<(&ComponentName, usize)> = Vec::new();
    for set in sets {
        match counts.iter_mut().find(|(name, _)| *name == &set.from.component) {
            Some((_, count)) => *count += 1,
            None => counts.push((&set.from.component, 1)),
        }
    }
    let parts: Vec<_> = counts.iter().map(|(name, count)| format!("{} {count}", component_name(name))).collect();
    parts.join(" · ")
}

/// A long hex key as `9f:3c…a1`.
pub fn short_key(key: &str) -> String {
    let hex: Vec<char> = key.chars().filter(char::is_ascii_hexdigit).collect();
    if hex.len() < 8 {
        return key.to_owned();
    }
    let end = &hex[hex.len() - 2..];
    format!("{}{}:{}{}…{}{}", hex[0], hex[1], hex[2], hex[3], end[0], end[1])
}

/// A digest or id as `7d10…e4`.
pub fn short_word(word: &str) -> String {
    let chars: Vec<char> = word.chars().collect();
    if chars.len() <= 10 {
        return word.to_owned();
    }
    let (start, end): (String, String) = (chars[..4].iter().collect(), chars[chars.len() - 4..].iter().collect());
    format!("{start}…{end}")
}

/// The sign of a check.
pub fn check_sign(state: CheckState) -> Said {
    match state {
        CheckState::Ok => Said::ok("✓"),
        CheckState::Warning => Said::warn("▲"),
        CheckState::Failed => Said::bad("✖"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_keep_their_meaning() {
        let set = |text: &str| {
            let name: DataSetName = text.parse().expect("a data set");
            DataSet { from: name.clone(), to: name }
        };
        assert_eq!(data_sets_by_component(&[set("hdfs:/a"), set("tables:x"), set("tables:y")]), "HDFS 1 · Tables 2");
        assert_eq!(short_key("9f3c0000000000a1"), "9f:3c…a1");
        assert_eq!(short_word("7d10aaaaaaaae4e4"), "7d10…e4e4");
        assert_eq!(health(Health::Faulty, "no answer").text, "✖ no answer");
        assert_eq!((unit(Some(ComponentKind::Tables), 6), unit(Some(ComponentKind::Hdfs), 1)), ("parts", "file"));
        assert_eq!(catalogue_unit(Some(ComponentKind::Hive)), "rows", "its catalogue tells numRows");
    }
}
