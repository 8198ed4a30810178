//! `[telemetry]`: logs and request records.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{ByteSize, HumanDuration};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For machines.
    Json,
}

/// Logs and request records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// `pretty` or `json`. Log lines go to standard error.
    pub log_format: LogFormat,
    /// What is logged: a level such as `info`, or directives such as `info,portcullis_gateway=debug`.
    pub log: String,
    /// The folder of the request records: one line of JSON for each call, in segment files.
    pub request_records: PathBuf,
    /// Most space that request records take; the oldest segment goes first.
    pub request_records_max: ByteSize,
    /// How long request records are kept.
    pub request_records_age_max: HumanDuration,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Json,
            log: "info".to_owned(),
            request_records: PathBuf::from("./data/requests"),
            request_records_max: ByteSize::mebibytes(1024),
            request_records_age_max: HumanDuration::seconds(7 * 24 * 3600),
        }
    }
}
