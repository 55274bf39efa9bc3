//! What carries SCTP: options that all programs have in common.

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use sctp_user::driver::OpenError;
use sctp_user::driver::layer::fault::{Fault, Impairments};
use sctp_user::driver::tun::{TunAddress, TunConfig};
use sctp_user::driver::udp::ENCAPSULATION_PORT;
use socketapi::{Stack, StackBuilder, Transport};

use crate::holder::holder_of_udp;

/// How this program's SCTP packets travel, and what happens to them on the way.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Transport options")]
pub struct TransportOptions {
    /// SCTP over raw IP (protocol 132), which needs root or CAP_NET_RAW. Without --raw, --udp and --tun: raw IP where
    /// that is permitted, else UDP encapsulation
    #[arg(long, conflicts_with = "udp")]
    pub raw: bool,
    /// SCTP in UDP (RFC 6951) from this port of each local address, 9899 if none is named
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true, default_missing_value = "9899")]
    pub udp: Option<u16>,
    /// SCTP over IP on a TUN interface, where the program is a host with this address of its own, such as
    /// 10.9.0.2/24 (the kernel gets the first other address of that network); repeat it, or separate addresses by
    /// commas, for more than one. Needs root or CAP_NET_ADMIN
    #[arg(long, value_name = "ADDRESS[/LENGTH]", value_delimiter = ',', conflicts_with_all = ["raw", "udp", "local"])]
    pub tun: Vec<TunAddress>,
    /// Largest IP packet of the TUN interface, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1500, value_parser = clap::value_parser!(u16).range(1280..))]
    pub tun_mtu: u16,
    /// UDP encapsulation port of the peers, if it is not the same as ours
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub remote_udp_port: Option<u16>,
    /// Use only this address of this host; repeat it, or separate addresses by commas, for more than one
    #[arg(long = "local", value_name = "ADDRESS", value_delimiter = ',')]
    pub local: Vec<IpAddr>,
    /// Do not let sctp-stat read the statistics of this program
    #[arg(long)]
    pub no_statistics: bool,
    /// Write every packet to this file, in the pcapng format (for Wireshark)
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// Lose so many percent of the packets in each direction
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent)]
    pub loss: f64,
    /// Damage packets in each direction, such as loss=1%,delay=20ms: shares of loss, duplicate (or dup), corrupt (a wrong
    /// bit), reorder (10 ms late) and mark (ECN), and a delay
    #[arg(long, value_name = "KIND=AMOUNT,...", conflicts_with = "loss")]
    pub impair: Option<Impairments>,
    /// The number that decides which packets get lost or damaged: the same number hits the same ones again
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}

