//! Programs that get a token and make a call, filled with the values of an app. They are whole: pasted into a
//! file, or a shell for curl, each runs as it stands. The API Secret is never in them; they read `API_SECRET`
//! from the environment.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_registry::wire::Reference;

use crate::form::Snippet;

/// What paths of snippets keep as it is. A provider chooses the path of its API, and other people paste it into
/// a shell: no byte of it may mean anything in one, or end a string in any of the languages.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What a snippet is filled with.
#[derive(Debug, Clone)]
pub(super) struct Values<'a> {
    /// Where tokens are made.
    pub(super) token_url: &'a str,
    /// The `client_id`.
    pub(super) api_key: &'a str,
    /// What is called; `None` when the app can call nothing yet, and the snippets end with the token.
    pub(super) call: Option<Call>,
}

/// A call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// The whole URL; see [`url`].
    pub(super) url: String,
    /// On behalf of whom.
    pub(super) subscription_id: String,
}

/// The URL of a path behind the gateway.
pub(super) fn url(gateway_url: &str, path: &str) -> String {
    format!("{gateway_url}{}", utf8_percent_encode(path, PATH))
}

/// One language: getting a token, then calling, then what stands around both.
struct Language {
    name: &'static str,
    token: &'static str,
    call: &'static str,
    end: &'static str,
}

