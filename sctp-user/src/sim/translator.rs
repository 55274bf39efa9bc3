//! What a NAT does to datagrams.

use core::net::IpAddr;
use core::time::Duration;
use rustc_hash::FxHashMap;
use sctp_core::time::Time;

use super::datagram::{Datagram, Protocol, Unreachable};

/// A network address translator for UDP: an address and port inside has one port outside, whoever the peer is,
/// until it has sent nothing for a while (RFC 4787, 4.1 and 4.3). Of plain SCTP, whose ports no NAT can change
/// without a new checksum, it maps the address of the one host inside that spoke last.
#[derive(Debug)]
pub struct Translator {
    outside: IpAddr,
    /// Who speaks inside from an unspecified address.
    host: Option<IpAddr>,
    timeout: Duration,
    mappings: FxHashMap<(IpAddr, u16), Mapping>,
    next_port: u16,
    plain: Option<IpAddr>,
    /// When it will forget all mappings, and perhaps have another address; the next time last.
    rebinds: Vec<(Time, Option<IpAddr>)>,
    rebound: u64,
}

#[derive(Debug)]
struct Mapping {
    port: u16,
    used: Time,
    /// Nothing comes in by it any more, and what goes out gets another one.
    forgotten: bool,
}

/// The first port that is given out.
const FIRST_PORT: u16 = 20_000;

impl Translator {
    /// One with this address outside, which forgets mappings after so long.
    pub fn new(outside: IpAddr, timeout: Duration) -> Self {
        Self {
            outside,
            host: None,
            timeout,
            mappings: FxHashMap::default(),
            next_port: FIRST_PORT,
            plain: None,
            rebinds: Vec::new(),
            rebound: 0,
        }
    }

    /// It belongs to one host, which has this address inside.
    #[must_use]
    pub fn of(mut self, host: IpAddr) -> Self {
        self.host = Some(host);
        self
    }

    /// It also forgets all mappings at these times, and then has another address if one is given.
    #[must_use]
    pub fn rebinding(mut self, mut rebinds: Vec<(Time, Option<IpAddr>)>) -> Self {
        rebinds.sort_by(|(a, _), (b, _)| b.cmp(a));
        self.rebinds = rebinds;
        self
    }

    /// Its address outside.
    pub fn outside(&self) -> IpAddr {
        self.outside
    }

    /// Whether it belongs to the host that has this address inside.
    pub fn is_of(&self, host: IpAddr) -> bool {
        self.host == Some(host)
    }

    /// It has another address outside from now on.
    pub fn move_to(&mut self, outside: IpAddr) {
        self.outside = outside;
    }

    /// How often an address and port inside got another port outside than before.
    pub fn rebound(&self) -> u64 {
        self.rebound
    }

    /// Forgets all mappings: what is sent next gets a new port.
    pub fn rebind(&mut self) {
        self.mappings.values_mut().for_each(|mapping| mapping.forgotten = true);
        self.plain = None;
    }

    /// What goes out.
    pub fn outward(&mut self, now: Time, mut datagram: Datagram) -> Datagram {
        self.pass_time(now);
        if let Some(host) = self.host.filter(|_| datagram.source.is_unspecified()) {
            datagram.source = host;
        }
        match &mut datagram.protocol {
            Protocol::Sctp => self.plain = Some(datagram.source),
            Protocol::Udp { source_port, .. } => {
                *source_port = self.port_for(now, datagram.source, *source_port)
            }
        }
        datagram.source = self.outside;
        datagram
    }

