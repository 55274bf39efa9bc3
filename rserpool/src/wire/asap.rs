//! ASAP messages (RFC 5352, 2.2).

use bytes::Bytes;

use super::param::Params;
use super::tlv::{Reader, Writer, split_message};
use super::{EncodeError, ErrorCause, Format, ParamType, ParseError, Parsed, Policy, PoolElement, Transport};
use crate::{PeId, PoolHandle, RegistrarId};

/// The one flag that some messages have: R, S, A or H.
const FLAG: u8 = 1;

/// A message between registrars, pool elements and pool users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AsapMessage {
    /// An element joins a pool, or renews its registration (2.2.1).
    Registration {
        /// The pool.
        pool_handle: PoolHandle,
        /// The element.
        element: PoolElement,
    },
    /// An element leaves (2.2.2).
    Deregistration {
        /// The pool.
        pool_handle: PoolHandle,
        /// The element.
        pe_id: PeId,
    },
    /// The registrar's answer to a registration (2.2.3).
    RegistrationResponse {
        /// R: not registered, `errors` say why. Without R, errors are warnings.
        rejected: bool,
        /// The pool.
        pool_handle: PoolHandle,
        /// The element.
        pe_id: PeId,
        /// Reasons or warnings.
        errors: Vec<ErrorCause>,
    },
    /// The registrar's answer to a deregistration, or the end of a registration's life (2.2.4).
    DeregistrationResponse {
        /// The pool.
        pool_handle: PoolHandle,
        /// The element.
        pe_id: PeId,
        /// Why it was refused; empty when granted.
        errors: Vec<ErrorCause>,
    },
    /// Which elements does the pool have? (2.2.5)
    HandleResolution {
        /// S: send updates when the pool changes.
        subscribe: bool,
        /// The pool.
        pool_handle: PoolHandle,
        /// How many elements to name (asap-hropt draft): none or 0 for the registrar's default, 0xffffffff for all.
        items: Option<u32>,
    },
    /// Some elements of the pool, best first (2.2.6).
    HandleResolutionResponse {
        /// A: updates will follow.
        subscribed: bool,
        /// The pool.
        pool_handle: PoolHandle,
        /// The pool's policy. Absent means Round Robin, but RSPLIB cannot parse a positive answer without it.
        policy: Option<Policy>,
        /// The elements.
        elements: Vec<PoolElement>,
        /// Why the pool could not be resolved; empty in a positive answer.
        errors: Vec<ErrorCause>,
    },
    /// Are you alive? (2.2.7)
    EndpointKeepAlive {
        /// H: take the sender as home registrar.
        new_home: bool,
        /// The sender.
        registrar: RegistrarId,
        /// The pool.
        pool_handle: PoolHandle,
        /// The element that is asked; only RSPLIB's form has it. Without it, every element that the receiver has in
        /// the pool answers.
        pe_id: Option<PeId>,
    },
    /// Yes (2.2.8).
    EndpointKeepAliveAck {
        /// The pool.
        pool_handle: PoolHandle,
        /// The element.
        pe_id: PeId,
    },
    /// This element does not answer (2.2.9).
    EndpointUnreachable {
        /// The pool.
        pool_handle: PoolHandle,
        /// The element.
        pe_id: PeId,
    },
    /// Here is a registrar; by UDP multicast (2.2.10).
    ServerAnnounce {
        /// The registrar.
        registrar: RegistrarId,
        /// Its ASAP endpoints. None: the datagram's source.
        transports: Vec<Transport>,
    },
    /// An element's state, for the pool user to keep (2.2.11).
    Cookie(Bytes),
    /// The state, for the element that takes over (2.2.12).
    CookieEcho(Bytes),
    /// Who I am, and whom to turn to when I fail (2.2.13).
    BusinessCard {
        /// The pool.
        pool_handle: PoolHandle,
        /// RSPLIB's form has the pool's policy, the RFC's has none.
        policy: Option<Policy>,
        /// Elements to fail over to, in this order.
        elements: Vec<PoolElement>,
    },
    /// An unknown message or parameter was met (2.2.14).
    Error(Vec<ErrorCause>),
}

