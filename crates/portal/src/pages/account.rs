//! `/account`: what a person sees and changes of the own account.

pub(crate) mod appearance;
pub(crate) mod sessions;
pub(crate) mod tokens;
