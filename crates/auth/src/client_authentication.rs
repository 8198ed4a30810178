//! Who is asking: client authentication (RFC 6749 section 2.3) by `client_secret_basic` and
//! `client_secret_post`.
//!
//! Two rules shape this file. A stranger must not learn whether a key exists: an unknown key costs the same
//! comparison as a wrong secret and gets the same answer, and so does a client that may not act. And real
//! clients write the Basic value in two ways, raw and percent-encoded, so both readings are tried, always both,
//! whatever the first one gave.

use std::{hint::black_box, sync::LazyLock};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, header};
use portcullis_core::{
    app::AppState,
    client::{ClientOwnerKey, ClientRecord, ClientState, SecretRecord},
    clock::Timestamp,
    ids::{AppId, IdKey},
    oauth::client_auth_method::ClientAuthMethod,
    secret::{Secret, SecretDigest},
    snapshot::Snapshot,
};

use crate::{
    error::TokenError,
    parameters::{self, Parameters},
};

/// Base64 with or without its padding; some clients leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a request presents. Nothing of it is verified.
#[derive(Debug)]
pub(crate) struct Credentials {
    /// The values as they stand.
    raw: Pair,
    /// The values percent-decoded (RFC 6749 section 2.3.1), when that makes a difference.
    decoded: Option<Pair>,
    method: ClientAuthMethod,
}

#[derive(Debug)]
struct Pair {
    client_id: String,
    secret: Secret,
}

/// Proof that a request came from a client that may get tokens: made by [`Credentials::verify`] alone.
#[derive(Debug)]
pub(crate) struct AuthenticatedClient<'a> {
    client_id: &'a str,
    key: IdKey,
    secret: IdKey,
    record: ClientRecord,
}

impl AuthenticatedClient<'_> {
    /// The `client_id`.
    pub(crate) fn client_id(&self) -> &str {
        self.client_id
    }

    /// The same, in the form of snapshots.
    pub(crate) fn key(&self) -> IdKey {
        self.key
    }

    /// Which of its secrets was presented.
    pub(crate) fn secret(&self) -> IdKey {
        self.secret
    }

    /// The client's registration.
    pub(crate) fn record(&self) -> &ClientRecord {
        &self.record
    }
}

impl Credentials {
    /// Finds the credentials of a request.
    ///
    /// # Errors
    /// [`TokenError`] when there are none, more than one, or none of a form that we take.
    pub(crate) fn read(headers: &HeaderMap, parameters: &Parameters) -> Result<Self, TokenError> {
        if parameters.has_client_assertion {
            return Err(TokenError::AssertionUnsupported);
        }
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => Err(TokenError::RepeatedHeader(header::AUTHORIZATION)),
            (Some(value), None) => Self::from_basic(value.as_bytes(), parameters),
            (None, _) => Self::from_parameters(parameters),
        }
    }

    fn from_basic(value: &[u8], parameters: &Parameters) -> Result<Self, TokenError> {
        let split = value.iter().position(|b| *b == b' ');
        let (scheme, value) = value.split_at(split.unwrap_or(value.len()));
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return Err(TokenError::UnsupportedScheme);
        }
        if parameters.client_secret.is_some() {
            return Err(TokenError::TwoAuthenticationMethods);
        }
        let text = BASE64
            .decode(value.trim_ascii())
            .map_err(|_| TokenError::MalformedBasic)?;
        let text = String::from_utf8(text).map_err(|_| TokenError::MalformedBasic)?;
        let text = Secret::from_text(text);
        let (client_id, secret) = text
            .expose()
            .split_once(':')
            .ok_or(TokenError::MalformedBasic)?;
        let raw = Pair::new(client_id, without_line_end(secret));
        let decoded = raw.percent_decoded();
        if let Some(named) = &parameters.client_id {
            let is = |pair: &Pair| pair.client_id == *named;
            if !is(&raw) && !decoded.as_ref().is_some_and(is) {
                return Err(TokenError::OtherClientId);
            }
        }
        Ok(Self {
            raw,
            decoded,
            method: ClientAuthMethod::ClientSecretBasic,
        })
    }

    fn from_parameters(parameters: &Parameters) -> Result<Self, TokenError> {
        match (&parameters.client_id, &parameters.client_secret) {
            (Some(client_id), Some(secret)) => Ok(Self {
                raw: Pair {
                    client_id: client_id.clone(),
                    secret: secret.clone(),
                },
                decoded: None,
                method: ClientAuthMethod::ClientSecretPost,
            }),
            _ => Err(TokenError::NoCredentials),
        }
    }

    /// The key that failures are counted under, whether a client has it or not.
    pub(crate) fn key(&self) -> IdKey {
        IdKey::of(&self.raw.client_id)
    }

    /// How they were presented.
    pub(crate) fn method(&self) -> &ClientAuthMethod {
        &self.method
    }

    /// The client, when a secret of it was presented that is live at `now`, and its owner may act.
    ///
    /// # Errors
    /// [`TokenError::UnknownClient`], [`TokenError::WrongSecret`] or [`TokenError::InactiveClient`], which
    /// callers cannot tell apart.
    pub(crate) fn verify(
        &self,
        facts: &Snapshot,
        now: Timestamp,
    ) -> Result<AuthenticatedClient<'_>, TokenError> {
        let raw = self.raw.verify(facts, now);
        let Some(decoded) = self.decoded.as_ref().map(|pair| pair.verify(facts, now)) else {
            return raw;
        };
        match (raw, decoded) {
            (Ok(client), _) | (Err(_), Ok(client)) => Ok(client),
            // The log is to name the client that exists.
            (Err(TokenError::UnknownClient), Err(error)) | (Err(error), Err(_)) => Err(error),
        }
    }
}

