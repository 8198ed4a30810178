//! A form as a page shows it: the values of its fields, and what is wrong with them.

use http::StatusCode;
use portcullis_registry::wire::{FieldError, Problem};

/// Something that can be chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// What is sent.
    pub(crate) value: String,
    /// What is read.
    pub(crate) label: String,
    /// What helps to choose; may be empty.
    pub(crate) detail: String,
}

impl Choice {
    /// A choice without further words.
    pub(crate) fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            label: label.into(),
            detail: String::new(),
        }
    }

    /// The same with words that help to choose.
    pub(crate) fn detailed(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

/// A piece of code in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snippet {
    /// Its name: `curl`, `Node`.
    pub(crate) language: &'static str,
    /// The code.
    pub(crate) text: String,
}

/// The values and messages of a form. Templates ask it by the names of fields.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form {
    values: Vec<(String, String)>,
    errors: Vec<FieldError>,
    /// Values that somebody else saved in the meantime.
    current: Vec<(String, String)>,
    /// What is wrong with the whole, when no field is to blame.
    problem: Option<(String, String)>,
    status: Option<StatusCode>,
    once: String,
}

impl Form {
    /// A form with these values.
    pub(crate) fn with<N: Into<String>, V: Into<String>>(
        values: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let values = values.into_iter();
        Self {
            values: values.map(|(n, v)| (n.into(), v.into())).collect(),
            once: uuid::Uuid::new_v4().to_string(),
            ..Self::default()
        }
    }

    /// An empty form.
    pub(crate) fn empty() -> Self {
        Self::with([("", ""); 0])
    }

    /// The same work: a form that is sent again keeps its key.
    pub(crate) fn keeping_once(mut self, key: &str) -> Self {
        if !key.is_empty() {
            key.clone_into(&mut self.once);
        }
        self
    }

    /// Key of this form, for its hidden field `_once`: what it makes is made once, however often it is sent.
    pub(crate) fn once(&self) -> &str {
        &self.once
    }

    /// The same work with another value of a field.
    pub(crate) fn setting(mut self, name: &str, value: &str) -> Self {
        self.values.retain(|(key, _)| key != name);
        self.values.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Other work with the same values.
    pub(crate) fn with_new_once(mut self) -> Self {
        self.once = uuid::Uuid::new_v4().to_string();
        self
    }

    /// Notes what is wrong with a field.
    pub(crate) fn wrong(mut self, field: &str, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError {
            field: field.to_owned(),
            detail: detail.into(),
        });
        self
    }

    /// Notes what is wrong with the whole: a title, and what to do.
    pub(crate) fn wrong_altogether(
        mut self,
        title: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        self.problem = Some((title.into(), detail.into()));
        self
    }

    /// Notes why the management API refused.
    pub(crate) fn refused(mut self, problem: &Problem) -> Self {
        self.status = StatusCode::from_u16(problem.status).ok();
        if problem.errors.is_empty() {
            let detail = match problem.detail.trim_end_matches('.') {
                detail if detail == problem.title => problem.remedy.clone(),
                detail => format!("{detail}. {}", problem.remedy),
            };
            return self.wrong_altogether(&problem.title, detail);
        }
        self.errors.extend(problem.errors.iter().cloned());
        self
    }

    /// Answers with this status when something is wrong.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// Somebody else saved these values since the form was opened. Shows both, and takes the new version: who
    /// saves again knows what is replaced.
    pub(crate) fn outdated<N: Into<String>, V: Into<String>>(
        mut self,
        revision: Option<i64>,
        current: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let current = current.into_iter().map(|(n, v)| (n.into(), v.into()));
        self.current = current
            .filter(|(name, value): &(String, String)| self.value(name) != value)
            .collect();
        self.values.retain(|(name, _)| name != "revision");
        if let Some(revision) = revision {
            self.values
                .push(("revision".to_owned(), revision.to_string()));
        }
        self.status = Some(StatusCode::PRECONDITION_FAILED);
        self.wrong_altogether(
            "Somebody changed this in the meantime",
            "Fields that differ show what is saved now. Save again to replace it with your values.",
        )
    }

    /// Whether anything is wrong.
    pub(crate) fn is_refused(&self) -> bool {
        self.problem.is_some() || !self.errors.is_empty()
    }

    /// The status to answer with.
    pub(crate) fn status(&self) -> StatusCode {
        match self.status {
            Some(status) => status,
            None if self.is_refused() => StatusCode::UNPROCESSABLE_ENTITY,
            None => StatusCode::OK,
        }
    }

    /// The value of a field; empty when it has none.
    pub(crate) fn value(&self, name: &str) -> &str {
        let value = self.values.iter().find(|(key, _)| key == name);
        value.map_or("", |(_, value)| value)
    }

