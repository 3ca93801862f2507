//! Keys and options of receivers.

use super::*;
use crate::http::{ClientCertificate, Credentials, Secret};
use crate::receiver::Encoding;
use crate::settings::Given;
use crate::settings::table::{CONFIG, RECEIVER_OPTION};

fn environment(name: &str) -> Option<String> {
    (name == "TOKEN").then(|| "s3cret".to_owned())
}

/// What receivers come to that are said by these flags, these options and this file.
fn read_with(receivers: &[&str], options: &[&str], file: &str) -> Result<Vec<Specification>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.toml");
    std::fs::write(&path, file).unwrap();
    let owned = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect::<Vec<_>>();
    let mut given = Given::default();
    for (setting, values) in
        [(&RECEIVER, owned(receivers)), (&RECEIVER_OPTION, owned(options)), (&CONFIG, vec![path.display().to_string()])]
    {
        if !values.is_empty() {
            given.set(setting, values);
        }
    }
    let layers = Layers::read(given, &environment).map_err(|error| error.to_string());
    let plain = |error: String| error.replace(&path.display().to_string(), "r.toml");
    layers.and_then(|layers| read(&layers, &Receivers::new()).map_err(|error| error.to_string())).map_err(plain)
}

fn endpoint(receiver: &Specification) -> &Endpoint {
    match &receiver.made_of {
        MadeOf::Target(Target::Http(endpoint)) => endpoint,
        _ => panic!("{} is no http receiver", receiver.name),
    }
}

#[test]
fn every_key_reaches_the_receiver() {
    let file = r#"
        [[receiver]]
        name = "billing"
        target = "https://shop/events"
        types = ["order.*"]
        timeout = "5s"
        retries = 0
        on_outage = "journal"
        mode = "structured"
        forward_headers = ["x-tenant", "x-trace"]
        ca_file = "ca.pem"
        certificate_file = "me.pem"
        bearer_token = "env:TOKEN"
        [[receiver]]
        name = "worker"
        target = ["exec", "python3", "my worker.py"]
        window = 8
        processes = "2"
    "#;
    let receivers = read_with(&[], &[], file).unwrap();
    let [billing, worker] = receivers.as_slice() else { panic!("two receivers") };
    assert_eq!((billing.types.as_slice(), billing.timeout.as_secs(), billing.retries), (&["order.*".to_owned()][..], 5, 0));
    let endpoint = endpoint(billing);
    assert_eq!(
        (endpoint.encoding, endpoint.forward_headers.as_slice()),
        (Encoding::Structured, &["x-tenant".to_owned(), "x-trace".to_owned()][..])
    );
    assert_eq!(endpoint.ca_file.as_deref(), Some("ca.pem".as_ref()));
    let one_file = ClientCertificate { certificate_file: "me.pem".into(), key_file: "me.pem".into() };
    assert_eq!(endpoint.client_certificate, Some(one_file));
    assert_eq!(endpoint.credentials, Some(Credentials::Bearer(Secret::Text("s3cret".to_owned()))));
    assert_eq!((worker.window.get(), worker.processes.get(), worker.retries), (8, 2, 2));
}

#[test]
fn options_say_it_without_a_file_and_go_over_it() {
    let options =
        ["billing.timeout=7s", "billing.types=a, b.*", "billing.basic_auth=@me", "billing.timeout=8s", "billing.mode=binary"];
    let file = "[[receiver]]\nname = \"billing\"\nmode = \"structured\"\ntimeout = \"1s\"\n";
    let receivers = read_with(&["billing=http://shop/x"], &options, file).unwrap();
    let [billing] = receivers.as_slice() else { panic!("one receiver") };
    assert_eq!((billing.timeout.as_secs(), billing.types.as_slice()), (8, &["a".to_owned(), "b.*".to_owned()][..]));
    assert_eq!(endpoint(billing).encoding, Encoding::Binary);
    assert_eq!(endpoint(billing).credentials, Some(Credentials::Basic(Secret::File("me".into()))));
}

/// Flags, options, and what is said of them.
type Refusal = (&'static [&'static str], &'static [&'static str], &'static str);

