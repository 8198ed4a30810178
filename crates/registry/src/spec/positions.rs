//! Where the values stand that something is said of: a second pass over the text, for their paths alone, so that
//! the tree itself carries no positions.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser};

/// Line and column, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

pub(super) const START: Place = Place { line: 1, column: 1 };

/// The place of each of these paths, or of the nearest value around it that can be found: what an alias or a merge
/// brought in stands elsewhere.
pub(super) fn places(text: &str, paths: &[Vec<String>]) -> Vec<Place> {
    let mut finder = Finder::of(paths);
    if text.starts_with('{') {
        read_json(text, &mut finder);
    } else {
        read_yaml(text, &mut finder);
    }
    paths.iter().map(|path| finder.place(path)).collect()
}

/// A value that is looked for, or that stands around one.
#[derive(Default)]
struct Wanted {
    below: HashMap<String, usize>,
    place: Option<Place>,
}

/// A map or list whose end was not seen yet, and which wanted value it is.
enum Open {
    List { of: Option<usize>, next: usize },
    Map { of: Option<usize>, member: Member },
}

enum Member {
    /// A name comes next.
    Name,
    /// The value of a member comes next; whether it is wanted.
    Value(Option<usize>),
}

struct Finder {
    wanted: Vec<Wanted>,
    stack: Vec<Open>,
}

impl Finder {
    fn of(paths: &[Vec<String>]) -> Self {
        let mut wanted = vec![Wanted::default()];
        for path in paths {
            let mut at = 0;
            for segment in path {
                let next = wanted.len();
                let Some(node) = wanted.get_mut(at) else {
                    break;
                };
                at = *node.below.entry(segment.clone()).or_insert(next);
                if at == next {
                    wanted.push(Wanted::default());
                }
            }
        }
        Self {
            wanted,
            stack: Vec::new(),
        }
    }

    fn below(&self, of: Option<usize>, segment: &str) -> Option<usize> {
        self.wanted.get(of?)?.below.get(segment).copied()
    }

    fn found(&mut self, wanted: Option<usize>, place: Place) {
        if let Some(node) = wanted.and_then(|at| self.wanted.get_mut(at)) {
            node.place.get_or_insert(place);
        }
    }

    fn awaits_name(&self) -> bool {
        matches!(
            self.stack.last(),
            Some(Open::Map {
                member: Member::Name,
                ..
            })
        )
    }

    /// A name of a member: where a reader looks for it.
    fn name(&mut self, name: &str, place: Place) {
        let of = match self.stack.last() {
            Some(Open::Map { of, .. }) => *of,
            _ => None,
        };
        let wanted = self.below(of, name);
        self.found(wanted, place);
        if let Some(Open::Map { member, .. }) = self.stack.last_mut() {
            *member = Member::Value(wanted);
        }
    }

    /// A value begins; gives which wanted one it is.
    fn value(&mut self, place: Place) -> Option<usize> {
        let wanted = match self.stack.last_mut() {
            None => Some(0),
            Some(Open::Map { member, .. }) => match std::mem::replace(member, Member::Name) {
                Member::Value(wanted) => wanted,
                Member::Name => None,
            },
            Some(Open::List { of, next }) => {
                let (of, segment) = (*of, next.to_string());
                *next += 1;
                self.below(of, &segment)
            }
        };
        self.found(wanted, place);
        wanted
    }

    fn list(&mut self, place: Place) {
        let of = self.value(place);
        self.stack.push(Open::List { of, next: 0 });
    }

    fn map(&mut self, place: Place) {
        let of = self.value(place);
        let member = Member::Name;
        self.stack.push(Open::Map { of, member });
    }

    fn end(&mut self) {
        self.stack.pop();
    }

    fn place(&self, path: &[String]) -> Place {
        let (mut at, mut place) = (Some(0), START);
        for segment in path {
            at = self.below(at, segment);
            let here = at.and_then(|at| self.wanted.get(at)?.place);
            place = here.unwrap_or(place);
        }
        place
    }
}

