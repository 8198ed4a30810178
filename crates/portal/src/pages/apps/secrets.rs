//! Secrets of an app: adding, rotating with an overlap, ending.

use askama::Template;
use axum::extract::Path;
use http::StatusCode;
use portcullis_core::secret::Secret as NewSecret;
use portcullis_registry::{
    in_process::Management,
    wire::{CreatedSecret, Listed, RotatedSecret, Secret},
};
use serde_json::json;

use super::{
    path_of,
    state::{blast_radius, changeable},
};
use crate::{
    done::effect_line,
    failure::Failure,
    flash::Flash,
    form::{Choice, Form},
    layout::{Section, Shell},
    page::{Answer, Page},
    pages::confirmation::{Confirmation, Question, unconfirmed},
    sent::Sent,
};

/// A secret as the page of its app tells of it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) hint: String,
    pub(super) created_at: String,
    pub(super) expires_at: Option<String>,
    pub(super) last_used_at: Option<String>,
    pub(super) last_used_from: Option<String>,
    pub(super) is_live: bool,
}

/// The secrets of an app, newest first.
pub(super) async fn read(
    page: &Page,
    api: &Management,
    app_id: &str,
) -> Result<Vec<Line>, Failure> {
    let path = ("/v1/apps/{app_id}/secrets", [app_id]);
    let listed = api.get::<Listed<Secret>>(path, &[]).await?.value;
    let now = page.portal().clock().now().as_us();
    let lines = listed.items.into_iter().rev().map(|secret| Line {
        is_live: is_live(secret.expires_at.as_deref(), now),
        id: secret.id,
        hint: secret.hint,
        created_at: secret.created_at,
        expires_at: secret.expires_at,
        last_used_at: secret.last_used_at,
        last_used_from: secret.last_used_from,
    });
    Ok(lines.collect())
}

/// Whether an end, as the management API writes it, has not come yet. One that cannot be read has.
fn is_live(expires_at: Option<&str>, now_us: i64) -> bool {
    expires_at.is_none_or(|end| {
        let end = end.parse::<jiff::Timestamp>();
        end.is_ok_and(|end| end.as_microsecond() > now_us)
    })
}

/// The page of the app, which shows this secret once.
fn shown_once(page: &Page, app_id: &str, (secret, text): (&str, &str)) -> axum::response::Response {
    let response = page.go_saying(&path_of(app_id), &Flash::success(text.trim_end()));
    page.with_secret(response, app_id, &NewSecret::from_text(secret.to_owned()))
}

