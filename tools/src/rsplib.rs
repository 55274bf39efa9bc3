//! The spelling of RSPLIB's options, for programs that take the place of RSPLIB's.

use std::ffi::OsString;

/// Options of RSPLIB that a program knows but has no use for yet: without dashes, without value.
pub type Ignored<'a> = &'a [&'a str];

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

/// The name in `--name=value` or `-name=value`; single letters are GNU's short options.
fn option_name(argument: &OsString) -> Option<&str> {
    let text = argument.to_str()?;
    let name = text.strip_prefix("--").or_else(|| text.strip_prefix('-'))?;
    let name = name.split_once('=').map_or(name, |(name, _)| name);
    (name.len() > 1 && name.starts_with(|first: char| first.is_ascii_alphabetic())).then_some(name)
}

#[cfg(test)]
mod tests {
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
    fn what_has_no_use_yet_is_taken_out_and_told() {
        let (kept, taken) = convert("rspregistrar -enrp=auto --peer=1.2.3.4 -quiet", &["enrp", "peer"]);
        assert_eq!((kept.as_str(), taken.as_str()), ("rspregistrar --quiet", "enrp peer"));
    }
}
