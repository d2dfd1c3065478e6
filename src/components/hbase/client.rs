//! Calls to a cluster's active master, which is found by asking any master or region server (`ClientMetaService`).

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prost::Message;

use super::names::Table;
use super::probe::Servers;
use super::rpc::messages::{
    ActiveMaster, ClusterStatusAnswer, ClusterStatusRequest, CreateNamespaceRequest, DEAD_SERVERS, Empty, LIVE_SERVERS, MASTER_INFO_PORT,
    ModifyTableRequest, NamespaceAnswer, NamespaceDescriptor, NamespaceTablesRequest, Namespaces, Procedure, ProcedureAnswer, ServerName,
    SnapshotDone, SnapshotDoneRequest, SnapshotRequest, SnapshotStarted, Snapshots, TableDescriptors, TableDescriptorsRequest, TableNames,
    TableRequest, TableStateAnswer,
};
use super::rpc::snapshot::{SnapshotDescription, TableSchema};
use super::rpc::{Connection, RpcError, RpcLimits};

/// How often a procedure is asked after.
const ASKED_EVERY: Duration = Duration::from_millis(60);
/// HBase's default port of a master.
const MASTER_PORT: u32 = 16000;

/// A table's state, as its master says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Served.
    Enabled,
    /// Not served.
    Disabled,
    /// On its way from one to the other.
    Between,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Enabled => "enabled",
            State::Disabled => "disabled",
            State::Between => "being enabled or disabled",
        })
    }
}

/// A client of one HBase, as one user.
#[derive(Debug)]
pub struct Client {
    /// `host:port` of masters or region servers; any of them knows the active master.
    servers: Vec<String>,
    user: String,
    limits: RpcLimits,
    /// The master that answered last.
    active: Mutex<Option<String>>,
}

/// `host:port` of a server.
pub fn address_of(server: &ServerName) -> String {
    format!("{}:{}", server.host_name, server.port.unwrap_or(MASTER_PORT))
}

impl Client {
    /// Connects nothing yet.
    pub fn new(servers: Vec<String>, user: &str, limits: RpcLimits) -> Client {
        Client { servers, user: user.to_owned(), limits, active: Mutex::new(None) }
    }

    /// Its time limits.
    pub fn limits(&self) -> RpcLimits {
        self.limits
    }

