//! The commands on a running installation, run as programs against a small server of this test: exit codes,
//! forms of output, where settings come from, and what is never printed or sent. What the real server
//! answers is tested elsewhere.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod acts;
mod answers;
mod calls;
mod help;
mod requests;
mod run;
mod server;
mod settings;

/// A management token.
const TOKEN: &str = "pcm_management-token-of-the-test";
/// An API Secret.
const SECRET: &str = "pcs_secret-of-the-test";
/// What the token server of the test issues.
const ACCESS_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAifQ.c2lnbmF0dXJlLW9mLXRoZS10ZXN0";