/// Why no stack could be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The capture cannot be written.
    #[error("cannot write {}: {source}", file.display())]
    Capture {
        /// The file.
        file: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The stack's own reason.
    #[error(transparent)]
    Stack(#[from] socketapi::Error),
}

impl TransportOptions {
    /// A builder with these options, to which parameters may be added.
    ///
    /// # Errors
    /// [`TransportError::Capture`].
    pub fn builder(&self) -> Result<StackBuilder, TransportError> {
        let mut builder = Stack::builder()
            .addresses(self.local.iter().copied())
            .udp_port(self.udp.unwrap_or(ENCAPSULATION_PORT))
            .serve_statistics(!self.no_statistics);
        if let Some(transport) = self.transport() {
            builder = builder.transport(transport);
        }
        if !self.tun.is_empty() {
            builder = builder.tun(TunConfig { mtu: self.tun_mtu.into(), ..TunConfig::new(self.tun.clone()) });
        }
        if let Some(port) = self.remote_udp_port {
            builder = builder.remote_udp_port(port);
        }
        let loss = Impairments { loss: self.loss / 100.0, ..Impairments::default() };
        let impairments = self.impair.unwrap_or(loss);
        if impairments != Impairments::default() {
            builder = builder.fault(Fault::new(impairments, self.fault_seed()));
        }
        if let Some(file) = &self.pcap {
            let create = File::create(file);
            builder = builder
                .capture(create.map_err(|source| TransportError::Capture { file: file.clone(), source })?);
        }
        Ok(builder)
    }

    /// A stack with these options, and defaults otherwise.
    ///
    /// # Errors
    /// [`TransportError::Capture`]; [`TransportError::Stack`] says what to do.
    pub fn build_stack(&self) -> Result<Stack, TransportError> {
        Ok(self.builder()?.build()?)
    }

    /// The transport that was asked for; none if either will do.
    pub fn transport(&self) -> Option<Transport> {
        match (self.raw, self.udp) {
            _ if !self.tun.is_empty() => Some(Transport::Tun),
            (true, _) => Some(Transport::Raw),
            (false, Some(_)) => Some(Transport::Udp),
            (false, None) => None,
        }
    }

    /// Whether anything was said about how packets travel: then a stack of the program's own is meant.
    pub fn is_particular(&self) -> bool {
        let addressed = !self.local.is_empty() || self.remote_udp_port.is_some();
        let watched = self.pcap.is_some() || self.no_statistics;
        self.transport().is_some() || addressed || watched || self.loss > 0.0 || self.impair.is_some()
    }

    fn fault_seed(&self) -> [u8; 32] {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed
    }
}

/// What carries a stack's packets, in words.
pub fn carrier(stack: &Stack) -> String {
    match stack.transport() {
        Transport::Udp => format!("UDP encapsulation, port {}", stack.udp_port()),
        Transport::Tun => "IP on a TUN interface".into(),
        Transport::Raw | Transport::Other => "raw IP".into(),
    }
}

/// The address and the UDP port that somebody else has, if that is why there is no stack.
pub fn taken_port(error: &socketapi::Error) -> Option<(IpAddr, u16)> {
    let socketapi::Error::Open(reason) = error else { return None };
    match **reason {
        OpenError::PortTaken { address, port } => Some((address, port)),
        _ => None,
    }
}

/// Why there is no stack, with what this host tells of it.
pub fn explain(error: &socketapi::Error) -> String {
    let Some((address, port)) = taken_port(error) else { return error.to_string() };
    match holder_of_udp(address, port) {
        Some(holder) => format!(
            "UDP port {port} on {address} is taken by {holder}: use another port (--udp=PORT) or address (--local ADDRESS)"
        ),
        None => error.to_string(),
    }
}

/// A number from 0 to 100, with or without a percent sign.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    match number.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("a number from 0 to 100 is needed".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        transport: TransportOptions,
    }

    fn parse(arguments: &[&str]) -> Result<TransportOptions, clap::Error> {
        let arguments = std::iter::once(&"program").chain(arguments);
        Cli::try_parse_from(arguments).map(|cli| cli.transport)
    }

    #[test]
    fn without_options_either_transport_will_do() {
        let options = parse(&[]).unwrap();
        assert_eq!((options.transport(), options.udp, options.loss), (None, None, 0.0));
    }

    #[test]
    fn udp_has_a_port_of_its_own_or_the_standard_one() {
        assert_eq!(parse(&["--udp"]).unwrap().udp, Some(ENCAPSULATION_PORT));
        assert_eq!(parse(&["--udp=1234"]).unwrap().udp, Some(1234));
        assert!(parse(&["--udp", "--raw"]).is_err());
        assert!(parse(&["--udp=70000"]).is_err());
    }

    #[test]
    fn a_tun_interface_has_addresses_of_its_own() {
        let options = parse(&["--tun", "10.9.0.2/24,fd09::2/64", "--tun-mtu", "9000"]).unwrap();
        assert_eq!(
            (options.transport(), options.tun.len(), options.tun_mtu),
            (Some(Transport::Tun), 2, 9000)
        );
        for wrong in [&["--tun", "10.9.0.2/33"][..], &["--tun", "10.9.0.2", "--raw"], &["--tun-mtu", "1279"]]
        {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn loss_is_given_in_percent() {
        assert_eq!(parse(&["--loss", "1.5"]).unwrap().loss, 1.5);
        assert_eq!(parse(&["--loss", "1%"]).unwrap().loss, 1.0);
        for wrong in ["101", "-1", "x", "NaN"] {
            assert!(parse(&["--loss", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn local_addresses_add_up() {
        let options = parse(&["--local", "127.0.0.2,127.0.0.3", "--local", "::1"]).unwrap();
        assert_eq!(options.local.len(), 3);
    }

    #[test]
    fn a_capture_that_cannot_be_written_is_named() {
        let options = parse(&["--udp=0", "--local", "127.0.0.1", "--pcap", "/nonexistent/x.pcapng"]).unwrap();
        let error = options.build_stack().unwrap_err().to_string();
        assert!(error.starts_with("cannot write /nonexistent/x.pcapng"), "{error}");
    }
}
