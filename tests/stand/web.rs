//! A web server that keeps what is posted to it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use chrono::{DateTime, Utc};
use serde_json::Value;

/// What was posted: when, where, what.
pub type Posted = (DateTime<Utc>, String, Value);

struct Kept {
    posted: Mutex<Vec<Posted>>,
    /// What it answers.
    status: AtomicU16,
}

/// A web server that keeps what is posted to `/NAME`.
pub struct Web {
    /// Where.
    pub address: SocketAddr,
    kept: Arc<Kept>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Web {
    /// Starts it where nobody else is.
    pub async fn start() -> Web {
        Web::start_at("127.0.0.1:0").await
    }

    /// Starts it there.
    pub async fn start_at(address: &str) -> Web {
        let kept = Arc::new(Kept { posted: Mutex::default(), status: AtomicU16::new(200) });
        let router = Router::new().route("/{name}", post(keep)).with_state(kept.clone());
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Web { address, kept, task }
    }

    /// The URL of a name.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// From now on it answers with this status.
    pub fn answer(&self, status: u16) {
        self.kept.status.store(status, Ordering::SeqCst);
    }

    /// What was posted to a name so far.
    pub fn posted(&self, name: &str) -> Vec<Posted> {
        self.kept.posted.lock().unwrap().iter().filter(|(_, to, _)| to == name).cloned().collect()
    }
}

async fn keep(State(kept): State<Arc<Kept>>, Path(name): Path<String>, body: String) -> StatusCode {
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    kept.posted.lock().unwrap().push((Utc::now(), name, body));
    StatusCode::from_u16(kept.status.load(Ordering::SeqCst)).unwrap()
}
