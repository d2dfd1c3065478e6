//! Streams of bytes into frames and back, one portion at a time.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use super::frame::{Decoder, Encoder, MAX_FRAME_BYTES, Seal, trouble_frame};
use super::limits::{Meter, silent};
use crate::components::ByteStream;
use crate::domain::{Trouble, TroubleKind};

/// Framed bytes on their way; a connection that breaks is an error, a sender that stops says why in a frame.
pub type Framed = stream::BoxStream<'static, Result<Bytes, Trouble>>;

struct Framing {
    content: ByteStream,
    encoder: Encoder,
    ready: VecDeque<Bytes>,
    left: u64,
    object: String,
    meter: Arc<Meter>,
}

/// Frames `content`, which must have `declared` bytes. Trouble on the way is told to the reader in a frame.
pub fn framed(content: ByteStream, declared: u64, object: String, meter: Arc<Meter>) -> Framed {
    let state = Framing { content, encoder: Encoder::default(), ready: VecDeque::new(), left: declared, object, meter };
    stream::unfold(Some(state), |state| async move {
        let mut state = state?;
        loop {
            if let Some(frame) = state.ready.pop_front() {
                state.meter.add(frame.len());
                return Some((Ok(frame), Some(state)));
            }
            match state.content.next().await {
                Some(Ok(bytes)) if bytes.len() as u64 <= state.left => {
                    state.left -= bytes.len() as u64;
                    state.ready.extend(state.encoder.data(bytes));
                }
                None if state.left == 0 => return Some((Ok(state.encoder.end().0), None)),
                Some(Err(trouble)) => return Some((Ok(trouble_frame(&trouble)), None)),
                Some(Ok(_)) | None => {
                    let trouble = Trouble::new(TroubleKind::Corrupt, &state.object, "the captured file has another length than its entry");
                    return Some((Ok(trouble_frame(&trouble)), None));
                }
            }
        }
    })
    .boxed()
}

struct Unframing<S> {
    incoming: S,
    decoder: Option<Decoder>,
    ready: VecDeque<Bytes>,
    object: String,
    idle: Duration,
    seal: Arc<OnceLock<Seal>>,
}

/// Takes frames apart. The stream ends well only after the last frame was there and right; `seal` is set by then.
pub fn unframed<S>(incoming: S, declared: u64, object: String, idle: Duration) -> (ByteStream, Arc<OnceLock<Seal>>)
where
    S: Stream<Item = Result<Bytes, Trouble>> + Send + Unpin + 'static,
{
    let seal = Arc::new(OnceLock::new());
    let state = Unframing { incoming, decoder: Some(Decoder::new(declared)), ready: VecDeque::new(), object, idle, seal: seal.clone() };
    let bytes = stream::unfold(Some(state), |state| async move {
        let mut state = state?;
        match state.step().await {
            Ok(Some(bytes)) => Some((Ok(bytes), Some(state))),
            Ok(None) => None,
            Err(trouble) => Some((Err(trouble), None)),
        }
    });
    (Box::pin(bytes), seal)
}

impl<S: Stream<Item = Result<Bytes, Trouble>> + Unpin> Unframing<S> {
    async fn step(&mut self) -> Result<Option<Bytes>, Trouble> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Ok(Some(bytes));
            }
            let portion = tokio::time::timeout(self.idle, self.incoming.next()).await.map_err(|_| silent(&self.object, self.idle))?;
            match (portion.transpose()?, &mut self.decoder) {
                (Some(portion), Some(decoder)) => {
                    for part in portion.chunks(MAX_FRAME_BYTES) {
                        self.ready.extend(decoder.feed(part).map_err(|e| e.trouble(&self.object))?);
                    }
                }
                (None, decoder) => {
                    if let Some(decoder) = decoder.take() {
                        let seal = decoder.end().map_err(|e| e.trouble(&self.object))?;
                        self.seal.get_or_init(|| seal);
                    }
                    return Ok(None);
                }
                (Some(_), None) => return Ok(None),
            }
        }
    }
}
