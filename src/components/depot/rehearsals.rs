//! The spaces of drills in a component's store directory: `drills/DRILL/…`, apart from everything that is kept.

use std::fs;
use std::path::PathBuf;

use super::Depot;
use crate::components::objects::{io_trouble, list};
use crate::domain::{DrillId, Trouble};

impl Depot {
    fn rehearsals_dir(&self) -> PathBuf {
        self.root.join("drills")
    }

    /// Where a drill has its space.
    pub fn rehearsal_dir(&self, drill: DrillId) -> PathBuf {
        self.rehearsals_dir().join(drill.to_string())
    }

    /// Removes a drill's space, and the folder of all of them once it is empty; well when there is none.
    pub fn clear_rehearsal(&self, drill: DrillId) -> Result<(), Trouble> {
        let dir = self.rehearsal_dir(drill);
        match fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io_trouble(&dir, "remove", &e)),
            _ => {}
        }
        match fs::remove_dir(self.rehearsals_dir()) {
            // Other drills have theirs.
            Err(e) if !matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::DirectoryNotEmpty) => {
                Err(io_trouble(&self.rehearsals_dir(), "remove", &e))
            }
            _ => Ok(()),
        }
    }

    /// The drills that have a space here.
    pub fn rehearsals(&self) -> Result<Vec<(DrillId, String)>, Trouble> {
        let drills = list(&self.rehearsals_dir())?;
        let drills = drills.iter().filter_map(|name| name.parse().ok());
        Ok(drills.map(|drill| (drill, self.rehearsal_dir(drill).display().to_string())).collect())
    }
}