impl AsapMessage {
    /// Parses one message: an SCTP user message of PPID 11, or an announce.
    pub fn parse(bytes: &[u8], format: &Format) -> Result<Parsed<Self>, ParseError> {
        let header = split_message(bytes)?;
        let message_type = header.message_type;
        if !(1..=14).contains(&message_type) {
            return Err(ParseError::UnknownMessage { message_type, message: Bytes::copy_from_slice(bytes) });
        }
        let flag = header.flag(FLAG);
        let mut body = header.body;
        let registrar = match message_type {
            7 | 10 => RegistrarId(body.u32("server identifier")?),
            _ => RegistrarId::NONE,
        };
        let mut params = Params::parse(body, format)?;
        let message = Self::from_params(message_type, flag, registrar, &mut params)?;
        Ok(Parsed { message, unrecognized: params.unrecognized })
    }

    /// Whose registration it is that cannot be read as a whole, so that it can be answered all the same.
    pub(crate) fn registrant(bytes: &[u8]) -> Option<(PoolHandle, PeId)> {
        let header = split_message(bytes).ok().filter(|header| header.message_type == 1)?;
        let value_of = |wanted: ParamType| {
            let mut body = header.body;
            let mut params = std::iter::from_fn(|| body.tlv("parameter").ok().flatten());
            params.find(|tlv| tlv.param() == wanted).map(|tlv| tlv.value)
        };
        let pool_handle = PoolHandle::new(value_of(ParamType::POOL_HANDLE)?);
        let pe_id = Reader::new(value_of(ParamType::POOL_ELEMENT)?).u32("PE identifier").ok()?;
        Some((pool_handle, PeId(pe_id)))
    }

    fn from_params(
        message_type: u8,
        flag: bool,
        registrar: RegistrarId,
        params: &mut Params,
    ) -> Result<Self, ParseError> {
        let errors = std::mem::take(&mut params.errors);
        Ok(match message_type {
            1 => {
                let (pool_handle, element) = params.pool()?.single()?;
                Self::Registration { pool_handle, element }
            }
            2 => Self::Deregistration { pool_handle: params.pool_handle()?, pe_id: params.pe_id()? },
            3 => Self::RegistrationResponse {
                rejected: flag,
                pool_handle: params.pool_handle()?,
                pe_id: params.pe_id()?,
                errors,
            },
            4 => Self::DeregistrationResponse {
                pool_handle: params.pool_handle()?,
                pe_id: params.pe_id()?,
                errors,
            },
            5 => Self::HandleResolution {
                subscribe: flag,
                pool_handle: params.pool_handle()?,
                items: params.items,
            },
            6 => {
                let pool = params.pool()?;
                Self::HandleResolutionResponse {
                    subscribed: flag,
                    pool_handle: pool.handle,
                    policy: params.policy,
                    elements: pool.elements,
                    errors,
                }
            }
            7 => Self::EndpointKeepAlive {
                new_home: flag,
                registrar,
                pool_handle: params.pool_handle()?,
                pe_id: params.pe_id,
            },
            8 => Self::EndpointKeepAliveAck { pool_handle: params.pool_handle()?, pe_id: params.pe_id()? },
            9 => Self::EndpointUnreachable { pool_handle: params.pool_handle()?, pe_id: params.pe_id()? },
            10 => Self::ServerAnnounce { registrar, transports: std::mem::take(&mut params.transports) },
            11 => Self::Cookie(params.cookie()?),
            12 => Self::CookieEcho(params.cookie()?),
            13 => {
                let pool = params.pool()?;
                Self::BusinessCard {
                    pool_handle: pool.handle,
                    policy: params.policy,
                    elements: pool.elements,
                }
            }
            _ => Self::Error(errors),
        })
    }

