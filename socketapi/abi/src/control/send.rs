//! What a sender says of a message (RFC 6458, 5.3.1 to 5.3.10).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sctp_core::config::AssociationConfig;
use sctp_core::message::SendOptions;
use sctp_core::path::PathSet;
use sctp_core::reliability::Reliability;

use super::messages;
use crate::constants::*;
use crate::errno::Errno;
use crate::layout::{Field, View};
use crate::options::{apply_init, reliability};
use crate::settings::DefaultSend;
use crate::structures::sctp_authinfo::{self, auth_keynumber};
use crate::structures::sctp_initmsg;
use crate::structures::sctp_prinfo::{self, *};
use crate::structures::sctp_sndinfo::{self, *};
use crate::structures::sctp_sndrcvinfo::{self, *};
use crate::target::Style;

/// Flags that there are. The policy of partial reliability among them counts in `SCTP_SNDRCV` only.
const FLAGS: u16 = SCTP_UNORDERED
    | SCTP_ADDR_OVER
    | SCTP_SACK_IMMEDIATELY
    | SCTP_SENDALL
    | SCTP_ABORT
    | SCTP_EOF
    | SCTP_PR_SCTP_MASK;

/// What is to be done to the association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The message is sent.
    Send,
    /// It is shut down (`SCTP_EOF`); there is no message.
    Shutdown,
    /// It is aborted (`SCTP_ABORT`); the message is the reason.
    Abort,
}

/// What the control messages of a `sendmsg` say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SendInfo {
    /// The association, where neither an address nor the socket says it.
    pub number: i32,
    /// Further addresses of a peer that there is no association with yet (`SCTP_DSTADDRV4`, `SCTP_DSTADDRV6`; 5.3.9,
    /// 5.3.10).
    more_addresses: Vec<IpAddr>,
    /// One of these was too short.
    has_short_address: bool,
    /// From `SCTP_SNDRCV` or `SCTP_SNDINFO`, if there is one.
    message: Option<Told>,
    /// From `SCTP_PRINFO`, or from `SCTP_SNDRCV`.
    reliability: Option<Reliability>,
    /// From `SCTP_AUTHINFO` (5.3.8).
    auth_key: Option<u16>,
    init: Option<[u8; sctp_initmsg::SIZE]>,
}

/// Stream, flags, PPID and context, as the defaults have them.
type Told = DefaultSend;

impl SendInfo {
    /// Reads the control messages of a message of `len` bytes. `addressed`: it comes with an address. Of several messages of
    /// one type the last one counts, but addresses are collected; those of other levels are passed over.
    ///
    /// # Errors
    /// EINVAL, as on Linux: wrong lengths, types that do not exist or are for receivers, flags that do not exist, an empty
    /// message without `SCTP_EOF` or `SCTP_ABORT`, a message with `SCTP_EOF`, these two on a one-to-one socket, `SCTP_ADDR_OVER`
    /// without an address.
    pub fn read(control: &[u8], len: usize, style: Style, addressed: bool) -> Result<Self, Errno> {
        let mut info = Self::default();
        let mut partial = None;
        for (kind, data) in messages(control)? {
            info.take(kind, data, &mut partial)?;
        }
        info.reliability = partial.or(info.reliability);
        info.check(len, style, addressed)?;
        Ok(info)
    }

    fn take(&mut self, kind: i32, data: &[u8], partial: &mut Option<Reliability>) -> Result<(), Errno> {
        let view = View(data);
        match kind {
            SCTP_INIT => self.init = Some(exactly(data, sctp_initmsg::SIZE)?.get(Field::new(0))),
            SCTP_SNDRCV => self.take_sndrcv(exactly(data, sctp_sndrcvinfo::SIZE)?)?,
            SCTP_SNDINFO => self.take_sndinfo(exactly(data, sctp_sndinfo::SIZE)?)?,
            SCTP_PRINFO => {
                let view = exactly(data, sctp_prinfo::SIZE)?;
                *partial = Some(read_prinfo(view)?);
            }
            SCTP_AUTHINFO => self.auth_key = Some(exactly(data, sctp_authinfo::SIZE)?.get(auth_keynumber)),
            SCTP_DSTADDRV4 if data.len() >= 4 => {
                let ip: [u8; 4] = view.get(Field::new(0));
                self.more_addresses.push(Ipv4Addr::from(ip).into());
            }
            SCTP_DSTADDRV6 if data.len() >= 16 => {
                let ip: [u8; 16] = view.get(Field::new(0));
                self.more_addresses.push(IpAddr::from(Ipv6Addr::from(ip)).to_canonical());
            }
            SCTP_DSTADDRV4 | SCTP_DSTADDRV6 => self.has_short_address = true,
            _ => return Err(Errno::EINVAL),
        }
        // The first is the call's own. Linux has no number for it, only its bound of control messages.
        if self.more_addresses.len() >= PathSet::MAX_PATHS { Err(Errno::ENOBUFS) } else { Ok(()) }
    }

