//! What the system says: the processor time that a process took, the memory it had, and what processes sent to each other. Linux only.

use std::fs;
use std::time::Duration;

use crate::Result;

/// What `/proc` counts processor time in, on every Linux.
const TICKS_PER_SECOND: u64 = 100;

/// The processor time of all threads of this process so far.
pub(crate) fn processor_time() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name in parentheses may hold anything. After it come the state, and as the 12th and 13th the user's and the system's time.
    let numbers = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let times: Vec<u64> = numbers.skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(Duration::from_millis(times.iter().sum::<u64>() * 1000 / TICKS_PER_SECOND))
}

/// The most memory that a process had resident since its start.
pub(crate) fn peak_memory(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    Ok(peak.ok_or("the system does not say the peak of a process's memory")?.parse::<u64>()? * 1024)
}

/// What the processes of this machine have sent to each other over its network since its start, in bytes. Nothing but the system itself
/// sees all that a client library fetches, and throws away again.
pub(crate) fn sent() -> Result<u64> {
    let devices = fs::read_to_string("/proc/net/dev")?;
    let loopback = devices.lines().find_map(|line| line.trim().strip_prefix("lo:")?.split_whitespace().next());
    Ok(loopback.ok_or("the system does not say what its loopback device has sent")?.parse()?)
}
