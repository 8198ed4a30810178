//! The command line: what commands there are, and which exit code each failure gets.
//!
//! Exit codes: 0, 1 (anything failed, start and configuration included), 2 (usage), and for commands that
//! talk to a server 3 not authenticated, 4 forbidden, 5 not found, 6 conflict, 7 validation, 8 rate or quota,
//! 9 server or provider error, 10 network or time-out.

/// Commands for whoever has the machine itself.
pub mod admin;
/// Commands that talk to a running installation.
pub mod manage;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{compose, config::Role, dev};

/// Opens a company's APIs to partner apps, on behalf of its customers.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything on this machine with sample data, for development.
    Dev(DevArguments),
    /// Start the roles of a production node.
    Serve(ServeArguments),
    /// What whoever has the machine itself may do without being signed in.
    Admin(admin::Arguments),
    #[command(flatten)]
    Manage(manage::Command),
}

/// Arguments of `portcullis dev`.
#[derive(Debug, Clone, Args)]
pub struct DevArguments {
    /// Where the data is kept; delete it to start over.
    #[arg(long, value_name = "DIR", default_value = "./.portcullis")]
    pub data_dir: PathBuf,
    /// The first of the ports: N portal and token server, N+1 gateway, N+2 operations, N+3 sample provider;
    /// the example app is at 5000 when N is 8080 and at N+4 otherwise.
    #[arg(long, value_name = "N", default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..=65_000))]
    pub port_base: u16,
    /// Serve all of it over https with a certificate made for DIR.
    #[arg(long)]
    pub tls: bool,
}

/// Arguments of `portcullis serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeArguments {
    /// The configuration file. Without one: SQLite in ./data, all roles, loopback.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The roles of this node.
    #[arg(
        long,
        value_name = "ROLES",
        value_delimiter = ',',
        default_value = "auth,gateway,registry"
    )]
    pub roles: Vec<Role>,
}

/// Runs the command line and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Serve(arguments) => compose::serve(&arguments),
        Command::Admin(arguments) => admin::run(&arguments),
        Command::Manage(command) => return manage::run(command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes one message to standard error, as a person reads it.
#[expect(clippy::print_stderr, reason = "the command line speaks to people")]
pub fn complain(message: &str) {
    eprintln!("portcullis: {message}");
}

/// Writes text to standard output: data, or the block of addresses.
#[expect(clippy::print_stdout, reason = "the command line's one exception")]
pub fn say(text: &str) {
    println!("{text}");
}
