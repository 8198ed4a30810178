//! `portcullis node`: the processes that decide (operators).

use clap::{Args, Subcommand};

use super::{
    arguments::{ActArguments, ServerArguments, id},
    failure::Failure,
    management_api::Request,
    output::Columns,
    session::Session,
    settings::Settings,
};

const COLUMNS: Columns = &[
    ("ID", "/id"),
    ("ROLES", "/roles"),
    ("CHANGE", "/seq"),
    ("JOINED", "/joined_at"),
    ("SEEN", "/seen_at"),
];

/// Arguments of `portcullis node`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the nodes and how far each has followed the changes.
    List,
    /// Wait for a node no longer. Only for one that has stopped: it would go on deciding by what it knows.
    Forget {
        /// The node's id.
        #[arg(value_name = "NODE", value_parser = id)]
        node: String,
        #[command(flatten)]
        act: ActArguments,
    },
}

/// Carries out the command.
pub(super) async fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    let session = Session::open(&arguments.server, settings)?;
    match arguments.act {
        Act::List => session.whole_list(Request::get(["nodes"]), COLUMNS).await,
        Act::Forget { node, act } => {
            session
                .act(Request::post(["nodes", &node, "forget"]), act)
                .await
        }
    }
}
