//! What happened on the hot path: the rings that take records without ever waiting, and the thread that
//! drains them into request records, usage, metrics and last-used times.
//!
//! Serving calls and writing about them never share a writer: a full ring drops and counts. Usage is kept as
//! totals since this process started and written by overwriting, so a retry cannot count twice; a clean stop
//! loses none of it, `kill -9` what was counted since the last write, five seconds at most.

/// The shape of a request record.
mod line;
/// Append-only files of request records.
mod segments;
/// Totals by hour and subject.
mod usage;

use std::{
    cell::Cell,
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crossbeam_queue::ArrayQueue;
use metrics::{Counter, Histogram, counter, histogram};
use portcullis_core::{
    clock::{Clock, Timestamp},
    ids::IdKey,
    recorder::{CallRecord, Recorder, TokenRecord},
};
use tokio::sync::mpsc;

use segments::Segments;
use usage::UsageTotals;

pub use segments::SegmentSettings;
pub use usage::UsageRow;

/// Records that one ring holds. At ten thousand calls a second on one core, a fifth of it fills between drains.
const RING_RECORDS: usize = 8_192;
/// How often the rings are drained while there is something in them.
const DRAIN_EVERY: Duration = Duration::from_millis(50);
/// How often totals are handed to the store: well below the promised five seconds.
const USAGE_EVERY: Duration = Duration::from_secs(2);
/// How often the last use of one secret is written.
const LAST_USED_EVERY: Duration = Duration::from_mins(1);

/// What is to be written into the store, by whoever may wait for it.
#[derive(Debug)]
pub enum StoreNote {
    /// Totals that changed.
    Usage(Vec<UsageRow>),
    /// Secrets and when and from where they were last used.
    SecretsUsed(Vec<TokenRecord>),
    /// Clients that used the deprecated issuer: when last, and how often since the last note.
    DeprecatedIssuer(Vec<(IdKey, Timestamp, u64)>),
}

/// The rings. Cheap to share; never blocks.
pub struct Rings {
    calls: Box<[ArrayQueue<CallRecord>]>,
    tokens: ArrayQueue<TokenRecord>,
    dropped: AtomicU64,
    threads: AtomicUsize,
}

thread_local! {
    static RING: Cell<Option<usize>> = const { Cell::new(None) };
}

impl Rings {
    fn new(rings: usize) -> Self {
        Self {
            calls: (0..rings.max(1))
                .map(|_| ArrayQueue::new(RING_RECORDS))
                .collect(),
            tokens: ArrayQueue::new(RING_RECORDS),
            dropped: AtomicU64::new(0),
            threads: AtomicUsize::new(0),
        }
    }

    /// The ring of this thread: a core keeps to its own.
    fn ring(&self) -> Option<&ArrayQueue<CallRecord>> {
        let number = RING.with(|ring| {
            ring.get().unwrap_or_else(|| {
                let number = self.threads.fetch_add(1, Ordering::Relaxed);
                ring.set(Some(number));
                number
            })
        });
        self.calls.get(number % self.calls.len())
    }
}

impl Recorder for Rings {
    fn call(&self, record: CallRecord) {
        if self.ring().is_none_or(|ring| ring.push(record).is_err()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn token(&self, record: TokenRecord) {
        if self.tokens.push(record).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Rings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rings({} rings)", self.calls.len())
    }
}

/// Settings of the drain.
#[derive(Debug, Clone)]
pub struct DrainSettings {
    /// One ring for each gateway core.
    pub rings: usize,
    /// Where request records go.
    pub segments: SegmentSettings,
    /// The folder of request records.
    pub folder: PathBuf,
}

/// The thread that drains the rings. Stop it, then wait for the notes it sends last.
pub struct Drain {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Drain {
    /// Makes the rings and starts the thread.
    ///
    /// # Errors
    /// When the folder of request records cannot be made, or no thread can.
    pub fn start(
        settings: &DrainSettings,
        clock: Arc<dyn Clock>,
        notes: mpsc::UnboundedSender<StoreNote>,
    ) -> std::io::Result<(Arc<Rings>, Self)> {
        let segments = Segments::open(&settings.folder, settings.segments, clock.now())?;
        let rings = Arc::new(Rings::new(settings.rings));
        let stop = Arc::new(AtomicBool::new(false));
        let mut worker = Worker::new(rings.clone(), segments, clock, notes);
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Acquire) {
                    worker.drain();
                    std::thread::park_timeout(DRAIN_EVERY);
                }
                worker.finish();
            })?;
        Ok((rings, Self { stop, thread }))
    }

    /// Drains what is left, hands over all totals and ends. Blocks for as long as that takes.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        // A panic of the thread was reported by the panic hook; there is nothing left to drain then.
        let _ = self.thread.join();
    }
}

