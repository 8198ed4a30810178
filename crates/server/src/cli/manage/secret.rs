//! `portcullis secret`: the secrets of apps and APIs. A value is printed once, when it is made.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::{
    arguments::{ActArguments, CreateArguments, ServerArguments, id},
    failure::Failure,
    management_api::Request,
    members::Members,
    output::Columns,
    session::{SecretNames, Session},
    settings::Settings,
};

const COLUMNS: Columns = &[
    ("ID", "/id"),
    ("HINT", "/hint"),
    ("CREATED", "/created_at"),
    ("EXPIRES", "/expires_at"),
    ("LAST USED", "/last_used_at"),
    ("FROM", "/last_used_from"),
];

/// Arguments of `portcullis secret`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the secrets of an app or an API, without their values.
    List {
        #[command(flatten)]
        owner: Owner,
    },
    /// Make a second secret; its value is printed this once.
    Create {
        #[command(flatten)]
        owner: Owner,
        /// Put it into this file, readable by you alone, and do not print it.
        #[arg(long, value_name = "FILE")]
        env_file: Option<PathBuf>,
        #[command(flatten)]
        act: ActArguments,
    },
    /// Make a new secret and set an end to the others, in one act; its value is printed this once.
    Rotate {
        #[command(flatten)]
        owner: Owner,
        /// For how long the other secrets go on.
        #[arg(long, value_enum, default_value_t)]
        overlap: Overlap,
        /// When two secrets are live already, end the oldest at once.
        #[arg(long)]
        replace_oldest: bool,
        /// Put it into this file, readable by you alone, and do not print it.
        #[arg(long, value_name = "FILE")]
        env_file: Option<PathBuf>,
        #[command(flatten)]
        create: CreateArguments,
    },
    /// End a secret, now or later.
    Expire {
        /// The secret's id.
        #[arg(value_name = "SECRET", value_parser = id)]
        secret: String,
        #[command(flatten)]
        owner: Owner,
        /// When, as RFC 3339, such as 2026-01-31T12:00:00Z [default: now].
        #[arg(long, value_name = "TIME", conflicts_with = "compromised")]
        at: Option<String>,
        /// Somebody else may know it: end it now, and refuse every token issued to its owner so far.
        #[arg(long)]
        compromised: bool,
        #[command(flatten)]
        act: ActArguments,
    },
}

/// For how long secrets go on beside a new one.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Overlap {
    /// Not at all.
    #[value(name = "0s")]
    None,
    /// An hour.
    #[value(name = "1h")]
    Hour,
    /// A day.
    #[default]
    #[value(name = "24h")]
    Day,
    /// A week.
    #[value(name = "7d")]
    Week,
    /// Thirty days.
    #[value(name = "30d")]
    Month,
}

impl Overlap {
    const fn as_str(self) -> &'static str {
        match self {
            Self::None => "0s",
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }
}

/// Whose secrets.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Owner {
    /// The app's id.
    #[arg(long, value_name = "APP", value_parser = id)]
    app: Option<String>,
    /// The API's id.
    #[arg(long, value_name = "API", value_parser = id)]
    api: Option<String>,
}

impl Owner {
    /// The collection, and the id in it.
    fn path(&self) -> (&'static str, &str) {
        match (&self.app, &self.api) {
            (Some(app), _) => ("apps", app),
            (None, api) => ("apis", api.as_deref().unwrap_or_default()),
        }
    }
}

/// Carries out the command.
pub(super) async fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    let session = Session::open(&arguments.server, settings)?;
    match arguments.act {
        Act::List { owner } => {
            let (collection, id) = owner.path();
            session
                .whole_list(Request::get([collection, id, "secrets"]), COLUMNS)
                .await
        }
        Act::Create {
            owner,
            env_file,
            act,
        } => {
            let (collection, id) = owner.path();
            let names = names_of(&session, (collection, id), env_file).await?;
            // Not to be repeated: a lost answer may stand for a secret that was made.
            let request = Request::post([collection, id, "secrets"]);
            session.act_with_secret(request, act, names).await
        }
        Act::Rotate {
            owner,
            overlap,
            replace_oldest,
            env_file,
            create,
        } => {
            let (collection, id) = owner.path();
            let names = names_of(&session, (collection, id), env_file).await?;
            let members = Members::new()
                .with("overlap", overlap.as_str())
                .given("replace_oldest", replace_oldest.then_some(true));
            let request = Request::post([collection, id, "secrets", "rotate"]).body(members.into());
            session.create_with_secret(request, create, names).await
        }
        Act::Expire {
            secret,
            owner,
            at,
            compromised,
            act,
        } => {
            let (collection, id) = owner.path();
            let members = Members::new()
                .given("at", at)
                .given("compromised", compromised.then_some(true));
            let request = Request::post([collection, id, "secrets", &secret, "expire"]);
            session
                .act(request.body(members.into()).idempotent(), act)
                .await
        }
    }
}

/// The names for a further secret of this owner, with the key that it goes with.
async fn names_of(
    session: &Session,
    (collection, id): (&str, &str),
    env_file: Option<PathBuf>,
) -> Result<SecretNames, Failure> {
    let is_app = collection == "apps";
    let mut key = None;
    if env_file.is_some() {
        let owner = session.ask(&Request::get([collection, id])).await?;
        let member = if is_app { "api_key" } else { "client_id" };
        key = owner.get(member).and_then(Value::as_str).map(str::to_owned);
    }
    let names = if is_app {
        names_of_app(env_file)
    } else {
        names_of_api(env_file)
    };
    Ok(SecretNames {
        key,
        secret_member: "secret",
        ..names
    })
}

/// As an app reads them.
pub(super) fn names_of_app(env_file: Option<PathBuf>) -> SecretNames {
    SecretNames {
        key_name: "API_KEY",
        key: None,
        secret_member: "api_secret",
        secret_name: "API_SECRET",
        env_file,
    }
}

/// As a provider reads them; `portcullis dev` writes the same names.
pub(super) fn names_of_api(env_file: Option<PathBuf>) -> SecretNames {
    SecretNames {
        key_name: "PROVIDER_KEY",
        key: None,
        secret_member: "client_secret",
        secret_name: "PROVIDER_SECRET",
        env_file,
    }
}
