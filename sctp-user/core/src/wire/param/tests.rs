use super::*;
use crate::serial::Tsn;
use crate::wire::cause::{Cause, Causes};
use crate::wire::chunk::ChunkType;
use proptest::prelude::*;
use smallvec::smallvec;

/// One of every parameter, with the bytes it is written as.
fn samples() -> Vec<(Parameter, &'static [u8])> {
    let address = AddressRequest { correlation_id: 5, address: [10, 0, 0, 2].into() };
    let causes = Causes::from(Cause::OutOfResource);
    let bytes = |text: &'static [u8]| Bytes::from_static(text);
    vec![
        (Parameter::HeartbeatInfo(bytes(b"abc")), b"\0\x01\0\x07abc"),
        (Parameter::Ipv4Address([10, 0, 0, 1].into()), b"\0\x05\0\x08\x0a\0\0\x01"),
        (Parameter::Ipv6Address(1.into()), b"\0\x06\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"),
        (Parameter::StateCookie(bytes(b"cookie")), b"\0\x07\0\x0acookie"),
        (Parameter::UnrecognizedParameter(bytes(b"\x12\x34\0\x04")), b"\0\x08\0\x08\x12\x34\0\x04"),
        (Parameter::CookiePreservative(1000), b"\0\x09\0\x08\0\0\x03\xe8"),
        (Parameter::HostNameAddress(bytes(b"h\0")), b"\0\x0b\0\x06h\0"),
        (Parameter::SupportedAddressTypes(smallvec![ParameterType::IPV4_ADDRESS]), b"\0\x0c\0\x06\0\x05"),
        (
            Parameter::OutgoingReset(OutgoingReset {
                request_sequence: 1,
                response_sequence: 2,
                last_assigned_tsn: Tsn(3),
                streams: smallvec![4, 5],
            }),
            b"\0\x0d\0\x14\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\x04\0\x05",
        ),
        (
            Parameter::IncomingReset(IncomingReset { request_sequence: 1, streams: smallvec![] }),
            b"\0\x0e\0\x08\0\0\0\x01",
        ),
        (Parameter::SsnTsnReset(1), b"\0\x0f\0\x08\0\0\0\x01"),
        (
            Parameter::ReconfigResponse(ReconfigResponse {
                response_sequence: 1,
                result: 6,
                next_tsns: Some((Tsn(2), Tsn(3))),
            }),
            b"\0\x10\0\x14\0\0\0\x01\0\0\0\x06\0\0\0\x02\0\0\0\x03",
        ),
        (
            Parameter::AddOutgoingStreams(AddStreams { request_sequence: 1, new_streams: 2 }),
            b"\0\x11\0\x0c\0\0\0\x01\0\x02\0\0",
        ),
        (
            Parameter::AddIncomingStreams(AddStreams { request_sequence: 1, new_streams: 2 }),
            b"\0\x12\0\x0c\0\0\0\x01\0\x02\0\0",
        ),
        (Parameter::EcnCapable, b"\x80\0\0\x04"),
        (Parameter::ZeroChecksumAcceptable(1), b"\x80\x01\0\x08\0\0\0\x01"),
        (Parameter::Random(bytes(b"r")), b"\x80\x02\0\x05r"),
        (
            Parameter::ChunkList(smallvec![ChunkType::ASCONF, ChunkType::ASCONF_ACK]),
            b"\x80\x03\0\x06\xc1\x80",
        ),
        (Parameter::HmacAlgorithms(smallvec![3, 1]), b"\x80\x04\0\x08\0\x03\0\x01"),
        (Parameter::Pad(3), b"\x80\x05\0\x07\0\0\0"),
        (Parameter::SupportedExtensions(smallvec![ChunkType::RE_CONFIG]), b"\x80\x08\0\x05\x82"),
        (Parameter::ForwardTsnSupported, b"\xc0\0\0\x04"),
        (Parameter::AddAddress(address), b"\xc0\x01\0\x10\0\0\0\x05\0\x05\0\x08\x0a\0\0\x02"),
        (Parameter::DeleteAddress(address), b"\xc0\x02\0\x10\0\0\0\x05\0\x05\0\x08\x0a\0\0\x02"),
        (
            Parameter::CauseIndication(CauseIndication { correlation_id: 5, causes }),
            b"\xc0\x03\0\x0c\0\0\0\x05\0\x04\0\x04",
        ),
        (Parameter::SetPrimaryAddress(address), b"\xc0\x04\0\x10\0\0\0\x05\0\x05\0\x08\x0a\0\0\x02"),
        (Parameter::SuccessIndication(5), b"\xc0\x05\0\x08\0\0\0\x05"),
        (Parameter::AdaptationLayerIndication(7), b"\xc0\x06\0\x08\0\0\0\x07"),
        (Parameter::Unknown { param_type: ParameterType(0x1234), value: bytes(b"x") }, b"\x12\x34\0\x05x"),
    ]
}

