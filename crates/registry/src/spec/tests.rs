//! Specifications of both families in both languages, and texts that mean harm.

use std::fmt::Write as _;

use super::*;

const SWAGGER: &str = r"
swagger: '2.0'
info: {title: Vehicles, version: 1.0, description: What stands on the lot.}
basePath: /vehicles/v1/
produces: [application/json]
paths:
  /vehicles:
    get:
      responses:
        404: {description: none}
        200:
          description: all
          examples:
            application/json: {items: [{vin: '1', doors: 4}], next: null}
    post:
      responses:
        '201': {description: made, schema: {$ref: '#/definitions/Vehicle'}}
  /vehicles/{id}:
    delete: {responses: {204: {description: gone}}}
    get: {responses: {200: {description: one, schema: {type: object}}}}
definitions:
  Vehicle:
    allOf:
      - {$ref: '#/definitions/Named'}
      - {properties: {doors: {type: integer, example: 5}, owner: {$ref: '#/definitions/Vehicle'}}}
  Named: {properties: {name: {type: string, default: Coupe}}}
";

const OPENAPI: &str = r##"{
  "openapi": "3.1.0",
  "info": {"title": "Service", "version": "2.1.0"},
  "servers": [{"url": "https://{host}.example.com/{base}/v2", "variables":
    {"host": {"default": "api"}, "base": {"default": "service"}}}],
  "paths": {
    "/a": {"get": {"responses": {"200": {"$ref": "#/components/responses/A"}}}},
    "/b": {"get": {"responses": {"default": {"content": {
      "text/plain": {"example": "hello"}}}}}},
    "/c": {"get": {"responses": {"2XX": {"content": {"application/vnd.x+json": {"schema":
      {"type": "array", "items": {"oneOf": [{"type": "object"}, {"enum": ["first", "second"]}]}}}}}}}},
    "/d~e": {"$ref": "#/components/pathItems/d~0e"}
  },
  "components": {
    "responses": {"A": {"content": {"application/json; charset=utf-8": {"examples": {
      "far": {"externalValue": "https://example.com/a.json"},
      "near": {"$ref": "#/components/examples/near"}}}}}},
    "examples": {"near": {"value": "{\"pasted\": true}"}},
    "pathItems": {"d~e": {"put": {"responses": {"202": {}, "200": {"content": {}}}}}}
  }
}"##;

fn bodies(spec: &Spec) -> Vec<String> {
    let line = |s: &Simulation| {
        format!(
            "{} {} {} [{}] {}",
            s.method, s.path, s.status, s.content_type, s.body
        )
    };
    spec.simulations.iter().map(line).collect()
}

#[test]
fn swagger_in_yaml_is_read() {
    let spec = read(SWAGGER).unwrap();

    assert_eq!(
        (spec.title.as_str(), spec.version.as_str()),
        ("Vehicles", "1.0")
    );
    assert_eq!(spec.description, "What stands on the lot.");
    assert_eq!(spec.base_path.as_deref(), Some("/vehicles/v1"));
    assert_eq!(
        bodies(&spec),
        [
            r#"GET /vehicles 200 [application/json] {"items":[{"vin":"1","doors":4}],"next":null}"#,
            r#"POST /vehicles 201 [application/json] {"name":"Coupe","doors":5}"#,
            "DELETE /vehicles/{id} 204 [] ",
        ]
    );
}

#[test]
fn openapi_in_json_is_read() {
    let spec = read(OPENAPI).unwrap();

    assert_eq!(spec.base_path.as_deref(), Some("/service/v2"));
    assert_eq!(
        bodies(&spec),
        [
            r#"GET /a 200 [application/json; charset=utf-8] {"pasted": true}"#,
            "GET /b 200 [text/plain] hello",
            r#"GET /c 200 [application/vnd.x+json] ["first"]"#,
            "PUT /d~e 200 [] ",
        ]
    );
}

#[test]
fn everything_missing_is_named_at_once_with_its_place() {
    let text = "\nopenapi: 3.0.3\ninfo: {title: ' '}\nservers:\n- url: '/v 1'\npaths: []\n";

    let error = read(text).unwrap_err();

    let sentences = error.sentences();
    assert_eq!(sentences.len(), 4, "{sentences:?}");
    assert_eq!(
        sentences[0],
        "Line 3, column 1: The version (info.version) is missing."
    );
    assert_eq!(
        sentences[1],
        "Line 3, column 8: The title (info.title) is missing."
    );
    assert!(
        sentences[2].starts_with("Line 5, column 3: A base path starts with /"),
        "{sentences:?}"
    );
    assert_eq!(
        sentences[3],
        "Line 6, column 1: The paths are not a map of path templates."
    );
}

#[test]
fn a_text_that_cannot_be_read_is_refused_at_its_line() {
    for (text, line, column) in [
        ("{\n  \"swagger\": \"2.0\",\n  oops\n}", 3, 3),
        ("swagger: '2.0'\ninfo:\n  title: [a\nb: c\n", 4, 2),
        ("swagger: '2.0'\ninfo: 1\ninfo: 2\n", 3, 1),
    ] {
        let report = check(text);

        let [finding] = report.findings.as_slice() else {
            panic!("{:?}", report.findings);
        };
        assert_eq!(finding.severity, Severity::Error);
        assert_eq!(finding.line, line, "{text}: {finding:?}");
        assert!(
            finding.column >= 1 && finding.column <= column + 2,
            "{finding:?}"
        );
        assert!(report.spec.is_none());
    }
}

