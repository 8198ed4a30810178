//! The rules of the guard: each with the smallest request that breaks it, whole and cut in pieces, and
//! the guard against a second reading of the same rules.

#[cfg(test)]
mod reference;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod verdict;

use portcullis_listener::Reason;
use proptest::prelude::*;

use crate::verdict::{Verdict, judge};

/// The verdict, which must not depend on how the stream is cut.
fn judge_all_ways(stream: &[u8]) -> Verdict {
    let whole = judge([stream]);
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(
            judge(stream.chunks(size)),
            whole,
            "in pieces of {size}: {}",
            stream.escape_ascii()
        );
    }
    whole
}

fn get(fields: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
}

fn chunked(body: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}").into_bytes()
}

fn line(line: &str) -> Vec<u8> {
    format!("{line}\r\nHost: a\r\n\r\n").into_bytes()
}

#[track_caller]
fn assert_refused(stream: impl AsRef<[u8]>, reason: Reason) {
    let stream = stream.as_ref();
    let verdict = judge_all_ways(stream);
    assert_eq!(verdict.reason, Some(reason), "{}", stream.escape_ascii());
    assert_eq!(
        verdict.begun,
        0,
        "nothing of a refused head may pass: {}",
        stream.escape_ascii()
    );
    assert_eq!(verdict.passed, b"", "{}", stream.escape_ascii());
}

#[track_caller]
fn assert_body_refused(stream: impl AsRef<[u8]>, reason: Reason) {
    let stream = stream.as_ref();
    let verdict = judge_all_ways(stream);
    assert_eq!(verdict.reason, Some(reason), "{}", stream.escape_ascii());
    assert_eq!(
        (verdict.begun, verdict.complete),
        (1, 0),
        "{}",
        stream.escape_ascii()
    );
}

#[track_caller]
fn assert_passes(stream: impl AsRef<[u8]>, messages: u64) {
    let stream = stream.as_ref();
    let verdict = judge_all_ways(stream);
    assert_eq!(verdict.reason, None, "{}", stream.escape_ascii());
    assert_eq!(verdict.complete, messages, "{}", stream.escape_ascii());
    assert!(verdict.is_between, "{}", stream.escape_ascii());
    assert_eq!(verdict.passed, stream, "{}", stream.escape_ascii());
}

#[test]
fn content_length_and_transfer_encoding_never_stand_together() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "transfer-encoding:chunked\r\ncontent-length:0\r\n",
        "Content-Length: 0\r\nX: y\r\nTRANSFER-ENCODING:\tCHUNKED \r\n",
    ] {
        assert_refused(get(fields), Reason::BothFramings);
    }
}

