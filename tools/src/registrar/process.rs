//! What this process has used of the machine.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::unistd::{SysconfVar, sysconf};

/// When the program began.
static STARTED: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

/// The program begins.
pub(super) fn begin() {
    LazyLock::force(&STARTED);
}

/// CPU time and memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) started: SystemTime,
    pub(super) user: Duration,
    pub(super) system: Duration,
    /// None where the kernel does not tell.
    pub(super) memory: Option<Memory>,
}

/// In bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    pub(super) resident: u64,
    pub(super) reserved: u64,
}

impl Usage {
    /// Until now.
    pub(super) fn now() -> Self {
        let times = getrusage(UsageWho::RUSAGE_SELF).ok();
        let time = |of: Option<TimeVal>| of.map(duration).unwrap_or_default();
        Self {
            started: *STARTED,
            user: time(times.map(|times| times.user_time())),
            system: time(times.map(|times| times.system_time())),
            memory: Memory::now(),
        }
    }
}

fn duration(time: TimeVal) -> Duration {
    let micros = u64::try_from(time.tv_sec()).unwrap_or(0) * 1_000_000;
    Duration::from_micros(micros + u64::try_from(time.tv_usec()).unwrap_or(0))
}

impl Memory {
    fn now() -> Option<Self> {
        let text = std::fs::read_to_string("/proc/self/statm").ok()?;
        let page = u64::try_from(sysconf(SysconfVar::PAGE_SIZE).ok()??).ok()?;
        let mut pages = text.split(' ').map(|number| number.parse::<u64>().ok());
        let (reserved, resident) = (pages.next()??, pages.next()??);
        Some(Self { resident: resident * page, reserved: reserved * page })
    }
}
