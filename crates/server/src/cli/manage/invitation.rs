//! `portcullis invitation`: people who were asked to join an organization and have not answered.

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
    ("ID", "/id"),
    ("EMAIL", "/email"),
    ("ROLE", "/role"),
    ("INVITED BY", "/invited_by"),
    ("ENDS", "/expires_at"),
];

/// Arguments of `portcullis invitation`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List invitations that were not accepted yet.
    List {
        /// The organization's id.
        #[arg(value_name = "ORGANIZATION", value_parser = id)]
        organization: String,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Invite somebody by mail, for a week.
    Create {
        /// The organization's id.
        #[arg(value_name = "ORGANIZATION", value_parser = id)]
        organization: String,
        /// Where the mail goes.
        #[arg(long, value_name = "EMAIL")]
        email: String,
        /// As what: owner, admin, `api_developer`, `app_developer` or viewer.
        #[arg(long, value_name = "ROLE", default_value = "viewer")]
        role: String,
    },
    /// Revoke an invitation: its link no longer works.
    Revoke(Which),
    /// Send an invitation again, with a new link.
    Resend(Which),
}

#[derive(Debug, Args)]
struct Which {
    /// The organization's id.
    #[arg(value_name = "ORGANIZATION", value_parser = id)]
    organization: String,
    /// The invitation's id.
    #[arg(value_name = "INVITATION", value_parser = id)]
    invitation: String,
}

/// Carries out the command.
pub(super) async fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    let session = Session::open(&arguments.server, settings)?;
    match arguments.act {
        Act::List { organization, page } => {
            let request = Request::get(["organizations", &organization, "invitations"]);
            session.list(request, &page, COLUMNS).await
        }
        Act::Create {
            organization,
            email,
            role,
        } => {
            let body = Members::new().with("email", email).with("role", role);
            let request = Request::post(["organizations", &organization, "invitations"]);
            session.show(request.body(body.into())).await
        }
        Act::Revoke(which) => {
            let path = [
                "organizations",
                &which.organization,
                "invitations",
                &which.invitation,
            ];
            session.show(Request::delete(path)).await
        }
        Act::Resend(which) => {
            let path = [
                "organizations",
                &which.organization,
                "invitations",
                &which.invitation,
                "resend",
            ];
            session.show(Request::post(path)).await
        }
    }
}
