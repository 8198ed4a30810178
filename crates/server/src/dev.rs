//! `portcullis dev`: everything on this machine on the embedded store, with sample data.
//!
//! Idempotent: a second start reuses the folder, with the same ids and credentials. The folder's lock and the
//! ports are taken before anything of an earlier run is touched.

/// Credentials of the sample data.
pub mod credentials;
/// `dev.env`.
pub mod environment;

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use jiff::{Timestamp, ToSpan};
use portcullis_core::{clock::Clock, ids::ClientId, keys::KeyPurpose, secret::Secret};
use portcullis_listener::{Bound, Limits, Settings};
use portcullis_portal::Address;
use portcullis_registry::seed::{SampleIds, SamplePerson, Seed, Seeded};
use portcullis_store::GivenCredentials;
use portcullis_vehicles::{ExampleSettings, ExpectedClient, ProviderSettings};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    cli::{DevArguments, say},
    clock::SystemClock,
    compose::{self, Development, Plan, Ports, Running, Runtimes},
    config::{Config, Role, auth::DeprecatedIssuer, telemetry::LogFormat},
    roles,
    shutdown::Signals,
    telemetry,
    tls::{self, Certificate},
};
use credentials::Credentials;

/// How long the deprecated issuer of a development server goes on after the first start.
const DEPRECATED_DAYS: i64 = 180;

const OPERATOR_EMAIL: &str = "operator@portcullis.example";
const DEVELOPER_EMAIL: &str = "developer@apps.example";
const PROVIDER_EMAIL: &str = "provider@vehicles.example";
const BUYER_EMAIL: &str = "buyer@dealer.example";

/// The port numbers of a development server.
#[derive(Debug, Clone, Copy)]
struct PortNumbers {
    portal: u16,
    gateway: u16,
    operations: u16,
    provider: u16,
    example: u16,
}

impl PortNumbers {
    fn of(base: u16) -> Self {
        let example = if base == 8080 { 5000 } else { base + 4 };
        Self {
            portal: base,
            gateway: base + 1,
            operations: base + 2,
            provider: base + 3,
            example,
        }
    }
}

/// Everything `dev` has taken hold of before it starts.
struct Prepared {
    folder: PathBuf,
    scheme: &'static str,
    numbers: PortNumbers,
    credentials: Credentials,
    certificate: Option<Certificate>,
    ca: Option<PathBuf>,
    ports: Ports,
    provider: (Bound, Settings),
    example: (Bound, Settings),
}

/// Runs `portcullis dev`.
///
/// # Errors
/// One message that names what is wrong and what to do.
pub fn run(arguments: &DevArguments) -> Result<()> {
    let folder = data_folder(&arguments.data_dir)?;
    // Held until this function returns: for as long as the process runs.
    let _lock = lock(&folder)?;
    let prepared = prepare(arguments, folder)?;
    let config = configuration(&prepared)?;
    telemetry::start_logging(&config.telemetry)?;
    let runtimes = Runtimes::start()?;
    runtimes.control().block_on(async {
        let mut signals = Signals::listen()?;
        let folder = prepared.folder.clone();
        let (running, stop) = tokio::select! {
            started = start(prepared, config, &runtimes) => started?,
            _ = signals.next() => bail!("stopped while starting"),
        };
        while signals.next().await == crate::shutdown::Asked::Reload {
            running.reload(None);
        }
        environment::remove(&folder)?;
        stop.cancel();
        running.stop(signals).await;
        say(&format!(
            "stopped cleanly; data kept in {}; delete it to start over",
            folder.display()
        ));
        Ok(())
    })
}

/// The data folder, made when it is not there, open to its owner alone.
fn data_folder(path: &Path) -> Result<PathBuf> {
    let shown = path.display();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("the data folder {shown} cannot be made"))?;
    path.canonicalize()
        .with_context(|| format!("the data folder {shown}"))
}

