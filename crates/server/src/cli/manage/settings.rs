//! Where a command gets its addresses and secrets: flag, then environment, then `./.portcullis/dev.env`.
//!
//! A secret of the file goes only to the address, and with the key, that the file names beside it: with
//! `MANAGEMENT_URL` of another installation in the environment, the token of the development server must
//! not travel there.

use std::{cell::OnceCell, fmt, fs, path::PathBuf};

use http::HeaderValue;
use portcullis_client::ApiSecret;
use url::Url;
use zeroize::Zeroizing;

use super::{
    dev_env::{DEV_ENV, DevEnv, DevEnvError},
    failure::{Exit, Failure},
    terminal,
};

/// Looks a variable up; a function, so that tests need not change the process.
type Environment = Box<dyn Fn(&str) -> Option<String>>;

/// Environment and file of one run of the program.
pub(super) struct Settings {
    environment: Environment,
    path: PathBuf,
    file: OnceCell<Result<Option<DevEnv>, DevEnvError>>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Settings");
        debug.field("path", &self.path).finish_non_exhaustive()
    }
}

/// How the registry is reached.
#[derive(Debug)]
pub(super) struct ManagementSettings {
    /// Without `/v1`.
    pub(super) url: Url,
    /// `Bearer ...`, marked sensitive so that no layer below prints it.
    pub(super) authorization: HeaderValue,
    pub(super) ca_pem: Option<Vec<u8>>,
}

/// What an app needs for a token.
#[derive(Debug)]
pub(super) struct AppSettings {
    pub(super) issuer: String,
    pub(super) api_key: String,
    pub(super) api_secret: ApiSecret,
    pub(super) ca_pem: Option<Vec<u8>>,
}

/// Where a secret comes from when the command line says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretSource {
    /// Environment or file.
    Settings,
    /// The first line of standard input.
    StandardInput,
}

impl SecretSource {
    pub(super) fn of(stdin: bool) -> Self {
        if stdin {
            Self::StandardInput
        } else {
            Self::Settings
        }
    }
}

impl Settings {
    /// Those of this process.
    pub(super) fn of_process() -> Self {
        let environment = crate::config::environment();
        let look_up = move |name: &str| environment.get(name).cloned();
        Self::new(Box::new(look_up), PathBuf::from(".").join(DEV_ENV))
    }

    fn new(environment: Environment, path: PathBuf) -> Self {
        Self {
            environment,
            path,
            file: OnceCell::new(),
        }
    }

    /// The registry, and who asks.
    pub(super) fn management(
        &self,
        url: Option<&str>,
        token: SecretSource,
    ) -> Result<ManagementSettings, Failure> {
        let url = self.needed("MANAGEMENT_URL", url)?;
        let token = self.secret("MANAGEMENT_TOKEN", token, &[("MANAGEMENT_URL", &url)])?;
        let bearer = Zeroizing::new(format!("Bearer {}", token.as_str()));
        let mut authorization = HeaderValue::from_str(&bearer)
            .map_err(|_| Failure::usage("MANAGEMENT_TOKEN has characters that cannot be sent"))?;
        authorization.set_sensitive(true);
        let url = http_url(
            "MANAGEMENT_URL",
            url.trim_end_matches('/').trim_end_matches("/v1"),
        )?;
        warn_when_readable(&url, "the management token");
        Ok(ManagementSettings {
            url,
            authorization,
            ca_pem: self.ca_pem()?,
        })
    }

    /// The token server, and the app that asks it.
    pub(super) fn app(
        &self,
        api_key: Option<&str>,
        secret: SecretSource,
    ) -> Result<AppSettings, Failure> {
        let issuer = self.needed("AUTH_URL", None)?;
        let api_key = self.needed("API_KEY", api_key)?;
        let goes_with = [("AUTH_URL", issuer.as_str()), ("API_KEY", &api_key)];
        let api_secret = self.secret("API_SECRET", secret, &goes_with)?;
        warn_when_readable(&http_url("AUTH_URL", &issuer)?, "the API Secret");
        Ok(AppSettings {
            issuer,
            api_key,
            api_secret: ApiSecret::from(api_secret.as_str()),
            ca_pem: self.ca_pem()?,
        })
    }

    /// The value of this name, or of the flag that stands for it.
    ///
    /// # Errors
    /// A usage [`Failure`] when it is nowhere.
    pub(super) fn needed(&self, name: &str, flag: Option<&str>) -> Result<String, Failure> {
        self.optional(name, flag)?.ok_or_else(|| missing(name))
    }

    /// The value of this name, or of the flag that stands for it; `None` when it is nowhere.
    pub(super) fn optional(
        &self,
        name: &str,
        flag: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        if let Some(value) = flag {
            return Ok(Some(value.to_owned()));
        }
        if let Some(value) = self.in_environment(name) {
            return Ok(Some(value));
        }
        let file = self.file()?;
        Ok(file.and_then(|file| file.get(name)).map(str::to_owned))
    }

    /// The certificates to trust besides the system's, from the file that `CA_CERT` names.
    pub(super) fn ca_pem(&self) -> Result<Option<Vec<u8>>, Failure> {
        let Some(path) = self.optional("CA_CERT", None)? else {
            return Ok(None);
        };
        let unreadable = |error| {
            Failure::usage(format!("CA_CERT: {path} cannot be read: {error}"))
                .fix("name the file with the CA certificate in PEM form, or unset CA_CERT")
        };
        fs::read(&path).map(Some).map_err(unreadable)
    }

