//! New connections: at most so many, each with the key that its certificate proved.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use axum_server::tls_rustls::RustlsAcceptor;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::server::TlsStream;
use tower::Layer;

use crate::protocol::tls;

/// Connections at once; more are closed unheard.
const MAX_CONNECTIONS: usize = 512;

/// Who is at the other end of a connection.
#[derive(Clone)]
pub struct Caller {
    key: Option<Arc<str>>,
    name: Arc<str>,
    address: SocketAddr,
    /// Given back when the connection ends.
    _place: Arc<OwnedSemaphorePermit>,
}

impl Caller {
    /// The proven key, SHA-256 of its SubjectPublicKeyInfo in hex.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// What its certificate calls it: a label for people that proves nothing.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it calls from.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// TLS, then [`Caller`] on every request of the connection.
#[derive(Clone)]
pub struct PinAcceptor {
    tls: RustlsAcceptor,
    places: Arc<Semaphore>,
}

impl PinAcceptor {
    /// Around a TLS acceptor.
    pub fn new(tls: RustlsAcceptor) -> PinAcceptor {
        PinAcceptor { tls, places: Arc::new(Semaphore::new(MAX_CONNECTIONS)) }
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for PinAcceptor {
    type Stream = TlsStream<TcpStream>;
    type Service = AddExtension<S, Caller>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let place = self.places.clone().try_acquire_owned();
        let tls = self.tls.clone();
        Box::pin(async move {
            let place = place.map_err(|_| io::Error::other("too many connections"))?;
            stream.set_nodelay(true)?;
            let address = stream.peer_addr()?;
            let (stream, service) = tls.accept(stream, service).await?;
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let key = shown.map(|certificate| tls::fingerprint(certificate)).transpose().map_err(io::Error::other)?;
            let name = shown.and_then(|certificate| tls::common_name(certificate)).unwrap_or_default();
            let caller = Caller { key: key.map(Arc::from), name: name.into(), address, _place: Arc::new(place) };
            Ok((stream, Extension(caller).layer(service)))
        })
    }
}
