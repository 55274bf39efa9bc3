//! ENRP between our registrar and RSPLIB's in one operation scope: three registrars, one of which falls silent with a pool element of
//! each kind. Who takes it over, with either order of the identifiers? tshark says what was on the wire.

use std::time::Duration;

use nix::sys::signal::Signal;
use system_tests::{
    Capture, Host, Lab, Program, count_packets, has_judge_or_skip, has_rsplib_or_skip, hear, look_every,
    packet_fields, packets_judged_malformed, registrar_command, sctp_run_on, server_command, start,
    start_our_own, start_ready,
};

use crate::rsplib::dump;

/// The registrar that falls silent, and the two that stay: ours, and RSPLIB's.
const VICTIM: &str = "10.77.0.11";
const OURS: &str = "10.77.0.12";
const THEIRS: &str = "10.77.0.2";
/// Pool elements that know the victim only: RSPLIB's, and ours.
const ELEMENTS: [(&str, &str); 2] = [("10.77.0.13", "0xaaaa"), ("10.77.0.14", "0xbbbb")];
/// Where handlespaces are looked at from.
const VISITORS: [(&str, &str); 2] = [(OURS, "10.77.0.15"), (THEIRS, "10.77.0.16")];
const VICTIM_ID: u32 = 0x44;
/// Of ours and of theirs: each order.
const ORDERS: [(u32, u32); 2] = [(0x22, 0x33), (0x33, 0x22)];

/// Does not notice anything within a test.
const PATIENT: [&str; 2] = ["-peermaxtimelastheard=100000", "-peermaxtimenoresponse=100000"];
/// Soon, but not so soon that one that stands still for two seconds is taken for dead: heartbeats are a second apart.
const QUICK: [&str; 2] = ["-peermaxtimelastheard=2000", "-peermaxtimenoresponse=2000"];
/// So that both may be cut off from the time when they doubt a peer until they take it over, without being taken for dead themselves.
const CALM: [&str; 2] = ["-peermaxtimelastheard=8000", "-peermaxtimenoresponse=4000"];

/// Longer than anything takes that is awaited in a capture, and the pause between two looks.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(300);

/// ENRP's messages.
const INIT_TAKEOVER: u8 = 7;
const INIT_TAKEOVER_ACK: u8 = 8;
const TAKEOVER_SERVER: u8 = 9;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ours,
    Theirs,
}

/// Three registrars and two elements, and all that they say to each other: RSPLIB's registrar that stays is on a host of its own.
struct Scope {
    lab: Lab,
    ids: (u32, u32),
    victim: Program,
    ours: Program,
    theirs: Program,
    _elements: [Program; 2],
    capture: Capture,
    file: tempfile::TempPath,
}

/// A registrar of ours among these peers.
fn our_registrar(host: &Host, address: &str, id: u32, peers: [&str; 2], more: [&str; 2]) -> Program {
    let mut arguments = vec![format!("-identifier={id:#x}"), "-enrpannounce=off".to_owned()];
    arguments.push("-asapannounce=off".to_owned());
    arguments.push("-peerheartbeatcycle=1000".to_owned());
    arguments.push("-mentordiscoverytimeout=1000".to_owned());
    arguments.extend(peers.map(|peer| format!("-peer={peer}")));
    arguments.extend(more.map(str::to_owned));
    let mut registrar = start_our_own(host, address, "rspregistrar", &arguments);
    hear(&mut registrar, "registrar 0x");
    registrar
}

/// One of RSPLIB's.
fn their_registrar(host: &Host, address: &str, id: u32, peers: [&str; 2], more: [&str; 2]) -> Program {
    let (id, other) = (format!("-identifier={id:#x}"), format!("-peer={}:9901", peers[1]));
    // It gives a takeover up that is not agreed to in 5 s: ours may have begun 2 s later, and agrees when its own patience ends.
    let patience = "-takeoverexpiryinterval=20000";
    let options =
        [&id, &other, "-enrpannounce=off", "-asapannounce=off", "-peerheartbeatcycle=1000", patience];
    let options = [&options[..], &more].concat();
    start_ready(
        sctp_run_on(host, address),
        &registrar_command(address, peers[0], &options),
        "Registrar started",
    )
}

