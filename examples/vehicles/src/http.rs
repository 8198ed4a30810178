//! The HTTP client of the sample provider, for its one outgoing request: the platform's keys.

use reqwest::{Certificate, redirect};
use std::time::Duration;

/// The HTTP client cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The CA certificate is not PEM.
    #[error("the CA certificate is not a PEM certificate")]
    Certificate,
    /// TLS could not be set up, e.g. the machine has no CA certificates at all.
    #[error("the HTTP client cannot be set up: {0}")]
    Setup(#[from] reqwest::Error),
}

/// A client that asks `url` and nobody it may point to.
pub(crate) fn client(url: &str, ca_pem: Option<&[u8]>) -> Result<reqwest::Client, HttpError> {
    let certificates = match ca_pem {
        None => Vec::new(),
        Some(pem) => Certificate::from_pem_bundle(pem).map_err(|_| HttpError::Certificate)?,
    };
    let builder = reqwest::Client::builder()
        .user_agent("portcullis-sample-provider")
        .no_proxy()
        .redirect(redirect::Policy::none())
        .connect_timeout(Duration::from_secs(2))
        .timeout(Duration::from_secs(5));
    // Without https there is nothing to verify, and a machine may have no CA certificates.
    let builder = if url.starts_with("https:") {
        builder.tls_certs_merge(certificates)
    } else {
        builder.tls_certs_only(certificates)
    };
    Ok(builder.build()?)
}

/// The body of a 200 answer of at most `bytes_max` bytes, or why there is none.
pub(crate) async fn get(
    http: &reqwest::Client,
    url: &str,
    bytes_max: usize,
) -> Result<Vec<u8>, String> {
    let response = http.get(url).send().await;
    let mut response = response.map_err(|error| error.to_string())?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!("the answer was {}", response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| error.to_string())? {
        if body.len() + chunk.len() > bytes_max {
            return Err(format!("the answer is over {bytes_max} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
