//! The command line of `rsp-demo`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::ELEMENTS;
use crate::transport::TransportOptions;

const HELP: &str = "\
What happens: a registrar starts, then three pool elements, which register with it; then a pool user asks \
the registrar for an element and sends it 200 numbered requests a second, 10 outstanding at most. The \
element that serves is killed (SIGKILL): the user hears of it from the network alone, connects to another \
element, and gives it the session's cookie, which is all that this one knows of the session. Then the \
second element is frozen (SIGSTOP).

Each process has a loopback address of its own: the registrar 127.0.0.2, the elements 127.0.0.3 to .5, the \
user 127.0.0.6 (see --first-address). Over raw IP, death shows by the ABORT that the host's SCTP stacks \
send for the dead one; over UDP, by ICMP; a frozen process by time-outs. For those the demo uses the timers \
of --profile fast: RTO.Min and RTO.Max 50 ms, Association.Max.Retrans 3, HB.interval 250 ms, SACK delay \
10 ms; keep-alives of the registrar every 250 ms.

Examples:
  rsp-demo                                    raw IP as root, else UDP encapsulation
  rsp-demo --udp --pcap demo.pcapng           and look at it in Wireshark
  rsp-demo --duration 600 --loss 1 --no-faults      nobody may fail over
  rsp-demo --json | jq .failovers

Exit codes: 0 nothing was lost, given twice or failed over needlessly, and each fail-over took at most \
500 ms; 1 otherwise, or if the demo could not run; 2 wrong usage; 130 interrupted.";

/// Shows Reliable Server Pooling at work over SCTP in user space: servers die, and nothing is lost.
#[derive(Parser, Clone, Debug)]
#[command(version, after_help = HELP)]
pub struct Options {
    /// A part of the demo, started by the demo itself.
    #[command(subcommand)]
    pub role: Option<Role>,
    /// How long requests are sent, seconds (at least 2)
    #[arg(long, value_name = "SECONDS", default_value_t = 6.0, value_parser = seconds)]
    pub duration: f64,
    /// Kill and freeze nobody
    #[arg(long)]
    pub no_faults: bool,
    /// SCTP over raw IP; fails where that is not permitted
    #[arg(long, conflicts_with = "udp")]
    pub raw: bool,
    /// SCTP in UDP, from this port of each address, 9899 if none is named
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true, default_missing_value = "9899")]
    pub udp: Option<u16>,
    /// The registrar's address; the others follow it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.2", value_parser = first_address)]
    pub first_address: Ipv4Addr,
    /// Write the user's packets to this file (pcapng): all requests and replies are in it
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// Lose so many percent of the packets, in both directions of each process
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = crate::transport::percent)]
    pub loss: f64,
    /// The number that decides which packets get lost
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// One JSON object at the end, and nothing else
    #[arg(long)]
    pub json: bool,
    /// Log what the processes do (repeat it for more)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// What a child process is.
#[derive(Subcommand, Clone, Debug)]
pub enum Role {
    /// The registrar.
    #[command(hide = true, name = "registrar-role")]
    Registrar(RoleOptions),
    /// A pool element.
    #[command(hide = true, name = "element-role")]
    Element(RoleOptions),
    /// The pool user.
    #[command(hide = true, name = "user-role")]
    User(RoleOptions),
}

/// What a child process must know.
#[derive(clap::Args, Clone, Debug)]
pub struct RoleOptions {
    /// Its transport.
    #[command(flatten)]
    pub transport: TransportOptions,
    /// The registrar's address.
    #[arg(long)]
    pub registrar_address: IpAddr,
    /// How long requests are sent, seconds.
    #[arg(long, default_value_t = 0.0)]
    pub seconds: f64,
    /// The process that started it: it ends with that one.
    #[arg(long)]
    pub parent: i32,
    /// Log.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Options {
    /// The address of a process: the registrar is the first, then the elements, then the user.
    pub fn address(&self, process: usize) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first_address.to_bits().wrapping_add(process as u32))
    }

    /// Which process the user is.
    pub const USER: usize = 1 + ELEMENTS;
}

/// An address that others can follow.
fn first_address(text: &str) -> Result<Ipv4Addr, String> {
    let first: Ipv4Addr = text.parse().map_err(|_| "an IPv4 address is needed, e.g. 127.0.0.2")?;
    let last = Ipv4Addr::from_bits(first.to_bits().saturating_add(Options::USER as u32));
    match first.is_loopback() == last.is_loopback() && last != Ipv4Addr::new(127, 255, 255, 255) {
        true => Ok(first),
        false => Err(format!("{} loopback addresses are needed from there on", Options::USER + 1)),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (2.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 2 to 86400 is needed".into()),
    }
}
