use std::collections::BTreeSet;
use std::io;
use std::os::fd::BorrowedFd;

use proptest::prelude::*;
use sctp_core::net::PathAddress;

use super::*;
use crate::driver::{Inbox, Report, Sent, Transmit};

/// A driver that carries nothing, and knows what is leased. A port of another stack is taken.
#[derive(Default)]
struct Landlord {
    leased: BTreeSet<(u16, IpAddr)>,
}

const OTHERS: u16 = 9;

impl Driver for Landlord {
    fn send(&mut self, batch: &[Transmit], _: &[u8], _: &mut Vec<Report>) -> Sent {
        Sent { transmits: batch.len(), segments: 0 }
    }

    fn receive(&mut self, _: &mut Inbox) -> io::Result<()> {
        Ok(())
    }

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        Vec::new()
    }

    fn max_segments(&self) -> usize {
        1
    }

    fn mtu(&self, _: &PathAddress) -> usize {
        1_500
    }

    fn overhead(&self, _: IpAddr) -> usize {
        20
    }

    fn local_addresses(&self) -> Vec<IpAddr> {
        Vec::new()
    }

    fn lease_port(&mut self, port: u16, addresses: &[IpAddr]) -> Result<(), LeaseError> {
        if port == OTHERS {
            return Err(LeaseError::Taken { port, pid: 1 });
        }
        for address in addresses {
            assert!(self.leased.insert((port, *address)), "{address} is leased once");
        }
        Ok(())
    }

    fn release_port(&mut self, port: u16, addresses: &[IpAddr]) {
        for address in addresses {
            assert!(self.leased.remove(&(port, *address)), "{address} was leased");
        }
    }
}

