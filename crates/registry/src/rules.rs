//! What single values must look like: names, texts, URLs, mail addresses, instants, identifiers.
//!
//! Each rule takes the text as sent and gives the form that is kept. What a value means is decided elsewhere.

use jiff::tz::TimeZone;
use portcullis_core::{
    clock::Timestamp,
    ids::{ApiId, OrganizationId},
};
use url::{Host, Url};

/// Why a value was refused: a clause that becomes a sentence.
pub(crate) type Reason = String;

/// A single line: trimmed, not empty, without control characters.
pub(crate) fn name(text: &str, characters_max: usize) -> Result<String, Reason> {
    let line = optional_line(text, characters_max)?;
    if line.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(line)
}

/// A single line that may be empty.
pub(crate) fn optional_line(text: &str, characters_max: usize) -> Result<String, Reason> {
    let line = text.trim();
    if line.chars().any(char::is_control) {
        return Err("it holds control characters".to_owned());
    }
    at_most(line, characters_max)
}

/// Several lines, which may be empty.
pub(crate) fn text(text: &str, characters_max: usize) -> Result<String, Reason> {
    let text = text.trim();
    let allowed = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    if !text.chars().all(allowed) {
        return Err("it holds control characters".to_owned());
    }
    at_most(text, characters_max)
}

fn at_most(text: &str, characters_max: usize) -> Result<String, Reason> {
    let characters = text.chars().count();
    if characters > characters_max {
        return Err(format!(
            "it has {characters} characters and may have {characters_max}"
        ));
    }
    Ok(text.to_owned())
}

/// A website of an app or organization: http or https, not on this machine; may be empty.
pub(crate) fn website(text: &str) -> Result<String, Reason> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(String::new());
    }
    let url = web_url(text)?;
    if is_this_machine(&url) {
        return Err("a website is not on localhost".to_owned());
    }
    Ok(text.to_owned())
}

/// A redirect URL of an app: https, or http on this machine; may be empty.
pub(crate) fn callback_url(text: &str) -> Result<String, Reason> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(String::new());
    }
    let url = web_url(text)?;
    if url.scheme() == "http" && !is_this_machine(&url) {
        return Err("a callback URL begins with https://, or with http://localhost".to_owned());
    }
    if url.fragment().is_some() {
        return Err("a callback URL has no fragment".to_owned());
    }
    Ok(text.to_owned())
}

fn web_url(text: &str) -> Result<Url, Reason> {
    let lower = text.to_ascii_lowercase();
    if !(lower.starts_with("https://") || lower.starts_with("http://")) {
        return Err("a URL begins with https:// or http://".to_owned());
    }
    // Checked in the text itself: the parser would drop tabs and turn backslashes round.
    if text.len() > 2_000 || !text.bytes().all(|b| b.is_ascii_graphic()) || text.contains('\\') {
        return Err("a URL is at most 2000 visible ASCII characters, none of them \\".to_owned());
    }
    let url = Url::parse(text).map_err(|_| "this is not a URL".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL holds no user name or password".to_owned());
    }
    Ok(url)
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
        None => true,
    }
}

/// A mail address, in lower case.
pub(crate) fn email(text: &str) -> Result<String, Reason> {
    let text = text.trim();
    let local_legal = |b: u8| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b);
    let label_legal = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let valid = text.len() <= 254
        && text.split_once('@').is_some_and(|(local, domain)| {
            (1..=64).contains(&local.len())
                && local.bytes().all(local_legal)
                && !local.starts_with('.')
                && !local.ends_with('.')
                && !local.contains("..")
                && domain.contains('.')
                && domain.split('.').all(label_legal)
        });
    if valid {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("this is not an email address such as name@example.com".to_owned())
    }
}

/// The same, or empty.
pub(crate) fn optional_email(text: &str) -> Result<String, Reason> {
    if text.trim().is_empty() {
        Ok(String::new())
    } else {
        email(text)
    }
}

/// Two upper-case letters (ISO 3166-1 alpha-2), or empty.
pub(crate) fn country_code(text: &str) -> Result<String, Reason> {
    let code = text.trim();
    let valid = code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase());
    if code.is_empty() || valid {
        Ok(code.to_owned())
    } else {
        Err("a country code is two upper-case letters, such as US".to_owned())
    }
}

