//! One file per grant type: what a client that is known may have.

pub(crate) mod client_credentials;
