//! An installation of one node behind the real router: SQLite in a temporary folder, a refresher, the pages. And
//! browsers: they keep cookies, fetch pages, fill in the forms that stand on them and send them.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use portcullis_core::{
    address_policy::AddressPolicy,
    clock::ManualClock,
    ids::{NodeId, OrganizationId},
    job::{JobKind, Mail},
    organization::{MemberRole, User},
    permissions::{Action, Actor, Authority, may},
    snapshot::SnapshotHandle,
    test_util::{NOW, rules},
};
use portcullis_portal::{Address, PortalState, Site, router};
use portcullis_registry::{
    RegistryState, Settings, mail::MailMode, password::Passwords, people::People,
    targets::TargetChecks,
};
use portcullis_store::{
    MasterKey, NewOrganization, NewSession, NewUser, NodeIdentity, OnStale, Predecessor, Refresher,
    SnapshotParts, Store, StoreSettings, Work, first_load,
};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// The address under which the pages of the tests stand.
pub(crate) const PUBLIC_URL: &str = "http://localhost:8080";
/// The password of everybody.
pub(crate) const PASSWORD: &str = "drawbridge lantern plum 7";

/// An installation.
pub(crate) struct World {
    pub(crate) state: RegistryState,
    people: People,
    pub(crate) clock: Arc<ManualClock>,
    router: Router,
    count: AtomicU64,
    stop: CancellationToken,
    _tasks: JoinSet<()>,
    _folder: TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn system(action: Action) -> Authority {
    may(&Actor::System, action, None).unwrap()
}

/// What the pages know of the installation.
pub(crate) fn site() -> Site {
    let address = |name: &str, url: &str| Address {
        name: name.to_owned(),
        url: url.to_owned(),
        purpose: "For the test.".to_owned(),
    };
    Site {
        public_url: PUBLIC_URL.to_owned(),
        gateway_url: "http://localhost:8081".to_owned(),
        issuer: "http://localhost:8080/oauth2/default".to_owned(),
        is_development: false,
        captures_mail: false,
        addresses: vec![
            address("Token server", "http://localhost:8080/oauth2/default"),
            address("<script>alert(1)</script>", "javascript:alert('x')"),
        ],
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(site()).await
    }

    /// An installation of which the pages know something else.
    pub(crate) async fn with(site: Site) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOW));
        let store = Store::open(StoreSettings {
            url: format!("sqlite:{}", folder.path().join("test.db").display()),
            listen_url: None,
            master_key: MasterKey::generate(),
            clock: clock.clone(),
            node: NodeIdentity {
                id: NodeId::parse("node-1").unwrap(),
                incarnation: "first".to_owned(),
                roles: vec!["registry".to_owned()],
                on_stale: OnStale::Serve,
                stale_max: Duration::from_hours(1),
                predecessor: Predecessor::Unknown,
            },
            lease: Duration::from_secs(10),
            token_lifetime: Duration::from_hours(1),
        });
        let store = store.await.unwrap();
        let loaded = first_load(&store, SnapshotParts::ALL).await.unwrap();
        let usable_for = Duration::from_hours(24);
        let snapshot = SnapshotHandle::new(loaded.snapshot, loaded.read_at, usable_for);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let parts = SnapshotParts::ALL;
        tasks.spawn(Refresher::run(
            store.clone(),
            snapshot.clone(),
            parts,
            stop.clone(),
        ));
        let state = RegistryState {
            store,
            snapshot,
            clock: clock.clone(),
            settings: Arc::new(Settings {
                target_checks: TargetChecks::default(),
                public_url: PUBLIC_URL.to_owned(),
                tokens: rules(),
                address_policy: AddressPolicy::default(),
                barrier_limit: Duration::from_secs(2),
                passwords: Passwords::default(),
                mail_mode: if site.captures_mail {
                    MailMode::Capture
                } else {
                    MailMode::Smtp
                },
            }),
        };
        let people = People::new(&state);
        Self {
            router: router(PortalState::new(&state, people.clone(), site)),
            state,
            people,
            clock,
            count: AtomicU64::new(0),
            stop,
            _tasks: tasks,
            _folder: folder,
        }
    }

    /// An organization with this name, which is its namespace as well.
    pub(crate) async fn organization(&self, name: &str) -> OrganizationId {
        let new = NewOrganization {
            name: name.to_owned(),
            namespaces: vec![name.to_lowercase()],
            ..NewOrganization::default()
        };
        let authority = system(Action::Operate);
        let store = &self.state.store;
        let made = store.create_organization(&authority, new, None);
        made.await.unwrap().value.id
    }

    async fn person(&self, new: NewUser) -> User {
        let authority = system(Action::Operate);
        let store = &self.state.store;
        let made = store.create_user(&authority, new, None);
        made.await.unwrap().value
    }

    /// A person who can sign in with [`PASSWORD`].
    pub(crate) async fn with_password(
        &self,
        email: &str,
        memberships: Vec<(OrganizationId, MemberRole)>,
    ) -> User {
        let password = portcullis_registry::password::Password::chosen(PASSWORD, &[]).unwrap();
        let hash = self.state.settings.passwords.hash(password).await.unwrap();
        self.person(NewUser {
            id: None,
            email: email.to_owned(),
            full_name: "Ada Lovelace".to_owned(),
            password_hash: Some(hash),
            is_operator: false,
            memberships,
        })
        .await
    }

    /// Mails that were owed since this was asked last, each with its address.
    pub(crate) async fn mails(&self) -> Vec<(String, Mail)> {
        self.people.settle().await;
        let lease = Duration::from_mins(1);
        let jobs = self.state.store.claim_jobs(JobKind::Mail, lease, 100);
        let owed = jobs.await.unwrap().into_iter().map(|job| match job.work {
            Work::Mail { to, mail } => (to, mail),
        });
        owed.collect()
    }

    /// The browser of somebody who is not signed in.
    pub(crate) fn visitor(&self) -> Browser<'_> {
        Browser {
            world: self,
            cookies: Mutex::default(),
        }
    }

    /// The browser of this person, signed in.
    pub(crate) async fn browser_of(&self, user: &User) -> Browser<'_> {
        let new = NewSession {
            device: "test".to_owned(),
            proof: "password",
        };
        let made = self.state.store.create_session(user, new).await.unwrap();
        let (_, cookie) = made.value;
        let browser = self.visitor();
        browser.set_cookie("portcullis", cookie.expose());
        browser
    }

    /// The browser of a new person, signed in.
    pub(crate) async fn signed_in(
        &self,
        memberships: Vec<(OrganizationId, MemberRole)>,
    ) -> Browser<'_> {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        let user = self.person(NewUser {
            id: None,
            email: format!("member{number}@example.com"),
            full_name: format!("Member {number}"),
            password_hash: None,
            is_operator: false,
            memberships,
        });
        self.browser_of(&user.await).await
    }

    /// The browser of a new member of an organization.
    pub(crate) async fn member(
        &self,
        organization: &OrganizationId,
        role: MemberRole,
    ) -> Browser<'_> {
        self.signed_in(vec![(organization.clone(), role)]).await
    }

    /// The browser of a new operator.
    pub(crate) async fn operator(&self) -> Browser<'_> {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        let user = self.person(NewUser {
            id: None,
            email: format!("operator{number}@example.com"),
            full_name: "Olga Operator".to_owned(),
            password_hash: None,
            is_operator: true,
            memberships: Vec::new(),
        });
        self.browser_of(&user.await).await
    }
}

