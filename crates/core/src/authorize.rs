//! The authorization decision: may this app call this API for this customer, now.
//!
//! Claims say who; the snapshot says whether. A token carries identity alone; the right to call is read here,
//! so ending a subscription stops every token already issued. What each environment lets through:
//!
//! | environment | an app | the API's own client |
//! |---|---|---|
//! | Production | a real subscription with an active connection | the API's test subscription there |
//! | Test | the same, or the app's test subscription | the API's test subscription there |
//! | Dev | an app of the provider, with the API's test subscription there | the same |

use std::sync::Arc;

use crate::{
    access_token::{VerifiedToken, VerifyError},
    app::AppState,
    client::ClientOwnerKey,
    clock::Timestamp,
    connection::ConnectionState,
    environment::Environment,
    ids::{AppId, IdKey},
    routes::{InstanceRecord, RouteMatch},
    snapshot::{ApiRecord, Snapshot},
    subscription::{SubscriptionOf, SubscriptionRecord, SubscriptionState},
};

/// What is asked.
#[derive(Debug)]
pub struct Call<'a> {
    /// Who calls.
    pub token: &'a VerifiedToken,
    /// The `Subscription-Id` header as sent; `None` when absent.
    pub subscription_id: Option<&'a str>,
    /// Where to.
    pub route: &'a RouteMatch<'a>,
}

/// Why a call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Denial {
    /// The token's client is gone or disabled.
    #[error("the client is gone or disabled")]
    ClientUnknown,
    /// The client's tokens of this generation were revoked.
    #[error("the client's tokens were revoked")]
    TokenRevoked,
    /// The app is disabled or deleted.
    #[error("the app is disabled or deleted")]
    AppDisabled,
    /// The organization that owns the app is suspended.
    #[error("the app's owner is suspended")]
    OwnerSuspended,
    /// The organization that owns the API is suspended.
    #[error("the API's provider is suspended")]
    ProviderSuspended,
    /// The app never selected this API.
    #[error("the app has not selected this API")]
    ApiNotSelected,
    /// The API is private and not shared with the app's owner.
    #[error("the API is not visible to the app's owner")]
    ApiNotVisible,
    /// No `Subscription-Id`.
    #[error("the Subscription-Id header is missing")]
    SubscriptionMissing,
    /// No such subscription.
    #[error("the subscription is unknown")]
    SubscriptionUnknown,
    /// It belongs to another app or API.
    #[error("the subscription belongs to another app or API")]
    SubscriptionOfAnother,
    /// It does not open this environment.
    #[error("the subscription does not open this environment")]
    WrongEnvironment,
    /// It has no connection to this API.
    #[error("the subscription has no connection to this API")]
    NotConnected,
    /// It waits for approval.
    #[error("the subscription is pending")]
    SubscriptionPending,
    /// It is stopped for the time being.
    #[error("the subscription is suspended")]
    SubscriptionSuspended,
    /// It has ended.
    #[error("the subscription has ended")]
    SubscriptionEnded,
    /// The organization that activated the app is suspended.
    #[error("the subscription's organization is suspended")]
    BuyerSuspended,
    /// The provider has not accepted it yet.
    #[error("the connection is not accepted yet")]
    ConnectionPending,
    /// The provider refused it, or it has ended.
    #[error("the connection was refused or has ended")]
    ConnectionEnded,
    /// A value the API needs for each subscription is not set.
    #[error("a subscription-specific value is not set")]
    ValuesIncomplete,
}

/// Proof that a call was authorized: made by [`authorize`] alone. Forwarding demands one.
///
/// Its fields are private, so this does not compile:
///
/// ```compile_fail,E0451
/// use portcullis_core::{authorize::Permit, ids::IdKey, routes::InstanceRecord, snapshot::ApiRecord};
/// use std::sync::Arc;
///
/// fn forge(api: Arc<ApiRecord>, instance: Arc<InstanceRecord>) -> Permit {
///     Permit { subscription: IdKey::of("x"), app: None, buyer: None, api, instance, is_test: false }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Permit {
    subscription: IdKey,
    app: Option<AppId>,
    buyer: Option<IdKey>,
    api: Arc<ApiRecord>,
    instance: Arc<InstanceRecord>,
    is_test: bool,
}

