//! The first signing keys of an installation.

use portcullis_core::{
    keys::{KeyError, KeyPurpose, KeyState, NewKey},
    permissions::{Action, Actor, Authority, may},
};
use portcullis_store::{ActError, Store};

/// Why the first keys could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The store refused.
    #[error("the first signing keys could not be stored: {0}")]
    Store(#[from] ActError),
    /// Generation failed.
    #[error("the first signing keys could not be made: {0}")]
    Key(#[from] KeyError),
    /// The thread that makes keys ended.
    #[error("the first signing keys could not be made: the thread ended")]
    Thread,
}

/// The authority of the installation itself. `None` cannot happen: the system may do everything.
pub(crate) fn system_authority() -> Option<Authority> {
    may(&Actor::System, Action::Operate, None).ok()
}

/// Makes a current and a next key for each purpose that has none. Safe on several nodes at once: the store
/// keeps the first. Takes up to a second of CPU on a blocking thread; until it is done the token endpoint has
/// nothing to sign with, and everything else goes on.
///
/// # Errors
/// [`BootstrapError`].
pub async fn ensure_keys(store: &Store) -> Result<(), BootstrapError> {
    let Some(authority) = system_authority() else {
        return Err(BootstrapError::Store(ActError::Forbidden));
    };
    let present = store.signing_keys(&authority).await?;
    for purpose in KeyPurpose::ALL {
        let has_current = present
            .iter()
            .any(|key| key.purpose == purpose && key.state == KeyState::Current);
        if has_current {
            continue;
        }
        let pair = tokio::task::spawn_blocking(|| {
            Ok::<_, KeyError>((NewKey::generate()?, NewKey::generate()?))
        });
        let (current, next) = pair.await.map_err(|_| BootstrapError::Thread)??;
        let acted = store.install_first_keys(purpose, &current, &next).await?;
        if acted.value {
            tracing::info!(purpose = purpose.as_str(), kid = %current.id, "first signing key made");
        }
    }
    Ok(())
}
