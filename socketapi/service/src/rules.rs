//! Who is served, and to what.

use std::collections::BTreeSet;

use sctp_abi::constants::SCTP_SOCKOPT_BINDX_ADD;
use sctp_descriptors::{Command, OptionName};

use crate::users::Limits;

/// Who is served, and to what. It can be changed while the service runs ([`Control::set_rules`](crate::Control::set_rules)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Who may connect.
    pub access: Access,
    /// What each user may hold.
    pub limits: Limits,
    /// Ports below this one are root's: EACCES for others. The kernel's own border is
    /// `net.ipv4.ip_unprivileged_port_start`. 0: all ports are everybody's. Capabilities of the program do not count: in a
    /// user namespace of its own any program has all of them.
    pub lowest_port: u16,
}

/// Which users may connect; root and the service's own user may in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Nobody else.
    #[default]
    Own,
    /// Everybody.
    All,
    /// These users, and processes whose effective group is one of these.
    Listed {
        /// Numbers of users.
        users: BTreeSet<u32>,
        /// Numbers of groups.
        groups: BTreeSet<u32>,
    },
}

impl Access {
    /// Whether a process with this effective user and group may connect to a service of the user `own`.
    pub fn serves(&self, user: u32, group: u32, own: u32) -> bool {
        user == 0
            || user == own
            || match self {
                Self::Own => false,
                Self::All => true,
                Self::Listed { users, groups } => users.contains(&user) || groups.contains(&group),
            }
    }
}

impl Rules {
    /// Whether a command binds to a port that is not for this user.
    pub(crate) fn keep_port_from(&self, user: u32, command: &Command) -> bool {
        user != 0 && port_of(command).is_some_and(|port| port != 0 && port < self.lowest_port)
    }
}

/// SCTP_SOCKOPT_BINDX_ADD, whose value is packed socket addresses. They have the same port, or are refused.
const BINDX_ADD: OptionName = OptionName { level: libc::IPPROTO_SCTP, number: SCTP_SOCKOPT_BINDX_ADD };

fn port_of(command: &Command) -> Option<u16> {
    match command {
        Command::Bind(address) => Some(address.port()),
        // Family and port are at the same place in all of them.
        Command::SetOption { option, value } if *option == BINDX_ADD => {
            Some(u16::from_be_bytes(*value.get(2..)?.first_chunk()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_service_s_user_are_always_served_and_others_as_the_rules_say() {
        let listed = Access::Listed { users: [7].into(), groups: [70].into() };
        for (access, other, of_group) in
            [(Access::Own, false, false), (Access::All, true, true), (listed.clone(), false, true)]
        {
            assert!(access.serves(0, 0, 5) && access.serves(5, 5, 5), "{access:?}");
            assert_eq!((access.serves(8, 8, 5), access.serves(8, 70, 5)), (other, of_group), "{access:?}");
        }
        assert!(listed.serves(7, 8, 5));
    }

    #[test]
    fn low_ports_are_root_s_however_they_are_bound() {
        let rules = Rules { lowest_port: 1_024, ..Rules::default() };
        let bind = |port| Command::Bind(([127, 0, 0, 1], port).into());
        let bindx = |port: u16| {
            let port = port.to_be_bytes();
            let value = vec![2, 0, port[0], port[1], 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
            Command::SetOption { option: BINDX_ADD, value }
        };
        for command in [bind(1_023), bindx(80)] {
            assert!(rules.keep_port_from(7, &command) && !rules.keep_port_from(0, &command), "{command:?}");
        }
        for command in [bind(1_024), bindx(1_024), bind(0), Command::Listen(1)] {
            assert!(!rules.keep_port_from(7, &command), "{command:?}");
        }
        let cut = Command::SetOption { option: BINDX_ADD, value: vec![2, 0, 0] };
        assert!(!rules.keep_port_from(7, &cut) && !Rules::default().keep_port_from(7, &bind(80)));
    }
}
