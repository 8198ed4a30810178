//! `portcullis app`: apps, the programs that call APIs. Their secrets are in `secret`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    arguments::{
        ActArguments, CreateArguments, DeleteArguments, EditArguments, FindArguments,
        PageArguments, ServerArguments, id,
    },
    failure::Failure,
    management_api::Request,
    members::Members,
    output::Columns,
    secret,
    session::Session,
    settings::Settings,
};

const COLUMNS: Columns = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("STATE", "/state"),
    ("API KEY", "/api_key"),
    ("APIS", "/apis"),
    ("ORGANIZATION", "/organization_id"),
];

const APIS: Columns = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("PROVIDER", "/summary/organization_name"),
    ("AVAILABLE", "/available"),
    ("ENVIRONMENT", "/summary/instances/0/environment"),
    ("GATEWAY PATH", "/summary/instances/0/gateway_path"),
];

/// Arguments of `portcullis app`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the apps you may see.
    List {
        /// Only those of this organization.
        #[arg(long, value_name = "ID", value_parser = id)]
        organization: Option<String>,
        /// Only those in these states, separated by commas: enabled, disabled, deleted.
        #[arg(long, value_name = "STATES")]
        state: Option<String>,
        #[command(flatten)]
        find: FindArguments,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Show when the gateway first and last saw a call of an app, and how many in the last 24 hours.
    Calls {
        /// The app's id.
        #[arg(value_name = "APP", value_parser = id)]
        app: String,
    },
    /// List the APIs that an app selected, with the gateway paths they answer at.
    Apis {
        /// The app's id.
        #[arg(value_name = "APP", value_parser = id)]
        app: String,
    },
    /// Show an app.
    Get {
        /// The app's id.
        #[arg(value_name = "APP", value_parser = id)]
        app: String,
    },
    /// Register an app; its API Secret is printed this once.
    Create {
        /// Its name, at most 40 characters.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// The organization that owns it.
        #[arg(long, value_name = "ID", value_parser = id)]
        organization: String,
        #[command(flatten)]
        details: Details,
        #[arg(
            long,
            value_name = "FILE",
            help = "Put API_KEY and API_SECRET into this file, readable by you alone, and do not \
                print the secret"
        )]
        env_file: Option<PathBuf>,
        #[command(flatten)]
        create: CreateArguments,
    },
    /// Change an app. --api replaces the whole selection.
    Update {
        /// The app's id.
        #[arg(value_name = "APP", value_parser = id)]
        app: String,
        /// Its name, at most 40 characters.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        #[command(flatten)]
        details: Details,
        #[command(flatten)]
        edit: EditArguments,
    },
    /// Let a disabled app act again.
    Enable {
        /// The app's id.
        #[arg(value_name = "APP", value_parser = id)]
        app: String,
        #[command(flatten)]
        act: ActArguments,
    },
    /// Stop an app for the time being: no tokens, no calls.
    Disable {
        /// The app's id.
        #[arg(value_name = "APP", value_parser = id)]
        app: String,
        #[command(flatten)]
        act: ActArguments,
    },
    /// Refuse every token that was issued to it so far.
    RevokeTokens {
        /// The app's id.
        #[arg(value_name = "APP", value_parser = id)]
        app: String,
        #[command(flatten)]
        act: ActArguments,
    },
    /// Delete an app for good.
    Delete {
        /// The app's id.
        #[arg(value_name = "APP", value_parser = id)]
        app: String,
        #[command(flatten)]
        delete: DeleteArguments,
    },
}

#[derive(Debug, Args)]
struct Details {
    /// What it does.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Its website.
    #[arg(long, value_name = "URL")]
    website: Option<String>,
    /// Its redirect URL; not needed for client credentials.
    #[arg(long, value_name = "URL")]
    callback_url: Option<String>,
    /// An API that it calls; may be repeated.
    #[arg(long = "api", value_name = "API", value_parser = id)]
    apis: Vec<String>,
}

impl Details {
    fn members(self) -> Members {
        Members::new()
            .given("description", self.description)
            .given("website", self.website)
            .given("callback_url", self.callback_url)
            .listed("apis", self.apis)
    }
}

/// Carries out the command.
#[expect(clippy::too_many_lines, reason = "one arm for each command")]
pub(super) async fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    let session = Session::open(&arguments.server, settings)?;
    match arguments.act {
        Act::List {
            organization,
            state,
            find,
            page,
        } => {
            let request = Request::get(["apps"])
                .query("organization_id", organization)
                .query("state", state);
            session.list(find.of(request), &page, COLUMNS).await
        }
        Act::Calls { app } => {
            let request = Request::get(["apps", &app, "calls_summary"]);
            session.show(request).await
        }
        Act::Apis { app } => {
            let request = Request::get(["apps", &app, "apis"]);
            session.whole_list(request, APIS).await
        }
        Act::Get { app } => session.show(Request::get(["apps", &app])).await,
        Act::Create {
            name,
            organization,
            details,
            env_file,
            create,
        } => {
            let members = details.members().with("name", name);
            let members = members.with("organization_id", organization);
            let request = Request::post(["apps"]).body(members.into());
            session
                .create_with_secret(request, create, secret::names_of_app(env_file))
                .await
        }
        Act::Update {
            app,
            name,
            details,
            edit,
        } => {
            let members = details.members().given("name", name);
            session
                .edit(Request::patch(["apps", &app]), members, edit)
                .await
        }
        Act::Enable { app, act } => {
            session
                .act(Request::post(["apps", &app, "enable"]).idempotent(), act)
                .await
        }
        Act::Disable { app, act } => {
            session
                .act(Request::post(["apps", &app, "disable"]).idempotent(), act)
                .await
        }
        Act::RevokeTokens { app, act } => {
            session
                .act(
                    Request::post(["apps", &app, "revoke_tokens"]).idempotent(),
                    act,
                )
                .await
        }
        Act::Delete { app, delete } => {
            let look_up = Request::get(["apps", &app]);
            session
                .delete(
                    "app",
                    &look_up,
                    Request::delete(["apps", &app]).idempotent(),
                    delete,
                )
                .await
        }
    }
}
