//! Carries one data set from a source to a target as two agents do, without agents.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::StreamExt;
use understudy::components::{ByteStream, Component, PhaseJournal, Slot};
use understudy::domain::backup::plan::{ApplyPlan, fold, plan_apply};
use understudy::domain::{Change, ChangeSet, Digest, Manifest, Node, PointId, Trouble, TroubleKind, piece_count};
use uuid::Uuid;

/// A new point.
pub fn point() -> PointId {
    PointId(Uuid::now_v7())
}

/// All bytes of a stream.
pub async fn collect(mut stream: ByteStream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(portion) = stream.next().await {
        all.extend_from_slice(&portion.expect("bytes"));
    }
    all
}

/// A journal that can lose power: the `break_after`th phase is done, but (when `forgets`) not noted, and then nothing works.
pub struct Journal {
    done: AtomicU32,
    break_after: u32,
    forgets: bool,
}

impl Journal {
    /// One that never breaks.
    pub fn sound() -> Journal {
        Journal::breaking(u32::MAX, false)
    }

    /// One that breaks.
    pub fn breaking(break_after: u32, forgets: bool) -> Journal {
        Journal { done: AtomicU32::new(0), break_after, forgets }
    }

    /// How many phases are noted.
    pub fn phases(&self) -> u32 {
        self.done.load(Ordering::SeqCst)
    }

    /// The same after the restart: what was noted is still known.
    pub fn restarted(&self) -> Journal {
        Journal { done: AtomicU32::new(self.done.load(Ordering::SeqCst)), break_after: u32::MAX, forgets: false }
    }
}

impl PhaseJournal for Journal {
    fn done(&self) -> Result<u32, Trouble> {
        Ok(self.done.load(Ordering::SeqCst))
    }

    fn advance(&self, count: u32) -> Result<(), Trouble> {
        if count < self.break_after || !self.forgets {
            self.done.store(count, Ordering::SeqCst);
        }
        if count >= self.break_after { Err(Trouble::new(TroubleKind::Failed, "journal", "the power is gone")) } else { Ok(()) }
    }
}

/// What is staged, and how it is to be applied.
pub struct Staged {
    /// The point.
    pub point: PointId,
    /// The changes, digests known.
    pub changes: ChangeSet,
    /// The manifest of the point.
    pub manifest: Manifest,
    /// How the target gets there.
    pub plan: ApplyPlan,
    /// Paths whose bytes were copied.
    pub copied: Vec<String>,
}

/// Captures, tells the changes, stages what the target does not hold, reads it back and syncs it.
pub async fn stage(source: &dyn Component, target: &Arc<dyn Component>, set: &str, base: Option<(PointId, &Manifest)>) -> Staged {
    stage_as(source, set, target, set, base).await
}

/// The same under another name at the target.
pub async fn stage_as(
    source: &dyn Component,
    from: &str,
    target: &Arc<dyn Component>,
    set: &str,
    base: Option<(PointId, &Manifest)>,
) -> Staged {
    let point = point();
    source.arm(from).await.expect("armed");
    let window = source.capture(from, point).await.expect("captured");
    assert!(window.lo <= window.hi);
    stage_captured(source, from, point, target, set, base).await
}

/// The same of what is captured already.
pub async fn stage_captured(
    source: &dyn Component,
    from: &str,
    point: PointId,
    target: &Arc<dyn Component>,
    set: &str,
    base: Option<(PointId, &Manifest)>,
) -> Staged {
    let mut changes = source.changes(from, point, base.map(|(base, _)| base)).await.expect("changes");
    let mut copied = Vec::new();
    for (file, change) in (0_u32..).zip(&mut changes.changes) {
        let Change::Put(entry) = change else { continue };
        let Node::File { digest, .. } = &entry.node else { continue };
        if let Some(digest) = digest
            && target.holds(digest).await.expect("asked")
        {
            continue;
        }
        copied.push(entry.path.to_string());
        let mut pieces = Vec::new();
        for piece in 0..piece_count(entry.bytes()) {
            let slot = Slot { file, piece };
            let content = collect(source.read(from, point, entry, piece).await.expect("read")).await;
            pieces.push(Digest::of_bytes(&content));
            // Twice: an attempt that broke off is repeated.
            for _ in 0..2 {
                let bytes = futures_util::stream::iter([Ok(bytes::Bytes::from(content.clone()))]);
                let written = target.stage(set, point, slot, entry, Box::pin(bytes)).await.expect("staged");
                assert_eq!(written, Digest::of_bytes(&content), "{}", entry.path);
            }
            let back = collect(target.read_staged(set, point, slot, entry).await.expect("read back")).await;
            assert!(back == content, "{} is read back as it was staged", entry.path);
        }
        if let Node::File { digest, .. } = &mut entry.node {
            *digest = Some(Digest::of_pieces(&pieces));
        }
    }
    target.sync_staging(set, point).await.expect("synced");
    let nothing = Manifest::default();
    let before = base.map_or(&nothing, |(_, manifest)| manifest);
    let manifest = fold(before, &changes).expect("folded");
    let plan = plan_apply(before, &changes).expect("planned");
    Staged { point, changes, manifest, plan, copied }
}

/// Commits, applies and seals what was staged.
pub async fn finish(target: &Arc<dyn Component>, set: &str, staged: &Staged) {
    target.keep_record(set, staged.point, "{}").await.expect("recorded");
    target.apply(set, staged.point, &staged.plan, &staged.manifest, &Journal::sound()).await.expect("applied");
    target.seal(set, staged.point, &staged.manifest).await.expect("sealed");
}

/// A whole run; the target is fenced first, as an agent does.
pub async fn run(source: &dyn Component, target: &Arc<dyn Component>, set: &str, base: Option<(PointId, &Manifest)>) -> Staged {
    target.fence(set).await.expect("fenced");
    let drift = target.drift(set, base).await.expect("compared");
    assert!(drift.is_empty(), "the target is what the last point left: {drift:?}");
    let staged = stage(source, target, set, base).await;
    finish(target, set, &staged).await;
    staged
}
