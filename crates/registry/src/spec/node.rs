//! A document tree that keeps the order of members, read from JSON or YAML under limits.
//!
//! The text comes from strangers. Depth, and the weight after aliases are expanded, are bounded while the tree
//! grows, so neither deep nesting nor a pile of aliases costs more than a refusal.

use std::fmt;

use indexmap::IndexMap;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};

/// Deepest nesting of maps and lists we take.
pub(super) const DEPTH_MAX: usize = 100;

/// One value of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    /// The digits as written, which are a JSON number.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(IndexMap<String, Node>),
}

impl Node {
    /// The member of a map; `None` for any other kind of value.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.as_map()?.get(name)
    }

    pub(super) fn as_map(&self) -> Option<&IndexMap<String, Node>> {
        match self {
            Self::Map(members) => Some(members),
            _ => None,
        }
    }

    pub(super) fn as_list(&self) -> Option<&[Node]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a text or number: people write `version: 1.0` without quotes.
    pub(super) fn as_words(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
            _ => None,
        }
    }

    /// The value as compact JSON, members in the order of the document.
    pub(super) fn to_json(&self) -> String {
        let mut json = String::new();
        self.write_json(&mut json);
        json
    }

    fn write_json(&self, json: &mut String) {
        match self {
            Self::Null => json.push_str("null"),
            Self::Bool(value) => json.push_str(if *value { "true" } else { "false" }),
            Self::Number(digits) => json.push_str(digits),
            Self::Text(text) => push_quoted(json, text),
            Self::List(items) => {
                json.push('[');
                for (at, item) in items.iter().enumerate() {
                    json.push_str(if at == 0 { "" } else { "," });
                    item.write_json(json);
                }
                json.push(']');
            }
            Self::Map(members) => {
                json.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    json.push_str(if at == 0 { "" } else { "," });
                    push_quoted(json, name);
                    json.push(':');
                    value.write_json(json);
                }
                json.push('}');
            }
        }
    }
}

impl Node {
    /// The value as JSON for people: indented by two, members in the order of the document.
    pub(super) fn to_pretty_json(&self) -> String {
        let mut json = String::new();
        self.write_pretty(&mut json, 0);
        json
    }

    fn write_pretty(&self, json: &mut String, depth: usize) {
        let line = |json: &mut String, depth: usize| {
            json.push('\n');
            json.push_str(&"  ".repeat(depth));
        };
        match self {
            Self::List(items) if !items.is_empty() => {
                json.push('[');
                for (at, item) in items.iter().enumerate() {
                    json.push_str(if at == 0 { "" } else { "," });
                    line(json, depth + 1);
                    item.write_pretty(json, depth + 1);
                }
                line(json, depth);
                json.push(']');
            }
            Self::Map(members) if !members.is_empty() => {
                json.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    json.push_str(if at == 0 { "" } else { "," });
                    line(json, depth + 1);
                    push_quoted(json, name);
                    json.push_str(": ");
                    value.write_pretty(json, depth + 1);
                }
                line(json, depth);
                json.push('}');
            }
            flat => flat.write_json(json),
        }
    }
}

fn push_quoted(json: &mut String, text: &str) {
    json.push_str(&serde_json::Value::from(text).to_string());
}

/// Reads JSON. The depth is limited by the parser itself (128), then by us.
pub(super) fn from_json(text: &str) -> Result<Node, serde_json::Error> {
    serde_json::from_str(text)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader { depth: 0 })
    }
}

struct Reader {
    depth: usize,
}

impl Reader {
    fn below<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth >= DEPTH_MAX {
            return Err(E::custom("the document is nested too deeply"));
        }
        Ok(Self {
            depth: self.depth + 1,
        })
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for Reader {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(serde_json::Number::from_f64(value)
            .map_or(Node::Null, |number| Node::Number(number.to_string())))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.below()?)? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut map = IndexMap::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(self.below()?)?;
            if map.contains_key(&name) {
                return Err(A::Error::custom(format_args!(
                    "the member {name:?} stands twice"
                )));
            }
            map.insert(name, value);
        }
        Ok(Node::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order() {
        let json = r#"{"z":1,"a":[true,null,"é\n"],"m":{"y":-1.5e3}}"#;

        let written = from_json(json).unwrap().to_json();

        assert_eq!(
            written,
            r#"{"z":1,"a":[true,null,"é\n"],"m":{"y":-1500.0}}"#
        );
    }

    #[test]
    fn a_member_that_stands_twice_is_refused() {
        let error = from_json(r#"{"a":1,"a":2}"#).unwrap_err();

        assert!(error.to_string().contains("stands twice"), "{error}");
    }

    #[test]
    fn deep_nesting_is_refused() {
        for depth in [101, 127, 5_000, 500_000] {
            let json = format!("{}{}", "[".repeat(depth), "]".repeat(depth));

            assert!(from_json(&json).is_err(), "{depth}");
        }
        assert!(from_json(&format!("{}{}", "[".repeat(100), "]".repeat(100))).is_ok());
    }
}
