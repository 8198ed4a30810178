//! Query parameters of a list, and one page of it.

use super::answer::Failure;
use serde::Serialize;
use url::form_urlencoded;

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 100;

/// The query of a list; the first of a repeated parameter counts, unknown ones do not.
pub(super) struct Query {
    parameters: Vec<(String, String)>,
}

#[derive(Clone, Copy)]
pub(super) struct Wanted {
    page: u32,
    limit: u32,
}

impl Query {
    pub(super) fn parse(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self {
            parameters: pairs.into_owned().collect(),
        }
    }

    /// `None` when absent or empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let mut values = self.parameters.iter().filter(|(key, _)| key == name);
        values
            .next()
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, Failure> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(Failure::bad_query(format!("{name} must be a number"))),
        }
    }

    pub(super) fn page(&self) -> Result<Wanted, Failure> {
        Ok(Wanted {
            page: self.whole("page", 1, u32::MAX)?,
            limit: self.whole("limit", LIMIT_DEFAULT, LIMIT_MAX)?,
        })
    }

    fn whole(&self, name: &str, absent: u32, most: u32) -> Result<u32, Failure> {
        let Some(text) = self.text(name) else {
            return Ok(absent);
        };
        match text.parse::<u32>() {
            Ok(number) if (1..=most).contains(&number) => Ok(number),
            _ => Err(Failure::bad_query(format!(
                "{name} must be a whole number from 1 to {most}"
            ))),
        }
    }
}

/// One page of a list.
#[derive(Serialize)]
pub(super) struct Page<T> {
    items: Vec<T>,
    #[serde(rename = "page")]
    number: u32,
    limit: u32,
    total: usize,
}

impl<T> Page<T> {
    /// A page beyond the end is empty.
    pub(super) fn cut(all: Vec<T>, Wanted { page, limit }: Wanted) -> Self {
        let total = all.len();
        let skipped = (u64::from(page) - 1) * u64::from(limit);
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let items = all.into_iter().skip(skipped).take(limit as usize);
        Self {
            items: items.collect(),
            number: page,
            limit,
            total,
        }
    }
}
