//! `$ref`: local ones are followed, with a limit; all others are found so that they can be spoken of.

use std::collections::HashMap;

use super::node::Node;

/// Longest chain of references to references.
const CHAIN_MAX: usize = 16;

/// Follows local references of one document, remembering where each led.
pub(super) struct References<'a> {
    document: &'a Node,
    known: HashMap<&'a str, Option<&'a Node>>,
}

impl<'a> References<'a> {
    pub(super) fn of(document: &'a Node) -> Self {
        Self {
            document,
            known: HashMap::new(),
        }
    }

    /// The node itself, or what its reference leads to in the end; `None` when that is nothing or a circle.
    pub(super) fn follow(&mut self, node: &'a Node) -> Option<&'a Node> {
        let mut node = node;
        for _ in 0..CHAIN_MAX {
            let Some(reference) = node.get("$ref").and_then(Node::as_text) else {
                return Some(node);
            };
            let document = self.document;
            node = (*self
                .known
                .entry(reference)
                .or_insert_with(|| pointed(document, reference)))?;
        }
        None
    }
}

/// What a local reference points at (RFC 6901, in the form of a URI fragment).
fn pointed<'a>(document: &'a Node, reference: &str) -> Option<&'a Node> {
    let pointer = reference.strip_prefix('#')?;
    if pointer.is_empty() {
        return Some(document);
    }
    pointer
        .strip_prefix('/')?
        .split('/')
        .try_fold(document, |node, token| {
            let decoded = percent_decoded(token)?;
            let name = decoded.replace("~1", "/").replace("~0", "~");
            match node {
                Node::Map(members) => members.get(&name),
                Node::List(items) => items.get(name.parse::<usize>().ok()?),
                _ => None,
            }
        })
}

fn percent_decoded(token: &str) -> Option<String> {
    if !token.contains('%') {
        return Some(token.to_owned());
    }
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// References that leave the document or lead nowhere, at most ten, each with what is to be said of it. Examples are
/// data and not looked into.
pub(super) fn doubtful(document: &Node) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    let mut known: HashMap<&str, bool> = HashMap::new();
    // Each value that was come by, with the one around it: a path is put together only when it is asked for.
    let mut seen: Vec<(usize, String)> = vec![(0, String::new())];
    let mut open = vec![(document, 0)];
    while let Some((node, at)) = open.pop() {
        let mut below: Vec<(String, &Node)> = Vec::new();
        match node {
            Node::List(items) => {
                let items = items.iter().enumerate();
                below.extend(items.map(|(index, item)| (index.to_string(), item)));
            }
            Node::Map(members) => {
                for (name, value) in members {
                    match (name.as_str(), value) {
                        ("$ref", Node::Text(reference)) => {
                            let is_fine = *known
                                .entry(reference)
                                .or_insert_with(|| pointed(document, reference).is_some());
                            if !is_fine {
                                found.push((path_to(&seen, at), said_of(reference)));
                            }
                        }
                        ("example" | "examples" | "default" | "enum" | "const", _) => {}
                        _ => below.push((name.clone(), value)),
                    }
                }
            }
            _ => {}
        }
        for (segment, value) in below {
            if matches!(value, Node::List(_) | Node::Map(_)) {
                seen.push((at, segment));
                open.push((value, seen.len() - 1));
            }
        }
        if found.len() >= 10 {
            found.truncate(10);
            break;
        }
    }
    found
}

fn path_to(seen: &[(usize, String)], at: usize) -> Vec<String> {
    let mut path = vec!["$ref".to_owned()];
    let mut at = at;
    while at != 0 {
        let Some((around, segment)) = seen.get(at) else {
            break;
        };
        path.push(segment.clone());
        at = *around;
    }
    path.reverse();
    path
}

fn said_of(reference: &str) -> String {
    let short = shortened(reference);
    if reference.starts_with('#') {
        return format!("The reference {short} leads to nothing in the document.");
    }
    format!(
        "The reference {short} leaves the document and is not followed: put what it names into the document."
    )
}

fn shortened(reference: &str) -> String {
    let mut text: String = reference.chars().take(100).collect();
    if text.len() < reference.len() {
        text.push('…');
    }
    text
}
