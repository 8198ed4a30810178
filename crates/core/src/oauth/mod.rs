//! Wire words of OAuth 2.0: one file per endpoint or IANA registry.
