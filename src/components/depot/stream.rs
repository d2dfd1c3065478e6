//! Between streams and blocking files.

use std::fs::File;
use std::future::Future;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::components::ByteStream;
use crate::domain::{Trouble, TroubleKind};

/// How much is read at once.
const PORTION_BYTES: u64 = 512 << 10;
/// How long a stream may give nothing before it counts as broken.
const IDLE: Duration = Duration::from_secs(120);

/// Runs blocking work on a blocking thread.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Trouble> + Send + 'static) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Trouble::new(TroubleKind::Failed, "component", format!("its work broke off: {e}")))?
}

/// Gives up on work that hangs.
pub async fn limited<T>(limit: Duration, object: &str, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let secs = limit.as_secs();
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(Trouble::new(TroubleKind::Unreachable, object, format!("no answer within {secs} s")).next("look whether its storage hangs"))
    })
}

/// A part of a file as a stream; a file that is too short is told.
pub fn read_file(file: File, offset: u64, bytes: u64, object: String) -> ByteStream {
    Box::pin(stream::try_unfold((file, offset, bytes), move |(file, offset, left)| {
        let object = object.clone();
        async move {
            if left == 0 {
                return Ok(None);
            }
            let wanted = left.min(PORTION_BYTES);
            blocking(move || {
                let mut portion = vec![0; usize::try_from(wanted).unwrap_or(usize::MAX)];
                file.read_exact_at(&mut portion, offset)
                    .map_err(|e| Trouble::new(TroubleKind::Corrupt, &object, format!("cannot read {wanted} bytes at {offset}: {e}")))?;
                Ok(Some((Bytes::from(portion), (file, offset + wanted, left - wanted))))
            })
            .await
        }
    }))
}

/// A stream in portions of about a MiB, so that a small file costs one hop to a blocking thread.
pub struct Portions {
    from: ByteStream,
    object: String,
    over: bool,
}

impl Portions {
    /// The portions of `from`.
    pub fn new(from: ByteStream, object: String) -> Portions {
        Portions { from, object, over: false }
    }

    /// The next one; an empty stream has none.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Trouble> {
        let mut portion = Vec::new();
        while !self.over && portion.len() < 1 << 20 {
            match limited(IDLE, &self.object, async { Ok(self.from.next().await) }).await? {
                Some(bytes) => portion.extend_from_slice(&bytes?),
                None => self.over = true,
            }
        }
        Ok(if portion.is_empty() { None } else { Some(portion) })
    }
}
