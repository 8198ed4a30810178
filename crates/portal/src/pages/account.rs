//! `/account`: what a person sees and changes of the own account.

pub(crate) mod appearance;
pub(crate) mod passkeys;
pub(crate) mod password;
pub(crate) mod personal;
pub(crate) mod security;
pub(crate) mod sessions;
pub(crate) mod tokens;
