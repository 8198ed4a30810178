//! Serves a port on threads of its own, one for each core, each with a runtime and a service that belong
//! to it alone: the gateway.

use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use hyper::service::Service;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::{Accepted, Admission, accept};
use crate::body::Body;
use crate::bound::Bound;
use crate::connection::{Port, serve_connection};
use crate::core_health::{CoreHealth, Place};
use crate::counters::Event;
use crate::refusal::{RefusalBody, Refusals};
use crate::reply::BoxError;
use crate::serve::{Drained, drain, into_tokio};
use crate::settings::{Control, Settings};

/// Connections that may wait for a core; more means that it is stuck.
const QUEUE_MAX: usize = 1024;

/// A port served on threads of its own.
#[derive(Debug)]
pub struct PerCore {
    control: Control,
    health: CoreHealth,
    threads: Vec<JoinHandle<()>>,
    ended: Vec<oneshot::Receiver<()>>,
}

impl PerCore {
    /// Counters and limits of the port.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// When each core was last seen at work.
    #[must_use]
    pub fn core_health(&self) -> CoreHealth {
        self.health.clone()
    }

    /// Waits until the port has drained after shutdown.
    pub async fn drained(self) -> Drained {
        for ended in self.ended {
            // An error means that the core ended without saying so: it panicked, and is no less ended.
            let _ = ended.await;
        }
        Drained {
            cut: self.control.counters().get(Event::Cut),
        }
    }

    /// As [`PerCore::drained`], for callers outside a runtime.
    #[must_use]
    pub fn join(self) -> Drained {
        for thread in self.threads {
            let _ = thread.join();
        }
        Drained {
            cut: self.control.counters().get(Event::Cut),
        }
    }
}

/// A connection on its way to a core, off any runtime.
type Handed = (Accepted<std::net::TcpStream>, Place);

/// Serves on `workers` threads until `shutdown`, then drains as [`crate::serve()`] does. `make` is called once
/// on each thread, inside its runtime (`tokio::task::spawn_local` works), with the number of the core;
/// neither what it makes nor its futures need be `Send`. Returns when every core has its service.
///
/// # Errors
/// When a thread or its runtime cannot be made, or `make` panics.
#[expect(
    clippy::too_many_arguments,
    reason = "each one is a different thing that only the caller knows"
)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "as in `serve`, the port takes what it is told"
)]
pub fn serve_per_core<M, S, B>(
    bound: Bound,
    settings: Settings,
    refusal_body: RefusalBody,
    workers: usize,
    make: M,
    shutdown: CancellationToken,
) -> io::Result<PerCore>
where
    M: Fn(usize) -> S + Send + Sync + 'static,
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + 'static,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
{
    let control = bound.control();
    control.set_limits(settings.limits);
    let port = Port {
        control: control.clone(),
        refusals: Refusals {
            body: refusal_body,
            fields: bound.refusal_fields,
        },
        tls: settings.tls.as_ref().map(|tls| tls.acceptor()),
        shutdown: shutdown.clone(),
        cut: CancellationToken::new(),
    };
    let health = CoreHealth::new(workers.max(1));
    let make = Arc::new(make);
    let mut per_core = PerCore {
        control,
        health: health.clone(),
        threads: Vec::new(),
        ended: Vec::new(),
    };
    let mut queues = Vec::new();
    for core in 0..workers.max(1) {
        let (queue, handed) = mpsc::channel(QUEUE_MAX);
        let (ready_tx, ready) = std::sync::mpsc::channel();
        let (ended_tx, ended) = oneshot::channel();
        let worker = Worker {
            core,
            port: port.clone(),
            health: health.clone(),
            handed,
        };
        let make = Arc::clone(&make);
        let thread = std::thread::Builder::new()
            .name(format!("{}-core-{core}", settings.name))
            .spawn(move || {
                worker.run(make.as_ref(), &ready_tx);
                let _ = ended_tx.send(());
            })?;
        ready
            .recv()
            .map_err(|_| io::Error::other(format!("core {core} did not start")))??;
        per_core.threads.push(thread);
        per_core.ended.push(ended);
        queues.push(queue);
    }
    per_core
        .threads
        .push(spawn_acceptor(bound, &settings, health, queues, shutdown)?);
    Ok(per_core)
}

