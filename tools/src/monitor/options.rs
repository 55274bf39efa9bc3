//! Options of `cspmonitor`.

use clap::Parser;
use rserpool::csp::{ComponentId, Group};

use crate::csp::Monitor;
use crate::logging::LogOptions;
use crate::program::EXIT_CODES;

const EXAMPLES: &str = "\
Examples:
  cspmonitor                                  listens at UDP port 2960 of all addresses
  cspmonitor -compact -maxpu=5                no associations, and five pool users at most
  cspmonitor --json | jq .component           changes, a line each
  rspserver -echo -cspserver=192.0.2.1:2960 -cspinterval=500      reports to a monitor at 192.0.2.1

Keys: arrows, Page Up, Page Down, Home and End scroll; c shows or hides associations; q ends.
Reports are not authenticated: anybody can send some in anybody's name. Listen where only friends are.
";

/// Shows the states that registrars, pool elements and pool users report (component status protocol). Where standard output is no
/// terminal, prints a line for each change.
#[derive(Clone, Debug, Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n{EXIT_CODES}"))]
pub struct Options {
    /// Where to listen: an address of this host, or its name
    #[arg(long, value_name = "A[:P]|NAME[:P]", default_value = "[::]:2960")]
    pub localaddress: Monitor,
    /// Time between updates of the screen, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(50..=3_600_000))]
    pub updateinterval: u64,
    /// Forget who has been silent for so long, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1000..=86_400_000))]
    pub purgeinterval: u64,
    /// Show no associations
    #[arg(long, overrides_with = "full")]
    pub compact: bool,
    /// Show associations (the default)
    #[arg(long, overrides_with = "compact")]
    pub full: bool,
    /// Registrars to show at most
    #[arg(long, value_name = "N")]
    pub maxpr: Option<usize>,
    /// Pool elements to show at most
    #[arg(long, value_name = "N")]
    pub maxpe: Option<usize>,
    /// Pool users to show at most
    #[arg(long, value_name = "N")]
    pub maxpu: Option<usize>,
    /// Characters of a location to show at most
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub maxlocationsize: u16,
    /// Print each change as a line of JSON, whatever standard output is
    #[arg(long)]
    pub json: bool,
    /// Log options.
    #[command(flatten)]
    pub log: LogOptions,
}

impl Options {
    /// How many components like this one to show.
    pub(super) fn most(&self, id: ComponentId) -> usize {
        let most = match id.group() {
            Group::Registrar => self.maxpr,
            Group::PoolElement => self.maxpe,
            Group::PoolUser => self.maxpu,
            Group::Other(_) => None,
        };
        most.unwrap_or(usize::MAX)
    }
}
