//! The peer's transfer endpoints, as a client. Every call ends in time: the copying above watches that bytes move, those of pieces
//! and the signs of life in a long answer alike.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Body, RequestBuilder, Response};
use serde::{Deserialize, Serialize};

use super::beat::Told;
use super::changes::{self, ChangesDecoder};
use super::limits::{Limits, Meter};
use super::stream::Framed;
use crate::components::Slot;
use crate::domain::{ChangeSet, ClusterName, DataSetName, PointId, RunId, Trouble, TroubleKind};
use crate::protocol::http::{call_failed, told_trouble};
use crate::protocol::{HeldPoint, SetCounts};

/// The longest answer to a short question: a list of wanted pieces.
const MAX_REPLY_BYTES: usize = 512 << 20;
/// The longest record of a point, with its policy.
const MAX_POINT_BYTES: usize = 8 << 20;
/// The longest error.
const MAX_TROUBLE_BYTES: usize = 64 << 10;

/// Which pieces are wanted, as `[file, piece]`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedReply {
    /// In plan order.
    pub wanted: Vec<(u32, u32)>,
}

/// The other agent.
#[derive(Clone)]
pub struct Remote {
    /// Its cluster, for people.
    pub cluster: ClusterName,
    /// `https://host:port`.
    pub base: String,
    /// A client that shows our certificate and knows its key.
    pub http: reqwest::Client,
}

impl Remote {
    /// The change set of a data set captured there.
    pub async fn changes(&self, point: PointId, set: &DataSetName, base: Option<PointId>, meter: &Meter) -> Result<ChangeSet, Trouble> {
        let request = self.http.get(self.url("captures", point, set, "changes"));
        let request = if let Some(base) = base { request.query(&[("base", base.to_string())]) } else { request };
        let mut response = self.send(request).await?;
        let mut decoder = ChangesDecoder::new(&set.to_string());
        while let Some(portion) = response.chunk().await.map_err(|e| self.broken(&e))? {
            meter.add(portion.len());
            decoder.feed(&portion)?;
        }
        decoder.end()
    }

    /// The framed bytes of a piece captured there.
    pub async fn piece(&self, point: PointId, set: &DataSetName, slot: Slot) -> Result<Framed, Trouble> {
        let request = self.http.get(self.url("captures", point, set, "piece")).query(&[("file", slot.file), ("piece", slot.piece)]);
        let response = self.send(request).await?;
        let remote = self.clone();
        Ok(response.bytes_stream().map(move |portion| portion.map_err(|e| remote.broken(&e))).boxed())
    }

    /// Gives it the plan of a data set; it tells what it wants.
    pub async fn put_changes(
        &self,
        run: RunId,
        point: PointId,
        set: &DataSetName,
        base: Option<PointId>,
        changes: Arc<ChangeSet>,
        meter: Arc<Meter>,
    ) -> Result<Vec<Slot>, Trouble> {
        let mut request = self.http.put(self.url("staging", point, set, "changes")).query(&[("run", run.to_string())]);
        if let Some(base) = base {
            request = request.query(&[("base", base.to_string())]);
        }
        let request = request.header(reqwest::header::CONTENT_TYPE, changes::MEDIA_TYPE).body(changes_body(changes, meter.clone()));
        self.answer(request, &meter).await.map(slots)
    }

    /// What it still wants of a data set whose plan it has.
    pub async fn wanted(&self, point: PointId, set: &DataSetName, meter: &Meter) -> Result<Vec<Slot>, Trouble> {
        self.answer(self.http.get(self.url("staging", point, set, "wanted")), meter).await.map(slots)
    }

    /// Gives it one piece.
    pub async fn put_piece(&self, point: PointId, set: &DataSetName, slot: Slot, framed: Framed) -> Result<(), Trouble> {
        let request = self.http.put(self.url("staging", point, set, "piece")).query(&[("file", slot.file), ("piece", slot.piece)]);
        self.send(request.body(Body::wrap_stream(framed))).await.map(drop)
    }

    /// Asks whether everything is there.
    pub async fn done(&self, point: PointId, set: &DataSetName, meter: &Meter) -> Result<SetCounts, Trouble> {
        self.answer(self.http.post(self.url("staging", point, set, "done")), meter).await
    }

