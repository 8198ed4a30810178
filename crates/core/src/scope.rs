//! Scopes (RFC 6749 section 3.3), and the rule of the client credentials grant.

/// The one scope this grant gives.
pub const ANONYMOUS: &str = "anonymous";

/// Longest `scope` parameter we look at, in bytes.
pub const SCOPE_BYTES_MAX: usize = 1024;

/// Why a requested scope was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// The parameter is absent or holds no word.
    #[error("the parameter scope is missing; send scope=anonymous")]
    Missing,
    /// A character outside RFC 6749 section 3.3, or too long.
    #[error(
        "the parameter scope is not a list of words separated by single spaces; send scope=anonymous"
    )]
    Malformed,
    /// A word this client was not granted.
    #[error("the scope holds a word that this client was not granted; send scope=anonymous")]
    NotGranted,
}

/// Narrows a requested scope to what the client credentials grant gives, which is always `anonymous`.
///
/// `roles` and `openid` are asked for by old clients and mean nothing here, so they are let through and the
/// answer says `anonymous`.
///
/// # Errors
/// [`ScopeError`] when the scope is missing, malformed, or names anything else.
pub fn narrow(requested: Option<&str>) -> Result<&'static str, ScopeError> {
    let requested = requested.ok_or(ScopeError::Missing)?;
    if requested.is_empty() {
        return Err(ScopeError::Missing);
    }
    if requested.len() > SCOPE_BYTES_MAX || !requested.bytes().all(is_scope_byte) {
        return Err(ScopeError::Malformed);
    }
    let mut words = requested
        .split(' ')
        .filter(|word| !word.is_empty())
        .peekable();
    if words.peek().is_none() {
        return Err(ScopeError::Missing);
    }
    if words.all(|word| matches!(word, ANONYMOUS | "roles" | "openid")) {
        Ok(ANONYMOUS)
    } else {
        Err(ScopeError::NotGranted)
    }
}

/// NQCHAR of RFC 6749 section 3.3, or the separator.
const fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_old_clients_give_anonymous() {
        for scope in [
            "anonymous",
            "roles",
            "openid",
            "anonymous roles",
            "openid anonymous roles",
        ] {
            assert_eq!(narrow(Some(scope)), Ok(ANONYMOUS), "{scope}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for scope in ["admin", "anonymous admin", "ANONYMOUS", "offline_access"] {
            assert_eq!(narrow(Some(scope)), Err(ScopeError::NotGranted), "{scope}");
        }
        for scope in ["an\"on", "a\\b", "a\nb", "é", &"x".repeat(1025)] {
            assert_eq!(narrow(Some(scope)), Err(ScopeError::Malformed), "{scope}");
        }
        for scope in [None, Some(""), Some("  ")] {
            assert_eq!(narrow(scope), Err(ScopeError::Missing));
        }
    }
}
