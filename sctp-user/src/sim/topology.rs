//! Who is attached where: hosts, their interfaces, and the way that a datagram takes.

use core::net::IpAddr;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::link::{Link, LinkConfig};
use super::rng::SimRng;

/// Names a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(pub(super) usize);

/// Names an interface of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InterfaceId(usize);

/// Names a network: what is sent into it reaches every interface that is attached to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LanId(pub u32);

/// How an interface that is down treats what is sent over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// As a cut cable: nothing comes back.
    Silent,
    /// As a router without a route: the sender gets ICMP "host unreachable".
    Reported,
}

/// An address of a host, with the link from there into a network by its index.
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) host: HostId,
    pub(super) lan: LanId,
    pub(super) address: IpAddr,
    link: usize,
    pub(super) outage: Option<Outage>,
    groups: Vec<IpAddr>,
}

/// A way out of a host's own networks.
#[derive(Clone, Copy, Debug)]
struct Gateway {
    host: HostId,
    /// Where it leads; `None`: everywhere.
    lan: Option<LanId>,
    /// By which of the host's interfaces.
    interface: InterfaceId,
    /// The interface of the router that takes the datagrams on.
    next_hop: InterfaceId,
}

/// All hosts' interfaces and routes.
#[derive(Debug)]
pub(super) struct Topology {
    interfaces: Vec<Interface>,
    /// Several interfaces may share one.
    links: Vec<Link>,
    by_address: FxHashMap<IpAddr, InterfaceId>,
    routes: FxHashMap<(HostId, IpAddr), InterfaceId>,
    gateways: Vec<Gateway>,
    rng: SimRng,
}

impl Topology {
    pub(super) fn new(rng: SimRng) -> Self {
        Self {
            interfaces: Vec::new(),
            links: Vec::new(),
            by_address: FxHashMap::default(),
            routes: FxHashMap::default(),
            gateways: Vec::new(),
            rng,
        }
    }

    pub(super) fn attach(
        &mut self,
        host: HostId,
        lan: LanId,
        address: IpAddr,
        config: LinkConfig,
    ) -> InterfaceId {
        // The generator is named by the interface, so that a shared link leaves the accidents of others as they are.
        let link = Link::new(config, self.rng.split(self.interfaces.len() as u64));
        self.links.push(link);
        self.add_interface(host, lan, address, self.links.len() - 1)
    }

    pub(super) fn attach_beside(
        &mut self,
        host: HostId,
        lan: LanId,
        address: IpAddr,
        other: InterfaceId,
    ) -> InterfaceId {
        self.add_interface(host, lan, address, self.interface(other).link)
    }

    fn add_interface(&mut self, host: HostId, lan: LanId, address: IpAddr, link: usize) -> InterfaceId {
        let id = InterfaceId(self.interfaces.len());
        let earlier = self.by_address.insert(address, id);
        assert!(earlier.is_none(), "{address} is given to two interfaces");
        self.interfaces.push(Interface { host, lan, address, link, outage: None, groups: Vec::new() });
        id
    }

    /// Gives an interface another address; false, and nothing is changed, if another interface has it.
    pub(super) fn set_address(&mut self, id: InterfaceId, address: IpAddr) -> bool {
        if self.by_address.get(&address).is_some_and(|other| *other != id) {
            return false;
        }
        let former = core::mem::replace(&mut self.interface_mut(id).address, address);
        self.by_address.remove(&former);
        self.by_address.insert(address, id);
        true
    }

    /// The link from this interface.
    pub(super) fn link(&self, id: InterfaceId) -> &Link {
        &self.links[self.interface(id).link]
    }

    /// The same, to be changed or used.
    pub(super) fn link_mut(&mut self, id: InterfaceId) -> &mut Link {
        let link = self.interface(id).link;
        &mut self.links[link]
    }

