//! The user's side of CalcApp: jobs come at random, wait in a queue, and are done one after the other, each in a session of its
//! own.

use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use rserpool::driver::{Error as DriverError, PoolUser, Session};
use rserpool::session::SessionEvent;
use rserpool::{PeId, PoolHandle};

use super::protocol::{Kind, Message, Progress};
use super::record::{Vector, stamp, write_scalars};
use crate::outages::negative_exponential;
use crate::program::{self, Failure, GLANCE};
use crate::signals::Signals;

/// What jobs there are, and what is written down.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Job options")]
pub struct JobOptions {
    /// Seconds from job to job on the average (negative exponential)
    #[arg(long, value_name = "S", default_value = "15", value_parser = program::seconds)]
    pub jobinterval: Duration,
    /// Calculations of a job on the average (negative exponential); 0 for jobs that are done at once
    #[arg(long, value_name = "CALCULATIONS", default_value_t = 5e6, value_parser = program::not_negative)]
    pub jobsize: f64,
    /// Ask the element whether it is there after so many milliseconds, at least 100
    #[arg(long, value_name = "MS", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub keepalivetransmissioninterval: u64,
    /// Leave an element that has not answered after so many milliseconds, at least 100
    #[arg(long, value_name = "MS", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub keepalivetimeoutinterval: u64,
    /// End after so many seconds; 0: go on
    #[arg(long, value_name = "S", default_value = "86400", value_parser = program::seconds)]
    pub runtime: Duration,
    /// End after so many jobs
    #[arg(long, value_name = "JOBS")]
    pub count: Option<u64>,
    /// Name of this user in the files
    #[arg(long, value_name = "NAME", default_value = "scenario.calcapppooluser[0]")]
    pub object: String,
    /// Write a line for each job that is done to this file; empty for none
    #[arg(long, value_name = "FILE", default_value = "CalcAppPU.vec", value_parser = program::file)]
    pub vector: PathBuf,
    /// Write totals to this file at the end; empty for none
    #[arg(long, value_name = "FILE", default_value = "CalcAppPU.sca", value_parser = program::file)]
    pub scalar: PathBuf,
}

const HEADING: &str = "ObjectName PID JobID JobSize JobInterval   QueueLength QueuingDelay StartupDelay \
                       ProcessingTime HandlingTime HandlingSpeed   QueuingTimeStamp StartupTimeStamp \
                       AcceptTimeStamp CompleteTimeStamp\n";

/// Jobs that wait at most; of more, nobody would ever see the end.
const LONGEST_QUEUE: usize = 100_000;
/// Between a rejection and the next try.
const REJECTED_PAUSE: Duration = Duration::from_secs(1);

/// A job, and when what happened to it, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Job {
    id: u32,
    size: u64,
    /// Jobs before it when it came.
    queue_length: usize,
    queued: f64,
    started: f64,
    accepted: f64,
}

/// What has been done.
#[derive(Debug, Default)]
struct Totals {
    queued: (u64, f64),
    started: (u64, f64),
    completed: (u64, f64),
    queuing: f64,
    startup: f64,
    processing: f64,
    requests: u64,
    accepts: u64,
    rejects: u64,
    keep_alives: u64,
    keep_alive_acks: u64,
}

/// A user with its queue.
pub struct Client<'a> {
    options: &'a JobOptions,
    queue: VecDeque<Job>,
    next_job: Instant,
    last_id: u32,
    totals: Totals,
    vector: Vector,
}

/// What a session waits for.
#[derive(Clone, Copy, Debug)]
enum Wait {
    /// An element.
    Element,
    /// A sign of life, until then.
    Answer(Instant),
    /// Nothing in particular: until then no sign of life is needed.
    Done(Instant),
    /// A pause, because the element has too much to do.
    Pause(Instant),
}

impl Wait {
    fn until(self) -> Option<Instant> {
        match self {
            Self::Element => None,
            Self::Answer(until) | Self::Done(until) | Self::Pause(until) => Some(until),
        }
    }
}

impl<'a> Client<'a> {
    /// Creates the files.
    ///
    /// # Errors
    /// Which file cannot be written, and why.
    pub fn new(options: &'a JobOptions) -> io::Result<Self> {
        let vector = Vector::create(&options.vector, HEADING)?;
        let next_job = Instant::now() + negative_exponential(options.jobinterval, rand::random());
        Ok(Self { options, queue: VecDeque::new(), next_job, last_id: 0, totals: Totals::default(), vector })
    }

