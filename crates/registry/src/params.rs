//! Queries and headers of the management API: pages, `If-Match`, `ETag`, `Idempotency-Key`.

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::request::Parts,
    response::Response,
};
use http::{HeaderValue, header};
use portcullis_store::{ActError, Cursor, IdempotencyKey, Order, Page, PageRequest};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::{IntoParams, ToSchema};

use crate::{error::RegistryError, findings::sentence, rules};

/// The parameters of a query; an unknown or malformed one is refused.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = RegistryError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RegistryError> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => {
                let text = rejection.body_text();
                let reason = text
                    .split_once(": ")
                    .map_or(text.as_str(), |(_, rest)| rest);
                Err(RegistryError::invalid("query", format!("{reason}.")))
            }
        }
    }
}

/// One identifier of a path. Text that can be no identifier names nothing.
pub(crate) struct Id<T>(pub(crate) T);

impl<S: Send + Sync, T: TryFrom<String> + Send> FromRequestParts<S> for Id<T> {
    type Rejection = RegistryError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RegistryError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| RegistryError::NotFound("thing"))?;
        T::try_from(text)
            .map(Self)
            .map_err(|_| RegistryError::NotFound("thing"))
    }
}

/// Two identifiers of a path, in its order.
pub(crate) struct Ids<T, U>(pub(crate) T, pub(crate) U);

impl<S, T, U> FromRequestParts<S> for Ids<T, U>
where
    S: Send + Sync,
    T: TryFrom<String> + Send,
    U: TryFrom<String> + Send,
{
    type Rejection = RegistryError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RegistryError> {
        let Path((first, second)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|_| RegistryError::NotFound("thing"))?;
        match (T::try_from(first), U::try_from(second)) {
            (Ok(first), Ok(second)) => Ok(Self(first, second)),
            _ => Err(RegistryError::NotFound("thing")),
        }
    }
}

/// The part of a query that asks for a page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageParams {
    /// How many entries at most; 1 to 500, 50 when left out.
    pub(crate) limit: Option<u32>,
    /// `next` of the page before.
    pub(crate) after: Option<String>,
}

/// In which order a list is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderParam {
    /// What was made first comes first.
    #[default]
    Oldest,
    /// What was made last comes first.
    Newest,
}

impl From<OrderParam> for Order {
    fn from(order: OrderParam) -> Self {
        match order {
            OrderParam::Oldest => Self::Oldest,
            OrderParam::Newest => Self::Newest,
        }
    }
}

/// What is wanted beside the things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Include {
    /// Names and counts of what hangs together with them.
    Summary,
}

/// The query of one thing.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct IncludeParams {
    /// `summary` adds names and counts of what hangs together with it.
    #[param(inline)]
    pub(crate) include: Option<Include>,
}

/// Longest text that is searched for, in characters.
const SEARCH_CHARACTERS_MAX: usize = 200;

/// What is searched for; `None` when that is nothing.
pub(crate) fn search(text: Option<&str>) -> Result<Option<String>, RegistryError> {
    let line = text.map(|text| rules::optional_line(text, SEARCH_CHARACTERS_MAX));
    let line = line.transpose();
    let line = line.map_err(|reason| RegistryError::invalid("q", sentence(&reason)))?;
    Ok(line.filter(|line| !line.is_empty()))
}

/// The states of a list that are wanted, separated by commas; none means all.
pub(crate) fn states<T>(
    text: Option<&str>,
    parse: impl Fn(&str) -> Option<T>,
    words: &str,
) -> Result<Vec<T>, RegistryError> {
    let wanted = text.unwrap_or_default().split(',').map(str::trim);
    wanted
        .filter(|word| !word.is_empty())
        .map(|word| {
            let unknown = || RegistryError::invalid("state", format!("A state is {words}."));
            parse(word).ok_or_else(unknown)
        })
        .collect()
}

/// The page that was asked for.
pub(crate) fn page_request(
    limit: Option<u32>,
    after: Option<&str>,
) -> Result<PageRequest, RegistryError> {
    let after = after
        .map(Cursor::parse)
        .transpose()
        .map_err(|error| RegistryError::invalid("after", format!("{error}.")))?;
    let limit = limit.unwrap_or(PageRequest::default().limit);
    if limit == 0 {
        return Err(RegistryError::invalid(
            "limit",
            "A page has at least one entry.",
        ));
    }
    Ok(PageRequest { after, limit })
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Listed<T> {
    /// Its entries.
    pub items: Vec<T>,
    /// What to send as `after` for the next page; `null` when this is the last.
    pub next: Option<String>,
}

impl<T> Listed<T> {
    /// A page of the store, each entry in its wire form.
    pub(crate) fn of<U>(page: Page<U>) -> Self
    where
        T: for<'a> From<&'a U>,
    {
        Self::seen(page, |entry| T::from(entry))
    }

    /// A page of the store, each entry in the form this caller sees.
    pub(crate) fn seen<U>(page: Page<U>, wire: impl Fn(&U) -> T) -> Self {
        Self {
            items: page.items.iter().map(wire).collect(),
            next: page.next.map(|cursor| cursor.to_string()),
        }
    }

    /// A list that is always whole.
    pub(crate) fn whole<U>(items: &[U]) -> Self
    where
        T: for<'a> From<&'a U>,
    {
        Self {
            items: items.iter().map(|entry| T::from(entry)).collect(),
            next: None,
        }
    }
}

/// The version an edit was made against; `None` overwrites whatever is there.
pub(crate) struct IfMatch(pub(crate) Option<i64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = RegistryError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, RegistryError> {
        let Some(value) = single(parts, "if-match")? else {
            return Ok(Self(None));
        };
        if value == "*" {
            return Ok(Self(None));
        }
        // A tag that we never made, a weak one included, is the tag of no version.
        let version = value
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .and_then(|digits| digits.parse().ok())
            .ok_or(RegistryError::Act(ActError::Stale { current: 0 }))?;
        Ok(Self(Some(version)))
    }
}

/// The key that makes a repeated request harmless.
pub(crate) struct Idempotency(pub(crate) Option<IdempotencyKey>);

impl<S: Send + Sync> FromRequestParts<S> for Idempotency {
    type Rejection = RegistryError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, RegistryError> {
        let Some(value) = single(parts, "idempotency-key")? else {
            return Ok(Self(None));
        };
        IdempotencyKey::parse(&value)
            .map(|key| Self(Some(key)))
            .map_err(|error| RegistryError::Malformed(error.to_string()))
    }
}

fn single(parts: &Parts, name: &'static str) -> Result<Option<String>, RegistryError> {
    let mut values = parts.headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    text.map(|text| Some(text.trim().to_owned()))
        .ok_or_else(|| {
            RegistryError::Malformed(format!(
                "the header {name} stands twice or holds other characters than visible ASCII"
            ))
        })
}

/// Adds the tag of this version.
pub(crate) fn with_etag(mut response: Response, version: i64) -> Response {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}
