//! Answers to calls for the literal subscription `test`: the examples of the API's specification, with no
//! relation to what the call says. Never forwarded. It is the one place where an API Key and Secret are taken
//! instead of a token, behind the throttle of the token server.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use http_body::Body as HttpBody;
use portcullis_core::{
    api::Simulation,
    authorize::{Denial, authorize_caller, caller_may_use},
    client::{ClientOwnerKey, ClientState},
    ids::IdKey,
    routes::RouteMatch,
    snapshot::Snapshot,
};
use portcullis_listener::Body;

use crate::{
    bearer::{Credentials, key_and_secret},
    error::{GatewayError, SimulatorError},
    headers::SUBSCRIPTION_ID,
    request_life::{Call, verify},
    response_body::ResponseBody,
};

/// The literal subscription.
const TEST: &[u8] = b"test";
/// Longest body that is looked at; what is longer is taken for fine.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Whether the call is for the simulator: exactly these bytes, and only where it is switched on. Anything else
/// is an ordinary identifier, and an unknown one.
pub(crate) fn is_meant(call: &Call) -> bool {
    let mut ids = call.parts.headers.get_all(SUBSCRIPTION_ID).iter();
    call.gateway.state.settings.simulator
        && ids.next().is_some_and(|id| id.as_bytes() == TEST)
        && ids.next().is_none()
}

/// A call that is simulated.
pub(crate) struct Simulator<'a> {
    pub(crate) call: &'a Call,
    pub(crate) facts: &'a Snapshot,
    pub(crate) route: &'a RouteMatch<'a>,
}

impl Simulator<'_> {
    /// The example that fits the call's method and path.
    pub(crate) async fn answer(
        self,
        credentials: Credentials<'_>,
        body: Body,
    ) -> Result<Response<ResponseBody>, GatewayError> {
        self.authorize(credentials)?;
        let simulation = self.find()?;
        self.check_json(body).await?;
        Ok(response(simulation, &self.call.parts.method))
    }

    /// The app must have selected the API; a subscription is not asked for.
    fn authorize(&self, credentials: Credentials<'_>) -> Result<(), GatewayError> {
        let allowed = if let Credentials::Basic(basic) = credentials {
            let owner = self.authenticate(basic)?;
            caller_may_use(self.facts, owner, self.route.instance)
                .and_then(|(_, api)| self.provider_is_active(api.organization))
        } else {
            let token = verify(self.call, credentials, self.facts)?;
            authorize_caller(self.facts, &token, self.route.instance).map(|_| ())
        };
        allowed.map_err(|denial| match denial {
            Denial::ApiNotSelected | Denial::ApiNotVisible => SimulatorError::NotSelected.into(),
            other => GatewayError::Denied(other),
        })
    }

    fn provider_is_active(&self, provider: IdKey) -> Result<(), Denial> {
        let is_active = self.facts.organization_is_active(provider);
        if is_active {
            Ok(())
        } else {
            Err(Denial::ProviderSuspended)
        }
    }

    /// The owner of an API Key, proved by its Secret. An unknown key and a wrong secret get the same answer.
    fn authenticate(&self, basic: &str) -> Result<ClientOwnerKey, SimulatorError> {
        let presented = key_and_secret(basic);
        let found = presented.and_then(|presented| {
            let client = self.facts.client(presented.client)?;
            client.matching_secret(&presented.secret, self.call.at)?;
            (client.state == ClientState::Enabled).then_some(client.owner)
        });
        found.ok_or_else(|| {
            let client = presented.map(|presented| presented.client);
            match self.note_failure(client) {
                Some(wait) => SimulatorError::Throttled(wait),
                None => SimulatorError::Unauthorized,
            }
        })
    }

    fn note_failure(&self, client: Option<IdKey>) -> Option<Duration> {
        let address = self.call.peer.addr.ip();
        self.call
            .gateway
            .state
            .throttle
            .failed(client, Some(address), self.call.begun)
    }

    fn find(&self) -> Result<&Simulation, SimulatorError> {
        let simulations = &self.route.instance.simulations;
        if simulations.is_empty() {
            return Err(SimulatorError::NoExamples);
        }
        let method = match &self.call.parts.method {
            &Method::HEAD => "GET",
            other => other.as_str(),
        };
        let fitting = simulations.iter().filter_map(|simulation| {
            literal_segments(&simulation.path, self.route.endpoint)
                .map(|literal| (literal, simulation))
        });
        let mut fitting: Vec<(usize, &Simulation)> = fitting.collect();
        if fitting.is_empty() {
            return Err(SimulatorError::NoSuchPath {
                method: self.call.parts.method.as_str().into(),
                path: self.call.parts.uri.path().into(),
            });
        }
        fitting.retain(|(_, simulation)| simulation.method == method);
        let best = fitting.into_iter().max_by_key(|(literal, _)| *literal);
        best.map(|(_, simulation)| simulation)
            .ok_or(SimulatorError::NoSuchMethod)
    }

    /// A body that says it is JSON has to be; no body at all is fine.
    async fn check_json(&self, body: Body) -> Result<(), SimulatorError> {
        let says = self
            .call
            .parts
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let media_type = says
            .and_then(|says| says.split(';').next())
            .unwrap_or_default()
            .trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            return Ok(());
        }
        let Some(text) = read(body).await else {
            return Ok(());
        };
        match serde_json::from_slice::<serde::de::IgnoredAny>(&text) {
            Ok(_) => Ok(()),
            Err(_) if text.iter().all(u8::is_ascii_whitespace) => Ok(()),
            Err(error) => Err(SimulatorError::BadJson(complaint(&text, &error).into())),
        }
    }
}

