//! One connection to a metastore: a call out, its answer or an error back, always within a time limit. Blocking.

use std::fmt;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use thrift::protocol::{TBinaryInputProtocol, TBinaryOutputProtocol, TInputProtocol, TMessageIdentifier, TMessageType, TOutputProtocol};
use thrift::{TConfiguration, TransportErrorKind};

use super::{Struct, Value};

/// The longest text or bytes of an answer; a list of all partitions' names of a large table is some tens of MiB in pieces.
const TEXT_BYTES: usize = 64 << 20;
/// The most items of one list.
const ITEMS: usize = 4_000_000;

/// A call, and the exceptions it may answer with, in the order of its declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method(pub &'static str, pub &'static [&'static str]);

/// What can go wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionError {
    /// The connection was refused or broke. The call may have taken effect.
    Refused(String),
    /// Nobody answered in time, likewise.
    Silent(Duration),
    /// The server answered with an exception.
    Remote {
        /// Its name, for example `NoSuchObjectException`.
        exception: &'static str,
        /// Its message.
        message: String,
    },
    /// The server does not know the call.
    Unknown(&'static str),
    /// The server failed in the call, and says no more than that.
    Internal(&'static str),
    /// The answer is not what the protocol promises.
    Answer(String),
}

impl SessionError {
    /// Whether the server answered that what was asked for does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(self, SessionError::Remote { exception, .. } if exception.starts_with("NoSuchObject") || exception.starts_with("Unknown"))
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionError::Refused(why) => write!(f, "no connection: {why}"),
            SessionError::Silent(limit) => write!(f, "no answer within {} s", limit.as_secs_f32()),
            SessionError::Remote { exception, message } if message.is_empty() => write!(f, "{exception}"),
            SessionError::Remote { message, .. } => write!(f, "{}", message.lines().next().unwrap_or_default()),
            SessionError::Unknown(method) => write!(f, "the server does not know the call {method}"),
            SessionError::Internal(method) => write!(f, "it failed in the call {method}"),
            SessionError::Answer(what) => write!(f, "the answer cannot be understood: {what}"),
        }
    }
}

impl std::error::Error for SessionError {}

/// A socket whose time limit ends at the session's deadline, however slowly the bytes trickle.
struct Timed {
    socket: TcpStream,
    limit: Duration,
    deadline: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now()).min(self.limit);
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

