//! The guard: a state machine over the bytes of a connection that knows where each message begins and
//! ends, and refuses what two parsers could read in two ways. It decides and does no I/O; `guarded` puts
//! it below hyper.
//!
//! hyper repairs what must be refused: it drops Content-Length beside Transfer-Encoding before a service
//! can see it, and takes spaces after chunk sizes. So nothing of a head reaches it before the guard has
//! judged the whole head, and nothing of a body after the first byte that breaks a rule.
//!
//! The guard looks at one byte after the other, and at a byte only once. That is why its verdict cannot
//! depend on how the bytes were cut into reads.

mod chunk;
mod head;
mod step;
mod syntax;

use std::ops::Range;

use self::head::Section;
use crate::refusal::{Reason, Refusal};
use crate::settings::Limits;

/// The most bytes of a trailer section; hyper itself ends at 16 KiB.
const TRAILER_BYTES_MAX: usize = 8 * 1024;

/// Follows the messages of one connection.
#[derive(Debug)]
pub struct Guard {
    limits: HeadLimits,
    state: State,
    /// Bytes at the start of the window that were examined in an earlier call.
    examined: usize,
    section: Section,
    /// Digits of the chunk size so far.
    size_digits: u8,
    /// Bytes that the body, or the chunk, still has.
    remaining: u64,
    extension_bytes: usize,
    is_head_request: bool,
    is_last: bool,
    messages_begun: u64,
    messages_complete: u64,
    refusal: Option<Refusal>,
}

/// What the bytes given so far allow.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// So many bytes from the start of the window may be passed on and must not be given again. The rest
    /// stays at the start of the next window, unless the guard has refused or finished.
    pub release: usize,
    /// Ranges of the released bytes to leave out, ascending: whole field lines.
    pub struck: Vec<Range<usize>>,
    /// The rest of the connection is to be discarded.
    pub refusal: Option<Refusal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct HeadLimits {
    method: usize,
    line: usize,
    head: usize,
    fields: usize,
    extensions: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    EmptyLineLf,
    Method,
    TargetStart,
    Path,
    Query,
    Version,
    RequestLineLf,
    FieldStart,
    Name,
    Value,
    FieldLf,
    HeadLf,
    Body,
    Size,
    SizeLf,
    ExtensionName,
    ExtensionValueStart,
    ExtensionToken,
    ExtensionQuoted,
    ExtensionEscape,
    ExtensionQuotedEnd,
    Chunk,
    ChunkCr,
    ChunkLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerFieldLf,
    TrailerLf,
    Finished,
    Refused,
}

impl Guard {
    /// A guard for a new connection.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: HeadLimits {
                method: limits.method_bytes_max,
                line: limits.request_line_bytes_max,
                head: limits.head_bytes_max,
                fields: limits.head_fields_max,
                extensions: limits.chunk_extension_bytes_max,
            },
            state: State::Start,
            examined: 0,
            section: Section::default(),
            size_digits: 0,
            remaining: 0,
            extension_bytes: 0,
            is_head_request: false,
            is_last: false,
            messages_begun: 0,
            messages_complete: 0,
            refusal: None,
        }
    }

    /// Examines the window: the bytes that earlier calls did not release, followed by new ones.
    pub fn advance(&mut self, window: &[u8]) -> Advance {
        let mut cursor = Cursor {
            window,
            at: self.examined,
            base: 0,
        };
        let mut struck = Vec::new();
        while cursor.at < window.len() && !self.is_over() {
            if let Err(reason) = self.step(&mut cursor, &mut struck) {
                self.refuse(reason);
            }
        }
        self.examined = if self.is_over() {
            0
        } else {
            cursor.at - cursor.base
        };
        Advance {
            release: cursor.base,
            struck,
            refusal: self.refusal,
        }
    }

    /// Ends the connection for a reason that is not in its bytes: time.
    pub(crate) fn refuse(&mut self, reason: Reason) -> Refusal {
        let refusal = Refusal::new(reason);
        let refusal = if self.is_head_request {
            refusal.without_body()
        } else {
            refusal
        };
        self.state = State::Refused;
        self.refusal = Some(refusal);
        refusal
    }

    /// Whether no byte of an unfinished message has come, except an empty line.
    #[must_use]
    pub fn is_between_messages(&self) -> bool {
        matches!(
            self.state,
            State::Start | State::EmptyLineLf | State::Finished
        )
    }

    /// Whether the head of the current message was released and its end was not.
    #[must_use]
    pub fn is_in_body(&self) -> bool {
        self.messages_begun > self.messages_complete
    }

    /// Whether nothing that still comes will be passed on.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Finished | State::Refused)
    }

    /// Messages whose head was released.
    #[must_use]
    pub fn messages_begun(&self) -> u64 {
        self.messages_begun
    }

    /// Messages that were released to their last byte.
    #[must_use]
    pub fn messages_complete(&self) -> u64 {
        self.messages_complete
    }
}

/// A position in the window; what lies before `base` is released.
struct Cursor<'a> {
    window: &'a [u8],
    at: usize,
    base: usize,
}

impl<'a> Cursor<'a> {
    /// The withheld section up to the current position.
    fn section(&self) -> &'a [u8] {
        self.window.get(self.base..self.at).unwrap_or_default()
    }

    /// Bytes of the withheld section up to the current position.
    const fn offset(&self) -> usize {
        self.at - self.base
    }

    /// How many of the next bytes, at most `max`, are of this class.
    fn run(&self, max: usize, is_of_class: impl Fn(u8) -> bool) -> usize {
        let rest = self.window.get(self.at..).unwrap_or_default();
        let rest = rest.get(..max).unwrap_or(rest);
        rest.iter()
            .position(|byte| !is_of_class(*byte))
            .unwrap_or(rest.len())
    }

    /// The same, faster for long runs: whole blocks are looked at without a branch for each byte.
    fn long_run(&self, max: usize, is_of_class: impl Fn(u8) -> bool) -> usize {
        let rest = self.window.get(self.at..).unwrap_or_default();
        let rest = rest.get(..max).unwrap_or(rest);
        let is_whole = |block: &&[u8; 16]| {
            block
                .iter()
                .fold(true, |all, byte| all & is_of_class(*byte))
        };
        let blocks = rest.as_chunks().0.iter().take_while(is_whole).count() * 16;
        let tail = rest.get(blocks..).unwrap_or_default();
        blocks
            + tail
                .iter()
                .position(|byte| !is_of_class(*byte))
                .unwrap_or(tail.len())
    }

    /// Everything up to here may pass.
    const fn release(&mut self) {
        self.base = self.at;
    }
}
