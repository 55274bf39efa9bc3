//! The user's side of the fractal generator: a session for each tile, which survives its elements.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rserpool::driver::{Error as DriverError, PoolUser, Session};
use rserpool::pool_user::ResolutionError;
use rserpool::session::SessionEvent;
use rserpool::wire::PoolElement;
use rserpool::{PeId, PoolHandle};

use super::picture::{Origin, Picture, Tile};
use super::protocol::{Data, PPID, Parameter};
use crate::program::{GLANCE, describe_waiting, signal};

/// A tile whose elements say that it is complete while points are missing is asked for again, so often at most.
const MOST_REPEATS: u32 = 3;
/// An element that has sent so many times the points of a tile is left: it does not come to an end.
const MOST_TIMES: u64 = 4;

/// What is wanted, and of whom.
#[derive(Clone, Debug)]
pub struct Order {
    /// The pool.
    pub pool_handle: PoolHandle,
    /// The picture.
    pub parameter: Parameter,
    /// An element that is silent for so long is left.
    pub receive_timeout: Duration,
    /// How long to wait for the first element.
    pub patience: Duration,
}

/// Has a picture computed. Elements that were met, in that order, are in `elements`.
///
/// # Errors
/// Why it cannot be had. Nothing is left of it then.
pub fn compute(
    user: &PoolUser,
    order: &Order,
    tiles: &[Tile],
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<(Picture, Vec<PeId>), Box<dyn Error + Send + Sync>> {
    let board = Board {
        picture: Mutex::new(Picture::new(order.parameter.width, order.parameter.height)),
        elements: Mutex::default(),
        is_given_up: AtomicBool::new(false),
        stop,
    };
    std::thread::scope(|scope| {
        let start = |tile: &Tile| {
            let (board, tile) = (&board, *tile);
            scope.spawn(move || {
                let session = user.open_session(order.pool_handle.clone());
                let outcome = Worker::new(order, board, tile, session).run();
                board.is_given_up.fetch_or(outcome.is_err(), Ordering::AcqRel);
                outcome
            })
        };
        let threads: Vec<_> = tiles.iter().map(start).collect();
        let outcomes: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or(Err("a thread panicked".into())))
            .collect();
        outcomes.into_iter().collect::<Result<(), _>>()
    })?;
    Ok((board.picture.into_inner(), board.elements.into_inner()))
}

/// Where all sessions put their points.
struct Board<'a> {
    picture: Mutex<Picture>,
    elements: Mutex<Vec<PeId>>,
    /// A tile cannot be had, so the others are not needed.
    is_given_up: AtomicBool,
    stop: &'a (dyn Fn() -> bool + Sync),
}

impl Board<'_> {
    fn number(&self, element: &PoolElement) -> u32 {
        let mut elements = self.elements.lock();
        let known = elements.iter().position(|known| *known == element.id);
        known.unwrap_or_else(|| {
            elements.push(element.id);
            elements.len() - 1
        }) as u32
    }
}

/// One session.
struct Worker<'a> {
    order: &'a Order,
    board: &'a Board<'a>,
    tile: Tile,
    session: Session,
    origin: Origin,
    /// When the element has said something, or the session got it; none while there is none.
    heard: Option<Instant>,
    /// Points that the element has sent.
    points: u64,
    repeats: u32,
}

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

impl<'a> Worker<'a> {
    fn new(order: &'a Order, board: &'a Board<'a>, tile: Tile, session: Session) -> Self {
        let origin = Origin { session: tile.number as u32, ..Origin::default() };
        Self { order, board, tile, session, origin, heard: None, points: 0, repeats: 0 }
    }

    fn run(mut self) -> Outcome<()> {
        let begin = Instant::now();
        let mut refusal = describe_waiting(Some(&ResolutionError::TimedOut));
        let mut has_begun = false;
        loop {
            if (self.board.stop)() || self.board.is_given_up.load(Ordering::Acquire) {
                return Err("given up".into());
            }
            match self.session.receive(Some(Instant::now() + GLANCE)) {
                Ok(SessionEvent::Connected { element }) => {
                    has_begun = true;
                    self.begin(&element, false)?;
                }
                Ok(SessionEvent::FailoverComplete { element, has_cookie }) => {
                    self.origin.failovers += 1;
                    self.begin(&element, has_cookie)?;
                }
                Ok(SessionEvent::FailoverNecessary { reason }) => {
                    tracing::warn!(tile = self.tile.number, "the element failed: {}", signal(reason));
                    self.heard = None;
                }
                Ok(SessionEvent::Waiting { error }) => refusal = describe_waiting(error.as_ref()),
                Ok(SessionEvent::Data(message)) if message.ppid == PPID => {
                    self.heard = Some(Instant::now());
                    if self.take(Data::decode(message.data))? {
                        return Ok(());
                    }
                }
                // Whoever sends something else is as silent as who sends nothing.
                Ok(_) => {}
                Err(DriverError::TimedOut) if !has_begun && begin.elapsed() >= self.order.patience => {
                    return Err(refusal.into());
                }
                Err(DriverError::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
            self.watch();
        }
    }

    /// An element serves the session from now on. With a cookie it knows what to do.
    fn begin(&mut self, element: &PoolElement, has_cookie: bool) -> Outcome<()> {
        self.origin.element = self.board.number(element);
        (self.heard, self.points) = (Some(Instant::now()), 0);
        if has_cookie { Ok(()) } else { self.ask() }
    }

    fn ask(&self) -> Outcome<()> {
        let message = self.tile.parameter(&self.order.parameter).to_user_message();
        match self.session.send(&message) {
            // The element has failed meanwhile; the events say so.
            Err(DriverError::Send(_)) => Ok(()),
            result => Ok(result?),
        }
    }

    /// Whether the tile is complete.
    fn take(&mut self, data: Option<Data>) -> Outcome<bool> {
        match data {
            Some(Data::Points { x, y, points }) => {
                self.points += points.len() as u64;
                self.board.picture.lock().put(&self.tile, (x, y), &points, self.origin);
                Ok(false)
            }
            Some(Data::End) if self.board.picture.lock().is_complete(&self.tile) => Ok(true),
            Some(Data::End) if self.repeats >= MOST_REPEATS => {
                Err("elements say that the picture is complete, and points are missing".into())
            }
            Some(Data::End) => {
                self.repeats += 1;
                self.ask().map(|()| false)
            }
            None => Ok(false),
        }
    }

    /// Leaves an element that is silent, or sends without end.
    fn watch(&mut self) {
        let Some(heard) = self.heard else { return };
        let is_silent = heard.elapsed() >= self.order.receive_timeout;
        let area = u64::from(self.tile.width) * u64::from(self.tile.height);
        if is_silent || self.points > MOST_TIMES * area {
            let what = if is_silent { "is silent" } else { "sends points without end" };
            tracing::warn!(tile = self.tile.number, "the element {what}");
            self.heard = None;
            self.session.force_failover(false);
        }
    }
}
