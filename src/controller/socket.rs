//! The engine's local socket: JSON lines, each of limited length, for a console or a command line of the same user.
//!
//! ```text
//! → {"ask": N, "command": {…}}        ← {"answer": N, "reply": {…}}
//!                                     ← {"snapshot": {…}}           (the newest, whenever there is one)
//! ```

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::{Trouble, TroubleKind};

use super::{Asked, Command, EngineHandle, Reply, Snapshot};

/// The longest line; a snapshot with many points is by far the longest.
const LINE_BYTES: usize = 64 << 20;
/// Commands of one client that may wait for their reply.
const WAITING: usize = 64;
/// Clients at once.
const CLIENTS: usize = 16;

#[derive(Serialize, Deserialize)]
struct Ask {
    ask: u64,
    command: Command,
}

/// What the engine tells: an answer to an ask, or news.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Box<Reply>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<Box<Snapshot>>,
}

/// The socket's path in a state directory.
fn path(state: &Path) -> PathBuf {
    state.join("engine.sock")
}

/// Makes the socket, 0600. The caller holds the state directory's lock, so that an old socket is nobody's.
pub(super) fn bind(state: &Path) -> Result<UnixListener, Trouble> {
    use std::os::unix::fs::PermissionsExt;
    let path = path(state);
    let trouble = |e: std::io::Error| {
        Trouble::new(TroubleKind::Failed, path.display(), format!("the local socket cannot be made: {e}"))
            .next("a shorter --state path may help: a socket's path has at most 107 bytes")
    };
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(trouble(e)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(trouble)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(trouble)?;
    Ok(listener)
}

/// Serves clients until cancelled. Holds the engine only weakly: clients do not keep it alive.
pub(super) async fn serve(
    listener: UnixListener,
    commands: mpsc::WeakSender<Asked>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    stop: CancellationToken,
) {
    let clients = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) if clients.len() < CLIENTS => {
                let serving = client(stream, commands.clone(), snapshots.clone());
                let stop = stop.clone();
                clients.spawn(async move {
                    let ended = tokio::select! { () = stop.cancelled() => Ok(()), ended = serving => ended };
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a client of the local socket left");
                    }
                });
            }
            Ok(_) => tracing::warn!("too many clients at the local socket"),
            Err(error) => {
                tracing::warn!(%error, "the local socket failed");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn client(
    stream: UnixStream,
    commands: mpsc::WeakSender<Asked>,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    let (answers, mut answered) = mpsc::channel::<(u64, Reply)>(WAITING);
    let mut line = Vec::new();
    snapshots.mark_changed();
    loop {
        let told = tokio::select! {
            more = read_line(&mut lines, &mut line) => {
                if !more? {
                    return Ok(());
                }
                let asked: Ask = serde_json::from_slice(&line)?;
                line.clear();
                hand_over(asked, &commands, &answers).await;
                continue;
            }
            Some((answer, reply)) = answered.recv() => Told { answer: Some(answer), reply: Some(Box::new(reply)), snapshot: None },
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let newest = snapshots.borrow_and_update().clone();
                Told { snapshot: Some(Box::new((*newest).clone())), ..Told::default() }
            }
        };
        write_line(&mut write, &told).await?;
    }
}

/// Gives a command to the engine; its reply comes back by `answers`.
async fn hand_over(asked: Ask, commands: &mpsc::WeakSender<Asked>, answers: &mpsc::Sender<(u64, Reply)>) {
    let (reply, answer) = oneshot::channel();
    let sent = match commands.upgrade() {
        Some(engine) => engine.send((asked.command, reply)).await.is_ok(),
        None => false,
    };
    let answers = answers.clone();
    tokio::spawn(async move {
        let reply = if sent { answer.await.ok() } else { None };
        let reply = reply.unwrap_or_else(|| Reply::Refused(Trouble::new(TroubleKind::Unreachable, "engine", "it is stopping")));
        // The client may be gone; then nobody waits for it.
        drop(answers.send((asked.ask, reply)).await);
    });
}

/// Reads one line into `line` (kept across cancellation); false at the end of the stream.
async fn read_line(from: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> std::io::Result<bool> {
    loop {
        let buffer = from.fill_buf().await?;
        if buffer.is_empty() {
            return Ok(false);
        }
        let (taken, ended) = match buffer.iter().position(|b| *b == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), false),
        };
        line.extend_from_slice(&buffer[..taken]);
        from.consume(taken);
        if line.len() > LINE_BYTES {
            return Err(std::io::Error::other("a line is too long"));
        }
        if ended {
            return Ok(true);
        }
    }
}

async fn write_line(to: &mut (impl AsyncWriteExt + Unpin), value: &impl Serialize) -> std::io::Result<()> {
    let mut bytes = serde_json::to_vec(value)?;
    bytes.push(b'\n');
    // A client that stopped reading must not hold memory for ever.
    tokio::time::timeout(Duration::from_secs(10), to.write_all(&bytes)).await.map_err(std::io::Error::other)?
}

/// Attaches to the engine that holds a state directory.
pub async fn attach(state: &Path) -> Result<EngineHandle, Trouble> {
    let path = path(state);
    let unreachable = |reason: String| {
        Trouble::new(TroubleKind::Unreachable, format!("engine of {}", state.display()), reason).next("is it still running? try again")
    };
    let stream = tokio::time::timeout(Duration::from_secs(5), UnixStream::connect(&path))
        .await
        .map_err(|_| unreachable("it does not answer at its socket".into()))?
        .map_err(|e| unreachable(format!("its socket cannot be reached: {e}")))?;
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    let mut line = Vec::new();
    let first = tokio::time::timeout(Duration::from_secs(5), read_line(&mut lines, &mut line)).await;
    if !matches!(first, Ok(Ok(true))) {
        return Err(unreachable("it sent nothing".into()));
    }
    let Ok(Told { snapshot: Some(snapshot), .. }) = serde_json::from_slice(&line) else {
        return Err(unreachable("it speaks another language: is it another version?".into()));
    };
    let (news, snapshots) = watch::channel(Arc::new(*snapshot));
    let (commands, mut asked) = mpsc::channel::<Asked>(WAITING);
    let waiting = Arc::new(Mutex::new(HashMap::<u64, oneshot::Sender<Reply>>::new()));
    let replies = waiting.clone();
    let reader = tokio::spawn(async move {
        loop {
            line.clear();
            if !matches!(read_line(&mut lines, &mut line).await, Ok(true)) {
                break;
            }
            let told: Told = match serde_json::from_slice(&line) {
                Ok(told) => told,
                Err(error) => {
                    tracing::warn!(%error, "the engine sent a line that is not understood");
                    continue;
                }
            };
            if let Some(snapshot) = told.snapshot {
                drop(news.send(Arc::new(*snapshot)));
            }
            if let (Some(answer), Some(reply)) = (told.answer, told.reply) {
                let reply_to = replies.lock().unwrap_or_else(PoisonError::into_inner).remove(&answer);
                // The asker may have given up.
                if let Some(to) = reply_to {
                    drop(to.send(*reply));
                }
            }
        }
        // Whoever still waits is told so by their dropped channel.
        replies.lock().unwrap_or_else(PoisonError::into_inner).clear();
    });
    tokio::spawn(async move {
        let mut ask = 0;
        while let Some((command, reply)) = asked.recv().await {
            ask += 1;
            waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(ask, reply);
            if write_line(&mut write, &Ask { ask, command }).await.is_err() {
                break;
            }
        }
        reader.abort();
        waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    });
    Ok(EngineHandle::new(commands, snapshots).attached())
}
