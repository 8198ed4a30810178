//! The threads of a node, by latency class. The gateway's cores are not here: they are made by its listener.

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::config::Config;

/// The runtimes of a node; dropping them ends what still runs on them.
pub struct Runtimes {
    control: Runtime,
    tokens: Runtime,
    registry: Runtime,
}

impl Runtimes {
    /// Starts them.
    ///
    /// # Errors
    /// When the operating system gives no more threads.
    pub fn start() -> Result<Self> {
        let runtime = |name: &'static str, threads: usize| {
            Builder::new_multi_thread()
                .worker_threads(threads)
                .thread_name(name)
                .enable_all()
                .build()
                .with_context(|| format!("the {name} threads cannot be started"))
        };
        Ok(Self {
            control: runtime("control", 1)?,
            tokens: runtime("token", Self::token_workers())?,
            registry: runtime("registry", processors().clamp(2, 8))?,
        })
    }

    /// Refresher, heartbeat, operations port: nothing that takes more than a millisecond.
    #[must_use]
    pub fn control(&self) -> &Handle {
        self.control.handle()
    }

    /// Reads the portal port and signs tokens.
    #[must_use]
    pub fn tokens(&self) -> &Handle {
        self.tokens.handle()
    }

    /// Registry, portal and jobs.
    #[must_use]
    pub fn registry(&self) -> &Handle {
        self.registry.handle()
    }

    /// How many threads sign tokens.
    #[must_use]
    pub fn token_workers() -> usize {
        processors()
    }

    /// How many cores serve calls.
    #[must_use]
    pub fn gateway_cores(config: &Config) -> usize {
        config.gateway.workers.unwrap_or_else(processors)
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
