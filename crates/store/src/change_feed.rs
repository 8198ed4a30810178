//! Wake-ups: what makes a follower look at the log. A wake-up is only a hint and may be lost; the log is the
//! truth, and a poll backs every hint.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;

use crate::{
    act::Fault,
    dialect::CHANNEL,
    store::{Engine, Store},
};

/// How often the log is looked at when changes are pushed, or can come from this process alone.
const POLL_BEHIND_PUSH: Duration = Duration::from_secs(2);
/// How often it is looked at when nothing pushes.
const POLL_ALONE: Duration = Duration::from_millis(100);
/// How long a push may take until LISTEN counts as broken (as it is behind a pooler of transactions).
const PUSH_TIME_MAX: Duration = Duration::from_secs(2);
/// How long after a failure LISTEN is tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// How often to look at the log as things stand.
pub(crate) fn poll_interval(store: &Store) -> Duration {
    let pushed = store.status().pushed.load(Ordering::Relaxed) == 1;
    if store.engine() == Engine::Sqlite || pushed {
        POLL_BEHIND_PUSH
    } else {
        POLL_ALONE
    }
}

/// Turns what PostgreSQL pushes into wake-ups of this process, until told to stop. On SQLite changes come from
/// this process alone, so there is nothing to listen to.
pub(crate) async fn listen(store: &Store, stop: &CancellationToken) {
    if store.engine() == Engine::Sqlite {
        return;
    }
    let pushed = &store.status().pushed;
    while !stop.is_cancelled() {
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = listen_once(store, pushed) => ended,
        };
        pushed.store(0, Ordering::Relaxed);
        if let Err(fault) = ended {
            tracing::warn!(
                ?fault,
                "LISTEN does not work; the log is looked at ten times a second (store.listen_url may lead past a pooler)"
            );
        }
        store.wake_refresher();
        // A wait that ends early when told to stop.
        let _ = tokio::time::timeout(TRY_AGAIN_AFTER, stop.cancelled()).await;
    }
}

async fn listen_once(store: &Store, pushed: &AtomicU64) -> Result<(), Fault> {
    let settings = store.settings();
    let url = settings.listen_url.as_ref().unwrap_or(&settings.url);
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    let mut proven = false;
    loop {
        if !proven {
            // Through a pooler LISTEN seems to work and nothing ever comes, so it has to be tried.
            let mut connection = store.control().await?;
            sqlx::query("SELECT pg_notify('portcullis_changes', 'probe')")
                .execute(&mut *connection)
                .await?;
            drop(connection);
            tokio::time::timeout(PUSH_TIME_MAX, listener.recv())
                .await
                .map_err(|_| Fault::Db(sqlx::Error::PoolTimedOut))??;
            pushed.store(1, Ordering::Relaxed);
            store.wake_refresher();
        }
        // `None` says that the connection was lost and made anew: something may have been missed.
        let notification = listener.try_recv().await?;
        proven = notification.is_some();
        if !proven {
            pushed.store(0, Ordering::Relaxed);
        }
        store.wake_refresher();
    }
}
