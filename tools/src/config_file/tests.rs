//! Files that are good, and that are not; and command lines beside them.

use std::io::Write;

use clap::{Args, CommandFactory, FromArgMatches, Parser};

use super::*;

#[derive(Parser, Debug, PartialEq)]
#[command(name = "program")]
struct Cli {
    #[arg(long)]
    config: Option<PathBuf>,
    #[arg(long)]
    check_config: bool,
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: Option<u32>,
    #[arg(long)]
    name: Vec<String>,
    #[arg(long, value_delimiter = ',')]
    many: Vec<u8>,
    #[arg(long)]
    quiet: bool,
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "9899", conflicts_with = "raw")]
    udp: Option<u16>,
    #[arg(long)]
    raw: bool,
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
    #[command(flatten)]
    together: Together,
}

#[derive(Args, Debug, PartialEq)]
struct Together {
    #[arg(long, requires = "downtime")]
    uptime: Option<f64>,
    #[arg(long)]
    downtime: Option<f64>,
}

fn command() -> Command {
    Cli::command().args_override_self(true)
}

/// What holds with this file, and these arguments.
fn matches(text: &str, more: &[&str]) -> Result<ArgMatches, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let mut arguments: Vec<OsString> = vec!["program".into(), "--config".into(), file.path().into()];
    arguments.extend(more.iter().map(OsString::from));
    let name = file.path().display().to_string();
    read(&command(), &arguments).map_err(|error| error.to_string().replace(&name, "FILE"))
}

fn parse(text: &str, more: &[&str]) -> Result<Cli, String> {
    let read = matches(text, more)?;
    Cli::from_arg_matches(&read).map_err(|error| error.to_string())
}

#[test]
fn every_kind_of_option_has_its_kind_of_value() {
    let cli = parse(
        "limit = 0x11\nname = [\"a\", \"b,c\"]\nmany = [1, 2]\nquiet = true\nudp = 1_234\nverbose = 2\nuptime = 1.5\ndowntime = 1",
        &[],
    );
    let cli = cli.unwrap();
    assert_eq!((cli.limit, cli.quiet, cli.udp, cli.verbose), (Some(17), true, Some(1234), 2));
    assert_eq!((cli.name, cli.many), (vec!["a".to_owned(), "b,c".to_owned()], vec![1, 2]));
    assert_eq!((cli.together.uptime, cli.together.downtime), (Some(1.5), Some(1.0)));
    assert_eq!(parse("udp = true", &[]).unwrap().udp, Some(9899));
    let off = parse("udp = false\nquiet = false\nverbose = 0", &[]).unwrap();
    assert_eq!((off.udp, off.quiet, off.verbose), (None, false, 0));
}

#[test]
fn the_command_line_goes_before_the_file() {
    let file = "limit = 5\nname = [\"a\", \"b\"]\nudp = 1234\nquiet = true\n";
    let cli = parse(file, &["--limit=6", "--name=c", "--raw"]).unwrap();
    assert_eq!((cli.limit, cli.quiet), (Some(6), true));
    assert_eq!(cli.name, ["c"], "a list of the command line is all of it");
    assert_eq!((cli.udp, cli.raw), (None, true), "what excludes each other does, too");
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (text, expected) in [
        ("limit = 5\nlimt = 5\n", "FILE, line 2: unknown key `limt`"),
        ("\n\nlimit = 101\n", "FILE, line 3: invalid value '101' for '--limit"),
        ("limit = \"x\"\n", "FILE, line 1: invalid value 'x'"),
        ("quiet = 1\n", "FILE, line 1: `quiet` is true or false"),
        ("name = [\n \"a\",\n [] ]\n", "FILE, line 1: a text or a number is needed, not this array"),
        ("[limits]\nlimit = 5\n", "FILE, line 1: unknown key `limits`"),
        ("limit = { a = 5 }\n", "FILE, line 1: a text or a number is needed, not this table"),
        ("limit = 5\nlimit = 6\n", "FILE, line 2: duplicate key"),
        ("limit =\n", "FILE, line 1: "),
        ("config = \"other.toml\"\n", "FILE, line 1: unknown key `config`"),
        ("verbose = 256\n", "FILE, line 1: a number from 0 to 255"),
        ("limit = 99999999999999999999\n", "FILE, line 1: "),
    ] {
        let error = parse(text, &[]).unwrap_err();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn what_does_not_go_together_is_named() {
    let error = parse("uptime = 1\n", &[]).unwrap_err();
    assert_eq!(error, "FILE: the following required arguments were not provided: --downtime <DOWNTIME>");
    let error = parse("udp = true\nraw = true\n", &[]).unwrap_err();
    assert!(error.starts_with("FILE: ") && error.contains("cannot be used with"), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_named_and_a_wrong_command_line_is_its_own_error() {
    let arguments = ["program", "--config=/nonexistent/x.toml"].map(OsString::from);
    let error = read(&command(), &arguments).unwrap_err().to_string();
    assert!(error.starts_with("cannot read /nonexistent/x.toml: "), "{error}");
    let arguments = ["program", "--config=/dev/zero"].map(OsString::from);
    let error = read(&command(), &arguments).unwrap_err().to_string();
    assert!(error.starts_with("cannot read /dev/zero: it is longer than a configuration"), "{error}");
    let wrong = read(&command(), &["program", "--nonsense"].map(OsString::from)).unwrap_err();
    assert!(matches!(wrong, ConfigFileError::CommandLine(_)));
}

#[test]
fn differences_are_those_of_values_wherever_they_are_from() {
    let before = matches("limit = 5\nname = [\"a\"]\nudp = 9899\n", &[]).unwrap();
    let after = matches("limit = 6\nname = [\"a\"]\nquiet = true\nudp = true\n", &[]).unwrap();
    assert_eq!(differences(&command(), &before, &after), ["limit", "quiet"]);
}
