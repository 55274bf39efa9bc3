//! What can sit at the end of a link.

use sctp_core::time::Time;

use super::datagram::{Datagram, Unreachable};

/// Anything that turns datagrams and time-outs into datagrams and a next deadline: an SCTP endpoint
/// with its application, a registrar, or ten lines in a test.
///
/// The words are those of all our machines: `handle_*` takes input, `poll_*` yields output. After
/// each input the network calls `poll_transmit` until it yields nothing.
pub trait Node {
    /// A datagram arrived.
    fn handle_datagram(&mut self, now: Time, datagram: Datagram);

    /// The datagrams of this instant have all been handed over.
    fn handle_batch_end(&mut self, _now: Time) {}

    /// ICMP reports that a datagram of this node could not be delivered.
    fn handle_unreachable(&mut self, _now: Time, _report: Unreachable) {}

    /// The deadline has come.
    fn handle_timeout(&mut self, now: Time);

    /// The next datagram to send.
    fn poll_transmit(&mut self, now: Time) -> Option<Datagram>;

    /// When `handle_timeout` wants to be called; a time in the past means now.
    fn poll_timeout(&self) -> Option<Time>;

    /// Whether all is as it should be; asked after each step.
    ///
    /// # Errors
    /// What is not, in words: the run ends there.
    fn check(&self, _now: Time) -> Result<(), String> {
        Ok(())
    }
}

impl<N: Node + ?Sized> Node for Box<N> {
    fn handle_datagram(&mut self, now: Time, datagram: Datagram) {
        (**self).handle_datagram(now, datagram);
    }

    fn handle_batch_end(&mut self, now: Time) {
        (**self).handle_batch_end(now);
    }

    fn handle_unreachable(&mut self, now: Time, report: Unreachable) {
        (**self).handle_unreachable(now, report);
    }

    fn handle_timeout(&mut self, now: Time) {
        (**self).handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Time) -> Option<Datagram> {
        (**self).poll_transmit(now)
    }

    fn poll_timeout(&self) -> Option<Time> {
        (**self).poll_timeout()
    }

    fn check(&self, now: Time) -> Result<(), String> {
        (**self).check(now)
    }
}
