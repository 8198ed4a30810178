//! Commands that talk to a running installation: tokens and calls as an app makes them, and management
//! through the management API. Each noun has its own file below; starting roles is elsewhere.

mod api;
mod api_check;
mod api_instance;
mod app;
mod arguments;
mod audit;
mod call;
mod dev_env;
mod env_file;
mod example_app;
mod failure;
mod invitation;
mod job;
mod key;
mod mail;
mod management_api;
mod member;
mod members;
mod node;
mod organization;
mod output;
mod secret;
mod session;
mod setting;
mod settings;
mod subscription;
mod terminal;
mod token;
mod user;

use std::process::ExitCode;

use clap::Subcommand;

use failure::{Exit, Failure};
use settings::Settings;

/// A command that talks to a running installation.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Get an access token the way an app does.
    Token(Box<token::Arguments>),
    /// Make an authorized call through the gateway.
    Call(Box<call::Arguments>),
    /// Serve the example app alone.
    ExampleApp(Box<example_app::Arguments>),
    /// Organizations, which own apps and APIs and activate apps of others.
    Org(Box<organization::Arguments>),
    /// People who sign in.
    User(Box<user::Arguments>),
    /// Who belongs to an organization, and as what.
    Member(Box<member::Arguments>),
    /// People who were asked to join an organization and have not answered.
    Invitation(Box<invitation::Arguments>),
    /// Apps, the programs that call APIs.
    App(Box<app::Arguments>),
    /// API Secrets of apps and Client Secrets of APIs.
    Secret(Box<secret::Arguments>),
    /// APIs, and their instances behind the gateway.
    Api(Box<api::Arguments>),
    /// Subscriptions: which organization activated which app.
    Subscription(Box<subscription::Arguments>),
    /// The keys that sign tokens.
    Key(Box<key::Arguments>),
    /// Who did what.
    Audit(Box<audit::Arguments>),
    /// The processes that decide.
    Node(Box<node::Arguments>),
    /// Side effects owed, such as mails.
    Job(Box<job::Arguments>),
    /// Whether mail arrives.
    Mail(Box<mail::Arguments>),
    /// Settings of the whole installation.
    Setting(Box<setting::Arguments>),
}

/// Runs the command and returns its exit code.
#[must_use]
pub fn run(command: Command) -> ExitCode {
    match carry_out(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal::note(&failure.to_string());
            failure.exit().into()
        }
    }
}

fn carry_out(command: Command) -> Result<(), Failure> {
    let settings = Settings::of_process();
    if let Command::ExampleApp(arguments) = command {
        // It has a runtime of its own.
        return example_app::run(&arguments, &settings);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| {
        Failure::new(
            Exit::Unclassified,
            "runtime",
            format!("the program cannot start: {error}"),
        )
    })?;
    runtime.block_on(ask(command, &settings))
}

async fn ask(command: Command, settings: &Settings) -> Result<(), Failure> {
    match command {
        Command::Token(arguments) => token::run(*arguments, settings).await,
        Command::Call(arguments) => call::run(*arguments, settings).await,
        Command::ExampleApp(arguments) => example_app::run(&arguments, settings),
        Command::Org(arguments) => organization::run(*arguments, settings).await,
        Command::User(arguments) => user::run(*arguments, settings).await,
        Command::Member(arguments) => member::run(*arguments, settings).await,
        Command::Invitation(arguments) => invitation::run(*arguments, settings).await,
        Command::App(arguments) => app::run(*arguments, settings).await,
        Command::Secret(arguments) => secret::run(*arguments, settings).await,
        Command::Api(arguments) => api::run(*arguments, settings).await,
        Command::Subscription(arguments) => subscription::run(*arguments, settings).await,
        Command::Key(arguments) => key::run(*arguments, settings).await,
        Command::Audit(arguments) => audit::run(*arguments, settings).await,
        Command::Node(arguments) => node::run(*arguments, settings).await,
        Command::Job(arguments) => job::run(*arguments, settings).await,
        Command::Mail(arguments) => mail::run(*arguments, settings).await,
        Command::Setting(arguments) => setting::run(*arguments, settings).await,
    }
}
