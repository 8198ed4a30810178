//! Stopping an app, letting it go on, refusing its tokens, deleting it. Each act shows first whom it touches.

use axum::extract::Path;
use portcullis_core::permissions::Action;
use portcullis_registry::{
    in_process::Management,
    wire::{App, CallsSummary, RevokedTokens},
};

use super::{may_in, path_of, read};
use crate::{
    failure::Failure,
    form::Form,
    layout::Section,
    page::{Answer, Page},
    pages::confirmation::{Confirmation, unconfirmed},
    sent::Sent,
    view::count,
};

/// What is asked before.
#[derive(Clone, Copy)]
enum Act {
    Disable,
    RevokeTokens,
    Delete,
}

impl Act {
    fn segment(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::RevokeTokens => "revoke-tokens",
            Self::Delete => "delete",
        }
    }

    fn title(self, name: &str) -> String {
        match self {
            Self::Disable => format!("Disable {name}?"),
            Self::RevokeTokens => format!("Revoke all tokens of {name}?"),
            Self::Delete => format!("Delete {name}?"),
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Disable => "Disable app",
            Self::RevokeTokens => "Revoke all tokens",
            Self::Delete => "Delete app",
        }
    }

    fn consequences(self) -> &'static [&'static str] {
        match self {
            Self::Disable => &[
                "It gets no token, and tokens it has open nothing: every call is refused from the moment this is in effect.",
                "Its API Key, secrets and subscriptions stay. Enable it again and calls pass as before.",
            ],
            Self::RevokeTokens => &[
                "Every token issued so far is refused at its next use, whoever holds it.",
                "The app itself goes on: with its API Secret it gets a new token at once. If the secret may be known, end the secret instead.",
            ],
            Self::Delete => &[
                "Its API Key, its secrets and every token end at once, and for good.",
                "Its Test Subscription ID ends. Its history stays in the audit log.",
                "This cannot be taken back. To stop it for a while, disable it instead.",
            ],
        }
    }
}

/// Whom an act touches: what the gateway counted, and who has activated the app.
pub(super) async fn blast_radius(api: &Management, app: &App) -> Result<String, Failure> {
    let path = ("/v1/apps/{app_id}/calls_summary", [app.id.as_str()]);
    let calls = api.get::<CallsSummary>(path, &[]).await?.value;
    let living = app.summary.as_ref().map_or(0, |s| s.living_subscriptions);
    Ok(format!(
        "{} has {} and made {} in the last 24 hours.",
        app.name,
        counted(living, "active subscription", "active subscriptions"),
        counted(calls.last_24_hours.calls, "call", "calls"),
    ))
}

/// `1 call`, `2 calls`.
pub(super) fn counted(number: u64, one: &str, several: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), one, several)
}

/// The app, when the person may change it and it is there to be changed.
pub(super) async fn changeable(page: &Page, app_id: &str) -> Result<App, Failure> {
    let app = read(&page.api()?, app_id).await?.value;
    if !may_in(page, Action::ManageApps, &app.organization_id) {
        return Err(Failure::Forbidden);
    }
    if app.state == "deleted" {
        return Err(Failure::NotFound);
    }
    Ok(app)
}

async fn ask(page: &Page, app_id: &str, (act, form): (Act, Form)) -> Answer {
    let app = changeable(page, app_id).await?;
    let living = app.summary.as_ref().map_or(0, |s| s.living_subscriptions);
    let mut consequences = vec![blast_radius(&page.api()?, &app).await?];
    consequences.extend(act.consequences().iter().map(|text| (*text).to_owned()));
    let (mut obstacle, mut word) = (String::new(), String::new());
    if let Act::Delete = act {
        word.clone_from(&app.name);
        if living > 0 {
            obstacle = format!(
                "{} of customers must end first. End them on the app's page, or disable the app.",
                counted(living, "subscription", "subscriptions")
            );
        }
    }
    let path = path_of(&app.id);
    let title = act.title(&app.name);
    let confirmation = Confirmation {
        shell: page
            .shell(Section::Apps, &title)
            .crumb("Apps", "/apps")
            .crumb(&app.name, path.clone()),
        form,
        action: format!("{path}/{}", act.segment()),
        back: path,
        title,
        consequences,
        obstacle,
        question: None,
        word,
        verb: act.verb(),
        is_danger: true,
    };
    confirmation.show(page)
}

/// `GET /apps/{app_id}/disable`.
pub(crate) async fn ask_disable(page: Page, Path(app_id): Path<String>) -> Answer {
    ask(&page, &app_id, (Act::Disable, Form::empty())).await
}

/// `POST /apps/{app_id}/disable`.
pub(crate) async fn disable(page: Page, Path(app_id): Path<String>, sent: Sent) -> Answer {
    let path = ("/v1/apps/{app_id}/disable", [app_id.as_str()]);
    match page.api()?.post::<App>(path, &()).await {
        Ok(done) => Ok(page.go_done(&path_of(&app_id), "The app is disabled.", &done)),
        Err(error) => ask(&page, &app_id, (Act::Disable, sent.refused(error)?)).await,
    }
}

/// `POST /apps/{app_id}/enable`.
pub(crate) async fn enable(page: Page, Path(app_id): Path<String>) -> Answer {
    let path = ("/v1/apps/{app_id}/enable", [app_id.as_str()]);
    let done = page.api()?.post::<App>(path, &()).await?;
    Ok(page.go_done(&path_of(&app_id), "The app is enabled.", &done))
}

/// `GET /apps/{app_id}/revoke-tokens`.
pub(crate) async fn ask_revoke(page: Page, Path(app_id): Path<String>) -> Answer {
    ask(&page, &app_id, (Act::RevokeTokens, Form::empty())).await
}

/// `POST /apps/{app_id}/revoke-tokens`.
pub(crate) async fn revoke(page: Page, Path(app_id): Path<String>, sent: Sent) -> Answer {
    let path = ("/v1/apps/{app_id}/revoke_tokens", [app_id.as_str()]);
    match page.api()?.post::<RevokedTokens>(path, &()).await {
        Ok(done) => {
            let text = "Every token issued so far is refused.";
            Ok(page.go_done(&path_of(&app_id), text, &done))
        }
        Err(error) => ask(&page, &app_id, (Act::RevokeTokens, sent.refused(error)?)).await,
    }
}

/// `GET /apps/{app_id}/delete`.
pub(crate) async fn ask_delete(page: Page, Path(app_id): Path<String>) -> Answer {
    ask(&page, &app_id, (Act::Delete, Form::empty())).await
}

/// `POST /apps/{app_id}/delete`.
pub(crate) async fn delete(page: Page, Path(app_id): Path<String>, sent: Sent) -> Answer {
    let app = changeable(&page, &app_id).await?;
    if let Some(form) = unconfirmed(&sent, &app.name) {
        return ask(&page, &app_id, (Act::Delete, form)).await;
    }
    let path = ("/v1/apps/{app_id}", [app_id.as_str()]);
    match page.api()?.delete::<App>(path).await {
        Ok(done) => Ok(page.go_done("/apps", &format!("{} is deleted.", app.name), &done)),
        Err(error) => ask(&page, &app_id, (Act::Delete, sent.refused(error)?)).await,
    }
}
