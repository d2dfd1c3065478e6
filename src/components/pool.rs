//! A bounded number of steps at once, the first trouble ending all.

use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::domain::Trouble;

/// Steps under way.
pub struct Pool<F> {
    running: FuturesUnordered<F>,
    at_once: usize,
}

impl<F: Future<Output = Result<(), Trouble>>> Pool<F> {
    /// At most `at_once` steps together.
    pub fn new(at_once: usize) -> Pool<F> {
        Pool { running: FuturesUnordered::new(), at_once }
    }

    /// Starts a step as soon as there is room.
    pub async fn add(&mut self, step: F) -> Result<(), Trouble> {
        while self.running.len() >= self.at_once {
            if let Some(done) = self.running.next().await {
                done?;
            }
        }
        self.running.push(step);
        Ok(())
    }

    /// Waits for the rest.
    pub async fn finish(mut self) -> Result<(), Trouble> {
        while let Some(done) = self.running.next().await {
            done?;
        }
        Ok(())
    }
}
