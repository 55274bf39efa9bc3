//! A registrar: knows which elements are in which pool.

use std::process::ExitCode;

fn main() -> ExitCode {
    sctp_tools::registrar::main()
}
