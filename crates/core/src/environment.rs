//! The environments of an API.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where an API instance stands. It never changes after creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// For customers.
    Production,
    /// For partners to try ("UAT" on old forms).
    #[serde(alias = "uat")]
    Test,
    /// For the provider alone.
    Dev,
}

impl Environment {
    /// Every environment, in the order pages show them.
    pub const ALL: [Self; 3] = [Self::Production, Self::Test, Self::Dev];

    /// What is glued to the namespace in a gateway path.
    #[must_use]
    pub const fn namespace_suffix(self) -> &'static str {
        match self {
            Self::Production => "",
            Self::Test => "-test",
            Self::Dev => "-dev",
        }
    }

    /// The stored and JSON form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Test => "test",
            Self::Dev => "dev",
        }
    }

    /// The form on the old wire: `Production`, `Test`, `Dev`.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Production => "Production",
            Self::Test => "Test",
            Self::Dev => "Dev",
        }
    }

    /// From the stored form, or from `uat` in any case; `None` for any other word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "production" => Some(Self::Production),
            "test" | "uat" => Some(Self::Test),
            "dev" => Some(Self::Dev),
            _ => None,
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
