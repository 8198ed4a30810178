//! The rules of ARCHITECTURE.md that a machine can keep: who imports whom, who may speak SQL, file sizes, the
//! generated reference of the configuration.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

/// Names of the direct, non-development dependencies of each package of the workspace.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        dependencies
            .filter(|d| d["kind"] != "dev")
            .map(|d| d["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|p| (p["name"].as_str().unwrap().to_owned(), names(p)))
        .collect()
}

#[test]
fn crates_import_only_what_the_table_allows() {
    // Left: a crate. Middle: which of ours it may import. Right: what it must never name.
    let table: [(&str, &[&str], &[&str]); 10] = [
        ("core", &[], &["tokio", "axum", "hyper", "sqlx", "reqwest"]),
        ("store", &["core"], &["axum", "hyper"]),
        ("listener", &[], &["axum", "sqlx"]),
        ("auth", &["core"], &["sqlx"]),
        ("gateway", &["core", "listener"], &["sqlx", "axum"]),
        ("registry", &["core", "store"], &["sqlx"]),
        ("portal", &["core", "registry"], &["sqlx"]),
        ("client", &[], &["sqlx"]),
        ("vehicles", &["client"], &["sqlx"]),
        (
            "server",
            &[
                "auth", "client", "core", "gateway", "listener", "portal", "registry", "store",
                "vehicles",
            ],
            &["sqlx"],
        ),
    ];
    let dependencies = dependencies();

    assert_eq!(
        dependencies.len(),
        table.len(),
        "a crate is missing from the table"
    );
    for (name, may_import, must_not_name) in table {
        for dependency in &dependencies[&format!("portcullis-{name}")] {
            match dependency.strip_prefix("portcullis-") {
                Some(ours) => assert!(may_import.contains(&ours), "{name} imports {ours}"),
                None => assert!(
                    !must_not_name.contains(&dependency.as_str()),
                    "{name} names {dependency}"
                ),
            }
        }
    }
}

/// Source files of the workspace, without tests.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs")
            && path.file_stem().is_some_and(|s| s != "tests")
        {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for package in fs::read_dir(root().join("crates")).unwrap().flatten() {
        sources(&package.path().join("src"), &mut found);
    }
    sources(&root().join("examples/vehicles/src"), &mut found);
    found
}

#[test]
fn a_file_is_one_concept_of_at_most_600_lines() {
    for path in all_sources() {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text
            .lines()
            .take_while(|line| !line.starts_with("#[cfg(test)]"))
            .count();

        assert!(lines <= 600, "{} has {lines} lines", path.display());
        assert!(
            text.starts_with("//!"),
            "{} does not say what lives in it",
            path.display()
        );
    }
}

#[test]
fn only_the_server_reads_files_and_only_the_configuration_the_environment() {
    for path in all_sources() {
        let text = fs::read_to_string(&path).unwrap();
        let code: Vec<&str> = text
            .lines()
            .filter(|l| !l.trim_start().starts_with("//"))
            .collect();
        let code = code.join("\n");
        let production = code.split("#[cfg(test)]").next().unwrap();
        let shown = path.display().to_string();
        let may_read_files = shown.contains("/server/") || shown.contains("/store/");

        assert!(
            may_read_files || !production.contains("std::fs"),
            "{shown} reads files"
        );
        // Programs that are shown to people read their own environment.
        let is_shown = shown.ends_with("/apps/snippets.rs");
        let reads_environment =
            !is_shown && (production.contains("env::var(") || production.contains("env::vars"));
        assert!(
            !reads_environment || shown.contains("/server/src/config/"),
            "{shown} reads the environment"
        );
    }
}

#[test]
fn unfinished_work_is_not_left_in_the_code() {
    for path in all_sources() {
        let text = fs::read_to_string(&path).unwrap();
        for word in ["todo!", "unimplemented!", "FIXME", "XXX", "TODO"] {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn the_reference_of_the_configuration_is_up_to_date() {
    let generated = portcullis_server::config::reference::reference();
    let path = root().join("config/reference.toml");

    if fs::read_to_string(&path).unwrap_or_default() != generated {
        fs::write(&path, generated).unwrap();
        panic!(
            "config/reference.toml was stale; it has been written anew, look at it and commit it"
        );
    }
}
