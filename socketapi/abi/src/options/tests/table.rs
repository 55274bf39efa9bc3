//! The table of options has no gaps.

use crate::Style;
use crate::constants::{CONSTANTS, SCTP_ALL_ASSOC, SCTP_INIT};
use crate::errno::Errno;
use crate::harness::Program;
use crate::options::{Size, TABLE, row};

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
