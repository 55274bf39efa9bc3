//! `recvmsg`: what waits, asked for by a command.

use std::task::{Context, Poll};

use bytes::Bytes;
use sctp_abi::constants::SCTP_ASSOC_CHANGE;
use sctp_abi::notification::{Origin, encode};
use sctp_abi::{AssocIds, Errno, Style, control, errno};
use sctp_core::association::{Association, AssociationState};
use sctp_core::event::{AssociationId, AuthenticationEvent};
use sctp_descriptors::{Receive, Received, Reply, Token};
use sctp_user::stack::{Delivery, Error, Next, Notification};

use crate::inbox::Item;
use crate::socket::{Phase, Served};

impl Served {
    /// Answers a `recvmsg`. Where messages are bare this only looks whether any has come.
    pub(crate) fn receive(&mut self, ids: &mut AssocIds, asked: &Receive) -> Result<Reply, Errno> {
        match asked.took {
            Some(token) => self.pair.took(token),
            None if std::mem::take(&mut self.wrote_bare) => return Ok(Reply::InPair),
            None => {}
        }
        self.fill(ids, if self.settings.nxtinfo { 2 } else { 1 });
        let Some(front) = self.inbox.front() else { return self.nothing(asked) };
        if self.is_bare(front) && asked.took.is_none() {
            return Ok(Reply::InPair);
        }
        let next = self.inbox.second().map(Item::as_next);
        let cumulative_tsn = self.cumulative_tsn(front.association());
        let arrived = front.as_arrived(cumulative_tsn);
        let room = asked.control_room as usize;
        let control = control::received(&self.settings, arrived.as_ref(), next.as_ref(), room);
        let peer = front.peer();
        let from = Some(self.in_family(peer.ip(), peer.port()));
        let peeks = asked.flags & libc::MSG_PEEK != 0;
        let (payload, flags) = self.inbox.read(asked.room as usize, peeks).unwrap_or_default();
        let flags = flags | if control.truncated { libc::MSG_CTRUNC } else { 0 };
        let stale = self.settle(ids);
        Ok(Reply::Received(Received { flags, from, control: control.bytes, payload, in_file: 0, stale }))
    }

    fn cumulative_tsn(&self, association: AssociationId) -> u32 {
        let look = |association: &Association| association.cumulative_tsn();
        self.socket.association(Some(association), look).ok().flatten().map_or(0, |tsn| tsn.0)
    }

    /// Makes the pair tell what is left. Returns the tokens that promise too much.
    pub(crate) fn settle(&mut self, ids: &mut AssocIds) -> Option<Token> {
        if !self.look_ahead(ids) {
            return self.pair.stale();
        }
        if !self.inbox.front().is_some_and(|front| self.is_bare(front)) {
            self.pair.offer();
        }
        None
    }

    /// Whether something waits that is not for the pair. A message stays in the stack, where it counts against a_rwnd, until the
    /// program asks for it.
    pub(crate) fn look_ahead(&mut self, ids: &mut AssocIds) -> bool {
        self.message_waits = false;
        if self.is_plain() || self.halves.deaf {
            self.fill(ids, 1);
        }
        while self.inbox.front().is_none() {
            let mut context = Context::from_waker(&self.waker);
            match self.socket.poll_next(&mut context) {
                Poll::Ready(Ok(Some(Next::Message))) => {
                    self.message_waits = true;
                    return true;
                }
                Poll::Ready(Ok(Some(Next::Notification { association, notification }))) => {
                    self.take_any_notification(ids, association, &notification);
                }
                Poll::Ready(Ok(None)) => {
                    self.reach_end(Ok(()));
                    return false;
                }
                Poll::Ready(Err(error)) => {
                    self.reach_end(Err(error));
                    return false;
                }
                Poll::Pending => return false,
            }
        }
        true
    }

    /// Nothing follows. Notifications may still, where a shutdown is being completed.
    fn reach_end(&mut self, how: Result<(), Error>) {
        match how {
            // Of an association that there is not yet.
            _ if !matches!(self.phase, Phase::Open | Phase::Ended { .. }) => {}
            Ok(()) if self.is_completing() => {}
            Ok(()) => self.inbox.end = Some(0),
            Err(error) => self.inbox.end = Some(errno::of(&error).0),
        }
    }

    /// Why nothing can be read, or that it is worth waiting.
    fn nothing(&mut self, asked: &Receive) -> Result<Reply, Errno> {
        let waits = asked.flags & libc::MSG_DONTWAIT == 0;
        if asked.woken && matches!(self.phase, Phase::Ended { is_eof: false }) {
            self.pair.wake();
        }
        if self.error != 0 {
            return Err(Errno(std::mem::take(&mut self.error)));
        }
        match self.phase {
            Phase::Ended { is_eof: true } => return Ok(end()),
            Phase::Ended { is_eof: false } | Phase::Open if self.halves.deaf => return Ok(end()),
            Phase::Ended { is_eof: false } if waits => return Err(Errno::ENOTCONN),
            Phase::Open | Phase::Connecting(_) => self.halves.awaited |= waits,
            Phase::Listening(_) => return Err(Errno::ENOTCONN),
            Phase::Idle if waits => return Err(Errno::ENOTCONN),
            Phase::Many(ref many) if waits && !many.listening && self.memory.is_empty() => {
                return Err(Errno::ENOTCONN);
            }
            _ => {}
        }
        Ok(Reply::Empty { stale: self.pair.stale() })
    }

