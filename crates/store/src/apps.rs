//! Apps and the APIs they selected.

use portcullis_core::{
    app::{APP_DESCRIPTION_CHARACTERS_MAX, APP_NAME_CHARACTERS_MAX, App, AppState},
    change::EntityKind,
    client::{ClientOwner, ClientSecretInfo},
    ids::{ApiId, AppId, ClientId, OrganizationId, SubscriptionId},
    permissions::Authority,
    secret::{Secret, SecretKind},
};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::AnyConnection;

use crate::{
    act::{Act, Fault, Note, act, reaches, scope},
    apis, check, clients, connections,
    error::{ActError, CorruptRow},
    idempotency::IdempotencyKey,
    organizations::{self, stale_unless},
    row::Columns,
    statement::name_key,
    store::{Acted, Store},
    subscriptions::{self, TestSubscription},
};

/// Credentials that came from elsewhere: an import, or a file.
#[derive(Debug, Clone)]
pub struct GivenCredentials {
    /// The `client_id`.
    pub client_id: ClientId,
    /// Its secret.
    pub secret: Secret,
}

/// An app to be made.
#[derive(Debug, Clone, Serialize)]
pub struct NewApp {
    /// `None` makes a new identifier.
    pub id: Option<AppId>,
    /// The owner.
    pub organization_id: OrganizationId,
    /// 1 to 40 characters.
    pub name: String,
    /// At most 256 characters.
    pub description: String,
    /// May be empty.
    pub website: String,
    /// May be empty.
    pub callback_url: String,
    /// Selected APIs.
    pub apis: Vec<ApiId>,
    /// `None` makes new ones.
    #[serde(skip)]
    pub credentials: Option<GivenCredentials>,
}

/// An app that was made.
#[derive(Debug, Clone)]
pub struct CreatedApp {
    /// The app.
    pub app: App,
    /// Its first secret as it can be shown later.
    pub secret_info: ClientSecretInfo,
    /// The secret, shown this once; `None` when an idempotency key was used again.
    pub secret: Option<Secret>,
}

/// What is to be changed; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct AppPatch {
    /// 1 to 40 characters.
    pub name: Option<String>,
    /// At most 256 characters.
    pub description: Option<String>,
    /// May be empty.
    pub website: Option<String>,
    /// May be empty.
    pub callback_url: Option<String>,
    /// Selected APIs: the connections of living subscriptions follow.
    pub apis: Option<Vec<ApiId>>,
}

/// The fields that are checked the same way at creation and at every edit.
struct Texts<'a> {
    name: &'a str,
    description: &'a str,
    website: &'a str,
    callback_url: &'a str,
}

impl Texts<'_> {
    fn check(&self) -> Result<(), ActError> {
        check::text("name", self.name, 1..=APP_NAME_CHARACTERS_MAX)?;
        check::text(
            "description",
            self.description,
            0..=APP_DESCRIPTION_CHARACTERS_MAX,
        )?;
        check::website("website", self.website)?;
        check::website("callback_url", self.callback_url)
    }
}

fn told(app: &App) -> Value {
    json!({
        "name": app.name,
        "description": app.description,
        "website": app.website,
        "callback_url": app.callback_url,
        "client_id": app.client_id,
        "apis": app.apis,
        "state": app.state.as_str(),
    })
}

fn note(act: &mut Act, action: &'static str, app: &App, detail: Value) {
    act.note(&Note {
        action,
        kind: EntityKind::App.as_str(),
        id: app.id.as_str(),
        organization: Some(&app.organization_id),
        detail,
    });
}