    /// All links, each once.
    pub(super) fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.iter()
    }

    pub(super) fn set_route(&mut self, host: HostId, destination: IpAddr, interface: InterfaceId) {
        self.routes.insert((host, destination), interface);
    }

    /// Later gateways to the same network take the place of earlier ones.
    pub(super) fn set_gateway(
        &mut self,
        host: HostId,
        lan: Option<LanId>,
        interface: InterfaceId,
        next_hop: InterfaceId,
    ) {
        let family = |id: InterfaceId| self.interface(id).address.is_ipv4();
        let same = |other: &Gateway| {
            (other.host, other.lan) == (host, lan) && family(other.interface) == family(interface)
        };
        let kept: Vec<Gateway> = self.gateways.iter().filter(|other| !same(other)).copied().collect();
        self.gateways = kept;
        self.gateways.push(Gateway { host, lan, interface, next_hop });
    }

    /// The gateway to a network before one to everywhere; `None` if the destination is in a network of the host's.
    fn gateway(&self, host: HostId, destination: IpAddr) -> Option<&Gateway> {
        let lan = self.by_address.get(&destination).map(|id| self.interface(*id).lan);
        let same_family = |id: InterfaceId| self.interface(id).address.is_ipv4() == destination.is_ipv4();
        if self.own(host).any(|(id, own)| Some(own.lan) == lan && same_family(id)) {
            return None;
        }
        let usable =
            || self.gateways.iter().filter(|gateway| gateway.host == host && same_family(gateway.interface));
        usable()
            .find(|gateway| gateway.lan.is_some() && gateway.lan == lan)
            .or_else(|| usable().find(|gateway| gateway.lan.is_none()))
    }

    /// The host that has an address.
    pub(super) fn owner(&self, address: IpAddr) -> Option<HostId> {
        self.by_address.get(&address).map(|id| self.interface(*id).host)
    }

    pub(super) fn join(&mut self, interface: InterfaceId, group: IpAddr) {
        self.interfaces[interface.0].groups.push(group);
    }

    pub(super) fn interface(&self, id: InterfaceId) -> &Interface {
        &self.interfaces[id.0]
    }

    pub(super) fn interface_mut(&mut self, id: InterfaceId) -> &mut Interface {
        &mut self.interfaces[id.0]
    }

    /// The interface by which a datagram leaves `host`: that of an explicit route; for multicast the
    /// one that has the source address; else one in the destination's network, or that of a gateway.
    pub(super) fn way_out(&self, host: HostId, source: IpAddr, destination: IpAddr) -> Option<InterfaceId> {
        if let Some(interface) = self.routes.get(&(host, destination)) {
            return Some(*interface);
        }
        if destination.is_multicast() {
            return self
                .own(host)
                .find(|(_, own)| source.is_unspecified() || own.address == source)
                .map(|x| x.0);
        }
        if let Some(gateway) = self.gateway(host, destination) {
            return Some(gateway.interface);
        }
        let lan = self.interface(*self.by_address.get(&destination)?).lan;
        let same_family = |own: &Interface| own.address.is_ipv4() == destination.is_ipv4();
        self.own(host).find(|(_, own)| own.lan == lan && same_family(own)).map(|(id, _)| id)
    }

    /// The interfaces that a datagram reaches next: a gateway's, or in the end.
    pub(super) fn receivers(&self, sender: InterfaceId, destination: IpAddr) -> SmallVec<[InterfaceId; 2]> {
        if !destination.is_multicast() {
            let host = self.interface(sender).host;
            if let Some(gateway) = self.gateway(host, destination).filter(|way| way.interface == sender) {
                return core::iter::once(gateway.next_hop).collect();
            }
            return self.by_address.get(&destination).copied().into_iter().collect();
        }
        let lan = self.interface(sender).lan;
        let joined = |(index, other): (usize, &Interface)| {
            let hears = other.lan == lan && index != sender.0 && other.groups.contains(&destination);
            hears.then_some(InterfaceId(index))
        };
        self.interfaces.iter().enumerate().filter_map(joined).collect()
    }

    fn own(&self, host: HostId) -> impl Iterator<Item = (InterfaceId, &Interface)> {
        let interfaces = self.interfaces.iter().enumerate();
        interfaces.filter(move |(_, own)| own.host == host).map(|(index, own)| (InterfaceId(index), own))
    }
}
