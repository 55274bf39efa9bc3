//! The table of options has no gaps.

use crate::Style;
use crate::constants::*;
use crate::errno::Errno;
use crate::harness::Program;
use crate::options::{Row, Scope, Size, TABLE, row};

/// The numbers of options: those between the special associations and the control messages.
fn option_constants() -> impl Iterator<Item = (&'static str, i64)> {
    let after = CONSTANTS.iter().position(|(name, _)| *name == "SCTP_ALL_ASSOC").unwrap();
    let before = CONSTANTS.iter().position(|(name, _)| *name == "SCTP_INIT").unwrap();
    assert_eq!((CONSTANTS[after].1, CONSTANTS[before].1), (i64::from(SCTP_ALL_ASSOC), i64::from(SCTP_INIT)));
    CONSTANTS[after + 1..before].iter().copied()
}

#[test]
fn each_option_has_one_row_and_each_row_is_an_option() {
    let rows: Vec<_> = TABLE.iter().map(|row| (row.name, i64::from(row.number))).collect();
    assert_eq!(rows, option_constants().collect::<Vec<_>>());
    assert!(TABLE.is_sorted_by_key(|row| row.number));
}

#[test]
fn each_row_has_code() {
    for row in TABLE {
        assert!(row.read_size().is_some() || row.write_size().is_some(), "{row:?}");
    }
}

/// A length that an option takes.
fn accepted(size: Size) -> usize {
    match size {
        Size::Exactly(sizes) => sizes[0],
        Size::AtLeast(len) | Size::Either(len, _) | Size::AtMost(len) => len,
    }
}

/// Whatever its scope, an option with zeros means associations to come, or is refused for want of an association: it is
/// never unknown.
#[test]
fn each_row_can_be_called() {
    for style in [Style::OneToOne, Style::OneToMany] {
        let mut program = Program::new(style);
        for row in TABLE {
            if let Some(size) = row.read_size() {
                let len = accepted(size);
                assert_ne!(program.get(row.number, &vec![0; len], len), Err(Errno::ENOPROTOOPT), "{row:?}");
            }
            if let Some(size) = row.write_size() {
                let written = program.set(row.number, &vec![0; accepted(size)]);
                assert_ne!(written, Err(Errno::ENOPROTOOPT), "{row:?}");
            }
        }
    }
}

#[test]
fn numbers_that_are_no_options_are_unknown() {
    let mut program = Program::new(Style::OneToMany);
    for number in (-1..200).filter(|number| row(*number).is_none()) {
        assert_eq!(program.get(number, &[0; 64], 64), Err(Errno::ENOPROTOOPT));
        assert_eq!(program.set(number, &[0; 64]), Err(Errno::ENOPROTOOPT));
    }
}

/// A number that names no association.
const NOBODY: i32 = 99;

/// Where the number of the association is.
fn number_at(row: &Row) -> usize {
    match row.number {
        SCTP_DEFAULT_SEND_PARAM => 28,
        SCTP_DEFAULT_SNDINFO => 12,
        _ => 0,
    }
}

/// Valid input for an option but for the number of the association, which is this one.
fn input(row: &Row, size: Size, number: i32) -> Vec<u8> {
    let mut input = vec![0; accepted(size).max(8)];
    match row.number {
        SCTP_EVENT => input[4..6].copy_from_slice(&SCTP_ASSOC_CHANGE.to_ne_bytes()),
        SCTP_PR_ASSOC_STATUS | SCTP_PR_STREAM_STATUS => {
            input[6..8].copy_from_slice(&SCTP_PR_SCTP_ALL.to_ne_bytes());
        }
        SCTP_PEER_ADDR_THLDS_V2 => input[140..142].fill(0xff),
        SCTP_RESET_ASSOC => input.truncate(4),
        _ => {}
    }
    input[number_at(row)..][..4].copy_from_slice(&number.to_ne_bytes());
    input
}

/// All sockets of a stack share its numbers, also those of different programs: a number that is another socket's names
/// nobody, and nothing happens to that association.
#[test]
fn no_option_reaches_the_association_of_another_socket() {
    let mut program = Program::connected(Style::OneToMany);
    let (association, number) = (program.association, program.number());
    let owner = program.renew(Style::OneToMany);
    program.set(SCTP_AUTH_SUPPORTED, &[0_i32.to_ne_bytes(), 1_i32.to_ne_bytes()].concat()).unwrap();
    let parameters = || owner.association(association, |it| format!("{:?}", it.config())).unwrap();
    let before = parameters();
    for row in TABLE.iter().filter(|row| row.scope != Scope::Endpoint) {
        if let Some(size) = row.read_size() {
            assert_eq!(
                program.get(row.number, &input(row, size, number), 300),
                Err(Errno::EINVAL),
                "{row:?}"
            );
        }
        // ASCONF is not offered, and is looked at first.
        let first = if row.number == SCTP_SET_PEER_PRIMARY_ADDR { Errno::EPERM } else { Errno::EINVAL };
        if let Some(size) = row.write_size() {
            assert_eq!(program.set(row.number, &input(row, size, number)), Err(first), "{row:?}");
        }
    }
    for several in [SCTP_CURRENT_ASSOC, SCTP_ALL_ASSOC] {
        for row in TABLE.iter().filter(|row| row.scope == Scope::Several) {
            // Whatever comes of it for associations to come.
            let _ = row.write_size().map(|size| program.set(row.number, &input(row, size, several)));
        }
    }
    assert_eq!(parameters(), before);
}

/// RFC 6458, 7.2: the scope that the table shows is the one that the code has.
#[test]
fn each_option_is_of_what_its_scope_says() {
    for row in TABLE.iter().filter(|row| row.scope != Scope::Endpoint) {
        // It takes an address, and no number alone.
        if matches!(row.number, SCTP_GET_PEER_ADDR_INFO | SCTP_PRIMARY_ADDR | SCTP_SET_PEER_PRIMARY_ADDR) {
            continue;
        }
        let mut program = Program::new(Style::OneToMany);
        program.set(SCTP_AUTH_SUPPORTED, &[0_i32.to_ne_bytes(), 1_i32.to_ne_bytes()].concat()).unwrap();
        let of_future = row.scope != Scope::Association && row.number != SCTP_STREAM_SCHEDULER_VALUE;
        if let Some(size) = row.read_size() {
            let mut get = |number| program.get(row.number, &input(row, size, number), 300);
            assert_eq!(get(NOBODY), Err(Errno::EINVAL), "{row:?}");
            assert_eq!(get(SCTP_FUTURE_ASSOC).is_ok(), of_future, "{row:?}");
        }
        if let Some(size) = row.write_size() {
            let mut set = |number| program.set(row.number, &input(row, size, number));
            assert_eq!(set(NOBODY), Err(Errno::EINVAL), "{row:?}");
            // Key 0 is the active one: it stays.
            if matches!(
                row.number,
                SCTP_AUTH_DELETE_KEY | SCTP_AUTH_DEACTIVATE_KEY | SCTP_INTERLEAVING_SUPPORTED
            ) {
                continue;
            }
            assert_eq!(set(SCTP_FUTURE_ASSOC).is_ok(), of_future, "{row:?}");
            let of_several = row.scope == Scope::Several && of_future;
            assert_eq!(set(SCTP_ALL_ASSOC).is_ok(), of_several, "{row:?}");
            assert_eq!(set(SCTP_CURRENT_ASSOC).is_ok(), row.scope == Scope::Several, "{row:?}");
        }
    }
}
