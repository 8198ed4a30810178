//! What a value looks like, as nested lists. It nests as deep as the document does, so it is written here and not
//! in a template.

use std::fmt::Write;

use portcullis_registry::wire::{ReferenceParameter, ReferenceSchema};

use crate::{
    markdown,
    view::{Markup, escaped},
};

/// How deep lists are open; deeper ones are opened by the reader.
const OPEN_DEPTH: usize = 2;
/// Most values of an enumeration that are shown.
const VALUES_MAX: usize = 40;

/// The kind of a value in one line: `array of Vehicle`, `string (date-time)`.
pub(super) fn kind(schema: &ReferenceSchema) -> String {
    let own = match (&schema.items, schema.kind.as_str()) {
        (Some(items), "array") => format!("array of {}", kind(items)),
        (_, "object" | "") if !schema.name.is_empty() => schema.name.clone(),
        (_, "") => "any".to_owned(),
        (_, kind) => kind.to_owned(),
    };
    if schema.format.is_empty() {
        own
    } else {
        format!("{own} ({})", schema.format)
    }
}

/// A schema as HTML.
pub(super) fn html(schema: &ReferenceSchema) -> Markup {
    let mut html = String::new();
    let _ = write!(html, "<p class=\"kind\">{}</p>", escaped(&kind(schema)));
    facts(&mut html, schema);
    below(&mut html, schema, 0);
    Markup::made(html)
}

/// What is to be known of a parameter beside its name and kind.
pub(super) fn about_parameter(of: &ReferenceParameter) -> Markup {
    let mut html = String::new();
    description(&mut html, &of.description);
    facts(
        &mut html,
        &ReferenceSchema {
            description: String::new(),
            ..of.schema.clone()
        },
    );
    if !of.example.is_empty() && of.example != of.schema.example {
        let _ = write!(
            html,
            "<p>Example: <code>{}</code></p>",
            escaped(&of.example)
        );
    }
    below(&mut html, &of.schema, 1);
    Markup::made(html)
}

fn description(html: &mut String, text: &str) {
    if !text.trim().is_empty() {
        let _ = write!(html, "<div class=\"prose\">{}</div>", markdown::html(text));
    }
}

/// Description, limits, values, default, example.
fn facts(html: &mut String, schema: &ReferenceSchema) {
    description(html, &schema.description);
    if !schema.limits.is_empty() {
        let _ = write!(
            html,
            "<p class=\"limits\">{}</p>",
            escaped(&schema.limits.join(", "))
        );
    }
    if !schema.values.is_empty() {
        let shown = schema.values.iter().take(VALUES_MAX);
        let values: Vec<String> = shown
            .map(|value| format!("<code>{}</code>", escaped(value)))
            .collect();
        let rest = schema.values.len().saturating_sub(VALUES_MAX);
        let more = if rest > 0 {
            format!(" and {rest} more")
        } else {
            String::new()
        };
        let _ = write!(html, "<p>One of {}{more}</p>", values.join(", "));
    }
    for (word, value) in [("Default", &schema.default), ("Example", &schema.example)] {
        if !value.is_empty() {
            let _ = write!(html, "<p>{word}: <code>{}</code></p>", escaped(value));
        }
    }
    if schema.cycle {
        html.push_str("<p class=\"muted\">It contains itself: see further out.</p>");
    }
    if schema.truncated {
        html.push_str("<p class=\"muted\">More is in the specification; it is too deep or too long to be shown here.</p>");
    }
}

/// Members, entries and choices.
fn below(html: &mut String, schema: &ReferenceSchema, depth: usize) {
    if !schema.properties.is_empty() {
        opened(html, "Members", depth);
        html.push_str("<ul class=\"schema\">");
        for property in &schema.properties {
            member(
                html,
                (&property.name, property.required),
                &property.schema,
                depth,
            );
        }
        html.push_str("</ul></details>");
    }
    if let Some(items) = &schema.items
        && has_more(items)
    {
        let word = if schema.kind == "array" {
            "Each entry"
        } else {
            "Each further member"
        };
        opened(html, word, depth);
        html.push_str("<div class=\"schema\">");
        facts(html, items);
        below(html, items, depth + 1);
        html.push_str("</div></details>");
    }
    if !schema.choices.is_empty() {
        opened(html, "One of", depth);
        html.push_str("<ol class=\"schema\">");
        for choice in &schema.choices {
            let _ = write!(
                html,
                "<li><span class=\"kind\">{}</span>",
                escaped(&kind(choice))
            );
            facts(html, choice);
            below(html, choice, depth + 1);
            html.push_str("</li>");
        }
        html.push_str("</ol></details>");
    }
}

