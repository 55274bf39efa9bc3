//! Any bytes are taken or refused, and what was read can be written.

use proptest::prelude::*;

use crate::constants::*;
use crate::harness::Program;
use crate::options::{Size, TABLE};
use crate::{Errno, Style};

const STYLES: [Style; 3] = [Style::OneToOne, Style::OneToMany, Style::PeeledOff];

/// Structures begin with a number of an association mostly: one that names none, several, ours, or nobody's.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![0_i32..5, any::<i32>()];
    let rest =
        prop_oneof![prop::collection::vec(any::<u8>(), 0..300), prop::collection::vec(0_u8..4, 0..300),];
    (number, rest).prop_map(|(number, rest)| [&number.to_ne_bytes()[..], &rest].concat())
}

/// The lengths that an option takes are the interesting ones.
fn fit(mut input: Vec<u8>, size: Size, choice: usize) -> Vec<u8> {
    let len = match size {
        Size::Exactly(sizes) => sizes[choice % sizes.len()],
        Size::AtLeast(least) => least + choice % 20,
        Size::Either(one, least) => [one, least + choice % 20][choice % 2],
        Size::AtMost(most) => choice % (most + 1),
    };
    input.resize(len, 0);
    input
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_bytes_are_taken_or_refused(
        calls in prop::collection::vec((0..TABLE.len(), input(), any::<usize>()), 1..60),
        style in 0..STYLES.len(),
    ) {
        let mut program = Program::connected(STYLES[style]);
        for (place, input, choice) in calls {
            let row = &TABLE[place];
            if let Some(size) = row.read_size() {
                let input = fit(input.clone(), size, choice);
                if let Ok(answer) = program.get(row.number, &input, input.len()) {
                    prop_assert!(answer.bytes.len() <= input.len(), "{:?} has no room for its answer", row);
                }
            }
            if let Some(size) = row.write_size() {
                let _ = program.set(row.number, &fit(input, size, choice));
            }
        }
    }
}

/// Options of which an answer says more than can be set, or that can be set at certain times only.
fn can_be_set_back(number: i32) -> bool {
    // Bound already; of an association it is the size in use now, which does not depend on what was set; of one that is
    // not interleaved; only the authenticated have keys.
    !matches!(
        number,
        SCTP_REUSE_PORT | SCTP_MAXSEG | SCTP_INTERLEAVING_SUPPORTED | SCTP_HMAC_IDENT | SCTP_AUTH_ACTIVE_KEY
    )
}

#[test]
fn what_was_read_can_be_written_and_changes_nothing() {
    for style in STYLES {
        let mut program = Program::connected(style);
        for row in TABLE {
            let (Some(read), Some(write)) = (row.read_size(), row.write_size()) else { continue };
            let mut input = fit(program.number().to_ne_bytes().to_vec(), read, 0);
            if row.number == SCTP_EVENT {
                input[4..6].copy_from_slice(&SCTP_ASSOC_CHANGE.to_ne_bytes());
            }
            if row.number == SCTP_DEFAULT_SEND_PARAM || row.number == SCTP_DEFAULT_SNDINFO {
                input.fill(0);
            }
            let Ok(answer) = program.get(row.number, &input, input.len()) else { continue };
            if !can_be_set_back(row.number) || !write.allows(answer.bytes.len()) {
                continue;
            }
            assert!(program.set(row.number, &answer.bytes).is_ok(), "{style:?} {row:?}: {answer:?}");
            assert_eq!(program.get(row.number, &input, input.len()), Ok(answer), "{style:?} {row:?}");
        }
    }
}

/// The exceptions are as they should be.
#[test]
fn what_cannot_be_written_back_says_why() {
    let mut program = Program::connected(Style::OneToOne);
    assert_eq!(program.set(SCTP_REUSE_PORT, &[0; 4]), Err(Errno::EFAULT));
    assert_eq!(program.set(SCTP_INTERLEAVING_SUPPORTED, &[0; 8]), Err(Errno::EPERM));
    assert_eq!(program.get(SCTP_HMAC_IDENT, &[], 100), Err(Errno::EACCES));
    assert_eq!(program.get(SCTP_AUTH_ACTIVE_KEY, &[0; 8], 8), Err(Errno::EACCES));
}
