//! Paths inside a data set, which can never leave it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A path relative to its data set's root: components joined by `/`; the empty path is the root itself.
///
/// No component is empty, `.`, `..` or a percent-encoded spelling of these, and none holds NUL, so that no
/// server between us and the data can be made to read it as a way out. Any other Unicode is allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelPath(String);

/// A path that would leave its data set, or that no file system can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path {path:?} is refused: {reason}")]
pub struct BadPath {
    /// The path as given.
    pub path: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl RelPath {
    /// The data set's root.
    pub fn root() -> RelPath {
        RelPath(String::new())
    }

    /// Checks a text that came from outside.
    pub fn new(text: impl Into<String>) -> Result<RelPath, BadPath> {
        let text = text.into();
        let reason = if text.contains('\0') {
            "it holds a NUL"
        } else if text.starts_with('/') {
            "it is absolute"
        } else if text.is_empty() {
            return Ok(RelPath(text));
        } else if text.split('/').any(str::is_empty) {
            "it has an empty component"
        } else if text.split('/').any(is_dots) {
            "a component of it means this or the parent directory"
        } else {
            return Ok(RelPath(text));
        };
        Err(BadPath { path: text, reason })
    }

    /// The path as text, `/` between components.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the data set's root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// This path and one more component.
    pub fn join(&self, name: &str) -> Result<RelPath, BadPath> {
        if name.contains('/') {
            return Err(BadPath { path: name.to_owned(), reason: "a name holds no '/'" });
        }
        if self.is_root() { RelPath::new(name) } else { RelPath::new(format!("{}/{name}", self.0)) }
    }

    /// The directory that holds it; `None` for the root.
    pub fn parent(&self) -> Option<RelPath> {
        if self.is_root() {
            return None;
        }
        Some(RelPath(self.0.rsplit_once('/').map_or(String::new(), |(parent, _)| parent.to_owned())))
    }

    /// Its last component; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.0.as_str(), |(_, name)| name)
    }

    /// How many components it has; 0 for the root.
    pub fn depth(&self) -> usize {
        if self.is_root() { 0 } else { self.0.split('/').count() }
    }

    /// Whether it is `ancestor` or lies below it.
    pub fn is_under(&self, ancestor: &RelPath) -> bool {
        ancestor.is_root() || self.0.strip_prefix(&ancestor.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The same place below `to` that this has below `from`; `None` when it is not below `from`.
    pub fn rebase(&self, from: &RelPath, to: &RelPath) -> Option<RelPath> {
        if !self.is_under(from) {
            return None;
        }
        let rest = self.0[from.0.len()..].trim_start_matches('/');
        Some(RelPath(match (to.is_root(), rest.is_empty()) {
            (true, _) => rest.to_owned(),
            (false, true) => to.0.clone(),
            (false, false) => format!("{}/{rest}", to.0),
        }))
    }
}

/// `.` or `..`, also spelt `%2e`.
fn is_dots(component: &str) -> bool {
    let plain = component.replace("%2e", ".").replace("%2E", ".");
    plain == "." || plain == ".."
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RelPath {
    type Error = BadPath;
    fn try_from(text: String) -> Result<Self, BadPath> {
        RelPath::new(text)
    }
}

impl From<RelPath> for String {
    fn from(path: RelPath) -> String {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leaves_its_data_set() {
        for bad in ["..", "a/../b", "/etc", "a//b", "a/./b", "%2e%2e/x", ".%2E", "a/\0", "a/"] {
            assert!(RelPath::new(bad).is_err(), "{bad:?} was accepted");
        }
        for good in ["", "a", "a b/'q\"/100%/発票", "...", "%2e%2e%2e", "-"] {
            assert!(RelPath::new(good).is_ok(), "{good:?} was refused");
        }
    }

    #[test]
    fn rebase_moves_a_subtree() {
        let path = |text: &str| RelPath::new(text).expect("a good path");
        assert_eq!(path("a/b/c").rebase(&path("a/b"), &path("x")), Some(path("x/c")));
        assert_eq!(path("ab").rebase(&path("a"), &path("x")), None);
        assert_eq!(path("a").rebase(&RelPath::root(), &path("x")), Some(path("x/a")));
        assert_eq!(path("x/a").rebase(&path("x"), &RelPath::root()), Some(path("a")));
    }
}
