//! The jobs of an element: who shares its calculations, and what is due when.

use std::time::{Duration, Instant};

use rserpool::registrar::UserId;
use rserpool::transport::AssociationId;

use super::protocol::Progress;

/// No wait is longer, so that no clock overflows.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Between two cookies of a job, whatever the rules say: there is no use in more, and no end to them.
const SHORTEST_COOKIE_PAUSE: Duration = Duration::from_millis(100);

/// What an element can do, and how often it tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Calculations per second.
    pub(super) capacity: f64,
    pub(super) max_jobs: usize,
    /// Jobs of one user.
    pub(super) max_user_jobs: usize,
    /// How long a job may take.
    pub(super) max_time: Duration,
    pub(super) keep_alive_interval: Duration,
    pub(super) keep_alive_timeout: Duration,
    pub(super) cookie_time: Duration,
    pub(super) cookie_calculations: f64,
}

/// Something that is due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Due {
    /// A job is done, and no longer there.
    Complete(AssociationId, Progress),
    /// A cookie is to be sent.
    Cookie(AssociationId, Progress),
    /// The user is to be asked whether it is there.
    KeepAlive(AssociationId, u32),
    /// The user did not answer; its job is no longer there.
    Lost(AssociationId, u32),
    /// The job has taken too long, and is no longer there.
    Overdue(AssociationId, Progress),
}

#[derive(Clone, Copy, Debug)]
enum KeepAlive {
    Next(Instant),
    Answer(Instant),
}

#[derive(Clone, Debug)]
struct Job {
    session: AssociationId,
    user: UserId,
    id: u32,
    end: Instant,
    size: f64,
    completed: f64,
    keep_alive: KeepAlive,
    cookie_at: Instant,
    cookie_completed: f64,
}

impl Job {
    fn progress(&self) -> Progress {
        Progress { job: self.id, size: self.size as u64, completed: self.completed as u64 }
    }

    fn left(&self) -> f64 {
        self.size - self.completed
    }
}

/// All jobs.
#[derive(Debug)]
pub(super) struct Jobs {
    rules: Rules,
    jobs: Vec<Job>,
    updated: Instant,
    used: f64,
}

