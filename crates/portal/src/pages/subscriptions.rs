//! `/subscriptions`: which organization activated which app. A person sees those of organizations they belong to,
//! as buyer and as owner of the app.

pub(crate) mod acts;
pub(crate) mod list;
pub(crate) mod show;

/// The path of a subscription's page.
pub(crate) fn path_of(subscription_id: &str) -> String {
    format!("/subscriptions/{}", crate::view::encoded(subscription_id))
}
