//! Taps: a readable trace of a run, and a capture for Wireshark.

use core::fmt;
use sctp_core::net::IpMarks;
use sctp_core::time::Time;
use sctp_core::wire::{ChecksumPolicy, Packet};
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use super::datagram::Protocol;
use super::tap::{Fate, Observation, Tap};
use crate::driver::layer::pcap::{Direction, Envelope, PcapWriter};

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
        // RFC 9653: it was left out.
        let left_out = datagram.payload.get(8..12) == Some(&[0; 4]);
        let policy = if left_out { ChecksumPolicy::Verified } else { ChecksumPolicy::Crc32c };
        match Packet::parse(datagram.payload.clone(), policy) {
            Ok(packet) => write(format_args!("{now:?} {name:>8} {arrow} {ends}{reason}: {packet}")),
            Err(error) => write(format_args!("{now:?} {name:>8} {arrow} {ends}{reason}: [{error}]")),
        }
    })
}

/// Writes all datagrams that hosts send to a pcapng file, under virtual time. What gets lost on the way
/// is in it; second copies are not.
#[derive(Debug)]
pub struct SimCapture<W: Write> {
    state: Rc<RefCell<CaptureState<W>>>,
}

#[derive(Debug)]
struct CaptureState<W: Write> {
    writer: PcapWriter<W>,
    result: io::Result<()>,
}

impl<W: Write + 'static> SimCapture<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(out: W) -> io::Result<Self> {
        let state = CaptureState { writer: PcapWriter::new(out, "sim")?, result: Ok(()) };
        Ok(Self { state: Rc::new(RefCell::new(state)) })
    }

    /// The tap that writes.
    pub fn tap(&self) -> Tap {
        let state = Rc::clone(&self.state);
        Box::new(move |observation| state.borrow_mut().record(observation))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// The first error since the beginning: a tap cannot report one.
    pub fn finish(self) -> io::Result<()> {
        let mut state = self.state.borrow_mut();
        core::mem::replace(&mut state.result, Ok(()))?;
        state.writer.flush()
    }
}

impl<W: Write> CaptureState<W> {
    fn record(&mut self, observation: &Observation<'_>) {
        if observation.fate != Fate::Sent || self.result.is_err() {
            return;
        }
        let datagram = observation.datagram;
        let udp = match datagram.protocol {
            Protocol::Sctp => None,
            Protocol::Udp { source_port, destination_port } => Some((source_port, destination_port)),
        };
        let (source, destination, ecn) = (datagram.source, datagram.destination, datagram.ecn);
        let envelope = Envelope { source, destination, udp, ecn, marks: IpMarks::NONE };
        let at = observation.now.since(Time::ZERO);
        self.result = self.writer.packet(at, Direction::Out, &envelope, &datagram.payload);
    }
}
