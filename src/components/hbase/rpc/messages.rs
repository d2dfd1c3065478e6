//! The messages of a connection and of a master's calls, as HBase 2.6 numbers their fields; those not used here are left out.

use super::snapshot::{SnapshotDescription, StringPair, TableName, TableSchema};

/// Who calls.
#[derive(Clone, PartialEq, prost::Message)]
pub struct UserInformation {
    /// The name.
    #[prost(string, required, tag = "1")]
    pub effective_user: String,
}

/// First on a connection.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ConnectionHeader {
    /// Who calls.
    #[prost(message, optional, tag = "1")]
    pub user_info: Option<UserInformation>,
    /// Whom: `MasterService`, `ClientService`, `ClientMetaService`.
    #[prost(string, optional, tag = "2")]
    pub service_name: Option<String>,
}

/// Before each request.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RequestHeader {
    /// Ours, to tell answers apart.
    #[prost(uint32, optional, tag = "1")]
    pub call_id: Option<u32>,
    /// The call.
    #[prost(string, optional, tag = "3")]
    pub method_name: Option<String>,
    /// A parameter follows.
    #[prost(bool, optional, tag = "4")]
    pub request_param: Option<bool>,
    /// Milliseconds after which nobody waits any more.
    #[prost(uint32, optional, tag = "7")]
    pub timeout: Option<u32>,
}

/// An exception in place of an answer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ExceptionResponse {
    /// Its class.
    #[prost(string, optional, tag = "1")]
    pub exception_class_name: Option<String>,
    /// Its text, message first.
    #[prost(string, optional, tag = "2")]
    pub stack_trace: Option<String>,
}

/// Before each answer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ResponseHeader {
    /// The request's.
    #[prost(uint32, optional, tag = "1")]
    pub call_id: Option<u32>,
    /// In place of an answer.
    #[prost(message, optional, tag = "2")]
    pub exception: Option<ExceptionResponse>,
}

/// A request or an answer of which nothing matters.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Empty {}

/// A server.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ServerName {
    /// Its host.
    #[prost(string, required, tag = "1")]
    pub host_name: String,
    /// Its RPC port.
    #[prost(uint32, optional, tag = "2")]
    pub port: Option<u32>,
}

/// Answer of `GetActiveMaster`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ActiveMaster {
    /// The master; absent while there is none.
    #[prost(message, optional, tag = "1")]
    pub server_name: Option<ServerName>,
}

/// Answer of `ListNamespaces`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Namespaces {
    /// Their names.
    #[prost(string, repeated, tag = "1")]
    pub names: Vec<String>,
}

/// A namespace.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NamespaceDescriptor {
    /// Its name.
    #[prost(bytes = "vec", required, tag = "1")]
    pub name: Vec<u8>,
    /// Its properties.
    #[prost(message, repeated, tag = "2")]
    pub configuration: Vec<StringPair>,
}

/// Answer of `GetNamespaceDescriptor`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NamespaceAnswer {
    /// The namespace.
    #[prost(message, required, tag = "1")]
    pub descriptor: NamespaceDescriptor,
}

/// Makes a namespace.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CreateNamespaceRequest {
    /// The namespace.
    #[prost(message, required, tag = "1")]
    pub descriptor: NamespaceDescriptor,
}

/// Asks `ListTableNamesByNamespace`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NamespaceTablesRequest {
    /// The namespace.
    #[prost(string, required, tag = "1")]
    pub namespace: String,
}

/// Its answer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TableNames {
    /// The tables.
    #[prost(message, repeated, tag = "1")]
    pub names: Vec<TableName>,
}

/// Asks `GetTableDescriptors`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TableDescriptorsRequest {
    /// The tables.
    #[prost(message, repeated, tag = "1")]
    pub table_names: Vec<TableName>,
    /// Also HBase's own.
    #[prost(bool, optional, tag = "3")]
    pub include_sys_tables: Option<bool>,
}

/// Its answer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TableDescriptors {
    /// The tables that exist.
    #[prost(message, repeated, tag = "1")]
    pub tables: Vec<TableSchema>,
}

