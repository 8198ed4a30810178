//! `portcullis subscription`: which organization activated which app.

use clap::{Args, Subcommand};

use super::{
    arguments::{ActArguments, CreateArguments, FindArguments, PageArguments, ServerArguments, id},
    failure::Failure,
    management_api::Request,
    members::Members,
    output::Columns,
    session::Session,
    settings::Settings,
};

const COLUMNS: Columns = &[
    ("ID", "/id"),
    ("STATE", "/state"),
    ("KIND", "/kind"),
    ("APP", "/app_id"),
    ("ORGANIZATION", "/organization_id"),
    ("CREATED", "/created_at"),
    ("ENDS", "/ends_at"),
];

/// Arguments of `portcullis subscription`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the subscriptions you may see, as a buyer or as the app's owner.
    List {
        /// Only those of this app.
        #[arg(long, value_name = "APP", value_parser = id)]
        app: Option<String>,
        /// For whom: those this organization has, and those its apps have.
        #[arg(long, value_name = "ID", value_parser = id)]
        organization: Option<String>,
        /// Only those of this buyer.
        #[arg(long, value_name = "ID", value_parser = id)]
        buyer: Option<String>,
        /// Only those in these states, separated by commas.
        #[arg(long, value_name = "STATES")]
        state: Option<String>,
        #[command(flatten)]
        find: FindArguments,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Show a subscription with its connections.
    Get {
        /// The Subscription-Id.
        #[arg(value_name = "SUBSCRIPTION", value_parser = id)]
        subscription: String,
    },
    /// Activate an app for an organization.
    Activate {
        /// The app's id.
        #[arg(long, value_name = "APP", value_parser = id)]
        app: String,
        /// The buyer's id.
        #[arg(long, value_name = "ID", value_parser = id)]
        organization: String,
        /// When it ends by itself, as RFC 3339 in UTC [default: never].
        #[arg(long, value_name = "TIME")]
        ends_at: Option<String>,
        #[command(flatten)]
        create: CreateArguments,
    },
    /// End a subscription for good; the very next call with it is refused.
    End {
        /// The Subscription-Id.
        #[arg(value_name = "SUBSCRIPTION", value_parser = id)]
        subscription: String,
        #[command(flatten)]
        act: ActArguments,
    },
    /// Stop a subscription for the time being.
    Suspend {
        /// The Subscription-Id.
        #[arg(value_name = "SUBSCRIPTION", value_parser = id)]
        subscription: String,
        #[command(flatten)]
        act: ActArguments,
    },
    /// Let a suspended subscription go on.
    Resume {
        /// The Subscription-Id.
        #[arg(value_name = "SUBSCRIPTION", value_parser = id)]
        subscription: String,
        #[command(flatten)]
        act: ActArguments,
    },
}

/// Carries out the command.
pub(super) async fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    let session = Session::open(&arguments.server, settings)?;
    let (subscription, verb, act) = match arguments.act {
        Act::List {
            app,
            organization,
            buyer,
            state,
            find,
            page,
        } => {
            let request = Request::get(["subscriptions"])
                .query("app_id", app)
                .query("buyer_id", buyer)
                .query("organization_id", organization)
                .query("state", state);
            return session.list(find.of(request), &page, COLUMNS).await;
        }
        Act::Get { subscription } => {
            return session
                .show(Request::get(["subscriptions", &subscription]))
                .await;
        }
        Act::Activate {
            app,
            organization,
            ends_at,
            create,
        } => {
            let members = Members::new()
                .with("organization_id", organization)
                .given("ends_at", ends_at);
            let request = Request::post(["apps", &app, "subscriptions"]).body(members.into());
            return session.create(request, create).await;
        }
        Act::End { subscription, act } => (subscription, "end", act),
        Act::Suspend { subscription, act } => (subscription, "suspend", act),
        Act::Resume { subscription, act } => (subscription, "resume", act),
    };
    session
        .act(
            Request::post(["subscriptions", &subscription, verb]).idempotent(),
            act,
        )
        .await
}
