//! `/admin`: what operators see and do of the whole installation.

use crate::{form::Form, sent::Sent};

pub(crate) mod catalog;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod nodes;
pub(crate) mod organizations;
pub(crate) mod overview;
pub(crate) mod settings;
pub(crate) mod users;

/// The form again when the word that was to be typed was not.
pub(crate) fn unless_typed(sent: &Sent, word: &str) -> Option<Form> {
    let wrong = || {
        sent.form().wrong(
            "confirm",
            format!("Type {word} exactly as it stands there."),
        )
    };
    (sent.get("confirm") != word).then(wrong)
}

/// What to add to a message when some nodes have not applied an act yet.
pub(crate) fn lagging(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    format!(" Not yet on every node: {} will follow.", names.join(", "))
}
