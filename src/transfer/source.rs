//! The reading end: the changes of a captured data set, and the bytes of its pieces.

use std::sync::Arc;

use super::limits::Meter;
use super::plan::piece_of;
use super::stream::{Framed, framed};
use super::{DataPlane, blocking, changes};
use crate::components::{Component, Slot};
use crate::domain::{ChangeSet, DataSetName, PointId, Trouble, TroubleKind};
use crate::store::agent::{CaptureState, PlanRow};

/// One captured data set with its plan.
pub struct Source {
    component: Arc<dyn Component>,
    point: PointId,
    set: DataSetName,
    /// Told against which point.
    pub base: Option<PointId>,
    /// The plan; the index of a `Put` is its file number.
    pub changes: Arc<ChangeSet>,
}

impl Source {
    /// Opens a data set of a point captured here and tells its changes against `base`. The plan is kept, so that file
    /// numbers mean the same after a restart.
    pub async fn open(plane: &dyn DataPlane, point: PointId, set: &DataSetName, base: Option<PointId>) -> Result<Source, Trouble> {
        check_captured(plane, point, set)?;
        if let Some(source) = Source::kept(plane, point, set).await?
            && source.base == base
        {
            return Ok(source);
        }
        let component = plane.component_of(set)?;
        let changes = Arc::new(component.changes(&set.path, point, base).await?);
        let (ledger, name, all) = (plane.ledger().clone(), set.clone(), changes.clone());
        blocking(move || ledger.keep_plan(point, &name, &PlanRow { base, body: changes::to_text(&all)? })).await?;
        Ok(Source { component, point, set: set.clone(), base, changes })
    }

    /// Opens a data set whose changes were told before.
    pub async fn reopen(plane: &dyn DataPlane, point: PointId, set: &DataSetName) -> Result<Source, Trouble> {
        check_captured(plane, point, set)?;
        Source::kept(plane, point, set).await?.ok_or_else(|| Trouble::new(TroubleKind::NotFound, set, "its changes were not asked for yet"))
    }

    async fn kept(plane: &dyn DataPlane, point: PointId, set: &DataSetName) -> Result<Option<Source>, Trouble> {
        let (ledger, name) = (plane.ledger().clone(), set.clone());
        let kept = blocking(move || {
            let Some(row) = ledger.plan(point, &name)? else { return Ok(None) };
            Ok(Some((row.base, changes::from_text(&row.body, &name.to_string())?)))
        });
        let Some((base, changes)) = kept.await? else { return Ok(None) };
        Ok(Some(Source { component: plane.component_of(set)?, point, set: set.clone(), base, changes: Arc::new(changes) }))
    }

    /// Whether the capture may still be read: it may have been dropped since this was opened.
    pub fn check(&self, plane: &dyn DataPlane) -> Result<(), Trouble> {
        check_captured(plane, self.point, &self.set)
    }

    /// The framed bytes of one piece.
    pub async fn piece(&self, slot: Slot, meter: Arc<Meter>) -> Result<Framed, Trouble> {
        let (entry, bytes) = piece_of(&self.changes, slot).ok_or_else(|| {
            Trouble::new(TroubleKind::NotFound, &self.set, format!("its plan has no piece {} of file {}", slot.piece, slot.file))
        })?;
        let content = self.component.read(&self.set.path, self.point, entry, slot.piece).await?;
        Ok(framed(content, bytes, format!("{}/{}", self.set, entry.path), meter))
    }
}

/// Only data sets of points this agent captured on an instruction are read.
fn check_captured(plane: &dyn DataPlane, point: PointId, set: &DataSetName) -> Result<(), Trouble> {
    let row = plane.ledger().capture(point)?;
    let row = row.ok_or_else(|| Trouble::new(TroubleKind::NotFound, format!("point {point}"), "it is not captured here"))?;
    if !matches!(row.state, CaptureState::Done(_)) {
        return Err(Trouble::new(TroubleKind::Refused, format!("point {point}"), "its capture is not whole"));
    }
    if !row.data_sets.contains(set) {
        return Err(Trouble::new(TroubleKind::NotFound, set, format!("it is no data set of point {point}")));
    }
    Ok(())
}