/// Linux tells a read that took too long as one that would block.
fn told(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        self.socket.read(into).map_err(told)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        self.socket.write(bytes).map_err(told)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// A connection.
pub struct Session {
    input: TBinaryInputProtocol<BufReader<Timed>>,
    output: TBinaryOutputProtocol<BufWriter<Timed>>,
    limit: Duration,
    calls: i32,
}

impl Session {
    /// Connects to `address` (`host:port`). Silence of `limit` in the middle of a call breaks it off; so does the end of `whole`, all
    /// calls together.
    pub fn connect(address: &str, connect: Duration, limit: Duration, whole: Duration) -> Result<Session, SessionError> {
        let refused = |error: io::Error| match told(error) {
            error if error.kind() == io::ErrorKind::TimedOut => SessionError::Silent(connect),
            error => SessionError::Refused(error.to_string()),
        };
        let deadline = Instant::now() + whole;
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for place in address.to_socket_addrs().map_err(refused)? {
            match TcpStream::connect_timeout(&place, connect) {
                Ok(socket) => {
                    socket.set_nodelay(true).map_err(refused)?;
                    let timed = |socket| Timed { socket, limit, deadline };
                    let input = BufReader::new(timed(socket.try_clone().map_err(refused)?));
                    let limits = TConfiguration::builder().max_string_size(Some(TEXT_BYTES)).max_container_size(Some(ITEMS)).build();
                    let input = TBinaryInputProtocol::with_config(input, true, limits.map_err(|e| sorted(&e, limit))?);
                    let output = TBinaryOutputProtocol::new(BufWriter::new(timed(socket)), true);
                    return Ok(Session { input, output, limit, calls: 0 });
                }
                Err(error) => last = error,
            }
        }
        Err(refused(last))
    }

    /// Calls; `None` is the answer of a call that answers nothing. After any error but `Remote`, `Internal` and `Unknown` the connection is of no
    /// use any more.
    pub fn call(&mut self, method: Method, arguments: Struct) -> Result<Option<Value>, SessionError> {
        let limit = self.limit;
        let Method(name, exceptions) = method;
        self.calls += 1;
        self.send(name, &arguments).map_err(|e| sorted(&e, limit))?;
        let (kind, mut answer) = self.receive(name).map_err(|e| sorted(&e, limit))?;
        if kind == TMessageType::Exception {
            // 1 is "unknown method" and 6 "internal error" in every Thrift library.
            return Err(match answer.number(2) {
                Some(1) => SessionError::Unknown(name),
                Some(6) => SessionError::Internal(name),
                _ => SessionError::Answer(answer.text(1).unwrap_or("an error without a message").to_owned()),
            });
        }
        if let Some(value) = answer.take(0) {
            return Ok(Some(value));
        }
        match answer.0.into_iter().next() {
            None => Ok(None),
            Some((id, told)) => {
                let at = usize::try_from(id - 1).unwrap_or(usize::MAX);
                let message = told.as_struct().and_then(|fields| fields.text(1)).unwrap_or_default().to_owned();
                Err(SessionError::Remote { exception: exceptions.get(at).copied().unwrap_or("an exception"), message })
            }
        }
    }

    fn send(&mut self, name: &str, arguments: &Struct) -> thrift::Result<()> {
        self.output.write_message_begin(&TMessageIdentifier::new(name, TMessageType::Call, self.calls))?;
        arguments.write_to(&mut self.output)?;
        self.output.write_message_end()?;
        self.output.flush()
    }

    fn receive(&mut self, name: &str) -> thrift::Result<(TMessageType, Struct)> {
        let head = self.input.read_message_begin()?;
        if head.sequence_number != self.calls || head.name != name {
            return Err(thrift::Error::from(format!("it answers {} instead of {name}", head.name)));
        }
        let answer = Struct::read(&mut self.input)?;
        self.input.read_message_end()?;
        Ok((head.message_type, answer))
    }
}

fn sorted(error: &thrift::Error, limit: Duration) -> SessionError {
    match error {
        thrift::Error::Transport(transport) => match transport.kind {
            TransportErrorKind::TimedOut => SessionError::Silent(limit),
            TransportErrorKind::EndOfFile => SessionError::Refused("the metastore closed it".into()),
            _ => SessionError::Refused(transport.message.clone()),
        },
        thrift::Error::Application(application) => SessionError::Answer(application.message.clone()),
        thrift::Error::Protocol(protocol) => SessionError::Answer(protocol.message.clone()),
        other => SessionError::Answer(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const PING: Method = Method("getVersion", &[]);

    /// A server for one connection; what it does after the call came is `answer`'s.
    fn server(answer: impl FnOnce(TcpStream) + Send + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        std::thread::spawn(move || answer(listener.accept().expect("a client").0));
        address
    }

    fn connect(address: &str) -> Result<Session, SessionError> {
        Session::connect(address, Duration::from_secs(2), Duration::from_millis(200), Duration::from_millis(600))
    }

    #[test]
    fn a_server_that_accepts_and_never_answers_is_told_within_the_limit() {
        let (stop, hold) = std::sync::mpsc::channel::<()>();
        let address = server(move |socket| {
            hold.recv().ok();
            drop(socket);
        });
        let began = Instant::now();
        let error = connect(&address).expect("connected").call(PING, Struct::default()).expect_err("silence");
        assert_eq!(error, SessionError::Silent(Duration::from_millis(200)));
        assert!(began.elapsed() < Duration::from_secs(5));
        drop(stop);
    }

    #[test]
    fn bytes_that_trickle_do_not_hold_a_call_up_for_ever() {
        let address = server(|mut socket| {
            while socket.write_all(&[0x80]).is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let began = Instant::now();
        connect(&address).expect("connected").call(PING, Struct::default()).expect_err("nonsense, slowly");
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_closed_connection_and_a_closed_port_are_refusals() {
        let error = connect(&server(drop)).expect("connected").call(PING, Struct::default()).expect_err("closed");
        assert!(matches!(error, SessionError::Refused(_)), "{error}");
        let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").to_string();
        assert!(matches!(connect(&nobody).map(|_| ()), Err(SessionError::Refused(_))));
    }
}
