//! `portcullis key`: the keys that sign tokens (operators).

use clap::{Args, Subcommand, ValueEnum};

use super::{
    arguments::{ActArguments, ServerArguments},
    failure::Failure,
    management_api::Request,
    members::Members,
    output::Columns,
    session::Session,
    settings::Settings,
};

const COLUMNS: Columns = &[
    ("ID", "/id"),
    ("PURPOSE", "/purpose"),
    ("STATE", "/state"),
    ("CREATED", "/created_at"),
    ("PUBLISHED UNTIL", "/published_until"),
];

/// Arguments of `portcullis key`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the signing keys.
    List,
    /// Sign with the next key from now on, and publish a new next one.
    Rotate {
        /// Which keys: those for tokens of apps, or those for what we send to providers.
        #[arg(long, value_enum, default_value = "client")]
        purpose: Purpose,
        /// Even if not every verifier can have seen the next key yet.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        act: ActArguments,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Purpose {
    /// Tokens that the token server issues.
    Client,
    /// Tokens that we send to providers.
    Outbound,
}

/// Carries out the command.
pub(super) async fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    let session = Session::open(&arguments.server, settings)?;
    match arguments.act {
        Act::List => session.whole_list(Request::get(["keys"]), COLUMNS).await,
        Act::Rotate {
            purpose,
            force,
            act,
        } => {
            let purpose = match purpose {
                Purpose::Client => "client",
                Purpose::Outbound => "outbound",
            };
            let members = Members::new()
                .with("purpose", purpose)
                .given("force", force.then_some(true));
            // Not to be repeated: with `force` a second rotation would follow the first.
            session
                .act(Request::post(["keys", "rotate"]).body(members.into()), act)
                .await
        }
    }
}
