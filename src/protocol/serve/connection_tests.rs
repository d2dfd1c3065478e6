//! How connections end: on tokio's paused clock, over a pipe in memory.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::super::hall::Hall;
use super::super::places::Limits;
use super::*;

const LIMITS: Limits = Limits { silent: 8, greeted: 8, guests: 8, known: 8, per_key: 8 };

/// The client's end of a connection that is served, and when its server is done.
struct Served {
    client: DuplexStream,
    done: tokio::task::JoinHandle<Duration>,
    known: Arc<AtomicBool>,
}

/// Serves a connection whose router answers `/` at once and `/slow` after an hour.
async fn served(terms: Terms) -> Served {
    let router = Router::new().route("/", get(async || "well")).route(
        "/slow",
        get(async || {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            "late"
        }),
    );
    let (client, io) = tokio::io::duplex(64 << 10);
    let (placed, place) = tokio::sync::oneshot::channel();
    let mut tasks = tokio::task::JoinSet::new();
    Hall::new(LIMITS).admit([127, 0, 0, 1].into(), &mut tasks, async |place| drop(placed.send(place)));
    let place = place.await.expect("a place");
    let known = Arc::new(AtomicBool::new(true));
    let is_known = known.clone();
    let done = tokio::spawn(async move {
        let caller = Caller { address: ([127, 0, 0, 1], 1).into(), key: None, name: "".into(), place };
        let (born, stop) = (Instant::now(), CancellationToken::new());
        let look = move || std::future::ready(Some(is_known.load(Ordering::SeqCst)));
        let served = serve(io, (router, caller), terms, look, &stop);
        match terms {
            Terms::Known => served.await,
            _ => drop(tokio::time::timeout(STRANGER_LIFE, served).await),
        }
        born.elapsed()
    });
    Served { client, done, known }
}

impl Served {
    async fn ask(&mut self, path: &str) {
        self.client.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.expect("sent");
    }

    /// All that comes, up to the end of the connection.
    async fn rest(&mut self) -> String {
        let mut text = Vec::new();
        self.client.read_to_end(&mut text).await.expect("read");
        String::from_utf8(text).expect("text")
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_stranger_is_gone_after_five_seconds() {
    for terms in [Terms::Plain, Terms::Guest] {
        let served = served(terms).await;
        assert_eq!(served.done.await.expect("served").as_secs(), STRANGER_LIFE.as_secs());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stranger_that_sends_its_head_drop_by_drop_gets_no_more_time() {
    for terms in [Terms::Plain, Terms::Guest] {
        let mut served = served(terms).await;
        let drops = async {
            for _ in 0..60 {
                if served.client.write_all(b"GET").await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        };
        drops.await;
        assert!(served.done.await.expect("served") <= STRANGER_LIFE + Duration::from_millis(10));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stranger_gets_one_answer_and_is_gone() {
    for terms in [Terms::Plain, Terms::Guest] {
        let mut served = served(terms).await;
        served.ask("/").await;
        served.ask("/").await;
        let told = served.rest().await;
        assert_eq!(told.matches("HTTP/1.1 200").count(), 1, "{told}");
        assert!(told.ends_with("well"), "{told}");
        assert!(served.done.await.expect("served") < STRANGER_LIFE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_known_key_keeps_its_connection_while_work_lasts_and_loses_it_when_idle() {
    let mut served = served(Terms::Known).await;
    served.ask("/slow").await;
    let mut answer = vec![0; 15];
    served.client.read_exact(&mut answer).await.expect("an answer after an hour");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    served.ask("/").await;
    assert!(served.rest().await.ends_with("well"));
    let lived = served.done.await.expect("served");
    assert!((3_600..3_600 + 2 * IDLE_LIMIT.as_secs()).contains(&lived.as_secs()), "{lived:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_known_key_is_idle_too() {
    let served = served(Terms::Known).await;
    let lived = served.done.await.expect("served");
    assert!(lived >= HEAD_LIMIT && lived <= IDLE_LIMIT + LOOK_EVERY + FAREWELL, "{lived:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_revoked_loses_its_connection_and_what_it_does_on_it() {
    let mut served = served(Terms::Known).await;
    served.ask("/slow").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    served.known.store(false, Ordering::SeqCst);
    assert_eq!(served.rest().await, "");
    assert!(served.done.await.expect("served") <= Duration::from_secs(30) + LOOK_EVERY);
}
