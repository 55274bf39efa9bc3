//! Options that do not go together: what makes a start fail whatever host it is on, told before anything is opened.

use std::net::IpAddr;

use sctp_user::driver::OpenError;

use super::options::Cli;

impl Cli {
    /// Whether a registrar can be started with these options, as far as they say it themselves. What the host has is seen at the start:
    /// addresses, free ports, files that can be written.
    ///
    /// # Errors
    /// Which do not go together.
    pub(super) fn check(&self) -> Result<(), String> {
        let own = self.own_addresses()?;
        let enrp = self.federation.addresses();
        for (option, addresses) in
            [("asap", &self.asap.addresses[..]), ("enrp", enrp.as_deref().unwrap_or_default())]
        {
            let foreign =
                addresses.iter().find(|address| own.as_ref().is_some_and(|own| !own.contains(address)));
            if let Some(address) = foreign {
                return Err(format!("--{option}: {address} is none of this program's addresses, {OWN}"));
            }
        }
        self.check_ports(enrp.as_deref().unwrap_or(&self.asap.addresses))?;
        self.csp.check()
    }

    /// The addresses that there are to be, where options say which.
    fn own_addresses(&self) -> Result<Option<Vec<IpAddr>>, String> {
        let transport = self.transport_options()?;
        if let Some(refusal) = transport.local.iter().find_map(|address| refusal(*address)) {
            return Err(format!("--local: {refusal}"));
        }
        let of_tun = transport.tun.iter().map(|address| address.address());
        let own: Vec<_> = transport.local.iter().copied().chain(of_tun).collect();
        Ok((!own.is_empty()).then_some(own))
    }

    /// Both sides at one port would need different addresses.
    fn check_ports(&self, enrp: &[IpAddr]) -> Result<(), String> {
        let asap = &self.asap.addresses;
        let meet = asap.is_empty() || enrp.is_empty() || asap.iter().any(|address| enrp.contains(address));
        match self.federation.port() {
            Some(port) if port == self.asap.port && meet => {
                Err(format!("--asap and --enrp need different ports, both have {port}"))
            }
            _ => Ok(()),
        }
    }
}

const OWN: &str = "which --local, --tun or --disable-ipv6 name";

/// Why an address cannot be a stack's, on any host.
fn refusal(address: IpAddr) -> Option<OpenError> {
    match address {
        _ if address.is_unspecified() => Some(OpenError::Wildcard { address }),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(OpenError::LinkLocal { address }),
        _ => None,
    }
}
