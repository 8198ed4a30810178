use portcullis_core::{
    clock::ManualClock,
    ids::{AppId, OrganizationId},
    recorder::Source,
    test_util::{NOW, an_instance},
};

use super::*;

fn a_call(status: u16) -> CallRecord {
    CallRecord {
        at: NOW,
        call_id: 7,
        request_id: "a \"quoted\" id".into(),
        instance: Some(Arc::new(an_instance("v1-vehicles", "/sample/vehicles/v1"))),
        app: Some(AppId::parse("app").unwrap()),
        subscription_id: Some("subscription".into()),
        buyer: Some(OrganizationId::parse("buyer").unwrap()),
        method: "GET".into(),
        path: "/sample/vehicles/v1/vehicles".into(),
        status,
        code: (status >= 400).then_some("SUBSCRIPTION-MISMATCH"),
        reason: "subscription_unknown",
        source: Source::Gateway,
        latency: Duration::from_micros(1_500),
        upstream_latency: None,
        request_bytes: 1,
        response_bytes: 10,
        is_test: false,
    }
}

fn start(folder: &std::path::Path) -> (Arc<Rings>, Drain, mpsc::UnboundedReceiver<StoreNote>) {
    let (notes, received) = mpsc::unbounded_channel();
    let settings = DrainSettings {
        rings: 2,
        segments: SegmentSettings {
            total_bytes_max: 1 << 20,
            age_max: Duration::from_mins(1),
        },
        folder: folder.to_owned(),
    };
    let (rings, drain) = Drain::start(&settings, Arc::new(ManualClock::at(NOW)), notes).unwrap();
    (rings, drain, received)
}

#[test]
fn a_clean_stop_writes_every_record_and_loses_no_usage() {
    let folder = tempfile::tempdir().unwrap();
    let (rings, drain, mut notes) = start(folder.path());

    let writers: Vec<_> = (0..4)
        .map(|_| {
            let rings = rings.clone();
            let instance = a_call(200).instance;
            std::thread::spawn(move || {
                for _ in 0..500 {
                    rings.call(CallRecord {
                        instance: instance.clone(),
                        ..a_call(200)
                    });
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    drain.stop();

    let mut calls = 0;
    while let Ok(note) = notes.try_recv() {
        if let StoreNote::Usage(rows) = note {
            calls += rows.iter().map(|row| row.calls).sum::<u64>();
        }
    }
    assert_eq!(calls, 2_000);
    let file = std::fs::read_dir(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert_eq!(
        std::fs::read_to_string(file).unwrap().lines().count(),
        2_000
    );
}

#[test]
fn a_request_record_is_one_line_of_json() {
    let mut line = Vec::new();

    super::line::write(&mut line, &a_call(403)).unwrap();

    let text = String::from_utf8(line).unwrap();
    assert_eq!(text.matches('\n').count(), 1);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["request_id"], "a \"quoted\" id");
    assert_eq!(json["code"], "SUBSCRIPTION-MISMATCH");
    assert_eq!(
        (&json["status"], &json["latency_us"]),
        (&403.into(), &1500.into())
    );
}

#[test]
fn a_secrets_last_use_is_noted_once_however_often_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let (rings, drain, mut notes) = start(folder.path());
    let token = TokenRecord {
        at: NOW,
        client: IdKey::of("client"),
        secret: IdKey::of("secret"),
        from: Some([127, 0, 0, 1].into()),
        deprecated_issuer: true,
    };

    for _ in 0..100 {
        rings.token(token);
    }
    drain.stop();

    let (mut used, mut deprecated) = (0, 0);
    while let Ok(note) = notes.try_recv() {
        match note {
            StoreNote::SecretsUsed(records) => used += records.len(),
            StoreNote::DeprecatedIssuer(of_clients) => {
                deprecated += of_clients.iter().map(|(.., n)| n).sum::<u64>();
            }
            StoreNote::Usage(_) => {}
        }
    }
    assert_eq!((used, deprecated), (1, 100));
}

#[test]
fn a_full_ring_drops_rather_than_waits() {
    let rings = Rings::new(1);

    for _ in 0..RING_RECORDS + 10 {
        rings.call(a_call(200));
    }

    assert_eq!(rings.dropped.load(Ordering::Relaxed), 10);
}

#[test]
fn old_segments_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let old = NOW.as_us() - 61_000_000;
    std::fs::write(
        folder.path().join(format!("requests-{old:020}.ndjson")),
        "{}\n",
    )
    .unwrap();
    std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();

    let (_, drain, _) = start(folder.path());
    drain.stop();

    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].file_name(), "notes.txt");
}

#[test]
fn a_refused_call_counts_for_its_app_whatever_subscription_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (rings, drain, mut notes) = start(folder.path());
    // One and the same instance: each call of the builder makes another.
    let instance = a_call(403).instance;
    let refused = |sent: &str, at: i64| CallRecord {
        at: Timestamp::from_us(NOW.as_us() + at),
        buyer: None,
        instance: instance.clone(),
        subscription_id: Some(sent.into()),
        ..a_call(403)
    };
    let nobodys = CallRecord {
        app: None,
        ..refused("x", 0)
    };

    rings.call(refused("one", 7));
    rings.call(refused("another", 5));
    rings.call(nobodys);
    rings.call(CallRecord {
        code: None,
        source: Source::Api,
        ..a_call(404)
    });
    drain.stop();

    let mut rows = Vec::new();
    while let Ok(note) = notes.try_recv() {
        if let StoreNote::Usage(more) = note {
            rows.extend(more);
        }
    }
    rows.sort_by(|a, b| a.subscription.cmp(&b.subscription));
    let counts: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.subscription.as_str(),
                row.calls,
                row.errors,
                row.refusals,
            )
        })
        .collect();
    // Of what was sent nothing is kept: anybody could send anything.
    assert_eq!(counts, [("", 2, 2, 2), ("subscription", 1, 1, 0)]);
    let instant = |at| Timestamp::from_us(NOW.as_us() + at);
    assert_eq!(
        (rows[0].first_at, rows[0].last_at),
        (instant(5), instant(7))
    );
}
