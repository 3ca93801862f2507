//! Every key of a receiver, once: its default, whom it is for, and its line of help come from here.
//!
//! A key stands in the receiver's table of the settings file, or in `--receiver-option NAME.KEY=VALUE`.

/// One key of a `[[receiver]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) struct ReceiverKey {
    pub(in crate::settings) name: &'static str,
    /// What its value is called.
    pub(in crate::settings) value: &'static str,
    pub(in crate::settings) shape: Shape,
    /// The schemes of the targets that it means something for; none: every receiver, functions of the program included.
    pub(in crate::settings) schemes: &'static [&'static str],
    pub(in crate::settings) default: Option<&'static str>,
    pub(in crate::settings) help: &'static str,
}

/// What a key's value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::settings) enum Shape {
    One,
    /// A whole number; in the file without quotes, too.
    Number,
    /// A list in the file, parted by commas in an option.
    Many,
    /// `@FILE`, `env:NAME`, or the text itself. Never shown.
    Secret,
    /// What makes it a receiver, so that no option can say it.
    Identity,
}

const EVERY: &[&str] = &[];
const PROGRAMS: &[&str] = &["exec", "run"];
const WEB: &[&str] = &["http", "https"];
const TLS: &[&str] = &["https"];

impl ReceiverKey {
    const fn new(name: &'static str, value: &'static str, schemes: &'static [&'static str], help: &'static str) -> Self {
        Self { name, value, shape: Shape::One, schemes, default: None, help }
    }

    const fn shape(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    const fn by_default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }
}

pub(in crate::settings) const NAME: ReceiverKey =
    ReceiverKey::new("name", "NAME", EVERY, "What it is called").shape(Shape::Identity);
pub(in crate::settings) const TARGET: ReceiverKey =
    ReceiverKey::new("target", "TARGET", EVERY, "As in --receiver; also a list of words: [\"exec\", \"PROGRAM\", \"ARG\"]")
        .shape(Shape::Identity);
pub(in crate::settings) const TYPES: ReceiverKey =
    ReceiverKey::new("types", "TYPE,…", EVERY, "Event types that it takes: exact, or a prefix followed by .*; none: all")
        .shape(Shape::Many);
pub(in crate::settings) const TIMEOUT: ReceiverKey =
    ReceiverKey::new("timeout", "DURATION", EVERY, "How long one delivery may take").by_default("30s");
pub(in crate::settings) const RETRIES: ReceiverKey =
    ReceiverKey::new("retries", "N", EVERY, "As --retries, for this receiver alone").shape(Shape::Number);
const ON_OUTAGE_HELP: &str = "What becomes of its events while it is down: defer (the others go on, what it missed is delivered when it is \
    back), wait (they wait for it), journal (an entry per event); one of several: defer, with --order none journal; one alone: wait";
pub(in crate::settings) const ON_OUTAGE: ReceiverKey = ReceiverKey::new("on_outage", "WHAT", EVERY, ON_OUTAGE_HELP);
pub(in crate::settings) const WINDOW: ReceiverKey =
    ReceiverKey::new("window", "N", &["exec"], "Unanswered deliveries per lane and process").shape(Shape::Number).by_default("1");
pub(in crate::settings) const PROCESSES: ReceiverKey =
    ReceiverKey::new("processes", "N", PROGRAMS, "Processes that it has at once").shape(Shape::Number).by_default("1");
pub(in crate::settings) const MODE: ReceiverKey =
    ReceiverKey::new("mode", "MODE", WEB, "How CloudEvents lie in a request: binary or structured").by_default("binary");
pub(in crate::settings) const FORWARD_HEADERS: ReceiverKey =
    ReceiverKey::new("forward_headers", "NAME,…", WEB, "Record headers that are passed on beside traceparent and tracestate")
        .shape(Shape::Many);
pub(in crate::settings) const CA_FILE: ReceiverKey =
    ReceiverKey::new("ca_file", "FILE", TLS, "Certificates (PEM) of authorities to trust beside the system's");
pub(in crate::settings) const CERTIFICATE_FILE: ReceiverKey =
    ReceiverKey::new("certificate_file", "FILE", TLS, "Our own certificate (PEM)");
pub(in crate::settings) const KEY_FILE: ReceiverKey =
    ReceiverKey::new("key_file", "FILE", TLS, "The key of our own certificate (PEM)");
pub(in crate::settings) const BEARER_TOKEN: ReceiverKey =
    ReceiverKey::new("bearer_token", "SECRET", WEB, "Authorization: Bearer; a file is read again when it changes")
        .shape(Shape::Secret);
pub(in crate::settings) const BASIC_AUTH: ReceiverKey =
    ReceiverKey::new("basic_auth", "SECRET", WEB, "Authorization: Basic, as USER:PASSWORD; a file is read again when it changes")
        .shape(Shape::Secret);

/// All of them, in the order of the reference.
pub(in crate::settings) const ALL: [ReceiverKey; 15] = [
    NAME,
    TARGET,
    TYPES,
    TIMEOUT,
    RETRIES,
    ON_OUTAGE,
    WINDOW,
    PROCESSES,
    MODE,
    FORWARD_HEADERS,
    CA_FILE,
    CERTIFICATE_FILE,
    KEY_FILE,
    BEARER_TOKEN,
    BASIC_AUTH,
];
