//! What a registrar tells Prometheus, in its text format. The number of time series does not depend on what peers do: pools,
//! elements and users have no labels of their own.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::prometheus_text::{self, CONTENT_TYPE};
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::registry::{Registry, Unit};
use rserpool::driver::{Latencies, Registrar, TcpRefusals};
use rserpool::registrar::{PeerCounts, RegistrarStatistics, Rejections, Removals};
use rserpool::transport::Side;

use super::process::Usage;
use crate::http::Page;

/// A moment of a registrar, and of its process.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    id: String,
    serves: bool,
    pools: usize,
    elements: usize,
    own_elements: usize,
    checksum: u16,
    peers: PeerCounts,
    asap_associations: usize,
    tcp_connections: usize,
    tcp_refusals: TcpRefusals,
    enrp_associations: usize,
    statistics: RegistrarStatistics,
    registrations: Latencies,
    usage: Usage,
}

impl Snapshot {
    /// As it is now.
    pub(super) fn take(registrar: &Registrar) -> Self {
        let registrations = registrar.registration_latencies();
        let tcp_refusals = registrar.tcp_refusals();
        registrar.inspect(|machine| {
            let (id, handlespace) = (machine.config().id, machine.handlespace());
            Self {
                id: id.to_string(),
                serves: machine.is_serving(),
                pools: handlespace.pools().len(),
                elements: handlespace.len(),
                own_elements: handlespace.count_of(id),
                checksum: handlespace.checksum(id).value(),
                peers: machine.peer_counts(),
                asap_associations: machine.association_count(Side::Asap),
                tcp_connections: machine.association_count(Side::AsapTcp),
                tcp_refusals,
                enrp_associations: machine.association_count(Side::Enrp),
                statistics: *machine.statistics(),
                registrations,
                usage: Usage::now(),
            }
        })
    }

    /// As Prometheus reads it.
    pub(super) fn page(self) -> Page {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut body = String::new();
        match prometheus_text::encode(&mut body, &registry) {
            Ok(()) => Page { status: 200, content_type: CONTENT_TYPE, body },
            Err(error) => Page::line(500, &format!("the metrics cannot be written: {error}")),
        }
    }
}

/// A number, and what is particular about it among those of its name.
type Labelled<'a> = (&'a [(&'a str, &'a str)], u64);

/// Writes what a snapshot has.
struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn gauges(&mut self, name: &str, help: &str, values: &[Labelled<'_>]) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        values.iter().try_for_each(|(labels, value)| {
            encoder.encode_family(labels)?.encode_gauge(&i64::try_from(*value).unwrap_or(i64::MAX))
        })
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let counter = ConstCounter::new(value);
        counter.encode(self.0.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    fn counters(&mut self, name: &str, help: &str, values: &[Labelled<'_>]) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        values
            .iter()
            .try_for_each(|(labels, value)| ConstCounter::new(*value).encode(encoder.encode_family(labels)?))
    }

    /// As [`Writer::counters`], with one label.
    fn counters_by(&mut self, name: &str, help: &str, label: &str, values: &[(&str, u64)]) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        values.iter().try_for_each(|(value, count)| {
            ConstCounter::new(*count).encode(encoder.encode_family(&[(label, *value)])?)
        })
    }

    fn histogram(&mut self, name: &str, help: &str, latencies: &Latencies) -> fmt::Result {
        let bounds = Latencies::BOUNDS.iter().map(Duration::as_secs_f64);
        let buckets: Vec<_> = bounds.zip(latencies.counts).collect();
        let unit = Some(&Unit::Seconds);
        let mut encoder = self.0.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        let sum = latencies.sum.as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, latencies.count(), &buckets, None)
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut writer = Writer(encoder);
        self.write_state(&mut writer)?;
        self.write_requests(&mut writer)?;
        self.write_peers(&mut writer)?;
        self.usage.write(&mut writer)
    }
}

