//! The values of the SDK: secrets, tokens and their claims, subscriptions. Nothing here waits.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use zeroize::Zeroizing;

/// The API Secret (`client_secret`) of an app. Prints as `[redacted]` and is wiped when dropped.
///
/// ```
/// use portcullis_client::ApiSecret;
///
/// let secret = ApiSecret::from("pcs_not-a-real-one");
/// assert_eq!(format!("{secret:?}"), "[redacted]");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ApiSecret(Zeroizing<String>);

impl ApiSecret {
    /// The secret itself; for the one place that sends it.
    ///
    /// ```
    /// # use portcullis_client::ApiSecret;
    /// assert_eq!(ApiSecret::from("pcs_1").expose(), "pcs_1");
    /// ```
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.0.trim().is_empty()
    }
}

impl From<String> for ApiSecret {
    fn from(secret: String) -> Self {
        let secret = Zeroizing::new(secret);
        Self::from(secret.as_str())
    }
}

impl From<&str> for ApiSecret {
    /// White space around the secret is dropped: it comes from files and pasted lines.
    fn from(secret: &str) -> Self {
        Self(Zeroizing::new(secret.trim().to_owned()))
    }
}

impl fmt::Debug for ApiSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// An access token as the token server gave it. `Display` and `Debug` show it masked.
///
/// ```
/// use portcullis_client::AccessToken;
///
/// let token = AccessToken::from("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAifQ.c2lnbmF0dXJl");
/// assert_eq!(token.to_string(), "eyJ...F0dXJl");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(Zeroizing<String>);

/// A token shorter than this would be given away by its first three and last six characters.
const MASKED_CHARS_MIN: usize = 24;

impl AccessToken {
    /// The whole token; for an `Authorization` header, never for a log.
    ///
    /// ```
    /// # use portcullis_client::AccessToken;
    /// assert_eq!(AccessToken::from("eyJh.e30.c2ln").expose(), "eyJh.e30.c2ln");
    /// ```
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The token as it may be shown: its first three and last six characters.
    ///
    /// ```
    /// # use portcullis_client::AccessToken;
    /// assert_eq!(AccessToken::from("short").masked(), "...");
    /// ```
    #[must_use]
    pub fn masked(&self) -> String {
        let token = self.0.as_str();
        if token.len() < MASKED_CHARS_MIN {
            return "...".to_owned();
        }
        let (head, tail) = (token.get(..3), token.get(token.len() - 6..));
        format!(
            "{}...{}",
            head.unwrap_or_default(),
            tail.unwrap_or_default()
        )
    }

    /// What the token says about itself, for display. See [`Claims::decode_unverified`].
    ///
    /// # Errors
    /// [`MalformedToken`] when it is not a JWT.
    ///
    /// ```
    /// # use portcullis_client::AccessToken;
    /// let claims = AccessToken::from("e30.eyJzdWIiOiJhcHAifQ.c2ln").claims()?;
    /// assert_eq!(claims.subject(), Some("app"));
    /// # Ok::<(), portcullis_client::MalformedToken>(())
    /// ```
    pub fn claims(&self) -> Result<Claims, MalformedToken> {
        Claims::decode_unverified(&self.0)
    }
}

impl From<&str> for AccessToken {
    fn from(token: &str) -> Self {
        Self(Zeroizing::new(token.to_owned()))
    }
}

impl fmt::Display for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessToken({})", self.masked())
    }
}

/// The token is not three base64url parts with JSON objects in the first two (RFC 7519 s.7.2).
///
/// ```
/// use portcullis_client::Claims;
/// assert!(Claims::decode_unverified("not a token").is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a JWT: three base64url parts with JSON in the first two are expected")]
pub struct MalformedToken;

/// The claims of a token, read **without checking the signature**: to be shown, never to decide.
///
/// ```
/// use portcullis_client::Claims;
///
/// let claims = Claims::decode_unverified("e30.eyJpc3MiOiJodHRwOi8vYSIsImV4cCI6OX0.c2ln")?;
/// assert_eq!(claims.issuer(), Some("http://a"));
/// assert_eq!(claims.expires_at_s(), Some(9));
/// # Ok::<(), portcullis_client::MalformedToken>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Claims {
    claims: Map<String, Value>,
}

