//! Addresses that come and go during an association.

use std::net::IpAddr;
use std::time::Duration;

use socketapi::{LocalAddressChange, MtuState, Notification, PathChange, PathStatus};
use system_tests::{look_until, wait_until};

use super::Case;
use crate::ground::{Begins, Ground, Plan};
use crate::ours::{Association, Job};
use crate::peer::LIMIT;

const ASCONF: &str = "Changing addresses (RFC 5061)";

pub(super) const CASES: &[Case] = &[
    Case::new(ASCONF, "the peer adds an address", the_peer_adds),
    Case::new(ASCONF, "by IPv4: the peer adds an IPv6 address", the_peer_adds_ipv6),
    Case::new(ASCONF, "the peer removes an address", the_peer_removes),
    Case::new(ASCONF, "the peer chooses the address that we send to", the_peer_chooses),
    Case::new(ASCONF, "the peer moves to another network while we send", the_peer_moves),
    Case::new(ASCONF, "we add an address", we_add),
    Case::new(ASCONF, "by IPv4: we add an IPv6 address", we_add_ipv6),
    Case::new(ASCONF, "we remove an address", we_remove),
    Case::new(ASCONF, "we choose the address that the peer sends to", we_choose),
    Case::new(ASCONF, "we move to another network while the peer sends", we_move),
];

/// Our addresses on both networks, and these of the peer.
fn plan(theirs: &[&str]) -> Plan {
    let plan = Plan::new(Begins::We).between(&["10.77.0.1", "10.77.1.1"], theirs).with_short_timers();
    plan.peer("set auth 1").peer("set asconf 1").config(|config| {
        config.extensions.auth = true;
        config.extensions.asconf = true;
    })
}

fn await_change(association: &Association, text: &str, awaited: PathChange) {
    let address: IpAddr = text.parse().expect("an address");
    let is_it = |it: &Notification| matches!(it, Notification::PathChanged { address: of, change } if (*of, *change) == (address, awaited));
    association.await_notification(is_it);
}

/// Waits until the paths are no longer probed, and probes none from then on. usrsctp forgets an address as soon as it is to be removed, and
/// answers what is on its way there with ABORT (but see RFC 5061, 5.3 F4).
fn await_silence(association: &Association) {
    let is_probed = |path: &PathStatus| path.srtt.is_none() || path.mtu_search != MtuState::Complete;
    wait_until(LIMIT, "the paths are probed for ever", || {
        !association.stream.status().expect("it has not ended").paths.iter().any(is_probed)
    });
    stop_heartbeats(association);
}

fn stop_heartbeats(association: &Association) {
    let options = association.stream.options();
    options.change_path(None, |path| path.hb_interval = None).expect("it has not ended");
}

/// The peer's addresses, as we know them.
fn known(association: &Association) -> Vec<String> {
    let status = association.stream.status().expect("it has not ended");
    status.paths.iter().map(|path| path.address.to_string()).collect()
}

const DATA: Job = Job::new(50, 3000);

fn the_peer_adds(ground: &mut Ground<'_>) -> String {
    the_peer_adds_to(ground, &plan(&["10.77.0.2"]), "10.77.1.2")
}

fn the_peer_adds_ipv6(ground: &mut Ground<'_>) -> String {
    let plan = plan(&[]).between(&["10.77.0.1", "fd77:1::1"], &["10.77.0.2"]);
    the_peer_adds_to(ground, &Plan { may_get_ipv6: true, ..plan }, "fd77:1::2")
}

fn the_peer_adds_to(ground: &mut Ground<'_>, plan: &Plan, address: &str) -> String {
    let association = ground.associate(plan);
    assert!(association.extensions().asconf);
    let port = ground.peer_port();
    ground.peer.tell(&format!("add {port} {address}"));
    await_change(&association, address, PathChange::Added);
    await_change(&association, address, PathChange::Confirmed);
    // Without the first network, only the new address is left.
    ground.ours.unplug(0);
    ground.converse(&association, DATA);
    ground.ours.plug(0);
    ground.end(&association);
    "added, confirmed, and used when the first one fails".into()
}

fn the_peer_removes(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan(&["10.77.0.2", "10.77.1.2"]));
    await_silence(&association);
    // Behind what was on the way.
    ground.send(&association, Job::new(1, 100));
    let port = ground.peer_port();
    ground.peer.tell(&format!("remove {port} 10.77.0.2"));
    await_change(&association, "10.77.0.2", PathChange::Removed);
    assert_eq!(known(&association), ["10.77.1.2"]);
    ground.converse(&association, DATA);
    ground.end(&association);
    "removed, and data goes to the other one".into()
}

fn the_peer_chooses(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan(&["10.77.0.2", "10.77.1.2"]));
    let port = ground.peer_port();
    ground.peer.tell_when_ready(&format!("peer-primary {port} 10.77.1.2"));
    await_change(&association, "10.77.1.2", PathChange::MadePrimary);
    let primary = association.stream.status().expect("it has not ended").primary;
    assert_eq!(primary, Some("10.77.1.2".parse().unwrap()));
    ground.converse(&association, DATA);
    ground.end(&association);
    "it is our primary path then".into()
}

