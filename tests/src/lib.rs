//! What the end-to-end tests need.