/// A call about a table: its state, to enable, disable, delete or flush it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TableRequest {
    /// The table.
    #[prost(message, required, tag = "1")]
    pub table_name: TableName,
}

/// Whether a table is up.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TableState {
    /// 0 enabled, 1 disabled, 2 disabling, 3 enabling.
    #[prost(int32, required, tag = "1")]
    pub state: i32,
}

/// Answer of `GetTableState`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TableStateAnswer {
    /// The state.
    #[prost(message, required, tag = "1")]
    pub table_state: TableState,
}

/// Gives a table another descriptor; its regions are opened again.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ModifyTableRequest {
    /// The table.
    #[prost(message, required, tag = "1")]
    pub table_name: TableName,
    /// The whole new descriptor.
    #[prost(message, required, tag = "2")]
    pub table_schema: TableSchema,
}

/// Answer of calls that start a procedure under field 1.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Procedure {
    /// What to ask `getProcedureResult` for.
    #[prost(uint64, optional, tag = "1")]
    pub proc_id: Option<u64>,
}

/// Answer of `getProcedureResult`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ProcedureAnswer {
    /// 0 not known, 1 running, 2 over.
    #[prost(int32, required, tag = "1")]
    pub state: i32,
    /// Why it failed.
    #[prost(message, optional, tag = "5")]
    pub exception: Option<ForeignException>,
}

/// An exception on its way through HBase.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ForeignException {
    /// The exception.
    #[prost(message, optional, tag = "2")]
    pub generic_exception: Option<GenericException>,
}

/// Its class and message.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GenericException {
    /// Its class.
    #[prost(string, optional, tag = "1")]
    pub class_name: Option<String>,
    /// Its message.
    #[prost(string, optional, tag = "2")]
    pub message: Option<String>,
}

/// A call about a snapshot: take it, delete it, restore it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotRequest {
    /// The snapshot.
    #[prost(message, required, tag = "1")]
    pub snapshot: SnapshotDescription,
}

/// Asks `IsSnapshotDone`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotDoneRequest {
    /// The snapshot.
    #[prost(message, optional, tag = "1")]
    pub snapshot: Option<SnapshotDescription>,
}

/// Its answer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotDone {
    /// Whether it is complete.
    #[prost(bool, optional, tag = "1")]
    pub done: Option<bool>,
}

/// Answer of `GetCompletedSnapshots`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Snapshots {
    /// All of them.
    #[prost(message, repeated, tag = "1")]
    pub snapshots: Vec<SnapshotDescription>,
}

/// What `GetClusterStatus` is asked for: the region servers that are alive,
pub const LIVE_SERVERS: i32 = 2;
/// those that are not,
pub const DEAD_SERVERS: i32 = 3;
/// and the port of the active master's pages.
pub const MASTER_INFO_PORT: i32 = 9;

/// Asks `GetClusterStatus`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ClusterStatusRequest {
    /// What to tell; 0 is the version.
    #[prost(int32, repeated, tag = "1")]
    pub options: Vec<i32>,
}

/// A version.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Version {
    /// The text.
    #[prost(string, required, tag = "1")]
    pub version: String,
}

/// What was asked for.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ClusterStatus {
    /// HBase's version.
    #[prost(message, optional, tag = "1")]
    pub hbase_version: Option<Version>,
    /// The region servers that are alive.
    #[prost(message, repeated, tag = "2")]
    pub live_servers: Vec<LiveServer>,
    /// Those that are not.
    #[prost(message, repeated, tag = "3")]
    pub dead_servers: Vec<ServerName>,
    /// The port of the active master's pages.
    #[prost(int32, optional, tag = "10")]
    pub master_info_port: Option<i32>,
}

/// A region server that is alive; its load is left out.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LiveServer {
    /// Which.
    #[prost(message, required, tag = "1")]
    pub server: ServerName,
}

/// Answer of `GetClusterStatus`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ClusterStatusAnswer {
    /// The status.
    #[prost(message, required, tag = "1")]
    pub cluster_status: ClusterStatus,
}

/// Answer of `Snapshot`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotStarted {
    /// Milliseconds the master gives it.
    #[prost(int64, required, tag = "1")]
    pub expected_timeout: i64,
}