#[test]
fn advice_names_the_operation_and_its_line() {
    let report = check(SWAGGER);

    let spec = report.spec.unwrap();
    assert_eq!((spec.dialect, spec.operations), ("swagger_2_0", 4));
    let about = |pointer: &str| {
        let found: Vec<_> = report
            .findings
            .iter()
            .filter(|f| f.pointer == pointer)
            .collect();
        assert_eq!(found.len(), 1, "{pointer}: {:?}", report.findings);
        (found[0].severity, found[0].line, found[0].message.clone())
    };
    let (severity, line, message) = about("/paths/~1vehicles~1{id}/get");
    assert_eq!((severity, line), (Severity::Warning, 20));
    assert!(
        message.contains("GET /vehicles/{id} lacks an operationId, tags"),
        "{message}"
    );
    assert!(message.contains("Request-Id"), "{message}");
    assert!(message.contains("an example of its answer"), "{message}");
    let (severity, line, _) = about("/info/version");
    assert_eq!((severity, line), (Severity::Warning, 3));
    let (_, line, message) = about("/basePath");
    assert_eq!(
        (line, message.as_str()),
        (4, "The base path ends in /, which is left out.")
    );
}

#[test]
fn a_good_specification_is_only_noted() {
    let report = check(
        "openapi: 3.0.3\ninfo: {title: T, version: 1.0.0, description: D}\nservers: [{url: /t/v1}]\npaths:\n  /a:\n    parameters: [{name: request-id, in: header}]\n    get:\n      operationId: a\n      tags: [A]\n      summary: S\n      responses: {200: {description: ok, headers: {Request-Id: {}}}}\n",
    );

    let notes: Vec<_> = report.findings.iter().map(|f| f.severity).collect();
    assert_eq!(notes, [Severity::Note], "{:?}", report.findings);
    assert_eq!(report.spec.unwrap().categories, ["A"]);
}

#[test]
fn a_large_specification_gets_a_bounded_list() {
    let mut text = "openapi: 3.0.0\ninfo: {title: t, version: '1'}\npaths:\n".to_owned();
    for number in 0..1_000 {
        let _ = writeln!(text, "  /p{number}: {{get: {{operationId: same}}}}");
    }

    let report = check(&text);

    assert!(report.findings.len() < 250, "{}", report.findings.len());
    assert!(
        report
            .findings
            .iter()
            .any(|f| f.message.contains("more of the same"))
    );
    assert_eq!(report.spec.unwrap().operations, 1_000);
}

#[test]
fn a_base_path_may_be_absent() {
    for servers in [
        "",
        "servers: []\n",
        "servers: [{url: 'https://example.com/'}]\n",
    ] {
        let spec = read(&format!(
            "openapi: 3.0.0\ninfo: {{title: t, version: '1'}}\n{servers}"
        ));

        assert_eq!(spec.unwrap().base_path, None, "{servers}");
    }
}

#[test]
fn references_that_leave_the_document_are_warned_of_and_not_fetched() {
    for reference in [
        "http://127.0.0.1:1/x.yaml",
        "file:///etc/passwd",
        "other.yaml#/a",
        "#/nothing/there",
    ] {
        let report = check(&format!(
            "swagger: '2.0'\ninfo: {{title: t, version: '1'}}\npaths:\n  /a: {{$ref: '{reference}'}}\n"
        ));

        assert!(report.spec.is_some());
        let found = report
            .findings
            .iter()
            .find(|f| f.pointer == "/paths/~1a/$ref")
            .unwrap();
        assert_eq!((found.severity, found.line), (Severity::Warning, 4));
        assert!(found.message.contains(reference), "{found:?}");
    }
}

#[test]
fn circles_of_references_end() {
    let spec = read(
        "openapi: 3.0.0\ninfo: {title: t, version: '1'}\npaths:\n  /a: {get: {responses: {200: {content: {application/json: {schema: {$ref: '#/components/schemas/A'}}}}}}}\n  /b: {$ref: '#/paths/~1b'}\ncomponents: {schemas: {A: {properties: {a: {$ref: '#/components/schemas/B'}, x: {example: 1}}}, B: {items: {$ref: '#/components/schemas/A'}}}}\n",
    );

    assert_eq!(spec.unwrap().simulations.len(), 1);
}

#[test]
fn references_that_unfold_without_end_are_cut() {
    let mut lines = vec![
        "openapi: 3.0.0\ninfo: {title: t, version: '1'}".to_owned(),
        "paths: {/a: {get: {responses: {200: {content: {application/json: {schema: {$ref: '#/s/0'}}}}}}}}".to_owned(),
        "s:\n  22: {example: x}".to_owned(),
    ];
    for level in 0..22 {
        let below = level + 1;
        let properties: Vec<String> = (0..10)
            .map(|at| format!("p{at}: {{$ref: '#/s/{below}'}}"))
            .collect();
        let properties = properties.join(", ");
        lines.push(format!("  {level}: {{properties: {{{properties}}}}}"));
    }
    let yaml = lines.join("\n");

    let spec = read(&yaml).unwrap();

    let body_bytes: usize = spec.simulations.iter().map(|s| s.body.len()).sum();
    assert!(body_bytes <= 256 * 1024);
}

#[test]
fn texts_that_are_no_specification_are_refused() {
    let large = format!("swagger: '2.0'\n# {}", "x".repeat(SPEC_BYTES_MAX));
    assert_eq!(read(&large), Err(SpecError::TooLarge));
    for text in [
        "",
        "   ",
        "null",
        "[]",
        "hello",
        "{}",
        "{\"swagger\": \"1.2\"}",
        "openapi: 4.0.0\n",
        "asyncapi: 2.0.0\n",
        "swagger: '2.0'\nopenapi: 3.0.0\n",
        "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><x>&e;</x>",
        "{\"swagger\": \"2.0\"",
        "\0\0\0",
    ] {
        assert!(read(text).is_err(), "{text:?}");
    }
}
