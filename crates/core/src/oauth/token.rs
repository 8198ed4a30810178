//! The successful answer of the token endpoint (RFC 6749 section 5.1).

use serde::Serialize;

/// The members in the order in which clients of the platform have always seen them.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct TokenResponse<'a> {
    token_type: TokenType,
    expires_in: u64,
    access_token: &'a str,
    scope: &'a str,
}

/// How the token is to be presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum TokenType {
    /// RFC 6750. Some clients compare the word exactly, so its capital stays.
    Bearer,
}

impl<'a> TokenResponse<'a> {
    /// A bearer token. `expires_in_seconds` counts from the answer on; `scope` is what was granted.
    #[must_use]
    pub const fn bearer(access_token: &'a str, expires_in_seconds: u64, scope: &'a str) -> Self {
        Self {
            token_type: TokenType::Bearer,
            expires_in: expires_in_seconds,
            access_token,
            scope,
        }
    }

    /// The JSON document.
    ///
    /// # Errors
    /// Never in practice: texts and numbers always serialise.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = Vec::with_capacity(self.access_token.len() + self.scope.len() + 96);
        serde_json::to_writer(&mut json, self)?;
        Ok(json)
    }
}

impl std::fmt::Debug for TokenResponse<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "TokenResponse([redacted], {} s, {})",
            self.expires_in, self.scope
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_members_stand_in_the_order_clients_know() {
        let response = TokenResponse::bearer("a.b.c", 3600, "anonymous");

        let json = response.to_json().unwrap();

        assert_eq!(
            String::from_utf8(json).unwrap(),
            r#"{"token_type":"Bearer","expires_in":3600,"access_token":"a.b.c","scope":"anonymous"}"#
        );
    }

    #[test]
    fn a_response_does_not_print_its_token() {
        let response = TokenResponse::bearer("a.b.c", 3600, "anonymous");

        assert!(!format!("{response:?}").contains("a.b.c"));
    }
}
