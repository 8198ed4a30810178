//! The OpenAPI document says what the API does, examples included.

use crate::Gateway;
use crate::platform::SUBSCRIPTION_ID;
use portcullis_vehicles::SPEC;
use serde_json::{Value, json};

/// What the specification promises for one operation.
fn promised(spec: &Value, path: &str, method: &str, status: u16) -> Value {
    let response = &spec["paths"][path][method]["responses"][status.to_string()];
    assert!(
        response.is_object(),
        "{method} {path} {status} is not in the specification"
    );
    response["content"]["application/json"]["example"].clone()
}

/// A call for each answer that the specification describes; in this order they agree with it.
fn described_calls(
    spec: &Value,
) -> Vec<(&'static str, &'static str, &'static str, Option<Value>, u16)> {
    let example_of = |path: &str| {
        spec["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"].clone()
    };
    vec![
        ("get", "/vehicles", "/vehicles", None, 200),
        ("get", "/vehicles", "/vehicles?limit=0", None, 400),
        ("get", "/vehicles/{id}", "/vehicles/veh-1001", None, 200),
        ("get", "/vehicles/{id}", "/vehicles/veh-9999", None, 404),
        (
            "post",
            "/vehicles",
            "/vehicles",
            Some(example_of("/vehicles")),
            201,
        ),
        (
            "post",
            "/vehicles",
            "/vehicles",
            Some(json!({"summary": {"year": 2023, "make": "Aurora",
            "model": "Lark", "bodyStyle": "tank", "exteriorColor": "silver"},
            "description": {"description": "x"}, "prices": {"netPrice": 1, "currencyCode": "USD"}})),
            422,
        ),
        ("delete", "/vehicles/{id}", "/vehicles/veh-1013", None, 204),
        ("delete", "/vehicles/{id}", "/vehicles/veh-9999", None, 404),
        ("get", "/customers", "/customers", None, 200),
        ("get", "/customers", "/customers?limit=0", None, 400),
        ("get", "/customers/{id}", "/customers/cus-2001", None, 200),
        ("get", "/customers/{id}", "/customers/cus-9999", None, 404),
        (
            "post",
            "/customers",
            "/customers",
            Some(example_of("/customers")),
            201,
        ),
        (
            "post",
            "/customers",
            "/customers",
            Some(json!({"name": {"first": "Grace", "last": "Ito"},
            "email": "nowhere", "address": {"countryCode": "US"}})),
            422,
        ),
        (
            "delete",
            "/customers/{id}",
            "/customers/cus-2007",
            None,
            204,
        ),
        (
            "delete",
            "/customers/{id}",
            "/customers/cus-9999",
            None,
            404,
        ),
    ]
}

#[tokio::test]
async fn the_examples_of_the_specification_are_what_the_api_answers() {
    let spec: Value = serde_json::from_str(SPEC).unwrap();
    let gateway = Gateway::new().await;

    for (method, path, target, body, status) in described_calls(&spec) {
        let verb = method.to_uppercase();
        let answer = gateway
            .call(&verb, target, SUBSCRIPTION_ID, body.as_ref())
            .await;

        assert_eq!(answer.status, status, "{verb} {target}: {}", answer.text());
        let example = promised(&spec, path, method, status);
        if status == 204 {
            assert!(example.is_null() && answer.body.is_empty());
        } else {
            let message = format!("{verb} {target}: the example should be {}", answer.text());
            assert!(answer.json() == example, "{message}");
        }
    }
}

#[tokio::test]
async fn every_operation_of_the_specification_exists_and_no_other() {
    let spec: Value = serde_json::from_str(SPEC).unwrap();
    let gateway = Gateway::new().await;

    assert_eq!(spec["servers"][0]["url"], "/vehicles/v1");
    for (path, operations) in spec["paths"].as_object().unwrap() {
        let target = path.replace("{id}", "none-1");
        for method in ["get", "post", "put", "patch", "delete"] {
            let verb = method.to_uppercase();
            let answer = gateway.call(&verb, &target, SUBSCRIPTION_ID, None).await;

            let specified = operations.get(method).is_some();
            assert_eq!(answer.status != 405, specified, "{verb} {path}");
        }
        for operation in operations.as_object().unwrap().values() {
            for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                let reference = response["$ref"]
                    .as_str()
                    .map(|path| path.trim_start_matches('#'));
                let response = reference.map_or(response, |path| spec.pointer(path).unwrap());
                let example = &response["content"]["application/json"]["example"];
                assert!(status == "204" || example.is_object(), "{path} {status}");
            }
        }
    }
}