    /// Whether a box is ticked, or a choice is chosen.
    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.values
            .iter()
            .any(|(key, own)| key == name && own == value)
    }

    /// What is wrong with a field or a member of it (`apis[2]` of `apis`); empty when nothing is.
    pub(crate) fn error(&self, name: &str) -> String {
        let errors = self.errors.iter().filter(|e| base(&e.field) == name);
        let details: Vec<&str> = errors.map(|error| error.detail.as_str()).collect();
        details.join(" ")
    }

    /// Whether something is wrong with a field.
    pub(crate) fn has_error(&self, name: &str) -> bool {
        self.errors.iter().any(|error| base(&error.field) == name)
    }

    /// What somebody else saved as this field; `None` when that is what stands in the form.
    pub(crate) fn current(&self, name: &str) -> Option<&str> {
        let current = self.current.iter().find(|(key, _)| key == name);
        current.map(|(_, value)| value.as_str())
    }

    /// What is wrong with the whole: title and detail.
    pub(crate) fn problem(&self) -> Option<(&str, &str)> {
        let (title, detail) = self.problem.as_ref()?;
        Some((title, detail))
    }

    /// Everything that is wrong with fields, each with the name of its field.
    pub(crate) fn errors(&self) -> Vec<(&str, &str)> {
        let errors = self.errors.iter();
        errors
            .map(|e| (base(&e.field), e.detail.as_str()))
            .collect()
    }
}

/// The name of the field in which a member stands.
fn base(field: &str) -> &str {
    field.split(['.', '[']).next().unwrap_or(field)
}

/// The name of a field as people read it: `callback_url` as `Callback URL`.
pub(crate) fn word_of(field: &str) -> String {
    let words = field.split('_').enumerate().map(|(at, word)| match word {
        "url" => "URL".to_owned(),
        "id" => "ID".to_owned(),
        "api" => "API".to_owned(),
        "apis" => "APIs".to_owned(),
        word if at == 0 => {
            let mut letters = word.chars();
            let first = letters.next().into_iter().flat_map(char::to_uppercase);
            first.chain(letters).collect()
        }
        word => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(errors: &[(&str, &str)]) -> Problem {
        let error = |(field, detail): &(&str, &str)| FieldError {
            field: (*field).to_owned(),
            detail: (*detail).to_owned(),
        };
        Problem {
            kind: String::new(),
            title: "Some values are not allowed".to_owned(),
            status: 422,
            detail: "Some values are not allowed.".to_owned(),
            code: "invalid_request".to_owned(),
            remedy: "Correct them.".to_owned(),
            request_id: "1".to_owned(),
            errors: errors.iter().map(error).collect(),
        }
    }

    #[test]
    fn a_refused_form_keeps_its_values_beside_the_messages() {
        let form = Form::with([("name", ""), ("apis", "a"), ("apis", "b")]);
        let form = form.refused(&problem(&[("name", "Empty."), ("apis[1]", "Unknown.")]));

        assert_eq!(form.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(form.error("name"), "Empty.");
        assert_eq!(form.error("apis"), "Unknown.");
        assert!(form.has("apis", "b") && !form.has("apis", "c"));
        assert!(!form.has_error("website"));
    }

    #[test]
    fn a_refusal_of_the_whole_says_what_to_do() {
        let form = Form::empty().refused(&problem(&[]));

        let said = Some(("Some values are not allowed", "Correct them."));
        assert_eq!(form.problem(), said);
        assert!(form.is_refused());
    }

    #[test]
    fn an_outdated_form_shows_both_values_and_takes_the_new_version() {
        let form = Form::with([("name", "Mine"), ("website", "same"), ("revision", "3")]);
        let form = form.outdated(Some(4), [("name", "Theirs"), ("website", "same")]);

        assert_eq!(form.value("name"), "Mine");
        assert_eq!(form.current("name"), Some("Theirs"));
        assert_eq!(form.current("website"), None);
        assert_eq!(form.value("revision"), "4");
        assert_eq!(form.status(), StatusCode::PRECONDITION_FAILED);
    }

    #[test]
    fn a_field_has_a_name_that_people_read() {
        assert_eq!(word_of("callback_url"), "Callback URL");
        assert_eq!(word_of("apis"), "APIs");
        assert_eq!(word_of("full_name"), "Full name");
        assert_eq!(word_of(""), "");
    }

    #[test]
    fn each_form_does_its_work_once() {
        assert_ne!(Form::empty().once(), Form::empty().once());
        assert_eq!(Form::empty().keeping_once("k").once(), "k");
    }
}
