//! Prints how much memory an idle association takes, of both sides together: what the allocator hands
//! out while many are set up, divided by their number.

use sctp_benches::{Pair, Wiring};

/// Associations that are set up.
const COUNT: u64 = 20_000;

fn main() {
    let mut pair = Pair::new(Wiring::default());
    let _first = pair.connect();
    let before = resident_bytes();
    for _ in 0..COUNT {
        pair.connect();
    }
    let each = (resident_bytes() - before) / COUNT;
    println!("{each} bytes for both sides of an idle association, {} for one", each / 2);
}

/// The private memory of this process, from Linux's statm (resident minus shared pages).
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("this example needs Linux");
    let mut pages = text.split_whitespace().skip(1).map(|field| field.parse::<u64>().expect("a number"));
    let (resident, shared) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
    (resident - shared) * 4_096
}
