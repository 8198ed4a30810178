//! The reference of an API: its specification made ready to be read, whatever dialect it is written in. References
//! within the document are resolved; what contains itself is marked, and depth and size are limited, so that a page
//! can show any document.

mod build;
mod schema;

use std::ops::Not;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use build::{Part, reference};

/// A specification, ready to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reference {
    /// Name of the API.
    pub title: String,
    /// Its version.
    pub version: String,
    /// Free text; people write Markdown there.
    pub description: String,
    /// `swagger_2_0`, `openapi_3_0` or `openapi_3_1`.
    pub dialect: String,
    /// Where the provider says the API is. Calls go through the gateway instead.
    pub servers: Vec<ReferenceServer>,
    /// How callers prove who they are, as the provider says.
    pub security: Vec<ReferenceSecurity>,
    /// Groups of operations.
    pub tags: Vec<ReferenceTag>,
    /// In the document's order.
    pub operations: Vec<ReferenceOperation>,
    /// Whether something was left out because the document is too large.
    pub truncated: bool,
}

/// A server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReferenceServer {
    /// As written; variables in braces.
    pub url: String,
    /// Free text.
    pub description: String,
}

/// A security scheme.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReferenceSecurity {
    /// By which operations name it.
    pub name: String,
    /// `oauth2`, `apiKey`, `http`, and so on.
    pub kind: String,
    /// Free text.
    pub description: String,
    /// What else is to be known: where a key goes, where a token comes from.
    pub detail: String,
}

/// A group of operations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReferenceTag {
    /// By which operations name it.
    pub name: String,
    /// Free text.
    pub description: String,
}

/// One method of one path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReferenceOperation {
    /// Its place in the document, from 0: what `operation` asks for.
    pub index: usize,
    /// Upper case.
    pub method: String,
    /// Template below the base path.
    pub path: String,
    /// The provider's own name for it; may be empty.
    pub operation_id: String,
    /// One line; may be empty.
    pub summary: String,
    /// Free text.
    pub description: String,
    /// Not to be used any more.
    pub deprecated: bool,
    /// Groups it belongs to.
    pub tags: Vec<String>,
    /// Names of the security schemes that open it.
    pub security: Vec<String>,
    /// What goes into path, query, headers and cookies.
    pub parameters: Vec<ReferenceParameter>,
    /// What is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_body: Option<ReferenceBody>,
    /// What is answered, by status.
    pub responses: Vec<ReferenceResponse>,
}

/// A parameter, or a header of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReferenceParameter {
    /// As sent.
    pub name: String,
    /// `path`, `query`, `header`, `cookie` or `form`.
    pub place: String,
    /// Free text.
    pub description: String,
    /// Whether it has to be there.
    pub required: bool,
    /// Not to be used any more.
    pub deprecated: bool,
    /// What it looks like.
    pub schema: ReferenceSchema,
    /// An example, or empty.
    pub example: String,
}

/// What is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReferenceBody {
    /// Free text.
    pub description: String,
    /// Whether it has to be there.
    pub required: bool,
    /// One for each media type.
    pub content: Vec<ReferenceMedia>,
}

/// What is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReferenceResponse {
    /// `200`, `2XX` or `default`.
    pub status: String,
    /// Free text.
    pub description: String,
    /// Headers.
    pub headers: Vec<ReferenceParameter>,
    /// One for each media type; empty when there is no body.
    pub content: Vec<ReferenceMedia>,
}

/// A body in one media type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReferenceMedia {
    /// Such as `application/json`.
    pub media_type: String,
    /// What it looks like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<ReferenceSchema>,
    /// Examples, the one to show first.
    pub examples: Vec<ReferenceExample>,
}

/// An example.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReferenceExample {
    /// The provider's name for it; may be empty.
    pub name: String,
    /// Free text.
    pub summary: String,
    /// The example itself; JSON is indented.
    pub text: String,
}

/// What a value looks like. A member that says nothing is left out.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a word of JSON Schema, as it stands in the document"
)]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ReferenceSchema {
    /// Its name in the document; empty for one without.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `object`, `array`, `string`, `integer or null`, `any`, and so on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Such as `date-time`; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub format: String,
    /// Free text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Not to be used any more.
    #[serde(skip_serializing_if = "Not::not")]
    pub deprecated: bool,
    /// Only answers hold it.
    #[serde(skip_serializing_if = "Not::not")]
    pub read_only: bool,
    /// Only requests hold it.
    #[serde(skip_serializing_if = "Not::not")]
    pub write_only: bool,
    /// Every value it can have; empty when they are not listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Its default as JSON, or empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub default: String,
    /// Its example as JSON, or empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub example: String,
    /// Limits, such as `at least 1 character`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
    /// Members of an object, those of every part of `allOf` among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<ReferenceProperty>,
    /// What each entry of an array, or each further member of an object, looks like.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub items: Option<Box<ReferenceSchema>>,
    /// Exactly one of these, or at least one of them.
    #[schema(no_recursion)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<ReferenceSchema>,
    /// It contains itself: look further out.
    #[serde(skip_serializing_if = "Not::not")]
    pub cycle: bool,
    /// What is below was left out, because it is too deep or too much.
    #[serde(skip_serializing_if = "Not::not")]
    pub truncated: bool,
}

/// A member of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReferenceProperty {
    /// As sent.
    pub name: String,
    /// Whether it has to be there.
    pub required: bool,
    /// What it looks like.
    #[schema(no_recursion)]
    pub schema: ReferenceSchema,
}

#[cfg(test)]
mod tests;
