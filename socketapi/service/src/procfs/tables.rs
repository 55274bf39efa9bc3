//! `/proc/net/sctp`: Linux's columns. Where Linux shows a kernel address we show our number of the socket.

use std::fmt::Write;
use std::net::IpAddr;

use rustc_hash::FxHashMap;
use sctp_abi::Style;
use sctp_user::statistics::{AssociationReport, GeneralStatistics};

use crate::service::Service;
use crate::socket::{Phase, Served};

/// States of sockets and associations, as Linux numbers them.
const CLOSED: u32 = 7;
const LISTENING: u32 = 10;
const ESTABLISHED: u32 = 1;

/// What the program's side knows of an association.
struct Owner {
    socket: u64,
    user: u32,
    style: u32,
    number: i32,
}

impl Service {
    pub(super) fn table(&mut self, name: &str) -> Option<String> {
        match name {
            "assocs" => Some(self.assocs()),
            "eps" => Some(self.eps()),
            "remaddr" => Some(self.remaddr()),
            "snmp" => Some(snmp(&self.stack.statistics().statistics)),
            _ => None,
        }
    }

    fn owners(&mut self) -> FxHashMap<u64, Owner> {
        let mut owners = FxHashMap::default();
        for (socket, served) in &self.sockets {
            for id in served.memory.associations() {
                let number = self.ids.number(id);
                let owner = Owner { socket: *socket, user: served.user, style: style(served), number };
                owners.insert(id.to_bits(), owner);
            }
        }
        owners
    }

    fn assocs(&mut self) -> String {
        let mut text = " ASSOC     SOCK   STY SST ST HBKT ASSOC-ID TX_QUEUE RX_QUEUE UID INODE LPORT RPORT LADDRS <-> RADDRS \
                        HBINT INS OUTS MAXRT T1X T2X RTXC wmema wmemq sndbuf rcvbuf\n"
            .to_owned();
        let owners = self.owners();
        for report in self.stack.associations() {
            if let Some(owner) = owners.get(&report.id) {
                write_association(&mut text, &report, owner);
            }
        }
        text
    }

    fn eps(&self) -> String {
        let mut text = " ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS\n".to_owned();
        for (number, served) in &self.sockets {
            let Ok((addresses, port)) = served.socket.local() else { continue };
            let (style, state, user) = (style(served), socket_state(served), served.user);
            let addresses = list(&addresses);
            // Into a string, which cannot fail.
            let _ = writeln!(
                text,
                "{number:8x} {number:8x} {style:<3} {state:<3} {:<4} {port:<5} {user:5} {number:5} {addresses}",
                0
            );
        }
        text
    }

    fn remaddr(&mut self) -> String {
        let mut text = "ADDR ASSOC_ID HB_ACT RTO MAX_PATH_RTX REM_ADDR_RTX START STATE\n".to_owned();
        let owners = self.owners();
        for report in self.stack.associations() {
            let Some(owner) = owners.get(&report.id) else { continue };
            for path in &report.paths {
                let state = match path.state.as_str() {
                    "inactive" => 0,
                    "potentially failed" => 1,
                    "unconfirmed" => 3,
                    _ => 2,
                };
                let _ = writeln!(
                    text,
                    "{}  {} {} {} {} {} 0 {state}",
                    path.remote,
                    owner.number,
                    u8::from(path.heartbeats),
                    path.timing.rto_us / 1_000,
                    path.max_path_rtx,
                    path.rtx_chunks,
                );
            }
        }
        text
    }
}

fn style(served: &Served) -> u32 {
    match served.style {
        Style::OneToMany => 0,
        Style::PeeledOff => 1,
        Style::OneToOne => 2,
    }
}

fn socket_state(served: &Served) -> u32 {
    match &served.phase {
        Phase::Listening(_) => LISTENING,
        Phase::Many(many) if many.listening => LISTENING,
        Phase::Open => ESTABLISHED,
        _ => CLOSED,
    }
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(|address| format!("{address} ")).collect()
}

