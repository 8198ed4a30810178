//! The OpenAPI document against the table of routes and the committed copy.

use std::path::Path;

use portcullis_registry::routes::ROUTES;
use serde_json::Value;

fn document() -> Value {
    serde_json::to_value(portcullis_registry::openapi()).unwrap()
}

#[test]
fn the_document_and_the_table_of_routes_name_the_same_routes() {
    let document = document();
    let mut documented = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            documented.push((method.to_uppercase(), path.clone()));
        }
    }
    documented.sort();

    let mut in_table: Vec<(String, String)> = ROUTES
        .iter()
        .map(|route| (route.method.to_owned(), route.path.to_owned()))
        .collect();
    in_table.sort();

    assert_eq!(documented, in_table);
}

#[test]
fn the_committed_copy_is_current() {
    let copy = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi.json");
    let mut current = serde_json::to_string_pretty(&document()).unwrap();
    current.push('\n');

    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&copy, &current).unwrap();
    }

    let committed = std::fs::read_to_string(&copy).unwrap_or_default();
    assert!(
        committed == current,
        "tests/openapi.json is stale: run UPDATE_OPENAPI=1 cargo test -p portcullis-registry --test http and review the change"
    );
}

#[test]
fn every_operation_says_what_it_does_and_how_it_refuses() {
    let document = document();

    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let summary = operation["summary"].as_str().unwrap_or_default();
            assert!(!summary.is_empty(), "{method} {path} has no summary");
            let public = path == "/v1/openapi.json";
            assert_eq!(
                operation["responses"]["401"].is_null(),
                public,
                "{method} {path}"
            );
            for (status, response) in operation["responses"].as_object().unwrap() {
                let described = response["description"].as_str().unwrap_or_default();
                assert!(!described.is_empty(), "{method} {path} {status}");
            }
        }
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    let document = document();
    let mut open = vec![&document];

    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                open.extend(members.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
}
