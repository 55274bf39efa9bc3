//! Numbers of which RSPLIB's programs take the lowest one that makes sense when they are told a lower one.

use std::ffi::OsStr;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::error::Error;
use clap::{Arg, Command};

use crate::program;

/// Values of an option: within the range, or raised to its beginning with a warning.
#[derive(Clone, Copy, Debug)]
pub struct AtLeast<T> {
    lowest: T,
    highest: T,
}

/// Takes numbers within a range, and the lowest one of it for those below.
pub fn at_least<T>(range: RangeInclusive<T>) -> AtLeast<T> {
    let (lowest, highest) = range.into_inner();
    AtLeast { lowest, highest }
}

impl<T: Number> TypedValueParser for AtLeast<T> {
    type Value = T;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<T, Error> {
        let Self { lowest, highest } = *self;
        let number = move |text: &str| match text.parse() {
            Ok(number) if number <= highest => Ok(number),
            _ => Err(format!("a number from {lowest} to {highest} is needed")),
        };
        let number = number.parse_ref(command, arg, value)?;
        if number >= lowest {
            return Ok(number);
        }
        let name = arg.and_then(Arg::get_long).unwrap_or_default();
        program::warn(format_args!("--{name}={number} is too little: {lowest} is taken"));
        Ok(lowest)
    }
}

/// What an option may count in.
pub trait Number: FromStr + PartialOrd + Display + Copy + Send + Sync + 'static {}

impl<T: FromStr + PartialOrd + Display + Copy + Send + Sync + 'static> Number for T {}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    fn taken(value: &str) -> Result<u64, ErrorKind> {
        let option = Arg::new("time").long("time").value_parser(at_least(100..=3_600_000_u64));
        let command = Command::new("program").arg(option);
        let matches = command.try_get_matches_from(["program", &format!("--time={value}")]);
        matches.map(|matches| *matches.get_one("time").expect("it is given")).map_err(|error| error.kind())
    }

    #[test]
    fn what_is_below_is_raised_and_what_is_above_or_no_number_is_refused() {
        assert_eq!(
            [taken("0"), taken("99"), taken("100"), taken("101")],
            [Ok(100), Ok(100), Ok(100), Ok(101)]
        );
        for wrong in ["3600001", "-1", "1.5", "x", ""] {
            assert_eq!(taken(wrong), Err(ErrorKind::ValueValidation), "{wrong}");
        }
    }
}