fn opened(html: &mut String, word: &str, depth: usize) {
    let open = if depth < OPEN_DEPTH { " open" } else { "" };
    let _ = write!(
        html,
        "<details class=\"more\"{open}><summary>{word}</summary>"
    );
}

fn has_more(schema: &ReferenceSchema) -> bool {
    !(schema.properties.is_empty()
        && schema.choices.is_empty()
        && schema.items.is_none()
        && schema.description.is_empty()
        && schema.limits.is_empty()
        && schema.values.is_empty())
        || schema.cycle
        || schema.truncated
}

fn member(
    html: &mut String,
    (name, is_required): (&str, bool),
    schema: &ReferenceSchema,
    depth: usize,
) {
    let _ = write!(
        html,
        "<li><code class=\"name\">{}</code> <span class=\"kind\">{}</span>",
        escaped(name),
        escaped(&kind(schema))
    );
    for (is_so, word) in [
        (is_required, "required"),
        (schema.deprecated, "deprecated"),
        (schema.read_only, "in answers alone"),
        (schema.write_only, "in requests alone"),
    ] {
        if is_so {
            let _ = write!(
                html,
                " <span class=\"mark {}\">{word}</span>",
                word.split(' ').next().unwrap_or(word)
            );
        }
    }
    facts(html, schema);
    below(html, schema, depth + 1);
    html.push_str("</li>");
}

#[cfg(test)]
mod tests {
    use portcullis_registry::wire::ReferenceProperty;

    use super::*;

    fn string(description: &str) -> ReferenceSchema {
        ReferenceSchema {
            kind: "string".to_owned(),
            description: description.to_owned(),
            ..ReferenceSchema::default()
        }
    }

    fn object(name: &str, of: ReferenceSchema) -> ReferenceSchema {
        ReferenceSchema {
            kind: "object".to_owned(),
            properties: vec![ReferenceProperty {
                name: name.to_owned(),
                required: true,
                schema: of,
            }],
            ..ReferenceSchema::default()
        }
    }

    #[test]
    fn members_nest_and_what_is_deep_is_closed() {
        let schema = object("a", object("b", object("c", object("d", string("deep")))));

        let html = html(&schema).to_string();

        for name in ["a", "b", "c", "d"] {
            assert!(
                html.contains(&format!("<code class=\"name\">{name}</code>")),
                "{html}"
            );
        }
        assert_eq!(html.matches("<details class=\"more\" open>").count(), 2);
        assert_eq!(html.matches("<details class=\"more\">").count(), 2);
        assert_eq!(html.matches("<ul").count(), html.matches("</ul>").count());
        assert!(html.contains("required") && html.contains("deep"));
    }

    #[test]
    fn nothing_in_a_schema_is_markup() {
        let hostile = "<img src=x onerror=alert(1)>";
        let schema = ReferenceSchema {
            name: hostile.to_owned(),
            kind: hostile.to_owned(),
            format: hostile.to_owned(),
            description: hostile.to_owned(),
            values: vec![hostile.to_owned()],
            default: hostile.to_owned(),
            example: hostile.to_owned(),
            limits: vec![hostile.to_owned()],
            properties: object(hostile, string(hostile)).properties,
            choices: vec![string(hostile)],
            items: Some(Box::new(string(hostile))),
            ..ReferenceSchema::default()
        };

        let html = html(&schema).to_string();

        assert!(!html.contains("<img"), "{html}");
        assert!(html.contains("&lt;img src=x"));
    }

    #[test]
    fn a_kind_is_said_in_one_line() {
        let vehicle = ReferenceSchema {
            name: "Vehicle".to_owned(),
            ..object("id", string(""))
        };
        let list = ReferenceSchema {
            kind: "array".to_owned(),
            items: Some(Box::new(vehicle)),
            ..ReferenceSchema::default()
        };
        assert_eq!(kind(&list), "array of Vehicle");
        let date = ReferenceSchema {
            format: "date".to_owned(),
            ..string("")
        };
        assert_eq!(kind(&date), "string (date)");
        assert_eq!(kind(&ReferenceSchema::default()), "any");
    }
}
