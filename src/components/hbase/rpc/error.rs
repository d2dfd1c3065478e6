//! What can go wrong between us and a master or region server, and the [`Trouble`] an operator reads about it.

use std::fmt;
use std::time::Duration;

use crate::domain::{Trouble, TroubleKind};

/// A failure of one call to HBase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RpcError {
    /// The connection was refused or broke.
    Broken(String),
    /// Nobody answered in time. The call may have taken effect all the same.
    Silent(Duration),
    /// The server asks for Kerberos.
    Kerberos,
    /// No master is active among those asked.
    NoMaster(String),
    /// The server answered with an exception.
    Remote {
        /// Its simple class name, for example `TableNotFoundException`.
        class: String,
        /// Its message, first line only.
        message: String,
    },
    /// The answer is not what the protocol promises.
    Answer(String),
}

impl RpcError {
    /// From an exception's class and text (or stack trace), as servers send them.
    pub fn remote(class: &str, text: &str) -> RpcError {
        let simple = class.rsplit(['.', '$']).next().unwrap_or(class).to_owned();
        let line = text.lines().next().unwrap_or_default();
        let message = line.strip_prefix(class).map_or(line, |rest| rest.trim_start_matches(':')).trim().to_owned();
        if message.contains("Authentication is required") {
            return RpcError::Kerberos;
        }
        RpcError::Remote { class: simple, message }
    }

    /// Whether the server answered with this exception. A wrapped one is told by its name in the text.
    pub fn is(&self, name: &str) -> bool {
        matches!(self, RpcError::Remote { class, message } if class == name || message.contains(name))
    }

    /// Whether the server asked is not, or not yet, the active master: another may be.
    pub fn is_elsewhere(&self) -> bool {
        ["MasterNotRunningException", "NotMasterException", "MasterStoppedException", "ServerNotRunningYetException"]
            .iter()
            .any(|name| self.is(name))
    }

    /// Whether the same question may be answered a little later.
    pub fn is_passing(&self) -> bool {
        matches!(self, RpcError::Broken(_) | RpcError::Silent(_) | RpcError::NoMaster(_))
            || self.is_elsewhere()
            || self.is("PleaseHoldException")
    }

    /// The trouble this is, about `object`.
    pub fn about(self, object: impl fmt::Display) -> Trouble {
        let reason = self.to_string();
        let trouble = |kind| Trouble::new(kind, &object, &reason);
        match &self {
            RpcError::Broken(_) => trouble(TroubleKind::Unreachable).next("see whether HBase's masters and region servers run"),
            RpcError::Silent(_) => trouble(TroubleKind::Unreachable).next("the server may be hung: look at its process and its log"),
            RpcError::NoMaster(_) => trouble(TroubleKind::Unreachable).next("start a master, or list all of them under `master`"),
            RpcError::Kerberos => trouble(TroubleKind::Refused).next("this version speaks to HBase without Kerberos only"),
            RpcError::Answer(_) => trouble(TroubleKind::Failed),
            RpcError::Remote { class, .. } => remote(class, trouble),
        }
    }
}

/// Sorts a server's exception by what a person can do about it.
fn remote(class: &str, trouble: impl Fn(TroubleKind) -> Trouble) -> Trouble {
    match class {
        "TableNotFoundException" | "NamespaceNotFoundException" | "SnapshotDoesNotExistException" | "UnknownSnapshotException" => {
            trouble(TroubleKind::NotFound)
        }
        "SnapshotExistsException" | "TableExistsException" | "NamespaceExistException" => trouble(TroubleKind::Refused),
        "TableNotDisabledException" | "TableNotEnabledException" => {
            trouble(TroubleKind::Refused).next("somebody enables or disables the table at the same time: try again when that is over")
        }
        "AccessDeniedException" => trouble(TroubleKind::Refused).next("let the agent act as an HBase superuser (`user` in agent.toml)"),
        "PleaseHoldException" | "ServerNotRunningYetException" => trouble(TroubleKind::Unreachable).next("the master is starting: wait"),
        "HBaseSnapshotException" => {
            trouble(TroubleKind::Failed).next("see the master's log for why it gave the snapshot up, then start a new run")
        }
        "QuotaExceededException" => trouble(TroubleKind::Exhausted).next("raise the quota of the namespace"),
        "UnsupportedOperationException" => trouble(TroubleKind::Refused).next("see `hbase.snapshot.enabled` in hbase-site.xml"),
        "IllegalArgumentException" | "DoNotRetryIOException" => trouble(TroubleKind::Refused),
        _ => trouble(TroubleKind::Failed),
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RpcError::Broken(why) => write!(f, "no connection: {why}"),
            RpcError::Silent(limit) => write!(f, "no answer within {} s", limit.as_secs_f32()),
            RpcError::Kerberos => write!(f, "it asks for Kerberos"),
            RpcError::NoMaster(why) => write!(f, "no master is active: {why}"),
            RpcError::Answer(what) => write!(f, "the answer cannot be understood: {what}"),
            RpcError::Remote { class, message } => match (class.as_str(), message.as_str()) {
                ("TableNotFoundException", _) => write!(f, "there is no such table"),
                ("NamespaceNotFoundException", _) => write!(f, "there is no such namespace"),
                ("PleaseHoldException" | "ServerNotRunningYetException", _) => write!(f, "the master is starting"),
                ("SnapshotExistsException", _) => write!(f, "a snapshot of that name is there already"),
                ("TableExistsException", _) => write!(f, "a table of that name is there already"),
                (class, "") => write!(f, "HBase answers {class}"),
                (_, message) => write!(f, "HBase answers: {message}"),
            },
        }
    }
}

impl std::error::Error for RpcError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(class: &str, text: &str) -> RpcError {
        RpcError::remote(&format!("org.apache.hadoop.hbase.{class}"), text)
    }

    #[test]
    fn a_stack_trace_becomes_one_sentence() {
        let class = "org.apache.hadoop.hbase.TableNotFoundException";
        let error = RpcError::remote(class, &format!("{class}: shop:orders\n\tat x.y.Z(Z.java:1)\n"));
        assert_eq!(error, RpcError::Remote { class: "TableNotFoundException".into(), message: "shop:orders".into() });
        let trouble = error.about("hbase:shop:orders");
        assert_eq!((trouble.kind, trouble.reason.as_str()), (TroubleKind::NotFound, "there is no such table"));
    }

    #[test]
    fn a_trouble_says_what_a_person_can_do() {
        assert_eq!(remote("snapshot.SnapshotExistsException", "x").about("o").kind, TroubleKind::Refused);
        assert!(remote("PleaseHoldException", "Master is initializing").about("o").is_worth_retrying());
        assert!(remote("ipc.ServerNotRunningYetException", "").is_elsewhere());
        let kerberos = remote("security.AccessDeniedException", "Authentication is required");
        assert_eq!(kerberos, RpcError::Kerberos);
        assert!(kerberos.about("o").next_step.contains("Kerberos"));
        let hung = RpcError::Silent(Duration::from_secs(20)).about("o");
        assert_eq!((hung.kind, hung.reason.as_str()), (TroubleKind::Unreachable, "no answer within 20 s"));
    }
}
