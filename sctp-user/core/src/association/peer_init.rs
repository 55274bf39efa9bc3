//! What an INIT or INIT ACK says of its sender, read once and checked (RFC 9260, 3.3.2, 5.1.2).

use crate::auth::{AuthOffer, AuthParameters};
use crate::config::AssociationConfig;
use crate::endpoint::scope::Scope;
use crate::extensions::Extensions;
use crate::path::PathSet;
use crate::wire::cause::{Cause, Causes};
use crate::wire::chunk::{ChunkType, InitChunk, InitKind};
use crate::wire::param::{Parameter, ParameterType, Parameters, RawParameter};
use bytes::Bytes;
use core::net::IpAddr;
use smallvec::smallvec;

/// The smallest a_rwnd that an INIT may offer (3.3.2).
const MIN_A_RWND: u32 = 1_500;

/// Reports of unrecognized parameters are cut at so many bytes: an INIT ACK must fit into a packet.
const MAX_REPORT: usize = 256;

/// Abilities that the peer announced; what an extension adds to INIT is kept here and, between INIT
/// and COOKIE ECHO, in the state cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerCapabilities {
    /// It lists IPv4 among its Supported Address Types, or lists none.
    pub ipv4: bool,
    /// The same of IPv6.
    pub ipv6: bool,
    /// It lists addresses that are not held: more than [there may be](PathSet::MAX_PATHS), or such as mean nothing from
    /// afar.
    pub more_addresses: bool,
    /// Extensions that it offers.
    pub extensions: Extensions,
    /// It lists I-FORWARD-TSN, without which interleaved messages are not given up.
    pub interleaved_forwarding: bool,
}

impl Default for PeerCapabilities {
    fn default() -> Self {
        Self {
            ipv4: false,
            ipv6: false,
            more_addresses: false,
            extensions: Extensions::NONE,
            interleaved_forwarding: false,
        }
    }
}

impl PeerCapabilities {
    /// Two bytes for the state cookie.
    pub(crate) fn to_bytes(self) -> [u8; 2] {
        let flags = [self.ipv4, self.ipv6, self.more_addresses, self.interleaved_forwarding];
        let flags = flags.into_iter().zip(0..).map(|(flag, bit)| u8::from(flag) << bit).sum();
        [flags, self.extensions.to_bits()]
    }

    /// What [`to_bytes`](Self::to_bytes) made.
    pub(crate) fn from_bytes([flags, extensions]: [u8; 2]) -> Self {
        let flag = |bit: u8| flags >> bit & 1 != 0;
        Self {
            ipv4: flag(0),
            ipv6: flag(1),
            more_addresses: flag(2),
            extensions: Extensions::from_bits(extensions),
            interleaved_forwarding: flag(3),
        }
    }

    /// What is in use with a peer of these abilities where we offer `ours`. FORWARD TSN goes with DATA and I-FORWARD-TSN
    /// with I-DATA: which of the two the peer must know depends on the data that both agree on (RFC 8260, 2.3.1).
    pub(crate) fn agree_on(self, ours: Extensions) -> Extensions {
        let common = ours.common(self.extensions);
        let forwarding = if common.interleaving {
            self.interleaved_forwarding
        } else {
            self.extensions.partial_reliability
        };
        Extensions { partial_reliability: ours.partial_reliability && forwarding, ..common }
    }

    /// Whether it can do with addresses of this family.
    pub fn supports(self, address: IpAddr) -> bool {
        if address.is_ipv4() { self.ipv4 } else { self.ipv6 }
    }
}

/// What an INIT or INIT ACK asks for or says besides, which is followed once the association is up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PeerWishes {
    /// For the upper layer: Adaptation Layer Indication (RFC 5061, 4.2.6).
    pub(crate) adaptation: Option<u32>,
    /// The address that it would like us to send to: Set Primary Address (RFC 5061, 4.2.4 and 5.4).
    pub(crate) primary: Option<IpAddr>,
}

/// Parameters of an INIT or INIT ACK.
#[derive(Clone, Debug)]
pub(crate) struct PeerInit {
    /// Addresses listed, at most [`PathSet::MAX_PATHS`].
    pub(crate) addresses: Vec<IpAddr>,
    /// Abilities.
    pub(crate) capabilities: PeerCapabilities,
    /// What it says of AUTH.
    auth: AuthParameters,
    /// What it asks for besides.
    pub(crate) wishes: PeerWishes,
    /// The state cookie of an INIT ACK.
    pub(crate) cookie: Option<Bytes>,
    /// The life span increment that a Cookie Preservative asks for, milliseconds.
    pub(crate) life_span_increment: u32,
    /// Parameters to be reported as unrecognized, headers included.
    pub(crate) unrecognized: Vec<Bytes>,
}

