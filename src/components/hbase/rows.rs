//! The one thing asked of region servers: whether a table takes a write. A put under a condition that never holds writes nothing
//! where it is taken, and is refused where the table is fenced.

use std::time::Duration;

use prost::Message;

use super::client::{Client, address_of};
use super::names::Table;
use super::rpc::messages::Empty;
use super::rpc::rows::{
    BinaryComparator, ByteArrayComparable, ColumnValue, Comparator, Condition, MetaLocations, MutateAnswer, MutateRequest, Mutation,
    QualifierValue, RegionSpecifier, RowResult, Scan, ScanAnswer, ScanRequest,
};
use super::rpc::snapshot::RegionInfo;
use super::rpc::{Connection, RpcError};

/// Who tries to write.
pub const PROBE_USER: &str = "understudy-probe";
/// The catalogue's only region.
pub const META_REGION: &[u8] = b"hbase:meta,,1";
/// Before a message in the catalogue.
const MAGIC: &[u8] = b"PBUF";
/// Tries while a region is on its way between servers, and the pause between them.
const TRIES: (u32, Duration) = (30, Duration::from_millis(200));
/// Rows of the catalogue looked at to find a region that is served.
const LOOKED_AT: u32 = 50;
/// A column, and a value that nobody wrote there.
const MARK: &[u8] = b"understudy-fence-check";

/// What a table said to a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It would have taken it.
    Taken,
    /// It refused, in the server's words.
    Refused(String),
}

/// A region that is served.
pub struct Place {
    /// `host:port`.
    pub server: String,
    /// Its whole name.
    pub region: Vec<u8>,
    /// A row that belongs to it.
    row: Vec<u8>,
}

impl Client {
    /// Whether a table takes a write into `family`; it never gets one.
    pub async fn try_write(&self, table: &Table, family: &[u8]) -> Result<Answer, RpcError> {
        let mut last = RpcError::Answer("no region of the table is served".into());
        for attempt in 0..TRIES.0 {
            if attempt > 0 {
                tokio::time::sleep(TRIES.1).await;
            }
            match self.try_once(table, family).await {
                Ok(None) => {}
                Ok(Some(answer)) => return Ok(answer),
                Err(error) if is_on_its_way(&error) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    async fn try_once(&self, table: &Table, family: &[u8]) -> Result<Option<Answer>, RpcError> {
        let Some(place) = self.place(table).await? else { return Ok(None) };
        let mut server = Connection::open(&place.server, "ClientService", PROBE_USER, self.limits()).await?;
        match server.call::<MutateAnswer>("Mutate", &impossible_put(place, family)).await {
            Ok(_) => Ok(Some(Answer::Taken)),
            Err(error) if error.is("AccessDeniedException") || is_read_only(&error) => Ok(Some(Answer::Refused(error.to_string()))),
            Err(error) => Err(error),
        }
    }

    /// Where some region of a table is served, from the catalogue.
    pub async fn place(&self, table: &Table) -> Result<Option<Place>, RpcError> {
        let meta: MetaLocations = self.any("ClientMetaService", "GetMetaRegionLocations", &Empty {}).await?;
        let Some(server) = meta.meta_locations.first().and_then(|location| location.server_name.as_ref()) else { return Ok(None) };
        let mut server = Connection::open(&address_of(server), "ClientService", PROBE_USER, self.limits()).await?;
        let row = |end: &str| Some(format!("{}{end}", table.text()).into_bytes());
        let request = ScanRequest {
            region: Some(RegionSpecifier { kind: 1, value: META_REGION.to_vec() }),
            // The catalogue compares its rows part by part (table, first row, id); the next possible table is called as this one and a blank.
            scan: Some(Scan { start_row: row(",,"), stop_row: row(" ,,"), caching: Some(LOOKED_AT) }),
            number_of_rows: Some(LOOKED_AT),
            close_scanner: Some(true),
        };
        let answer: ScanAnswer = server.call("Scan", &request).await?;
        Ok(answer.results.iter().find_map(place_in))
    }
}

fn value_in<'a>(result: &'a RowResult, qualifier: &[u8]) -> Option<&'a [u8]> {
    let cell = result.cells.iter().find(|cell| cell.family.as_deref() == Some(b"info") && cell.qualifier.as_deref() == Some(qualifier));
    cell.and_then(|cell| cell.value.as_deref())
}

/// What a row of the catalogue says of its region.
pub fn information_in(result: &RowResult) -> Option<RegionInfo> {
    RegionInfo::decode(value_in(result, b"regioninfo")?.strip_prefix(MAGIC)?).ok()
}

/// A region that a row of the catalogue says is served.
fn place_in(result: &RowResult) -> Option<Place> {
    let info = information_in(result)?;
    if info.offline() || info.split() || info.replica_id() != 0 {
        return None;
    }
    let server = String::from_utf8(value_in(result, b"server")?.to_vec()).ok().filter(|server| !server.is_empty())?;
    let region = result.cells.first()?.row.clone()?;
    let row = info.start_key.filter(|key| !key.is_empty()).unwrap_or_else(|| vec![0]);
    Some(Place { server, region, row })
}

fn impossible_put(place: Place, family: &[u8]) -> MutateRequest {
    let unlikely = BinaryComparator { comparable: ByteArrayComparable { value: Some(uuid::Uuid::now_v7().as_bytes().to_vec()) } };
    let comparator = Comparator {
        name: "org.apache.hadoop.hbase.filter.BinaryComparator".into(),
        serialized_comparator: Some(unlikely.encode_to_vec()),
    };
    let value = QualifierValue { qualifier: Some(MARK.to_vec()), value: Some(MARK.to_vec()) };
    MutateRequest {
        region: RegionSpecifier { kind: 1, value: place.region },
        mutation: Mutation {
            row: Some(place.row.clone()),
            mutate_type: Some(2),
            column_value: vec![ColumnValue { family: family.to_vec(), qualifier_value: vec![value] }],
        },
        condition: Some(Condition {
            row: place.row,
            family: Some(family.to_vec()),
            qualifier: Some(MARK.to_vec()),
            compare_type: Some(2),
            comparator: Some(comparator),
        }),
    }
}

fn is_read_only(error: &RpcError) -> bool {
    matches!(error, RpcError::Remote { message, .. } if message.contains("read only") || message.contains("read-only"))
}

fn is_on_its_way(error: &RpcError) -> bool {
    [
        "NotServingRegionException",
        "RegionMovedException",
        "RegionOpeningException",
        "RegionServerStoppedException",
        "RegionInRecoveryException",
    ]
    .iter()
    .any(|name| error.is(name))
        || error.is_passing()
}
