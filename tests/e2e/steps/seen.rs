//! What is seen from outside: the routes, as applications ask them, and a person's command, as it speaks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::stand::processes::Controller;

/// Asks both routes all the time, and remembers if both were open at once.
pub struct Watcher {
    stop: Arc<AtomicBool>,
    both: Arc<AtomicBool>,
}

impl Watcher {
    /// Begins to ask.
    pub fn new([one, other]: [SocketAddr; 2]) -> Watcher {
        let (stop, both) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (ends, seen) = (stop.clone(), both.clone());
        std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                // One that is open before and after the other was is open beside it.
                if is_open(one) && is_open(other) && is_open(one) {
                    seen.store(true, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(30));
            }
        });
        Watcher { stop, both }
    }

    /// Two routes were open at once.
    pub fn saw_both(&self) -> bool {
        self.both.load(Ordering::Relaxed)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Whether a route says that its cluster is the active one.
pub fn is_open(route: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let limit = Duration::from_millis(500);
        let mut stream = TcpStream::connect_timeout(&route, limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.write_all(b"GET /v1/active/p/orders HTTP/1.0\r\n\r\n")?;
        let mut told = [0; 12];
        stream.read_exact(&mut told)?;
        Ok(told.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}

/// Whether anybody listens there.
pub fn answers(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
}

/// A command of a person that is under way, and what it says.
pub struct Begun {
    pub process: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Begun {
    /// Begins it.
    pub fn new(controller: &Controller, arguments: &[&str]) -> Begun {
        let (process, lines) = controller.begin(arguments);
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = said.clone();
        std::thread::spawn(move || lines.for_each(|line| heard.lock().unwrap().push(line)));
        Begun { process, said }
    }

    /// Its status once it has ended; -1 when a signal ended it.
    pub fn ended(&mut self) -> Option<i32> {
        self.process.try_wait().unwrap().map(|status| status.code().unwrap_or(-1))
    }

    /// What it said so far.
    pub fn words(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
