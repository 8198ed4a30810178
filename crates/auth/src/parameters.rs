//! The parameters of a token request: from the query, a form body or a JSON object, decoded strictly and
//! merged. Real clients of the platform use each of these places, and some of them two at once.
//!
//! A parameter we know may stand once in each place, and two places must agree (RFC 6749 section 3.2 forbids
//! repetition); what we do not know is ignored. A parameter without a value counts as omitted.

use std::borrow::Cow;

use portcullis_core::secret::Secret;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use crate::error::TokenError;

/// More parameters than this in one place are a mistake or an attack.
const PARAMETERS_MAX: usize = 100;

/// The parameters we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    GrantType,
    Scope,
    ClientId,
    ClientSecret,
    ClientAssertion,
    ClientAssertionType,
}

const NAMES: usize = 6;

impl Name {
    const ALL: [Self; NAMES] = [
        Self::GrantType,
        Self::Scope,
        Self::ClientId,
        Self::ClientSecret,
        Self::ClientAssertion,
        Self::ClientAssertionType,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::GrantType => "grant_type",
            Self::Scope => "scope",
            Self::ClientId => "client_id",
            Self::ClientSecret => "client_secret",
            Self::ClientAssertion => "client_assertion",
            Self::ClientAssertionType => "client_assertion_type",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }
}

/// What one place of a request holds. No `Debug`: it may hold a secret.
#[derive(Default)]
pub(crate) struct Place<'a>([Option<Cow<'a, str>>; NAMES]);

impl<'a> Place<'a> {
    /// The parameters of `application/x-www-form-urlencoded` text: a query, or a body.
    pub(crate) fn from_form(text: &'a [u8]) -> Result<Self, TokenError> {
        let text = std::str::from_utf8(text).map_err(|_| TokenError::Encoding)?;
        let mut place = Self::default();
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        for (count, pair) in pairs.enumerate() {
            if count == PARAMETERS_MAX {
                return Err(TokenError::TooManyParameters);
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            place.add(&decode(name)?, decode(value)?)?;
        }
        Ok(place)
    }

    /// The members of a JSON object.
    pub(crate) fn from_json(text: &[u8]) -> Result<Self, TokenError> {
        let members: Members = serde_json::from_slice(text).map_err(|_| TokenError::NotAnObject)?;
        if members.0.len() > PARAMETERS_MAX {
            return Err(TokenError::TooManyParameters);
        }
        let mut place = Self::default();
        for (name, value) in members.0 {
            match (Name::parse(&name), value) {
                (_, Value::String(value)) => place.add(&name, value.into())?,
                (_, Value::Null) => place.add(&name, "".into())?,
                (Some(name), _) => return Err(TokenError::NotAString(name.as_str())),
                (None, _) => {}
            }
        }
        Ok(place)
    }

    /// Says whether this place, being the query, holds what must never stand in a URL.
    pub(crate) fn holds_secret(&self) -> bool {
        [Name::ClientSecret, Name::ClientAssertion]
            .into_iter()
            .any(|name| self.get(name).is_some_and(|value| !value.is_empty()))
    }

    fn get(&self, name: Name) -> Option<&Cow<'a, str>> {
        self.0.get(name as usize)?.as_ref()
    }

    fn add(&mut self, name: &str, value: Cow<'a, str>) -> Result<(), TokenError> {
        let Some(name) = Name::parse(name) else {
            return Ok(());
        };
        match self.0.get_mut(name as usize) {
            Some(Some(_)) => Err(TokenError::Repeated(name.as_str())),
            Some(place) => {
                *place = Some(value);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// The parameters of a request. `None` is absent or empty.
#[derive(Debug)]
pub(crate) struct Parameters {
    pub(crate) grant_type: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<Secret>,
    /// Whether the client tries to authenticate by an assertion (RFC 7521 section 4.2).
    pub(crate) has_client_assertion: bool,
}

impl Parameters {
    /// What both places say together.
    pub(crate) fn merge(mut query: Place<'_>, mut body: Place<'_>) -> Result<Self, TokenError> {
        let mut take = |name: Name| {
            let from = |place: &mut Place<'_>| {
                let value = place.0.get_mut(name as usize)?.take()?;
                (!value.is_empty()).then(|| value.into_owned())
            };
            match (from(&mut query), from(&mut body)) {
                (Some(one), Some(other)) if one != other => {
                    Err(TokenError::Conflicting(name.as_str()))
                }
                (one, other) => Ok(one.or(other)),
            }
        };
        Ok(Self {
            grant_type: take(Name::GrantType)?,
            scope: take(Name::Scope)?,
            client_id: take(Name::ClientId)?,
            client_secret: take(Name::ClientSecret)?.map(Secret::from_text),
            has_client_assertion: take(Name::ClientAssertion)?.is_some()
                | take(Name::ClientAssertionType)?.is_some(),
        })
    }
}

/// Undoes `application/x-www-form-urlencoded`: `+` is a blank, `%` and two hexadecimal digits a byte; the bytes
/// are UTF-8. Anything else is an error, never a guess.
pub(crate) fn decode(text: &str) -> Result<Cow<'_, str>, TokenError> {
    if !text.bytes().any(|b| matches!(b, b'%' | b'+')) {
        return Ok(text.into());
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = (hex(bytes.next()), hex(bytes.next()));
                let (Some(high), Some(low)) = digits else {
                    return Err(TokenError::Encoding);
                };
                high << 4 | low
            }
            other => other,
        });
    }
    String::from_utf8(decoded)
        .map(Cow::Owned)
        .map_err(|_| TokenError::Encoding)
}

