//! Why a request is refused before any service sees it, with the status each reason has, and the
//! answer written for it. The rules themselves are in `guard`; the words of the body belong to the port.

use std::fmt;

use http::StatusCode;

/// Writes the body of a refusal in the format of the port: `(content type, body)`.
pub type RefusalBody = fn(&Refusal) -> (&'static str, String);

/// How a port answers what it refuses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusals {
    pub(crate) body: RefusalBody,
    /// Fields beside those that every refusal has; names in lower case.
    pub(crate) fields: &'static [(&'static str, &'static str)],
}

/// A request that is answered by the listener itself, and whose connection is then closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    reason: Reason,
    omits_body: bool,
}

impl Refusal {
    /// A refusal for this reason, as port tests need it; the listener makes its own.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self {
            reason,
            omits_body: false,
        }
    }

    /// The same refusal of a HEAD request: its answer names the length of a body it does not have.
    pub(crate) const fn without_body(self) -> Self {
        Self {
            omits_body: true,
            ..self
        }
    }

    /// The rule that was broken.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.reason.status()
    }

    /// One sentence for the caller, without anything the caller sent.
    #[must_use]
    pub const fn message(&self) -> &'static str {
        self.reason.message()
    }

    /// The whole answer, for writing below the HTTP implementation.
    pub(crate) fn render(self, refusals: &Refusals) -> Vec<u8> {
        let (content_type, body) = (refusals.body)(&self);
        let status = self.status();
        let mut answer = format!(
            "HTTP/1.1 {} {}\r\n\
             connection: close\r\n\
             cache-control: no-store\r\n\
             content-type: {content_type}\r\n\
             content-length: {}\r\n",
            status.as_str(),
            status.canonical_reason().unwrap_or_default(),
            body.len(),
        );
        let allow = self.reason.allow().map(|methods| ("allow", methods));
        for (name, value) in refusals.fields.iter().copied().chain(allow) {
            answer.extend([name, ": ", value, "\r\n"]);
        }
        answer.push_str("\r\n");
        if !self.omits_body {
            answer.push_str(&body);
        }
        answer.into_bytes()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $status:ident $name:literal $message:literal;)*) => {
        /// The rules whose breach ends a connection, each with one status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason { $($(#[$doc])* $variant,)* }

        impl Reason {
            /// Every reason, in the order of its counter.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The status of the answer.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// A short name for logs and metric labels.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// One sentence for the caller.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message,)* }
            }
        }
    };
}

