//! Every ASAP and ENRP message that RSPLIB sent in the captures parses, and we write the same bytes.

use rserpool::wire::{ASAP_PPID, AsapMessage, ENRP_PPID, EnrpMessage, Format};

/// Parses and re-encodes all messages of a capture; returns how many messages of each type there were.
fn round_trip(capture: &str) -> ([usize; 15], [usize; 11]) {
    let format = Format::default();
    let (mut asap, mut enrp) = ([0; 15], [0; 11]);
    for message in crate::support::messages(capture) {
        let place = format!("{capture}, frame {}", message.frame);
        let again = match (message.ppid, message.udp_port) {
            (Some(ASAP_PPID), _) | (None, 3863) => {
                let parsed = AsapMessage::parse(&message.bytes, &format).expect(&place).message;
                asap[usize::from(parsed.message_type())] += 1;
                parsed.encode(&format).expect(&place)
            }
            (Some(ENRP_PPID), _) | (None, 9901) => {
                let parsed = EnrpMessage::parse(&message.bytes, &format).expect(&place).message;
                enrp[usize::from(parsed.body.message_type())] += 1;
                parsed.encode(&format).expect(&place)
            }
            _ => continue,
        };
        assert_eq!(again, message.bytes, "{place}");
    }
    (asap, enrp)
}

#[track_caller]
fn contains(counts: &[usize], types: &[usize]) {
    for &message_type in types {
        assert!(counts[message_type] > 0, "no message of type {message_type}: {counts:?}");
    }
}

#[test]
fn a_registration_with_keep_alives_and_a_session_round_trips() {
    let (asap, _) = round_trip("captures/asap-registration-resolution-keepalive-deregistration.pcap");
    contains(&asap, &[1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn transports_of_several_networks_round_trip() {
    let (asap, _) = round_trip("captures/asap-multihomed-registration-resolution.pcap");
    contains(&asap, &[1, 3, 5, 6]);
}

#[test]
fn cookies_and_cookie_echoes_round_trip() {
    let (asap, _) = round_trip("captures/asap-session-cookie-failover.pcap");
    contains(&asap, &[11, 12]);
}

#[test]
fn endpoint_unreachable_round_trips() {
    let (asap, _) = round_trip("captures/asap-endpoint-unreachable.pcap");
    contains(&asap, &[9, 6]);
}

#[test]
fn a_business_card_in_the_rfcs_form_round_trips() {
    let (asap, _) = round_trip("captures/asap-business-card-handmade.pcap");
    contains(&asap, &[13]);
}

#[test]
fn the_talk_of_three_registrars_round_trips() {
    let (_, enrp) = round_trip("captures/enrp-presence-list-table-update-takeover.pcap");
    contains(&enrp, &[1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn multicast_announces_round_trip() {
    let (asap, enrp) = round_trip("captures/multicast-announces.pcap");
    contains(&asap, &[10]);
    contains(&enrp, &[1]);
}
