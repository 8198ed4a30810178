//! `portcullis admin`: for whoever has the machine itself. These commands open the store, not the management API.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use super::say;
use crate::compose;

/// Arguments of `portcullis admin`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Print a link with which a person sets a new password, for half an hour and once.
    ///
    /// For an operator who is locked out. On an embedded database, stop the server first.
    RecoveryLink {
        /// The configuration file of the installation.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The sign-in name.
        #[arg(value_name = "EMAIL")]
        email: String,
    },
}

/// Carries out the command.
///
/// # Errors
/// One message that names what is wrong and what to do.
pub fn run(arguments: &Arguments) -> Result<()> {
    let Act::RecoveryLink { config, email } = &arguments.act;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the program cannot start")?;
    let link = runtime.block_on(compose::recovery_link(config.as_deref(), email))?;
    say(&link);
    Ok(())
}
