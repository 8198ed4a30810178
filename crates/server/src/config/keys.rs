//! `[keys]`: the key that seals everything secret in the store.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The key that seals everything secret in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// The file that holds it, mode 0600; made at first start. Back it up apart from the database: without it
    /// the signing keys in the store cannot be read.
    pub master_key_file: PathBuf,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            master_key_file: PathBuf::from("./data/master.key"),
        }
    }
}
