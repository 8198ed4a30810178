//! The body of a request as services get it. How long it may stand still is watched in `guarded`; how
//! large it may be is for the service to say.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use crate::refusal::Refusal;
use crate::talk::Talk;

/// The body of a request.
#[derive(Debug)]
pub struct Body {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Whole(Option<Bytes>),
    Arriving {
        incoming: Option<Incoming>,
        talk: Arc<Talk>,
        message: u64,
    },
}

/// Why the rest of a body cannot be had. The connection ends in each case, and when the service answers
/// after [`BodyError::Refused`] the caller is told the refusal instead.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The body broke a rule of its framing, or stopped arriving.
    #[error("the request body was refused: {0}")]
    Refused(Refusal),
    /// The caller went away.
    #[error("the request body ended early")]
    Incomplete(#[source] hyper::Error),
}

impl Body {
    /// A body without bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            source: Source::Whole(None),
        }
    }

    pub(crate) fn arriving(incoming: Incoming, talk: Arc<Talk>, message: u64) -> Self {
        if incoming.is_end_stream() {
            return Self::empty();
        }
        Self {
            source: Source::Arriving {
                incoming: Some(incoming),
                talk,
                message,
            },
        }
    }
}

impl From<Bytes> for Body {
    fn from(whole: Bytes) -> Self {
        Self {
            source: Source::Whole(Some(whole).filter(|whole| !whole.is_empty())),
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let (incoming, talk, message) = match &mut self.source {
            Source::Whole(whole) => {
                return Poll::Ready(whole.take().map(|whole| Ok(Frame::data(whole))));
            }
            Source::Arriving {
                incoming,
                talk,
                message,
            } => (incoming, talk, *message),
        };
        let Some(arriving) = incoming.as_mut() else {
            return Poll::Ready(None);
        };
        let frame = std::task::ready!(Pin::new(arriving).poll_frame(cx));
        let frame = frame.map(|frame| {
            frame.map_err(|error| match talk.fault(message) {
                Some(refusal) => BodyError::Refused(refusal),
                None => BodyError::Incomplete(error),
            })
        });
        if matches!(frame, None | Some(Err(_))) {
            *incoming = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Whole(whole) => whole.is_none(),
            Source::Arriving { incoming, .. } => {
                incoming.as_ref().is_none_or(HttpBody::is_end_stream)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(whole) => {
                SizeHint::with_exact(whole.as_ref().map_or(0, |whole| whole.len() as u64))
            }
            Source::Arriving { incoming, .. } => incoming
                .as_ref()
                .map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Source::Arriving {
            incoming,
            talk,
            message,
        } = &mut self.source
            && let Some(rest) = incoming.take().filter(|rest| !rest.is_end_stream())
        {
            talk.leave_unread(*message, rest);
        }
    }
}