/// `POST /apps/{app_id}/secrets`: a second secret beside the first.
pub(crate) async fn add(page: Page, Path(app_id): Path<String>) -> Answer {
    let path = ("/v1/apps/{app_id}/secrets", [app_id.as_str()]);
    match page.api()?.post::<CreatedSecret>(path, &()).await {
        Ok(made) => {
            let text = format!("A secret was added. {}", effect_line(&made));
            Ok(shown_once(&page, &app_id, (&made.value.secret, &text)))
        }
        Err(error) if error.status() == StatusCode::CONFLICT => {
            let text = "Two secrets are live already. End one of them, or rotate.";
            Ok(page.go_saying(&path_of(&app_id), &Flash::warning(text)))
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "apps/rotate.html")]
struct Rotate {
    shell: Shell,
    form: Form,
    path: String,
    live: Vec<Line>,
    overlaps: Vec<Choice>,
}

/// `GET /apps/{app_id}/rotate`.
pub(crate) async fn rotation(page: Page, Path(app_id): Path<String>) -> Answer {
    show_rotation(&page, &app_id, Form::with([("overlap", "24h")])).await
}

async fn show_rotation(page: &Page, app_id: &str, form: Form) -> Answer {
    let app = changeable(page, app_id).await?;
    let secrets = read(page, &page.api()?, app_id).await?;
    let template = Rotate {
        shell: page
            .shell(Section::Apps, "Rotate the API Secret")
            .crumb("Apps", "/apps")
            .crumb(&app.name, path_of(&app.id)),
        live: secrets.into_iter().filter(|line| line.is_live).collect(),
        overlaps: vec![
            Choice::new("0s", "Now")
                .detailed("The old secret ends at once. For a secret that somebody else may know."),
            Choice::new("1h", "1 hour"),
            Choice::new("24h", "24 hours")
                .detailed("Both secrets work until tomorrow: time to deploy the new one."),
            Choice::new("7d", "7 days"),
            Choice::new("30d", "30 days"),
        ],
        path: path_of(&app.id),
        form,
    };
    page.show_with(template.form.status(), &template)
}

/// `POST /apps/{app_id}/rotate`. Sent twice, it makes one secret.
pub(crate) async fn rotate(page: Page, Path(app_id): Path<String>, sent: Sent) -> Answer {
    let input = json!({
        "overlap": sent.get("overlap"),
        "replace_oldest": sent.is_checked("replace_oldest"),
    });
    let path = ("/v1/apps/{app_id}/secrets/rotate", [app_id.as_str()]);
    let api = page.api()?;
    let rotated = api
        .post_once::<RotatedSecret>(path, sent.once(), &input)
        .await;
    let rotated = match rotated {
        Ok(rotated) => rotated,
        Err(error) => return show_rotation(&page, &app_id, sent.refused(error)?).await,
    };
    let Some(secret) = &rotated.value.secret else {
        let text =
            "This form made a new secret already, once. If you did not see it, rotate again.";
        return Ok(page.go_saying(&path_of(&app_id), &Flash::warning(text)));
    };
    let text = format!("The API Secret was rotated. {}", effect_line(&rotated));
    Ok(shown_once(&page, &app_id, (secret, &text)))
}

/// `GET /apps/{app_id}/secrets/{secret_id}/expire`.
pub(crate) async fn ask_expire(
    page: Page,
    Path((app_id, secret_id)): Path<(String, String)>,
) -> Answer {
    let form = Form::with([("compromised", "no")]);
    show_expire(&page, (&app_id, &secret_id), form).await
}

async fn show_expire(page: &Page, (app_id, secret_id): (&str, &str), form: Form) -> Answer {
    let app = changeable(page, app_id).await?;
    let api = page.api()?;
    let secrets = read(page, &api, app_id).await?;
    let secret = secrets.iter().find(|line| line.id == secret_id);
    let secret = secret.ok_or(Failure::NotFound)?;
    let others = secrets
        .iter()
        .filter(|line| line.is_live && line.id != secret.id);
    let mut consequences = vec![blast_radius(&api, &app).await?, used(secret)];
    consequences.push(match others.count() {
        0 => {
            "It is the only secret: the app gets no further token until you add another.".to_owned()
        }
        _ => "The other secret goes on.".to_owned(),
    });
    let path = path_of(&app.id);
    let title = format!("Expire the secret {} now?", secret.hint);
    let obstacle = if secret.is_live {
        ""
    } else {
        "This secret has ended already."
    };
    let choices = vec![
        Choice::new("no", "It is no longer needed")
            .detailed("Tokens already issued go on until they end."),
        Choice::new("yes", "Somebody else may know it")
            .detailed("Ends every token issued to the app so far as well."),
    ];
    let confirmation = Confirmation {
        shell: page
            .shell(Section::Apps, &title)
            .crumb("Apps", "/apps")
            .crumb(&app.name, path.clone()),
        form,
        action: format!("{path}/secrets/{}/expire", crate::view::encoded(secret_id)),
        back: path,
        title,
        consequences,
        obstacle: obstacle.to_owned(),
        question: Some(Question {
            name: "compromised",
            text: "Why?",
            choices,
        }),
        word: app.name,
        verb: "Expire now",
        is_danger: true,
    };
    confirmation.show(page)
}

/// When a secret was last used, as a sentence.
fn used(secret: &Line) -> String {
    match (&secret.last_used_at, &secret.last_used_from) {
        (Some(at), Some(from)) => {
            format!(
                "It last got a token on {} from {from}.",
                crate::view::absolute(at)
            )
        }
        (Some(at), None) => format!("It last got a token on {}.", crate::view::absolute(at)),
        (None, _) => "It was never used.".to_owned(),
    }
}

/// `POST /apps/{app_id}/secrets/{secret_id}/expire`.
pub(crate) async fn expire(
    page: Page,
    Path((app_id, secret_id)): Path<(String, String)>,
    sent: Sent,
) -> Answer {
    let app = changeable(&page, &app_id).await?;
    if let Some(form) = unconfirmed(&sent, &app.name) {
        return show_expire(&page, (&app_id, &secret_id), form).await;
    }
    let is_compromised = sent.get("compromised") == "yes";
    let input = json!({ "compromised": is_compromised });
    let path = (
        "/v1/apps/{app_id}/secrets/{secret_id}/expire",
        [app_id.as_str(), secret_id.as_str()],
    );
    match page.api()?.post::<Secret>(path, &input).await {
        Ok(done) => {
            let text = if is_compromised {
                "The secret has ended, and every token issued so far."
            } else {
                "The secret has ended."
            };
            Ok(page.go_done(&path_of(&app_id), text, &done))
        }
        Err(error) => show_expire(&page, (&app_id, &secret_id), sent.refused(error)?).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_lives_until_its_end() {
        let noon = 1_764_000_000_000_000;

        assert!(is_live(None, noon));
        assert!(is_live(Some("2025-11-24T16:00:01Z"), noon));
        assert!(!is_live(Some("2025-11-24T16:00:00Z"), noon));
        assert!(!is_live(Some("2025-11-24T15:59:59.999999Z"), noon));
        assert!(!is_live(Some("soon"), noon));
    }
}
