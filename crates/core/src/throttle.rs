//! What failed authentications cost whoever causes them. Successful ones never come here, so nobody can lock
//! an owner out by guessing at the owner's key.
//!
//! A caller verifies first (our secrets are 256 random bits, so that costs one SHA-256) and notes a failure
//! here; the verdict only says whether the failure may still be answered with its reason. Memory is bounded:
//! the table has a fixed number of places, and a newcomer takes the place in its set that would be forgiven
//! soonest. Which set a subject falls into depends on a random seed, so nobody can aim at another's place.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{clock::BootTime, ids::IdKey};

/// Locks are taken for one shard, for some tens of nanoseconds.
const SHARDS: usize = 64;
/// Places of a set: how many subjects compete for one when the table is full.
const WAYS: usize = 8;

/// How many failures are let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleSettings {
    /// Failures of one subject that are answered with their reason before the rate applies.
    pub failures_max: u32,
    /// Failures forgiven each second. Zero counts as one.
    pub forgiven_per_second: u32,
    /// How many clients and addresses are remembered, rounded up to a multiple of 512.
    pub subjects_max: usize,
}

impl Default for ThrottleSettings {
    fn default() -> Self {
        Self {
            failures_max: 20,
            forgiven_per_second: 10,
            subjects_max: 65_536,
        }
    }
}

/// Whose failures are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Subject {
    Client(IdKey),
    Address(IpAddr),
}

/// A place in the table. `forgiven_at_us` is when every failure so far will be forgiven (GCRA's theoretical
/// arrival time); an empty place has been forgiven for ever.
#[derive(Clone, Copy, Default)]
struct Place {
    fingerprint: u64,
    forgiven_at_us: u64,
}

type Set = [Place; WAYS];

/// Failed authentications per client and per source address.
pub struct Throttle {
    shards: Box<[Mutex<Box<[Set]>>]>,
    seed: RandomState,
    failure_us: u64,
    debt_us_max: u64,
}

impl Throttle {
    /// A throttle that has seen nothing. All its memory is taken here: 16 bytes for a subject.
    #[must_use]
    pub fn new(settings: ThrottleSettings) -> Self {
        let failure_us = 1_000_000 / u64::from(settings.forgiven_per_second.max(1));
        Self::forgiving(settings, Duration::from_micros(failure_us))
    }

    /// The same, forgiving one failure each `every`, whatever the settings say of that: for what people type.
    #[must_use]
    pub fn forgiving(settings: ThrottleSettings, every: Duration) -> Self {
        let sets = settings.subjects_max.div_ceil(SHARDS * WAYS).max(1);
        let shard = || Mutex::new(vec![Set::default(); sets].into_boxed_slice());
        let failure_us = u64::try_from(every.as_micros()).unwrap_or(u64::MAX).max(1);
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            seed: RandomState::new(),
            failure_us,
            debt_us_max: failure_us.saturating_mul(u64::from(settings.failures_max)),
        }
    }

    /// Notes a failed authentication as `client` (known or not) from `address`. `None`: answer with the
    /// reason; otherwise answer only that there were too many, and when to come again.
    ///
    /// A failure that is over the limit of its address is not charged to the client, so that one source
    /// cannot spend what the client's owner may need for mistakes of their own.
    #[must_use]
    pub fn failed(
        &self,
        client: Option<IdKey>,
        address: Option<IpAddr>,
        now: BootTime,
    ) -> Option<Duration> {
        subjects(client, address).find_map(|subject| self.charge(subject, now, Charge::Failure))
    }

    /// How long to wait before another failure would be let through, without noting one: what is asked before
    /// work that is expensive. `None`: go on.
    #[must_use]
    pub fn wait(
        &self,
        client: Option<IdKey>,
        address: Option<IpAddr>,
        now: BootTime,
    ) -> Option<Duration> {
        subjects(client, address).find_map(|subject| self.charge(subject, now, Charge::Nothing))
    }

    /// One failure more for this subject; the time to wait when that is one too many.
    fn charge(&self, subject: Subject, now: BootTime, charge: Charge) -> Option<Duration> {
        let now_us = now.since(BootTime::from_us(0)).as_micros();
        let now_us = u64::try_from(now_us).unwrap_or(u64::MAX);
        let fingerprint = self.seed.hash_one(subject);
        let (shard, rest) = (fingerprint % SHARDS as u64, fingerprint / SHARDS as u64);
        let shard = usize::try_from(shard)
            .ok()
            .and_then(|at| self.shards.get(at))?;
        let mut sets = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let set = usize::try_from(rest % sets.len() as u64)
            .ok()
            .and_then(|at| sets.get_mut(at))?;
        let place = place_of(set, fingerprint)?;
        let charged_from_us = place.forgiven_at_us.max(now_us);
        let next_us = charged_from_us.saturating_add(self.failure_us);
        let debt_us = next_us - now_us;
        if debt_us > self.debt_us_max {
            return Some(Duration::from_micros(debt_us - self.debt_us_max));
        }
        if charge == Charge::Failure {
            place.forgiven_at_us = next_us;
        }
        None
    }
}

/// What is charged for asking.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Charge {
    Failure,
    Nothing,
}

fn subjects(client: Option<IdKey>, address: Option<IpAddr>) -> impl Iterator<Item = Subject> {
    let address = address.map(|address| Subject::Address(network(address)));
    [address, client.map(Subject::Client)].into_iter().flatten()
}

