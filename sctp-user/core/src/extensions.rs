//! The extensions of SCTP that the two sides of an association agree on at its set-up.
//!
//! Each side lists in INIT or INIT ACK what it offers: chunk types in Supported Extensions (RFC 5061, 4.2.7), and for
//! some a parameter of their own. An extension is in use if both sides offered it ([`Extensions::common`]).

use crate::wire::chunk::ChunkType;
use crate::wire::param::{Parameter, ParameterType, RawParameter};
use smallvec::SmallVec;

/// A set of extensions: what one side offers, or what both agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extensions {
    /// Explicit congestion notification (RFC 4960, Appendix A).
    pub ecn: bool,
    /// Partial reliability: FORWARD TSN (RFC 3758), and I-FORWARD-TSN where messages are interleaved.
    pub partial_reliability: bool,
    /// Resetting and adding streams (RFC 6525).
    pub reconfig: bool,
    /// Authenticated chunks (RFC 4895), as [`AssociationConfig::auth`](crate::config::AssociationConfig::auth) says.
    /// Off by default, as in Linux.
    pub auth: bool,
    /// Changing addresses (RFC 5061); not without `auth`. Off by default, as in Linux.
    pub asconf: bool,
    /// User message interleaving: I-DATA (RFC 8260).
    pub interleaving: bool,
    /// Acknowledgements that are never taken back (draft-tuexen-tsvwg-sctp-multipath).
    pub nr_sack: bool,
    /// Packets without a checksum (RFC 9653), where the driver finds damage by itself
    /// ([`EndpointConfig::alternate_error_detection`](crate::config::EndpointConfig::alternate_error_detection)).
    pub zero_checksum: bool,
}

/// The only alternate error detection method that there is (RFC 9653, 6): a lower layer, DTLS or better, that no
/// middlebox looks into.
const LOWER_LAYER: u32 = 1;

impl Extensions {
    /// Plain RFC 9260.
    pub const NONE: Self = Self {
        ecn: false,
        partial_reliability: false,
        reconfig: false,
        auth: false,
        asconf: false,
        interleaving: false,
        nr_sack: false,
        zero_checksum: false,
    };

