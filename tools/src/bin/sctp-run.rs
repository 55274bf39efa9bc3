//! `sctp-run PROGRAM`: gives an unmodified program SCTP sockets, where the kernel has none.
//!
//! The program keeps this process, its parent, and its standard streams. Beside it a *host* lives: the stack, and the
//! service that hands out descriptors. It is started as a grandchild, so that the program never finds it among its
//! children, and it lives until the program and its descendants, all descriptors and all associations have ended.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use clap::Parser;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use sctp_descriptors::{LEASE_VARIABLE, SERVICE_MAKER_VARIABLE, SERVICE_USER_VARIABLE, SERVICE_VARIABLE};
use sctp_service::{Control, Limits, Listener, Rules, Service};
use sctp_tools::daemon::{self, Probe, SERVICE_NAME};
use sctp_tools::limits::raise_descriptor_limit;
use sctp_tools::transport::{self, TransportOptions, carrier};
use sctp_tools::{launch, supervised};
use tracing_subscriber::EnvFilter;

/// The shims' files, beside this program. Which is for what C library they say themselves.
const SHIMS: [&str; 2] = ["libsctp_preload.so", "libsctp_preload-musl.so"];
/// Names another file.
const SHIM_VARIABLE: &str = "SCTP_PRELOAD";
/// The program holds the host's lease on a number that it does not count on.
const LOWEST_LEASE: i32 = 500;
/// What the host says when it serves; else it says why it does not.
const READY: &str = "ready ";
/// Exit codes of shells: the program is not there, or cannot be run.
const NOT_FOUND: u8 = 127;
const CANNOT_RUN: u8 = 126;
/// Associations may take so long to end once the program is gone.
const LINGER: Duration = Duration::from_secs(300);

const EXAMPLES: &str = "\
Examples:
  sctp-run -v ./server -p 5001                     and say what carries its packets, and why
  sctp-run --udp --local 127.0.0.2 ./server        SCTP in UDP, from one address
  sctp-run --raw ./client 192.0.2.1                SCTP over IP, as a kernel has it
  sctp-run --tun 10.9.0.2/24 ./server              as a host of its own on a TUN interface
  sctp-run --seccomp ./program-in-go               by supervising its system calls
  sctp-run --udp --impair loss=1%,delay=20ms ./client 192.0.2.1
  sctp-run --udp --pcap run.pcapng --trace=run.log ./client 192.0.2.1

Which stack: a running sctpd that serves this user, else a stack of the program's own (over raw IP where that is permitted, else \
over UDP), which ends with the program and its associations. --own, --trace and every transport option mean a stack of its own.

Which programs: those that load shared libraries. What is static, set-uid, or for another processor or C library is refused, \
with the reason. With --seccomp all that are for this processor; set-uid programs have no privileges then.

Exit codes: the program's; 2 wrong usage; 126 the program or the stack cannot be started; 127 there is no \
such program.";

/// Runs a program that uses SCTP sockets, unmodified, where the kernel has no SCTP.
#[derive(Parser, Debug)]
#[command(name = "sctp-run", version, after_help = EXAMPLES, override_usage = "sctp-run [OPTIONS] PROGRAM [ARGUMENT]...")]
struct Options {
    #[command(flatten)]
    transport: TransportOptions,
    /// Say on standard error which stack and transport are used, and why not others
    #[arg(short, long)]
    verbose: bool,
    /// Use a stack of the program's own, although sctpd runs
    #[arg(long)]
    own: bool,
    /// Use the service at this abstract UNIX name instead of sctpd's, or fail
    #[arg(long, value_name = "NAME", conflicts_with = "own")]
    service: Option<String>,
    /// Write what the stack does to standard error, or to this file. The environment variable RUST_LOG says how much, e.g.
    /// RUST_LOG=sctp_user=trace
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "the option, and its value")]
    trace: Option<Option<PathBuf>>,
    /// The preload shim [default: $SCTP_PRELOAD, else libsctp_preload.so or libsctp_preload-musl.so beside this program, as
    /// the program needs it]
    #[arg(long, value_name = "FILE")]
    preload: Option<PathBuf>,
    /// Supervise the program's system calls instead: for programs without a C library (Go, static binaries)
    #[arg(long)]
    seccomp: bool,
    /// Serve at this name, for sctp-run itself
    #[arg(long, hide = true)]
    serve: Option<String>,
    /// Supervise with the service at this name, for sctp-run itself
    #[arg(long, hide = true, value_name = "NAME")]
    supervise: Option<String>,
    /// Start a child that serves or supervises and leave, for sctp-run itself
    #[arg(long, hide = true)]
    detach: bool,
    /// The program and its arguments
    #[arg(required_unless_present_any = ["serve", "supervise"], trailing_var_arg = true, allow_hyphen_values = true)]
    program: Vec<OsString>,
}

