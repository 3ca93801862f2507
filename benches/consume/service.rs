//! A minimal HTTP server: it takes whatever is posted to it, and says 204. Small and fast, so that it is the clients that are measured.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::Result;

/// What stands before the URL, on standard error.
pub(crate) const LISTENS: &str = "listens at ";

const NO_CONTENT: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const LENGTH: &[u8] = b"content-length: ";

/// Until the process is ended.
pub(crate) fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        eprintln!("{LISTENS}http://{}/events", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(serve(stream));
        }
    })
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut unread = Vec::with_capacity(16 * 1024);
    while stream.read_buf(&mut unread).await? > 0 {
        while let Some(length) = request(&unread) {
            unread.drain(..length);
            stream.write_all(NO_CONTENT).await?;
        }
    }
    Ok(())
}

/// The length of the first request, once all of it is there.
fn request(bytes: &[u8]) -> Option<usize> {
    let head = find(bytes, b"\r\n\r\n")?;
    let from = find(bytes.get(..head)?, LENGTH)? + LENGTH.len();
    let digits = bytes.get(from..head)?.iter().map_while(|byte| byte.is_ascii_digit().then(|| usize::from(byte - b'0')));
    let whole = head + 4 + digits.fold(0, |length, digit| length * 10 + digit);
    (bytes.len() >= whole).then_some(whole)
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
