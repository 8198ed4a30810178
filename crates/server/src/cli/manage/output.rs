//! The two forms of an answer: JSON as the server gave it, or a table for people. No request, no stream.

use std::fmt::Write as _;

use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde_json::{Map, Value};

use super::failure::shown;

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Output {
    /// Columns for people; ids are never cut.
    #[default]
    Table,
    /// What the server answered.
    Json,
}

/// Which members of an item are columns, by title; the second is an RFC 6901 pointer.
pub(super) type Columns = &'static [(&'static str, &'static str)];

/// How a table of this answer looks.
#[derive(Debug, Clone, Copy)]
pub(super) enum View {
    /// One row for each of `items`.
    List(Columns),
    /// One row for each member.
    Details,
}

/// The answer as it goes to standard output, with its line end.
pub(super) fn render(answer: &Value, output: Output, view: View) -> String {
    match (output, view) {
        (Output::Json, _) => format!("{answer:#}\n"),
        (Output::Table, View::List(columns)) => list(answer, columns),
        (Output::Table, View::Details) => details(answer),
    }
}

fn list(answer: &Value, columns: Columns) -> String {
    let mut table = plain_table();
    table.set_header(columns.iter().map(|(title, _)| *title));
    let items = answer.get("items").unwrap_or(answer);
    for item in items.as_array().into_iter().flatten() {
        let cell = |(_, pointer): &(_, &str)| item.pointer(pointer).map(cell).unwrap_or_default();
        table.add_row(columns.iter().map(cell));
    }
    text_of(&table)
}

fn details(answer: &Value) -> String {
    let mut table = plain_table();
    let mut rows = Vec::new();
    collect("", answer, &mut rows);
    for (name, value) in rows {
        table.add_row([name, value]);
    }
    text_of(&table)
}

/// One row for each member; members of an object are told as `outer.inner`, those of a list of objects
/// with their place.
fn collect(name: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    let below = |part: &str| {
        if name.is_empty() {
            part.to_owned()
        } else {
            format!("{name}.{part}")
        }
    };
    match value {
        Value::Object(members) => {
            for (member, value) in in_reading_order(members) {
                collect(&below(member), value, rows);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (place, item) in items.iter().enumerate() {
                collect(&below(&place.to_string()), item, rows);
            }
        }
        value => rows.push((shown(name), cell(value))),
    }
}

/// What a thing is comes first, then the rest by name.
fn in_reading_order(members: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let rank = |name: &str| {
        ["id", "name", "state"]
            .iter()
            .position(|first| *first == name)
    };
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|(name, _)| (rank(name).unwrap_or(usize::MAX), name.as_str()));
    members
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => shown(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(cell).collect();
            items.join(", ")
        }
        other => shown(&other.to_string()),
    }
}

/// Columns apart by two spaces and nothing else: readable, and easy to cut with other tools. It neither asks
/// for the width of the terminal nor wraps, so an id is always whole.
fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

fn text_of(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        // The style without borders still pads each cell by a space on both sides.
        let line = line.strip_prefix(' ').unwrap_or(&line);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: Columns = &[("ID", "/id"), ("NAME", "/name"), ("CLIENT", "/client/id")];

    #[test]
    fn a_list_has_one_row_for_each_item_and_whole_ids() {
        let id = "6f1c1a8e-7e5f-4c43-9a3b-0b6f5a1d2c3e".repeat(4);
        let answer = json!({ "items": [{ "id": id, "name": "finder", "client": { "id": "k" } }] });

        let table = render(&answer, Output::Table, View::List(COLUMNS));

        let width = id.len();
        assert_eq!(
            table,
            format!("{:width$}  NAME    CLIENT\n{id}  finder  k\n", "ID")
        );
    }

    #[test]
    fn an_empty_list_still_has_its_header() {
        let table = render(&json!({ "items": [] }), Output::Table, View::List(COLUMNS));

        assert_eq!(table, "ID  NAME  CLIENT\n");
    }

    #[test]
    fn details_begin_with_what_it_is() {
        let answer = json!({
            "created_at": "2026-01-01T00:00:00Z", "apis": ["a", "b"], "name": "finder", "id": "1",
            "secret": { "hint": "9f3c" }, "website": null, "instances": [{ "id": "i" }],
        });

        let table = render(&answer, Output::Table, View::Details);

        let names: Vec<_> = table
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        let expected = [
            "id",
            "name",
            "apis",
            "created_at",
            "instances.0.id",
            "secret.hint",
            "website",
        ];
        assert_eq!(names, expected);
        assert!(table.contains("a, b"));
    }

    #[test]
    fn json_is_the_answer_itself() {
        let answer = json!({ "items": [{ "name": "n", "id": 1 }], "next": null });

        let text = render(&answer, Output::Json, View::List(COLUMNS));

        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), answer);
        assert!(text.ends_with("}\n"));
    }

    #[test]
    fn a_value_cannot_break_its_row_or_steer_the_terminal() {
        let answer = json!({ "items": [{ "id": "1", "name": "a\nb\u{1b}[31m" }] });

        let table = render(&answer, Output::Table, View::List(COLUMNS));

        assert_eq!(table.lines().count(), 2);
        assert!(!table.contains('\u{1b}'));
    }
}
