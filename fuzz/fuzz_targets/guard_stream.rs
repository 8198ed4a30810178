//! The guard's verdict on any stream is the same however the stream is cut, and agrees with a plain
//! reading of the rules. The first four bytes of the input say where it is cut.

#![no_main]

#[path = "../../crates/listener/tests/reference/mod.rs"]
mod reference;
#[path = "../../crates/listener/tests/verdict/mod.rs"]
mod verdict;

use libfuzzer_sys::fuzz_target;

use crate::verdict::judge;

fuzz_target!(|input: &[u8]| {
    let Some((cuts, stream)) = input.split_first_chunk::<4>() else { return };
    let whole = judge([stream]);

    let mut pieces = Vec::new();
    let mut rest = stream;
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(usize::from(*cut).clamp(1, rest.len()));
        pieces.push(piece);
        rest = after;
    }
    assert_eq!(judge(pieces), whole);
    assert_eq!(judge(stream.chunks(1)), whole);
    reference::assert_agrees(stream, &whole);
});
