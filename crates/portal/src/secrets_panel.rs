//! Secrets of a client, as the pages of apps and of APIs show and change them: adding, rotating with an overlap,
//! ending. What differs between the two is in [`Holder`].

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use portcullis_core::secret::Secret as NewSecret;
use portcullis_registry::{
    in_process::Management,
    wire::{CreatedSecret, Listed, RotatedSecret, Secret},
};
use serde_json::json;

use crate::{
    done::effect_line,
    failure::Failure,
    flash::Flash,
    form::{Choice, Form},
    layout::{Section, Shell},
    page::{Answer, Page},
    pages::confirmation::{Confirmation, Question, unconfirmed},
    sent::Sent,
    view,
};

/// What has secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An app, with API Secrets.
    App,
    /// An API, with Client Secrets.
    Api,
}

/// Whose secrets.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) name: String,
}

impl Kind {
    /// What its secrets are called.
    fn word(self) -> &'static str {
        match self {
            Self::App => "API Secret",
            Self::Api => "Client Secret",
        }
    }

    /// What it is.
    fn noun(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Api => "API",
        }
    }

    fn section(self) -> (Section, &'static str, &'static str) {
        match self {
            Self::App => (Section::Apps, "Apps", "/apps"),
            Self::Api => (Section::Apis, "APIs", "/apis"),
        }
    }

    /// Where its secrets stand in the management API: all of them, the rotation, the end of one.
    fn paths(self) -> [&'static str; 3] {
        match self {
            Self::App => [
                "/v1/apps/{app_id}/secrets",
                "/v1/apps/{app_id}/secrets/rotate",
                "/v1/apps/{app_id}/secrets/{secret_id}/expire",
            ],
            Self::Api => [
                "/v1/apis/{api_id}/secrets",
                "/v1/apis/{api_id}/secrets/rotate",
                "/v1/apis/{api_id}/secrets/{secret_id}/expire",
            ],
        }
    }
}

/// A secret as pages tell of it.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) hint: String,
    pub(crate) created_at: String,
    pub(crate) expires_at: Option<String>,
    pub(crate) last_used_at: Option<String>,
    pub(crate) last_used_from: Option<String>,
}

/// Secrets, newest first.
#[derive(Debug, Clone)]
pub(crate) struct Secrets {
    /// Those that get tokens.
    pub(crate) live: Vec<Line>,
    /// Those that do so no more.
    pub(crate) ended: Vec<Line>,
    /// The path of the holder's page.
    pub(crate) path: String,
    /// What they are called.
    pub(crate) word: &'static str,
    /// What holds them.
    pub(crate) noun: &'static str,
    /// Whether the person may change them.
    pub(crate) may_manage: bool,
}

impl Holder {
    /// The path of its page.
    pub(crate) fn path(&self) -> String {
        let (.., list) = self.kind.section();
        format!("{list}/{}", view::encoded(&self.id))
    }

    fn shell(&self, page: &Page, title: &str) -> Shell {
        let (section, label, list) = self.kind.section();
        let shell = page.shell(section, title).crumb(label, list);
        shell.crumb(&self.name, self.path())
    }

    /// Its secrets.
    pub(crate) async fn secrets(&self, page: &Page, api: &Management) -> Result<Secrets, Failure> {
        let [list, ..] = self.kind.paths();
        let listed = api
            .get::<Listed<Secret>>((list, [self.id.as_str()]), &[])
            .await?
            .value;
        let now = page.portal().clock().now().as_us();
        let (live, ended) = listed
            .items
            .into_iter()
            .rev()
            .partition::<Vec<_>, _>(|secret| is_live(secret.expires_at.as_deref(), now));
        Ok(Secrets {
            live: live.into_iter().map(Line::from).collect(),
            ended: ended.into_iter().map(Line::from).collect(),
            path: self.path(),
            word: self.kind.word(),
            noun: self.kind.noun(),
            may_manage: false,
        })
    }

    /// The page of the holder, which shows this secret once.
    fn shown_once(&self, page: &Page, (secret, text): (&str, &str)) -> Response {
        let response = page.go_saying(&self.path(), &Flash::success(text.trim_end()));
        page.with_secret(response, &self.id, &NewSecret::from_text(secret.to_owned()))
    }

