//! A second reading of the framing rules, written for plainness: whole heads, whole lines, no state
//! between calls. The guard is compared with it, here and under the fuzzer. It knows the default limits.

use std::ops::Range;

use crate::verdict::Verdict;

/// One message that the rules let pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// From its first byte, an empty line before it included, to the end of its head.
    pub(crate) head: Range<usize>,
    /// Where its last byte was.
    pub(crate) end: usize,
    /// The body without its framing.
    pub(crate) body: Vec<u8>,
}

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Between two messages, or inside a head that may still be refused.
    InHead,
    /// Inside a body that may still be refused.
    InBody,
    /// The head after the messages is refused.
    HeadRefused,
    /// The body of the message after the others is refused.
    BodyRefused,
    /// The last message was the last of its connection.
    Finished,
}

/// The messages of a stream, and how it ends.
#[must_use]
pub(crate) fn read(stream: &[u8]) -> (Vec<Message>, End) {
    let mut messages = Vec::new();
    let mut start = 0;
    loop {
        let rest = &stream[start..];
        let lead = if rest.starts_with(b"\r\n") { 2 } else { 0 };
        let Some(length) = find(&rest[lead..], b"\r\n\r\n") else {
            return (messages, End::InHead);
        };
        let Some(head) = Head::read(&rest[lead..lead + length]) else {
            return (messages, End::HeadRefused);
        };
        let body_start = start + lead + length + 4;
        let (body, end) = match head.read_body(&stream[body_start..]) {
            Body::Whole(body, length) => (body, body_start + length),
            Body::Cut => return (messages, End::InBody),
            Body::Refused => return (messages, End::BodyRefused),
        };
        messages.push(Message {
            head: start..body_start,
            end,
            body,
        });
        if head.is_last {
            return (messages, End::Finished);
        }
        start = end;
    }
}

/// Compares the guard with this reading. The guard may refuse what has not ended here, but it must pass the
/// same messages and refuse in the same one.
pub(crate) fn assert_agrees(stream: &[u8], verdict: &Verdict) {
    let (messages, end) = read(stream);
    let complete = messages.len() as u64;
    let (is_refused, is_in_body) = match end {
        End::HeadRefused => (Some(true), false),
        End::BodyRefused => (Some(true), true),
        End::Finished => (Some(false), false),
        End::InHead => (None, false),
        End::InBody => (None, true),
    };
    let text = stream.escape_ascii();
    assert_eq!(verdict.complete, complete, "{end:?} {text}");
    assert_eq!(
        verdict.begun,
        complete + u64::from(is_in_body),
        "{end:?} {text}"
    );
    if let Some(is_refused) = is_refused {
        assert_eq!(verdict.reason.is_some(), is_refused, "{end:?} {text}");
    }
}

struct Head {
    length: Option<u64>,
    is_chunked: bool,
    is_last: bool,
}

enum Body {
    Whole(Vec<u8>, usize),
    Cut,
    Refused,
}

