//! ENRP messages (RFC 5353, 2).

use bytes::Bytes;

use super::param::Params;
use super::tlv::{Reader, Writer, split_message};
use super::{
    EncodeError, ErrorCause, Format, ParamType, ParseError, Parsed, PoolElement, PoolEntry, ServerInformation,
};
use crate::{PoolHandle, RegistrarId};

/// R (reply required, reject), W (own children only) or T (takeover suggested).
const FLAG: u8 = 1;
/// M: more table entries follow (RFC 5353, 2.3).
const MORE: u8 = 2;

/// A message between registrars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrpMessage {
    /// Who sends it.
    pub sender: RegistrarId,
    /// Whom it is for; [`RegistrarId::NONE`] for all, or when it does not matter.
    pub receiver: RegistrarId,
    /// What it says.
    pub body: EnrpBody,
}

/// What a Handle Update does to an element (RFC 5353, 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateAction {
    /// Add it or update it.
    Add,
    /// Remove it.
    Delete,
}

/// What an ENRP message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnrpBody {
    /// I am here (2.1). RSPLIB cannot parse it without checksum and server information.
    Presence {
        /// R: answer with a Presence.
        reply_required: bool,
        /// Checksum over the elements that the sender owns, as the 16 bits on the wire.
        checksum: Option<u16>,
        /// The sender's ENRP endpoint.
        server: Option<ServerInformation>,
    },
    /// Send me the handlespace (2.2).
    HandleTableRequest {
        /// W: only the elements that you own.
        own_children_only: bool,
    },
    /// A part of the handlespace (2.3).
    HandleTableResponse {
        /// M: more follows.
        more: bool,
        /// R: not now.
        rejected: bool,
        /// Pools with some of their elements.
        pools: Vec<PoolEntry>,
    },
    /// An element was added, changed or removed (2.4).
    HandleUpdate {
        /// What happened.
        action: UpdateAction,
        /// T: take the element over (enrp-takeover draft, 2).
        takeover_suggested: bool,
        /// The pool.
        pool_handle: PoolHandle,
        /// The element.
        element: PoolElement,
    },
    /// Which registrars do you know? (2.5)
    ListRequest,
    /// These (2.6).
    ListResponse {
        /// R: not now.
        rejected: bool,
        /// The registrars.
        servers: Vec<ServerInformation>,
    },
    /// I mean to take over this registrar's elements (2.7).
    InitTakeover {
        /// Whose elements.
        target: RegistrarId,
    },
    /// I do not object (2.8).
    InitTakeoverAck {
        /// Whose elements.
        target: RegistrarId,
    },
    /// I have taken over (2.9).
    TakeoverServer {
        /// Whose elements.
        target: RegistrarId,
    },
    /// Something was wrong (2.10).
    Error(Vec<ErrorCause>),
}

impl EnrpMessage {
    /// Parses one message: an SCTP user message of PPID 12, or a multicast Presence.
    pub fn parse(bytes: &[u8], format: &Format) -> Result<Parsed<Self>, ParseError> {
        let header = split_message(bytes)?;
        let message_type = header.message_type;
        if !(1..=10).contains(&message_type) {
            return Err(ParseError::UnknownMessage { message_type, message: Bytes::copy_from_slice(bytes) });
        }
        let (flag, more) = (header.flag(FLAG), header.flag(MORE));
        let mut reader = header.body;
        let sender = RegistrarId(reader.u32("sender")?);
        let receiver = RegistrarId(reader.u32("receiver")?);
        let (body, unrecognized) = match message_type {
            2 => (EnrpBody::HandleTableRequest { own_children_only: flag }, parse_unused(reader, format)?),
            5 => (EnrpBody::ListRequest, parse_unused(reader, format)?),
            7..=9 => (parse_takeover(message_type, &mut reader)?, parse_unused(reader, format)?),
            4 => parse_update(flag, reader, format)?,
            _ => {
                let mut params = Params::parse(reader, format)?;
                (EnrpBody::from_params(message_type, flag, more, &mut params), params.unrecognized)
            }
        };
        Ok(Parsed { message: Self { sender, receiver, body }, unrecognized })
    }