impl Claims {
    /// Reads the payload of a JWT and ignores its signature.
    ///
    /// # Errors
    /// [`MalformedToken`] when it is not a JWT.
    ///
    /// ```
    /// # use portcullis_client::Claims;
    /// let claims = Claims::decode_unverified("e30.eyJjaWQiOiJrZXkifQ.c2ln")?;
    /// assert_eq!(claims.client_id(), Some("key"));
    /// # Ok::<(), portcullis_client::MalformedToken>(())
    /// ```
    pub fn decode_unverified(token: &str) -> Result<Self, MalformedToken> {
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(_signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(MalformedToken);
        };
        json_object(header)?;
        Ok(Self {
            claims: json_object(payload)?,
        })
    }

    /// The claim of this name, as it stands.
    ///
    /// ```
    /// # use portcullis_client::Claims;
    /// let claims = Claims::decode_unverified("e30.eyJnZW4iOjN9.c2ln")?;
    /// assert_eq!(claims.get("gen").and_then(|claim| claim.as_u64()), Some(3));
    /// # Ok::<(), portcullis_client::MalformedToken>(())
    /// ```
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    /// `iss`: the token server that issued it.
    ///
    /// ```
    /// # use portcullis_client::Claims;
    /// assert_eq!(Claims::decode_unverified("e30.e30.c2ln")?.issuer(), None);
    /// # Ok::<(), portcullis_client::MalformedToken>(())
    /// ```
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// `sub`: on whose behalf; for an app its API Key.
    ///
    /// ```
    /// # use portcullis_client::Claims;
    /// let claims = Claims::decode_unverified("e30.eyJzdWIiOiJhcHAifQ.c2ln")?;
    /// assert_eq!(claims.subject(), Some("app"));
    /// # Ok::<(), portcullis_client::MalformedToken>(())
    /// ```
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// `cid`, or `client_id` (RFC 9068): the client that asked for the token.
    ///
    /// ```
    /// # use portcullis_client::Claims;
    /// let claims = Claims::decode_unverified("e30.eyJjaWQiOiJrZXkifQ.c2ln")?;
    /// assert_eq!(claims.client_id(), Some("key"));
    /// # Ok::<(), portcullis_client::MalformedToken>(())
    /// ```
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.text("cid").or_else(|| self.text("client_id"))
    }

    /// `exp`, in seconds since 1970. `None` when absent or not a number.
    ///
    /// ```
    /// # use portcullis_client::Claims;
    /// let claims = Claims::decode_unverified("e30.eyJleHAiOjl9.c2ln")?;
    /// assert_eq!(claims.expires_at_s(), Some(9));
    /// # Ok::<(), portcullis_client::MalformedToken>(())
    /// ```
    #[must_use]
    pub fn expires_at_s(&self) -> Option<u64> {
        self.get("exp").and_then(Value::as_u64)
    }

    /// `iat`, in seconds since 1970. `None` when absent or not a number.
    ///
    /// ```
    /// # use portcullis_client::Claims;
    /// let claims = Claims::decode_unverified("e30.eyJpYXQiOjR9.c2ln")?;
    /// assert_eq!(claims.issued_at_s(), Some(4));
    /// # Ok::<(), portcullis_client::MalformedToken>(())
    /// ```
    #[must_use]
    pub fn issued_at_s(&self) -> Option<u64> {
        self.get("iat").and_then(Value::as_u64)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }
}

fn json_object(part: &str) -> Result<Map<String, Value>, MalformedToken> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| MalformedToken)?;
    serde_json::from_slice(&bytes).map_err(|_| MalformedToken)
}

/// One activation of this app by one organization, as the subscription list tells it.
///
/// Members that are absent or null come out empty; members unknown to this version are ignored.
///
/// ```
/// use portcullis_client::Subscription;
///
/// let listed = r#"{"subscriptionId":"6f1c","orgName":"Super Car","status":"active"}"#;
/// let subscription: Subscription = serde_json::from_str(listed)?;
/// assert!(subscription.is_active());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Subscription {
    /// What goes into the `Subscription-Id` header.
    #[serde(deserialize_with = "null_is_default")]
    pub subscription_id: String,
    /// The organization that activated the app.
    #[serde(deserialize_with = "null_is_default")]
    pub org_id: String,
    /// Its name.
    #[serde(deserialize_with = "null_is_default")]
    pub org_name: String,
    /// `active` or `inactive`; other words may come.
    #[serde(deserialize_with = "null_is_default")]
    pub status: String,
    /// `YYYY-MM-DD`.
    #[serde(deserialize_with = "null_is_default")]
    pub activation_date: String,
    /// `YYYY-MM-DD`; empty while active.
    #[serde(deserialize_with = "null_is_default")]
    pub deactivation_date: String,
    /// `Production` or `Test`.
    #[serde(deserialize_with = "null_is_default")]
    pub environment: String,
}