fn prepare(arguments: &DevArguments, folder: PathBuf) -> Result<Prepared> {
    let numbers = PortNumbers::of(arguments.port_base);
    let (certificate, ca) = if arguments.tls {
        let (certificate, ca) = tls::development_certificate(&folder.join("tls"))?;
        (Some(certificate), Some(ca))
    } else {
        (None, None)
    };
    let port = |name, number| {
        let settings = roles::listener_settings(
            name,
            roles::loopback(number),
            Limits::default(),
            certificate.as_ref(),
        );
        anyhow::Ok((roles::bind(&settings)?, settings))
    };
    let ports = Ports {
        portal: Some(port("portal", numbers.portal)?.0),
        gateway: Some(port("gateway", numbers.gateway)?.0),
        operations: Some(port("operations", numbers.operations)?.0),
    };
    let provider = port("sample provider", numbers.provider)?;
    let example = port("example app", numbers.example)?;
    environment::remove(&folder)?;
    let now = SystemClock.now().unix_seconds();
    let credentials = Credentials::load_or_create(&folder.join("credentials.json"), now)?;
    let scheme = if arguments.tls { "https" } else { "http" };
    Ok(Prepared {
        folder,
        scheme,
        numbers,
        credentials,
        certificate,
        ca,
        ports,
        provider,
        example,
    })
}

/// Takes the lock of the folder; of a folder that is in use the error names the process.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("dev.lock");
    let context = || format!("{} cannot be used", path.display());
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .with_context(context)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            bail!(
                "{} is in use by process {}; stop it or choose another --data-dir",
                folder.display(),
                holder.trim()
            );
        }
        Err(fs::TryLockError::Error(error)) => return Err(error).with_context(context),
    }
    file.set_len(0).with_context(context)?;
    file.rewind().with_context(context)?;
    write!(file, "{}", std::process::id()).with_context(context)?;
    Ok(file)
}

fn configuration(prepared: &Prepared) -> Result<Config> {
    let mut config = Config::default();
    let Prepared {
        folder,
        scheme,
        numbers,
        ..
    } = prepared;
    config.listeners.portal = roles::loopback(numbers.portal);
    config.listeners.gateway = roles::loopback(numbers.gateway);
    config.listeners.operations = roles::loopback(numbers.operations);
    config.listeners.public_url = Url::parse(&format!("{scheme}://localhost:{}", numbers.portal))?;
    config.listeners.gateway_url =
        Url::parse(&format!("{scheme}://localhost:{}", numbers.gateway))?;
    config.store.url = format!("sqlite:{}", folder.join("portcullis.db").display());
    "dev".clone_into(&mut config.cluster.node);
    config.keys.master_key_file = folder.join("master.key");
    config.telemetry.request_records = folder.join("requests");
    config.telemetry.log_format = LogFormat::Pretty;
    config.gateway.simulator = true;
    config.listeners.drain = crate::config::units::HumanDuration::seconds(5);
    let first_start = Timestamp::from_second(prepared.credentials.first_start)?;
    config.auth.deprecated_issuers = vec![DeprecatedIssuer {
        path: "/oauth2/legacy".to_owned(),
        deprecated_at: first_start,
        ends_at: first_start.checked_add((DEPRECATED_DAYS * 24).hours())?,
    }];
    // The environment overrides these like those of a file.
    let text = toml::to_string(&config).context("the development configuration")?;
    Config::parse(
        &text,
        "the development configuration",
        &crate::config::environment(),
    )
}

/// The URLs of a development server.
struct Urls {
    portal: String,
    gateway: String,
    operations: String,
    provider: String,
    example: String,
}

impl Urls {
    fn of(scheme: &str, numbers: PortNumbers) -> Self {
        let at = |port| format!("{scheme}://localhost:{port}");
        Self {
            portal: at(numbers.portal),
            gateway: at(numbers.gateway),
            operations: at(numbers.operations),
            provider: at(numbers.provider),
            example: at(numbers.example),
        }
    }

    fn issuer(&self) -> String {
        format!("{}/oauth2/default", self.portal)
    }

    fn call(&self) -> String {
        format!("{}/sample/vehicles/v1/vehicles", self.gateway)
    }
}

