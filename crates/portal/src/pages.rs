//! The documents themselves: plain semantic HTML.

use portcullis_registry::problem::{KINDS, Kind};

use crate::Address;

/// The front page: what runs here, where, and what comes later.
pub(crate) fn front(addresses: &[Address]) -> String {
    let rows: Vec<String> = addresses.iter().map(row).collect();
    let rows = rows.concat();
    let table = if addresses.is_empty() {
        "<p>No address was given to this page.</p>\n".to_owned()
    } else {
        format!(
            "<div class=\"scroll\">\n<table>\n<caption class=\"hidden\">Addresses of this installation</caption>\n\
             <thead><tr><th scope=\"col\">What</th><th scope=\"col\">Address</th><th scope=\"col\">For</th></tr></thead>\n\
             <tbody>\n{rows}</tbody>\n</table>\n</div>\n"
        )
    };
    document(
        "Portcullis",
        &format!(
            "<h1>Portcullis is running</h1>\n\
             <p>It opens APIs to partner apps, on behalf of customers, and lets through exactly the calls that \
             have both kinds of paper: an app's access token, and the Subscription-Id of a customer that \
             activated the app.</p>\n\
             <h2>Addresses</h2>\n{table}\
             <h2>What is not here yet</h2>\n\
             <p>There is no sign-in on this page. Organizations, apps, APIs and subscriptions are managed with \
             the command line (<code>portcullis org</code>, <code>app</code>, <code>api</code>, \
             <code>subscription</code>, <code>secret</code>, <code>key</code>, <code>audit</code>) and with the \
             management API, which describes itself at <a href=\"/v1/openapi.json\">/v1/openapi.json</a>. \
             Later versions bring pages for all of it, a mailbox for the mail that the development server \
             sends, and requests to providers to accept or refuse an activation.</p>\n"
        ),
    )
}

fn row(address: &Address) -> String {
    let url = escaped(&address.url);
    // What is not a web address, such as a port alone, is shown and not linked.
    let shown = if address.url.starts_with("http://") || address.url.starts_with("https://") {
        format!("<a href=\"{url}\">{url}</a>")
    } else {
        format!("<code>{url}</code>")
    };
    format!(
        "<tr><th scope=\"row\">{}</th><td>{shown}</td><td>{}</td></tr>\n",
        escaped(&address.name),
        escaped(&address.purpose)
    )
}

/// What a code of the management API means and what to do about it.
pub(crate) fn problem(kind: &Kind) -> String {
    let others: Vec<String> = KINDS
        .iter()
        .filter(|other| other.status == kind.status && other.code != kind.code)
        .map(|other| {
            format!(
                "<li><a href=\"/docs/errors/{0}\"><code>{0}</code></a>: {1}</li>\n",
                other.code,
                escaped(other.title)
            )
        })
        .collect();
    let others = others.concat();
    let others = if others.is_empty() {
        String::new()
    } else {
        format!(
            "<h2>Other codes with status {}</h2>\n<ul>\n{others}</ul>\n",
            kind.status.as_u16()
        )
    };
    document(
        &format!("{} - Portcullis", kind.code),
        &format!(
            "<h1>{}</h1>\n<dl>\n<dt>Code</dt><dd><code>{}</code></dd>\n<dt>Status</dt><dd>{}</dd>\n\
             <dt>What to do</dt><dd>{}</dd>\n</dl>\n{others}",
            escaped(kind.title),
            kind.code,
            escaped(&kind.status.to_string()),
            escaped(kind.remedy)
        ),
    )
}

/// No such page.
pub(crate) fn not_found() -> String {
    document(
        "Not found - Portcullis",
        "<h1>There is no such page</h1>\n<p>The <a href=\"/\">front page</a> lists every address of this \
         installation.</p>\n",
    )
}

/// A page that is only read.
pub(crate) fn method_not_allowed() -> String {
    document(
        "Method not allowed - Portcullis",
        "<h1>This page is only read</h1>\n<p>Open it with GET; the <a href=\"/\">front page</a> lists every \
         address of this installation.</p>\n",
    )
}

fn document(title: &str, main: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n\
         <link rel=\"stylesheet\" href=\"/static/portal.css\">\n</head>\n<body>\n<main>\n{main}</main>\n\
         </body>\n</html>\n",
        escaped(title)
    )
}

/// Text that means only itself in HTML, in content and in quoted attributes.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}
