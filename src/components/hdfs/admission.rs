//! What this HDFS, as a target, says of a data set before its first byte.
//!
//! ```text
//! the NameNode's settings at /conf, snapshot roots, quotas, zones, room → Facts ┐
//! the plan, where there is one                                         → Need  ┴→ obstacles: pure
//! ```

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::config::parse_settings;
use super::error::HdfsError;
use super::fits::{Facts, Kept, Nested, Place, matters, obstacles_at, room};
use super::need::Need;
use super::obstacles::HdfsObstacle as O;
use super::quota::upwards;
use super::roots::{Known, is_inside};
use super::status::status_if_there;
use super::webhdfs::Operation;
use super::{HOME, Hdfs};
use crate::components::admission::{Admission, Occasion, Time};
use crate::domain::Trouble;
use crate::domain::admission::Said;

impl Hdfs {
    /// Looks before the first byte of a data set that is to be at `set`.
    async fn look_before(&self, set: &str, occasion: Occasion<'_>) -> Result<Said, Trouble> {
        self.check_set(set)?;
        let need = match occasion {
            Occasion::Plan { changes, after, .. } => Some(Need::of(changes, after)),
            Occasion::Policy | Occasion::Run => None,
        };
        self.look_at(set, &[Place { path: set.to_owned(), need }], Kept::Directory, occasion.time()).await
    }

    /// Looks at every place of a data set before its first byte; `set` names its staging. What several places ask of one quota is added up.
    pub(in crate::components) async fn look_at(&self, set: &str, places: &[Place], kept: Kept, time: Time) -> Result<Said, Trouble> {
        let is_policy = time == Time::Policy;
        if !is_policy {
            self.keep_home_whole().await?;
        }
        let mut facts = self.facts_of_cluster().await?;
        if let Time::Plan(point) = time {
            facts.staged = self.staged(set, point).await?;
        }
        let directories: BTreeSet<String> = places.iter().flat_map(|place| upwards(&place.path)).chain([HOME]).map(str::to_owned).collect();
        for directory in directories {
            facts.quotas.extend(self.usage(&directory).await?.map(|usage| (directory, usage)));
        }
        let mut found: Vec<O> = Vec::new();
        for Place { path, need } in places {
            self.look_around(path, &mut facts).await?;
            for obstacle in obstacles_at(path, &facts, need.as_ref(), is_policy) {
                if matters(kept, &obstacle, &facts) && !found.contains(&obstacle) {
                    found.push(obstacle);
                }
            }
        }
        let needs: Vec<(&str, &Need)> = places.iter().filter_map(|place| Some((place.path.as_str(), place.need.as_ref()?))).collect();
        if !needs.is_empty() {
            found.extend(room(&needs, &facts));
        }
        Ok(Said::of(found.iter().map(|obstacle| obstacle.told(|path| self.object(path)))))
    }

    /// What is the same for every place: settings, room, our home, the directories that may have snapshots.
    async fn facts_of_cluster(&self) -> Result<Facts, Trouble> {
        let mut facts = Facts { settings: self.settings().await, ..Facts::default() };
        if let Some((is_encrypted, policy)) = self.nearest(HOME).await? {
            (facts.home_policy, facts.is_home_encrypted) = (policy, is_encrypted);
        }
        let bean = self.web.page("/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo", self.web.limits().call).await;
        let bean = bean.ok().and_then(|page| serde_json::from_str::<serde_json::Value>(&page).ok());
        facts.free_bytes = bean.and_then(|bean| bean["beans"][0]["Free"].as_u64());
        Ok(facts)
    }

    /// What is around one place.
    async fn look_around(&self, place: &str, facts: &mut Facts) -> Result<(), Trouble> {
        facts.nested = self.nested_roots(place).await?;
        let (is_encrypted, policy) = self.nearest(place).await?.unwrap_or_default();
        facts.target_policy = policy;
        facts.encrypted = [(is_encrypted, place), (facts.is_home_encrypted, HOME)]
            .into_iter()
            .filter(|(is_encrypted, _)| *is_encrypted)
            .map(|(_, place)| place.to_owned())
            .collect();
        Ok(())
    }

    /// The NameNode's settings as it runs; none where they cannot be read. All of them: of one that it has not a NameNode says so and closes
    /// the connection without a word, which the next request then meets.
    pub(super) async fn settings(&self) -> BTreeMap<String, String> {
        let page = self.web.page("/conf?format=xml", self.web.limits().call).await.ok();
        page.and_then(|page| parse_settings(&page).ok()).unwrap_or_default()
    }

    /// Of a place, or the nearest directory above it that is there: whether it is in an encryption zone, and the policy of new files.
    async fn nearest(&self, place: &str) -> Result<Option<(bool, Option<String>)>, Trouble> {
        let paths: Vec<&str> = upwards(place).collect();
        for path in paths {
            if let Some(status) = status_if_there(&self.web, path).await.map_err(|error| error.about(self.object(path)))? {
                return Ok(Some((status.enc_bit, status.striping().map(str::to_owned))));
            }
        }
        Ok(None)
    }

    /// Our own files are never striped, whatever policy the root has: a piece is made durable before its digest is told.
    async fn keep_home_whole(&self) -> Result<(), Trouble> {
        let about = |error: HdfsError| error.about(self.object(HOME));
        if self.nearest(HOME).await?.is_none_or(|(_, policy)| policy.is_none()) {
            return Ok(());
        }
        self.web.run(Operation::put("MKDIRS", HOME).with("permission", "700")).await.map_err(about)?;
        match self.web.run(Operation::put("SETECPOLICY", HOME).with("ecpolicy", "REPLICATION")).await {
            // Where it cannot be had the next look tells why nothing can be staged.
            Err(error) if !error.is_remote() => Err(about(error)),
            _ => Ok(()),
        }
    }

    /// Directories above and below that may have snapshots, and are in the way: one above that we allowed for what lies in it is shared, and
    /// one of ours without a snapshot makes way.
    async fn nested_roots(&self, set: &str) -> Result<Vec<Nested>, Trouble> {
        let known = self.known_roots(&[set.to_owned()]).await?.into_iter().filter(|root| root.path != set);
        let nested = known.filter(|root| !(root.is_free() || root.shared && is_inside(set, &root.path)));
        Ok(nested.map(|root| nested_root(set, root)).collect())
    }
}

fn nested_root(set: &str, root: Known) -> Nested {
    Nested { is_above: is_inside(set, &root.path), snapshots: Some(root.snapshots as u64), ours: root.ours, root: root.path }
}

#[async_trait]
impl Admission for Hdfs {
    async fn places(&self, set: &str) -> Result<Vec<String>, Trouble> {
        self.check_set(set)?;
        Ok(vec![self.place(set)])
    }

    async fn obstacles(&self, set: &str, occasion: Occasion<'_>) -> Result<Said, Trouble> {
        self.look_before(set, occasion).await
    }
}