fn read(row: &Parameters) -> Vec<Parameter> {
    row.iter().map(|raw| Parameter::parse(&raw.unwrap()).unwrap()).collect()
}

/// RFC 9260, 3.2.1; RFC 4895, 3.1, 3.2, 3.3; RFC 5061, 4.2 and 4.2.7.
/// RFC 4820, 4.
#[test]
fn every_parameter_is_written_and_read_as_the_rfc_draws_it() {
    for (parameter, bytes) in samples() {
        let row = Parameters::from_iter([parameter.clone()]);
        assert_eq!(row.0.as_ref(), bytes, "{parameter:?}");
        assert_eq!(read(&row), [parameter]);
    }
}

/// RFC 4895, 3.1, 3.2 and 3.3: zeros up to the next word, which nobody looks at.
#[test]
fn the_padding_of_what_auth_says_is_zero_and_ignored() {
    let end = Parameter::CookiePreservative(0x0101_0101);
    for len in 1..9_u8 {
        let numbers = 1..=len;
        for parameter in [
            Parameter::Random(numbers.clone().collect()),
            Parameter::ChunkList(numbers.clone().map(ChunkType).collect()),
            Parameter::HmacAlgorithms(numbers.map(|number| 0x0100 + u16::from(number)).collect()),
        ] {
            let whole = Parameters::from_iter([parameter.clone()]).0.len();
            let row = Parameters::from_iter([parameter.clone(), end.clone()]);
            let mut bytes = row.0.to_vec();
            let padding = whole..whole.next_multiple_of(4);
            assert!(padding.len() < 4 && bytes.len() == padding.end + 8);
            assert!(bytes[padding.clone()].iter().all(|byte| *byte == 0));
            bytes[padding].fill(0xff);
            assert_eq!(read(&Parameters(bytes.into())), [parameter, end.clone()]);
        }
    }
}

/// RFC 9260, 3.2.1.
#[test]
fn a_row_of_all_parameters_is_padded_between_them_and_not_at_the_end() {
    let (parameters, lengths): (Vec<_>, Vec<_>) =
        samples().into_iter().map(|(parameter, bytes)| (parameter, bytes.len())).unzip();
    let row = Parameters::from_iter(parameters.clone());
    let padded: usize = lengths.iter().map(|len| len.next_multiple_of(4)).sum();
    let last_padding = 3;
    assert_eq!(row.0.len(), padded - last_padding);
    assert_eq!(read(&row), parameters);
    assert_eq!(row.find(ParameterType::RANDOM).unwrap().whole.as_ref(), b"\x80\x02\0\x05r");
}

/// A known fault of other stacks: a last parameter that is only a header.
/// RFC 9260, 3.2.1.
#[test]
fn the_last_parameter_may_be_a_bare_header_or_lack_its_padding() {
    let row = Parameters(Bytes::from_static(b"\x80\x02\0\x05r\0\0\0\xc0\0\0\x04"));
    assert_eq!(row.to_string(), " RANDOM=1_bytes FORWARD_TSN_SUPPORTED");
    let row = Parameters(Bytes::from_static(b"\xc0\0\0\x04\x80\x02\0\x05r"));
    assert_eq!(row.iter().filter(Result::is_ok).count(), 2);
}

