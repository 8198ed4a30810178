//! Role registry's pages.
