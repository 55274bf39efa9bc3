//! `sendmsg`: a message with what its control messages and its address say.

use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use bytes::Bytes;
use sctp_abi::control::{Action, Destination, SendInfo, destination};
use sctp_abi::{AssocIds, Errno, StackTarget, Style, errno};
use sctp_core::association::Association;
use sctp_core::event::AssociationId;
use sctp_core::message::SendOptions;
use sctp_descriptors::{Reply, Send};
use sctp_user::stack::{Error, Peer};

use crate::socket::{Phase, Served, checked};

/// Bytes of control messages of one call, as Linux bounds them (`net.core.optmem_max`).
const MOST_CONTROL: usize = 20_480;

impl Served {
    /// Answers a `sendmsg`; what was written bare before has been sent, or is in the way.
    pub(crate) fn send(&mut self, ids: &mut AssocIds, asked: &Send) -> Result<Reply, Errno> {
        if !self.unsent.is_empty() && !self.awaits_last_sends() {
            return Ok(self.full(None));
        }
        if asked.control.len() > MOST_CONTROL {
            return Err(Errno::ENOBUFS);
        }
        let info = SendInfo::read(&asked.control, asked.payload.len(), self.style, asked.to.is_some())?;
        let to = asked.to.map(|address| self.canonical(address)).transpose()?;
        self.check_length(asked.payload.len())?;
        let target = StackTarget::new(&self.socket, self.style, &mut self.settings, ids);
        let payload = Bytes::copy_from_slice(&asked.payload);
        match destination(&target, &info, to)? {
            Destination::Association(id) => self.send_to(id, None, &info, payload),
            Destination::Path(id, remote) => self.send_to(id, Some(remote), &info, payload),
            Destination::All(ids) => self.send_to_all(&ids, &info, &payload),
            Destination::New(peer) => self.send_to_new(peer, &info, payload, asked.flags),
        }
    }

    /// EMSGSIZE for what is longer than SO_SNDBUF says, which is twice the buffer.
    fn check_length(&self, len: usize) -> Result<(), Errno> {
        let send_buffer = checked(self.socket.look_at_config(|config| config.send_buffer))?;
        if len > send_buffer.saturating_mul(2) { Err(Errno::EMSGSIZE) } else { Ok(()) }
    }

    /// `path`: the peer's address that a message goes to (RFC 6458, 5.3.2: SCTP_ADDR_OVER).
    fn send_to(
        &mut self,
        id: AssociationId,
        path: Option<IpAddr>,
        info: &SendInfo,
        payload: Bytes,
    ) -> Result<Reply, Errno> {
        let done = match info.action() {
            Action::Abort => self.socket.abort(Some(id), payload),
            // RFC 9260, 9.2: it comes behind the peer's SHUTDOWN.
            Action::Send | Action::Shutdown if self.awaits_last_sends() => return Err(Errno::EPIPE),
            Action::Send => return self.send_message(id, path, info, &payload),
            Action::Shutdown => {
                self.halves.shuts_down |= self.style != Style::OneToMany;
                // Here nobody says.
                self.halves.awaited = true;
                self.socket.shutdown(Some(id))
            }
        };
        // Nothing was sent: the payload of an abort is its reason.
        done.map(|()| Reply::Number(0)).map_err(|error| errno::of(&error))
    }

    fn send_message(
        &mut self,
        id: AssociationId,
        path: Option<IpAddr>,
        info: &SendInfo,
        payload: &Bytes,
    ) -> Result<Reply, Errno> {
        let authenticates = |association: &Association| association.config().extensions.auth;
        let authenticates = self.socket.association(Some(id), authenticates).unwrap_or(false);
        let options = SendOptions { path, ..self.options(Some(id), info, authenticates) };
        let mut context = Context::from_waker(&self.waker);
        match self.socket.poll_send(&mut context, Some(id), &options, payload) {
            Poll::Ready(Ok(())) => Ok(Reply::Number(i32::try_from(payload.len()).unwrap_or(i32::MAX))),
            // A reset that is on record tells more than a closed socket.
            Poll::Ready(Err(Error::Lost(_) | Error::NotConnected | Error::NoAssociation)) => {
                Err(Errno::EPIPE)
            }
            Poll::Ready(Err(error)) => Err(errno::of(&error)),
            Poll::Pending => Ok(self.full(Some((id, payload.len())))),
        }
    }

