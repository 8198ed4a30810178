//! The reference of a document of either family.

use indexmap::IndexMap;

use super::{
    super::{Family, SpecError, lint, node::Node, parsed},
    Reference, ReferenceBody, ReferenceExample, ReferenceMedia, ReferenceOperation,
    ReferenceParameter, ReferenceResponse, ReferenceSchema, ReferenceSecurity, ReferenceServer,
    ReferenceTag,
    schema::{Schemas, example, is_true, shortened, text, value, words},
};

/// Most operations of a reference.
const OPERATIONS_MAX: usize = 2_000;
/// Most entries of every other list.
const ENTRIES_MAX: usize = 200;
/// Longest example, in characters.
const EXAMPLE_CHARACTERS_MAX: usize = 20_000;

/// How much of a reference is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everything.
    Whole,
    /// Operations without what goes in and comes out.
    Outline,
    /// The operation at this place alone, whole.
    Operation(usize),
}

/// Makes the reference of a specification. Takes up to a few hundred milliseconds of CPU: not for a core that
/// serves calls.
///
/// # Errors
/// [`SpecError`] when the text is no specification.
pub fn reference(text_of: &str, part: Part) -> Result<Reference, SpecError> {
    let (document, family) = parsed(text_of)?;
    let mut schemas = Schemas::of(&document);
    let info = document.get("info").unwrap_or(&Node::Null);
    let operations = lint::operations(&document, &mut schemas.references);
    let mut builder = Builder {
        document: &document,
        family,
        schemas,
    };
    let mut reference = Reference {
        title: words(info, "title"),
        version: words(info, "version"),
        description: text(info, "description"),
        dialect: family.name().to_owned(),
        servers: servers(&document, family),
        security: builder.security(),
        tags: tags(&document),
        operations: Vec::new(),
        truncated: operations.len() > OPERATIONS_MAX,
    };
    for (index, (path, method, item, operation)) in operations.into_iter().enumerate() {
        let wanted = match part {
            Part::Whole | Part::Outline => true,
            Part::Operation(wanted) => wanted == index,
        };
        if !wanted || index >= OPERATIONS_MAX {
            continue;
        }
        let mut made = builder.heading((path, method, operation), index);
        if part != Part::Outline {
            builder.complete(&mut made, item, operation);
        }
        reference.operations.push(made);
    }
    reference.truncated |= builder.schemas.truncated;
    Ok(reference)
}

struct Builder<'a> {
    document: &'a Node,
    family: Family,
    schemas: Schemas<'a>,
}

impl<'a> Builder<'a> {
    fn heading(
        &self,
        (path, method, operation): (&str, &str, &Node),
        index: usize,
    ) -> ReferenceOperation {
        let tags = operation
            .get("tags")
            .and_then(Node::as_list)
            .unwrap_or_default();
        let tags = tags.iter().filter_map(Node::as_words).take(ENTRIES_MAX);
        let security = operation
            .get("security")
            .or_else(|| self.document.get("security"));
        let security = security.and_then(Node::as_list).unwrap_or_default();
        let names = security
            .iter()
            .filter_map(Node::as_map)
            .flat_map(IndexMap::keys);
        ReferenceOperation {
            index,
            method: method.to_ascii_uppercase(),
            path: shortened(path, 500),
            operation_id: words(operation, "operationId"),
            summary: words(operation, "summary"),
            description: text(operation, "description"),
            deprecated: is_true(operation, "deprecated"),
            tags: tags.map(|tag| shortened(tag, 200)).collect(),
            security: names
                .take(ENTRIES_MAX)
                .map(|name| shortened(name, 200))
                .collect(),
            ..ReferenceOperation::default()
        }
    }

