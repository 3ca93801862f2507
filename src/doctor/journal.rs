//! The journal, and the disk that each failure waits for.

use std::io;
use std::time::Duration;

use crate::doctor::broker::milliseconds;
use crate::doctor::clock::Clocks;
use crate::doctor::{Checkup, Finding, Found, Section, Verdict};
use crate::journal::{Disk, ExamineError, Examined, OpenError, Safety};

const HERE: Section = Section::Journal;
/// The consumer would hold below the smaller of these: bytes, and one part of so many of the file system.
const LEAST_FREE: u64 = 1 << 30;
const LEAST_PART: u64 = 20;
/// A disk that takes longer makes failures wait.
const SLOW: Duration = Duration::from_millis(100);

pub(super) fn check(checkup: &Checkup, clocks: &mut Clocks, findings: &mut Vec<Finding>) {
    let place = &checkup.journal;
    match place.disk() {
        Ok(disk) => {
            findings.extend(file_system(&disk, place.safety));
            findings.push(space(&disk));
            // On a network file system it could take for ever.
            if disk.network.is_none() {
                findings.push(sync(place.sync_time()));
            }
        }
        Err(error) => findings.push(
            HERE.problem("folder", format!("the journal's folder cannot be used: {error}"))
                .mend("make it, or name another place: --journal PATH"),
        ),
    }
    match place.examine() {
        Ok(examined) => {
            clocks.read(examined.newest_us);
            findings.extend(journal(&examined));
        }
        Err(ExamineError::Open(OpenError::Missing(path))) => {
            findings.push(HERE.ok("file", format!("there is none at {path} yet; `consume` makes one")));
        }
        Err(error) => {
            findings.push(Finding { found: Found::Journal(error), ..HERE.finding("file", Verdict::Problem, String::new()) });
        }
    }
}

fn file_system(disk: &Disk, safety: Safety) -> Option<Finding> {
    let kind = disk.network?;
    let found = format!("{} is on a network file system ({kind}), where SQLite's locks cannot be relied on", disk.folder);
    let mend = "put it on a disk of this machine: --journal PATH";
    Some(match safety {
        Safety::Safe => HERE.problem("file system", found).mend(mend).mend("to use it all the same: --allow-unsafe-journal"),
        Safety::AnyFileSystem => HERE.warning("file system", found).mend(mend),
    })
}

fn space(disk: &Disk) -> Finding {
    let least = LEAST_FREE.min(disk.total_bytes / LEAST_PART);
    let found = format!("{} free of {} at {}", size(disk.free_bytes), size(disk.total_bytes), disk.folder);
    if disk.free_bytes >= least {
        return HERE.ok("free space", found);
    }
    HERE.warning("free space", format!("{found}: less than {}", size(least)))
        .mend("make room there, or name another place: --journal PATH")
}

fn sync(measured: io::Result<Duration>) -> Finding {
    match measured {
        Ok(time) if time < SLOW => HERE.ok("sync", format!("{} for each (median of 5)", milliseconds(time))),
        Ok(time) => HERE
            .warning(
                "sync",
                format!("{} for each (median of 5): no offset behind a failure is committed sooner", milliseconds(time)),
            )
            .mend("put it on a faster disk: --journal PATH"),
        Err(error) => HERE
            .problem("sync", format!("no file can be made and synced in the journal's folder: {error}"))
            .mend("give this user the right to write there, or name another place: --journal PATH"),
    }
}

fn journal(examined: &Examined) -> Vec<Finding> {
    let Examined { path, uuid, version, bytes, mode, open_failures, runs, .. } = examined;
    let short = uuid.get(..8).unwrap_or(uuid);
    let found = format!("{path} ({short}) · schema {version} · {} · {open_failures} open failures", size(*bytes));
    let mut findings = vec![HERE.ok("file", found)];
    if mode & 0o077 != 0 {
        findings.push(
            HERE.warning(
                "permissions",
                format!("others of this machine may read it or write it (mode {mode:04o}): events lie in it"),
            )
            .mend(format!("chmod 600 {}", shell_words::quote(path))),
        );
    }
    if !runs.is_empty() {
        let named: Vec<_> =
            runs.iter().map(|run| format!("{} of group {} (pid {} on {})", run.command, run.group, run.pid, run.host)).collect();
        findings.push(HERE.ok("in use", format!("by {}", named.join(", "))));
    }
    findings
}

/// `61 GiB`, `1.5 MiB`
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn size(bytes: u64) -> String {
    let mut size = bytes as f64;
    let mut unit = "bytes";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if size < 1_024.0 {
            break;
        }
        size /= 1_024.0;
        unit = larger;
    }
    if size < 10.0 && unit != "bytes" { format!("{size:.1} {unit}") } else { format!("{size:.0} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn disk(free_bytes: u64, total_bytes: u64, network: Option<&'static str>) -> Disk {
        Disk { folder: "/data".into(), network, free_bytes, total_bytes }
    }

    #[test]
    fn little_space_is_a_warning_before_the_consumer_would_hold() {
        assert_eq!(space(&disk(GIB, 100 * GIB, None)).verdict, Verdict::Ok);
        assert_eq!(space(&disk(GIB - 1, 100 * GIB, None)).verdict, Verdict::Warning);
        assert_eq!(space(&disk(GIB / 2, 5 * GIB, None)).verdict, Verdict::Ok, "5 % of a small one");
    }

    #[test]
    fn a_network_file_system_is_a_problem_unless_it_is_accepted() {
        let verdict = |safety| file_system(&disk(GIB, GIB, Some("NFS")), safety).map(|finding| finding.verdict);
        assert_eq!((verdict(Safety::Safe), verdict(Safety::AnyFileSystem)), (Some(Verdict::Problem), Some(Verdict::Warning)));
        assert!(file_system(&disk(GIB, GIB, None), Safety::Safe).is_none());
    }

    #[test]
    fn a_slow_disk_is_a_warning_and_one_that_cannot_be_written_a_problem() {
        assert_eq!(sync(Ok(Duration::from_millis(3))).verdict, Verdict::Ok);
        assert_eq!(sync(Ok(SLOW)).verdict, Verdict::Warning);
        assert_eq!(sync(Err(io::ErrorKind::PermissionDenied.into())).verdict, Verdict::Problem);
    }

    #[test]
    fn a_journal_that_others_may_read_is_a_warning() {
        let examined = |mode| Examined {
            path: "a b.db".into(),
            uuid: "7c1f09aa-0000".into(),
            version: 1,
            bytes: 40 << 10,
            mode,
            open_failures: 2,
            runs: Vec::new(),
            newest_us: 0,
        };
        assert_eq!(journal(&examined(0o600)).len(), 1);
        let [_, permissions] = &journal(&examined(0o644))[..] else { panic!() };
        assert_eq!((permissions.verdict, permissions.mends[0].as_str()), (Verdict::Warning, "chmod 600 'a b.db'"));
    }

    #[test]
    fn sizes() {
        for (bytes, expected) in [(0, "0 bytes"), (1_023, "1023 bytes"), (1_536, "1.5 KiB"), (61 * GIB, "61 GiB")] {
            assert_eq!(size(bytes), expected);
        }
    }
}
