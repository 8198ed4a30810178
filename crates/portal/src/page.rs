//! The page that is asked for: who asks, the API they see, and how an answer is made. Handlers take it as their
//! first argument.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use askama::Template;
use axum::{
    extract::FromRequestParts,
    response::{Html, IntoResponse, Redirect, Response},
};
use http::{HeaderValue, Method, StatusCode, Uri, header, request::Parts};
use portcullis_core::{
    ids::OrganizationId,
    permissions::{Action, may},
    secret::Secret,
};
use portcullis_registry::{
    in_process::Management,
    people::{self, sessions::SignedIn},
};

use crate::{
    PortalState,
    cookies::Transport,
    csrf::CsrfKey,
    failure::Failure,
    flash::{self, Flash},
    gate::SESSION_COOKIE,
    layout::{Section, Shell},
    sent::Sent,
};

/// What a handler gives back.
pub(crate) type Answer = Result<Response, Failure>;

/// How long a message waits for the next page, in seconds.
const FLASH_SECONDS: u32 = 60;

/// A session, and the cookie it came with.
pub(crate) struct Session {
    /// The value of the cookie: a secret.
    pub(crate) cookie: String,
    /// Who.
    pub(crate) who: SignedIn,
    /// The name of the chosen organization; empty when none is chosen.
    pub(crate) organization_name: String,
}

impl Session {
    pub(crate) fn new(cookie: &str, who: SignedIn) -> Self {
        Self {
            cookie: cookie.to_owned(),
            who,
            organization_name: String::new(),
        }
    }
}

/// Which colours the visitor chose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Theme {
    /// Those of the device.
    #[default]
    System,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    /// From a cookie or form; anything unknown is the device's.
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    /// As it stands in `data-theme`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// What the gate found out.
pub(crate) struct Inner {
    pub(crate) portal: PortalState,
    pub(crate) session: Option<Session>,
    pub(crate) visit: people::Visit,
    pub(crate) transport: Transport,
    pub(crate) csrf: CsrfKey,
    pub(crate) form_cookie: String,
    pub(crate) is_form_cookie_new: bool,
    pub(crate) flash: Option<Flash>,
    pub(crate) has_flash_cookie: bool,
    pub(crate) theme: Theme,
    pub(crate) request_id: String,
    pub(crate) is_fragment: bool,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
}

/// The page that is asked for. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Page {
    inner: Arc<Inner>,
    was_flash_shown: Arc<AtomicBool>,
}