    /// What both sets hold.
    /// RFC 3758, 3.3.3.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self {
            ecn: self.ecn && other.ecn,
            partial_reliability: self.partial_reliability && other.partial_reliability,
            reconfig: self.reconfig && other.reconfig,
            auth: self.auth && other.auth,
            // RFC 5061, 6: never without AUTH.
            asconf: self.asconf && other.asconf && self.auth && other.auth,
            interleaving: self.interleaving && other.interleaving,
            nr_sack: self.nr_sack && other.nr_sack,
            zero_checksum: self.zero_checksum && other.zero_checksum,
        }
    }

    /// The parameters that offer these extensions in INIT and INIT ACK; those of AUTH itself are in
    /// [`AuthOffer`](crate::auth::AuthOffer).
    /// RFC 5061, 4.2.7.
    pub(crate) fn parameters(self) -> impl Iterator<Item = Parameter> {
        let types = self.chunk_types();
        let listed = (!types.is_empty()).then_some(Parameter::SupportedExtensions(types));
        let ecn = self.ecn.then_some(Parameter::EcnCapable);
        let forward_tsn = self.partial_reliability.then_some(Parameter::ForwardTsnSupported);
        let zero_checksum = self.zero_checksum.then_some(Parameter::ZeroChecksumAcceptable(LOWER_LAYER));
        listed.into_iter().chain(ecn).chain(forward_tsn).chain(zero_checksum)
    }

    /// The chunk types that Supported Extensions lists (RFC 5061, 4.2.7).
    /// RFC 6525, 5.1.1.
    /// RFC 8260, 2.2.1.
    fn chunk_types(self) -> SmallVec<[ChunkType; 8]> {
        let forwards_interleaved = self.partial_reliability && self.interleaving;
        let all = [
            (self.partial_reliability, ChunkType::FORWARD_TSN),
            (forwards_interleaved, ChunkType::I_FORWARD_TSN),
            (self.reconfig, ChunkType::RE_CONFIG),
            (self.auth, ChunkType::AUTH),
            (self.asconf && self.auth, ChunkType::ASCONF),
            (self.asconf && self.auth, ChunkType::ASCONF_ACK),
            (self.interleaving, ChunkType::I_DATA),
            (self.nr_sack, ChunkType::NR_SACK),
        ];
        all.into_iter().filter_map(|(offered, chunk_type)| offered.then_some(chunk_type)).collect()
    }

    /// Adds what `parameter` offers; false if it is none of those that offer extensions.
    /// RFC 5061, 4.2.7.
    pub(crate) fn take(&mut self, parameter: &RawParameter) -> bool {
        match parameter.param_type {
            ParameterType::ECN_CAPABLE => self.ecn = true,
            ParameterType::FORWARD_TSN_SUPPORTED => self.partial_reliability = true,
            ParameterType::SUPPORTED_EXTENSIONS => {
                parameter.value.iter().for_each(|&chunk_type| self.take_chunk_type(ChunkType(chunk_type)));
            }
            // Of another method we know nothing: the peer gets its checksums (RFC 9653, 5.2, rule 1).
            ParameterType::ZERO_CHECKSUM_ACCEPTABLE => {
                self.zero_checksum |= *parameter.value == LOWER_LAYER.to_be_bytes();
            }
            _ => return false,
        }
        true
    }

    fn take_chunk_type(&mut self, chunk_type: ChunkType) {
        match chunk_type {
            ChunkType::FORWARD_TSN => self.partial_reliability = true,
            ChunkType::RE_CONFIG => self.reconfig = true,
            ChunkType::AUTH => self.auth = true,
            ChunkType::ASCONF => self.asconf = true,
            ChunkType::I_DATA => self.interleaving = true,
            ChunkType::NR_SACK => self.nr_sack = true,
            _ => {}
        }
    }

    /// One byte for the state cookie.
    pub(crate) fn to_bits(self) -> u8 {
        let all = [
            self.ecn,
            self.partial_reliability,
            self.reconfig,
            self.auth,
            self.asconf,
            self.interleaving,
            self.nr_sack,
            self.zero_checksum,
        ];
        all.into_iter().zip(0..).map(|(offered, bit)| u8::from(offered) << bit).sum()
    }

    /// What [`to_bits`](Self::to_bits) made.
    pub(crate) fn from_bits(bits: u8) -> Self {
        let bit = |bit: u8| bits >> bit & 1 != 0;
        Self {
            ecn: bit(0),
            partial_reliability: bit(1),
            reconfig: bit(2),
            auth: bit(3),
            asconf: bit(4),
            interleaving: bit(5),
            nr_sack: bit(6),
            zero_checksum: bit(7),
        }
    }
}

/// What is offered unless the user says otherwise: what works. To offer RE-CONFIG permits the peer nothing. Interleaved
/// messages only who asks for them can read (RFC 8260, 2.2.1).
impl Default for Extensions {
    fn default() -> Self {
        Self { ecn: true, partial_reliability: true, reconfig: true, zero_checksum: true, ..Self::NONE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::param::Parameters;
    use proptest::prelude::*;

    proptest! {
        /// RFC 5061, 4.2.7; RFC 3758, 3.1: what is offered is understood on the other side.
        /// RFC 6525, 5.1.1.
        #[test]
        fn an_offer_is_read_as_it_was_made(bits in any::<u8>()) {
            let mut offered = Extensions::from_bits(bits);
            prop_assert_eq!(offered.to_bits(), bits);
            // RFC 5061, 6: ASCONF is not offered without AUTH.
            offered.asconf &= offered.auth;
            let mut read = Extensions::NONE;
            for parameter in Parameters::from_iter(offered.parameters()).iter() {
                prop_assert!(read.take(&parameter.unwrap()));
            }
            prop_assert_eq!(read, offered);
            prop_assert_eq!(read.common(Extensions::NONE), Extensions::NONE);
        }
    }
}
