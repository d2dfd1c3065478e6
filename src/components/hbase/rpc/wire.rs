//! One connection to one service of one server: frames out, frames in, always within a time limit.

use std::time::Duration;

use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::error::RpcError;
use super::messages::{ConnectionHeader, RequestHeader, ResponseHeader, UserInformation};

/// Magic, version, and how we say who we are. 80 is SIMPLE: the name in the header is believed. Kerberos plugs in here: 81, then a
/// SASL exchange before the header.
const PREAMBLE: [u8; 6] = [b'H', b'B', b'a', b's', 0, 80];
/// The longest answer that is taken, in bytes: 10,000 table descriptors are about 10 MiB.
const ANSWER_BYTES: usize = 128 << 20;

/// How long calls may take.
#[derive(Debug, Clone, Copy)]
pub struct RpcLimits {
    /// A TCP connection.
    pub connect: Duration,
    /// One call.
    pub call: Duration,
    /// A procedure of the master: a snapshot, a clone, a table that is changed or disabled.
    pub procedure: Duration,
}

impl Default for RpcLimits {
    fn default() -> Self {
        let secs = Duration::from_secs;
        RpcLimits { connect: secs(5), call: secs(20), procedure: secs(300) }
    }
}

/// A connection. After a failed call it is of no more use.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    calls: u32,
    limits: RpcLimits,
}

impl Connection {
    /// Connects to `address` (`host:port`) for calls of one service, as `user`.
    pub async fn open(address: &str, service: &str, user: &str, limits: RpcLimits) -> Result<Connection, RpcError> {
        let connecting = async { TcpStream::connect(address).await.map_err(|e| broken(address, &e)) };
        let stream = within(limits.connect, connecting).await?;
        stream.set_nodelay(true).map_err(|e| broken(address, &e))?;
        let header = ConnectionHeader {
            user_info: Some(UserInformation { effective_user: user.to_owned() }),
            service_name: Some(service.to_owned()),
        };
        let mut hello = PREAMBLE.to_vec();
        hello.extend(length_of(header.encoded_len())?);
        hello.extend(header.encode_to_vec());
        let mut connection = Connection { stream, calls: 0, limits };
        within(limits.call, connection.send(&hello)).await?;
        Ok(connection)
    }

    /// One call; the answer to it and to no other.
    pub async fn call<A: Message + Default>(&mut self, method: &str, request: &impl Message) -> Result<A, RpcError> {
        self.calls += 1;
        let limit = self.limits.call;
        let timeout = u32::try_from(limit.as_millis()).ok();
        let header = RequestHeader { call_id: Some(self.calls), method_name: Some(method.to_owned()), request_param: Some(true), timeout };
        let mut body = header.encode_length_delimited_to_vec();
        body.extend(request.encode_length_delimited_to_vec());
        let mut frame = length_of(body.len())?.to_vec();
        frame.extend(body);
        within(limit, async {
            self.send(&frame).await?;
            self.answer(method).await
        })
        .await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), RpcError> {
        self.stream.write_all(bytes).await.map_err(|e| broken("HBase", &e))
    }

    async fn answer<A: Message + Default>(&mut self, method: &str) -> Result<A, RpcError> {
        let bad = |what: String| RpcError::Answer(format!("{method}: {what}"));
        let length = self.stream.read_u32().await.map_err(|e| broken("HBase", &e))?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > ANSWER_BYTES {
            return Err(bad(format!("it is {length} bytes long")));
        }
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame).await.map_err(|e| broken("HBase", &e))?;
        let mut rest = frame.as_slice();
        let header = ResponseHeader::decode_length_delimited(&mut rest).map_err(|e| bad(e.to_string()))?;
        // Before the call's number: a connection that is turned away is told so under a number that is not ours.
        if let Some(exception) = header.exception {
            return Err(RpcError::remote(
                exception.exception_class_name.as_deref().unwrap_or_default(),
                exception.stack_trace.as_deref().unwrap_or_default(),
            ));
        }
        if header.call_id != Some(self.calls) {
            return Err(bad(format!("it answers call {:?} and not {}", header.call_id.unwrap_or(0), self.calls)));
        }
        A::decode_length_delimited(&mut rest).map_err(|e| bad(e.to_string()))
    }
}

fn length_of(bytes: usize) -> Result<[u8; 4], RpcError> {
    u32::try_from(bytes).map(u32::to_be_bytes).map_err(|_| RpcError::Answer("the request is too long".into()))
}

fn broken(whom: &str, error: &std::io::Error) -> RpcError {
    RpcError::Broken(if error.kind() == std::io::ErrorKind::UnexpectedEof { format!("{whom} hung up") } else { format!("{whom}: {error}") })
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, RpcError>>) -> Result<T, RpcError> {
    tokio::time::timeout(limit, call).await.unwrap_or(Err(RpcError::Silent(limit)))
}