    fn complete(&mut self, made: &mut ReferenceOperation, item: &'a Node, operation: &'a Node) {
        let list = |node: &'a Node| {
            node.get("parameters")
                .and_then(Node::as_list)
                .unwrap_or_default()
        };
        let mut form = Vec::new();
        for parameter in list(item).iter().chain(list(operation)).take(ENTRIES_MAX) {
            let Some(parameter) = self.schemas.references.follow(parameter) else {
                continue;
            };
            match words(parameter, "in").as_str() {
                "body" => made.request_body = Some(self.swagger_body(operation, parameter)),
                "formData" => form.push(self.parameter(parameter, "form")),
                place => {
                    let parameter = self.parameter(parameter, place);
                    // One of the operation stands for one of the path that has its name.
                    made.parameters.retain(|known| {
                        (&known.name, &known.place) != (&parameter.name, &parameter.place)
                    });
                    made.parameters.push(parameter);
                }
            }
        }
        made.parameters.extend(form);
        if let Some(body) = operation.get("requestBody")
            && let Some(body) = self.schemas.references.follow(body)
        {
            made.request_body = Some(ReferenceBody {
                description: text(body, "description"),
                required: is_true(body, "required"),
                content: self.content(body),
            });
        }
        let responses = operation.get("responses").and_then(Node::as_map);
        for (status, response) in responses.into_iter().flatten().take(ENTRIES_MAX) {
            let Some(response) = self.schemas.references.follow(response) else {
                continue;
            };
            let answer = self.response((status, response), operation);
            made.responses.push(answer);
        }
    }

    fn parameter(&mut self, node: &'a Node, place: &str) -> ReferenceParameter {
        let schema = match node.get("schema") {
            Some(schema) => self.schemas.schema(schema),
            // Swagger 2.0 writes type and limits beside the name; OpenAPI 3 may describe it by media type.
            None => match node
                .get("content")
                .and_then(Node::as_map)
                .and_then(IndexMap::first)
            {
                Some((_, media)) => media
                    .get("schema")
                    .map(|schema| self.schemas.schema(schema))
                    .unwrap_or_default(),
                None => ReferenceSchema {
                    description: String::new(),
                    ..self.schemas.schema(node)
                },
            },
        };
        let named = node.get("examples").and_then(Node::as_map);
        let named = named.and_then(|examples| examples.values().find_map(|one| one.get("value")));
        ReferenceParameter {
            name: words(node, "name"),
            place: place.to_owned(),
            description: text(node, "description"),
            required: is_true(node, "required"),
            deprecated: is_true(node, "deprecated"),
            example: value(example(node).or(named)),
            schema,
        }
    }

    fn swagger_body(&mut self, operation: &'a Node, parameter: &'a Node) -> ReferenceBody {
        let schema = parameter
            .get("schema")
            .map(|schema| self.schemas.schema(schema));
        let types = self.media_types(operation, "consumes");
        let content = types.into_iter().map(|media_type| ReferenceMedia {
            media_type,
            schema: schema.clone(),
            examples: Vec::new(),
        });
        ReferenceBody {
            description: text(parameter, "description"),
            required: is_true(parameter, "required"),
            content: content.collect(),
        }
    }

    /// The media types that Swagger 2.0 names for the operation, or for all.
    fn media_types(&self, operation: &Node, member: &str) -> Vec<String> {
        let types = operation.get(member).or_else(|| self.document.get(member));
        let types = types.and_then(Node::as_list).unwrap_or_default();
        let types: Vec<String> = types
            .iter()
            .filter_map(Node::as_text)
            .take(8)
            .map(|media_type| shortened(media_type, 200))
            .collect();
        if types.is_empty() {
            vec!["application/json".to_owned()]
        } else {
            types
        }
    }

    fn response(
        &mut self,
        (status, response): (&str, &'a Node),
        operation: &'a Node,
    ) -> ReferenceResponse {
        let mut headers = Vec::new();
        let of = response.get("headers").and_then(Node::as_map);
        for (name, header) in of.into_iter().flatten().take(ENTRIES_MAX) {
            if let Some(header) = self.schemas.references.follow(header) {
                headers.push(ReferenceParameter {
                    name: shortened(name, 200),
                    ..self.parameter(header, "header")
                });
            }
        }
        let content = match self.family {
            Family::Swagger2 => self.swagger_content(response, operation),
            Family::OpenApi3(_) => self.content(response),
        };
        ReferenceResponse {
            status: shortened(status, 20),
            description: text(response, "description"),
            headers,
            content,
        }
    }

    fn swagger_content(&mut self, response: &'a Node, operation: &'a Node) -> Vec<ReferenceMedia> {
        let schema = response
            .get("schema")
            .map(|schema| self.schemas.schema(schema));
        let examples = response.get("examples").and_then(Node::as_map);
        let mut types = Vec::new();
        if schema.is_some() {
            types = self.media_types(operation, "produces");
        }
        for name in examples
            .into_iter()
            .flat_map(IndexMap::keys)
            .take(ENTRIES_MAX)
        {
            if !types.contains(name) {
                types.push(name.clone());
            }
        }
        let media = |media_type: String| ReferenceMedia {
            examples: examples
                .and_then(|examples| examples.get(&media_type))
                .map(|node| shown("", "", node))
                .into_iter()
                .collect(),
            schema: schema.clone(),
            media_type,
        };
        types.into_iter().map(media).collect()
    }

    fn content(&mut self, node: &'a Node) -> Vec<ReferenceMedia> {
        let content = node.get("content").and_then(Node::as_map);
        let mut all = Vec::new();
        for (media_type, media) in content.into_iter().flatten().take(ENTRIES_MAX) {
            let mut examples: Vec<ReferenceExample> = media
                .get("example")
                .map(|node| shown("", "", node))
                .into_iter()
                .collect();
            let named = media.get("examples").and_then(Node::as_map);
            for (name, example) in named.into_iter().flatten().take(20) {
                let Some(example) = self.schemas.references.follow(example) else {
                    continue;
                };
                if let Some(value) = example.get("value") {
                    examples.push(shown(name, &words(example, "summary"), value));
                }
            }
            all.push(ReferenceMedia {
                media_type: shortened(media_type, 200),
                schema: media
                    .get("schema")
                    .map(|schema| self.schemas.schema(schema)),
                examples,
            });
        }
        all
    }

    fn security(&mut self) -> Vec<ReferenceSecurity> {
        let schemes = match self.family {
            Family::Swagger2 => self.document.get("securityDefinitions"),
            Family::OpenApi3(_) => self
                .document
                .get("components")
                .and_then(|components| components.get("securitySchemes")),
        };
        let schemes = schemes.and_then(Node::as_map);
        let mut all = Vec::new();
        for (name, scheme) in schemes.into_iter().flatten().take(ENTRIES_MAX) {
            let Some(scheme) = self.schemas.references.follow(scheme) else {
                continue;
            };
            all.push(ReferenceSecurity {
                name: shortened(name, 200),
                kind: words(scheme, "type"),
                description: text(scheme, "description"),
                detail: detail(scheme),
            });
        }
        all
    }
}