#[derive(Default)]
struct Bench {
    ports: Ports,
    driver: Landlord,
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn bound(texts: &[&str]) -> Bound {
    Bound::new(&texts.iter().map(|text| ip(text)).collect::<Vec<_>>())
}

const REUSE_ADDRESS: Option<Sharing> =
    Some(Sharing { user: 7, silent: true, beside_listener: false, divided: false });
const REUSE_PORT: Option<Sharing> =
    Some(Sharing { user: 7, silent: true, beside_listener: true, divided: false });
const DIVIDED: Option<Sharing> =
    Some(Sharing { user: 7, silent: false, beside_listener: false, divided: true });

fn of_user(user: u32, sharing: Option<Sharing>) -> Option<Sharing> {
    sharing.map(|sharing| Sharing { user, ..sharing })
}

impl Bench {
    fn bind(&mut self, addresses: &[&str], sharing: Option<Sharing>) -> Option<BindingId> {
        let bound = self.ports.bind(&mut self.driver, 80, &bound(addresses), sharing, 0);
        match bound {
            Ok((id, _)) => Some(id),
            Err(Error::PortInUse(80)) => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn close(&mut self, id: BindingId) {
        self.ports.close(&mut self.driver, id);
    }

    fn leased(&self) -> Vec<IpAddr> {
        self.driver.leased.iter().map(|(_, address)| *address).collect()
    }
}

/// RFC 9260, 1.3: a transport address is an address and a port.
#[test]
fn a_port_is_taken_on_some_addresses_and_free_on_others() {
    let mut bench = Bench::default();
    let first = bench.bind(&["10.0.0.1", "10.0.0.2"], None).unwrap();
    assert_eq!(bench.bind(&["10.0.0.2"], None), None);
    assert_eq!(bench.bind(&["0.0.0.0"], None), None);
    assert_eq!(bench.bind(&[], None), None);
    bench.bind(&["10.0.0.3"], None).unwrap();
    bench.bind(&["::"], None).unwrap();
    assert_eq!(bench.bind(&["::1"], None), None);
    assert_eq!(bench.leased(), ["10.0.0.1", "10.0.0.2", "10.0.0.3", "::"].map(ip));
    bench.close(first);
    assert_eq!(bench.leased(), ["10.0.0.3", "::"].map(ip));
    bench.bind(&["10.0.0.1"], None).unwrap();
}

/// SO_REUSEADDR of Linux.
#[test]
fn who_reuses_an_address_shares_it_with_those_who_do_and_do_not_listen() {
    let mut bench = Bench::default();
    let first = bench.bind(&["10.0.0.1"], REUSE_ADDRESS).unwrap();
    let second = bench.bind(&[], REUSE_ADDRESS).unwrap();
    assert_eq!(bench.bind(&["10.0.0.1"], None), None);
    assert_eq!(bench.bind(&["10.0.0.1"], of_user(8, REUSE_ADDRESS)), None, "another user's");
    bench.ports.listen(first).unwrap();
    assert!(matches!(bench.ports.listen(second), Err(Error::PortInUse(80))));
    assert_eq!(bench.bind(&["10.0.0.1"], REUSE_ADDRESS), None);
    bench.bind(&["10.0.0.2"], REUSE_ADDRESS).unwrap();
    bench.ports.stop_listening(first);
    bench.ports.listen(second).unwrap();
    bench.close(second);
    bench.ports.listen(first).unwrap();
}

/// RFC 6458, 8.1.27.
#[test]
fn who_reuses_a_port_is_bound_beside_one_that_listens() {
    let mut bench = Bench::default();
    let first = bench.bind(&[], REUSE_PORT).unwrap();
    bench.ports.listen(first).unwrap();
    let second = bench.bind(&[], REUSE_PORT).unwrap();
    assert!(matches!(bench.ports.listen(second), Err(Error::PortInUse(80))));
    bench.close(first);
    bench.ports.listen(second).unwrap();
    assert_eq!(bench.bind(&[], REUSE_ADDRESS), None);
}

/// SO_REUSEPORT of Linux.
#[test]
fn who_divides_what_comes_in_listens_beside_others_of_its_user() {
    let mut bench = Bench::default();
    let first = bench.bind(&["10.0.0.1"], DIVIDED).unwrap();
    bench.ports.listen(first).unwrap();
    let all = bench.bind(&[], DIVIDED).unwrap();
    for other in [None, REUSE_ADDRESS, REUSE_PORT, of_user(8, DIVIDED)] {
        assert_eq!(bench.bind(&["10.0.0.1"], other), None, "{other:?}");
    }
    bench.ports.listen(all).unwrap();
    bench.ports.begin_association(first);
    let accepted = bench.ports.split(first).unwrap();
    bench.close(first);
    let second = bench.bind(&["10.0.0.1"], DIVIDED).unwrap();
    bench.ports.listen(second).unwrap();
    bench.ports.stop_listening(all);
    bench.close(accepted);
    bench.ports.end_association(&mut bench.driver, accepted);
    bench.close(all);
    bench.close(second);
    assert_eq!(bench.leased(), [] as [IpAddr; 0]);
}

#[test]
fn so_many_divide_what_comes_to_a_place_at_most() {
    let mut bench = Bench::default();
    let all: Vec<_> = (0..=MOST_LISTENERS).map(|_| bench.bind(&["10.0.0.1"], DIVIDED).unwrap()).collect();
    let (last, others) = all.split_last().unwrap();
    others.iter().for_each(|id| bench.ports.listen(*id).unwrap());
    assert!(matches!(bench.ports.listen(*last), Err(Error::TooManyListeners(80))));
    bench.close(all[0]);
    bench.ports.listen(*last).unwrap();
}

#[test]
fn what_is_said_after_a_socket_was_bound_counts_from_then_on() {
    let mut bench = Bench::default();
    let first = bench.bind(&["10.0.0.1"], None).unwrap();
    assert_eq!(bench.bind(&["10.0.0.1"], DIVIDED), None);
    bench.ports.reshare(first, DIVIDED);
    let second = bench.bind(&["10.0.0.1"], DIVIDED).unwrap();
    bench.ports.reshare(first, None);
    assert_eq!(bench.bind(&["10.0.0.1"], DIVIDED), None);
    bench.ports.listen(second).unwrap();
    assert!(bench.ports.listen(first).is_err());
    bench.ports.reshare(first, of_user(8, DIVIDED));
    assert_eq!(bench.bind(&["10.0.0.1"], DIVIDED), None, "of several users");
    bench.close(first);
    bench.close(second);
    bench.bind(&["10.0.0.1"], of_user(8, DIVIDED)).unwrap();
}

/// RFC 6458, 9.1: the addresses of a socket come and go, and another one may have what it has no more.
#[test]
fn an_address_that_is_taken_off_is_free_and_stays_leased() {
    let mut bench = Bench::default();
    let first = bench.bind(&["10.0.0.1", "10.0.0.2"], None).unwrap();
    bench.ports.listen(first).unwrap();
    bench.ports.remove(first, ip("10.0.0.2"));
    assert_eq!(bench.leased(), ["10.0.0.1", "10.0.0.2"].map(ip));
    let second = bench.bind(&["10.0.0.2"], None).unwrap();
    bench.ports.listen(second).unwrap();
    let added = bench.ports.add(&mut bench.driver, first, ip("10.0.0.2"));
    assert!(matches!(added, Err(Error::PortInUse(80))));
    bench.close(second);
    bench.ports.add(&mut bench.driver, first, ip("10.0.0.2")).unwrap();
    assert_eq!(bench.bind(&["10.0.0.2"], None), None);
    bench.close(first);
    assert_eq!(bench.leased(), [] as [IpAddr; 0]);
}

#[test]
fn associations_keep_a_lease_but_no_port_from_others() {
    let mut bench = Bench::default();
    let first = bench.bind(&["10.0.0.1"], None).unwrap();
    bench.ports.begin_association(first);
    bench.close(first);
    assert_eq!(bench.leased(), [ip("10.0.0.1")]);
    let second = bench.bind(&[], None).unwrap();
    assert_eq!(bench.leased(), ["0.0.0.0", "10.0.0.1", "::"].map(ip));
    bench.close(second);
    bench.ports.end_association(&mut bench.driver, first);
    assert_eq!(bench.leased(), [] as [IpAddr; 0]);
}

/// As on Linux: the socket has the addresses of the listener (RFC 9260, 1.3: they are one endpoint's).
#[test]
fn what_was_accepted_keeps_the_port() {
    let mut bench = Bench::default();
    let listener = bench.bind(&["10.0.0.1", "10.0.0.2"], REUSE_ADDRESS).unwrap();
    bench.ports.listen(listener).unwrap();
    bench.ports.begin_association(listener);
    let accepted = bench.ports.split(listener).unwrap();
    bench.ports.remove(listener, ip("10.0.0.1"));
    assert_eq!(bench.bind(&["10.0.0.1"], None), None);
    bench.close(listener);
    assert_eq!(bench.bind(&["10.0.0.2"], None), None);
    let again = bench.bind(&["10.0.0.2"], REUSE_ADDRESS).unwrap();
    bench.ports.listen(again).unwrap();
    bench.close(again);
    bench.close(accepted);
    bench.ports.end_association(&mut bench.driver, accepted);
    assert_eq!(bench.leased(), [] as [IpAddr; 0]);
}

/// The association may use what its socket has no more.
#[test]
fn what_was_accepted_keeps_the_lease_of_what_its_listener_had() {
    let mut bench = Bench::default();
    let listener = bench.bind(&["10.0.0.1", "10.0.0.2"], None).unwrap();
    bench.ports.begin_association(listener);
    bench.ports.remove(listener, ip("10.0.0.1"));
    let accepted = bench.ports.split(listener).unwrap();
    bench.close(listener);
    assert_eq!(bench.leased(), ["10.0.0.1", "10.0.0.2"].map(ip));
    let other = bench.bind(&["10.0.0.1"], None).unwrap();
    bench.close(other);
    bench.close(accepted);
    assert_eq!(bench.leased(), ["10.0.0.1", "10.0.0.2"].map(ip));
    bench.ports.end_association(&mut bench.driver, accepted);
    assert_eq!(bench.leased(), [] as [IpAddr; 0]);
}

#[test]
fn what_another_stack_has_cannot_be_bound_and_leaves_nothing() {
    let mut bench = Bench::default();
    let taken = bench.ports.bind(&mut bench.driver, OTHERS, &Bound::default(), None, 0);
    assert!(matches!(taken, Err(Error::Lease(_))));
    assert!(bench.ports.places.is_empty() && bench.ports.bindings.is_empty());
}

#[test]
fn a_port_of_its_own_is_free_on_all_addresses() {
    let mut bench = Bench::default();
    let mut some = |random| {
        let (_, port) =
            bench.ports.bind(&mut bench.driver, 0, &bound(&["10.0.0.1"]), REUSE_PORT, random).unwrap();
        port
    };
    let first = some(5);
    assert_ne!(some(5), first, "although it could be shared");
    assert!(bench.driver.leased.is_empty(), "it is of a block that was leased");
}

proptest! {
    /// However sockets come and go: no two that do not share meet, one of those who meet listens unless all divide what comes in, and
    /// in the end nothing is left.
    #[test]
    fn ports_are_given_back_whatever_happens(
        acts in prop::collection::vec((0_u8..8, 0_usize..6, 0_usize..6, 0_usize..3), 1..60),
    ) {
        const SHARINGS: [Option<Sharing>; 3] = [None, REUSE_PORT, DIVIDED];
        const PLACES: [&[&str]; 6] =
            [&[], &["0.0.0.0"], &["::"], &["10.0.0.1"], &["10.0.0.1", "::1"], &["10.0.0.2"]];
        let mut bench = Bench::default();
        let mut open: Vec<(BindingId, Option<Sharing>)> = Vec::new();
        let (mut lingering, mut accepted): (Vec<BindingId>, Vec<BindingId>) = (Vec::new(), Vec::new());
        for (act, which, place, sharing) in acts {
            let chosen = open.get(which % open.len().max(1)).copied();
            match (act, chosen) {
                (0..=2, _) => {
                    let sharing = SHARINGS[sharing];
                    open.extend(bench.bind(PLACES[place], sharing).map(|id| (id, sharing)));
                }
                (3, Some((id, _))) => _ = bench.ports.listen(id),
                (4, Some((id, _))) => {
                    let _ = bench.ports.add(&mut bench.driver, id, ip("10.0.0.3"));
                }
                (5, Some((id, _))) => bench.ports.remove(id, ip("10.0.0.3")),
                (6, Some((id, sharing))) => {
                    bench.ports.begin_association(id);
                    let own = bench.ports.split(id).unwrap();
                    open.push((own, sharing));
                    accepted.push(own);
                }
                (_, Some((id, _))) => {
                    bench.ports.begin_association(id);
                    bench.close(id);
                    open.retain(|(other, _)| *other != id);
                    lingering.push(id);
                }
                _ => {}
            }
            let state = |(id, sharing): &(BindingId, Option<Sharing>)| {
                let binding = &bench.ports.bindings[id];
                (binding.bound.clone(), binding.listening, *sharing)
            };
            let states: Vec<_> = open.iter().map(state).collect();
            for (at, one) in states.iter().enumerate() {
                for other in states[..at].iter().filter(|other| other.0.overlaps(&one.0)) {
                    prop_assert_eq!(one.2, other.2);
                    prop_assert!(!(one.1 && other.1) || one.2 == DIVIDED);
                }
            }
        }
        open.iter().for_each(|(id, _)| bench.close(*id));
        let associations = lingering.iter().chain(&accepted);
        associations.for_each(|id| bench.ports.end_association(&mut bench.driver, *id));
        prop_assert!(bench.ports.places.is_empty() && bench.ports.bindings.is_empty());
        prop_assert!(bench.driver.leased.is_empty());
    }
}
