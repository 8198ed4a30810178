//! Totals by hour and subject, since this process started.

use std::collections::{HashMap, HashSet};

use portcullis_core::{
    environment::Environment,
    ids::{ApiId, AppId, IdKey},
    recorder::CallRecord,
};
use portcullis_store::NodeIdentity;

/// Totals of one subject in one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Hours since 1970-01-01T00:00Z.
    pub hour: i64,
    /// The app; `None` when an API's own client called.
    pub app: Option<AppId>,
    /// The API.
    pub api: ApiId,
    /// Its environment.
    pub environment: Environment,
    /// The subscription.
    pub subscription: String,
    /// Calls that were let through or refused after the subscription was known.
    pub calls: u64,
    /// Those answered with 400 and above.
    pub errors: u64,
    /// Bytes of the bodies of the calls.
    pub request_bytes: u64,
    /// Bytes of the bodies of the answers.
    pub response_bytes: u64,
}

impl UsageRow {
    /// As the store keeps it: the totals of this incarnation of a node, written by overwriting.
    #[must_use]
    pub fn stored(self, node: &NodeIdentity) -> Option<portcullis_store::UsageRow> {
        Some(portcullis_store::UsageRow {
            node: node.id.clone(),
            incarnation: node.incarnation.clone(),
            hour: self.hour,
            app: self.app?,
            api: self.api,
            subscription: self.subscription,
            environment: self.environment,
            calls: self.calls,
            errors: self.errors,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
        })
    }
}

const HOUR_US: i64 = 3_600_000_000;

#[derive(PartialEq, Eq, Hash, Clone, Copy)]
struct Subject {
    hour: i64,
    app: Option<IdKey>,
    instance: IdKey,
    subscription: IdKey,
}

/// The totals, and which of them changed since they were last taken.
#[derive(Default)]
pub(super) struct UsageTotals {
    rows: HashMap<Subject, UsageRow>,
    changed: HashSet<Subject>,
    hour: i64,
}

impl UsageTotals {
    /// Counts a call whose app, API and subscription are known; others are in the request records alone.
    pub(super) fn count(&mut self, record: &CallRecord) {
        let (Some(instance), Some(subscription)) = (&record.instance, &record.subscription_id)
        else {
            return;
        };
        if record.buyer.is_none() && !record.is_test {
            return;
        }
        let subject = Subject {
            hour: record.at.as_us().div_euclid(HOUR_US),
            app: record.app.as_ref().map(AppId::key),
            instance: instance.id.key(),
            subscription: IdKey::of(subscription),
        };
        self.hour = self.hour.max(subject.hour);
        let row = self.rows.entry(subject).or_insert_with(|| UsageRow {
            hour: subject.hour,
            app: record.app.clone(),
            api: instance.api_id.clone(),
            environment: instance.environment,
            subscription: subscription.as_ref().to_owned(),
            calls: 0,
            errors: 0,
            request_bytes: 0,
            response_bytes: 0,
        });
        row.calls += 1;
        row.errors += u64::from(record.status >= 400);
        row.request_bytes += record.request_bytes;
        row.response_bytes += record.response_bytes;
        self.changed.insert(subject);
    }

    /// The totals that changed. Hours that are over are forgotten once they were taken.
    pub(super) fn take_changed(&mut self) -> Vec<UsageRow> {
        let rows = self
            .changed
            .drain()
            .filter_map(|subject| self.rows.get(&subject).cloned())
            .collect();
        let hour = self.hour;
        // A call that began in the last hour may still end in this one.
        self.rows.retain(|subject, _| subject.hour >= hour - 1);
        rows
    }
}
