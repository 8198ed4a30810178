//! The portcullis program: command line, configuration, roles, listeners, shutdown.
//!
//! The only crate that reads files, environment and arguments, and the only one that knows all roles. A
//! library, so that tests can start the program in their own process; `main.rs` is three lines.

/// The command line.
pub mod cli;
/// The system clock.
pub mod clock;
/// From configuration to running roles.
pub mod compose;
/// The configuration file.
pub mod config;
/// `portcullis dev`.
pub mod dev;
/// The file that holds the master key.
pub mod master_key;
/// The operations port: health, readiness, metrics.
pub mod operations;
/// Who holds a port that we want.
pub mod port_holder;
/// What happened on the hot path: request records and usage.
pub mod recorder;
/// One function for each role.
pub mod roles;
/// Signals and the order in which things stop.
pub mod shutdown;
/// Logs and metrics of this process.
pub mod telemetry;
/// Certificates.
pub mod tls;
