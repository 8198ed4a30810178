//! `portcullis audit`: who did what.

use clap::{Args, Subcommand};

use super::{
    arguments::{PageArguments, ServerArguments, id},
    failure::Failure,
    management_api::Request,
    output::Columns,
    session::Session,
    settings::Settings,
};

const COLUMNS: Columns = &[
    ("AT", "/at"),
    ("ACTOR", "/actor"),
    ("ACTION", "/action"),
    ("KIND", "/entity_kind"),
    ("ID", "/entity_id"),
    ("ORGANIZATION", "/organization_id"),
];

/// Arguments of `portcullis audit`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List acts, newest first.
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        page: PageArguments,
    },
}

#[derive(Debug, Args)]
struct Filter {
    /// Only on things of this organization.
    #[arg(long, value_name = "ID", value_parser = id)]
    organization: Option<String>,
    /// Only by this actor: a sign-in name, or system.
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// Only this action, such as app.create.
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only on things of this kind, such as app.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only on the thing with this id.
    #[arg(long, value_name = "ID", value_parser = id)]
    entity: Option<String>,
}

/// Carries out the command.
pub(super) async fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    let session = Session::open(&arguments.server, settings)?;
    let Act::List { filter, page } = arguments.act;
    let request = Request::get(["audit"])
        .query("organization_id", filter.organization)
        .query("actor", filter.actor)
        .query("action", filter.action)
        .query("entity_kind", filter.kind)
        .query("entity_id", filter.entity);
    session.list(request, &page, COLUMNS).await
}
