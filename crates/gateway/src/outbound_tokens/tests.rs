use portcullis_core::{
    access_token::{VerifyError, verify},
    authorize::{Call, authorize},
    change::ChangeSeq,
    clock::ManualClock,
    keys::{KeySet, KeyState},
    snapshot::Facts,
    test_util::{NOW, SnapshotBuilder, a_key, a_token, current_keys, rules},
};

use super::*;

struct Scene {
    clock: Arc<ManualClock>,
    snapshot: Arc<SnapshotHandle>,
    tokens: OutboundTokens,
}

impl Scene {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let facts = Arc::new(SnapshotBuilder::connected("app", "api").build());
        let snapshot = SnapshotHandle::new(facts, clock.boot_time(), Duration::from_hours(24));
        Self {
            clock,
            snapshot,
            tokens: OutboundTokens::new(),
        }
    }

    fn signer(&self) -> OutboundSigner {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        OutboundSigner::new(
            self.tokens.clone(),
            Arc::clone(&self.snapshot),
            clock,
            rules(),
        )
    }

    fn permit(&self) -> Permit {
        let facts = self.snapshot.load();
        let keys = current_keys();
        let token = verify(&a_token(&keys, "app-key"), &keys, &rules(), NOW).unwrap();
        let route = facts.routes().find("/cars/v1").unwrap();
        let call = Call {
            token: &token,
            subscription_id: Some("subscription"),
            route: &route,
        };
        authorize(&facts, &call, NOW).unwrap()
    }

    fn ready(&self) -> Option<HeaderValue> {
        self.tokens
            .ready(&self.permit(), &self.snapshot.load(), self.clock.now())
    }

    fn set_keys(&self, keys: KeySet) {
        let changed = Facts {
            keys: Some(keys),
            ..Facts::default()
        };
        let next = self.snapshot.load().with(ChangeSeq::new(2), changed);
        let _ = self
            .snapshot
            .replace(Arc::new(next), self.clock.boot_time());
    }

    /// Asks as a call does, and lets the signer answer.
    async fn ask(&self) {
        let permit = self.permit();
        let signer = self.signer();
        let wait = self
            .tokens
            .wait_for_signing(&permit, Duration::from_secs(5));
        tokio::join!(wait, async {
            tokio::task::yield_now().await;
            signer.sign_wanted().await;
        });
    }
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap().strip_prefix("Bearer ").unwrap()
}

#[tokio::test]
async fn a_token_is_signed_when_it_is_asked_for_and_then_kept() {
    let scene = Scene::new();
    assert!(scene.ready().is_none());

    scene.ask().await;
    let first = scene.ready().unwrap();
    scene.ask().await;

    assert_eq!(scene.ready().unwrap(), first);
}

#[tokio::test]
async fn however_many_ask_it_is_signed_once() {
    let scene = Scene::new();
    let permit = scene.permit();
    let waits: Vec<_> = (0..50)
        .map(|_| {
            scene
                .tokens
                .wait_for_signing(&permit, Duration::from_secs(5))
        })
        .collect();
    let signer = scene.signer();

    let all = futures_join(waits);
    tokio::join!(all, async {
        tokio::task::yield_now().await;
        assert_eq!(scene.tokens.0.wanted.lock().unwrap().len(), 1);
        signer.sign_wanted().await;
    });

    assert!(scene.ready().is_some());
}

async fn futures_join<F: Future<Output = ()>>(futures: Vec<F>) {
    let mut futures: Vec<_> = futures
        .into_iter()
        .map(|future| Some(Box::pin(future)))
        .collect();
    std::future::poll_fn(|cx| {
        for slot in &mut futures {
            if slot
                .as_mut()
                .is_some_and(|future| future.as_mut().poll(cx).is_ready())
            {
                *slot = None;
            }
        }
        if futures.iter().all(Option::is_none) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

#[tokio::test]
async fn our_own_verifier_refuses_an_outbound_token() {
    let scene = Scene::new();
    scene.ask().await;

    let refused = verify(
        text(&scene.ready().unwrap()),
        &current_keys(),
        &rules(),
        NOW,
    );

    assert_eq!(refused.unwrap_err(), VerifyError::UnknownKey);
}

#[tokio::test]
async fn a_used_token_is_renewed_at_half_its_life_and_never_sent_near_its_end() {
    let scene = Scene::new();
    scene.ask().await;
    let first = scene.ready().unwrap();

    scene.clock.advance(Duration::from_secs(166));
    scene.signer().renew().await;

    let second = scene.ready().unwrap();
    assert_ne!(second, first);
    scene.clock.advance(Duration::from_secs(271));
    assert!(scene.ready().is_none());
}

#[tokio::test]
async fn a_token_nobody_used_is_let_go() {
    let scene = Scene::new();
    scene.ask().await;

    scene.clock.advance(Duration::from_secs(200));
    scene.signer().renew().await;
    scene.clock.advance(Duration::from_secs(101));
    scene.signer().renew().await;

    assert!(scene.tokens.0.tokens.load().is_empty());
}

#[tokio::test]
async fn a_token_whose_key_was_withdrawn_is_not_sent() {
    let scene = Scene::new();
    scene.ask().await;
    assert!(scene.ready().is_some());
    let other = KeySet::new(vec![
        current_keys().signing(KeyPurpose::Client).unwrap().clone(),
        a_key(KeyPurpose::Outbound, KeyState::Current),
    ]);

    scene.set_keys(other);

    assert!(scene.ready().is_none());
}

#[tokio::test]
async fn without_a_key_the_wait_ends_and_nothing_is_there() {
    let scene = Scene::new();
    let permit = scene.permit();
    scene.set_keys(KeySet::default());
    let signer = scene.signer();

    let wait = scene
        .tokens
        .wait_for_signing(&permit, Duration::from_secs(5));
    tokio::join!(wait, async {
        tokio::task::yield_now().await;
        signer.sign_wanted().await;
    });

    assert!(scene.tokens.0.tokens.load().is_empty());
}
