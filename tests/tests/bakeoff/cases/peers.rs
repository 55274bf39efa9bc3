//! 3.1: our registrar and RSPLIB's get to know each other.

use system_tests::{Program, hear};

use super::{
    LIST_REQUEST, LIST_RESPONSE, PRESENCE, TABLE_REQUEST, TABLE_RESPONSE, asap_element, enrp_element,
    from_us, in_parts, to_us,
};
use crate::crowd::{Crowd, MANY};
use crate::ground::{Evidence, Ground, OURS, THEIR_OTHER, THEIR_PROGRAMS, THEIRS};

const ELEMENT: &str = "0xb1";

pub(crate) fn sends_a_presence(ground: &Ground) -> Evidence {
    let _ours = ground.our_peer("0x11", &[THEIRS], &[]);
    let _theirs = ground.their_peer(THEIRS, "0x22", OURS, &[]);
    let ours = format!("{} and enrp.sender_servers_id == 0x11", from_us(PRESENCE));
    let known = format!("{} and enrp.receiver_servers_id == 0x11", to_us(PRESENCE));
    ground.show(&[&ours, &known])
}

pub(crate) fn sends_presences_regularly(ground: &Ground) -> Evidence {
    const BEATS: usize = 4;
    let _ours = ground.our_peer("0x11", &[THEIRS], &["-peerheartbeatcycle=1000"]);
    let _theirs = ground.their_peer(THEIRS, "0x22", OURS, &[]);
    // While they get to know each other they ask for Presences.
    let begun = ground.show(&[&from_us(LIST_RESPONSE), &from_us(PRESENCE)]);
    let presence = format!("frame.number > {} and {} and enrp.r_bit == 0", begun.last(), from_us(PRESENCE));
    // Give or take 12.5 %, and what a busy machine adds; if that is more for a while, they have to become regular again.
    ground.await_rhythm(&presence, BEATS, 0.8..1.5);
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

/// RSPLIB's registrar with an element.
fn their_mentor(ground: &Ground, more: &[&str]) -> [Program; 2] {
    let mut registrar = ground.their_registrar(more);
    let element = ground.their_element(THEIR_PROGRAMS[0], "-echo", ELEMENT, THEIRS, &[]);
    hear(&mut registrar, "Successfully registered EchoPool/$000000b1");
    [registrar, element]
}

pub(crate) fn asks_for_the_table(ground: &Ground) -> Evidence {
    let _mentor = their_mentor(ground, &[]);
    let _ours = ground.our_peer("0x11", &[THEIRS], &[]);
    let seen = ground.show(&[
        &format!("{} and enrp.w_bit == 0", from_us(TABLE_REQUEST)),
        &format!("{} and enrp.m_bit == 0 and {}", to_us(TABLE_RESPONSE), enrp_element(ELEMENT)),
    ]);
    seen.and(ground.our_registrar_answers(&asap_element(ELEMENT)))
}

pub(crate) fn asks_for_the_rest_of_the_table(ground: &Ground) -> Evidence {
    let _theirs = ground.their_registrar(&[]);
    let mut elements = Crowd::new(ground, THEIRS);
    elements.join(0..MANY);
    let _ours = ground.our_peer("0x11", &[THEIRS], &[]);
    let request = format!("{} and enrp.w_bit == 0", from_us(TABLE_REQUEST));
    let seen = in_parts(ground, 2, &request, &to_us(TABLE_RESPONSE));
    seen.and(ground.our_registrar_has_just(&elements.ids()))
}

pub(crate) fn tells_the_table(ground: &Ground) -> Evidence {
    let mut ours = ground.our_peer("0x11", &[], &[]);
    let _element = ground.their_element(THEIR_PROGRAMS[0], "-echo", ELEMENT, OURS, &[]);
    hear(&mut ours, "0x000000b1 registered");
    let _theirs = ground.their_peer(THEIRS, "0x22", OURS, &[]);
    let seen = ground.show(&[
        &to_us(TABLE_REQUEST),
        &format!("{} and enrp.m_bit == 0 and {}", from_us(TABLE_RESPONSE), enrp_element(ELEMENT)),
    ]);
    seen.and(ground.their_registrar_has(&enrp_element(ELEMENT)))
}

pub(crate) fn tells_the_rest_of_the_table(ground: &Ground) -> Evidence {
    let _ours = ground.our_peer("0x11", &[], &[]);
    let mut elements = Crowd::new(ground, OURS);
    elements.join(0..MANY);
    let _theirs = ground.their_peer(THEIRS, "0x22", OURS, &[]);
    let seen = in_parts(ground, 2, &to_us(TABLE_REQUEST), &from_us(TABLE_RESPONSE));
    seen.and(ground.their_registrar_has_just(&elements.ids()))
}

/// RSPLIB's registrar tells of itself in IANA's group (RFC 5352, 8.4). There ours listens, but does not speak: RSPLIB's would hear it, and
/// connect first.
pub(crate) fn hears_presences(ground: &Ground) -> Evidence {
    let _mentor = their_mentor(ground, &["-enrpannounce=224.0.1.185:9901"]);
    let _ours = ground.start_our_registrar("0x11", &["-asapannounce=off"]);
    let met = ground.show(&[
        &format!("ip.src == {THEIRS} and udp and enrp.message_type == {PRESENCE}"),
        &format!("ip.src == {OURS} and ip.dst == {THEIRS} and sctp.chunk_type == 1"),
    ]);
    let list = ground.show(&[&from_us(LIST_REQUEST), &to_us(LIST_RESPONSE)]);
    let table = ground.show(&[&from_us(TABLE_REQUEST), &to_us(TABLE_RESPONSE)]);
    met.and(list).and(table).and(ground.our_registrar_answers(&asap_element(ELEMENT)))
}
