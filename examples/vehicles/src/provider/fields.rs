//! Reads the members of a JSON document one by one and collects everything that is wrong with
//! them, so that a caller learns all of it from one answer. Knows no vehicle.

use super::answer::Failure;
use serde::Serialize;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// One member that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    pub(super) field: String,
    pub(super) message: String,
}

pub(super) struct Fields<'a> {
    document: &'a Map<String, Value>,
    problems: Vec<Problem>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(document: &'a Map<String, Value>) -> Self {
        let problems = Vec::new();
        Self { document, problems }
    }

    /// The document is refused if anything was wrong.
    pub(super) fn finish(self) -> Result<(), Failure> {
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(Failure::invalid(self.problems))
    }

    pub(super) fn wrong(&mut self, field: &str, message: impl Into<String>) {
        self.problems.push(Problem {
            field: field.to_owned(),
            message: message.into(),
        });
    }

    /// Text with something in it, on one line.
    pub(super) fn text(&mut self, field: &str, chars_max: usize) -> Option<String> {
        let text = self.get(field).and_then(Value::as_str).map(str::trim);
        match text {
            Some(text) if fits(text, chars_max) && !text.is_empty() => Some(text.to_owned()),
            _ => {
                let message = format!("must be text of 1 to {chars_max} characters");
                self.wrong(field, message);
                None
            }
        }
    }

    pub(super) fn text_or_empty(&mut self, field: &str, chars_max: usize) -> Option<String> {
        match self.get(field) {
            None | Some(Value::Null) => Some(String::new()),
            Some(_) => self.text(field, chars_max),
        }
    }

    pub(super) fn whole(&mut self, field: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let number = self.get(field).and_then(Value::as_u64);
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let message = format!(
                "must be a whole number from {} to {}",
                range.start(),
                range.end()
            );
            self.wrong(field, message);
        }
        number
    }

    pub(super) fn whole_or(
        &mut self,
        field: &str,
        range: RangeInclusive<u64>,
        absent: u64,
    ) -> Option<u64> {
        match self.get(field) {
            None | Some(Value::Null) => Some(absent),
            Some(_) => self.whole(field, range),
        }
    }

    /// An amount of money above zero, rounded to hundredths.
    pub(super) fn amount(&mut self, field: &str, most: f64) -> Option<f64> {
        let amount = self.get(field).and_then(Value::as_f64);
        let amount = amount.map(|amount| (amount * 100.0).round() / 100.0);
        let amount = amount.filter(|amount| *amount > 0.0 && *amount <= most);
        if amount.is_none() {
            self.wrong(
                field,
                format!("must be a number above 0 and at most {most}"),
            );
        }
        amount
    }

    /// One of a few words; `read` knows which, `all` names them.
    pub(super) fn word<T>(
        &mut self,
        field: &str,
        read: impl Fn(&str) -> Option<T>,
        all: impl Fn() -> String,
    ) -> Option<T> {
        let word = self.get(field).and_then(Value::as_str).and_then(read);
        if word.is_none() {
            self.wrong(field, format!("must be one of: {}", all()));
        }
        word
    }

    /// `path` is member names with dots between them.
    fn get(&self, path: &str) -> Option<&'a Value> {
        let mut names = path.split('.');
        let first = self.document.get(names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))
    }
}

fn fits(text: &str, chars_max: usize) -> bool {
    text.chars().count() <= chars_max && !text.chars().any(char::is_control)
}