impl Pair {
    fn new(client_id: &str, secret: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            secret: Secret::from_text(secret.to_owned()),
        }
    }

    /// The pair that a client meant that encoded each part; `None` when it is this one, or none at all.
    fn percent_decoded(&self) -> Option<Self> {
        let secret = self.secret.expose();
        let encoded = |text: &str| text.bytes().any(|b| matches!(b, b'%' | b'+'));
        if !encoded(&self.client_id) && !encoded(secret) {
            return None;
        }
        let client_id = parameters::decode(&self.client_id).ok()?.into_owned();
        let secret = parameters::decode(secret).ok()?.into_owned();
        Some(Self {
            client_id,
            secret: Secret::from_text(secret),
        })
    }

    fn verify(
        &self,
        facts: &Snapshot,
        now: Timestamp,
    ) -> Result<AuthenticatedClient<'_>, TokenError> {
        let key = IdKey::of(&self.client_id);
        let digest = self.secret.digest();
        let known = facts.client(key);
        let secret = black_box(known.unwrap_or(&NOBODY).matching_secret(&digest, now));
        // The log names a client that exists. The copy is made for strangers too: it takes time.
        let client_id = black_box(self.client_id.clone());
        let record = known.ok_or(TokenError::UnknownClient)?;
        let Some(secret) = secret else {
            return Err(TokenError::WrongSecret { client_id });
        };
        if !may_act(facts, record) {
            return Err(TokenError::InactiveClient { client_id });
        }
        Ok(AuthenticatedClient {
            client_id: &self.client_id,
            key,
            secret,
            record: *record,
        })
    }
}

/// A client with one secret, as most have: what an unknown key is compared with.
static NOBODY: LazyLock<ClientRecord> = LazyLock::new(|| {
    let nobody = AppId::random().key();
    ClientRecord {
        owner: ClientOwnerKey::App(nobody),
        state: ClientState::Disabled,
        generation: 0,
        token_lifetime: std::time::Duration::ZERO,
        secrets: [
            Some(SecretRecord {
                id: nobody,
                digest: SecretDigest::of(nobody.bytes()),
                expires_at: None,
            }),
            None,
        ],
    }
});

/// Whether the client, the app or API it belongs to, and their organization may act.
fn may_act(facts: &Snapshot, client: &ClientRecord) -> bool {
    let organization = match client.owner {
        ClientOwnerKey::App(id) => facts
            .app(id)
            .filter(|app| app.state == AppState::Enabled)
            .map(|app| app.organization),
        ClientOwnerKey::Api(id) => facts.api(id).map(|api| api.organization),
    };
    client.state == ClientState::Enabled
        && organization.is_some_and(|id| facts.organization_is_active(id))
}

/// Credentials made with `echo key:secret | base64` end in a line end that nobody meant. One is removed.
fn without_line_end(secret: &str) -> &str {
    secret
        .strip_suffix("\r\n")
        .or_else(|| secret.strip_suffix(['\r', '\n']))
        .unwrap_or(secret)
}
