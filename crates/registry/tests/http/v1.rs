//! The management API: modules are named like the segment after `/v1/`.

mod authentication;
