//! The whole port against streams close to the rules: each message that the rules let pass is answered,
//! in order, with its own body; a refusal comes after those answers; and then the connection ends.

#[cfg(test)]
mod reference;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod support;
#[cfg(test)]
mod verdict;

use proptest::prelude::*;

use crate::reference::End;
use crate::support::Server;

#[test]
fn every_stream_gets_the_answers_it_should_get() {
    let server = Server::start();
    let config = ProptestConfig {
        cases: 1500,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let cut = proptest::collection::vec(1_usize..200, 1..4);

    proptest!(config, |(stream in streams::stream(), cut in cut)| {
        // Answers to HEAD cannot be told apart without knowing the requests.
        prop_assume!(!stream.windows(4).any(|word| word == b"HEAD"));
        let verdict = verdict::judge([stream.as_slice()]);
        reference::assert_agrees(&stream, &verdict);
        let (messages, end) = reference::read(&stream);
        let mut expected: Vec<(u16, Option<String>)> = messages
            .iter()
            .map(|message| (200, Some(format!(" {} {}", message.body.len(), message.body.escape_ascii()))))
            .collect();
        match (verdict.reason, end) {
            (Some(reason), _) => expected.push((reason.status().as_u16(), None)),
            // The service is told that the rest is missing, and says so.
            (None, End::InBody) => expected.push((502, None)),
            (None, _) => {}
        }

        let mut caller = server.connect();
        let mut rest = stream.as_slice();
        for size in cut.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            caller.send(piece);
            rest = after;
        }
        let _ = caller.stream.shutdown(std::net::Shutdown::Write);
        let mut exchange = caller.read_to_end();
        exchange.replies.retain(|reply| reply.status != 100);

        let text = stream.escape_ascii().to_string();
        prop_assert_eq!(exchange.error, None, "{}", text);
        prop_assert_eq!(exchange.rest.len(), 0, "{:?} {}", exchange, text);
        prop_assert_eq!(exchange.replies.len(), expected.len(), "{:?} {}", exchange, text);
        for (reply, (status, body)) in exchange.replies.iter().zip(expected) {
            prop_assert_eq!(reply.status, status, "{:?} {}", exchange, text);
            if let Some(body) = body {
                prop_assert!(reply.body.ends_with(&body), "{:?} {}", exchange, text);
            }
        }
    });
}
