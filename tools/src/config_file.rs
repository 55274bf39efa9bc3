//! A file with a program's options, in TOML: its keys are the options' long names. What the command line says goes before.
//!
//! Options that may be repeated take a list; switches take `true` or `false`.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use toml::de::{DeTable, DeValue};

/// The option that names the file.
pub const OPTION: &str = "config";
/// The option that has it checked.
pub const CHECK_OPTION: &str = "check_config";

/// Bytes of a file at most: who names another one by mistake, such as a device, does not wait for its end.
const LONGEST: u64 = 1 << 20;

/// What is wrong with what a program is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigFileError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file says what cannot be.
    #[error("{}, line {line}: {what}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Where, from 1 on.
        line: usize,
        /// What.
        what: String,
    },
    /// What the file says does not go together, or not with the command line.
    #[error("{}: {what}", file.display())]
    Together {
        /// Which.
        file: PathBuf,
        /// What.
        what: String,
    },
    /// The command line itself is wrong, or asks for help.
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
}

/// Reads a command line, and the file that its option `--config` names.
///
/// # Errors
/// [`ConfigFileError`].
pub fn read(command: &Command, arguments: &[OsString]) -> Result<ArgMatches, ConfigFileError> {
    let said = command.clone().try_get_matches_from(arguments)?;
    let Some(file) = said.get_one::<PathBuf>(OPTION) else { return Ok(said) };
    let settings = Settings::read(command, file)?;
    let (name, rest) = arguments.split_first().map_or((None, arguments), |(name, rest)| (Some(name), rest));
    let of_file = settings.arguments_beside(command, &said);
    let all = name.into_iter().cloned().chain(of_file).chain(rest.iter().cloned());
    let together =
        |error: clap::Error| ConfigFileError::Together { file: file.clone(), what: message(&error) };
    command.clone().try_get_matches_from(all).map_err(together)
}

/// Names of the options whose values differ, as they are written in the file.
pub fn differences(command: &Command, one: &ArgMatches, other: &ArgMatches) -> Vec<String> {
    let values = |matches: &ArgMatches, arg: &Arg| -> Vec<OsString> {
        let id = arg.get_id().as_str();
        matches.get_raw(id).map(|values| values.map(ToOwned::to_owned).collect()).unwrap_or_default()
    };
    let settable = command.get_arguments().filter(|arg| may_be_in_file(arg));
    let differing = settable.filter(|arg| values(one, arg) != values(other, arg));
    differing.filter_map(Arg::get_long).map(str::to_owned).collect()
}

/// What holds when only some options change, by their long names: these are as in `after`, all others as in `before`.
///
/// # Errors
/// If they do not go together.
pub fn take_over(
    command: &Command,
    before: &ArgMatches,
    after: &ArgMatches,
    may_change: impl Fn(&str) -> bool,
) -> Result<ArgMatches, String> {
    let options = command.get_arguments().filter_map(|arg| Some((arg.get_long()?, arg)));
    let written =
        options.flat_map(|(name, arg)| written(if may_change(name) { after } else { before }, name, arg));
    let all = std::iter::once(command.get_name().into()).chain(written);
    command.clone().try_get_matches_from(all).map_err(|error| message(&error))
}

/// An option's values as arguments; none if nobody has said it.
fn written(matches: &ArgMatches, name: &str, arg: &Arg) -> Vec<OsString> {
    let id = arg.get_id().as_str();
    if matches.value_source(id) != Some(ValueSource::CommandLine) {
        return Vec::new();
    }
    let with = |value: &OsStr| {
        let mut argument = OsString::from(format!("--{name}="));
        argument.push(value);
        argument
    };
    match arg.get_action() {
        ArgAction::SetTrue => vec![format!("--{name}").into()],
        ArgAction::Count => vec![format!("--{name}").into(); matches.get_count(id).into()],
        _ => matches.get_raw(id).into_iter().flatten().map(with).collect(),
    }
}

/// Whether a file can be read more than once, and without waiting for who writes it: not a pipe.
///
/// # Errors
/// If it cannot.
pub fn check_readable_again(file: &Path) -> Result<(), ConfigFileError> {
    let is_one = std::fs::metadata(file).and_then(|metadata| match metadata.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("it is no file, and so may be read at the start only")),
    });
    is_one.map_err(|source| ConfigFileError::Read { file: file.to_owned(), source })
}

/// What a file says: options, and the arguments that they are.
struct Settings<'a> {
    settings: Vec<(&'a Arg, Vec<OsString>)>,
}

