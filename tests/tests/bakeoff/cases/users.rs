//! 2.2: our pool user at RSPLIB's registrar.

use std::io::Write;

use system_tests::{Program, hear};

use super::policy;
use crate::ground::{Evidence, Ground, OUR_PROGRAMS, THEIR_PROGRAMS, THEIRS};

const FROM_USER: &str = "ip.src == 10.77.0.11 and ip.dst == 10.77.0.2";
const TO_USER: &str = "ip.src == 10.77.0.2 and ip.dst == 10.77.0.11";

/// The question, and an answer with the element and a policy.
fn question() -> String {
    format!("{FROM_USER} and asap.message_type == 5")
}

fn answer(policy: u32) -> String {
    format!(
        "{TO_USER} and asap.message_type == 6 and asap.pool_element_pe_identifier == 0xbbbb and \
         asap.pool_member_selection_policy_type == {policy}"
    )
}

/// What a user then says to the element, and what it echoes.
const HELLO: &str = "ip.src == 10.77.0.11 and ip.dst == 10.77.0.21 and frame contains \"hello\"";
const ECHO: &str = "ip.src == 10.77.0.21 and ip.dst == 10.77.0.11 and frame contains \"hello\"";

/// An element of RSPLIB's is registered at RSPLIB's registrar.
fn pool(ground: &Ground, registrar: &mut Program, policy_type: u32) -> Program {
    let element = ground.their_element(THEIR_PROGRAMS[0], "-echo", "0xbbbb", THEIRS, &[policy(policy_type)]);
    hear(registrar, "Successfully registered EchoPool/$0000bbbb");
    element
}

/// Our user says a line, and hears it.
fn talk(ground: &Ground, search: &str) {
    let mut terminal = ground.ours(OUR_PROGRAMS[0], "rspterminal", &[search]);
    let mut typed = terminal.take_stdin().expect("its standard input");
    typed.write_all(b"hello\n").expect("it reads");
    hear(&mut terminal, "hello");
}

pub(crate) fn resolves<const POLICY: u32>(ground: &Ground) -> Evidence {
    let mut registrar = ground.their_registrar(&[]);
    let _element = pool(ground, &mut registrar, POLICY);
    talk(ground, &format!("-registrar={THEIRS}:3863"));
    ground.show(&[&question(), &answer(POLICY), HELLO, ECHO])
}

pub(crate) fn hears_announces(ground: &Ground) -> Evidence {
    let mut registrar = ground.their_registrar(&["-asapannounce=auto"]);
    let _element = pool(ground, &mut registrar, 1);
    talk(ground, "-asapannounce=auto");
    let announce = format!("ip.src == {THEIRS} and udp and asap.message_type == 10");
    ground.show(&[&announce, &question(), &answer(1), HELLO, ECHO])
}

/// The element is gone without a word: if it were killed, the registrar could learn of that before our user.
pub(crate) fn reports_the_unreachable(ground: &Ground) -> Evidence {
    // It does not find out by itself.
    let patient =
        ["-endpointkeepalivetransmissioninterval=300000", "-endpointkeepalivetimeoutinterval=60000"];
    let mut registrar = ground.their_registrar(&patient);
    let _element = ground.their_element(THEIR_PROGRAMS[0], "-pingpong", "0xbbbb", THEIRS, &[]);
    hear(&mut registrar, "Successfully registered PingPongPool/$0000bbbb");
    let search = format!("-registrar={THEIRS}:3863");
    let options = [search.as_str(), "-interval=50", "-profile=fast"];
    let mut client = ground.ours(OUR_PROGRAMS[0], "pingpongclient", &options);
    hear(&mut client, "connected to");
    ground.lose(THEIR_PROGRAMS[0]);
    let report = format!("{FROM_USER} and asap.message_type == 9 and asap.pe_identifier == 0xbbbb");
    let evidence = ground.show(&[&question(), &report]);
    hear(&mut registrar, "Got EndpointUnreachable for pool element $0000bbbb");
    evidence
}
