//! The line to an engine and to a lab: started in the background, polled by frames, waking the window when there is news.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};

use egui::Context;
use poll_promise::Promise;
use tokio::sync::{oneshot, watch};

use crate::controller::{Command, EngineHandle, Reply, Snapshot};
use crate::domain::Trouble;

use super::StartEngine;
use super::places::Place;

struct Repaint(Context);

impl Wake for Repaint {
    fn wake(self: Arc<Self>) {
        self.0.request_repaint();
    }
}

/// A waker for futures that a frame polls: it asks for the next frame.
pub fn repainter(ctx: &Context) -> Waker {
    Waker::from(Arc::new(Repaint(ctx.clone())))
}

type Next<T> = Pin<Box<dyn Future<Output = Option<watch::Receiver<Arc<T>>>> + Send>>;

/// The newest of something that is watched.
pub struct Watched<T> {
    newest: Arc<T>,
    next: Option<Next<T>>,
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Starts with what is there now.
    pub fn new(mut from: watch::Receiver<Arc<T>>) -> Watched<T> {
        let newest = from.borrow_and_update().clone();
        Watched { newest, next: Some(changed(from)) }
    }

    /// Takes over what has come since; costs nothing when nothing has.
    pub fn poll(&mut self, waker: &Waker) {
        let mut task = TaskContext::from_waker(waker);
        // Twice: once for news, once more to be woken by the next.
        for _ in 0..2 {
            let Some(next) = &mut self.next else { return };
            match next.as_mut().poll(&mut task) {
                Poll::Pending => return,
                Poll::Ready(None) => self.next = None,
                Poll::Ready(Some(mut from)) => {
                    self.newest = from.borrow_and_update().clone();
                    self.next = Some(changed(from));
                }
            }
        }
        waker.wake_by_ref();
    }

    /// The newest.
    pub fn newest(&self) -> Arc<T> {
        self.newest.clone()
    }

    /// False when nothing more will come: the other end has stopped.
    pub fn lives(&self) -> bool {
        self.next.is_some()
    }
}

fn changed<T: Send + Sync + 'static>(mut from: watch::Receiver<Arc<T>>) -> Next<T> {
    Box::pin(async move { from.changed().await.is_ok().then_some(from) })
}

/// The line to an engine.
pub enum Link {
    /// Not needed yet.
    Idle(Option<StartEngine>),
    /// Being started.
    Starting(Promise<Result<EngineHandle, Trouble>>),
    /// It runs.
    Running(EngineHandle, Watched<Snapshot>),
    /// It could not be started.
    Failed(Trouble),
}

impl Link {
    /// Starts what was idle.
    pub fn start(&mut self) {
        if let Link::Idle(start) = self
            && let Some(start) = start.take()
        {
            *self = Link::Starting(start());
        }
    }

    /// A line to a running engine.
    pub fn to(handle: EngineHandle) -> Link {
        let news = Watched::new(handle.snapshots());
        Link::Running(handle, news)
    }

    /// Looks for news.
    pub fn poll(&mut self, waker: &Waker) {
        if let Link::Starting(promise) = self
            && let Some(started) = promise.ready()
        {
            *self = match started {
                Ok(handle) => Link::to(handle.clone()),
                Err(trouble) => Link::Failed(trouble.clone()),
            };
        }
        if let Link::Running(_, news) = self {
            news.poll(waker);
        }
    }

    /// Whether frames must look again soon, because a start tells nobody that it is done.
    pub fn is_starting(&self) -> bool {
        matches!(self, Link::Starting(_))
    }

    /// The engine was there and is not any more: what is shown is old, and nothing can be asked.
    pub fn is_lost(&self) -> bool {
        matches!(self, Link::Running(_, news) if !news.lives())
    }

    /// The engine runs in this process and stops with it.
    pub fn is_own(&self) -> bool {
        matches!(self, Link::Running(handle, news) if news.lives() && !handle.is_attached())
    }

    /// The newest snapshot.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        if let Link::Running(_, news) = self { Some(news.newest()) } else { None }
    }
}

/// A command under way.
pub struct Pending {
    /// Where its reply goes.
    pub place: Place,
    reply: oneshot::Receiver<Reply>,
}

impl Pending {
    /// Asks without waiting.
    pub fn ask(handle: &EngineHandle, place: Place, command: Command) -> Pending {
        Pending { place, reply: handle.ask_later(command) }
    }

    /// The reply, when it has come; an engine that went away is told as such.
    pub fn poll(&mut self, waker: &Waker) -> Option<Reply> {
        match Pin::new(&mut self.reply).poll(&mut TaskContext::from_waker(waker)) {
            Poll::Pending => None,
            Poll::Ready(Ok(reply)) => Some(reply),
            Poll::Ready(Err(_)) => Some(Reply::Refused(
                Trouble::new(crate::domain::TroubleKind::Unreachable, "engine", "it stopped before it answered")
                    .next("look at its log, and start the console again"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_taken_over_and_wake_the_window() {
        let ctx = Context::default();
        let waker = repainter(&ctx);
        let (send, receive) = watch::channel(Arc::new(1));
        let mut watched = Watched::new(receive);
        watched.poll(&waker);
        assert_eq!(*watched.newest(), 1);
        send.send(Arc::new(2)).expect("somebody watches");
        watched.poll(&waker);
        assert_eq!(*watched.newest(), 2);
        assert!(watched.lives());
        drop(send);
        watched.poll(&waker);
        assert!(!watched.lives(), "a stopped engine is noticed");
    }
}