/// A new address, made the primary one, and the old one away, while we send.
fn the_peer_moves(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan(&["10.77.0.2"]));
    let job = Job::new(2000, 1000).pace(Duration::from_millis(1));
    let port = ground.peer_port();
    std::thread::scope(|scope| {
        scope.spawn(|| association.send(job));
        ground.peer.await_messages(200);
        ground.peer.tell(&format!("add {port} 10.77.1.2"));
        await_change(&association, "10.77.1.2", PathChange::Confirmed);
        ground.peer.tell_when_ready(&format!("peer-primary {port} 10.77.1.2"));
        await_change(&association, "10.77.1.2", PathChange::MadePrimary);
        stop_heartbeats(&association);
        // The peer has taken in what was on the way to the old address before this.
        let count = ground.peer.counts().messages;
        ground.peer.await_messages((count + 50).min(job.count.into()));
        ground.peer.tell_when_ready(&format!("remove {port} 10.77.0.2"));
        await_change(&association, "10.77.0.2", PathChange::Removed);
    });
    let counts = ground.peer.await_messages(job.count.into());
    counts.assert_complete(job.count.into(), job.bytes());
    assert_eq!(known(&association), ["10.77.1.2"]);
    ground.end(&association);
    format!("nothing lost, longest gap {} ms", counts.gap.as_millis())
}

/// The peer's addresses on both networks, and ours on the first one only.
fn ours_alone() -> Plan {
    let plan = plan(&["10.77.0.2", "10.77.1.2"]).between(&["10.77.0.1"], &["10.77.0.2", "10.77.1.2"]);
    Plan { spare: vec![second()], ..plan }
}

fn first() -> IpAddr {
    "10.77.0.1".parse().expect("an address")
}

fn second() -> IpAddr {
    "10.77.1.1".parse().expect("an address")
}

fn await_local_change(association: &Association, address: IpAddr, awaited: LocalAddressChange) {
    let is_it = |it: &Notification| matches!(it, Notification::LocalAddressChanged { address: of, change } if (*of, *change) == (address, awaited));
    association.await_notification(is_it);
}

fn await_status(ground: &mut Ground<'_>, is_it: impl Fn(&str) -> bool) {
    look_until(LIMIT, || match ground.peer.tell("status") {
        status if is_it(&status) => Ok(()),
        status => Err(status),
    });
}

/// Waits until the peer sends to our second address.
fn await_primary(ground: &mut Ground<'_>) {
    await_status(ground, |status| status.contains("primary 10.77.1.1 "));
}

/// Waits until the peer knows no address of ours but the second one.
fn await_removal(ground: &mut Ground<'_>) {
    await_status(ground, |status| status.ends_with("peers 10.77.1.1"));
}

fn we_add(ground: &mut Ground<'_>) -> String {
    we_add_to(ground, &ours_alone())
}

fn we_add_ipv6(ground: &mut Ground<'_>) -> String {
    let plan = ours_alone().between(&["10.77.0.1", "fd77:0::1"], &["10.77.0.2", "fd77:1::2"]);
    we_add_to(ground, &Plan { spare: vec!["fd77:1::1".parse().expect("an address")], ..plan })
}

fn we_add_to(ground: &mut Ground<'_>, plan: &Plan) -> String {
    let (association, address) = (ground.associate(plan), plan.spare[0]);
    association.stream.options().add_address(address).expect("it is one of the stack's");
    await_local_change(&association, address, LocalAddressChange::Added);
    ground.peer.await_event(&format!("ADDR_CONFIRMED {address}"));
    ground.ours.unplug(0);
    ground.converse(&association, DATA);
    ground.ours.plug(0);
    ground.end(&association);
    "added, confirmed, and used when the first one fails".into()
}

fn we_remove(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan(&["10.77.0.2", "10.77.1.2"]));
    association.stream.options().remove_address(first()).expect("there is another one");
    await_local_change(&association, first(), LocalAddressChange::Removed);
    await_removal(ground);
    ground.converse(&association, DATA);
    ground.end(&association);
    "removed, and data goes to the other one".into()
}

fn we_choose(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&plan(&["10.77.0.2", "10.77.1.2"]));
    ground.peer.await_event("ADDR_CONFIRMED 10.77.1.1");
    association.stream.options().set_peer_primary(second()).expect("it is one of the association's");
    await_primary(ground);
    ground.converse(&association, DATA);
    ground.end(&association);
    "it is the peer's primary path then".into()
}

fn we_move(ground: &mut Ground<'_>) -> String {
    let association = ground.associate(&ours_alone());
    let job = Job::new(2000, 1000).pace(Duration::from_millis(1));
    ground.peer.tell(&format!("{} tell=200", job.command()));
    let counts = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| association.receive(job.count.into()));
        ground.peer.await_event("sent 200");
        let options = association.stream.options();
        options.add_address(second()).expect("it is one of the stack's");
        ground.peer.await_event("ADDR_CONFIRMED 10.77.1.1");
        options.set_peer_primary(second()).expect("it is one of the association's");
        await_primary(ground);
        options.remove_address(first()).expect("there is another one");
        await_removal(ground);
        receiver.join().expect("it receives")
    });
    counts.assert_complete(job.count.into(), job.bytes());
    ground.end(&association);
    format!("nothing lost, longest gap {} ms", counts.gap.as_millis())
}
