//! The `aws` role.