fn shown(name: &str, summary: &str, node: &Node) -> ReferenceExample {
    let text = match node {
        Node::Text(text) => text.clone(),
        other => other.to_pretty_json(),
    };
    ReferenceExample {
        name: shortened(name, 200),
        summary: summary.to_owned(),
        text: shortened(&text, EXAMPLE_CHARACTERS_MAX),
    }
}

/// Where a key goes, which scheme is spoken, where a token comes from.
fn detail(scheme: &Node) -> String {
    match words(scheme, "type").as_str() {
        "apiKey" => format!("in {}: {}", words(scheme, "in"), words(scheme, "name")),
        "http" | "basic" => words(scheme, "scheme"),
        "openIdConnect" => words(scheme, "openIdConnectUrl"),
        _ => {
            let flows = scheme.get("flows").and_then(Node::as_map);
            let flows = flows.into_iter().flat_map(IndexMap::values);
            let urls = flows.chain([scheme]).map(|flow| words(flow, "tokenUrl"));
            let urls: Vec<String> = urls.filter(|url| !url.is_empty()).take(8).collect();
            urls.join(", ")
        }
    }
}

fn tags(document: &Node) -> Vec<ReferenceTag> {
    let tags = document
        .get("tags")
        .and_then(Node::as_list)
        .unwrap_or_default();
    let tag = |node: &Node| ReferenceTag {
        name: words(node, "name"),
        description: text(node, "description"),
    };
    let tags = tags.iter().map(tag).filter(|tag| !tag.name.is_empty());
    tags.take(ENTRIES_MAX).collect()
}

fn servers(document: &Node, family: Family) -> Vec<ReferenceServer> {
    if family == Family::Swagger2 {
        let host = words(document, "host");
        let url = format!("{host}{}", words(document, "basePath"));
        return Some(ReferenceServer {
            url,
            description: String::new(),
        })
        .filter(|server| !server.url.is_empty())
        .into_iter()
        .collect();
    }
    let servers = document
        .get("servers")
        .and_then(Node::as_list)
        .unwrap_or_default();
    let server = |node: &Node| ReferenceServer {
        url: words(node, "url"),
        description: text(node, "description"),
    };
    servers.iter().map(server).take(ENTRIES_MAX).collect()
}
