//! Sample data of the development server: a provider with an API, a developer with an app, a buyer that activated
//! it, an operator. Idempotent: what is there stays, with the same identifiers; what is missing is made; what the
//! addresses of this start changed is corrected.

use std::fmt;

use portcullis_core::{
    api::{Api, ApiInstance, InstancePolicy, Visibility},
    app::App,
    catalog::{ApiDetails, Listing},
    environment::Environment,
    ids::{ApiId, AppId, OrganizationId, SubscriptionId, UserId},
    installation::{InstallationSettings, Registration},
    organization::MemberRole,
    permissions::{Action, Actor, Authority, Forbidden, may},
    secret::Secret,
    subscription::SubscriptionState,
};
use portcullis_store::{
    ActError, AppPatch, GivenCredentials, InstallationPatch, InstancePatch, NewActivation, NewApi,
    NewApp, NewInstance, NewOrganization, NewUser, PageRequest, Store, SubscriptionFilter,
};

use crate::{
    password::{Password, PasswordRefused, Passwords},
    spec::{self, Spec, SpecError},
};

/// The namespace of the sample provider.
pub const NAMESPACE: &str = "sample";
/// The base path of the sample API.
pub const BASE_PATH: &str = "/vehicles/v1";
/// The identifier of the sample API.
pub const API_ID: &str = "v1-vehicles";

/// A person of the sample data.
#[derive(Clone)]
pub struct SamplePerson {
    /// The sign-in name.
    pub email: String,
    /// The password, in clear: written to `dev.env` by the server.
    pub password: String,
}

impl fmt::Debug for SamplePerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SamplePerson({}, [redacted])", self.email)
    }
}

/// Identifiers of the sample data, the same at each start.
#[derive(Debug, Clone)]
pub struct SampleIds {
    /// The provider.
    pub provider: OrganizationId,
    /// The app's owner.
    pub developer: OrganizationId,
    /// Who activated the app.
    pub buyer: OrganizationId,
    /// The app.
    pub app: AppId,
    /// The buyer's subscription.
    pub subscription: SubscriptionId,
}

impl SampleIds {
    /// New identifiers, for a first start.
    #[must_use]
    pub fn random() -> Self {
        Self {
            provider: OrganizationId::random(),
            developer: OrganizationId::random(),
            buyer: OrganizationId::random(),
            app: AppId::random(),
            subscription: SubscriptionId::random(),
        }
    }
}

/// What the sample data is made of. The server keeps all of it but the last two in a file.
#[derive(Debug, Clone)]
pub struct Seed {
    /// Identifiers.
    pub ids: SampleIds,
    /// Acts on every organization.
    pub operator: SamplePerson,
    /// Owner of the app's organization.
    pub developer: SamplePerson,
    /// Owner of the provider.
    pub provider: SamplePerson,
    /// Owner of the buyer.
    pub buyer: SamplePerson,
    /// API Key and API Secret of the app.
    pub app_credentials: GivenCredentials,
    /// Client ID and Client Secret of the API.
    pub api_credentials: GivenCredentials,
    /// The operator's token for the management API.
    pub management_token: Secret,
    /// Where the sample provider listens at this start.
    pub target_url: String,
    /// The sample provider's specification.
    pub spec: String,
}

/// What stands in the database now.
#[derive(Debug, Clone)]
pub struct Seeded {
    /// The app, with its API Key and test subscription.
    pub app: App,
    /// The API, with its Client ID.
    pub api: Api,
    /// Its instances: production, test, dev.
    pub instances: Vec<ApiInstance>,
    /// The buyer's subscription. Another than was asked for when that one was ended by hand.
    pub subscription_id: SubscriptionId,
    /// The operator.
    pub operator_id: UserId,
}