/// How many segments of the template stand literally in the path; `None` when they do not fit. A path and a
/// template may end in `/` or not, independently.
fn literal_segments(template: &str, path: &str) -> Option<usize> {
    let segments = |text| {
        str::trim_end_matches(text, '/')
            .trim_start_matches('/')
            .split('/')
    };
    let (mut template, mut path) = (segments(template), segments(path));
    let mut literal = 0;
    loop {
        match (template.next(), path.next()) {
            (None, None) => return Some(literal),
            (Some(one), Some(other)) if one == other => literal += 1,
            (Some(one), Some(other)) if is_parameter(one) && !other.is_empty() => {}
            _ => return None,
        }
    }
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{') && segment.ends_with('}')
}

/// The body, when it is short enough to look at and comes to its end.
async fn read(body: Body) -> Option<Bytes> {
    let mut body = std::pin::pin!(body);
    let mut text = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        text.extend_from_slice(&frame.ok()?.into_data().unwrap_or_default());
        if text.len() > BODY_BYTES_MAX {
            return None;
        }
    }
    Some(text.freeze())
}

/// In the words that callers know from the platform: the character, and how far into the body it stands.
fn complaint(text: &[u8], error: &serde_json::Error) -> String {
    let lines_before: usize = text
        .split_inclusive(|byte| *byte == b'\n')
        .take(error.line() - 1)
        .map(<[u8]>::len)
        .sum();
    let position = lines_before + error.column().saturating_sub(1);
    match text.get(position) {
        Some(byte) if !error.is_eof() => {
            let character = char::from(*byte);
            format!("Unexpected token {character} in JSON at position {position}")
        }
        _ => "Unexpected end of JSON input".to_owned(),
    }
}

fn response(simulation: &Simulation, method: &Method) -> Response<ResponseBody> {
    let body = Bytes::copy_from_slice(simulation.body.as_bytes());
    let mut response = Response::new(ResponseBody::whole(if *method == Method::HEAD {
        Bytes::new()
    } else {
        body
    }));
    *response.status_mut() = StatusCode::from_u16(simulation.status).unwrap_or(StatusCode::OK);
    let fields = response.headers_mut();
    if let Ok(content_type) = HeaderValue::try_from(&simulation.content_type)
        && !content_type.is_empty()
    {
        fields.insert(CONTENT_TYPE, content_type);
    }
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
