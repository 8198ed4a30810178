//! The example app and the sample provider, built on the SDK alone.