impl Jobs {
    pub(super) fn new(rules: Rules, now: Instant) -> Self {
        Self { rules, jobs: Vec::new(), updated: now, used: 0.0 }
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn load(&self) -> f64 {
        self.jobs.len() as f64 / self.rules.max_jobs as f64
    }

    /// Calculations done since this was last asked.
    pub(super) fn take_used(&mut self) -> f64 {
        std::mem::take(&mut self.used)
    }

    /// Calculations per second that each job gets.
    fn rate(&self) -> f64 {
        self.rules.capacity / self.jobs.len().max(1) as f64
    }

    /// Calculates until now.
    fn advance(&mut self, now: Instant) {
        let done = self.rate() * now.saturating_duration_since(self.updated).as_secs_f64();
        self.updated = self.updated.max(now);
        for job in &mut self.jobs {
            let done = done.min(job.left());
            job.completed += done;
            self.used += done;
        }
    }

    /// Takes a job, if there is room, also among those of its user, and the session has none of this name.
    pub(super) fn accept(
        &mut self,
        session: AssociationId,
        user: UserId,
        progress: Progress,
        now: Instant,
    ) -> bool {
        self.advance(now);
        let is_known = self.find(session, progress.job).is_some();
        let of_user = self.jobs.iter().filter(|job| job.user == user).count();
        if self.jobs.len() >= self.rules.max_jobs || of_user >= self.rules.max_user_jobs || is_known {
            return false;
        }
        self.jobs.push(Job {
            session,
            user,
            id: progress.job,
            end: now + self.rules.max_time,
            size: progress.size as f64,
            completed: progress.completed as f64,
            keep_alive: KeepAlive::Next(now + self.rules.keep_alive_interval),
            cookie_at: now,
            cookie_completed: progress.completed as f64,
        });
        true
    }

    fn find(&mut self, session: AssociationId, id: u32) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| (job.session, job.id) == (session, id))
    }

    pub(super) fn has(&mut self, session: AssociationId, id: u32) -> bool {
        self.find(session, id).is_some()
    }

    /// The user is there.
    pub(super) fn acknowledge(&mut self, session: AssociationId, id: u32, now: Instant) {
        let next = KeepAlive::Next(now + self.rules.keep_alive_interval);
        if let Some(job) = self.find(session, id) {
            job.keep_alive = next;
        }
    }

    pub(super) fn remove(&mut self, session: AssociationId, id: u32, now: Instant) {
        self.advance(now);
        self.jobs.retain(|job| (job.session, job.id) != (session, id));
    }

    pub(super) fn remove_session(&mut self, session: AssociationId, now: Instant) {
        self.advance(now);
        self.jobs.retain(|job| job.session != session);
    }

    /// How far all are.
    pub(super) fn all(&mut self, now: Instant) -> Vec<(AssociationId, Progress)> {
        self.advance(now);
        self.jobs.iter().map(|job| (job.session, job.progress())).collect()
    }

    /// When something is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.jobs.iter().map(|job| self.due(job)).min()
    }

    fn due(&self, job: &Job) -> Instant {
        let (KeepAlive::Next(keep_alive) | KeepAlive::Answer(keep_alive)) = job.keep_alive;
        let to_cookie = self.rules.cookie_calculations - (job.completed - job.cookie_completed);
        let done = self.updated + self.time_for(job.left());
        let cookie = (self.updated + self.time_for(to_cookie)).min(job.cookie_at + self.rules.cookie_time);
        let cookie = cookie.max(job.cookie_at + SHORTEST_COOKIE_PAUSE);
        keep_alive.min(done).min(cookie).min(job.end)
    }

    /// How long a job needs for so many calculations, if nothing changes.
    fn time_for(&self, calculations: f64) -> Duration {
        // A little more, so that they are done then whatever is lost by rounding.
        let seconds = (calculations / self.rate()).max(0.0) + 1e-6;
        Duration::try_from_secs_f64(seconds).map_or(LONGEST, |wait| wait.min(LONGEST))
    }

    /// What is due, one after the other.
    pub(super) fn poll_due(&mut self, now: Instant) -> Option<Due> {
        self.advance(now);
        let rules = self.rules;
        if let Some(index) = self.jobs.iter().position(|job| job.left() <= 0.0) {
            let job = self.jobs.remove(index);
            return Some(Due::Complete(job.session, job.progress()));
        }
        for (index, job) in self.jobs.iter_mut().enumerate() {
            if now >= job.end {
                let job = self.jobs.remove(index);
                return Some(Due::Overdue(job.session, job.progress()));
            }
            let is_far = job.completed - job.cookie_completed >= rules.cookie_calculations;
            let is_late = now >= job.cookie_at + rules.cookie_time;
            if (is_far || is_late) && now >= job.cookie_at + SHORTEST_COOKIE_PAUSE {
                (job.cookie_at, job.cookie_completed) = (now, job.completed);
                return Some(Due::Cookie(job.session, job.progress()));
            }
            match job.keep_alive {
                KeepAlive::Next(due) if due <= now => {
                    job.keep_alive = KeepAlive::Answer(now + rules.keep_alive_timeout);
                    return Some(Due::KeepAlive(job.session, job.id));
                }
                KeepAlive::Answer(due) if due <= now => {
                    let job = self.jobs.remove(index);
                    return Some(Due::Lost(job.session, job.id));
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: AssociationId = AssociationId::Incoming(1);
    const OTHER: AssociationId = AssociationId::Incoming(2);

    fn rules() -> Rules {
        Rules {
            capacity: 1000.0,
            max_jobs: 2,
            max_user_jobs: 2,
            max_time: Duration::from_secs(1_000_000),
            keep_alive_interval: Duration::from_secs(100),
            keep_alive_timeout: Duration::from_secs(10),
            cookie_time: Duration::from_secs(1000),
            cookie_calculations: 1e9,
        }
    }

    fn user(number: u8) -> UserId {
        UserId::of([10, 0, 0, number].into())
    }

    fn job(id: u32, size: u64) -> Progress {
        Progress { job: id, size, completed: 0 }
    }

    /// What happens until a time, and how long after `begin` each.
    fn run(jobs: &mut Jobs, begin: Instant, seconds: f64) -> Vec<(u64, Due)> {
        let end = begin + Duration::from_secs_f64(seconds);
        let mut happened = Vec::new();
        while let Some(due) = jobs.next_due().filter(|due| *due <= end) {
            while let Some(event) = jobs.poll_due(due) {
                happened.push(((due - begin).as_millis() as u64, event));
            }
        }
        happened
    }

    #[test]
    fn jobs_share_the_capacity() {
        let begin = Instant::now();
        let mut jobs = Jobs::new(rules(), begin);
        assert!(
            jobs.accept(SESSION, user(1), job(1, 1000), begin)
                && jobs.accept(OTHER, user(2), job(1, 3000), begin)
        );
        assert!(!jobs.accept(OTHER, user(2), job(2, 1), begin), "two are enough");
        assert_eq!(jobs.load(), 1.0);
        let happened = run(&mut jobs, begin, 60.0);
        // The first after 2 s at half the speed; then 2000 are left to the other one.
        let done = |progress: Progress| Progress { completed: progress.size, ..progress };
        let expected = [
            (2000, Due::Complete(SESSION, done(job(1, 1000)))),
            (4000, Due::Complete(OTHER, done(job(1, 3000)))),
        ];
        assert_eq!(happened, expected);
        assert!((jobs.take_used() - 4000.0).abs() < 0.1);
    }

    #[test]
    fn cookies_come_after_so_many_calculations_or_so_much_time() {
        let begin = Instant::now();
        let cookies = |rules: Rules| -> Vec<_> {
            let mut jobs = Jobs::new(rules, begin);
            assert!(jobs.accept(SESSION, user(1), Progress { completed: 500, ..job(1, 4000) }, begin));
            let happened = run(&mut jobs, begin, 60.0);
            let cookie = |(at, due)| {
                if let Due::Cookie(_, progress) = due { Some((at, progress.completed)) } else { None }
            };
            happened.into_iter().filter_map(cookie).collect()
        };
        let expected = [(1000, 1500), (2000, 2500), (3000, 3500)];
        assert_eq!(cookies(Rules { cookie_calculations: 1000.0, ..rules() }), expected);
        assert_eq!(cookies(Rules { cookie_time: Duration::from_secs(1), ..rules() }), expected);
    }

    #[test]
    fn cookies_are_not_sent_without_pause() {
        let begin = Instant::now();
        let mut jobs = Jobs::new(Rules { cookie_calculations: 1e-300, ..rules() }, begin);
        assert!(jobs.accept(SESSION, user(1), job(1, 1_000_000), begin));
        assert_eq!(run(&mut jobs, begin, 1.0).len(), 10);
        let mut jobs = Jobs::new(Rules { cookie_time: Duration::ZERO, ..rules() }, begin);
        assert!(jobs.accept(SESSION, user(1), job(1, 1_000_000), begin));
        assert_eq!(run(&mut jobs, begin, 1.0).len(), 10);
    }

    #[test]
    fn one_user_leaves_room_to_others_and_no_job_stays_for_ever() {
        let begin = Instant::now();
        let (max_user_jobs, max_time) = (1, Duration::from_secs(60));
        let mut jobs = Jobs::new(Rules { max_user_jobs, max_time, ..rules() }, begin);
        assert!(jobs.accept(SESSION, user(1), job(1, u64::MAX), begin));
        assert!(!jobs.accept(OTHER, user(1), job(1, 1), begin), "he has one");
        assert!(jobs.accept(OTHER, user(2), job(1, 1000), begin));
        let happened = run(&mut jobs, begin, 100.0);
        // 2 s at half of the speed, 58 at all of it.
        let [_, (60_000, Due::Overdue(SESSION, progress))] = happened[..] else { panic!("{happened:?}") };
        assert!((58_990..=59_000).contains(&progress.completed), "{progress:?}");
        assert!(jobs.accept(SESSION, user(1), job(2, 1), begin + max_time));
    }

    #[test]
    fn who_does_not_answer_loses_the_job() {
        let begin = Instant::now();
        let mut jobs = Jobs::new(rules(), begin);
        assert!(jobs.accept(SESSION, user(1), job(7, u64::MAX), begin));
        assert_eq!(run(&mut jobs, begin, 105.0), [(100_000, Due::KeepAlive(SESSION, 7))]);
        jobs.acknowledge(SESSION, 7, begin + Duration::from_secs(105));
        let happened = run(&mut jobs, begin, 300.0);
        assert_eq!(happened, [(205_000, Due::KeepAlive(SESSION, 7)), (215_000, Due::Lost(SESSION, 7))]);
        assert_eq!((jobs.len(), jobs.next_due()), (0, None));
    }

    #[test]
    fn jobs_of_no_calculations_and_of_all_there_are_do_no_harm() {
        let begin = Instant::now();
        let mut jobs = Jobs::new(rules(), begin);
        assert!(jobs.accept(SESSION, user(1), job(1, 0), begin));
        assert!(jobs.accept(SESSION, user(1), Progress { completed: u64::MAX, ..job(2, u64::MAX) }, begin));
        assert_eq!(run(&mut jobs, begin, 1.0).len(), 2);
        assert!(!jobs.has(SESSION, 1));
    }
}