    /// The message type.
    pub fn message_type(&self) -> u8 {
        match self {
            Self::Registration { .. } => 1,
            Self::Deregistration { .. } => 2,
            Self::RegistrationResponse { .. } => 3,
            Self::DeregistrationResponse { .. } => 4,
            Self::HandleResolution { .. } => 5,
            Self::HandleResolutionResponse { .. } => 6,
            Self::EndpointKeepAlive { .. } => 7,
            Self::EndpointKeepAliveAck { .. } => 8,
            Self::EndpointUnreachable { .. } => 9,
            Self::ServerAnnounce { .. } => 10,
            Self::Cookie(_) => 11,
            Self::CookieEcho(_) => 12,
            Self::BusinessCard { .. } => 13,
            Self::Error(_) => 14,
        }
    }

    fn flag(&self) -> bool {
        match self {
            Self::RegistrationResponse { rejected: flag, .. }
            | Self::HandleResolution { subscribe: flag, .. }
            | Self::HandleResolutionResponse { subscribed: flag, .. }
            | Self::EndpointKeepAlive { new_home: flag, .. } => *flag,
            _ => false,
        }
    }

    /// The message as bytes to send.
    pub fn encode(&self, format: &Format) -> Result<Bytes, EncodeError> {
        let mut writer = Writer::message(self.message_type(), u8::from(self.flag()), format);
        self.write_body(&mut writer);
        writer.finish_message()
    }

    fn write_body(&self, w: &mut Writer<'_>) {
        match self {
            Self::Registration { pool_handle, element } => {
                element.write(w.pool_handle(pool_handle));
            }
            Self::Deregistration { pool_handle, pe_id }
            | Self::EndpointKeepAliveAck { pool_handle, pe_id }
            | Self::EndpointUnreachable { pool_handle, pe_id } => {
                write_pe_id(*pe_id, w.pool_handle(pool_handle));
            }
            Self::RegistrationResponse { pool_handle, pe_id, errors, .. }
            | Self::DeregistrationResponse { pool_handle, pe_id, errors } => {
                write_pe_id(*pe_id, w.pool_handle(pool_handle));
                write_errors(errors, w);
            }
            Self::HandleResolution { pool_handle, items, .. } => {
                w.pool_handle(pool_handle);
                if let Some(items) = items {
                    w.param(ParamType::HANDLE_RESOLUTION_OPTION, |w| {
                        w.u32(*items);
                    });
                }
            }
            Self::HandleResolutionResponse { pool_handle, policy, elements, errors, .. } => {
                write_pool(pool_handle, policy.as_ref(), elements, w);
                write_errors(errors, w);
            }
            Self::EndpointKeepAlive { registrar, pool_handle, pe_id, .. } => {
                w.u32(registrar.0).pool_handle(pool_handle);
                if let Some(pe_id) = pe_id {
                    write_pe_id(*pe_id, w);
                }
            }
            Self::ServerAnnounce { registrar, transports } => {
                w.u32(registrar.0);
                transports.iter().for_each(|transport| transport.write(w));
            }
            Self::Cookie(cookie) | Self::CookieEcho(cookie) => {
                w.param(ParamType::COOKIE, |w| {
                    w.bytes(cookie);
                });
            }
            Self::BusinessCard { pool_handle, policy, elements } => {
                write_pool(pool_handle, policy.as_ref(), elements, w);
            }
            Self::Error(errors) => ErrorCause::write_all(errors, w),
        }
    }
}

fn write_pe_id(pe_id: PeId, w: &mut Writer<'_>) {
    w.param(ParamType::PE_ID, |w| {
        w.u32(pe_id.0);
    });
}

fn write_errors(errors: &[ErrorCause], w: &mut Writer<'_>) {
    if !errors.is_empty() {
        ErrorCause::write_all(errors, w);
    }
}

fn write_pool(handle: &PoolHandle, policy: Option<&Policy>, elements: &[PoolElement], w: &mut Writer<'_>) {
    w.pool_handle(handle);
    if let Some(policy) = policy {
        policy.write(w);
    }
    elements.iter().for_each(|element| element.write(w));
}
