//! Who runs: the rows that tell one process from another, and whether a run that never ended is still alive.

use rustix::process::{Pid, test_kill_process};

/// How a run introduces itself.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// `consume`, `demo`, `replay` or `group`.
    pub command: &'static str,
    pub group: String,
    pub client_id: String,
    pub receivers: Vec<ReceiverDefinition>,
    /// How many things code of this program may have in hand at once; 0: it has none.
    pub hands: usize,
}

impl Beginning {
    /// The commands of runs that consume. Others find out nothing of what troubled a consumer.
    pub(super) const CONSUMING: [&'static str; 2] = ["consume", "demo"];
    /// Those of runs that deliver, and must know what has killed the ones before.
    pub(super) const DELIVERING: [&'static str; 3] = ["consume", "demo", "replay"];
}

/// What a receiver is, for people: shown, never executed.
#[derive(Clone, Debug)]
pub struct ReceiverDefinition {
    pub name: String,
    /// JSON, with secrets masked.
    pub definition: serde_json::Value,
}

/// This process.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) pid: i64,
    pub(super) started_at_us: Option<i64>,
}

impl Host {
    pub(super) fn here() -> Self {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let pid = i64::from(std::process::id());
        Self { name, pid, started_at_us: started_at_us(pid) }
    }
}

/// A run of another process, as its row says.
pub(super) struct Other {
    pub(super) host: String,
    pub(super) pid: i64,
    pub(super) started_at_us: Option<i64>,
    pub(super) alive_at_us: i64,
}

const SILENT_US: i64 = 30_000_000;

impl Other {
    /// True when the process is certainly gone, or has been silent for 30 s.
    pub(super) fn is_gone(&self, here: &Host, now_us: i64) -> bool {
        if now_us - self.alive_at_us > SILENT_US {
            return true;
        }
        if self.host != here.name {
            return false;
        }
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let lives = pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)));
        !lives || (self.started_at_us.is_some() && started_at_us(self.pid) != self.started_at_us)
    }
}

/// When a process of this host started, in microseconds since the host booted: enough to tell a reused pid. `None` without `/proc`.
fn started_at_us(pid: i64) -> Option<i64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the program's name, may hold spaces and brackets: fields are counted after its end.
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks: i64 = rest.split_whitespace().nth(19)?.parse().ok()?;
    Some(ticks.saturating_mul(10_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_one_of_another_time_does_not() {
        let here = Host::here();
        let other = |pid, started_at_us| Other { host: here.name.clone(), pid, started_at_us, alive_at_us: 0 };
        assert!(!other(here.pid, here.started_at_us).is_gone(&here, 1));
        assert!(other(here.pid, Some(1)).is_gone(&here, 1), "the pid was reused");
        assert!(other(i64::from(i32::MAX), None).is_gone(&here, 1));
        assert!(other(here.pid, here.started_at_us).is_gone(&here, SILENT_US + 1), "silent for too long");
        let elsewhere = Other { host: "elsewhere".into(), ..other(i64::from(i32::MAX), None) };
        assert!(!elsewhere.is_gone(&here, 1));
    }
}
