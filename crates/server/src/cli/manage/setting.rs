//! `portcullis setting`: settings of the whole installation, which operators change while it runs.

use clap::{Args, Subcommand, ValueEnum};

use super::{
    arguments::{EditArguments, ServerArguments},
    failure::Failure,
    management_api::Request,
    members::Members,
    session::Session,
    settings::Settings,
};

/// Arguments of `portcullis setting`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the settings.
    List,
    /// Change settings; what is not given stays.
    Set {
        /// Whether strangers may sign up.
        #[arg(long, value_enum)]
        registration: Option<Registration>,
        /// What pages and mails call the installation.
        #[arg(long, value_name = "NAME")]
        installation_name: Option<String>,
        /// Where people are sent with questions; "" for nowhere.
        #[arg(long, value_name = "EMAIL")]
        support_email: Option<String>,
        #[command(flatten)]
        edit: EditArguments,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Registration {
    /// Anybody may sign up.
    Open,
    /// New people come by invitation alone.
    Closed,
}

/// Carries out the command.
pub(super) async fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    let session = Session::open(&arguments.server, settings)?;
    match arguments.act {
        Act::List => session.show(Request::get(["settings"])).await,
        Act::Set {
            registration,
            installation_name,
            support_email,
            edit,
        } => {
            let registration = registration.map(|registration| match registration {
                Registration::Open => "open",
                Registration::Closed => "closed",
            });
            let members = Members::new()
                .given("registration", registration)
                .given("installation_name", installation_name)
                .given("support_email", support_email);
            session
                .edit(Request::patch(["settings"]), members, edit)
                .await
        }
    }
}
