//! What callers are told, as far as it does not fit into one line of `wire`. RFC 6749 section 5.2 allows
//! printable ASCII without `"` and `\`.

pub(super) const METHOD: &str = "Use another method; the header Allow lists which.";
pub(super) const MEDIA_TYPE: &str = "Send the parameters as application/x-www-form-urlencoded.";
pub(super) const CONTENT_ENCODING: &str = "Send the body without Content-Encoding.";
pub(super) const BODY_TOO_LARGE: &str = "The body is longer than 16 KiB.";
pub(super) const BODY_UNREADABLE: &str = "The body could not be read to its end.";
pub(super) const ENCODING: &str = "A parameter is not percent-encoded UTF-8.";
pub(super) const NOT_AN_OBJECT: &str = "The JSON body is not an object.";
pub(super) const TOO_MANY_PARAMETERS: &str = "There are more than 100 parameters.";
pub(super) const SECRET_IN_QUERY: &str = "A secret in a URL ends up in logs. Send it in the header \
    Authorization or in the body, and replace this one.";
pub(super) const TWO_METHODS: &str =
    "Send the credentials either in the header Authorization or in the body, not in both.";
pub(super) const OTHER_CLIENT_ID: &str =
    "The parameter client_id names another client than the header Authorization.";
pub(super) const NO_CREDENTIALS: &str =
    "Send the API Key and the API Secret as HTTP Basic credentials.";
pub(super) const UNSUPPORTED_SCHEME: &str = "The authorization scheme is not supported. Send the \
    API Key and the API Secret as HTTP Basic credentials.";
pub(super) const MALFORMED_BASIC: &str = "The Basic credentials are not base64. Join the API Key, \
    a colon and the API Secret, and base64-encode the result: Authorization: Basic base64(key:secret).";
pub(super) const ASSERTION: &str = "Client assertions are not supported. Send the API Key and the \
    API Secret as HTTP Basic credentials.";
pub(super) const WRONG_CREDENTIALS: &str = "The client credentials were not accepted. Check the \
    API Key and the API Secret, that the app is enabled, and that the secret has not expired.";
pub(super) const THROTTLED: &str = "Too many requests with credentials that were not accepted. \
    Right ones are accepted at any time.";
pub(super) const NO_GRANT_TYPE: &str =
    "The parameter grant_type is missing. Send grant_type=client_credentials.";
pub(super) const GRANT_TYPE: &str =
    "This grant type is not supported. Send grant_type=client_credentials.";
pub(super) const BUSY: &str = "Too many tokens are being signed.";
pub(super) const NO_KEY_YET: &str = "The first signing key is being made.";
pub(super) const STALE_FACTS: &str = "This node has lost contact with its store.";
pub(super) const INTERNAL: &str = "The answer could not be made. The log of the server says why.";

pub(super) fn no_authorization_flow(token_url: &str) -> String {
    format!(
        "Use the client credentials flow: POST {token_url} \
         with grant_type=client_credentials."
    )
}
