//! Files that accidents left behind: refused by name, or served right; never a panic, never a change.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use portcullis_core::keys::{KeyPurpose, NewKey};
use portcullis_store::{ActError, OpenError, SnapshotParts, Store, first_load};
use sqlx::{AnyConnection, Connection, Executor};

use crate::support::*;

/// A world with something in it, closed.
async fn closed_world() -> World {
    let world = World::on_sqlite().await;
    let m = market(&world.store).await;
    activate(&world.store, &m.app.app.id, &m.buyer).await;
    let (current, next) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
    world
        .store
        .install_first_keys(KeyPurpose::Client, &current, &next)
        .await
        .unwrap();
    world.store.close().await;
    world
}

/// Everything in the folder but the lock file and the counters.
fn contents(world: &World) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(world.file().parent().unwrap())
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| {
            path.file_name().unwrap() == "p.db" || path.to_string_lossy().ends_with("-wal")
        })
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

async fn refused(world: &World) -> OpenError {
    let before = contents(world);
    let error = Store::open(world.settings()).await.unwrap_err();
    let after = contents(world);
    assert!(before == after, "a refused file was changed: {error}");
    error
}

fn assert_damaged(error: &OpenError, path: &Path) {
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains(path.file_name().unwrap().to_str().unwrap()),
        "{text}"
    );
    assert!(text.contains("restore it from a backup"), "{text}");
}

#[test]
fn a_file_that_is_cut_off_is_refused() {
    run(async {
        let world = closed_world().await;
        let whole = fs::read(world.file()).unwrap();

        for length in [
            0,
            1,
            99,
            100,
            4096,
            whole.len() / 2,
            whole.len() - 4096,
            whole.len() - 1,
        ] {
            fs::write(world.file(), &whole[..length]).unwrap();

            assert_damaged(&refused(&world).await, &world.file());
        }
        fs::write(world.file(), whole).unwrap();
        Store::open(world.settings()).await.unwrap().close().await;
    });
}

#[test]
fn a_foreign_file_is_refused() {
    run(async {
        let world = closed_world().await;
        let whole = fs::read(world.file()).unwrap();
        let mut zeroed = whole.clone();
        zeroed[..100].fill(0);

        for content in [
            b"PK\x03\x04 a zip, perhaps".repeat(100),
            vec![0; 8192],
            zeroed,
        ] {
            fs::write(world.file(), content).unwrap();

            assert_damaged(&refused(&world).await, &world.file());
        }
    });
}

#[test]
fn a_database_of_another_program_is_refused() {
    run(async {
        let world = closed_world().await;
        fs::remove_file(world.file()).unwrap();
        let url = format!("{}?mode=rwc", world.url());
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        connection
            .execute(sqlx::raw_sql("CREATE TABLE theirs (id TEXT)"))
            .await
            .unwrap();
        connection.close().await.unwrap();

        let error = refused(&world).await;

        assert_damaged(&error, &world.file());
        assert!(error.to_string().contains("another program"));
    });
}

#[test]
fn a_schema_that_was_edited_is_refused() {
    run(async {
        let world = closed_world().await;
        world
            .raw_execute("DROP INDEX signing_keys_current; CREATE INDEX signing_keys_current ON signing_keys (purpose)")
            .await;

        let error = refused(&world).await;

        assert_damaged(&error, &world.file());
        assert!(
            error.to_string().contains("signing_keys_current"),
            "{error}"
        );
    });
}

#[test]
fn flipped_bits_are_refused_or_leave_something_that_opens() {
    run(async {
        let world = closed_world().await;
        let whole = fs::read(world.file()).unwrap();
        let (mut opened, mut refusals) = (0, 0);

        // Every page and every byte position of a page are met; the step is prime to the page size.
        for at in (0..whole.len()).step_by((whole.len() / 150) | 1) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(world.file(), &flipped).unwrap();
            match Store::open(world.settings()).await {
                Ok(store) => {
                    // A snapshot, or an error that says what does not parse.
                    let _ = first_load(&store, SnapshotParts::ALL).await;
                    store.close().await;
                    opened += 1;
                }
                Err(error) => {
                    assert!(!error.to_string().contains("pcs_"), "{error}");
                    assert_eq!(
                        fs::read(world.file()).unwrap(),
                        flipped,
                        "byte {at}: {error}"
                    );
                    refusals += 1;
                }
            }
        }
        assert!(
            opened > 0 && refusals > 0,
            "{opened} opened, {refusals} refused"
        );
    });
}

