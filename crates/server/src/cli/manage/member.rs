//! `portcullis member`: who belongs to an organization, and as what.

use clap::{Args, Subcommand};

use super::{
    arguments::{PageArguments, ServerArguments, id},
    failure::Failure,
    management_api::Request,
    members::Members,
    output::Columns,
    session::Session,
    settings::Settings,
};

const COLUMNS: Columns = &[
    ("USER", "/user_id"),
    ("EMAIL", "/email"),
    ("NAME", "/full_name"),
    ("ROLE", "/role"),
    ("DISABLED", "/disabled_at"),
];

/// Arguments of `portcullis member`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the members of an organization.
    List {
        /// The organization's id.
        #[arg(value_name = "ORGANIZATION", value_parser = id)]
        organization: String,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Give a member another role: owner, admin, `api_developer`, `app_developer` or viewer.
    SetRole {
        /// The organization's id.
        #[arg(value_name = "ORGANIZATION", value_parser = id)]
        organization: String,
        /// The member's id.
        #[arg(value_name = "USER", value_parser = id)]
        user: String,
        /// The role.
        #[arg(value_name = "ROLE")]
        role: String,
    },
    /// Remove a member, who loses access at once; with one's own id, leave.
    Remove {
        /// The organization's id.
        #[arg(value_name = "ORGANIZATION", value_parser = id)]
        organization: String,
        /// The member's id.
        #[arg(value_name = "USER", value_parser = id)]
        user: String,
    },
}

/// Carries out the command.
pub(super) async fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    let session = Session::open(&arguments.server, settings)?;
    match arguments.act {
        Act::List { organization, page } => {
            let request = Request::get(["organizations", &organization, "members"]);
            session.list(request, &page, COLUMNS).await
        }
        Act::SetRole {
            organization,
            user,
            role,
        } => {
            let body = Members::new().with("role", role);
            let request = Request::patch(["organizations", &organization, "members", &user]);
            session.show(request.body(body.into()).idempotent()).await
        }
        Act::Remove { organization, user } => {
            let request = Request::delete(["organizations", &organization, "members", &user]);
            session.show(request).await
        }
    }
}