impl PeerInit {
    /// Reads the parameters of `init`, which came from `source`. The error holds the causes of the
    /// ABORT that answers it.
    pub(crate) fn read(init: &InitChunk, source: IpAddr) -> Result<Self, Causes> {
        check_fixed_fields(init)?;
        let mut peer = Self {
            addresses: Vec::new(),
            capabilities: PeerCapabilities::default(),
            auth: AuthParameters::default(),
            wishes: PeerWishes::default(),
            cookie: None,
            life_span_increment: 0,
            unrecognized: Vec::new(),
        };
        let mut types_listed = false;
        // A parameter whose length cannot be right ends the list; what stood before it counts.
        for parameter in init.parameters.iter().map_while(Result::ok) {
            types_listed |= parameter.param_type == ParameterType::SUPPORTED_ADDRESS_TYPES;
            if !peer.take(&parameter)? {
                break;
            }
        }
        peer.capabilities.extensions.auth = peer.auth.offer_auth();
        peer.capabilities.interleaved_forwarding = lists_i_forward_tsn(init);
        if !types_listed {
            (peer.capabilities.ipv4, peer.capabilities.ipv6) = (true, true);
        }
        // What is local to the peer's host or link means another host, or none, from afar.
        let reach = Scope::of(source).min(Scope::Private);
        let listed = peer.addresses.len();
        let source_is_listed = peer.addresses.contains(&source);
        peer.addresses.retain(|&address| Scope::of(address) >= reach);
        peer.capabilities.more_addresses |=
            peer.addresses.len() < listed || (listed == PathSet::MAX_PATHS && !source_is_listed);
        peer.support_families_in_use(source);
        if init.kind == InitKind::InitAck && peer.cookie.is_none() {
            return Err(missing_cookie());
        }
        Ok(peer)
    }

    /// Takes one parameter; false if the rest of the chunk is not to be read.
    /// RFC 9260, 12.2.4.1, 3.3.2, 3.3.2.1.4, 3.3.3, 3.2.2, 3.3.3.1.2.
    /// RFC 4820, 4.
    fn take(&mut self, parameter: &RawParameter) -> Result<bool, Causes> {
        match parameter.param_type {
            ParameterType::IPV4_ADDRESS | ParameterType::IPV6_ADDRESS => self.take_address(&parameter.value),
            ParameterType::STATE_COOKIE => self.cookie = Some(parameter.value.clone()),
            ParameterType::COOKIE_PRESERVATIVE => {
                self.life_span_increment = read_u32(&parameter.value).unwrap_or(0);
            }
            ParameterType::ADAPTATION_LAYER_INDICATION | ParameterType::SET_PRIMARY_ADDRESS => {
                self.take_wish(parameter);
            }
            ParameterType::SUPPORTED_ADDRESS_TYPES => self.take_address_types(&parameter.value),
            // 5.1.2 B: deprecated, and never resolved.
            ParameterType::HOST_NAME_ADDRESS => {
                return Err(Cause::UnresolvableAddress(parameter.whole.clone()).into());
            }
            // What the peer did not recognize of ours. All that we send is optional.
            ParameterType::UNRECOGNIZED_PARAMETER => {}
            _ if self.capabilities.extensions.take(parameter) || self.auth.take(parameter) => {}
            // Padding is among them, skipped and not reported (RFC 4820, 4).
            unknown => {
                let action = unknown.unrecognized_action();
                if action.reports() {
                    self.unrecognized.push(parameter.whole.clone());
                }
                return Ok(action.goes_on());
            }
        }
        Ok(true)
    }

    /// What the peer said of AUTH, where we offer it; the error holds the causes of the ABORT.
    pub(crate) fn authentication(&self, config: &AssociationConfig) -> Result<Option<AuthOffer>, Causes> {
        let (ours, theirs) = (config.extensions, self.capabilities.extensions);
        // RFC 5061, 6: an association without AUTH is not set up with a peer that wants to change addresses.
        if ours.auth && ours.asconf && theirs.asconf && !theirs.auth {
            return Err(Cause::ProtocolViolation(Bytes::from_static(b"ASCONF without AUTH")).into());
        }
        if ours.auth { self.auth.read().map_err(Causes::from) } else { Ok(None) }
    }

