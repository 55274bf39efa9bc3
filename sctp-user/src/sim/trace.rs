//! Taps: a readable trace of a run.

use core::fmt;
use sctp_core::wire::{ChecksumPolicy, Packet};

use super::tap::{Fate, Observation, Tap};

/// A tap that gives each observation as a line to `write`.
pub fn trace(mut write: impl FnMut(fmt::Arguments<'_>) + 'static) -> Tap {
    Box::new(move |observation| {
        let Observation { now, name, fate, datagram, .. } = observation;
        let arrow = match fate {
            Fate::Sent => "->",
            Fate::Delivered => "<-",
            Fate::Dropped(_) => "-x",
        };
        let ends = format_args!("{} > {}", datagram.source, datagram.destination);
        let reason = match fate {
            Fate::Dropped(reason) => format!(" ({reason:?})"),
            Fate::Sent | Fate::Delivered => String::new(),
        };
        match Packet::parse(datagram.payload.clone(), ChecksumPolicy::Crc32c) {
            Ok(packet) => write(format_args!("{now:?} {name:>8} {arrow} {ends}{reason}: {packet}")),
            Err(error) => write(format_args!("{now:?} {name:>8} {arrow} {ends}{reason}: [{error}]")),
        }
    })
}