impl Store {
    /// Makes an app with its client, first secret and test subscription.
    ///
    /// # Errors
    /// [`ActError`]: `Invalid` (an API it may not select, too), `NotFound` (organization), `Conflict` (`app_exists`, `client_exists`,
    /// `idempotency_key_reused`).
    pub async fn create_app(
        &self,
        authority: &Authority,
        new: NewApp,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Acted<CreatedApp>, ActError> {
        let texts = Texts {
            name: &new.name,
            description: &new.description,
            website: &new.website,
            callback_url: &new.callback_url,
        };
        texts.check()?;
        if !reaches(authority, &new.organization_id) {
            return Err(ActError::NotFound("organization"));
        }
        act!(self, authority.actor(), |act| {
            let id = new.id.clone().unwrap_or_else(AppId::random);
            let first = act
                .claim(idempotency, "app.create", &new, id.as_str())
                .await?;
            if let Some(first) = first {
                return created_before(act, &first).await;
            }
            let (secret_info, secret) = make(act, &id, &new).await?;
            let app = find(act.db(), id.as_str(), "").await?;
            note(act, "app.create", &app, json!({ "after": told(&app) }));
            Ok(CreatedApp {
                app,
                secret_info,
                secret: Some(secret),
            })
        })
    }

    /// Changes an app. `version` is the one that was read; `None` overwrites whatever is there. An API that is
    /// added gets a connection in every living subscription; none is taken away while a subscription lives.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Stale`, `Invalid`, `Conflict` (`app_deleted`, `app_needs_api`, `api_in_use`).
    pub async fn update_app(
        &self,
        authority: &Authority,
        id: &AppId,
        version: Option<i64>,
        patch: AppPatch,
    ) -> Result<Acted<App>, ActError> {
        act!(self, authority.actor(), |act| {
            let before = lock(act, id, scope(authority)).await?;
            stale_unless(version, before.version)?;
            not_deleted(&before)?;
            let texts = Texts {
                name: patch.name.as_ref().unwrap_or(&before.name),
                description: patch.description.as_ref().unwrap_or(&before.description),
                website: patch.website.as_ref().unwrap_or(&before.website),
                callback_url: patch.callback_url.as_ref().unwrap_or(&before.callback_url),
            };
            texts.check()?;
            sqlx::query(
                "UPDATE apps SET name = $2, description = $3, website = $4, callback_url = $5, name_key = $6, \
                 version = version + 1 WHERE id = $1",
            )
            .bind(id.as_str())
            .bind(texts.name)
            .bind(texts.description)
            .bind(texts.website)
            .bind(texts.callback_url)
            .bind(name_key(texts.name))
            .execute(act.db())
            .await?;
            if let Some(apis) = &patch.apis {
                select_apis(act, &before, apis).await?;
            }
            let after = find(act.db(), id.as_str(), "").await?;
            let detail = json!({ "before": told(&before), "after": told(&after) });
            note(act, "app.update", &after, detail);
            Ok(after)
        })
    }

    /// Enables, disables or deletes an app. Repeated, it gives the first change's number.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`, `Conflict` (`app_deleted`, and `app_has_subscriptions` when a customer still
    /// uses an app that is to be deleted).
    pub async fn set_app_state(
        &self,
        authority: &Authority,
        id: &AppId,
        state: AppState,
    ) -> Result<Acted<App>, ActError> {
        act!(self, authority.actor(), |act| {
            let before = lock(act, id, scope(authority)).await?;
            if before.state == state {
                act.stands_since(EntityKind::App, id.as_str()).await?;
                return Ok(before);
            }
            not_deleted(&before)?;
            if state == AppState::Deleted {
                end_everything_of(act, &before).await?;
            }
            sqlx::query("UPDATE apps SET state = $2, version = version + 1 WHERE id = $1")
                .bind(id.as_str())
                .bind(state.as_str())
                .execute(act.db())
                .await?;
            act.changed(EntityKind::App, id.as_str());
            let after = find(act.db(), id.as_str(), "").await?;
            let detail = json!({ "before": before.state.as_str(), "after": state.as_str() });
            note(act, "app.set_state", &after, detail);
            Ok(after)
        })
    }

    /// The app.
    ///
    /// # Errors
    /// [`ActError`]: `NotFound`.
    pub async fn app(&self, authority: &Authority, id: &AppId) -> Result<App, ActError> {
        let mut connection = self.reader().await?;
        Ok(find(&mut connection, id.as_str(), scope(authority)).await?)
    }

    /// The app whose API Key this is. No authority: the caller is the app itself, proved by its token.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn app_of_client(&self, client: &ClientId) -> Result<Option<App>, ActError> {
        let mut connection = self.reader().await?;
        let row = sqlx::query("SELECT id FROM apps WHERE client_id = $1 AND state <> 'deleted'")
            .bind(client.as_str())
            .fetch_optional(&mut *connection)
            .await
            .map_err(Fault::from)?;
        let Some(row) = row else { return Ok(None) };
        let id = Columns::of(&row, "apps").text("id")?;
        Ok(Some(find(&mut connection, id, "").await?))
    }
}

