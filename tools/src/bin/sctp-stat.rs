//! Lists the SCTP stacks of this host: endpoints, associations, paths, counters.

use std::io::ErrorKind;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use sctp_tools::program;
use sctp_tools::signals::Signals;
use sctp_tools::stat::{self, Detail, Filter};

const EXAMPLES: &str = "\
Examples:
  sctp-stat                               all stacks, with endpoints, associations and paths
  sctp-stat --state ESTABLISHED --port 3868
  sctp-stat --troubled --watch            associations with a path that does not answer, every second
  sctp-stat --counters --listening        the general statistics of RFC 3873, and who listens
  sctp-stat --json | jq '.associations[].paths[] | {remote, srtt_us, cwnd}'

Exit codes: 0 done; 1 stacks cannot be looked for, or no stack runs; 2 wrong usage.

A stack is seen in its own network namespace (`ip netns exec NAME sctp-stat`), by root and by the user who runs it. \
Applications tell of themselves when they build their stack with `serve_statistics(true)`, as the programs here do.";

/// Lists the SCTP stacks that run on this host: what `ss` is to the kernel's sockets.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    filter: Filter,
    /// The general statistics of each stack too, by the names of RFC 3873
    #[arg(long)]
    counters: bool,
    /// One JSON object a line, for each stack
    #[arg(long)]
    json: bool,
    /// Again and again, every so many seconds (1 if none are named), until a signal comes
    #[arg(long, visible_alias = "live", value_name = "SECONDS", num_args = 0..=1, require_equals = true,
          default_missing_value = "1", value_parser = interval)]
    watch: Option<Duration>,
}

/// Without a pause a processor would do nothing else.
fn interval(text: &str) -> Result<Duration, String> {
    match program::seconds(text)? {
        interval if interval < Duration::from_millis(100) => Err("at least 0.1 seconds are needed".into()),
        interval => Ok(interval),
    }
}

/// Moves to the first line of a terminal and clears it.
const CLEAR: &str = "\x1b[H\x1b[2J";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut found = true;
    let code = program::run("sctp-stat", |signals| {
        found = show_all(&cli, signals)?;
        Ok(())
    });
    if found { code } else { ExitCode::FAILURE }
}

/// Whether any stack was found in the last round.
fn show_all(cli: &Cli, signals: &Signals) -> Result<bool, Box<dyn std::error::Error>> {
    loop {
        // Without a reader there is nothing left to do.
        let Some(found) = show(cli)? else { return Ok(true) };
        let Some(interval) = cli.watch else { return Ok(found) };
        if signals.wait(Some(interval))? {
            return Ok(true);
        }
    }
}

/// Whether any stack was found; `None` if nobody reads any more.
fn show(cli: &Cli) -> Result<Option<bool>, Box<dyn std::error::Error>> {
    let (listed, silent) = stat::list(&cli.filter)?;
    let mut text = String::new();
    for stack in &listed {
        match cli.json {
            true => text += &(serde_json::to_string(stack)? + "\n"),
            false => text += &Detail { listed: stack, counters: cli.counters }.to_string(),
        }
    }
    if cli.watch.is_some() && !cli.json {
        text = format!("{CLEAR}{text}");
    }
    if !text.is_empty() {
        match program::say(text.trim_end_matches('\n')) {
            // `sctp-stat | head`: who reads has read enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(None),
            said => said?,
        }
    }
    silent.iter().for_each(|reason| eprintln!("sctp-stat: {reason}"));
    if listed.is_empty() && cli.watch.is_none() {
        eprintln!("sctp-stat: no stack that we may ask runs in this network namespace");
    }
    Ok(Some(!listed.is_empty()))
}