impl Snapshot {
    fn write_state(&self, to: &mut Writer<'_>) -> fmt::Result {
        let labels = [("version", env!("CARGO_PKG_VERSION")), ("identifier", self.id.as_str())];
        to.gauges("rspregistrar_info", "Which registrar this is", &[(&labels, 1)])?;
        to.gauge("rspregistrar_serving", "Whether elements and users are served", i64::from(self.serves))?;
        to.gauge("rspregistrar_pools", "Pools", self.pools as i64)?;
        let others = self.elements.saturating_sub(self.own_elements) as u64;
        to.gauges(
            "rspregistrar_pool_elements",
            "Pool elements, by their home registrar",
            &[(&[("home", "this")], self.own_elements as u64), (&[("home", "other")], others)],
        )?;
        to.gauge(
            "rspregistrar_pe_checksum",
            "Checksum over the elements whose home this is, which ends up the same at all registrars (RFC 5353, 3.6)",
            i64::from(self.checksum),
        )?;
        to.gauges(
            "rspregistrar_associations",
            "Associations",
            &[
                (&[("protocol", "asap")], self.asap_associations as u64),
                (&[("protocol", "enrp")], self.enrp_associations as u64),
            ],
        )?;
        to.gauge("rspregistrar_tcp_connections", "Users over TCP", self.tcp_connections as i64)?;
        let TcpRefusals { too_many, too_slow } = self.tcp_refusals;
        to.counters_by(
            "rspregistrar_tcp_refusals",
            "Connections over TCP closed by the registrar, by reason",
            "reason",
            &[("too_many", too_many), ("too_slow", too_slow)],
        )
    }

    fn write_requests(&self, to: &mut Writer<'_>) -> fmt::Result {
        let RegistrarStatistics {
            registrations,
            reregistrations,
            rejections,
            deregistrations,
            refused_deregistrations,
            resolutions,
            failed_resolutions,
            unreachable_reports,
            ..
        } = self.statistics;
        fn request<'a>(request: &'a str, result: &'a str) -> [(&'a str, &'a str); 2] {
            [("request", request), ("result", result)]
        }
        to.counters(
            "rspregistrar_requests",
            "Requests of elements and users, by what became of them",
            &[
                (&request("registration", "new"), registrations),
                (&request("registration", "renewed"), reregistrations),
                (&request("registration", "rejected"), rejections.total()),
                (&request("deregistration", "done"), deregistrations),
                (&request("deregistration", "refused"), refused_deregistrations),
                (&request("handle_resolution", "answered"), resolutions),
                (&request("handle_resolution", "failed"), failed_resolutions),
                (&request("endpoint_unreachable", "taken"), unreachable_reports),
            ],
        )?;
        write_rejections(to, &rejections)?;
        to.histogram(
            "rspregistrar_registration_duration",
            "Time to the answer of a registration, from when the registrar looked for messages",
            &self.registrations,
        )?;
        write_removals(to, &self.statistics.removals)?;
        self.write_messages(to)
    }

    fn write_messages(&self, to: &mut Writer<'_>) -> fmt::Result {
        let RegistrarStatistics {
            keep_alives,
            keep_alive_acks,
            announces,
            bad_messages,
            dynamic_updates,
            errors_reported,
            rate_limited,
            forbidden,
            refused_associations,
            ignored_when_full,
            lost_events,
            ..
        } = self.statistics;
        to.counter("rspregistrar_keep_alives", "Keep-alives sent", keep_alives)?;
        to.counter("rspregistrar_keep_alive_acks", "Keep-alives acknowledged", keep_alive_acks)?;
        to.counter("rspregistrar_announces", "Announces sent", announces)?;
        to.counter("rspregistrar_dynamic_updates", "Changes told to subscribed users", dynamic_updates)?;
        to.counter("rspregistrar_bad_messages", "Messages of no use, or that are none", bad_messages)?;
        to.counter(
            "rspregistrar_error_messages",
            "Errors that elements and users reported",
            errors_reported,
        )?;
        to.counter("rspregistrar_rate_limited", "Requests over a limit of their rate", rate_limited)?;
        to.counter("rspregistrar_forbidden", "Requests that the access rules do not allow", forbidden)?;
        to.counter(
            "rspregistrar_refused_associations",
            "Associations aborted because of the access rules, or because there are too many",
            refused_associations,
        )?;
        to.counters_by(
            "rspregistrar_overload",
            "What was left undone for lack of time",
            "what",
            &[("message", ignored_when_full), ("event", lost_events)],
        )
    }

    fn write_peers(&self, to: &mut Writer<'_>) -> fmt::Result {
        let PeerCounts { active, asked, left_to_another, being_taken_over } = self.peers;
        let state = |state| [("state", state)];
        to.gauges(
            "rspregistrar_peers",
            "Other registrars, by how it stands with them",
            &[
                (&state("active"), active as u64),
                (&state("asked"), asked as u64),
                (&state("left_to_another"), left_to_another as u64),
                (&state("being_taken_over"), being_taken_over as u64),
            ],
        )?;
        let RegistrarStatistics {
            presences,
            updates,
            peer_updates,
            refused_updates,
            failed_audits,
            table_requests,
            takeovers_begun,
            takeovers,
            peer_takeovers,
            ..
        } = self.statistics;
        to.counter("rspregistrar_presences", "Presences sent", presences)?;
        to.counters_by(
            "rspregistrar_handle_updates",
            "Changes of the handlespace that registrars tell each other",
            "direction",
            &[("sent", updates), ("received", peer_updates)],
        )?;
        to.counter(
            "rspregistrar_handle_updates_refused",
            "Changes that are not the peer's to make",
            refused_updates,
        )?;
        to.counter(
            "rspregistrar_handle_table_requests",
            "Parts of tables that peers asked for",
            table_requests,
        )?;
        to.counter(
            "rspregistrar_failed_audits",
            "Checksums of peers that differed from ours",
            failed_audits,
        )?;
        to.counter("rspregistrar_takeovers_begun", "Takeovers begun", takeovers_begun)?;
        to.counters_by(
            "rspregistrar_takeovers",
            "Registrars that are gone, by who has taken their elements over",
            "by",
            &[("this", takeovers), ("other", peer_takeovers)],
        )
    }
}

