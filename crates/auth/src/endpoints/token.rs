//! `POST {issuer}/v1/token`: the token endpoint (RFC 6749 section 3.2).

use std::{net::IpAddr, sync::Arc};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, HeaderName, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use portcullis_core::{
    oauth::{grant_type::GrantType, token::TokenResponse},
    recorder::TokenRecord,
    snapshot::Snapshot,
};

use super::{Endpoint, signing_key};
use crate::{
    client_authentication::{AuthenticatedClient, Credentials},
    error::{TokenError, uncached_json},
    grants::client_credentials::{self, Grant},
    parameters::{Parameters, Place},
    peer::PeerAddr,
};

/// Largest body, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// Issues a token, or says why not.
pub(crate) async fn token(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    let peer = request.extensions().get::<PeerAddr>();
    let from = peer.map(|peer| peer.0.ip());
    match endpoint.issue(request, from).await {
        Ok(response) => response,
        Err(error) => endpoint.refuse(&error, from),
    }
}

/// Every method but POST.
pub(crate) async fn only_post(State(endpoint): State<Arc<Endpoint>>) -> Response {
    endpoint.refuse(&TokenError::Method { allow: "POST" }, None)
}

impl Endpoint {
    /// The checks in the order of RFC 6749: the request, the client, the grant, the scope.
    async fn issue(&self, request: Request, from: Option<IpAddr>) -> Result<Response, TokenError> {
        let (head, body) = request.into_parts();
        let query = Place::from_form(head.uri.query().unwrap_or_default().as_bytes())?;
        if query.holds_secret() {
            return Err(TokenError::SecretInQuery);
        }
        let body = RequestBody::read(&head.headers, body).await?;
        let parameters = Parameters::merge(query, body.parameters()?)?;
        let credentials = Credentials::read(&head.headers, &parameters)?;

        let facts = self.facts()?;
        signing_key(&facts)?;
        let client = self.authenticate(&credentials, &facts, from)?;
        let grant = grant(&parameters)?;

        let place = self.admission.admit()?;
        // Lets the worker see what else has arrived before it spends time on a signature; see `admission`.
        tokio::task::yield_now().await;
        let newer = self.facts()?;
        let client = if Arc::ptr_eq(&facts, &newer) {
            client
        } else {
            self.authenticate(&credentials, &newer, from)?
        };

        let started = self.state.clock.boot_time();
        let response = self.sign(grant, &client, &newer, from)?;
        place.signed(self.state.clock.boot_time().since(started));
        tracing::debug!(
            client_id = client.client_id(),
            method = %credentials.method(),
            "token issued"
        );
        Ok(response)
    }

    /// Verifies first and throttles afterwards, so that right credentials never wait.
    fn authenticate<'a>(
        &self,
        credentials: &'a Credentials,
        facts: &Snapshot,
        from: Option<IpAddr>,
    ) -> Result<AuthenticatedClient<'a>, TokenError> {
        credentials
            .verify(facts, self.state.clock.now())
            .map_err(|error| {
                let now = self.state.clock.boot_time();
                let key = Some(credentials.key());
                match self.state.throttle.failed(key, from, now) {
                    Some(retry_after) => TokenError::Throttled { retry_after },
                    None => error,
                }
            })
    }

    fn sign(
        &self,
        grant: Grant,
        client: &AuthenticatedClient<'_>,
        facts: &Snapshot,
        from: Option<IpAddr>,
    ) -> Result<Response, TokenError> {
        let now = self.state.clock.now();
        let token = grant.sign(
            client,
            self.state.settings.rules(),
            signing_key(facts)?,
            now,
        )?;
        let json =
            TokenResponse::bearer(&token.access_token, token.lifetime.as_secs(), token.scope)
                .to_json()
                .map_err(|_| TokenError::Internal)?;
        self.state.recorder.token(TokenRecord {
            at: now,
            client: client.key(),
            secret: client.secret(),
            from,
            deprecated_issuer: self.is_deprecated,
        });
        if self.is_deprecated {
            self.counters.issued_by_deprecated_issuer();
        } else {
            self.counters.issued_by_current_issuer();
        }
        Ok(uncached_json(json))
    }
}

/// What the grant type asked for gives.
fn grant(parameters: &Parameters) -> Result<Grant, TokenError> {
    let grant_type = parameters.grant_type.as_deref();
    match GrantType::parse(grant_type.ok_or(TokenError::NoGrantType)?) {
        GrantType::ClientCredentials => client_credentials::grant(parameters),
        _ => Err(TokenError::UnsupportedGrantType),
    }
}

/// The body in the forms we take.
enum RequestBody {
    Form(Bytes),
    Json(Bytes),
}

impl RequestBody {
    /// Reads the body, if its type is one of ours and its size within bounds. What says beforehand that it is
    /// not, is not read at all.
    async fn read(headers: &HeaderMap, body: Body) -> Result<Self, TokenError> {
        // Without a body the Content-Type describes nothing, whatever it says.
        if body.is_end_stream() {
            return Ok(Self::Form(Bytes::new()));
        }
        let kind = Self::kind(headers)?;
        if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
            return Err(TokenError::BodyTooLarge);
        }
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
        let bytes = body.map_err(|error| match error.downcast_ref() {
            Some(LengthLimitError { .. }) => TokenError::BodyTooLarge,
            None => TokenError::BodyUnreadable,
        })?;
        Ok(kind(bytes.to_bytes()))
    }

    fn kind(headers: &HeaderMap) -> Result<fn(Bytes) -> Self, TokenError> {
        if !matches!(only(headers, header::CONTENT_ENCODING)?, b"" | b"identity") {
            return Err(TokenError::ContentEncoding);
        }
        let content_type = only(headers, header::CONTENT_TYPE)?;
        let essence = content_type.split(|b| *b == b';').next();
        let essence = essence.unwrap_or_default().trim_ascii();
        let is = |name: &str| essence.eq_ignore_ascii_case(name.as_bytes());
        if content_type.is_empty() || is("application/x-www-form-urlencoded") {
            Ok(Self::Form)
        } else if is("application/json") {
            Ok(Self::Json)
        } else {
            Err(TokenError::MediaType)
        }
    }

    fn parameters(&self) -> Result<Place<'_>, TokenError> {
        match self {
            Self::Form(text) => Place::from_form(text),
            // A body of blanks is what some clients make of no parameters at all.
            Self::Json(text) if text.trim_ascii().is_empty() => Ok(Place::default()),
            Self::Json(text) => Place::from_json(text),
        }
    }
}

/// The value of a field that may stand once; empty when it does not stand at all.
fn only(headers: &HeaderMap, name: HeaderName) -> Result<&[u8], TokenError> {
    let mut values = headers.get_all(&name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(b""),
        (Some(value), None) => Ok(value.as_bytes()),
        (Some(_), Some(_)) => Err(TokenError::RepeatedHeader(name)),
    }
}
