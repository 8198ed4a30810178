//! `/account/security`: the second factor, recovery codes, and the list of passkeys.

use askama::Template;
use base64::{Engine, engine::general_purpose::STANDARD};
use portcullis_registry::{
    people::{Enrolment, RecoveryCodes},
    wire::{Factors, Me, instant_text},
};

use crate::{
    failure::Failure,
    flash::Flash,
    form::Form,
    layout::{Section, Shell},
    page::{Answer, Page},
    pages::{
        sign_in::refused,
        tabs::{self, Tab},
    },
    sent::Sent,
};

/// A passkey as the list shows it.
pub(super) struct Line {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) created_at: String,
    pub(super) last_used_at: Option<String>,
}

/// What the person signs in with.
pub(super) async fn factors(page: &Page) -> Result<Factors, Failure> {
    Ok(page.api()?.get::<Me>("/v1/me", &[]).await?.value.factors)
}

/// The person's passkeys, oldest first.
pub(super) async fn passkeys(page: &Page) -> Result<Vec<Line>, Failure> {
    let passkeys = page.portal().people().passkeys(page.who()?).await?;
    let line = |passkey: portcullis_core::people::Passkey| Line {
        id: passkey.id.to_string(),
        name: passkey.name,
        created_at: instant_text(passkey.created_at),
        last_used_at: passkey.last_used_at.map(instant_text),
    };
    Ok(passkeys.into_iter().map(line).collect())
}

#[derive(Template)]
#[template(path = "account/security.html")]
struct Security {
    shell: Shell,
    tabs: Vec<Tab>,
    factors: Factors,
    passkeys: Vec<Line>,
}

/// `GET /account/security`.
pub(crate) async fn show(page: Page) -> Answer {
    page.show(&Security {
        factors: factors(&page).await?,
        passkeys: passkeys(&page).await?,
        shell: page.shell(Section::Account, "Security"),
        tabs: tabs::account("/account/security"),
    })
}

fn shell(page: &Page, title: &str) -> Shell {
    let shell = page
        .shell(Section::Account, title)
        .crumb("Your account", "/account");
    shell.crumb("Security", "/account/security")
}

#[derive(Template)]
#[template(path = "account/authenticator.html")]
struct Authenticator {
    shell: Shell,
    form: Form,
    /// The key in groups of four, as it is typed.
    key: String,
    /// The same without spaces, to be copied.
    plain: String,
    url: String,
    /// The picture as a `data:` URL.
    picture: String,
}

fn authenticator_page(page: &Page, enrolment: &Enrolment, form: Form) -> Answer {
    let letters: Vec<char> = enrolment.secret.chars().collect();
    let groups = letters
        .chunks(4)
        .map(|group| group.iter().collect::<String>());
    let status = form.status();
    let authenticator = Authenticator {
        shell: shell(page, "Turn on two-factor"),
        form,
        key: groups.collect::<Vec<_>>().join(" "),
        plain: enrolment.secret.to_string(),
        url: enrolment.url.to_string(),
        picture: format!(
            "data:image/svg+xml;base64,{}",
            STANDARD.encode(enrolment.qr_svg.as_bytes())
        ),
    };
    page.show_with(status, &authenticator)
}

/// `GET /account/security/authenticator`. Begins anew each time: a key that was shown before and not confirmed
/// is worth nothing.
pub(crate) async fn begin(page: Page) -> Answer {
    if factors(&page).await?.authenticator {
        return Ok(page.go("/account/security"));
    }
    let people = page.portal().people();
    let enrolment = people.begin_authenticator(page.who()?).await?;
    authenticator_page(&page, &enrolment, Form::empty())
}

/// `POST /account/security/authenticator`. Answers with the recovery codes, which are never shown again.
pub(crate) async fn turn_on(page: Page, sent: Sent) -> Answer {
    let (people, who) = (page.portal().people(), page.who()?);
    match people
        .turn_authenticator_on(who, sent.get("code"), page.visit())
        .await
    {
        Ok(codes) => codes_page(&page, &codes, "Two-factor is on"),
        Err(error) => {
            let form = refused(sent.form(), &error)?;
            match people.begun_authenticator(who).await? {
                Some(enrolment) => authenticator_page(&page, &enrolment, form),
                None => Ok(page.go("/account/security")),
            }
        }
    }
}

#[derive(Template)]
#[template(path = "account/recovery_codes.html")]
struct Codes {
    shell: Shell,
    codes: Vec<String>,
    /// All of them, one on each line.
    text: String,
}

fn codes_page(page: &Page, codes: &RecoveryCodes, title: &str) -> Answer {
    let codes: Vec<String> = codes.0.iter().map(|code| code.to_string()).collect();
    page.show(&Codes {
        shell: shell(page, title),
        text: format!("{}\n", codes.join("\n")),
        codes,
    })
}

/// A question before something about the second factor.
#[derive(Template)]
#[template(path = "account/security_ask.html")]
struct Ask {
    shell: Shell,
    action: &'static str,
    text: &'static str,
    verb: &'static str,
    is_danger: bool,
}

/// `GET /account/security/recovery_codes`.
pub(crate) async fn ask_codes(page: Page) -> Answer {
    page.who()?.recently()?;
    page.show(&Ask {
        shell: shell(&page, "New recovery codes"),
        action: "/account/security/recovery_codes",
        text: "The codes that you have now stop working, used or not.",
        verb: "Make new codes",
        is_danger: false,
    })
}

/// `POST /account/security/recovery_codes`.
pub(crate) async fn new_codes(page: Page) -> Answer {
    let codes = page
        .portal()
        .people()
        .new_recovery_codes(page.who()?, page.visit())
        .await?;
    codes_page(&page, &codes, "New recovery codes")
}

/// `GET /account/security/authenticator/off`.
pub(crate) async fn ask_off(page: Page) -> Answer {
    page.who()?.recently()?;
    page.show(&Ask {
        shell: shell(&page, "Turn off two-factor"),
        action: "/account/security/authenticator/off",
        text: "Your password alone then opens your account. Your recovery codes stop working as well.",
        verb: "Turn off two-factor",
        is_danger: true,
    })
}

/// `POST /account/security/authenticator/off`.
pub(crate) async fn turn_off(page: Page) -> Answer {
    page.portal()
        .people()
        .turn_authenticator_off(page.who()?, page.visit())
        .await?;
    let text = "Two-factor is off. Remove the account from your authenticator app.";
    Ok(page.go_saying("/account/security", &Flash::warning(text)))
}
