//! Which header fields pass, in both directions (RFC 9110 section 7.6), and which names a caller may not
//! imitate. What the gateway says about the caller in `Forwarded` and its relatives is in `forwarded`.
//!
//! Names are compared folded: lower case, and every byte outside `[a-z0-9]` as `-`, because many servers hand
//! fields to programs under names in which `-` and `_` cannot be told apart. A field whose folded name is a
//! protected one although its name is not would reach such a program as ours.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING},
};

use crate::error::InvalidRequest;

/// Names the customer on whose behalf an app calls.
pub(crate) const SUBSCRIPTION_ID: HeaderName = HeaderName::from_static("subscription-id");
/// RFC 8586.
pub(crate) const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// What becomes of a field of a call on its way to the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It goes on as sent.
    Pass,
    /// It is left out: it concerned this connection alone, or we set it ourselves.
    Drop,
    /// The call is refused.
    Refuse,
}

/// Copies to `onward` what passes of a call's fields.
///
/// # Errors
/// [`InvalidRequest::FieldImitated`].
pub(crate) fn pass_request(
    fields: &HeaderMap,
    onward: &mut HeaderMap,
) -> Result<(), InvalidRequest> {
    for (name, value) in fields {
        match fate(name.as_str()) {
            Fate::Pass if is_nominated(fields, name) => {}
            Fate::Pass => {
                onward.append(name, value.clone());
            }
            Fate::Drop => {}
            Fate::Refuse => return Err(InvalidRequest::FieldImitated),
        }
    }
    Ok(())
}

/// Refuses a call that has a field whose name imitates a protected one.
///
/// # Errors
/// [`InvalidRequest::FieldImitated`].
pub(crate) fn check_names(fields: &HeaderMap) -> Result<(), InvalidRequest> {
    let is_refused = |name: &HeaderName| {
        !name.as_str().bytes().all(is_plain) && fate(name.as_str()) == Fate::Refuse
    };
    if fields.keys().any(is_refused) {
        return Err(InvalidRequest::FieldImitated);
    }
    Ok(())
}

fn fate(name: &str) -> Fate {
    if name.bytes().all(is_plain) {
        return if is_protected(name) || is_of_connection(name) {
            Fate::Drop
        } else {
            Fate::Pass
        };
    }
    let folded: String = name
        .bytes()
        .map(|byte| match byte.to_ascii_lowercase() {
            plain if is_plain(plain) => char::from(plain),
            _ => '-',
        })
        .collect();
    if is_protected(&folded) || is_of_connection(&folded) || folded == "content-length" {
        Fate::Refuse
    } else if name.contains('_') {
        Fate::Drop
    } else {
        Fate::Pass
    }
}

/// Whether folding leaves this byte as it is.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

/// Names that say who calls, for whom, from where, or how the call was rewritten: read or set by us alone.
fn is_protected(folded: &str) -> bool {
    match folded {
        "authorization"
        | "subscription-id"
        | "request-id"
        | "dpop"
        | "forwarded"
        | "x-real-ip"
        | "true-client-ip"
        | "x-client-ip"
        | "x-rewrite-url"
        | "x-http-method-override"
        | "remote-user"
        | "x-remote-user"
        | "via"
        | "cdn-loop"
        | "early-data"
        | "http2-settings"
        | "host" => true,
        _ => match folded.as_bytes().first() {
            Some(b'x') => folded.starts_with("x-forwarded-") || folded.starts_with("x-original-"),
            Some(b'c') => folded.starts_with("client-cert"),
            Some(b'p') => folded.starts_with("proxy-"),
            _ => false,
        },
    }
}

/// Fields that concern one connection (RFC 9110 section 7.6.1), and those that we answer ourselves.
fn is_of_connection(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "proxy-connection"
            | "expect"
    )
}

/// Whether a `Connection` field names this one as concerning the connection alone. Protected names never get
/// here: we set them afterwards, whatever `Connection` says.
fn is_nominated(fields: &HeaderMap, name: &HeaderName) -> bool {
    if *name == CONTENT_LENGTH {
        return false;
    }
    fields.get_all(CONNECTION).iter().any(|value| {
        let mut options = value
            .as_bytes()
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii);
        options.any(|option| option.eq_ignore_ascii_case(name.as_str().as_bytes()))
    })
}

/// Whether the framing of an answer can be read in one way only. hyper reads a body it cannot frame until
/// the connection ends, and prefers chunks to a length: both hide that the provider is confused.
pub(crate) fn is_unambiguous(answer: &HeaderMap) -> bool {
    let mut lengths = answer.get_all(CONTENT_LENGTH).iter();
    let (length, second) = (lengths.next(), lengths.next());
    let mut codings = answer.get_all(TRANSFER_ENCODING).iter();
    let (coding, further) = (codings.next(), codings.next());
    let is_length_fine = length.is_none_or(|length| {
        !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit)
    });
    let is_coding_fine =
        coding.is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    let is_single = second.is_none() && further.is_none() && (length.is_none() || coding.is_none());
    is_single && is_length_fine && is_coding_fine
}

/// Fields of answers that would act on the host all providers share: passed only where an instance says so.
fn is_of_origin(name: &str) -> bool {
    matches!(
        name,
        "set-cookie" | "set-cookie2" | "alt-svc" | "clear-site-data"
    )
}

/// Fields of answers that the gateway says itself.
fn is_of_gateway(name: &str) -> bool {
    matches!(name, "request-id" | "error-source")
}

/// Whether the provider's `Set-Cookie` and its relatives reach the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OriginFields {
    Pass,
    Drop,
}

/// Removes from an answer what does not pass. `Server` stays: the answer is the provider's, and who answers
/// is theirs to say.
pub(crate) fn strip_answer(fields: &mut HeaderMap, origin: OriginFields) {
    let nominates = fields.contains_key(CONNECTION);
    let is_dropped = |fields: &HeaderMap, name: &HeaderName| {
        let text = name.as_str();
        is_of_connection(text)
            || text.starts_with("proxy-")
            || is_of_gateway(text)
            || (origin == OriginFields::Drop && is_of_origin(text))
            || (nominates && is_nominated(fields, name))
    };
    let dropped: Vec<HeaderName> = fields
        .keys()
        .filter(|name| is_dropped(fields, name))
        .cloned()
        .collect();
    for name in dropped {
        fields.remove(name);
    }
}

/// The seconds of `Keep-Alive: timeout=n`, which a provider announces for this connection.
pub(crate) fn keep_alive_seconds(answer: &HeaderMap) -> Option<u64> {
    let text = answer.get("keep-alive")?.to_str().ok()?;
    text.split(',').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("timeout")
            .then(|| value.trim().parse().ok())?
    })
}

/// The one value of a field; `Err` when there are several.
pub(crate) fn single<'a>(
    fields: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, Repeated> {
    let mut values = fields.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        Err(Repeated)
    } else {
        Ok(first)
    }
}

/// A field that may stand once stands more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Repeated;

#[cfg(test)]
mod tests;
