//! `portcullis call`: one authorized call through the gateway, told like `curl` does. The token is had in
//! `token`.

use std::{fmt::Write as _, fs, io::Read as _, str::FromStr, time::Duration};

use clap::Args;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use portcullis_client::Token;
use reqwest::Response;
use url::Url;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    failure::{Failure, REQUEST_ID, header_text, shown},
    management_api::{http_client, network, read_body},
    settings::{SecretSource, Settings, http_url},
    terminal, token,
};

const SUBSCRIPTION_ID: HeaderName = HeaderName::from_static("subscription-id");
const ERROR_SOURCE: HeaderName = HeaderName::from_static("error-source");
/// The gateway itself gives up on an API after 55 seconds; its answer says more than ours.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
const BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Arguments of `portcullis call`.
#[derive(Debug, Args)]
#[command(
    allow_missing_positional = true,
    after_help = "Needs AUTH_URL, API_KEY, API_SECRET, API_URL and SUBSCRIPTION_ID, from the environment or \
        ./.portcullis/dev.env.\n\nExample: portcullis call /sample/vehicles/v1/vehicles"
)]
pub struct Arguments {
    /// The method; GET, or POST when there is a body.
    #[arg(value_name = "METHOD", value_parser = method)]
    method: Option<Method>,
    #[arg(
        value_name = "PATH",
        help = "The path below API_URL, with its query; or a full URL on the same host"
    )]
    path: String,
    /// The body: text, @FILE, or @- for standard input. JSON unless -H says otherwise.
    #[arg(long, short, value_name = "BODY")]
    data: Option<String>,
    #[arg(
        long,
        value_name = "ID",
        help = "The customer for whom the call is made [env: SUBSCRIPTION_ID]"
    )]
    subscription: Option<String>,
    /// A further header field; may be repeated.
    #[arg(long, short = 'H', value_name = "NAME:VALUE", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
    #[arg(long, value_name = "KEY", help = "The app's API Key [env: API_KEY]")]
    api_key: Option<String>,
    #[arg(
        long,
        help = "Read the API Secret from the first line of standard input [env: API_SECRET]"
    )]
    secret_stdin: bool,
    /// Tell on standard error what is sent and what comes back.
    #[arg(long, short)]
    verbose: bool,
}

/// Gets a token, makes the call, and prints the body of the answer.
pub(super) async fn run(arguments: Arguments, settings: &Settings) -> Result<(), Failure> {
    if arguments.secret_stdin && arguments.data.as_deref() == Some("@-") {
        let failure = Failure::usage("standard input cannot be both the secret and the body");
        return Err(failure.fix("put the body into a file, or the secret into API_SECRET"));
    }
    let base = http_url("API_URL", &settings.needed("API_URL", None)?)?;
    let url = target(&base, &arguments.path)?;
    let subscription = settings.needed("SUBSCRIPTION_ID", arguments.subscription.as_deref())?;
    let body = arguments.data.as_deref().map(body).transpose()?;
    let app = settings.app(
        arguments.api_key.as_deref(),
        SecretSource::of(arguments.secret_stdin),
    )?;
    let http = http_client(url.scheme() == "https", app.ca_pem.as_deref())?;
    let token = token::get(app, "anonymous").await?;
    let method = match (arguments.method, &body) {
        (Some(method), _) => method,
        (None, Some(_)) => Method::POST,
        (None, None) => Method::GET,
    };
    let headers = request_headers(arguments.header, &subscription, &token, body.is_some())?;
    if arguments.verbose {
        terminal::note(&told_request(&method, &url, &headers, &token));
    }
    let mut request = http
        .request(method, url.clone())
        .headers(headers)
        .timeout(CALL_TIMEOUT);
    if let Some(body) = body {
        request = request.body(body);
    }
    let response = request
        .send()
        .await
        .map_err(|error| network(&url, &error))?;
    if arguments.verbose {
        terminal::note(&told_response(&response));
    }
    finish(&url, response).await
}

/// The body goes to standard output if the call succeeded. What an API says about its own refusal goes to
/// standard error, after ours.
async fn finish(url: &Url, response: Response) -> Result<(), Failure> {
    let (status, headers) = (response.status(), response.headers().clone());
    let body = read_body(response, ANSWER_BYTES_MAX)
        .await
        .map_err(|error| error.into_failure(url))?;
    if status.is_success() || status.is_redirection() {
        return terminal::write_data(&body);
    }
    let by_api = headers
        .get(&ERROR_SOURCE)
        .is_some_and(|source| source == "api");
    if !by_api {
        return Err(Failure::from_answer(status, &headers, &body));
    }
    let request_id = header_text(headers.get(&REQUEST_ID));
    let failure = Failure::new(
        status.into(),
        "TARGET-RESPONSE",
        format!("the API itself answered {status}; the gateway let the call through"),
    );
    let text = String::from_utf8_lossy(&body);
    Err(failure
        .cause(shown(text.trim()))
        .fix("see the documentation of the API")
        .request_id(request_id.unwrap_or_default()))
}