/// Handles of the metrics of one API in one environment, looked up once.
struct CallMetrics {
    answered: HashMap<(u16, &'static str), Counter>,
    latency: Histogram,
}

struct Worker {
    rings: Arc<Rings>,
    segments: Segments,
    clock: Arc<dyn Clock>,
    notes: mpsc::UnboundedSender<StoreNote>,
    usage: UsageTotals,
    usage_sent_at: Timestamp,
    metrics: HashMap<IdKey, CallMetrics>,
    secrets: HashMap<IdKey, (TokenRecord, Timestamp)>,
    deprecated: HashMap<IdKey, (Timestamp, u64)>,
    dropped: Counter,
    dropped_before: u64,
}

impl Worker {
    fn new(
        rings: Arc<Rings>,
        segments: Segments,
        clock: Arc<dyn Clock>,
        notes: mpsc::UnboundedSender<StoreNote>,
    ) -> Self {
        Self {
            rings,
            segments,
            usage: UsageTotals::default(),
            usage_sent_at: clock.now(),
            clock,
            notes,
            metrics: HashMap::new(),
            secrets: HashMap::new(),
            deprecated: HashMap::new(),
            dropped: counter!("portcullis_records_dropped_total"),
            dropped_before: 0,
        }
    }

    fn drain(&mut self) {
        let rings = self.rings.clone();
        for ring in &rings.calls {
            // Under pressure refusals are all written and successes sampled; usage counts every one.
            let sampled = ring.len() > RING_RECORDS / 2;
            for number in 0..RING_RECORDS {
                let Some(record) = ring.pop() else { break };
                self.usage.count(&record);
                self.count_metrics(&record);
                if !sampled || record.status >= 400 || number % 16 == 0 {
                    self.segments.write(&record);
                }
            }
        }
        while let Some(record) = rings.tokens.pop() {
            self.note_token(record);
        }
        let now = self.clock.now();
        self.segments.flush(now);
        let dropped = rings.dropped.load(Ordering::Relaxed);
        self.dropped
            .increment(dropped.wrapping_sub(self.dropped_before));
        self.dropped_before = dropped;
        if now.since(self.usage_sent_at) >= USAGE_EVERY {
            self.send_notes(now, LAST_USED_EVERY);
        }
    }

    fn finish(&mut self) {
        self.drain();
        self.send_notes(self.clock.now(), Duration::ZERO);
    }

    fn count_metrics(&mut self, record: &CallRecord) {
        let (api, environment, key) = match &record.instance {
            Some(instance) => (
                instance.api_id.as_str(),
                instance.environment.as_str(),
                instance.id.key(),
            ),
            None => ("", "", IdKey::of("no route")),
        };
        let metrics = self.metrics.entry(key).or_insert_with(|| CallMetrics {
            answered: HashMap::new(),
            latency: histogram!(
                "portcullis_call_seconds", "api" => api.to_owned(), "environment" => environment.to_owned()
            ),
        });
        metrics.latency.record(record.latency.as_secs_f64());
        let code = record.code.unwrap_or_default();
        let answered = metrics
            .answered
            .entry((record.status, code))
            .or_insert_with(|| {
                counter!(
                    "portcullis_calls_total",
                    "api" => api.to_owned(),
                    "environment" => environment.to_owned(),
                    "status" => record.status.to_string(),
                    "code" => code
                )
            });
        answered.increment(1);
    }

    fn note_token(&mut self, record: TokenRecord) {
        self.secrets
            .entry(record.secret)
            .or_insert((record, Timestamp::from_us(0)))
            .0 = record;
        if record.deprecated_issuer {
            let use_of = self
                .deprecated
                .entry(record.client)
                .or_insert((record.at, 0));
            *use_of = (record.at, use_of.1 + 1);
        }
    }

    /// Hands over what changed. A receiver that has gone means the process is ending.
    fn send_notes(&mut self, now: Timestamp, last_used_every: Duration) {
        self.usage_sent_at = now;
        let usage = self.usage.take_changed();
        if !usage.is_empty() {
            let _ = self.notes.send(StoreNote::Usage(usage));
        }
        let mut used = Vec::new();
        for (record, written_at) in self.secrets.values_mut() {
            if record.at > *written_at && now.since(*written_at) >= last_used_every {
                *written_at = record.at.max(now);
                used.push(*record);
            }
        }
        if !used.is_empty() {
            let _ = self.notes.send(StoreNote::SecretsUsed(used));
        }
        self.secrets
            .retain(|_, (_, written_at)| now.since(*written_at) < LAST_USED_EVERY * 2);
        if !self.deprecated.is_empty() {
            let of_clients = self
                .deprecated
                .drain()
                .map(|(client, (at, count))| (client, at, count));
            let _ = self
                .notes
                .send(StoreNote::DeprecatedIssuer(of_clients.collect()));
        }
    }
}

#[cfg(test)]
mod tests;
