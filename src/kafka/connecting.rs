//! The first answer of a broker: waited for, and given up early when no waiting can mend what is wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;

use crate::engine::stop::StopToken;
use crate::kafka::certificate;
use crate::kafka::cluster::ClusterError;
use crate::kafka::complaint::{Complaint, shown};
use crate::kafka::connection::Connection;
use crate::kafka::diagnosis::{self, Diagnosis, Manner, Outlook};

/// How often the waiting looks whether the run was asked to stop.
const LOOK_AROUND: Duration = Duration::from_millis(100);
/// What waiting cannot mend is believed at once when every broker says it, and else after so long. What it most likely cannot mend is not:
/// something that stands before brokers that are still starting hangs up as well.
const BELIEVED_AFTER: Duration = Duration::from_secs(3);
/// To ask once more why a certificate is refused.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// Remembers what the client library complains about, for each broker its last complaint.
#[derive(Clone, Default)]
pub(super) struct Complaints(Arc<Mutex<BTreeMap<Option<String>, Complaint>>>);

impl Complaints {
    fn take_in(&self, complaint: Complaint) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(complaint.broker.clone(), complaint);
    }

    /// What is wrong, the worst first.
    fn diagnoses(&self, manner: &Manner) -> Vec<Diagnosis> {
        let complaints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<_> = complaints.values().map(|complaint| diagnosis::diagnose(complaint, manner)).collect();
        found.sort_by_key(|diagnosis| diagnosis.outlook);
        found
    }
}

impl ClientContext for Complaints {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        match Complaint::logged(facility, message) {
            Some(complaint) => {
                tracing::debug!(target: "librdkafka", "{}", shown(facility, &complaint.reason));
                self.take_in(complaint);
            }
            None => tracing::debug!(target: "librdkafka", "{}", shown(facility, message)),
        }
    }

    fn error(&self, _: KafkaError, reason: &str) {
        // The log says the same and more; of a token it alone has the status.
        if let Some(complaint) = Complaint::read(reason).filter(|complaint| complaint.broker.is_some()) {
            self.take_in(complaint);
        }
    }
}

impl ConsumerContext for Complaints {}

/// The id of the cluster, from the first broker that answers; `None` when the run was asked to stop meanwhile.
pub(super) fn first_answer(
    client: &BaseConsumer<Complaints>,
    connection: &Connection,
    within: Duration,
    stop: &StopToken,
) -> Result<Option<String>, ClusterError> {
    let (began, manner) = (Instant::now(), connection.manner());
    let mut since = None;
    while stop.level().is_none() {
        let left = within.saturating_sub(began.elapsed());
        if let Some(id) = client.client().fetch_cluster_id(left.min(LOOK_AROUND)) {
            return Ok(Some(id));
        }
        while client.poll(Duration::ZERO).is_some() {}
        let found = client.context().diagnoses(&manner);
        since = if has_hopeless(&found) { since.or_else(|| Some(Instant::now())) } else { None };
        let for_so_long = since.map(|since: Instant| since.elapsed());
        if left.is_zero() || is_hopeless(&found, connection.brokers(), for_so_long) {
            let deadline = Instant::now() + SECOND_LOOK;
            return Err(ClusterError::Unreachable {
                bootstrap: connection.bootstrap().to_owned(),
                after: began.elapsed(),
                why: looked_at_again(found, connection, deadline),
            });
        }
    }
    Ok(None)
}

fn has_hopeless(found: &[Diagnosis]) -> bool {
    found.iter().any(|diagnosis| diagnosis.outlook == Outlook::Hopeless)
}

/// Whether it is of no use to wait any longer. `for_so_long` is since something was found that waiting does not mend.
fn is_hopeless(found: &[Diagnosis], brokers: usize, for_so_long: Option<Duration>) -> bool {
    let of_all = found.iter().any(|diagnosis| diagnosis.broker.is_none());
    let hopeless = found.iter().filter(|diagnosis| diagnosis.outlook == Outlook::Hopeless).count();
    hopeless > 0 && hopeless == found.len() && (of_all || hopeless >= brokers) || for_so_long >= Some(BELIEVED_AFTER)
}

fn looked_at_again(mut found: Vec<Diagnosis>, connection: &Connection, deadline: Instant) -> Vec<Diagnosis> {
    if found.is_empty() {
        found.push(diagnosis::silence());
    }
    let is_certificate = found.first().is_some_and(Diagnosis::is_certificate);
    let verdict = if is_certificate { certificate::verdict(&connection.client(), deadline) } else { None };
    match verdict {
        Some(code) => {
            let more = |of: Diagnosis| if of.is_certificate() { of.with_certificate(code) } else { of };
            found.into_iter().map(more).collect()
        }
        None => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnoses(said: &[&str]) -> Vec<Diagnosis> {
        let complaints = Complaints::default();
        said.iter().filter_map(|said| Complaint::read(said)).for_each(|complaint| complaints.take_in(complaint));
        complaints.diagnoses(&Manner::default())
    }

    const REFUSED: &str = "a:1/bootstrap: Connect to ipv4#1.1.1.1:1 failed: Connection refused (after 0ms in state CONNECT)";
    const UNVERIFIED: &str = "b:1/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed";

    #[test]
    fn what_waiting_cannot_mend_is_believed_at_once_when_every_broker_says_it() {
        assert!(is_hopeless(&diagnoses(&[UNVERIFIED]), 1, Some(Duration::ZERO)));
        assert!(!is_hopeless(&diagnoses(&[UNVERIFIED]), 2, Some(Duration::ZERO)), "the other one said nothing yet");
        let both = diagnoses(&[REFUSED, UNVERIFIED]);
        assert!(!is_hopeless(&both, 2, Some(Duration::ZERO)), "the other one may come up");
        assert!(is_hopeless(&both, 2, Some(BELIEVED_AFTER)));
    }

    #[test]
    fn what_may_pass_is_waited_for() {
        assert!(!is_hopeless(&diagnoses(&[REFUSED]), 1, None));
        assert!(!is_hopeless(&[], 1, None));
        let hung_up = diagnoses(&["a:1/bootstrap: Disconnected: closed by peer (after 1ms in state APIVERSION_QUERY)"]);
        assert!(!has_hopeless(&hung_up), "something before a broker that is still starting hangs up as well");
        assert!(!is_hopeless(&hung_up, 1, None));
        assert!(has_hopeless(&diagnoses(&[REFUSED, UNVERIFIED])));
    }

    #[test]
    fn the_worst_comes_first_and_the_last_word_of_a_broker_counts() {
        let found = diagnoses(&[REFUSED, UNVERIFIED, "a:1/bootstrap: Failed to resolve 'a:1': Name or service not known"]);
        let problems: Vec<_> = found.iter().map(|of| of.problem.as_str()).collect();
        assert_eq!(problems, ["the broker's certificate is not signed by an authority that is trusted", "that name is not known"]);
    }
}