    /// RFC 5061, 4.2.6, 6.
    fn take_wish(&mut self, parameter: &RawParameter) {
        match Parameter::parse(parameter) {
            Ok(Parameter::AdaptationLayerIndication(indication)) => self.wishes.adaptation = Some(indication),
            Ok(Parameter::SetPrimaryAddress(request)) => {
                self.wishes.primary = Some(request.address.to_canonical());
            }
            _ => {}
        }
    }

    fn take_address(&mut self, value: &[u8]) {
        let address = match value.len() {
            4 => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
            16 => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
            _ => None,
        };
        // 3.3.2.1.2: nobody may list an IPv4 address as one of IPv6. It is the same one, not a second path to it.
        let address = address.map(|address| address.to_canonical());
        let Some(address) = address.filter(|&address| crate::endpoint::is_unicast(address)) else { return };
        if self.addresses.contains(&address) {
            return;
        }
        match self.addresses.len() < PathSet::MAX_PATHS {
            true => self.addresses.push(address),
            false => self.capabilities.more_addresses = true,
        }
    }

    /// RFC 9260, 3.3.2.1.5.
    fn take_address_types(&mut self, value: &[u8]) {
        for pair in value.as_chunks().0 {
            match ParameterType(u16::from_be_bytes(*pair)) {
                ParameterType::IPV4_ADDRESS => self.capabilities.ipv4 = true,
                ParameterType::IPV6_ADDRESS => self.capabilities.ipv6 = true,
                _ => {}
            }
        }
    }

    /// 5.1.2: a family that the peer uses is supported, whether listed or not.
    fn support_families_in_use(&mut self, source: IpAddr) {
        for address in self.addresses.iter().chain([&source]) {
            match address {
                IpAddr::V4(_) => self.capabilities.ipv4 = true,
                IpAddr::V6(_) => self.capabilities.ipv6 = true,
            }
        }
    }

    /// The unrecognized parameters for an INIT ACK (3.2.2), cut where they would fill it.
    /// RFC 9260, 3.3.3.1.2.
    pub(crate) fn reports(&self) -> impl Iterator<Item = Parameter> {
        self.reportable().cloned().map(Parameter::UnrecognizedParameter)
    }

    /// The unrecognized parameters of an INIT ACK for an ERROR chunk (3.2.2); `None` if there are none.
    pub(crate) fn report_causes(&self) -> Option<Causes> {
        let mut row = Vec::new();
        for unrecognized in self.reportable() {
            row.resize(row.len().next_multiple_of(4), 0);
            row.extend_from_slice(unrecognized);
        }
        (!row.is_empty()).then(|| Cause::UnrecognizedParameters(Parameters(row.into())).into())
    }

    /// RFC 9260, 12.4.
    fn reportable(&self) -> impl Iterator<Item = &Bytes> {
        let mut room = MAX_REPORT;
        self.unrecognized.iter().take_while(move |parameter| {
            let fits = parameter.len() <= room;
            room = room.saturating_sub(parameter.len());
            fits
        })
    }
}

/// 3.3.2, 3.3.3: what the fixed fields may not hold. A zero initiate tag is the caller's affair.
/// RFC 9260, 5.1.
fn check_fixed_fields(init: &InitChunk) -> Result<(), Causes> {
    let in_order = init.a_rwnd >= MIN_A_RWND && init.outbound_streams > 0 && init.inbound_streams > 0;
    if in_order { Ok(()) } else { Err(Cause::InvalidMandatoryParameter.into()) }
}

fn missing_cookie() -> Causes {
    Cause::MissingMandatoryParameter(smallvec![ParameterType::STATE_COOKIE]).into()
}

fn read_u32(value: &[u8]) -> Option<u32> {
    value.first_chunk().copied().map(u32::from_be_bytes)
}

/// The parameter that lists an address: for IPv4 also where the host writes it as one of IPv6 (3.3.2.1.2).
pub(crate) fn address_parameter(address: IpAddr) -> Parameter {
    match address.to_canonical() {
        IpAddr::V4(address) => Parameter::Ipv4Address(address),
        IpAddr::V6(address) => Parameter::Ipv6Address(address),
    }
}

fn lists_i_forward_tsn(init: &InitChunk) -> bool {
    let listed = init.parameters.find(ParameterType::SUPPORTED_EXTENSIONS);
    listed.is_some_and(|parameter| parameter.value.contains(&ChunkType::I_FORWARD_TSN.0))
}
