//! The addresses of a transport.

use std::fmt;
use std::net::IpAddr;
use std::ops::{Deref, DerefMut};

/// The IP addresses of a transport, in order. A handlespace holds two of these for each element, and nearly all are of one address: it
/// has its place in here.
#[derive(Clone, PartialEq, Eq)]
pub struct Addresses(Inner);

#[derive(Clone, PartialEq, Eq)]
enum Inner {
    One(IpAddr),
    /// Any other number of them.
    Other(Box<[IpAddr]>),
}

impl Addresses {
    /// Leaves out those that `keep` says no to.
    pub fn retain(&mut self, keep: impl Fn(&IpAddr) -> bool) {
        *self = self.iter().copied().filter(keep).collect();
    }
}

impl Default for Addresses {
    /// None.
    fn default() -> Self {
        Self(Inner::Other(Box::default()))
    }
}

impl FromIterator<IpAddr> for Addresses {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(addresses: I) -> Self {
        let mut rest = addresses.into_iter().fuse();
        match (rest.next(), rest.next()) {
            (Some(one), None) => Self(Inner::One(one)),
            (first, second) => Self(Inner::Other(first.into_iter().chain(second).chain(rest).collect())),
        }
    }
}

impl From<Vec<IpAddr>> for Addresses {
    fn from(addresses: Vec<IpAddr>) -> Self {
        addresses.into_iter().collect()
    }
}

impl Deref for Addresses {
    type Target = [IpAddr];

    fn deref(&self) -> &[IpAddr] {
        match &self.0 {
            Inner::One(one) => std::slice::from_ref(one),
            Inner::Other(addresses) => addresses,
        }
    }
}

impl DerefMut for Addresses {
    fn deref_mut(&mut self) -> &mut [IpAddr] {
        match &mut self.0 {
            Inner::One(one) => std::slice::from_mut(one),
            Inner::Other(addresses) => addresses,
        }
    }
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