    /// 5.3.2. What it says of partial reliability holds even if that is nothing, but not against `SCTP_PRINFO`.
    fn take_sndrcv(&mut self, view: View<'_>) -> Result<(), Errno> {
        let flags = view.get(sinfo_flags);
        if flags & !FLAGS != 0 {
            return Err(Errno::EINVAL);
        }
        let policy = match flags & SCTP_PR_SCTP_MASK {
            SCTP_PR_SCTP_NONE => SCTP_PR_SCTP_TTL,
            policy => policy,
        };
        self.reliability = Some(reliability(policy, view.get(sinfo_timetolive)));
        self.number = view.get(sinfo_assoc_id);
        self.message = Some(Told {
            stream: view.get(sinfo_stream),
            flags,
            ppid: view.get(sinfo_ppid).0,
            context: view.get(sinfo_context),
        });
        Ok(())
    }

    /// 5.3.4.
    fn take_sndinfo(&mut self, view: View<'_>) -> Result<(), Errno> {
        let flags = view.get(snd_flags);
        if flags & !FLAGS != 0 {
            return Err(Errno::EINVAL);
        }
        self.number = view.get(snd_assoc_id);
        self.message = Some(Told {
            stream: view.get(snd_sid),
            flags,
            ppid: view.get(snd_ppid).0,
            context: view.get(snd_context),
        });
        Ok(())
    }

    fn check(&self, len: usize, style: Style, addressed: bool) -> Result<(), Errno> {
        let ends = self.is(SCTP_EOF) || self.is(SCTP_ABORT);
        let wrong = (ends && style == Style::OneToOne)
            || (self.is(SCTP_EOF) && len > 0)
            || (!ends && len == 0)
            || (self.is(SCTP_ADDR_OVER) && !addressed);
        if wrong { Err(Errno::EINVAL) } else { Ok(()) }
    }

    fn is(&self, flag: u16) -> bool {
        self.message.is_some_and(|message| message.flags & flag != 0)
    }

    /// The further addresses of the peer of an association that begins with this message.
    ///
    /// # Errors
    /// EINVAL if one was too short. Linux looks at them only here.
    pub fn addresses(&self) -> Result<&[IpAddr], Errno> {
        if self.has_short_address { Err(Errno::EINVAL) } else { Ok(&self.more_addresses) }
    }

    /// What to do.
    pub fn action(&self) -> Action {
        if self.is(SCTP_EOF) {
            Action::Shutdown
        } else if self.is(SCTP_ABORT) {
            Action::Abort
        } else {
            Action::Send
        }
    }

    /// To all associations that are up, on a one-to-many socket (`SCTP_SENDALL`).
    pub fn to_all(&self, style: Style) -> bool {
        self.is(SCTP_SENDALL) && style == Style::OneToMany
    }

    /// To the address that was given, not to the primary one (`SCTP_ADDR_OVER`).
    pub fn to_address(&self) -> bool {
        self.is(SCTP_ADDR_OVER)
    }

    /// Changes the parameters of an association that begins with this message, as `SCTP_INIT` says (5.3.1).
    pub fn apply_init(&self, config: &mut AssociationConfig) {
        if let Some(init) = &self.init {
            apply_init(View(init), config);
        }
    }

    /// How to send the message; what was not said is as `default` has it. Its path is in the
    /// [`Destination`](super::Destination).
    pub fn options(&self, default: &DefaultSend) -> SendOptions {
        let told = self.message.unwrap_or(*default);
        SendOptions {
            stream_id: told.stream,
            ppid: told.ppid,
            unordered: told.flags & SCTP_UNORDERED != 0,
            context: told.context,
            sack_immediately: told.flags & SCTP_SACK_IMMEDIATELY != 0,
            reliability: self.reliability,
            auth_key: self.auth_key,
            path: None,
            more: false,
        }
    }
}

/// 5.3.7.
fn read_prinfo(view: View<'_>) -> Result<Reliability, Errno> {
    let policy = view.get(pr_policy);
    if policy & !SCTP_PR_SCTP_MASK != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(reliability(policy, view.get(pr_value)))
}

fn exactly(data: &[u8], size: usize) -> Result<View<'_>, Errno> {
    if data.len() == size { Ok(View(data)) } else { Err(Errno::EINVAL) }
}