    /// Takes out of the stack what comes next, until so many items are there.
    pub(crate) fn fill(&mut self, ids: &mut AssocIds, want: usize) {
        // What is thrown away must not close a_rwnd.
        let want = if self.halves.deaf { usize::MAX } else { want };
        while self.inbox.len() < want {
            let mut context = Context::from_waker(&self.waker);
            match self.socket.poll_receive(&mut context, usize::MAX) {
                Poll::Ready(Ok(Some(Delivery::Message { association, message, .. }))) => {
                    let number = ids.number(association);
                    let peer = self.memory.recall(&self.socket, association).peer;
                    self.take(Item::Message { association, number, peer, message });
                }
                Poll::Ready(Ok(Some(Delivery::Notification { association, notification }))) => {
                    self.take_any_notification(ids, association, &notification);
                }
                Poll::Ready(Ok(None)) => return self.reach_end(Ok(())),
                Poll::Ready(Err(error)) => return self.reach_end(Err(error)),
                Poll::Pending => return,
            }
        }
    }

    /// Who wants to know of it is told that the shutdown is complete, and then of the end of file, as on Linux, where there is
    /// seldom time for a read between the two. Where the peer does not take what it was sent the end of file must not wait.
    fn is_completing(&self) -> bool {
        let look = |association: &Association| {
            let states = [AssociationState::ShutdownReceived, AssociationState::ShutdownAckSent];
            states.contains(&association.state()) && association.outstanding_chunks() == 0
        };
        self.settings.all_events().contains(SCTP_ASSOC_CHANGE)
            && self.socket.association(None, look).unwrap_or(false)
    }

    fn take_any_notification(
        &mut self,
        ids: &mut AssocIds,
        association: Option<AssociationId>,
        notification: &Notification,
    ) {
        // Without one it says that others were dropped, which Linux does not tell.
        if let Some(association) = association {
            self.take_notification(ids, association, notification);
        }
    }

    /// Shows a notification, if the program wants it, and does what it means for us.
    fn take_notification(&mut self, ids: &mut AssocIds, id: AssociationId, notification: &Notification) {
        self.memory.note(id, notification);
        if matches!(notification, Notification::CommunicationUp { .. }) {
            self.settings.begin(id);
        }
        if let Notification::CommunicationLost(reason) = notification {
            self.lose_setup(id, &Error::Lost(reason.clone()));
        }
        self.notify(ids, id, notification);
        if matches!(notification, Notification::CommunicationUp { .. }) && !self.offers_auth(id) {
            // The stack tells only who offered it.
            let none = AuthenticationEvent::NotSupported;
            self.notify(ids, id, &Notification::Authentication(none));
        }
        let is_over =
            matches!(notification, Notification::CommunicationLost(_) | Notification::ShutdownComplete);
        if is_over && self.style == Style::OneToMany {
            self.forget(ids, id);
        }
    }

    /// Whether AUTH was offered to the peer: without that it is not in use, whatever the peer does (RFC 6458, 6.1.8).
    fn offers_auth(&self, id: AssociationId) -> bool {
        self.socket.association(Some(id), |association| association.config().extensions.auth).unwrap_or(true)
    }

    pub(crate) fn notify(&mut self, ids: &mut AssocIds, id: AssociationId, notification: &Notification) {
        let known = self.memory.recall(&self.socket, id);
        let origin = Origin {
            number: ids.number(id),
            peer_port: known.peer.port(),
            was_up: known.was_up,
            streams: known.streams,
            form: self.settings.form,
        };
        for record in encode(notification, &origin, self.settings.of(Some(id)).events) {
            let record = Bytes::from(record);
            let (number, peer) = (origin.number, known.peer);
            self.take(Item::Notification { association: id, number, peer, record });
        }
    }

    fn take(&mut self, item: Item) {
        if !self.is_unheard(&item) {
            self.inbox.push(item);
        }
    }

    /// An association is over, and everything of it has been taken out of the stack.
    pub(crate) fn forget(&mut self, ids: &mut AssocIds, id: AssociationId) {
        ids.forget(id);
        self.memory.forget(id);
        self.settings.end(id);
    }

    /// Bytes of what can be read next by a command (FIONREAD).
    ///
    /// # Errors
    /// ENOTCONN of a listener.
    pub(crate) fn readable(&mut self, ids: &mut AssocIds) -> Result<usize, Errno> {
        if matches!(self.phase, Phase::Listening(_)) {
            return Err(Errno::ENOTCONN);
        }
        self.fill(ids, 1);
        Ok(self.inbox.front().map_or(0, Item::len))
    }
}

/// The end of file.
pub(crate) fn end() -> Reply {
    Reply::Received(Received {
        flags: 0,
        from: None,
        control: Vec::new(),
        payload: Vec::new(),
        in_file: 0,
        stale: None,
    })
}
