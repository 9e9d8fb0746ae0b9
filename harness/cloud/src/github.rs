//! The `github` role.
