//! What every request passes on its way to a page: the table of routes, the session, the check that a form is
//! ours; and what every answer passes on its way back: failures become pages, cookies are set.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    body::Body,
    extract::{ConnectInfo, MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts};
use portcullis_core::permissions::may;
use portcullis_registry::people;

use crate::{
    PortalState, assets,
    cookies::Transport,
    csrf::{self, CsrfKey},
    failure::{Failed, Failure},
    flash,
    page::{Inner, Page, Session, Theme},
    routes::{self, Who},
    sent::Sent,
};

/// The cookie of a session.
pub(crate) const SESSION_COOKIE: &str = "portcullis";
/// The cookie that forms of visitors who are not signed in are bound to.
const FORM_COOKIE: &str = "portcullis-form";
/// The cookie of the theme. It is nobody's secret.
pub(crate) const THEME_COOKIE: &str = "portcullis-theme";

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");

/// The middleware.
pub(crate) async fn pass(
    State(portal): State<PortalState>,
    matched: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let path = matched.as_ref().map_or("", MatchedPath::as_str).to_owned();
    // A file is the same for everybody: nobody's session is looked up for it.
    if path == "/static/{name}" && assets::is_at(request.uri().path()) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let (page, failed) = match page_of(&portal, &parts).await {
        Ok(page) => (page, None),
        Err((page, failure)) => (page, Some(failure)),
    };
    let allowed = match failed {
        Some(failure) => Err(failure),
        None => admitted(&page, &path, &parts, body).await,
    };
    let mut response = match allowed {
        Ok(sent) => {
            parts.extensions.insert(page.clone());
            parts.extensions.insert(sent);
            next.run(Request::from_parts(parts, Body::empty())).await
        }
        Err(failure) => failure.into_response(),
    };
    if let Some(Failed(failure)) = response.extensions_mut().remove::<Failed>() {
        response = failure.page(&page, &path);
    }
    completed(&page, response)
}

/// Who asks, and for what. The store may not answer: then the page is that of nobody, to say so.
async fn page_of(portal: &PortalState, parts: &Parts) -> Result<Page, (Page, Failure)> {
    let transport = Transport::of(&portal.site().public_url);
    let address = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(address)| address.ip().to_canonical());
    let cookie = transport.get(&parts.headers, SESSION_COOKIE);
    let visit = people::Visit {
        address,
        user_agent: text(&parts.headers, &header::USER_AGENT).to_owned(),
    };
    let (mut session, mut failure) = (None, None);
    if let Some(cookie) = cookie {
        match portal.people().sessions().find(cookie, &visit).await {
            Ok(found) => session = found.map(|who| Session::new(cookie, who)),
            Err(error) => failure = Some(Failure::from(error)),
        }
    }
    if let Some(session) = &mut session {
        match portal.name_of_chosen(session, address).await {
            Ok(name) => session.organization_name = name,
            Err(error) => failure = Some(error),
        }
    }
    let known = transport
        .get(&parts.headers, FORM_COOKIE)
        .filter(|value| value.len() == 36);
    let form_cookie = known.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
    let secret = session
        .as_ref()
        .map_or(form_cookie.as_str(), |session| &session.cookie);
    let shown = transport.get(&parts.headers, flash::COOKIE);
    let page = Page::new(Inner {
        csrf: CsrfKey::of(secret),
        flash: shown.and_then(|cookie| flash::Flash::open(cookie, secret)),
        has_flash_cookie: shown.is_some(),
        is_form_cookie_new: known.is_none(),
        form_cookie,
        theme: Theme::parse(
            transport
                .get(&parts.headers, THEME_COOKIE)
                .unwrap_or_default(),
        ),
        request_id: request_id(&parts.headers),
        is_fragment: parts.headers.contains_key(HX_REQUEST),
        method: parts.method.clone(),
        uri: parts.uri.clone(),
        session,
        visit,
        transport,
        portal: portal.clone(),
    });
    match failure {
        Some(failure) => Err((page, failure)),
        None => Ok(page),
    }
}

/// What a form sent, when the visitor may use the route and the form is ours.
async fn admitted(page: &Page, path: &str, parts: &Parts, body: Body) -> Result<Sent, Failure> {
    if path.is_empty() {
        return Err(Failure::NotFound);
    }
    let who = routes::who(&parts.method, path).ok_or(Failure::MethodNotAllowed)?;
    let is_read = matches!(parts.method, Method::GET | Method::HEAD);
    // A form of somebody else is refused before anything is said about who may do what.
    if !is_read && !csrf::is_same_origin(&parts.headers, &page.portal().site().public_url) {
        return Err(Failure::CrossSite);
    }
    allowed(page, who)?;
    if is_read {
        return Ok(Sent::default());
    }
    let sent = Sent::read(&parts.headers, body, routes::body_bytes_max(path)).await?;
    let from_script = text(&parts.headers, &csrf::HEADER);
    if page.csrf().accepts(sent.token()) || page.csrf().accepts(from_script) {
        Ok(sent)
    } else {
        Err(Failure::ForeignForm)
    }
}

fn allowed(page: &Page, who: Who) -> Result<(), Failure> {
    let session = match (who, page.session()) {
        (Who::Public, _) => return Ok(()),
        (Who::Mailbox, _) if !page.portal().site().captures_mail => return Err(Failure::NotFound),
        (Who::Mailbox, _) if page.portal().site().is_development && is_near(page) => return Ok(()),
        (_, None) => return Err(Failure::SignInNeeded),
        (_, Some(session)) => session,
    };
    let actor = &session.who.actor;
    match who {
        Who::Public | Who::SignedIn => Ok(()),
        Who::Operator | Who::Mailbox | Who::Member(_) if actor.is_operator() => Ok(()),
        Who::Operator | Who::Mailbox => Err(Failure::Forbidden),
        Who::Member(action) => {
            let organization = session.who.organization.as_ref();
            let organization = organization.ok_or(Failure::NoOrganization)?;
            may(actor, action, Some(organization))
                .map(|_| ())
                .map_err(|_| Failure::Forbidden)
        }
    }
}

/// Whether the visitor sits at this machine.
fn is_near(page: &Page) -> bool {
    page.visit()
        .address
        .is_some_and(|address: IpAddr| address.is_loopback())
}

/// The cookies and header fields that every page has.
fn completed(page: &Page, mut response: Response) -> Response {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(page.request_id()) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for cookie in page.cookies() {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}

impl Page {
    /// Cookies that the answer sets by itself.
    fn cookies(&self) -> Vec<HeaderValue> {
        let inner: &Arc<Inner> = self.inner();
        let mut cookies = Vec::new();
        if inner.session.is_none() && inner.is_form_cookie_new {
            let value = inner.transport.set(FORM_COOKIE, &inner.form_cookie, None);
            cookies.push(value);
        }
        if inner.has_flash_cookie && self.was_flash_shown() {
            cookies.push(inner.transport.set(flash::COOKIE, "", Some(0)));
        }
        cookies
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// The caller's Request-Id when it is one, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let own = text(headers, &REQUEST_ID);
    let legal = (1..=128).contains(&own.len()) && own.bytes().all(|b| b.is_ascii_graphic());
    if legal {
        own.to_owned()
    } else {
        uuid::Uuid::new_v4().to_string()
    }
}
