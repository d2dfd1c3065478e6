//! What may come past a fence: said with the fence's evidence, and looked for before a planned switchover promotes. Data with stable codes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What became another in a fenced data set since it was captured under its fence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum PastFence {
    /// A file that the capture does not hold.
    FileCame {
        /// Where.
        path: String,
    },
    /// A file of the capture is not there any more.
    FileGone {
        /// Where it was.
        path: String,
    },
    /// A file or directory of the capture has other content or other rights.
    FileChanged {
        /// Where.
        path: String,
    },
    /// A table of a database that the capture does not hold.
    TableCame {
        /// Which.
        table: String,
    },
    /// A table of the capture is not there any more.
    TableGone {
        /// Which.
        table: String,
    },
    /// A table of the capture is defined in another way, or has other partitions.
    TableChanged {
        /// Which.
        table: String,
    },
    /// The data set is defined in another way: a table's descriptor, for example.
    DefinitionChanged,
    /// The data set was dropped, or dropped and made anew.
    Replaced,
    /// The live data set, or the capture, cannot be read: that nothing came past the fence is not known.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl PastFence {
    /// Findings that one look tells at most.
    pub const MOST: usize = 20;
}

impl fmt::Display for PastFence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PastFence::FileCame { path } => write!(f, "{path} came"),
            PastFence::FileGone { path } => write!(f, "{path} is gone"),
            PastFence::FileChanged { path } => write!(f, "{path} was changed"),
            PastFence::TableCame { table } => write!(f, "table {table} came"),
            PastFence::TableGone { table } => write!(f, "table {table} is gone"),
            PastFence::TableChanged { table } => write!(f, "table {table} was changed"),
            PastFence::DefinitionChanged => write!(f, "its definition was changed"),
            PastFence::Replaced => write!(f, "it was dropped or replaced"),
            PastFence::Unknown { reason } => write!(f, "it cannot be read: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_a_promise() {
        let path = "/hbase/data/shop/orders/r/f/x".to_owned();
        let told = [
            (PastFence::FileCame { path: path.clone() }, "file-came"),
            (PastFence::FileGone { path: path.clone() }, "file-gone"),
            (PastFence::FileChanged { path: path.clone() }, "file-changed"),
            (PastFence::TableCame { table: path.clone() }, "table-came"),
            (PastFence::TableGone { table: path.clone() }, "table-gone"),
            (PastFence::TableChanged { table: path }, "table-changed"),
            (PastFence::DefinitionChanged, "definition-changed"),
            (PastFence::Replaced, "replaced"),
            (PastFence::Unknown { reason: "no answer".into() }, "unknown"),
        ];
        for (passed, code) in told {
            let json = serde_json::to_value(&passed).expect("data");
            assert_eq!(json["code"], code);
            assert_eq!(serde_json::from_value::<PastFence>(json).expect("read"), passed);
        }
    }
}