#[test]
fn transfer_encoding_is_chunked_and_nothing_else() {
    for value in [
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked,",
        ", chunked",
        "chunked;q=1",
        "xchunked",
        "chunkedx",
        "chunke",
        "\"chunked\"",
        "",
        "chunked\u{b}",
        "chunk ed",
        "'chunked'",
        "chunked identity",
    ] {
        let stream = get(&format!("Transfer-Encoding: {value}\r\n"));
        let reason = if value.contains('\u{b}') {
            Reason::ControlCharacter
        } else {
            Reason::TransferEncoding
        };
        assert_refused(stream, reason);
    }
    assert_refused(
        get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        Reason::TransferEncoding,
    );
    assert_refused(
        get("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        Reason::TransferEncoding,
    );
    assert_refused(
        get("Transfer-Encoding: \u{b}chunked\r\n"),
        Reason::ControlCharacter,
    );
    assert_refused(
        get("Transfer-Encoding:\r\n chunked\r\n"),
        Reason::TransferEncoding,
    );
    assert_refused(
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        Reason::TransferEncoding,
    );
}

#[test]
fn content_length_is_one_plain_number() {
    for value in [
        "",
        " ",
        "+5",
        "-1",
        "0x5",
        "5,5",
        "5, 5",
        "5;",
        "5 5",
        "1e1",
        "5.0",
        "five",
        "\"5\"",
        "18446744073709551616",
        "9223372036854775808",
        "99999999999999999999999",
        "５",
    ] {
        assert_refused(
            get(&format!("Content-Length: {value}\r\n")),
            Reason::ContentLength,
        );
    }
    assert_refused(
        get("Content-Length: 5\r\nContent-Length: 5\r\n"),
        Reason::ContentLengthRepeated,
    );
    assert_refused(
        get("Content-Length: 5\r\ncontent-length: 6\r\n"),
        Reason::ContentLengthRepeated,
    );
    assert_refused(get("Content-Length: 5\u{0}\r\n"), Reason::ControlCharacter);
}

#[test]
fn lines_end_with_crlf_and_with_nothing_else() {
    assert_refused("GET / HTTP/1.1\nHost: a\r\n\r\n", Reason::BareLf);
    assert_refused("GET / HTTP/1.1\r\nHost: a\n\r\n", Reason::BareLf);
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\n\n", Reason::BareLf);
    assert_refused("GET / HTTP/1.1\r\nHost: a\n\n", Reason::BareLf);
    assert_refused("GET /\n", Reason::BareLf);
    assert_refused("GET\n", Reason::BareLf);
    assert_refused("\nGET / HTTP/1.1\r\n", Reason::BareLf);
    assert_refused("GET / HTTP/1.1\rHost: a\r\n\r\n", Reason::BareCr);
    assert_refused("GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", Reason::BareCr);
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", Reason::BareCr);
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\n\rX", Reason::BareCr);
    assert_refused("\rGET / HTTP/1.1\r\n", Reason::BareCr);
}

#[test]
fn field_lines_are_a_token_a_colon_and_a_value() {
    assert_refused(get("X : y\r\n"), Reason::SpaceBeforeColon);
    assert_refused(get("X\t: y\r\n"), Reason::SpaceBeforeColon);
    assert_refused(get("Content-Length : 5\r\n"), Reason::SpaceBeforeColon);
    assert_refused(
        get("Transfer-Encoding : chunked\r\n"),
        Reason::SpaceBeforeColon,
    );
    assert_refused(get(": y\r\n"), Reason::FieldName);
    assert_refused(get("X\r\n"), Reason::FieldName);
    assert_refused(get("X y: z\r\n"), Reason::SpaceBeforeColon);
    assert_refused(get("X(y): z\r\n"), Reason::FieldName);
    assert_refused(get("Xé: z\r\n"), Reason::FieldName);
    assert_refused(get("X\0: z\r\n"), Reason::FieldName);
    assert_refused(get("\0X: z\r\n"), Reason::FieldName);
    assert_refused(get("@: z\r\n"), Reason::FieldName);
    for byte in (0..0x20)
        .chain([0x7f])
        .filter(|byte| ![b'\t', b'\r', b'\n'].contains(byte))
    {
        assert_refused(
            get(&format!("X: a{}b\r\n", char::from(byte))),
            Reason::ControlCharacter,
        );
    }
}

#[test]
fn folded_lines_are_refused_also_as_the_first() {
    assert_refused(get("X: y\r\n z\r\n"), Reason::FoldedLine);
    assert_refused(get("X: y\r\n\tz\r\n"), Reason::FoldedLine);
    assert_refused("GET / HTTP/1.1\r\n Host: a\r\n\r\n", Reason::FoldedLine);
    assert_refused("GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", Reason::FoldedLine);
}

#[test]
fn host_stands_once_and_is_a_host() {
    assert_refused("GET / HTTP/1.1\r\n\r\n", Reason::HostMissing);
    assert_refused("GET / HTTP/1.1\r\nXHost: a\r\n\r\n", Reason::HostMissing);
    assert_refused(get("Host: a\r\n"), Reason::HostRepeated);
    assert_refused(get("host: b\r\n"), Reason::HostRepeated);
    for host in [
        "", "a b", "a,b", "a/b", "u@a", "a:", "a:x", "a:99999", "[::1", "a%00", "\u{e9}", "a\\b",
        "a?b", "a#b",
    ] {
        assert_refused(
            format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            Reason::HostInvalid,
        );
    }
    assert_refused(
        "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
        Reason::HostRepeated,
    );
}

#[test]
fn the_request_line_has_two_single_spaces() {
    assert_refused(line("GET  / HTTP/1.1"), Reason::RequestLine);
    assert_refused(line("GET /  HTTP/1.1"), Reason::RequestLine);
    assert_refused(line("GET / HTTP/1.1 "), Reason::RequestLine);
    assert_refused(line(" GET / HTTP/1.1"), Reason::RequestLine);
    assert_refused(line("GET\t/ HTTP/1.1"), Reason::RequestLine);
    assert_refused(line("GET /\tHTTP/1.1"), Reason::Target);
    assert_refused(line("GET /a b HTTP/1.1"), Reason::RequestLine);
    assert_refused(line("GET"), Reason::RequestLine);
    assert_refused(line("GET "), Reason::RequestLine);
    assert_refused(
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Reason::RequestLine,
    );
}

#[test]
fn one_empty_line_before_a_request_passes() {
    assert_passes("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 1);
    assert_passes(
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        2,
    );
    let verdict = judge_all_ways(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n");
    assert!(verdict.is_between, "a stray empty line begins no request");
}

#[test]
fn only_http_1_0_and_1_1_are_spoken() {
    for version in ["HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/9.9", "HTTP/3.1"] {
        assert_refused(
            line(&format!("GET / {version}")),
            Reason::VersionNotSupported,
        );
    }
    for version in [
        "http/1.1",
        "HTTP/1.10",
        "HTTP/1",
        "HTTP/11",
        "HTTP/1.",
        "HTTP/.1",
        "HTP/1.1",
        "HTTP/1.1x",
        "HTTP/1,1",
        "HTTP/one",
        "Http/1.1",
        "HTTP\\1.1",
    ] {
        assert_refused(line(&format!("GET / {version}")), Reason::Version);
    }
    assert_refused("GET /\r\n\r\n", Reason::Version);
    assert_refused(
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        Reason::VersionNotSupported,
    );
    assert_refused("\x16\x03\x01\x02\0\x01\0\x01\u{fc}", Reason::Method);
}

#[test]
fn methods_that_echo_or_tunnel_are_not_allowed() {
    assert_refused(line("TRACE / HTTP/1.1"), Reason::MethodNotAllowed);
    assert_refused(line("TRACK / HTTP/1.1"), Reason::MethodNotAllowed);
    assert_refused(line("CONNECT a:443 HTTP/1.1"), Reason::MethodNotAllowed);
    for method in [
        "G{}T", "G(T", "G\u{7f}", "GÉT", "\"GET\"", "G@T", "[GET]", "G/T",
    ] {
        assert_refused(line(&format!("{method} / HTTP/1.1")), Reason::Method);
    }
}

#[test]
fn targets_have_three_forms() {
    for target in [
        "a",
        "a/b",
        "*",
        "?q",
        "http:/a/",
        "http://",
        "http:///x",
        "ftp://a/",
        "file:///etc/passwd",
        "//",
        "a:80",
        "javascript:x",
        "http://u@a/",
        "http://a:x/",
        "http://[::1/",
        "httpx://a/",
        "http://a,b/",
    ] {
        let reason = if target == "//" {
            None
        } else {
            Some(Reason::Target)
        };
        let verdict = judge_all_ways(&line(&format!("GET {target} HTTP/1.1")));
        assert_eq!(verdict.reason, reason, "{target}");
    }
    for target in [
        "/a#b", "/\u{0}", "/\u{7f}", "/a<b", "/a>b", "/a`b", "/é", "/?a\"b", "/?a<b", "#", "<",
    ] {
        assert_refused(line(&format!("GET {target} HTTP/1.1")), Reason::Target);
    }
}

#[test]
fn absolute_form_is_for_the_authority_in_host() {
    for target in [
        "http://b/",
        "https://a.b/",
        "http://a:81/",
        "https://a:80/",
        "http://169.254.169.254/latest",
    ] {
        assert_refused(
            line(&format!("GET {target} HTTP/1.1")),
            Reason::TargetAuthority,
        );
    }
    for target in [
        "http://a",
        "http://a/",
        "http://A:80/x?y",
        "HTTP://a?x",
        "https://a:443/",
        "https://a/x",
    ] {
        assert_passes(line(&format!("GET {target} HTTP/1.1")), 1);
    }
    assert_passes(
        "GET http://b/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        1,
    );
}

#[test]
fn the_only_expectation_is_100_continue_and_once() {
    assert_refused(get("Expect: 200-ok\r\n"), Reason::Expectation);
    assert_refused(get("Expect:\r\n"), Reason::Expectation);
    assert_refused(get("Expect: 100-continue, x\r\n"), Reason::Expectation);
    assert_refused(
        get("Expect: 100-continue\r\nExpect: 100-continue\r\n"),
        Reason::Expectation,
    );
    assert_passes(get("Expect: 100-Continue\r\n"), 1);
}

#[test]
fn each_head_limit_passes_on_it_and_refuses_one_beyond() {
    let with_line = |length: usize| {
        line(&format!(
            "GET /{} HTTP/1.1",
            "x".repeat(length - "GET / HTTP/1.1".len())
        ))
    };
    assert_passes(with_line(8191), 1);
    assert_passes(with_line(8192), 1);
    assert_refused(with_line(8193), Reason::LineTooLong);
    assert_refused(with_line(64 * 1024), Reason::LineTooLong);

    let with_head = |length: usize| {
        get(&format!(
            "X: {}\r\n",
            "y".repeat(length - get("X: \r\n").len())
        ))
    };
    assert_passes(with_head(32 * 1024 - 1), 1);
    assert_passes(with_head(32 * 1024), 1);
    assert_refused(with_head(32 * 1024 + 1), Reason::HeadTooLarge);
    assert_refused(with_head(256 * 1024), Reason::HeadTooLarge);

    let with_fields = |count: usize| get(&"X: y\r\n".repeat(count - 1));
    assert_passes(with_fields(99), 1);
    assert_passes(with_fields(100), 1);
    assert_refused(with_fields(101), Reason::TooManyFields);

    let with_method = |length: usize| line(&format!("{} / HTTP/1.1", "M".repeat(length)));
    assert_passes(with_method(31), 1);
    assert_passes(with_method(32), 1);
    assert_refused(with_method(33), Reason::MethodTooLong);
    assert_refused(with_method(20 * 1024), Reason::MethodTooLong);
}

#[test]
fn chunk_sizes_are_hexadecimal_digits_and_nothing_else() {
    for size in [
        "",
        " 5",
        "5 ",
        "\t5",
        "5\t",
        "+5",
        "-5",
        "0x5",
        "5_0",
        "g",
        "5g",
        "00000000000000005",
        "fffffffffffffffff",
        "5,",
        "5\u{0}",
        "5.",
        "\"5\"",
        "5 ;x",
    ] {
        assert_body_refused(
            chunked(&format!("{size}\r\nhello\r\n0\r\n\r\n")),
            Reason::ChunkSize,
        );
    }
    assert_body_refused(chunked("5\nhello\r\n0\r\n\r\n"), Reason::ChunkSize);
    assert_body_refused(chunked("5\rhello\r\n0\r\n\r\n"), Reason::BareCr);
    assert_body_refused(chunked("5\r\nhello\r\n\r\n"), Reason::ChunkSize);
    assert_passes(
        chunked("5\r\nhello\r\n000A\r\n0123456789\r\n0000000000000000\r\n\r\n"),
        1,
    );
}

#[test]
fn chunk_data_ends_where_its_size_says() {
    for body in [
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhelloX",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\rX",
        "5\r\nhello0\r\n\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
    ] {
        assert_body_refused(chunked(body), Reason::ChunkEnd);
    }
}

#[test]
fn chunk_extensions_follow_their_grammar_and_stay_short() {
    for extension in [
        ";",
        ";;",
        ";a=",
        ";a==b",
        ";=b",
        "; a",
        ";a b",
        ";a =b",
        ";a= b",
        ";a=\"",
        ";a=\"x\"y",
        ";a=b\"",
        ";a=\"\u{0}\"",
        ";a=\"x\\\u{7f}\"",
        ";é",
        ";a\u{0}",
        ";a=\"x\n\"",
    ] {
        assert_body_refused(
            chunked(&format!("5{extension}\r\nhello\r\n0\r\n\r\n")),
            Reason::ChunkExtension,
        );
    }
    for extension in [
        ";a",
        ";a=b",
        ";a=\"\"",
        ";a=\"x;\\\"y\"",
        ";a;b=c;d=\"e\"",
        ";chunk-signature=0af3",
    ] {
        assert_passes(
            chunked(&format!("5{extension}\r\nhello\r\n0{extension}\r\n\r\n")),
            1,
        );
    }
    let with_extension =
        |length: usize| chunked(&format!("1;{}\r\nx\r\n0\r\n\r\n", "a".repeat(length - 1)));
    assert_passes(with_extension(1024), 1);
    assert_body_refused(with_extension(1025), Reason::ChunkExtensionTooLong);
    let spread = "1;aaaaaaa\r\nx\r\n";
    assert_passes(chunked(&format!("{}0\r\n\r\n", spread.repeat(128))), 1);
    assert_body_refused(
        chunked(&format!("{}0\r\n\r\n", spread.repeat(129))),
        Reason::ChunkExtensionTooLong,
    );
}

#[test]
fn trailers_are_fields_that_change_nothing() {
    for name in ["Content-Length", "transfer-encoding", "HOST"] {
        assert_body_refused(chunked(&format!("0\r\n{name}: 5\r\n\r\n")), Reason::Trailer);
    }
    assert_body_refused(chunked("0\r\n X: y\r\n\r\n"), Reason::FoldedLine);
    assert_body_refused(chunked("0\r\nX : y\r\n\r\n"), Reason::SpaceBeforeColon);
    assert_body_refused(chunked("0\r\nX: y\n\r\n"), Reason::BareLf);
    assert_body_refused(chunked("0\r\nX: \0\r\n\r\n"), Reason::ControlCharacter);
    assert_body_refused(chunked("0\r\nX\r\n\r\n"), Reason::FieldName);
    assert_body_refused(chunked("0\r\n\rX"), Reason::BareCr);
    assert_body_refused(
        chunked(&format!("0\r\nX: {}\r\n\r\n", "y".repeat(8 * 1024))),
        Reason::HeadTooLarge,
    );
    assert_body_refused(
        chunked(&format!("0\r\n{}\r\n", "X: y\r\n".repeat(101))),
        Reason::TooManyFields,
    );
    assert_passes(chunked("0\r\nSubscription-Id: s\r\nX: y\r\n\r\n"), 1);
}

#[test]
fn bodies_end_where_their_framing_says() {
    let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

    assert_passes(
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello{next}"),
        2,
    );
    assert_passes(
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 00\r\n\r\n{next}"),
        2,
    );
    assert_passes(
        [chunked("3\r\n\r\n\r\r\n0\r\n\r\n"), next.into()].concat(),
        2,
    );
    assert_passes(format!("GET / HTTP/1.1\r\nHost: a\r\n\r\n{next}"), 2);
    assert_passes(
        format!("HEAD / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n{next}"),
        2,
    );
}

#[test]
fn what_follows_the_last_request_is_neither_passed_nor_judged() {
    let last = "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n";
    for after in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\0\0rubbish\n"] {
        let verdict = judge_all_ways(format!("{last}{after}").as_bytes());

        assert_eq!(verdict.passed, last.as_bytes());
        assert_eq!((verdict.reason, verdict.complete), (None, 1));
    }
    let verdict = judge_all_ways(b"GET / HTTP/1.0\r\n\r\nmore");
    assert_eq!(verdict.passed, b"GET / HTTP/1.0\r\n\r\n");
}

#[test]
fn upgrade_does_not_reach_the_http_implementation() {
    let verdict = judge_all_ways(
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nX: y\r\nupgrade:websocket\r\n\r\nGET / HTTP/1.1\r\nUPGRADE: z\r\nHost: a\r\n\r\n",
    );

    assert_eq!(verdict.reason, None);
    assert_eq!(
        verdict.passed,
        b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    );
}

#[test]
fn a_refusal_takes_nothing_from_the_messages_before_it() {
    let good = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok";
    let bad = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";

    let verdict = judge_all_ways(format!("{good}{good}{bad}{good}").as_bytes());

    assert_eq!(verdict.passed, format!("{good}{good}").as_bytes());
    assert_eq!(
        (verdict.reason, verdict.complete),
        (Some(Reason::BothFramings), 2)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_verdict_does_not_depend_on_the_cuts(stream in streams::stream(), cuts in proptest::collection::vec(1_usize..40, 1..40)) {
        let mut pieces = Vec::new();
        let mut rest = stream.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }

        prop_assert_eq!(judge(pieces), judge([stream.as_slice()]));
    }

    #[test]
    fn the_guard_agrees_with_a_plain_reading_of_the_rules(stream in streams::stream()) {
        reference::assert_agrees(&stream, &judge([stream.as_slice()]));
    }
}
