//! `portcullis mail`: whether mail arrives (operators).

use clap::{Args, Subcommand};

use super::{
    arguments::{ActArguments, ServerArguments},
    failure::Failure,
    management_api::Request,
    session::Session,
    settings::Settings,
};

/// Arguments of `portcullis mail`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Send a test mail to your own address; the job that is printed tells what became of it.
    Test {
        #[command(flatten)]
        act: ActArguments,
    },
}

/// Carries out the command.
pub(super) async fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    let session = Session::open(&arguments.server, settings)?;
    let Act::Test { act } = arguments.act;
    session.act(Request::post(["mail", "test"]), act).await
}