/// The place of this subject, or the one it takes over. `None` never happens: a set is not empty.
fn place_of(set: &mut Set, fingerprint: u64) -> Option<&mut Place> {
    let known = set
        .iter()
        .position(|place| place.fingerprint == fingerprint);
    if let Some(at) = known {
        return set.get_mut(at);
    }
    let place = set.iter_mut().min_by_key(|place| place.forgiven_at_us)?;
    *place = Place {
        fingerprint,
        forgiven_at_us: 0,
    };
    Some(place)
}

/// The part of an address that one party can be expected to hold: all of IPv4, a /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("failure_us", &self.failure_us)
            .field("debt_us_max", &self.debt_us_max)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: BootTime = BootTime::from_us(5_000_000);
    const STRANGER: &str = "192.0.2.7";

    fn throttle() -> Throttle {
        Throttle::new(ThrottleSettings::default())
    }

    #[expect(clippy::unnecessary_wraps, reason = "what the throttle takes")]
    fn from(address: &str) -> Option<IpAddr> {
        Some(address.parse().unwrap())
    }

    #[expect(clippy::unnecessary_wraps, reason = "what the throttle takes")]
    fn key(n: u32) -> Option<IdKey> {
        Some(IdKey::of(&format!("key-{n}")))
    }

    #[test]
    fn twenty_failures_of_a_source_are_explained_and_the_next_has_to_wait() {
        let throttle = throttle();

        let answers: Vec<_> = (0..21)
            .map(|n| throttle.failed(key(n), from(STRANGER), START))
            .collect();

        assert_eq!(answers[..20], [None; 20]);
        assert_eq!(answers[20], Some(Duration::from_millis(100)));
    }

    #[test]
    fn asking_costs_nothing_and_says_what_a_failure_would() {
        let throttle = Throttle::forgiving(
            ThrottleSettings {
                failures_max: 2,
                ..ThrottleSettings::default()
            },
            Duration::from_secs(10),
        );

        for _ in 0..100 {
            assert_eq!(throttle.wait(key(1), from(STRANGER), START), None);
        }
        assert_eq!(throttle.failed(key(1), None, START), None);
        assert_eq!(throttle.failed(key(1), None, START), None);

        assert_eq!(
            throttle.wait(key(1), from(STRANGER), START),
            Some(Duration::from_secs(10))
        );
        assert_eq!(throttle.wait(key(2), from(STRANGER), START), None);
    }

    #[test]
    fn after_twenty_a_source_gets_ten_answers_a_second() {
        let throttle = throttle();
        let mut explained = 0;

        for ms in 0..10_000 {
            let now = START + Duration::from_millis(ms);
            if throttle.failed(None, from(STRANGER), now).is_none() {
                explained += 1;
            }
        }

        assert_eq!(explained, 20 + 99);
    }

    #[test]
    fn guesses_at_one_key_from_many_sources_are_counted_together() {
        let throttle = throttle();

        let answers = (0..40).map(|n| throttle.failed(key(1), from(&format!("10.0.0.{n}")), START));

        assert_eq!(answers.flatten().count(), 20);
    }

    #[test]
    fn a_throttled_source_does_not_spend_what_a_client_may_need() {
        let throttle = throttle();
        for _ in 0..20 {
            assert!(throttle.failed(key(1), from(STRANGER), START).is_none());
        }

        for _ in 0..1000 {
            assert!(throttle.failed(key(2), from(STRANGER), START).is_some());
        }

        assert!(
            throttle
                .failed(key(2), from("198.51.100.1"), START)
                .is_none()
        );
    }

    #[test]
    fn an_ipv6_network_is_one_source_and_a_mapped_address_is_its_ipv4_one() {
        let throttle = throttle();
        for n in 0..20 {
            let _ = throttle.failed(None, from(&format!("2001:db8::{n:x}")), START);
            let _ = throttle.failed(None, from("::ffff:192.0.2.7"), START);
        }

        assert!(
            throttle
                .failed(None, from("2001:db8::ffff:1"), START)
                .is_some()
        );
        assert!(
            throttle
                .failed(None, from("2001:db8:0:1::1"), START)
                .is_none()
        );
        assert!(throttle.failed(None, from(STRANGER), START).is_some());
    }

    #[test]
    fn a_million_strangers_take_no_more_memory_and_do_not_free_a_guesser() {
        let throttle = throttle();
        for n in 0..40_u32 {
            let _ = throttle.failed(key(n), from(STRANGER), START);
        }

        for n in 0..1_000_000_u32 {
            let _ = throttle.failed(None, Some(IpAddr::V4(n.into())), START);
        }

        let places: usize = throttle
            .shards
            .iter()
            .map(|s| s.lock().unwrap().len() * WAYS)
            .sum();
        assert_eq!(places, 65_536);
        assert!(throttle.failed(key(50), from(STRANGER), START).is_some());
    }

    #[test]
    fn the_source_is_forgiven_in_time() {
        let throttle = throttle();
        for n in 0..40 {
            let _ = throttle.failed(key(n), from(STRANGER), START);
        }

        let later = START + Duration::from_secs(2);

        for n in 0..20 {
            assert!(
                throttle
                    .failed(key(100 + n), from(STRANGER), later)
                    .is_none()
            );
        }
        assert!(throttle.failed(key(200), from(STRANGER), later).is_some());
    }
}
