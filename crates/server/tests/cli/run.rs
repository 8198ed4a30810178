//! One run of the program: its folder, its environment, and what came out.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::{SECRET, TOKEN, server::Server};

/// A folder to run in, and the environment: nothing but what the test says.
pub(crate) struct Run {
    pub(crate) folder: TempDir,
    pub(crate) environment: Vec<(String, String)>,
}

impl Run {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
        }
    }

    pub(crate) fn manager(server: &Server) -> Self {
        Self::new()
            .with("MANAGEMENT_URL", &server.url)
            .with("MANAGEMENT_TOKEN", TOKEN)
    }

    pub(crate) fn app(server: &Server) -> Self {
        Self::new()
            .with("AUTH_URL", &format!("{}/oauth2/default", server.url))
            .with("API_URL", &server.url)
            .with("API_KEY", "key")
            .with("API_SECRET", SECRET)
            .with("SUBSCRIPTION_ID", "6f1c1a8e-7e5f-4c43-9a3b-0b6f5a1d2c3e")
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn dev_env(self, mode: u32, text: &str) -> Self {
        let path = self.folder.path().join(".portcullis/dev.env");
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        set_mode(&path, mode);
        self
    }

    pub(crate) fn run(&self, arguments: &str) -> Outcome {
        self.run_with_input(arguments, "")
    }

    /// The arguments, apart by spaces.
    pub(crate) fn run_with_input(&self, arguments: &str, input: &str) -> Outcome {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(arguments.split_whitespace())
            .env_clear()
            .envs(self.environment.iter().cloned())
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that does not read its input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Outcome::from(child.wait_with_output().unwrap())
    }
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) {}

#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
