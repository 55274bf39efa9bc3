//! 3.3: our registrar learns from a checksum that it has missed what happened at RSPLIB's.
//!
//! The network is cut until our registrar has given its association up: then the Handle Updates of that time are lost.

use nix::sys::signal::Signal;
use system_tests::{Program, hear};

use super::{PRESENCE, TABLE_REQUEST, TABLE_RESPONSE, UNKNOWN_POOL, enrp_element, from_us, to_us};
use crate::ground::{Evidence, Ground, OURS, THEIR_PROGRAMS, THEIRS};

/// Both registrars, who wait for each other as long as it takes, and these elements, which both know.
struct Federation<'a> {
    ground: &'a Ground,
    _ours: Program,
    theirs: Program,
    elements: Vec<Program>,
}

impl<'a> Federation<'a> {
    fn new(ground: &'a Ground, elements: &[&str], more: &[&str]) -> Self {
        let patient = ["-peermaxtimelastheard=300000", "-peermaxtimenoresponse=300000"];
        let mut ours = ground.our_peer("0x11", &[THEIRS], &patient);
        let theirs = ground.their_peer(THEIRS, "0x22", OURS, &[&patient, more].concat());
        hear(&mut ours, "registrar 0x00000022 found");
        let mut federation = Self { ground, _ours: ours, theirs, elements: Vec::new() };
        elements.iter().for_each(|id| federation.add(id));
        if let Some(last) = elements.last() {
            ground.our_registrar_has(&enrp_element(last));
        }
        federation
    }

    fn add(&mut self, id: &str) {
        let address = THEIR_PROGRAMS[self.elements.len()];
        let element = self.ground.their_element(address, "-echo", id, THEIRS, &[]);
        hear(&mut self.theirs, &format!("Successfully registered EchoPool/$000000{}", &id[2..]));
        self.elements.push(element);
    }

    /// The elements leave RSPLIB's registrar.
    fn remove(&mut self, which: std::ops::Range<usize>) {
        for element in &self.elements[which] {
            element.signal(Signal::SIGINT);
            hear(&mut self.theirs, "Deregistration successfully completed");
        }
    }

    /// Something happens that our registrar does not notice.
    fn unnoticed(&mut self, work: impl FnOnce(&mut Self)) -> u32 {
        self.ground.cut();
        let last = self.ground.count("frame");
        work(self);
        let again = format!(
            "frame.number > {last} and ip.src == {OURS} and ip.dst == {THEIRS} and sctp.chunk_type == 1"
        );
        let seen = self.ground.show(&[&again]);
        self.ground.mend();
        seen.last()
    }

    /// After that packet a checksum tells it, and a table with the W bit what there is.
    fn audit(&self, after: u32, table: &[String]) -> Evidence {
        let after = format!("frame.number > {after}");
        let presence = format!("{after} and {} and enrp.pe_checksum", to_us(PRESENCE));
        let request = format!("{} and enrp.w_bit == 1", from_us(TABLE_REQUEST));
        let mut filters = vec![presence.as_str(), request.as_str()];
        filters.extend(table.iter().map(String::as_str));
        let seen = self.ground.show(&filters);
        let presence =
            format!("frame.number > {} and {} and enrp.pe_checksum", seen.last(), from_us(PRESENCE));
        seen.and(self.ground.show(&[&presence]))
    }
}

/// A part of the table, with more to come or not.
fn part(more: u8) -> String {
    format!("{} and enrp.m_bit == {more}", to_us(TABLE_RESPONSE))
}

pub(crate) fn finds_the_new(ground: &Ground) -> Evidence {
    let mut federation = Federation::new(ground, &["0xb1"], &[]);
    let after = federation.unnoticed(|it| it.add("0xb2"));
    let seen = federation.audit(after, &[format!("{} and {}", part(0), enrp_element("0xb2"))]);
    seen.and(ground.our_registrar_has(&format!("{} and {}", enrp_element("0xb1"), enrp_element("0xb2"))))
}

pub(crate) fn drops_the_old(ground: &Ground) -> Evidence {
    let mut federation = Federation::new(ground, &["0xb1"], &[]);
    let after = federation.unnoticed(|it| it.remove(0..1));
    let seen = federation.audit(after, &[part(0)]);
    seen.and(ground.our_registrar_answers(UNKNOWN_POOL))
}

/// A message holds one element here.
pub(crate) fn exchanges_many(ground: &Ground) -> Evidence {
    let mut federation = Federation::new(ground, &["0xb1", "0xb2"], &["-maxelementsperhtrequest=1"]);
    let after = federation.unnoticed(|it| {
        it.remove(0..2);
        it.add("0xb3");
        it.add("0xb4");
    });
    let [first, last] = ["0xb3", "0xb4"].map(enrp_element);
    let seen = federation.audit(
        after,
        &[
            format!("{} and {first}", part(1)),
            from_us(TABLE_REQUEST),
            format!("{} and {last}", to_us(TABLE_RESPONSE)),
            part(0),
        ],
    );
    let [new, old] = [["0xb3", "0xb4"], ["0xb1", "0xb2"]].map(|ids| ids.map(enrp_element));
    let known = format!("{} and not {} and not {}", new.join(" and "), old[0], old[1]);
    seen.and(ground.our_registrar_has(&known))
}