    /// The message as bytes to send.
    pub fn encode(&self, format: &Format) -> Result<Bytes, EncodeError> {
        let mut writer = Writer::message(self.body.message_type(), self.body.flags(), format);
        writer.u32(self.sender.0).u32(self.receiver.0);
        self.body.write(&mut writer);
        writer.finish_message()
    }
}

/// Parameters of a message that has none. They may still say what is to be done with them (RFC 5354, 3).
fn parse_unused(reader: Reader<'_>, format: &Format) -> Result<Vec<Bytes>, ParseError> {
    Params::parse(reader, format).map(|params| params.unrecognized)
}

fn parse_takeover(message_type: u8, reader: &mut Reader<'_>) -> Result<EnrpBody, ParseError> {
    let target = RegistrarId(reader.u32("takeover target")?);
    Ok(match message_type {
        7 => EnrpBody::InitTakeover { target },
        8 => EnrpBody::InitTakeoverAck { target },
        _ => EnrpBody::TakeoverServer { target },
    })
}

/// RFC 5353, 2.4.
fn parse_update(
    takeover_suggested: bool,
    mut reader: Reader<'_>,
    format: &Format,
) -> Result<(EnrpBody, Vec<Bytes>), ParseError> {
    let action = match reader.u16("update action")? {
        0 => UpdateAction::Add,
        1 => UpdateAction::Delete,
        action => return Err(ParseError::UnknownUpdateAction { action }),
    };
    reader.u16("reserved")?;
    let mut params = Params::parse(reader, format)?;
    let (pool_handle, element) = params.pool()?.single()?;
    let update = EnrpBody::HandleUpdate { action, takeover_suggested, pool_handle, element };
    Ok((update, params.unrecognized))
}

impl EnrpBody {
    fn from_params(message_type: u8, flag: bool, more: bool, params: &mut Params) -> Self {
        let mut servers = std::mem::take(&mut params.servers).into_iter();
        match message_type {
            1 => Self::Presence { reply_required: flag, checksum: params.checksum, server: servers.next() },
            3 => Self::HandleTableResponse { more, rejected: flag, pools: params.pools() },
            6 => Self::ListResponse { rejected: flag, servers: servers.collect() },
            _ => Self::Error(std::mem::take(&mut params.errors)),
        }
    }

    /// The message type.
    pub fn message_type(&self) -> u8 {
        match self {
            Self::Presence { .. } => 1,
            Self::HandleTableRequest { .. } => 2,
            Self::HandleTableResponse { .. } => 3,
            Self::HandleUpdate { .. } => 4,
            Self::ListRequest => 5,
            Self::ListResponse { .. } => 6,
            Self::InitTakeover { .. } => 7,
            Self::InitTakeoverAck { .. } => 8,
            Self::TakeoverServer { .. } => 9,
            Self::Error(_) => 10,
        }
    }

    fn flags(&self) -> u8 {
        match self {
            Self::Presence { reply_required: flag, .. }
            | Self::HandleTableRequest { own_children_only: flag }
            | Self::HandleUpdate { takeover_suggested: flag, .. }
            | Self::ListResponse { rejected: flag, .. } => u8::from(*flag),
            Self::HandleTableResponse { more, rejected, .. } => {
                (u8::from(*more) * MORE) | u8::from(*rejected)
            }
            _ => 0,
        }
    }

    fn write(&self, w: &mut Writer<'_>) {
        match self {
            Self::Presence { checksum, server, .. } => {
                if let Some(checksum) = checksum {
                    w.param(ParamType::PE_CHECKSUM, |w| {
                        w.u16(*checksum);
                    });
                }
                server.iter().for_each(|server| server.write(w));
            }
            Self::HandleTableResponse { pools, .. } => {
                for pool in pools {
                    w.pool_handle(&pool.handle);
                    pool.elements.iter().for_each(|element| element.write(w));
                }
            }
            Self::HandleUpdate { action, pool_handle, element, .. } => {
                w.u16(*action as u16).u16(0).pool_handle(pool_handle);
                element.write(w);
            }
            Self::ListResponse { servers, .. } => servers.iter().for_each(|server| server.write(w)),
            Self::InitTakeover { target }
            | Self::InitTakeoverAck { target }
            | Self::TakeoverServer { target } => {
                w.u32(target.0);
            }
            Self::Error(errors) => ErrorCause::write_all(errors, w),
            Self::HandleTableRequest { .. } | Self::ListRequest => {}
        }
    }
}