    /// A secret: from standard input, from the environment, or from the file if each of `goes_with` (a name
    /// and the value in use) is the file's own.
    pub(super) fn secret(
        &self,
        name: &str,
        source: SecretSource,
        goes_with: &[(&str, &str)],
    ) -> Result<Zeroizing<String>, Failure> {
        if source == SecretSource::StandardInput {
            return terminal::read_secret(name);
        }
        if let Some(value) = self.in_environment(name) {
            return Ok(Zeroizing::new(value));
        }
        let file = self.file()?.ok_or_else(|| missing(name))?;
        let value = file.get(name).ok_or_else(|| missing(name))?;
        for (companion, used) in goes_with {
            let own = file.get(companion).unwrap_or_default();
            if own.trim_end_matches('/') != used.trim_end_matches('/') {
                let path = file.path().display();
                return Err(missing(name).cause(format!(
                    "the one in {path} belongs to {companion} {own} and is not used with {used}"
                )));
            }
        }
        Ok(Zeroizing::new(value.to_owned()))
    }

    /// The value in the environment alone.
    pub(super) fn in_environment(&self, name: &str) -> Option<String> {
        let value = (self.environment)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// The file, read once, and only when the environment is not enough.
    fn file(&self) -> Result<Option<&DevEnv>, Failure> {
        let read = self.file.get_or_init(|| DevEnv::read(&self.path));
        match read {
            Ok(file) => Ok(file.as_ref()),
            Err(error) => Err(Failure::new(Exit::Usage, "dev_env", error.to_string())),
        }
    }
}

/// An http or https URL without credentials, query and fragment.
pub(super) fn http_url(name: &str, text: &str) -> Result<Url, Failure> {
    let wrong = |reason: &str| Failure::usage(format!("{name} is not usable: {reason}"));
    let url = Url::parse(text.trim()).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it must not contain credentials"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it must not contain a query or a fragment"));
    }
    Ok(url)
}

fn warn_when_readable(url: &Url, secret: &str) {
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "http" && !loopback {
        terminal::note(&format!(
            "warning: {secret} goes to {url} without encryption: use https"
        ));
    }
}

fn missing(name: &str) -> Failure {
    let fix = if name.ends_with("_SECRET") || name.ends_with("_TOKEN") {
        format!(
            "set {name} in the environment, or run in the folder where `portcullis dev` was started"
        )
    } else {
        format!("set {name}, or run in the folder where `portcullis dev` was started")
    };
    Failure::usage(format!("{name} is not set")).fix(fix)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tempfile::TempDir;

    use super::*;

    const FILE: &str = "MANAGEMENT_URL=http://localhost:8080\nMANAGEMENT_TOKEN=pcm_file\n\
        AUTH_URL=http://localhost:8080/oauth2/default\nAPI_KEY=key\nAPI_SECRET=pcs_file\n";

    fn settings(environment: &[(&str, &str)]) -> (Settings, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.env");
        fs::write(&path, FILE).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: HashMap<String, String> = environment.iter().map(owned).collect();
        let look_up = move |name: &str| environment.get(name).cloned();
        (Settings::new(Box::new(look_up), path), folder)
    }

    #[test]
    fn the_file_serves_when_the_environment_is_silent() {
        let (settings, _folder) = settings(&[]);

        let management = settings.management(None, SecretSource::Settings).unwrap();

        assert_eq!(management.url.as_str(), "http://localhost:8080/");
        assert_eq!(management.authorization, "Bearer pcm_file");
        assert!(management.authorization.is_sensitive());
    }

    #[test]
    fn the_environment_outranks_the_file_and_a_flag_outranks_both() {
        let (settings, _folder) = settings(&[("API_KEY", "other"), ("API_SECRET", "pcs_other")]);

        assert_eq!(settings.needed("API_KEY", None).unwrap(), "other");
        assert_eq!(settings.needed("API_KEY", Some("flag")).unwrap(), "flag");
        let app = settings.app(None, SecretSource::Settings).unwrap();
        assert_eq!(app.api_secret.expose(), "pcs_other");
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let (settings, _folder) = settings(&[("API_KEY", " ")]);

        assert_eq!(settings.needed("API_KEY", None).unwrap(), "key");
    }

    #[test]
    fn a_secret_of_the_file_is_not_sent_to_another_address() {
        let elsewhere = Some("https://registry.example.com");
        let (settings, _folder) = settings(&[("API_KEY", "other")]);

        let management = settings
            .management(elsewhere, SecretSource::Settings)
            .unwrap_err();
        let app = settings.app(None, SecretSource::Settings).unwrap_err();

        assert!(
            management
                .to_string()
                .contains("MANAGEMENT_TOKEN is not set"),
            "{management}"
        );
        assert!(
            management.to_string().contains("belongs to MANAGEMENT_URL"),
            "{management}"
        );
        assert!(app.to_string().contains("belongs to API_KEY key"), "{app}");
        assert_eq!(app.exit(), Exit::Usage);
    }

    #[test]
    fn a_url_may_end_with_the_version_of_the_interface() {
        let (settings, _folder) = settings(&[("MANAGEMENT_TOKEN", "pcm_1")]);
        let url = Some("http://127.0.0.1:1/base/v1/");

        let management = settings.management(url, SecretSource::Settings).unwrap();

        assert_eq!(management.url.as_str(), "http://127.0.0.1:1/base");
    }

    #[test]
    fn a_url_that_is_no_plain_http_url_is_refused() {
        for url in [
            "localhost:8080",
            "ftp://h/",
            "http://a:b@h/",
            "http://h/?x=1",
            "::",
        ] {
            assert!(http_url("MANAGEMENT_URL", url).is_err(), "{url}");
        }
    }
}
