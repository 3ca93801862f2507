//! An HTTP endpoint that answers as a test wants, byte for byte: the service of a user, well made or not.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// It runs for as long as the test process; what it does to a connection that nobody closes ends there, too.
pub(crate) struct Endpoint {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `POST /path?query HTTP/1.1`; what has no length has no body.
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Endpoint {
    /// `answer` writes to the connection after each request; an error of it closes the connection.
    pub(crate) fn start(answer: impl Fn(&Request, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        in_thread(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                // Whatever goes wrong between them is the client's to notice.
                in_thread(move || drop(serve(stream, &seen, answer.as_ref())));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests so far, answered or not.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Request {
    /// The first value of a header; nothing when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let named = self.headers.iter().find(|(of, _)| of == name);
        named.map_or("", |(_, value)| value)
    }
}

fn serve(
    stream: TcpStream,
    seen: &Mutex<Vec<Request>>,
    answer: &(impl Fn(&Request, &mut TcpStream) -> io::Result<()> + ?Sized),
) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            if reader.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            match String::from_utf8_lossy(&line).trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let header = |line: &String| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let line = lines.first().cloned().unwrap_or_default();
        let mut request = Request { line, headers: lines.iter().filter_map(header).collect(), body: Vec::new() };
        if let length @ 1.. = request.header("content-length").parse().unwrap_or(0) {
            request.body = vec![0; length];
        }
        reader.read_exact(&mut request.body)?;
        seen.lock().unwrap().push(request.clone());
        answer(&request, &mut stream)?;
    }
}

fn in_thread(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name("endpoint".to_owned()).spawn(run).expect("a thread can be started");
}
