//! Stacks as people read them.

use std::fmt::{self, Display, Formatter, Write};
use std::net::IpAddr;

use sctp_user::statistics::{AssociationReport, EndpointReport, PathReport, UserReport};

use super::Listed;

/// How much is shown of a stack.
#[derive(Debug)]
pub struct Detail<'a> {
    /// The stack.
    pub listed: &'a Listed,
    /// The general statistics of RFC 3873 too.
    pub counters: bool,
}

impl Display for Detail<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Whoever wrote it: nothing of it is a command to the terminal.
        let f = &mut Plain(f);
        let Listed { pid, program, stack, endpoints, associations, users } = self.listed;
        let up = Time { millis: stack.uptime_ms };
        let udp = if stack.udp_port == 0 { String::new() } else { format!(" {}", stack.udp_port) };
        let addresses = addresses(&stack.addresses);
        writeln!(f, "{program} ({pid}): {}{udp} at {addresses}, up {up}", stack.transport)?;
        users.iter().try_for_each(|user| write_user(f, user))?;
        endpoints.iter().try_for_each(|endpoint| write_endpoint(f, endpoint))?;
        associations.iter().try_for_each(|association| write_association(f, association))?;
        if self.counters { write_counters(f, self.listed) } else { Ok(()) }
    }
}

fn write_user(f: &mut Plain<'_, '_>, report: &UserReport) -> fmt::Result {
    let UserReport { user, sockets, associations, connections, buffer_bytes, refused } = report;
    writeln!(
        f,
        "  user {user}: {sockets} sockets, {associations} associations, {connections} connections, {buffer_bytes} bytes of \
         buffers, {refused} refusals"
    )
}

fn write_endpoint(f: &mut Plain<'_, '_>, endpoint: &EndpointReport) -> fmt::Result {
    let at = if endpoint.addresses.is_empty() { "*".into() } else { addresses(&endpoint.addresses) };
    writeln!(
        f,
        "  {:<18} {at} port {}, {}, {} waiting",
        "LISTEN", endpoint.port, endpoint.style, endpoint.waiting
    )
}

fn write_association(f: &mut Plain<'_, '_>, association: &AssociationReport) -> fmt::Result {
    let AssociationReport { local_port, remote_port, counters, .. } = association;
    let peer = association.primary.map_or_else(|| "?".into(), |primary| primary.to_string());
    let arrow = if association.inbound { "<-" } else { "->" };
    write!(f, "  {:<18} {local_port} {arrow} {peer} port {remote_port}", association.state)?;
    write!(f, ", streams {} out {} in", association.out_streams, association.in_streams)?;
    match association.age_ms {
        Some(millis) => writeln!(f, ", up {}", Time { millis })?,
        None => writeln!(f)?,
    }
    writeln!(
        f,
        "    sent {} messages {} bytes, received {} messages {} bytes, {} chunks again, {} copies",
        counters.messages_sent,
        counters.bytes_sent,
        counters.messages_received,
        counters.bytes_received,
        counters.retransmitted_chunks,
        counters.duplicate_chunks_received
    )?;
    writeln!(
        f,
        "    queued {} messages, outstanding {} chunks, peer's window {}, ours {}, held {}",
        association.queued_messages,
        association.outstanding_chunks,
        association.peer_rwnd,
        association.a_rwnd.map_or_else(|| "-".into(), |window| window.to_string()),
        association.held_bytes
    )?;
    association.paths.iter().try_for_each(|path| write_path(f, path))
}

fn write_path(f: &mut Plain<'_, '_>, path: &PathReport) -> fmt::Result {
    let mark = if path.primary { '*' } else { ' ' };
    let local = path.local.map_or_else(|| "any".into(), |local| local.to_string());
    let srtt = path.timing.srtt_us.map_or_else(|| "-".into(), |micros| Millis { micros }.to_string());
    writeln!(
        f,
        "   {mark}{local} -> {} {}: rtt {srtt} rto {} cwnd {} ssthresh {} flight {} packet {} errors {}/{} again {}",
        path.remote,
        path.state,
        Millis { micros: path.timing.rto_us },
        path.cwnd,
        Threshold(path.ssthresh),
        path.flight_size,
        path.max_packet_size,
        path.errors,
        path.max_path_rtx,
        path.rtx_chunks,
    )
}

fn write_counters(f: &mut Plain<'_, '_>, listed: &Listed) -> fmt::Result {
    // The names are those of the JSON form.
    let Ok(serde_json::Value::Object(counters)) = serde_json::to_value(listed.stack.statistics) else {
        return Ok(());
    };
    counters.iter().try_for_each(|(name, value)| writeln!(f, "  {name:<20} {value}"))
}

fn addresses(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    texts.join(",")
}

/// Writes control characters as `?`, line ends apart.
struct Plain<'a, 'b>(&'a mut Formatter<'b>);

impl Write for Plain<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let plain =
            |character: char| if character.is_control() && character != '\n' { '?' } else { character };
        text.chars().try_for_each(|character| self.0.write_char(plain(character)))
    }
}

/// A span of time as people say it.
struct Time {
    millis: u64,
}

impl Display for Time {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let seconds = self.millis / 1000;
        match seconds {
            0..60 => write!(f, "{}.{} s", seconds, self.millis % 1000 / 100),
            60..3600 => write!(f, "{}:{:02} min", seconds / 60, seconds % 60),
            _ => write!(f, "{}:{:02} h", seconds / 3600, seconds % 3600 / 60),
        }
    }
}

/// A short span of time.
struct Millis {
    micros: u64,
}

impl Display for Millis {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02} ms", self.micros / 1000, self.micros % 1000 / 10)
    }
}

/// A slow start threshold, which begins far beyond any window.
struct Threshold(usize);

impl Display for Threshold {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0 >= u32::MAX as usize { write!(f, "-") } else { write!(f, "{}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_people_say_them() {
        for (millis, text) in [(0, "0.0 s"), (59_990, "59.9 s"), (61_000, "1:01 min"), (7_260_000, "2:01 h")]
        {
            assert_eq!(Time { millis }.to_string(), text);
        }
        assert_eq!(Millis { micros: 1_234 }.to_string(), "1.23 ms");
    }

    #[test]
    fn nothing_that_a_stack_says_is_a_command_to_the_terminal() {
        struct Shown(&'static str);
        impl Display for Shown {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                Plain(f).write_str(self.0)
            }
        }
        assert_eq!(Shown("\x1b[2Judp\x07\u{9b}é\n").to_string(), "?[2Judp??é\n");
    }
}
