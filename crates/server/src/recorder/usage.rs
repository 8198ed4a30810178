//! Totals by hour and subject, since this process started.

use std::collections::{HashMap, HashSet};

use portcullis_core::{
    clock::Timestamp,
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
    /// Those of them that the gateway itself answered.
    pub refusals: u64,
    /// When the first of them came.
    pub first_at: Timestamp,
    /// When the last of them came.
    pub last_at: Timestamp,
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
            refusals: self.refusals,
            first_at: self.first_at,
            last_at: self.last_at,
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
    /// Counts a call whose API is known, and its app or subscription; others are in the request records alone.
    pub(super) fn count(&mut self, record: &CallRecord) {
        let Some(instance) = &record.instance else {
            return;
        };
        let is_known = record.buyer.is_some() || record.is_test;
        // What was sent instead of a subscription of the app is never counted apart: anybody could send anything.
        let subscription = match &record.subscription_id {
            Some(id) if is_known => id.as_ref(),
            _ if record.app.is_some() => "",
            _ => return,
        };
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
            subscription: subscription.to_owned(),
            calls: 0,
            errors: 0,
            refusals: 0,
            first_at: record.at,
            last_at: record.at,
            request_bytes: 0,
            response_bytes: 0,
        });
        row.calls += 1;
        row.errors += u64::from(record.status >= 400);
        row.refusals += u64::from(record.status >= 400 && record.code.is_some());
        row.first_at = row.first_at.min(record.at);
        row.last_at = row.last_at.max(record.at);
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