/// The URL to call. The token goes to the host of `API_URL` and to no other.
fn target(base: &Url, path: &str) -> Result<Url, Failure> {
    let wrong = |reason: &str| Failure::usage(format!("{path}: {reason}"));
    if path.starts_with("http://") || path.starts_with("https://") {
        let url = Url::parse(path).map_err(|error| wrong(&error.to_string()))?;
        if url.origin() != base.origin() {
            return Err(
                wrong("the token is sent only to the host of API_URL").fix(format!(
                    "give a path, or set API_URL to another gateway than {base}"
                )),
            );
        }
        return Ok(url);
    }
    let text = format!(
        "{}/{}",
        base.as_str().trim_end_matches('/'),
        path.trim_start_matches('/')
    );
    Url::parse(&text).map_err(|error| wrong(&error.to_string()))
}

fn request_headers(
    given: Vec<(HeaderName, HeaderValue)>,
    subscription: &str,
    token: &Token,
    has_body: bool,
) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if has_body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let request_id = HeaderValue::from_str(&Uuid::new_v4().to_string());
    headers.extend(request_id.map(|value| (REQUEST_ID, value)));
    let mut replaced: Vec<HeaderName> = Vec::new();
    for (name, value) in given {
        // The first of a name replaces our own, further ones stand beside it.
        if replaced.contains(&name) {
            headers.append(name, value);
        } else {
            headers.insert(name.clone(), value);
            replaced.push(name);
        }
    }
    let subscription = HeaderValue::from_str(subscription.trim())
        .map_err(|_| Failure::usage("the Subscription-Id has characters that cannot be sent"))?;
    headers.insert(SUBSCRIPTION_ID, subscription);
    let bearer = Zeroizing::new(format!("Bearer {}", token.access_token().expose()));
    let mut bearer = HeaderValue::from_str(&bearer)
        .map_err(|_| Failure::usage("the token cannot be sent in a header"))?;
    bearer.set_sensitive(true);
    headers.insert(AUTHORIZATION, bearer);
    Ok(headers)
}

fn method(text: &str) -> Result<Method, String> {
    Method::from_str(&text.to_ascii_uppercase()).map_err(|_| "it is no HTTP method".to_owned())
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("it is not NAME:VALUE")?;
    let name = HeaderName::from_str(name).map_err(|_| "its name is no header name")?;
    if name == AUTHORIZATION {
        return Err(
            "the command sets Authorization itself, from API_KEY and API_SECRET".to_owned(),
        );
    }
    if name == SUBSCRIPTION_ID {
        return Err("give the Subscription-Id with --subscription".to_owned());
    }
    let value = HeaderValue::from_str(value.trim()).map_err(|_| "its value cannot be sent")?;
    Ok((name, value))
}

fn body(data: &str) -> Result<Vec<u8>, Failure> {
    let unreadable = |error| Failure::usage(format!("the body {data} cannot be read: {error}"));
    match data.strip_prefix('@') {
        None => Ok(data.as_bytes().to_vec()),
        Some("-") => {
            let mut bytes = Vec::new();
            let mut input = std::io::stdin().lock().take(BODY_BYTES_MAX);
            input.read_to_end(&mut bytes).map_err(unreadable)?;
            Ok(bytes)
        }
        Some(path) => fs::read(path).map_err(unreadable),
    }
}

fn told_request(method: &Method, url: &Url, headers: &HeaderMap, token: &Token) -> String {
    let mut text = format!("> {method} {url}");
    for (name, value) in headers {
        let value = if name == AUTHORIZATION {
            format!("Bearer {}", token.access_token().masked())
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        let _ = write!(text, "\n> {name}: {}", shown(&value));
    }
    text
}

fn told_response(response: &Response) -> String {
    let mut text = format!("< {:?} {}", response.version(), response.status());
    for (name, value) in response.headers() {
        let _ = write!(
            text,
            "\n< {name}: {}",
            shown(&String::from_utf8_lossy(value.as_bytes()))
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        Url::parse("http://localhost:8081").unwrap()
    }

    #[test]
    fn a_path_goes_below_the_gateway_with_its_query() {
        for path in [
            "/sample/v1/vehicles?make=Aurora&x=%20",
            "sample/v1/vehicles?make=Aurora&x=%20",
        ] {
            let url = target(&base(), path).unwrap();

            assert_eq!(
                url.as_str(),
                "http://localhost:8081/sample/v1/vehicles?make=Aurora&x=%20"
            );
        }
    }

    #[test]
    fn the_token_does_not_go_to_another_host() {
        let same = target(&base(), "http://localhost:8081/sample");
        let other = target(&base(), "https://elsewhere.example/sample").unwrap_err();
        let trick = target(&base(), "@elsewhere.example/sample").unwrap();

        assert!(same.is_ok());
        assert!(
            other.to_string().contains("only to the host of API_URL"),
            "{other}"
        );
        assert_eq!(trick.host_str(), Some("localhost"));
    }

    #[test]
    fn the_papers_of_a_call_are_not_given_as_headers() {
        assert!(header("Authorization: Bearer x").is_err());
        assert!(header("subscription-id: x").is_err());
        assert!(header("no value").is_err());
        assert!(header("X-A: 1\r\nB: 2").is_err());
        assert_eq!(header("X-A: 1").unwrap().1, "1");
    }
}
