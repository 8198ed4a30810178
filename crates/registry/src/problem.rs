//! Problems of the management API (RFC 9457): the list of their codes, and their form on the wire.
//!
//! Codes are stable: programs branch on them, and each has a page at `/docs/errors/{code}`.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A kind of problem: what programs branch on, and what people read about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Stable, `snake_case`.
    pub code: &'static str,
    /// The status it is answered with.
    pub status: StatusCode,
    /// What it is, the same each time.
    pub title: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

macro_rules! kinds {
    ($($name:ident = $code:literal, $status:ident, $title:literal, $remedy:literal;)*) => {
        $(pub(crate) const $name: Kind = Kind {
            code: $code,
            status: StatusCode::$status,
            title: $title,
            remedy: $remedy,
        };)*

        /// Every kind, in the order of the documentation.
        pub const KINDS: &[Kind] = &[$($name),*];
    };
}

kinds! {
    MALFORMED = "malformed_request", BAD_REQUEST, "The request cannot be read",
        "Send the body as JSON, at most 32 levels deep, and each header at most once.";
    TOKEN_MISSING = "token_missing", UNAUTHORIZED, "A management token is required",
        "Send Authorization: Bearer pcm_...; the development server writes a token to dev.env, elsewhere an operator makes the first one for you.";
    TOKEN_REFUSED = "token_refused", UNAUTHORIZED, "The management token is not valid",
        "The token is unknown, has ended or was deleted: make a new one.";
    TOKEN_OF_ANOTHER_KIND = "token_of_another_kind", UNAUTHORIZED, "This token opens another door",
        "Access tokens of apps and APIs call the gateway; the management API takes tokens that begin with pcm_.";
    FORBIDDEN = "forbidden", FORBIDDEN, "Your role does not allow this",
        "Ask an owner or admin of the organization, or an operator, to do it or to change your role.";
    NOT_FOUND = "not_found", NOT_FOUND, "There is no such thing",
        "Check the identifier; things of organizations that you do not belong to cannot be seen.";
    PATH_UNKNOWN = "path_unknown", NOT_FOUND, "There is no such path",
        "See GET /v1/openapi.json for every path.";
    METHOD_NOT_ALLOWED = "method_not_allowed", METHOD_NOT_ALLOWED, "The path does not take this method",
        "The Allow header of this answer names the methods it takes.";
    TOO_LARGE = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large",
        "A body has at most 1 MiB; one that carries a specification, at most 3 MiB.";
    MEDIA_TYPE = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body is not JSON",
        "Send Content-Type: application/json.";
    INVALID = "invalid_request", UNPROCESSABLE_ENTITY, "Some values are not allowed",
        "Correct the members named under errors.";
    STALE = "stale_version", PRECONDITION_FAILED, "It was changed in the meantime",
        "Read it again, look at what changed, and send the new ETag in If-Match.";
    TOO_MANY = "too_many_requests", TOO_MANY_REQUESTS, "Too many requests of this kind",
        "Wait as long as Retry-After says.";
    INTERNAL = "internal_error", INTERNAL_SERVER_ERROR, "Something went wrong on our side",
        "Try again; if it stays, send the request id to an operator, who finds the reason in the log.";
    BUSY = "busy", SERVICE_UNAVAILABLE, "The database is busy",
        "Send the same request again after Retry-After, with the same Idempotency-Key.";
    UNAVAILABLE = "unavailable", SERVICE_UNAVAILABLE, "The database does not answer",
        "Send the same request again after Retry-After, with the same Idempotency-Key; tokens and calls go on meanwhile.";
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused", CONFLICT, "This Idempotency-Key was used for something else",
        "Take a new key for a new request.";
    ORGANIZATION_EXISTS = "organization_exists", CONFLICT, "There is an organization with this identifier",
        "Leave the identifier out and one is made.";
    NAMESPACE_TAKEN = "namespace_taken", CONFLICT, "The namespace belongs to another organization",
        "Choose another namespace.";
    EMAIL_TAKEN = "email_taken", CONFLICT, "There is a user with this email address",
        "Use the existing user.";
    USER_EXISTS = "user_exists", CONFLICT, "There is a user with this identifier",
        "Leave the identifier out and one is made.";
    APP_EXISTS = "app_exists", CONFLICT, "There is an app with this identifier",
        "Leave the identifier out and one is made.";
    CLIENT_EXISTS = "client_exists", CONFLICT, "There is a client with this identifier",
        "Leave the identifier out and one is made.";
    APP_DELETED = "app_deleted", CONFLICT, "The app was deleted",
        "A deleted app stays deleted; register a new one.";
    APP_WITHOUT_API = "app_without_api", CONFLICT, "The app has no API",
        "Select an API for the app first: PATCH /v1/apps/{app_id} with apis.";
    APP_NOT_ENABLED = "app_not_enabled", CONFLICT, "The app is disabled",
        "Its owner can enable it: POST /v1/apps/{app_id}/enable.";
    APP_HAS_SUBSCRIPTIONS = "app_has_subscriptions", CONFLICT, "Customers still use the app",
        "End its subscriptions first, or disable the app.";
    APP_NEEDS_API = "app_needs_api", CONFLICT, "An app that has APIs keeps at least one",
        "Leave one API selected, or delete the app.";
    API_IN_USE = "api_in_use", CONFLICT, "Customers use the API through this app",
        "End the app's subscriptions first, then remove the API.";
    TOO_MANY_SECRETS = "too_many_secrets", CONFLICT, "Two secrets are live already",
        "End one of them first (POST .../secrets/{secret_id}/expire), or rotate with replace_oldest: true.";
    CLIENT_DELETED = "client_deleted", CONFLICT, "Its app or API was deleted",
        "Register a new one.";
    API_EXISTS = "api_exists", CONFLICT, "There is, or was, an API with this identifier",
        "Choose another id.";
    BASE_PATH_TAKEN = "base_path_taken", CONFLICT, "Another instance has this base path",
        "Change the base path: it is unique in a namespace and environment.";
    PATH_ROOT_TAKEN = "path_root_taken", CONFLICT, "The first path segment belongs to another organization",
        "Choose another namespace or base path.";
    ALREADY_ACTIVATED = "already_activated", CONFLICT, "The organization has activated this app already",
        "Use the existing subscription, or end it first.";
    SUBSCRIPTION_EXISTS = "subscription_exists", CONFLICT, "There is a subscription with this identifier",
        "Leave the identifier out and one is made.";
    SUBSCRIPTION_ENDED = "subscription_ended", CONFLICT, "The subscription has ended",
        "An ended subscription stays ended; activate the app again.";
    TEST_SUBSCRIPTION = "test_subscription", CONFLICT, "Test subscriptions live as long as their app or API",
        "Disable or delete the app or API instead.";
    TOKEN_TAKEN = "token_taken", CONFLICT, "The token is another user's",
        "Make a new one.";
    KEY_TOO_YOUNG = "key_too_young", CONFLICT, "Not every verifier can have seen the next key",
        "Wait until it was published for an hour, or send force: true and accept that some verifiers refuse tokens until they fetch the keys again.";
    NO_NEXT_KEY = "no_next_key", CONFLICT, "There is no next key",
        "The first keys are made at first start: wait until they exist.";
    KEY_ROTATED_MEANWHILE = "key_rotated_meanwhile", CONFLICT, "The key was rotated in the meantime",
        "Look at GET /v1/keys and rotate again if it is still wanted.";
    LINK_USED = "link_used", CONFLICT, "The link was used already, or has ended",
        "Ask for a new one.";
    JOB_DONE = "job_done", CONFLICT, "The job was done",
        "What it sent is erased; do again what made the installation owe it.";
    JOB_CLAIMED = "job_claimed", CONFLICT, "The job is being attempted at this moment",
        "Look at GET /v1/jobs/{job_id} what becomes of it.";
    LAST_OPERATOR = "last_operator", CONFLICT, "This is the last operator",
        "Make somebody else an operator first: PATCH /v1/users/{user_id} with is_operator.";
    LAST_OWNER = "last_owner", CONFLICT, "This is the last owner of the organization",
        "Make another member an owner first.";
    ALREADY_MEMBER = "already_member", CONFLICT, "The person is a member already",
        "Change the role of the member instead.";
    ALREADY_INVITED = "already_invited", CONFLICT, "The address is invited already",
        "Send that invitation again, or revoke it first.";
    OTHER_ADDRESS = "other_address", CONFLICT, "The invitation is for another email address",
        "Sign in with the invited address, or ask for an invitation of yours.";
    USER_DISABLED = "user_disabled", CONFLICT, "The user is disabled",
        "Enable the user first: POST /v1/users/{user_id}/enable.";
    AUTHENTICATOR_ON = "authenticator_on", CONFLICT, "An authenticator app is turned on already",
        "Turn it off first.";
    CODE_USED = "code_used", CONFLICT, "The code is wrong or was used already",
        "Wait for the next code.";
    PENDING_ENDED = "pending_ended", CONFLICT, "This took too long or was tried too often",
        "Begin again.";
    PASSKEY_KNOWN = "passkey_known", CONFLICT, "The passkey is kept already",
        "Use it to sign in.";
    PASSKEY_COPIED = "passkey_copied", CONFLICT, "The passkey may have been copied",
        "Remove it, and make a new one.";
    TOO_MANY_PASSKEYS = "too_many_passkeys", CONFLICT, "There are as many passkeys as there may be",
        "Remove one first.";
    CONFLICT_KIND = "conflict", CONFLICT, "Something else stands against it",
        "See detail.";
}

impl Kind {
    /// The kind of this code; `None` when there is none.
    #[must_use]
    pub fn of(code: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.code == code)
    }
}

/// A value that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Which member of the body or parameter of the query: `name`, `memberships[0].role`.
    pub field: String,
    /// What is wrong with it, a whole sentence.
    pub detail: String,
}

/// A problem as it is sent (RFC 9457), with members of ours after its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A page about this kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is, the same each time.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// Stable; what programs branch on.
    pub code: String,
    /// What to do about it.
    pub remedy: String,
    /// Names this request in our log.
    pub request_id: String,
    /// Values that are not allowed, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_readable() {
        for (at, kind) in KINDS.iter().enumerate() {
            let legal = |b: u8| b.is_ascii_lowercase() || b == b'_';
            assert!(kind.code.bytes().all(legal), "{}", kind.code);
            let first = KINDS.iter().position(|other| other.code == kind.code);
            assert_eq!(first, Some(at), "{}", kind.code);
            assert!(kind.remedy.ends_with('.') && !kind.title.ends_with('.'));
        }
    }
}
