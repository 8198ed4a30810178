//! A gateway between a caller and a provider, all three in this process and speaking over loopback.

mod wire;

use std::{
    net::SocketAddr,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use portcullis_core::{
    address_policy::AddressPolicy,
    change::ChangeSeq,
    clock::{Clock, ManualClock},
    environment::Environment,
    keys::KeySet,
    recorder::{CallRecord, Recorder, TokenRecord},
    routes::InstanceRecord,
    snapshot::{Facts, SnapshotHandle},
    target::Target,
    test_util::{NOW, SnapshotBuilder, a_token, an_instance, current_keys, rules},
    throttle::{Throttle, ThrottleSettings},
};
use portcullis_gateway::{
    GatewayState, OutboundSigner, OutboundTokens, Settings, UpstreamTls, serve,
};
use portcullis_listener::{Bound, Limits, PerCore};
use tokio_util::sync::CancellationToken;

pub(crate) use self::wire::{Answer, Call, Connection, Message, Provider, ok};

/// Nothing in these tests takes this long unless it is stuck.
pub(crate) const LONG: Duration = Duration::from_secs(10);
/// What a test waits for that is to time out.
pub(crate) const SHORT: Duration = Duration::from_millis(400);

/// Keeps what the gateway records.
#[derive(Debug, Default)]
pub(crate) struct Records {
    calls: Mutex<Vec<CallRecord>>,
    more: Condvar,
}

impl Recorder for Records {
    fn call(&self, record: CallRecord) {
        self.calls.lock().unwrap().push(record);
        self.more.notify_all();
    }

    fn token(&self, _: TokenRecord) {}
}

impl Records {
    /// The first `count` records, once there are so many.
    pub(crate) fn wait(&self, count: usize) -> Vec<CallRecord> {
        let calls = self.calls.lock().unwrap();
        let (calls, timeout) = self
            .more
            .wait_timeout_while(calls, LONG, |calls| calls.len() < count)
            .unwrap();
        assert!(
            !timeout.timed_out(),
            "{count} records, but there are {}",
            calls.len()
        );
        calls.clone()
    }

    /// The record of the only call.
    pub(crate) fn only(&self) -> CallRecord {
        let mut calls = self.wait(1);
        assert_eq!(calls.len(), 1);
        calls.remove(0)
    }
}

/// What a test may change before the gateway starts.
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) instance: InstanceRecord,
    pub(crate) facts: SnapshotBuilder,
    pub(crate) tls: UpstreamTls,
    pub(crate) usable_for: Duration,
}

impl Plan {
    /// `app` of `owner` may call `api` of `provider` at `/cars/v1` for `buyer`, with `subscription`.
    pub(crate) fn to(target: &str) -> Self {
        let mut settings = Settings::new(rules(), "this-installation");
        settings.address_policy = AddressPolicy {
            allow_loopback: true,
            ..AddressPolicy::default()
        };
        Self {
            settings,
            instance: InstanceRecord {
                target: Target::parse(target).unwrap(),
                base_path: "/v1".to_owned(),
                ..an_instance("api", "/cars/v1")
            },
            facts: SnapshotBuilder::default()
                .organization("owner")
                .organization("provider")
                .organization("buyer")
                .api("api", "provider")
                .api("other-api", "provider")
                .app("app", "owner", &["api"])
                .app("stranger", "owner", &["api"])
                .subscription("subscription", "app", "buyer", &["api"])
                .subscription("of-stranger", "stranger", "buyer", &["api"]),
            tls: UpstreamTls::new(Vec::new()).unwrap(),
            usable_for: Duration::from_hours(24),
        }
    }

    pub(crate) fn start(self) -> Scene {
        Scene::start(self)
    }
}

/// A running gateway.
pub(crate) struct Scene {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) snapshot: Arc<SnapshotHandle>,
    pub(crate) records: Arc<Records>,
    pub(crate) keys: KeySet,
    shutdown: CancellationToken,
    _per_core: PerCore,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Scene {
    /// A gateway in front of this provider.
    pub(crate) fn before(provider: &Provider) -> Self {
        Plan::to(&provider.url()).start()
    }

    fn start(plan: Plan) -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let facts = Arc::new(plan.facts.instance(plan.instance).build());
        let snapshot = SnapshotHandle::new(facts, clock.boot_time(), plan.usable_for);
        let (outbound, records) = (OutboundTokens::new(), Arc::new(Records::default()));
        let shutdown = CancellationToken::new();
        let shared_clock = Arc::clone(&clock) as Arc<dyn Clock>;
        let signer = OutboundSigner::new(
            outbound.clone(),
            Arc::clone(&snapshot),
            Arc::clone(&shared_clock),
            rules(),
        );
        run_in_background(signer, shutdown.clone());
        let state = GatewayState {
            snapshot: Arc::clone(&snapshot),
            clock: shared_clock,
            recorder: Arc::clone(&records) as Arc<dyn Recorder>,
            outbound,
            throttle: Arc::new(Throttle::new(ThrottleSettings {
                failures_max: 3,
                ..ThrottleSettings::default()
            })),
            tls: plan.tls,
            settings: plan.settings,
        };
        let listener = portcullis_listener::Settings {
            addresses: vec!["127.0.0.1:0".parse().unwrap()],
            limits: Limits::default(),
            tls: None,
            name: "gateway",
        };
        let bound = Bound::bind(&listener).unwrap();
        let address = bound.local_addresses()[0];
        let per_core = serve(Arc::new(state), bound, listener, 1, shutdown.clone()).unwrap();
        let keys = current_keys();
        Self {
            address,
            clock,
            snapshot,
            records,
            keys,
            shutdown,
            _per_core: per_core,
        }
    }

    pub(crate) fn caller(&self) -> Connection {
        Connection::to(self.address)
    }

    /// A token of this client.
    pub(crate) fn token(&self, client: &str) -> String {
        a_token(&self.keys, client)
    }

    /// A complete call that is allowed, without a body.
    pub(crate) fn call(&self, method: &str, path: &str) -> Call {
        Call::new(method, path)
            .field(
                "Authorization",
                &format!("Bearer {}", self.token("app-key")),
            )
            .field("Subscription-Id", "subscription")
    }

    /// What one allowed GET of `/cars/v1/x` is answered, on a connection of its own.
    pub(crate) fn get(&self) -> Answer {
        self.caller().ask(&self.call("GET", "/cars/v1/x"))
    }

    /// Changes the facts, as a refresh does.
    pub(crate) fn change(&self, changed: Facts) {
        let current = self.snapshot.load();
        let next = current.with(ChangeSeq::new(2), changed);
        let _ = self
            .snapshot
            .replace(Arc::new(next), self.clock.boot_time());
    }
}

fn run_in_background(signer: OutboundSigner, shutdown: CancellationToken) {
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(signer.run(shutdown));
    });
}

/// An instance of `api` in this environment.
pub(crate) fn instance(prefix: &str, environment: Environment, target: &str) -> InstanceRecord {
    InstanceRecord {
        environment,
        target: Target::parse(target).unwrap(),
        ..an_instance("api", prefix)
    }
}
