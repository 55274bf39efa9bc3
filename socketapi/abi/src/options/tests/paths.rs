//! `SCTP_PEER_ADDR_PARAMS` (RFC 6458, 8.1.12) where there are several paths.

use super::values::{list, listening, multihomed};
use crate::constants::*;
use crate::harness::{Program, at};
use crate::layout::{Record, View};
use crate::options::Outcome;
use crate::structures::sctp_paddrparams::{self, *};
use crate::{Form, Style};
use sctp_core::path::PathParameters;
use sctp_user::stack::Patience;
use std::time::Duration;

const FIRST: &str = "127.0.0.2:7000";
const SECOND: &str = "127.0.0.4:7000";

/// A one-to-many socket with an association over two paths, and its number.
fn connected() -> (Program, i32) {
    let mut program = multihomed(Style::OneToMany);
    listening(&program);
    let Ok(Outcome::Begun(number)) = program.set(SCTP_SOCKOPT_CONNECTX, &list(&[FIRST, SECOND])) else {
        panic!()
    };
    program.association = program.effects.begun;
    program.socket.wait_connected(program.association.unwrap(), Patience::Forever).unwrap();
    (program, number)
}

/// The structure; without an address for all.
fn asked(number: i32, address: Option<&str>) -> Record {
    let storage = address.map_or([0; 128], |address| Form::new(false).storage(at(address)));
    Record::new(sctp_paddrparams::SIZE).set(spp_assoc_id, number).set(spp_address, storage)
}

fn told(program: &mut Program, number: i32, address: Option<&str>) -> Vec<u8> {
    program.get(SCTP_PEER_ADDR_PARAMS, &asked(number, address).into_bytes(), 156).unwrap().bytes
}

fn set(program: &mut Program, record: Record) {
    program.set(SCTP_PEER_ADDR_PARAMS, &record.into_bytes()).unwrap();
}

/// What the stack has for each path.
fn parameters(program: &Program) -> [PathParameters; 2] {
    let of = |association: &sctp_core::association::Association| {
        [FIRST, SECOND].map(|text| association.paths().by_remote(at(text).ip()).unwrap().parameters)
    };
    program.socket.association(program.association, of).unwrap()
}

#[test]
fn thresholds_are_of_one_path_or_of_all() {
    let (mut program, number) = connected();
    set(&mut program, asked(number, Some(SECOND)).set(spp_pathmaxrxt, 7));
    set(&mut program, asked(0, None).set(spp_pathmaxrxt, 9));
    let mut max_retrans = |number, address| View(&told(&mut program, number, address)).get(spp_pathmaxrxt);
    assert_eq!(max_retrans(number, Some(SECOND)), 7);
    assert_eq!(max_retrans(number, Some(FIRST)), 5);
    assert_eq!((max_retrans(number, None), max_retrans(0, None)), (5, 9));
}

/// Heartbeats, path MTU, delay of SACKs, DSCP: what is set for one address is told of it, and of no other.
#[test]
fn what_is_set_for_one_address_is_of_that_path_alone() {
    let (mut program, number) = connected();
    let before = parameters(&program)[0];
    let flags = SPP_HB_ENABLE | SPP_PMTUD_DISABLE | SPP_SACKDELAY_ENABLE | SPP_DSCP | SPP_IPV6_FLOWLABEL;
    let one = asked(number, Some(SECOND))
        .set(spp_hbinterval, 7_000)
        .set(spp_pathmtu, 1_000)
        .set(spp_sackdelay, 70)
        .set(spp_dscp, 0xb8)
        .set(spp_ipv6_flowlabel, 0x12345)
        .set(spp_flags, flags);
    set(&mut program, one);
    let [first, second] = parameters(&program);
    assert_eq!(first, before);
    assert_eq!(second.hb_interval, Some(Duration::from_secs(7)));
    assert_eq!((second.mtu_search, second.path_mtu), (None, 1_000));
    assert_eq!((second.sack_delay, second.dscp), (Duration::from_millis(70), Some(0xb8)));
    assert_eq!(second.flow_label, None, "IPv4 has none");
    let bytes = told(&mut program, number, Some(SECOND));
    let view = View(&bytes);
    assert_eq!(
        (view.get(spp_hbinterval), view.get(spp_pathmtu), view.get(spp_sackdelay)),
        (7_000, 1_000, 70)
    );
    assert_eq!((view.get(spp_dscp), view.get(spp_flags)), (0xb8, flags & !SPP_IPV6_FLOWLABEL));
    let others = told(&mut program, number, None);
    assert_eq!(View(&others).get(spp_flags), SPP_HB_ENABLE | SPP_PMTUD_ENABLE | SPP_SACKDELAY_ENABLE);
}