/// The thread that accepts. It ends at shutdown, which closes the queues of the cores.
fn spawn_acceptor(
    bound: Bound,
    settings: &Settings,
    health: CoreHealth,
    queues: Vec<mpsc::Sender<Handed>>,
    shutdown: CancellationToken,
) -> io::Result<JoinHandle<()>> {
    let name = settings.name;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name(format!("{name}-accept"))
        .spawn(move || {
            let counters = Arc::clone(bound.control.counters());
            let admission = Admission::new(bound.control);
            let mut turn = 0_usize;
            runtime.block_on(async {
                let listeners = into_tokio(bound.listeners, name);
                let accepting = accept(listeners, admission, shutdown, |accepted| {
                    turn = turn.wrapping_add(1);
                    if !hand_over(accepted, &health, &queues, turn) {
                        counters.count(Event::NoCoreFree);
                    }
                });
                tokio::select! {
                    () = accepting => {}
                    () = health.keep_acceptor_ticking() => {}
                }
                health.acceptor_has_ended();
            });
        })
}

/// Gives the connection to the core with the fewest, or to the next one when that one's queue is full.
fn hand_over(
    accepted: Accepted,
    health: &CoreHealth,
    queues: &[mpsc::Sender<Handed>],
    turn: usize,
) -> bool {
    let Accepted {
        stream,
        peer,
        local_addr,
        ticket,
    } = accepted;
    let Ok(stream) = stream.into_std() else {
        return false;
    };
    let mut accepted = Accepted {
        stream,
        peer,
        local_addr,
        ticket,
    };
    for core in health.by_load(turn) {
        let Some(queue) = queues.get(core) else {
            continue;
        };
        match queue.try_send((accepted, Place::take(health, core))) {
            Ok(()) => return true,
            Err(
                mpsc::error::TrySendError::Full((back, _))
                | mpsc::error::TrySendError::Closed((back, _)),
            ) => {
                accepted = back;
            }
        }
    }
    false
}

/// One core.
struct Worker {
    core: usize,
    port: Port,
    health: CoreHealth,
    handed: mpsc::Receiver<Handed>,
}

impl Worker {
    fn run<M, S, B>(self, make: &M, ready: &std::sync::mpsc::Sender<io::Result<()>>)
    where
        M: Fn(usize) -> S,
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + 'static,
        B: HttpBody<Data = Bytes> + 'static,
        B::Error: Into<BoxError>,
    {
        let runtime = match Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
        {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        runtime.block_on(async {
            let service = Rc::new(make(self.core));
            let _ = ready.send(Ok(()));
            self.serve(service).await;
        });
    }

    async fn serve<S, B>(mut self, service: Rc<S>)
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + 'static,
        B: HttpBody<Data = Bytes> + 'static,
        B::Error: Into<BoxError>,
    {
        let connections = TaskTracker::new();
        let serving = async {
            // The queue ends when the acceptor has; what it had handed over is still served.
            while let Some((accepted, place)) = self.handed.recv().await {
                let Accepted {
                    stream,
                    peer,
                    local_addr,
                    ticket,
                } = accepted;
                let Ok(stream) = TcpStream::from_std(stream) else {
                    continue;
                };
                let accepted = Accepted {
                    stream,
                    peer,
                    local_addr,
                    ticket,
                };
                let connection = serve_connection(accepted, self.port.clone(), Rc::clone(&service));
                connections.spawn_local(async move {
                    connection.await;
                    drop(place);
                });
            }
            let drain_timeout = self.port.control.limits().drain_timeout;
            drain(&connections, &self.port.cut, drain_timeout).await;
        };
        tokio::select! {
            () = serving => {}
            () = self.health.keep_core_ticking(self.core) => {}
        }
        self.health.core_has_ended(self.core);
    }
}
