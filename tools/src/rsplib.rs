//! The spelling of RSPLIB's options, for programs that take the place of RSPLIB's.

use std::ffi::OsString;

use crate::location;

/// Options of RSPLIB that a program knows but has no use for yet: without dashes, without value.
pub type Ignored<'a> = &'a [&'a str];

/// What RSPLIB's programs take to the nearest number that they can use: options without dashes, each with the least and the greatest.
pub type Clamped<'a> = &'a [(&'a str, i64, i64)];

/// In RSPLIB's spelling numbers that are out of range are taken to the nearest end, as RSPLIB's programs do: who swaps them has scripts
/// that say so. In words, beside, what was changed. In GNU's spelling they are left to be refused.
pub fn clamp(arguments: Vec<OsString>, ranges: Clamped<'_>) -> (Vec<OsString>, Vec<String>) {
    let (mut changes, mut options_are_over) = (Vec::new(), false);
    let nearest = |argument: OsString| {
        options_are_over |= argument == "--";
        let Some((name, said, taken)) = out_of_range(&argument, ranges).filter(|_| !options_are_over) else {
            return argument;
        };
        changes.push(format!("-{name}={said} is taken as {taken}"));
        format!("-{name}={taken}").into()
    };
    let arguments = arguments.into_iter().map(nearest).collect();
    (arguments, changes)
}

/// An option's name, what it says, and the nearest number that it may say.
fn out_of_range<'a>(argument: &OsString, ranges: Clamped<'a>) -> Option<(&'a str, i64, i64)> {
    let (name, value) = argument.to_str()?.strip_prefix('-')?.split_once('=')?;
    let &(name, least, greatest) = ranges.iter().find(|(option, ..)| *option == name)?;
    let said: i64 = value.parse().ok()?;
    let taken = said.clamp(least, greatest);
    (taken != said).then_some((name, said, taken))
}

/// Command line arguments in GNU's form: `-poolhandle=X` becomes `--poolhandle=X`. Options in `ignored` are taken out,
/// and returned beside.
pub fn arguments(
    arguments: impl IntoIterator<Item = OsString>,
    ignored: Ignored<'_>,
) -> (Vec<OsString>, Vec<String>) {
    let mut kept = Vec::new();
    let mut taken = Vec::new();
    let mut options_are_over = false;
    for argument in arguments {
        let Some(name) = option_name(&argument).filter(|_| !options_are_over) else {
            options_are_over |= argument == "--";
            kept.push(argument);
            continue;
        };
        if ignored.contains(&name) {
            taken.push(name.to_owned());
        } else if argument.as_encoded_bytes().starts_with(b"--") {
            kept.push(argument);
        } else {
            let mut doubled = OsString::from("-");
            doubled.push(argument);
            kept.push(doubled);
        }
    }
    (kept, taken)
}

/// In RSPLIB's spelling these shares are whole numbers, parts of 2^32-1: the same as fractions. Others are left as they are.
pub fn shares(arguments: Vec<OsString>, names: &[&str]) -> Vec<OsString> {
    let share = |argument: OsString| as_fraction(&argument, names).map_or(argument, Into::into);
    arguments.into_iter().map(share).collect()
}

fn as_fraction(argument: &OsString, names: &[&str]) -> Option<String> {
    let (name, value) = argument.to_str()?.strip_prefix('-')?.split_once('=')?;
    let parts: u64 = value.parse().ok()?;
    names.contains(&name).then(|| format!("-{name}={}/{}", parts.min(u32::MAX.into()), u32::MAX))
}

/// RSPLIB's servers take addresses with a port, `-local=A:P,A`: our options have one for the addresses and one for the port.
/// Addresses of which one has another port are left to be complained of.
pub fn split_local(arguments: Vec<OsString>) -> Vec<OsString> {
    arguments
        .into_iter()
        .flat_map(|argument| addresses_and_port(&argument).unwrap_or_else(|| vec![argument]))
        .collect()
}

fn addresses_and_port(argument: &OsString) -> Option<Vec<OsString>> {
    let (name, value) = argument.to_str()?.split_once('=')?;
    if name.trim_start_matches('-') != "local" {
        return None;
    }
    let (addresses, port) = location::with_common_port(value).ok()?;
    let local = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    Some(vec![format!("--local={local}").into(), format!("--port={}", port?).into()])
}

/// The name in `--name=value` or `-name=value`; single letters are GNU's short options. The value, such as a file's name, may be
/// any bytes.
fn option_name(argument: &OsString) -> Option<&str> {
    let bytes = argument.as_encoded_bytes();
    let bytes = bytes.strip_prefix(b"--").or_else(|| bytes.strip_prefix(b"-"))?;
    let name = str::from_utf8(bytes.split(|byte| *byte == b'=').next()?).ok()?;
    (name.len() > 1 && name.starts_with(|first: char| first.is_ascii_alphabetic())).then_some(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn convert(text: &str, ignored: Ignored<'_>) -> (String, String) {
        let (kept, taken) = arguments(text.split(' ').map(OsString::from), ignored);
        let kept: Vec<_> = kept.iter().map(|argument| argument.to_string_lossy()).collect();
        (kept.join(" "), taken.join(" "))
    }

    #[test]
    fn both_spellings_become_one() {
        let (kept, _) = convert("rspserver -echo -poolhandle=A --policy=Random -v -h --json", &[]);
        assert_eq!(kept, "rspserver --echo --poolhandle=A --policy=Random -v -h --json");
    }

    #[test]
    fn values_and_what_follows_a_double_dash_are_left_alone() {
        let (kept, _) = convert("ping -2 - --interval -5 -- -poolhandle=A", &[]);
        assert_eq!(kept, "ping -2 - --interval -5 -- -poolhandle=A");
    }

    #[test]
    fn values_may_be_any_bytes() {
        let value = OsString::from_vec(b"-logfile=\xff".into());
        assert_eq!(arguments([value], &[]).0, [OsString::from_vec(b"--logfile=\xff".into())]);
    }

    #[test]
    fn what_has_no_use_yet_is_taken_out_and_told() {
        let (kept, taken) = convert("rspregistrar -enrp=auto --peer=1.2.3.4 -quiet", &["enrp", "peer"]);
        assert_eq!((kept.as_str(), taken.as_str()), ("rspregistrar --quiet", "enrp peer"));
    }

    #[test]
    fn numbers_out_of_range_are_taken_to_the_nearest_in_rsplib_s_spelling() {
        let ranges = [("items", 1, 128)];
        let clamped = |text: &str| {
            let (arguments, changes) = clamp(text.split(' ').map(OsString::from).collect(), &ranges);
            let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
            (arguments.join(" "), changes.join("; "))
        };
        let (arguments, changes) = clamped("-items=500 -items=-1 -items=128 -other=500");
        assert_eq!(arguments, "-items=128 -items=1 -items=128 -other=500");
        assert_eq!(changes, "-items=500 is taken as 128; -items=-1 is taken as 1");
        for left in ["--items=500 -items=x -items", "-- -items=500"] {
            assert_eq!(clamped(left), (left.to_owned(), String::new()));
        }
    }

    #[test]
    fn whole_shares_in_rsplib_s_spelling_are_parts() {
        let said = ["-load=1", "-load=4294967296", "-load=0.5", "--load=1", "-other=1"].map(OsString::from);
        let shares = shares(said.to_vec(), &["load"]);
        assert_eq!(
            shares,
            ["-load=1/4294967295", "-load=4294967295/4294967295", "-load=0.5", "--load=1", "-other=1"]
        );
    }

    #[test]
    fn addresses_with_a_port_become_addresses_and_a_port() {
        let split = |text: &str| {
            let split = split_local(text.split(' ').map(OsString::from).collect());
            let split: Vec<_> = split.iter().map(|argument| argument.to_string_lossy()).collect();
            split.join(" ")
        };
        assert_eq!(split("-echo -local=10.0.0.1:5000,[::1]:5000"), "-echo --local=10.0.0.1,::1 --port=5000");
        assert_eq!(split("-local=10.0.0.1:0,10.0.0.2"), "--local=10.0.0.1,10.0.0.2 --port=0");
        for whole in ["-local=10.0.0.1", "--local=10.0.0.1:1,10.0.0.2:2", "-poolhandle=10.0.0.1:1", "-local"]
        {
            assert_eq!(split(whole), whole);
        }
    }
}
