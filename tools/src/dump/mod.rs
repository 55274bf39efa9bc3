//! `hsdump`: a registrar's handlespace, as another registrar gets it (RFC 5353, 3.2.3).

mod show;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rserpool::transport::Peer;
use rserpool::wire::{
    ENRP_PPID, EncodeError, EnrpBody, EnrpMessage, Format, PoolElement, PoolEntry, ServerInformation,
    Transport, TransportUse,
};
use rserpool::{PeId, PoolHandle, RegistrarId};
use socketapi::{SctpStream, SendInfo, Stack};

pub use show::{Json, Tree};

/// No handlespace has more pools and elements; who sends more does not come to an end.
const MAX_ELEMENTS: usize = 10_000_000;
/// Bytes of the messages that bring them.
const MAX_BYTES: usize = 1 << 30;
/// Messages that bring us nothing, within one answer, or answers that bring us nothing new: who sends more has nothing for us.
const MAX_VAIN: usize = 10_000;

/// Why there is no handlespace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// The association.
    #[error("{0}: is a registrar there, and its ENRP side at this address and port?")]
    Socket(#[from] socketapi::Error),
    /// The registrar is silent.
    #[error("the registrar has not answered within {0:?}: is its ENRP side at this address and port?")]
    Silent(Duration),
    /// It has closed the association.
    #[error(
        "the registrar has closed the association: a user's or an element's port (ASAP, 3863) takes no ENRP"
    )]
    Closed,
    /// It does not want to.
    #[error("the registrar rejects the request: it may not have learned the handlespace yet; try again")]
    Rejected,
    /// It does not come to an end.
    #[error("the registrar sends without end: {0} pools and elements so far")]
    Endless(usize),
    /// Our own message.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// What a registrar knows.
#[derive(Clone, Debug, Default)]
pub struct Dump {
    /// Who it is.
    pub registrar: RegistrarId,
    /// How many messages it took.
    pub parts: usize,
    /// Its pools.
    pub pools: BTreeMap<PoolHandle, BTreeMap<PeId, PoolElement>>,
}

/// What to ask for.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Who we pose as.
    pub id: RegistrarId,
    /// Only the elements that the registrar itself owns (W).
    pub own_only: bool,
    /// How long each answer may take.
    pub patience: Duration,
}

/// A Handle Table Response.
struct Part {
    registrar: RegistrarId,
    more: bool,
    pools: Vec<PoolEntry>,
    bytes: usize,
}

/// A conversation with a registrar.
struct Conversation<'a> {
    stream: SctpStream,
    request: &'a Request,
    format: Format,
}

/// Fetches the handlespace of the registrar at `place`.
///
/// # Errors
/// See [`DumpError`].
pub fn fetch(stack: &Stack, place: &Peer, request: &Request) -> Result<Dump, DumpError> {
    let addresses: Vec<_> = place.addresses.iter().map(|ip| SocketAddr::new(*ip, place.port)).collect();
    let stream = match SctpStream::connect_timeout(stack, &addresses[..], request.patience) {
        Err(socketapi::Error::TimedOut) => return Err(DumpError::Silent(request.patience)),
        result => result?,
    };
    let format = Format { long_pool_handles: true, rare_transports: true, ..Format::default() };
    let conversation = Conversation { stream, request, format };
    // RSPLIB refuses requests of who has not presented himself.
    conversation.send(RegistrarId::NONE, conversation.presence()?)?;
    let dump = conversation.fetch();
    conversation.leave();
    dump
}

impl Conversation<'_> {
    fn send(&self, receiver: RegistrarId, body: EnrpBody) -> Result<(), DumpError> {
        let message = EnrpMessage { sender: self.request.id, receiver, body }.encode(&self.format)?;
        Ok(self.stream.send_bytes(message, &SendInfo::new().ppid(ENRP_PPID))?)
    }

    /// Nobody is to wait for us: by RFC 5353, 3.5.2, who hears that we are taken over, by ourselves, removes us from its peers, and has no
    /// elements to give a new home. If that cannot be said any more, there is no association with us either.
    fn leave(&self) {
        let target = self.request.id;
        let left = self.send(RegistrarId::NONE, EnrpBody::TakeoverServer { target });
        let left = left.and_then(|()| Ok(self.stream.shutdown()?));
        if let Err(error) = left {
            tracing::debug!(%error, "the registrar has ended the association");
        }
    }

    /// We own nothing, and are where we speak from.
    fn presence(&self) -> Result<EnrpBody, DumpError> {
        let local = self.stream.local_addrs()?;
        let port = local.first().map_or(0, SocketAddr::port);
        let transport = Transport::sctp(port, local.iter().map(SocketAddr::ip), TransportUse::DataOnly);
        let server = Some(ServerInformation { id: self.request.id, transport });
        Ok(EnrpBody::Presence { reply_required: false, checksum: Some(0xffff), server })
    }

    fn fetch(&self) -> Result<Dump, DumpError> {
        let (mut dump, mut total, mut bytes, mut vain) = (Dump::default(), 0, 0, 0);
        loop {
            self.send(
                dump.registrar,
                EnrpBody::HandleTableRequest { own_children_only: self.request.own_only },
            )?;
            let part = self.next_part()?;
            dump.registrar = part.registrar;
            dump.parts += 1;
            let new = dump.take_in(part.pools);
            total += new;
            bytes += part.bytes;
            vain += usize::from(new == 0);
            if total > MAX_ELEMENTS || bytes > MAX_BYTES || vain > MAX_VAIN {
                return Err(DumpError::Endless(total));
            }
            if !part.more {
                return Ok(dump);
            }
        }
    }

    /// The next Handle Table Response. A registrar has other things to say as well.
    fn next_part(&self) -> Result<Part, DumpError> {
        let end = Instant::now() + self.request.patience;
        for _ in 0..MAX_VAIN {
            let message = match self.stream.recv_deadline(end) {
                Err(socketapi::Error::TimedOut) => return Err(DumpError::Silent(self.request.patience)),
                result => result?.ok_or(DumpError::Closed)?,
            };
            if message.info.ppid != ENRP_PPID {
                continue;
            }
            let data = message.into_bytes();
            let parsed = EnrpMessage::parse(&data, &self.format);
            let Ok(EnrpMessage { sender, body, .. }) = parsed.map(|parsed| parsed.message) else { continue };
            match body {
                EnrpBody::HandleTableResponse { rejected: true, .. } => return Err(DumpError::Rejected),
                EnrpBody::HandleTableResponse { more, pools, .. } => {
                    return Ok(Part { registrar: sender, more, pools, bytes: data.len() });
                }
                EnrpBody::Presence { reply_required: true, .. } => self.send(sender, self.presence()?)?,
                _ => {}
            }
        }
        Err(DumpError::Silent(self.request.patience))
    }
}

impl Dump {
    /// How many pools and elements of these were not known.
    fn take_in(&mut self, pools: Vec<PoolEntry>) -> usize {
        let mut new = 0;
        for PoolEntry { handle, elements } in pools {
            let known_pools = self.pools.len();
            let pool = self.pools.entry(handle).or_default();
            let known = pool.len();
            pool.extend(elements.into_iter().map(|element| (element.id, element)));
            new += pool.len() - known;
            new += self.pools.len() - known_pools;
        }
        new
    }

    /// How many elements there are.
    pub fn elements(&self) -> usize {
        self.pools.values().map(BTreeMap::len).sum()
    }
}