/// The empty address: all paths, whatever was set for one before.
#[test]
fn what_is_set_for_all_addresses_is_of_each_path() {
    let (mut program, number) = connected();
    set(&mut program, asked(number, Some(SECOND)).set(spp_flags, SPP_HB_DISABLE));
    assert_eq!(parameters(&program).map(|path| path.hb_interval.is_some()), [true, false]);
    let again = Duration::from_secs(30);
    set(&mut program, asked(number, None).set(spp_flags, SPP_HB_ENABLE).set(spp_hbinterval, 30_000));
    assert_eq!(parameters(&program).map(|path| path.hb_interval), [Some(again); 2]);
    set(&mut program, asked(number, None).set(spp_flags, SPP_DSCP).set(spp_dscp, 0x28));
    assert_eq!(parameters(&program).map(|path| path.dscp), [Some(0x28); 2]);
}

/// SPP_PMTUD_DISABLE with an MTU, of associations to come.
#[test]
fn associations_to_come_have_the_fixed_path_mtu_of_their_socket() {
    let mut program = multihomed(Style::OneToMany);
    listening(&program);
    set(&mut program, asked(0, None).set(spp_flags, SPP_PMTUD_DISABLE).set(spp_pathmtu, 1_100));
    let Ok(Outcome::Begun(number)) = program.set(SCTP_SOCKOPT_CONNECTX, &list(&[FIRST])) else { panic!() };
    program.socket.wait_connected(program.effects.begun.unwrap(), Patience::Forever).unwrap();
    let bytes = told(&mut program, number, Some(FIRST));
    assert_eq!(View(&bytes).get(spp_pathmtu), 1_100);
}

/// `SCTP_GET_ASSOC_STATS`: the largest RTO since the last call, with the address of its path, and SACKs.
#[test]
fn the_statistics_have_the_largest_rto_since_they_were_last_read() {
    use crate::structures::sctp_assoc_stats::{self, *};
    use sctp_core::message::SendOptions;
    let (mut program, number) = connected();
    let read = |program: &mut Program| {
        let asked = Record::new(sctp_assoc_stats::SIZE).set(sas_assoc_id, number).into_bytes();
        program.get(SCTP_GET_ASSOC_STATS, &asked, sctp_assoc_stats::SIZE).unwrap().bytes
    };
    let payload = bytes::Bytes::from_static(b"to be acknowledged");
    program.socket.send(program.association, &SendOptions::default(), &payload, Patience::Forever).unwrap();
    program.socket.configure(program.association, |config| config.rto_min = Duration::from_secs(3)).unwrap();
    let is_acknowledged = |program: &Program| {
        !program.socket.association(program.association, |it| it.has_unacknowledged()).unwrap()
    };
    while !is_acknowledged(&program) {
        std::thread::yield_now();
    }
    let first = read(&mut program);
    let (rto, address) = (View(&first).get(sas_maxrto), View(&first).get(sas_obs_rto_ipaddr));
    assert!((1_000..=3_000).contains(&rto), "{rto} ms");
    let observed = crate::decode(&address).unwrap();
    assert!([FIRST, SECOND].contains(&observed.to_string().as_str()), "{observed}");
    assert_eq!((View(&first).get(sas_isacks), View(&first).get(sas_gapcnt)), (1, 0));
    assert_eq!(View(&read(&mut program)).get(sas_maxrto), 0, "no RTO was computed since");
}

/// RFC 6458, 8.1.12; as on Linux, what was fixed is told also while it is searched for, and is what is fixed again.
#[test]
fn a_fixed_path_mtu_outlives_the_search_for_another() {
    let mut program = multihomed(Style::OneToMany);
    set(&mut program, asked(0, None).set(spp_pathmtu, 1_200).set(spp_flags, SPP_PMTUD_DISABLE));
    for flags in [SPP_PMTUD_ENABLE, SPP_PMTUD_DISABLE] {
        set(&mut program, asked(0, None).set(spp_flags, flags));
        let told = told(&mut program, 0, None);
        assert_eq!(View(&told).get(spp_pathmtu), 1_200);
        assert_eq!(View(&told).get(spp_flags) & (SPP_PMTUD_ENABLE | SPP_PMTUD_DISABLE), flags);
    }
    assert_eq!(program.socket.config().unwrap().path_mtu, 1_200);
}
