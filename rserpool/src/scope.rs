//! How far an address is known.

use std::net::IpAddr;

/// Where an address means the same host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressScope {
    /// On the host itself.
    Loopback,
    /// On one link.
    LinkLocal,
    /// Within a site: private addresses (RFC 1918, RFC 4193, RFC 6598).
    SiteLocal,
    /// Everywhere.
    Global,
}

impl AddressScope {
    /// The scope of an address; none if it is no single host's: unspecified, multicast or broadcast.
    pub fn of(address: IpAddr) -> Option<Self> {
        let (is_nobodys, is_link_local, is_private) = match address.to_canonical() {
            IpAddr::V4(v4) => {
                let is_shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
                (v4.is_unspecified() || v4.is_broadcast(), v4.is_link_local(), v4.is_private() || is_shared)
            }
            IpAddr::V6(v6) => {
                let is_site_local = v6.segments()[0] & 0xffc0 == 0xfec0;
                (v6.is_unspecified(), v6.is_unicast_link_local(), v6.is_unique_local() || is_site_local)
            }
        };
        let address = address.to_canonical();
        if is_nobodys || address.is_multicast() {
            return None;
        }
        Some(match () {
            () if address.is_loopback() => Self::Loopback,
            () if is_link_local => Self::LinkLocal,
            () if is_private => Self::SiteLocal,
            () => Self::Global,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_scope() {
        let scope = |text: &str| AddressScope::of(text.parse().unwrap());
        for loopback in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(scope(loopback), Some(AddressScope::Loopback), "{loopback}");
        }
        for link_local in ["169.254.1.1", "fe80::1"] {
            assert_eq!(scope(link_local), Some(AddressScope::LinkLocal), "{link_local}");
        }
        for site_local in ["10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "fec0::1"] {
            assert_eq!(scope(site_local), Some(AddressScope::SiteLocal), "{site_local}");
        }
        for global in ["192.0.2.1", "172.32.0.1", "100.128.0.1", "2001:db8::1"] {
            assert_eq!(scope(global), Some(AddressScope::Global), "{global}");
        }
        for nobody in ["0.0.0.0", "255.255.255.255", "224.0.0.1", "::", "ff02::1"] {
            assert_eq!(scope(nobody), None, "{nobody}");
        }
    }
}