async fn start(
    prepared: Prepared,
    config: Config,
    runtimes: &Runtimes,
) -> Result<(Running, CancellationToken)> {
    let urls = Urls::of(prepared.scheme, prepared.numbers);
    let ca_pem = prepared.ca.as_ref().map(fs::read).transpose()?;
    let numbers = prepared.numbers;
    let named = config.outgoing.extra_roots_file.as_deref();
    let mut extra_roots = Vec::new();
    for file in prepared.ca.as_deref().into_iter().chain(named) {
        extra_roots.extend(tls::read_roots(file)?);
    }
    let plan = Plan {
        config,
        roles: [Role::Auth, Role::Gateway, Role::Registry].into(),
        ports: prepared.ports,
        certificate: prepared.certificate,
        extra_roots,
        development: Some(Development {
            seed: seed(&prepared.credentials, &urls),
            own_ports: vec![
                numbers.portal,
                numbers.gateway,
                numbers.operations,
                numbers.example,
            ],
            addresses: addresses(&urls),
        }),
    };
    let running = compose::start(plan, runtimes).await?;
    let stop = CancellationToken::new();
    let provider = portcullis_vehicles::provider(ProviderSettings {
        keys_url: ProviderSettings::keys_url_of(&urls.issuer()),
        issuer: urls.issuer(),
        client_id: ExpectedClient::known(prepared.credentials.provider_key.as_str()),
        ca_pem: ca_pem.clone(),
    })?;
    let Some(seeded) = &running.seeded else {
        bail!("there is no sample data")
    };
    let example = portcullis_vehicles::example_app(example_settings(
        &prepared.credentials,
        seeded,
        &urls,
        ca_pem,
    ));
    for ((bound, settings), router) in [(prepared.provider, provider), (prepared.example, example)]
    {
        runtimes
            .registry()
            .spawn(roles::serve_router(bound, settings, router, stop.clone()));
    }
    wait_for_keys(&running).await?;
    let values = values(&prepared.credentials, &urls, seeded, prepared.ca.as_deref());
    let file = environment::write(&prepared.folder, &values)?;
    say(&banner(&urls, &prepared.credentials, seeded, &file));
    Ok((running, stop))
}

