//! The page that asks before something that others feel: what would happen first, then a choice where there is
//! one, then the name to type when it cannot be taken back.

use askama::Template;
use http::StatusCode;

use crate::{
    form::{Choice, Form},
    layout::Shell,
    page::{Answer, Page},
    sent::Sent,
};

/// A question with several answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Question {
    /// The name of the field.
    pub(crate) name: &'static str,
    /// The question.
    pub(crate) text: &'static str,
    /// Its answers.
    pub(crate) choices: Vec<Choice>,
}

/// What is asked.
#[derive(Template)]
#[template(path = "confirmation.html")]
pub(crate) struct Confirmation {
    pub(crate) shell: Shell,
    pub(crate) form: Form,
    /// Where the form goes.
    pub(crate) action: String,
    /// Where "Cancel" leads.
    pub(crate) back: String,
    /// The question: the heading of the page.
    pub(crate) title: String,
    /// What would happen and whom it would touch, whole sentences.
    pub(crate) consequences: Vec<String>,
    /// Why it cannot be done now; empty when it can.
    pub(crate) obstacle: String,
    /// What is to be decided beside it.
    pub(crate) question: Option<Question>,
    /// What has to be typed; empty when nothing has.
    pub(crate) word: String,
    /// What the button says.
    pub(crate) verb: &'static str,
    /// Whether the act ends something.
    pub(crate) is_danger: bool,
}

impl Confirmation {
    /// The page.
    pub(crate) fn show(&self, page: &Page) -> Answer {
        page.show_with(self.form.status(), self)
    }
}

/// The form with a message when the word was not typed as it stands.
pub(crate) fn unconfirmed(sent: &Sent, word: &str) -> Option<Form> {
    if sent.get("confirm") == word {
        return None;
    }
    let form = sent.form();
    let form = form.wrong("confirm", format!("Type {word} exactly as it stands here."));
    Some(form.with_status(StatusCode::UNPROCESSABLE_ENTITY))
}
