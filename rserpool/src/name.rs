//! DNS names of registrars.

use std::fmt;
use std::net::IpAddr;

/// A DNS name that stands for registrars. Drivers resolve it, again and again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RegistrarName {
    /// A host name with A and AAAA records. Each address is a registrar of its own, as behind a headless service of
    /// Kubernetes.
    Host {
        /// The name.
        name: String,
        /// The port of all of them.
        port: u16,
    },
    /// A service with SRV records (RFC 2782): `_asap-sctp._sctp.example.com`. Each target is a registrar, with all its
    /// addresses.
    Service {
        /// The name, with service and protocol.
        name: String,
    },
}

/// Why a name cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is an address.
    #[error("{address} is an address, and not a name: it needs a port")]
    IsAddress {
        /// Which.
        address: IpAddr,
    },
    /// RFC 1035, 2.3.4; and RFC 1123, 2.1: what ends in a number is an address, perhaps a wrong one.
    #[error(
        "{name:?} is neither an address nor a DNS name: labels of 1 to 63 letters, digits, - and _, 253 in all, with dots between \
         them, the last one no number"
    )]
    BadName {
        /// What was said.
        name: String,
    },
    /// The port is not one.
    #[error("{port:?} is not a port: 1 to 65535 is needed")]
    BadPort {
        /// What was said.
        port: String,
    },
    /// The service's records say the port.
    #[error("{name} is a service, and its SRV records say the port: leave the port out")]
    PortOfService {
        /// The service.
        name: String,
    },
    /// A name that begins like a service.
    #[error("{name} is not a service: _SERVICE._sctp.DOMAIN or _SERVICE._tcp.DOMAIN is needed")]
    BadService {
        /// What was said.
        name: String,
    },
}

/// Longest name (RFC 1035, 2.3.4), without the final dot.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

impl RegistrarName {
    /// Reads `NAME`, `NAME:PORT` or `_SERVICE._PROTOCOL.DOMAIN`; a host without a port has the usual one.
    ///
    /// # Errors
    /// [`NameError`] says what is wrong.
    pub fn parse(text: &str, usual_port: u16) -> Result<Self, NameError> {
        if let Ok(address) = text.trim_matches(['[', ']']).parse() {
            return Err(NameError::IsAddress { address });
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        };
        check_name(name)?;
        let name = name.to_owned();
        if name.starts_with('_') {
            return match port {
                Some(_) => Err(NameError::PortOfService { name }),
                None => Self::service(name),
            };
        }
        let port = port.map_or(Ok(usual_port), |port| match port.parse() {
            Ok(0) | Err(_) => Err(NameError::BadPort { port: port.to_owned() }),
            Ok(port) => Ok(port),
        })?;
        Ok(Self::Host { name, port })
    }

    fn service(name: String) -> Result<Self, NameError> {
        let labels: Vec<&str> = name.split('.').collect();
        match labels[..] {
            [_, protocol, ..]
                if ["_sctp", "_tcp"].iter().any(|known| protocol.eq_ignore_ascii_case(known)) =>
            {
                Ok(Self::Service { name })
            }
            _ => Err(NameError::BadService { name }),
        }
    }

    /// Whether it names a service over TCP.
    pub fn is_tcp_service(&self) -> bool {
        let Self::Service { name } = self else { return false };
        name.split('.').nth(1).is_some_and(|protocol| protocol.eq_ignore_ascii_case("_tcp"))
    }
}

fn check_name(name: &str) -> Result<(), NameError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_label = |label: &str| (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(is_allowed);
    let without_root = name.strip_suffix('.').unwrap_or(name);
    let ends_in_number =
        without_root.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    match without_root.len() <= MAX_NAME && without_root.split('.').all(is_label) && !ends_in_number {
        true => Ok(()),
        false => Err(NameError::BadName { name: name.to_owned() }),
    }
}

impl fmt::Display for RegistrarName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { name, port } => write!(f, "{name}:{port}"),
            Self::Service { name } => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, port: u16) -> Result<RegistrarName, NameError> {
        Ok(RegistrarName::Host { name: name.into(), port })
    }

    #[test]
    fn a_host_has_the_usual_port_unless_it_says_another() {
        assert_eq!(RegistrarName::parse("registrars", 3863), host("registrars", 3863));
        assert_eq!(RegistrarName::parse("a.example.:9", 3863), host("a.example.", 9));
        for wrong in ["a:0", "a:", "a:65536", "a:b", "a:1:2"] {
            assert!(matches!(RegistrarName::parse(wrong, 1), Err(NameError::BadPort { .. })), "{wrong}");
        }
    }

    #[test]
    fn a_service_says_its_protocol_and_no_port() {
        // RFC 2782.
        let service = RegistrarName::parse("_asap-sctp._SCTP.example.com", 3863).expect("a service");
        assert_eq!(
            (service.to_string(), service.is_tcp_service()),
            ("_asap-sctp._SCTP.example.com".into(), false)
        );
        assert!(RegistrarName::parse("_asap._tcp.example", 3863).expect("a service").is_tcp_service());
        let with_port = RegistrarName::parse("_asap._sctp.example:3863", 3863);
        assert!(matches!(with_port, Err(NameError::PortOfService { .. })));
        for wrong in ["_asap", "_asap.example", "_asap._udp.example"] {
            assert!(matches!(RegistrarName::parse(wrong, 1), Err(NameError::BadService { .. })), "{wrong}");
        }
    }

    #[test]
    fn what_no_resolver_could_ask_for_is_refused() {
        // RFC 1035, 2.3.4.
        let (long_label, long_name) = ("a".repeat(64), "a.".repeat(128));
        assert!(RegistrarName::parse(&"a.".repeat(127), 1).is_ok());
        for wrong in ["", ".", "a..b", ".a", "a b", "ä.example", &long_label, &long_name] {
            assert!(matches!(RegistrarName::parse(wrong, 1), Err(NameError::BadName { .. })), "{wrong:?}");
        }
        // RFC 1123, 2.1: addresses with a slip of the pen.
        for wrong in ["192.0.2.300", "192.0.2.1.5:3863", "10.1", "a.7."] {
            assert!(matches!(RegistrarName::parse(wrong, 1), Err(NameError::BadName { .. })), "{wrong}");
        }
        for address in ["192.0.2.1", "[2001:db8::1]", "::1"] {
            assert!(
                matches!(RegistrarName::parse(address, 1), Err(NameError::IsAddress { .. })),
                "{address}"
            );
        }
    }
}
