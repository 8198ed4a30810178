//! Role gateway: authorizes and forwards each call.
