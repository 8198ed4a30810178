//! Role registry's pages: rendered here, working without scripts, every byte from this program.
//!
//! Pages never touch the store. They have two doors: [`portcullis_registry::in_process`], the management API
//! as the person of the session, for everything a program could do as well; and [`portcullis_registry::people`]
//! for what has no place in a public API: signing in, sessions, links that work once.
//!
//! # What a request passes
//!
//! `gate` looks the route up in the one table ([`routes::ROUTES`], of which the router is made), finds the
//! session, asks whether the person may, checks on everything but GET that the form is ours (origin and token),
//! reads the form within limits, and hands it to the handler. On the way back it makes pages of failures and
//! sets cookies. So a handler cannot forget any of it.
//!
//! # How to add a page
//!
//! 1. A line in `routes.rs`: method, path, who may, handler. The entry of the navigation in `layout.rs` appears
//!    with its path.
//! 2. `src/pages/<name>.rs` with the handlers, and a `mod` line in `pages.rs`. A handler takes `page: Page`
//!    first, then what it needs of the path or query, then `sent: Sent` if it is a POST, and gives an `Answer`:
//!    `page.show(&template)`, `page.show_with(form.status(), &template)` for a form that was refused, or
//!    `Ok(page.go_saying("/apps", &Flash::success("App saved.")))` after a POST that worked.
//! 3. `templates/<name>.html`, which extends `layout.html`, imports `components.html` as `ui` and fills block
//!    `main`. Its struct has `shell: Shell` of `page.shell(Section::Apps, "Apps")`. Every form begins with
//!    `ui::csrf(shell)`; one that makes something has `ui::once(form)` and is sent on with
//!    `api.post_once(.., sent.once(), ..)`; one that edits has `ui::revision(form)` and
//!    `api.patch(.., sent.revision(), ..)`.
//! 4. Refusals: `sent.refused(error)?` gives the form back with its messages when it was about the values (409,
//!    422) and passes every other failure on. After 412, read the thing again and give
//!    `sent.form().outdated(..)`.
//! 5. Tests in `tests/pages/<name>.rs` on the harness `support.rs`: a real store and the real router; `get`
//!    and `submit` as a person of each role.
//!
//! Fields of forms have the names of the members of the management API, so its messages find their fields.

use std::{net::IpAddr, sync::Arc};

use axum::{Router, middleware, response::Response};
use http::{HeaderName, HeaderValue, header};
use portcullis_core::{clock::Clock, ids::OrganizationId};
use portcullis_registry::{
    RegistryState,
    in_process::{ManagementClient, ManagementError},
    people::People,
    wire::Organization,
};
use tower_http::compression::CompressionLayer;

mod assets;
mod cookies;
mod csrf;
mod done;
mod failure;
mod flash;
mod form;
#[cfg(test)]
mod gallery;
mod gate;
mod layout;
mod markdown;
mod once;
mod page;
mod pages;
/// Every page and what it takes to open it.
pub mod routes;
mod secrets_panel;
mod sent;
mod view;

use failure::Failure;
use page::Session;

/// One address of this installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// What is there: `Token server`.
    pub name: String,
    /// Where.
    pub url: String,
    /// What it is for, a whole sentence.
    pub purpose: String,
}

/// What the pages know of the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Base URL of the portal, without a trailing `/`.
    pub public_url: String,
    /// Base URL of the gateway, without a trailing `/`: for the snippets.
    pub gateway_url: String,
    /// The issuer: the token endpoint is below it.
    pub issuer: String,
    /// Whether this is the development server.
    pub is_development: bool,
    /// Whether mail is kept for `/dev/mail` instead of being sent.
    pub captures_mail: bool,
    /// The addresses of the installation, in the order the front page shows them.
    pub addresses: Vec<Address>,
}

/// What every page has at hand. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PortalState {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    site: Site,
    management: ManagementClient,
    people: People,
    clock: Arc<dyn Clock>,
}

impl PortalState {
    /// The pages over this registry. `people` is the one of the process: it counts failures.
    #[must_use]
    pub fn new(registry: &RegistryState, people: People, site: Site) -> Self {
        Self {
            inner: Arc::new(Inner {
                site,
                management: ManagementClient::new(registry.clone()),
                people,
                clock: registry.clock.clone(),
            }),
        }
    }

    pub(crate) fn site(&self) -> &Site {
        &self.inner.site
    }

    pub(crate) fn management(&self) -> &ManagementClient {
        &self.inner.management
    }

    pub(crate) fn people(&self) -> &People {
        &self.inner.people
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.inner.clock.as_ref()
    }

    /// The name of the chosen organization. An operator may have chosen one without belonging to it.
    pub(crate) async fn name_of_chosen(
        &self,
        session: &Session,
        address: Option<IpAddr>,
    ) -> Result<String, Failure> {
        let who = &session.who;
        let Some(chosen) = &who.organization else {
            return Ok(String::new());
        };
        let own = who.organizations.iter().find(|(id, ..)| id == chosen);
        if let Some((_, name, _)) = own {
            return Ok(name.clone());
        }
        let api = self.management().as_actor(who.actor.clone(), address);
        match self.organization(&api, chosen).await {
            Ok(organization) => Ok(organization.name),
            Err(error) if error.status().as_u16() == 404 => Ok(String::new()),
            Err(error) => Err(error.into()),
        }
    }

    async fn organization(
        &self,
        api: &portcullis_registry::in_process::Management,
        id: &OrganizationId,
    ) -> Result<Organization, ManagementError> {
        let path = ("/v1/organizations/{organization_id}", [id.as_str()]);
        Ok(api.get::<Organization>(path, &[]).await?.value)
    }
}

/// The pages: exactly those of [`routes::ROUTES`]. Answers every path that no other role of the port has, so
/// it is merged last.
pub fn router(state: PortalState) -> Router {
    routes::router()
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(state.clone(), gate::pass))
        .layer(middleware::map_response(secured))
        .layer(CompressionLayer::new().gzip(true))
        .with_state(state)
}

/// The gate has refused already; this is what its answer is made of.
async fn method_not_allowed() -> Failure {
    Failure::MethodNotAllowed
}

async fn not_found() -> Failure {
    Failure::NotFound
}

/// What a page may load: files of this program alone.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Nothing from elsewhere is loaded, nothing is framed, nothing is sent on.
async fn secured(mut response: Response) -> Response {
    const FIELDS: [(HeaderName, &str); 6] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Not no-referrer: browsers would say of our own forms that they come from nowhere.
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
    ];
    let headers = response.headers_mut();
    for (name, value) in FIELDS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}
