//! What stands between hyper and a service: it hands over requests, contains panics, replaces answers to
//! requests whose body was refused, and sees to the rest of bodies that the service did not read.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use hyper::service::Service;
use tokio_util::sync::CancellationToken;

use crate::body::Body;
use crate::counters::Counters;
use crate::refusal::{Reason, Refusal, Refusals};
use crate::reply::{Reply, report_panic};
use crate::settings::Peer;
use crate::talk::Talk;

/// The most bytes of an unread body that are read away to keep its connection.
const UNREAD_BYTES_MAX: usize = 64 * 1024;

/// One connection as its service's caller.
pub(crate) struct Caller {
    pub(crate) peer: Peer,
    pub(crate) talk: Arc<Talk>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) refusals: Refusals,
    pub(crate) shutdown: CancellationToken,
}

/// Calls the service at once, and gives the rest of the way to its answer as a future.
pub(crate) fn answer<S, B>(
    service: &S,
    request: Request<Incoming>,
    caller: Arc<Caller>,
) -> impl Future<Output = Result<Response<Reply<B>>, Infallible>> + use<S, B>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: HttpBody<Data = Bytes>,
{
    let message = caller.talk.begin();
    // An expectation means that the caller may be waiting for a sign before it sends: reading the body
    // away would be that sign.
    let expects = request.headers().contains_key(EXPECT);
    let (mut parts, incoming) = request.into_parts();
    let has_body = !incoming.is_end_stream();
    parts.extensions.insert(caller.peer);
    let request = Request::from_parts(
        parts,
        Body::arriving(incoming, Arc::clone(&caller.talk), message),
    );
    let future = catch_unwind(AssertUnwindSafe(|| service.call(request)));
    async move {
        let outcome = match future {
            Ok(future) => contained(pin!(future)).await,
            Err(_panic) => None,
        };
        let mut response = caller.respond(outcome);
        let is_body_done = !has_body || caller.settle_body(message, expects, &mut response).await;
        if !is_body_done || caller.shutdown.is_cancelled() {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

/// The answer, or `None` when the service panicked.
async fn contained<F, R>(mut future: Pin<&mut F>) -> Option<R>
where
    F: Future<Output = Result<R, Infallible>>,
{
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(Ok(response))) => Poll::Ready(Some(response)),
            Err(_panic) => Poll::Ready(None),
        },
    )
    .await
}

impl Caller {
    fn respond<B>(self: &Arc<Self>, outcome: Option<Response<B>>) -> Response<Reply<B>> {
        let Some(response) = outcome else {
            report_panic(&self.counters);
            return self.refuse(Refusal::new(Reason::ServiceFailed));
        };
        // A 1xx would leave the caller waiting for the answer, and 101 would hand over the connection.
        if response.status().is_informational() {
            tracing::error!(
                status = response.status().as_u16(),
                "a service answered with an interim status"
            );
            return self.refuse(Refusal::new(Reason::ServiceFailed));
        }
        response.map(|body| Reply::of_service(body, Arc::clone(self)))
    }

    /// Whether hyper may go on with the connection after this message. Replaces the answer when the body
    /// was refused: whatever the service made of half a body, the caller has to hear that it was refused.
    async fn settle_body<B>(
        self: &Arc<Self>,
        message: u64,
        expects: bool,
        response: &mut Response<Reply<B>>,
    ) -> bool {
        let rest = self.talk.take_unread(message);
        if let Some(refusal) = self.talk.fault(message) {
            *response = self.refuse(refusal);
            return false;
        }
        let Some(rest) = rest else {
            // Read to its end, or still being read by the service while it answers.
            return true;
        };
        // Only what has arrived is read away. For the rest the caller would have to be waited for.
        !expects && self.talk.is_received(message) && read_away(pin!(rest)).await
    }

    fn refuse<B>(self: &Arc<Self>, refusal: Refusal) -> Response<Reply<B>> {
        let (content_type, body) = (self.refusals.body)(&refusal);
        let mut response = Response::new(Reply::of_listener(body, Arc::clone(self)));
        *response.status_mut() = refusal.status();
        let own = [
            ("content-type", content_type),
            ("cache-control", "no-store"),
        ];
        for (name, value) in own.iter().chain(self.refusals.fields) {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(*name), HeaderValue::try_from(*value))
            {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// Whether the body came to its end within the limit.
async fn read_away(mut body: Pin<&mut Incoming>) -> bool {
    let mut bytes = 0;
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        bytes += frame
            .as_ref()
            .ok()
            .and_then(|frame| frame.data_ref())
            .map_or(0, Bytes::len);
        if frame.is_err() || bytes > UNREAD_BYTES_MAX {
            return false;
        }
    }
    true
}
