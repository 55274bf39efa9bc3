//! Load on a registrar: many associations, and several requests on the way on each of them. `hrestest` and `testregistrator` are
//! made of it.
//!
//! One thread does it all, and as little as it can, so that it is the registrar that is measured.

mod intervals;
mod memory;
mod pace;
mod registrations;
mod resolutions;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use hdrhistogram::Histogram;
use rserpool::transport::Peer;
use rserpool::wire::{ASAP_PPID, AsapMessage, EncodeError, Format};
use rserpool::{PeId, SctpSettings};
use serde::Serialize;
use socketapi::{Patience, Poller, Readiness, SctpStream, SendInfo, SocketBuilder, Stack};

pub use intervals::Intervals;
pub use memory::resident_bytes;
pub use registrations::{Registrations, Rest, Stop};
pub use resolutions::{Resolutions, Run};

use crate::program;
use crate::search::{self, SearchError, SearchOptions};
use crate::signals::Signals;
use crate::watched::Watched;

/// How much load, and where to.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load options")]
pub struct LoadOptions {
    /// Associations with it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub associations: u16,
    /// Requests on the way on each association
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub outstanding: u16,
    /// How long the registrar may take to be there, and to answer (see --registrarresponsetimeout, too), seconds
    #[arg(long, value_name = "S", default_value = "30", value_parser = program::seconds)]
    pub patience: Duration,
    /// Where to.
    #[command(flatten)]
    pub search: SearchOptions,
}

