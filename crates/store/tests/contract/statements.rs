//! Every statement in the source is one that both engines take.

use std::{fs, path::Path};

use sqlx::{AnyConnection, Executor, SqlSafeStr};

use crate::support::*;

/// Every string literal of the source that is a statement, with line continuations taken out.
fn statements() -> Vec<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for file in fs::read_dir(source).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        found.extend(literals(&text).into_iter().filter(|literal| {
            let verbs = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM "];
            verbs.iter().any(|verb| literal.starts_with(verb))
        }));
    }
    found.sort();
    found.dedup();
    found
}

fn literals(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            // A character literal, in which a quotation mark begins nothing.
            '\'' if letters.peek() == Some(&'"') => {
                letters.next();
            }
            '/' if letters.peek() == Some(&'/') => {
                letters.by_ref().find(|letter| *letter == '\n');
            }
            '"' => {
                let mut literal = String::new();
                while let Some(letter) = letters.next() {
                    match letter {
                        '"' => break,
                        '\\' => match letters.next() {
                            Some('\n') => {
                                while letters.peek().is_some_and(|l| l.is_whitespace()) {
                                    letters.next();
                                }
                            }
                            Some(escaped) => literal.push(escaped),
                            None => break,
                        },
                        letter => literal.push(letter),
                    }
                }
                found.push(literal);
            }
            _ => {}
        }
    }
    found
}

const POSTGRES_ALONE: [&str; 4] = [
    "pg_notify",
    "set_config",
    "information_schema",
    "SKIP LOCKED",
];
const SQLITE_ALONE: [&str; 2] = ["sqlite_master", "pragma_table_info"];

async fn prepare_all(connection: &mut AnyConnection, not_here: &[&str]) {
    let statements = statements();
    assert!(
        statements.len() > 90,
        "only {} statements were found",
        statements.len()
    );
    for text in statements {
        if not_here.iter().any(|word| text.contains(word)) {
            continue;
        }
        let statement = sqlx::AssertSqlSafe(text.clone()).into_sql_str();
        let prepared = connection.prepare(statement).await;
        assert!(prepared.is_ok(), "{text}: {}", prepared.err().unwrap());
    }
}

#[test]
fn sqlite_takes_every_statement() {
    run(async {
        let world = World::on_sqlite().await;

        // The counters' table stands in a file of its own; here it stands beside the others.
        world
            .raw_execute(include_str!("../../migrations/usage.sql"))
            .await;
        prepare_all(&mut world.raw().await, &POSTGRES_ALONE).await;

        world.end().await;
    });
}

#[test]
fn postgres_takes_every_statement() {
    run(async {
        let Some(world) = World::on_postgres().await else {
            return;
        };

        prepare_all(&mut world.raw().await, &SQLITE_ALONE).await;

        world.end().await;
    });
}
