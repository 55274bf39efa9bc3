//! The scenarios of `tests/scenarios`, each a test: what they show stands in the files.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use sctp_user::sim::lab::{Lab, Script};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

fn run(name: &str) {
    let path = folder().join(name).with_extension("scn");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let script: Script = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let report = Lab::new(script).run();
    assert!(report.failures.is_empty(), "{}\n{}", report.failures.join("\n"), report.timeline.join("\n"));
}

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

scenarios! {
    asymmetric_routes
    both_families
    damaged_lines
    dead_peer
    fast_failover
    flapping
    many_clients
    mtu_black_hole
    narrow_hop
    nat_address
    nat_address_fixed
    nat_address_idle
    nat_rebinding
    nat_timeout
    nat_without_ports
    path_failure_and_return
    restart
    route_change
    satellite
    simultaneous_open
}

#[test]
fn every_file_is_a_test() {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let stems: BTreeSet<_> =
        files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(stems, NAMES.iter().map(|name| (*name).to_owned()).collect());
}
