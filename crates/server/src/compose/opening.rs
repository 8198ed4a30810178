//! The store of a node, and which node it is.

use std::{collections::BTreeSet, sync::Arc};

use anyhow::{Context, Result};
use portcullis_core::{clock::Clock, ids::NodeId};
use portcullis_store::{NodeIdentity, OnStale, Predecessor, Store, StoreSettings};

use crate::{
    config::{Config, Role, cluster},
    master_key,
};

/// Opens the store, with the key that seals what is secret in it.
///
/// # Errors
/// One message that names what is wrong and what to do; nothing is changed then.
pub(super) async fn open_store(
    config: &Config,
    node: NodeIdentity,
    clock: Arc<dyn Clock>,
) -> Result<Store> {
    let url = config.store.effective_url()?;
    prepare_folder(&url)?;
    let master_key = master_key::load_or_create(&config.keys.master_key_file)?;
    let settings = StoreSettings {
        url,
        listen_url: config.store.listen_url.clone(),
        master_key: master_key.key.clone(),
        clock,
        node,
        lease: config.cluster.lease.get(),
        token_lifetime: config.auth.token_lifetime.get(),
    };
    let opened = Store::open(settings).await;
    if opened.is_err() {
        master_key.take_back();
    }
    Ok(opened?)
}

/// Makes the folder of an embedded database, open to its owner alone.
fn prepare_folder(url: &str) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let Some(path) = url.strip_prefix("sqlite:") else {
        return Ok(());
    };
    let path = path
        .trim_start_matches("//")
        .split('?')
        .next()
        .unwrap_or_default();
    match std::path::Path::new(path).parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("store.url: the folder {} cannot be made", folder.display())),
        _ => Ok(()),
    }
}

/// Which node this process is.
///
/// # Errors
/// When its name is no identifier.
pub(super) fn identity(config: &Config, roles: &BTreeSet<Role>) -> Result<NodeIdentity> {
    let name = if config.cluster.node.is_empty() {
        std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "node".to_owned())
    } else {
        config.cluster.node.clone()
    };
    let embedded = config.store.url.starts_with("sqlite:") && config.store.url_file.is_none();
    Ok(NodeIdentity {
        id: NodeId::parse(name.trim()).context("cluster.node")?,
        incarnation: uuid::Uuid::new_v4().to_string(),
        roles: roles.iter().map(ToString::to_string).collect(),
        on_stale: match config.cluster.on_stale {
            cluster::OnStale::Serve => OnStale::Serve,
            cluster::OnStale::Refuse => OnStale::Refuse,
        },
        stale_max: config.cluster.stale_max.get(),
        // An embedded database is held by a lock, so whoever had this name before has ended.
        predecessor: if embedded {
            Predecessor::Ended
        } else {
            Predecessor::Unknown
        },
    })
}
