//! API instances: an API in one environment and version, and the paths that belong to it.

use portcullis_core::{
    api::{
        Api, ApiInstance, InstancePolicy, Simulation, check_base_path, check_namespace, path_prefix,
    },
    catalog::{LIFECYCLE_CHARACTERS_MAX, Lifecycle, Listing},
    change::EntityKind,
    environment::Environment,
    ids::{ApiId, InstanceId, OrganizationId, SubscriptionId},
    permissions::Authority,
    target::Target,
};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::AnyConnection;

use crate::{
    act::{Act, Fault, Note, act, scope},
    apis, check,
    error::{ActError, CorruptRow},
    idempotency::IdempotencyKey,
    organizations::{self, stale_unless},
    row::Columns,
    store::{Acted, Store},
    subscriptions::{self, TestSubscription},
};

/// An instance to be made.
#[derive(Debug, Clone, Serialize)]
pub struct NewInstance {
    /// The API.
    pub api_id: ApiId,
    /// Fixed from now on.
    pub environment: Environment,
    /// One of the provider's namespaces; empty by operators only.
    pub namespace: String,
    /// `/vehicles/v1`.
    pub base_path: String,
    /// Spec version.
    pub version: String,
    /// Public base URL of the provider.
    pub target_url: String,
    /// What the gateway does with calls.
    pub policy: InstancePolicy,
    /// The specification as it was uploaded.
    pub spec: Option<String>,
    /// Answers for the literal `Subscription-Id: test`.
    pub simulations: Vec<Simulation>,
    /// How it stands in the directory.
    pub listing: Listing,
    /// What the API is filed under when nothing is chosen yet: tags of the specification.
    pub categories: Vec<String>,
}

/// What is to be changed; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct InstancePatch {
    /// Spec version.
    pub version: Option<String>,
    /// Public base URL of the provider.
    pub target_url: Option<String>,
    /// What the gateway does with calls.
    pub policy: Option<InstancePolicy>,
    /// The specification; `Some(None)` removes it.
    pub spec: Option<Option<String>>,
    /// Answers for the literal `Subscription-Id: test`.
    pub simulations: Option<Vec<Simulation>>,
    /// How far it has come.
    pub lifecycle: Option<Lifecycle>,
    /// Whether it stands in the directory.
    pub show_in_directory: Option<bool>,
}

impl InstancePatch {
    fn listing(&self, before: &Listing) -> Listing {
        Listing {
            lifecycle: self.lifecycle.as_ref().unwrap_or(&before.lifecycle).clone(),
            show_in_directory: self.show_in_directory.unwrap_or(before.show_in_directory),
        }
    }
}

/// What became of an API with one of its instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remains {
    /// It has others.
    Api,
    /// That was the last: the API is gone with it.
    Nothing,
}

/// The fields that are checked the same way at creation and at every edit.
struct Editable<'a> {
    version: &'a str,
    target_url: &'a str,
    spec: Option<&'a str>,
    simulations: String,
    policy: String,
    listing: Listing,
}

