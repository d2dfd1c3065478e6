//! What a peer sends by hand: plans and pieces, as the wire has them.

use bytes::Bytes;
use understudy::components::Slot;
use understudy::domain::{Change, ChangeSet, DataSetName, Digest, Entry, Metadata, Node, PointId, RelPath, RunId, Trouble, TroubleKind};
use understudy::protocol::AgentClient;
use understudy::protocol::http::told_trouble;
use understudy::transfer::changes;
use understudy::transfer::frame::Encoder;

use crate::victim::honest_owner;

/// One entry of a plan, and its bytes.
#[derive(Clone)]
pub struct Part {
    pub entry: Entry,
    pub bytes: Bytes,
}

/// A data set as the peer says it was captured.
#[derive(Clone)]
pub struct Lie {
    pub set: DataSetName,
    pub content: Vec<Part>,
}

impl Lie {
    pub fn of(set: &str, content: Vec<Part>) -> Lie {
        Lie { set: set.parse().unwrap(), content }
    }

    fn plan(&self) -> ChangeSet {
        ChangeSet { changes: self.content.iter().map(|part| Change::Put(part.entry.clone())).collect() }
    }
}

pub fn directory(path: &str) -> Part {
    Part { entry: entry(path, Node::Directory, 0o755), bytes: Bytes::new() }
}

pub fn file(path: &str, content: &str) -> Part {
    let bytes = Bytes::copy_from_slice(content.as_bytes());
    let node = Node::File { bytes: bytes.len() as u64, digest: Some(Digest::of_bytes(&bytes)) };
    Part { entry: entry(path, node, 0o644), bytes }
}

fn entry(path: &str, node: Node, mode: u32) -> Entry {
    let meta = Metadata { mode, owner: honest_owner(), group: honest_owner(), modified_ns: 1, ..Metadata::default() };
    Entry { path: RelPath::new(path).unwrap(), node, meta }
}

/// Sends the plan and all bytes that are wanted.
pub async fn send(client: &AgentClient, run: RunId, point: PointId, lie: &Lie) -> Result<(), Trouble> {
    let place = format!("{}/v1/staging/{point}/{}", client.base(), lie.set.to_string().replace(':', "%3A"));
    let plan = changes::to_text(&lie.plan()).unwrap();
    let request = client.http().put(format!("{place}/changes")).query(&[("run", run.to_string())]);
    let wanted = answer(request.header("content-type", changes::MEDIA_TYPE).body(plan)).await?;
    for slot in wanted["wanted"].as_array().unwrap() {
        let slot =
            Slot { file: u32::try_from(slot[0].as_u64().unwrap()).unwrap(), piece: u32::try_from(slot[1].as_u64().unwrap()).unwrap() };
        let mut encoder = Encoder::default();
        let mut body: Vec<u8> = encoder.data(lie.content[slot.file as usize].bytes.clone()).concat();
        body.extend_from_slice(&encoder.end().0);
        let request = client.http().put(format!("{place}/piece")).query(&[("file", slot.file), ("piece", slot.piece)]);
        answer(request.body(body)).await?;
    }
    answer(client.http().post(format!("{place}/done"))).await.map(drop)
}

/// The answer, or the trouble that it tells.
pub async fn answer(request: reqwest::RequestBuilder) -> Result<serde_json::Value, Trouble> {
    let response = request.send().await.map_err(|e| Trouble::new(TroubleKind::Unreachable, "victim", e))?;
    let status = response.status();
    let body = response.bytes().await.map_err(|e| Trouble::new(TroubleKind::Unreachable, "victim", e))?;
    if !status.is_success() {
        return Err(told_trouble("victim", status.as_u16(), &body));
    }
    if body.is_empty() {
        return Ok(serde_json::Value::Null);
    }
    let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
    match told.get("trouble") {
        Some(trouble) => Err(serde_json::from_value(trouble.clone()).unwrap()),
        None => Ok(told.get("answer").cloned().unwrap_or(told)),
    }
}
