//! RSPLIB's programs, as commands.

use crate::{is_installed_or_skip, is_root_or_skip};

/// Whether RSPLIB's programs can be run; says SKIPPED if not.
pub fn has_rsplib_or_skip() -> bool {
    let programs =
        [("rspregistrar", "rsplib-registrar"), ("hsdump", "rsplib-tools"), ("rspserver", "rsplib-services")];
    is_root_or_skip() && programs.iter().all(|(program, package)| is_installed_or_skip(program, package))
}

/// A registrar at an address, with a peer, and perhaps with more options.
pub fn registrar_command(address: &str, peer: &str, more: &[&str]) -> Vec<String> {
    let mut program: Vec<_> = ["rspregistrar", "-loglevel=5", "-logcolor=off"].map(str::to_owned).into();
    program.extend([
        format!("-asap={address}:3863"),
        format!("-enrp={address}:9901"),
        format!("-peer={peer}:9901"),
    ]);
    program.extend(more.iter().map(|option| (*option).to_owned()));
    program
}

/// A pool element with a service and an identifier; it takes one of the registrars, whichever answers first.
pub fn server_command(service: &str, identifier: &str, registrars: &[&str]) -> Vec<String> {
    let mut program: Vec<_> =
        ["rspserver", service, "-loglevel=4", "-logcolor=off"].map(str::to_owned).into();
    program.push(format!("-identifier={identifier}"));
    program.extend(registrars.iter().map(|at| format!("-registrar={at}:3863")));
    program
}

/// A terminal whose other end is a pool, by what a registrar says.
pub fn terminal_command(registrar: &str, pool: &str) -> [String; 3] {
    ["rspterminal".to_owned(), format!("-registrar={registrar}:3863"), format!("-poolhandle={pool}")]
}
