//! The sample file beside the options.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use clap::{Arg, ArgMatches, CommandFactory, Parser};

use super::*;
use crate::config_file;

const SAMPLE: &str = include_str!("../../../rspregistrar/rspregistrar.toml");

/// The keys that are commented out, with their values.
fn settings() -> BTreeMap<&'static str, &'static str> {
    let lines = SAMPLE.lines().filter_map(|line| line.strip_prefix("# ")?.split_once(" = "));
    lines.filter(|(key, _)| !key.contains([' ', ':', '*'])).collect()
}

/// What holds with this file.
fn read(text: &str) -> ArgMatches {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let arguments: [OsString; 3] = ["rspregistrar".into(), "--config".into(), file.path().into()];
    config_file::read(&Cli::command(), &arguments).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn values(matches: &ArgMatches, arg: &Arg) -> Vec<OsString> {
    let values = matches.get_raw(arg.get_id().as_str());
    values.map(|values| values.map(ToOwned::to_owned).collect()).unwrap_or_default()
}

#[test]
fn the_sample_has_every_option_with_its_default_or_a_good_example_and_changes_nothing() {
    let (command, mut settings) = (Cli::command(), settings());
    let others = ["help", "version", "config", "check-config"];
    let options = command.get_arguments().filter_map(|arg| Some((arg.get_long()?, arg)));
    for (name, arg) in options.filter(|(name, _)| !others.contains(name)) {
        let value = settings.remove(name).unwrap_or_else(|| panic!("{name} is missing"));
        let matches = read(&format!("{name} = {value}"));
        if !arg.get_default_values().is_empty() {
            assert_eq!(values(&matches, arg), arg.get_default_values(), "{name}");
        }
    }
    assert!(settings.is_empty(), "no options: {settings:?}");
    let (before, after) = (Cli::command().get_matches_from(["rspregistrar"]), read(SAMPLE));
    assert!(config_file::differences(&command, &before, &after).is_empty());
}

#[test]
fn what_the_sample_says_of_reloads_is_so() {
    let command = Cli::command();
    let is_option = |name: &str| command.get_arguments().any(|arg| arg.get_long() == Some(name));
    let unknown: Vec<_> = CHANGEABLE.iter().filter(|name| !is_option(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn an_identifier_that_is_not_given_is_drawn_and_never_zero() {
    // RFC 5353, 2.1 and 3.2.1.
    let cli = Cli::try_parse_from(["rspregistrar"]).unwrap();
    let drawn: BTreeSet<_> = (0..100).map(|_| cli.id()).collect();
    assert!(drawn.len() > 90 && !drawn.contains(&RegistrarId::NONE), "{drawn:?}");
}
