//! Which options a client passes on.

use crate::OptionName;

/// Options of all sockets that the pair cannot answer for. The others, such as time-outs, are the kernel's.
const NOT_OF_PAIR: [i32; 15] = [
    libc::SO_ACCEPTCONN,
    libc::SO_DOMAIN,
    libc::SO_ERROR,
    libc::SO_KEEPALIVE,
    libc::SO_LINGER,
    libc::SO_PEERCRED,
    libc::SO_PEERGROUPS,
    libc::SO_PEERNAME,
    // SO_PEERPIDFD: a descriptor of the service.
    77,
    libc::SO_PROTOCOL,
    libc::SO_RCVBUF,
    libc::SO_REUSEADDR,
    libc::SO_REUSEPORT,
    libc::SO_SNDBUF,
    libc::SO_TYPE,
];

/// Who answers for an option of a socket of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The service, by a command.
    Service,
    /// The kernel, which does it with the pair.
    Kernel,
    /// Nobody (EOPNOTSUPP): SO_PEEK_OFF, which clients need themselves. Sockets of SCTP do not have it.
    Nobody,
}

impl OptionName {
    /// Who answers for it.
    pub fn owner(self) -> Owner {
        match (self.level, self.number) {
            (libc::SOL_SOCKET, libc::SO_PEEK_OFF) => Owner::Nobody,
            (libc::SOL_SOCKET, number) if !NOT_OF_PAIR.contains(&number) => Owner::Kernel,
            _ => Owner::Service,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_answers_for_what_the_pair_has_and_nobody_for_what_we_need() {
        let owner = |level, number| OptionName { level, number }.owner();
        assert_eq!(owner(libc::SOL_SOCKET, libc::SO_RCVTIMEO), Owner::Kernel);
        assert_eq!(owner(libc::SOL_SOCKET, libc::SO_TYPE), Owner::Service);
        assert_eq!(owner(libc::SOL_SOCKET, libc::SO_PEEK_OFF), Owner::Nobody);
        for level in [libc::IPPROTO_SCTP, libc::IPPROTO_IP, libc::IPPROTO_IPV6, libc::IPPROTO_TCP] {
            assert_eq!(owner(level, libc::SO_PEEK_OFF), Owner::Service);
        }
    }
}