impl Page {
    pub(crate) fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
            was_flash_shown: Arc::default(),
        }
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// What the pages know of the installation.
    pub(crate) fn portal(&self) -> &PortalState {
        &self.inner.portal
    }

    /// Where the request comes from, for the services for people.
    pub(crate) fn visit(&self) -> &people::Visit {
        &self.inner.visit
    }

    /// The session; `None` when nobody is signed in.
    pub(crate) fn session(&self) -> Option<&Session> {
        self.inner.session.as_ref()
    }

    /// Who is signed in.
    ///
    /// # Errors
    /// [`Failure::SignInNeeded`].
    pub(crate) fn who(&self) -> Result<&SignedIn, Failure> {
        let session = self.session().ok_or(Failure::SignInNeeded)?;
        Ok(&session.who)
    }

    /// The management API as the person sees it. Its calls carry the Request-Id of the page.
    ///
    /// # Errors
    /// [`Failure::SignInNeeded`].
    pub(crate) fn api(&self) -> Result<Management, Failure> {
        let actor = self.who()?.actor.clone();
        let address = self.inner.visit.address;
        let api = self.portal().management().as_actor(actor, address);
        Ok(api.with_request_id(self.request_id()))
    }

    /// The organization chosen in the switcher.
    ///
    /// # Errors
    /// [`Failure::NoOrganization`] when the person belongs to none.
    pub(crate) fn organization(&self) -> Result<&OrganizationId, Failure> {
        self.who()?
            .organization
            .as_ref()
            .ok_or(Failure::NoOrganization)
    }

    /// Whether the person may do this in the chosen organization: decides what is offered. What is done is
    /// decided by the management API.
    pub(crate) fn may(&self, action: Action) -> bool {
        let Some(session) = self.session() else {
            return false;
        };
        let organization = session.who.organization.as_ref();
        may(&session.who.actor, action, organization).is_ok()
    }

    /// Whether the person is an operator.
    pub(crate) fn is_operator(&self) -> bool {
        self.session()
            .is_some_and(|session| session.who.actor.is_operator())
    }

    pub(crate) fn csrf(&self) -> &CsrfKey {
        &self.inner.csrf
    }

    pub(crate) fn theme(&self) -> Theme {
        self.inner.theme
    }

    pub(crate) fn request_id(&self) -> &str {
        &self.inner.request_id
    }

    /// Whether a script asks for a part of a page.
    pub(crate) fn is_fragment(&self) -> bool {
        self.inner.is_fragment
    }

    /// Whether the request only reads.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self.inner.method, Method::GET | Method::HEAD)
    }

    /// Path and query, as a link back to here.
    pub(crate) fn here(&self) -> &str {
        let path = self.inner.uri.path_and_query();
        path.map_or("/", http::uri::PathAndQuery::as_str)
    }

    /// The path alone.
    pub(crate) fn path(&self) -> &str {
        self.inner.uri.path()
    }

    /// What surrounds the page: give it to the template as `shell`.
    pub(crate) fn shell(&self, section: Section, title: &str) -> Shell {
        let flash = self.inner.flash.clone();
        if flash.is_some() {
            self.was_flash_shown.store(true, Ordering::Relaxed);
        }
        Shell::new(self, section, title, flash)
    }

    pub(crate) fn was_flash_shown(&self) -> bool {
        self.was_flash_shown.load(Ordering::Relaxed)
    }

    /// A page.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the template cannot be rendered.
    pub(crate) fn show(&self, template: &impl Template) -> Answer {
        self.show_with(StatusCode::OK, template)
    }

    /// A page with another status than 200: that of a refused form, [`crate::form::Form::status`].
    ///
    /// # Errors
    /// [`Failure::Internal`] when the template cannot be rendered.
    #[expect(
        clippy::unused_self,
        reason = "reads as what it does: page.show_with(..)"
    )]
    pub(crate) fn show_with(&self, status: StatusCode, template: &impl Template) -> Answer {
        let html = template
            .render()
            .map_err(|error| Failure::Internal(format!("a template failed: {error}")))?;
        Ok((status, Html(html)).into_response())
    }

    /// The page at this path, fetched anew: what a form that worked answers.
    pub(crate) fn go(&self, path: &str) -> Response {
        if self.is_fragment() {
            let mut response = StatusCode::NO_CONTENT.into_response();
            let value = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
            response.headers_mut().insert("hx-redirect", value);
            return response;
        }
        Redirect::to(path).into_response()
    }

    /// The same, with a message on it.
    pub(crate) fn go_saying(&self, path: &str, flash: &Flash) -> Response {
        let secret = self
            .session()
            .map_or(self.inner.form_cookie.as_str(), |s| &s.cookie);
        self.go_saying_to(path, flash, secret)
    }

    fn go_saying_to(&self, path: &str, flash: &Flash, secret: &str) -> Response {
        let cookie = flash.sealed(secret);
        let cookie = self
            .inner
            .transport
            .set(flash::COOKIE, &cookie, Some(FLASH_SECONDS));
        let mut response = self.go(path);
        response.headers_mut().append(header::SET_COOKIE, cookie);
        response
    }

    /// Signs the browser in: the next page is fetched with this cookie.
    pub(crate) fn go_signed_in(
        &self,
        path: &str,
        cookie: &Secret,
        flash: Option<&Flash>,
    ) -> Response {
        let mut response = match flash {
            Some(flash) => self.go_saying_to(path, flash, cookie.expose()),
            None => self.go(path),
        };
        let cookie = self
            .inner
            .transport
            .set(SESSION_COOKIE, cookie.expose(), None);
        response.headers_mut().append(header::SET_COOKIE, cookie);
        response
    }

    /// Takes the session's cookie out of the browser. The session itself is ended by the services for people.
    pub(crate) fn go_signed_out(&self, path: &str, flash: &Flash) -> Response {
        let mut response = self.go_saying_to(path, flash, &self.inner.form_cookie);
        let headers = response.headers_mut();
        headers.append(
            header::SET_COOKIE,
            self.inner.transport.set(SESSION_COOKIE, "", Some(0)),
        );
        // The message is for a visitor who has no session any more, so it is bound to this cookie.
        let form = self
            .inner
            .transport
            .set("portcullis-form", &self.inner.form_cookie, None);
        headers.append(header::SET_COOKIE, form);
        response
    }

    /// Sets a further cookie of ours.
    pub(crate) fn with_cookie(
        &self,
        mut response: Response,
        name: &str,
        value: &str,
        max_age_s: Option<u32>,
    ) -> Response {
        let cookie = self.inner.transport.set(name, value, max_age_s);
        response.headers_mut().append(header::SET_COOKIE, cookie);
        response
    }
}

/// The path to go to after something else, when it is one of ours; else the front page. Only what begins with
/// one `/` and parses as a path is: no other host, no scheme, nothing a browser would mend into one.
pub(crate) fn safe_next(next: &str) -> &str {
    let is_path = next.starts_with('/')
        && !next.starts_with("//")
        && next.len() <= 2_000
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
        && next.parse::<http::uri::PathAndQuery>().is_ok();
    let path = next.split(['?', '#']).next().unwrap_or_default();
    // An encoded slash at the front is one for some servers.
    let folded = path.to_ascii_lowercase();
    let is_tricky = folded.starts_with("/%2f") || folded.starts_with("/%5c") || next.contains("%0");
    let is_sign_in = matches!(path, "/login" | "/logout");
    if is_path && !is_tricky && !is_sign_in {
        next
    } else {
        "/"
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let page = parts.extensions.get::<Self>().cloned();
        page.ok_or_else(|| Failure::Internal("a route stands outside of the gate".to_owned()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Sent {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_gone_to() {
        for path in ["/", "/apps", "/apps?after=x%2Fy", "/apps/1#secrets"] {
            assert_eq!(safe_next(path), path);
        }
        for elsewhere in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https:evil",
            "https://evil.example",
            "\\\\evil",
            "javascript:alert(1)",
            "%2f%2fevil",
            "/%2fevil.example",
            "/%5Cevil",
            " /apps",
            "/a b",
            "/é",
            "/\tevil",
            "/%0d%0aX: y",
            "/login",
            "/login?next=/x",
            "apps",
            "/a\u{0}",
        ] {
            assert_eq!(safe_next(elsewhere), "/", "{elsewhere}");
        }
    }
}
