//! `portcullis api instance`: an API in one environment and version, behind the gateway.

use std::{fs, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::{
    arguments::{CreateArguments, DeleteArguments, EditArguments, id},
    failure::Failure,
    management_api::Request,
    members::Members,
    output::Columns,
    session::Session,
};

const COLUMNS: Columns = &[
    ("ID", "/id"),
    ("ENVIRONMENT", "/environment"),
    ("NAMESPACE", "/namespace"),
    ("BASE PATH", "/base_path"),
    ("VERSION", "/version"),
    ("TARGET", "/target_url"),
    ("TEST SUBSCRIPTION", "/test_subscription_id"),
];

/// What can be done with instances.
#[derive(Debug, Subcommand)]
pub(super) enum Act {
    /// List the instances of an API.
    List {
        /// The API's id.
        #[arg(value_name = "API", value_parser = id)]
        api: String,
    },
    /// Show an instance.
    Get {
        #[command(flatten)]
        which: Which,
    },
    /// Put an API behind the gateway.
    Create {
        /// The API's id.
        #[arg(value_name = "API", value_parser = id)]
        api: String,
        /// Fixed from now on.
        #[arg(long, value_enum)]
        environment: Environment,
        /// The first segment of the gateway's path [default: the provider's only namespace].
        #[arg(long, value_name = "NAMESPACE")]
        namespace: Option<String>,
        /// The path behind the namespace, such as /vehicles/v1 [default: the specification's].
        #[arg(long, value_name = "PATH")]
        base_path: Option<String>,
        /// The address of the provider's API.
        #[arg(long, value_name = "URL")]
        target_url: String,
        #[command(flatten)]
        details: Details,
        #[command(flatten)]
        create: CreateArguments,
    },
    /// Change an instance.
    Update {
        #[command(flatten)]
        which: Which,
        /// The address of the provider's API.
        #[arg(long, value_name = "URL")]
        target_url: Option<String>,
        /// Keep no specification any more.
        #[arg(long, conflicts_with = "spec")]
        remove_spec: bool,
        #[command(flatten)]
        details: Details,
        #[command(flatten)]
        edit: EditArguments,
    },
    /// Take an instance away from the gateway. With its last instance the API itself is deleted, for good.
    Delete {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        delete: DeleteArguments,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The API's id.
    #[arg(value_name = "API", value_parser = id)]
    api: String,
    /// The instance's id.
    #[arg(value_name = "INSTANCE", value_parser = id)]
    instance: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Environment {
    /// For every app that selected the API.
    Production,
    /// For test subscriptions.
    Test,
    /// For the API's own test subscription.
    Dev,
}

#[derive(Debug, Args)]
pub(super) struct Details {
    /// Its version [default: the specification's].
    #[arg(long, value_name = "VERSION")]
    api_version: Option<String>,
    /// Its specification: Swagger 2.0 or OpenAPI 3, as JSON or YAML.
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// What becomes of the base path on the way to the provider.
    #[arg(long, value_enum)]
    base_path_upstream: Option<BasePathUpstream>,
    /// Whether bodies may be of any length.
    #[arg(long, value_name = "BOOL")]
    streaming: Option<bool>,
    /// Whether Set-Cookie, Alt-Svc and Clear-Site-Data of the provider reach the caller.
    #[arg(long, value_name = "BOOL")]
    pass_origin_fields: Option<bool>,
    /// How far it has come.
    #[arg(long, value_enum)]
    lifecycle: Option<Lifecycle>,
    /// The words of a custom lifecycle status, at most 40 characters.
    #[arg(long, value_name = "TEXT")]
    lifecycle_text: Option<String>,
    /// Whether it is found in the directory.
    #[arg(long, value_name = "BOOL")]
    show_in_directory: Option<bool>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Lifecycle {
    /// It may still change.
    Beta,
    /// It is there to be used.
    GeneralRelease,
    /// It is not to be used in new apps.
    Deprecated,
    /// In one's own words: --lifecycle-text.
    Custom,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BasePathUpstream {
    /// Target URL, base path, endpoint.
    Keep,
    /// Target URL, endpoint.
    Strip,
}

impl Details {
    fn members(self) -> Result<Members, Failure> {
        let spec = self.spec.map(|path| {
            fs::read_to_string(&path).map_err(|error| {
                Failure::usage(format!(
                    "the specification {} cannot be read: {error}",
                    path.display()
                ))
            })
        });
        let base_path_upstream = self.base_path_upstream.map(|rule| match rule {
            BasePathUpstream::Keep => "keep",
            BasePathUpstream::Strip => "strip",
        });
        let lifecycle = self.lifecycle.map(|lifecycle| match lifecycle {
            Lifecycle::Beta => "beta",
            Lifecycle::GeneralRelease => "general_release",
            Lifecycle::Deprecated => "deprecated",
            Lifecycle::Custom => "custom",
        });
        Ok(Members::new()
            .given("version", self.api_version)
            .given("spec", spec.transpose()?)
            .given("base_path_upstream", base_path_upstream)
            .given("streaming", self.streaming)
            .given("pass_origin_fields", self.pass_origin_fields)
            .given("lifecycle_status", lifecycle)
            .given("lifecycle_text", self.lifecycle_text)
            .given("show_in_directory", self.show_in_directory))
    }
}

/// Carries out the command.
pub(super) async fn run(act: Act, session: &Session) -> Result<(), Failure> {
    match act {
        Act::List { api } => {
            session
                .whole_list(Request::get(["apis", &api, "instances"]), COLUMNS)
                .await
        }
        Act::Get { which } => {
            session
                .show(Request::get([
                    "apis",
                    &which.api,
                    "instances",
                    &which.instance,
                ]))
                .await
        }
        Act::Create {
            api,
            environment,
            namespace,
            base_path,
            target_url,
            details,
            create,
        } => {
            let environment = match environment {
                Environment::Production => "production",
                Environment::Test => "test",
                Environment::Dev => "dev",
            };
            let members = details
                .members()?
                .with("environment", environment)
                .with("target_url", target_url)
                .given("namespace", namespace)
                .given("base_path", base_path);
            let request = Request::post(["apis", &api, "instances"]).body(members.into());
            session.create(request, create).await
        }
        Act::Update {
            which,
            target_url,
            remove_spec,
            details,
            edit,
        } => {
            let members = details
                .members()?
                .given("target_url", target_url)
                .given("spec", remove_spec.then_some(Value::Null));
            let request = Request::patch(["apis", &which.api, "instances", &which.instance]);
            session.edit(request, members, edit).await
        }
        Act::Delete { which, delete } => {
            let path = ["apis", &which.api, "instances", &which.instance];
            session
                .delete(
                    "instance",
                    &Request::get(path),
                    Request::delete(path),
                    delete,
                )
                .await
        }
    }
}
