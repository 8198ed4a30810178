//! References of both families, and of documents that are awkward or mean harm.

use std::fmt::Write as _;

use super::*;

const OPENAPI: &str = r##"
openapi: 3.0.3
info: {title: Pets, version: 1.0.0, description: "# Pets"}
servers: [{url: 'https://example.com/pets', description: main}]
security: [{token: []}]
tags: [{name: pets, description: All pets}]
paths:
  /pets/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string}}
      - {name: verbose, in: query, schema: {type: boolean}}
    put:
      operationId: putPet
      tags: [pets]
      parameters: [{name: verbose, in: query, description: own, schema: {type: integer, minimum: 1}}]
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}, example: {name: Rex}}}
      responses:
        200:
          description: done
          headers: {Request-Id: {schema: {type: string, format: uuid}}}
          content: {application/json: {schema: {type: array, items: {$ref: '#/components/schemas/Pet'}}}}
        default: {$ref: '#/components/responses/Problem'}
components:
  securitySchemes: {token: {type: http, scheme: bearer}}
  responses: {Problem: {description: no, content: {text/plain: {examples: {one: {summary: S, value: 'no'}}}}}}
  schemas:
    Pet:
      allOf:
        - {$ref: '#/components/schemas/Named'}
        - type: object
          required: [parent]
          properties:
            parent: {$ref: '#/components/schemas/Pet'}
            kind: {type: string, enum: [cat, dog], nullable: true, default: cat}
    Named: {type: object, required: [name], properties: {name: {type: string, minLength: 1, maxLength: 40}}}
"##;

fn whole(text: &str) -> Reference {
    reference(text, Part::Whole).unwrap()
}

#[test]
fn an_operation_of_openapi_3_is_made_whole() {
    let made = whole(OPENAPI);

    assert_eq!(
        (made.title.as_str(), made.dialect.as_str()),
        ("Pets", "openapi_3_0")
    );
    assert_eq!(made.servers[0].description, "main");
    assert_eq!(
        (
            made.security[0].kind.as_str(),
            made.security[0].detail.as_str()
        ),
        ("http", "bearer")
    );
    let [put] = made.operations.as_slice() else {
        panic!()
    };
    assert_eq!(
        (put.method.as_str(), put.path.as_str()),
        ("PUT", "/pets/{id}")
    );
    assert_eq!(put.security, ["token"]);
    let parameters: Vec<_> = put
        .parameters
        .iter()
        .map(|p| (p.name.as_str(), p.schema.kind.as_str()))
        .collect();
    assert_eq!(parameters, [("id", "string"), ("verbose", "integer")]);
    assert_eq!(put.parameters[1].schema.limits, ["at least 1"]);
    let body = put.request_body.as_ref().unwrap();
    assert_eq!(
        body.content[0].examples[0].text,
        "{\n  \"name\": \"Rex\"\n}"
    );
    let pet = body.content[0].schema.as_ref().unwrap();
    assert_eq!((pet.name.as_str(), pet.kind.as_str()), ("Pet", "object"));
    let members: Vec<_> = pet
        .properties
        .iter()
        .map(|p| (p.name.as_str(), p.required))
        .collect();
    assert_eq!(members, [("name", true), ("parent", true), ("kind", false)]);
    assert_eq!(
        pet.properties[0].schema.limits,
        ["at least 1 characters", "at most 40 characters"]
    );
    assert!(pet.properties[1].schema.cycle && pet.properties[1].schema.name == "Pet");
    assert_eq!(pet.properties[2].schema.kind, "string or null");
    assert_eq!(pet.properties[2].schema.values, ["\"cat\"", "\"dog\""]);
    let [done, problem] = put.responses.as_slice() else {
        panic!()
    };
    assert_eq!(done.headers[0].schema.format, "uuid");
    let list = done.content[0].schema.as_ref().unwrap();
    assert_eq!(list.items.as_ref().unwrap().name, "Pet");
    assert_eq!(
        (
            problem.status.as_str(),
            problem.content[0].examples[0].text.as_str()
        ),
        ("default", "no")
    );
    assert!(!made.truncated);
}

#[test]
fn an_operation_of_swagger_2_is_made_whole() {
    let made = whole(
        "swagger: '2.0'\ninfo: {title: t, version: '1'}\nhost: example.com\nbasePath: /v1\nconsumes: [application/xml]\nsecurityDefinitions: {k: {type: apiKey, in: header, name: X-Key}}\npaths:\n  /a:\n    post:\n      parameters:\n        - {name: n, in: query, type: integer, required: true, description: how many}\n        - {name: f, in: formData, type: file}\n        - {name: b, in: body, required: true, schema: {$ref: '#/definitions/B'}}\n      responses:\n        200: {description: ok, schema: {$ref: '#/definitions/B'}, examples: {application/json: {x: 1}}}\ndefinitions: {B: {properties: {x: {type: integer}}}}\n",
    );

    let [post] = made.operations.as_slice() else {
        panic!()
    };
    let places: Vec<_> = post
        .parameters
        .iter()
        .map(|p| (p.name.as_str(), p.place.as_str()))
        .collect();
    assert_eq!(places, [("n", "query"), ("f", "form")]);
    assert_eq!(
        (
            post.parameters[0].schema.kind.as_str(),
            post.parameters[0].description.as_str()
        ),
        ("integer", "how many")
    );
    let body = post.request_body.as_ref().unwrap();
    assert_eq!(body.content[0].media_type, "application/xml");
    assert_eq!(body.content[0].schema.as_ref().unwrap().name, "B");
    let answer = &post.responses[0].content[0];
    assert_eq!(
        (answer.media_type.as_str(), answer.examples.len()),
        ("application/json", 1)
    );
    assert_eq!(made.security[0].detail, "in header: X-Key");
    assert_eq!(made.servers[0].url, "example.com/v1");
}

