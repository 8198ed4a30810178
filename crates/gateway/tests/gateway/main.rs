//! The gateway from outside: raw sockets on both sides of it, so that every byte is the test's.

#[cfg(test)]
mod support;

#[cfg(test)]
mod cors;
#[cfg(test)]
mod forwarding;
#[cfg(test)]
mod headers;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod record;
#[cfg(test)]
mod revocation;
#[cfg(test)]
mod simulator;
#[cfg(test)]
mod streaming;
#[cfg(test)]
mod subscription_id;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod upstream_faults;
