//! Measures SCTP: throughput, latency, association set-up rate.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use sctp_tools::perf::client::{self, Failure, Limit};
use sctp_tools::perf::report::Report;
use sctp_tools::perf::server::{self, Served};
use sctp_tools::program;
use sctp_tools::transport::{self, TransportOptions};
use socketapi::{AssociationConfig, SocketBuilder};

/// Bytes of each send and receive buffer: what 30 Gbit/s need for 1 ms.
const DEFAULT_BUFFER: usize = 4 << 20;

/// How long a test takes if nothing else ends it.
const DEFAULT_TIME: Duration = Duration::from_secs(3);
/// Repeats of an unanswered INIT: the client gives up after 1 + 2 + 4 + 8 seconds.
const INIT_RETRANSMITS: u32 = 3;
/// What a message of the default size needs at least.
const LEAST_BUFFER: u64 = 4_096;
/// SCTP's windows count 32 bits.
const LARGEST_BUFFER: u64 = 1 << 31;

const EXAMPLES: &str = "\
Examples:
  sctp-perf server --udp --local 127.0.0.2
  sctp-perf client 127.0.0.2 --udp --local 127.0.0.3 --size 65536 --time 5
  sctp-perf client 127.0.0.2 --udp --local 127.0.0.3 --test latency --count 10000
  sctp-perf client 127.0.0.2 --udp --local 127.0.0.3 --test setup --count 1000
  sctp-perf client 10.0.0.2 --raw --foreign   towards somebody else's discard server
  sctp-perf server --raw --echo               an echo server for somebody else's client

Exit codes: 0 done; 1 the test failed, or the server counted something else than was sent; 2 \
wrong usage.";

/// Measures SCTP between two hosts: throughput by message size, request and response latency, association set-up rate.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Takes associations, counts what comes, answers what asks for an answer; until it is ended by a signal.
    #[command(after_help = EXAMPLES)]
    Server(ServerOptions),
    /// Runs one test against a server.
    #[command(after_help = EXAMPLES)]
    Client(ClientOptions),
}

#[derive(Args)]
struct ServerOptions {
    #[command(flatten)]
    transport: TransportOptions,
    /// SCTP port
    #[arg(long, default_value_t = 5001)]
    port: u16,
    /// Send every foreign message back (port 7 is the usual one for that)
    #[arg(long)]
    echo: bool,
    /// One JSON object a line, for each association that ended
    #[arg(long)]
    json: bool,
    /// Bytes of receive buffer for each association
    #[arg(long, value_name = "BYTES", default_value_t = DEFAULT_BUFFER, value_parser = buffer)]
    receive_buffer: usize,
}