const KEYS: [Refusal; 6] = [
    (&["a=discard:"], &["a.window=2"], "receiver a: `window` means nothing for discard: it is for exec: (from --receiver-option)"),
    (
        &["a=http://shop/"],
        &["a.ca_file=x"],
        "receiver a: `ca_file` means nothing for http: it is for https: (from --receiver-option)",
    ),
    (&["a=discard:"], &["b.timeout=5s"], "receiver b: there is no such receiver: expected a (from --receiver-option)"),
    (
        &["a=discard:"],
        &["a.timout=5s"],
        "receiver option 1 (from --receiver-option): receivers have no key `timout`; did you mean `timeout`?",
    ),
    (&["a=discard:"], &["a.name=b"], "receiver option 1 (from --receiver-option): receivers have no key `name`"),
    (
        &["a=discard:"],
        &["a.timeout=1s", "s3cret"],
        "receiver option 2 (from --receiver-option): expected NAME.KEY=VALUE, for example billing.timeout=5s",
    ),
];

const VALUES: [Refusal; 4] = [
    (
        &["a=discard:"],
        &["a.timeout=soon"],
        "timeout of receiver a is `soon` (from --receiver-option): expected a duration like 500ms, 30s or 5m",
    ),
    (&["a=discard:"], &["a.retries=-1"], "retries of receiver a is `-1` (from --receiver-option): expected a whole number from 0"),
    (
        &["a=discard:"],
        &["a.on_outage=stop"],
        "on_outage of receiver a is `stop` (from --receiver-option): expected defer (the others go on, what it missed is delivered later), wait (its events are waited for) or journal (an entry per event)",
    ),
    (&["a=http://shop/"], &["a.mode=json"], "mode of receiver a is `json` (from --receiver-option): expected binary or structured"),
];

const CREDENTIALS: [Refusal; 5] = [
    (
        &["a=https://shop/"],
        &["a.key_file=k"],
        "receiver a: `key_file` is of no use without `certificate_file` (from --receiver-option)",
    ),
    (
        &["a=http://shop/"],
        &["a.bearer_token="],
        "receiver a: `bearer_token` is empty: expected @FILE, env:NAME or the secret itself (from --receiver-option)",
    ),
    (
        &["a=http://shop/"],
        &["a.bearer_token=env:NONE"],
        "bearer_token of receiver a names the environment variable NONE, which is not set",
    ),
    (
        &["a=http://shop/"],
        &["a.bearer_token=s3cret", "a.basic_auth=me:s3cret"],
        "receiver a: it has both `bearer_token` and `basic_auth`: leave one of them away (from --receiver-option)",
    ),
    (
        &["a=http://me:s3cret@shop/"],
        &["a.bearer_token=s3cret"],
        "receiver a: it has both `bearer_token` and a user in its URL: leave one of them away (from --receiver-option)",
    ),
];

#[test]
fn what_is_wrong_is_said_where_it_stands_and_without_a_secret() {
    for (receivers, options, expected) in KEYS.into_iter().chain(VALUES).chain(CREDENTIALS) {
        assert_eq!(read_with(receivers, options, "").err().as_deref(), Some(expected));
    }
    let file = "[[receiver]]\nname = \"a\"\ntarget = \"exec:worker\"\n\nmode = \"binary\"";
    let expected = "receiver a: `mode` means nothing for exec: it is for http: and https: (from r.toml, line 5)";
    assert_eq!(read_with(&[], &[], file).err().as_deref(), Some(expected));
}

/// `--receiver NAME=discard:` looks at the failures before the receivers, without a change to the file.
#[test]
fn what_the_file_says_of_its_own_target_does_not_hinder_another_one() {
    let file = "[[receiver]]\nname = \"a\"\ntarget = \"https://shop/\"\nmode = \"structured\"\nca_file = \"x\"\ntimeout = \"1s\"\n";
    let receivers = read_with(&["a=discard:"], &[], file).unwrap();
    assert_eq!(receivers[0].timeout.as_secs(), 1);
}
