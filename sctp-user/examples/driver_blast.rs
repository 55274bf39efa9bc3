//! How many packets a second the drivers move, without any protocol above them.
//!
//! One thread sends, one receives, both poll. Run it with
//! `cargo run --release -p sctp-user --example driver_blast -- raw|udp|mem [BYTES] [SECONDS]`;
//! `raw` needs root. Packets go over the loopback.

use std::{
    env,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sctp_core::net::{Ecn, IpMarks, PathAddress};
use sctp_user::driver::{
    Driver, Inbox, Outbox, Transmit,
    mem::MemDriver,
    raw::{RawConfig, RawDriver},
    udp::{UdpConfig, UdpDriver},
};

type Ends = (Box<dyn Driver>, Box<dyn Driver>, PathAddress);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let kind = arguments.first().map_or("udp", String::as_str);
    let size: usize = arguments.get(1).map_or(Ok(1480), |text| text.parse())?;
    let seconds: u64 = arguments.get(2).map_or(Ok(2), |text| text.parse())?;
    let (mut sender, receiver, path) = open(kind)?;
    let stop = Arc::new(AtomicBool::new(false));
    let counting = thread::spawn({
        let stop = Arc::clone(&stop);
        move || count(receiver, &stop)
    });
    let started = Instant::now();
    let sent = blast(sender.as_mut(), path, size, Duration::from_secs(seconds));
    let elapsed = started.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    let received = counting.join().expect("the receiver does not panic");
    let gigabits = |packets: u64| packets as f64 * size as f64 * 8.0 / elapsed / 1e9;
    println!(
        "{kind}, {size} bytes: sent {:.0}/s ({:.2} Gbit/s), received {:.0}/s ({:.2} Gbit/s)",
        sent as f64 / elapsed,
        gigabits(sent),
        received as f64 / elapsed,
        gigabits(received)
    );
    Ok(())
}

fn open(kind: &str) -> Result<Ends, Box<dyn std::error::Error>> {
    let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
    let path = PathAddress { local: Some(here), ..PathAddress::to(there) };
    Ok(match kind {
        "raw" => {
            let alone = RawConfig { share: false, ..RawConfig::default() };
            let (mut sender, mut receiver) = (RawDriver::open(&alone)?, RawDriver::open(&alone)?);
            sender.lease_port(0x5353, &[])?;
            receiver.lease_port(0x5a5a, &[])?;
            (Box::new(sender), Box::new(receiver), path)
        }
        "udp" => {
            let bind = |address| UdpDriver::open(&UdpConfig { port: 0, ..UdpConfig::new([address]) });
            let (sender, receiver) = (bind(here)?, bind(there)?);
            let path = PathAddress { remote_udp_port: receiver.port(), ..path };
            (Box::new(sender), Box::new(receiver), path)
        }
        "mem" => {
            let (sender, receiver) = MemDriver::pair([here], [there], 65535)?;
            (Box::new(sender), Box::new(receiver), path)
        }
        other => return Err(format!("no driver {other}: raw, udp or mem").into()),
    })
}

fn blast(driver: &mut dyn Driver, path: PathAddress, size: usize, time: Duration) -> u64 {
    // Bytes 2 and 3 are the destination port that the raw receiver leased.
    let bytes = vec![0x5a; size * driver.max_segments().min(65_000 / size).max(1)];
    let transmit = Transmit {
        path,
        ecn: Ecn::NotCapable,
        marks: IpMarks::NONE,
        fragment_to: None,
        segment_size: size,
        len: bytes.len(),
    };
    let (mut outbox, mut reports, mut sent) = (Outbox::default(), Vec::new(), 0);
    let end = Instant::now() + time;
    while Instant::now() < end {
        if outbox.is_empty() {
            outbox.transmits.push(transmit);
            outbox.bytes.extend_from_slice(&bytes);
            sent += (bytes.len() / size) as u64;
        }
        if !outbox.flush(driver, &mut reports) {
            wait(driver, PollFlags::POLLOUT);
        }
        assert!(reports.is_empty(), "{reports:?}");
    }
    sent
}

fn count(mut driver: Box<dyn Driver>, stop: &AtomicBool) -> u64 {
    let (mut inbox, mut received) = (Inbox::default(), 0);
    while !stop.load(Ordering::Relaxed) {
        driver.receive(&mut inbox).expect("the driver works");
        if inbox.packets.is_empty() {
            wait(driver.as_ref(), PollFlags::POLLIN);
        }
        received += inbox.packets.len() as u64;
        inbox.packets.clear();
    }
    received
}

fn wait(driver: &dyn Driver, events: PollFlags) {
    let descriptors = driver.descriptors();
    let mut polled: Vec<_> = descriptors.iter().map(|descriptor| PollFd::new(*descriptor, events)).collect();
    let _ = poll(&mut polled, PollTimeout::from(10u8));
}
