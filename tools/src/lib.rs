//! Programs: registrar, pool elements and users, measuring and demonstration tools.

pub mod csp;
pub mod daemon;
pub mod demo;
pub mod dump;
pub mod federation;
pub mod holder;
pub mod launch;
pub mod limits;
pub mod load;
pub mod logging;
pub mod monitor;
pub mod outages;
pub mod perf;
pub mod pinger;
pub mod pingpong;
pub mod policy;
pub mod program;
pub mod protection;
pub mod registrar;
pub mod rsplib;
pub mod search;
pub mod services;
pub mod signals;
pub mod stat;
pub mod supervised;
pub mod transport;
