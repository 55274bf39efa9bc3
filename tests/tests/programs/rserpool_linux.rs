//! Our RSerPool programs over our SCTP, and RSPLIB's on a Linux kernel with SCTP, in one network: every pairing of registrar, pool element
//! and user in which both have a part, and registrars of both in one operation scope. tshark judges what was on the wire.

use std::io::Write;
use std::path::Path;

use rserpool::wire::ENRP_PORT;
use system_tests::{
    Capture, Host, Lab, Program, count_packets, finish, has_judge_or_skip, has_rsplib_or_skip, hear,
    is_installed_or_skip, packets_judged_malformed, registrar_command, server_command, start_our_own,
    terminal_command,
};

use crate::linux::{LINUX, Linux};

/// Where our programs are. RSPLIB's are all at Linux's one address.
const OUR_REGISTRAR: &str = "10.77.0.1";
const OUR_ELEMENT: &str = "10.77.0.11";
const OUR_USER: &str = "10.77.0.12";
const NOBODY: &str = "10.77.0.99";
/// Registrars that notice soon what becomes of each other. RSPLIB's look for others for 1 s first.
const QUICK: [&str; 4] =
    ["-asapannounce=off", "-enrpannounce=off", "-peerheartbeatcycle=500", "-peermaxtimelastheard=2000"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    Rsplib,
}

use Whose::{Ours, Rsplib};

impl Whose {
    fn registrar(self) -> &'static str {
        self.address(OUR_REGISTRAR)
    }

    /// Of its element.
    fn id(self) -> &'static str {
        match self {
            Ours => "0xaaaa",
            Rsplib => "0xbbbb",
        }
    }

    fn address(self, ours: &'static str) -> &'static str {
        match self {
            Ours => ours,
            Rsplib => LINUX,
        }
    }
}

/// A program that runs: one of ours here, one of RSPLIB's, by its name, on Linux.
enum Running {
    Here(Program),
    There(String),
}

/// Our host, with an address for each program, and Linux beside it.
struct Network {
    host: Host,
    linux: Linux,
}

impl Network {
    /// If all can be run.
    fn or_skip() -> Option<Self> {
        let uml = || is_installed_or_skip("/usr/bin/linux.uml", "user-mode-linux");
        if !has_rsplib_or_skip() || !has_judge_or_skip() || !uml() {
            return None;
        }
        let host = Lab::switches(1, 1500);
        for address in [OUR_ELEMENT, OUR_USER] {
            host.ip(&format!("addr add {address}/24 dev lan0"));
        }
        let linux = Linux::boot(&host);
        Some(Self { host, linux })
    }

    fn capture(&self, file: &Path) -> Capture {
        Capture::start(&self.host, "lan0", file)
    }

    fn start_registrar(&mut self, whose: Whose, id: &str, peer: &str) -> Running {
        let id = format!("-identifier={id}");
        match whose {
            Ours => {
                let mut options = vec![id, format!("-peer={peer}:{ENRP_PORT}")];
                options.extend(QUICK.map(str::to_owned));
                let mut registrar = start_our_own(&self.host, OUR_REGISTRAR, "rspregistrar", &options);
                hear(&mut registrar, "serving");
                Running::Here(registrar)
            }
            Rsplib => {
                let more = [&QUICK[..], &["-mentordiscoverytimeout=1000", &id]].concat();
                self.linux.start("registrar", "", &registrar_command(LINUX, peer, &more));
                self.linux.hear("registrar", "The registrar is ready");
                Running::There("registrar".into())
            }
        }
    }

    /// An element of the echo service that takes one of the registrars, whichever answers first.
    fn start_element(&mut self, whose: Whose, pool: &str, registrars: &[&str]) -> Running {
        let mut command = server_command("-echo", whose.id(), registrars);
        command.extend([format!("-poolhandle={pool}"), "-asapannounce=off".into()]);
        match whose {
            Ours => Running::Here(start_our_own(&self.host, OUR_ELEMENT, &command[0], &command[1..])),
            Rsplib => {
                self.linux.start(pool, "", &command);
                Running::There(pool.to_owned())
            }
        }
    }

    fn hear(&mut self, program: &mut Running, text: &str) -> String {
        match program {
            Running::Here(program) => hear(program, text),
            Running::There(name) => self.linux.hear(name, text),
        }
    }

    /// A user says a line to a pool, and hears it, by what a registrar knows.
    fn talk(&mut self, user: Whose, registrar: &str, pool: &str) {
        let command = terminal_command(registrar, pool);
        match user {
            Ours => {
                let options = [&command[1], &command[2], "-asapannounce=off"];
                let mut terminal = start_our_own(&self.host, OUR_USER, &command[0], &options);
                let mut typed = terminal.take_stdin().expect("its standard input");
                typed.write_all(b"hello\n").expect("it reads");
                hear(&mut terminal, "hello");
                // Linux would wait for who ends without a word.
                drop(typed);
                finish(terminal);
            }
            Rsplib => {
                self.linux.start("terminal", "hello", &command);
                let answer = self.linux.hear("terminal", "from PE $");
                assert!(answer.contains("hello"), "{answer}");
                self.linux.kill("terminal");
            }
        }
    }
}

