//! What a connection costs in memory while it waits, by the growth of the resident set.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "what sets up a test is part of it")]

#[cfg(test)]
mod support;

use std::process::Command;
use std::time::Duration;

use tokio::time::Instant;

use crate::support::{Caller, PATIENCE, Server, get, until};

/// Two descriptors each in this process; 1,024 are the usual limit.
const CONNECTIONS: usize = 400;

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim()
        .trim_end_matches(" kB")
        .parse::<usize>()
        .unwrap()
        * 1024
}

/// Bytes for each of many connections that `wait` leaves waiting, once they are as `is_settled` says. Only right in
/// a process that has done nothing before, because freed memory is used again.
fn bytes_each(wait: impl Fn(&mut Caller), is_settled: impl Fn(usize) -> bool) -> usize {
    let server = Server::start();
    let mut warm = server.connect();
    warm.ask(get("/"));
    let before = resident_bytes();
    let mut callers: Vec<Caller> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    callers.iter_mut().for_each(wait);
    until("all are open", || {
        server.control.counters().open() > CONNECTIONS as u64
    });
    let begin = Instant::now();
    loop {
        std::thread::park_timeout(MOMENT);
        let each = resident_bytes().saturating_sub(before) / CONNECTIONS;
        if is_settled(each) || begin.elapsed() > PATIENCE {
            return each;
        }
    }
}

/// Runs one of the tests below in a process of its own and reads what it printed.
fn measure(child: &str) -> usize {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", child, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    let bytes = printed
        .lines()
        .find_map(|line| line.strip_prefix("bytes: "))
        .unwrap();
    eprintln!("{child}: {bytes} bytes");
    bytes.parse().unwrap()
}

#[test]
fn a_waiting_connection_costs_little() {
    let silent = measure("child_silent");
    let half = measure("child_half_a_head");
    let kept = measure("child_just_answered");
    let parked = measure("child_parked");

    assert!(silent < 16 * 1024, "{silent}");
    assert!(half < 16 * 1024, "{half}");
    assert!(kept < 40 * 1024, "{kept}");
    assert!(parked < PARKED_MAX, "{parked}");
}

const MOMENT: Duration = Duration::from_millis(200);
/// What a parked connection may cost. It takes two seconds until one is parked, and a busy machine longer.
const PARKED_MAX: usize = 16 * 1024;

fn ask(caller: &mut Caller) {
    assert_eq!(caller.ask(get("/")).status, 200);
}

#[test]
#[ignore = "run by a_waiting_connection_costs_little"]
fn child_silent() {
    eprintln!("bytes: {}", bytes_each(|_| {}, |_| true));
}

#[test]
#[ignore = "run by a_waiting_connection_costs_little"]
fn child_half_a_head() {
    eprintln!(
        "bytes: {}",
        bytes_each(|caller| caller.send("GET / HTTP/1.1\r\nHost"), |_| true)
    );
}

#[test]
#[ignore = "run by a_waiting_connection_costs_little"]
fn child_just_answered() {
    eprintln!("bytes: {}", bytes_each(ask, |_| true));
}

#[test]
#[ignore = "run by a_waiting_connection_costs_little"]
fn child_parked() {
    eprintln!("bytes: {}", bytes_each(ask, |each| each < PARKED_MAX));
}
