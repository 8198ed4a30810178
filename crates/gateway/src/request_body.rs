//! The body of a call on its way to the provider: counted, limited, and without trailers.

use std::{
    cell::Cell,
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use portcullis_listener::{Body, BodyError};
use tokio::time::Instant;

/// How far the body of a call has come. Shared by those who send it, answer it and record it.
#[derive(Debug)]
pub(crate) struct Progress {
    bytes: Cell<u64>,
    moved_at: Cell<Instant>,
    is_complete: Cell<bool>,
    is_too_large: Cell<bool>,
}

impl Progress {
    /// Bytes sent on so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// When the body last moved.
    pub(crate) fn moved_at(&self) -> Instant {
        self.moved_at.get()
    }

    /// Whether all of it was sent on.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_complete.get()
    }

    /// Whether it was cut because it went beyond the limit.
    pub(crate) fn is_too_large(&self) -> bool {
        self.is_too_large.get()
    }
}

/// The body of a call.
#[derive(Debug)]
pub(crate) struct RequestBody(Option<Upload>);

#[derive(Debug)]
struct Upload {
    body: Body,
    progress: Rc<Progress>,
    bytes_max: u64,
}

/// Why a call's body ended early.
#[derive(Debug)]
pub(crate) enum RequestBodyError {
    /// It went beyond the limit.
    TooLarge,
    /// The caller went away, or broke a rule of the framing.
    Broken(BodyError),
}

impl fmt::Display for RequestBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the request body is too long"),
            Self::Broken(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RequestBodyError {}

impl RequestBody {
    /// No body.
    pub(crate) fn empty() -> Self {
        Self(None)
    }

    /// This body, cut when it is longer than `bytes_max`. Nothing is read before the provider takes it: a
    /// caller that expects `100 Continue` gets it then.
    pub(crate) fn new(body: Body, bytes_max: u64) -> Self {
        if body.is_end_stream() {
            return Self::empty();
        }
        let progress = Rc::new(Progress {
            bytes: Cell::new(0),
            moved_at: Cell::new(Instant::now()),
            is_complete: Cell::new(false),
            is_too_large: Cell::new(false),
        });
        Self(Some(Upload {
            body,
            progress,
            bytes_max,
        }))
    }

    /// How far it has come; `None` when there is no body.
    pub(crate) fn progress(&self) -> Option<Rc<Progress>> {
        self.0.as_ref().map(|upload| Rc::clone(&upload.progress))
    }
}

impl Upload {
    fn count(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, RequestBodyError> {
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        let total = self.progress.bytes.get().saturating_add(bytes);
        if total > self.bytes_max {
            self.progress.is_too_large.set(true);
            return Err(RequestBodyError::TooLarge);
        }
        self.progress.bytes.set(total);
        self.progress.moved_at.set(Instant::now());
        if self.body.is_end_stream() {
            self.progress.is_complete.set(true);
        }
        Ok(frame)
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let Some(upload) = &mut self.0 else {
            return Poll::Ready(None);
        };
        match ready!(Pin::new(&mut upload.body).poll_frame(cx)) {
            Some(Ok(frame)) if frame.is_data() => Poll::Ready(Some(upload.count(frame))),
            Some(Err(error)) => Poll::Ready(Some(Err(RequestBodyError::Broken(error)))),
            // Trailers end the body and go no further: they could pass for fields of the head.
            Some(Ok(_)) | None => {
                upload.progress.is_complete.set(true);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|upload| upload.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), |upload| upload.body.size_hint())
    }
}
