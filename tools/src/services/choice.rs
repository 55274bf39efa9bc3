//! Which service a server gives, and with which settings.

use std::io;
use std::sync::Arc;

use clap::Args;
use parking_lot::Mutex;
use rserpool::driver::{Error, PoolElement, PoolElementOptions};
use rserpool::wire::Policy;
use socketapi::Stack;

use super::calcapp::server::{CalcApp, CalcAppOptions, CalcAppRecord};
use super::fractal::server::{FractalGenerator, FractalOptions};
use super::plain::{CharGen, Daytime, Discard, Echo};
use super::scripting::server::{Scripting, ScriptingOptions};
use crate::pingpong::PingPong;
use crate::program;

/// Which service it is.
#[derive(Args, Clone, Copy, Debug)]
#[group(multiple = false)]
pub struct ServiceFlags {
    /// Service: send each message back (the default)
    #[arg(long)]
    pub echo: bool,
    /// Service: throw messages away
    #[arg(long)]
    pub discard: bool,
    /// Service: tell the time of day
    #[arg(long)]
    pub daytime: bool,
    /// Service: send characters as fast as the user takes them
    #[arg(long)]
    pub chargen: bool,
    /// Service: ping-pong, whose sessions survive fail-overs by cookies
    #[arg(long)]
    pub pingpong: bool,
    /// Service: compute pictures of fractals; sessions survive fail-overs by cookies
    #[arg(long)]
    pub fractal: bool,
    /// Service: a model of a server, with a capacity that jobs share; jobs survive fail-overs by cookies
    #[arg(long)]
    pub calcapp: bool,
    /// Service: run scripts that users send, as the user who runs this: WHOEVER reaches the pool can do here what that user
    /// can. See the options of -scripting for what is bounded
    #[arg(long)]
    pub scripting: bool,
}

/// Settings of each.
#[derive(Args, Clone, Debug)]
pub struct ServiceOptions {
    /// Character generator: sessions at a time
    #[arg(long, value_name = "SESSIONS", default_value_t = 4, value_parser = program::sessions)]
    pub chargenmaxthreads: usize,
    /// Ping-pong: sessions at a time
    #[arg(long, value_name = "SESSIONS", default_value_t = 4, value_parser = program::sessions)]
    pub pppmaxthreads: usize,
    /// Ping-pong: break each session off after so many replies, to show fail-overs; 0 for never
    #[arg(long, value_name = "REPLIES", default_value_t = 0)]
    pub pppfailureafter: u64,
    /// Settings of the fractal generator.
    #[command(flatten)]
    pub fractal: FractalOptions,
    /// Settings of CalcApp.
    #[command(flatten)]
    pub calcapp: CalcAppOptions,
    /// Settings of the scripting service.
    #[command(flatten)]
    pub scripting: ScriptingOptions,
}

/// A service, with what it keeps from one life of the element to the next.
#[derive(Debug)]
pub enum Work {
    /// See [`Echo`].
    Echo,
    /// See [`Discard`].
    Discard,
    /// See [`Daytime`].
    Daytime,
    /// See [`CharGen`]; sessions at a time.
    CharGen(usize),
    /// See [`PingPong`]; sessions at a time.
    PingPong(usize, PingPong),
    /// See [`FractalGenerator`].
    Fractal(FractalOptions),
    /// See [`CalcApp`].
    CalcApp(CalcAppOptions, Arc<Mutex<CalcAppRecord>>),
    /// See [`Scripting`]; sessions at a time.
    Scripting(usize, Scripting),
}

impl ServiceFlags {
    /// The pool that RSPLIB has for it.
    pub fn pool_handle(&self) -> &'static str {
        match self {
            Self { discard: true, .. } => "DiscardPool",
            Self { daytime: true, .. } => "DaytimePool",
            Self { chargen: true, .. } => "CharGenPool",
            Self { pingpong: true, .. } => "PingPongPool",
            Self { fractal: true, .. } => "FractalGeneratorPool",
            Self { calcapp: true, .. } => "CalcAppPool",
            Self { scripting: true, .. } => "ScriptingPool",
            _ => "EchoPool",
        }
    }

    /// The policy of its pool, unless another one is asked for.
    pub fn policy(&self, options: &ServiceOptions) -> Policy {
        if self.scripting { options.scripting.policy() } else { Policy::default() }
    }

    /// Creates the files that the service writes.
    ///
    /// # Errors
    /// What cannot be created, and why.
    pub fn prepare(&self, options: &ServiceOptions) -> io::Result<Work> {
        Ok(match self {
            Self { discard: true, .. } => Work::Discard,
            Self { daytime: true, .. } => Work::Daytime,
            Self { chargen: true, .. } => Work::CharGen(options.chargenmaxthreads),
            Self { pingpong: true, .. } => {
                let failure_after = Some(options.pppfailureafter).filter(|replies| *replies > 0);
                Work::PingPong(options.pppmaxthreads, PingPong { failure_after })
            }
            Self { fractal: true, .. } => Work::Fractal(options.fractal.clone()),
            Self { calcapp: true, .. } => {
                Work::CalcApp(options.calcapp.clone(), CalcAppRecord::create(&options.calcapp)?)
            }
            Self { scripting: true, .. } => {
                Work::Scripting(options.scripting.ssmaxthreads, Scripting::new(options.scripting.clone())?)
            }
            _ => Work::Echo,
        })
    }
}

impl Work {
    /// Whether users carry its state from element to element.
    pub fn gives_cookies(&self) -> bool {
        matches!(self, Self::PingPong(..) | Self::Fractal(_) | Self::CalcApp(..))
    }

    /// Starts an element that gives the service.
    ///
    /// # Errors
    /// As [`PoolElement::start`].
    pub fn start(&self, stack: &Stack, options: PoolElementOptions) -> Result<PoolElement, Error> {
        match self {
            Self::Echo => PoolElement::start(stack, options, Echo),
            Self::Discard => PoolElement::start(stack, options, Discard),
            Self::Daytime => PoolElement::start(stack, options, Daytime),
            Self::CharGen(sessions) => PoolElement::start_sessions(stack, options, *sessions, CharGen),
            Self::PingPong(sessions, service) => {
                PoolElement::start_sessions(stack, options, *sessions, *service)
            }
            Self::Fractal(of) => {
                let service = FractalGenerator::new(of.clone());
                PoolElement::start_sessions(stack, options, of.fgpmaxthreads, service)
            }
            Self::CalcApp(of, record) => {
                let service = CalcApp::new(of.clone(), options.config.id, Arc::clone(record));
                PoolElement::start(stack, options, service)
            }
            Self::Scripting(sessions, service) => {
                PoolElement::start_sessions(stack, options, *sessions, service.clone())
            }
        }
    }
}
