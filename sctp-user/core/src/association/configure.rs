//! Parameters that are changed while the association lives: of all paths, or of one (RFC 6458, 8.1.12).

use super::Association;
use super::mtu::packet_size;
use crate::config::AssociationConfig;
use crate::error::CommandError;
use crate::net::IpDefaults;
use crate::path::{PathId, PathParameters, Thresholds};
use core::net::IpAddr;
use core::time::Duration;
use std::sync::Arc;

impl Association {
    /// Changes parameters, or none if they do not fit together. Paths take over what was changed, also those with
    /// parameters of their own.
    pub(crate) fn update_config(
        &mut self,
        change: impl FnOnce(&mut AssociationConfig),
    ) -> Result<(), CommandError> {
        let mut changed = AssociationConfig::clone(&self.config);
        change(&mut changed);
        let thresholds = Thresholds::of(&changed);
        thresholds.check()?;
        // What INIT or INIT ACK announced holds (RFC 3758, 3.3.3; RFC 9653, 5.3).
        changed.extensions = self.config.extensions;
        // RFC 4895, 6.1: the list of algorithms never changes.
        changed.auth.hmacs = self.config.auth.hmacs.clone();
        let before = core::mem::replace(&mut self.config, Arc::new(changed));
        let config = &self.config;
        let (parameters, parameters_before) = (PathParameters::of(config), PathParameters::of(&before));
        let limit_changed = config.max_packet_size != before.max_packet_size;
        let thresholds_changed = thresholds != Thresholds::of(&before);
        let mut resized: smallvec::SmallVec<[PathId; 4]> = smallvec::SmallVec::new();
        for path in self.paths.iter_mut() {
            path.rtt.set_bounds(config);
            if thresholds_changed {
                path.thresholds = thresholds;
            }
            let had = path.parameters;
            path.parameters.take_over(&parameters_before, &parameters);
            path.marks = path.parameters.marks(IpDefaults::of(config, path.address.remote));
            if limit_changed || path.parameters.sizes() != had.sizes() {
                resized.push(path.id);
            }
            let pmdcs = path.pmdcs();
            path.congestion.update_config(pmdcs, config);
        }
        self.sender.update_config(config);
        if let Some(receiver) = &mut self.receiver {
            receiver.update_config(config);
        }
        // What waited for the end of another message may be read now.
        self.tell_readable();
        self.time_sacks();
        self.reschedule_heartbeats();
        resized.into_iter().for_each(|id| self.resize_packets(id));
        Ok(())
    }

    /// Changes parameters of the path to `remote` alone (RFC 6458, 8.1.12).
    pub(crate) fn update_path(
        &mut self,
        remote: IpAddr,
        change: impl FnOnce(&mut PathParameters),
    ) -> Result<(), CommandError> {
        let id = self.paths.by_remote(remote).ok_or(CommandError::UnknownAddress(remote))?.id;
        let Some(path) = self.paths.get_mut(id) else { return Ok(()) };
        let before = path.parameters;
        change(&mut path.parameters);
        path.marks = path.parameters.marks(IpDefaults::of(&self.config, remote));
        let resized = path.parameters.sizes() != before.sizes();
        if id == self.data_source {
            self.time_sacks();
        }
        self.reschedule_heartbeats();
        if resized {
            self.resize_packets(id);
        }
        Ok(())
    }

    /// Gives the path to `remote` limits of its own (RFC 7829, 7.2).
    pub(crate) fn set_thresholds(
        &mut self,
        remote: IpAddr,
        thresholds: Thresholds,
    ) -> Result<(), CommandError> {
        thresholds.check()?;
        let id = self.paths.by_remote(remote).ok_or(CommandError::UnknownAddress(remote))?.id;
        if let Some(path) = self.paths.get_mut(id) {
            path.thresholds = thresholds;
        }
        Ok(())
    }

    /// The largest RTO of all paths since this was last asked, and the address of its path; none if no RTO was computed.
    pub(crate) fn take_largest_rto(&mut self) -> Option<(IpAddr, Duration)> {
        let observed =
            self.paths.iter_mut().filter_map(|path| Some((path.address.remote, path.rtt.take_largest()?)));
        observed.max_by_key(|&(_, rto)| rto)
    }

    /// SACKs wait as it was set for the path that data comes on.
    pub(super) fn time_sacks(&mut self) {
        let source = self.paths.get(self.data_source);
        if let (Some(receiver), Some(path)) = (&mut self.receiver, source) {
            receiver.time_sacks(&path.parameters);
        }
    }

    /// The size of packets to `id` is to be found anew.
    fn resize_packets(&mut self, id: PathId) {
        let limit = self.config.max_packet_size;
        let Some(path) = self.paths.get_mut(id) else { return };
        path.mtu.stop();
        path.max_packet_size = packet_size(&path.parameters, limit, &path.address);
        let pmdcs = path.pmdcs();
        path.congestion.update_config(pmdcs, &self.config);
        self.start_mtu_search(id);
    }
}