fn hex(digit: Option<u8>) -> Option<u8> {
    char::from(digit?)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// The members of a JSON object in their order; a map would keep only the last of two.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(query: &str, body: &str) -> Result<Parameters, TokenError> {
        Parameters::merge(
            Place::from_form(query.as_bytes())?,
            Place::from_form(body.as_bytes())?,
        )
    }

    fn scope(query: &str, body: &str) -> Option<String> {
        merged(query, body).unwrap().scope
    }

    #[test]
    fn a_parameter_may_stand_in_either_place_or_agree_in_both() {
        assert_eq!(scope("scope=a", "").as_deref(), Some("a"));
        assert_eq!(scope("", "scope=a").as_deref(), Some("a"));
        assert_eq!(scope("scope=a", "scope=%61").as_deref(), Some("a"));
        assert_eq!(scope("scope=", "scope=a").as_deref(), Some("a"));
        assert!(matches!(
            merged("scope=a", "scope=b"),
            Err(TokenError::Conflicting("scope"))
        ));
    }

    #[test]
    fn a_parameter_twice_in_one_place_is_refused_even_if_equal() {
        for form in ["scope=a&scope=a", "scope=a&sc%6Fpe=b", "scope&scope=a"] {
            assert!(
                matches!(merged(form, ""), Err(TokenError::Repeated("scope"))),
                "{form}"
            );
            assert!(merged("", form).is_err(), "{form}");
        }
        let twice = Place::from_json(br#"{"scope":"a","scope":"a"}"#);
        assert!(matches!(twice, Err(TokenError::Repeated("scope"))));
    }

    #[test]
    fn decoding_is_strict() {
        assert_eq!(decode("a+b%2Bc%C3%A9").unwrap(), "a b+cé");
        for bad in ["%", "%4", "%zz", "%+1", "%-1", "%c0%af", "%ff", "a%"] {
            assert!(matches!(decode(bad), Err(TokenError::Encoding)), "{bad}");
        }
        assert!(matches!(
            Place::from_form(b"scope=\xff"),
            Err(TokenError::Encoding)
        ));
    }

    #[test]
    fn what_we_do_not_know_is_ignored_up_to_a_hundred() {
        let many = |n: usize| "x=1&".repeat(n);

        assert!(merged(&many(100), &many(100)).is_ok());
        assert!(matches!(
            merged(&many(101), ""),
            Err(TokenError::TooManyParameters)
        ));
        assert!(merged("", "sub=other&iss=evil&redirect_uri=x&Scope=b&&&").is_ok());
    }

    #[test]
    fn a_json_object_has_text_members() {
        let place = Place::from_json(br#"{"scope":"a","x":{"y":[1]},"client_id":null}"#).unwrap();
        let parameters = Parameters::merge(Place::default(), place).unwrap();

        assert_eq!(parameters.scope.as_deref(), Some("a"));
        assert_eq!(parameters.client_id, None);
        assert!(matches!(
            Place::from_json(br#"{"scope":["a"]}"#),
            Err(TokenError::NotAString("scope"))
        ));
        for bad in ["", "[]", "\"scope\"", "{}{}", "{\"scope\":}", "\u{feff}{}"] {
            assert!(
                matches!(
                    Place::from_json(bad.as_bytes()),
                    Err(TokenError::NotAnObject)
                ),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_secret_in_the_query_is_seen_however_it_is_spelled() {
        for query in [
            "client_secret=x",
            "client%5fsecret=x",
            "client_assertion=x",
            "a=b&client_secret=x",
        ] {
            let place = Place::from_form(query.as_bytes()).unwrap();
            assert!(place.holds_secret(), "{query}");
        }
        assert!(!Place::from_form(b"client_secret=").unwrap().holds_secret());
    }

    #[test]
    fn parameters_do_not_print_a_secret() {
        let parameters = merged("", "client_secret=hunter2hunter2").unwrap();

        assert!(!format!("{parameters:?}").contains("hunter2"));
    }
}