/// As `sstat_state` numbers it.
fn state(report: &AssociationReport) -> u32 {
    const STATES: [&str; 7] = [
        "COOKIE-WAIT",
        "COOKIE-ECHOED",
        "ESTABLISHED",
        "SHUTDOWN-PENDING",
        "SHUTDOWN-SENT",
        "SHUTDOWN-RECEIVED",
        "SHUTDOWN-ACK-SENT",
    ];
    STATES.iter().zip(1..).find(|(name, _)| **name == report.state).map_or(0, |(_, number)| number)
}

fn write_association(text: &mut String, report: &AssociationReport, owner: &Owner) {
    let (id, socket, style) = (report.id, owner.socket, owner.style);
    let remote: Vec<IpAddr> = report.paths.iter().map(|path| path.remote).collect();
    // Into a string, which cannot fail.
    let _ = write!(
        text,
        "{id:8x} {socket:8x} {style:<3} {:<3} {:<2} {:<4} {:4} {:8} {:8} {:7} {socket:5} {:<5} {:5} ",
        ESTABLISHED,
        state(report),
        0,
        owner.number,
        report.outstanding_chunks,
        report.held_bytes,
        owner.user,
        report.local_port,
        report.remote_port,
    );
    let counters = &report.counters;
    let _ = writeln!(
        text,
        "{}<-> {}\t{:8} {:5} {:5} {:4} {:4} {:4} {:8} {:8} {:8} {:8} {:8}",
        list(&report.local_addresses),
        list(&remote),
        0,
        report.in_streams,
        report.out_streams,
        report.max_retrans,
        counters.t1_expiries,
        counters.t2_expiries,
        counters.retransmitted_chunks,
        0,
        report.queued_messages,
        report.send_space,
        report.a_rwnd.unwrap_or(0),
    );
}

/// RFC 3873's general statistics, and what Linux counts beside, under Linux's names.
fn snmp(statistics: &GeneralStatistics) -> String {
    /// What does not happen: packets do not wait for a socket, and what is in flight when a path MTU shrinks is lost and sent
    /// again as other losses are.
    const NONE: u64 = 0;
    let rows = [
        ("SctpCurrEstab", statistics.curr_estab),
        ("SctpActiveEstabs", statistics.active_estabs),
        ("SctpPassiveEstabs", statistics.passive_estabs),
        ("SctpAborteds", statistics.aborteds),
        ("SctpShutdowns", statistics.shutdowns),
        ("SctpOutOfBlues", statistics.out_of_blues),
        ("SctpChecksumErrors", statistics.checksum_errors),
        ("SctpOutCtrlChunks", statistics.out_ctrl_chunks),
        ("SctpOutOrderChunks", statistics.out_order_chunks),
        ("SctpOutUnorderChunks", statistics.out_unorder_chunks),
        ("SctpInCtrlChunks", statistics.in_ctrl_chunks),
        ("SctpInOrderChunks", statistics.in_order_chunks),
        ("SctpInUnorderChunks", statistics.in_unorder_chunks),
        ("SctpFragUsrMsgs", statistics.frag_usr_msgs),
        ("SctpReasmUsrMsgs", statistics.reasm_usr_msgs),
        ("SctpOutSCTPPacks", statistics.out_sctp_packs),
        ("SctpInSCTPPacks", statistics.in_sctp_packs),
        ("SctpT1InitExpireds", statistics.t1_init_expiries),
        ("SctpT1CookieExpireds", statistics.t1_cookie_expiries),
        ("SctpT2ShutdownExpireds", statistics.t2_expiries),
        ("SctpT3RtxExpireds", statistics.t3_expiries),
        ("SctpT4RtoExpireds", statistics.t4_expiries),
        ("SctpT5ShutdownGuardExpireds", statistics.t5_expiries),
        ("SctpDelaySackExpireds", statistics.sack_delay_expiries),
        ("SctpAutocloseExpireds", statistics.autoclose_expiries),
        ("SctpT3Retransmits", statistics.t3_retransmits),
        ("SctpPmtudRetransmits", NONE),
        ("SctpFastRetransmits", statistics.fast_retransmits),
        ("SctpInPktSoftirq", statistics.in_sctp_packs),
        ("SctpInPktBacklog", NONE),
        ("SctpInPktDiscards", statistics.discarded_packets),
        ("SctpInDataChunkDiscards", statistics.discarded_data_chunks),
    ];
    rows.map(|(name, value)| format!("{name:<32}\t{value}\n")).concat()
}
