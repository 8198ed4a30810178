//! What one head says about its message: gathered field by field, judged when the head is complete.

use std::ops::Range;

use super::syntax::{content_length, is_host, list_has, same_authority, trim};
use crate::refusal::Reason;

/// Facts of the section (head or trailers) that is being read. Ranges count from the start of the section.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one fact of the head, and none depends on another"
)]
#[derive(Debug, Clone, Default)]
pub(super) struct Section {
    /// Where the method begins: 2 when an empty line came first.
    pub(super) line_start: usize,
    pub(super) method: Range<usize>,
    pub(super) target: Range<usize>,
    /// Where the field, or the part of the request line, that is being read begins.
    pub(super) part_start: usize,
    /// Where the name of the current field ends.
    pub(super) name_end: usize,
    pub(super) fields: usize,
    is_http_10: bool,
    host: Option<Range<usize>>,
    content_length: Option<u64>,
    is_chunked: bool,
    has_expect: bool,
    wants_close: bool,
    wants_keep_alive: bool,
    /// Lines that must not reach the HTTP implementation.
    pub(super) struck: Vec<Range<usize>>,
}

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    Length(u64),
    Chunked,
}

impl Section {
    /// The version of a complete request line.
    pub(super) fn version(&mut self, version: &[u8]) -> Result<(), Reason> {
        match version {
            b"HTTP/1.1" => Ok(()),
            b"HTTP/1.0" => {
                self.is_http_10 = true;
                Ok(())
            }
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                Err(Reason::VersionNotSupported)
            }
            _ => Err(Reason::Version),
        }
    }

    /// A complete field line of a head, CRLF included, which ends at `line_end`.
    pub(super) fn field(&mut self, section: &[u8], line_end: usize) -> Result<(), Reason> {
        let name = section
            .get(self.part_start..self.name_end)
            .unwrap_or_default();
        let value_range = self.name_end + 1..line_end.saturating_sub(2);
        let value = trim(section.get(value_range.clone()).unwrap_or_default());
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value, value_range),
            6 if name.eq_ignore_ascii_case(b"expect") => self.expect(value),
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                // RFC 9110 s.7.8 lets a server ignore Upgrade. hyper would prepare to hand the
                // connection over, and then ends it without flushing what it still has to write.
                self.struck.push(self.part_start..line_end);
                Ok(())
            }
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.wants_close |= list_has(value, b"close");
                self.wants_keep_alive |= list_has(value, b"keep-alive");
                Ok(())
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value),
            _ => Ok(()),
        }
    }

    /// A complete field line of a trailer section. Other names pass, because whoever reads trailers must
    /// not merge them into the head (RFC 9110 s.6.5.1), and the gateway drops them.
    pub(super) fn trailer(&self, section: &[u8]) -> Result<(), Reason> {
        let name = section
            .get(self.part_start..self.name_end)
            .unwrap_or_default();
        let forbidden: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"host"];
        if forbidden.iter().any(|word| name.eq_ignore_ascii_case(word)) {
            return Err(Reason::Trailer);
        }
        Ok(())
    }

    fn host(&mut self, value: &[u8], range: Range<usize>) -> Result<(), Reason> {
        if self.host.is_some() {
            return Err(Reason::HostRepeated);
        }
        if !is_host(value) {
            return Err(Reason::HostInvalid);
        }
        self.host = Some(range);
        Ok(())
    }

    fn expect(&mut self, value: &[u8]) -> Result<(), Reason> {
        if self.has_expect || !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Reason::Expectation);
        }
        self.has_expect = true;
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Reason> {
        if self.content_length.is_some() {
            return Err(Reason::ContentLengthRepeated);
        }
        let length = content_length(value).ok_or(Reason::ContentLength)?;
        self.content_length = Some(length);
        self.one_framing()
    }

    /// RFC 9112 s.6.1: HTTP/1.0 knows no transfer codings, and a coding beside `chunked` would have to be
    /// understood by everything behind us in the same way.
    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Reason> {
        if self.is_chunked || self.is_http_10 || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Reason::TransferEncoding);
        }
        self.is_chunked = true;
        self.one_framing()
    }

    fn one_framing(&self) -> Result<(), Reason> {
        if self.is_chunked && self.content_length.is_some() {
            return Err(Reason::BothFramings);
        }
        Ok(())
    }

    /// What only the complete head can tell: `Ok` means that its message may pass.
    pub(super) fn judge(&self, section: &[u8]) -> Result<Framing, Reason> {
        let host = self
            .host
            .clone()
            .map(|range| trim(section.get(range).unwrap_or_default()));
        if host.is_none() && !self.is_http_10 {
            return Err(Reason::HostMissing);
        }
        let method = section.get(self.method.clone()).unwrap_or_default();
        // TRACE echoes credentials, TRACK is its old relative, CONNECT makes a tunnel.
        if matches!(method, b"TRACE" | b"TRACK" | b"CONNECT") {
            return Err(Reason::MethodNotAllowed);
        }
        judge_target(
            method,
            section.get(self.target.clone()).unwrap_or_default(),
            host,
        )?;
        Ok(match (self.is_chunked, self.content_length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) if length > 0 => Framing::Length(length),
            _ => Framing::None,
        })
    }

    /// Whether this message is the last of its connection.
    pub(super) const fn is_last(&self) -> bool {
        self.wants_close || (self.is_http_10 && !self.wants_keep_alive)
    }
}

/// RFC 9112 s.3.2: origin-form; asterisk-form for OPTIONS; absolute-form for the authority in Host.
fn judge_target(method: &[u8], target: &[u8], host: Option<&[u8]>) -> Result<(), Reason> {
    match target {
        [b'/', ..] => Ok(()),
        b"*" if method == b"OPTIONS" => Ok(()),
        _ => {
            let (is_https, rest) = absolute_form(target).ok_or(Reason::Target)?;
            let end = rest
                .iter()
                .position(|byte| matches!(byte, b'/' | b'?'))
                .unwrap_or(rest.len());
            let authority = rest.get(..end).unwrap_or_default();
            if !is_host(authority) {
                return Err(Reason::Target);
            }
            match host {
                Some(host) if !same_authority(is_https, authority, host) => {
                    Err(Reason::TargetAuthority)
                }
                _ => Ok(()),
            }
        }
    }
}

/// Whether the scheme is https, and what follows the two slashes. `None` for any other scheme.
fn absolute_form(target: &[u8]) -> Option<(bool, &[u8])> {
    [(false, b"http://".as_slice()), (true, b"https://")]
        .into_iter()
        .find_map(|(is_https, prefix)| {
            let (scheme, rest) = target.split_at_checked(prefix.len())?;
            scheme
                .eq_ignore_ascii_case(prefix)
                .then_some((is_https, rest))
        })
}
