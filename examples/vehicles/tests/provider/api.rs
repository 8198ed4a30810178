//! Vehicles and customers: lists, one, add, remove; and how wrong requests are answered.

use crate::Gateway;
use crate::platform::{Answer, SUBSCRIPTION_ID, send};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

fn a_vehicle() -> Value {
    json!({
        "summary": {"year": 2023, "make": "Aurora", "model": "Lark", "bodyStyle": "sedan",
                    "exteriorColor": "silver", "mileage": {"value": 14200}},
        "description": {"description": "Taken in exchange last week."},
        "prices": {"netPrice": 24_990, "currencyCode": "USD"}
    })
}

fn a_customer() -> Value {
    json!({
        "name": {"first": "Grace", "last": "Ito"}, "email": "grace.ito@example.com",
        "phone": "(614) 555-0177",
        "address": {"street": "66 Mill Road", "city": "Columbus", "state": "OH",
                    "postalCode": "43085", "countryCode": "US"}
    })
}

fn listed(answer: &Answer) -> Vec<String> {
    let document = answer.json();
    let items = document["items"].as_array().unwrap();
    let ids = items
        .iter()
        .map(|item| item["merchandisableVehicleId"].as_str().unwrap().to_owned());
    ids.collect()
}

#[tokio::test]
async fn vehicles_have_a_picture_a_description_and_a_price() {
    let gateway = Gateway::new().await;

    let answer = gateway.get("/vehicles").await;

    let document = answer.json();
    assert_eq!(answer.status, 200);
    assert_eq!(document["total"], 12);
    for vehicle in document["items"].as_array().unwrap() {
        let picture = vehicle["summary"]["primaryImageLink"]["href"]
            .as_str()
            .unwrap();
        assert!(picture.starts_with("data:image/svg+xml;base64,"));
        assert!(vehicle["description"]["description"].is_string());
        assert!(vehicle["prices"]["netPrice"].is_number());
        assert_eq!(vehicle["prices"]["currencyCode"], "USD");
    }
}

#[tokio::test]
async fn a_list_is_filtered_and_paged() {
    let gateway = Gateway::new().await;

    let aurora = gateway.get("/vehicles?make=aurora&maxPrice=30000").await;
    let second = gateway.get("/vehicles?page=2&limit=5").await;
    let beyond = gateway.get("/vehicles?page=4294967295&limit=100").await;

    assert_eq!(listed(&aurora), ["veh-1001", "veh-1010"]);
    assert_eq!(
        listed(&second),
        ["veh-1006", "veh-1007", "veh-1008", "veh-1009", "veh-1010"]
    );
    assert_eq!(second.json()["total"], 12);
    assert_eq!(listed(&beyond), Vec::<String>::new());
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_a_400_that_names_the_parameter() {
    let gateway = Gateway::new().await;

    for query in [
        "limit=0",
        "limit=101",
        "page=-1",
        "page=x",
        "minPrice=cheap",
        "maxPrice=NaN",
    ] {
        let answer = gateway.get(&format!("/vehicles?{query}")).await;

        let name = query.split('=').next().unwrap();
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.json()["message"].as_str().unwrap().starts_with(name));
    }
}

#[tokio::test]
async fn a_vehicle_is_added_found_and_removed() {
    let gateway = Gateway::new().await;

    let added = gateway.post("/vehicles", &a_vehicle()).await;
    let found = gateway.get("/vehicles/veh-1013").await;
    let removed = gateway.delete("/vehicles/veh-1013").await;
    let gone = gateway.get("/vehicles/veh-1013").await;
    let removed_again = gateway.delete("/vehicles/veh-1013").await;

    assert_eq!(added.status, 201);
    assert_eq!(added.header("location"), "/vehicles/v1/vehicles/veh-1013");
    assert_eq!(found.json(), added.json());
    assert_eq!((removed.status, removed.body.len()), (204, 0));
    assert_eq!(gone.status, 404);
    assert_eq!(gone.json()["code"], "NOT-FOUND");
    assert_eq!(removed_again.status, 404);
}

