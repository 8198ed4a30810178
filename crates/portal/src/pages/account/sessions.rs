//! `/account/sessions`: where one is signed in, and how to end it.

use askama::Template;
use axum::extract::Path;
use portcullis_core::ids::SessionId;
use portcullis_registry::{people::sessions::ListedSession, wire::instant_text};

use crate::{
    failure::Failure,
    flash::Flash,
    layout::{Section, Shell},
    page::{Answer, Page},
    pages::tabs::{self, Tab},
    view,
};

/// A session as the list shows it.
struct Line {
    id: String,
    device: String,
    address: String,
    created_at: String,
    seen_at: String,
    is_current: bool,
}

impl From<ListedSession> for Line {
    fn from(listed: ListedSession) -> Self {
        let session = listed.session;
        Self {
            id: session.id.to_string(),
            device: device(&session.device),
            address: session.address.unwrap_or_else(|| "Unknown".to_owned()),
            created_at: instant_text(session.created_at),
            seen_at: instant_text(session.seen_at),
            is_current: listed.is_current,
        }
    }
}

#[derive(Template)]
#[template(path = "account/sessions.html")]
struct Sessions {
    shell: Shell,
    tabs: Vec<Tab>,
    sessions: Vec<Line>,
}

/// `GET /account/sessions`.
pub(crate) async fn list(page: Page) -> Answer {
    let sessions = page.portal().people().sessions().list(page.who()?).await?;
    page.show(&Sessions {
        shell: page.shell(Section::Account, "Sessions"),
        tabs: tabs::account("/account/sessions"),
        sessions: sessions.into_iter().map(Line::from).collect(),
    })
}

/// `POST /account/sessions/{session_id}/end`.
pub(crate) async fn end(page: Page, Path(id): Path<String>) -> Answer {
    let who = page.who()?;
    let id = SessionId::parse(&id).map_err(|_| Failure::NotFound)?;
    page.portal()
        .people()
        .sessions()
        .end(who, &id, page.visit())
        .await?;
    if id == who.session {
        return Ok(page.go_signed_out("/login", &Flash::info("You are signed out.")));
    }
    let flash = Flash::success("The session has ended. Whoever used it has to sign in again.");
    Ok(page.go_saying("/account/sessions", &flash))
}

/// `POST /account/sessions/end_others`.
pub(crate) async fn end_others(page: Page) -> Answer {
    let sessions = page.portal().people().sessions();
    let ended = sessions.end_others(page.who()?, page.visit()).await?;
    let ended = usize::try_from(ended).unwrap_or(usize::MAX);
    let text = match ended {
        0 => "There was no other session.".to_owned(),
        ended => format!(
            "{} ended.",
            view::count(ended, "other session has", "other sessions have")
        ),
    };
    Ok(page.go_saying("/account/sessions", &Flash::success(text)))
}

/// What people call their browser, of what it calls itself. Unknown ones keep their own name.
fn device(user_agent: &str) -> String {
    const BROWSERS: [(&str, &str); 7] = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chromium/", "Chromium"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    const SYSTEMS: [(&str, &str); 6] = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let named = |names: &[(&str, &'static str)]| {
        let found = names.iter().find(|(part, _)| user_agent.contains(part));
        found.map(|(_, name)| *name)
    };
    match (named(&BROWSERS), named(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) if user_agent.is_empty() => "Unknown device".to_owned(),
        (None, None) => user_agent.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::device;

    #[test]
    fn a_device_has_the_name_that_people_know() {
        for (user_agent, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
                "Chrome on Linux",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/17 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)",
                "iPhone",
            ),
            ("curl/8.5.0", "curl"),
            ("something else", "something else"),
            ("", "Unknown device"),
        ] {
            assert_eq!(device(user_agent), name);
        }
    }
}
