//! A relay between the agents that breaks connections, falls silent, or flips a byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// What the relay does to what passes.
#[derive(Clone, Copy)]
pub enum Fault {
    None,
    /// A connection is cut after so many bytes, both ways together, until so many were cut.
    Cut {
        times: usize,
        after: u64,
    },
    /// After so many bytes in all nothing passes any more, on old and new connections, and none of them ends: the peer hangs.
    Silence {
        after: u64,
    },
    /// The first byte of the first occurrence of `MARK` is flipped, once.
    Flip,
}

/// What `Fault::Flip` looks for.
pub const MARK: &[u8] = b"<<flip here>>";

#[derive(Clone)]
pub struct Relay {
    fault: Fault,
    /// Connections cut so far, and more.
    pub cuts: Arc<AtomicUsize>,
    flips: Arc<AtomicUsize>,
    /// Bytes passed on all connections together.
    passed: Arc<AtomicU64>,
}

impl Relay {
    pub fn new(fault: Fault) -> Relay {
        Relay { fault, cuts: Arc::default(), flips: Arc::default(), passed: Arc::default() }
    }

    /// The address to use instead of `target`.
    pub async fn before(&self, target: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let relay = self.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let relay = relay.clone();
                tokio::spawn(async move { relay.carry(near, target).await });
            }
        });
        address
    }

    async fn carry(self, near: TcpStream, target: SocketAddr) {
        let Ok(far) = TcpStream::connect(target).await else { return };
        let passed = Arc::new(AtomicU64::new(0));
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        // Whichever way ends first ends both.
        tokio::select! {
            () = self.pass(near_in, far_out, passed.clone()) => {}
            () = self.pass(far_in, near_out, passed.clone()) => {}
        }
    }

    async fn pass(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, passed: Arc<AtomicU64>) {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let portion = &mut buffer[..read];
            let total = passed.fetch_add(read as u64, Ordering::SeqCst) + read as u64;
            let cut = match self.fault {
                Fault::Cut { times, after } => total > after && self.cuts.fetch_add(1, Ordering::SeqCst) < times,
                Fault::None | Fault::Flip | Fault::Silence { .. } => false,
            };
            if let Fault::Silence { after } = self.fault
                && self.passed.fetch_add(read as u64, Ordering::SeqCst) + read as u64 > after
            {
                continue;
            }
            let keep = if cut { read / 2 } else { read };
            if matches!(self.fault, Fault::Flip)
                && let Some(at) = portion.windows(MARK.len()).position(|window| window == MARK)
                && self.flips.fetch_add(1, Ordering::SeqCst) == 0
            {
                portion[at] ^= 1;
            }
            if to.write_all(&portion[..keep]).await.is_err() || cut {
                return;
            }
        }
    }
}
