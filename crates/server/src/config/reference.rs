//! `config/reference.toml`: every setting with its documentation and default, generated from the types.

use std::fmt::Write;

use schemars::{Schema, schema_for};
use serde_json::Value;

use super::Config;

const HEAD: &str = "\
# Every setting of portcullis, with its default. Generated from the configuration types: do not edit.
# A setting can also be given as an environment variable: PORTCULLIS_SECTION__KEY, such as
# PORTCULLIS_STORE__URL. Durations are written with their unit (\"250ms\", \"15m\", \"24h\"), sizes too (\"10MiB\").
";

/// The text of `config/reference.toml`. Settings without a default stand as comments.
#[must_use]
pub fn reference() -> String {
    let schema = schema_for!(Config);
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut text = HEAD.to_owned();
    let sections = properties(schema.as_value());
    for (name, section) in sections {
        let section = resolve(&schema, section);
        let _ = writeln!(text, "\n{}[{name}]", commented(section));
        for (key, setting) in properties(section) {
            let default = defaults.get(name).and_then(|section| section.get(key));
            let _ = writeln!(text, "\n{}{}", commented(setting), line_of(key, default));
        }
    }
    text
}

fn line_of(key: &str, default: Option<&Value>) -> String {
    match default {
        None | Some(Value::Null) => format!("# {key} ="),
        Some(value) => format!("{key} = {}", toml_of(value)),
    }
}

fn toml_of(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(toml_of).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

fn properties(schema: &Value) -> Vec<(&str, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
        .collect()
}

fn resolve<'a>(root: &'a Schema, schema: &'a Value) -> &'a Value {
    let reference = schema.get("$ref").and_then(Value::as_str);
    let pointer = reference.and_then(|reference| reference.strip_prefix('#'));
    pointer
        .and_then(|pointer| root.as_value().pointer(pointer))
        .unwrap_or(schema)
}

/// The description as comment lines of at most 100 columns.
fn commented(schema: &Value) -> String {
    let description = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in description.split_whitespace() {
        if line.len() + 1 + word.len() > 100 {
            let _ = writeln!(lines, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(lines, "{line}");
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_reference_is_a_configuration_that_says_the_defaults() {
        let text = reference();

        let config = Config::parse(&text, "reference.toml", &BTreeMap::new()).unwrap();

        assert_eq!(config, Config::default());
        assert!(
            !text.lines().any(|line| line == "#"),
            "a setting has no documentation"
        );
    }
}
