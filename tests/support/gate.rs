//! A way to a broker that can be shut for one kind of request: what happens between two steps of a command happens when a test wants it.
//!
//! The broker tells its clients to come this way, so none of them goes round.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::broker::{Broker, Setup, free_ports};

/// Kinds of requests, with Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Commit = 8,
    FetchOffsets = 9,
    DeleteOffsets = 47,
}

/// A broker of the test's own. What the test and its witnesses do goes round the gate.
pub(crate) struct GatedBroker {
    broker: Broker,
    port: u16,
    shut: Arc<Mutex<Vec<Shut>>>,
}

/// A kind of request that does not pass.
struct Shut {
    kind: Kind,
    arrived: SyncSender<()>,
    open: Receiver<()>,
}

/// The first request of a kind, which waits at the gate. It passes when this is dropped.
pub(crate) struct Held {
    kind: Kind,
    arrived: Receiver<()>,
    _open: SyncSender<()>,
}

impl GatedBroker {
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::started().unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn broker(&self) -> &Broker {
        &self.broker
    }

    /// The way through the gate.
    pub(crate) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Shuts the gate for the next request of a kind.
    pub(crate) fn hold(&self, kind: Kind) -> Held {
        let ((arrives, arrived), (open, opened)) = (sync_channel(1), sync_channel(0));
        self.shut.lock().unwrap().push(Shut { kind, arrived: arrives, open: opened });
        Held { kind, arrived, _open: open }
    }

    fn started() -> Result<Self, String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
        let port = listener.local_addr().map_err(|error| error.to_string())?.port();
        let [behind] = free_ports()?;
        let broker = Broker::started(|_| {
            let listeners = vec![("GATED".to_owned(), "PLAINTEXT".to_owned(), behind)];
            Ok(Setup { listeners, advertised: vec![("GATED".to_owned(), port)], ..Setup::default() })
        })?;
        let shut = Arc::default();
        let at_gate = Arc::clone(&shut);
        in_thread(move || {
            for client in listener.incoming().flatten() {
                let shut = Arc::clone(&at_gate);
                // A broker that is away hangs up.
                in_thread(move || drop(connect(&client, behind, &shut)));
            }
        });
        Ok(Self { broker, port, shut })
    }
}

impl Held {
    /// Waits until the request is there.
    #[track_caller]
    pub(crate) fn wait(&self, within: Duration) {
        let arrived = self.arrived.recv_timeout(within);
        assert_eq!(arrived, Ok::<_, RecvTimeoutError>(()), "no {:?} within {within:?}", self.kind);
    }

    /// Lets it pass.
    pub(crate) fn release(self) {}
}

fn connect(client: &TcpStream, port: u16, shut: &Mutex<Vec<Shut>>) -> io::Result<()> {
    let broker = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let (mut answers, mut back) = (broker.try_clone()?, client.try_clone()?);
    in_thread(move || {
        io::copy(&mut answers, &mut back).ok();
        back.shutdown(Shutdown::Both).ok();
    });
    let passed = pass(client, &broker, shut);
    broker.shutdown(Shutdown::Both).ok();
    passed
}

/// Requests one by one: four bytes say how long each is, two more of what kind.
fn pass(mut client: &TcpStream, mut broker: &TcpStream, shut: &Mutex<Vec<Shut>>) -> io::Result<()> {
    loop {
        let mut size = [0; 4];
        client.read_exact(&mut size)?;
        let mut request = vec![0; u32::from_be_bytes(size) as usize];
        client.read_exact(&mut request)?;
        let held = {
            let mut shut = shut.lock().unwrap();
            let number = i16::from_be_bytes([request[0], request[1]]);
            shut.iter().position(|shut| shut.kind as i16 == number).map(|at| shut.remove(at))
        };
        if let Some(held) = held {
            held.arrived.send(()).ok();
            // An error: whoever held it has let go.
            held.open.recv().ok();
        }
        broker.write_all(&[&size, request.as_slice()].concat())?;
    }
}

fn in_thread(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name("gate".to_owned()).spawn(run).expect("a thread can be started");
}
