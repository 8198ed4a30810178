//! What the catalog tells of an API beside how it is called: categories, support, lifecycle.

use serde::Serialize;

/// Most categories of an API.
pub const CATEGORIES_MAX: usize = 10;
/// Longest category, in characters.
pub const CATEGORY_CHARACTERS_MAX: usize = 40;
/// Longest text of a custom lifecycle status, in characters.
pub const LIFECYCLE_CHARACTERS_MAX: usize = 40;

/// What people read of an API before they use it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ApiDetails {
    /// At most ten, sorted.
    pub categories: Vec<String>,
    /// Whom to write to; may be empty.
    pub support_email: String,
    /// Whom to call; may be empty.
    pub support_phone: String,
    /// May be empty.
    pub support_website: String,
    /// Where more is written; may be empty.
    pub documentation_url: String,
}

/// How far an API has come in its life, as its provider says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifecycle {
    /// It may still change.
    Beta,
    /// It is there to be used.
    #[default]
    GeneralRelease,
    /// It is not to be used in new apps.
    Deprecated,
    /// In the provider's own words.
    Custom(String),
}

impl Lifecycle {
    /// The stored and JSON form.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Beta => "beta",
            Self::GeneralRelease => "general_release",
            Self::Deprecated => "deprecated",
            Self::Custom(_) => "custom",
        }
    }

    /// The provider's own words; empty for every other status.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Custom(text) => text,
            _ => "",
        }
    }

    /// From the stored form. `text` counts for `custom` alone.
    #[must_use]
    pub fn parse(word: &str, text: &str) -> Option<Self> {
        match word {
            "beta" => Some(Self::Beta),
            "general_release" => Some(Self::GeneralRelease),
            "deprecated" => Some(Self::Deprecated),
            "custom" => Some(Self::Custom(text.to_owned())),
            _ => None,
        }
    }
}

/// How an instance stands in the API directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// How far it has come.
    pub lifecycle: Lifecycle,
    /// Whether organizations that may select the API find this instance in the directory.
    pub show_in_directory: bool,
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            lifecycle: Lifecycle::default(),
            show_in_directory: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lifecycle;

    #[test]
    fn a_lifecycle_goes_there_and_back() {
        for lifecycle in [
            Lifecycle::Beta,
            Lifecycle::GeneralRelease,
            Lifecycle::Deprecated,
            Lifecycle::Custom("Pilot".to_owned()),
        ] {
            let back = Lifecycle::parse(lifecycle.as_str(), lifecycle.text());
            assert_eq!(back, Some(lifecycle));
        }
        assert_eq!(Lifecycle::parse("retired", ""), None);
    }
}
