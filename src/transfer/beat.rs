//! Answers that may take long: the head comes at once, then an empty line every few seconds while the work goes on, then the answer.
//!
//! An empty line is nothing to a reader of lines or of JSON, and something to whoever watches that bytes move. The status has been
//! sent by then, so that a trouble travels in the answer itself.

use std::future::Future;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::stream::Framed;
use crate::domain::Trouble;

/// A short answer, or why there is none.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Told<T> {
    /// The answer.
    Answer(T),
    /// Why there is none.
    Trouble(Trouble),
}

impl<T> Told<T> {
    /// As a result.
    pub fn result(self) -> Result<T, Trouble> {
        match self {
            Told::Answer(answer) => Ok(answer),
            Told::Trouble(trouble) => Err(trouble),
        }
    }
}

impl<T> From<Result<T, Trouble>> for Told<T> {
    fn from(result: Result<T, Trouble>) -> Told<T> {
        result.map_or_else(Told::Trouble, Told::Answer)
    }
}

/// A line of JSON.
pub fn line(value: &impl Serialize) -> Result<Bytes, Trouble> {
    let mut text = serde_json::to_vec(value).map_err(|e| Trouble::new(crate::domain::TroubleKind::Failed, "answer", e))?;
    text.push(b'\n');
    Ok(text.into())
}

/// A response that beats `every` so often until `work` has the lines to send. It ends with its connection: then nobody waits for it.
pub fn beating(media_type: &'static str, every: Duration, work: impl Future<Output = Framed> + Send + 'static) -> Response {
    let body = Body::from_stream(beats(every, work.boxed()));
    ([(header::CONTENT_TYPE, media_type)], body).into_response()
}

/// The same for a short answer.
pub fn answering<T: Serialize>(every: Duration, work: impl Future<Output = Result<T, Trouble>> + Send + 'static) -> Response {
    beating("application/json", every, work.map(|result| stream::iter([line(&Told::from(result))]).boxed()))
}

enum Beats {
    Working(BoxFuture<'static, Framed>),
    Telling(Framed),
}

fn beats(every: Duration, work: BoxFuture<'static, Framed>) -> Framed {
    stream::unfold(Beats::Working(work), move |mut state| async move {
        loop {
            match &mut state {
                Beats::Working(work) => match tokio::time::timeout(every, work).await {
                    Ok(lines) => state = Beats::Telling(lines),
                    Err(_) => return Some((Ok(Bytes::from_static(b"\n")), state)),
                },
                Beats::Telling(lines) => return lines.next().await.map(|portion| (portion, state)),
            }
        }
    })
    .boxed()
}

/// Does `work`, and tells every so often for how many seconds it has been at it.
pub async fn telling<T>(every: Duration, told: impl Fn(u64), work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    tokio::pin!(work);
    loop {
        match tokio::time::timeout(every, &mut work).await {
            Ok(done) => return done,
            Err(_) => told(began.elapsed().as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TroubleKind;

    async fn body_of(work: impl Future<Output = Result<u32, Trouble>> + Send + 'static) -> Bytes {
        let response = answering(Duration::from_millis(5), work);
        axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body")
    }

    #[tokio::test]
    async fn a_late_answer_beats_and_is_the_same_answer() {
        let body = body_of(async {
            tokio::time::sleep(Duration::from_millis(40)).await;
            Ok(7)
        })
        .await;
        assert!(body.starts_with(b"\n"), "{body:?}");
        assert_eq!(serde_json::from_slice::<Told<u32>>(&body).expect("JSON").result(), Ok(7));
    }

    #[tokio::test]
    async fn a_trouble_after_the_head_is_told_as_it_is() {
        let trouble = Trouble::new(TroubleKind::Exhausted, "files:x", "the disk is full").next("free space");
        let told = trouble.clone();
        let body = body_of(async { Err(told) }).await;
        assert_eq!(serde_json::from_slice::<Told<u32>>(&body).expect("JSON").result(), Err(trouble));
    }
}
