//! Streams that are close to the rules of framing, on either side of them.

use proptest::prelude::*;

/// Pieces of requests, good and bad, in any order: far more often close to the rules than random bytes.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let words: &[&'static str] = &[
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "POST /x?y HTTP/1.1\r\nHost: a:80\r\n",
        "HEAD http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: 0\r\n",
        "content-length: 12\r\n\r\n",
        "Transfer-Encoding: chunked\r\n",
        "transfer-encoding: chunked\r\n\r\n",
        "Upgrade: h2c\r\n",
        "Expect: 100-continue\r\n",
        "Connection: close\r\n",
        "X: y\r\n",
        "\r\n",
        "\r",
        "\n",
        " ",
        ":",
        ";a=b",
        ";a=\"b\\\"",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
        "0\r\nX: y\r\n\r\n",
        "0\r\n",
        "hello",
        "HTTP/1.1",
        "GET ",
        "Host: a\r\n",
        "Host: b\r\n\r\n",
    ];
    prop_oneof![
        8 => proptest::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ]
}

/// A stream of such pieces.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(fragment(), 0..14).prop_map(|pieces| pieces.concat())
}

fn bytes_of(class: &'static str, length: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    let class: Vec<char> = class.chars().collect();
    proptest::collection::vec(proptest::sample::select(class), length)
        .prop_map(|chars| chars.into_iter().collect())
}

const TOKEN: &str = "aZ09!#$%&'*+-.^_`|~";

fn target() -> impl Strategy<Value = String> {
    let path = bytes_of("az09-._~!$&'()*+,;=:@/%[]\\|\"{}^", 0..12);
    let query = bytes_of("az09-._~!$&'()*+,;=:@/%[]\\|?{}^`", 0..12);
    let prefix = prop_oneof![4 => Just("/"), 1 => Just("http://a/"), 1 => Just("https://A:443/")];
    (prefix, path, proptest::option::of(query)).prop_map(|(prefix, path, query)| {
        query.map_or_else(
            || format!("{prefix}{path}"),
            |query| format!("{prefix}{path}?{query}"),
        )
    })
}

fn field() -> impl Strategy<Value = Vec<u8>> {
    let value = proptest::collection::vec(
        prop_oneof![6 => 0x20_u8..0x7f, 1 => Just(b'\t'), 1 => 0x80_u8..=0xff],
        0..12,
    );
    prop_oneof![
        6 => (bytes_of(TOKEN, 1..9), value).prop_map(|(name, value)| {
            [name.as_bytes(), b":", &value, b"\r\n"].concat()
        }),
        1 => Just(b"Connection: x, keep-alive\r\n".to_vec()),
        1 => Just(b"Upgrade: h2c\r\n".to_vec()),
    ]
}

/// A body with its framing field: `(field, bytes)`.
fn body() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let data = || proptest::collection::vec(any::<u8>(), 0..40);
    let extension = prop_oneof![3 => Just(""), 1 => Just(";a"), 1 => Just(";a=b;c=\"d\\\"e;\"")];
    let chunk = (data(), extension, any::<bool>()).prop_map(|(data, extension, is_upper)| {
        let size = if is_upper {
            format!("0{:X}", data.len())
        } else {
            format!("{:x}", data.len())
        };
        if data.is_empty() {
            return Vec::new();
        }
        [
            size.as_bytes(),
            extension.as_bytes(),
            b"\r\n",
            &data,
            b"\r\n",
        ]
        .concat()
    });
    let trailers = proptest::collection::vec(field(), 0..3);
    let chunked =
        (proptest::collection::vec(chunk, 0..4), trailers).prop_map(|(chunks, trailers)| {
            let bytes = [
                chunks.concat(),
                b"0\r\n".to_vec(),
                trailers.concat(),
                b"\r\n".to_vec(),
            ]
            .concat();
            (b"transfer-Encoding:Chunked \r\n".to_vec(), bytes)
        });
    let sized = data().prop_map(|data| {
        (
            format!("content-length:{}\r\n", data.len()).into_bytes(),
            data,
        )
    });
    prop_oneof![1 => Just((Vec::new(), Vec::new())), 1 => sized, 2 => chunked]
}

/// A message that follows the rules.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let lead = prop_oneof![5 => Just(""), 1 => Just("\r\n")];
    let fields = proptest::collection::vec(field(), 0..5);
    (lead, bytes_of(TOKEN, 1..9), target(), fields, body()).prop_map(
        |(lead, method, target, fields, (framing, body))| {
            let start = format!("{lead}{method} {target} HTTP/1.1\r\nHost: a\r\n");
            [start.as_bytes(), &fields.concat(), &framing, b"\r\n", &body].concat()
        },
    )
}

/// Messages that follow the rules, and perhaps one place where they do not.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let slip = (any::<proptest::sample::Index>(), any::<u8>(), 0..4_u8);
    (
        proptest::collection::vec(message(), 1..4),
        proptest::option::of(slip),
    )
        .prop_map(|(messages, slip)| {
            let mut stream = messages.concat();
            if let Some((at, byte, kind)) = slip {
                let at = at.index(stream.len());
                match kind {
                    0 => stream[at] = byte,
                    1 => stream.insert(at, byte),
                    2 => drop(stream.remove(at)),
                    _ => stream.truncate(at),
                }
            }
            stream
        })
}

/// A stream close to the rules.
pub(crate) fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![pieces(), messages()]
}
