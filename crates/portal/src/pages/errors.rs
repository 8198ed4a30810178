//! `/docs/errors/{code}`: what a code of the management API means and what to do about it.

use askama::Template;
use axum::extract::Path;
use portcullis_registry::problem::{KINDS, Kind};

use crate::{
    failure::Failure,
    layout::{Section, Shell},
    page::{Answer, Page},
};

#[derive(Template)]
#[template(path = "errors.html")]
struct Explanation {
    shell: Shell,
    kind: &'static Kind,
    /// Others with the same status.
    others: Vec<&'static Kind>,
}

/// `GET /docs/errors/{code}`.
pub(crate) async fn explain(page: Page, Path(code): Path<String>) -> Answer {
    let kind = Kind::of(&code).ok_or(Failure::NotFound)?;
    let is_other = |other: &&Kind| other.status == kind.status && other.code != kind.code;
    page.show(&Explanation {
        shell: page.shell(Section::None, kind.title),
        kind,
        others: KINDS.iter().filter(is_other).collect(),
    })
}
