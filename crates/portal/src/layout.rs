//! What surrounds every page: title, navigation, who is signed in, messages.

use portcullis_core::permissions::Action;

use crate::{flash::Flash, page::Page, routes};

/// Which entry of the navigation a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// None: pages before sign-in, errors.
    None,
    Home,
    Apps,
    Apis,
    Subscriptions,
    Organization,
    Account,
    Overview,
    Organizations,
    Users,
    Everything,
    Keys,
    Nodes,
    Jobs,
    Settings,
    Audit,
    Mailbox,
}

/// An entry of the navigation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) label: &'static str,
    pub(crate) path: &'static str,
    pub(crate) icon: &'static str,
    pub(crate) is_current: bool,
}

/// Who may follow an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Everybody,
    Members(Action),
    Operators,
}

/// Every entry that there can be: section, label, path, icon, for whom. An entry appears once its path stands in
/// the table of routes.
const ENTRIES: &[(Section, &str, &str, &str, For)] = &[
    (Section::Home, "Home", "/", "home", For::Everybody),
    (
        Section::Apps,
        "Apps",
        "/apps",
        "app",
        For::Members(Action::Read),
    ),
    (
        Section::Apis,
        "APIs",
        "/apis",
        "api",
        For::Members(Action::Read),
    ),
    (
        Section::Subscriptions,
        "Subscriptions",
        "/subscriptions",
        "link",
        For::Members(Action::Read),
    ),
    (
        Section::Organization,
        "Organization",
        "/organization",
        "building",
        For::Members(Action::Read),
    ),
    (
        Section::Overview,
        "Overview",
        "/admin",
        "gauge",
        For::Operators,
    ),
    (
        Section::Organizations,
        "Organizations",
        "/admin/organizations",
        "buildings",
        For::Operators,
    ),
    (
        Section::Users,
        "Users",
        "/admin/users",
        "users",
        For::Operators,
    ),
    (
        Section::Everything,
        "Apps and APIs",
        "/admin/apps",
        "grid",
        For::Operators,
    ),
    (
        Section::Keys,
        "Signing keys",
        "/admin/keys",
        "key",
        For::Operators,
    ),
    (
        Section::Nodes,
        "Nodes",
        "/admin/nodes",
        "server",
        For::Operators,
    ),
    (
        Section::Jobs,
        "Jobs and mail",
        "/admin/jobs",
        "inbox",
        For::Operators,
    ),
    (
        Section::Settings,
        "Settings",
        "/admin/settings",
        "settings",
        For::Operators,
    ),
    (
        Section::Audit,
        "Audit log",
        "/admin/audit",
        "log",
        For::Operators,
    ),
    (
        Section::Mailbox,
        "Mailbox",
        "/dev/mail",
        "mail",
        For::Operators,
    ),
];

/// A step of the way to a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Crumb {
    pub(crate) label: String,
    pub(crate) path: String,
}

/// An organization in the switcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) role: &'static str,
    pub(crate) is_chosen: bool,
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) full_name: String,
    pub(crate) email: String,
    pub(crate) initials: String,
    pub(crate) is_operator: bool,
    /// The name of the chosen organization; empty when there is none.
    pub(crate) organization: String,
    pub(crate) organizations: Vec<Membership>,
}

/// What surrounds a page. Templates have it as `shell` and extend `layout.html`.
#[derive(Debug, Clone)]
pub(crate) struct Shell {
    pub(crate) title: String,
    /// For the hidden field of forms: fresh for this answer.
    pub(crate) csrf: String,
    /// `system`, `light` or `dark`.
    pub(crate) theme: &'static str,
    pub(crate) flash: Option<Flash>,
    pub(crate) person: Option<Person>,
    pub(crate) entries: Vec<Entry>,
    /// Entries for operators.
    pub(crate) operator_entries: Vec<Entry>,
    pub(crate) crumbs: Vec<Crumb>,
    /// Path and query of this page.
    pub(crate) here: String,
    pub(crate) has_account_pages: bool,
    /// Whether the installation is the development server.
    pub(crate) is_development: bool,
    /// Scripts of this page beside those of all.
    pub(crate) scripts: Vec<String>,
}

