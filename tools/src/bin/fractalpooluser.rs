//! A user of the fractal generator.

use std::error::Error;
use std::io::{self, BufWriter};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use rserpool::PeId;
use rserpool::driver::PoolUser;
use sctp_tools::csp::CspOptions;
use sctp_tools::dialect;
use sctp_tools::logging::LogOptions;
use sctp_tools::output_file::OutputFile;
use sctp_tools::pool_user::UserOptions;
use sctp_tools::program::{self, CLIENT_EXIT_CODES, Failure};
use sctp_tools::search;
use sctp_tools::services::fractal::client::{self, Order};
use sctp_tools::services::fractal::picture::{Colouring, Picture, Tile};
use sctp_tools::services::fractal::protocol::{Algorithm, MAX_ITERATIONS, MAX_SIZE, Parameter};
use sctp_tools::signals::Signals;
use sctp_tools::transport::TransportOptions;

const EXAMPLES: &str = "\
Examples:
  fractalpooluser                             a picture every 5 s: fractal-000001.png, fractal-000002.png and so on
  fractalpooluser --count=1 -threads=9 -width=1200 -height=800      four or more elements, as many colours
  fractalpooluser --count=1 --area=-0.5,-0.8,0.2,-0.2 --iterations=500 -nosessions -nocolormarks      iterations, and nothing else
  fractalpooluser --count=1 --here            computes the picture without a pool, to compare

A session survives its element: the next one goes on from the last cookie. Points that are missing at the end are asked for \
again.

Accepted without effect: -sendtimeout, -configdir, -caption, -identifier, -registrarconnectmaxtrials (a registrar is sought as long as \
one is needed).
";

/// Has pictures computed by a pool, and writes them as PNG. Ends at SIGINT or SIGTERM.
#[derive(Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n{CLIENT_EXIT_CODES}"))]
struct Cli {
    /// Handle of the pool
    #[arg(long, alias = "pool-handle", value_parser = dialect::pool_handle, default_value = "FractalGeneratorPool")]
    poolhandle: String,
    #[command(flatten)]
    picture: PictureOptions,
    /// Sessions that compute a part of each picture each
    #[arg(long, value_name = "SESSIONS", default_value_t = 1, value_parser = program::sessions)]
    threads: usize,
    /// Leave an element that says nothing for so long, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    recvtimeout: u64,
    /// Pause between two pictures, seconds
    #[arg(long, value_name = "S", default_value = "5", value_parser = program::seconds)]
    interimagetime: Duration,
    /// What the files' names begin with; six digits and .png follow
    #[arg(long, value_name = "PREFIX", default_value = "fractal-")]
    imagestorageprefix: String,
    /// End after so many pictures
    #[arg(long, value_name = "PICTURES")]
    count: Option<u64>,
    /// How long to wait for an element at the start, seconds
    #[arg(long, value_name = "S", default_value = "30", value_parser = program::seconds)]
    patience: Duration,
    /// Compute the pictures here, without a pool
    #[arg(long)]
    here: bool,
    #[command(flatten)]
    colours: ColourOptions,
    #[command(flatten)]
    user: UserOptions,
    #[command(flatten)]
    transport: TransportOptions,
    #[command(flatten)]
    csp: CspOptions,
    #[command(flatten)]
    log: LogOptions,
}

/// What picture it is.
#[derive(Args)]
#[command(next_help_heading = "Picture options")]
struct PictureOptions {
    /// Width in points
    #[arg(long, value_name = "POINTS", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=MAX_SIDE))]
    width: u32,
    /// Height in points
    #[arg(long, value_name = "POINTS", default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..=MAX_SIDE))]
    height: u32,
    /// The numbers at the top left and at the bottom right: real and imaginary part of each
    #[arg(long, value_name = "R,I,R,I", default_value = "-1.5,1.5,1.5,-1.5", allow_hyphen_values = true, value_parser = area)]
    area: Area,
    /// Iterations for a point at most
    #[arg(long, value_name = "ITERATIONS", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_ITERATIONS)))]
    iterations: u32,
    /// How points are computed
    #[arg(long, value_enum, default_value_t = AlgorithmName::Mandelbrot)]
    algorithm: AlgorithmName,
    /// Exponent of mandelbrot-n
    #[arg(long, value_name = "NUMBER", default_value_t = 2.0, allow_hyphen_values = true, value_parser = finite)]
    n: f64,
}

/// A picture of this width and height is 0.8 GB in memory.
const MAX_SIDE: i64 = MAX_SIZE as i64 / 8;

/// How points are computed.
#[derive(Clone, Copy, ValueEnum)]
enum AlgorithmName {
    /// z² - c
    Mandelbrot,
    /// zⁿ - c
    MandelbrotN,
}

/// What colours mean.
#[derive(Args)]
#[command(next_help_heading = "Colour options")]
struct ColourOptions {
    /// Show who computed what: a colour for each element, darker with more iterations (the default)
    #[arg(long, alias = "color-by-element", overrides_with = "colour_by_iterations")]
    colour_by_element: bool,
    /// Colours for iterations, as RSPLIB's client has them; so does each of the following options
    #[arg(long, alias = "color-by-iterations", overrides_with = "colour_by_element")]
    colour_by_iterations: bool,
    /// Other colours after each fail-over (the default for iterations)
    #[arg(long, overrides_with = "nocolormarks")]
    colormarks: bool,
    /// The same colours after a fail-over
    #[arg(long, overrides_with = "colormarks")]
    nocolormarks: bool,
    /// Other colours for each session (the default for iterations)
    #[arg(long, overrides_with = "nosessions")]
    sessions: bool,
    /// The same colours for all sessions
    #[arg(long, overrides_with = "sessions")]
    nosessions: bool,
}