    /// Of a message on an association, or on one that is to begin.
    fn options(&self, id: Option<AssociationId>, info: &SendInfo, authenticates: bool) -> SendOptions {
        let options = info.options(&self.settings.of(id).send);
        // Where messages are not authenticated a key means nothing (RFC 6458, 5.3.8), and Linux does not look at it.
        SendOptions { auth_key: options.auth_key.filter(|_| authenticates), ..options }
    }

    /// RFC 6458, 5.3.4: as if it were sent to each of them. Who has no room goes without, as on Linux where the first failure
    /// is the outcome.
    fn send_to_all(
        &mut self,
        all: &[AssociationId],
        info: &SendInfo,
        payload: &Bytes,
    ) -> Result<Reply, Errno> {
        // Who has got it must not get it again when the program repeats its call: so all must have room for it.
        let (mut context, len) = (Context::from_waker(&self.waker), payload.len());
        let mut is_full = |id: &AssociationId| self.socket.poll_room(&mut context, *id, len).is_pending();
        if let Some(full) = all.iter().copied().find(|id| is_full(id)) {
            return Ok(self.full(Some((full, len))));
        }
        let mut outcome = Ok(Reply::Number(0));
        for id in all {
            let sent = self.send_to(*id, None, info, payload.clone());
            if outcome.is_ok() {
                outcome = sent;
            }
        }
        outcome
    }

    /// RFC 6458, 3.1.3 and 4.1.8: the association is set up with the message. A call that may wait returns when it is up. Messages to
    /// peers that have not answered yet share one send buffer: they are many if nobody answers.
    fn send_to_new(
        &mut self,
        peer: SocketAddr,
        info: &SendInfo,
        payload: Bytes,
        flags: i32,
    ) -> Result<Reply, Errno> {
        // A socket has one association in its life, which may have ended though the program has not read so far.
        if !matches!(self.phase, Phase::Idle | Phase::Many(_)) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        if !self.may_start(payload.len()) {
            return Ok(self.full(None));
        }
        let mut addresses = vec![peer.ip()];
        addresses.extend(info.addresses()?);
        let peer = Peer { addresses, port: peer.port() };
        let authenticates = self.socket.look_at_config(|config| config.extensions.auth).unwrap_or(false);
        let options = self.options(None, info, authenticates);
        let begun = self.socket.connect_sending(&peer, |config| info.apply_init(config), &options, &payload);
        let id = begun.map_err(|error| errno::of(&error))?;
        let waits = flags & libc::MSG_DONTWAIT == 0;
        self.begin(id, waits);
        self.note_start(id, payload.len());
        let result = i32::try_from(payload.len()).unwrap_or(i32::MAX);
        Ok(if waits { Reply::Begun { result, set_up: self.awaited(id) } } else { Reply::Number(result) })
    }

    /// The send buffer is full: the descriptor is to poll writable when it has room again for so many bytes on this association.
    fn full(&mut self, wanted: Option<(AssociationId, usize)>) -> Reply {
        if let Some((id, len)) = wanted {
            self.wanted.retain(|(other, _)| *other != id);
            self.wanted.push((id, len));
        }
        Reply::Later(self.pair.close())
    }

    /// Whether nobody waits for room in a send buffer, or one of those who do can go on.
    pub(crate) fn has_room(&mut self) -> bool {
        let mut context = Context::from_waker(&self.waker);
        let (socket, wanted) = (&self.socket, &mut self.wanted);
        let before = wanted.len();
        wanted.retain(|(id, len)| socket.poll_room(&mut context, *id, *len).is_pending());
        before == 0 || wanted.len() < before
    }
}
