//! The data of each subscription, kept apart by `Subscription-Id` and bounded in number and size.

use super::answer::Failure;
use super::catalog;
use super::customers::Customer;
use super::vehicles::Vehicle;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Beyond this many subscriptions the one that was not used for longest starts anew.
const TENANTS_MAX: usize = 1000;
const ENTRIES_MAX: usize = 500;
const SUBSCRIPTION_ID_BYTES_MAX: usize = 128;

/// For whom a call is made: its `Subscription-Id`, which the gateway has checked.
pub(super) struct Caller(String);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let mut values = parts.headers.get_all("subscription-id").iter();
        let id = match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().unwrap_or_default(),
            _ => "",
        };
        let printable = id.bytes().all(|byte| byte.is_ascii_graphic());
        if id.is_empty() || id.len() > SUBSCRIPTION_ID_BYTES_MAX || !printable {
            let message = "The call carries no usable Subscription-Id.";
            let status = StatusCode::BAD_REQUEST;
            return Err(Failure::new(status, "MISSING-SUBSCRIPTION-ID", message));
        }
        Ok(Self(id.to_owned()))
    }
}

/// Entries of one kind by number, in the order in which they were added. An entry's id is the
/// prefix of its kind, a dash, and its number.
pub(super) struct Entries<T> {
    prefix: &'static str,
    by_number: BTreeMap<u32, Arc<T>>,
    next: u32,
}

impl<T> Entries<T> {
    fn seeded(prefix: &'static str, first: u32, seeds: &[Arc<T>]) -> Self {
        let by_number: BTreeMap<_, _> = (first..).zip(seeds.iter().cloned()).collect();
        let next = by_number
            .last_key_value()
            .map_or(first, |(last, _)| last + 1);
        Self {
            prefix,
            by_number,
            next,
        }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Arc<T>> {
        self.by_number.values()
    }

    pub(super) fn get(&self, id: &str) -> Option<&Arc<T>> {
        self.by_number.get(&self.number(id)?)
    }

    pub(super) fn remove(&mut self, id: &str) -> bool {
        let number = self.number(id);
        number.is_some_and(|number| self.by_number.remove(&number).is_some())
    }

    /// Only the id as it was given out: no leading zero, no plus sign.
    fn number(&self, id: &str) -> Option<u32> {
        let digits = id.strip_prefix(self.prefix)?.strip_prefix('-')?;
        let number: u32 = digits.parse().ok()?;
        (number.to_string() == digits).then_some(number)
    }

    /// `None` when there are as many as are kept.
    pub(super) fn add(&mut self, make: impl FnOnce(u32) -> T) -> Option<Arc<T>> {
        if self.by_number.len() >= ENTRIES_MAX {
            return None;
        }
        let number = self.next;
        self.next = number.checked_add(1)?;
        let entry = Arc::new(make(number));
        self.by_number.insert(number, Arc::clone(&entry));
        Some(entry)
    }
}

/// What one subscription sees.
pub(super) struct Tenant {
    pub(super) vehicles: Entries<Vehicle>,
    pub(super) customers: Entries<Customer>,
    used_at: u64,
}

/// All subscriptions that have called.
#[derive(Default)]
pub(super) struct Tenants {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    by_id: HashMap<String, Tenant>,
    calls: u64,
}

impl Tenants {
    /// Runs `act` on the caller's data, which is made from the catalog at its first call.
    pub(super) fn with<R>(&self, Caller(id): &Caller, act: impl FnOnce(&mut Tenant) -> R) -> R {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { by_id, calls } = &mut *state;
        *calls += 1;
        if by_id.len() >= TENANTS_MAX && !by_id.contains_key(id) {
            let oldest = by_id.iter().min_by_key(|(_, tenant)| tenant.used_at);
            let oldest = oldest.map(|(id, _)| id.clone());
            oldest.and_then(|oldest| by_id.remove(&oldest));
        }
        let tenant = by_id.entry(id.clone()).or_insert_with(|| Tenant {
            vehicles: Entries::seeded("veh", catalog::FIRST_VEHICLE, &catalog::VEHICLES),
            customers: Entries::seeded("cus", catalog::FIRST_CUSTOMER, &catalog::CUSTOMERS),
            used_at: 0,
        });
        tenant.used_at = *calls;
        act(tenant)
    }
}