fn not_deleted(app: &App) -> Result<(), ActError> {
    if app.state == AppState::Deleted {
        return Err(ActError::conflict("app_deleted", "this app was deleted"));
    }
    Ok(())
}

async fn created_before(act: &mut Act, id: &str) -> Result<CreatedApp, Fault> {
    let app = find(act.db(), id, "").await?;
    let secrets = clients::secrets_of(act.db(), &app.client_id).await?;
    let first = secrets.into_iter().next();
    Ok(CreatedApp {
        secret_info: first.ok_or(ActError::NotFound("secret"))?,
        app,
        secret: None,
    })
}

async fn make(
    act: &mut Act,
    id: &AppId,
    new: &NewApp,
) -> Result<(ClientSecretInfo, Secret), Fault> {
    organizations::find(act.db(), new.organization_id.as_str(), "").await?;
    let exists = find_any(act.db(), id.as_str(), "").await?.is_some();
    if exists {
        let detail = "an app with this identifier exists already";
        return Err(ActError::conflict("app_exists", detail).into());
    }
    let credentials = new.credentials.clone().unwrap_or_else(|| GivenCredentials {
        client_id: ClientId::random(),
        secret: Secret::generate(SecretKind::Client),
    });
    let owner = ClientOwner::App(id.clone());
    let info = clients::insert(
        act,
        &credentials.client_id,
        (&owner, &new.organization_id),
        &credentials.secret,
    )
    .await?;
    let test = SubscriptionId::random();
    insert(act, id, new, (&credentials.client_id, &test)).await?;
    let of = TestSubscription::App(id);
    subscriptions::insert_test(act, &test, of, &new.organization_id).await?;
    for api in &new.apis {
        apis::selectable(act.db(), api, &new.organization_id).await?;
        insert_selection(act, id, api).await?;
    }
    act.changed(EntityKind::App, id.as_str());
    Ok((info, credentials.secret))
}

async fn insert(
    act: &mut Act,
    id: &AppId,
    new: &NewApp,
    made: (&ClientId, &SubscriptionId),
) -> Result<(), Fault> {
    let (client, test) = made;
    let now = act.now().as_us();
    sqlx::query(
        "INSERT INTO apps (id, organization_id, name, description, website, callback_url, client_id, \
         test_subscription_id, state, created_at_us, version, name_key) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'enabled', $9, 1, $10)",
    )
    .bind(id.as_str())
    .bind(new.organization_id.as_str())
    .bind(new.name.as_str())
    .bind(new.description.as_str())
    .bind(new.website.as_str())
    .bind(new.callback_url.as_str())
    .bind(client.as_str())
    .bind(test.as_str())
    .bind(now)
    .bind(name_key(&new.name))
    .execute(act.db())
    .await?;
    Ok(())
}

async fn insert_selection(act: &mut Act, app: &AppId, api: &ApiId) -> Result<(), Fault> {
    sqlx::query(
        "INSERT INTO app_apis (app_id, api_id) VALUES ($1, $2) ON CONFLICT (app_id, api_id) DO NOTHING",
    )
    .bind(app.as_str())
    .bind(api.as_str())
    .execute(act.db())
    .await?;
    Ok(())
}

/// Makes the selected APIs what is asked for, and lets the connections of living subscriptions follow.
async fn select_apis(act: &mut Act, before: &App, apis: &[ApiId]) -> Result<(), Fault> {
    let living = subscriptions::living_of_app(act.db(), &before.id).await?;
    let removed: Vec<&ApiId> = before
        .apis
        .iter()
        .filter(|api| !apis.contains(api))
        .collect();
    may_remove(before, apis, &removed, living.len())?;
    for api in removed {
        sqlx::query("DELETE FROM app_apis WHERE app_id = $1 AND api_id = $2")
            .bind(before.id.as_str())
            .bind(api.as_str())
            .execute(act.db())
            .await?;
    }
    for api in apis.iter().filter(|api| !before.apis.contains(api)) {
        apis::selectable(act.db(), api, &before.organization_id).await?;
        insert_selection(act, &before.id, api).await?;
        for subscription in &living {
            connections::activate(act, subscription, api).await?;
        }
    }
    act.changed(EntityKind::App, before.id.as_str());
    Ok(())
}