#[derive(Args)]
struct ClientOptions {
    /// Addresses of the server, separated by commas: the first one is the primary
    #[arg(value_delimiter = ',', required = true)]
    server: Vec<IpAddr>,
    #[command(flatten)]
    transport: TransportOptions,
    /// SCTP port of the server
    #[arg(long, default_value_t = 5001)]
    port: u16,
    /// What to measure
    #[arg(long, value_enum, default_value_t = Test::Throughput)]
    test: Test,
    /// Bytes of each message
    #[arg(long, value_name = "BYTES", default_value_t = 1_444, value_parser = clap::value_parser!(u32).range(1..))]
    size: u32,
    /// End after so many seconds (the default: 3)
    #[arg(long, value_name = "SECONDS", conflicts_with_all = ["bytes", "count"], value_parser = program::seconds)]
    time: Option<Duration>,
    /// End after so many bytes of payload
    #[arg(long, value_name = "BYTES", conflicts_with = "count")]
    bytes: Option<u64>,
    /// End after so many messages, requests or associations
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
    /// The server is no sctp-perf: expect no report (throughput), send PPID 0 echo requests (latency)
    #[arg(long)]
    foreign: bool,
    /// Send small messages at once (no Nagle)
    #[arg(long)]
    nodelay: bool,
    /// Bytes of send buffer
    #[arg(long, value_name = "BYTES", default_value_t = DEFAULT_BUFFER, value_parser = buffer)]
    send_buffer: usize,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Test {
    /// Bulk data in one direction
    Throughput,
    /// One request at a time
    Latency,
    /// Associations, one after the other
    Setup,
}

impl ClientOptions {
    fn limit(&self) -> Limit {
        match (self.bytes, self.count) {
            (Some(bytes), _) => Limit::Bytes(bytes),
            (_, Some(count)) => Limit::Count(count),
            _ => Limit::Time(self.time.unwrap_or(DEFAULT_TIME)),
        }
    }
}

/// Setting associations up moves no payload: a number of bytes would never be reached.
fn refuse_bytes_without_payload(role: &Role) {
    if let Role::Client(ClientOptions { test: Test::Setup, bytes: Some(_), .. }) = role {
        let what = "--bytes cannot be used with --test setup, which sends no payload; use --count";
        Cli::command().error(ErrorKind::ArgumentConflict, what).exit()
    }
}

fn main() -> ExitCode {
    let role = Cli::parse().role;
    refuse_bytes_without_payload(&role);
    let result = match role {
        Role::Server(options) => run_server(&options).map(|()| true),
        Role::Client(options) => run_client(&options),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("sctp-perf: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run_server(options: &ServerOptions) -> Result<(), Failure> {
    let stack = options.transport.build_stack()?;
    let bound: Vec<_> =
        stack.local_addresses().into_iter().map(|ip| SocketAddr::new(ip, options.port)).collect();
    let listener = SocketBuilder::new(&stack)
        .buffers(DEFAULT_BUFFER, options.receive_buffer)
        .bind(bound.as_slice())
        .listen()?;
    eprintln!("listening at {}, {}", program::list(&listener.local_addrs()?), transport::carrier(&stack));
    server::serve(&listener, options.echo, |served| match served {
        Ok(served) => {
            // The server goes on though nobody reads what it counts: its clients are told too.
            if let Err(error) = program::say(describe(&served, options.json)) {
                eprintln!("sctp-perf: {error}");
            }
        }
        Err(error) => eprintln!("an association ended: {error}"),
    })?;
    Ok(())
}

fn describe(served: &Served, json: bool) -> String {
    let Served { tally, replies } = served;
    let (bytes, messages, crc32c) = (tally.bytes, tally.messages, tally.crc32c);
    let speed = tally.mbit_per_second();
    match json {
        true => format!(
            "{{\"bytes\":{bytes},\"messages\":{messages},\"crc32c\":{crc32c},\"replies\":{replies},\
             \"mbit_per_second\":{speed:.1}}}"
        ),
        false => format!("{messages} messages, {bytes} bytes, {speed:.1} Mbit/s, {replies} replies"),
    }
}

/// Bytes of a buffer.
fn buffer(text: &str) -> Result<usize, String> {
    let bytes = text.parse().ok().filter(|bytes| (LEAST_BUFFER..=LARGEST_BUFFER).contains(bytes));
    bytes
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| format!("a number of bytes from {LEAST_BUFFER} to {LARGEST_BUFFER} is needed"))
}

fn run_client(options: &ClientOptions) -> Result<bool, Failure> {
    let stack = options.transport.build_stack()?;
    let peer: Vec<_> = options.server.iter().map(|ip| SocketAddr::new(*ip, options.port)).collect();
    let connect = || {
        SocketBuilder::new(&stack)
            .config(AssociationConfig {
                max_init_retransmits: INIT_RETRANSMITS,
                ..AssociationConfig::default()
            })
            .no_delay(options.nodelay)
            .buffers(options.send_buffer, DEFAULT_BUFFER)
            .connect(peer.as_slice())
    };
    let size = options.size as usize;
    let report = match options.test {
        Test::Throughput => client::throughput(&connect()?, size, options.limit(), !options.foreign)?,
        Test::Latency => client::latency(&connect()?, size, options.limit())?,
        Test::Setup => client::setup(connect, options.limit())?,
    };
    if options.json {
        let json = serde_json::to_string(&report);
        program::say(json.unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}")))?;
    } else {
        program::say(&report)?;
    }
    Ok(!matches!(&report, Report::Throughput(result) if result.verified == Some(false)))
}
