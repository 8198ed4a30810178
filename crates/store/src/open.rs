//! Opens the database on either engine: checks, migrates, and makes the pools.

use std::{fs::File, path::Path, str::FromStr, time::Duration};

use sqlx::{
    AnyConnection, AnyPool, ConnectOptions, Connection,
    any::{AnyConnectOptions, AnyPoolOptions},
};

use crate::{
    dialect::{self, Purpose},
    error::OpenError,
    schema,
    sqlite_file::{self, Mode},
    store::{Engine, StoreSettings},
};

/// Connections by what they are for.
pub(crate) struct Pools {
    /// Acts. One connection on SQLite.
    pub(crate) writers: AnyPool,
    /// What people read, and the barrier.
    pub(crate) readers: AnyPool,
    /// The refresher and the heartbeat, which nothing else may hold up.
    pub(crate) control: AnyPool,
    /// Counters.
    pub(crate) usage: AnyPool,
}

/// A database that was opened.
pub(crate) struct Opened {
    pub(crate) engine: Engine,
    pub(crate) pools: Pools,
    /// Held on SQLite alone, for as long as the store is open.
    pub(crate) lock: Option<File>,
}

/// Opens what the settings name.
pub(crate) async fn open(settings: &StoreSettings) -> Result<Opened, OpenError> {
    let is = |scheme| settings.url.starts_with(scheme);
    if is("sqlite:") {
        open_sqlite(settings).await
    } else if is("postgres://") || is("postgresql://") {
        open_postgres(settings).await
    } else {
        Err(OpenError::Url)
    }
}

async fn open_sqlite(settings: &StoreSettings) -> Result<Opened, OpenError> {
    let path = sqlite_file::path_of(&settings.url)?;
    let lock = sqlite_file::lock(&path)?;
    let now = settings.clock.now();
    sqlite_file::make_or_check(&path, &settings.master_key, now).await?;
    sqlite_file::writable(&path)?;
    let mut connection = connect(&path).await?;
    schema::prepare(&mut connection, Engine::Sqlite, &settings.master_key, now).await?;
    close(&path, connection).await?;
    let of = |purpose, most| {
        let options = sqlite_file::options(&path, Mode::ReadWrite)?;
        Ok::<_, OpenError>(pool(options, (Engine::Sqlite, purpose), most))
    };
    let pools = Pools {
        writers: of(Purpose::Write, 1)?,
        readers: of(Purpose::Read, 4)?,
        control: of(Purpose::Read, 2)?,
        usage: open_usage(&path).await?,
    };
    Ok(Opened {
        engine: Engine::Sqlite,
        pools,
        lock: Some(lock),
    })
}

/// A connection of its own that can write. A pool would hide why there is none.
async fn connect(path: &Path) -> Result<AnyConnection, OpenError> {
    let mut connection = sqlite_file::connect(path, Mode::ReadWrite).await?;
    dialect::after_connect(&mut connection, Engine::Sqlite, Purpose::Write)
        .await
        .map_err(|error| sqlite_file::of_driver(path, &error))?;
    Ok(connection)
}

async fn close(path: &Path, connection: AnyConnection) -> Result<(), OpenError> {
    connection
        .close()
        .await
        .map_err(|error| sqlite_file::of_driver(path, &error))
}

/// The second file: its rows are counters, so it may lose the last seconds, and it never holds up an act.
async fn open_usage(beside: &Path) -> Result<AnyPool, OpenError> {
    let path = beside.with_file_name("usage.db");
    if !path.exists() {
        sqlite_file::create_private(&path)?;
    }
    let made = async {
        let mut connection = connect(&path).await?;
        schema::prepare_usage(&mut connection, Engine::Sqlite)
            .await
            .map_err(|error| sqlite_file::of_driver(&path, &error))?;
        close(&path, connection).await
    };
    made.await.map_err(|error| match error {
        OpenError::Damaged { path, problem } => OpenError::Damaged {
            path,
            problem: format!("{problem}; it holds usage counters alone and may be removed"),
        },
        other => other,
    })?;
    let options = sqlite_file::options(&path, Mode::ReadWrite)?;
    Ok(pool(options, (Engine::Sqlite, Purpose::Write), 1))
}

async fn open_postgres(settings: &StoreSettings) -> Result<Opened, OpenError> {
    let options = AnyConnectOptions::from_str(&settings.url)
        .map_err(|_| OpenError::Url)?
        .disable_statement_logging();
    let lost = |error: sqlx::Error| schema::unreachable(error.into());
    let mut connection = options.connect().await.map_err(lost)?;
    let now = settings.clock.now();
    schema::prepare(&mut connection, Engine::Postgres, &settings.master_key, now).await?;
    connection.close().await.map_err(lost)?;
    let of = |purpose, most| pool(options.clone(), (Engine::Postgres, purpose), most);
    let pools = Pools {
        writers: of(Purpose::Write, 8),
        readers: of(Purpose::Read, 6),
        control: of(Purpose::Read, 4),
        usage: of(Purpose::Write, 1),
    };
    Ok(Opened {
        engine: Engine::Postgres,
        pools,
        lock: None,
    })
}

fn pool(options: AnyConnectOptions, kind: (Engine, Purpose), most: u32) -> AnyPool {
    let (engine, purpose) = kind;
    let (idle, lifetime) = match engine {
        Engine::Sqlite => (None, None),
        Engine::Postgres => (Some(Duration::from_mins(10)), Some(Duration::from_mins(30))),
    };
    AnyPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(Duration::from_secs(5))
        .idle_timeout(idle)
        .max_lifetime(lifetime)
        .after_connect(move |connection, _| {
            Box::pin(async move { dialect::after_connect(connection, engine, purpose).await })
        })
        .connect_lazy_with(options)
}
