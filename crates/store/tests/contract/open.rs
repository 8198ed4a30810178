//! Opening: what is made, what is kept, and what is refused without changing anything.

use std::fs;

use portcullis_store::{Engine, MasterKey, OpenError, Store};

use crate::{contract, support::*};

contract!(what_was_written_is_there_after_a_restart, |world| {
    let m = market(&world.store).await;

    world.reopen().await.unwrap();

    assert_eq!(
        world.store.app(&operator(), &m.app.app.id).await.unwrap(),
        m.app.app
    );
    assert_eq!(
        world.store.api(&operator(), &m.api.api.id).await.unwrap(),
        m.api.api
    );
    let engine = if world.is_sqlite() {
        Engine::Sqlite
    } else {
        Engine::Postgres
    };
    assert_eq!(world.store.engine(), engine);
});

contract!(a_newer_schema_is_refused_and_left_alone, |world| {
    world
        .raw_execute(
            "INSERT INTO schema_versions (version, checksum, applied_at_us) VALUES (999, 'x', 0)",
        )
        .await;
    world.store.close().await;

    let refused = Store::open(world.settings()).await.unwrap_err();

    assert!(
        matches!(refused, OpenError::NewerSchema { found: 999, known } if known < 999),
        "{refused}"
    );
    assert!(refused.to_string().contains("newer program"));
    world
        .raw_execute("DELETE FROM schema_versions WHERE version = 999")
        .await;
    world.store = Store::open(world.settings()).await.unwrap();
});

contract!(a_schema_of_another_making_is_refused, |world| {
    world
        .raw_execute("UPDATE schema_versions SET checksum = 'x'")
        .await;
    world.store.close().await;

    let refused = Store::open(world.settings()).await.unwrap_err();

    assert!(
        matches!(refused, OpenError::ForeignSchema { version: 1 }),
        "{refused}"
    );
});

#[test]
fn a_url_of_another_kind_is_refused() {
    run(async {
        let world = World::on_sqlite().await;
        for url in ["", "mysql://x", "sqlite::memory:", "p.db"] {
            let mut settings = world.settings();
            settings.url = url.to_owned();
            let refused = Store::open(settings).await.unwrap_err();
            assert!(matches!(refused, OpenError::Url), "{url}: {refused}");
        }
        world.end().await;
    });
}

#[test]
fn a_second_process_is_told_who_holds_the_database() {
    run(async {
        let world = World::on_sqlite().await;

        let refused = Store::open(world.settings()).await.unwrap_err();

        assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
        assert!(
            refused
                .to_string()
                .contains(&format!("process {}", std::process::id()))
        );
        world.end().await;
    });
}

#[test]
fn a_missing_folder_is_named() {
    run(async {
        let world = World::on_sqlite().await;
        let mut settings = world.settings();
        settings.url = "sqlite:/nonexistent/folder/p.db".to_owned();

        let refused = Store::open(settings).await.unwrap_err().to_string();

        assert!(refused.contains("/nonexistent/folder"), "{refused}");
        world.end().await;
    });
}

#[test]
fn a_server_that_does_not_answer_is_unreachable() {
    run(async {
        let world = World::on_sqlite().await;
        let mut settings = world.settings();
        settings.url = "postgres://nobody:hunter2@127.0.0.1:1/x".to_owned();

        let refused = Store::open(settings).await.unwrap_err();

        assert!(matches!(refused, OpenError::Unreachable(_)), "{refused}");
        assert!(!refused.to_string().contains("hunter2"));
        world.end().await;
    });
}

#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    run(async {
        let world = World::on_sqlite().await;
        organization(&world.store, "own").await;

        let mut modes = Vec::new();
        for file in fs::read_dir(world.file().parent().unwrap()).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            if name.starts_with("p.db") && name != "p.db.lock" {
                modes.push(file.metadata().unwrap().permissions().mode() & 0o777);
            }
        }

        assert!(
            modes.len() >= 2 && modes.iter().all(|mode| *mode == 0o600),
            "{modes:?}"
        );
        world.end().await;
    });
}

#[test]
fn a_start_that_was_ended_in_the_middle_is_made_good() {
    run(async {
        let world = World::on_sqlite().await;
        world.store.close().await;
        let making = world.file().with_file_name("p.db.creating");
        fs::rename(world.file(), &making).unwrap();
        fs::write(&making, b"half of a database").unwrap();

        let store = Store::open(world.settings()).await.unwrap();

        organization(&store, "own").await;
        assert!(!making.exists());
        store.close().await;
    });
}

#[test]
fn nodes_that_start_at_once_make_one_schema() {
    run(async {
        let Some(world) = World::on_postgres().await else {
            return;
        };
        world.store.close().await;
        world
            .raw_execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            .await;
        let key = MasterKey::generate();
        let open = || {
            let mut settings = world.settings();
            settings.master_key = key.clone();
            Store::open(settings)
        };

        let (a, b, c) = tokio::join!(open(), open(), open());

        let stores = [a.unwrap(), b.unwrap(), c.unwrap()];
        let ids: Vec<String> = stores.iter().map(Store::installation_id).collect();
        assert!(ids.iter().all(|id| *id == ids[0]));
        for store in stores {
            store.close().await;
        }
        world.end().await;
    });
}
