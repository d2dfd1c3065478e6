//! What is read out of HBase's own tables: a table's regions out of the catalogue, and which tables and namespaces have quotas or rights.
//! A scanner is opened for each page and closed with it.

use std::collections::BTreeSet;

use super::client::{Client, address_of};
use super::files::encoded_name;
use super::names::Table;
use super::rows::{META_REGION, information_in};
use super::rpc::messages::Empty;
use super::rpc::rows::{MetaLocations, RegionSpecifier, RowResult, Scan, ScanAnswer, ScanRequest};
use super::rpc::{Connection, RpcError};

/// Rows of a page.
const PAGE: u32 = 500;
/// Pages of one table's regions, at most: a quarter of a million regions.
const PAGES: usize = 500;

impl Client {
    /// The regions of a table that the catalogue knows, by their encoded names: whatever else is in the table's directory is no data.
    pub async fn regions(&self, table: &Table) -> Result<BTreeSet<String>, RpcError> {
        let mut known = BTreeSet::new();
        let mut from = format!("{},,", table.text()).into_bytes();
        let until = format!("{} ,,", table.text()).into_bytes();
        let Some(mut server) = self.catalogue().await? else { return Ok(known) };
        for _ in 0..PAGES {
            let page = page(&mut server, META_REGION, from.clone(), until.clone(), PAGE).await?;
            let Some(last) = page.last().and_then(row_of) else { return Ok(known) };
            known.extend(page.iter().filter_map(information_in).filter_map(|region| encoded_name(&region).ok()));
            from = [last, &[0]].concat();
        }
        Err(RpcError::Answer(format!("{} has more regions than are read", table.text())))
    }

    /// A connection to the server of the catalogue; `None` while there is none.
    async fn catalogue(&self) -> Result<Option<Connection>, RpcError> {
        let meta: MetaLocations = self.any("ClientMetaService", "GetMetaRegionLocations", &Empty {}).await?;
        let Some(server) = meta.meta_locations.first().and_then(|location| location.server_name.as_ref()) else { return Ok(None) };
        Connection::open(&address_of(server), "ClientService", self.user(), self.limits()).await.map(Some)
    }

    /// Which of these rows a table of one region has; none where there is no such table.
    pub async fn rows_there<'a>(&self, table: &Table, rows: &[&'a str]) -> Result<Vec<&'a str>, RpcError> {
        let Some(place) = self.place(table).await? else { return Ok(Vec::new()) };
        let mut server = Connection::open(&place.server, "ClientService", self.user(), self.limits()).await?;
        let mut there = Vec::new();
        for row in rows {
            let (from, until) = (row.as_bytes().to_vec(), [row.as_bytes(), &[0]].concat());
            if !page(&mut server, &place.region, from, until, 1).await?.is_empty() {
                there.push(*row);
            }
        }
        Ok(there)
    }
}

async fn page(server: &mut Connection, region: &[u8], from: Vec<u8>, until: Vec<u8>, rows: u32) -> Result<Vec<RowResult>, RpcError> {
    let request = ScanRequest {
        region: Some(RegionSpecifier { kind: 1, value: region.to_vec() }),
        scan: Some(Scan { start_row: Some(from), stop_row: Some(until), caching: Some(rows) }),
        number_of_rows: Some(rows),
        close_scanner: Some(true),
    };
    let answer: ScanAnswer = server.call("Scan", &request).await?;
    Ok(answer.results)
}

fn row_of(result: &RowResult) -> Option<&[u8]> {
    result.cells.first()?.row.as_deref()
}
