//! `portcullis audit`: who did what.

use clap::{Args, Subcommand, ValueEnum};

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
    /// Write every act that is asked for to standard output, newest first.
    Export {
        #[command(flatten)]
        filter: Filter,
        /// How each is written.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// A JSON object per line.
    #[default]
    Ndjson,
    /// For spreadsheets; no cell is taken for a formula.
    Csv,
}

#[derive(Debug, Args)]
struct Filter {
    /// Only on things of this organization.
    #[arg(long, value_name = "ID", value_parser = id)]
    organization: Option<String>,
    /// Only by this actor: a sign-in name, or system.
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// Only this action, such as app.create, or those that begin with this: app.
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only on things of this kind, such as app.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only on the thing with this id.
    #[arg(long, value_name = "ID", value_parser = id)]
    entity: Option<String>,
    /// Only at this instant or later, as RFC 3339.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only before this instant, as RFC 3339.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
}

impl Filter {
    fn of(self, request: Request) -> Request {
        request
            .query("organization_id", self.organization)
            .query("actor", self.actor)
            .query("action", self.action)
            .query("entity_kind", self.kind)
            .query("entity_id", self.entity)
            .query("from", self.from)
            .query("to", self.to)
    }
}

/// Carries out the command.
pub(super) async fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    let session = Session::open(&arguments.server, settings)?;
    match arguments.act {
        Act::List { filter, page } => {
            let request = filter.of(Request::get(["audit"]));
            session.list(request, &page, COLUMNS).await
        }
        Act::Export { filter, format } => {
            let format = match format {
                Format::Ndjson => "ndjson",
                Format::Csv => "csv",
            };
            let request = Request::get(["audit", "export"]).query("format", Some(format));
            session.copy(filter.of(request)).await
        }
    }
}
