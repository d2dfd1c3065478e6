//! One run by a component's own calls, as two agents make them, and how it may end.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use understudy::components::admission::{self, Occasion};
use understudy::components::{Component, Slot};
use understudy::domain::backup::plan::{fold, plan_apply};
use understudy::domain::{Change, ChangeSet, Digest, Manifest, Node, PointId, Trouble, piece_count};

use crate::support::ferry::{Journal, collect, point};

/// How a run ended.
#[derive(Debug)]
pub enum Ending {
    /// Sealed; the point and its manifest.
    Sealed(PointId, Manifest),
    /// Refused before a byte was staged.
    Refused(Trouble),
}

/// The seeds to live through: `UNDERSTUDY_ESTATES=FROM..TO`, or so many.
pub fn seeds(usual: u64) -> Range<u64> {
    let told = std::env::var("UNDERSTUDY_ESTATES").ok();
    let range = told.and_then(|text| text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?)));
    range.unwrap_or(0..usual)
}

/// A whole run. What goes wrong once bytes are staged is no ending: it is the error.
pub async fn run(
    source: &dyn Component,
    target: &Arc<dyn Component>,
    set: &str,
    base: Option<(PointId, &Manifest)>,
) -> Result<Ending, String> {
    let refused = |trouble: Trouble| Ok(Ending::Refused(trouble));
    match target.drift(set, base).await {
        Err(trouble) => return refused(trouble),
        Ok(drift) if !drift.is_empty() => return Err(format!("the target is not what the last point left: {drift:?}")),
        Ok(_) => {}
    }
    if let Err(trouble) = target.fence(set).await {
        return refused(trouble);
    }
    if let Err(trouble) = source.arm(set).await {
        return refused(trouble);
    }
    if let Err(trouble) = admission::admit(target.as_ref(), set, Occasion::Run).await {
        return refused(trouble);
    }
    let point = point();
    source.capture(set, point).await.map_err(|trouble| format!("captured: {trouble}"))?;
    let told = source.changes(set, point, base.map(|(base, _)| base)).await;
    let mut changes = told.map_err(|trouble| format!("compared: {trouble}"))?;
    let nothing = Manifest::default();
    let before = base.map_or(&nothing, |(_, manifest)| manifest);
    let after = fold(before, &changes).map_err(|trouble| format!("folded: {trouble}"))?;
    let occasion = Occasion::Plan { point, changes: &changes, after: &after };
    if let Err(trouble) = admission::admit(target.as_ref(), set, occasion).await {
        source.release(set, point).await.map_err(|trouble| format!("released: {trouble}"))?;
        return refused(trouble);
    }
    let about = |what: &'static str| move |trouble: Trouble| format!("{what}: {trouble}");
    stage(source, target, set, point, &mut changes).await.map_err(about("staged"))?;
    target.sync_staging(set, point).await.map_err(about("synced"))?;
    target.examine(set, point, &changes).await.map_err(about("examined"))?;
    let manifest = fold(before, &changes).map_err(about("folded"))?;
    let plan = plan_apply(before, &changes).map_err(about("planned"))?;
    target.keep_record(set, point, "{}").await.map_err(about("recorded"))?;
    target.apply(set, point, &plan, &manifest, &Journal::sound()).await.map_err(about("applied"))?;
    target.seal(set, point, &manifest).await.map_err(about("sealed"))?;
    Ok(Ending::Sealed(point, manifest))
}

async fn stage(
    source: &dyn Component,
    target: &Arc<dyn Component>,
    set: &str,
    point: PointId,
    changes: &mut ChangeSet,
) -> Result<(), Trouble> {
    for (file, change) in (0_u32..).zip(&mut changes.changes) {
        let Change::Put(entry) = change else { continue };
        let Node::File { digest, .. } = &entry.node else { continue };
        if let Some(digest) = digest
            && target.holds(digest).await?
        {
            continue;
        }
        let mut pieces = Vec::new();
        for piece in 0..piece_count(entry.bytes()) {
            let content = collect(source.read(set, point, entry, piece).await?).await;
            let bytes = futures_util::stream::iter([Ok(bytes::Bytes::from(content))]);
            pieces.push(target.stage(set, point, Slot { file, piece }, entry, Box::pin(bytes)).await?);
        }
        if let Node::File { digest, .. } = &mut entry.node {
            *digest = Some(Digest::of_pieces(&pieces));
        }
    }
    Ok(())
}

/// Lines by their first field that are not the same on both sides.
pub fn unlike(one: &[String], other: &[String]) -> Vec<String> {
    let by_name = |lines: &[String]| -> BTreeMap<String, String> {
        lines.iter().filter_map(|line| line.split_once(" | ")).map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
    };
    let (one, other) = (by_name(one), by_name(other));
    let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differs = |name: &&String| one.get(*name) != other.get(*name);
    let told = |name: &String| format!("{name}:\n    A {:?}\n    B {:?}", one.get(name), other.get(name));
    names.into_iter().filter(differs).map(told).collect()
}