impl<'a> Editable<'a> {
    fn of(
        texts: (&'a str, &'a str, Option<&'a str>),
        policy: &InstancePolicy,
        simulations: &[Simulation],
        listing: Listing,
    ) -> Result<Self, ActError> {
        let (version, target_url, spec) = texts;
        check::text("version", version, 1..=100)?;
        if let Lifecycle::Custom(text) = &listing.lifecycle {
            check::text("lifecycle_text", text, 1..=LIFECYCLE_CHARACTERS_MAX)?;
        }
        Target::parse(target_url)
            .map_err(|error| ActError::invalid("target_url", error.to_string()))?;
        if let Some(spec) = spec {
            check::size("spec", spec)?;
        }
        let unwritable = |_| ActError::invalid("simulations", "cannot be written as JSON");
        let simulations = serde_json::to_string(simulations).map_err(unwritable)?;
        check::size("simulations", &simulations)?;
        if simulations.contains("\\u0000") {
            return Err(ActError::invalid(
                "simulations",
                "cannot hold the character NUL",
            ));
        }
        let policy = serde_json::to_string(policy)
            .map_err(|_| ActError::invalid("policy", "cannot be written as JSON"))?;
        Ok(Self {
            version,
            target_url,
            spec,
            simulations,
            policy,
            listing,
        })
    }
}

fn told(instance: &ApiInstance) -> Value {
    json!({
        "api_id": instance.api_id,
        "environment": instance.environment,
        "prefix": instance.prefix(),
        "version": instance.version,
        "target_url": instance.target_url,
        "policy": instance.policy,
        "spec_bytes": instance.spec.as_ref().map(String::len),
        "simulations": instance.simulations.len(),
        "listing": instance.listing,
    })
}

fn note(
    act: &mut Act,
    action: &'static str,
    instance: (&InstanceId, &OrganizationId),
    detail: Value,
) {
    let (id, organization) = instance;
    act.note(&Note {
        action,
        kind: EntityKind::Instance.as_str(),
        id: id.as_str(),
        organization: Some(organization),
        detail,
    });
}

impl Store {
    /// Makes an instance, and the API's test subscription with an active connection when the environment has
    /// none yet.
    ///
    /// # Errors
    /// [`ActError`]: `Invalid`, `NotFound` (API), `Forbidden` (no namespace, and no operator), `Conflict`
    /// (`base_path_taken`, `path_root_taken`, `idempotency_key_reused`).
    pub async fn create_instance(
        &self,
        authority: &Authority,
        new: NewInstance,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Acted<ApiInstance>, ActError> {
        check_base_path(&new.base_path)
            .map_err(|error| ActError::invalid("base_path", error.to_string()))?;
        if new.namespace.is_empty() {
            if !authority.actor().is_operator() {
                return Err(ActError::Forbidden);
            }
        } else {
            check_namespace(&new.namespace)
                .map_err(|error| ActError::invalid("namespace", error.to_string()))?;
        }
        apis::check_categories(&new.categories)?;
        let texts = (
            new.version.as_str(),
            new.target_url.as_str(),
            new.spec.as_deref(),
        );
        let editable = Editable::of(texts, &new.policy, &new.simulations, new.listing.clone())?;
        act!(self, authority.actor(), |act| {
            let id = InstanceId::random();
            let first = act
                .claim(idempotency, "instance.create", &new, id.as_str())
                .await?;
            if let Some(first) = first {
                let (instance, _) = find(act.db(), &first, "").await?;
                return Ok(instance);
            }
            let api = apis::lock(act, &new.api_id, scope(authority)).await?;
            make(act, &id, (&new, &editable), &api).await?;
            let (made, organization) = find(act.db(), id.as_str(), "").await?;
            let detail = json!({ "after": told(&made) });
            note(act, "instance.create", (&id, &organization), detail);
            Ok(made)
        })
    }

    /// Changes an instance. `version` is the one that was read; `None` overwrites whatever is there.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Stale`, `Invalid`.
    pub async fn update_instance(
        &self,
        authority: &Authority,
        id: &InstanceId,
        version: Option<i64>,
        patch: InstancePatch,
    ) -> Result<Acted<ApiInstance>, ActError> {
        act!(self, authority.actor(), |act| {
            let (before, organization) = lock(act, id, scope(authority)).await?;
            stale_unless(version, before.edit_version)?;
            let spec = patch.spec.as_ref().unwrap_or(&before.spec).as_deref();
            let texts = (
                patch.version.as_ref().unwrap_or(&before.version).as_str(),
                patch
                    .target_url
                    .as_ref()
                    .unwrap_or(&before.target_url)
                    .as_str(),
                spec,
            );
            let editable = Editable::of(
                texts,
                patch.policy.as_ref().unwrap_or(&before.policy),
                patch.simulations.as_ref().unwrap_or(&before.simulations),
                patch.listing(&before.listing),
            )?;
            sqlx::query(
                "UPDATE api_instances SET version = $2, target_url = $3, policy = $4, spec = $5, simulations = $6, \
                 lifecycle = $7, lifecycle_text = $8, show_in_directory = $9, edit_version = edit_version + 1 WHERE id = $1",
            )
            .bind(id.as_str())
            .bind(editable.version)
            .bind(editable.target_url)
            .bind(editable.policy.as_str())
            .bind(editable.spec.map(str::to_owned))
            .bind(editable.simulations.as_str())
            .bind(editable.listing.lifecycle.as_str())
            .bind(editable.listing.lifecycle.text())
            .bind(i64::from(editable.listing.show_in_directory))
            .execute(act.db())
            .await?;
            act.changed(EntityKind::Instance, id.as_str());
            let (after, _) = find(act.db(), id.as_str(), "").await?;
            let detail = json!({ "before": told(&before), "after": told(&after) });
            note(act, "instance.update", (id, &organization), detail);
            Ok(after)
        })
    }

    /// Deletes an instance. The API's test subscription in its environment ends with the last one there, and the
    /// API itself with its last instance.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn delete_instance(
        &self,
        authority: &Authority,
        id: &InstanceId,
    ) -> Result<Acted<Remains>, ActError> {
        act!(self, authority.actor(), |act| {
            let (found, _) = find(act.db(), id.as_str(), scope(authority)).await?;
            // The API first, as for a new instance: two that delete its last two instances see each other.
            let api = apis::lock(act, &found.api_id, scope(authority)).await?;
            let (before, organization) = lock(act, id, scope(authority)).await?;
            delete(act, &before).await?;
            let detail = json!({ "before": told(&before) });
            note(act, "instance.delete", (id, &organization), detail);
            if of_api(act.db(), &before.api_id).await?.is_empty() {
                apis::delete(act, &api).await?;
                return Ok(Remains::Nothing);
            }
            Ok(Remains::Api)
        })
    }

