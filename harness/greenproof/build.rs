//! Links the program at fixed addresses.
//!
//! A position-independent static program relocates megabytes of tables at its start, which then stay resident in every
//! container that it runs in.

fn main() {
    for argument in ["-static", "-no-pie"] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