impl Scope {
    /// All know each other, and the elements.
    fn new(victim: Kind, ids: (u32, u32), our_timers: [&str; 2], their_timers: [&str; 2]) -> Self {
        let lab = Lab::switched(1, 1500);
        for number in 11..=16 {
            lab.a.ip(&format!("addr add 10.77.0.{number}/24 dev lan0"));
        }
        let file = tempfile::NamedTempFile::new().expect("a file").into_temp_path();
        let capture = Capture::start(&lab.a, "any", &file);
        // The first stack of a host gives the others their ports: that must not be the one that falls silent.
        let ours = our_registrar(&lab.a, OURS, ids.0, [VICTIM, THEIRS], our_timers);
        let victim = match victim {
            Kind::Ours => our_registrar(&lab.a, VICTIM, VICTIM_ID, [OURS, THEIRS], PATIENT),
            Kind::Theirs => their_registrar(&lab.a, VICTIM, VICTIM_ID, [OURS, THEIRS], PATIENT),
        };
        let theirs = their_registrar(&lab.b, THEIRS, ids.1, [VICTIM, OURS], their_timers);
        let elements = elements(&lab.a);
        let scope = Self { lab, ids, victim, ours, theirs, _elements: elements, capture, file };
        let told = [(VICTIM, OURS), (VICTIM, THEIRS)];
        scope.await_packets("enrp.message_type == 1", &[told[0], told[1], (OURS, THEIRS), (THEIRS, OURS)]);
        for (_, id) in ELEMENTS {
            scope.await_packets(&format!("enrp.pool_element_pe_identifier == {id}"), &told);
        }
        scope
    }

    /// A registrar knows both elements, and that this one is their home. RSPLIB's program says so, which poses as a peer: so RSPLIB's
    /// registrar would want its agreement to a takeover.
    fn expect_home(&self, registrar: &str, visitor: &str, home: u32) {
        let [one, other] = ELEMENTS.map(|(_, id)| format!("$0000{}", &id[2..]));
        let home = format!("home=${home:08x}");
        look_every(PAUSE, PATIENCE, || {
            let dump = dump(&self.lab.a, visitor, registrar, &["EchoPool", &one, &other, &home]);
            if dump.contains(&format!("home=${VICTIM_ID:08x}")) { Err(dump) } else { Ok(()) }
        });
    }

    /// Waits for a packet that tshark's display filter selects between each of these.
    fn await_packets(&self, filter: &str, ways: &[(&str, &str)]) {
        look_every(PAUSE, PATIENCE, || {
            let seen = packet_fields(&self.file, filter, ["ip.src", "ip.dst"]);
            match ways.iter().find(|(from, to)| !seen.contains(&[*from, *to].map(|end| vec![end.to_owned()])))
            {
                Some((from, to)) => Err(format!("no packet from {from} to {to} with {filter}")),
                None => Ok(()),
            }
        });
    }

    /// Waits for ENRP about the victim (RFC 5353, 2.7 to 2.9).
    fn await_word(&self, from: &str, to: &str, message: u8) {
        let target = format!("enrp.target_servers_id == {VICTIM_ID:#x}");
        self.await_packets(&format!("enrp.message_type == {message} and {target}"), &[(from, to)]);
    }

    /// This registrar becomes the home of both elements, asks them, and is acknowledged (RFC 5353, 3.5.2; RFC 5352, 3.4).
    fn expect_takeover_by(&self, winner: &str) {
        let id = if winner == OURS { self.ids.0 } else { self.ids.1 };
        let claim =
            format!("asap.message_type == 7 and asap.h_bit == 1 and asap.server_identifier == {id:#x}");
        self.await_packets(&claim, &ELEMENTS.map(|(element, _)| (winner, element)));
        for (element, pe_id) in ELEMENTS {
            let answer = format!("asap.message_type == 8 and asap.pe_identifier == {pe_id}");
            self.await_packets(&answer, &[(element, winner)]);
        }
        for (registrar, visitor) in VISITORS {
            self.expect_home(registrar, visitor, id);
        }
    }

