//! Byte classes and small grammars of RFC 9110, RFC 9112 and RFC 3986, as strict as the guard wants them.

use std::net::Ipv6Addr;

/// A byte of a token: RFC 9110 s.5.6.2.
pub(super) const fn is_token(byte: u8) -> bool {
    matches!(byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*'
        | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// A byte of a field value: RFC 9110 s.5.5, bytes above ASCII included.
pub(super) const fn is_value(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..=0xff)
}

/// A byte of a request target up to its query: RFC 3986 s.3.3, and those that callers are known to leave
/// unencoded. `#` is not among them, because whoever parses the target would cut it there.
pub(super) const fn is_path(byte: u8) -> bool {
    matches!(byte,
        b'!' | b'"' | b'$'..=b';' | b'=' | b'@'..=b'_' | b'a'..=b'~')
}

/// A byte of the query of a request target.
pub(super) const fn is_query(byte: u8) -> bool {
    matches!(byte, b'!' | b'$'..=b';' | b'=' | b'?'..=b'~')
}

/// A byte inside a quoted string, except the two with a meaning: RFC 9110 s.5.6.4.
pub(super) const fn is_quoted_text(byte: u8) -> bool {
    is_value(byte) && byte != b'"' && byte != b'\\'
}

/// The value without the spaces and tabs around it.
pub(super) fn trim(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value
        .iter()
        .position(|byte| !is_space(byte))
        .unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(|byte| !is_space(byte))
        .map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}

/// Whether the comma-separated list has this word.
pub(super) fn list_has(list: &[u8], word: &[u8]) -> bool {
    list.split(|byte| *byte == b',')
        .any(|item| trim(item).eq_ignore_ascii_case(word))
}

/// A plain decimal number that fits a signed 64-bit integer, since some parser behind us will use one.
pub(super) fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return None;
    }
    let length = value.iter().try_fold(0_u64, |length, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    })?;
    i64::try_from(length).is_ok().then_some(length)
}

/// The value of a hexadecimal digit.
pub(super) const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Whether this is a host with an optional port as real callers send it: a name, an IPv4 address or a
/// bracketed IPv6 address. Narrower than RFC 3986 s.3.2.2 on purpose: no percent-encoding, no
/// sub-delimiters (a comma would be two Host fields joined into one), no empty port.
pub(super) fn is_host(value: &[u8]) -> bool {
    let (host, port) = split_port(value);
    let host_is_good = match host {
        [b'[', address @ .., b']'] => is_ipv6(address),
        [] => false,
        name => {
            name.len() <= 255
                && name.iter().all(|byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~')
                })
        }
    };
    host_is_good && port.is_none_or(is_port)
}

/// The host and what follows the colon of its port.
fn split_port(value: &[u8]) -> (&[u8], Option<&[u8]>) {
    let end_of_host = value
        .iter()
        .rposition(|byte| *byte == b']')
        .map_or(0, |bracket| bracket + 1);
    let after_host = value.get(end_of_host..).unwrap_or_default();
    match after_host.iter().position(|byte| *byte == b':') {
        None => (value, None),
        Some(colon) => {
            let colon = end_of_host + colon;
            (
                value.get(..colon).unwrap_or_default(),
                value.get(colon + 1..),
            )
        }
    }
}

fn is_port(port: &[u8]) -> bool {
    !port.is_empty()
        && port.len() <= 5
        && port.iter().all(u8::is_ascii_digit)
        && content_length(port).is_some_and(|port| u16::try_from(port).is_ok())
}

fn is_ipv6(address: &[u8]) -> bool {
    std::str::from_utf8(address).is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// Whether two authorities are the same, the default port of the scheme written or not.
pub(super) fn same_authority(scheme_is_https: bool, one: &[u8], other: &[u8]) -> bool {
    let default_port: &[u8] = if scheme_is_https { b":443" } else { b":80" };
    let bare = |authority: &[u8]| {
        authority
            .strip_suffix(default_port)
            .unwrap_or(authority)
            .to_ascii_lowercase()
    };
    bare(one) == bare(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_an_optional_port() {
        for good in [
            "localhost",
            "api.example.com",
            "api.example.com:8081",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:8080",
            "my_service",
            "a-b.c.",
            "xn--bcher-kva.example:65535",
        ] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            ":80",
            "a b",
            "a,b",
            "a:b",
            "a:",
            "a:123456",
            "a:65536",
            "a:+1",
            "a:1:2",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:",
            "[fe80::1%25eth0]",
            "[v1.x]",
            "[]",
            "user@host",
            "a/b",
            "a?b",
            "a#b",
            "a%41",
            "a\\b",
            "é",
            "a;b",
            "(a)",
            "[[::1]]",
            "]",
            "[",
            "a]:80",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_content_length_is_digits_that_fit() {
        assert_eq!(content_length(b"0"), Some(0));
        assert_eq!(
            content_length(b"9223372036854775807"),
            Some(i64::MAX.cast_unsigned())
        );
        for bad in [
            "",
            "+1",
            "-1",
            "0x10",
            "1 2",
            "1,1",
            "9223372036854775808",
            "18446744073709551616",
            "1e3",
            "1_0",
            "00000000000000000001",
            "१",
        ] {
            assert_eq!(content_length(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn authorities_are_the_same_with_or_without_the_default_port() {
        assert!(same_authority(false, b"Example.com:80", b"example.COM"));
        assert!(same_authority(true, b"example.com", b"example.com:443"));
        assert!(!same_authority(true, b"example.com", b"example.com:80"));
        assert!(!same_authority(false, b"example.com", b"example.org"));
    }

    #[test]
    fn every_target_the_guard_lets_pass_is_a_uri_for_the_http_library() {
        for byte in 0..=u8::MAX {
            if is_path(byte) {
                let target = [b"/a".as_slice(), &[byte], b"b"].concat();
                assert!(
                    http::Uri::try_from(target.as_slice()).is_ok(),
                    "path byte {byte:#x}"
                );
            }
            if is_query(byte) {
                let target = [b"/a?".as_slice(), &[byte], b"b"].concat();
                assert!(
                    http::Uri::try_from(target.as_slice()).is_ok(),
                    "query byte {byte:#x}"
                );
            }
        }
    }
}