    /// A point that is sealed there.
    pub async fn point(&self, point: PointId) -> Result<HeldPoint, Trouble> {
        let body = self.whole(self.http.get(format!("{}/v1/points/{point}", self.base)), MAX_POINT_BYTES).await?;
        serde_json::from_slice(&body).map_err(|e| self.unreadable(&e))
    }

    /// A data set's manifest in it, as the other agent keeps it.
    pub async fn manifest(&self, point: PointId, set: &DataSetName) -> Result<Vec<u8>, Trouble> {
        self.whole(self.http.get(self.url("points", point, set, "manifest")), MAX_REPLY_BYTES).await.map(|body| body.to_vec())
    }

    /// The whole body of an answer that is there when it is asked for.
    async fn whole(&self, request: RequestBuilder, limit: usize) -> Result<Bytes, Trouble> {
        let meter = Meter::default();
        let asked = async { self.body(self.send(request).await?, limit, &meter).await };
        meter.ask(&Limits::default(), &self.name(), asked).await
    }

    fn url(&self, room: &str, point: PointId, set: &DataSetName, what: &str) -> String {
        format!("{}/v1/{room}/{point}/{}/{what}", self.base, utf8_percent_encode(&set.to_string(), NON_ALPHANUMERIC))
    }

    async fn answer<T: serde::de::DeserializeOwned>(&self, request: RequestBuilder, meter: &Meter) -> Result<T, Trouble> {
        let response = self.send(request).await?;
        let body = self.body(response, MAX_REPLY_BYTES, meter).await?;
        serde_json::from_slice::<Told<T>>(&body).map_err(|e| self.unreadable(&e))?.result().map_err(|trouble| trouble.at(&self.cluster))
    }

    fn unreadable(&self, error: &serde_json::Error) -> Trouble {
        Trouble::new(TroubleKind::Failed, self.name(), format!("its answer cannot be read: {error}"))
    }

    /// Sends; an answer that is no success is the trouble it tells.
    async fn send(&self, request: RequestBuilder) -> Result<Response, Trouble> {
        let response = request.send().await.map_err(|e| self.broken(&e))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.body(response, MAX_TROUBLE_BYTES, &Meter::default()).await?;
        Err(told_trouble(self.name(), status.as_u16(), &body).at(&self.cluster))
    }

    async fn body(&self, mut response: Response, limit: usize, meter: &Meter) -> Result<Bytes, Trouble> {
        let mut body = BytesMut::new();
        while let Some(portion) = response.chunk().await.map_err(|e| self.broken(&e))? {
            meter.add(portion.len());
            if body.len() + portion.len() > limit {
                return Err(Trouble::new(TroubleKind::Failed, self.name(), "its answer is too long"));
            }
            body.extend_from_slice(&portion);
        }
        Ok(body.freeze())
    }

    /// For people.
    pub fn name(&self) -> String {
        format!("agent {}", self.cluster)
    }

    /// A connection that could not be made, or broke.
    fn broken(&self, error: &reqwest::Error) -> Trouble {
        call_failed(self.name(), error).next("look at that agent and at the network between the sites")
    }
}

fn slots(reply: WantedReply) -> Vec<Slot> {
    reply.wanted.into_iter().map(|(file, piece)| Slot { file, piece }).collect()
}

/// The plan as a body. It is made portion by portion on a blocking thread that the connection slows down.
pub(super) fn changes_body(changes: Arc<ChangeSet>, meter: Arc<Meter>) -> Body {
    Body::wrap_stream(changes_stream(changes, meter))
}

/// The text of a change set as a stream; an error ends it, and the last line will be missing.
pub(super) fn changes_stream(changes: Arc<ChangeSet>, meter: Arc<Meter>) -> Framed {
    let (portions, incoming) = tokio::sync::mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        for portion in changes::encode(&changes) {
            if portions.blocking_send(portion.map(Bytes::from)).is_err() {
                return;
            }
        }
    });
    let portions = stream::unfold(incoming, |mut incoming| async move { Some((incoming.recv().await?, incoming)) });
    portions.inspect(move |portion| meter.add(portion.as_ref().map_or(0, Bytes::len))).boxed()
}
