//! 3.3: our registrar learns from a checksum that it has missed what happened at RSPLIB's.
//!
//! What RSPLIB's tells while neither hears the other is lost once ours has given their association up, after 40 s, and begins a new
//! one: for RSPLIB's that is a restart (RFC 9260, 5.2.4, A), with which its stack forgets what was not acknowledged.

use std::ops::Range;

use system_tests::{Program, hear};

use super::{PRESENCE, TABLE_REQUEST, TABLE_RESPONSE, from_us, in_parts, to_us};
use crate::crowd::{Crowd, MANY};
use crate::ground::{Evidence, Ground, OURS, THEIRS};

/// Both registrars, who wait for each other as long as it takes, and RSPLIB's has these elements, which both know.
struct Federation<'a> {
    ground: &'a Ground,
    _registrars: [Program; 2],
    elements: Crowd,
}

impl<'a> Federation<'a> {
    fn new(ground: &'a Ground, ids: Range<u32>) -> Self {
        let patient = ["-peermaxtimelastheard=300000", "-peermaxtimenoresponse=300000"];
        let mut ours = ground.our_peer("0x11", &[THEIRS], &patient);
        // Nor does it ask the elements meanwhile.
        let quiet = [&patient[..], &["-endpointkeepalivetransmissioninterval=300000"]].concat();
        let theirs = ground.their_peer(THEIRS, "0x22", OURS, &quiet);
        hear(&mut ours, "registrar 0x00000022 found");
        let mut elements = Crowd::new(ground, THEIRS);
        elements.join(ids);
        ground.our_registrar_has_just(&elements.ids());
        Self { ground, _registrars: [ours, theirs], elements }
    }

    /// Something happens that our registrar does not notice; the last packet before it does.
    fn unnoticed(&mut self, change: impl FnOnce(&mut Crowd)) -> u32 {
        self.ground.cut();
        let before = self.ground.count("frame");
        change(&mut self.elements);
        let begins = format!("ip.src == {OURS} and ip.dst == {THEIRS} and sctp.chunk_type == 1");
        let begins = self.ground.show(&[&format!("frame.number > {before} and {begins}")]);
        self.ground.mend();
        begins.last()
    }

    /// After that packet a checksum tells our registrar, and a table with the W bit, in so many parts, what there is.
    fn audit(&self, after: u32, parts: usize) -> Evidence {
        let presence = format!("frame.number > {after} and {} and enrp.pe_checksum", to_us(PRESENCE));
        let seen = self.ground.show(&[&presence]);
        let request =
            format!("frame.number > {} and {} and enrp.w_bit == 1", seen.last(), from_us(TABLE_REQUEST));
        let seen = seen.and(in_parts(self.ground, parts, &request, &to_us(TABLE_RESPONSE)));
        let own = format!("frame.number > {} and {} and enrp.pe_checksum", seen.last(), from_us(PRESENCE));
        let own = self.ground.show(&[&own]);
        seen.and(own).and(self.ground.our_registrar_has_just(&self.elements.ids()))
    }
}

pub(crate) fn finds_the_new(ground: &Ground) -> Evidence {
    let mut federation = Federation::new(ground, 0..1);
    let after = federation.unnoticed(|elements| elements.join(1..2));
    federation.audit(after, 1)
}

pub(crate) fn drops_the_old(ground: &Ground) -> Evidence {
    let mut federation = Federation::new(ground, 0..2);
    let after = federation.unnoticed(|elements| elements.leave(0..1));
    federation.audit(after, 1)
}

pub(crate) fn exchanges_many(ground: &Ground) -> Evidence {
    let mut federation = Federation::new(ground, 0..MANY);
    let after = federation.unnoticed(|elements| {
        elements.join(MANY..2 * MANY);
        elements.leave(0..MANY);
    });
    federation.audit(after, 2)
}
