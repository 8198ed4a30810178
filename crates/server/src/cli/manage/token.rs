//! `portcullis token`: an access token, had the way an app has it. Calls with it are in `call`.

use clap::Args;
use portcullis_client::{Client, Token};
use serde_json::{Value, json};

use super::{
    failure::Failure,
    output::{Output, View, render},
    settings::{AppSettings, SecretSource, Settings},
    terminal,
};

/// Arguments of `portcullis token`.
#[derive(Debug, Args)]
#[command(
    after_help = "Needs AUTH_URL, API_KEY and API_SECRET, from the environment or ./.portcullis/dev.env."
)]
pub struct Arguments {
    /// Print the token and nothing else.
    #[arg(long, short, conflicts_with = "output")]
    quiet: bool,
    /// The scope to ask for.
    #[arg(long, value_name = "SCOPE", default_value = "anonymous")]
    scope: String,
    #[arg(long, value_name = "KEY", help = "The app's API Key [env: API_KEY]")]
    api_key: Option<String>,
    #[arg(
        long,
        help = "Read the API Secret from the first line of standard input [env: API_SECRET]"
    )]
    secret_stdin: bool,
    /// How to print it.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

/// Gets the token and prints it.
pub(super) async fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    let source = SecretSource::of(arguments.secret_stdin);
    let app = settings.app(arguments.api_key.as_deref(), source)?;
    let token = get(app, &arguments.scope).await?;
    if arguments.quiet {
        let line = format!("{}\n", token.access_token().expose());
        return terminal::write_data(line.as_bytes());
    }
    let text = render(
        &answer(&token, arguments.output),
        arguments.output,
        View::Details,
    );
    terminal::write_data(text.as_bytes())
}

/// A token for this app.
pub(super) async fn get(app: AppSettings, scope: &str) -> Result<Token, Failure> {
    let mut builder = Client::builder()
        .issuer(app.issuer)
        .api_key(app.api_key)
        .api_secret(app.api_secret)
        .scope(scope);
    if let Some(pem) = app.ca_pem {
        builder = builder.ca_pem(pem);
    }
    let source = builder
        .build_token_source()
        .map_err(|error| Failure::usage(error.to_string()))?;
    Ok(source.token().await?)
}

/// The members of the token server's answer; the table also tells what the token says about itself.
fn answer(token: &Token, output: Output) -> Value {
    let mut answer = json!({
        "access_token": token.access_token().expose(),
        "token_type": "Bearer",
        "expires_in": token.expires_in().as_secs(),
        "scope": token.scope(),
    });
    if output == Output::Table
        && let Ok(claims) = token.claims()
        && let Ok(claims) = serde_json::to_value(&claims)
        && let Some(members) = answer.as_object_mut()
    {
        members.insert("claims".to_owned(), claims);
    }
    answer
}
