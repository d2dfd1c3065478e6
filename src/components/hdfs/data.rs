//! Bytes: pieces read from snapshots and staging over WebHDFS, pieces written into staging over HDFS's own protocol.
//!
//! Writing goes by hdfs-native because a DataNode's WebHDFS closes files on its few network threads, 400 ms each: 25 small
//! files a second whatever the concurrency, against more than 200. A piece is its own file, made durable on every DataNode
//! of its pipeline (hsync) and closed before its digest is told, so that a digest told is a piece that survives a power cut.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use hdfs_native::WriteOptions;
use hdfs_native::file::FileWriter;

use super::error::HdfsError;
use super::listing::full;
use super::status::status_if_there;
use super::webhdfs::{Operation, broken};
use super::{HOME, Hdfs};
use crate::components::{ByteStream, Slot};
use crate::domain::{Digest, Entry, PointId, Trouble, TroubleKind, piece_range};

/// Where a data set's pieces for one point lie.
pub fn staging(set: &str, point: PointId) -> String {
    let set = Digest::of_bytes(set.as_bytes()).to_string();
    format!("{HOME}/staging/{point}/{}", &set[..16])
}

/// Where one piece lies.
pub fn staged(set: &str, point: PointId, slot: Slot) -> String {
    format!("{}/{}.{}", staging(set, point), slot.file, slot.piece)
}

impl Hdfs {
    /// `bytes` from `offset` of a file; ends with a trouble unless exactly so many came.
    pub(in crate::components) async fn read_range(
        &self,
        object: String,
        path: &str,
        offset: u64,
        bytes: u64,
    ) -> Result<ByteStream, Trouble> {
        if bytes == 0 {
            return Ok(Box::pin(stream::empty()));
        }
        let open = Operation::get("OPEN", path).with("offset", offset.to_string()).with("length", bytes.to_string());
        let answer = self.web.open(&open).await.map_err(|error| error.about(&object))?;
        let idle = self.web.limits().idle;
        let state = (Box::pin(answer.bytes_stream()), bytes, object, false);
        Ok(Box::pin(stream::unfold(state, move |(mut body, left, object, over)| async move {
            if over {
                return None;
            }
            let next = match tokio::time::timeout(idle, body.next()).await {
                Err(_) => Err(HdfsError::Silent(idle)),
                Ok(None) if left == 0 => return None,
                Ok(None) => Err(HdfsError::Refused(format!("the DataNode stopped {left} bytes early"))),
                Ok(Some(Err(error))) => Err(broken(error)),
                Ok(Some(Ok(chunk))) if chunk.len() as u64 > left => Err(HdfsError::Answer("more bytes came than were asked for".into())),
                Ok(Some(Ok(chunk))) => Ok(chunk),
            };
            let left = left.saturating_sub(next.as_ref().map_or(0, |chunk| chunk.len() as u64));
            let over = next.is_err();
            let item = next.map_err(|error| error.about(&object));
            Some((item, (body, left, object, over)))
        })))
    }

    pub(super) async fn read_piece(&self, set: &str, root: &str, entry: &Entry, piece: u32) -> Result<ByteStream, Trouble> {
        let (offset, bytes) = piece_range(entry.bytes(), piece);
        self.read_range(format!("{}/{}", self.object(set), entry.path), &full(root, &entry.path), offset, bytes).await
    }

    pub(in crate::components) async fn read_staged_piece(
        &self,
        set: &str,
        point: PointId,
        slot: Slot,
        entry: &Entry,
    ) -> Result<ByteStream, Trouble> {
        let (_, bytes) = piece_range(entry.bytes(), slot.piece);
        let path = staged(self.key(set), point, slot);
        let object = format!("{}/{}, staged", self.object(set), entry.path);
        let there = status_if_there(&self.web, &path).await.map_err(|error| error.about(&object))?;
        let length = there.map(|status| status.length);
        if length != Some(bytes) {
            let reason = format!("its staged piece {} has {} bytes instead of {bytes}", slot.piece, length.unwrap_or(0));
            return Err(Trouble::new(TroubleKind::Corrupt, object, reason));
        }
        self.read_range(object, &path, 0, bytes).await
    }

    pub(in crate::components) async fn write_piece(&self, path: &str, entry: &Entry, bytes: ByteStream) -> Result<Digest, Trouble> {
        let mut options = WriteOptions::default();
        if let Some(replication) = entry.meta.replication.filter(|count| *count > 0) {
            options = options.replication(u32::from(replication));
        }
        if let Some(block) = entry.meta.block_bytes.filter(|bytes| *bytes > 0) {
            options = options.block_size(block);
        }
        self.write_file(path, options, bytes).await
    }

    /// Writes a small file of ours, replacing what is there.
    pub(in crate::components) async fn write_bytes(&self, path: &str, content: Vec<u8>) -> Result<(), Trouble> {
        let bytes: ByteStream = Box::pin(stream::iter([Ok(Bytes::from(content))]));
        self.write_file(path, WriteOptions::default(), bytes).await.map(drop)
    }

    /// Writes a whole file of ours, replacing what is there; its digest once it is durable and closed.
    pub(super) async fn write_file(&self, path: &str, options: WriteOptions, mut bytes: ByteStream) -> Result<Digest, Trouble> {
        let about = |error: HdfsError| error.about(self.object(path));
        let limits = self.web.limits();
        let options = options.overwrite(true).permission(0o600);
        let mut writer = timed(limits.call, self.rpc.create(path, options)).await.map_err(about)?;
        let mut hasher = blake3::Hasher::new();
        // The other agent sends the bytes: the transfer that drives this stream bounds how long it may be silent.
        while let Some(chunk) = bytes.next().await {
            let chunk: Bytes = chunk?;
            hasher.update(&chunk);
            timed(limits.idle, writer.write_bytes(chunk)).await.map_err(about)?;
        }
        self.finish(&mut writer).await.map_err(about)?;
        Ok(Digest(*hasher.finalize().as_bytes()))
    }

    /// Durable on the DataNodes' disks, then closed.
    async fn finish(&self, writer: &mut FileWriter) -> Result<(), HdfsError> {
        let limits = self.web.limits();
        timed(limits.idle, writer.hsync()).await?;
        timed(limits.heavy, writer.close()).await
    }
}

/// Runs a call of hdfs-native under a time limit and sorts its error like WebHDFS's.
pub(super) async fn timed<T>(limit: Duration, call: impl Future<Output = Result<T, hdfs_native::HdfsError>>) -> Result<T, HdfsError> {
    match tokio::time::timeout(limit, call).await {
        Err(_) => Err(HdfsError::Silent(limit)),
        Ok(result) => result.map_err(rpc_error),
    }
}

fn rpc_error(error: hdfs_native::HdfsError) -> HdfsError {
    use hdfs_native::HdfsError as Native;
    match error {
        Native::IOError(e) => HdfsError::Refused(e.to_string()),
        Native::RPCError(class, message) | Native::FatalRPCError(class, message) => HdfsError::Remote {
            status: 0,
            exception: class.rsplit('.').next().unwrap_or(&class).to_owned(),
            message: message.lines().next().unwrap_or_default().to_owned(),
        },
        Native::SASLError(_) | Native::GSSAPIError(..) | Native::NoSASLMechanism => HdfsError::Kerberos,
        Native::FileNotFound(path) => {
            HdfsError::Remote { status: 0, exception: "FileNotFoundException".into(), message: format!("File does not exist: {path}") }
        }
        other => HdfsError::Refused(other.to_string()),
    }
}
