//! Every component once: templates are checked where they are used, and components are used by pages that come
//! and go.

use askama::Template;

use crate::{
    flash::Flash,
    form::{Choice, Form, Snippet},
    layout::{Crumb, Entry, Membership, Person, Shell},
};

#[derive(Template)]
#[template(path = "gallery.html")]
struct Gallery {
    shell: Shell,
    form: Form,
    choices: Vec<Choice>,
    snippets: Vec<Snippet>,
    lines: Vec<(&'static str, &'static str, &'static str)>,
    steps: Vec<(&'static str, &'static str)>,
    next: Option<String>,
}

fn shell() -> Shell {
    let entry = |label, icon, is_current| Entry {
        label,
        path: "/",
        icon,
        is_current,
    };
    let membership = |name: &str, is_chosen| Membership {
        id: name.to_lowercase(),
        name: name.to_owned(),
        role: "Owner",
        is_chosen,
    };
    Shell {
        title: "Components".to_owned(),
        csrf: "token".to_owned(),
        theme: "system",
        flash: Some(Flash::success("App saved.")),
        person: Some(Person {
            full_name: "Ada <Lovelace>".to_owned(),
            email: "ada@example.com".to_owned(),
            initials: "AL".to_owned(),
            is_operator: true,
            organization: "Acme".to_owned(),
            organizations: vec![membership("Acme", true), membership("Globex", false)],
        }),
        entries: vec![entry("Home", "home", false), entry("Apps", "app", true)],
        operator_entries: vec![entry("Signing keys", "key", false)],
        crumbs: vec![Crumb {
            label: "Apps".to_owned(),
            path: "/apps".to_owned(),
        }],
        here: "/gallery".to_owned(),
        has_account_pages: true,
        is_development: true,
        scripts: Vec::new(),
    }
}

fn gallery() -> String {
    let form = Form::with([
        ("name", "Fleet \"<b>\""),
        ("environment", "b"),
        ("overlap", "a"),
        ("apis", "a"),
        ("revision", "3"),
    ]);
    let form = form
        .wrong("name", "It is used already.")
        .wrong("apis[1]", "There is no such API.");
    let choice = |n: usize| Choice::new(["a", "b", "c"][n % 3], format!("Choice {n}"));
    let snippet = |language| Snippet {
        language,
        text: format!(
            "{language} -u \"$API_KEY:$API_SECRET\" \\\n  http://localhost:8080/oauth2/default/v1/token"
        ),
    };
    let page = Gallery {
        shell: shell(),
        form: form.outdated(Some(4), [("description", "Theirs")]),
        choices: (0..12).map(|n| choice(n).detailed("Acme")).collect(),
        snippets: vec![snippet("curl"), snippet("Node")],
        lines: vec![("API Secret", "client_secret", "pcs_secret")],
        steps: vec![
            ("Register", "done"),
            ("Token", "current"),
            ("Call", "to come"),
        ],
        next: Some("a&b".to_owned()),
    };
    page.render().unwrap()
}

#[test]
fn every_component_renders_and_escapes() {
    let html = gallery();
    assert!(!html.contains("<b>") && !html.contains("Ada <Lovelace>"));
    assert!(html.contains("aria-describedby=\"h-name e-name \" aria-invalid=\"true\""));
    assert!(html.contains("<option value=\"b\" selected>"));
    assert!(html.contains("name=\"revision\" value=\"4\""));
    assert!(html.contains("Saved now: <strong>Theirs</strong>"));
    assert!(html.contains("<a href=\"#f-apis\">APIs: There is no such API.</a>"));
    assert!(html.contains("href=\"/apps?state=enabled&amp;after=a%26b\""));
    assert!(html.contains("href=\"data:text/plain;charset=utf-8,API%5FKEY"));
}

/// Every label, description and error has the element it points to.
#[test]
fn what_an_element_refers_to_is_on_the_page() {
    let html = gallery();

    for attribute in ["for=\"", "aria-labelledby=\"", "aria-describedby=\""] {
        for reference in html.split(attribute).skip(1) {
            for id in reference.split('"').next().unwrap().split_whitespace() {
                assert!(html.contains(&format!("id=\"{id}\"")), "{attribute}{id}");
            }
        }
    }
}
