//! Everything that is wrong with a request, collected before it is refused.

use std::fmt::Display;

use crate::{error::RegistryError, problem::FieldError};

/// Values that are not allowed, so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<FieldError>);

impl Findings {
    /// Notes what is wrong with a field.
    pub(crate) fn add(&mut self, field: &str, detail: impl Into<String>) {
        self.0.push(FieldError {
            field: field.to_owned(),
            detail: detail.into(),
        });
    }

    /// The same, unless the field was noted already.
    pub(crate) fn add_once(&mut self, field: &str, detail: impl Into<String>) {
        if !self.0.iter().any(|error| error.field == field) {
            self.add(field, detail);
        }
    }

    /// The value, or a note of why there is none.
    pub(crate) fn take<T, E: Display>(&mut self, field: &str, value: Result<T, E>) -> Option<T> {
        value
            .map_err(|error| self.add(field, sentence(&error.to_string())))
            .ok()
    }

    /// The same for a value that may be absent.
    #[expect(
        clippy::option_option,
        reason = "absent is allowed, refused is not: two different things"
    )]
    pub(crate) fn take_some<T, U, E: Display>(
        &mut self,
        field: &str,
        value: Option<T>,
        check: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<Option<U>> {
        value.map_or(Some(None), |value| self.take(field, check(value)).map(Some))
    }

    /// Notes a list that is longer than anybody needs, and says whether it is.
    pub(crate) fn too_many<T>(&mut self, field: &str, list: &[T], most: usize) -> bool {
        let too_many = list.len() > most;
        if too_many {
            let detail = format!("It has {} entries and may have {most}.", list.len());
            self.add(field, detail);
        }
        too_many
    }

    /// What was noted.
    pub(crate) fn into_errors(self) -> Vec<FieldError> {
        self.0
    }

    /// # Errors
    /// [`RegistryError::Invalid`] when anything was noted.
    pub(crate) fn refuse(self) -> Result<(), RegistryError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(RegistryError::Invalid(self.0))
        }
    }
}

/// A clause as a sentence.
pub(crate) fn sentence(text: &str) -> String {
    let mut characters = text.trim_end_matches('.').chars();
    let first = characters.next().map(char::to_uppercase);
    let start: String = first.into_iter().flatten().collect();
    format!("{start}{}.", characters.as_str())
}
