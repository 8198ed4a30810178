//! The JSON object of a request: only the members that were given.

use serde_json::{Map, Value};

/// An object in the making.
#[derive(Debug, Default)]
pub(super) struct Members(Map<String, Value>);

impl Members {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// The member, unless it was not given.
    pub(super) fn given(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The member, unless the list is empty.
    pub(super) fn listed(self, name: &str, values: Vec<String>) -> Self {
        if values.is_empty() {
            self
        } else {
            self.with(name, values)
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Members> for Value {
    fn from(members: Members) -> Self {
        Self::Object(members.0)
    }
}