/// The slug of an API.
pub(crate) fn api_id(text: &str) -> Result<ApiId, Reason> {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    if !(2..=100).contains(&text.len()) || !text.bytes().all(legal) {
        return Err(
            "an API id is 2 to 100 characters of a to z, 0 to 9, '-' and '_', such as v1-vehicles"
                .to_owned(),
        );
    }
    ApiId::parse(text).map_err(|error| error.to_string())
}

/// An organization's identifier.
pub(crate) fn organization_id(text: &str) -> Result<OrganizationId, Reason> {
    OrganizationId::parse(text).map_err(|error| error.to_string())
}

/// An instant in RFC 3339.
pub(crate) fn instant(text: &str) -> Result<Timestamp, Reason> {
    text.parse::<jiff::Timestamp>()
        .map(|instant| Timestamp::from_us(instant.as_microsecond()))
        .map_err(|_| "this is not an instant such as 2027-01-31T12:00:00Z".to_owned())
}

/// An instant as it is sent: RFC 3339, UTC, microseconds where they are not zero.
#[must_use]
pub fn instant_text(instant: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(instant.as_us())
        .map(|instant| instant.to_string())
        .unwrap_or_default()
}

/// The UTC date of an instant, `YYYY-MM-DD`.
pub(crate) fn date_text(instant: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(instant.as_us())
        .map(|instant| instant.to_zoned(TimeZone::UTC).date().to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_trimmed_line() {
        assert_eq!(
            name("  My app\u{202e} <b> ", 40).unwrap(),
            "My app\u{202e} <b>"
        );
        for bad in ["", "   ", "a\0b", "a\nb", "a\u{7f}", &"x".repeat(41)] {
            assert!(name(bad, 40).is_err(), "{bad:?}");
        }
        assert!(name(&"ü".repeat(40), 40).is_ok());
        assert!(text("two\nlines", 256).is_ok());
    }

    #[test]
    fn a_website_is_not_on_this_machine() {
        for good in ["", "https://example.com", "http://example.com/a?b#c"] {
            assert!(website(good).is_ok(), "{good}");
        }
        for bad in [
            "example.com",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://localhost",
            "http://LOCALHOST./",
            "http://127.1/",
            "http://[::1]/",
            "https://user:pass@example.com",
            "https://example.com\\@evil.example",
            "https://exa\tmple.com",
            "https://ex\u{e4}mple.com",
            "https://",
        ] {
            assert!(website(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_callback_url_is_https_or_on_this_machine() {
        for good in [
            "",
            "https://example.com/callback",
            "http://localhost:5000/cb",
            "http://127.0.0.1/cb",
        ] {
            assert!(callback_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://example.com/cb",
            "http://localhost.example.com/",
            "https://example.com/#f",
            "myapp://cb",
        ] {
            assert!(callback_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_email_address_is_plain() {
        assert_eq!(email(" A.b+c@Example.COM ").unwrap(), "a.b+c@example.com");
        for bad in [
            "",
            "a",
            "a@b",
            "a@@example.com",
            "a@b@example.com",
            "a\r\nBcc: x@example.com",
            "a@ex\u{430}mple.com",
            "a b@example.com",
            ".a@example.com",
            "a@-x.com",
            "a@x..com",
            &format!("{}@example.com", "a".repeat(400)),
        ] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_api_id_is_a_slug() {
        for good in ["v1-vehicles", "_service_parts-store_v7"] {
            assert!(api_id(good).is_ok(), "{good}");
        }
        for bad in ["", "x", "V1-Vehicles", "..", "a/b", "a b", &"x".repeat(101)] {
            assert!(api_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_instant_goes_there_and_back() {
        let instant = instant("2027-01-31T13:00:00.5+01:00").unwrap();

        assert_eq!(instant_text(instant), "2027-01-31T12:00:00.5Z");
        assert_eq!(date_text(instant), "2027-01-31");
        assert!(super::instant("yesterday").is_err());
        assert!(super::instant("2027-01-31").is_err());
    }
}