    fn port_for(&mut self, now: Time, address: IpAddr, port: u16) -> u16 {
        let key = (address, port);
        if self.mappings.get(&key).is_none_or(|mapping| !self.is_alive(now, mapping)) {
            let mapping = Mapping { port: self.next_port, used: now, forgotten: false };
            self.rebound += u64::from(self.mappings.insert(key, mapping).is_some());
            self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_PORT);
        }
        self.mappings.get_mut(&key).map_or(port, |mapping| {
            mapping.used = now;
            mapping.port
        })
    }

    /// What comes in; `None` if nobody inside asked for it.
    pub fn inward(&mut self, now: Time, mut datagram: Datagram) -> Option<Datagram> {
        self.pass_time(now);
        // It may have left for an address that is another one by now.
        if datagram.destination != self.outside {
            return None;
        }
        datagram.destination = match &mut datagram.protocol {
            Protocol::Sctp => self.plain?,
            Protocol::Udp { destination_port, .. } => {
                let (address, port) = self.mapped(now, *destination_port)?;
                *destination_port = port;
                address
            }
        };
        Some(datagram)
    }

    /// A report about a datagram that went out.
    pub fn report(&mut self, now: Time, mut report: Unreachable) -> Option<Unreachable> {
        self.pass_time(now);
        report.datagram.source = match &mut report.datagram.protocol {
            Protocol::Sctp => self.plain?,
            Protocol::Udp { source_port, .. } => {
                let (address, port) = self.mapped(now, *source_port)?;
                *source_port = port;
                address
            }
        };
        Some(report)
    }

    /// Whose port outside this is.
    fn mapped(&self, now: Time, port: u16) -> Option<(IpAddr, u16)> {
        let is_it = |mapping: &Mapping| mapping.port == port && self.is_alive(now, mapping);
        self.mappings.iter().find(|(_, mapping)| is_it(mapping)).map(|(inside, _)| *inside)
    }

    fn is_alive(&self, now: Time, mapping: &Mapping) -> bool {
        !mapping.forgotten && now.since(mapping.used) <= self.timeout
    }

    fn pass_time(&mut self, now: Time) {
        while let Some((_, moves_to)) = self.rebinds.pop_if(|(at, _)| *at <= now) {
            self.outside = moves_to.unwrap_or(self.outside);
            self.rebind();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use core::net::Ipv4Addr;
    use sctp_core::net::Ecn;

    const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 0, 1));
    const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

    fn datagram(source: (IpAddr, u16), destination: (IpAddr, u16)) -> Datagram {
        Datagram {
            source: source.0,
            destination: destination.0,
            protocol: Protocol::Udp { source_port: source.1, destination_port: destination.1 },
            ecn: Ecn::NotCapable,
            fragment_to: None,
            payload: Bytes::new(),
        }
    }

    /// The port outside of what the host sends at this second, to whom the answer comes back.
    fn port_at(translator: &mut Translator, secs: u64) -> u16 {
        let now = Time::from_millis(1_000 * secs);
        let out =
            translator.outward(now, datagram((IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9_899), (PEER, 9_899)));
        let Protocol::Udp { source_port, .. } = out.protocol else { panic!("{out:?}") };
        assert_eq!((out.source, out.destination), (OUTSIDE, PEER));
        let answer = datagram((PEER, 9_899), (OUTSIDE, source_port));
        assert_eq!(translator.inward(now, answer), Some(datagram((PEER, 9_899), (HOST, 9_899))));
        source_port
    }

    #[test]
    fn a_host_keeps_its_port_until_it_is_silent_or_forgotten() {
        let translator = Translator::new(OUTSIDE, Duration::from_secs(30)).of(HOST);
        let rebinds = [95_000, 85_000].map(|at| (Time::from_millis(at), None));
        let mut translator = translator.rebinding(rebinds.to_vec());
        let ports = [0, 20, 50, 81, 84, 86, 94, 96].map(|secs| port_at(&mut translator, secs) - FIRST_PORT);
        assert_eq!(ports, [0, 0, 0, 1, 1, 2, 2, 3]);
        assert_eq!(translator.rebound(), 3);
    }

    #[test]
    fn another_host_inside_is_no_rebinding() {
        let mut translator = Translator::new(OUTSIDE, Duration::from_secs(30));
        for last in [1, 2, 1] {
            let inside = IpAddr::V4(Ipv4Addr::new(192, 168, 0, last));
            translator.outward(Time::ZERO, datagram((inside, 9_899), (PEER, 9_899)));
        }
        assert_eq!(translator.rebound(), 0);
    }

    #[test]
    fn what_comes_to_a_former_address_is_dropped() {
        let (translator, at) =
            (Translator::new(OUTSIDE, Duration::from_secs(30)).of(HOST), Time::from_millis);
        let mut translator = translator.rebinding(vec![(at(1_000), Some(PEER))]);
        let port = port_at(&mut translator, 0);
        let late = datagram((PEER, 9_899), (OUTSIDE, port));
        assert!(translator.inward(at(999), late.clone()).is_some());
        assert_eq!(translator.inward(at(1_000), late), None);
        assert_eq!(translator.outside(), PEER);
    }

    #[test]
    fn what_comes_to_a_forgotten_port_is_dropped() {
        let mut translator = Translator::new(OUTSIDE, Duration::from_secs(30)).of(HOST);
        let port = port_at(&mut translator, 0);
        let late = datagram((PEER, 9_899), (OUTSIDE, port));
        assert!(translator.inward(Time::from_millis(30_000), late.clone()).is_some());
        assert_eq!(translator.inward(Time::from_millis(30_001), late.clone()), None);
        translator.rebind();
        assert_eq!(translator.inward(Time::from_millis(1_000), late), None);
    }
}