    /// Whom it calls as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Asks the servers in turn, as one service, until one answers.
    pub async fn any<A: Message + Default>(&self, service: &str, method: &str, request: &impl Message) -> Result<A, RpcError> {
        let mut last = RpcError::NoMaster("no address is configured".into());
        for server in &self.servers {
            let asked = async { Connection::open(server, service, &self.user, self.limits).await?.call(method, request).await };
            match asked.await {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn find_master(&self) -> Result<String, RpcError> {
        let mut why = Vec::new();
        for server in &self.servers {
            let asked = async {
                let mut connection = Connection::open(server, "ClientMetaService", &self.user, self.limits).await?;
                connection.call::<ActiveMaster>("GetActiveMaster", &Empty {}).await
            };
            match asked.await {
                Ok(ActiveMaster { server_name: Some(master) }) => return Ok(address_of(&master)),
                Ok(_) => why.push(format!("{server} knows of none")),
                Err(error @ (RpcError::Kerberos | RpcError::Silent(_))) if self.servers.len() == 1 => return Err(error),
                Err(error) => why.push(error.to_string()),
            }
        }
        Err(RpcError::NoMaster(why.join("; ")))
    }

    fn known(&self) -> Option<String> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, master: Option<String>) {
        *self.active.lock().unwrap_or_else(PoisonError::into_inner) = master;
    }

    /// One call of the active master. Where the one known is not active any more, or is gone, the active one is found and asked once.
    pub async fn master<A: Message + Default>(&self, method: &str, request: &impl Message) -> Result<A, RpcError> {
        if let Some(master) = self.known() {
            match self.ask(&master, method, request).await {
                Err((true, _)) => self.remember(None),
                Err((false, error)) => return Err(error),
                Ok(answer) => return Ok(answer),
            }
        }
        let master = self.find_master().await?;
        let answer = self.ask(&master, method, request).await.map_err(|(_, error)| error)?;
        self.remember(Some(master));
        Ok(answer)
    }

    /// One call; an error tells beside itself whether nothing was done, so that another master may be asked.
    async fn ask<A: Message + Default>(&self, master: &str, method: &str, request: &impl Message) -> Result<A, (bool, RpcError)> {
        let opened = Connection::open(master, "MasterService", &self.user, self.limits).await;
        let mut connection = opened.map_err(|error| (true, error))?;
        connection.call(method, request).await.map_err(|error| (error.is_elsewhere(), error))
    }

    /// Waits until a procedure is over. A master that is restarted in the middle goes on with it. One that is no longer known counts as
    /// over: whoever waits looks at the result itself.
    pub async fn wait(&self, procedure: &Procedure) -> Result<(), RpcError> {
        let Some(proc_id) = procedure.proc_id else { return Ok(()) };
        let deadline = Instant::now() + self.limits.procedure;
        loop {
            match self.master::<ProcedureAnswer>("getProcedureResult", &Procedure { proc_id: Some(proc_id) }).await {
                Ok(ProcedureAnswer { state: 1, .. }) => {}
                Ok(ProcedureAnswer { exception: Some(exception), .. }) => {
                    let inner = exception.generic_exception.unwrap_or_default();
                    return Err(RpcError::remote(&inner.class_name.unwrap_or_default(), &inner.message.unwrap_or_default()));
                }
                Ok(_) => return Ok(()),
                Err(error) if error.is_passing() && Instant::now() < deadline => {}
                Err(error) => return Err(error),
            }
            if Instant::now() >= deadline {
                return Err(RpcError::Silent(self.limits.procedure));
            }
            tokio::time::sleep(ASKED_EVERY).await;
        }
    }

    /// HBase's version.
    pub async fn version(&self) -> Result<String, RpcError> {
        let answer: ClusterStatusAnswer = self.master("GetClusterStatus", &ClusterStatusRequest { options: vec![0] }).await?;
        Ok(answer.cluster_status.hbase_version.map(|version| version.version).unwrap_or_default())
    }

    /// How many region servers the active master counts, and where its pages are.
    pub async fn servers(&self) -> Result<Servers, RpcError> {
        let request = ClusterStatusRequest { options: vec![LIVE_SERVERS, DEAD_SERVERS, MASTER_INFO_PORT] };
        let status = self.master::<ClusterStatusAnswer>("GetClusterStatus", &request).await?.cluster_status;
        Ok(Servers { live: status.live_servers.len(), dead: status.dead_servers.len(), web_port: status.master_info_port })
    }

    /// All namespaces.
    pub async fn namespaces(&self) -> Result<Vec<String>, RpcError> {
        Ok(self.master::<Namespaces>("ListNamespaces", &Empty {}).await?.names)
    }

    /// Makes a namespace; well when it is there.
    pub async fn make_namespace(&self, name: &str) -> Result<(), RpcError> {
        if self.namespaces().await?.iter().any(|known| known == name) {
            return Ok(());
        }
        let descriptor = NamespaceDescriptor { name: name.as_bytes().to_vec(), configuration: Vec::new() };
        match self.master::<Procedure>("CreateNamespace", &CreateNamespaceRequest { descriptor }).await {
            Ok(procedure) => self.wait(&procedure).await,
            Err(error) if error.is("NamespaceExistException") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The names of a namespace's properties.
    pub async fn namespace_properties(&self, name: &str) -> Result<Vec<String>, RpcError> {
        let request = NamespaceTablesRequest { namespace: name.to_owned() };
        let answer: NamespaceAnswer = self.master("GetNamespaceDescriptor", &request).await?;
        Ok(answer.descriptor.configuration.into_iter().map(|pair| pair.name).collect())
    }

    /// The tables of a namespace.
    pub async fn tables(&self, namespace: &str) -> Result<Vec<Table>, RpcError> {
        let request = NamespaceTablesRequest { namespace: namespace.to_owned() };
        let answer: TableNames = self.master("ListTableNamesByNamespace", &request).await?;
        Ok(answer.names.iter().filter_map(Table::of_wire).collect())
    }

    /// A table's descriptor; `None` where there is no such table.
    pub async fn schema(&self, table: &Table) -> Result<Option<TableSchema>, RpcError> {
        let request = TableDescriptorsRequest { table_names: vec![table.wire()], include_sys_tables: Some(false) };
        match self.master::<TableDescriptors>("GetTableDescriptors", &request).await {
            Ok(answer) => Ok(answer.tables.into_iter().next()),
            Err(error) if error.is("TableNotFoundException") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A table's state.
    pub async fn state(&self, table: &Table) -> Result<State, RpcError> {
        let answer: TableStateAnswer = self.master("GetTableState", &TableRequest { table_name: table.wire() }).await?;
        Ok(match answer.table_state.state {
            0 => State::Enabled,
            1 => State::Disabled,
            _ => State::Between,
        })
    }

    /// Gives a table another descriptor, and waits until its regions have it.
    pub async fn modify(&self, table: &Table, table_schema: TableSchema) -> Result<(), RpcError> {
        let request = ModifyTableRequest { table_name: table.wire(), table_schema };
        let procedure: Procedure = self.master("ModifyTable", &request).await?;
        self.wait(&procedure).await
    }

    /// Stops serving a table; well when nobody serves it.
    pub async fn disable(&self, table: &Table) -> Result<(), RpcError> {
        self.change("DisableTable", table, "TableNotEnabledException").await
    }

    /// Serves a table; well when it is served.
    pub async fn enable(&self, table: &Table) -> Result<(), RpcError> {
        self.change("EnableTable", table, "TableNotDisabledException").await
    }

    /// Deletes a disabled table; well when there is none.
    pub async fn delete(&self, table: &Table) -> Result<(), RpcError> {
        self.change("DeleteTable", table, "TableNotFoundException").await
    }

    /// Deletes an empty namespace; well when there is none.
    pub async fn delete_namespace(&self, name: &str) -> Result<(), RpcError> {
        let request = NamespaceTablesRequest { namespace: name.to_owned() };
        match self.master::<Procedure>("DeleteNamespace", &request).await {
            Ok(procedure) => self.wait(&procedure).await,
            Err(error) if error.is("NamespaceNotFoundException") => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn change(&self, method: &str, table: &Table, already: &str) -> Result<(), RpcError> {
        let changed = async {
            let procedure: Procedure = self.master(method, &TableRequest { table_name: table.wire() }).await?;
            self.wait(&procedure).await
        };
        match changed.await {
            Err(error) if error.is(already) => Ok(()),
            other => other,
        }
    }

    /// Writes out what a table has in memory, as far as the server knows how to (HBase 2.6 and later).
    pub async fn flush(&self, table: &Table) -> Result<(), RpcError> {
        match self.master::<Procedure>("FlushTable", &TableRequest { table_name: table.wire() }).await {
            Ok(procedure) => self.wait(&procedure).await,
            Err(RpcError::Remote { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Starts a snapshot.
    pub async fn snapshot(&self, snapshot: SnapshotDescription) -> Result<(), RpcError> {
        self.master::<SnapshotStarted>("Snapshot", &SnapshotRequest { snapshot }).await.map(drop)
    }

    /// Whether a snapshot is complete; not while it is being taken.
    pub async fn snapshot_done(&self, snapshot: &SnapshotDescription) -> Result<bool, RpcError> {
        let request = SnapshotDoneRequest { snapshot: Some(snapshot.clone()) };
        let answer: SnapshotDone = self.master("IsSnapshotDone", &request).await?;
        Ok(answer.done())
    }

    /// All complete snapshots.
    pub async fn snapshots(&self) -> Result<Vec<SnapshotDescription>, RpcError> {
        Ok(self.master::<Snapshots>("GetCompletedSnapshots", &Empty {}).await?.snapshots)
    }

    /// Deletes a snapshot.
    pub async fn delete_snapshot(&self, snapshot: SnapshotDescription) -> Result<(), RpcError> {
        self.master::<Empty>("DeleteSnapshot", &SnapshotRequest { snapshot }).await.map(drop)
    }

    /// Makes a snapshot's table of it, where there is none, or brings a disabled one back to it.
    pub async fn restore(&self, snapshot: SnapshotDescription) -> Result<(), RpcError> {
        let procedure: Procedure = self.master("RestoreSnapshot", &SnapshotRequest { snapshot }).await?;
        self.wait(&procedure).await
    }
}
