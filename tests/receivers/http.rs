//! `http:` an endpoint of the test's own.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redrive::Class;

use super::kind::{Check, Kind, Outcome};
use super::scene::Scene;
use crate::support::{Endpoint, Request, wait};

struct Http(Endpoint);

pub(super) fn set_up(scene: &Scene) -> Box<dyn Kind> {
    let folder = scene.folder.path().to_owned();
    Box::new(Http(Endpoint::start(move |request, stream| answer(&folder, request, stream))))
}

fn answer(folder: &Path, request: &Request, stream: &mut TcpStream) -> io::Result<()> {
    let is_there = |name: &str| folder.join(name).exists();
    let status = |stream: &mut TcpStream, status: u16| {
        stream.write_all(format!("HTTP/1.1 {status} -\r\ncontent-length: 0\r\n\r\n").as_bytes())
    };
    if is_there("slow-start") {
        wait::for_the_whole(Duration::from_secs(1));
        std::fs::remove_file(folder.join("slow-start"))?;
    }
    match request.header("ce-type") {
        "transient" => return status(stream, 503),
        "permanent" => return status(stream, 422),
        "consumer" => return status(stream, 401),
        "busy_once" if request.header("ce-deliveryattempt") == "1" => return status(stream, 503),
        "hang" if !is_there("released") => {
            note(folder.join("hangs"), "0")?;
            // Until the other side hangs up.
            io::copy(stream, &mut io::sink())?;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        "die" => return Err(io::ErrorKind::UnexpectedEof.into()),
        // More than is read.
        "huge" => {
            stream.write_all(b"HTTP/1.1 422 -\r\ncontent-length: 80000000\r\n\r\n")?;
            return (0..80).try_for_each(|_| stream.write_all(&[b'x'; 1_000_000]));
        }
        "slow" => wait::for_the_whole(Duration::from_millis(50)),
        _ => {}
    }
    note(folder.join("got"), &format!("{} {}", request.header("ce-kafkapartition"), request.header("ce-kafkaoffset")))?;
    status(stream, 204)
}

fn note(path: PathBuf, line: &str) -> io::Result<()> {
    let mut notes = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    notes.write_all(format!("{line}\n").as_bytes())
}

impl Kind for Http {
    fn target(&self) -> Option<String> {
        Some(format!("http://{}/events", self.0.address()))
    }

    fn excuse(&self, check: Check) -> Option<&'static str> {
        match check {
            Check::Ok
            | Check::Failures
            | Check::Timeout
            | Check::Death
            | Check::SlowStart
            | Check::HugeAnswers
            | Check::Memory
            | Check::Cancellation
            | Check::Drain
            | Check::Order => None,
        }
    }

    fn failure(&self, class: Class) -> Result<&'static str, &'static str> {
        match class {
            Class::Transient => Ok("http_503"),
            Class::Permanent => Ok("http_422"),
            Class::Consumer => Ok("http_401"),
            Class::Unknown => Err("every status has a class"),
        }
    }

    fn death(&self) -> Outcome {
        Outcome::Fails(Class::Transient, "bad_reply")
    }

    fn huge(&self) -> Outcome {
        Outcome::Fails(Class::Permanent, "http_422")
    }

    fn can_wait(&self) -> bool {
        true
    }
}