/// Why the sample data could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The store refused.
    #[error("the sample data could not be made: {0}")]
    Store(#[from] ActError),
    /// The specification of the sample provider was refused.
    #[error("the specification of the sample provider was refused: {0}")]
    Spec(#[from] SpecError),
    /// A password of the sample data was refused.
    #[error("a password of the sample data was refused: {0}")]
    Password(#[from] PasswordRefused),
    /// The slots for hashing are taken, or a thread ended.
    #[error("a password of the sample data could not be hashed")]
    Hash,
    /// What must not happen: the system may do everything.
    #[error("the sample data may not be made: {0}")]
    Forbidden(#[from] Forbidden),
}

/// Makes the sample data, or what is missing of it.
///
/// # Errors
/// [`SeedError`]; what was made before stays, and the next start goes on from there.
pub async fn seed(store: &Store, passwords: &Passwords, seed: &Seed) -> Result<Seeded, SeedError> {
    registration(store).await?;
    organizations(store, seed).await?;
    let operator_id = people(store, passwords, seed).await?;
    let all = may(&Actor::System, Action::Operate, None)?;
    let token = &seed.management_token;
    store
        .import_management_token(&all, &operator_id, token)
        .await?;
    let api = api(store, seed).await?;
    let instances = instances(store, seed, &api).await?;
    let app = app(store, seed, &api).await?;
    let subscription_id = subscription(store, seed, &app).await?;
    Ok(Seeded {
        app,
        api,
        instances,
        subscription_id,
        operator_id,
    })
}

fn on(organization: &OrganizationId, action: Action) -> Result<Authority, Forbidden> {
    may(&Actor::System, action, Some(organization))
}

/// What was read; `None` when it is not there yet.
fn found<T>(read: Result<T, ActError>) -> Result<Option<T>, ActError> {
    match read {
        Ok(thing) => Ok(Some(thing)),
        Err(ActError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Strangers may sign up, unless somebody has decided otherwise.
async fn registration(store: &Store) -> Result<(), SeedError> {
    let authority = may(&Actor::System, Action::Operate, None)?;
    let before = store.installation_settings().await?;
    if before.version == InstallationSettings::default().version {
        let open = InstallationPatch {
            registration: Some(Registration::Open),
            ..InstallationPatch::default()
        };
        store
            .update_installation_settings(&authority, Some(before.version), open)
            .await?;
    }
    Ok(())
}

async fn organizations(store: &Store, seed: &Seed) -> Result<(), SeedError> {
    let authority = may(&Actor::System, Action::Operate, None)?;
    let sample = |id: &OrganizationId, name: &str, person: &SamplePerson| NewOrganization {
        id: Some(id.clone()),
        name: name.to_owned(),
        country_code: "US".to_owned(),
        website: "https://example.com".to_owned(),
        contact_email: person.email.clone(),
        ..NewOrganization::default()
    };
    let provider = NewOrganization {
        address: "100 Dealer Cloud Way, Austin, TX 78701".to_owned(),
        phone_number: "(512) 555-0100".to_owned(),
        namespaces: vec![NAMESPACE.to_owned()],
        ..sample(&seed.ids.provider, "Sample Vehicles Inc.", &seed.provider)
    };
    let developer = NewOrganization {
        address: "200 Maker Street, Portland, OR 97201".to_owned(),
        phone_number: "(503) 555-0100".to_owned(),
        ..sample(&seed.ids.developer, "Sample Apps LLC", &seed.developer)
    };
    let buyer = NewOrganization {
        address: "1234 Some St., Columbus, OH 43235".to_owned(),
        phone_number: "(614) 555-5555".to_owned(),
        ..sample(&seed.ids.buyer, "Super Car Dealership", &seed.buyer)
    };
    for new in [provider, developer, buyer] {
        let Some(id) = new.id.clone() else { continue };
        if found(store.organization(&authority, &id).await)?.is_none() {
            store.create_organization(&authority, new, None).await?;
        }
    }
    Ok(())
}

/// The four people; gives the operator.
async fn people(store: &Store, passwords: &Passwords, seed: &Seed) -> Result<UserId, SeedError> {
    let owner = |id: &OrganizationId| vec![(id.clone(), MemberRole::Owner)];
    let members = [
        (
            &seed.developer,
            "Dana Developer",
            owner(&seed.ids.developer),
        ),
        (&seed.provider, "Pat Provider", owner(&seed.ids.provider)),
        (&seed.buyer, "Blair Buyer", owner(&seed.ids.buyer)),
    ];
    for (sample, full_name, memberships) in members {
        person(store, passwords, sample, (full_name, memberships)).await?;
    }
    let operator = (&seed.operator, ("Olivia Operator", Vec::new()));
    person(store, passwords, operator.0, operator.1).await
}

/// A person with this password. Without memberships it is the operator.
async fn person(
    store: &Store,
    passwords: &Passwords,
    sample: &SamplePerson,
    (full_name, memberships): (&str, Vec<(OrganizationId, MemberRole)>),
) -> Result<UserId, SeedError> {
    let authority = may(&Actor::System, Action::Operate, None)?;
    let present = store.user_by_email(&sample.email).await?;
    if let Some((user, hash)) = present {
        let same = passwords.matches(sample.password.clone(), hash).await;
        if !same.map_err(|_| SeedError::Hash)? {
            let hash = hashed(passwords, sample).await?;
            store.set_password_hash(&authority, &user.id, &hash).await?;
        }
        return Ok(user.id);
    }
    let new = NewUser {
        id: None,
        email: sample.email.clone(),
        full_name: full_name.to_owned(),
        password_hash: Some(hashed(passwords, sample).await?),
        is_operator: memberships.is_empty(),
        memberships,
    };
    Ok(store.create_user(&authority, new, None).await?.value.id)
}

async fn hashed(passwords: &Passwords, sample: &SamplePerson) -> Result<String, SeedError> {
    let password = Password::chosen(&sample.password, &[])?;
    passwords.hash(password).await.map_err(|_| SeedError::Hash)
}

async fn api(store: &Store, seed: &Seed) -> Result<Api, SeedError> {
    let authority = on(&seed.ids.provider, Action::ManageApis)?;
    let id = ApiId::parse(API_ID).map_err(|_| ActError::NotFound("API"))?;
    if let Some(api) = found(store.api(&authority, &id).await)? {
        let secret = &seed.api_credentials.secret;
        store
            .import_client_secret(&authority, &api.client_id, secret)
            .await?;
        return Ok(api);
    }
    let spec = spec::read(&seed.spec)?;
    let new = NewApi {
        id: Some(id),
        organization_id: seed.ids.provider.clone(),
        name: spec.title,
        description: spec.description,
        visibility: Visibility::Public,
        details: ApiDetails::default(),
        credentials: Some(seed.api_credentials.clone()),
    };
    Ok(store.create_api(&authority, new, None).await?.value.api)
}

/// An instance for each environment, at the target of this start.
async fn instances(store: &Store, seed: &Seed, api: &Api) -> Result<Vec<ApiInstance>, SeedError> {
    let authority = on(&seed.ids.provider, Action::ManageApis)?;
    let spec = spec::read(&seed.spec)?;
    let present = store.instances(&authority, &api.id).await?;
    let mut instances = Vec::new();
    for environment in Environment::ALL {
        let found = present.iter().find(|instance| {
            instance.environment == environment && instance.base_path == BASE_PATH
        });
        instances.push(if let Some(instance) = found {
            refreshed(store, &authority, instance, (seed, &spec)).await?
        } else {
            let new = new_instance(api, environment, (seed, &spec));
            store.create_instance(&authority, new, None).await?.value
        });
    }
    Ok(instances)
}

fn new_instance(api: &Api, environment: Environment, (seed, spec): (&Seed, &Spec)) -> NewInstance {
    NewInstance {
        api_id: api.id.clone(),
        environment,
        namespace: NAMESPACE.to_owned(),
        base_path: BASE_PATH.to_owned(),
        version: spec.version.clone(),
        target_url: seed.target_url.clone(),
        policy: InstancePolicy::default(),
        spec: Some(seed.spec.clone()),
        simulations: spec.simulations.clone(),
        listing: Listing::default(),
        categories: Vec::new(),
    }
}

/// The instance with the target and specification of this start; nothing is written when nothing changed.
async fn refreshed(
    store: &Store,
    authority: &Authority,
    instance: &ApiInstance,
    (seed, spec): (&Seed, &Spec),
) -> Result<ApiInstance, SeedError> {
    let same_spec = instance.spec.as_deref() == Some(seed.spec.as_str())
        && instance.simulations == spec.simulations;
    if same_spec && instance.target_url == seed.target_url {
        return Ok(instance.clone());
    }
    let patch = InstancePatch {
        version: Some(spec.version.clone()),
        target_url: Some(seed.target_url.clone()),
        policy: None,
        spec: Some(Some(seed.spec.clone())),
        simulations: Some(spec.simulations.clone()),
        ..InstancePatch::default()
    };
    let acted = store
        .update_instance(authority, &instance.id, None, patch)
        .await?;
    Ok(acted.value)
}

async fn app(store: &Store, seed: &Seed, api: &Api) -> Result<App, SeedError> {
    let authority = on(&seed.ids.developer, Action::ManageApps)?;
    let Some(app) = found(store.app(&authority, &seed.ids.app).await)? else {
        let new = NewApp {
            id: Some(seed.ids.app.clone()),
            organization_id: seed.ids.developer.clone(),
            name: "Sample App".to_owned(),
            description: "Shows the vehicles of a dealership that activated it.".to_owned(),
            website: "https://example.com".to_owned(),
            callback_url: String::new(),
            apis: vec![api.id.clone()],
            credentials: Some(seed.app_credentials.clone()),
        };
        return Ok(store.create_app(&authority, new, None).await?.value.app);
    };
    let secret = &seed.app_credentials.secret;
    store
        .import_client_secret(&authority, &app.client_id, secret)
        .await?;
    if app.apis.contains(&api.id) {
        return Ok(app);
    }
    let patch = AppPatch {
        apis: Some([app.apis.as_slice(), std::slice::from_ref(&api.id)].concat()),
        ..AppPatch::default()
    };
    let acted = store.update_app(&authority, &app.id, None, patch).await?;
    Ok(acted.value)
}

/// The buyer's subscription: the one of the file, else a living one, else a new one.
async fn subscription(store: &Store, seed: &Seed, app: &App) -> Result<SubscriptionId, SeedError> {
    let authority = on(&seed.ids.buyer, Action::ManageSubscriptions)?;
    let wanted = &seed.ids.subscription;
    let present = found(store.subscription(&authority, wanted).await)?;
    if present
        .as_ref()
        .is_some_and(|present| !present.state.is_ended())
    {
        return Ok(wanted.clone());
    }
    let filter = SubscriptionFilter {
        app_id: Some(app.id.clone()),
        organization_id: Some(seed.ids.buyer.clone()),
        states: vec![SubscriptionState::Active, SubscriptionState::Suspended],
        ..SubscriptionFilter::default()
    };
    let page = PageRequest::first(1);
    let living = store.subscriptions(&authority, filter, page).await?;
    if let Some(living) = living.items.into_iter().next() {
        return Ok(living.id);
    }
    let new = NewActivation {
        id: present.is_none().then(|| wanted.clone()),
        app_id: app.id.clone(),
        organization_id: seed.ids.buyer.clone(),
        ends_at: None,
    };
    Ok(store.activate(&authority, new, None).await?.value.id)
}