/// Options of RSPLIB that have no use for load: see [`search::IGNORED`]; addresses are chosen by `--local`.
pub fn ignored(more: &[&'static str]) -> Vec<&'static str> {
    search::IGNORED.iter().chain(&["disable-ipv6"]).chain(more).copied().collect()
}

/// Why the load ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// No registrar.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// No association.
    #[error("{0}: does a registrar listen there?")]
    Socket(#[from] socketapi::Error),
    /// The registrar has ended an association.
    #[error("the registrar has ended association {0}")]
    Ended(usize),
    /// Nothing came.
    #[error("the registrar has not answered for {0:?}")]
    Silent(Duration),
    /// Our own messages.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The system's.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Messages of an association that are read in one go, so that who sends without end does not stop the others, nor the program
/// from ending.
const BATCH: usize = 1000;

/// What is asked, and what is made of the answers.
pub trait Work {
    /// The next request on an association, if there is one now.
    fn next(&mut self, line: &Place) -> Option<AsapMessage>;

    /// The answer to the oldest request of an association that is not answered.
    fn handle(&mut self, line: &Place, answer: AsapMessage, after: Duration);

    /// Whether this is the kind of message that answers come in.
    fn is_answer(&self, message: &AsapMessage) -> bool;

    /// Whether all is done. Called after each round.
    fn is_done(&mut self) -> bool;

    /// How far it is, for monitors.
    fn describe(&self) -> String;

    /// When there are requests again, if there are none now.
    fn next_due(&self) -> Option<Instant> {
        None
    }
}

/// An association's end on our side.
#[derive(Clone, Debug)]
pub struct Place {
    /// Which association, from 0.
    pub index: usize,
    /// Our addresses.
    pub addresses: Vec<IpAddr>,
    /// Our port.
    pub port: u16,
}

/// Where to connect to, and how.
struct Target {
    registrar: Peer,
    sctp: SctpSettings,
    patience: Duration,
}

struct Line {
    stream: SctpStream,
    place: Place,
    /// When requests were sent that are not answered.
    sent: VecDeque<Instant>,
    /// What had no room.
    waiting: Option<Bytes>,
    /// Acknowledgements had no room, and that was told.
    is_behind: bool,
}

/// Associations with a registrar.
pub struct Lines {
    stack: Stack,
    poller: Poller,
    lines: Vec<Line>,
    format: Format,
    outstanding: usize,
    /// Who is asked first, when all are: one after the other, since a pace may allow one request only.
    first: usize,
    patience: Duration,
    watched: Arc<Watched>,
}

impl Lines {
    /// Connects. A registrar that is not there yet, or not ready, is tried again. None if a signal came first. How it is, and what is done
    /// then, `watched` is told.
    ///
    /// # Errors
    /// [`LoadError::Search`] or [`LoadError::Socket`] says why there is no association.
    pub fn connect(
        stack: &Stack,
        options: &LoadOptions,
        watched: &Arc<Watched>,
        signals: &Signals,
    ) -> Result<Option<Self>, LoadError> {
        watched.say("looks for a registrar", 0);
        let end = Instant::now() + options.patience;
        let found = options.search.find(stack, options.patience, signals)?;
        let Some(registrar) = found else { return Ok(None) };
        let target = Target { registrar, sctp: options.search.sctp(), patience: options.patience };
        let poller = Poller::new(stack);
        let mut lines = Vec::new();
        for index in 0..options.associations.into() {
            let Some(line) = Line::connect(stack, &target, index, end, signals)? else { return Ok(None) };
            poller.add(line.stream.socket(), index as u64, false)?;
            lines.push(line);
            watched.say("connects", lines.len());
        }
        let outstanding = options.outstanding.into();
        // SCTP does not lose what is asked: instead of asking again we wait for so much longer.
        let trials = options.search.registrarrequestmaxtrials.unwrap_or(1);
        let answer = options.search.request_timeout().map(|millis| Duration::from_millis(millis) * trials);
        let patience = answer.unwrap_or(options.patience);
        Ok(Some(Self {
            stack: stack.clone(),
            poller,
            lines,
            format: Format::default(),
            outstanding,
            first: 0,
            patience,
            watched: Arc::clone(watched),
        }))
    }

    /// Works until all is done, a signal comes, or `end`. Returns how long it took.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn run(
        &mut self,
        work: &mut impl Work,
        end: Option<Instant>,
        signals: &Signals,
    ) -> Result<Duration, LoadError> {
        let begin = Instant::now();
        let (mut ready, mut next_glance) = (Vec::new(), begin);
        self.ask_all(work)?;
        while !work.is_done() && end.is_none_or(|end| Instant::now() < end) {
            let now = Instant::now();
            if now >= next_glance {
                if signals.have_come()? {
                    break;
                }
                next_glance = now + program::GLANCE;
                self.watched.say(work.describe(), self.lines.len());
            }
            let until = work.next_due().map_or(next_glance, |due| due.min(next_glance));
            let until = self.stack.now() + until.saturating_duration_since(now);
            match self.poller.wait(&mut ready, Patience::Until(until)) {
                Err(error) if error.is_temporary() => ready.clear(),
                result => result?,
            }
            self.listen_to(&ready, work)?;
            if ready.is_empty() {
                self.ask_all(work)?;
            }
            let oldest = self.lines.iter().filter_map(|line| line.sent.front()).min();
            if oldest.is_some_and(|sent| now.saturating_duration_since(*sent) > self.patience) {
                return Err(LoadError::Silent(self.patience));
            }
        }
        Ok(begin.elapsed())
    }

    fn ask_all(&mut self, work: &mut impl Work) -> Result<(), LoadError> {
        let (first, count) = (self.first, self.lines.len());
        self.first = (first + 1) % count.max(1);
        (first..first + count).try_for_each(|index| self.ask(index % count, work))
    }

    /// Sends as many requests as may be on the way.
    fn ask(&mut self, index: usize, work: &mut impl Work) -> Result<(), LoadError> {
        let line = &mut self.lines[index];
        if !line.send_waiting()? {
            return Ok(());
        }
        while line.sent.len() < self.outstanding {
            let Some(request) = work.next(&line.place) else { break };
            let is_answered = !matches!(request, AsapMessage::EndpointUnreachable { .. });
            line.waiting = Some(request.encode(&self.format)?);
            if is_answered {
                line.sent.push_back(Instant::now());
            }
            if !line.send_waiting()? {
                break;
            }
        }
        Ok(())
    }

    fn listen_to(&mut self, ready: &[Readiness], work: &mut impl Work) -> Result<(), LoadError> {
        let stack = self.stack.clone();
        // Requests that follow answers that came together leave together.
        let _gathering = stack.gather();
        ready.iter().try_for_each(|readiness| self.listen(readiness.token as usize, work))
    }

    /// Takes what has come, and asks again.
    fn listen(&mut self, index: usize, work: &mut impl Work) -> Result<(), LoadError> {
        for _ in 0..BATCH {
            let line = &mut self.lines[index];
            let data = match line.stream.recv_message() {
                Err(error) if error.is_temporary() => break,
                result => result?.ok_or(LoadError::Ended(index))?.into_bytes(),
            };
            let Ok(parsed) = AsapMessage::parse(&data, &self.format) else { continue };
            match parsed.message {
                AsapMessage::EndpointKeepAlive { pool_handle, pe_id: Some(pe_id), .. } => {
                    line.acknowledge(pool_handle, pe_id, &self.format)?;
                }
                message if work.is_answer(&message) => match line.sent.pop_front() {
                    Some(sent) => work.handle(&line.place, message, sent.elapsed()),
                    None => tracing::debug!(?message, "nobody asked"),
                },
                other => tracing::debug!(?other, "ignored"),
            }
        }
        self.ask(index, work)
    }
}

impl Line {
    fn connect(
        stack: &Stack,
        target: &Target,
        index: usize,
        end: Instant,
        signals: &Signals,
    ) -> Result<Option<Self>, LoadError> {
        let Peer { addresses, port } = &target.registrar;
        let addresses: Vec<_> = addresses.iter().map(|ip| SocketAddr::new(*ip, *port)).collect();
        let config = target.sctp.association_config();
        let stream = loop {
            let builder = SocketBuilder::new(stack).config(config.clone()).nonblocking();
            let stream = builder.connect(&addresses[..])?;
            match await_connection(&stream, end, signals)? {
                Some(Ok(())) => break stream,
                Some(Err(socketapi::Error::TimedOut)) => return Err(LoadError::Silent(target.patience)),
                Some(Err(error)) if Instant::now() >= end => return Err(error.into()),
                Some(Err(_)) if !signals.have_come()? => std::thread::sleep(program::GLANCE),
                Some(Err(_)) | None => return Ok(None),
            }
        };
        stream.set_nonblocking(true);
        let local = stream.local_addrs()?;
        let port = local.first().map_or(0, SocketAddr::port);
        let place = Place { index, addresses: local.iter().map(SocketAddr::ip).collect(), port };
        Ok(Some(Self { stream, place, sent: VecDeque::new(), waiting: None, is_behind: false }))
    }

    /// Whether nothing waits any more.
    fn send_waiting(&mut self) -> Result<bool, LoadError> {
        let Some(data) = self.waiting.take() else { return Ok(true) };
        match self.stream.send_bytes(data.clone(), &SendInfo::new().ppid(ASAP_PPID)) {
            Err(error) if error.is_temporary() => {
                self.waiting = Some(data);
                Ok(false)
            }
            result => Ok(result.map(|()| true)?),
        }
    }

    /// A registrar that gets no acknowledgement removes the element.
    fn acknowledge(
        &mut self,
        pool_handle: rserpool::PoolHandle,
        pe_id: PeId,
        format: &Format,
    ) -> Result<(), LoadError> {
        let ack = AsapMessage::EndpointKeepAliveAck { pool_handle, pe_id }.encode(format)?;
        match self.stream.send_bytes(ack, &SendInfo::new().ppid(ASAP_PPID)) {
            Err(error) if error.is_temporary() => {
                if !std::mem::replace(&mut self.is_behind, true) {
                    tracing::warn!("no room for an acknowledgement, and perhaps for more: they are left out");
                }
            }
            result => result?,
        }
        Ok(())
    }
}

/// Waits for a set-up until `end`. None if a signal came first.
fn await_connection(
    stream: &SctpStream,
    end: Instant,
    signals: &Signals,
) -> io::Result<Option<Result<(), socketapi::Error>>> {
    stream.set_nonblocking(false);
    stream.set_write_timeout(Some(program::GLANCE));
    loop {
        match stream.wait_connected() {
            Err(socketapi::Error::TimedOut) if signals.have_come()? => return Ok(None),
            Err(socketapi::Error::TimedOut) if Instant::now() < end => {}
            outcome => return Ok(Some(outcome)),
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Answers, good and bad.
    pub answers: u64,
    /// Those that were refusals.
    pub refused: u64,
    /// How long it took.
    pub seconds: f64,
    /// Answers in a second.
    pub per_second: f64,
    /// Time from a request to its answer, microseconds: half of them took less.
    pub p50_us: u64,
    /// 99 of 100.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// Times from requests to answers.
#[derive(Debug)]
pub struct Times {
    histogram: Histogram<u64>,
    refused: u64,
}

/// Longer times are as bad.
const LONGEST_US: u64 = 60_000_000;

impl Default for Times {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, 3).expect("these bounds are right");
        Self { histogram, refused: 0 }
    }
}

impl Times {
    fn note(&mut self, after: Duration, is_refused: bool) {
        let micros = u64::try_from(after.as_micros()).unwrap_or(LONGEST_US);
        self.histogram.saturating_record(micros.max(1));
        self.refused += u64::from(is_refused);
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.histogram.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.histogram.is_empty()
    }

    /// What 99 of 100 took at most.
    pub fn p99(&self) -> Duration {
        Duration::from_micros(self.histogram.value_at_quantile(0.99))
    }

    /// The summary of so much time.
    pub fn summary(&self, elapsed: Duration) -> Summary {
        let (answers, seconds) = (self.len(), elapsed.as_secs_f64());
        Summary {
            answers,
            refused: self.refused,
            seconds,
            per_second: answers as f64 / seconds.max(f64::MIN_POSITIVE),
            p50_us: self.histogram.value_at_quantile(0.5),
            p99_us: self.histogram.value_at_quantile(0.99),
            max_us: self.histogram.max(),
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { answers, refused, seconds, per_second, p50_us, p99_us, max_us } = self;
        write!(
            f,
            "{answers} answers in {seconds:.1} s, {refused} of them refusals: {per_second:.0} per second; after {p50_us} us (p50), \
             {p99_us} us (p99), {max_us} us at most"
        )
    }
}
