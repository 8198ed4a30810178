//! Pages that belong together: those of one's account, and those of the organization.

use portcullis_core::permissions::Action;

use crate::page::Page;

/// A link to a page that belongs to this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tab {
    pub(crate) label: &'static str,
    pub(crate) path: &'static str,
    pub(crate) is_current: bool,
}

const ACCOUNT: &[(&str, &str)] = &[
    ("Personal information", "/account"),
    ("Password", "/account/password"),
    ("Security", "/account/security"),
    ("Sessions", "/account/sessions"),
    ("Management tokens", "/account/tokens"),
    ("Appearance", "/account/appearance"),
];

const ORGANIZATION: &[(&str, &str, Action)] = &[
    ("Profile", "/organization", Action::Read),
    ("Members", "/organization/members", Action::Read),
    (
        "Invitations",
        "/organization/invitations",
        Action::ManageMembers,
    ),
    ("Audit log", "/organization/audit", Action::ReadAudit),
];

/// Pages of one's own account.
pub(crate) fn account(current: &str) -> Vec<Tab> {
    let tab = |(label, path): &(&'static str, &'static str)| Tab {
        label,
        path,
        is_current: *path == current,
    };
    ACCOUNT.iter().map(tab).collect()
}

/// Pages of the chosen organization that the person may open.
pub(crate) fn organization(page: &Page, current: &str) -> Vec<Tab> {
    let allowed = ORGANIZATION.iter().filter(|(.., action)| page.may(*action));
    allowed
        .map(|(label, path, _)| Tab {
            label,
            path,
            is_current: *path == current,
        })
        .collect()
}