/// Why the program does not run, and the exit code that says so, as shells have them.
struct Failure {
    code: u8,
    message: String,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self { code: CANNOT_RUN, message }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match (&options.serve, &options.supervise) {
        (Some(_), _) | (_, Some(_)) if options.detach => start_child_and_leave(),
        (Some(name), _) => {
            serve(&options, name);
            Ok(())
        }
        (_, Some(name)) => {
            supervise(name);
            Ok(())
        }
        (None, None) => run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, message }) => {
            eprintln!("sctp-run: {message}");
            ExitCode::from(code)
        }
    }
}

/// Starts the host, and becomes the program.
fn run(options: &Options) -> Result<(), Failure> {
    let (program, arguments) =
        options.program.split_first().ok_or_else(|| "no program was given".to_owned())?;
    let shim = if options.seccomp { None } else { Some(shim_for(program, options)?) };
    let service = find_service(options)?;
    if options.verbose {
        eprintln!("sctp-run: {}", service.told);
    }
    let mut command = Command::new(program);
    command.args(arguments).env(SERVICE_VARIABLE, &service.name);
    command.env(SERVICE_USER_VARIABLE, service.user.to_string());
    command.env(SERVICE_MAKER_VARIABLE, service.maker.to_string());
    command.envs(service.lease.map(|lease| (LEASE_VARIABLE, lease)));
    match shim {
        Some(shim) => command.env("LD_PRELOAD", before_other_libraries(shim)),
        None => {
            supervised::enter(&["--supervise", &service.name, "--detach"])?;
            &mut command
        }
    };
    // Only a failure returns.
    let error = command.exec();
    let code = if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN };
    Err(Failure { code, message: format!("cannot run {}: {error}", program.display()) })
}

/// The shim, if the program can have it.
fn shim_for(program: &OsStr, options: &Options) -> Result<PathBuf, String> {
    let shims = shims(options.preload.as_deref());
    let Some(file) = launch::find(program) else { return readable(&shims[0]) };
    let fits = |shim: &&PathBuf| shim.exists() && launch::check(&file, shim).is_ok();
    let shim = readable(shims.iter().find(fits).unwrap_or(&shims[0]))?;
    launch::check(&file, &shim).map_err(|refusal| refusal.to_string())?;
    if let Some(hint) = launch::hint(&file) {
        eprintln!("sctp-run: {hint}");
    }
    Ok(shim)
}

fn before_other_libraries(shim: PathBuf) -> OsString {
    let preload = std::env::var_os("LD_PRELOAD").unwrap_or_default();
    let mut all = shim.into_os_string();
    if !preload.is_empty() {
        all.push(":");
        all.push(preload);
    }
    all
}

/// The one that is named, or those that there may be.
fn shims(named: Option<&Path>) -> Vec<PathBuf> {
    let variable = || std::env::var_os(SHIM_VARIABLE).map(PathBuf::from);
    if let Some(named) = named.map(Path::to_owned).or_else(variable) {
        return vec![named];
    }
    let folder = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_owned()));
    SHIMS.iter().map(|shim| folder.clone().unwrap_or_default().join(shim)).collect()
}

fn readable(shim: &Path) -> Result<PathBuf, String> {
    shim.canonicalize().map_err(|error| {
        format!(
            "cannot read the preload shim {}: {error}; build it with `cargo build --release -p sctp-preload`, or \
             name it with --preload",
            shim.display()
        )
    })
}

/// What serves a program.
struct Found {
    /// Its abstract name.
    name: String,
    /// Whose it is.
    user: u32,
    /// Who makes its sockets.
    maker: u32,
    /// What there is to say of it.
    told: String,
    /// By what it lives, as the shim wants to know it.
    lease: Option<String>,
}

/// What is to serve the program.
fn find_service(options: &Options) -> Result<Found, String> {
    let name = options.service.as_deref().unwrap_or(SERVICE_NAME);
    let is_particular = options.own || options.trace.is_some() || options.transport.is_particular();
    let why_own = if options.service.is_none() && is_particular {
        "as the options ask".to_owned()
    } else {
        let found = daemon::probe(name);
        match (&found, &options.service) {
            (&Probe::Serves { user, maker, .. }, _) => {
                let (name, told) = (name.to_owned(), found.describe());
                return Ok(Found { name, user, maker, told, lease: None });
            }
            (_, Some(name)) => {
                return Err(format!("the service {name} cannot be used: {}", found.describe()));
            }
            (_, None) => found.describe(),
        }
    };
    let name = format!("sctp-run/{:032x}", rand::random::<u128>());
    let (transport, lease) = start_host(&name)?;
    let told = format!("{transport}; a stack of its own: {why_own}");
    let user = nix::unistd::geteuid().as_raw();
    Ok(Found { name, user, maker: user, told, lease: Some(lease) })
}

