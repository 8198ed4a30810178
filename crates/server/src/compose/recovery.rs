//! What whoever has the machine itself may do without being signed in: a link that sets a new password.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use anyhow::{Context, Result, bail};
use portcullis_core::people::LinkPurpose;
use portcullis_registry::people::links;

use super::opening;
use crate::{
    clock::SystemClock,
    config::{self, Config},
};

/// Makes a link with which the person of this address sets a new password, for half an hour and once.
///
/// # Errors
/// One message that names what is wrong and what to do; nothing is changed then.
pub async fn recovery_link(config_file: Option<&Path>, email: &str) -> Result<String> {
    let config = Config::load(config_file, &config::environment())?;
    must_exist(&config)?;
    let identity = opening::identity(&config, &BTreeSet::new())?;
    let opened = opening::open_store(&config, identity, Arc::new(SystemClock)).await;
    let store = opened.context(
        "the store cannot be opened; an embedded database has one user at a time, so stop the server first",
    )?;
    let made = store.make_recovery_link(email.trim()).await;
    store.close().await;
    let Some(secret) = made? else {
        bail!("nobody signs in as {email}; `portcullis user list` lists everybody who does");
    };
    Ok(links::link(
        config.listeners.public_base(),
        LinkPurpose::PasswordReset,
        &secret,
    ))
}

/// Refuses to make a new installation: there would be nobody in it.
fn must_exist(config: &Config) -> Result<()> {
    let url = config.store.effective_url()?;
    let file = url.strip_prefix("sqlite:").map(|path| {
        let path = path.trim_start_matches("//").split('?').next();
        Path::new(path.unwrap_or_default()).to_path_buf()
    });
    for (setting, path) in [
        ("store.url", file.as_deref()),
        (
            "keys.master_key_file",
            Some(config.keys.master_key_file.as_path()),
        ),
    ] {
        if let Some(path) = path.filter(|path| !path.exists()) {
            bail!(
                "{setting}: there is no file {}; name the configuration of the installation with --config",
                path.display()
            );
        }
    }
    Ok(())
}
