//! Numbers of associations, as C has them.

use std::collections::BTreeMap;

use sctp_core::event::AssociationId;

use crate::constants::SCTP_ALL_ASSOC;

/// Gives each association of a stack an `sctp_assoc_t`: never 0, 1 or 2, which name none in particular (RFC 6458, 7.2),
/// never negative, and none again before all others were given out, so that a program which holds the number of an
/// association that has ended does not meet another one.
#[derive(Debug)]
pub struct AssocIds {
    last: i32,
    numbers: BTreeMap<AssociationId, i32>,
    associations: BTreeMap<i32, AssociationId>,
}

impl Default for AssocIds {
    fn default() -> Self {
        Self { last: SCTP_ALL_ASSOC, numbers: BTreeMap::new(), associations: BTreeMap::new() }
    }
}

impl AssocIds {
    /// The number of an association; a new one if it has none yet.
    pub fn number(&mut self, association: AssociationId) -> i32 {
        if let Some(number) = self.numbers.get(&association) {
            return *number;
        }
        let number = self.next();
        self.numbers.insert(association, number);
        self.associations.insert(number, association);
        number
    }

    /// The association of this number.
    pub fn find(&self, number: i32) -> Option<AssociationId> {
        self.associations.get(&number).copied()
    }

    /// An association is gone.
    pub fn forget(&mut self, association: AssociationId) {
        if let Some(number) = self.numbers.remove(&association) {
            self.associations.remove(&number);
        }
    }

    /// Ends, since the stack's `max_associations` leaves most numbers free.
    fn next(&mut self) -> i32 {
        loop {
            self.last = self.last.checked_add(1).unwrap_or(SCTP_ALL_ASSOC + 1);
            if !self.associations.contains_key(&self.last) {
                return self.last;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sctp_core::config::{AssociationConfig, EndpointConfig};
    use sctp_core::endpoint::{ConnectRequest, Endpoint};
    use sctp_core::net::PathAddress;
    use sctp_core::time::Time;

    /// Associations under way, each towards another port.
    fn associations(count: u16) -> Vec<AssociationId> {
        let config = EndpointConfig {
            local_addresses: vec!["10.0.0.1".parse().unwrap()],
            ..EndpointConfig::default()
        };
        let mut endpoint = Endpoint::new(config, [7; 32]);
        let mut connect = |peer_port| {
            let request = ConnectRequest {
                local_port: 1,
                local_addresses: Vec::new(),
                peers: vec![PathAddress::to("10.0.0.2".parse().unwrap())],
                peer_port,
                config: AssociationConfig::default(),
            };
            endpoint.connect(Time::ZERO, request).unwrap()
        };
        (1..=count).map(&mut connect).collect()
    }

    /// RFC 6458, 7.2.
    #[test]
    fn numbers_begin_behind_those_that_name_no_association() {
        let mut ids = AssocIds::default();
        let all = associations(2);
        assert_eq!((ids.number(all[0]), ids.number(all[1]), ids.number(all[0])), (3, 4, 3));
        assert_eq!([0, 1, 2, 5, -1].map(|number| ids.find(number)), [None; 5]);
        assert_eq!(ids.find(4), Some(all[1]));
    }

    #[test]
    fn a_number_is_given_out_again_only_after_all_others() {
        let mut ids = AssocIds::default();
        let all = associations(4);
        assert_eq!(ids.number(all[0]), 3);
        ids.forget(all[0]);
        assert_eq!((ids.number(all[1]), ids.find(3)), (4, None));
        ids.last = i32::MAX;
        assert_eq!((ids.number(all[2]), ids.number(all[3])), (3, 5));
    }
}
