//! YAML 1.2 to [`Node`]: events of the parser become a tree on a stack of our own, so nothing recurses.
//!
//! Plain scalars are resolved by the core schema (YAML 1.2.2 section 10.3). Every value, and every copy that an
//! alias makes, is weighed against one budget: a pile of aliases runs out of it long before memory does.

use std::collections::HashMap;

use indexmap::IndexMap;
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::node::{DEPTH_MAX, Node};

/// What a document may weigh after its aliases are expanded: about its size in memory, in bytes.
const WEIGHT_MAX: usize = 16 * 1024 * 1024;
/// What one value weighs beside its text.
const NODE_WEIGHT: usize = 48;

/// Why a YAML text was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum YamlError {
    #[error("{reason}")]
    Syntax {
        line: usize,
        column: usize,
        reason: String,
    },
    #[error("the document is nested too deeply")]
    TooDeep { line: usize },
    #[error("the document is too large once its aliases are expanded")]
    TooLarge { line: usize },
    #[error("the member {name:?} stands twice")]
    Repeated { line: usize, name: String },
    #[error("names of members are plain text")]
    Name { line: usize },
    #[error("only one document is taken")]
    SecondDocument { line: usize },
    #[error("the document is empty")]
    Empty,
}

impl YamlError {
    /// Line and column, from 1.
    pub(super) fn place(&self) -> (usize, usize) {
        match self {
            Self::Syntax { line, column, .. } => (*line, *column),
            Self::TooDeep { line }
            | Self::TooLarge { line }
            | Self::Repeated { line, .. }
            | Self::Name { line }
            | Self::SecondDocument { line } => (*line, 1),
            Self::Empty => (1, 1),
        }
    }
}

/// Reads one YAML document.
pub(super) fn from_yaml(text: &str) -> Result<Node, YamlError> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| YamlError::Syntax {
            line: error.marker().line(),
            column: error.marker().col() + 1,
            reason: error.info().to_owned(),
        })?;
        builder.line = span.start.line();
        builder.take(event)?;
    }
    builder.root.ok_or(YamlError::Empty)
}

/// A map or list whose end was not seen yet.
enum Open {
    List(Vec<Node>),
    Map {
        members: IndexMap<String, Node>,
        name: Option<String>,
        merged: Vec<Node>,
    },
}

struct OpenNode {
    open: Open,
    anchor: usize,
    weight_before: usize,
}