#[test]
fn the_walk_ends_with_the_first_impossible_length() {
    for (bytes, length, available) in [
        (b"\xc0\0\0\x03".as_slice(), 3, 4),
        (b"\xc0\0\0\x00\xc0\0\0\x04", 0, 8),
        (b"\xc0\0\0\x09\xc0\0\0\x04", 9, 8),
    ] {
        let mut row = Parameters(Bytes::from_static(bytes)).iter();
        let error = TlvLengthError::BadLength { code: 0xc000, length, available };
        assert_eq!(row.next(), Some(Err(error)));
        assert_eq!(row.next(), None);
    }
    let mut row = Parameters(Bytes::from_static(b"\xc0\0\0")).iter();
    assert_eq!(row.next(), Some(Err(TlvLengthError::TruncatedHeader { available: 3 })));
}

#[test]
fn a_value_that_does_not_fit_its_type_is_refused() {
    for (param_type, value) in [
        (ParameterType::IPV4_ADDRESS, b"abc".as_slice()),
        (ParameterType::IPV6_ADDRESS, b"abcd"),
        (ParameterType::COOKIE_PRESERVATIVE, b"abcde"),
        (ParameterType::SUPPORTED_ADDRESS_TYPES, b"abc"),
        (ParameterType::OUTGOING_SSN_RESET_REQUEST, b"aaaabbbbccccd"),
        (ParameterType::RECONFIG_RESPONSE, b"aaaabbbbcccc"),
        (ParameterType::ADD_IP_ADDRESS, b"aaaa\0\x05\0\x09\x0a\0\0\x02"),
        (ParameterType::DELETE_IP_ADDRESS, b"aaaa\0\x07\0\x08\x0a\0\0\x02"),
    ] {
        let mut builder = ParametersBuilder::new();
        builder.push_value(param_type, value);
        let raw = builder.finish().find(param_type).unwrap();
        let value_len = value.len();
        assert_eq!(Parameter::parse(&raw), Err(ParameterError { param_type, value_len }));
    }
}

#[test]
fn a_value_too_long_for_its_length_field_is_cut() {
    let mut builder = ParametersBuilder::new();
    builder.push_value(ParameterType::RANDOM, &vec![1; 70_000]);
    assert_eq!(builder.finish().find(ParameterType::RANDOM).unwrap().value.len(), 65_531);
}

#[test]
fn the_upper_two_bits_say_what_to_do_with_an_unknown_parameter() {
    let action = |param_type| ParameterType(param_type).unrecognized_action();
    assert_eq!(action(0x3fff), UnrecognizedAction::Stop);
    assert_eq!(action(0x4000), UnrecognizedAction::StopAndReport);
    assert_eq!(action(0x8000), UnrecognizedAction::Skip);
    assert_eq!(action(0xc000), UnrecognizedAction::SkipAndReport);
}

proptest! {
    #[test]
    fn any_value_of_any_type_is_read_or_refused_and_what_is_read_is_stable(
        param_type in prop_oneof![0u16..20, 0x8000u16..0x800a, 0xc000u16..0xc008],
        value in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut builder = ParametersBuilder::new();
        builder.push_value(ParameterType(param_type), &value);
        let row = builder.finish();
        prop_assert!(!row.to_string().is_empty());
        let raw = row.find(ParameterType(param_type)).unwrap();
        if let Ok(parameter) = Parameter::parse(&raw) {
            prop_assert_eq!(read(&Parameters::from_iter([parameter.clone()])), [parameter]);
        }
    }

    #[test]
    fn arbitrary_bytes_are_walked_to_an_end(row in prop::collection::vec(any::<u8>(), 0..200)) {
        let len = row.len();
        prop_assert!(Parameters(Bytes::from(row)).iter().count() <= len / 4 + 1);
    }
}
