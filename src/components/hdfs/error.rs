//! What can go wrong between us and a NameNode or DataNode, and the [`Trouble`] an operator reads about it.

use std::fmt;
use std::time::Duration;

use crate::domain::{Trouble, TroubleKind};

/// What a NameNode says, in a plain `IOException`, when no DataNode may take the next block: none runs, or none has room for it.
/// It passes by itself where a DataNode is only just starting (`BlockManager.chooseTarget4NewBlock` of Hadoop 3).
const NOWHERE_TO_WRITE: &str = "minReplication nodes";

/// A failure of one call to HDFS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HdfsError {
    /// The connection was refused or broke.
    Refused(String),
    /// Nobody answered in time. The call may have taken effect all the same.
    Silent(Duration),
    /// Every NameNode of the list is in standby.
    Standby,
    /// The server asks for Kerberos.
    Kerberos,
    /// The server answered with an exception.
    Remote {
        /// HTTP status; 0 when it came over RPC.
        status: u16,
        /// The exception's simple name, for example `AccessControlException`.
        exception: String,
        /// Its message, first line only.
        message: String,
    },
    /// The answer is not what the protocol promises.
    Answer(String),
}

impl HdfsError {
    /// Whether the path, or something it needs, does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(self, HdfsError::Remote { exception, .. } if exception == "FileNotFoundException")
    }

    /// Whether the server answered with this exception.
    pub fn is(&self, name: &str) -> bool {
        matches!(self, HdfsError::Remote { exception, .. } if exception == name)
    }

    /// Whether the server itself said no, as opposed to nobody answering.
    pub fn is_remote(&self) -> bool {
        matches!(self, HdfsError::Remote { .. })
    }

    /// The trouble this is, about `object`.
    pub fn about(self, object: impl fmt::Display) -> Trouble {
        let reason = self.to_string();
        let trouble = |kind| Trouble::new(kind, &object, &reason);
        match &self {
            HdfsError::Refused(_) => trouble(TroubleKind::Unreachable).next("see whether the NameNode and DataNodes run"),
            HdfsError::Silent(_) => trouble(TroubleKind::Unreachable).next("the daemon may be hung: look at its process and its log"),
            HdfsError::Standby => trouble(TroubleKind::Unreachable).next("wait for a failover, or list all NameNodes under `webhdfs`"),
            HdfsError::Kerberos => trouble(TroubleKind::Refused).next("this version speaks to HDFS without Kerberos only"),
            HdfsError::Answer(_) => trouble(TroubleKind::Failed),
            HdfsError::Remote { message, .. } if message.contains(NOWHERE_TO_WRITE) => trouble(TroubleKind::Failed)
                .next("see that DataNodes run and have room: HDFS sets a whole block aside for every file being written"),
            HdfsError::Remote { exception, .. } => remote(exception, trouble),
        }
    }
}

/// Sorts a server's exception by what a person can do about it.
fn remote(exception: &str, trouble: impl Fn(TroubleKind) -> Trouble) -> Trouble {
    match exception {
        "FileNotFoundException" | "PathNotFoundException" => trouble(TroubleKind::NotFound),
        "AccessControlException" | "SecurityException" | "AuthorizationException" => {
            trouble(TroubleKind::Refused).next("let the agent act as an HDFS superuser (`user` in agent.toml)")
        }
        "SafeModeException" => trouble(TroubleKind::Failed).next("wait until the NameNode leaves safe mode, or look for missing blocks"),
        "SnapshotException" | "FileAlreadyExistsException" | "PathIsNotEmptyDirectoryException" => trouble(TroubleKind::Refused),
        "NSQuotaExceededException" | "DSQuotaExceededException" | "QuotaExceededException" | "MaxDirectoryItemsExceededException" => {
            trouble(TroubleKind::Exhausted).next("raise the quota of the directory, or free space")
        }
        "IllegalArgumentException" | "InvalidPathException" | "UnsupportedOperationException" => trouble(TroubleKind::Invalid),
        _ => trouble(TroubleKind::Failed),
    }
}

impl fmt::Display for HdfsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HdfsError::Refused(why) => write!(f, "no connection: {why}"),
            HdfsError::Silent(limit) => write!(f, "no answer within {} s", limit.as_secs_f32()),
            HdfsError::Standby => write!(f, "no NameNode is active: every one is in standby or starting"),
            HdfsError::Kerberos => write!(f, "it asks for Kerberos"),
            HdfsError::Answer(what) => write!(f, "the answer cannot be understood: {what}"),
            HdfsError::Remote { exception, message, .. } if exception == "SafeModeException" => {
                write!(f, "the NameNode is in safe mode: {message}")
            }
            HdfsError::Remote { message, exception, .. } if message.is_empty() => write!(f, "{exception}"),
            HdfsError::Remote { message, .. } => write!(f, "{message}"),
        }
    }
}

impl std::error::Error for HdfsError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(exception: &str) -> Trouble {
        HdfsError::Remote { status: 403, exception: exception.into(), message: "why".into() }.about("hdfs:/a")
    }

    #[test]
    fn a_trouble_says_what_a_person_can_do() {
        assert_eq!(remote("FileNotFoundException").kind, TroubleKind::NotFound);
        assert_eq!(remote("AccessControlException").kind, TroubleKind::Refused);
        assert!(remote("SafeModeException").is_worth_retrying());
        assert!(remote("SafeModeException").reason.contains("safe mode"));
        assert_eq!(remote("DSQuotaExceededException").kind, TroubleKind::Exhausted);
        let message = "File /a could only be written to 0 of the 1 minReplication nodes. There are 1 datanode(s) running";
        let full = HdfsError::Remote { status: 0, exception: "IOException".into(), message: message.into() }.about("hdfs:/a");
        assert!(full.is_worth_retrying() && full.next_step.contains("have room"));
        let hung = HdfsError::Silent(Duration::from_secs(20)).about("hdfs:/a");
        assert_eq!((hung.kind, hung.reason.as_str()), (TroubleKind::Unreachable, "no answer within 20 s"));
    }
}
