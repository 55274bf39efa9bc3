//! Registrars that are found by multicast (RFC 5352, 3.6; RFC 5353, 3.1), in groups of both families: nobody is told of an address. Each
//! program is on a host of its own, over raw IP, ours and RSPLIB's.

use std::io::Write;

use rserpool::wire::{ASAP_PORT, ENRP_PORT};
use system_tests::{
    Host, LIMIT, Lab, Program, finish, has_rsplib_or_skip, hear, is_root_or_skip, look_until, sctp_run_on,
    start, start_our_own,
};

/// Where programs look for each other.
struct Groups {
    asap: &'static str,
    enrp: &'static str,
}

const V4: Groups = Groups { asap: "239.1.2.3:3863", enrp: "239.1.2.4:9901" };
/// Of one link.
const V6_LINK: Groups = Groups { asap: "[ff02::50]:3863", enrp: "[ff02::51]:9901" };
/// Of one site.
const V6_SITE: Groups = Groups { asap: "[ff05::50]:3863", enrp: "[ff05::51]:9901" };

impl Groups {
    /// A host's address of the same family.
    fn address(&self, host: &Host) -> String {
        if self.asap.starts_with('[') { host.v6(0) } else { host.v4(0) }
    }

    fn place(&self, host: &Host, port: u16) -> String {
        match self.address(host) {
            v6 if v6.contains(':') => format!("[{v6}]:{port}"),
            v4 => format!("{v4}:{port}"),
        }
    }

    fn our_registrar(&self, host: &Host, identifier: u32) -> Program {
        let options = [
            format!("-identifier={identifier:#x}"),
            format!("-asapannounce={}", self.asap),
            format!("-enrpannounce={}", self.enrp),
            "-mentordiscoverytimeout=1000".to_owned(),
        ];
        let mut registrar = start_our_own(host, &self.address(host), "rspregistrar", &options);
        hear(&mut registrar, "serving");
        registrar
    }

    /// An element with identifier 0xaaaa, of ours.
    fn our_element(&self, host: &Host) -> Program {
        let options = ["-echo", "-identifier=0xaaaa", &format!("-asapannounce={}", self.asap)];
        let mut element = start_our_own(host, &self.address(host), "rspserver", &options);
        hear(&mut element, "registered");
        element
    }

    /// A user of ours says a line to the element, and hears it.
    fn our_user_talks(&self, host: &Host) {
        let options = [format!("-asapannounce={}", self.asap)];
        talk(start_our_own(host, &self.address(host), "rspterminal", &options));
    }

    /// So does a program of ours that asks the registrar itself.
    fn our_load_finds_a_registrar(&self, host: &Host) {
        let options = [format!("-asapannounce={}", self.asap), "-maxruns=1".into()];
        let output = finish(start_our_own(host, &self.address(host), "hrestest", &options));
        assert!(output.contains("1 answers in"), "{output}");
    }

    /// A program of RSPLIB's.
    fn theirs(&self, host: &Host, program: &[&str]) -> Program {
        let group = format!("-asapannounce={}", self.asap);
        let command = sctp_run_on(host, &self.address(host));
        start(command, &[program, &["-logcolor=off", &group]].concat())
    }

    /// A registrar tells, who is asked as one of its peers, of the element.
    fn knows_the_element(&self, registrar: &Host, from: &Host) {
        let place = self.place(registrar, ENRP_PORT);
        look_until(LIMIT, || {
            let output = finish(start_our_own(from, &self.address(from), "hsdump", &[&place]));
            if output.contains("aaaa") { Ok(()) } else { Err(output) }
        });
    }

    /// Two registrars of ours that know of each other by multicast only, an element and a user.
    fn find_each_other(&self) {
        let (hub, others) = Lab::star(3);
        let _registrars = [self.our_registrar(&hub, 0x11), self.our_registrar(&others[0], 0x22)];
        let _element = self.our_element(&others[1]);
        self.our_user_talks(&others[2]);
        self.our_load_finds_a_registrar(&others[2]);
        for registrar in [&hub, &others[0]] {
            self.knows_the_element(registrar, &others[2]);
        }
    }
}

fn talk(mut terminal: Program) {
    let mut typed = terminal.take_stdin().expect("its standard input");
    typed.write_all(b"hello\n").expect("it reads");
    hear(&mut terminal, "hello");
}

#[test]
fn all_find_each_other_in_ipv4_groups() {
    if is_root_or_skip() {
        V4.find_each_other();
    }
}

#[test]
fn all_find_each_other_in_ipv6_groups_of_a_link() {
    if is_root_or_skip() {
        V6_LINK.find_each_other();
    }
}

#[test]
fn all_find_each_other_in_ipv6_groups_of_a_site() {
    if is_root_or_skip() {
        V6_SITE.find_each_other();
    }
}

/// RSPLIB's element and user at our registrar.
fn rsplib_finds_ours(groups: &Groups) {
    let (hub, others) = Lab::star(2);
    let _registrar = groups.our_registrar(&hub, 0x11);
    let _element = groups.theirs(&others[0], &["rspserver", "-echo", "-identifier=0xaaaa", "-loglevel=4"]);
    groups.knows_the_element(&hub, &others[1]);
    talk(groups.theirs(&others[1], &["rspterminal", "-poolhandle=EchoPool"]));
}

#[test]
fn rsplib_finds_our_registrar_in_an_ipv4_group() {
    if has_rsplib_or_skip() {
        rsplib_finds_ours(&V4);
    }
}

#[test]
fn rsplib_finds_our_registrar_in_an_ipv6_group() {
    if has_rsplib_or_skip() {
        rsplib_finds_ours(&V6_SITE);
    }
}

/// Our element and user at RSPLIB's registrar, and ours as its peer.
fn ours_find_rsplib_s(groups: &Groups) {
    let (hub, others) = Lab::star(3);
    let asap = format!("-asap={}", groups.place(&hub, ASAP_PORT));
    let enrp = format!("-enrp={}", groups.place(&hub, ENRP_PORT));
    let enrp_group = format!("-enrpannounce={}", groups.enrp);
    let program = ["rspregistrar", "-identifier=0x22", "-loglevel=5", &asap, &enrp, &enrp_group];
    let mut theirs = groups.theirs(&hub, &program);
    hear(&mut theirs, "Registrar started");
    let _element = groups.our_element(&others[0]);
    hear(&mut theirs, "Successfully registered EchoPool/$0000aaaa");
    groups.our_user_talks(&others[1]);
    let _ours = groups.our_registrar(&others[2], 0x11);
    groups.knows_the_element(&others[2], &others[1]);
}

#[test]
fn ours_find_rsplib_s_registrar_in_ipv4_groups() {
    if has_rsplib_or_skip() {
        ours_find_rsplib_s(&V4);
    }
}

#[test]
fn ours_find_rsplib_s_registrar_in_ipv6_groups() {
    if has_rsplib_or_skip() {
        ours_find_rsplib_s(&V6_SITE);
    }
}
