//! Bodies of requests: strict JSON, checked before a handler sees it, with everything that was found.
//!
//! Unknown members are refused rather than ignored, so that a misspelt or forbidden one never passes for
//! agreement. Depth is counted before parsing.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
};
use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    RegistryState,
    error::RegistryError,
    findings::{Findings, sentence},
};

/// Deepest nesting of a body.
const DEPTH_MAX: usize = 32;

/// What a body means once it was checked.
pub(crate) trait Input: DeserializeOwned + ToSchema {
    /// The checked form.
    type Checked;

    /// Checks every member and notes what is wrong; `None` only when something was noted.
    fn check(self, findings: &mut Findings) -> Option<Self::Checked>;
}

/// A body that was read and checked.
pub(crate) struct Body<T: Input>(pub(crate) T::Checked);

impl<T: Input> FromRequest<RegistryState> for Body<T> {
    type Rejection = RegistryError;

    async fn from_request(request: Request, state: &RegistryState) -> Result<Self, RegistryError> {
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"));
        let bytes =
            Bytes::from_request(request, state)
                .await
                .map_err(|rejection| match rejection.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => RegistryError::TooLarge,
                    _ => RegistryError::Malformed("the body could not be read".to_owned()),
                })?;
        // An act that takes no more than options may come without a body at all.
        if bytes.is_empty() {
            return read::<T>(Map::new()).map(Self);
        }
        if !is_json {
            return Err(RegistryError::MediaType);
        }
        read::<T>(members(&bytes)?).map(Self)
    }
}

/// The members of the object that a body must be.
fn members(bytes: &[u8]) -> Result<Map<String, Value>, RegistryError> {
    if depth(bytes) > DEPTH_MAX {
        return Err(RegistryError::Malformed(format!(
            "the body is nested more than {DEPTH_MAX} levels deep"
        )));
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(RegistryError::invalid("", "The body is not a JSON object.")),
        // Half a surrogate pair is a value no text can have, not a slip of syntax.
        Err(error) if is_half_a_character(&error) => Err(RegistryError::invalid(
            "",
            "A text holds half a surrogate pair, which is no character.",
        )),
        Err(error) => Err(RegistryError::Malformed(format!(
            "the body is not JSON: {error}"
        ))),
    }
}

fn is_half_a_character(error: &serde_json::Error) -> bool {
    let text = error.to_string();
    text.contains("surrogate") || text.contains("end of hex escape")
}

/// How deep arrays and objects nest, whatever stands inside strings.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn read<T: Input>(mut members: Map<String, Value>) -> Result<T::Checked, RegistryError> {
    let mut findings = Findings::default();
    let (known, required) = known_members::<T>();
    members.retain(|name, _| {
        let is_known = known.iter().any(|known| known == name);
        if !is_known {
            findings.add(name, "This member is unknown here; leave it out.");
        }
        is_known
    });
    for name in required {
        if !members.contains_key(&name) {
            findings.add(&name, "This member is required.");
        }
    }
    let mut wrong_type = |members: &Map<String, Value>| {
        serde_path_to_error::deserialize::<_, T>(Value::Object(members.clone())).map_err(|error| {
            let path = error.path().to_string();
            let member = path.split(['.', '[']).next().unwrap_or_default().to_owned();
            // Of a missing member, the path is that of the whole body: it was noted by name above.
            if !member.is_empty() {
                findings.add_once(&path, sentence(&error.into_inner().to_string()));
            }
            member
        })
    };
    // A member of the wrong type is noted and taken out, so that the ones after it are looked at as well.
    let input = loop {
        match wrong_type(&members) {
            Ok(input) => break Some(input),
            Err(member) if members.remove(&member).is_some() => {}
            Err(_) => break None,
        }
    };
    let checked = input.and_then(|input| input.check(&mut findings));
    findings.refuse()?;
    checked.ok_or(RegistryError::Internal(
        "a body was refused without a reason",
    ))
}

/// Names of the members of a body, and of those that are required, as its schema says.
fn known_members<T: Input>() -> (Vec<String>, Vec<String>) {
    match T::schema() {
        RefOr::T(Schema::Object(object)) => {
            (object.properties.into_keys().collect(), object.required)
        }
        _ => (Vec::new(), Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, ToSchema)]
    struct Sample {
        name: String,
        size: Option<u32>,
        #[serde(default)]
        tags: Vec<String>,
    }

    impl Input for Sample {
        type Checked = (String, Option<u32>, Vec<String>);

        fn check(self, findings: &mut Findings) -> Option<Self::Checked> {
            if self.name == "bad" {
                findings.add("name", "Bad.");
            }
            Some((self.name, self.size, self.tags))
        }
    }

    fn errors(json: &str) -> Vec<String> {
        let refused = members(json.as_bytes()).and_then(read::<Sample>);
        match refused {
            Err(RegistryError::Invalid(errors)) => {
                errors.into_iter().map(|error| error.field).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        assert_eq!(errors(r#"{"size":1,"x":1,"y":2}"#), ["x", "y", "name"]);
        assert_eq!(
            errors(r#"{"name":"bad","size":"1","tags":[1],"x":1}"#),
            ["x", "size", "tags[0]", "name"]
        );
        assert_eq!(errors(r#"{"name":1,"size":-1}"#), ["name", "size"]);
        assert_eq!(errors("[]"), [""]);
        assert_eq!(errors(r#"{"name":"\ud800"}"#), [""]);
    }

    #[test]
    fn depth_is_counted_outside_of_texts() {
        assert_eq!(depth(br#"{"a":["{[[[[\"[[[["]}"#), 2);
        assert_eq!(depth(b"[[],[[]],{}]"), 3);
    }

    #[test]
    fn a_deep_body_cannot_be_read() {
        for depth in [33, 100_000] {
            let json = format!("{}{}", "[".repeat(depth), "]".repeat(depth));

            let refused = members(json.as_bytes()).unwrap_err();

            assert!(matches!(refused, RegistryError::Malformed(_)));
        }
    }
}
