//! Who has a UDP port of this host.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::unistd::User;

/// The owner of a socket, as far as this user may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The user.
    pub user: u32,
    /// Process and its name; only root is told those of others.
    pub process: Option<(u32, String)>,
}

/// Who has bound this UDP port, on this address or on all.
pub fn holder_of_udp(address: IpAddr, port: u16) -> Option<Holder> {
    let tables =
        ["/proc/net/udp", "/proc/net/udp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let (user, inode) = tables.iter().find_map(|table| find(table, address, port))?;
    Some(Holder { user, process: process_with(inode) })
}

/// User and inode of the socket that has the port.
fn find(table: &str, address: IpAddr, port: u16) -> Option<(u32, u64)> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (bound, bound_port) = fields.get(1)?.split_once(':')?;
        let bound = parse_address(bound)?;
        let same = bound == address || bound.is_unspecified();
        let fits = same && u16::from_str_radix(bound_port, 16) == Ok(port);
        fits.then_some(())?;
        Some((fields.get(7)?.parse().ok()?, fields.get(9)?.parse().ok()?))
    })
}

/// Words of four bytes, each written as a number of this host.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let words = hex.as_bytes().chunks(8).map(|word| {
        let word = std::str::from_utf8(word).ok()?;
        Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
    });
    let words: Vec<[u8; 4]> = words.collect::<Option<_>>()?;
    match *words.as_slice() {
        [v4] => Some(Ipv4Addr::from(v4).into()),
        [a, b, c, d] => {
            let bytes: [u8; 16] = [a, b, c, d].concat().try_into().ok()?;
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

fn process_with(inode: u64) -> Option<(u32, String)> {
    let socket = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let descriptors = fs::read_dir(entry.path().join("fd")).ok()?;
        let has = |path| fs::read_link(path).is_ok_and(|target| target.as_os_str() == socket.as_str());
        descriptors.flatten().any(|descriptor| has(descriptor.path())).then_some(())?;
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        Some((pid, name.trim_end().chars().filter(|character| !character.is_control()).collect()))
    })
}

impl Display for Holder {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some((pid, name)) = &self.process {
            write!(f, "{name} (process {pid}) of ")?;
        }
        match User::from_uid(self.user.into()) {
            Ok(Some(user)) => write!(f, "user {}", user.name),
            _ => write!(f, "user {}", self.user),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_port_of_ours_is_found_with_our_process() {
        for address in ["127.0.0.1", "::1"] {
            let Ok(socket) = UdpSocket::bind((address, 0)) else { continue };
            let local = socket.local_addr().unwrap();
            let holder = holder_of_udp(local.ip(), local.port()).unwrap();
            assert_eq!(holder.process.map(|(pid, _)| pid), Some(std::process::id()));
            drop(socket);
            assert_eq!(holder_of_udp(local.ip(), local.port()), None);
        }
    }

    #[test]
    fn lines_that_are_none_are_passed_over() {
        assert_eq!(find("header\nnonsense\n1: zz:zz\n", Ipv4Addr::LOCALHOST.into(), 1), None);
    }
}
