//! What the linker has to know of the shared library.

fn main() {
    // Programs ask for this name at run time; it changes with the ABI.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libsctp_user.so.0");
    // The stack has threads, and a handler of `exit`: it cannot be unloaded.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}
