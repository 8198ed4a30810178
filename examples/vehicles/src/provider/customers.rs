//! The customers of one subscription: list, one, add, remove.

use super::answer::{self, Failure};
use super::fields::Fields;
use super::paging::{Page, Query};
use super::tenants::{Caller, Tenants};
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header::LOCATION};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use std::sync::Arc;

/// A customer as the API shows it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Customer {
    #[serde(rename = "customerId")]
    pub(super) id: String,
    pub(super) name: CustomerName,
    pub(super) email: String,
    pub(super) phone: String,
    pub(super) address: Address,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct CustomerName {
    pub(super) first: String,
    pub(super) last: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Address {
    pub(super) street: String,
    pub(super) city: String,
    pub(super) state: String,
    pub(super) postal_code: String,
    pub(super) country_code: String,
}

pub(super) async fn list(
    State(tenants): State<Arc<Tenants>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query = Query::parse(query.as_deref());
    let page = query.page()?;
    let (last_name, email) = (query.text("lastName"), query.text("email"));
    let matches = |customer: &Customer| {
        last_name.is_none_or(|wanted| wanted.eq_ignore_ascii_case(&customer.name.last))
            && email.is_none_or(|wanted| wanted.eq_ignore_ascii_case(&customer.email))
    };
    let found = tenants.with(&caller, |tenant| {
        let customers = tenant.customers.values();
        customers
            .filter(|customer| matches(customer))
            .cloned()
            .collect()
    });
    Ok(Json(Page::cut(found, page)).into_response())
}

pub(super) async fn one(
    State(tenants): State<Arc<Tenants>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let customer = tenants.with(&caller, |tenant| tenant.customers.get(&id).cloned());
    let customer = customer.ok_or_else(|| answer::not_found("customer", &id))?;
    Ok(Json(customer).into_response())
}

pub(super) async fn add(
    State(tenants): State<Arc<Tenants>>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let new = check(&answer::json_object(&headers, &body)?)?;
    let customer = tenants.with(&caller, |tenant| {
        let make = |number| Customer {
            id: format!("cus-{number}"),
            ..new
        };
        tenant.customers.add(make)
    });
    let customer = customer.ok_or_else(|| answer::full("customers"))?;
    let location = format!("/vehicles/v1/customers/{}", customer.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(customer)).into_response())
}

pub(super) async fn remove(
    State(tenants): State<Arc<Tenants>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let removed = tenants.with(&caller, |tenant| tenant.customers.remove(&id));
    if !removed {
        return Err(answer::not_found("customer", &id));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A customer whose id is still empty.
fn check(document: &serde_json::Map<String, serde_json::Value>) -> Result<Customer, Failure> {
    let mut fields = Fields::of(document);
    let first = fields.text("name.first", 60);
    let last = fields.text("name.last", 60);
    let email = fields.text("email", 254);
    if let Some(email) = &email
        && !looks_like_an_address(email)
    {
        fields.wrong("email", "must be an email address");
    }
    let phone = fields.text_or_empty("phone", 40);
    let street = fields.text_or_empty("address.street", 120);
    let city = fields.text_or_empty("address.city", 80);
    let state = fields.text_or_empty("address.state", 40);
    let postal_code = fields.text_or_empty("address.postalCode", 20);
    let country = fields.word("address.countryCode", country, || "US, CA".to_owned());
    fields.finish()?;
    // `finish` has refused every document in which one of these is absent.
    let complete = || {
        Some(Customer {
            id: String::new(),
            name: CustomerName {
                first: first?,
                last: last?,
            },
            email: email?,
            phone: phone?,
            address: Address {
                street: street?,
                city: city?,
                state: state?,
                postal_code: postal_code?,
                country_code: country?.to_owned(),
            },
        })
    };
    complete().ok_or_else(|| Failure::invalid(Vec::new()))
}

fn country(word: &str) -> Option<&'static str> {
    ["US", "CA"].into_iter().find(|code| *code == word)
}

fn looks_like_an_address(email: &str) -> bool {
    let Some((local, domain)) = email.rsplit_once('@') else {
        return false;
    };
    let visible = email.bytes().all(|byte| byte.is_ascii_graphic());
    visible && !local.is_empty() && domain.contains('.') && !domain.starts_with('.')
}