impl Permit {
    /// The subscription, as snapshots index it.
    #[must_use]
    pub fn subscription(&self) -> IdKey {
        self.subscription
    }

    /// The calling app; `None` when the API's own client calls.
    #[must_use]
    pub fn app(&self) -> Option<&AppId> {
        self.app.as_ref()
    }

    /// The organization it acts for; `None` for test subscriptions.
    #[must_use]
    pub fn buyer(&self) -> Option<IdKey> {
        self.buyer
    }

    /// The API.
    #[must_use]
    pub fn api(&self) -> &Arc<ApiRecord> {
        &self.api
    }

    /// Where the call goes.
    #[must_use]
    pub fn instance(&self) -> &Arc<InstanceRecord> {
        &self.instance
    }

    /// Whether a test subscription was used.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.is_test
    }
}

/// Who calls, as far as decisions care.
#[derive(Debug, Clone)]
pub enum Caller {
    /// An app.
    App {
        /// As snapshots index it.
        key: IdKey,
        /// Which app.
        id: AppId,
        /// Its owner.
        organization: IdKey,
    },
    /// The API's own client, testing itself.
    Api,
}

/// Decides. Pure and without waiting: a few lookups in `facts`.
///
/// # Errors
/// The first [`Denial`] in the order of the checks.
pub fn authorize(facts: &Snapshot, call: &Call<'_>, now: Timestamp) -> Result<Permit, Denial> {
    let instance = call.route.instance;
    let (caller, api) = authorize_caller(facts, call.token, instance)?;
    let id = call
        .subscription_id
        .filter(|id| !id.is_empty())
        .ok_or(Denial::SubscriptionMissing)?;
    let key = IdKey::of(id);
    let subscription = facts.subscription(key).ok_or(Denial::SubscriptionUnknown)?;
    let buyer = check_owner(subscription, &caller, api, instance)?;
    check_connection(facts, key, subscription, instance)?;
    check_state(subscription, now)?;
    if buyer.is_some_and(|buyer| !facts.organization_is_active(buyer)) {
        return Err(Denial::BuyerSuspended);
    }
    Ok(Permit {
        subscription: key,
        app: match caller {
            Caller::App { id, .. } => Some(id),
            Caller::Api => None,
        },
        buyer,
        api: api.clone(),
        instance: instance.clone(),
        is_test: !matches!(subscription.of, SubscriptionOf::Real { .. }),
    })
}

/// The part of the decision that does not look at the subscription: is the caller live, and is this API
/// open to it. The simulator for the literal test subscription needs just this.
///
/// # Errors
/// The first [`Denial`] in the order of the checks.
pub fn authorize_caller<'a>(
    facts: &'a Snapshot,
    token: &VerifiedToken,
    instance: &InstanceRecord,
) -> Result<(Caller, &'a Arc<ApiRecord>), Denial> {
    let client = facts.live_client(token).map_err(|error| match error {
        VerifyError::Generation => Denial::TokenRevoked,
        _ => Denial::ClientUnknown,
    })?;
    let (caller, api) = caller_may_use(facts, client.owner, instance)?;
    if !facts.organization_is_active(api.organization) {
        return Err(Denial::ProviderSuspended);
    }
    Ok((caller, api))
}

