//! Which algorithm a path has: the choice of the user, and the dispatch to it.

use super::bbr::Bbr;
use super::controller::{Acknowledged, Controller, Start};
use super::cubic::Cubic;
use super::rfc9260::Rfc9260;
use crate::time::Time;
use core::fmt;
use std::sync::Arc;

/// The algorithm of congestion control that the paths of an association have.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum CongestionControl {
    /// Slow start and congestion avoidance of RFC 9260, 7.2.
    #[default]
    Rfc9260,
    /// CUBIC (RFC 9438) with HyStart++ (RFC 9406): what most TCP senders do.
    Cubic,
    /// A model of the path instead of a reaction to each loss, and packets spaced in time: holds its throughput on
    /// long and lossy paths, and keeps queues short.
    Bbr,
    /// The user's own.
    Custom(Arc<dyn ControllerFactory>),
}

/// Makes the user's own controllers, one for each path.
pub trait ControllerFactory: fmt::Debug + Send + Sync {
    /// A controller for a path.
    fn make(&self, start: &Start) -> Box<dyn Controller>;
}

impl CongestionControl {
    pub(super) fn make(&self, start: &Start) -> Algorithm {
        match self {
            Self::Rfc9260 => Algorithm::Rfc9260(Rfc9260::new(start)),
            Self::Cubic => Algorithm::Cubic(Cubic::new(start)),
            Self::Bbr => Algorithm::Bbr(Box::new(Bbr::new(start))),
            Self::Custom(factory) => Algorithm::Custom(factory.make(start)),
        }
    }
}

impl PartialEq for CongestionControl {
    /// Two of the user's own are the same if the same factory makes them.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Custom(a), Self::Custom(b)) => Arc::ptr_eq(a, b),
            _ => core::mem::discriminant(self) == core::mem::discriminant(other),
        }
    }
}

impl Eq for CongestionControl {}

/// The controller of a path. Those that we bring are called without a table of functions.
#[derive(Debug)]
pub(super) enum Algorithm {
    Rfc9260(Rfc9260),
    Cubic(Cubic),
    Bbr(Box<Bbr>),
    Custom(Box<dyn Controller>),
}

/// Calls the same method of whichever controller it is.
macro_rules! dispatch {
    ($algorithm:expr, $controller:ident => $call:expr) => {
        match $algorithm {
            Algorithm::Rfc9260($controller) => $call,
            Algorithm::Cubic($controller) => $call,
            Algorithm::Bbr($controller) => $call,
            Algorithm::Custom($controller) => $call,
        }
    };
}

impl Controller for Algorithm {
    fn cwnd(&self) -> usize {
        dispatch!(self, controller => controller.cwnd())
    }

    fn ssthresh(&self) -> usize {
        dispatch!(self, controller => controller.ssthresh())
    }

    fn partial_bytes_acked(&self) -> usize {
        dispatch!(self, controller => controller.partial_bytes_acked())
    }

    fn pacing_rate(&self) -> Option<u64> {
        dispatch!(self, controller => controller.pacing_rate())
    }

    fn wants_rate_samples(&self) -> bool {
        dispatch!(self, controller => controller.wants_rate_samples())
    }

    fn retransmits_repeatedly(&self) -> bool {
        dispatch!(self, controller => controller.retransmits_repeatedly())
    }

    fn window_after_idle(&self, idle: u32, pmdcs: usize) -> usize {
        dispatch!(self, controller => controller.window_after_idle(idle, pmdcs))
    }

    fn on_idle(&mut self, now: Time, idle: u32, pmdcs: usize) {
        dispatch!(self, controller => controller.on_idle(now, idle, pmdcs));
    }

    fn on_sent(&mut self, now: Time, bytes: usize, flight: usize) {
        dispatch!(self, controller => controller.on_sent(now, bytes, flight));
    }

    fn on_ack(&mut self, ack: &Acknowledged, pmdcs: usize) {
        dispatch!(self, controller => controller.on_ack(ack, pmdcs));
    }

    fn on_all_acked(&mut self) {
        dispatch!(self, controller => controller.on_all_acked());
    }

    fn on_lost(&mut self, now: Time, bytes: usize) {
        dispatch!(self, controller => controller.on_lost(now, bytes));
    }

    fn on_fast_retransmit(&mut self, now: Time, pmdcs: usize) {
        dispatch!(self, controller => controller.on_fast_retransmit(now, pmdcs));
    }

    fn on_timeout(&mut self, now: Time, pmdcs: usize) {
        dispatch!(self, controller => controller.on_timeout(now, pmdcs));
    }

    fn on_ecn_echo(&mut self, now: Time, pmdcs: usize) {
        dispatch!(self, controller => controller.on_ecn_echo(now, pmdcs));
    }
}
