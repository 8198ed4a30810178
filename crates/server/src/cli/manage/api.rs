//! `portcullis api`: APIs and with whom they are shared. Their instances are in `api_instance`, their
//! secrets in `secret`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{
    api_check, api_instance,
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
    ("VISIBILITY", "/visibility"),
    ("CLIENT ID", "/client_id"),
    ("ORGANIZATION", "/organization_id"),
];

const DIRECTORY: Columns = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("PROVIDER", "/summary/organization_name"),
    ("ACCESS", "/access"),
    ("CATEGORIES", "/categories"),
    ("VERSION", "/summary/instances/0/version"),
    ("GATEWAY PATH", "/summary/instances/0/gateway_path"),
];

/// Arguments of `portcullis api`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the APIs you may see.
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        find: FindArguments,
        #[command(flatten)]
        page: PageArguments,
    },
    /// List the APIs that apps of an organization may select.
    Directory {
        #[command(flatten)]
        filter: Filter,
        /// Only those filed under this.
        #[arg(long, value_name = "CATEGORY")]
        category: Option<String>,
        #[command(flatten)]
        find: FindArguments,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Say what a specification is and what is wrong with it, without keeping it. Exits with 7 when it cannot be
    /// taken.
    CheckSpec {
        /// Swagger 2.0 or OpenAPI 3, as JSON or YAML; - reads standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Test whether the gateway could reach a target. Exits with 10 when it could not.
    CheckTarget {
        /// The address of the provider's API.
        #[arg(value_name = "URL")]
        target_url: String,
        /// The organization that provides it.
        #[arg(long, value_name = "ID", value_parser = id)]
        organization: String,
    },
    /// Show an API.
    Get {
        /// The API's id.
        #[arg(value_name = "API", value_parser = id)]
        api: String,
    },
    /// Register an API; its Client Secret is printed this once.
    Create {
        /// Its name.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// The organization that provides it.
        #[arg(long, value_name = "ID", value_parser = id)]
        organization: String,
        /// Its id, a slug such as v1-vehicles [default: made of the name].
        #[arg(long, value_name = "API", value_parser = id)]
        id: Option<String>,
        #[command(flatten)]
        details: Details,
        #[arg(
            long,
            value_name = "FILE",
            help = "Put PROVIDER_KEY and PROVIDER_SECRET into this file, readable by you alone, and \
                do not print the secret"
        )]
        env_file: Option<PathBuf>,
        #[command(flatten)]
        create: CreateArguments,
    },
    /// Change an API.
    Update {
        /// The API's id.
        #[arg(value_name = "API", value_parser = id)]
        api: String,
        /// Its name.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        #[command(flatten)]
        details: Details,
        #[command(flatten)]
        edit: EditArguments,
    },
    /// Let a further organization select a private API.
    Share {
        /// The API's id.
        #[arg(value_name = "API", value_parser = id)]
        api: String,
        /// The organization's id.
        #[arg(long = "with", value_name = "ORGANIZATION", value_parser = id)]
        organization: String,
        #[command(flatten)]
        act: ActArguments,
    },
    /// Share it with this organization no longer.
    Unshare {
        /// The API's id.
        #[arg(value_name = "API", value_parser = id)]
        api: String,
        /// The organization's id.
        #[arg(long = "with", value_name = "ORGANIZATION", value_parser = id)]
        organization: String,
        #[command(flatten)]
        act: ActArguments,
    },
    /// Refuse every token that was issued to the API's own client so far.
    RevokeTokens {
        /// The API's id.
        #[arg(value_name = "API", value_parser = id)]
        api: String,
        #[command(flatten)]
        act: ActArguments,
    },
    /// Delete an API with its instances for good.
    Delete {
        /// The API's id.
        #[arg(value_name = "API", value_parser = id)]
        api: String,
        #[command(flatten)]
        delete: DeleteArguments,
    },
    /// An API in one environment and version, behind the gateway.
    Instance {
        #[command(subcommand)]
        act: api_instance::Act,
    },
}

