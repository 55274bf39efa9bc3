//! What Linux does, and what we do, must be the same. `tests/linux` has what its kernel said (6.1, Debian 12), the program
//! that asked it, and how to ask again.

use crate::constants::SCTP_SOCKOPT_PEELOFF;
use crate::harness::{HERE, Program, at};
use crate::options::row;
use crate::{Settings, Style};

const LENGTHS: &str = include_str!("../../../tests/linux/options.lengths");
const SCRIPT: &str = include_str!("../../../tests/linux/options.linux");

fn style(word: &str) -> Style {
    if word.starts_with("one") { Style::OneToOne } else { Style::OneToMany }
}

#[test]
fn each_option_takes_and_reports_the_lengths_that_it_does_on_linux() {
    let mut program = Program::new(Style::OneToOne);
    let mut differences = Vec::new();
    for line in LENGTHS.lines() {
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        let [socket, verb, number, lengths, expected] = words[..] else { panic!("{line}") };
        let number: i32 = number.parse().unwrap();
        let (from, to) = lengths.split_once('-').unwrap();
        for len in from.parse::<usize>().unwrap()..=to.parse().unwrap() {
            let zeros = vec![0; len];
            program.renew(style(socket));
            let found = match verb {
                "get" => program.get(number, &zeros, len).map(|answer| answer.len.to_string()),
                _ => program.set(number, &zeros).map(|_| "ok".into()),
            };
            let found = found.unwrap_or_else(|errno| format!("errno {}", errno.0));
            if found != expected {
                differences
                    .push(format!("{socket} {verb} {:?} {len}: {found}, Linux: {expected}", row(number)));
                break;
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Steps that differ, with what Linux says.
const DIFFERENT: &[&str] = &[
    // Linux offers SHA-1 alone until it is told otherwise. We offer SHA-256 first: RFC 4895, 6.1 leaves all but SHA-1 open.
    "get 22 100 = 6 010000000100",
    "get 22 7 = 6 010000000100",
    // A time to live without a policy is the policy TTL (RFC 7496, 4.1): set as a time to live, it is told as that policy.
    "get 114 12 = 12 000000002c01000000000000",
];

/// Linux leaves bytes of the form that an address was given in behind the one that it shows.
const LEFT_OVER: &str = "get 31 144 $.00000000.0a00.1b58.00000000.00000000000000000000ffff7f000002 = ";

fn is_known(line: &str) -> bool {
    DIFFERENT.contains(&line) || line.starts_with(LEFT_OVER)
}

#[test]
fn options_do_what_they_do_on_linux() {
    let mut program = Program::new(Style::OneToOne);
    let (mut differences, mut known) = (Vec::new(), Vec::new());
    for (place, line) in SCRIPT.lines().enumerate() {
        let (step, expected) = line.split_once(" = ").unwrap_or((line, ""));
        let found = program.step(step);
        if found != expected && is_known(line) {
            known.push(line);
        } else if found != expected {
            differences.push(format!("{}: {step}\n    ours:  {found}\n    Linux: {expected}", place + 1));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(known.len(), DIFFERENT.len() + 1, "only these still differ: {known:#?}");
}

impl Program {
    /// One of `tests/linux/options.script`.
    fn step(&mut self, step: &str) -> String {
        let mut words = step.split_whitespace();
        let verb = words.next().unwrap_or("#");
        let rest: Vec<&str> = words.collect();
        let number = rest.first().and_then(|word| word.parse().ok()).unwrap_or(-1);
        match (verb, &rest[..]) {
            ("socket", [kind]) => {
                *self = Self::new(style(kind));
                self.settings = Settings::new(kind.ends_with('6'));
            }
            ("pair", []) => self.connect(),
            ("peel", []) => self.peel_off(),
            ("listen", []) => self.listen(),
            ("set", [_, bytes]) => {
                let bytes = self.bytes(bytes);
                return self
                    .set(number, &bytes)
                    .map_or_else(|errno| format!("errno {}", errno.0), |_| "ok".into());
            }
            ("get" | "len", [_, room, bytes @ ..]) => {
                let input = bytes.first().map(|bytes| self.bytes(bytes)).unwrap_or_default();
                let room = room.parse().unwrap();
                return match self.get(number, &input, room) {
                    Err(errno) => format!("errno {}", errno.0),
                    Ok(answer) if verb == "len" => answer.len.to_string(),
                    // Of what is longer than the length that is reported Linux shows as much as that.
                    Ok(answer) => self.shown(answer.len, &answer.bytes[..answer.bytes.len().min(answer.len)]),
                };
            }
            _ => {}
        }
        String::new()
    }

    fn peel_off(&mut self) {
        let number = self.number();
        self.get(SCTP_SOCKOPT_PEELOFF, &number.to_ne_bytes(), 8).unwrap();
        let (association, socket, _) = self.effects.peeled_off.take().unwrap();
        self.settings = self.settings.hand_over(association);
        (self.socket, self.style) = (socket, Style::PeeledOff);
    }

    fn listen(&mut self) {
        self.socket.bind(&[at(HERE).ip()], at(HERE).port()).unwrap();
        self.socket.listen(5).unwrap();
    }

    fn shown(&mut self, len: usize, bytes: &[u8]) -> String {
        let number = self.number().to_ne_bytes();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        match bytes.strip_prefix(&number[..]) {
            Some(rest) if self.association.is_some() => format!("{len} ${}", hex(rest)),
            _ => format!("{len} {}", hex(bytes)),
        }
    }
}
