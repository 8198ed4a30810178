//! Filters of a list: they stand in the URL, so that a list as it is seen can be linked to.

/// The names and values of filters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filters(Vec<(&'static str, String)>);

impl Filters {
    /// Adds a filter. Empty text is none.
    pub(crate) fn and(mut self, name: &'static str, value: &str) -> Self {
        let value = value.trim();
        if !value.is_empty() {
            self.0.push((name, value.to_owned()));
        }
        self
    }

    /// Whether nothing is filtered.
    pub(crate) fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// As a query of the management API.
    pub(crate) fn query(&self) -> Vec<(&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect()
    }

    /// The path of the list with these filters.
    pub(crate) fn path(&self, path: &str) -> String {
        if self.0.is_empty() {
            return path.to_owned();
        }
        let pairs = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish();
        format!("{path}?{pairs}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_linked_with_its_filters() {
        let none = Filters::default().and("q", "  ");
        let some = Filters::default()
            .and("q", "a&b ")
            .and("state", "")
            .and("order", "newest");

        assert!(none.are_none() && !some.are_none());
        assert_eq!(none.path("/apps"), "/apps");
        assert_eq!(some.path("/apps"), "/apps?q=a%26b&order=newest");
        assert_eq!(some.query(), [("q", "a&b"), ("order", "newest")]);
    }
}
