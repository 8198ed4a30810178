//! The example app and the sample provider, built on the SDK alone. Neither opens a socket: both
//! are routers that the `portcullis` program serves.
//!
//! - [`provider()`]: the API behind the gateway; what an API developer would write.
//! - [`example_app()`]: the web page that gets a token and shows vehicles; what an app developer
//!   would write.

mod example_app;
mod http;
mod provider;

pub use example_app::{ExampleSettings, example_app};
pub use http::HttpError;
pub use portcullis_client::ApiSecret;
pub use provider::{BASE_PATH, ExpectedClient, ProviderSettings, SPEC, provider};