impl<'a> Settings<'a> {
    fn read(command: &'a Command, file: &Path) -> Result<Self, ConfigFileError> {
        let text =
            read_text(file).map_err(|source| ConfigFileError::Read { file: file.to_owned(), source })?;
        let wrong = |place: usize, what: String| {
            let before = text.get(..place).unwrap_or_default();
            ConfigFileError::File { file: file.to_owned(), line: before.matches('\n').count() + 1, what }
        };
        let table = DeTable::parse(&text).map_err(|error| {
            let place = error.span().map_or(0, |span| span.start);
            wrong(place, error.message().to_owned())
        })?;
        let mut entries: Vec<_> = table.get_ref().iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut settings = Vec::new();
        for (key, value) in entries {
            let arg = option(command, key.get_ref()).map_err(|what| wrong(key.span().start, what))?;
            let arguments = arguments(command, arg, value.get_ref());
            settings.push((arg, arguments.map_err(|what| wrong(value.span().start, what))?));
        }
        Ok(Self { settings })
    }

    /// The file's arguments, but for those that the command line says otherwise.
    fn arguments_beside(&self, command: &Command, said: &ArgMatches) -> Vec<OsString> {
        let is_said = |arg: &Arg| said.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
        let is_overruled =
            |arg: &Arg| is_said(arg) || command.get_arg_conflicts_with(arg).into_iter().any(is_said);
        let kept = self.settings.iter().filter(|(arg, _)| !is_overruled(arg));
        kept.flat_map(|(_, arguments)| arguments.iter().cloned()).collect()
    }
}

fn read_text(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    match File::open(file)?.take(LONGEST + 1).read_to_string(&mut text)? as u64 {
        0..=LONGEST => Ok(text),
        _ => Err(io::Error::other("it is longer than a configuration is, 1 MiB: is it one?")),
    }
}

/// What is about the file itself is for the command line only.
fn may_be_in_file(arg: &Arg) -> bool {
    ![OPTION, CHECK_OPTION].contains(&arg.get_id().as_str())
}

/// The option of this name.
fn option<'a>(command: &'a Command, key: &str) -> Result<&'a Arg, String> {
    let found = command.get_arguments().find(|arg| arg.get_long() == Some(key) && may_be_in_file(arg));
    found.ok_or_else(|| {
        format!("unknown key `{key}`: keys are the names of options, without dashes before them")
    })
}

/// A key's value, as arguments.
fn arguments(command: &Command, arg: &Arg, value: &DeValue<'_>) -> Result<Vec<OsString>, String> {
    let name = arg.get_long().unwrap_or_default();
    let is_optional = arg.get_num_args().is_some_and(|range| range.min_values() == 0);
    let written = match (arg.get_action(), value) {
        (ArgAction::SetTrue, DeValue::Boolean(switch)) => vec![format!("--{name}"); usize::from(*switch)],
        (ArgAction::SetTrue, _) => return Err(format!("`{name}` is true or false")),
        (ArgAction::Count, _) => vec![format!("--{name}"); count(value)?],
        (ArgAction::Append, DeValue::Array(items)) => {
            let items: Result<Vec<_>, _> = items.iter().map(|item| scalar(item.get_ref())).collect();
            items?.into_iter().map(|item| format!("--{name}={item}")).collect()
        }
        (_, DeValue::Boolean(switch)) if is_optional => vec![format!("--{name}"); usize::from(*switch)],
        (_, DeValue::Array(items)) => {
            let items: Result<Vec<_>, _> = items.iter().map(|item| scalar(item.get_ref())).collect();
            vec![format!("--{name}={}", items?.join(","))]
        }
        (_, value) => vec![format!("--{name}={}", scalar(value)?)],
    };
    let written: Vec<OsString> = written.into_iter().map(OsString::from).collect();
    check(command, &written)?;
    Ok(written)
}

/// Whether an option takes these values. Whether it goes together with others is seen later.
fn check(command: &Command, arguments: &[OsString]) -> Result<(), String> {
    let name = OsString::from(command.get_name());
    match command.clone().try_get_matches_from(std::iter::once(&name).chain(arguments)) {
        Err(error)
            if !matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict) =>
        {
            Err(message(&error))
        }
        _ => Ok(()),
    }
}

fn count(value: &DeValue<'_>) -> Result<usize, String> {
    match scalar(value)?.parse() {
        Ok(count @ 0..=255) => Ok(count),
        _ => Err("a number from 0 to 255 is needed".into()),
    }
}

fn scalar(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.clone().into_owned()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            parsed.map(|number| number.to_string()).map_err(|error| error.to_string())
        }
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        DeValue::Boolean(switch) => Ok(switch.to_string()),
        other => Err(format!("a text or a number is needed, not this {}", other.type_str())),
    }
}

/// The first paragraph of what clap says: the rest is for command lines.
fn message(error: &clap::Error) -> String {
    let text = error.to_string();
    let lines: Vec<_> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let line = lines.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

#[cfg(test)]
mod tests;