fn write_rejections(to: &mut Writer<'_>, rejections: &Rejections) -> fmt::Result {
    let Rejections {
        policy_differs,
        transport_differs,
        control_use_differs,
        unknown_policy,
        no_usable_address,
        transport_refused,
        invalid_value,
        id_in_use,
        forbidden,
        full,
    } = *rejections;
    to.counters_by(
        "rspregistrar_rejections",
        "Registrations rejected, by cause",
        "cause",
        &[
            ("policy_differs", policy_differs),
            ("transport_differs", transport_differs),
            ("control_use_differs", control_use_differs),
            ("unknown_policy", unknown_policy),
            ("no_usable_address", no_usable_address),
            ("transport_refused", transport_refused),
            ("invalid_value", invalid_value),
            ("id_in_use", id_in_use),
            ("forbidden", forbidden),
            ("full", full),
        ],
    )
}

fn write_removals(to: &mut Writer<'_>, removals: &Removals) -> fmt::Result {
    let Removals { association_lost, no_keep_alive_ack, reported_unreachable, life_expired, unreachable } =
        *removals;
    to.counters_by(
        "rspregistrar_removals",
        "Elements removed without having asked for it, by reason",
        "reason",
        &[
            ("association_lost", association_lost),
            ("no_keep_alive_ack", no_keep_alive_ack),
            ("reported_unreachable", reported_unreachable),
            ("life_expired", life_expired),
            ("home_gone", unreachable),
        ],
    )
}

impl Usage {
    /// The names are those that all exporters use.
    fn write(&self, to: &mut Writer<'_>) -> fmt::Result {
        to.counter_of_seconds("process_cpu", "CPU time", self.user + self.system)?;
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        to.gauge("process_start_time_seconds", "When the process began", started.as_secs_f64())?;
        let Some(memory) = self.memory else { return Ok(()) };
        to.gauge("process_resident_memory_bytes", "Memory in use", memory.resident as i64)?;
        to.gauge("process_virtual_memory_bytes", "Memory reserved", memory.reserved as i64)
    }
}

impl Writer<'_> {
    fn counter_of_seconds(&mut self, name: &str, help: &str, time: Duration) -> fmt::Result {
        let counter = ConstCounter::new(time.as_secs_f64());
        counter.encode(self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Counter)?)
    }
}

#[cfg(test)]
mod tests;
