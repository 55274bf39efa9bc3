use std::{
    process::Command,
    sync::{Arc, Mutex},
};

use super::{fault::Impairments, *};
use crate::driver::mem::MemDriver;
use sctp_core::net::{Ecn, IpMarks};

const HERE: [u8; 4] = [10, 0, 0, 1];
const THERE: [u8; 4] = [10, 0, 0, 2];

fn pair() -> (LayeredDriver, MemDriver) {
    let (ours, theirs) = MemDriver::pair([HERE.into()], [THERE.into()], 1500).unwrap();
    (LayeredDriver::new(Box::new(ours)), theirs)
}

fn transmit(remote: [u8; 4], udp_port: u16, segment_size: usize, len: usize) -> Transmit {
    let local = if remote == HERE { THERE } else { HERE };
    let path = PathAddress { local: Some(local.into()), remote: remote.into(), remote_udp_port: udp_port };
    Transmit { path, ecn: Ecn::Ect0, marks: IpMarks::NONE, fragment_to: None, segment_size, len }
}

fn lossy(loss: f64, duplicate: f64) -> Option<Fault> {
    Some(Fault::new(Impairments { loss, duplicate, ..Impairments::default() }, [7; 32]))
}

/// Lengths of what arrives of 20 runs of 10 packets, the last one of each shorter.
fn arrivals(fault: Option<Fault>) -> Vec<usize> {
    let (mut ours, mut theirs) = pair();
    ours.set_fault(fault).unwrap();
    let mut inbox = Inbox::default();
    for _ in 0..20 {
        let sent = ours.send(&[transmit(THERE, 0, 100, 950)], &[1; 950], &mut Vec::new());
        assert_eq!(sent, Sent { transmits: 1, segments: 0 });
        theirs.receive(&mut inbox).unwrap();
    }
    inbox.packets.iter().map(|packet| packet.datagram.len()).collect()
}

#[test]
fn faults_take_and_double_packets_by_their_seed() {
    assert_eq!(arrivals(None).len(), 200);
    assert!(arrivals(lossy(1.0, 0.0)).is_empty());
    let lost = arrivals(lossy(0.2, 0.0));
    assert!((120..190).contains(&lost.len()), "{} of 200", lost.len());
    assert_eq!(lost, arrivals(lossy(0.2, 0.0)), "the seed replays");
    assert_eq!(arrivals(lossy(0.0, 1.0)).len(), 20 * 19, "the short ones end their runs and stay single");
}

/// RFC 3168, 5: only what is ECN-capable is marked.
#[test]
fn faults_mark_packets_in_both_directions() {
    let (mut ours, mut theirs) = pair();
    ours.set_fault(Some(Fault::new(Impairments { mark: 1.0, ..Impairments::default() }, [7; 32]))).unwrap();
    let mut inbox = Inbox::default();
    for ecn in [Ecn::Ect0, Ecn::NotCapable] {
        ours.send(&[Transmit { ecn, ..transmit(THERE, 0, 100, 100) }], &[1; 100], &mut Vec::new());
        theirs.receive(&mut inbox).unwrap();
        theirs.send(&[Transmit { ecn, ..transmit(HERE, 0, 100, 100) }], &[1; 100], &mut Vec::new());
        ours.receive(&mut inbox).unwrap();
    }
    let marks: Vec<_> = inbox.packets.iter().map(|packet| packet.ecn).collect();
    let congested = Ecn::CongestionExperienced;
    assert_eq!(marks, [congested, congested, Ecn::NotCapable, Ecn::NotCapable]);
}

#[test]
fn faults_are_in_both_directions() {
    let (mut ours, mut theirs) = pair();
    ours.set_fault(lossy(1.0, 0.0)).unwrap();
    theirs.send(&[transmit(HERE, 0, 100, 100)], &[1; 100], &mut Vec::new());
    let mut inbox = Inbox::default();
    ours.receive(&mut inbox).unwrap();
    assert!(inbox.is_empty());
    ours.set_fault(lossy(0.0, 1.0)).unwrap();
    theirs.send(&[transmit(HERE, 0, 100, 100)], &[1; 100], &mut Vec::new());
    ours.receive(&mut inbox).unwrap();
    assert_eq!(inbox.packets.len(), 2);
}

/// A file in memory that two can hold.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn captured() -> Vec<u8> {
    let (mut ours, mut theirs) = pair();
    let file = Shared::default();
    ours.set_capture(Some(Capture::new(file.clone(), 9899).unwrap()));
    // Two packets out over IP, one over UDP, one in over UDP.
    let bytes = [0x5a; 56];
    ours.send(&[transmit(THERE, 0, 20, 36), transmit(THERE, 9900, 20, 20)], &bytes, &mut Vec::new());
    theirs.send(&[transmit(HERE, 9900, 20, 20)], &bytes[..20], &mut Vec::new());
    let mut inbox = Inbox::default();
    ours.receive(&mut inbox).unwrap();
    assert_eq!(inbox.packets.len(), 1);
    inbox.packets.clear();
    // Nothing comes: the file is written out, although the capture goes on.
    ours.receive(&mut inbox).unwrap();
    file.0.lock().unwrap().clone()
}

