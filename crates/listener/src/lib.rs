//! One door to every port: accept loop, TLS, limits, timeouts, drain, and the guard below hyper.
//!
//! | module | what it holds |
//! |---|---|
//! | `bound` | listening sockets |
//! | `accept` | the accept loop and the limits on connections |
//! | `serve`, `per_core` | the two ways to run a port: on a runtime, or on a thread for each core |
//! | `connection` | the life of one connection |
//! | `guard` | the rules of framing, over bytes alone |
//! | `guarded` | the guard as a stream below hyper, with its clocks |
//! | `paced`, `transport`, `tls` | what lies below the guard |
//! | `answer`, `body`, `reply` | what lies between hyper and a service |
//! | `refusal`, `counters`, `core_health`, `settings` | what a port is told, and what it tells |
//!
//! The crate knows nothing of what is served. It imports nothing of ours.

mod accept;
mod answer;
mod body;
mod bound;
mod connection;
mod core_health;
mod counters;
mod deadline;
pub mod guard;
mod guarded;
mod paced;
mod per_core;
mod refusal;
mod reply;
mod serve;
mod settings;
mod talk;
mod tls;
mod transport;

pub use body::{Body, BodyError};
pub use bound::{BindError, Bound};
pub use core_health::CoreHealth;
pub use counters::{Counters, Event};
pub use per_core::{PerCore, serve_per_core};
pub use refusal::{Reason, Refusal, RefusalBody};
pub use reply::BoxError;
pub use serve::{Drained, serve};
pub use settings::{Control, Limits, Peer, Settings};
pub use tls::{TlsError, TlsSettings};
