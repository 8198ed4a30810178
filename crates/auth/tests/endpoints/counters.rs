//! What is counted for the operator.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use portcullis_core::test_util::SECRET;

use crate::support::{FORM, KEY, OLD_TOKEN, Server, right};

/// Counters by name and label.
#[derive(Default)]
struct Counted(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Counted {
    fn above_zero(&self) -> Vec<String> {
        let counters = self.0.lock().unwrap();
        let counters = counters.iter();
        counters
            .map(|(name, count)| (name, count.load(Ordering::SeqCst)))
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{name} {count}"))
            .collect()
    }
}

impl Recorder for Counted {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let label = key.labels().next().unwrap();
        let name = format!("{}{{{}={}}}", key.name(), label.key(), label.value());
        let mut counters = self.0.lock().unwrap();
        Counter::from_arc(counters.entry(name).or_default().clone())
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn tokens_and_refusals_are_counted() {
    let counted = Counted::default();
    let server = with_local_recorder(&counted, Server::start);
    let mut old = right(FORM);
    *old.uri_mut() = OLD_TOKEN.parse().unwrap();

    server.ask_as(KEY, SECRET).await;
    server.ask_as(KEY, SECRET).await;
    server.send(old).await;
    server.ask_as(KEY, "wrong").await;
    server.send(right("scope=anonymous")).await;
    server.get("/oauth2/default/v1/authorize").await;

    assert_eq!(
        counted.above_zero(),
        [
            "portcullis_token_requests_refused_total{error=invalid_client} 1",
            "portcullis_token_requests_refused_total{error=invalid_request} 1",
            "portcullis_token_requests_refused_total{error=unsupported_response_type} 1",
            "portcullis_tokens_issued_total{issuer=current} 2",
            "portcullis_tokens_issued_total{issuer=deprecated} 1",
        ]
    );
}
