//! The lab's cables: TCP relays on loopback that can be cut and mended.
//!
//! The two agents and the console know each other only by relay addresses. A relay forwards bytes and understands none of them,
//! so what an agent sees of a cut is what it would see of a broken network: resets and refusals, or silence.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::domain::{Trouble, TroubleKind};

/// Connections one relay carries at once; more wait at the listener.
const MAX_CONNECTIONS: usize = 256;
/// How long a relay tries to reach what is behind it.
const REACH_LIMIT: Duration = Duration::from_secs(3);
/// Bytes moved at a time in one direction.
const BUFFER_BYTES: usize = 64 << 10;

/// What a cable does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cable {
    /// Bytes pass.
    Whole,
    /// Connections are reset, new ones too.
    Cut,
    /// Nothing passes and nobody is told: connections stay open in silence, and go on when it is mended.
    Silent,
}

/// One relay. Dropped, it closes its listener and its connections.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    cable: watch::Sender<Cable>,
    stop: CancellationToken,
}

impl Relay {
    /// Listens on a free port of loopback and forwards to `target`.
    pub async fn start(target: SocketAddr) -> Result<Relay, Trouble> {
        let trouble = |e: std::io::Error| Trouble::new(TroubleKind::Failed, "lab relay", format!("cannot listen on loopback: {e}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(trouble)?;
        let address = listener.local_addr().map_err(trouble)?;
        let (cable, state) = watch::channel(Cable::Whole);
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, target, state, stop.clone())));
        Ok(Relay { address, cable, stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts or mends it.
    pub fn set(&self, cable: Cable) {
        self.cable.send_replace(cable);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, cable: watch::Receiver<Cable>, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(permit) = room.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((near, _)) => {
                let (cable, stop) = (cable.clone(), stop.clone());
                tokio::spawn(stop.run_until_cancelled_owned(async move {
                    carry(near, target, cable).await;
                    drop(permit);
                }));
            }
            // Out of descriptors, for example: others will close some.
            Err(error) => {
                tracing::warn!(%error, "a lab relay could not accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Carries one connection until an end closes it or the cable is cut.
async fn carry(near: TcpStream, target: SocketAddr, cable: watch::Receiver<Cable>) {
    if whole(&mut cable.clone()).await.is_err() {
        return reset(&near);
    }
    let far = match tokio::time::timeout(REACH_LIMIT, TcpStream::connect(target)).await {
        Ok(Ok(far)) => far,
        // Nobody is there: the asker learns it as it would without the relay.
        Ok(Err(_)) | Err(_) => return reset(&near),
    };
    // Loopback needs no Nagle; a relay must not add latency to small requests. A failure only costs milliseconds.
    drop((near.set_nodelay(true), far.set_nodelay(true)));
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let ended = tokio::try_join!(pump(near_read, far_write, cable.clone()), pump(far_read, near_write, cable));
    if let Err(Broken(read, write)) = ended {
        reset(read.as_ref());
        reset(write.as_ref());
    }
}

/// A direction that was cut, with both sockets to reset.
struct Broken(OwnedReadHalf, OwnedWriteHalf);

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut cable: watch::Receiver<Cable>) -> Result<(), Broken> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = tokio::select! {
            biased;
            () = cut(&mut cable) => return Err(Broken(from, to)),
            read = from.read(&mut buffer) => read,
        };
        let Ok(count) = read else { return Err(Broken(from, to)) };
        if whole(&mut cable).await.is_err() {
            return Err(Broken(from, to));
        }
        if count == 0 {
            // One end has finished; the other direction may go on. A socket that is gone already needs no shutdown.
            drop(to.shutdown().await);
            return Ok(());
        }
        let written = tokio::select! {
            biased;
            () = cut(&mut cable) => return Err(Broken(from, to)),
            written = to.write_all(&buffer[..count]) => written,
        };
        if written.is_err() {
            return Err(Broken(from, to));
        }
    }
}

/// Ends when the cable is cut.
async fn cut(cable: &mut watch::Receiver<Cable>) {
    // A relay that is gone is a cut cable.
    drop(cable.wait_for(|cable| *cable == Cable::Cut).await);
}

/// Waits through a silence; an error when the cable is cut.
async fn whole(cable: &mut watch::Receiver<Cable>) -> Result<(), ()> {
    match cable.wait_for(|cable| *cable != Cable::Silent).await {
        Ok(state) if *state == Cable::Whole => Ok(()),
        _ => Err(()),
    }
}

fn reset(stream: &TcpStream) {
    // Closing then sends RST. If the socket is gone already, so is the connection.
    drop(stream.set_zero_linger());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that says back what it hears.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    drop(tokio::io::copy(&mut read, &mut write).await);
                });
            }
        });
        address
    }

    async fn says_back(stream: &mut TcpStream) -> std::io::Result<()> {
        stream.write_all(b"ping").await?;
        let mut back = [0; 4];
        stream.read_exact(&mut back).await?;
        assert_eq!(&back, b"ping");
        Ok(())
    }

    #[tokio::test]
    async fn a_cut_cable_resets_what_was_open_and_refuses_what_is_new_until_it_is_mended() {
        let relay = Relay::start(echo().await).await.unwrap();
        let mut open = TcpStream::connect(relay.address()).await.unwrap();
        says_back(&mut open).await.unwrap();
        relay.set(Cable::Cut);
        assert!(tokio::time::timeout(Duration::from_secs(5), open.read_u8()).await.unwrap().is_err());
        let mut new = TcpStream::connect(relay.address()).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_secs(5), says_back(&mut new)).await.unwrap().is_err());
        relay.set(Cable::Whole);
        let mut mended = TcpStream::connect(relay.address()).await.unwrap();
        says_back(&mut mended).await.unwrap();
    }

    #[tokio::test]
    async fn a_silent_cable_tells_nobody_and_goes_on_when_it_is_mended() {
        let relay = Relay::start(echo().await).await.unwrap();
        let mut open = TcpStream::connect(relay.address()).await.unwrap();
        says_back(&mut open).await.unwrap();
        relay.set(Cable::Silent);
        open.write_all(b"ping").await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(200), open.read_u8()).await.is_err(), "nothing may come back");
        relay.set(Cable::Whole);
        let mut back = [0; 4];
        tokio::time::timeout(Duration::from_secs(5), open.read_exact(&mut back)).await.unwrap().unwrap();
        assert_eq!(&back, b"ping");
    }
}