/// The first signing keys are made in the background; `dev.env` promises that everything answers.
async fn wait_for_keys(running: &Running) -> Result<()> {
    let ready = async {
        let mut every = tokio::time::interval(Duration::from_millis(10));
        loop {
            every.tick().await;
            let keys = running.snapshot.load().keys().clone();
            if KeyPurpose::ALL
                .into_iter()
                .all(|purpose| keys.signing(purpose).is_some())
            {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), ready)
        .await
        .context("the signing keys were not made within 60 seconds; the log above says why")
}

fn seed(credentials: &Credentials, urls: &Urls) -> Seed {
    let person = |email: &str, password: &str| SamplePerson {
        email: email.to_owned(),
        password: password.to_owned(),
    };
    let c = credentials;
    let given = |client_id: &ClientId, secret: &str| GivenCredentials {
        client_id: client_id.clone(),
        secret: Secret::from_text(secret.to_owned()),
    };
    Seed {
        ids: SampleIds {
            provider: c.provider_id.clone(),
            developer: c.developer_id.clone(),
            buyer: c.buyer_id.clone(),
            app: c.app_id.clone(),
            subscription: c.subscription_id.clone(),
        },
        operator: person(OPERATOR_EMAIL, &c.operator_password),
        developer: person(DEVELOPER_EMAIL, &c.developer_password),
        provider: person(PROVIDER_EMAIL, &c.provider_password),
        buyer: person(BUYER_EMAIL, &c.buyer_password),
        app_credentials: given(&c.api_key, &c.api_secret),
        api_credentials: given(&c.provider_key, &c.provider_secret),
        management_token: Secret::from_text(c.management_token.clone()),
        target_url: urls.provider.clone(),
        spec: portcullis_vehicles::SPEC.to_owned(),
    }
}

fn example_settings(
    credentials: &Credentials,
    seeded: &Seeded,
    urls: &Urls,
    ca_pem: Option<Vec<u8>>,
) -> ExampleSettings {
    ExampleSettings {
        auth_url: Some(urls.issuer()),
        api_key: Some(credentials.api_key.as_str().to_owned()),
        api_secret: Some(credentials.api_secret.clone().into()),
        api_call_url: Some(urls.call()),
        subscription_id: Some(seeded.subscription_id.as_str().to_owned()),
        ca_pem,
        show_token: false,
    }
}

fn addresses(urls: &Urls) -> Vec<Address> {
    let address = |name: &str, url: String, purpose: &str| Address {
        name: name.to_owned(),
        url,
        purpose: purpose.to_owned(),
    };
    vec![
        address(
            "Sample API",
            urls.call(),
            "The sample provider's vehicles, through the gateway.",
        ),
        address(
            "Example app",
            urls.example.clone(),
            "A small app that gets a token and shows those vehicles.",
        ),
        address(
            "Sample provider",
            urls.provider.clone(),
            "What stands behind the gateway; it answers the gateway alone.",
        ),
        address(
            "Operations",
            format!("{}/readyz", urls.operations),
            "Readiness; /metrics beside it.",
        ),
    ]
}

fn values(
    credentials: &Credentials,
    urls: &Urls,
    seeded: &Seeded,
    ca: Option<&Path>,
) -> Vec<(&'static str, String)> {
    let c = credentials;
    let mut values = vec![
        ("AUTH_URL", urls.issuer()),
        ("OLD_AUTH_URL", format!("{}/oauth2/legacy", urls.portal)),
        ("API_URL", urls.gateway.clone()),
        ("API_CALL_URL", urls.call()),
        ("SUBSCRIPTIONS_URL", urls.portal.clone()),
        ("PORTAL_URL", urls.portal.clone()),
        ("OPS_URL", urls.operations.clone()),
        ("EXAMPLE_APP_URL", urls.example.clone()),
        ("API_KEY", c.api_key.to_string()),
        ("API_SECRET", c.api_secret.clone()),
        ("SUBSCRIPTION_ID", seeded.subscription_id.to_string()),
        (
            "TEST_SUBSCRIPTION_ID",
            seeded.app.test_subscription_id.to_string(),
        ),
        ("APP_ID", seeded.app.id.to_string()),
        ("API_ID", seeded.api.id.to_string()),
        ("PROVIDER_KEY", c.provider_key.to_string()),
        ("PROVIDER_SECRET", c.provider_secret.clone()),
        ("OPERATOR_EMAIL", OPERATOR_EMAIL.to_owned()),
        ("OPERATOR_PASSWORD", c.operator_password.clone()),
        ("DEVELOPER_EMAIL", DEVELOPER_EMAIL.to_owned()),
        ("DEVELOPER_PASSWORD", c.developer_password.clone()),
        ("PROVIDER_EMAIL", PROVIDER_EMAIL.to_owned()),
        ("PROVIDER_PASSWORD", c.provider_password.clone()),
        ("BUYER_EMAIL", BUYER_EMAIL.to_owned()),
        ("BUYER_PASSWORD", c.buyer_password.clone()),
        ("MANAGEMENT_URL", urls.portal.clone()),
        ("MANAGEMENT_TOKEN", c.management_token.clone()),
    ];
    if let Some(ca) = ca {
        values.push(("CA_CERT", ca.display().to_string()));
    }
    values
}

/// The block that can be pasted.
fn banner(urls: &Urls, credentials: &Credentials, seeded: &Seeded, file: &Path) -> String {
    let ca = file.with_file_name("tls").join("ca.pem");
    let https = urls.portal.starts_with("https:");
    let ca = if https {
        format!(" --cacert {}", ca.display())
    } else {
        String::new()
    };
    let Credentials {
        api_key,
        api_secret,
        ..
    } = credentials;
    let subscription_id = &seeded.subscription_id;
    format!(
        "\n  Portcullis {version}, development server\n\n  \
         Portal         {portal}\n  \
         Token server   {issuer}/v1/token\n  \
         Gateway        {gateway}\n  \
         Example app    {example}\n  \
         Operations     {operations}/readyz, {operations}/metrics\n  \
         All values     {file}\n\n\
         # A token for the sample app:\n\
         TOKEN=$(curl -s{ca} -u '{api_key}:{api_secret}' \\\n  \
         -d 'grant_type=client_credentials&scope=anonymous' \\\n  \
         {issuer}/v1/token | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\n\n\
         # A call for the customer that activated it:\n\
         curl{ca} {call} \\\n  -H \"Authorization: Bearer $TOKEN\" \\\n  \
         -H 'Subscription-Id: {subscription_id}'\n",
        version = env!("CARGO_PKG_VERSION"),
        portal = urls.portal,
        issuer = urls.issuer(),
        gateway = urls.gateway,
        example = urls.example,
        operations = urls.operations,
        file = file.display(),
        call = urls.call(),
    )
}
