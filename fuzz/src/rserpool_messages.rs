//! ASAP and ENRP messages: parse, write, parse again, compare.

use rserpool::wire::{AsapMessage, EncodeError, EnrpMessage, Format};

const FORMAT: Format = Format {
    life_unit: rserpool::wire::LifeUnit::Milliseconds,
    long_pool_handles: true,
    rare_transports: true,
};

/// Reads `data` as an ASAP message. Panics if it is not the same after it was written and read again.
pub fn asap_message(data: &[u8]) {
    let Ok(parsed) = AsapMessage::parse(data, &FORMAT) else { return };
    match parsed.message.encode(&FORMAT) {
        Ok(bytes) => {
            let again = AsapMessage::parse(&bytes, &FORMAT).expect("what we write can be read");
            assert_eq!(again.message, parsed.message);
        }
        Err(error) => assert!(matches!(error, EncodeError::TooLong { .. }), "{error}"),
    }
}

/// Reads `data` as an ENRP message. Panics if it is not the same after it was written and read again.
pub fn enrp_message(data: &[u8]) {
    let Ok(parsed) = EnrpMessage::parse(data, &FORMAT) else { return };
    match parsed.message.encode(&FORMAT) {
        Ok(bytes) => {
            let again = EnrpMessage::parse(&bytes, &FORMAT).expect("what we write can be read");
            assert_eq!(again.message, parsed.message);
        }
        Err(error) => assert!(matches!(error, EncodeError::TooLong { .. }), "{error}"),
    }
}
