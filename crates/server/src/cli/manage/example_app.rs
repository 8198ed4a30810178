//! `portcullis example-app`: the example app alone. What it does is in the crate of the examples, how it
//! is served in `roles`.

use clap::Args;
use portcullis_vehicles::{ApiSecret, ExampleSettings};

use super::{
    failure::{Exit, Failure},
    settings::{SecretSource, Settings},
    terminal,
};

const PORT_DEFAULT: u16 = 5000;

/// Arguments of `portcullis example-app`.
#[derive(Debug, Args)]
#[command(
    after_help = "Takes AUTH_URL, API_KEY, API_SECRET, API_CALL_URL, SUBSCRIPTION_ID and CA_CERT from the \
    environment, then from ./.portcullis/dev.env; PORT and SHOW_TOKEN from the environment alone."
)]
pub struct Arguments {
    /// The port to listen on [env: PORT] [default: 5000].
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    #[arg(
        long,
        help = "Read the API Secret from the first line of standard input [env: API_SECRET]"
    )]
    secret_stdin: bool,
}

/// Serves the example app until it is told to stop.
pub(super) fn run(arguments: &Arguments, settings: &Settings) -> Result<(), Failure> {
    let port = match arguments.port {
        Some(port) => port,
        None => port(settings.in_environment("PORT").as_deref())?,
    };
    let source = SecretSource::of(arguments.secret_stdin);
    let example = example_settings(settings, source)?;
    crate::roles::serve_example_app(example, port)
        .map_err(|error| Failure::new(Exit::Unclassified, "example_app", format!("{error:#}")))
}

/// What is missing is no failure here: the app itself shows it, and what to do.
fn example_settings(settings: &Settings, source: SecretSource) -> Result<ExampleSettings, Failure> {
    let value = |name| settings.optional(name, None);
    let (auth_url, api_key) = (value("AUTH_URL")?, value("API_KEY")?);
    let api_secret = match (&auth_url, &api_key) {
        (Some(auth_url), Some(api_key)) => {
            let goes_with = [("AUTH_URL", auth_url.as_str()), ("API_KEY", api_key)];
            match settings.secret("API_SECRET", source, &goes_with) {
                Ok(secret) => Some(ApiSecret::from(secret.as_str())),
                Err(failure) => {
                    terminal::note(&failure.to_string());
                    None
                }
            }
        }
        _ => None,
    };
    Ok(ExampleSettings {
        auth_url,
        api_key,
        api_secret,
        api_call_url: value("API_CALL_URL")?,
        subscription_id: value("SUBSCRIPTION_ID")?,
        show_token: settings.in_environment("SHOW_TOKEN").as_deref() == Some("1"),
        ca_pem: settings.ca_pem()?,
    })
}

fn port(text: Option<&str>) -> Result<u16, Failure> {
    let Some(text) = text else {
        return Ok(PORT_DEFAULT);
    };
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(Failure::usage(format!("PORT is not a port: {text}"))
            .fix("give a number from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_5000_unless_the_environment_says_otherwise() {
        assert_eq!(port(None).unwrap(), 5000);
        assert_eq!(port(Some("5001")).unwrap(), 5001);
        for wrong in ["0", "65536", "-1", "http"] {
            assert_eq!(
                port(Some(wrong)).unwrap_err().exit(),
                Exit::Usage,
                "{wrong}"
            );
        }
    }
}
