//! What came past the fence of a directory since a point was captured under it: a superuser writes there whatever its rights are.
//!
//! HDFS's own report of what differs from the point's snapshot tells it, without a listing. What the report leaves out (see `diff`) is left out here.

use super::Hdfs;
use super::diff::{Difference, Moves};
use super::error::HdfsError;
use super::listing::full;
use super::status::status_if_there;
use crate::domain::{PastFence, PointId, RelPath, Trouble};

/// What a report says that came past.
fn passed(tree: &str, report: Vec<Difference>) -> Vec<PastFence> {
    let moves = Moves::new(report);
    let at = |path: &RelPath| full(tree, path);
    let (mut all, came) = (Vec::new(), |path| PastFence::FileCame { path });
    for (from, to) in moves.renames() {
        all.extend([PastFence::FileGone { path: at(from) }, came(at(to))]);
    }
    all.extend(moves.creations().map(|path| came(at(&path))));
    all.extend(moves.deletions().map(|path| PastFence::FileGone { path: at(path) }));
    // The root's rights are the fence's business, and a directory is told as modified with what is in it.
    if all.is_empty() {
        let modified = moves.questions().modified.into_iter().filter(|(path, _)| !path.is_root());
        all.extend(modified.map(|(path, _)| PastFence::FileChanged { path: at(&path) }));
    }
    all.truncate(PastFence::MOST);
    all
}

impl Hdfs {
    /// What is in a fenced tree that its snapshot of a point does not hold, or holds otherwise.
    pub(in crate::components) async fn passed_since(&self, tree: &str, point: PointId) -> Result<Vec<PastFence>, Trouble> {
        let about = |error: HdfsError| error.about(self.object(tree));
        let Some(cut) = self.find_cut(tree, point).await? else {
            return Ok(vec![PastFence::Unknown { reason: format!("its snapshot of point {point} is not here") }]);
        };
        let inode =
            async |path: &str| Ok::<_, Trouble>(status_if_there(&self.web, path).await.map_err(about)?.map(|status| status.file_id));
        let (was, is) = (inode(&cut.path).await?, inode(tree).await?);
        let Some(is) = is else { return Ok(vec![PastFence::Replaced]) };
        match self.report_between(&cut, None, [was, Some(is)]).await.map_err(about)? {
            Some(report) => Ok(passed(tree, report)),
            None => Ok(vec![PastFence::Replaced]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).expect("a path")
    }

    #[test]
    fn what_a_superuser_did_is_told_by_path_and_the_roots_own_rights_are_not() {
        assert_eq!(passed("/d", vec![Difference::Modified(RelPath::root())]), []);
        assert_eq!(passed("/d", vec![Difference::Modified(path("a"))]), [PastFence::FileChanged { path: "/d/a".into() }]);
        let report = vec![
            Difference::Modified(RelPath::root()),
            Difference::Renamed { from: path("x"), to: path("y") },
            Difference::Created(path("new")),
            Difference::Deleted(path("old")),
        ];
        let told: Vec<String> = passed("/d", report).iter().map(PastFence::to_string).collect();
        assert_eq!(told, ["/d/x is gone", "/d/y came", "/d/new came", "/d/old is gone"]);
    }
}
