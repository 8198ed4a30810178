//! The Portcullis SDK: a token source that renews itself, and authorized calls. No server code.
//!
//! An app shows two papers with every call: an access token (who is calling, from its API Key and
//! API Secret) and a `Subscription-Id` (for whom). [`TokenSource`] keeps the first fresh;
//! [`Client`] sends both and turns every refusal into an [`ApiError`] that says what to do.
//!
//! ```no_run
//! use portcullis_client::{Body, Client, Method};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder()
//!     .issuer("http://localhost:8080/oauth2/default")
//!     .api_key("2CfYt0nT8Kq0jYIhZVnJ3cQx1Jm0aEXA")
//!     .api_secret(std::env::var("API_SECRET")?)
//!     .api_base("http://localhost:8081/sample/vehicles/v1")
//!     .build()?;
//!
//! let subscription_id = "6f1c1a8e-7e5f-4c43-9a3b-0b6f5a1d2c3e";
//! let answer = client.call(Method::GET, "vehicles", subscription_id, Body::Empty).await?;
//! println!("{}", answer.text());
//! # Ok(())
//! # }
//! ```
//!
//! What it holds to:
//! - secrets and tokens print as `[redacted]` or masked; they never reach a log, an error or a URL;
//! - everything has a timeout, every answer a size limit, and no redirect is ever followed;
//! - proxies in the environment are ignored unless [`ClientBuilder::proxies_from_environment`] is
//!   called;
//! - there is nothing to run in the background: a token is renewed by the call that needs it.

mod builder;
mod client;
mod error;
mod http;
mod refusal;
mod token_source;
mod types;

pub use builder::{BuildError, ClientBuilder};
pub use client::{Answer, Body, Client};
pub use error::{CallError, OAuthErrorCode, OAuthRefusal, RetryAdvice, TokenError};
pub use refusal::{ApiError, ErrorSource};
pub use token_source::{Token, TokenSource};
pub use types::{
    AccessToken, ApiSecret, AppInfo, Claims, MalformedToken, OrganizationInfo, Subscription,
    SubscriptionContext,
};

// Part of the signatures above, so that an app need not depend on the same version of `reqwest`.
pub use reqwest::{Body as StreamBody, Method, StatusCode, header::HeaderMap};
