//! A token endpoint of the tests' own, for OAUTHBEARER: it knows one client, and signs what Kafka checks against its key set.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;

/// The one client that gets a token; Kafka sees a user of this name.
pub(crate) const CLIENT: (&str, &str) = ("oidc-client", "0idc-s3cret");
/// For whom tokens are.
pub(super) const AUDIENCE: &str = "kafka";

const LIVES_FOR_S: i64 = 300;

/// Serves until the test process ends.
pub(crate) struct Tokens {
    port: u16,
    key_set: String,
}

impl Tokens {
    pub(super) fn start() -> io::Result<Self> {
        let rsa = Rsa::generate(2048)?;
        let [n, e] = [rsa.n(), rsa.e()].map(|number| URL_SAFE_NO_PAD.encode(number.to_vec()));
        let key_set = format!(r#"{{"keys":[{{"kty":"RSA","kid":"1","use":"sig","alg":"RS256","n":"{n}","e":"{e}"}}]}}"#);
        let key = PKey::from_rsa(rsa)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        std::thread::Builder::new().name("tokens".to_owned()).spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that hangs up is its own affair.
                serve(&stream, &key).ok();
            }
        })?;
        Ok(Self { port, key_set })
    }

    /// What stands at `path`; `/token` is the endpoint.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The public half of the key, as a JSON Web Key Set.
    pub(super) fn key_set(&self) -> &str {
        &self.key_set
    }
}

fn serve(mut stream: &TcpStream, key: &PKey<Private>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut request, mut is_known, mut size) = (String::new(), false, 0);
    reader.read_line(&mut request)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => is_known = value == format!("Basic {}", STANDARD.encode(format!("{}:{}", CLIENT.0, CLIENT.1))),
            "content-length" => size = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    reader.take(size).read_to_end(&mut Vec::new())?;
    let (status, body) = match (request.starts_with("POST /token "), is_known) {
        (false, _) => ("404 Not Found", r#"{"error":"not_found"}"#.to_owned()),
        (true, false) => ("401 Unauthorized", r#"{"error":"invalid_client"}"#.to_owned()),
        (true, true) => {
            let token = token(key)?;
            ("200 OK", format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{LIVES_FOR_S}}}"#))
        }
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn token(key: &PKey<Private>) -> io::Result<String> {
    let now = Timestamp::now().as_second();
    let claims = format!(r#"{{"sub":"{}","aud":"{AUDIENCE}","iss":"tests","iat":{now},"exp":{}}}"#, CLIENT.0, now + LIVES_FOR_S);
    let [head, claims] = [r#"{"alg":"RS256","kid":"1","typ":"JWT"}"#, &claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let signed = format!("{head}.{claims}");
    let mut signer = Signer::new(MessageDigest::sha256(), key)?;
    let signature = signer.sign_oneshot_to_vec(signed.as_bytes())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