impl Head {
    /// `None`: refused. The text ends before the CRLF of its last line.
    fn read(text: &[u8]) -> Option<Self> {
        if text.len() + 4 > 32 * 1024 {
            return None;
        }
        let lines = lines(text)?;
        let (request_line, fields) = lines.split_first()?;
        let parts: Vec<&[u8]> = request_line.split(|byte| *byte == b' ').collect();
        let [method, target, version] = parts.as_slice() else {
            return None;
        };
        let is_token = |text: &[u8]| !text.is_empty() && text.iter().all(|byte| token(*byte));
        let is_method_good = is_token(method)
            && method.len() <= 32
            && !matches!(*method, b"TRACE" | b"TRACK" | b"CONNECT");
        let is_version_good = matches!(*version, b"HTTP/1.1" | b"HTTP/1.0");
        if request_line.len() > 8 * 1024
            || !is_method_good
            || !is_version_good
            || fields.len() > 100
        {
            return None;
        }
        let fields: Vec<(String, &[u8])> = fields
            .iter()
            .map(|line| field(line))
            .collect::<Option<_>>()?;
        let is_10 = *version == b"HTTP/1.0";
        let all = |name: &str| {
            fields
                .iter()
                .filter(|(n, _)| n == name)
                .map(|(_, v)| *v)
                .collect::<Vec<_>>()
        };
        let length = match all("content-length").as_slice() {
            [] => None,
            [value] => Some(number(value)?),
            _ => return None,
        };
        let is_chunked = match all("transfer-encoding").as_slice() {
            [] => false,
            [value] if value.eq_ignore_ascii_case(b"chunked") && !is_10 && length.is_none() => true,
            _ => return None,
        };
        match all("expect").as_slice() {
            [] => {}
            [value] if value.eq_ignore_ascii_case(b"100-continue") => {}
            _ => return None,
        }
        let host = match all("host").as_slice() {
            [] if is_10 => None,
            [value] if host(value).is_some() => Some(*value),
            _ => return None,
        };
        if !target_passes(method, target, host) {
            return None;
        }
        let has = |word: &[u8]| {
            all("connection").iter().any(|value| {
                value
                    .split(|b| *b == b',')
                    .any(|item| strip(item).eq_ignore_ascii_case(word))
            })
        };
        let is_last = has(b"close") || (is_10 && !has(b"keep-alive"));
        Some(Self {
            length,
            is_chunked,
            is_last,
        })
    }

    fn read_body(&self, rest: &[u8]) -> Body {
        if self.is_chunked {
            return chunks(rest);
        }
        match usize::try_from(self.length.unwrap_or(0)) {
            Ok(length) if length <= rest.len() => Body::Whole(rest[..length].to_vec(), length),
            _ => Body::Cut,
        }
    }
}

/// Lines between CRLFs; `None` when a CR or LF stands alone.
fn lines(text: &[u8]) -> Option<Vec<&[u8]>> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = find(rest, b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);
    let is_clean = |line: &&[u8]| !line.contains(&b'\r') && !line.contains(&b'\n');
    lines.iter().all(is_clean).then_some(lines)
}

fn field(line: &[u8]) -> Option<(String, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let is_good = !name.is_empty()
        && name.iter().all(|byte| token(*byte))
        && value
            .iter()
            .all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f));
    is_good.then(|| {
        (
            String::from_utf8_lossy(name).to_ascii_lowercase(),
            strip(value),
        )
    })
}