#[test]
fn a_capture_holds_whole_blocks_of_each_packet() {
    let bytes = captured();
    let mut rest = &bytes[..];
    let mut kinds = Vec::new();
    while !rest.is_empty() {
        let field = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        let len = field(4) as usize;
        assert_eq!(len % 4, 0);
        assert_eq!(field(len - 4) as usize, len, "the length stands at both ends");
        kinds.push((field(0), len));
        rest = &rest[len..];
    }
    // 32 bytes of block, the packet padded, the flags (8), the end of the options (4).
    let packet = |len: usize| (6, 32 + len.next_multiple_of(4) + 12);
    let expected = [packet(20 + 20), packet(20 + 16), packet(20 + 8 + 20), packet(20 + 8 + 20)];
    assert_eq!(kinds[0].0, 0x0a0d_0d0a);
    assert_eq!(kinds[1].0, 1);
    assert_eq!(kinds[2..], expected);
}

#[test]
fn a_capture_is_complete_when_the_stack_is_closed() {
    let (mut ours, _) = pair();
    let file = Shared::default();
    ours.set_capture(Some(Capture::new(file.clone(), 9899).unwrap()));
    let before = file.0.lock().unwrap().len();
    ours.send(&[transmit(THERE, 0, 20, 20)], &[0x5a; 20], &mut Vec::new());
    ours.flush_records();
    assert!(file.0.lock().unwrap().len() > before);
}

#[test]
fn tshark_reads_a_capture() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), captured()).unwrap();
    let fields = [
        "ip.src",
        "ip.dst",
        "ip.dsfield.ecn",
        "ip.checksum.status",
        "udp.srcport",
        "frame.packet_flags_direction",
    ];
    let mut command = Command::new("tshark");
    command
        .args(["-o", "ip.check_checksum:TRUE", "-n", "-T", "fields", "-E", "separator=,", "-r"])
        .arg(file.path());
    for field in fields {
        command.args(["-e", field]);
    }
    let Ok(output) = command.output() else {
        println!("SKIPPED: there is no tshark to read the capture");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = [
        "10.0.0.1,10.0.0.2,2,1,,0x00000002",
        "10.0.0.1,10.0.0.2,2,1,,0x00000002",
        "10.0.0.1,10.0.0.2,2,1,9899,0x00000002",
        "10.0.0.2,10.0.0.1,2,1,9900,0x00000001",
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_wrong_bit_is_one_and_the_length_stays() {
    let (mut ours, mut theirs) = pair();
    ours.set_fault(Some(Fault::new(Impairments { corrupt: 1.0, ..Impairments::default() }, [7; 32])))
        .unwrap();
    let mut inbox = Inbox::default();
    ours.send(&[transmit(THERE, 0, 100, 100)], &[0; 100], &mut Vec::new());
    theirs.receive(&mut inbox).unwrap();
    theirs.send(&[transmit(HERE, 0, 100, 100)], &[0; 100], &mut Vec::new());
    ours.receive(&mut inbox).unwrap();
    for packet in &inbox.packets {
        let ones: u32 = packet.datagram.iter().map(|byte| byte.count_ones()).sum();
        assert_eq!((packet.datagram.len(), ones), (100, 1));
    }
    assert_eq!(inbox.packets.len(), 2);
}

/// Waits for the timer of the delays.
fn wait_for(driver: &LayeredDriver) {
    use nix::poll::{PollFd, PollFlags, poll};
    let mut polled: Vec<_> =
        driver.descriptors().into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    assert!(poll(&mut polled, 30_000u16).unwrap() > 0, "a packet arrives");
}

#[test]
fn packets_arrive_later_in_both_directions() {
    let delay = std::time::Duration::from_millis(20);
    let (mut ours, mut theirs) = pair();
    ours.set_fault(Some(Fault::new(Impairments { delay, ..Impairments::default() }, [7; 32]))).unwrap();
    let (mut here, mut there) = (Inbox::default(), Inbox::default());
    let start = std::time::Instant::now();
    ours.send(&[transmit(THERE, 0, 100, 250)], &[1; 250], &mut Vec::new());
    theirs.receive(&mut there).unwrap();
    assert!(there.is_empty());
    while there.packets.len() < 3 {
        wait_for(&ours);
        ours.receive(&mut here).unwrap();
        theirs.receive(&mut there).unwrap();
    }
    assert!(start.elapsed() >= delay);
    let start = std::time::Instant::now();
    theirs.send(&[transmit(HERE, 0, 100, 100)], &[1; 100], &mut Vec::new());
    while here.is_empty() {
        wait_for(&ours);
        ours.receive(&mut here).unwrap();
    }
    assert!(start.elapsed() >= delay);
}

#[test]
fn some_packets_are_overtaken() {
    let (mut ours, mut theirs) = pair();
    ours.set_fault(Some(Fault::new(Impairments { reorder: 0.3, ..Impairments::default() }, [7; 32])))
        .unwrap();
    let (mut here, mut there) = (Inbox::default(), Inbox::default());
    for number in 0..20 {
        ours.send(&[transmit(THERE, 0, 10, 10)], &[number; 10], &mut Vec::new());
    }
    while there.packets.len() < 20 {
        wait_for(&ours);
        ours.receive(&mut here).unwrap();
        theirs.receive(&mut there).unwrap();
    }
    let order: Vec<u8> = there.packets.iter().map(|packet| packet.datagram[0]).collect();
    assert!(!order.is_sorted(), "{order:?}");
}
