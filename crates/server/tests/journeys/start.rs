//! Starting: twice, with what is missing, taken or damaged.

use std::{fs, net::TcpListener, path::Path, process::Output};

use crate::server::{Server, free_port_base, run};

fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn dev(folder: &Path) -> Output {
    run(&[
        "dev",
        "--data-dir",
        &folder.display().to_string(),
        "--port-base",
        &free_port_base().to_string(),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_has_the_same_ids_and_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start(folder.path());
    let before = first.env.clone();
    let base = first.port_base();
    assert_eq!(first.stop(), Some(0));

    let second = Server::start_at(folder.path(), base);

    assert_eq!(before, second.env);
    let mode =
        std::os::unix::fs::MetadataExt::mode(&fs::metadata(folder.path().join("dev.env")).unwrap());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_in_use_names_its_process_and_leaves_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());

    let second = dev(folder.path());

    assert!(complaint(&second).contains(&format!("process {}", server.pid())));
    assert!(folder.path().join("dev.env").exists());
}

#[test]
fn a_port_in_use_names_its_holder_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let base = free_port_base();
    let _holder = TcpListener::bind(("127.0.0.1", base + 1)).unwrap();
    fs::write(folder.path().join("dev.env"), "KEPT=yes\n").unwrap();

    let output = run(&[
        "dev",
        "--data-dir",
        &folder.path().display().to_string(),
        "--port-base",
        &base.to_string(),
    ]);

    let complaint = complaint(&output);
    assert!(
        complaint.contains(&format!("process {}", std::process::id())),
        "{complaint}"
    );
    assert!(complaint.contains("gateway"), "{complaint}");
    assert!(folder.path().join("dev.env").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_or_key_is_named_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Server::start(folder.path()).stop(), Some(0));
    let (key, database) = (
        folder.path().join("master.key"),
        folder.path().join("portcullis.db"),
    );
    let (good_key, good_database) = (fs::read(&key).unwrap(), fs::read(&database).unwrap());

    fs::write(&key, "garbage").unwrap();
    let bad_key = complaint(&dev(folder.path()));
    let aside = folder.path().join("aside.key");
    fs::rename(&key, &aside).unwrap();
    let other_key = complaint(&dev(folder.path()));
    assert!(!key.exists(), "a new key was left behind");
    fs::rename(&aside, &key).unwrap();
    fs::write(&key, &good_key).unwrap();
    fs::write(&database, vec![b'x'; 10_000]).unwrap();
    let foreign = complaint(&dev(folder.path()));
    let foreign_after = fs::read(&database).unwrap();
    fs::write(&database, &good_database[..good_database.len() / 2]).unwrap();
    let truncated = complaint(&dev(folder.path()));

    assert!(bad_key.contains("master.key"), "{bad_key}");
    assert!(other_key.contains("master key"), "{other_key}");
    assert!(foreign.contains("portcullis.db"), "{foreign}");
    assert_eq!(foreign_after, vec![b'x'; 10_000]);
    assert!(truncated.contains("portcullis.db"), "{truncated}");
}

#[test]
fn a_configuration_with_an_unknown_key_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portcullis.toml");
    fs::write(&file, "[gateway]\nworker = 3\n").unwrap();

    let output = run(&["serve", "--config", &file.display().to_string()]);

    let complaint = complaint(&output);
    assert!(
        complaint.contains("portcullis.toml:2:1: unknown field `worker`"),
        "{complaint}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