#[tokio::test]
async fn a_customer_is_added_found_and_removed() {
    let gateway = Gateway::new().await;

    let added = gateway.post("/customers", &a_customer()).await;
    let found = gateway.get("/customers?lastName=ito").await;
    let removed = gateway.delete("/customers/cus-2007").await;
    let gone = gateway.get("/customers/cus-2007").await;

    assert_eq!(added.status, 201);
    assert_eq!(added.header("location"), "/vehicles/v1/customers/cus-2007");
    assert_eq!(found.json()["items"][0], added.json());
    assert_eq!(removed.status, 204);
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn a_subscription_neither_sees_nor_removes_the_data_of_another() {
    let gateway = Gateway::new().await;
    gateway.post("/vehicles", &a_vehicle()).await;
    gateway.delete("/vehicles/veh-1001").await;

    let other = "00000000-0000-4000-8000-000000000002";
    let added = gateway.call("GET", "/vehicles/veh-1013", other, None).await;
    let removed = gateway.call("GET", "/vehicles/veh-1001", other, None).await;

    assert_eq!(added.status, 404);
    assert_eq!(removed.status, 200);
}

#[tokio::test]
async fn everything_wrong_with_a_document_is_said_at_once() {
    let gateway = Gateway::new().await;
    let document = json!({
        "summary": {"year": 1800, "make": " ", "model": "a\nb", "bodyStyle": "tank",
                    "exteriorColor": "plaid", "mileage": {"value": -1}},
        "prices": {"netPrice": -5, "currencyCode": "XXX"}
    });

    let answer = gateway.post("/vehicles", &document).await;

    let document = answer.json();
    let errors = document["errors"].as_array().unwrap();
    let fields: Vec<_> = errors
        .iter()
        .map(|error| error["field"].as_str().unwrap())
        .collect();
    assert_eq!(answer.status, 422);
    assert_eq!(
        fields,
        [
            "summary.year",
            "summary.make",
            "summary.model",
            "summary.bodyStyle",
            "summary.exteriorColor",
            "summary.mileage.value",
            "description.description",
            "prices.netPrice",
            "prices.currencyCode"
        ]
    );
}

#[tokio::test]
async fn bodies_that_are_no_json_object_get_415_400_or_413() {
    let gateway = Gateway::new().await;
    let long = format!("\"{}\"", "x".repeat(70_000));
    let cases = [
        ("text/plain", "{}", 415),
        ("", "{}", 415),
        ("application/json", "{", 400),
        ("application/json", "[]", 400),
        ("application/json", "", 400),
        ("application/json; charset=utf-8", "{}", 422),
        ("application/json", long.as_str(), 413),
    ];
    for (content_type, body, expected) in cases {
        let mut request = Request::post("/vehicles/v1/customers")
            .header("authorization", format!("Bearer {}", gateway.token))
            .header("subscription-id", SUBSCRIPTION_ID);
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();

        let answer = send(&gateway.router, request).await;

        assert_eq!(answer.status, expected, "{content_type} {body:.20}");
        assert_eq!(answer.json()["status"], expected);
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_answered_in_json() {
    let gateway = Gateway::new().await;

    let path = gateway.get("/boats").await;
    let method = gateway
        .call("PATCH", "/vehicles/veh-1001", SUBSCRIPTION_ID, None)
        .await;
    let base = gateway.get("").await;

    assert_eq!(
        (path.status, path.json()["code"].clone()),
        (404, json!("NOT-FOUND"))
    );
    assert_eq!(
        (method.status, method.json()["code"].clone()),
        (405, json!("METHOD-NOT-ALLOWED"))
    );
    let allowed = method.header("allow");
    assert!(
        allowed.contains("GET") && allowed.contains("DELETE"),
        "{allowed}"
    );
    assert_eq!(base.status, 404);
}

#[tokio::test]
async fn a_call_without_one_usable_subscription_id_is_refused() {
    let gateway = Gateway::new().await;
    let long = "x".repeat(129);

    for id in ["", " ", "a b", long.as_str()] {
        let answer = gateway.call("GET", "/vehicles", id, None).await;

        assert_eq!(answer.status, 400, "{id:?}");
        assert_eq!(answer.json()["code"], "MISSING-SUBSCRIPTION-ID");
    }
}

#[tokio::test]
async fn ids_in_another_spelling_are_not_found() {
    let gateway = Gateway::new().await;

    for id in [
        "1001",
        "veh-01001",
        "veh-+1001",
        "cus-1001",
        "veh-",
        "veh-99999999999",
        "VEH-1001",
    ] {
        let answer = gateway.get(&format!("/vehicles/{id}")).await;

        assert_eq!(answer.status, 404, "{id}");
    }
}

#[tokio::test]
async fn a_subscription_cannot_grow_without_bound() {
    let gateway = Gateway::new().await;

    let mut last = 201;
    let mut added = 0;
    while last == 201 && added < 1000 {
        last = gateway.post("/customers", &a_customer()).await.status;
        added += 1;
    }

    assert_eq!(last, 409);
}

#[tokio::test]
async fn the_front_page_is_open_and_says_what_this_is() {
    let gateway = Gateway::new().await;
    let request = Request::get("/").body(Body::empty()).unwrap();

    let answer = send(&gateway.router, request).await;

    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("sample provider"));
}
