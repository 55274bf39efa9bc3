//! `rsp-demo`: a registrar, three pool elements and a pool user, each a process of its own; elements get killed and
//! frozen, and nothing is lost.
//!
//! - [`role`]: what the child processes do;
//! - [`child`]: starting them, listening to what they say, and ending them whatever happens;
//! - [`script`]: the course of events, seen by the parent;
//! - [`report`]: what is told at the end.

pub mod child;
pub mod options;
pub mod report;
pub mod role;
pub mod screen;
pub mod script;
pub mod timeline;

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// The pool of the demo.
const POOL: &str = "DemoPool";
/// Pool elements.
pub const ELEMENTS: usize = 3;
/// Time between requests: 200 a second.
const REQUEST_INTERVAL: Duration = Duration::from_millis(5);
/// Requests that wait for their replies at most.
const OUTSTANDING: usize = 10;
/// How soon a fail-over must be over, from the fault to the first reply of another element.
pub const FAILOVER_LIMIT: Duration = Duration::from_millis(500);

/// The time since the host was started: the same clock in all processes.
fn monotonic() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
}
