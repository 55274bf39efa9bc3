//! 3.1: our registrar and RSPLIB's get to know each other.

use system_tests::{Program, hear};

use super::{
    LIST_REQUEST, LIST_RESPONSE, PRESENCE, TABLE_REQUEST, TABLE_RESPONSE, asap_element, enrp_element,
    from_us, to_us,
};
use crate::ground::{Evidence, Ground, OURS, THEIR_OTHER, THEIR_PROGRAMS, THEIRS};

/// An option of both, after which three elements do not fit into one message.
const ONE_BY_ONE: &str = "-maxelementsperhtrequest=1";
const ELEMENTS: [&str; 3] = ["0xb1", "0xb2", "0xb3"];

pub(crate) fn sends_a_presence(ground: &Ground) -> Evidence {
    let _ours = ground.our_peer("0x11", &[THEIRS], &[]);
    let _theirs = ground.their_peer(THEIRS, "0x22", OURS, &[]);
    let ours = format!("{} and enrp.sender_servers_id == 0x11", from_us(PRESENCE));
    let known = format!("{} and enrp.receiver_servers_id == 0x11", to_us(PRESENCE));
    ground.show(&[&ours, &known])
}

pub(crate) fn sends_presences_regularly(ground: &Ground) -> Evidence {
    const BEATS: usize = 6;
    let _ours = ground.our_peer("0x11", &[THEIRS], &["-peerheartbeatcycle=1000"]);
    let _theirs = ground.their_peer(THEIRS, "0x22", OURS, &[]);
    // While they get to know each other they ask for Presences.
    let begun = ground.show(&[&from_us(LIST_RESPONSE), &from_us(PRESENCE)]);
    let presence = format!("frame.number > {} and {} and enrp.r_bit == 0", begun.last(), from_us(PRESENCE));
    ground.await_packets(BEATS, &presence);
    let times = ground.times(&presence);
    // Give or take 12.5 %, and what a busy machine adds.
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.iter().skip(1).all(|pause| (0.8..1.5).contains(pause)), "{pauses:?}");
    begun.and(ground.show(&[&presence]))
}

pub(crate) fn asks_for_peers(ground: &Ground) -> Evidence {
    let mut theirs = ground.their_peer(THEIRS, "0x22", THEIR_OTHER, &[]);
    let _other = ground.their_peer(THEIR_OTHER, "0x33", THEIRS, &[]);
    hear(&mut theirs, "$00000033");
    let _ours = ground.our_peer("0x11", &[THEIRS], &[]);
    let other = "enrp.server_information_server_identifier == 0x33";
    ground.show(&[
        &from_us(LIST_REQUEST),
        &format!("{} and {other}", to_us(LIST_RESPONSE)),
        &format!("ip.src == {OURS} and ip.dst == {THEIR_OTHER} and enrp.message_type == {PRESENCE}"),
    ])
}

pub(crate) fn tells_its_peers(ground: &Ground) -> Evidence {
    let mut ours = ground.our_peer("0x11", &[THEIR_OTHER], &[]);
    let _other = ground.their_peer(THEIR_OTHER, "0x33", OURS, &[]);
    hear(&mut ours, "registrar 0x00000033 found");
    let _theirs = ground.their_peer(THEIRS, "0x22", OURS, &[]);
    let other = "enrp.server_information_server_identifier == 0x33";
    ground.show(&[&to_us(LIST_REQUEST), &format!("{} and {other}", from_us(LIST_RESPONSE))])
}

/// RSPLIB's registrar with some of these elements.
fn their_mentor(ground: &Ground, elements: &[&str], more: &[&str]) -> (Program, Vec<Program>) {
    let mut registrar = ground.their_registrar(more);
    let elements = elements.iter().zip(THEIR_PROGRAMS);
    let elements = elements.map(|(id, address)| {
        let element = ground.their_element(address, "-echo", id, THEIRS, &[]);
        hear(&mut registrar, &format!("Successfully registered EchoPool/$000000{}", &id[2..]));
        element
    });
    let elements = elements.collect();
    (registrar, elements)
}

