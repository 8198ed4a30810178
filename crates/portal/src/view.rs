//! Small pieces of HTML and text that templates ask for: icons, states, instants.

use std::fmt;

use askama::filters::HtmlSafe;
use portcullis_core::clock::Timestamp;

/// HTML that is inserted as it is: everything variable in it was escaped when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Markup(String);

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Markup {}

impl Markup {
    /// HTML that was made here: the caller escaped everything variable in it.
    pub(crate) fn made(html: String) -> Self {
        Self(html)
    }
}

/// Text that means only itself in HTML, in content and in quoted attributes.
pub(crate) fn escaped(text: &str) -> String {
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

/// An icon beside a text: it says nothing of its own to readers of the screen. Lines on a grid of 20.
#[expect(clippy::too_many_lines, reason = "a table of pictures")]
pub(crate) fn icon(name: &str) -> Markup {
    let path = match name {
        "home" => {
            r#"<path d="M3 9.2 10 3.5l7 5.7V16a1 1 0 0 1-1 1h-3.8v-4.6H7.8V17H4a1 1 0 0 1-1-1z"/>"#
        }
        "app" => {
            r#"<rect x="3" y="3.5" width="14" height="13" rx="2"/><path d="M3 7.5h14M5.8 5.5h.01M8.2 5.5h.01"/>"#
        }
        "api" => r#"<path d="m7 6-4 4 4 4M13 6l4 4-4 4M11.4 4.5l-2.8 11"/>"#,
        "link" => {
            r#"<path d="M8.3 11.7a3 3 0 0 0 4.3 0l2.8-2.8a3 3 0 0 0-4.3-4.3l-.9.9M11.7 8.3a3 3 0 0 0-4.3 0l-2.8 2.8a3 3 0 0 0 4.3 4.3l.9-.9"/>"#
        }
        "building" => {
            r#"<path d="M4.5 17V4.5a1 1 0 0 1 1-1h6a1 1 0 0 1 1 1V17M12.5 8.5H15a.8.8 0 0 1 .8.8V17M3 17h14M7.3 6.8h2.4M7.3 9.8h2.4M7.3 12.8h2.4"/>"#
        }
        "buildings" => {
            r#"<path d="M3.5 17V8.3a.8.8 0 0 1 .8-.8H8V17M8 17V4.3a.8.8 0 0 1 .8-.8h6.4a.8.8 0 0 1 .8.8V17M2.5 17h15M10.5 6.5h3M10.5 9.5h3M10.5 12.5h3"/>"#
        }
        "users" => {
            r#"<circle cx="7.5" cy="7" r="2.8"/><path d="M2.5 16.5c.3-2.8 2.3-4.5 5-4.5s4.7 1.7 5 4.5M13 4.4a2.8 2.8 0 0 1 0 5.2M14.6 12.3c1.7.6 2.7 2.1 2.9 4.2"/>"#
        }
        "grid" => {
            r#"<rect x="3.5" y="3.5" width="5" height="5" rx="1"/><rect x="11.5" y="3.5" width="5" height="5" rx="1"/><rect x="3.5" y="11.5" width="5" height="5" rx="1"/><rect x="11.5" y="11.5" width="5" height="5" rx="1"/>"#
        }
        "key" => {
            r#"<circle cx="6.8" cy="13.2" r="3.3"/><path d="m9.2 10.8 7-7M13.5 6.5l2.3 2.3"/>"#
        }
        "inbox" => {
            r#"<path d="M3 11.5 5.2 4.6a1 1 0 0 1 1-.6h7.6a1 1 0 0 1 1 .6L17 11.5V15a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1zM3 11.5h4l1 2h4l1-2h4"/>"#
        }
        "mail" => {
            r#"<rect x="2.8" y="4.5" width="14.4" height="11" rx="1.5"/><path d="m3.5 5.8 6.5 5 6.5-5"/>"#
        }
        "settings" => {
            r#"<path d="M3 6h8M15 6h2M3 14h2M9 14h8"/><circle cx="13" cy="6" r="2"/><circle cx="7" cy="14" r="2"/>"#
        }
        "log" => {
            r#"<path d="M5 3.5h7.5L16 7v9a.8.8 0 0 1-.8.8H5a.8.8 0 0 1-.8-.8V4.3a.8.8 0 0 1 .8-.8zM7.3 9.5h5.4M7.3 12.8h5.4"/>"#
        }
        "gauge" => r#"<path d="M3.4 14.5a7.3 7.3 0 1 1 13.2 0zM10 11.2l3-3.6"/>"#,
        "server" => {
            r#"<rect x="3.5" y="3.8" width="13" height="5" rx="1.2"/><rect x="3.5" y="11.2" width="13" height="5" rx="1.2"/><path d="M6.3 6.3h.01M6.3 13.7h.01"/>"#
        }
        "menu" => r#"<path d="M3 5.5h14M3 10h14M3 14.5h14"/>"#,
        "close" => r#"<path d="m5 5 10 10M15 5 5 15"/>"#,
        "chevron" => r#"<path d="m6 8 4 4 4-4"/>"#,
        "right" => r#"<path d="m8 5 5 5-5 5"/>"#,
        "plus" => r#"<path d="M10 4v12M4 10h12"/>"#,
        "copy" => {
            r#"<rect x="7" y="7" width="9.5" height="9.5" rx="1.5"/><path d="M4.5 13H4a.8.8 0 0 1-.8-.8V4.3a.8.8 0 0 1 .8-.8h8a.8.8 0 0 1 .8.8V4.5"/>"#
        }
        "check" | "success" => {
            r#"<circle cx="10" cy="10" r="7"/><path d="m6.8 10.2 2.2 2.2 4.3-4.6"/>"#
        }
        "info" => r#"<circle cx="10" cy="10" r="7"/><path d="M10 9.3v4M10 6.6h.01"/>"#,
        "warning" => r#"<path d="M10 3.5 17.2 16H2.8zM10 8.3v3.5M10 13.9h.01"/>"#,
        "error" | "blocked" => {
            r#"<circle cx="10" cy="10" r="7"/><path d="m7.3 7.3 5.4 5.4M12.7 7.3l-5.4 5.4"/>"#
        }
        "pause" => r#"<circle cx="10" cy="10" r="7"/><path d="M8.2 7.5v5M11.8 7.5v5"/>"#,
        "clock" => r#"<circle cx="10" cy="10" r="7"/><path d="M10 6v4.2l2.6 1.6"/>"#,
        "circle" => r#"<circle cx="10" cy="10" r="6.5"/>"#,
        "lock" => {
            r#"<rect x="4.5" y="9" width="11" height="7.5" rx="1.5"/><path d="M7 9V6.5a3 3 0 0 1 6 0V9"/>"#
        }
        "globe" => {
            r#"<circle cx="10" cy="10" r="7"/><path d="M3.2 10h13.6M10 3c4 4.2 4 9.8 0 14M10 3c-4 4.2-4 9.8 0 14"/>"#
        }
        "passkey" => {
            r#"<circle cx="8" cy="6.5" r="3"/><path d="M2.8 16.5c.3-3 2.3-4.8 5.2-4.8.9 0 1.7.2 2.4.5"/><circle cx="14.3" cy="11.5" r="2"/><path d="M14.3 13.5v3.7M14.3 15.5h1.5"/>"#
        }
        "search" => r#"<circle cx="9" cy="9" r="5.5"/><path d="m13.2 13.2 3.6 3.6"/>"#,
        "download" => r#"<path d="M10 3.5v8.5M6.5 8.8 10 12.3l3.5-3.5M4 16.5h12"/>"#,
        "trash" => r#"<path d="M4 5.5h12M8 5.5V4h4v1.5M5.5 5.5l.7 11h7.6l.7-11"/>"#,
        "external" => r#"<path d="M8 4.5H4.5v11h11V12M11.5 4.5h4v4M15.2 4.8 9 11"/>"#,
        "sun" => {
            r#"<circle cx="10" cy="10" r="3.2"/><path d="M10 3v1.5M10 15.5V17M3 10h1.5M15.5 10H17M5.1 5.1l1 1M13.9 13.9l1 1M14.9 5.1l-1 1M6.1 13.9l-1 1"/>"#
        }
        "moon" => r#"<path d="M16 11.8A6.5 6.5 0 0 1 8.2 4a6.5 6.5 0 1 0 7.8 7.8z"/>"#,
        "device" => {
            r#"<rect x="3" y="4" width="14" height="9.5" rx="1.5"/><path d="M7.5 16.5h5M10 13.5v3"/>"#
        }
        _ => "",
    };
    Markup(format!(
        "<svg class=\"icon\" viewBox=\"0 0 20 20\" aria-hidden=\"true\" focusable=\"false\">{path}</svg>"
    ))
}

/// The state of a thing: an icon and a word, so that colour is never all there is.
pub(crate) fn pill(state: &str) -> Markup {
    let (tone, icon_name, word) = match state {
        "active" => ("good", "check", "Active"),
        "enabled" => ("good", "check", "Enabled"),
        "public" => ("neutral", "globe", "Public"),
        "private" => ("neutral", "lock", "Private"),
        "current" => ("good", "check", "Signing"),
        "next" => ("neutral", "clock", "Next"),
        "retired" => ("neutral", "pause", "Retired"),
        "done" | "sent" | "delivered" => ("good", "check", "Done"),
        "pending" => ("wait", "clock", "Pending"),
        "requested" => ("wait", "clock", "Requested"),
        "waiting" | "queued" => ("wait", "clock", "Waiting"),
        "suspended" => ("wait", "pause", "Suspended"),
        "disabled" => ("wait", "pause", "Disabled"),
        "deprecated" => ("wait", "warning", "Deprecated"),
        "draft" => ("neutral", "circle", "Draft"),
        "registered" => ("neutral", "circle", "Registered"),
        "rejected" => ("bad", "blocked", "Rejected"),
        "cancelled" => ("bad", "blocked", "Cancelled"),
        "deactivated" => ("bad", "blocked", "Deactivated"),
        "expired" => ("bad", "blocked", "Expired"),
        "deleted" => ("bad", "blocked", "Deleted"),
        "failed" | "dead" => ("bad", "blocked", "Failed"),
        "production" => ("neutral", "circle", "Production"),
        "test" => ("wait", "circle", "Test"),
        "dev" => ("neutral", "circle", "Development"),
        other => ("neutral", "circle", other),
    };
    status(tone, icon_name, word)
}

/// A pill with words of its own. `tone` is `good`, `wait`, `bad` or `neutral`.
pub(crate) fn status(tone: &str, icon_name: &str, word: &str) -> Markup {
    let word = escaped(word);
    Markup(format!(
        "<span class=\"pill {tone}\">{}{word}</span>",
        icon(icon_name)
    ))
}

/// An instant of the management API: absolute and in UTC; scripts make it relative and local, and keep the
/// whole as its title.
pub(crate) fn time(instant: &str) -> Markup {
    let text = escaped(&absolute(instant));
    let instant = escaped(instant);
    Markup(format!(
        "<time datetime=\"{instant}\" title=\"{text}\">{text}</time>"
    ))
}

/// The same for an instant that may be absent.
pub(crate) fn time_or(instant: Option<&str>, otherwise: &str) -> Markup {
    instant.map_or_else(|| Markup(escaped(otherwise)), time)
}

/// `2026-11-22T10:30:05.123Z` as `22 Nov 2026, 10:30 UTC`; what is no instant stays as it is.
pub(crate) fn absolute(instant: &str) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let parts = || {
        let (date, clock) = instant.split_once('T')?;
        let mut date = date.split('-');
        let (year, month, day) = (date.next()?, date.next()?, date.next()?);
        let month = MONTHS.get(month.parse::<usize>().ok()?.checked_sub(1)?)?;
        let day = day.parse::<u8>().ok()?;
        Some(format!("{day} {month} {year}, {} UTC", clock.get(..5)?))
    };
    parts().unwrap_or_else(|| instant.to_owned())
}

