//! Servers that answer as a test wants, byte for byte. Each connection has a thread of its own, and ends with its client or its answer.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use openssl::ssl::{ShutdownResult, SslAcceptor, SslStream};

/// A connection as a server has it.
pub(crate) trait Stream: Read + Write {
    /// Says goodbye where the protocol has a word for it.
    fn finish(&mut self) {}
}

impl Stream for TcpStream {}

impl Stream for SslStream<TcpStream> {
    fn finish(&mut self) {
        while matches!(self.shutdown(), Ok(ShutdownResult::Sent)) {}
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    closed: AtomicUsize,
    requests: Mutex<Vec<Got>>,
}

pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
}

impl Server {
    /// `answer` gets the connection after each whole request; what it returns as an error ends the connection.
    pub(crate) fn start(answer: impl Fn(&mut dyn Stream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::over(|stream| Ok(Box::new(stream)), answer)
    }

    /// Writes this after each request.
    pub(crate) fn saying(answer: &str) -> Self {
        let answer = answer.to_owned();
        Self::start(move |stream| stream.write_all(answer.as_bytes()))
    }

    /// Says 204 over TLS.
    pub(crate) fn over_tls(acceptor: SslAcceptor) -> Self {
        Self::saying_over_tls(acceptor, "HTTP/1.1 204 No Content\r\n\r\n")
    }

    /// As `saying`, over TLS.
    pub(crate) fn saying_over_tls(acceptor: SslAcceptor, answer: &str) -> Self {
        let accept = move |stream| match acceptor.accept(stream) {
            Ok(stream) => Ok(Box::new(stream) as Box<dyn Stream>),
            Err(error) => Err(io::Error::other(error.to_string())),
        };
        let answer = answer.to_owned();
        Self::over(accept, move |stream| stream.write_all(answer.as_bytes()))
    }

    fn over(
        accept: impl Fn(TcpStream) -> io::Result<Box<dyn Stream>> + Send + Sync + 'static,
        answer: impl Fn(&mut dyn Stream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let (for_all, how) = (Arc::clone(&seen), Arc::new((accept, answer)));
        in_thread(move || {
            for stream in listener.incoming() {
                let (seen, how) = (Arc::clone(&for_all), Arc::clone(&how));
                seen.connections.fetch_add(1, Ordering::SeqCst);
                in_thread(move || {
                    let (accept, answer) = how.as_ref();
                    if let Ok(mut stream) = stream.and_then(accept) {
                        while let Ok(Some(got)) = read(stream.as_mut()) {
                            seen.requests.lock().unwrap().push(got);
                            if answer(stream.as_mut()).is_err() {
                                break;
                            }
                        }
                        stream.finish();
                    }
                    seen.closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, seen }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn closed(&self) -> usize {
        self.seen.closed.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> Vec<Got> {
        self.seen.requests.lock().unwrap().clone()
    }
}

impl Got {
    /// The values of a header, in the order in which they came.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let named = self.headers.iter().filter(|(of, _)| of == name);
        named.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// The one value of a header.
    pub(crate) fn one(&self, name: &str) -> Option<String> {
        let mut all = self.all(name);
        assert!(all.len() < 2, "{name} is there more than once: {all:?}");
        all.pop()
    }
}

/// Waits for the client to close the connection.
pub(crate) fn until_closed(stream: &mut dyn Stream) -> io::Result<()> {
    io::copy(stream, &mut io::sink())?;
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// Says no more.
pub(crate) fn close() -> io::Result<()> {
    Err(io::ErrorKind::Other.into())
}

/// A request with its body; `None` at the end.
fn read(stream: &mut dyn Stream) -> io::Result<Option<Got>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let mut lines = head.strip_suffix(b"\r\n\r\n").unwrap_or_default().split(|byte| *byte == b'\n');
    let plain = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).to_vec();
    let line = String::from_utf8(plain(lines.next().unwrap_or_default())).unwrap();
    let headers: Vec<_> = lines.map(|line| header(&plain(line))).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map(|(_, value)| String::from_utf8(value.clone()).unwrap().parse().unwrap());
    let is_get = line.starts_with("GET ");
    let mut body = vec![0; length.or(is_get.then_some(0)).expect("a request says how long its body is")];
    stream.read_exact(&mut body)?;
    Ok(Some(Got { line, headers, body }))
}

fn header(line: &[u8]) -> (String, Vec<u8>) {
    let at = line.iter().position(|byte| *byte == b':').unwrap_or_else(|| panic!("no header: {line:?}"));
    let name = String::from_utf8(line[..at].to_vec()).unwrap();
    (name, line[at + 1..].trim_ascii().to_vec())
}

fn in_thread(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name("server".to_owned()).spawn(run).unwrap();
}
