use super::*;
use crate::serial::Tsn;
use crate::wire::param::{Parameter, ParameterType, Parameters};
use proptest::prelude::*;
use smallvec::smallvec;

/// One of every cause, with the bytes it is written as.
fn samples() -> Vec<(Cause, &'static [u8])> {
    let bytes = |text: &'static [u8]| Bytes::from_static(text);
    let addresses = || Parameters::from_iter([Parameter::address([10, 0, 0, 1].into())]);
    let missing = smallvec![ParameterType::STATE_COOKIE, ParameterType::RANDOM];
    let unknown = RawCause { code: CauseCode(0x1234), value: bytes(b"u") };
    vec![
        (Cause::InvalidStreamIdentifier { stream_id: 7 }, b"\0\x01\0\x08\0\x07\0\0"),
        (Cause::MissingMandatoryParameter(missing), b"\0\x02\0\x0c\0\0\0\x02\0\x07\x80\x02"),
        (Cause::StaleCookie { staleness_us: 1000 }, b"\0\x03\0\x08\0\0\x03\xe8"),
        (Cause::OutOfResource, b"\0\x04\0\x04"),
        (Cause::UnresolvableAddress(bytes(b"\0\x0b\0\x06h\0")), b"\0\x05\0\x0a\0\x0b\0\x06h\0"),
        (Cause::UnrecognizedChunkType(bytes(b"\x7f\0\0\x04")), b"\0\x06\0\x08\x7f\0\0\x04"),
        (Cause::InvalidMandatoryParameter, b"\0\x07\0\x04"),
        (Cause::UnrecognizedParameters(addresses()), b"\0\x08\0\x0c\0\x05\0\x08\x0a\0\0\x01"),
        (Cause::NoUserData { tsn: Tsn(u32::MAX) }, b"\0\x09\0\x08\xff\xff\xff\xff"),
        (Cause::CookieReceivedWhileShuttingDown, b"\0\x0a\0\x04"),
        (Cause::RestartWithNewAddresses(addresses()), b"\0\x0b\0\x0c\0\x05\0\x08\x0a\0\0\x01"),
        (Cause::UserInitiatedAbort(bytes(b"why")), b"\0\x0c\0\x07why"),
        (Cause::ProtocolViolation(bytes(b"what")), b"\0\x0d\0\x08what"),
        (Cause::DeleteLastAddress(bytes(b"a")), b"\0\xa0\0\x05a"),
        (Cause::ResourceShortage(bytes(b"b")), b"\0\xa1\0\x05b"),
        (Cause::DeleteSourceAddress(bytes(b"c")), b"\0\xa2\0\x05c"),
        (Cause::IllegalAsconfAck, b"\0\xa3\0\x04"),
        (Cause::NoAuthorization(bytes(b"d")), b"\0\xa4\0\x05d"),
        (Cause::UnsupportedHmacIdentifier { hmac_id: 9 }, b"\x01\x05\0\x06\0\x09"),
        (Cause::Unknown(unknown), b"\x12\x34\0\x05u"),
    ]
}

fn read(row: &Causes) -> Vec<Cause> {
    row.iter().map(|raw| Cause::parse(&raw.unwrap()).unwrap()).collect()
}

#[test]
fn every_cause_is_written_and_read_as_the_rfc_draws_it() {
    for (cause, bytes) in samples() {
        let row = Causes::from(cause.clone());
        assert_eq!(row.0.as_ref(), bytes, "{cause:?}");
        assert_eq!(read(&row), [cause]);
    }
    let (all, _): (Vec<_>, Vec<_>) = samples().into_iter().unzip();
    assert_eq!(read(&Causes::from_iter(all.clone())), all);
}

#[test]
fn causes_are_told_with_what_they_carry() {
    let reason = Cause::UserInitiatedAbort(Bytes::from_static(b"bye\n"));
    let parameters = Parameters::from_iter([Parameter::EcnCapable]);
    let row = Causes::from_iter([reason, Cause::UnrecognizedParameters(parameters)]);
    let text = r#" USER_INITIATED_ABORT="bye\n" UNRECOGNIZED_PARAMETERS=[ECN_CAPABLE]"#;
    assert_eq!(row.to_string(), text);
    assert_eq!(row.find(CauseCode::USER_INITIATED_ABORT).unwrap().value.as_ref(), b"bye\n");
}

#[test]
fn a_count_of_missing_parameters_beyond_the_end_is_refused() {
    let value = Bytes::from_static(b"\xff\xff\xff\xff\0\x07");
    let raw = RawCause { code: CauseCode::MISSING_MANDATORY_PARAMETER, value };
    assert_eq!(Cause::parse(&raw), Err(CauseError { code: raw.code, value_len: 6 }));
}

/// Causes hold parameters and parameters hold causes: text must not follow a peer into the depth.
#[test]
fn deeply_nested_causes_are_told_in_bounded_depth() {
    let mut causes = Causes::from(Cause::OutOfResource);
    for _ in 0..2_000 {
        let indication = crate::wire::param::CauseIndication { correlation_id: 0, causes };
        let parameters = Parameters::from_iter([Parameter::CauseIndication(indication)]);
        causes = Causes::from(Cause::UnrecognizedParameters(parameters));
    }
    assert_eq!(causes.to_string(), " UNRECOGNIZED_PARAMETERS=[ERROR_CAUSE_INDICATION]");
}

proptest! {
    #[test]
    fn any_value_of_any_code_is_read_or_refused_and_what_is_read_is_stable(
        code in prop_oneof![0u16..16, 0xa0u16..0xa6, Just(0x105)],
        value in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let raw = RawCause { code: CauseCode(code), value: Bytes::from(value) };
        if let Ok(cause) = Cause::parse(&raw) {
            prop_assert!(!cause.to_string().is_empty());
            prop_assert_eq!(read(&Causes::from(cause.clone())), [cause]);
        }
    }
}
