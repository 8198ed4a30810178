//! Role auth: the OAuth 2.0 token server.
