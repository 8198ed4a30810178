//! Ending, suspending and resuming a subscription.

use axum::extract::Path;
use portcullis_registry::wire::Subscription;

use super::{
    path_of,
    show::{End, Pause, allowed, read},
};
use crate::{
    failure::Failure,
    form::Form,
    layout::Section,
    page::{Answer, Page},
    pages::confirmation::{Confirmation, unconfirmed},
    sent::Sent,
};

/// What is asked before.
#[derive(Clone, Copy)]
enum Act {
    Suspend,
    End,
}

/// The words of a question.
struct Words {
    title: &'static str,
    verb: &'static str,
    segment: &'static str,
    consequences: [&'static str; 2],
}

const SUSPEND: Words = Words {
    title: "Suspend this subscription?",
    verb: "Suspend",
    segment: "suspend",
    consequences: [
        "The very next call with it is refused, whatever token it comes with.",
        "Resume it and calls pass as before; the Subscription-Id stays the same.",
    ],
};

const DEACTIVATE: Words = Words {
    title: "Deactivate this subscription?",
    verb: "Deactivate",
    segment: "end",
    consequences: [
        "The app loses access to your data: the very next call with this subscription is refused.",
        "It cannot be taken back. Activating the app again makes a new Subscription-Id.",
    ],
};

const CANCEL: Words = Words {
    title: "Cancel this subscription?",
    verb: "Cancel subscription",
    segment: "end",
    consequences: [
        "The customer can no longer use the app: the very next call with this subscription is refused.",
        "It cannot be taken back. When they activate the app again, they get a new Subscription-Id.",
    ],
};

async fn ask(page: &Page, id: &str, (act, form): (Act, Form)) -> Answer {
    let of = read(&page.api()?, id).await?.subscription;
    let may = allowed(page, &of);
    let words = match (act, may.end, may.pause) {
        (Act::Suspend, _, Some(Pause::Suspend)) => SUSPEND,
        (Act::End, Some(End::Deactivate), _) => DEACTIVATE,
        (Act::End, Some(End::Cancel), _) => CANCEL,
        // There is nothing to do any more, and its page says why: it has ended, or is suspended already, or is
        // a test subscription.
        _ if of.kind != "real" || of.state != "active" => return Ok(page.go(&path_of(id))),
        _ => return Err(Failure::Forbidden),
    };
    let (mut app, mut buyer) = (String::new(), String::new());
    if let Some(summary) = &of.summary {
        app = summary.app_name.clone().unwrap_or_default();
        buyer.clone_from(&summary.organization_name);
    }
    let path = path_of(&of.id);
    let mut consequences = vec![format!("With this subscription {app} acts for {buyer}.")];
    consequences.extend(words.consequences.iter().map(|text| (*text).to_owned()));
    let confirmation = Confirmation {
        shell: page
            .shell(Section::Subscriptions, words.title)
            .crumb("Subscriptions", "/subscriptions")
            .crumb(&format!("{app} for {buyer}"), path.clone()),
        form,
        action: format!("{path}/{}", words.segment),
        back: path,
        title: words.title.to_owned(),
        consequences,
        obstacle: String::new(),
        question: None,
        word: match act {
            Act::Suspend => String::new(),
            Act::End => app,
        },
        verb: words.verb,
        is_danger: true,
    };
    confirmation.show(page)
}

/// `GET /subscriptions/{subscription_id}/suspend`.
pub(crate) async fn ask_suspend(page: Page, Path(id): Path<String>) -> Answer {
    ask(&page, &id, (Act::Suspend, Form::empty())).await
}

/// `POST /subscriptions/{subscription_id}/suspend`.
pub(crate) async fn suspend(page: Page, Path(id): Path<String>, sent: Sent) -> Answer {
    let path = ("/v1/subscriptions/{subscription_id}/suspend", [id.as_str()]);
    match page.api()?.post::<Subscription>(path, &()).await {
        Ok(done) => Ok(page.go_done(&path_of(&id), "The subscription is suspended.", &done)),
        Err(error) => ask(&page, &id, (Act::Suspend, sent.refused(error)?)).await,
    }
}

/// `POST /subscriptions/{subscription_id}/resume`.
pub(crate) async fn resume(page: Page, Path(id): Path<String>) -> Answer {
    let path = ("/v1/subscriptions/{subscription_id}/resume", [id.as_str()]);
    let done = page.api()?.post::<Subscription>(path, &()).await?;
    Ok(page.go_done(&path_of(&id), "The subscription is active again.", &done))
}

/// `GET /subscriptions/{subscription_id}/end`.
pub(crate) async fn ask_end(page: Page, Path(id): Path<String>) -> Answer {
    ask(&page, &id, (Act::End, Form::empty())).await
}

/// `POST /subscriptions/{subscription_id}/end`.
pub(crate) async fn end(page: Page, Path(id): Path<String>, sent: Sent) -> Answer {
    let api = page.api()?;
    let of = read(&api, &id).await?.subscription;
    let app = of.summary.and_then(|summary| summary.app_name);
    if let Some(form) = unconfirmed(&sent, &app.unwrap_or_default()) {
        return ask(&page, &id, (Act::End, form)).await;
    }
    let path = ("/v1/subscriptions/{subscription_id}/end", [id.as_str()]);
    match api.post::<Subscription>(path, &()).await {
        Ok(done) => Ok(page.go_done(&path_of(&id), "The subscription has ended.", &done)),
        Err(error) => ask(&page, &id, (Act::End, sent.refused(error)?)).await,
    }
}