/// A capture has such packets between these two, and none that are malformed.
fn shows(file: &Path, from: &str, to: &str, what: &str) {
    let filter = format!("ip.src == {from} and ip.dst == {to} and {what}");
    assert_ne!(count_packets(file, &filter), 0, "{}: {filter}", file.display());
}

fn is_well_formed(file: &Path) {
    let (packets, malformed) = packets_judged_malformed(file);
    assert_ne!(packets, 0, "nothing was captured");
    assert_eq!(malformed, [""; 0], "{}", file.display());
}

#[test]
fn every_pairing_of_ours_and_rsplib_s_on_linux() {
    let Some(mut network) = Network::or_skip() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let capture = network.capture(&directory.path().join("pairings.pcap"));
    let mut running = Vec::new();
    for registrar in [Ours, Rsplib] {
        let mut server = network.start_registrar(registrar, "0x11", NOBODY);
        for element in [Ours, Rsplib] {
            let pool = format!("{element:?}At{registrar:?}");
            running.push(network.start_element(element, &pool, &[registrar.registrar()]));
            network.hear(&mut server, "registered");
            for user in [Ours, Rsplib] {
                network.talk(user, registrar.registrar(), &pool);
            }
        }
        running.push(server);
    }
    let file = capture.finish();
    is_well_formed(&file);
    // What one host says to itself is not in the network.
    for (a, b) in [(Ours, Rsplib), (Rsplib, Ours)] {
        let (registrar, id) = (a.registrar(), b.id());
        let (element, user) = (b.address(OUR_ELEMENT), b.address(OUR_USER));
        let registers = format!("asap.message_type == 1 and asap.pool_element_pe_identifier == {id}");
        shows(&file, element, registrar, &registers);
        let accepts = format!("asap.message_type == 3 and asap.r_bit == 0 and asap.pe_identifier == {id}");
        shows(&file, registrar, element, &accepts);
        shows(&file, user, registrar, "asap.message_type == 5");
        for id in [Ours.id(), Rsplib.id()] {
            let answers = format!("asap.message_type == 6 and asap.pool_element_pe_identifier == {id}");
            shows(&file, registrar, user, &answers);
        }
        let user = a.address(OUR_USER);
        shows(&file, user, element, "frame contains \"hello\"");
        shows(&file, element, user, "frame contains \"hello\"");
    }
}

/// A registrar of either, and an element of either at the other's. Users of either find both elements at either registrar; and when one
/// registrar is gone, at the other, which has taken its element over; and when it is back, and the other one gone, too.
fn one_operation_scope(our_id: &str, their_id: &str) {
    let Some(mut network) = Network::or_skip() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let capture = network.capture(&directory.path().join("scope.pcap"));
    let mut ours = network.start_registrar(Ours, our_id, LINUX);
    network.start_registrar(Rsplib, their_id, OUR_REGISTRAR);
    network.hear(&mut ours, "found");
    let _element = network.start_element(Ours, "Here", &[LINUX]);
    let _other = network.start_element(Rsplib, "There", &[OUR_REGISTRAR]);
    let find_all = |network: &mut Network, registrar: &str| {
        for user in [Ours, Rsplib] {
            for pool in ["Here", "There"] {
                network.talk(user, registrar, pool);
            }
        }
    };
    find_all(&mut network, LINUX);
    find_all(&mut network, OUR_REGISTRAR);

    network.linux.kill("registrar");
    network.hear(&mut ours, "is gone");
    find_all(&mut network, OUR_REGISTRAR);

    let mut theirs = network.start_registrar(Rsplib, their_id, OUR_REGISTRAR);
    find_all(&mut network, LINUX);
    drop(ours);
    network.hear(&mut theirs, "Takeover");
    find_all(&mut network, LINUX);

    let file = capture.finish();
    is_well_formed(&file);
    for (from, to) in [(OUR_REGISTRAR, LINUX), (LINUX, OUR_REGISTRAR)] {
        shows(&file, from, to, "enrp.message_type == 1");
        shows(&file, from, to, "enrp.message_type == 4");
    }
    // RSPLIB's learns from ours, its mentor, when it starts anew.
    shows(&file, LINUX, OUR_REGISTRAR, "enrp.message_type == 2");
    shows(&file, OUR_REGISTRAR, LINUX, "enrp.message_type == 3 and enrp.r_bit == 0");
}

#[test]
fn ours_is_first_in_one_operation_scope_with_rsplib_s_on_linux() {
    one_operation_scope("0x11", "0x22");
}

#[test]
fn rsplib_s_on_linux_is_first_in_one_operation_scope_with_ours() {
    one_operation_scope("0x22", "0x11");
}
