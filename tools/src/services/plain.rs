//! Services without a protocol: echo, discard, daytime (RFC 867), character generator (RFC 864).

use std::time::Duration;

use bytes::Bytes;
use jiff::Zoned;
use rserpool::driver::{Error, ServerSession, Service, ServiceSession, SessionService};
use rserpool::transport::{Peer, UserMessage};

/// Sends each message back as it came.
#[derive(Debug)]
pub struct Echo;

impl Service for Echo {
    fn on_message(&mut self, session: &mut ServiceSession<'_>, message: UserMessage) {
        if let Err(error) = session.send(message) {
            tracing::warn!(%error, "session given up");
            session.abort();
        }
    }
}

/// Throws messages away.
#[derive(Debug)]
pub struct Discard;

impl Service for Discard {
    fn on_message(&mut self, session: &mut ServiceSession<'_>, message: UserMessage) {
        tracing::debug!(session = ?session.id(), bytes = message.data.len(), "discarded");
    }
}

/// Tells each user the time of day, and ends the session.
#[derive(Debug)]
pub struct Daytime;

impl Service for Daytime {
    fn on_start(&mut self, session: &mut ServiceSession<'_>, _peer: &Peer) {
        if let Err(error) = session.send(UserMessage::new(0, daytime(&Zoned::now()))) {
            tracing::warn!(%error, "the time is not told");
        }
        session.close();
    }

    fn on_message(&mut self, _session: &mut ServiceSession<'_>, _message: UserMessage) {}
}

/// In RSPLIB's words, such as `Friday, 27-November-2026 10:18:44.000123`, with a line feed.
fn daytime(now: &Zoned) -> String {
    now.strftime("%A, %d-%B-%Y %H:%M:%S.%6f\n").to_string()
}

/// Sends characters as fast as the user takes them.
#[derive(Debug)]
pub struct CharGen;

/// Lines in a message, which is about 1 KiB.
const LINES: usize = 14;
/// Characters of a line (RFC 864), without its end.
const LINE: usize = 72;
/// How long a user may take nothing.
const PATIENCE: Duration = Duration::from_secs(60);

impl SessionService for CharGen {
    fn serve(&self, session: &mut ServerSession<'_>) -> Result<(), Error> {
        session.send_timeout = PATIENCE;
        let mut first = 0;
        while !session.is_stopping() {
            session.send(UserMessage::new(0, characters(first)))?;
            first += LINES;
        }
        Ok(())
    }
}

/// Lines of the well-known pattern, each beginning one character later than the one before.
fn characters(first: usize) -> Bytes {
    let printable: Vec<u8> = (b' '..=b'~').collect();
    let line = |number: usize| {
        let from = number % printable.len();
        let line = printable.iter().cycle().skip(from).take(LINE).copied();
        line.chain(*b"\r\n").collect::<Vec<_>>()
    };
    (first..first + LINES).flat_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_told_as_rsplib_tells_it() {
        let time = jiff::civil::date(2026, 11, 27).at(10, 18, 44, 123_000);
        let time = time.to_zoned(jiff::tz::TimeZone::UTC).expect("a time");
        assert_eq!(daytime(&time), "Friday, 27-November-2026 10:18:44.000123\n");
    }

    #[test]
    fn characters_are_those_of_rfc_864() {
        let text = characters(0);
        let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
        assert!(lines[0].starts_with(b" !\"#$%&'") && lines[0].ends_with(b"efg\r"));
        assert!(lines[1].starts_with(b"!\"#$%&'("));
        assert_eq!((lines.len(), text.len()), (LINES + 1, LINES * (LINE + 2)));
        assert_eq!(characters(95), text);
    }
}
