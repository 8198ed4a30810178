//! `portcullis user`: people who sign in (operators).

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    arguments::{CreateArguments, PageArguments, ServerArguments, id},
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
    ("NAME", "/full_name"),
    ("OPERATOR", "/is_operator"),
    ("DISABLED", "/disabled_at"),
];

/// Arguments of `portcullis user`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List people.
    List {
        /// Only those whose name or address contains this.
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Show a person.
    Get {
        /// The person's id.
        #[arg(value_name = "USER", value_parser = id)]
        user: String,
    },
    /// Make a person, without a password: `user reset-password` sends a link that sets one.
    Create {
        /// The sign-in name.
        #[arg(long, value_name = "EMAIL")]
        email: String,
        /// The person's name.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Lets the person act on every organization.
        #[arg(long)]
        operator: bool,
        /// Makes the person a member: ORGANIZATION=ROLE; may be repeated.
        #[arg(long = "member-of", value_name = "ORGANIZATION=ROLE", value_parser = membership)]
        memberships: Vec<(String, String)>,
        #[command(flatten)]
        create: CreateArguments,
    },
    /// Change a person.
    Update {
        /// The person's id.
        #[arg(value_name = "USER", value_parser = id)]
        user: String,
        /// The person's name.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Whether the person acts on every organization.
        #[arg(long, value_name = "true|false")]
        operator: Option<bool>,
        /// Change it only if it still has this revision; without it, whatever is there.
        #[arg(long, value_name = "N")]
        if_revision: Option<i64>,
    },
    /// End the person's sessions, and refuse sign-in and tokens.
    Disable {
        /// The person's id.
        #[arg(value_name = "USER", value_parser = id)]
        user: String,
    },
    /// Let a disabled person sign in again.
    Enable {
        /// The person's id.
        #[arg(value_name = "USER", value_parser = id)]
        user: String,
    },
    /// Send the person a mail with a link that sets a new password.
    ResetPassword {
        /// The person's id.
        #[arg(value_name = "USER", value_parser = id)]
        user: String,
    },
}

fn membership(text: &str) -> Result<(String, String), String> {
    let (organization, role) = text
        .split_once('=')
        .ok_or("ORGANIZATION=ROLE is expected, such as 6f1e8a2c-...=viewer")?;
    Ok((id(organization)?, role.to_owned()))
}

/// Carries out the command.
pub(super) async fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    let session = Session::open(&arguments.server, settings)?;
    match arguments.act {
        Act::List { search, page } => {
            let request = Request::get(["users"]).query("q", search);
            session.list(request, &page, COLUMNS).await
        }
        Act::Get { user } => session.show(Request::get(["users", &user])).await,
        Act::Create {
            email,
            name,
            operator,
            memberships,
            create,
        } => {
            let memberships: Vec<Value> = memberships
                .into_iter()
                .map(|(organization, role)| json!({"organization_id": organization, "role": role}))
                .collect();
            let members = Members::new()
                .with("email", email)
                .with("full_name", name)
                .with("is_operator", operator)
                .with("memberships", memberships);
            let request = Request::post(["users"]).body(members.into());
            session.create(request, create).await
        }
        Act::Update {
            user,
            name,
            operator,
            if_revision,
        } => {
            let members = Members::new()
                .given("full_name", name)
                .given("is_operator", operator);
            if members.is_empty() {
                let failure = Failure::usage("there is nothing to change");
                return Err(failure.fix("give what is to be changed; --help lists it"));
            }
            let request = Request::patch(["users", &user]).body(members.into());
            let request = match if_revision {
                Some(revision) => request.only_revision(revision),
                None => request.idempotent(),
            };
            session.show(request).await
        }
        Act::Disable { user } => {
            let request = Request::post(["users", &user, "disable"]);
            session.show(request.idempotent()).await
        }
        Act::Enable { user } => {
            let request = Request::post(["users", &user, "enable"]);
            session.show(request.idempotent()).await
        }
        Act::ResetPassword { user } => {
            let request = Request::post(["users", &user, "send_password_reset"]);
            session.show(request).await
        }
    }
}
