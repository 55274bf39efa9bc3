//! Bulk transfers over one bottleneck, each with the congestion control of its choice, watched over virtual time.
//!
//! ```text
//!   source 0 ──┐  bottleneck: rate, queue, loss    ┌── sink 0     each flow has a way back of its own,
//!   source 1 ──┴══════════════════════════════════▶┴── sink 1     so their round-trip times may differ
//! ```

mod node;
mod recording;

pub use recording::{Recording, Sample};

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use sctp_core::config::{AssociationConfig, EndpointConfig};
use sctp_core::endpoint::{ConnectRequest, Endpoint, ListenOptions};
use sctp_core::net::PathAddress;
use sctp_core::path::congestion::CongestionControl;
use sctp_core::time::Time;

use super::endpoint_node::EndpointNode;
use super::link::LinkConfig;
use super::network::{Limits, Network, Outcome};
use super::rng::SimRng;
use super::topology::{HostId, InterfaceId, LanId};
use node::FlowEnd;

/// Label of the generator that seeds endpoints.
const ENDPOINT: u64 = 4 << 32;
const PORT: u16 = 7;
/// Payload that fills a packet of 1,500 bytes: IP, common and chunk header take the rest.
const MESSAGE: usize = 1_500 - 20 - 12 - 16;

/// One transfer.
#[derive(Clone, Debug)]
pub struct Flow {
    /// How it is controlled.
    pub control: CongestionControl,
    /// When it begins.
    pub begins_at: Duration,
    /// The way of its acknowledgements.
    pub way_back: LinkConfig,
}

/// Flows that share a bottleneck.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Fixes all accidents.
    pub seed: u64,
    /// The way that all data takes.
    pub bottleneck: LinkConfig,
    /// The flows.
    pub flows: Vec<Flow>,
    /// Virtual time that it lasts.
    pub duration: Duration,
    /// Time from one sample to the next.
    pub sample_every: Duration,
}

/// A flow's two hosts.
struct Hosts {
    source: HostId,
    sink: HostId,
}

impl Experiment {
    /// A bottleneck of so many bit/s with this round-trip time and this many bandwidth-delay products of queue, shared
    /// by flows that begin a tenth of a second after one another; nothing is lost but what the queue drops.
    pub fn new(rate: u64, rtt: Duration, queue_bdps: f64, controls: &[CongestionControl]) -> Self {
        let bdp = rate as f64 / 8.0 * rtt.as_secs_f64();
        let queue_bytes = (bdp * queue_bdps) as usize;
        let flow = |(index, control): (u32, &CongestionControl)| Flow {
            control: control.clone(),
            begins_at: Duration::from_millis(100) * index,
            way_back: LinkConfig { delay: rtt / 2, ..LinkConfig::default() },
        };
        Self {
            seed: 1,
            bottleneck: LinkConfig { rate: Some(rate), delay: rtt / 2, queue_bytes, ..LinkConfig::default() },
            flows: (0..).zip(controls).map(flow).collect(),
            duration: Duration::from_secs(10),
            sample_every: Duration::from_millis(10),
        }
    }

    /// Bytes that are in flight at the full rate with an empty queue, with the way back of the first flow.
    pub fn bdp(&self) -> f64 {
        let back = self.flows.first().map_or(Duration::ZERO, |flow| flow.way_back.delay);
        let rtt = self.bottleneck.delay + back;
        self.bottleneck.rate.unwrap_or(0) as f64 / 8.0 * rtt.as_secs_f64()
    }

    /// Runs it.
    ///
    /// # Errors
    /// Why the simulation ended before its time.
    pub fn run(&self) -> Result<Recording, Outcome> {
        let mut network = Network::new(self.seed);
        network.set_limits(Limits { per_run: u64::MAX, ..Limits::default() });
        let (hosts, bottleneck) = self.build(&mut network);
        let mut recording = Recording {
            interval: self.sample_every,
            flows: vec![Vec::new(); hosts.len()],
            queue: Vec::new(),
            link: Default::default(),
        };
        while network.now().since(Time::ZERO) < self.duration {
            match network.run_for(self.sample_every) {
                Outcome::TimeLimit => {}
                early => return Err(early),
            }
            recording.queue.push(bottleneck.map_or(0, |link| network.queued_bytes(link)));
            for (samples, hosts) in recording.flows.iter_mut().zip(&hosts) {
                samples.push(sample(&network, hosts));
            }
        }
        recording.link = bottleneck.map(|link| *network.link_stats(link)).unwrap_or_default();
        Ok(recording)
    }