    /// The instance, for its provider.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn instance(
        &self,
        authority: &Authority,
        id: &InstanceId,
    ) -> Result<ApiInstance, ActError> {
        let mut connection = self.reader().await?;
        let (instance, _) = find(&mut connection, id.as_str(), scope(authority)).await?;
        Ok(instance)
    }

    /// The instance, when an organization within reach provides its API or may select it.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn visible_instance(
        &self,
        authority: &Authority,
        id: &InstanceId,
    ) -> Result<ApiInstance, ActError> {
        let mut connection = self.reader().await?;
        let (instance, _) = find(&mut connection, id.as_str(), "").await?;
        let api = instance.api_id.as_str();
        let visible = apis::visible(&mut connection, api, scope(authority)).await?;
        visible.ok_or(ActError::NotFound("API instance"))?;
        Ok(instance)
    }

    /// Every instance of an API that an organization within reach provides or may select; oldest first.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn visible_instances(
        &self,
        authority: &Authority,
        api: &ApiId,
    ) -> Result<Vec<ApiInstance>, ActError> {
        let mut connection = self.reader().await?;
        let visible = apis::visible(&mut connection, api.as_str(), scope(authority)).await?;
        visible.ok_or(ActError::NotFound("API"))?;
        Ok(of_api(&mut connection, api).await?)
    }

    /// Every instance of an API, for its provider; oldest first.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn instances(
        &self,
        authority: &Authority,
        api: &ApiId,
    ) -> Result<Vec<ApiInstance>, ActError> {
        let mut connection = self.reader().await?;
        apis::find(&mut connection, api.as_str(), scope(authority)).await?;
        Ok(of_api(&mut connection, api).await?)
    }
}

