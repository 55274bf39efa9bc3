//! Explicit congestion notification (RFC 4960, Appendix A, after RFC 3168), where both sides offer it.
//!
//! Packets with new DATA say that a router may mark them instead of dropping them. Whoever gets a mark says so by ECNE
//! with each SACK, until CWR tells that the sender has slowed down.

use super::{Association, Context, Flow};
use crate::net::Ecn;
use crate::path::PathId;
use crate::serial::Tsn;
use crate::wire::PacketBuilder;
use crate::wire::chunk::{EcnChunk, EcnKind, RawChunk};

/// What is known of marks.
#[derive(Debug, Default)]
pub(super) struct EcnState {
    /// The packet that is being taken in is marked.
    marked: bool,
    /// The lowest TSN of its new DATA.
    lowest: Option<Tsn>,
    /// What ECNE says until CWR comes.
    echo: Option<Tsn>,
    /// The next ECNE has the other form.
    counts: bool,
    /// How the packet that is being written leaves.
    pub(super) leaves_as: Ecn,
}

impl Association {
    /// The next packet to be handed in came with this ECN field.
    pub(crate) fn set_arriving_ecn(&mut self, ecn: Ecn) {
        self.ecn.marked = ecn == Ecn::CongestionExperienced && self.extensions.ecn;
    }

    /// New DATA was taken out of a packet.
    pub(super) fn note_ecn_data(&mut self, tsn: Tsn) {
        if self.ecn.marked {
            let lower = self.ecn.lowest.filter(|lowest| lowest.less_than(tsn));
            self.ecn.lowest = Some(lower.unwrap_or(tsn));
        }
    }

    /// All of a packet was taken in. Of marked ones the last is echoed, so that CWR for an earlier one does not hide it.
    pub(super) fn end_ecn_packet(&mut self) {
        self.ecn.marked = false;
        let Some(lowest) = self.ecn.lowest.take() else { return };
        self.stats.congestion_marks_received += 1;
        let before = self.ecn.echo.replace(lowest);
        if let Some(before) = before {
            self.ecn.echo = Some(before.later(lowest));
        } else if let Some(receiver) = &mut self.receiver {
            // The sender is to slow down now, not after the SACK delay.
            receiver.request_sack();
        }
    }

    /// ECNE goes before the SACK, which may acknowledge the TSN that it names. As long as no CWR comes every second one has
    /// the form that usrsctp reads, which overlooks the other form and with it the SACK.
    pub(super) fn write_ecn_echo(&mut self, packet: &mut PacketBuilder<'_>) {
        if let Some(lowest_tsn) = self.ecn.echo {
            let kind = if self.ecn.counts { EcnKind::CountingEcho } else { EcnKind::Echo };
            // Without room it goes with the next SACK.
            self.ecn.counts ^= packet.push(&EcnChunk { kind, lowest_tsn }).is_ok();
        }
    }

    /// ECNE: each is answered, since the CWR before may be lost.
    pub(super) fn handle_ecn_echo(&mut self, cx: &Context<'_>, chunk: &RawChunk, source: PathId) -> Flow {
        let Ok(EcnChunk { lowest_tsn, .. }) = EcnChunk::parse(chunk) else { return Flow::Stop };
        let fallback = self.data_path();
        if self.state().takes_sack()
            && self.sender.handle_ecn_echo(cx.now, lowest_tsn, fallback, &mut self.paths)
        {
            self.reply(self.confirmed(source), &EcnChunk { kind: EcnKind::WindowReduced, lowest_tsn });
        }
        Flow::Continue
    }

    /// CWR: the sender has heard of marks up to this one.
    pub(super) fn handle_window_reduced(&mut self, chunk: &RawChunk) -> Flow {
        let Ok(EcnChunk { lowest_tsn, .. }) = EcnChunk::parse(chunk) else { return Flow::Stop };
        if self.ecn.echo.take_if(|echo| echo.at_most(lowest_tsn)).is_some() {
            self.ecn.counts = false;
        }
        Flow::Continue
    }

    /// TSNs are numbered anew: those of before mean nothing any more.
    pub(super) fn forget_ecn_echo(&mut self) {
        self.ecn.echo = None;
    }
}
