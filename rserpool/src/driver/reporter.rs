//! Tells a monitor how a component is (CSP).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::Error;
use crate::csp::{ComponentAssociation, ComponentId, StatusReport, Workload};

/// How a component is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComponentState {
    /// Where it is reached; port 0 where it has no port that others know.
    pub addresses: Vec<SocketAddr>,
    /// In words.
    pub status: String,
    /// How busy it is, if it knows.
    pub workload: Option<Workload>,
    /// With whom it has associations.
    pub associations: Vec<ComponentAssociation>,
}

/// Who can be asked how it is: registrars, pool elements and pool users, and what is made of them.
pub trait Component: Send + Sync + 'static {
    /// Its name.
    fn component_id(&self) -> ComponentId;

    /// How it is now. Must not wait.
    fn state(&self) -> ComponentState;
}

/// Where reports go, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReporterOptions {
    /// The monitor.
    pub monitor: SocketAddr,
    /// From one report to the next.
    pub interval: Duration,
}

/// Sends reports, the last one when it is dropped.
pub struct Reporter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    said: Mutex<Said>,
    changed: Condvar,
}

/// What the application says instead of the component.
#[derive(Default)]
struct Said {
    status: Option<String>,
    workload: Option<Workload>,
    is_over: bool,
}

impl Reporter {
    /// Starts to report on a component.
    ///
    /// # Errors
    /// [`Error::System`] if there is no UDP socket to be had.
    pub fn start(options: ReporterOptions, component: Arc<impl Component>) -> Result<Self, Error> {
        let any: IpAddr = match options.monitor {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket =
            UdpSocket::bind((any, 0)).map_err(Error::system("open a UDP socket for status reports"))?;
        let shared = Arc::new(Shared { said: Mutex::default(), changed: Condvar::new() });
        let of_thread = Arc::clone(&shared);
        let sender = Sender { options, socket, host: host_name(), begin: Instant::now() };
        let thread = std::thread::Builder::new()
            .name("status reports".into())
            .spawn(move || sender.run(&of_thread, &*component))
            .map_err(Error::system("start a thread"))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What to say of the component from now on, in place of what it says itself.
    pub fn set_status(&self, status: impl Into<String>) {
        self.shared.said.lock().status = Some(status.into());
    }

    /// How busy the component is from now on, in place of what it says itself.
    pub fn set_workload(&self, workload: Workload) {
        self.shared.said.lock().workload = Some(workload);
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.shared.said.lock().is_over = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been reported by the panic hook already.
            let _ = thread.join();
        }
    }
}

struct Sender {
    options: ReporterOptions,
    socket: UdpSocket,
    host: String,
    begin: Instant,
}

impl Sender {
    fn run(&self, shared: &Shared, component: &impl Component) {
        let sender = component.component_id();
        loop {
            let mut state = component.state();
            let mut said = shared.said.lock();
            state.status = said.status.clone().unwrap_or(state.status);
            state.workload = said.workload.or(state.workload);
            self.send(&self.report(sender, state));
            if !said.is_over {
                shared.changed.wait_for(&mut said, self.options.interval);
            }
            if said.is_over {
                return self.send(&self.last_report(sender));
            }
        }
    }

    fn report(&self, sender: ComponentId, state: ComponentState) -> StatusReport {
        StatusReport {
            sender,
            is_final: false,
            age: self.begin.elapsed(),
            interval: self.options.interval,
            location: location(&self.host, &state.addresses),
            status: state.status,
            workload: state.workload,
            associations: state.associations,
        }
    }

    /// With nothing in it, as RSPLIB's.
    fn last_report(&self, sender: ComponentId) -> StatusReport {
        let nothing = ComponentState { workload: Some(Workload::from_fraction(0.0)), ..Default::default() };
        StatusReport { is_final: true, location: String::new(), ..self.report(sender, nothing) }
    }

    /// Whether there is a monitor is not the component's affair.
    fn send(&self, report: &StatusReport) {
        if let Err(error) = self.socket.send_to(&report.encode(), self.options.monitor) {
            tracing::debug!(%error, monitor = %self.options.monitor, "status report not sent");
        }
    }
}

/// `host: address:port, address:port`, as RSPLIB has it.
fn location(host: &str, addresses: &[SocketAddr]) -> String {
    let place = |at: &SocketAddr| if at.port() == 0 { at.ip().to_string() } else { at.to_string() };
    let places: Vec<_> = addresses.iter().map(place).collect();
    format!("{host}: {}", places.join(", "))
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_| "?".into(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RegistrarId;

    struct Busy;

    impl Component for Busy {
        fn component_id(&self) -> ComponentId {
            RegistrarId(7).into()
        }

        fn state(&self) -> ComponentState {
            let addresses = vec!["127.0.0.1:3863".parse().unwrap(), "127.0.0.2:0".parse().unwrap()];
            ComponentState { addresses, status: "busy".into(), ..Default::default() }
        }
    }

    #[test]
    fn reports_come_until_the_last_one_says_so() {
        let monitor = UdpSocket::bind("127.0.0.1:0").unwrap();
        monitor.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let hear = || {
            let mut datagram = [0; 512];
            let length = monitor.recv(&mut datagram).unwrap();
            StatusReport::parse(&datagram[..length]).unwrap()
        };
        // No more of them than the socket has room for while this test does not get to run.
        let interval = Duration::from_millis(20);
        let options = ReporterOptions { monitor: monitor.local_addr().unwrap(), interval };
        let reporter = Reporter::start(options, Arc::new(Busy)).unwrap();
        let first = hear();
        assert_eq!(
            (first.sender, &first.status[..], first.interval),
            (RegistrarId(7).into(), "busy", interval)
        );
        assert!(first.location.ends_with(": 127.0.0.1:3863, 127.0.0.2"), "{}", first.location);
        // A report may be sent between the two.
        reporter.set_workload(Workload::from_fraction(0.25));
        reporter.set_status("idle");
        let changed = std::iter::repeat_with(hear).find(|report| report.status == "idle").unwrap();
        assert_eq!(changed.workload, Some(Workload::from_fraction(0.25)));
        assert!(changed.age > first.age);
        drop(reporter);
        let last = std::iter::repeat_with(hear).find(|report| report.is_final).unwrap();
        assert_eq!((last.sender, &last.status[..]), (RegistrarId(7).into(), ""));
    }

    #[test]
    fn the_last_report_does_not_wait_for_the_interval() {
        let monitor = UdpSocket::bind("127.0.0.1:0").unwrap();
        let options =
            ReporterOptions { monitor: monitor.local_addr().unwrap(), interval: Duration::from_secs(3600) };
        let begin = Instant::now();
        drop(Reporter::start(options, Arc::new(Busy)).unwrap());
        assert!(begin.elapsed() < Duration::from_secs(600));
    }
}
