//! Cookies: read from a request, written for an answer. All of them are for this host, this path and no script.

use http::{HeaderMap, HeaderValue, header};

/// Whether cookies may travel over plain http: only where the installation itself is reached that way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// The public URL begins with https.
    Secure,
    /// It does not: the development server, or a network of one's own.
    Plain,
}

impl Transport {
    /// Of the public URL.
    pub(crate) fn of(public_url: &str) -> Self {
        if public_url.starts_with("https://") {
            Self::Secure
        } else {
            Self::Plain
        }
    }

    /// The name as it stands in headers: on https with the prefix that binds a cookie to this host.
    pub(crate) fn named(self, name: &str) -> String {
        match self {
            Self::Secure => format!("__Host-{name}"),
            Self::Plain => name.to_owned(),
        }
    }

    /// A cookie. `max_age_s`: `None` lives as long as the browser, `Some(0)` ends now.
    pub(crate) fn set(self, name: &str, value: &str, max_age_s: Option<u32>) -> HeaderValue {
        let secure = match self {
            Self::Secure => "; Secure",
            Self::Plain => "",
        };
        let age = max_age_s.map_or_else(String::new, |age| format!("; Max-Age={age}"));
        let text = format!(
            "{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}",
            self.named(name)
        );
        let value = HeaderValue::from_str(&text);
        let mut value = value.unwrap_or(HeaderValue::from_static("portcullis-none=; Max-Age=0"));
        value.set_sensitive(true);
        value
    }

    /// The value of a cookie; `None` when there is none or it stands twice.
    pub(crate) fn get<'a>(self, headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
        let name = self.named(name);
        let pairs = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) if !value.is_empty() => Some(value),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name_and_only_once() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "cookie",
            "a=1; portcullis=x; xportcullis=y".parse().unwrap(),
        );
        assert_eq!(Transport::Plain.get(&headers, "portcullis"), Some("x"));
        assert_eq!(Transport::Secure.get(&headers, "portcullis"), None);

        headers.append("cookie", "portcullis=z".parse().unwrap());
        assert_eq!(Transport::Plain.get(&headers, "portcullis"), None);
    }

    #[test]
    fn on_https_a_cookie_is_bound_to_the_host() {
        let set = Transport::Secure.set("portcullis", "v", None);
        assert_eq!(
            set,
            "__Host-portcullis=v; Path=/; HttpOnly; SameSite=Lax; Secure"
        );
        let end = Transport::Plain.set("portcullis", "", Some(0));
        assert_eq!(
            end,
            "portcullis=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
        );
    }
}