/// Whether this client's owner may use the API of this instance.
///
/// # Errors
/// The first [`Denial`] in the order of the checks.
pub fn caller_may_use<'a>(
    facts: &'a Snapshot,
    owner: ClientOwnerKey,
    instance: &InstanceRecord,
) -> Result<(Caller, &'a Arc<ApiRecord>), Denial> {
    let api = facts.api(instance.api).ok_or(Denial::ApiNotSelected)?;
    match owner {
        ClientOwnerKey::Api(own) if own == instance.api => Ok((Caller::Api, api)),
        ClientOwnerKey::Api(_) => Err(Denial::ApiNotSelected),
        ClientOwnerKey::App(key) => {
            let app = facts
                .app(key)
                .filter(|app| app.state == AppState::Enabled)
                .ok_or(Denial::AppDisabled)?;
            if !facts.organization_is_active(app.organization) {
                return Err(Denial::OwnerSuspended);
            }
            if app.selected.binary_search(&instance.api).is_err() {
                return Err(Denial::ApiNotSelected);
            }
            if !api.is_visible_to(app.organization) {
                return Err(Denial::ApiNotVisible);
            }
            Ok((
                Caller::App {
                    key,
                    id: app.id.clone(),
                    organization: app.organization,
                },
                api,
            ))
        }
    }
}

/// Binds subscription, caller and environment; returns the buyer of a real subscription.
fn check_owner(
    subscription: &SubscriptionRecord,
    caller: &Caller,
    api: &ApiRecord,
    instance: &InstanceRecord,
) -> Result<Option<IdKey>, Denial> {
    let environment = instance.environment;
    match (subscription.of, caller) {
        (SubscriptionOf::Real { app, organization }, Caller::App { key, .. }) if app == *key => {
            if environment == Environment::Dev {
                return Err(Denial::WrongEnvironment);
            }
            Ok(Some(organization))
        }
        (SubscriptionOf::AppTest { app }, Caller::App { key, .. }) if app == *key => {
            if environment == Environment::Test {
                Ok(None)
            } else {
                Err(Denial::WrongEnvironment)
            }
        }
        (
            SubscriptionOf::ApiTest {
                api: of,
                environment: opens,
            },
            Caller::Api,
        ) if of == instance.api => {
            if opens == environment {
                Ok(None)
            } else {
                Err(Denial::WrongEnvironment)
            }
        }
        (
            SubscriptionOf::ApiTest {
                api: of,
                environment: Environment::Dev,
            },
            Caller::App { organization, .. },
        ) if of == instance.api
            && environment == Environment::Dev
            && *organization == api.organization =>
        {
            Ok(None)
        }
        _ => Err(Denial::SubscriptionOfAnother),
    }
}

fn check_connection(
    facts: &Snapshot,
    key: IdKey,
    subscription: &SubscriptionRecord,
    instance: &InstanceRecord,
) -> Result<(), Denial> {
    // The app's test subscription opens every API it selected, so it has no connections of its own.
    if matches!(subscription.of, SubscriptionOf::AppTest { .. }) {
        return Ok(());
    }
    let connection = facts
        .connection(key, instance.api)
        .ok_or(Denial::NotConnected)?;
    // A subscription that is not active says more than the state its connections are left in.
    if subscription.state != SubscriptionState::Active {
        return Ok(());
    }
    match connection.state {
        ConnectionState::Active if connection.values_complete => Ok(()),
        ConnectionState::Active => Err(Denial::ValuesIncomplete),
        ConnectionState::Requested | ConnectionState::Pending => Err(Denial::ConnectionPending),
        ConnectionState::Rejected | ConnectionState::Deactivated => Err(Denial::ConnectionEnded),
    }
}

fn check_state(subscription: &SubscriptionRecord, now: Timestamp) -> Result<(), Denial> {
    match subscription.state {
        SubscriptionState::Active if subscription.ends_at.is_some_and(|end| now >= end) => {
            Err(Denial::SubscriptionEnded)
        }
        SubscriptionState::Active => Ok(()),
        SubscriptionState::Pending => Err(Denial::SubscriptionPending),
        SubscriptionState::Suspended => Err(Denial::SubscriptionSuspended),
        SubscriptionState::Rejected
        | SubscriptionState::Cancelled
        | SubscriptionState::Deactivated
        | SubscriptionState::Expired => Err(Denial::SubscriptionEnded),
    }
}

#[cfg(test)]
mod tests;