impl Subscription {
    /// Whether calls with this `Subscription-Id` can be let through.
    ///
    /// ```
    /// assert!(!portcullis_client::Subscription::default().is_active());
    /// ```
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status.eq_ignore_ascii_case("active")
    }
}

/// Who is behind a `Subscription-Id`: the organization and the app.
///
/// ```
/// use portcullis_client::SubscriptionContext;
///
/// let answer = r#"{"entityInfo":{"id":"1","name":"Super Car"},"solutionInfo":{"name":"finder"}}"#;
/// let context: SubscriptionContext = serde_json::from_str(answer)?;
/// assert_eq!(context.organization.name, "Super Car");
/// assert_eq!(context.app.name, "finder");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "ContextAnswer")]
#[non_exhaustive]
pub struct SubscriptionContext {
    /// The organization that activated the app.
    pub organization: OrganizationInfo,
    /// The app.
    pub app: AppInfo,
}

/// Old servers answer only with `entityInfo` and `solutionInfo`; new ones send both pairs.
#[derive(Deserialize)]
struct ContextAnswer {
    #[serde(rename = "organizationInfo")]
    organization: Option<OrganizationInfo>,
    #[serde(rename = "entityInfo")]
    entity: Option<OrganizationInfo>,
    #[serde(rename = "appInfo")]
    app: Option<AppInfo>,
    #[serde(rename = "solutionInfo")]
    solution: Option<AppInfo>,
}

impl From<ContextAnswer> for SubscriptionContext {
    fn from(answer: ContextAnswer) -> Self {
        let organization = answer.organization.or(answer.entity);
        let app = answer.app.or(answer.solution);
        Self {
            organization: organization.unwrap_or_default(),
            app: app.unwrap_or_default(),
        }
    }
}

/// An organization as the context endpoint describes it; what was not told is empty.
///
/// ```
/// let organization = portcullis_client::OrganizationInfo::default();
/// assert_eq!(organization.country_code, "");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct OrganizationInfo {
    /// The organization's id.
    #[serde(deserialize_with = "null_is_default")]
    pub id: String,
    /// Its name.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// Its address, on one line.
    #[serde(deserialize_with = "null_is_default")]
    pub address: String,
    /// Its telephone number, free text.
    #[serde(deserialize_with = "null_is_default")]
    pub phone_number: String,
    /// ISO 3166 code of two letters.
    #[serde(deserialize_with = "null_is_default")]
    pub country_code: String,
}

/// An app as the context endpoint describes it; what was not told is empty.
///
/// ```
/// let app = portcullis_client::AppInfo::default();
/// assert_eq!(app.developer, "");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct AppInfo {
    /// The app's id.
    #[serde(deserialize_with = "null_is_default")]
    pub id: String,
    /// Its name, in lower kebab-case.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// The organization that made it.
    #[serde(deserialize_with = "null_is_default")]
    pub developer: String,
    /// Whom to write to about it.
    #[serde(deserialize_with = "null_is_default")]
    pub contact_email: String,
}

fn null_is_default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_with_two_or_four_parts_is_malformed() {
        for token in ["e30.e30", "e30.e30.x.y", "", "...", "e30.!!.x", "e30.W10.x"] {
            let claims = Claims::decode_unverified(token);

            assert_eq!(claims, Err(MalformedToken), "{token}");
        }
    }

    #[test]
    fn masking_never_splits_a_character_or_shows_a_short_token() {
        for token in [
            "",
            "abc",
            "ééééééééééééééééééééé",
            "xéaaaaaaaaaaaaaaaaaaaaaaaaaaaaé",
        ] {
            let masked = AccessToken::from(token).masked();

            assert!(masked.len() <= 12, "{masked}");
        }
    }

    #[test]
    fn a_null_member_of_a_subscription_is_empty() {
        let listed = r#"{"subscriptionId":"1","environment":null,"dealerCodes":[{"x":1}]}"#;

        let subscription: Subscription = serde_json::from_str(listed).unwrap();

        assert_eq!(subscription.environment, "");
        assert_eq!(subscription.subscription_id, "1");
    }
}
