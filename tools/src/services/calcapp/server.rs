//! The element's side of CalcApp.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Args;
use parking_lot::Mutex;
use rserpool::PeId;
use rserpool::driver::{Service, ServiceSession, Sessions};
use rserpool::registrar::UserId;
use rserpool::transport::{AssociationId, LostReason, Peer, UserMessage};

use super::jobs::{Due, Jobs, Rules};
use super::protocol::{Kind, Message, Progress};
use super::record::{Vector, stamp, write_scalars};
use crate::program;

/// Settings of CalcApp.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of -calcapp")]
pub struct CalcAppOptions {
    /// Calculations per second, which all jobs share
    #[arg(long, value_name = "CALCULATIONS/S", default_value_t = 1e6, value_parser = program::positive)]
    pub capcapacity: f64,
    /// Jobs at a time
    #[arg(long, value_name = "JOBS", default_value_t = 10, value_parser = program::sessions)]
    pub capmaxjobs: usize,
    /// Jobs at a time of one user, who is an address; by default all
    #[arg(long, value_name = "JOBS", value_parser = program::sessions)]
    pub capmaxuserjobs: Option<usize>,
    /// Seconds that a job may take; then its user gets a cookie, and has to look for another element
    #[arg(long, value_name = "S", default_value = "86400", value_parser = program::seconds)]
    pub capmaxjobtime: Duration,
    /// Give users a cookie after so many seconds, but not more than ten in a second
    #[arg(long, value_name = "S", default_value = "5", value_parser = program::seconds)]
    pub capcookiemaxtime: Duration,
    /// Give users a cookie after so many calculations
    #[arg(long, value_name = "CALCULATIONS", default_value_t = 5e6, value_parser = program::positive)]
    pub capcookiemaxcalculations: f64,
    /// Ask users whether they are there after so many milliseconds, at least 100
    #[arg(long, value_name = "MS", default_value_t = 2500, value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub capkeepalivetransmissioninterval: u64,
    /// Forget jobs of users that have not answered after so many milliseconds, at least 100
    #[arg(long, value_name = "MS", default_value_t = 2500, value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub capkeepalivetimeoutinterval: u64,
    /// Give users a cookie at the end with this probability, 0 to 1
    #[arg(long, value_name = "PROBABILITY", default_value_t = 1.0, value_parser = program::probability)]
    pub capcleanshutdownprobability: f64,
    /// Name of this element in the files
    #[arg(long, value_name = "NAME", default_value = "scenario.calcapppoolelement[0]")]
    pub capobject: String,
    /// Write a line for each job that is done to this file; empty for none
    #[arg(long, value_name = "FILE", default_value = "calcapppoolelement.vec", value_parser = program::file)]
    pub capvector: PathBuf,
    /// Write totals to this file at the end; empty for none
    #[arg(long, value_name = "FILE", default_value = "calcapppoolelement.sca", value_parser = program::file)]
    pub capscalar: PathBuf,
}

const HEADING: &str = "ObjectName PID PoolElementIdentifier CurrentTimeStamp Runtime   AvailableCalculations \
                       UsedCalculations Utilization   CurrentJobs MaxJobs\n";

/// What is written down, over all lives of an element.
#[derive(Debug)]
pub struct CalcAppRecord {
    vector: Vector,
    begin: Instant,
    used: f64,
    accepted: u64,
    rejected: u64,
}

impl CalcAppRecord {
    /// Creates the files.
    ///
    /// # Errors
    /// Which file cannot be written, and why.
    pub fn create(options: &CalcAppOptions) -> io::Result<Arc<Mutex<Self>>> {
        let vector = Vector::create(&options.capvector, HEADING)?;
        let record = Self { vector, begin: Instant::now(), used: 0.0, accepted: 0, rejected: 0 };
        Ok(Arc::new(Mutex::new(record)))
    }

    fn available(&self, capacity: f64) -> f64 {
        self.begin.elapsed().as_secs_f64() * capacity
    }

    /// Writes the totals, once the last element has stopped.
    ///
    /// # Errors
    /// Which file lacks what belongs to it, and why.
    pub fn write_totals(&mut self, options: &CalcAppOptions) -> io::Result<()> {
        let (capacity, uptime) = (options.capcapacity, self.begin.elapsed().as_secs_f64());
        let available = self.available(capacity);
        let scalars = [
            ("\"CalcAppPE Service Uptime\"", format!("{uptime:.6}")),
            ("\"CalcAppPE Service Capacity\"", format!("{capacity:.0}")),
            ("\"CalcAppPE Service Max Jobs\"", options.capmaxjobs.to_string()),
            ("\"CalcAppPE Total Used Capacity\"", format!("{:.0}", self.used)),
            ("\"CalcAppPE Total Wasted Capacity\"", format!("{:.0}", available - self.used)),
            ("\"CalcAppPE Total Jobs Accepted\"", self.accepted.to_string()),
            ("\"CalcAppPE Total Jobs Rejected\"", self.rejected.to_string()),
            ("\"CalcAppPE Utilization\"", format!("{:.6}", self.used / available)),
        ];
        let written = write_scalars(&options.capscalar, &options.capobject, &scalars);
        self.vector.finish().and(written)
    }
}

/// Does jobs.
#[derive(Debug)]
pub struct CalcApp {
    options: CalcAppOptions,
    id: PeId,
    record: Arc<Mutex<CalcAppRecord>>,
    jobs: Jobs,
    /// Of each session.
    users: HashMap<AssociationId, UserId>,
}

