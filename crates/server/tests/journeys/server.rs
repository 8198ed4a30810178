//! A development server for one test: the real program in a folder of its own.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use portcullis_client::Client;
use serde_json::Value;

/// A running `portcullis dev`; ends with the test.
pub(crate) struct Server {
    child: Child,
    folder: PathBuf,
    port_base: u16,
    /// `dev.env`.
    pub(crate) env: BTreeMap<String, String>,
}

/// Five free ports in a row, below those that the system gives to outgoing connections.
pub(crate) fn free_port_base() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 2_000).unwrap() * 10;
    for _ in 0..1_000 {
        let base = 10_000 + (first + NEXT.fetch_add(10, Ordering::Relaxed)) % 20_000;
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (base..base + 5).all(free) {
            return base;
        }
    }
    panic!("no five free ports in a row");
}

/// The program with these arguments, without what the environment of the tests may set.
pub(crate) fn portcullis(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PORTCULLIS_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    portcullis(arguments).output().unwrap()
}

impl Server {
    /// Starts in this folder, waits for `dev.env`.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_at(folder, free_port_base())
    }

    pub(crate) fn start_at(folder: &Path, port_base: u16) -> Self {
        let base = port_base.to_string();
        let shown = folder.display().to_string();
        let file = folder.join("dev.env");
        // A server that was killed left its own.
        let _ = std::fs::remove_file(&file);
        let mut child = portcullis(&["dev", "--data-dir", &shown, "--port-base", &base])
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(90);
        while !file.exists() {
            assert!(
                child.try_wait().unwrap().is_none(),
                "the server ended before it was ready"
            );
            assert!(
                Instant::now() < deadline,
                "the server was not ready in time"
            );
            std::thread::park_timeout(Duration::from_millis(10));
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let pair = |line: &str| {
            line.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        let env = text.lines().filter_map(pair).collect();
        Self {
            child,
            folder: folder.to_owned(),
            port_base,
            env,
        }
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.env
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not in dev.env"))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn port_base(&self) -> u16 {
        self.port_base
    }

    /// The sample app.
    pub(crate) fn app(&self) -> Client {
        self.client("API_KEY", "API_SECRET")
    }

    /// The sample provider's API as a client of its own.
    pub(crate) fn provider(&self) -> Client {
        self.client("PROVIDER_KEY", "PROVIDER_SECRET")
    }

    fn client(&self, key: &str, secret: &str) -> Client {
        Client::builder()
            .issuer(self.get("AUTH_URL"))
            .api_key(self.get(key))
            .api_secret(self.get(secret))
            .api_base(self.get("API_URL"))
            .subscriptions_base(self.get("SUBSCRIPTIONS_URL"))
            .build()
            .unwrap()
    }

    /// A call of the management API as the operator.
    pub(crate) async fn manage(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let url = format!("{}{path}", self.get("MANAGEMENT_URL"));
        let mut request = reqwest::Client::new()
            .request(method, url)
            .bearer_auth(self.get("MANAGEMENT_TOKEN"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    /// Stops cleanly and returns the exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        let code = self.child.wait().unwrap().code();
        assert!(
            !self.folder.join("dev.env").exists(),
            "dev.env was left behind"
        );
        code
    }

    /// Ends the process at once, as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
