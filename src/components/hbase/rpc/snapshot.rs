//! Tables and snapshots, as calls send them and as files below `.hbase-snapshot` hold them. These are kept whole: what is read is
//! written again.

/// A table's name.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TableName {
    /// Its namespace.
    #[prost(bytes = "vec", required, tag = "1")]
    pub namespace: Vec<u8>,
    /// Its name in it.
    #[prost(bytes = "vec", required, tag = "2")]
    pub qualifier: Vec<u8>,
}

/// An attribute.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BytesPair {
    /// Its name.
    #[prost(bytes = "vec", required, tag = "1")]
    pub first: Vec<u8>,
    /// Its value.
    #[prost(bytes = "vec", required, tag = "2")]
    pub second: Vec<u8>,
}

/// A setting.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StringPair {
    /// Its name.
    #[prost(string, required, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(string, required, tag = "2")]
    pub value: String,
}

/// A column family's descriptor.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FamilySchema {
    /// Its name.
    #[prost(bytes = "vec", required, tag = "1")]
    pub name: Vec<u8>,
    /// Its attributes.
    #[prost(message, repeated, tag = "2")]
    pub attributes: Vec<BytesPair>,
    /// Its settings.
    #[prost(message, repeated, tag = "3")]
    pub configuration: Vec<StringPair>,
}

/// A table's descriptor.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TableSchema {
    /// Its name.
    #[prost(message, optional, tag = "1")]
    pub table_name: Option<TableName>,
    /// Its attributes, `READONLY` among them.
    #[prost(message, repeated, tag = "2")]
    pub attributes: Vec<BytesPair>,
    /// Its families.
    #[prost(message, repeated, tag = "3")]
    pub column_families: Vec<FamilySchema>,
    /// Its settings.
    #[prost(message, repeated, tag = "4")]
    pub configuration: Vec<StringPair>,
}

/// A region.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RegionInfo {
    /// When it was made, in milliseconds.
    #[prost(uint64, required, tag = "1")]
    pub region_id: u64,
    /// Its table.
    #[prost(message, required, tag = "2")]
    pub table_name: TableName,
    /// First row.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub start_key: Option<Vec<u8>>,
    /// Row after the last.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub end_key: Option<Vec<u8>>,
    /// Nobody serves it.
    #[prost(bool, optional, tag = "5")]
    pub offline: Option<bool>,
    /// It was split.
    #[prost(bool, optional, tag = "6")]
    pub split: Option<bool>,
    /// 0 unless it is a read replica.
    #[prost(int32, optional, tag = "7")]
    pub replica_id: Option<i32>,
}

/// Half of a parent's file, after a split.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Reference {
    /// Where it was cut.
    #[prost(bytes = "vec", required, tag = "1")]
    pub splitkey: Vec<u8>,
    /// 0: from there on, 1: until there.
    #[prost(int32, required, tag = "2")]
    pub range: i32,
}

/// One file of a family in a snapshot.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StoreFile {
    /// Its name: of an HFile, of a link, or of a reference.
    #[prost(string, required, tag = "1")]
    pub name: String,
    /// Of a reference.
    #[prost(message, optional, tag = "2")]
    pub reference: Option<Reference>,
    /// Bytes of the HFile that it leads to.
    #[prost(uint64, optional, tag = "3")]
    pub file_size: Option<u64>,
}

/// A family's files in one region.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FamilyFiles {
    /// The family.
    #[prost(bytes = "vec", required, tag = "1")]
    pub family_name: Vec<u8>,
    /// Its files.
    #[prost(message, repeated, tag = "2")]
    pub store_files: Vec<StoreFile>,
}

/// A region in a snapshot.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RegionManifest {
    /// The layout, 2.
    #[prost(int32, optional, tag = "1")]
    pub version: Option<i32>,
    /// The region.
    #[prost(message, required, tag = "2")]
    pub region_info: RegionInfo,
    /// Its files.
    #[prost(message, repeated, tag = "3")]
    pub family_files: Vec<FamilyFiles>,
}

/// What `data.manifest` holds.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DataManifest {
    /// The table's descriptor.
    #[prost(message, required, tag = "1")]
    pub table_schema: TableSchema,
    /// Its regions.
    #[prost(message, repeated, tag = "2")]
    pub region_manifests: Vec<RegionManifest>,
}

/// What `.snapshotinfo` holds, and how calls name a snapshot.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotDescription {
    /// Its name.
    #[prost(string, required, tag = "1")]
    pub name: String,
    /// Its table.
    #[prost(string, optional, tag = "2")]
    pub table: Option<String>,
    /// Milliseconds since 1970; 0 in a request: the master's clock.
    #[prost(int64, optional, tag = "3")]
    pub creation_time: Option<i64>,
    /// 0 of a disabled table, 1 flushed, 2 without a flush.
    #[prost(int32, optional, tag = "4")]
    pub kind: Option<i32>,
    /// The layout, 2.
    #[prost(int32, optional, tag = "5")]
    pub version: Option<i32>,
    /// Whose it is.
    #[prost(string, optional, tag = "6")]
    pub owner: Option<String>,
    /// Seconds it lives: 0 and −1 mean the server's default, −2 for ever.
    #[prost(int64, optional, tag = "8")]
    pub ttl: Option<i64>,
}