const LANGUAGES: [Language; 6] = [
    Language {
        name: "curl",
        token: r#"# 1. Get a token. The API Secret is in the environment: export API_SECRET=...
TOKEN=$(curl --silent --show-error --fail-with-body \
  --user "@KEY@:$API_SECRET" \
  --data "grant_type=client_credentials" --data "scope=anonymous" \
  "@TOKEN_URL@" | sed -E 's/.*"access_token": *"([^"]+)".*/\1/')
"#,
        call: r#"
# 2. Call the API on behalf of a customer.
curl --silent --show-error --fail-with-body \
  --header "Authorization: Bearer $TOKEN" \
  --header "Subscription-Id: @SUBSCRIPTION@" \
  "@URL@"
"#,
        end: "",
    },
    Language {
        name: "Node",
        token: r#"// call.mjs, for Node 18 and later: API_SECRET=... node call.mjs
const credentials = Buffer.from(`@KEY@:${process.env.API_SECRET}`).toString("base64");

// 1. Get a token.
const answer = await fetch("@TOKEN_URL@", {
  method: "POST",
  headers: { Authorization: `Basic ${credentials}` },
  body: new URLSearchParams({ grant_type: "client_credentials", scope: "anonymous" }),
});
if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
const token = (await answer.json()).access_token;
"#,
        call: r#"
// 2. Call the API on behalf of a customer.
const response = await fetch("@URL@", {
  headers: {
    Authorization: `Bearer ${token}`,
    "Subscription-Id": "@SUBSCRIPTION@",
  },
});
if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
console.log(await response.text());
"#,
        end: "",
    },
    Language {
        name: "Python",
        token: r#"# call.py, without further packages: API_SECRET=... python3 call.py
import base64
import json
import os
import urllib.parse
import urllib.request

credentials = f"@KEY@:{os.environ['API_SECRET']}"

# 1. Get a token.
request = urllib.request.Request(
    "@TOKEN_URL@",
    data=urllib.parse.urlencode({"grant_type": "client_credentials", "scope": "anonymous"}).encode(),
    headers={"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()},
)
with urllib.request.urlopen(request) as answer:
    token = json.load(answer)["access_token"]
"#,
        call: r#"
# 2. Call the API on behalf of a customer.
request = urllib.request.Request(
    "@URL@",
    headers={
        "Authorization": f"Bearer {token}",
        "Subscription-Id": "@SUBSCRIPTION@",
    },
)
with urllib.request.urlopen(request) as answer:
    print(answer.read().decode())
"#,
        end: "",
    },
    Language {
        name: "Java",
        token: r#"// Call.java, for Java 11 and later, without further libraries: API_SECRET=... java Call.java
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Base64;
import java.util.regex.Pattern;

public class Call {
    public static void main(String[] args) throws Exception {
        var http = HttpClient.newHttpClient();
        var credentials = "@KEY@:" + System.getenv("API_SECRET");

        // 1. Get a token.
        var tokenRequest = HttpRequest.newBuilder(URI.create("@TOKEN_URL@"))
            .header("Authorization", "Basic " + Base64.getEncoder().encodeToString(credentials.getBytes()))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .POST(HttpRequest.BodyPublishers.ofString("grant_type=client_credentials&scope=anonymous"))
            .build();
        var answer = http.send(tokenRequest, HttpResponse.BodyHandlers.ofString());
        var found = Pattern.compile("\"access_token\"\\s*:\\s*\"([^\"]+)\"").matcher(answer.body());
        if (!found.find()) throw new IllegalStateException(answer.statusCode() + " " + answer.body());
        var token = found.group(1);
"#,
        call: r#"
        // 2. Call the API on behalf of a customer.
        var call = HttpRequest.newBuilder(URI.create("@URL@"))
            .header("Authorization", "Bearer " + token)
            .header("Subscription-Id", "@SUBSCRIPTION@")
            .build();
        var response = http.send(call, HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() >= 400) throw new IllegalStateException(response.statusCode() + " " + response.body());
        System.out.println(response.body());
"#,
        end: "    }\n}\n",
    },
    Language {
        name: "Go",
        token: r#"// call.go, without further modules: API_SECRET=... go run call.go
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
)

func send(request *http.Request, err error) []byte {
	if err != nil {
		log.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 400 {
		log.Fatal(answer.Status, " ", string(body), err)
	}
	return body
}

func main() {
	// 1. Get a token.
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"anonymous"}}
	request, err := http.NewRequest("POST", "@TOKEN_URL@", strings.NewReader(form.Encode()))
	if err != nil {
		log.Fatal(err)
	}
	request.SetBasicAuth("@KEY@", os.Getenv("API_SECRET"))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(send(request, nil), &token); err != nil {
		log.Fatal(err)
	}
	fmt.Fprintln(os.Stderr, "got a token of", len(token.AccessToken), "characters")
"#,
        call: r#"
	// 2. Call the API on behalf of a customer.
	request, err = http.NewRequest("GET", "@URL@", nil)
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token.AccessToken)
	request.Header.Set("Subscription-Id", "@SUBSCRIPTION@")
	fmt.Println(string(send(request, nil)))
"#,
        end: "}\n",
    },
    Language {
        name: "Rust",
        token: r#"// src/main.rs, with: cargo add reqwest -F form,json; cargo add serde_json; cargo add tokio -F macros,rt
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let http = reqwest::Client::new();

    // 1. Get a token.
    let answer: serde_json::Value = http
        .post("@TOKEN_URL@")
        .basic_auth("@KEY@", Some(std::env::var("API_SECRET")?))
        .form(&[("grant_type", "client_credentials"), ("scope", "anonymous")])
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?;
    let token = answer["access_token"].as_str().ok_or("no token in the answer")?;
    eprintln!("got a token of {} characters", token.len());
"#,
        call: r#"
    // 2. Call the API on behalf of a customer.
    let response = http
        .get("@URL@")
        .bearer_auth(token)
        .header("Subscription-Id", "@SUBSCRIPTION@")
        .send()
        .await?
        .error_for_status()?;
    println!("{}", response.text().await?);
"#,
        end: "    Ok(())\n}\n",
    },
];

/// The same two steps in each language.
pub(super) fn all(values: &Values<'_>) -> Vec<Snippet> {
    let of = |language: &Language| Snippet {
        language: language.name,
        text: filled(language, values),
    };
    LANGUAGES.iter().map(of).collect()
}

fn filled(language: &Language, values: &Values<'_>) -> String {
    let mut text = language
        .token
        .replace("@TOKEN_URL@", values.token_url)
        .replace("@KEY@", values.api_key);
    if let Some(call) = &values.call {
        let step = language.call.replace("@URL@", &call.url);
        text.push_str(&step.replace("@SUBSCRIPTION@", &call.subscription_id));
    }
    text.push_str(language.end);
    text
}

/// Operations that read and have no value in their path, as place and path: what can be called without knowing
/// anything of the data. At most three, in the document's order.
pub(super) fn candidates(outline: &Reference) -> Vec<(usize, String)> {
    let operations = outline.operations.iter();
    operations
        .filter(|one| one.method == "GET" && !one.deprecated && !one.path.contains('{'))
        .map(|one| (one.index, one.path.clone()))
        .take(3)
        .collect()
}

/// Whether an operation, read alone, cannot be called without a value in its query.
pub(super) fn needs_values(operation: &Reference) -> bool {
    let mut parameters = operation.operations.iter().flat_map(|one| &one.parameters);
    parameters.any(|one| one.required && one.place == "query")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(path: &str) -> Values<'static> {
        Values {
            token_url: "http://localhost:8080/oauth2/default/v1/token",
            api_key: "Key1",
            call: Some(Call {
                url: url("http://localhost:8081", path),
                subscription_id: "sub-1".to_owned(),
            }),
        }
    }

    #[test]
    fn every_snippet_is_filled_and_holds_no_secret() {
        for snippet in all(&values("/sample-test/vehicles/v1/vehicles")) {
            let text = &snippet.text;
            assert!(!text.contains('@'), "{text}");
            for value in [
                "http://localhost:8080/oauth2/default/v1/token",
                "Key1",
                "http://localhost:8081/sample-test/vehicles/v1/vehicles",
                "sub-1",
                "API_SECRET",
            ] {
                assert!(text.contains(value), "{}: {value}", snippet.language);
            }
        }
    }

    #[test]
    fn an_app_that_can_call_nothing_gets_the_first_step() {
        let none = Values {
            call: None,
            ..values("/")
        };

        for snippet in all(&none) {
            assert!(snippet.text.contains("/v1/token"), "{}", snippet.language);
            assert!(
                !snippet.text.contains("Subscription-Id"),
                "{}",
                snippet.language
            );
        }
    }

    #[test]
    fn a_path_of_a_provider_means_nothing_in_a_shell() {
        for path in [
            "/x\"; rm -rf ~; \"",
            "/$(id)",
            "/`id`",
            "/a\nb",
            "/a'b\\",
            "/{id}",
        ] {
            let called = url("http://localhost:8081", path);
            let rest = called.strip_prefix("http://localhost:8081").unwrap();
            let harmless = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%".contains(&b);
            assert!(rest.bytes().all(harmless), "{called}");
        }
    }

    fn reference(operations: &serde_json::Value) -> Reference {
        let whole = serde_json::json!({
            "title": "", "version": "", "description": "", "dialect": "openapi_3_0", "servers": [],
            "security": [], "tags": [], "operations": operations, "truncated": false,
        });
        serde_json::from_value(whole).unwrap()
    }

    fn operation(index: usize, method: &str, path: &str) -> serde_json::Value {
        serde_json::json!({
            "index": index, "method": method, "path": path, "operation_id": "", "summary": "",
            "description": "", "deprecated": false, "tags": [], "security": [], "parameters": [],
            "responses": [],
        })
    }

    #[test]
    fn what_needs_no_value_is_called() {
        let outline = reference(&serde_json::json!([
            operation(0, "GET", "/vehicles/{id}"),
            operation(1, "POST", "/vehicles"),
            operation(2, "GET", "/vehicles"),
        ]));
        assert_eq!(candidates(&outline), [(2, "/vehicles".to_owned())]);

        let mut search = operation(0, "GET", "/search");
        assert!(!needs_values(&reference(&serde_json::json!([search]))));
        search["parameters"] = serde_json::json!([{
            "name": "q", "place": "query", "description": "", "required": true, "deprecated": false,
            "schema": {}, "example": "",
        }]);
        assert!(needs_values(&reference(&serde_json::json!([search]))));
    }
}