#[derive(Default)]
struct Builder {
    stack: Vec<OpenNode>,
    anchors: HashMap<usize, (Node, usize)>,
    root: Option<Node>,
    weight: usize,
    line: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>) -> Result<(), YamlError> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(YamlError::SecondDocument { line: self.line })
            }
            Event::Scalar(text, style, anchor, tag) => {
                let before = self.weight;
                self.weigh(NODE_WEIGHT + text.len())?;
                if self.awaits_name() {
                    return self.name(text.into_owned());
                }
                let node = resolve(&text, style, tag.as_deref());
                self.finished(node, anchor, before)
            }
            Event::SequenceStart(anchor, _) => self.open(Open::List(Vec::new()), anchor),
            Event::MappingStart(anchor, _) => {
                let map = Open::Map {
                    members: IndexMap::new(),
                    name: None,
                    merged: Vec::new(),
                };
                self.open(map, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => {
                let (copy, weight) = self.anchors.get(&anchor).ok_or(YamlError::Syntax {
                    line: self.line,
                    column: 1,
                    reason: "an alias stands inside the value it names".to_owned(),
                })?;
                let before = self.weight;
                if before + weight > WEIGHT_MAX {
                    return Err(YamlError::TooLarge { line: self.line });
                }
                let (copy, weight) = (copy.clone(), *weight);
                self.weigh(weight)?;
                if self.awaits_name() {
                    let name = copy.as_words().ok_or(YamlError::Name { line: self.line })?;
                    return self.name(name.to_owned());
                }
                self.finished(copy, 0, before)
            }
            _ => Ok(()),
        }
    }

    fn weigh(&mut self, weight: usize) -> Result<(), YamlError> {
        self.weight += weight;
        if self.weight > WEIGHT_MAX {
            return Err(YamlError::TooLarge { line: self.line });
        }
        Ok(())
    }

    fn awaits_name(&self) -> bool {
        matches!(
            self.stack.last().map(|top| &top.open),
            Some(Open::Map { name: None, .. })
        )
    }

    fn name(&mut self, text: String) -> Result<(), YamlError> {
        let line = self.line;
        if let Some(OpenNode {
            open: Open::Map { members, name, .. },
            ..
        }) = self.stack.last_mut()
        {
            if members.contains_key(&text) {
                return Err(YamlError::Repeated { line, name: text });
            }
            *name = Some(text);
        }
        Ok(())
    }

    fn open(&mut self, open: Open, anchor: usize) -> Result<(), YamlError> {
        if self.awaits_name() {
            return Err(YamlError::Name { line: self.line });
        }
        if self.stack.len() >= DEPTH_MAX {
            return Err(YamlError::TooDeep { line: self.line });
        }
        let weight_before = self.weight;
        self.weigh(NODE_WEIGHT)?;
        self.stack.push(OpenNode {
            open,
            anchor,
            weight_before,
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), YamlError> {
        let Some(done) = self.stack.pop() else {
            return Ok(());
        };
        let node = match done.open {
            Open::List(items) => Node::List(items),
            Open::Map {
                mut members,
                merged,
                ..
            } => {
                for (name, value) in merged.iter().filter_map(Node::as_map).flatten() {
                    if !members.contains_key(name) {
                        members.insert(name.clone(), value.clone());
                    }
                }
                Node::Map(members)
            }
        };
        self.finished(node, done.anchor, done.weight_before)
    }

    /// Puts a finished value where it belongs, and keeps a copy of an anchored one.
    fn finished(
        &mut self,
        node: Node,
        anchor: usize,
        weight_before: usize,
    ) -> Result<(), YamlError> {
        if anchor != 0 {
            let weight = self.weight - weight_before;
            // The kept copy costs memory as well.
            self.weigh(weight)?;
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        match self.stack.last_mut().map(|top| &mut top.open) {
            None => self.root = Some(node),
            Some(Open::List(items)) => items.push(node),
            Some(Open::Map {
                members,
                name,
                merged,
            }) => match name.take() {
                Some(name) if name == "<<" => match node {
                    Node::List(items) => merged.extend(items),
                    other => merged.push(other),
                },
                Some(name) => {
                    members.insert(name, node);
                }
                None => {}
            },
        }
        Ok(())
    }
}

/// A scalar by the core schema; anything quoted, or tagged as text, is text.
fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Node {
    let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
    if style != ScalarStyle::Plain || is_text {
        return Node::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Node::Null,
        "true" | "True" | "TRUE" => Node::Bool(true),
        "false" | "False" | "FALSE" => Node::Bool(false),
        _ => number(text).map_or_else(|| Node::Text(text.to_owned()), Node::Number),
    }
}

/// The number as JSON writes it; `None` when the text is no number of the core schema.
fn number(text: &str) -> Option<String> {
    let radix = |digits: &str, radix| i64::from_str_radix(digits, radix).ok();
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16).map(|value| value.to_string());
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8).map(|value| value.to_string());
    }
    let first = text.bytes().next()?;
    if !(first.is_ascii_digit() || first == b'-') || text.len() > 40 {
        return None;
    }
    // What JSON would not take as written, such as 007 or 1., stays text: people mean it literally.
    serde_json::from_str::<serde_json::Number>(text)
        .ok()
        .map(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_as_the_core_schema_says() {
        let yaml = "a: 1\nb: [true, ~, 'no', yes, 1.10, 0x10, 007, .5]\n200: {c: \"x\\ty\"}\nd: |\n  two\n  lines\n";

        let json = from_yaml(yaml).unwrap().to_json();

        assert_eq!(
            json,
            r#"{"a":1,"b":[true,null,"no","yes",1.10,16,"007",".5"],"200":{"c":"x\ty"},"d":"two\nlines\n"}"#
        );
    }

    #[test]
    fn aliases_and_merges_are_expanded() {
        let yaml = "base: &base {a: 1, b: 2}\nother:\n  <<: *base\n  b: 3\nagain: *base\n";

        let json = from_yaml(yaml).unwrap().to_json();

        assert_eq!(
            json,
            r#"{"base":{"a":1,"b":2},"other":{"b":3,"a":1},"again":{"a":1,"b":2}}"#
        );
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut lines = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x]".to_owned()];
        for level in 1..12 {
            let alias = format!("*a{}", level - 1);
            let list = vec![alias; 9].join(", ");
            lines.push(format!("a{level}: &a{level} [{list}]"));
        }
        let yaml = lines.join("\n");

        assert!(matches!(from_yaml(&yaml), Err(YamlError::TooLarge { .. })));
    }

    #[test]
    fn one_long_text_repeated_by_alias_is_refused() {
        let yaml = format!(
            "a: &a {}\nb: [{}]\n",
            "x".repeat(100_000),
            vec!["*a"; 1_000].join(", ")
        );

        assert!(matches!(from_yaml(&yaml), Err(YamlError::TooLarge { .. })));
    }

    #[test]
    fn nesting_repetition_and_odd_names_are_refused() {
        for open in ["[", "{a: ", "- ", "? "] {
            assert!(from_yaml(&open.repeat(200_000)).is_err(), "{open}");
        }
        let deep = format!("{}{}", "[".repeat(101), "]".repeat(101));
        assert_eq!(from_yaml(&deep), Err(YamlError::TooDeep { line: 1 }));
        assert!(matches!(
            from_yaml("a: 1\na: 2\n"),
            Err(YamlError::Repeated { line: 2, .. })
        ));
        assert!(matches!(
            from_yaml("? [a]\n: b\n"),
            Err(YamlError::Name { .. })
        ));
        assert!(matches!(
            from_yaml("a: 1\n---\nb: 2\n"),
            Err(YamlError::SecondDocument { .. })
        ));
        assert_eq!(from_yaml(""), Err(YamlError::Empty));
        assert!(matches!(
            from_yaml("a: [b\n"),
            Err(YamlError::Syntax { .. })
        ));
        assert!(from_yaml("a: *nothing\n").is_err());
        assert!(from_yaml("a: &a [*a]\n").is_err());
    }
}
