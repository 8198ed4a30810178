//! Pages of lists: keyset cursors over `(instant, id)`, so that a page costs the same wherever it begins.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis_core::{clock::Timestamp, ids::ID_BYTES_MAX};

/// Most entries of one page.
const PAGE_LIMIT_MAX: u32 = 500;

/// Where a page ends and the next one begins. Opaque to callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(String);

/// The text is no cursor that we made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor of a page; take it from the page before, unchanged")]
pub struct InvalidCursor;

impl Cursor {
    /// Takes a cursor back from a caller.
    ///
    /// # Errors
    /// [`InvalidCursor`] when it is not one that we made.
    pub fn parse(text: &str) -> Result<Self, InvalidCursor> {
        let cursor = Self(text.to_owned());
        cursor.position().map(|_| cursor).ok_or(InvalidCursor)
    }

    /// What the caller sends back for the next page.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn at(instant: Timestamp, id: &str) -> Self {
        Self(URL_SAFE_NO_PAD.encode(format!("{}:{id}", instant.as_us())))
    }

    /// The key of the last entry before the page; `None` when the text is not ours.
    pub(crate) fn position(&self) -> Option<(i64, String)> {
        if self.0.len() > 4 * ID_BYTES_MAX {
            return None;
        }
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(&self.0).ok()?).ok()?;
        let (instant, id) = text.split_once(':')?;
        Some((instant.parse().ok()?, id.to_owned()))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// In which order a list is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// What was made first comes first.
    #[default]
    Oldest,
    /// What was made last comes first.
    Newest,
}

/// Which page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// `None` asks for the first page.
    pub after: Option<Cursor>,
    /// How many entries at most; 1 to 500, other values are taken as the nearest of these.
    pub limit: u32,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self {
            after: None,
            limit: 50,
        }
    }
}

impl PageRequest {
    /// The first page with this many entries.
    #[must_use]
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }

    /// The key after which an ascending page begins; below every key for the first page.
    pub(crate) fn start(&self) -> (i64, String) {
        self.after
            .as_ref()
            .and_then(Cursor::position)
            .unwrap_or((i64::MIN, String::new()))
    }

    /// The key after which a descending page begins; above every key for the first page.
    pub(crate) fn start_descending(&self) -> (i64, String) {
        self.after
            .as_ref()
            .and_then(Cursor::position)
            .unwrap_or((i64::MAX, "~".to_owned()))
    }

    /// How many rows to read: one more than shown, to learn whether there is a next page.
    pub(crate) fn rows(&self) -> i64 {
        i64::from(self.limit.clamp(1, PAGE_LIMIT_MAX)) + 1
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Its entries.
    pub items: Vec<T>,
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Makes a page of what [`PageRequest::rows`] asked for. `key` names an entry.
    pub(crate) fn of(
        mut items: Vec<T>,
        request: &PageRequest,
        key: impl Fn(&T) -> (Timestamp, String),
    ) -> Self {
        let shown = usize::try_from(request.rows() - 1).unwrap_or(usize::MAX);
        let more = items.len() > shown;
        items.truncate(shown);
        let next = items.last().filter(|_| more).map(|last| {
            let (instant, id) = key(last);
            Cursor::at(instant, &id)
        });
        Self { items, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let cursor = Cursor::at(Timestamp::from_us(17), "a:b");

        let back = Cursor::parse(cursor.as_str()).unwrap();

        assert_eq!(back.position(), Some((17, "a:b".to_owned())));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "x", "!!!", "MTcg", &"A".repeat(2000)] {
            assert_eq!(Cursor::parse(text), Err(InvalidCursor), "{text}");
        }
    }

    #[test]
    fn the_last_page_has_no_next() {
        let request = PageRequest::first(2);
        let key = |n: &i64| (Timestamp::from_us(*n), n.to_string());

        assert_eq!(Page::of(vec![1, 2], &request, key).next, None);
        let page = Page::of(vec![1, 2, 3], &request, key);
        assert_eq!(page.items, [1, 2]);
        assert_eq!(page.next, Some(Cursor::at(Timestamp::from_us(2), "2")));
    }
}