    /// Nobody has found fault with anything, and the other one has not taken anything over.
    fn finish(self, loser: &str) {
        let claim = format!("ip.src == {loser} and asap.message_type == 7 and asap.h_bit == 1");
        let unwanted = format!("({claim}) or enrp.message_type == 10");
        assert_eq!(count_packets(&self.file, &unwanted), 0, "{unwanted}");
        let (packets, wrong) = packets_judged_malformed(&self.capture.finish());
        assert!(packets > 50 && wrong.is_empty(), "{packets} packets, wrong ones: {wrong:#?}");
    }
}

/// The elements, registered with the victim.
fn elements(host: &Host) -> [Program; 2] {
    let [(their_address, their_id), (our_address, our_id)] = ELEMENTS;
    let theirs = start(sctp_run_on(host, their_address), &server_command("-echo", their_id, &[VICTIM]));
    let (id, at) = (format!("-identifier={our_id}"), format!("-registrar={VICTIM}:3863"));
    let ours = start_our_own(host, our_address, "rspserver", &["-echo", "-asapannounce=off", &id, &at]);
    [theirs, ours]
}

/// Does it with each order of the identifiers, at the same time: most of it is waiting for timers.
fn with_each_order(test: fn((u32, u32))) {
    if !(has_rsplib_or_skip() && has_judge_or_skip()) {
        return;
    }
    std::thread::scope(|scope| ORDERS.map(|ids| drop(scope.spawn(move || test(ids)))));
}

#[test]
fn rsplib_s_registrar_takes_ours_over_and_our_other_one_agrees() {
    with_each_order(|ids| {
        let scope = Scope::new(Kind::Ours, ids, PATIENT, QUICK);
        scope.victim.signal(Signal::SIGSTOP);
        scope.await_word(THEIRS, OURS, INIT_TAKEOVER);
        scope.await_word(OURS, THEIRS, INIT_TAKEOVER_ACK);
        scope.expect_takeover_by(THEIRS);
        scope.finish(OURS);
    });
}

#[test]
fn our_registrar_takes_rsplib_s_over_and_their_other_one_agrees() {
    with_each_order(|ids| {
        let scope = Scope::new(Kind::Theirs, ids, QUICK, PATIENT);
        scope.victim.signal(Signal::SIGSTOP);
        scope.await_word(OURS, THEIRS, INIT_TAKEOVER);
        scope.await_word(THEIRS, OURS, INIT_TAKEOVER_ACK);
        scope.await_word(OURS, THEIRS, TAKEOVER_SERVER);
        scope.expect_takeover_by(OURS);
        scope.finish(THEIRS);
    });
}

#[test]
fn of_our_registrar_and_rsplib_s_that_begin_together_the_one_with_the_smaller_identifier_wins() {
    // RFC 5353, 3.5.1, has the larger one win, RSPLIB the smaller one: ours gives way to it after a while, and wins if it has given way.
    with_each_order(|ids| {
        let mut scope = Scope::new(Kind::Ours, ids, CALM, CALM);
        scope.victim.signal(Signal::SIGSTOP);
        hear(&mut scope.theirs, "not head since MaxTimeLastHeard");
        // It begins 4 s later, as does ours. They do not hear each other until both have: for so short a while that what is lost comes again
        // before ours has asked three times, which takes 7.5 s.
        scope.lab.a.unplug(0);
        hear(&mut scope.theirs, "Initiating takeover of dead peer $00000044");
        hear(&mut scope.ours, "registrar 0x00000044 is silent");
        scope.lab.a.plug(0);
        hear(&mut scope.theirs, "also trying takeover of $00000044");
        let winner = if ids.0 < ids.1 { OURS } else { THEIRS };
        scope.expect_takeover_by(winner);
        scope.finish(if winner == OURS { THEIRS } else { OURS });
    });
}
