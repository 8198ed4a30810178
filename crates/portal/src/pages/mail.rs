//! `/dev/mail`: mail that was kept instead of being sent.

use askama::Template;
use axum::{
    extract::{Path, Query},
    response::{Html, IntoResponse, Response},
};
use http::{HeaderValue, header};
use portcullis_core::permissions::Actor;
use portcullis_registry::{
    in_process::Management,
    wire::{CapturedMail, Listed, OpenedMail},
};
use serde::Deserialize;

use crate::{
    failure::Failure,
    layout::{Section, Shell},
    page::{Answer, Page},
};

/// What the document of a mail may do: show itself. Its scripts do not run and nothing of it is fetched.
const DOCUMENT_POLICY: &str =
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'";

/// Which page of the list.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct After {
    #[serde(default)]
    after: String,
}

#[derive(Template)]
#[template(path = "mail_list.html")]
struct Mailbox {
    shell: Shell,
    mails: Listed<CapturedMail>,
    after: String,
}

/// A piece of the text of a mail.
enum Piece<'a> {
    Text(&'a str),
    Link(&'a str),
}

#[derive(Template)]
#[template(path = "mail.html")]
struct OneMail<'a> {
    shell: Shell,
    mail: &'a CapturedMail,
    pieces: Vec<Piece<'a>>,
}

/// The mailbox as whoever the gate let through sees it: on the development server nobody has to sign in, so
/// there it is the installation's own.
fn mailbox(page: &Page) -> Result<Management, Failure> {
    if page.is_operator() {
        return page.api();
    }
    let address = page.visit().address;
    Ok(page.portal().management().as_actor(Actor::System, address))
}

/// `GET /dev/mail`.
pub(crate) async fn list(page: Page, Query(After { after }): Query<After>) -> Answer {
    let mut query = vec![("limit", "50")];
    if !after.is_empty() {
        query.push(("after", after.as_str()));
    }
    let mails = mailbox(&page)?
        .get::<Listed<CapturedMail>>("/v1/captured_mails", &query)
        .await?;
    page.show(&Mailbox {
        shell: page.shell(Section::Mailbox, "Mailbox"),
        mails: mails.value,
        after,
    })
}

async fn opened(page: &Page, id: &str) -> Result<OpenedMail, Failure> {
    let path = ("/v1/captured_mails/{mail_id}", [id]);
    Ok(mailbox(page)?.get::<OpenedMail>(path, &[]).await?.value)
}

/// `GET /dev/mail/{mail_id}`.
pub(crate) async fn show(page: Page, Path(id): Path<String>) -> Answer {
    let OpenedMail { mail, text, .. } = opened(&page, &id).await?;
    let shell = page.shell(Section::Mailbox, &mail.subject);
    let mut response = page.show(&OneMail {
        shell: shell.crumb("Mailbox", "/dev/mail"),
        mail: &mail,
        pieces: pieces(&text),
    })?;
    // The page of all that frames something: the mail's own document.
    let policy = crate::POLICY.replace("frame-ancestors", "frame-src 'self'; frame-ancestors");
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// `GET /dev/mail/{mail_id}/html`: the mail's own document, for the frame.
pub(crate) async fn document(page: Page, Path(id): Path<String>) -> Result<Response, Failure> {
    let mut response = Html(opened(&page, &id).await?.html).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(DOCUMENT_POLICY),
    );
    headers.insert(
        header::X_FRAME_OPTIONS,
        HeaderValue::from_static("SAMEORIGIN"),
    );
    Ok(response)
}

/// The text with its links found, so that a mail can be acted on.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest
        .find("http://")
        .into_iter()
        .chain(rest.find("https://"))
        .min()
    {
        let (before, from) = rest.split_at(at);
        let end = from.find(char::is_whitespace).unwrap_or(from.len());
        let (link, after) = from.split_at(end);
        pieces.extend([Piece::Text(before), Piece::Link(link)]);
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_a_text_are_found() {
        let found = pieces("Hello,\nhttps://a.example/x?t=1\nor http://b.example");

        let links: Vec<&str> = found
            .iter()
            .filter_map(|piece| match piece {
                Piece::Link(link) => Some(*link),
                Piece::Text(_) => None,
            })
            .collect();
        assert_eq!(links, ["https://a.example/x?t=1", "http://b.example"]);
    }
}
