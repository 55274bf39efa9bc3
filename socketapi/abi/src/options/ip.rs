//! Options at levels IPPROTO_IP and IPPROTO_IPV6: what the headers of packets say where nothing was set for their path
//! (`spp_dscp` of SCTP_PEER_ADDR_PARAMS goes before it, as on Linux).

use sctp_core::net::IpDefaults;

use super::scope::configure_all;
use super::{Answer, Outcome};
use crate::errno::Errno;
use crate::target::{Style, Target};

/// Hops of packets of a socket that does not say (RFC 1700).
const USUAL_HOPS: i32 = 64;
/// The bits of a traffic class that are the ECN field (RFC 3168, 5).
const ECN: u8 = 0b11;

/// What an option is about.
#[derive(Clone, Copy)]
enum Field {
    TrafficClass,
    HopLimit,
}

/// The option, and whether it is about IPv6. A socket of AF_INET has none of IPv6; one of AF_INET6 sends IPv4 packets, too.
fn field(target: &dyn Target, level: i32, number: i32) -> Result<(bool, Field), Errno> {
    match (level, number) {
        (libc::IPPROTO_IP, libc::IP_TOS) => Ok((false, Field::TrafficClass)),
        (libc::IPPROTO_IP, libc::IP_TTL) => Ok((false, Field::HopLimit)),
        (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) if target.settings().form.ipv6 => {
            Ok((true, Field::TrafficClass))
        }
        (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS) if target.settings().form.ipv6 => {
            Ok((true, Field::HopLimit))
        }
        _ => Err(Errno::ENOPROTOOPT),
    }
}

/// Does a `getsockopt` of IP_TOS, IP_TTL, IPV6_TCLASS or IPV6_UNICAST_HOPS (RFC 3542, 6.3 and 6.5). `room` is the length of the
/// program's buffer.
///
/// # Errors
/// ENOPROTOOPT for all others.
pub fn get_ip(target: &dyn Target, level: i32, number: i32, room: usize) -> Result<Answer, Errno> {
    let (ipv6, field) = field(target, level, number)?;
    let config = target.config()?;
    let defaults = if ipv6 { config.ipv6 } else { config.ipv4 };
    let value = match field {
        Field::TrafficClass => i32::from(defaults.traffic_class),
        Field::HopLimit if defaults.hop_limit == 0 => USUAL_HOPS,
        Field::HopLimit => i32::from(defaults.hop_limit),
    };
    // Options of IP are one byte long where there is no room for an `int`.
    let is_byte = !ipv6 && (1..4).contains(&room);
    let mut bytes = value.to_ne_bytes().to_vec();
    if is_byte {
        bytes = vec![value as u8];
    }
    bytes.truncate(room);
    Ok(Answer { len: bytes.len(), bytes, begun: false, descriptor_at: None })
}

/// Does a `setsockopt` of these options. It holds for all associations of the socket, at once.
///
/// # Errors
/// ENOPROTOOPT for all others, EINVAL for a value or a length that cannot be.
pub fn set_ip(target: &mut dyn Target, level: i32, number: i32, input: &[u8]) -> Result<Outcome, Errno> {
    let (ipv6, field) = field(target, level, number)?;
    let value = match (input.first_chunk(), input.first()) {
        (Some(int), _) => i32::from_ne_bytes(*int),
        (None, Some(byte)) if !ipv6 => i32::from(*byte),
        (None, _) => return Err(Errno::EINVAL),
    };
    let value = match field {
        Field::TrafficClass => traffic_class(target.style(), ipv6, value)?,
        Field::HopLimit => hop_limit(ipv6, value)?,
    };
    let change = |defaults: &mut IpDefaults| match field {
        Field::TrafficClass => defaults.traffic_class = value,
        Field::HopLimit => defaults.hop_limit = value,
    };
    configure_all(target, &|config| change(if ipv6 { &mut config.ipv6 } else { &mut config.ipv4 }))?;
    Ok(Outcome::Done)
}

fn traffic_class(style: Style, ipv6: bool, value: i32) -> Result<u8, Errno> {
    let class = match value {
        // RFC 3542, 6.5: the default.
        -1 if ipv6 => 0,
        _ if ipv6 => u8::try_from(value).map_err(|_| Errno::EINVAL)?,
        // IP_TOS is cut to a byte.
        _ => value as u8,
    };
    // On stream sockets the kernel keeps the ECN field to itself.
    Ok(if style == Style::OneToMany { class } else { class & !ECN })
}

/// 0 stands for the host's. RFC 3542, 6.3: -1 is the default.
fn hop_limit(ipv6: bool, value: i32) -> Result<u8, Errno> {
    match value {
        -1 => Ok(0),
        0 if !ipv6 => Err(Errno::EINVAL),
        _ => u8::try_from(value).map_err(|_| Errno::EINVAL),
    }
}
