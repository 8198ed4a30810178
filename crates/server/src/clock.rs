//! The system clock: the one place that asks the machine for the time.

use std::time::{SystemTime, UNIX_EPOCH};

use portcullis_core::clock::{BootTime, Clock, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// The wall clock and `CLOCK_BOOTTIME` of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everyone else takes"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_us(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn boot_time(&self) -> BootTime {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let micros = u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000;
        BootTime::from_us(seconds.saturating_mul(1_000_000).saturating_add(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_go_forward() {
        let (wall, boot) = (SystemClock.now(), SystemClock.boot_time());

        assert!(wall.unix_seconds() > 1_700_000_000);
        assert!(SystemClock.boot_time() >= boot);
    }
}