impl Shell {
    pub(crate) fn new(page: &Page, section: Section, title: &str, flash: Option<Flash>) -> Self {
        let site = page.portal().site();
        let is_signed_in = page.session().is_some();
        let (mut entries, mut operator_entries) = (Vec::new(), Vec::new());
        for (of, label, path, icon, whom) in ENTRIES {
            let exists = routes::who(&http::Method::GET, path).is_some()
                && (*of != Section::Mailbox || site.captures_mail);
            let allowed = match whom {
                For::Everybody => true,
                For::Members(action) => page.is_operator() || page.may(*action),
                For::Operators => page.is_operator(),
            };
            let entry = Entry {
                label,
                path,
                icon,
                is_current: *of == section,
            };
            match whom {
                _ if !is_signed_in || !exists || !allowed => {}
                For::Operators => operator_entries.push(entry),
                _ => entries.push(entry),
            }
        }
        Self {
            title: title.to_owned(),
            csrf: page.csrf().token(),
            theme: page.theme().as_str(),
            flash,
            person: person(page),
            entries,
            operator_entries,
            crumbs: Vec::new(),
            here: if page.is_read() {
                page.here().to_owned()
            } else {
                "/".to_owned()
            },
            has_account_pages: routes::who(&http::Method::GET, "/account").is_some(),
            is_development: site.is_development,
            scripts: Vec::new(),
        }
    }

    /// Adds a step of the way to the page: call it in order, without the page itself.
    pub(crate) fn crumb(mut self, label: &str, path: impl Into<String>) -> Self {
        self.crumbs.push(Crumb {
            label: label.to_owned(),
            path: path.into(),
        });
        self
    }

    /// Adds a module of `static/` to the page.
    pub(crate) fn script(mut self, name: &str) -> Self {
        self.scripts.push(crate::assets::url(name));
        self
    }
}

fn person(page: &Page) -> Option<Person> {
    let session = page.session()?;
    let who = &session.who;
    let membership = |(id, name, role): &(_, String, portcullis_core::organization::MemberRole)| {
        let id: &portcullis_core::ids::OrganizationId = id;
        Membership {
            id: id.to_string(),
            name: name.clone(),
            role: role_word(role.as_str()),
            is_chosen: who.organization.as_ref() == Some(id),
        }
    };
    Some(Person {
        full_name: who.user.full_name.clone(),
        email: who.user.email.clone(),
        initials: initials(&who.user.full_name, &who.user.email),
        is_operator: who.user.is_operator,
        organization: session.organization_name.clone(),
        organizations: who.organizations.iter().map(membership).collect(),
    })
}

/// A role as people say it.
pub(crate) fn role_word(role: &str) -> &'static str {
    match role {
        "owner" => "Owner",
        "admin" => "Admin",
        "api_developer" => "API developer",
        "app_developer" => "App developer",
        _ => "Viewer",
    }
}

/// At most two letters that stand for a person.
fn initials(full_name: &str, email: &str) -> String {
    let words: Vec<&str> = full_name.split_whitespace().collect();
    let first = words.first().copied().unwrap_or(email);
    let last = words
        .last()
        .copied()
        .filter(|_| words.len() > 1)
        .unwrap_or_default();
    let letters = first.chars().next().into_iter().chain(last.chars().next());
    letters.flat_map(char::to_uppercase).take(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_of_the_first_and_the_last_name() {
        assert_eq!(initials("Ada King Lovelace", "a@b.c"), "AL");
        assert_eq!(initials("ada", "a@b.c"), "A");
        assert_eq!(initials("", "x@b.c"), "X");
    }
}
