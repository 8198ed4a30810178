//! The sample provider, driven as the gateway drives it: by requests with a platform token.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod api;
mod platform;
mod platform_token;
mod specification;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use platform::{Answer, Key, Platform, SUBSCRIPTION_ID, send};
use serde_json::Value;

/// A gateway with a good token in front of a fresh provider.
struct Gateway {
    router: Router,
    token: String,
}

impl Gateway {
    async fn new() -> Self {
        let key = Key::new("k1");
        let platform = Platform::publishing(&[&key]).await;
        Self {
            router: platform.provider(),
            token: key.sign(&platform.claims()),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, SUBSCRIPTION_ID, None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, SUBSCRIPTION_ID, Some(body)).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, SUBSCRIPTION_ID, None).await
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        subscription_id: &str,
        body: Option<&Value>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/vehicles/v1{path}"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("subscription-id", subscription_id);
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        send(&self.router, request.body(body).unwrap()).await
    }
}