fn target_passes(method: &[u8], target: &[u8], host_field: Option<&[u8]>) -> bool {
    let (path, query) = match target.iter().position(|byte| *byte == b'?') {
        Some(mark) => (&target[..mark], &target[mark + 1..]),
        None => (target, [].as_slice()),
    };
    let is_clean = |part: &[u8], not: &[u8]| {
        part.iter()
            .all(|b| b.is_ascii_graphic() && !not.contains(b))
    };
    if !is_clean(path, b"#<>`") || !is_clean(query, b"#<>\"") {
        return false;
    }
    if target.starts_with(b"/") || (target == b"*" && method == b"OPTIONS") {
        return true;
    }
    let text = String::from_utf8_lossy(target).to_ascii_lowercase();
    let (default_port, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
        (Some(rest), _) => (":80", rest),
        (_, Some(rest)) => (":443", rest),
        _ => return false,
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if host(authority.as_bytes()).is_none() {
        return false;
    }
    let bare = |text: &str| text.strip_suffix(default_port).unwrap_or(text).to_owned();
    host_field.is_none_or(|host| {
        bare(&String::from_utf8_lossy(host).to_ascii_lowercase()) == bare(authority)
    })
}

fn host(value: &[u8]) -> Option<()> {
    let text = std::str::from_utf8(value).ok()?;
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            ("v6", port)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_name = !name.is_empty()
        && name.len() <= 255
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._~-".contains(c));
    let is_port = match port.strip_prefix(':') {
        None => port.is_empty(),
        Some(digits) => {
            digits.len() <= 5 && digits.parse::<u16>().is_ok() && !digits.starts_with('+')
        }
    };
    (is_name && is_port).then_some(())
}

fn chunks(rest: &[u8]) -> Body {
    let mut body = Vec::new();
    let mut at = 0;
    let mut extension_bytes = 0;
    loop {
        let Some(line_end) = find(&rest[at..], b"\r\n") else {
            return cut_or_refused_size(&rest[at..]);
        };
        let line = &rest[at..at + line_end];
        let (digits, extension) =
            line.split_at(line.iter().position(|b| *b == b';').unwrap_or(line.len()));
        let size = std::str::from_utf8(digits).ok().and_then(|digits| {
            let is_hex =
                (1..=16).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
            is_hex
                .then(|| u64::from_str_radix(digits, 16).ok())
                .flatten()
        });
        extension_bytes += extension.len();
        let (Some(size), true, true) = (size, extension_bytes <= 1024, extensions_pass(extension))
        else {
            return Body::Refused;
        };
        at += line_end + 2;
        if size == 0 {
            return trailers(&rest[at..], body, at);
        }
        let data = &rest[at..];
        let Some(size) = usize::try_from(size)
            .ok()
            .filter(|size| *size <= data.len())
        else {
            return Body::Cut;
        };
        body.extend_from_slice(&data[..size]);
        at += size;
        match &rest[at..] {
            [b'\r', b'\n', ..] => at += 2,
            [] | [b'\r'] => return Body::Cut,
            _ => return Body::Refused,
        }
    }
}

/// A size line that has not ended: the comparison does not ask whether it could still be good.
fn cut_or_refused_size(_line: &[u8]) -> Body {
    Body::Cut
}

fn extensions_pass(extension: &[u8]) -> bool {
    let mut rest = extension;
    while let Some((b';', after)) = rest.split_first() {
        let name = after.iter().take_while(|b| token(**b)).count();
        if name == 0 {
            return false;
        }
        rest = &after[name..];
        let Some((b'=', value)) = rest.split_first() else {
            continue;
        };
        let length = match value.first() {
            Some(b'"') => quoted_length(value),
            _ => Some(value.iter().take_while(|b| token(**b)).count()).filter(|length| *length > 0),
        };
        let Some(length) = length else { return false };
        rest = &value[length..];
    }
    rest.is_empty()
}

fn quoted_length(value: &[u8]) -> Option<usize> {
    let is_text = |b: u8| b == b'\t' || (b >= b' ' && b != 0x7f);
    let mut at = 1;
    loop {
        match *value.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' if is_text(*value.get(at + 1)?) => at += 2,
            b'\\' => return None,
            b if is_text(b) => at += 1,
            _ => return None,
        }
    }
}

fn trailers(rest: &[u8], body: Vec<u8>, at: usize) -> Body {
    if rest.starts_with(b"\r\n") {
        return Body::Whole(body, at + 2);
    }
    let Some(length) = find(rest, b"\r\n\r\n") else {
        return Body::Cut;
    };
    let good = lines(&rest[..length])
        .filter(|lines| lines.len() <= 100 && length + 4 <= 8 * 1024)
        .and_then(|lines| {
            lines
                .iter()
                .map(|line| field(line))
                .collect::<Option<Vec<_>>>()
        });
    match good {
        Some(fields)
            if !fields.iter().any(|(name, _)| {
                matches!(
                    name.as_str(),
                    "content-length" | "transfer-encoding" | "host"
                )
            }) =>
        {
            Body::Whole(body, at + length + 4)
        }
        _ => Body::Refused,
    }
}

fn number(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let is_plain = (1..=19).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = is_plain.then(|| text.parse().ok()).flatten()?;
    i64::try_from(number).is_ok().then_some(number)
}

fn token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn strip(value: &[u8]) -> &[u8] {
    let is_space = |b: &u8| *b == b' ' || *b == b'\t';
    let start = value
        .iter()
        .position(|b| !is_space(b))
        .unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(|b| !is_space(b))
        .map_or(start, |last| last + 1);
    &value[start..end]
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