reasons! {
    /// Whitespace or empty lines where the request line allows none.
    RequestLine BAD_REQUEST "request_line"
        "The request line is malformed.";
    /// A method that is not a token.
    Method BAD_REQUEST "method"
        "The method is not a token.";
    /// A method longer than any that exists.
    MethodTooLong NOT_IMPLEMENTED "method_too_long"
        "The method is too long to be one that is implemented.";
    /// TRACE, its relative TRACK, and CONNECT: they echo or tunnel.
    MethodNotAllowed METHOD_NOT_ALLOWED "method_not_allowed"
        "This method is not allowed here.";
    /// A request target of an unknown form or with characters it may not have.
    Target BAD_REQUEST "target"
        "The request target is malformed.";
    /// An absolute-form target whose authority is not that of Host.
    TargetAuthority BAD_REQUEST "target_authority"
        "The request target names another authority than the Host field.";
    /// No version, or not of the form `HTTP/1.1`.
    Version BAD_REQUEST "version"
        "The HTTP version is missing or malformed.";
    /// A well-formed version that is neither 1.0 nor 1.1.
    VersionNotSupported HTTP_VERSION_NOT_SUPPORTED "version_not_supported"
        "Only HTTP/1.1 and HTTP/1.0 are supported here.";
    /// The request line exceeds its limit.
    LineTooLong URI_TOO_LONG "line_too_long"
        "The request line is too long.";
    /// The head, or the trailer section, exceeds its limit in bytes.
    HeadTooLarge REQUEST_HEADER_FIELDS_TOO_LARGE "head_too_large"
        "The header fields are too large.";
    /// The head, or the trailer section, has too many fields.
    TooManyFields REQUEST_HEADER_FIELDS_TOO_LARGE "too_many_fields"
        "There are too many header fields.";
    /// A CR that no LF follows.
    BareCr BAD_REQUEST "bare_cr"
        "A carriage return stands without a line feed.";
    /// An LF that no CR precedes.
    BareLf BAD_REQUEST "bare_lf"
        "A line feed stands without a carriage return.";
    /// NUL, DEL or another control character in a field value.
    ControlCharacter BAD_REQUEST "control_character"
        "A field value has a control character.";
    /// A field name that is empty or not a token, or a line without a colon.
    FieldName BAD_REQUEST "field_name"
        "A field name is malformed.";
    /// Whitespace between a field name and its colon.
    SpaceBeforeColon BAD_REQUEST "space_before_colon"
        "Whitespace stands between a field name and its colon.";
    /// A line that begins with whitespace.
    FoldedLine BAD_REQUEST "folded_line"
        "A field line begins with whitespace.";
    /// An HTTP/1.1 request without Host.
    HostMissing BAD_REQUEST "host_missing"
        "The Host field is missing.";
    /// More than one Host field.
    HostRepeated BAD_REQUEST "host_repeated"
        "The Host field is repeated.";
    /// A Host value that is not a host with an optional port.
    HostInvalid BAD_REQUEST "host_invalid"
        "The Host field is malformed.";
    /// A Content-Length that is not a plain decimal number.
    ContentLength BAD_REQUEST "content_length"
        "The Content-Length field is malformed.";
    /// More than one Content-Length field, equal or not.
    ContentLengthRepeated BAD_REQUEST "content_length_repeated"
        "The Content-Length field is repeated.";
    /// Content-Length together with Transfer-Encoding.
    BothFramings BAD_REQUEST "both_framings"
        "Content-Length and Transfer-Encoding stand in one message.";
    /// Any Transfer-Encoding but `chunked`, once, in HTTP/1.1.
    TransferEncoding BAD_REQUEST "transfer_encoding"
        "The only transfer coding understood here is chunked, once, in HTTP/1.1.";
    /// An Expect field that is not one `100-continue`.
    Expectation EXPECTATION_FAILED "expectation"
        "The only expectation understood here is 100-continue.";
    /// A chunk size that is not 1 to 16 hexadecimal digits.
    ChunkSize BAD_REQUEST "chunk_size"
        "A chunk size is malformed.";
    /// A chunk extension that breaks its grammar.
    ChunkExtension BAD_REQUEST "chunk_extension"
        "A chunk extension is malformed.";
    /// More bytes of chunk extensions than one message may have.
    ChunkExtensionTooLong BAD_REQUEST "chunk_extension_too_long"
        "The chunk extensions are too long.";
    /// Chunk data that does not end where its size said.
    ChunkEnd BAD_REQUEST "chunk_end"
        "A chunk does not end where its size says.";
    /// A trailer field that would change the framing or the routing of its message.
    Trailer BAD_REQUEST "trailer"
        "A trailer section has a field that it may not have.";
    /// The head did not arrive in time.
    HeadTimeout REQUEST_TIMEOUT "head_timeout"
        "The request did not arrive in time.";
    /// The body stopped arriving.
    BodyTimeout REQUEST_TIMEOUT "body_timeout"
        "The rest of the request body did not arrive in time.";
    /// The service failed to answer; the caller did nothing wrong.
    ServiceFailed INTERNAL_SERVER_ERROR "service_failed"
        "The request could not be answered because of an internal error.";
}

impl Reason {
    /// The value of Allow, which RFC 9110 s.15.5.6 requires with 405.
    pub(crate) const fn allow(self) -> Option<&'static str> {
        match self {
            Self::MethodNotAllowed => Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "this is how ports give their words"
    )]
    fn text(refusal: &Refusal) -> (&'static str, String) {
        ("text/plain", refusal.to_string())
    }

    const REFUSALS: Refusals = Refusals {
        body: text,
        fields: &[("error-source", "gateway")],
    };

    #[test]
    fn a_refusal_is_a_complete_answer_that_closes() {
        let answer = Refusal::new(Reason::BothFramings).render(&REFUSALS);

        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n"),
            "{head}"
        );
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{head}"
        );
        assert!(head.contains("\r\nerror-source: gateway"), "{head}");
        assert_eq!(body, Reason::BothFramings.message());
    }

    #[test]
    fn a_refused_head_request_gets_a_length_but_no_body() {
        let answer = Refusal::new(Reason::Target)
            .without_body()
            .render(&REFUSALS);

        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!(
            "content-length: {}",
            Reason::Target.message().len()
        )));
        assert_eq!(body, "");
    }

    #[test]
    fn a_method_that_is_not_allowed_is_told_which_ones_are() {
        let answer = Refusal::new(Reason::MethodNotAllowed).render(&REFUSALS);

        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"),
            "{answer}"
        );
        assert!(answer.contains("\r\nallow: GET, HEAD, POST"), "{answer}");
    }

    #[test]
    fn every_reason_has_its_own_name_and_an_error_status() {
        let mut names: Vec<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        names.sort_unstable();
        names.dedup();

        assert_eq!(names.len(), Reason::ALL.len());
        assert!(
            Reason::ALL
                .iter()
                .all(|reason| reason.status().as_u16() >= 400)
        );
    }
}
