//! A permitted call on its way to the provider, and the answer on its way back. Nothing is buffered: the body
//! of either goes on as it arrives.

use std::rc::Rc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, Uri, Version,
    header::{AUTHORIZATION, CONTENT_LENGTH, HOST},
    uri::PathAndQuery,
};
use http_body::Body;
use hyper::body::Incoming;
use portcullis_core::{
    access_token::VerifiedToken, api::BasePathUpstream, authorize::Permit, change::ChangeSeq,
    routes::InstanceRecord,
};

use crate::{
    answer::{REQUEST_ID, mark_error_of_api},
    error::{GatewayError, InvalidRequest, UpstreamError},
    headers::{OriginFields, SUBSCRIPTION_ID, pass_request, single, strip_answer},
    patience::Patience,
    record::Recording,
    request_body::RequestBody,
    request_life::Call,
    response_body::{Link, ResponseBody, Streamed},
    upstream::{Connection, Failure},
};

/// Fields we add to a call, for the size of its map.
const OWN_FIELDS: usize = 10;

/// Everything a call needs to leave.
pub(crate) struct Lead {
    /// The snapshot it was given by.
    pub(crate) allowed_at: ChangeSeq,
    /// Who calls.
    pub(crate) token: VerifiedToken,
    /// Proof that it may.
    pub(crate) permit: Permit,
    /// What the provider gets in place of the app's token.
    pub(crate) authorization: HeaderValue,
    /// The way.
    pub(crate) connection: Box<Connection>,
}

/// The call as the provider gets it, without its body.
pub(crate) fn onward(call: &Call, lead: &Lead) -> Result<Request<()>, GatewayError> {
    let fields = &call.parts.headers;
    let mut onward = HeaderMap::with_capacity(fields.keys_len() + OWN_FIELDS);
    onward.insert(HOST, lead.connection.host().clone());
    pass_request(fields, &mut onward)?;
    onward.insert(AUTHORIZATION, lead.authorization.clone());
    if let Some(id) = fields.get(SUBSCRIPTION_ID) {
        onward.insert(SUBSCRIPTION_ID, id.clone());
    }
    onward.insert(REQUEST_ID, call.request_id.clone());
    call.gateway
        .introduction
        .add(fields, &call.peer, &mut onward);

    let mut request = Request::new(());
    *request.method_mut() = call.parts.method.clone();
    *request.uri_mut() = onward_uri(&call.parts.uri, lead.permit.instance())?;
    *request.headers_mut() = onward;
    Ok(request)
}

/// Target, base path where it is kept, endpoint and query: what the caller sent of them, byte for byte.
fn onward_uri(sent: &Uri, instance: &InstanceRecord) -> Result<Uri, GatewayError> {
    let endpoint = sent.path().get(instance.prefix.len()..).unwrap_or_default();
    let base = match instance.policy.base_path_upstream {
        BasePathUpstream::Keep => instance.base_path.as_str(),
        BasePathUpstream::Strip => "",
    };
    let query = sent.query();
    let length = instance.target.path.len() + base.len() + endpoint.len();
    let mut text = String::with_capacity(length + 2 + query.map_or(0, str::len));
    text.push_str(&instance.target.path);
    text.push_str(base);
    text.push_str(endpoint);
    if text.is_empty() {
        text.push('/');
    }
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    let path =
        PathAndQuery::from_maybe_shared(Bytes::from(text)).map_err(|_| InvalidRequest::Path)?;
    Ok(Uri::from(path))
}

/// The call's body, refused when it says that it is longer than this instance takes.
pub(crate) fn limited_body(
    fields: &HeaderMap,
    body: portcullis_listener::Body,
    bytes_max: u64,
) -> Result<RequestBody, GatewayError> {
    let length = single(fields, &CONTENT_LENGTH).map_err(|_| InvalidRequest::ContentLength)?;
    let length = length.map(|value| {
        value
            .to_str()
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    });
    match length {
        Some(None) => Err(InvalidRequest::ContentLength.into()),
        Some(Some(bytes)) if bytes > bytes_max => Err(GatewayError::RequestTooLarge),
        _ => Ok(RequestBody::new(body, bytes_max)),
    }
}

