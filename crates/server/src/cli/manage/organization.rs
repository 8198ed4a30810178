//! `portcullis org`: organizations, which own apps and APIs and activate apps of others.

use clap::{Args, Subcommand};

use super::{
    arguments::{
        ActArguments, CreateArguments, EditArguments, FindArguments, PageArguments,
        ServerArguments, id,
    },
    failure::Failure,
    management_api::Request,
    members::Members,
    output::Columns,
    session::Session,
    settings::Settings,
};

const COLUMNS: Columns = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("STATE", "/state"),
    ("COUNTRY", "/country_code"),
    ("NAMESPACES", "/namespaces"),
];

/// Arguments of `portcullis org`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the organizations you may see.
    List {
        #[command(flatten)]
        find: FindArguments,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Show an organization.
    Get {
        /// The organization's id.
        #[arg(value_name = "ORGANIZATION", value_parser = id)]
        organization: String,
    },
    /// Make an organization (operators).
    Create {
        /// Its name.
        #[arg(long, value_name = "NAME")]
        name: String,
        #[command(flatten)]
        details: Details,
        /// A namespace of its APIs; may be repeated.
        #[arg(long = "namespace", value_name = "NAMESPACE")]
        namespaces: Vec<String>,
        #[command(flatten)]
        create: CreateArguments,
    },
    /// Change an organization.
    Update {
        /// The organization's id.
        #[arg(value_name = "ORGANIZATION", value_parser = id)]
        organization: String,
        /// Its name.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        #[command(flatten)]
        details: Details,
        #[command(flatten)]
        edit: EditArguments,
    },
    /// Give it a further namespace for its APIs (operators).
    AddNamespace {
        /// The organization's id.
        #[arg(value_name = "ORGANIZATION", value_parser = id)]
        organization: String,
        /// The namespace.
        #[arg(value_name = "NAMESPACE")]
        namespace: String,
        #[command(flatten)]
        act: ActArguments,
    },
    /// Stop everything of it for the time being (operators).
    Suspend {
        /// The organization's id.
        #[arg(value_name = "ORGANIZATION", value_parser = id)]
        organization: String,
        #[command(flatten)]
        act: ActArguments,
    },
    /// Let a suspended one go on (operators).
    Resume {
        /// The organization's id.
        #[arg(value_name = "ORGANIZATION", value_parser = id)]
        organization: String,
        #[command(flatten)]
        act: ActArguments,
    },
}

#[derive(Debug, Args)]
struct Details {
    /// Its address, on one line.
    #[arg(long, value_name = "TEXT")]
    address: Option<String>,
    /// ISO 3166 code of two letters.
    #[arg(long, value_name = "CODE")]
    country_code: Option<String>,
    /// Its telephone number.
    #[arg(long, value_name = "TEXT")]
    phone_number: Option<String>,
    /// Its website.
    #[arg(long, value_name = "URL")]
    website: Option<String>,
    /// Mail address of its primary contact.
    #[arg(long, value_name = "EMAIL")]
    contact_email: Option<String>,
}

impl Details {
    fn members(self) -> Members {
        Members::new()
            .given("address", self.address)
            .given("country_code", self.country_code)
            .given("phone_number", self.phone_number)
            .given("website", self.website)
            .given("contact_email", self.contact_email)
    }
}

/// Carries out the command.
pub(super) async fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    let session = Session::open(&arguments.server, settings)?;
    match arguments.act {
        Act::List { find, page } => {
            let request = find.of(Request::get(["organizations"]));
            session.list(request, &page, COLUMNS).await
        }
        Act::Get { organization } => {
            session
                .show(Request::get(["organizations", &organization]))
                .await
        }
        Act::Create {
            name,
            details,
            namespaces,
            create,
        } => {
            let members = details
                .members()
                .with("name", name)
                .listed("namespaces", namespaces);
            let request = Request::post(["organizations"]).body(members.into());
            session.create(request, create).await
        }
        Act::Update {
            organization,
            name,
            details,
            edit,
        } => {
            let members = details.members().given("name", name);
            session
                .edit(
                    Request::patch(["organizations", &organization]),
                    members,
                    edit,
                )
                .await
        }
        Act::AddNamespace {
            organization,
            namespace,
            act,
        } => {
            let body = Members::new().with("namespace", namespace);
            let request = Request::post(["organizations", &organization, "namespaces"]);
            session
                .act(request.body(body.into()).idempotent(), act)
                .await
        }
        Act::Suspend { organization, act } => {
            let request = Request::post(["organizations", &organization, "suspend"]);
            session.act(request.idempotent(), act).await
        }
        Act::Resume { organization, act } => {
            let request = Request::post(["organizations", &organization, "resume"]);
            session.act(request.idempotent(), act).await
        }
    }
}