fn read_yaml(text: &str, finder: &mut Finder) {
    // The text was read before: it has no error, or one that was told by itself.
    for (event, span) in Parser::new_from_str(text).map_while(Result::ok) {
        let place = Place {
            line: span.start.line(),
            column: span.start.col() + 1,
        };
        match event {
            Event::Scalar(name, ..) if finder.awaits_name() => finder.name(&name, place),
            Event::Alias(_) if finder.awaits_name() => finder.name("", place),
            Event::Scalar(..) | Event::Alias(_) => {
                finder.value(place);
            }
            Event::SequenceStart(..) => finder.list(place),
            Event::MappingStart(..) => finder.map(place),
            Event::SequenceEnd | Event::MappingEnd => finder.end(),
            _ => {}
        }
    }
}

/// Follows JSON that was read before: it only has to find its tokens.
fn read_json(text: &str, finder: &mut Finder) {
    let mut letters = text.char_indices().peekable();
    let mut place = START;
    let mut in_word = false;
    while let Some((at, letter)) = letters.next() {
        let here = place;
        advance(&mut place, letter);
        let begins_word = !in_word;
        in_word = false;
        match letter {
            '{' => finder.map(here),
            '[' => finder.list(here),
            '}' | ']' => finder.end(),
            '"' => {
                let mut end = at + 1;
                while let Some((next, letter)) = letters.next() {
                    advance(&mut place, letter);
                    end = next + letter.len_utf8();
                    match letter {
                        '"' => break,
                        '\\' => {
                            if let Some((_, escaped)) = letters.next() {
                                advance(&mut place, escaped);
                            }
                        }
                        _ => {}
                    }
                }
                if finder.awaits_name() {
                    let name = text.get(at..end).unwrap_or_default();
                    let name: String = serde_json::from_str(name).unwrap_or_default();
                    finder.name(&name, here);
                } else {
                    finder.value(here);
                }
            }
            ',' | ':' | ' ' | '\t' | '\r' | '\n' => {}
            _ => {
                in_word = true;
                if begins_word {
                    finder.value(here);
                }
            }
        }
    }
}

fn advance(place: &mut Place, letter: char) {
    if letter == '\n' {
        place.line += 1;
        place.column = 1;
    } else {
        place.column += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, path: &str) -> (usize, usize) {
        let path: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        let place = places(text, &[path])[0];
        (place.line, place.column)
    }

    #[test]
    fn a_value_is_found_by_its_name_in_yaml() {
        let yaml = "a: 1\nb:\n  - x\n  - c: {d: 2, é: 3, e: [4]}\nz: &z {y: 1}\ng: *z\n";

        assert_eq!(at(yaml, ""), (1, 1));
        assert_eq!(at(yaml, "/b"), (2, 1));
        assert_eq!(at(yaml, "/b/1"), (4, 5));
        assert_eq!(at(yaml, "/b/1/c/d"), (4, 9));
        assert_eq!(at(yaml, "/b/1/c/e"), (4, 21));
        assert_eq!(at(yaml, "/b/1/c/e/0"), (4, 25));
        assert_eq!(at(yaml, "/b/1/c/nothing"), (4, 5));
        assert_eq!(at(yaml, "/g/y"), (6, 1));
    }

    #[test]
    fn a_value_is_found_by_its_name_in_json() {
        let json = "{\n  \"a\": [1, {\"é\\\"\\u0041\": -1.5e3}, null],\n  \"b\": {\"a\": true}\n}";

        assert_eq!(at(json, "/a"), (2, 3));
        assert_eq!(at(json, "/a/0"), (2, 9));
        assert_eq!(at(json, "/a/1/é\"A"), (2, 13));
        assert_eq!(at(json, "/a/2"), (2, 35));
        assert_eq!(at(json, "/b/a"), (3, 9));
        assert_eq!(at(json, "/b/x"), (3, 3));
    }
}