impl CalcApp {
    /// With these settings; `id` goes to the files.
    pub fn new(options: CalcAppOptions, id: PeId, record: Arc<Mutex<CalcAppRecord>>) -> Self {
        let rules = Rules {
            capacity: options.capcapacity,
            max_jobs: options.capmaxjobs,
            max_user_jobs: options.capmaxuserjobs.unwrap_or(options.capmaxjobs),
            max_time: options.capmaxjobtime,
            keep_alive_interval: Duration::from_millis(options.capkeepalivetransmissioninterval),
            keep_alive_timeout: Duration::from_millis(options.capkeepalivetimeoutinterval),
            cookie_time: options.capcookiemaxtime,
            cookie_calculations: options.capcookiemaxcalculations,
        };
        Self { options, id, record, jobs: Jobs::new(rules, Instant::now()), users: HashMap::new() }
    }

    fn accept(&mut self, session: &mut ServiceSession<'_>, progress: Progress) {
        let Some(user) = self.users.get(&session.id()) else { return };
        let is_accepted = self.jobs.accept(session.id(), *user, progress, Instant::now());
        tracing::info!(session = ?session.id(), ?progress, is_accepted, "a job");
        let mut record = self.record.lock();
        record.accepted += u64::from(is_accepted);
        record.rejected += u64::from(!is_accepted);
        drop(record);
        let kind = if is_accepted { Kind::Accept } else { Kind::Reject };
        self.say(session, Message::new(kind, progress.job));
        session.set_load(self.jobs.load());
    }

    /// Who cannot be told anything has lost its jobs.
    fn say(&mut self, session: &mut ServiceSession<'_>, message: Message) {
        if let Err(error) = session.send(message.to_user_message()) {
            tracing::warn!(%error, "session given up");
            session.abort();
        }
    }

    fn handle_due(&mut self, due: Due, sessions: &mut Sessions<'_>) {
        match due {
            Due::Complete(id, progress) => {
                self.note_completion();
                self.say(&mut sessions.session(id), Message { kind: Kind::Complete, progress });
            }
            Due::Cookie(id, progress) => send_cookie(&mut sessions.session(id), progress),
            Due::KeepAlive(id, job) => {
                self.say(&mut sessions.session(id), Message::new(Kind::KeepAlive, job));
            }
            Due::Overdue(id, progress) => {
                tracing::info!(session = ?id, ?progress, "the job takes too long");
                send_cookie(&mut sessions.session(id), progress);
                self.say(&mut sessions.session(id), Message::new(Kind::Abort, progress.job));
            }
            Due::Lost(id, job) => tracing::info!(session = ?id, job, "the user does not answer"),
        }
    }

    fn note_completion(&mut self) {
        let (used, jobs) = (self.jobs.take_used(), self.jobs.len());
        let CalcAppOptions { capcapacity, capmaxjobs, capobject, .. } = &self.options;
        let mut record = self.record.lock();
        record.used += used;
        let (runtime, available) = (record.begin.elapsed().as_secs_f64(), record.available(*capcapacity));
        let (used, pid) = (record.used, std::process::id());
        let (id, utilization, now) = (self.id.0, used / available, stamp());
        record.vector.write(format_args!(
            "{capobject} {pid} 0x{id:08x} {now:.6}   {runtime:.6}   {available:.0} {used:.0} {utilization:.6}   \
             {jobs} {capmaxjobs}"
        ));
    }
}

fn send_cookie(session: &mut ServiceSession<'_>, progress: Progress) {
    if let Err(error) = session.send_cookie(progress.to_cookie()) {
        tracing::warn!(%error, "no cookie");
    }
}

impl Service for CalcApp {
    fn on_start(&mut self, session: &mut ServiceSession<'_>, peer: &Peer) {
        if let Some(address) = peer.addresses.first() {
            self.users.insert(session.id(), UserId::of(*address));
        }
    }

    fn on_message(&mut self, session: &mut ServiceSession<'_>, message: UserMessage) {
        let Some(Message { kind, progress }) = Message::decode(&message) else {
            return tracing::debug!("not of CalcApp");
        };
        let (id, job, now) = (session.id(), progress.job, Instant::now());
        match kind {
            Kind::Request => self.accept(session, Progress { completed: 0, ..progress }),
            Kind::KeepAlive if self.jobs.has(id, job) => {
                self.say(session, Message::new(Kind::KeepAliveAck, job));
            }
            Kind::KeepAliveAck => self.jobs.acknowledge(id, job, now),
            Kind::Abort => {
                self.jobs.remove(id, job, now);
                session.set_load(self.jobs.load());
            }
            _ => tracing::debug!(?kind, job, "no such job, or nothing for an element"),
        }
    }

    fn on_cookie_echo(&mut self, session: &mut ServiceSession<'_>, cookie: Bytes) {
        match Progress::from_cookie(&cookie) {
            Some(progress) => self.accept(session, progress),
            None => {
                tracing::warn!("the cookie is not one of ours");
                session.abort();
            }
        }
    }

    fn on_end(&mut self, sessions: &mut Sessions<'_>, session: AssociationId, _reason: LostReason) {
        self.users.remove(&session);
        self.jobs.remove_session(session, Instant::now());
        sessions.set_load(self.jobs.load());
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.jobs.next_due()
    }

    fn on_timeout(&mut self, sessions: &mut Sessions<'_>) {
        while let Some(due) = self.jobs.poll_due(Instant::now()) {
            self.handle_due(due, sessions);
        }
        sessions.set_load(self.jobs.load());
    }

    fn on_stop(&mut self, sessions: &mut Sessions<'_>) {
        let all = self.jobs.all(Instant::now());
        if rand::random_bool(self.options.capcleanshutdownprobability) {
            all.iter().for_each(|(id, progress)| send_cookie(&mut sessions.session(*id), *progress));
        }
        self.record.lock().used += self.jobs.take_used();
    }
}
