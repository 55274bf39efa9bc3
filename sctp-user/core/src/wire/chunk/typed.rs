//! Any chunk, for what handles them all: traces, tools, tests. Hot paths read the typed chunk that
//! they expect straight from the [`RawChunk`].

use super::{
    AbortChunk, AsconfChunk, AuthChunk, ChunkError, ChunkType, CookieAckChunk, CookieEchoChunk, DataChunk,
    EcnChunk, ErrorChunk, ForwardTsnChunk, HeartbeatChunk, IDataChunk, IForwardTsnChunk, InitChunk,
    NrSackChunk, PadChunk, RawChunk, ReConfigChunk, SackChunk, ShutdownAckChunk, ShutdownChunk,
    ShutdownCompleteChunk,
};
use crate::wire::builder::WriteChunk;
use core::fmt;

/// A chunk of any type. What [`parse`](Self::parse) knows is what this codec can read, which is
/// more than an association may have agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chunk {
    /// DATA.
    Data(DataChunk),
    /// INIT or INIT ACK.
    Init(InitChunk),
    /// SACK.
    Sack(SackChunk),
    /// HEARTBEAT or HEARTBEAT ACK.
    Heartbeat(HeartbeatChunk),
    /// ABORT.
    Abort(AbortChunk),
    /// SHUTDOWN.
    Shutdown(ShutdownChunk),
    /// SHUTDOWN ACK.
    ShutdownAck(ShutdownAckChunk),
    /// ERROR.
    Error(ErrorChunk),
    /// COOKIE ECHO.
    CookieEcho(CookieEchoChunk),
    /// COOKIE ACK.
    CookieAck(CookieAckChunk),
    /// ECNE or CWR.
    Ecn(EcnChunk),
    /// SHUTDOWN COMPLETE.
    ShutdownComplete(ShutdownCompleteChunk),
    /// AUTH.
    Auth(AuthChunk),
    /// NR-SACK.
    NrSack(NrSackChunk),
    /// I-DATA.
    IData(IDataChunk),
    /// ASCONF or ASCONF-ACK.
    Asconf(AsconfChunk),
    /// RE-CONFIG.
    ReConfig(ReConfigChunk),
    /// PAD.
    Pad(PadChunk),
    /// FORWARD TSN.
    ForwardTsn(ForwardTsnChunk),
    /// I-FORWARD-TSN.
    IForwardTsn(IForwardTsnChunk),
    /// A type that this codec does not know: see [`ChunkType::unrecognized_action`].
    Unrecognized(RawChunk),
}

impl Chunk {
    /// Reads a chunk as its type says.
    pub fn parse(raw: RawChunk) -> Result<Self, ChunkError> {
        Ok(match raw.chunk_type {
            ChunkType::DATA => Self::Data(DataChunk::parse(&raw)?),
            ChunkType::INIT | ChunkType::INIT_ACK => Self::Init(InitChunk::parse(&raw)?),
            ChunkType::SACK => Self::Sack(SackChunk::parse(&raw)?),
            ChunkType::HEARTBEAT | ChunkType::HEARTBEAT_ACK => Self::Heartbeat(HeartbeatChunk::parse(&raw)),
            ChunkType::ABORT => Self::Abort(AbortChunk::parse(&raw)),
            ChunkType::SHUTDOWN => Self::Shutdown(ShutdownChunk::parse(&raw)?),
            ChunkType::SHUTDOWN_ACK => Self::ShutdownAck(ShutdownAckChunk),
            ChunkType::ERROR => Self::Error(ErrorChunk::parse(&raw)),
            ChunkType::COOKIE_ECHO => Self::CookieEcho(CookieEchoChunk::parse(&raw)),
            ChunkType::COOKIE_ACK => Self::CookieAck(CookieAckChunk),
            ChunkType::ECNE | ChunkType::CWR => Self::Ecn(EcnChunk::parse(&raw)?),
            ChunkType::SHUTDOWN_COMPLETE => Self::ShutdownComplete(ShutdownCompleteChunk::parse(&raw)),
            ChunkType::AUTH => Self::Auth(AuthChunk::parse(&raw)?),
            ChunkType::NR_SACK => Self::NrSack(NrSackChunk::parse(&raw)?),
            ChunkType::I_DATA => Self::IData(IDataChunk::parse(&raw)?),
            ChunkType::ASCONF | ChunkType::ASCONF_ACK => Self::Asconf(AsconfChunk::parse(&raw)?),
            ChunkType::RE_CONFIG => Self::ReConfig(ReConfigChunk::parse(&raw)),
            ChunkType::PAD => Self::Pad(PadChunk::parse(&raw)),
            ChunkType::FORWARD_TSN => Self::ForwardTsn(ForwardTsnChunk::parse(&raw)?),
            ChunkType::I_FORWARD_TSN => Self::IForwardTsn(IForwardTsnChunk::parse(&raw)?),
            _ => Self::Unrecognized(raw),
        })
    }

    /// The chunk within, for what all of them can do.
    fn inner(&self) -> &dyn AnyChunk {
        match self {
            Self::Data(chunk) => chunk,
            Self::Init(chunk) => chunk,
            Self::Sack(chunk) => chunk,
            Self::Heartbeat(chunk) => chunk,
            Self::Abort(chunk) => chunk,
            Self::Shutdown(chunk) => chunk,
            Self::ShutdownAck(chunk) => chunk,
            Self::Error(chunk) => chunk,
            Self::CookieEcho(chunk) => chunk,
            Self::CookieAck(chunk) => chunk,
            Self::Ecn(chunk) => chunk,
            Self::ShutdownComplete(chunk) => chunk,
            Self::Auth(chunk) => chunk,
            Self::NrSack(chunk) => chunk,
            Self::IData(chunk) => chunk,
            Self::Asconf(chunk) => chunk,
            Self::ReConfig(chunk) => chunk,
            Self::Pad(chunk) => chunk,
            Self::ForwardTsn(chunk) => chunk,
            Self::IForwardTsn(chunk) => chunk,
            Self::Unrecognized(chunk) => chunk,
        }
    }
}

/// What every chunk can do.
trait AnyChunk: WriteChunk + fmt::Display {}

impl<T: WriteChunk + fmt::Display> AnyChunk for T {}

impl WriteChunk for Chunk {
    fn chunk_type(&self) -> ChunkType {
        self.inner().chunk_type()
    }

    fn flags(&self) -> u8 {
        self.inner().flags()
    }

    fn value_len(&self) -> usize {
        self.inner().value_len()
    }

    fn write_value(&self, out: &mut Vec<u8>) {
        self.inner().write_value(out);
    }
}

impl fmt::Display for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner().fmt(f)
    }
}