pub(crate) fn asks_for_the_table(ground: &Ground) -> Evidence {
    let _mentor = their_mentor(ground, &ELEMENTS[..1], &[]);
    let _ours = ground.our_peer("0x11", &[THEIRS], &[]);
    let seen = ground.show(&[
        &format!("{} and enrp.w_bit == 0", from_us(TABLE_REQUEST)),
        &format!("{} and enrp.m_bit == 0 and {}", to_us(TABLE_RESPONSE), enrp_element(ELEMENTS[0])),
    ]);
    seen.and(ground.our_registrar_answers(&asap_element(ELEMENTS[0])))
}

pub(crate) fn asks_for_the_rest_of_the_table(ground: &Ground) -> Evidence {
    let _mentor = their_mentor(ground, &ELEMENTS, &[ONE_BY_ONE]);
    let _ours = ground.our_peer("0x11", &[THEIRS], &[]);
    let request = format!("{} and enrp.w_bit == 0", from_us(TABLE_REQUEST));
    let seen = in_parts(ground, &request, &to_us(TABLE_RESPONSE));
    seen.and(ground.our_registrar_has(&all_elements()))
}

/// A table of three parts.
fn in_parts(ground: &Ground, request: &str, response: &str) -> Evidence {
    let part = |more: u8| format!("{response} and enrp.m_bit == {more}");
    let mut seen = ground.show(&[request, &part(1)]);
    for more in [1, 0] {
        let next = format!("frame.number > {} and {request}", seen.last());
        let next = ground.show(&[&next, &part(more)]);
        seen = seen.and(next);
    }
    seen
}

/// A table with each of the elements.
fn all_elements() -> String {
    ELEMENTS.map(enrp_element).join(" and ")
}

/// Our registrar with some of these elements, which are RSPLIB's.
fn our_mentor(ground: &Ground, elements: &[&str], more: &[&str]) -> (Program, Vec<Program>) {
    let mut registrar = ground.our_peer("0x11", &[], more);
    let elements = elements.iter().zip(THEIR_PROGRAMS);
    let elements = elements.map(|(id, address)| {
        let element = ground.their_element(address, "-echo", id, OURS, &[]);
        hear(&mut registrar, &format!("0x000000{} registered", &id[2..]));
        element
    });
    let elements = elements.collect();
    (registrar, elements)
}

pub(crate) fn tells_the_table(ground: &Ground) -> Evidence {
    let _mentor = our_mentor(ground, &ELEMENTS[..1], &[]);
    let _theirs = ground.their_peer(THEIRS, "0x22", OURS, &[]);
    let seen = ground.show(&[
        &to_us(TABLE_REQUEST),
        &format!("{} and enrp.m_bit == 0 and {}", from_us(TABLE_RESPONSE), enrp_element(ELEMENTS[0])),
    ]);
    seen.and(ground.their_registrar_has(&enrp_element(ELEMENTS[0])))
}

pub(crate) fn tells_the_rest_of_the_table(ground: &Ground) -> Evidence {
    let _mentor = our_mentor(ground, &ELEMENTS, &[ONE_BY_ONE]);
    let _theirs = ground.their_peer(THEIRS, "0x22", OURS, &[]);
    let seen = in_parts(ground, &to_us(TABLE_REQUEST), &from_us(TABLE_RESPONSE));
    seen.and(ground.their_registrar_has(&all_elements()))
}

/// RSPLIB's registrar tells of itself in IANA's group (RFC 5353, 6.2), to which ours listens, but does not send: else RSPLIB's would connect first.
pub(crate) fn hears_presences(ground: &Ground) -> Evidence {
    let _mentor = their_mentor(ground, &ELEMENTS[..1], &["-enrpannounce=224.0.1.185:9901"]);
    let _ours = ground.start_our_registrar("0x11", &["-asapannounce=off"]);
    let met = ground.show(&[
        &format!("ip.src == {THEIRS} and udp and enrp.message_type == {PRESENCE}"),
        &format!("ip.src == {OURS} and ip.dst == {THEIRS} and sctp.chunk_type == 1"),
    ]);
    let list = ground.show(&[&from_us(LIST_REQUEST), &to_us(LIST_RESPONSE)]);
    let table = ground.show(&[&from_us(TABLE_REQUEST), &to_us(TABLE_RESPONSE)]);
    met.and(list).and(table).and(ground.our_registrar_answers(&asap_element(ELEMENTS[0])))
}