/// A call that was not answered.
pub(crate) struct Unanswered {
    pub(crate) error: GatewayError,
    /// Whether making it again cannot do anything twice: it was safe to repeat, had no body, and met a
    /// connection that was closed while it waited.
    pub(crate) is_repeatable: bool,
}

/// Makes the call, and begins the answer as soon as the provider's head is here. `recording` leaves with the
/// answer, and stays when there is none.
pub(crate) async fn forward(
    call: &Rc<Call>,
    lead: Lead,
    body: RequestBody,
    recording: &mut Option<Recording>,
) -> Result<Response<ResponseBody>, Unanswered> {
    let request = onward(call, &lead)
        .map_err(Unanswered::finally)?
        .map(|()| body);
    let Lead {
        allowed_at,
        token,
        permit,
        mut connection,
        ..
    } = lead;
    let upload = request.body().progress();
    let is_safe = upload.is_none() && call.parts.method.is_idempotent();
    if let Some(recording) = recording {
        recording.note_upload(upload.clone());
    }
    let sent_at = call.gateway.state.clock.boot_time();
    let timeouts = &call.gateway.state.settings.timeouts;
    let answer = connection
        .call(request, timeouts.response)
        .await
        .map_err(|failure| Unanswered {
            is_repeatable: is_safe && failure.was_stale,
            error: reason(
                &failure,
                upload.as_ref().is_some_and(|upload| upload.is_too_large()),
            ),
        })?;
    let waited = call.gateway.state.clock.boot_time().since(sent_at);

    let instance = permit.instance();
    let bytes_max = answer_bytes_max(call, instance, &answer).map_err(Unanswered::finally)?;
    let link = match upload.filter(|upload| !upload.is_complete()) {
        None => Link::Own(connection),
        Some(upload) => {
            let gateway = call.gateway.clone();
            let task = connection.into_background(upload, timeouts.idle, move |connection| {
                gateway
                    .upstream
                    .give_back(connection, gateway.state.clock.boot_time());
            });
            Link::Background {
                task,
                patience: Patience::new(),
            }
        }
    };
    let Some(mut recording) = recording.take() else {
        return Err(Unanswered::finally(GatewayError::CallerGone));
    };
    let (head, incoming) = answer.into_parts();
    recording.note_answer(head.status.as_u16(), waited);
    let body = Streamed {
        call: Rc::clone(call),
        token,
        allowed_at,
        incoming,
        link,
        recording,
        bytes: 0,
        bytes_max,
        broken: None,
    };
    Ok(pass_back(
        call,
        instance,
        head,
        ResponseBody::streamed(body),
    ))
}

/// How long the answer may be; an error when it says that it is longer.
fn answer_bytes_max(
    call: &Call,
    instance: &InstanceRecord,
    answer: &Response<Incoming>,
) -> Result<u64, GatewayError> {
    if instance.policy.streaming {
        return Ok(u64::MAX);
    }
    let bytes_max = call.gateway.state.settings.limits.response_body_bytes_max;
    if answer.body().size_hint().lower() > bytes_max {
        return Err(UpstreamError::ResponseTooLarge.into());
    }
    Ok(bytes_max)
}

/// The provider's head as the caller gets it.
fn pass_back(
    call: &Call,
    instance: &InstanceRecord,
    head: http::response::Parts,
    body: ResponseBody,
) -> Response<ResponseBody> {
    let mut response = Response::from_parts(head, body);
    *response.version_mut() = Version::HTTP_11;
    let status = response.status();
    let origin = if instance.policy.pass_origin_fields {
        OriginFields::Pass
    } else {
        OriginFields::Drop
    };
    let fields = response.headers_mut();
    strip_answer(fields, origin);
    fields.insert(REQUEST_ID, call.request_id.clone());
    mark_error_of_api(status, fields);
    response
}

impl Unanswered {
    pub(crate) fn finally(error: GatewayError) -> Self {
        Self {
            error,
            is_repeatable: false,
        }
    }
}

/// Why there was no answer: a body that was cut here is not the provider's fault.
fn reason(failure: &Failure, is_too_large: bool) -> GatewayError {
    if is_too_large {
        GatewayError::RequestTooLarge
    } else if failure.by_request_body {
        GatewayError::CallerGone
    } else {
        failure.error.into()
    }
}
