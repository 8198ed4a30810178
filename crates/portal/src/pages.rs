//! The pages, a file for each subject. Handlers are thin: they read the form, call one of the two doors, and
//! show a template.

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod apis;
pub(crate) mod apps;
pub(crate) mod audit;
pub(crate) mod confirmation;
pub(crate) mod errors;
pub(crate) mod filters;
pub(crate) mod front;
pub(crate) mod home;
pub(crate) mod invitation;
pub(crate) mod mail;
pub(crate) mod organization;
pub(crate) mod passkey;
pub(crate) mod password;
pub(crate) mod prove;
pub(crate) mod session;
pub(crate) mod sign_in;
pub(crate) mod sign_up;
pub(crate) mod subscriptions;
pub(crate) mod tabs;
pub(crate) mod theme;
pub(crate) mod welcome;