#[test]
fn kinds_of_openapi_3_1_are_read() {
    let made = whole(
        "openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths: {/a: {get: {parameters: [{name: p, in: query, schema: {type: [string, 'null'], const: x, examples: [y]}}], responses: {200: {content: {application/json: {schema: {oneOf: [{type: string}, true, {$ref: '#/nowhere'}]}}}}}}}}\n",
    );

    let get = &made.operations[0];
    assert_eq!(made.dialect, "openapi_3_1");
    assert_eq!(get.parameters[0].schema.kind, "string or null");
    assert_eq!(
        (
            get.parameters[0].schema.values[0].as_str(),
            get.parameters[0].schema.example.as_str()
        ),
        ("\"x\"", "\"y\"")
    );
    let choices = &get.responses[0].content[0].schema.as_ref().unwrap().choices;
    let kinds: Vec<_> = choices.iter().map(|choice| choice.kind.as_str()).collect();
    assert_eq!(kinds, ["string", "any", "any"]);
}

#[test]
fn parts_of_a_reference_are_given_alone() {
    let outline = reference(OPENAPI, Part::Outline).unwrap();
    let one = reference(OPENAPI, Part::Operation(0)).unwrap();
    let none = reference(OPENAPI, Part::Operation(7)).unwrap();

    assert_eq!(outline.operations[0].operation_id, "putPet");
    assert!(
        outline.operations[0].parameters.is_empty() && outline.operations[0].responses.is_empty()
    );
    assert_eq!(one, whole(OPENAPI));
    assert!(none.operations.is_empty());
}

#[test]
fn a_document_with_nothing_in_it_has_a_reference() {
    for text in [
        "swagger: '2.0'\n",
        "openapi: 3.0.0\npaths: []\ninfo: []\ntags: {}\nservers: 1\ncomponents: x\n",
        "openapi: 3.1.0\npaths: {/a: null, /b: {get: null, put: [], post: {}}, /c: {$ref: '#/paths/~1c'}}\n",
        "openapi: 3.0.0\npaths: {/a: {get: {parameters: [1, null, {}], requestBody: [], responses: [1], tags: x, security: {}}}}\n",
    ] {
        let made = whole(text);
        assert!(made.title.is_empty() && !made.truncated, "{text}");
    }
}

#[test]
fn schemas_that_unfold_without_end_are_cut() {
    let mut text = "openapi: 3.0.0\ninfo: {title: t, version: '1'}\npaths: {/a: {get: {responses: {200: {content: {a/b: {schema: {$ref: '#/s/0'}}}}}}}}\ns:\n".to_owned();
    for level in 0..30 {
        let members: Vec<String> = (0..10)
            .map(|at| format!("p{at}: {{$ref: '#/s/{}'}}", level + 1))
            .collect();
        let _ = writeln!(
            text,
            "  {level}: {{properties: {{{}}}}}",
            members.join(", ")
        );
    }

    let made = whole(&text);

    assert!(made.truncated);
    let json = serde_json::to_vec(&made).unwrap();
    assert!(json.len() < 8 * 1024 * 1024, "{}", json.len());
}

#[test]
fn five_hundred_operations_are_shown() {
    let mut text = OPENAPI.replace("paths:\n", "paths:\n@@");
    let mut many = String::new();
    for at in 0..499 {
        let _ = writeln!(
            many,
            "  /x{at}: {{get: {{responses: {{200: {{content: {{a/b: {{schema: {{$ref: '#/components/schemas/Pet'}}}}}}}}}}}}}}"
        );
    }
    text = text.replace("@@", &many);

    let made = whole(&text);

    assert_eq!(made.operations.len(), 500);
    assert_eq!(made.operations[499].index, 499);
    assert!(!made.truncated);
}

#[test]
fn hostile_texts_stay_text_and_long_ones_are_cut() {
    let evil = "<script>alert(1)</script>\u{202e}";
    let text = serde_json::json!({
        "openapi": "3.0.0",
        "info": {"title": evil, "version": evil, "description": "x".repeat(50_000)},
        "paths": {format!("/{evil}"): {"get": {
            "operationId": evil, "tags": [evil], "summary": "y".repeat(5_000),
            "parameters": [{"name": evil, "in": evil, "schema": {"type": evil, "pattern": evil}}],
            "responses": {evil: {"description": evil, "content": {evil: {"example": "z".repeat(100_000)}}}}}}},
    });

    let made = whole(&text.to_string());

    assert_eq!(made.title, evil);
    assert_eq!(made.description.chars().count(), 10_001);
    let get = &made.operations[0];
    assert_eq!(get.parameters[0].schema.limits, [format!("pattern {evil}")]);
    assert_eq!(get.summary.chars().count(), 501);
    assert_eq!(
        get.responses[0].content[0].examples[0].text.chars().count(),
        20_001
    );
}