    /// Has jobs done until the end, and writes the totals.
    ///
    /// # Errors
    /// When the stack has failed, the totals cannot be written, or a signal has come before all jobs were done that were asked for.
    pub fn run(
        mut self,
        user: &PoolUser,
        pool_handle: &PoolHandle,
        signals: &Signals,
    ) -> Result<(), Box<dyn Error>> {
        let runtime = Some(self.options.runtime).filter(|runtime| !runtime.is_zero());
        let end = runtime.map(|runtime| Instant::now() + runtime);
        let is_over = |client: &Self| -> io::Result<bool> {
            let is_enough = client.options.count.is_some_and(|count| client.totals.completed.0 >= count);
            Ok(is_enough || end.is_some_and(|end| Instant::now() >= end) || signals.have_come()?)
        };
        while !is_over(&self)? {
            self.queue_jobs();
            let Some(mut job) = self.queue.pop_front() else {
                let until = end.map_or(self.next_job, |end| self.next_job.min(end));
                std::thread::sleep(until.saturating_duration_since(Instant::now()).min(GLANCE));
                continue;
            };
            job.started = stamp();
            add(&mut self.totals.started, &job);
            let session = user.open_session(pool_handle.clone());
            self.have_done(job, &session, &is_over)?;
        }
        self.write_totals()?;
        let is_short = self.options.count.is_some_and(|count| self.totals.completed.0 < count);
        if is_short && signals.have_come()? { Err(Failure::Interrupted.into()) } else { Ok(()) }
    }

    /// Queues the jobs whose time has come.
    fn queue_jobs(&mut self) {
        while self.next_job <= Instant::now() && self.queue.len() < LONGEST_QUEUE {
            self.last_id = self.last_id.wrapping_add(1);
            let chance: f64 = rand::random();
            let size = (-self.options.jobsize * (1.0 - chance).ln()).round() as u64;
            let (queue_length, queued) = (self.queue.len(), stamp());
            let job = Job { id: self.last_id, size, queue_length, queued, started: 0.0, accepted: 0.0 };
            add(&mut self.totals.queued, &job);
            self.queue.push_back(job);
            self.next_job += negative_exponential(self.options.jobinterval, rand::random());
        }
    }

    /// When there is a job to queue; not as long as there is no room for it.
    fn next_queued(&self) -> Instant {
        let pause = if self.queue.len() < LONGEST_QUEUE { Duration::ZERO } else { GLANCE };
        self.next_job.max(Instant::now() + pause)
    }

