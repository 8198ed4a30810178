//! `/organization`: the organization chosen in the switcher.

pub(crate) mod invitations;
pub(crate) mod members;
pub(crate) mod profile;