/// Starts the host and waits until it serves; says what it serves with, and its lease.
fn start_host(name: &str) -> Result<(String, String), String> {
    let cannot = |error: std::io::Error| format!("cannot start the host of the stack: {error}");
    // The same arguments: the host reads the transport's.
    let mut starter = Command::new(std::env::current_exe().map_err(cannot)?)
        .args(["--serve", name, "--detach"])
        .args(std::env::args_os().skip(1))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    let lease = starter.stdin.take().map(OwnedFd::from).ok_or("the host has no lease")?;
    let mut answer = String::new();
    if let Some(mut stdout) = starter.stdout.take() {
        stdout.read_to_string(&mut answer).map_err(cannot)?;
    }
    starter.wait().map_err(cannot)?;
    let transport = answer.strip_prefix(READY).ok_or_else(|| answer.trim_end().to_owned())?;
    Ok((transport.trim_end().to_owned(), give(&lease).map_err(|errno| cannot(errno.into()))?))
}

/// Gives the program a copy of the lease that exec leaves open: it is closed when the program and all of its descendants are gone.
fn give(lease: &OwnedFd) -> nix::Result<String> {
    let number = fcntl(lease, FcntlArg::F_DUPFD(LOWEST_LEASE))?;
    Ok(format!("{number}:{}", nix::sys::stat::fstat(lease)?.st_ino))
}

/// The parent of the host, or of the supervisor, which leaves at once: so that one is nobody's child.
fn start_child_and_leave() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args_os().skip(1).filter(|argument| argument != "--detach").collect();
    let child = std::env::current_exe().and_then(|exe| Command::new(exe).args(arguments).spawn());
    child.map(|_| ()).map_err(|error| format!("cannot start a process beside the program: {error}").into())
}

/// The host. It tells on standard output whether it serves; standard input is its lease.
fn serve(options: &Options, name: &str) {
    let opened = start_trace(options).and_then(|()| open_service(options, name));
    let said = match &opened {
        Ok((_, transport)) => format!("{READY}{transport}"),
        Err(error) => error.clone(),
    };
    // Whoever waits for this finds out either way.
    let _ = writeln!(std::io::stdout(), "{said}");
    let Ok((service, _)) = opened else { return };
    raise_descriptor_limit();
    if let Ok(lease) = detach()
        && let Err(error) = service.run(Some(lease))
    {
        tracing::error!(%error, "the host ends");
    }
}

/// The supervisor. Standard input is its channel to the program.
fn supervise(service: &str) {
    if let Ok(channel) = detach()
        && let Err(error) = sctp_supervisor::supervise(channel.into(), service)
    {
        tracing::error!(%error, "the supervisor ends");
    }
}

fn start_trace(options: &Options) -> Result<(), String> {
    let out = match &options.trace {
        None => return Ok(()),
        Some(Some(file)) => {
            File::create(file).map_err(|error| format!("cannot write {}: {error}", file.display()))?
        }
        // A copy: the host lets go of the program's streams.
        Some(None) => {
            std::io::stderr().as_fd().try_clone_to_owned().map_err(|error| error.to_string())?.into()
        }
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("debug"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(out)).init();
    Ok(())
}

fn open_service(options: &Options, name: &str) -> Result<(Service, String), String> {
    let builder = options.transport.builder().map_err(|error| error.to_string())?;
    let stack = builder.defaults(sctp_service::defaults()).linger(LINGER).build().map_err(explain)?;
    let transport = match stack.why_not_raw() {
        Some(reason) => format!("SCTP over {}, not over raw IP: {reason}", carrier(&stack)),
        None => format!("SCTP over {}", carrier(&stack)),
    };
    let rules = Rules { limits: Limits::NONE, ..Rules::default() };
    let control = Control::new(rules).map_err(|error| error.to_string())?;
    let service = Listener::bind(name).and_then(|listener| Service::open(stack, listener, control));
    Ok((service.map_err(|error| error.to_string())?, transport))
}

/// Why there is no stack, and what to do.
fn explain(error: socketapi::Error) -> String {
    let reason = transport::explain(&error);
    match transport::taken_port(&error) {
        Some(_) => format!(
            "{reason}. The stack of a program under sctp-run stays until its last association has ended; an sctpd is shared by \
             all programs: start one"
        ),
        None => reason,
    }
}

/// Lets go of everything that is the program's: streams, terminal, folder. Returns what was standard input.
fn detach() -> nix::Result<OwnedFd> {
    let lease = std::io::stdin().as_fd().try_clone_to_owned().map_err(|_| nix::Error::EMFILE)?;
    let null = open("/dev/null", OFlag::O_RDWR, nix::sys::stat::Mode::empty())?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    nix::unistd::dup2_stderr(&null)?;
    drop(null);
    // Fails only for a leader of a process group, which a spawned process is not.
    let _ = nix::unistd::setsid();
    nix::unistd::chdir("/")?;
    Ok(lease)
}