    fn build(&self, network: &mut Network<EndpointNode<FlowEnd>>) -> (Vec<Hosts>, Option<InterfaceId>) {
        let mut rng = SimRng::new(self.seed).split(ENDPOINT);
        let mut bottleneck = None;
        let mut hosts = Vec::new();
        for (index, flow) in (0..).zip(&self.flows) {
            let [at_source, at_sink] = [1, 2].map(|host| IpAddr::V4(Ipv4Addr::new(10, 1, index, host)));
            let lan = LanId(index.into());
            let source = network.add_host("source", self.source(flow, at_source, at_sink, &mut rng));
            let sink = network.add_host("sink", self.sink(flow, at_sink, &mut rng));
            let way = match bottleneck {
                None => network.attach(source, lan, at_source, self.bottleneck.clone()),
                Some(shared) => network.attach_beside(source, lan, at_source, shared),
            };
            bottleneck = bottleneck.or(Some(way));
            network.attach(sink, lan, at_sink, flow.way_back.clone());
            hosts.push(Hosts { source, sink });
        }
        (hosts, bottleneck)
    }

    fn source(&self, flow: &Flow, from: IpAddr, to: IpAddr, rng: &mut SimRng) -> EndpointNode<FlowEnd> {
        let request = ConnectRequest {
            local_port: PORT,
            local_addresses: Vec::new(),
            peers: vec![PathAddress::to(to)],
            peer_port: PORT,
            config: self.config(flow),
        };
        let application = FlowEnd::source(request, flow.begins_at, MESSAGE);
        EndpointNode::new(endpoint(from, rng), application, None)
    }

    fn sink(&self, flow: &Flow, address: IpAddr, rng: &mut SimRng) -> EndpointNode<FlowEnd> {
        let mut endpoint = endpoint(address, rng);
        let options = ListenOptions { config: self.config(flow), ..ListenOptions::default() };
        let listens = endpoint.listen(PORT, options);
        debug_assert!(listens.is_ok(), "a fresh endpoint has no listener yet");
        EndpointNode::new(endpoint, FlowEnd::Sink { received: 0 }, None)
    }

    /// Buffers that never limit: what is lost keeps what follows it for some round trips.
    fn config(&self, flow: &Flow) -> AssociationConfig {
        let in_flight = self.bdp() as usize + self.bottleneck.queue_bytes;
        AssociationConfig {
            congestion_control: flow.control.clone(),
            send_buffer: 8 * in_flight + (1 << 20),
            receive_buffer: 8 * in_flight + (1 << 20),
            ..AssociationConfig::default()
        }
    }
}

fn endpoint(address: IpAddr, rng: &mut SimRng) -> Endpoint {
    let config = EndpointConfig { local_addresses: vec![address], ..EndpointConfig::default() };
    Endpoint::new(config, rng.seed_bytes())
}

fn sample(network: &Network<EndpointNode<FlowEnd>>, hosts: &Hosts) -> Sample {
    let source = network.node(hosts.source);
    let received = network.node(hosts.sink).application.received();
    let association = source.application.association(&source.endpoint);
    let path = association.and_then(|association| association.paths().iter().next());
    path.map_or(Sample { received, ..Sample::default() }, |path| Sample {
        cwnd: path.congestion.cwnd(),
        ssthresh: path.congestion.ssthresh(),
        flight: path.flight_size,
        srtt: path.rtt.srtt(),
        received,
        t3_expiries: path.stats.t3_expiries,
        retransmitted: path.stats.retransmitted_chunks,
    })
}