/// An instant of the management API, to reckon with.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_us(instant.as_microsecond()))
}

/// A file that is made of the page itself: the content of a `data:` link. Nothing is sent anywhere.
pub(crate) fn data_url(content: &str) -> String {
    let encoded =
        percent_encoding::utf8_percent_encode(content, percent_encoding::NON_ALPHANUMERIC);
    format!("data:text/plain;charset=utf-8,{encoded}")
}

/// Text as a value in a query.
pub(crate) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// `1 app`, `2 apps`.
pub(crate) fn count(number: usize, one: &str, several: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {several}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_by_people_and_programs() {
        assert_eq!(
            absolute("2026-11-02T10:30:05.123Z"),
            "2 Nov 2026, 10:30 UTC"
        );
        assert_eq!(absolute("soon"), "soon");
        assert_eq!(absolute("2026-13-02T10:30:05Z"), "2026-13-02T10:30:05Z");
        let markup = time("2026-11-02T10:30:05Z").to_string();
        assert!(markup.contains("datetime=\"2026-11-02T10:30:05Z\""));
    }

    #[test]
    fn what_is_variable_is_escaped() {
        let pill = pill("<script>").to_string();
        assert!(pill.contains("&lt;script&gt;") && !pill.contains("<script>"));
        assert!(!time("\"><script>").to_string().contains("<script>"));
    }

    #[test]
    fn a_file_of_the_page_keeps_every_character() {
        assert_eq!(data_url("A=1\n"), "data:text/plain;charset=utf-8,A%3D1%0A");
    }

    #[test]
    fn every_state_has_an_icon_and_a_word() {
        for state in [
            "active",
            "pending",
            "suspended",
            "deleted",
            "draft",
            "unheard-of",
        ] {
            let pill = pill(state).to_string();
            assert!(
                pill.contains("<path") || pill.contains("<circle"),
                "{state}"
            );
        }
    }
}