/// A browser.
pub(crate) struct Browser<'a> {
    world: &'a World,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// A page that was fetched.
pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) html: String,
}

impl Seen {
    /// The page, when it has this status.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.html);
        self
    }

    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// Where a redirect leads.
    pub(crate) fn location(&self) -> &str {
        assert!(
            self.status.is_redirection(),
            "{} {}",
            self.status,
            self.html
        );
        self.header(header::LOCATION)
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.html.contains(text)
    }

    /// What stands as wrong beside a field; empty when nothing does.
    pub(crate) fn wrong(&self, field: &str) -> String {
        let mark = format!("id=\"e-{field}\">");
        let Some((_, after)) = self.html.split_once(&mark) else {
            return String::new();
        };
        let text = after.split_once("</p>").unwrap().0;
        unescaped(text.rsplit_once('>').map_or(text, |(_, text)| text))
    }

    /// The fields of the form with this action, as the page filled them in.
    pub(crate) fn form(&self, action: &str) -> Vec<(String, String)> {
        let forms = self.html.split("<form").skip(1);
        let mut forms = forms.map(|form| form.split_once("</form>").unwrap().0);
        let form = forms.find(|form| {
            let head = form.split_once('>').unwrap().0;
            attribute(head, "action").as_deref() == Some(action)
        });
        fields(form.unwrap_or_else(|| panic!("no form to {action} on the page: {}", self.html)))
    }
}