    fn have_done(
        &mut self,
        mut job: Job,
        session: &Session,
        is_over: &dyn Fn(&Self) -> io::Result<bool>,
    ) -> Result<(), Box<dyn Error>> {
        let mut wait = Wait::Element;
        while !is_over(self)? {
            self.queue_jobs();
            let glance = Instant::now() + GLANCE;
            let until = wait.until().map_or(glance, |until| until.min(glance));
            match session.receive(Some(until.min(self.next_queued()))) {
                Ok(SessionEvent::Data(message)) => {
                    let Some(message) = Message::decode(&message).filter(|it| it.progress.job == job.id)
                    else {
                        continue;
                    };
                    if message.kind == Kind::Complete && job.accepted > 0.0 {
                        let element = session.element().map_or(PeId(0), |element| element.id);
                        return Ok(self.complete(&job, element)?);
                    }
                    wait = self.handle(message.kind, &mut job, session, wait)?;
                }
                Ok(event) => {
                    if !matches!(event, SessionEvent::BusinessCard(_)) {
                        program::say(program::describe(&event))?;
                    }
                    wait = self.handle_event(&event, &job, session, wait)?;
                }
                Err(DriverError::TimedOut) => wait = self.handle_timeout(&job, session, wait)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn handle(
        &mut self,
        kind: Kind,
        job: &mut Job,
        session: &Session,
        wait: Wait,
    ) -> Result<Wait, DriverError> {
        match kind {
            Kind::Accept => {
                self.totals.accepts += 1;
                job.accepted = stamp();
                Ok(self.done())
            }
            Kind::Reject => {
                self.totals.rejects += 1;
                Ok(Wait::Pause(Instant::now() + REJECTED_PAUSE))
            }
            Kind::KeepAlive => {
                self.totals.keep_alive_acks += 1;
                send(session, Message::new(Kind::KeepAliveAck, job.id))?;
                Ok(wait)
            }
            // Who has not taken it says nothing by that.
            Kind::KeepAliveAck if job.accepted > 0.0 => Ok(self.done()),
            Kind::KeepAliveAck => Ok(wait),
            // It has given the job up: another element goes on with it.
            Kind::Abort => Ok(Wait::Pause(Instant::now() + REJECTED_PAUSE)),
            Kind::Request | Kind::Complete => Ok(wait),
        }
    }

    fn handle_event(
        &mut self,
        event: &SessionEvent,
        job: &Job,
        session: &Session,
        wait: Wait,
    ) -> Result<Wait, DriverError> {
        match event {
            SessionEvent::FailoverNecessary { .. } => Ok(Wait::Element),
            // The element knows the job from the cookie, and says whether it takes it.
            SessionEvent::FailoverComplete { has_cookie: true, .. } => Ok(self.answer()),
            SessionEvent::Connected { .. } | SessionEvent::FailoverComplete { .. } => {
                self.totals.requests += 1;
                let progress = Progress { job: job.id, size: job.size, completed: 0 };
                send(session, Message { kind: Kind::Request, progress })?;
                Ok(self.answer())
            }
            _ => Ok(wait),
        }
    }

    fn handle_timeout(&mut self, job: &Job, session: &Session, wait: Wait) -> Result<Wait, DriverError> {
        if wait.until().is_none_or(|until| Instant::now() < until) {
            return Ok(wait);
        }
        match wait {
            Wait::Done(_) => {
                self.totals.keep_alives += 1;
                send(session, Message::new(Kind::KeepAlive, job.id))?;
                Ok(self.answer())
            }
            // RFC 5352, 6.9.2.
            Wait::Answer(_) => {
                session.force_failover(true);
                Ok(Wait::Element)
            }
            Wait::Pause(_) | Wait::Element => {
                session.force_failover(false);
                Ok(Wait::Element)
            }
        }
    }

    fn answer(&self) -> Wait {
        Wait::Answer(Instant::now() + Duration::from_millis(self.options.keepalivetimeoutinterval))
    }

    fn done(&self) -> Wait {
        Wait::Done(Instant::now() + Duration::from_millis(self.options.keepalivetransmissioninterval))
    }

    fn complete(&mut self, job: &Job, element: PeId) -> io::Result<()> {
        let Job { id, size, queue_length, queued, started, accepted } = *job;
        let completed = stamp();
        let (queuing, startup, processing) = (started - queued, accepted - started, completed - accepted);
        let handling = queuing + startup + processing;
        let speed = ratio(size as f64, handling);
        add(&mut self.totals.completed, job);
        self.totals.queuing += queuing;
        self.totals.startup += startup;
        self.totals.processing += processing;
        let (object, pid) = (&self.options.object, std::process::id());
        let interval = self.options.jobinterval.as_secs_f64();
        self.vector.write(format_args!(
            "{object} {pid} {id} {size} {interval:.6}   {queue_length} {queuing:.6} {startup:.6} {processing:.6} \
             {handling:.6} {speed:.6}   {queued:.6} {started:.6} {accepted:.6} {completed:.6}"
        ));
        program::say(format_args!(
            "job {id} of {size} calculations is done, at last by {element}: {queuing:.3} s in the queue, \
             {startup:.3} s until it was accepted, {processing:.3} s until it was done"
        ))
    }

    fn write_totals(&mut self) -> Result<(), Box<dyn Error>> {
        let Totals { queued, started, completed, queuing, startup, processing, .. } = &self.totals;
        let handling = queuing + startup + processing;
        let speed = |time: f64| format!("{:.0}", ratio(completed.1, time));
        let time = |seconds: f64| format!("{seconds:.6}");
        let scalars = [
            ("\"CalcAppPU Total Queuing Time\"", time(*queuing)),
            ("\"CalcAppPU Total Startup Time\"", time(*startup)),
            ("\"CalcAppPU Total Processing Time\"", time(*processing)),
            ("\"CalcAppPU Total Handling Time\"", time(handling)),
            ("\"CalcAppPU Average Processing Speed\"", speed(*processing)),
            ("\"CalcAppPU Average Handling Speed\"", speed(handling)),
            ("\"CalcAppPU Total Jobs Queued\"", queued.0.to_string()),
            ("\"CalcAppPU Total Jobs Started\"", started.0.to_string()),
            ("\"CalcAppPU Total Jobs Completed\"", completed.0.to_string()),
            ("\"CalcAppPU Total Job Size Queued\"", queued.1.to_string()),
            ("\"CalcAppPU Total Job Size Started\"", started.1.to_string()),
            ("\"CalcAppPU Total Job Size Completed\"", completed.1.to_string()),
            ("\"CalcAppPU Total CalcAppRequests\"", self.totals.requests.to_string()),
            ("\"CalcAppPU Total CalcAppAccepts\"", self.totals.accepts.to_string()),
            ("\"CalcAppPU Total CalcAppRejects\"", self.totals.rejects.to_string()),
            ("\"CalcAppPU Total CalcAppCompletes\"", completed.0.to_string()),
            ("\"CalcAppPU Total CalcAppKeepAlives\"", self.totals.keep_alives.to_string()),
            ("\"CalcAppPU Total CalcAppKeepAliveAcks\"", self.totals.keep_alive_acks.to_string()),
        ];
        let written = write_scalars(&self.options.scalar, &self.options.object, &scalars);
        Ok(self.vector.finish().and(written)?)
    }
}

fn add(total: &mut (u64, f64), job: &Job) {
    total.0 += 1;
    total.1 += job.size as f64;
}

fn ratio(of: f64, to: f64) -> f64 {
    if to > 0.0 { of / to } else { 0.0 }
}

fn send(session: &Session, message: Message) -> Result<(), DriverError> {
    match session.send(&message.to_user_message()) {
        // The element has failed meanwhile; the events say so.
        Err(DriverError::Send(_)) => Ok(()),
        result => result,
    }
}