#[derive(Debug, Args)]
struct Filter {
    /// For whom: those this organization provides or may select.
    #[arg(long, value_name = "ID", value_parser = id)]
    organization: Option<String>,
    /// Only those that this organization provides.
    #[arg(long, value_name = "ID", value_parser = id)]
    provider: Option<String>,
}

impl Filter {
    fn request(self, collection: &'static str) -> Request {
        Request::get([collection])
            .query("organization_id", self.organization)
            .query("provider_id", self.provider)
    }
}

#[derive(Debug, Args)]
struct Details {
    /// What it offers.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Who may select it.
    #[arg(long, value_enum)]
    visibility: Option<Visibility>,
    /// What it is filed under; may be repeated, and replaces what it was filed under.
    #[arg(long = "category", value_name = "CATEGORY")]
    categories: Vec<String>,
    /// Whom to write to.
    #[arg(long, value_name = "EMAIL")]
    support_email: Option<String>,
    /// Whom to call.
    #[arg(long, value_name = "NUMBER")]
    support_phone: Option<String>,
    /// Where help is found.
    #[arg(long, value_name = "URL")]
    support_website: Option<String>,
    /// Where more is written.
    #[arg(long, value_name = "URL")]
    documentation_url: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Visibility {
    /// Every organization.
    Public,
    /// The provider, and those it is shared with.
    Private,
}

impl Details {
    fn members(self) -> Members {
        let visibility = self.visibility.map(|visibility| match visibility {
            Visibility::Public => "public",
            Visibility::Private => "private",
        });
        Members::new()
            .given("description", self.description)
            .given("visibility", visibility)
            .listed("categories", self.categories)
            .given("support_email", self.support_email)
            .given("support_phone", self.support_phone)
            .given("support_website", self.support_website)
            .given("documentation_url", self.documentation_url)
    }
}

/// Carries out the command.
#[expect(clippy::too_many_lines, reason = "one arm for each command")]
pub(super) async fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    let session = Session::open(&arguments.server, settings)?;
    match arguments.act {
        Act::List { filter, find, page } => {
            let request = find.of(filter.request("apis"));
            session.list(request, &page, COLUMNS).await
        }
        Act::Directory {
            filter,
            category,
            find,
            page,
        } => {
            let request = filter.request("directory").query("category", category);
            session.list(find.of(request), &page, DIRECTORY).await
        }
        Act::CheckSpec { file } => api_check::spec(&session, &file).await,
        Act::CheckTarget {
            target_url,
            organization,
        } => api_check::target(&session, target_url, organization).await,
        Act::Get { api } => session.show(Request::get(["apis", &api])).await,
        Act::Create {
            name,
            organization,
            id,
            details,
            env_file,
            create,
        } => {
            let members = details.members().with("name", name).given("id", id);
            let members = members.with("organization_id", organization);
            let request = Request::post(["apis"]).body(members.into());
            session
                .create_with_secret(request, create, secret::names_of_api(env_file))
                .await
        }
        Act::Update {
            api,
            name,
            details,
            edit,
        } => {
            let members = details.members().given("name", name);
            session
                .edit(Request::patch(["apis", &api]), members, edit)
                .await
        }
        Act::Share {
            api,
            organization,
            act,
        } => {
            let body = Members::new().with("organization_id", organization);
            let request = Request::post(["apis", &api, "shares"]).body(body.into());
            session.act(request.idempotent(), act).await
        }
        Act::Unshare {
            api,
            organization,
            act,
        } => {
            let request = Request::delete(["apis", &api, "shares", &organization]);
            session.act(request.idempotent(), act).await
        }
        Act::RevokeTokens { api, act } => {
            session
                .act(
                    Request::post(["apis", &api, "revoke_tokens"]).idempotent(),
                    act,
                )
                .await
        }
        Act::Delete { api, delete } => {
            let look_up = Request::get(["apis", &api]);
            session
                .delete("API", &look_up, Request::delete(["apis", &api]), delete)
                .await
        }
        Act::Instance { act } => api_instance::run(act, &session).await,
    }
}
