//! The element's side of the fractal generator.

use std::time::{Duration, Instant};

use clap::Args;
use rserpool::driver::{Error, ServerEvent, ServerSession, SessionService};

use super::points::Points;
use super::protocol::{Algorithm, Data, MAX_POINTS, PPID, Parameter, Progress};
use crate::program;

/// Settings of the fractal generator.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of -fractal")]
pub struct FractalOptions {
    /// Sessions at a time
    #[arg(long, value_name = "SESSIONS", default_value_t = 4, value_parser = program::sessions)]
    pub fgpmaxthreads: usize,
    /// Give the user a cookie after so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub fgpcookiemaxtime: u64,
    /// Give the user a cookie after so many messages
    #[arg(long, value_name = "MESSAGES", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub fgpcookiemaxpackets: u32,
    /// Send what there is of a message after so many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub fgpdatamaxtime: u64,
    /// How long a user may take no message, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 2500, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub fgptransmittimeout: u64,
    /// How long a user may have a place and order nothing, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub fgpordertimeout: u64,
    /// End each session after so many messages, to show fail-overs; 0 for never
    #[arg(long, value_name = "MESSAGES", default_value_t = 0)]
    pub fgpfailureafter: u64,
    /// Compute a pattern that costs nothing, whatever is asked for
    #[arg(long)]
    pub fgptestmode: bool,
}

/// Computes pictures.
#[derive(Debug)]
pub struct FractalGenerator {
    options: FractalOptions,
}

impl FractalGenerator {
    /// With these settings.
    pub fn new(options: FractalOptions) -> Self {
        Self { options }
    }

    /// What is to be computed for what has come; none for what is not to be answered.
    fn order(&self, event: ServerEvent) -> Option<Result<Progress, &'static str>> {
        match event {
            ServerEvent::CookieEcho(cookie) => {
                Some(Progress::from_cookie(&cookie).ok_or("the cookie is not one of ours"))
            }
            ServerEvent::Data(message) => {
                let parameter = Parameter::decode(&message.data).filter(|_| message.ppid == PPID);
                Some(parameter.map(Progress::new).ok_or("no picture that can be computed"))
            }
            _ => None,
        }
    }
}

impl SessionService for FractalGenerator {
    fn serve(&self, session: &mut ServerSession<'_>) -> Result<(), Error> {
        session.send_timeout = Duration::from_millis(self.options.fgptransmittimeout);
        let share = 1.0 / self.options.fgpmaxthreads as f64;
        let patience = Duration::from_millis(self.options.fgpordertimeout);
        let mut deadline = Instant::now() + patience;
        loop {
            let event = match session.receive(Some(deadline)) {
                Err(Error::TimedOut) => {
                    tracing::warn!(peer = ?session.peer(), "no picture is ordered");
                    return session.abort();
                }
                event => event?,
            };
            let Some(order) = self.order(event) else { continue };
            match order {
                Ok(progress) => {
                    tracing::info!(peer = ?session.peer(), ?progress, "a picture is wanted");
                    session.set_load(share);
                    let is_complete = Drawing::new(&self.options, session, progress).draw()?;
                    session.set_load(0.0);
                    if !is_complete {
                        return Ok(());
                    }
                    tracing::info!(peer = ?session.peer(), "a picture is complete");
                    deadline = Instant::now() + patience;
                }
                Err(reason) => {
                    tracing::warn!(peer = ?session.peer(), "{reason}");
                    return session.abort();
                }
            }
        }
    }
}

/// A picture on its way.
struct Drawing<'a, 'b> {
    options: &'a FractalOptions,
    session: &'a mut ServerSession<'b>,
    points: Points,
    /// Where the next point is.
    progress: Progress,
    /// Points that are not sent, and where the first of them is.
    pending: Vec<u32>,
    start: (u32, u32),
    last_data: Instant,
    last_cookie: Instant,
    messages: u64,
    since_cookie: u32,
}

impl<'a, 'b> Drawing<'a, 'b> {
    fn new(options: &'a FractalOptions, session: &'a mut ServerSession<'b>, progress: Progress) -> Self {
        let mut parameter = progress.parameter;
        if options.fgptestmode {
            parameter.algorithm = Algorithm::Test(0);
        }
        let now = Instant::now();
        Self {
            options,
            session,
            points: Points::new(parameter),
            progress,
            pending: Vec::with_capacity(MAX_POINTS),
            start: progress.position(),
            last_data: now,
            last_cookie: now,
            messages: 0,
            since_cookie: 0,
        }
    }

    /// Whether it got to the end.
    fn draw(mut self) -> Result<bool, Error> {
        self.send_cookie()?;
        let Parameter { width, height, .. } = self.progress.parameter;
        while self.progress.y < height {
            while self.progress.x < width {
                self.pending.push(self.points.compute(self.progress.x, self.progress.y));
                self.progress.x += 1;
                if !self.look_around()? {
                    return Ok(false);
                }
            }
            (self.progress.x, self.progress.y) = (0, self.progress.y + 1);
        }
        self.send_points()?;
        self.session.send(Data::End.to_user_message())?;
        Ok(true)
    }

    /// Sends what is due. Whether to go on.
    fn look_around(&mut self) -> Result<bool, Error> {
        let is_late = self.last_data.elapsed() >= Duration::from_millis(self.options.fgpdatamaxtime);
        if self.pending.len() >= MAX_POINTS || is_late {
            self.send_points()?;
            self.hear()?;
        }
        let is_failing = self.options.fgpfailureafter > 0 && self.messages >= self.options.fgpfailureafter;
        let is_over = is_failing || self.session.is_stopping();
        let cookie_time = Duration::from_millis(self.options.fgpcookiemaxtime);
        if is_over
            || self.since_cookie >= self.options.fgpcookiemaxpackets
            || self.last_cookie.elapsed() >= cookie_time
        {
            self.send_points()?;
            self.send_cookie()?;
        }
        Ok(!is_over)
    }

    /// Throws away what the user says meanwhile, so that it holds nobody up, and notices when it has gone.
    fn hear(&mut self) -> Result<(), Error> {
        loop {
            match self.session.receive(Some(Instant::now())) {
                Ok(event) => tracing::debug!(?event, "not now"),
                Err(Error::TimedOut | Error::Stopping) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn send_points(&mut self) -> Result<(), Error> {
        if !self.pending.is_empty() {
            let points = std::mem::replace(&mut self.pending, Vec::with_capacity(MAX_POINTS));
            let (x, y) = self.start;
            self.session.send(Data::Points { x, y, points }.to_user_message())?;
            self.messages += 1;
            self.since_cookie += 1;
        }
        self.start = self.progress.position();
        self.last_data = Instant::now();
        Ok(())
    }

    /// All points before the next one have been sent.
    fn send_cookie(&mut self) -> Result<(), Error> {
        self.session.send_cookie(self.progress.to_cookie())?;
        (self.last_cookie, self.since_cookie) = (Instant::now(), 0);
        Ok(())
    }
}
