//! `/organization`: the organization chosen in the switcher.

pub(crate) mod profile;