/// An app keeps at least one API once it has one, and every API that customers use.
fn may_remove(
    before: &App,
    apis: &[ApiId],
    removed: &[&ApiId],
    living: usize,
) -> Result<(), ActError> {
    if apis.is_empty() && !before.apis.is_empty() {
        let detail = "an app that has APIs keeps at least one of them";
        return Err(ActError::conflict("app_needs_api", detail));
    }
    if removed.is_empty() || living == 0 {
        return Ok(());
    }
    let names: Vec<&str> = removed.iter().map(|api| api.as_str()).collect();
    let detail = format!(
        "{} cannot be removed while {}; end what uses it first",
        names.join(", "),
        customers(living)
    );
    Err(ActError::conflict("api_in_use", detail))
}

fn customers(living: usize) -> String {
    match living {
        1 => "1 subscription of the app has not ended".to_owned(),
        many => format!("{many} subscriptions of the app have not ended"),
    }
}

async fn end_everything_of(act: &mut Act, app: &App) -> Result<(), Fault> {
    let living = subscriptions::living_of_app(act.db(), &app.id).await?.len();
    if living > 0 {
        let detail = format!("{}; end them first", customers(living));
        return Err(ActError::conflict("app_has_subscriptions", detail).into());
    }
    clients::set_state(act, &app.client_id, "deleted").await?;
    subscriptions::end_test(act, &app.test_subscription_id).await
}

/// Locks the app until the end of the act.
pub(crate) async fn lock(act: &mut Act, id: &AppId, scope: &str) -> Result<App, Fault> {
    sqlx::query(
        "UPDATE apps SET version = version WHERE id = $1 AND ($2 = '' OR organization_id = $2)",
    )
    .bind(id.as_str())
    .bind(scope)
    .execute(act.db())
    .await?;
    find(act.db(), id.as_str(), scope).await
}

/// The app; `NotFound` when it is unknown or out of scope.
pub(crate) async fn find(
    connection: &mut AnyConnection,
    id: &str,
    scope: &str,
) -> Result<App, Fault> {
    find_any(connection, id, scope)
        .await?
        .ok_or(Fault::Act(ActError::NotFound("app")))
}

async fn find_any(
    connection: &mut AnyConnection,
    id: &str,
    scope: &str,
) -> Result<Option<App>, Fault> {
    let row = sqlx::query(
        "SELECT id, organization_id, name, description, website, callback_url, client_id, test_subscription_id, \
         state, created_at_us, version FROM apps WHERE id = $1 AND ($2 = '' OR organization_id = $2)",
    )
    .bind(id)
    .bind(scope)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let apis = sqlx::query("SELECT app_id, api_id FROM app_apis WHERE app_id = $1 ORDER BY api_id")
        .bind(id)
        .fetch_all(connection)
        .await?;
    let apis: Vec<ApiId> = apis
        .iter()
        .map(|row| Columns::of(row, "app_apis").id("api_id", ApiId::parse))
        .collect::<Result<_, _>>()?;
    Ok(Some(of_row(&Columns::of(&row, "apps"), apis)?))
}

/// Reads the columns that [`find`] selects.
pub(crate) fn of_row(columns: &Columns<'_>, mut apis: Vec<ApiId>) -> Result<App, CorruptRow> {
    // The engine's order may follow its locale.
    apis.sort();
    Ok(App {
        id: columns.id("id", AppId::parse)?,
        organization_id: columns.id("organization_id", OrganizationId::parse)?,
        name: columns.owned("name")?,
        description: columns.owned("description")?,
        website: columns.owned("website")?,
        callback_url: columns.owned("callback_url")?,
        client_id: columns.id("client_id", ClientId::parse)?,
        test_subscription_id: columns.id("test_subscription_id", SubscriptionId::parse)?,
        apis,
        state: columns.word("state", AppState::parse)?,
        created_at: columns.instant("created_at_us")?,
        version: columns.number("version")?,
    })
}
