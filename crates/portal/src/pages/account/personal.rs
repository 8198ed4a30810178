//! `/account`: one's name and address.

use askama::Template;

use crate::{
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

#[derive(Template)]
#[template(path = "account/personal.html")]
struct Personal {
    shell: Shell,
    tabs: Vec<Tab>,
    form: Form,
    email: String,
}

fn shown(page: &Page, form: Form) -> Answer {
    let status = form.status();
    let personal = Personal {
        shell: page.shell(Section::Account, "Personal information"),
        tabs: tabs::account("/account"),
        form,
        email: page.who()?.user.email.clone(),
    };
    page.show_with(status, &personal)
}

/// `GET /account`.
pub(crate) async fn show(page: Page) -> Answer {
    let name = page.who()?.user.full_name.clone();
    shown(&page, Form::with([("full_name", name)]))
}

/// `POST /account`.
pub(crate) async fn rename(page: Page, sent: Sent) -> Answer {
    let people = page.portal().people();
    match people
        .rename(page.who()?, sent.get("full_name"), page.visit())
        .await
    {
        Ok(()) => Ok(page.go_saying("/account", &Flash::success("Your name was saved."))),
        Err(error) => shown(&page, refused(sent.form(), &error)?),
    }
}

#[derive(Template)]
#[template(path = "account/email.html")]
struct Email {
    shell: Shell,
    form: Form,
    email: String,
}

fn email_page(page: &Page, form: Form) -> Answer {
    let status = form.status();
    let shell = page.shell(Section::Account, "Change email address");
    let email = Email {
        shell: shell.crumb("Your account", "/account"),
        form,
        email: page.who()?.user.email.clone(),
    };
    page.show_with(status, &email)
}

/// `GET /account/email`. Asked for a proof first, so that nothing that was typed is lost.
pub(crate) async fn email(page: Page) -> Answer {
    page.who()?.recently()?;
    email_page(&page, Form::empty())
}

/// `POST /account/email`. Says the same whether or not the address has an account.
pub(crate) async fn change_email(page: Page, sent: Sent) -> Answer {
    let (people, who) = (page.portal().people(), page.who()?);
    let email = sent.get("email");
    if email.eq_ignore_ascii_case(&who.user.email) {
        return email_page(
            &page,
            sent.form().wrong("email", "This is your address already."),
        );
    }
    match people.request_email_change(who, email, page.visit()).await {
        Ok(()) => {
            let text = format!(
                "We sent a link to {email}. Your address changes once you open it; until then you sign in with the present one."
            );
            Ok(page.go_saying("/account", &Flash::info(text)))
        }
        Err(error) => email_page(&page, refused(sent.form(), &error)?),
    }
}
