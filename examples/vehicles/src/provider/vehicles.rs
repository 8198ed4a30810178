//! The vehicles of one subscription: list with filters, one, add, remove.

use super::answer::{self, Failure};
use super::fields::Fields;
use super::paging::{Page, Query};
use super::picture::{self, BodyStyle};
use super::tenants::{Caller, Tenants};
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header::LOCATION};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use std::sync::Arc;

/// A vehicle as the API shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Vehicle {
    pub(super) merchandisable_vehicle_id: String,
    summary: Summary,
    description: Description,
    prices: Prices,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    title: String,
    year: u16,
    make: String,
    model: String,
    body_style: &'static str,
    exterior_color: &'static str,
    mileage: Mileage,
    primary_image_link: ImageLink,
}

#[derive(Debug, Clone, Serialize)]
struct Mileage {
    value: u32,
    unit: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct ImageLink {
    href: String,
    title: String,
}

#[derive(Debug, Clone, Serialize)]
struct Description {
    description: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Prices {
    net_price: f64,
    currency_code: String,
}

/// A vehicle before it has an id and a picture; every value checked.
pub(super) struct NewVehicle {
    pub(super) year: u16,
    pub(super) make: String,
    pub(super) model: String,
    pub(super) body_style: BodyStyle,
    pub(super) color: &'static str,
    pub(super) mileage: u32,
    pub(super) description: String,
    pub(super) net_price: f64,
    pub(super) currency_code: String,
}

impl Vehicle {
    pub(super) fn new(number: u32, new: NewVehicle) -> Self {
        let title = format!("{} {} {}", new.year, new.make, new.model);
        let style = new.body_style.as_str();
        Self {
            merchandisable_vehicle_id: format!("veh-{number}"),
            summary: Summary {
                title,
                year: new.year,
                body_style: style,
                exterior_color: new.color,
                mileage: Mileage {
                    value: new.mileage,
                    unit: "mi",
                },
                primary_image_link: ImageLink {
                    href: picture::data_uri(new.body_style, new.color),
                    title: format!("{} {} {style} in {}", new.make, new.model, new.color),
                },
                make: new.make,
                model: new.model,
            },
            description: Description {
                description: new.description,
            },
            prices: Prices {
                net_price: new.net_price,
                currency_code: new.currency_code,
            },
        }
    }
}

pub(super) async fn list(
    State(tenants): State<Arc<Tenants>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query = Query::parse(query.as_deref());
    let page = query.page()?;
    let (price_min, price_max) = (query.number("minPrice")?, query.number("maxPrice")?);
    let is_or_any = |name: &str, value: &str| {
        let wanted = query.text(name);
        wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let matches = |vehicle: &Vehicle| {
        is_or_any("make", &vehicle.summary.make)
            && is_or_any("model", &vehicle.summary.model)
            && is_or_any("bodyStyle", vehicle.summary.body_style)
            && is_or_any("exteriorColor", vehicle.summary.exterior_color)
            && price_min.is_none_or(|least| vehicle.prices.net_price >= least)
            && price_max.is_none_or(|most| vehicle.prices.net_price <= most)
    };
    let found = tenants.with(&caller, |tenant| {
        let vehicles = tenant.vehicles.values();
        vehicles
            .filter(|vehicle| matches(vehicle))
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
    let vehicle = tenants.with(&caller, |tenant| tenant.vehicles.get(&id).cloned());
    let vehicle = vehicle.ok_or_else(|| answer::not_found("vehicle", &id))?;
    Ok(Json(vehicle).into_response())
}

pub(super) async fn add(
    State(tenants): State<Arc<Tenants>>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let new = check(&answer::json_object(&headers, &body)?)?;
    let vehicle = tenants.with(&caller, |tenant| {
        let make = |number| Vehicle::new(number, new);
        tenant.vehicles.add(make)
    });
    let vehicle = vehicle.ok_or_else(|| answer::full("vehicles"))?;
    let location = format!(
        "/vehicles/v1/vehicles/{}",
        vehicle.merchandisable_vehicle_id
    );
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(vehicle)).into_response())
}

pub(super) async fn remove(
    State(tenants): State<Arc<Tenants>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let removed = tenants.with(&caller, |tenant| tenant.vehicles.remove(&id));
    if !removed {
        return Err(answer::not_found("vehicle", &id));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn check(document: &serde_json::Map<String, serde_json::Value>) -> Result<NewVehicle, Failure> {
    let mut fields = Fields::of(document);
    let year = fields.whole("summary.year", 1950..=2035);
    let make = fields.text("summary.make", 40);
    let model = fields.text("summary.model", 40);
    let style = fields.word("summary.bodyStyle", BodyStyle::from_word, || {
        BodyStyle::ALL.map(BodyStyle::as_str).join(", ")
    });
    let color = fields.word("summary.exteriorColor", picture::known_color, || {
        picture::color_names().collect::<Vec<_>>().join(", ")
    });
    let mileage = fields.whole_or("summary.mileage.value", 0..=2_000_000, 0);
    let description = fields.text("description.description", 1000);
    let price = fields.amount("prices.netPrice", 10_000_000.0);
    let currency = fields.word("prices.currencyCode", currency, || "USD, CAD".to_owned());
    fields.finish()?;
    // `finish` has refused every document in which one of these is absent.
    let complete = || {
        Some(NewVehicle {
            year: u16::try_from(year?).ok()?,
            make: make?,
            model: model?,
            body_style: style?,
            color: color?,
            mileage: u32::try_from(mileage?).ok()?,
            description: description?,
            net_price: price?,
            currency_code: currency?.to_owned(),
        })
    };
    complete().ok_or_else(|| Failure::invalid(Vec::new()))
}

fn currency(word: &str) -> Option<&'static str> {
    ["USD", "CAD"].into_iter().find(|code| *code == word)
}