async fn make(
    act: &mut Act,
    id: &InstanceId,
    new: (&NewInstance, &Editable<'_>),
    api: &Api,
) -> Result<(), Fault> {
    let (new, editable) = new;
    let owner = &api.organization_id;
    let prefix = path_prefix(&new.namespace, new.environment, &new.base_path);
    if !new.namespace.is_empty() {
        let own = organizations::find(act.db(), owner.as_str(), "").await?;
        if !own.namespaces.contains(&new.namespace) {
            let detail = "is not a namespace of the organization that owns the API";
            return Err(ActError::invalid("namespace", detail).into());
        }
    }
    let root = prefix.split('/').nth(1).unwrap_or_default();
    if !organizations::take_path_root(act, owner, root).await? {
        let detail = "paths that begin with this segment belong to another organization";
        return Err(ActError::conflict("path_root_taken", detail).into());
    }
    let of = TestSubscription::Api(&new.api_id, new.environment);
    let test = subscriptions::test_subscription_of(act, of, owner).await?;
    insert(act, id, (new, editable), (&prefix, &test, owner)).await?;
    if api.details.categories.is_empty() && !new.categories.is_empty() {
        apis::set_categories(act, &api.id, &new.categories).await?;
    }
    act.changed(EntityKind::Instance, id.as_str());
    Ok(())
}

async fn insert(
    act: &mut Act,
    id: &InstanceId,
    new: (&NewInstance, &Editable<'_>),
    made: (&str, &SubscriptionId, &OrganizationId),
) -> Result<(), Fault> {
    let (new, editable) = new;
    let (prefix, test, owner) = made;
    let now = act.now().as_us();
    let inserted = sqlx::query(
        "INSERT INTO api_instances (id, api_id, organization_id, environment, namespace, base_path, prefix, version, \
         target_url, policy, test_subscription_id, spec, simulations, created_at_us, edit_version, lifecycle, \
         lifecycle_text, show_in_directory) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1, $15, $16, $17) ON CONFLICT (prefix) DO NOTHING",
    )
    .bind(id.as_str())
    .bind(new.api_id.as_str())
    .bind(owner.as_str())
    .bind(new.environment.as_str())
    .bind(new.namespace.as_str())
    .bind(new.base_path.as_str())
    .bind(prefix)
    .bind(editable.version)
    .bind(editable.target_url)
    .bind(editable.policy.as_str())
    .bind(test.as_str())
    .bind(editable.spec.map(str::to_owned))
    .bind(editable.simulations.as_str())
    .bind(now)
    .bind(editable.listing.lifecycle.as_str())
    .bind(editable.listing.lifecycle.text())
    .bind(i64::from(editable.listing.show_in_directory))
    .execute(act.db())
    .await?;
    if inserted.rows_affected() == 0 {
        let detail = "another instance is at this path already; choose another base path";
        return Err(ActError::conflict("base_path_taken", detail).into());
    }
    Ok(())
}

async fn delete(act: &mut Act, instance: &ApiInstance) -> Result<(), Fault> {
    sqlx::query("DELETE FROM api_instances WHERE id = $1")
        .bind(instance.id.as_str())
        .execute(act.db())
        .await?;
    act.changed(EntityKind::Instance, instance.id.as_str());
    let others = of_api(act.db(), &instance.api_id).await?;
    if others
        .iter()
        .all(|other| other.environment != instance.environment)
    {
        subscriptions::end_test(act, &instance.test_subscription_id).await?;
    }
    Ok(())
}

/// Deletes every instance of an API that is being deleted.
pub(crate) async fn delete_all(act: &mut Act, api: &ApiId) -> Result<(), Fault> {
    for instance in of_api(act.db(), api).await? {
        delete(act, &instance).await?;
    }
    Ok(())
}

async fn of_api(connection: &mut AnyConnection, api: &ApiId) -> Result<Vec<ApiInstance>, Fault> {
    let rows = sqlx::query(
        "SELECT id, api_id, organization_id, environment, namespace, base_path, version, target_url, policy, \
         test_subscription_id, spec, simulations, created_at_us, edit_version, lifecycle, lifecycle_text, \
         show_in_directory FROM api_instances \
         WHERE api_id = $1 ORDER BY created_at_us, id",
    )
    .bind(api.as_str())
    .fetch_all(connection)
    .await?;
    let instances = rows
        .iter()
        .map(|row| of_row(&Columns::of(row, "api_instances")))
        .collect::<Result<_, _>>()?;
    Ok(instances)
}

/// Locks the instance until the end of the act.
async fn lock(
    act: &mut Act,
    id: &InstanceId,
    scope: &str,
) -> Result<(ApiInstance, OrganizationId), Fault> {
    sqlx::query(
        "UPDATE api_instances SET edit_version = edit_version WHERE id = $1 AND ($2 = '' OR organization_id = $2)",
    )
    .bind(id.as_str())
    .bind(scope)
    .execute(act.db())
    .await?;
    find(act.db(), id.as_str(), scope).await
}

/// The instance and its provider; `NotFound` when it is unknown or out of scope.
async fn find(
    connection: &mut AnyConnection,
    id: &str,
    scope: &str,
) -> Result<(ApiInstance, OrganizationId), Fault> {
    let row = sqlx::query(
        "SELECT id, api_id, organization_id, environment, namespace, base_path, version, target_url, policy, \
         test_subscription_id, spec, simulations, created_at_us, edit_version, lifecycle, lifecycle_text, \
         show_in_directory FROM api_instances \
         WHERE id = $1 AND ($2 = '' OR organization_id = $2)",
    )
    .bind(id)
    .bind(scope)
    .fetch_optional(connection)
    .await?
    .ok_or(Fault::Act(ActError::NotFound("API instance")))?;
    let columns = Columns::of(&row, "api_instances");
    let organization = columns.id("organization_id", OrganizationId::parse)?;
    Ok((of_row(&columns)?, organization))
}

fn of_row(columns: &Columns<'_>) -> Result<ApiInstance, CorruptRow> {
    Ok(ApiInstance {
        id: columns.id("id", InstanceId::parse)?,
        api_id: columns.id("api_id", ApiId::parse)?,
        environment: columns.word("environment", Environment::parse)?,
        namespace: columns.owned("namespace")?,
        base_path: columns.owned("base_path")?,
        version: columns.owned("version")?,
        target_url: columns.owned("target_url")?,
        policy: columns.json("policy")?,
        test_subscription_id: columns.id("test_subscription_id", SubscriptionId::parse)?,
        spec: columns.optional_text("spec")?.map(str::to_owned),
        simulations: columns.json("simulations")?,
        listing: listing_of(columns)?,
        created_at: columns.instant("created_at_us")?,
        edit_version: columns.number("edit_version")?,
    })
}

/// Reads the columns of how an instance stands in the directory.
pub(crate) fn listing_of(columns: &Columns<'_>) -> Result<Listing, CorruptRow> {
    let lifecycle = Lifecycle::parse(columns.text("lifecycle")?, columns.text("lifecycle_text")?);
    Ok(Listing {
        lifecycle: lifecycle.ok_or_else(|| columns.corrupt("lifecycle"))?,
        show_in_directory: columns.number("show_in_directory")? != 0,
    })
}