    /// Adds a second secret beside the first.
    pub(crate) async fn add(&self, page: &Page) -> Answer {
        let [list, ..] = self.kind.paths();
        match page
            .api()?
            .post::<CreatedSecret>((list, [self.id.as_str()]), &())
            .await
        {
            Ok(made) => {
                let text = format!("A secret was added. {}", effect_line(&made));
                Ok(self.shown_once(page, (&made.value.secret, &text)))
            }
            Err(error) if error.status() == StatusCode::CONFLICT => {
                let text = "Two secrets are live already. End one of them, or rotate.";
                Ok(page.go_saying(&self.path(), &Flash::warning(text)))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The form that rotates, as it is first or as it was refused.
    pub(crate) async fn ask_rotate(&self, page: &Page, form: Option<Form>) -> Answer {
        let secrets = self.secrets(page, &page.api()?).await?;
        let word = self.kind.word();
        let template = Rotate {
            shell: self.shell(page, &format!("Rotate the {word}")),
            live: secrets.live,
            overlaps: overlaps(),
            path: self.path(),
            noun: self.kind.noun(),
            form: form.unwrap_or_else(|| Form::with([("overlap", "24h")])),
        };
        page.show_with(template.form.status(), &template)
    }

    /// Rotates. Sent twice, it makes one secret.
    pub(crate) async fn rotate(&self, page: &Page, sent: &Sent) -> Answer {
        let input = json!({
            "overlap": sent.get("overlap"),
            "replace_oldest": sent.is_checked("replace_oldest"),
        });
        let [_, rotate, _] = self.kind.paths();
        let path = (rotate, [self.id.as_str()]);
        let rotated = page
            .api()?
            .post_once::<RotatedSecret>(path, sent.once(), &input)
            .await;
        let rotated = match rotated {
            Ok(rotated) => rotated,
            Err(error) => return self.ask_rotate(page, Some(sent.refused(error)?)).await,
        };
        let Some(secret) = &rotated.value.secret else {
            let text =
                "This form made a new secret already, once. If you did not see it, rotate again.";
            return Ok(page.go_saying(&self.path(), &Flash::warning(text)));
        };
        let text = format!(
            "The {} was rotated. {}",
            self.kind.word(),
            effect_line(&rotated)
        );
        Ok(self.shown_once(page, (secret, &text)))
    }

    /// The page that asks before a secret ends. `touches` says whom that touches.
    pub(crate) async fn ask_expire(
        &self,
        page: &Page,
        secret_id: &str,
        touches: String,
        form: Option<Form>,
    ) -> Answer {
        let secrets = self.secrets(page, &page.api()?).await?;
        let is_asked = |line: &&Line| line.id == secret_id;
        let live = secrets.live.iter().find(is_asked);
        let secret = live.or_else(|| secrets.ended.iter().find(is_asked));
        let secret = secret.ok_or(Failure::NotFound)?;
        let others = secrets
            .live
            .iter()
            .filter(|line| line.id != secret.id)
            .count();
        let noun = self.kind.noun();
        let rest = match others {
            0 => format!(
                "It is the only secret: the {noun} gets no further token until you add another."
            ),
            _ => "The other secret goes on.".to_owned(),
        };
        let title = format!("Expire the secret {} now?", secret.hint);
        let choices = vec![
            Choice::new("no", "It is no longer needed")
                .detailed("Tokens already issued go on until they end."),
            Choice::new("yes", "Somebody else may know it").detailed(format!(
                "Ends every token issued to the {noun} so far as well."
            )),
        ];
        let question = Question {
            name: "compromised",
            text: "Why?",
            choices,
        };
        let confirmation = Confirmation {
            shell: self.shell(page, &title),
            form: form.unwrap_or_else(|| Form::with([("compromised", "no")])),
            action: format!(
                "{}/secrets/{}/expire",
                self.path(),
                view::encoded(secret_id)
            ),
            back: self.path(),
            title,
            consequences: [touches, used(secret), rest]
                .into_iter()
                .filter(|sentence| !sentence.is_empty())
                .collect(),
            obstacle: if live.is_some() {
                ""
            } else {
                "This secret has ended already."
            }
            .to_owned(),
            question: Some(question),
            word: self.name.clone(),
            verb: "Expire now",
            is_danger: true,
        };
        confirmation.show(page)
    }

    /// Ends a secret.
    pub(crate) async fn expire(
        &self,
        page: &Page,
        secret_id: &str,
        touches: String,
        sent: &Sent,
    ) -> Answer {
        if let Some(form) = unconfirmed(sent, &self.name) {
            return self.ask_expire(page, secret_id, touches, Some(form)).await;
        }
        let is_compromised = sent.get("compromised") == "yes";
        let input = json!({ "compromised": is_compromised });
        let [.., expire] = self.kind.paths();
        let path = (expire, [self.id.as_str(), secret_id]);
        match page.api()?.post::<Secret>(path, &input).await {
            Ok(done) if is_compromised => {
                let text = "The secret has ended, and every token issued so far.";
                Ok(page.go_done(&self.path(), text, &done))
            }
            Ok(done) => Ok(page.go_done(&self.path(), "The secret has ended.", &done)),
            Err(error) => {
                let form = sent.refused(error)?;
                self.ask_expire(page, secret_id, touches, Some(form)).await
            }
        }
    }
}

#[derive(Template)]
#[template(path = "secrets/rotate.html")]
struct Rotate {
    shell: Shell,
    form: Form,
    path: String,
    noun: &'static str,
    live: Vec<Line>,
    overlaps: Vec<Choice>,
}

fn overlaps() -> Vec<Choice> {
    vec![
        Choice::new("0s", "Now")
            .detailed("The old secret ends at once. For a secret that somebody else may know."),
        Choice::new("1h", "1 hour"),
        Choice::new("24h", "24 hours")
            .detailed("Both secrets work until tomorrow: time to deploy the new one."),
        Choice::new("7d", "7 days"),
        Choice::new("30d", "30 days"),
    ]
}

impl From<Secret> for Line {
    fn from(secret: Secret) -> Self {
        Self {
            id: secret.id,
            hint: secret.hint,
            created_at: secret.created_at,
            expires_at: secret.expires_at,
            last_used_at: secret.last_used_at,
            last_used_from: secret.last_used_from,
        }
    }
}

/// Whether an end, as the management API writes it, has not come yet. One that cannot be read has.
fn is_live(expires_at: Option<&str>, now_us: i64) -> bool {
    expires_at.is_none_or(|end| {
        let end = end.parse::<jiff::Timestamp>();
        end.is_ok_and(|end| end.as_microsecond() > now_us)
    })
}

/// When a secret was last used, as a sentence.
fn used(secret: &Line) -> String {
    match (&secret.last_used_at, &secret.last_used_from) {
        (Some(at), Some(from)) => {
            format!("It last got a token on {} from {from}.", view::absolute(at))
        }
        (Some(at), None) => format!("It last got a token on {}.", view::absolute(at)),
        (None, _) => "It was never used.".to_owned(),
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
