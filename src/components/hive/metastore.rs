//! A metastore, beside its agent: sessions opened for one piece of work each, and every call that is made of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::thrift::{Kind, Method, Session, SessionError, Struct, Value};
use crate::components::depot::{blocking, limited};
use crate::domain::{Trouble, TroubleKind};

/// How long calls may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A TCP connection.
    pub connect: Duration,
    /// The longest silence within a call.
    pub call: Duration,
    /// A whole piece of work, as the dump of a large database.
    pub work: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Limits { connect: secs(5), call: secs(120), work: secs(1_800) }
    }
}

/// A client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metastore {
    addresses: Arc<[String]>,
    user: String,
    limits: Limits,
}

const META: &[&str] = &["MetaException"];
const META_MISSING: &[&str] = &["MetaException", "NoSuchObjectException"];
const MISSING_META: &[&str] = &["NoSuchObjectException", "MetaException"];

impl Metastore {
    /// Of the metastores at `addresses` (`thrift://host:port`), tried in turn, acting as `user`.
    pub fn new(addresses: &[String], user: &str, limits: Limits) -> Result<Metastore, String> {
        let bare = |address: &String| {
            let place = address.strip_prefix("thrift://").map(|place| place.trim_end_matches('/'));
            let good =
                place.filter(|place| place.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()));
            good.map(str::to_owned).ok_or_else(|| format!("{address:?} is no thrift://HOST:PORT address"))
        };
        let addresses = addresses.iter().map(bare).collect::<Result<Vec<_>, _>>()?;
        if addresses.is_empty() {
            return Err("it names no metastore".into());
        }
        Ok(Metastore { addresses: addresses.into(), user: user.to_owned(), limits })
    }

    /// Where it is, for people.
    pub fn address(&self) -> String {
        self.addresses.iter().map(|place| format!("thrift://{place}")).collect::<Vec<_>>().join(", ")
    }

    /// As they were given: `thrift://host:port` each.
    pub fn addresses(&self) -> Vec<String> {
        self.addresses.iter().map(|place| format!("thrift://{place}")).collect()
    }

    /// Opens a session and works with it on a blocking thread. A trouble is about `object`.
    pub async fn run<T: Send + 'static>(
        &self,
        object: &str,
        work: impl FnOnce(&mut Session) -> Result<T, SessionError> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (this, about) = (self.clone(), object.to_owned());
        let work = blocking(move || this.open().and_then(|mut session| work(&mut session)).map_err(|error| error.about(&about)));
        limited(self.limits.work + self.limits.connect * 2, object, work).await
    }

    fn open(&self) -> Result<Session, SessionError> {
        let mut last = SessionError::Refused("no metastore is configured".into());
        for address in self.addresses.iter() {
            match self.open_at(address) {
                Ok(session) => return Ok(session),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Without Kerberos a metastore believes who its client is, and touches files as that user.
    fn open_at(&self, address: &str) -> Result<Session, SessionError> {
        let Limits { connect, call, work } = self.limits;
        let mut session = Session::connect(address, connect, call, work)?;
        let user = Struct::of([(1, self.user.as_str().into()), (2, Value::texts(&[]))]);
        match session.call(Method("set_ugi", META), user) {
            Ok(_) => Ok(session),
            Err(SessionError::Refused(why)) => Err(SessionError::Refused(format!(
                "{why}; a metastore that asks for Kerberos does the same, and this version speaks to one without Kerberos only"
            ))),
            Err(error) => Err(error),
        }
    }
}

impl SessionError {
    /// The trouble this is, about `object`.
    pub fn about(self, object: impl fmt::Display) -> Trouble {
        let reason = self.to_string();
        let trouble = |kind| Trouble::new(kind, &object, format!("the metastore: {reason}"));
        match self {
            SessionError::Refused(_) => {
                trouble(TroubleKind::Unreachable).next("see whether the Hive metastore runs, and its address in agent.toml")
            }
            SessionError::Silent(_) => trouble(TroubleKind::Unreachable).next("the metastore or its database may be hung: look at its log"),
            SessionError::Unknown(_) => trouble(TroubleKind::Failed).next("Hive 3.1 is what this version was tested with"),
            // By default only proxy users may read the log of changes, and a metastore says no more than "internal error" to others.
            SessionError::Internal(method) if method.to_lowercase().contains("notification") => trouble(TroubleKind::Refused).next(
                "let the agent's user read the metastore's log of changes: make it a proxy user (hadoop.proxyuser.USER.hosts in the \
                 metastore's core-site.xml), or set metastore.metastore.event.db.notification.api.auth to false",
            ),
            SessionError::Internal(_) => trouble(TroubleKind::Failed).next("see the metastore's log"),
            SessionError::Answer(_) => trouble(TroubleKind::Failed),
            ref error @ SessionError::Remote { .. } if error.is_missing() => trouble(TroubleKind::NotFound),
            SessionError::Remote { exception: "AlreadyExistsException", .. } => trouble(TroubleKind::Refused),
            SessionError::Remote {
                exception: "InvalidObjectException" | "InvalidOperationException" | "InvalidInputException", ..
            } => trouble(TroubleKind::Invalid),
            SessionError::Remote { .. } => trouble(TroubleKind::Failed).next("see the metastore's log"),
        }
    }
}

/// An answer that must be there.
fn answered(answer: Option<Value>) -> Result<Value, SessionError> {
    answer.ok_or_else(|| SessionError::Answer("it is empty".into()))
}

/// `None` for what the metastore does not have.
fn if_there<T>(answer: Result<T, SessionError>) -> Result<Option<T>, SessionError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

fn names(database: &str, table: &str) -> [(i16, Value); 2] {
    [(1, database.into()), (2, table.into())]
}

/// The calls, by what they are asked for.
impl Session {
    fn ask(&mut self, method: Method, arguments: Struct) -> Result<Value, SessionError> {
        answered(self.call(method, arguments)?)
    }

    fn ask_struct(&mut self, method: Method, arguments: Struct) -> Result<Struct, SessionError> {
        match self.ask(method, arguments)? {
            Value::Struct(fields) => Ok(fields),
            _ => Err(SessionError::Answer(format!("{} gives no struct", method.0))),
        }
    }

    /// The server's version, as it tells it.
    pub fn version(&mut self) -> Result<String, SessionError> {
        Ok(self.ask(Method("getVersion", META), Struct::default())?.as_text().unwrap_or_default().to_owned())
    }

    /// A setting; empty where it is not set.
    pub fn setting(&mut self, name: &str) -> Result<String, SessionError> {
        let value = self.ask(Method("get_config_value", &["ConfigValSecurityException"]), Struct::of(names(name, "")))?;
        Ok(value.as_text().unwrap_or_default().to_owned())
    }

    /// The number of the last notified change.
    pub fn event_id(&mut self) -> Result<i64, SessionError> {
        let answer = self.ask_struct(Method("get_current_notificationEventId", &[]), Struct::default())?;
        answer.number(1).ok_or_else(|| SessionError::Answer("it has no event id".into()))
    }

    /// At most `most` events after `last`.
    pub fn events(&mut self, last: i64, most: i32) -> Result<Vec<Struct>, SessionError> {
        let request = Struct::of([(1, Value::I64(last)), (2, Value::I32(most))]);
        let mut answer = self.ask_struct(Method("get_next_notification", &[]), Struct::of([(1, request.into())]))?;
        Ok(answer.take(1).map(Value::into_structs).unwrap_or_default())
    }

    /// The names of all databases.
    pub fn databases(&mut self) -> Result<Vec<String>, SessionError> {
        Ok(self.ask(Method("get_all_databases", META), Struct::default())?.into_texts())
    }

    /// A database; `None` when there is none.
    pub fn database(&mut self, name: &str) -> Result<Option<Struct>, SessionError> {
        if_there(self.ask_struct(Method("get_database", MISSING_META), Struct::of([(1, name.into())])))
    }

    /// The names of all tables and views of a database.
    pub fn tables(&mut self, database: &str) -> Result<Vec<String>, SessionError> {
        Ok(self.ask(Method("get_all_tables", META), Struct::of([(1, database.into())]))?.into_texts())
    }

    /// Tables by name; those that are gone are left out. Insert-only tables are told too, to be refused by name.
    pub fn tables_named(&mut self, database: &str, tables: &[String]) -> Result<Vec<Struct>, SessionError> {
        const INSERT_ONLY_TABLES: i32 = 2;
        let able = Struct::of([(1, Value::List(Kind::I32, vec![Value::I32(INSERT_ONLY_TABLES)]))]);
        let request = Struct::of([(1, database.into()), (2, Value::texts(tables)), (3, able.into())]);
        let method = Method("get_table_objects_by_name_req", &["MetaException", "InvalidOperationException", "UnknownDBException"]);
        let mut answer = self.ask_struct(method, Struct::of([(1, request.into())]))?;
        Ok(answer.take(1).map(Value::into_structs).unwrap_or_default())
    }

    /// The names of all partitions of a table.
    pub fn partition_names(&mut self, database: &str, table: &str) -> Result<Vec<String>, SessionError> {
        let [database, table] = names(database, table);
        let asked = Struct::of([database, table, (3, Value::I16(-1))]);
        Ok(self.ask(Method("get_partition_names", MISSING_META), asked)?.into_texts())
    }

    /// Partitions by name; those that are gone are left out.
    pub fn partitions_named(&mut self, database: &str, table: &str, parts: &[String]) -> Result<Vec<Struct>, SessionError> {
        let [database, table] = names(database, table);
        let asked = Struct::of([database, table, (3, Value::texts(parts))]);
        Ok(self.ask(Method("get_partitions_by_names", META_MISSING), asked)?.into_structs())
    }

    /// The names of all functions of a database.
    pub fn functions(&mut self, database: &str) -> Result<Vec<String>, SessionError> {
        Ok(self.ask(Method("get_functions", META), Struct::of(names(database, "*")))?.into_texts())
    }

    /// A function; `None` when there is none.
    pub fn function(&mut self, database: &str, name: &str) -> Result<Option<Struct>, SessionError> {
        if_there(self.ask_struct(Method("get_function", META_MISSING), Struct::of(names(database, name))))
    }

    /// A request struct out, the structs of the answer's first field back.
    pub fn asked(&mut self, method: Method, request: Struct) -> Result<Vec<Struct>, SessionError> {
        let mut answer = self.ask_struct(method, Struct::of([(1, request.into())]))?;
        Ok(answer.take(1).map(Value::into_structs).unwrap_or_default())
    }

    /// A request struct out, a struct back.
    pub fn asked_struct(&mut self, method: Method, request: Struct) -> Result<Struct, SessionError> {
        self.ask_struct(method, Struct::of([(1, request.into())]))
    }

    /// A call whose answer does not matter.
    pub fn order<const N: usize>(&mut self, method: Method, arguments: [(i16, Value); N]) -> Result<(), SessionError> {
        self.call(method, Struct::of(arguments)).map(drop)
    }
}
