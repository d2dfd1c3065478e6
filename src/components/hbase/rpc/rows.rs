//! The messages for rows: where a region is, a scan of `hbase:meta`, and the conditional put that a fence must refuse.

use super::messages::ServerName;
use super::snapshot::RegionInfo;

/// Where a region is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RegionLocation {
    /// The region.
    #[prost(message, required, tag = "1")]
    pub region_info: RegionInfo,
    /// Its server.
    #[prost(message, optional, tag = "2")]
    pub server_name: Option<ServerName>,
}

/// Answer of `GetMetaRegionLocations`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MetaLocations {
    /// The replicas of `hbase:meta`, the first being the one to ask.
    #[prost(message, repeated, tag = "1")]
    pub meta_locations: Vec<RegionLocation>,
}

/// Names a region.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RegionSpecifier {
    /// 1: by its full name.
    #[prost(int32, required, tag = "1")]
    pub kind: i32,
    /// The name.
    #[prost(bytes = "vec", required, tag = "2")]
    pub value: Vec<u8>,
}

/// What to read.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Scan {
    /// First row.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub start_row: Option<Vec<u8>>,
    /// Row after the last.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub stop_row: Option<Vec<u8>>,
    /// Rows at once.
    #[prost(uint32, optional, tag = "17")]
    pub caching: Option<u32>,
}

/// Opens a scanner, reads and closes it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ScanRequest {
    /// Where.
    #[prost(message, optional, tag = "1")]
    pub region: Option<RegionSpecifier>,
    /// What.
    #[prost(message, optional, tag = "2")]
    pub scan: Option<Scan>,
    /// How many rows.
    #[prost(uint32, optional, tag = "4")]
    pub number_of_rows: Option<u32>,
    /// No more will be asked.
    #[prost(bool, optional, tag = "5")]
    pub close_scanner: Option<bool>,
}

/// One value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Cell {
    /// Its row.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub row: Option<Vec<u8>>,
    /// Its family.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub family: Option<Vec<u8>>,
    /// Its qualifier.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub qualifier: Option<Vec<u8>>,
    /// The value.
    #[prost(bytes = "vec", optional, tag = "6")]
    pub value: Option<Vec<u8>>,
}

/// One row.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RowResult {
    /// Its values.
    #[prost(message, repeated, tag = "1")]
    pub cells: Vec<Cell>,
}

/// Answer of `Scan`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ScanAnswer {
    /// The rows.
    #[prost(message, repeated, tag = "5")]
    pub results: Vec<RowResult>,
}

/// A value to write.
#[derive(Clone, PartialEq, prost::Message)]
pub struct QualifierValue {
    /// Its qualifier.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub qualifier: Option<Vec<u8>>,
    /// The value.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub value: Option<Vec<u8>>,
}

/// Values of one family.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ColumnValue {
    /// The family.
    #[prost(bytes = "vec", required, tag = "1")]
    pub family: Vec<u8>,
    /// The values.
    #[prost(message, repeated, tag = "2")]
    pub qualifier_value: Vec<QualifierValue>,
}

/// A change of one row.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Mutation {
    /// The row.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub row: Option<Vec<u8>>,
    /// 2: put.
    #[prost(int32, optional, tag = "2")]
    pub mutate_type: Option<i32>,
    /// What to put.
    #[prost(message, repeated, tag = "3")]
    pub column_value: Vec<ColumnValue>,
}

/// A value to compare with.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ByteArrayComparable {
    /// The value.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub value: Option<Vec<u8>>,
}

/// Compares all bytes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BinaryComparator {
    /// With what.
    #[prost(message, required, tag = "1")]
    pub comparable: ByteArrayComparable,
}

/// Names a comparator.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Comparator {
    /// Its class at the server.
    #[prost(string, required, tag = "1")]
    pub name: String,
    /// Its own message.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub serialized_comparator: Option<Vec<u8>>,
}

/// What must hold for a change to happen.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Condition {
    /// The row.
    #[prost(bytes = "vec", required, tag = "1")]
    pub row: Vec<u8>,
    /// The family.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub family: Option<Vec<u8>>,
    /// The qualifier.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub qualifier: Option<Vec<u8>>,
    /// 2: equal.
    #[prost(int32, optional, tag = "4")]
    pub compare_type: Option<i32>,
    /// To what.
    #[prost(message, optional, tag = "5")]
    pub comparator: Option<Comparator>,
}

/// A change of one row of one region.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MutateRequest {
    /// The region.
    #[prost(message, required, tag = "1")]
    pub region: RegionSpecifier,
    /// The change.
    #[prost(message, required, tag = "2")]
    pub mutation: Mutation,
    /// Only if.
    #[prost(message, optional, tag = "3")]
    pub condition: Option<Condition>,
}

/// Its answer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MutateAnswer {
    /// Whether the condition held.
    #[prost(bool, optional, tag = "2")]
    pub processed: Option<bool>,
}
