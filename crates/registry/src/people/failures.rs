//! Failed sign-ins, counted for each account, so that guessing does not fill the audit log.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use portcullis_core::{clock::Timestamp, ids::UserId};

/// How often the failures of one account are written down.
const NOTED_EVERY: Duration = Duration::from_mins(1);
/// How many accounts are remembered.
const ACCOUNTS_MAX: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Count {
    noted_at: Timestamp,
    since: u64,
}

/// Failures since they were last written down.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<HashMap<UserId, Count>>);

impl Failures {
    /// Counts a failure; gives how many are to be written down now, `None` while others were written down less
    /// than a minute ago.
    pub(crate) fn count(&self, user: &UserId, now: Timestamp) -> Option<u64> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(user) {
            count.since += 1;
            if now < count.noted_at + NOTED_EVERY {
                return None;
            }
            let since = count.since;
            *count = Count {
                noted_at: now,
                since: 0,
            };
            return Some(since);
        }
        if counts.len() >= ACCOUNTS_MAX {
            counts.retain(|_, count| now < count.noted_at + NOTED_EVERY);
        }
        // Still full: more accounts fail within a minute than are remembered. The log has enough to tell.
        if counts.len() >= ACCOUNTS_MAX {
            return None;
        }
        counts.insert(
            user.clone(),
            Count {
                noted_at: now,
                since: 0,
            },
        );
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_written_down_once_a_minute_with_their_number() {
        let (failures, user) = (Failures::default(), UserId::random());
        let start = Timestamp::from_unix_seconds(1_767_225_600);

        assert_eq!(failures.count(&user, start), Some(1));
        for second in 1..60 {
            let now = start + Duration::from_secs(second);
            assert_eq!(failures.count(&user, now), None);
        }

        assert_eq!(failures.count(&UserId::random(), start), Some(1));
        assert_eq!(failures.count(&user, start + NOTED_EVERY), Some(60));
    }
}