/// The successful controls of a form.
fn fields(form: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for piece in form.split('<').skip(1) {
        let (tag, rest) = piece.split_once('>').unwrap_or((piece, ""));
        let name = attribute(tag, "name");
        let value = attribute(tag, "value").unwrap_or_default();
        let kind = attribute(tag, "type").unwrap_or_default();
        let is_chosen = tag.contains(" checked") || !matches!(kind.as_str(), "checkbox" | "radio");
        match (tag.split_whitespace().next().unwrap_or(""), name) {
            ("input", Some(name)) if is_chosen && kind != "file" => fields.push((name, value)),
            ("textarea", Some(name)) => {
                let text = rest.strip_prefix('\n').unwrap_or(rest);
                fields.push((name, unescaped(text)));
            }
            ("select", Some(name)) => fields.push((name, String::new())),
            ("option", _) if tag.contains(" selected") => fields.last_mut().unwrap().1 = value,
            _ => {}
        }
    }
    fields
}

/// An attribute of a start tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, after) = tag.split_once(&format!(" {name}=\""))?;
    Some(unescaped(after.split_once('"')?.0))
}

pub(crate) fn unescaped(text: &str) -> String {
    text.replace("&#34;", "\"")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&lt;", "<")
        .replace("&#60;", "<")
        .replace("&gt;", ">")
        .replace("&#62;", ">")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}

/// Pairs as a form sends them.
pub(crate) fn encoded(fields: &[(String, String)]) -> String {
    let pair = |text: &str| {
        let bytes = text.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        });
        bytes.collect::<String>()
    };
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{}={}", pair(name), pair(value)));
    pairs.collect::<Vec<_>>().join("&")
}

impl Browser<'_> {
    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        let mut cookies = self.cookies.lock().unwrap();
        cookies.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().get(name).cloned()
    }

    /// Sends a request as it is, with the browser's cookies, from this machine.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Seen {
        let cookies = self.cookies.lock().unwrap().clone();
        if !cookies.is_empty() {
            let pairs = cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"));
            let pairs = pairs.collect::<Vec<_>>().join("; ");
            request
                .headers_mut()
                .insert(header::COOKIE, pairs.parse().unwrap());
        }
        let headers = request.headers_mut();
        headers
            .entry(header::HOST)
            .or_insert("localhost:8080".parse().unwrap());
        let address: SocketAddr = "127.0.0.1:50000".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(address));
        let response = self.world.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.lock().unwrap().remove(name);
            } else {
                self.set_cookie(name, value);
            }
        }
        let bytes = body.collect().await.unwrap().to_bytes();
        Seen {
            status: parts.status,
            headers: parts.headers,
            html: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Seen {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    /// Sends a form that was not fetched, with these further header fields.
    pub(crate) async fn post_as_is(
        &self,
        path: &str,
        fields: &[(String, String)],
        headers: &[(&str, &str)],
    ) -> Seen {
        let mut request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(encoded(fields))).unwrap())
            .await
    }

    /// Fetches a page, changes fields of its form with this action, and sends it as a browser does. A name that
    /// is given several times replaces all its values.
    pub(crate) async fn submit(&self, page: &str, action: &str, changes: &[(&str, &str)]) -> Seen {
        let page = self.get(page).await.expect(200);
        self.send_form(&page, action, changes).await
    }

    /// The same with a page that was fetched before: a refused form, say.
    pub(crate) async fn send_form(
        &self,
        page: &Seen,
        action: &str,
        changes: &[(&str, &str)],
    ) -> Seen {
        let mut fields = page.form(action);
        fields.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        let changes = changes
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        fields.extend(changes);
        let from_here = [("sec-fetch-site", "same-origin"), ("origin", PUBLIC_URL)];
        self.post_as_is(action, &fields, &from_here).await
    }
}