#[test]
fn damaged_counters_are_named() {
    run(async {
        let world = closed_world().await;
        fs::write(world.file().with_file_name("usage.db"), vec![7; 8192]).unwrap();

        let error = Store::open(world.settings()).await.unwrap_err().to_string();

        assert!(
            error.contains("usage.db") && error.contains("may be removed"),
            "{error}"
        );
    });
}

#[test]
fn a_missing_file_beside_its_log_is_not_made_anew() {
    run(async {
        let world = closed_world().await;
        fs::rename(world.file(), world.file().with_file_name("p.db-wal")).unwrap();

        assert_damaged(&refused(&world).await, &world.file());
    });
}

#[test]
fn the_log_of_another_database_is_not_taken_in() {
    run(async {
        let world = closed_world().await;
        let mut garbage = fs::File::create(world.file().with_file_name("p.db-wal")).unwrap();
        garbage.write_all(&[0x37, 0x7f, 0x06, 0x82]).unwrap();
        garbage.write_all(&vec![0xa5; 50_000]).unwrap();
        drop(garbage);

        let store = Store::open(world.settings()).await.unwrap();

        let loaded = first_load(&store, SnapshotParts::ALL).await.unwrap();
        assert_eq!(loaded.corrupt_rows, 0);
        assert_eq!(loaded.snapshot.sizes()[0], ("organizations", 4));
        store.close().await;
    });
}

#[test]
fn what_was_committed_before_a_kill_is_there() {
    run(async {
        let world = World::on_sqlite().await;
        let m = market(&world.store).await;
        // What a killed process leaves: the file with its log, and no clean end.
        let home = tempfile::tempdir().unwrap();
        for name in ["p.db", "p.db-wal"] {
            fs::copy(world.file().with_file_name(name), home.path().join(name)).unwrap();
        }
        let mut settings = world.settings();
        settings.url = format!("sqlite:{}/p.db", home.path().display());

        let store = Store::open(settings).await.unwrap();

        assert_eq!(
            store.app(&operator(), &m.app.app.id).await.unwrap(),
            m.app.app
        );
        store.close().await;
        world.end().await;
    });
}

#[test]
fn a_database_that_somebody_else_holds_is_busy_within_five_seconds() {
    run(async {
        let world = World::on_sqlite().await;
        let m = market(&world.store).await;
        let mut holder = world.raw().await;
        holder
            .execute(sqlx::raw_sql("BEGIN IMMEDIATE"))
            .await
            .unwrap();

        #[expect(
            clippy::disallowed_methods,
            reason = "the test measures how long a refusal takes"
        )]
        let started = Instant::now();
        let client = &m.app.app.client_id;
        let operator = operator();
        let (one, other) = tokio::join!(
            world.store.revoke_tokens(&operator, client),
            world.store.create_secret(&operator, client)
        );
        let took = started.elapsed();

        assert_eq!(one.unwrap_err(), ActError::Busy);
        assert_eq!(other.unwrap_err(), ActError::Busy);
        // Together, not one after the other: that would be twice the five seconds that an act waits.
        assert!(took < Duration::from_secs(9), "{took:?}");
        // Reads go on meanwhile, and writes afterwards.
        assert!(world.store.app(&operator, &m.app.app.id).await.is_ok());
        holder.execute(sqlx::raw_sql("ROLLBACK")).await.unwrap();
        assert!(world.store.revoke_tokens(&operator, client).await.is_ok());
        world.end().await;
    });
}
