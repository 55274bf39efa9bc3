//! A handlespace for people, and for programs.

use std::fmt;
use std::net::SocketAddr;

use rserpool::wire::{Policy, PoolElement, Protocol, Transport, TransportUse};
use serde::Serialize;

use super::Dump;

/// A handlespace as a tree.
#[derive(Debug)]
pub struct Tree<'a>(pub &'a Dump);

impl fmt::Display for Tree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Dump { registrar, pools, .. } = self.0;
        write!(f, "registrar {registrar}: {} pools, {} elements", pools.len(), self.0.elements())?;
        for (handle, elements) in pools {
            write!(f, "\n{handle}: {} elements", elements.len())?;
            elements.values().try_for_each(|element| write_element(f, element))?;
        }
        Ok(())
    }
}

fn write_element(f: &mut fmt::Formatter<'_>, element: &PoolElement) -> fmt::Result {
    let PoolElement { id, home, life, user_transport, policy, asap_transport } = element;
    let life = life.duration().map_or_else(|| "for ever".into(), |life| format!("{life:?}"));
    write!(f, "\n  {id}  home {home}  life {life}  {}", describe_policy(policy))?;
    write!(f, "\n      {}", describe(user_transport))?;
    asap_transport.iter().try_for_each(|transport| write!(f, "\n      ASAP {}", describe(transport)))
}

fn describe_policy(policy: &Policy) -> String {
    let fields = policy.policy_type.fields().iter().zip(policy.numbers());
    let fields: String = fields.map(|(field, number)| format!(" {field:?}={number}")).collect();
    format!("{}{fields}", policy.policy_type)
}

fn protocol(protocol: &Protocol) -> &'static str {
    match protocol {
        Protocol::Sctp(TransportUse::DataOnly) => "SCTP",
        Protocol::Sctp(TransportUse::DataAndControl) => "SCTP with control channel",
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::UdpLite => "UDP-Lite",
        Protocol::Dccp { .. } => "DCCP",
        Protocol::Opaque(_) => "opaque",
    }
}

fn places(transport: &Transport) -> Vec<String> {
    let place = |ip: &std::net::IpAddr| SocketAddr::new(*ip, transport.port).to_string();
    transport.addresses.iter().map(place).collect()
}

fn describe(transport: &Transport) -> String {
    format!("{} {}", protocol(&transport.protocol), places(transport).join(", "))
}

/// A handlespace as one JSON object.
#[derive(Debug, Serialize)]
pub struct Json {
    registrar: String,
    pools: Vec<JsonPool>,
}

#[derive(Debug, Serialize)]
struct JsonPool {
    handle: String,
    elements: Vec<JsonElement>,
}

#[derive(Debug, Serialize)]
struct JsonElement {
    id: String,
    home: String,
    life_ms: Option<u128>,
    policy: String,
    policy_numbers: Vec<u32>,
    user_transport: JsonTransport,
    asap_transport: Option<JsonTransport>,
}

#[derive(Debug, Serialize)]
struct JsonTransport {
    protocol: &'static str,
    addresses: Vec<String>,
}

impl From<&Dump> for Json {
    fn from(dump: &Dump) -> Self {
        let pools = dump.pools.iter().map(|(handle, elements)| JsonPool {
            handle: handle.to_string(),
            elements: elements.values().map(JsonElement::from).collect(),
        });
        Self { registrar: dump.registrar.to_string(), pools: pools.collect() }
    }
}

impl From<&PoolElement> for JsonElement {
    fn from(element: &PoolElement) -> Self {
        Self {
            id: element.id.to_string(),
            home: element.home.to_string(),
            life_ms: element.life.duration().map(|life| life.as_millis()),
            policy: element.policy.policy_type.to_string(),
            policy_numbers: element.policy.numbers().to_vec(),
            user_transport: (&element.user_transport).into(),
            asap_transport: element.asap_transport.as_ref().map(Into::into),
        }
    }
}

impl From<&Transport> for JsonTransport {
    fn from(transport: &Transport) -> Self {
        Self { protocol: protocol(&transport.protocol), addresses: places(transport) }
    }
}

#[cfg(test)]
mod tests {
    use rserpool::wire::{Life, PolicyField, PolicyType, PoolEntry};
    use rserpool::{PeId, PoolHandle, RegistrarId};

    use super::*;

    fn dump() -> Dump {
        let address = [192, 0, 2, 1].into();
        let element = PoolElement {
            id: PeId(0xec40),
            home: RegistrarId(0x11),
            life: Life::from_millis(90_000),
            user_transport: Transport::sctp(5000, [address], TransportUse::DataAndControl),
            policy: Policy::new(PolicyType::LeastUsedDegradation).with(PolicyField::Degradation, 7),
            asap_transport: Some(Transport::sctp(4000, [address], TransportUse::DataOnly)),
        };
        let mut dump = Dump { registrar: RegistrarId(0x11), ..Dump::default() };
        // The second part of a table may go on with the pool of the first one.
        let part = |id| PoolEntry {
            handle: PoolHandle::new(b"Echo\x1b[2J"),
            elements: vec![PoolElement { id: PeId(id), ..element.clone() }],
        };
        assert_eq!(dump.take_in(vec![part(0xec41)]), 2);
        assert_eq!(dump.take_in(vec![part(0xec40)]), 1);
        assert_eq!(dump.take_in(vec![part(0xec40)]), 0);
        dump
    }

    #[test]
    fn a_tree_shows_pools_and_their_elements() {
        let text = Tree(&dump()).to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[..5],
            [
                "registrar 0x00000011: 1 pools, 2 elements",
                r"Echo\x1b[2J: 2 elements",
                "  0x0000ec40  home 0x00000011  life 90s  LeastUsedDegradation Load=0 Degradation=7",
                "      SCTP with control channel 192.0.2.1:5000",
                "      ASAP SCTP 192.0.2.1:4000",
            ]
        );
    }

    #[test]
    fn json_has_it_all() {
        let json = serde_json::to_value(Json::from(&dump())).unwrap();
        let element = &json["pools"][0]["elements"][0];
        assert_eq!((&element["id"], &element["life_ms"]), (&"0x0000ec40".into(), &90_000.into()));
        assert_eq!(element["policy_numbers"], serde_json::json!([0, 7]));
        assert_eq!(element["asap_transport"]["addresses"][0], "192.0.2.1:4000");
    }
}
