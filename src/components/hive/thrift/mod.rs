//! Apache Thrift as the Hive metastore speaks it: a tree of values, and one connection that calls by name.

mod session;
mod value;

pub use session::{Method, Session, SessionError};
pub use value::{Kind, Struct, Value};
