//! What a guard makes of a stream that comes in pieces.

use portcullis_listener::guard::Guard;
use portcullis_listener::{Limits, Reason};

/// What a guard makes of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The bytes that pass.
    pub(crate) passed: Vec<u8>,
    pub(crate) reason: Option<Reason>,
    pub(crate) begun: u64,
    pub(crate) complete: u64,
    pub(crate) is_between: bool,
}

/// Feeds the pieces as a connection would: what is not released is given again.
pub(crate) fn judge<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Verdict {
    let mut guard = Guard::new(&Limits::default());
    let mut window = Vec::new();
    let mut verdict = Verdict {
        passed: Vec::new(),
        reason: None,
        begun: 0,
        complete: 0,
        is_between: true,
    };
    for piece in pieces {
        window.extend_from_slice(piece);
        let advance = guard.advance(&window);
        let mut released: Vec<u8> = window.drain(..advance.release).collect();
        for line in advance.struck.into_iter().rev() {
            released.drain(line);
        }
        verdict.passed.extend(released);
        verdict.reason = advance.refusal.map(|refusal| refusal.reason());
        if guard.is_over() {
            break;
        }
    }
    verdict.begun = guard.messages_begun();
    verdict.complete = guard.messages_complete();
    verdict.is_between = guard.is_between_messages();
    verdict
}