#[derive(Clone, Copy)]
struct Area {
    from: (f64, f64),
    to: (f64, f64),
}

fn finite(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| "a number is needed, such as 2.5".into())
}

fn area(text: &str) -> Result<Area, String> {
    let numbers: Vec<f64> = text.split(',').filter_map(|number| number.trim().parse().ok()).collect();
    match numbers[..] {
        [a, b, c, d] if numbers.iter().all(|number| number.is_finite()) => {
            Ok(Area { from: (a, b), to: (c, d) })
        }
        _ => Err("four numbers are needed, with commas between them, such as -1.5,1.5,1.5,-1.5".into()),
    }
}

fn main() -> ExitCode {
    let more = ["sendtimeout", "configdir", "caption", "identifier"];
    let ignored: Vec<_> = search::IGNORED.iter().chain(&more).copied().collect();
    let cli: Cli = program::parse(&ignored);
    program::run("fractalpooluser", |signals| draw(&cli, signals))
}

fn draw(cli: &Cli, signals: &Signals) -> Result<(), Box<dyn Error>> {
    cli.log.start()?;
    if cli.here {
        return draw_here(cli, signals);
    }
    let stack = cli.user.search.build_stack(&cli.transport)?;
    let user = Arc::new(PoolUser::start(&stack, cli.user.pool_user())?);
    let _reporter = cli.csp.report(&user)?;
    let order = cli.order()?;
    let tiles = Tile::divide(order.parameter.width, order.parameter.height, cli.threads);
    let stop = || signals.have_come().unwrap_or(true);
    each_picture(cli, signals, || match client::compute(&user, &order, &tiles, &stop) {
        Err(_) if stop() => Ok(None),
        Err(error) => Err(error as Box<dyn Error>),
        Ok((picture, elements)) => {
            tell(&picture, &elements)?;
            Ok(Some(picture))
        }
    })
}

fn draw_here(cli: &Cli, signals: &Signals) -> Result<(), Box<dyn Error>> {
    let parameter = cli.order()?.parameter;
    let tiles = Tile::divide(parameter.width, parameter.height, cli.threads);
    each_picture(cli, signals, || Ok(Some(Picture::compute(&parameter, &tiles))))
}

/// Makes and writes pictures; none when a signal has come.
fn each_picture(
    cli: &Cli,
    signals: &Signals,
    make: impl Fn() -> Result<Option<Picture>, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    for number in 1.. {
        let Some(picture) = make()? else { return cli.end_after(number - 1) };
        let name = format!("{}{number:06}.png", cli.imagestorageprefix);
        write(&picture, Path::new(&name), cli.colours.colouring())?;
        program::say(&name)?;
        if cli.count.is_some_and(|count| number >= count) || signals.wait(Some(cli.interimagetime))? {
            return cli.end_after(number);
        }
    }
    Ok(())
}

fn write(picture: &Picture, path: &Path, colouring: Colouring) -> io::Result<()> {
    let mut file = BufWriter::new(OutputFile::create(path)?);
    picture.write_png(&mut file, colouring)?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.complete()
}

/// Who computed how much.
fn tell(picture: &Picture, elements: &[PeId]) -> io::Result<()> {
    for (number, element) in elements.iter().enumerate() {
        program::say(format_args!("{} points by {element}", picture.points_of(number as u32)))?;
    }
    Ok(())
}

impl Cli {
    /// How it ends after so many pictures.
    fn end_after(&self, pictures: u64) -> Result<(), Box<dyn Error>> {
        if self.count.is_some_and(|count| pictures < count) {
            Err(Failure::Interrupted.into())
        } else {
            Ok(())
        }
    }

    fn order(&self) -> Result<Order, Failure> {
        let PictureOptions { width, height, area, iterations, n, .. } = self.picture;
        let algorithm = match self.picture.algorithm {
            AlgorithmName::Mandelbrot => Algorithm::Mandelbrot,
            AlgorithmName::MandelbrotN => Algorithm::MandelbrotN,
        };
        let Area { from, to } = area;
        Ok(Order {
            pool_handle: self.user.pool_handle(&self.poolhandle)?,
            parameter: Parameter { width, height, max_iterations: iterations, algorithm, from, to, n },
            receive_timeout: Duration::from_millis(self.recvtimeout),
            patience: self.patience,
        })
    }
}

impl ColourOptions {
    fn colouring(&self) -> Colouring {
        let marks = [self.colormarks, self.nocolormarks, self.sessions, self.nosessions];
        if self.colour_by_element || !(self.colour_by_iterations || marks.contains(&true)) {
            return Colouring::Elements;
        }
        Colouring::Iterations { by_session: !self.nosessions, by_failover: !self.nocolormarks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colouring(arguments: &[&str]) -> Colouring {
        let cli = Cli::try_parse_from(["fractalpooluser"].iter().chain(arguments)).expect("good options");
        cli.colours.colouring()
    }

    #[test]
    fn colours_say_who_computed_what_unless_iterations_are_asked_for() {
        assert_eq!(
            [colouring(&[]), colouring(&["--colour-by-element", "--nosessions"])],
            [Colouring::Elements; 2]
        );
        let by_iterations = |by_session, by_failover| Colouring::Iterations { by_session, by_failover };
        assert_eq!(colouring(&["--colour-by-iterations"]), by_iterations(true, true));
        assert_eq!(colouring(&["--colormarks"]), by_iterations(true, true));
        assert_eq!(colouring(&["--nosessions", "--nocolormarks"]), by_iterations(false, false));
        assert_eq!(colouring(&["--nosessions", "--sessions"]), by_iterations(true, true));
    }
}
