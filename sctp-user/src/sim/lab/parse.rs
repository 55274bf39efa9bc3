//! Reads scenarios.

use core::net::IpAddr;
use core::str::FromStr;
use core::time::Duration;
use sctp_core::path::PathState;

use super::script::{
    Action, Attachment, Expectation, Expected, HostOptions, NetworkPlan, NodeKind, NodePlan, Order, Route,
    Script, Setting, Step,
};
use crate::driver::udp::ENCAPSULATION_PORT;
use crate::sim::link::LinkConfig;

/// Mappings of a NAT that nobody uses are kept so long (RFC 4787, REQ-5 asks for 2 minutes at least).
const NAT_TIMEOUT: Duration = Duration::from_secs(120);
/// No time in a scenario is longer: a year.
const LONGEST: f64 = 31_536_000.0;
/// No message is longer.
const LARGEST: f64 = 1e9;
/// No message is shorter: its number has so many bytes.
const SMALLEST: usize = 4;
/// The least MTU that IPv4 has (RFC 791).
const LEAST_MTU: usize = 68;

/// What is wrong with a scenario, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl FromStr for Script {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut script = Self { seed: 1, ..Self::default() };
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            let mut words = Words { rest: line.split_whitespace().collect(), at: 0 };
            let parsed =
                if line.is_empty() { Ok(()) } else { statement(&mut script, &mut words, index + 1, line) };
            parsed.map_err(|what| ParseError { line: index + 1, what })?;
        }
        if script.end.is_zero() {
            let line = text.lines().count().max(1);
            return Err(ParseError { line, what: "no `end TIME` says how long it takes".into() });
        }
        within_the_run(&script)?;
        script.steps.sort_by_key(|step| step.at);
        Ok(script)
    }
}

/// What is done or looked at after the end never would be.
fn within_the_run(script: &Script) -> Result<(), ParseError> {
    let steps = script.steps.iter().map(|step| (step.line, step.at));
    let expectations = script.expectations.iter().filter_map(|it| it.when.map(|when| (it.line, when)));
    match steps.chain(expectations).find(|(_, at)| *at > script.end) {
        Some((line, at)) => {
            let what = format!("{at:?} is after the end of the run, {:?}", script.end);
            Err(ParseError { line, what })
        }
        None => Ok(()),
    }
}

type Parsed<T> = Result<T, String>;

fn statement(script: &mut Script, words: &mut Words<'_>, line: usize, text: &str) -> Parsed<()> {
    match words.next("a statement")? {
        "title" => {
            script.title = words.rest[words.at..].join(" ");
            return Ok(());
        }
        "seed" => script.seed = words.parse("a number")?,
        "end" => script.end = words.time()?,
        "network" => network(script, words)?,
        "host" => host(script, words)?,
        "router" => {
            let name = new_name(script, words)?;
            let attachments = attachments(script, words)?;
            script.nodes.push(NodePlan { name, kind: NodeKind::Router, attachments });
        }
        "nat" => nat(script, words)?,
        "route" => {
            let route = route(script, words)?;
            script.routes.push(route);
        }
        "link" => {
            let (node, network) = (node(script, words)?, network_name(script, words)?);
            is_attached(script, node, network)?;
            let settings = some_settings(words)?;
            let attachments = script.nodes[node].attachments.iter_mut();
            for attachment in attachments.filter(|attachment| attachment.network == network) {
                settings.iter().for_each(|setting| setting.apply(&mut attachment.link));
            }
        }
        "listen" => listen(script, words)?,
        "at" => {
            let at = words.time()?;
            let action = action(script, words)?;
            script.steps.push(Step { line, at, text: text.to_owned(), action });
        }
        "expect" => {
            let expectation = expectation(script, words, line, text)?;
            script.expectations.push(expectation);
        }
        other => return Err(format!("`{other}` is no statement")),
    }
    words.end()
}

fn network(script: &mut Script, words: &mut Words<'_>) -> Parsed<()> {
    let name = words.next("the network's name")?.to_owned();
    if script.networks.iter().any(|network| network.name == name) {
        return Err(format!("there is a network `{name}` already"));
    }
    let mut link = LinkConfig::default();
    settings(words)?.iter().for_each(|setting| setting.apply(&mut link));
    script.networks.push(NetworkPlan { name, link });
    Ok(())
}

fn host(script: &mut Script, words: &mut Words<'_>) -> Parsed<()> {
    let name = new_name(script, words)?;
    let attachments = attachments(script, words)?;
    let mut options = HostOptions::default();
    while let Some(word) = words.optional() {
        match word {
            "udp" => options.udp_port = Some(words.optional_port()?.unwrap_or(ENCAPSULATION_PORT)),
            "fast" => options.fast = true,
            "dynamic" => options.dynamic = true,
            "hidden" => (options.dynamic, options.hidden) = (true, true),
            "heartbeat" => options.heartbeat = Some(words.time()?),
            "streams" => options.streams = Some(words.port()?),
            other => return Err(format!("`{other}` is no option of a host")),
        }
    }
    script.nodes.push(NodePlan { name, kind: NodeKind::Host(options), attachments });
    Ok(())
}

fn listen(script: &mut Script, words: &mut Words<'_>) -> Parsed<()> {
    let listen = (host_name(script, words)?, words.port()?);
    if script.listens.contains(&listen) {
        return Err(format!("`{}` listens on {} already", script.nodes[listen.0].name, listen.1));
    }
    script.listens.push(listen);
    Ok(())
}

fn nat(script: &mut Script, words: &mut Words<'_>) -> Parsed<()> {
    let name = new_name(script, words)?;
    words.expect("inside")?;
    let inside = attachment(script, words.next("ADDRESS@NETWORK")?)?;
    words.expect("outside")?;
    let outside = attachment(script, words.next("ADDRESS@NETWORK")?)?;
    let timeout = if words.take("timeout") { words.time()? } else { NAT_TIMEOUT };
    script.nodes.push(NodePlan { name, kind: NodeKind::Nat { timeout }, attachments: vec![inside, outside] });
    Ok(())
}

fn route(script: &Script, words: &mut Words<'_>) -> Parsed<Route> {
    let from = node(script, words)?;
    let network = if words.take("to") { Some(network_name(script, words)?) } else { None };
    words.expect("via")?;
    let via = node(script, words)?;
    if matches!(script.nodes[via].kind, NodeKind::Host(_)) {
        return Err(format!("`{}` is a host, and sends nothing on", script.nodes[via].name));
    }
    let meets = |own: &Attachment| script.nodes[via].attachments.iter().any(|other| other.meets(own));
    if !script.nodes[from].attachments.iter().any(meets) {
        return Err("the two nodes have no network, or no family of addresses, in common".into());
    }
    Ok(Route { node: from, network, via })
}

fn action(script: &Script, words: &mut Words<'_>) -> Parsed<Action> {
    Ok(match words.next("an action")? {
        "connect" => {
            let host = host_name(script, words)?;
            words.expect("to")?;
            let (to, port) = (host_name(script, words)?, words.port()?);
            let from = if words.take("from") { Some(words.port()?) } else { None };
            Action::Connect { host, to, port, from }
        }
        "send" => Action::Send { host: host_name(script, words)?, order: order(words)? },
        "shutdown" => Action::Shutdown(host_name(script, words)?),
        "abort" => Action::Abort(host_name(script, words)?),
        "restart" => Action::Restart(host_name(script, words)?),
        "primary" => Action::Primary(host_name(script, words)?, words.parse("an address")?),
        "rebind" => {
            let nat = node(script, words)?;
            if !matches!(script.nodes[nat].kind, NodeKind::Nat { .. }) {
                return Err(format!("`{}` is no NAT", script.nodes[nat].name));
            }
            let to = if words.take("to") { Some(new_outside(script, nat, words)?) } else { None };
            Action::Rebind(nat, to)
        }
        "route" => Action::Route(route(script, words)?),
        "down" => place(script, words).map(|(node, network)| Action::Down(node, network))?,
        "up" => place(script, words).map(|(node, network)| Action::Up(node, network))?,
        "link" => {
            let (node, network) = place(script, words)?;
            Action::Link { node, network, settings: some_settings(words)? }
        }
        other => return Err(format!("`{other}` is no action")),
    })
}

/// An address that a NAT may get outside.
fn new_outside(script: &Script, nat: usize, words: &mut Words<'_>) -> Parsed<IpAddr> {
    let address: IpAddr = words.parse("an address")?;
    let taken = |(index, node): (usize, &NodePlan)| {
        index != nat && node.attachments.iter().any(|own| own.address == address)
    };
    match script.nodes[nat].attachments.get(1) {
        Some(outside) if outside.address.is_ipv4() != address.is_ipv4() => {
            Err(format!("{address} is not of the family of {}", outside.address))
        }
        _ if script.nodes.iter().enumerate().any(taken) => {
            Err(format!("{address} is another node's address"))
        }
        _ => Ok(address),
    }
}

/// `[NODE] NETWORK`.
fn place(script: &Script, words: &mut Words<'_>) -> Parsed<(Option<usize>, usize)> {
    let is_node = words.peek().is_some_and(|word| script.nodes.iter().any(|node| node.name == word));
    let node = if is_node { Some(node(script, words)?) } else { None };
    let network = network_name(script, words)?;
    node.map_or(Ok(()), |node| is_attached(script, node, network))?;
    Ok((node, network))
}

fn is_attached(script: &Script, node: usize, network: usize) -> Parsed<()> {
    let (node, name) = (&script.nodes[node], &script.networks[network].name);
    match node.attachments.iter().any(|own| own.network == network) {
        true => Ok(()),
        false => Err(format!("`{}` is not in `{name}`", node.name)),
    }
}

fn order(words: &mut Words<'_>) -> Parsed<Order> {
    let count = words.parse("a number of messages")?;
    words.expect("messages")?;
    words.expect("of")?;
    let size = words.size()?;
    if size < SMALLEST {
        return Err(format!("a message has its number in it: {SMALLEST} bytes at least"));
    }
    let mut order = Order { count, size, every: Duration::ZERO, stream_id: 0, unordered: false };
    while let Some(word) = words.optional() {
        match word {
            "every" => order.every = words.time()?,
            "on" => {
                words.expect("stream")?;
                order.stream_id = words.parse("a stream's number")?;
            }
            "unordered" => order.unordered = true,
            other => return Err(format!("`{other}` says nothing of messages")),
        }
    }
    Ok(order)
}

fn expectation(script: &Script, words: &mut Words<'_>, line: usize, text: &str) -> Parsed<Expectation> {
    let host = host_name(script, words)?;
    let what = match words.next("what is expected")? {
        "delivered" => Expected::Delivered(words.parse("a number of messages")?),
        "up" => Expected::Up,
        "ended" => Expected::Ended,
        "lost" => Expected::Lost,
        "restarted" => Expected::Restarted,
        "not" => words.expect("lost").map(|()| Expected::NotLost)?,
        "gap" => words.expect("below").and_then(|()| words.time()).map(Expected::GapBelow)?,
        "again" => {
            words.expect("at")?;
            match words.next("`most` or `least`")? {
                "most" => Expected::AgainAtMost(words.parse("a number of chunks")?),
                "least" => Expected::AgainAtLeast(words.parse("a number of chunks")?),
                other => return Err(format!("`most` or `least` is needed, not `{other}`")),
            }
        }
        "primary" => Expected::Primary(words.parse("an address")?),
        "path" => {
            let address = words.parse("an address")?;
            match words.next("a state, or `sends`")? {
                "sends" => Expected::PathSends(address),
                state => Expected::Path(address, path_state(state)?),
            }
        }
        other => return Err(format!("`{other}` cannot be expected")),
    };
    let is_timed = what.preposition().is_some_and(|preposition| words.take(preposition));
    let when = if is_timed { Some(words.time()?) } else { None };
    Ok(Expectation { line, text: text.to_owned(), host, what, when })
}

fn path_state(word: &str) -> Parsed<PathState> {
    Ok(match word {
        "active" => PathState::Active,
        "failing" => PathState::PotentiallyFailed,
        "inactive" => PathState::Inactive,
        "unconfirmed" => PathState::Unconfirmed,
        other => return Err(format!("`{other}` is no state of a path")),
    })
}

fn settings(words: &mut Words<'_>) -> Parsed<Vec<Setting>> {
    let mut settings = Vec::new();
    while let Some(word) = words.optional() {
        settings.push(match word {
            "delay" => Setting::Delay(words.time()?),
            "jitter" => Setting::Jitter(words.time()?),
            "rate" => Setting::Rate(words.rate()?),
            "queue" => Setting::Queue(words.size()?),
            "mtu" => Setting::Mtu(words.mtu()?),
            "silent" => Setting::Silent,
            "loss" => Setting::Loss(words.probability()?),
            "bursts" => Setting::Bursts(words.time()?, words.time()?),
            "duplicate" => Setting::Duplicate(words.probability()?),
            "reorder" => Setting::Reorder(words.probability()?),
            "corrupt" => Setting::Corrupt(words.probability()?),
            other => return Err(format!("`{other}` is no setting of a link")),
        });
    }
    Ok(settings)
}

/// Settings of a line that is about nothing else.
fn some_settings(words: &mut Words<'_>) -> Parsed<Vec<Setting>> {
    let settings = settings(words)?;
    if settings.is_empty() { Err("a setting is missing at the end of the line".into()) } else { Ok(settings) }
}

fn new_name(script: &Script, words: &mut Words<'_>) -> Parsed<String> {
    let name = words.next("a name")?;
    match script.nodes.iter().any(|node| node.name == name) {
        true => Err(format!("there is a node `{name}` already")),
        false => Ok(name.to_owned()),
    }
}

fn attachments(script: &Script, words: &mut Words<'_>) -> Parsed<Vec<Attachment>> {
    let mut attachments = Vec::new();
    while let Some(word) = words.peek().filter(|word| word.contains('@')) {
        words.at += 1;
        attachments.push(attachment(script, word)?);
    }
    if attachments.is_empty() { Err("ADDRESS@NETWORK is needed".into()) } else { Ok(attachments) }
}

fn attachment(script: &Script, word: &str) -> Parsed<Attachment> {
    let (address, network) =
        word.split_once('@').ok_or_else(|| format!("`{word}` is not ADDRESS@NETWORK"))?;
    let address: IpAddr = address.parse().map_err(|_| format!("`{address}` is no address"))?;
    let network = find_network(script, network)?;
    let taken = |node: &NodePlan| node.attachments.iter().any(|other| other.address == address);
    if let Some(node) = script.nodes.iter().find(|node| taken(node)) {
        return Err(format!("{address} is an address of `{}` already", node.name));
    }
    Ok(Attachment { address, network, link: script.networks[network].link.clone() })
}

fn find_network(script: &Script, name: &str) -> Parsed<usize> {
    let found = script.networks.iter().position(|network| network.name == name);
    found.ok_or_else(|| format!("there is no network `{name}`"))
}

fn network_name(script: &Script, words: &mut Words<'_>) -> Parsed<usize> {
    find_network(script, words.next("a network")?)
}

fn node(script: &Script, words: &mut Words<'_>) -> Parsed<usize> {
    let name = words.next("a node")?;
    script.nodes.iter().position(|node| node.name == name).ok_or_else(|| format!("there is no node `{name}`"))
}

fn host_name(script: &Script, words: &mut Words<'_>) -> Parsed<usize> {
    let host = node(script, words)?;
    match script.nodes[host].kind {
        NodeKind::Host(_) => Ok(host),
        _ => Err(format!("`{}` is no host", script.nodes[host].name)),
    }
}

/// The words of a line.
struct Words<'a> {
    rest: Vec<&'a str>,
    at: usize,
}

impl<'a> Words<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.rest.get(self.at).copied()
    }

    fn optional(&mut self) -> Option<&'a str> {
        let word = self.peek()?;
        self.at += 1;
        Some(word)
    }

    fn next(&mut self, what: &str) -> Parsed<&'a str> {
        self.optional().ok_or_else(|| format!("{what} is missing at the end of the line"))
    }

    /// Takes the next word if it is this one.
    fn take(&mut self, word: &str) -> bool {
        let is_it = self.peek() == Some(word);
        self.at += usize::from(is_it);
        is_it
    }

    fn expect(&mut self, word: &str) -> Parsed<()> {
        let found = self.next(&format!("`{word}`"))?;
        if found == word { Ok(()) } else { Err(format!("`{word}` is needed, not `{found}`")) }
    }

    fn end(&self) -> Parsed<()> {
        self.peek().map_or(Ok(()), |word| Err(format!("nothing can follow before `{word}`")))
    }

    fn parse<T: FromStr>(&mut self, what: &str) -> Parsed<T> {
        let word = self.next(what)?;
        word.parse().map_err(|_| format!("{what} is needed, not `{word}`"))
    }

    /// A port, if the next word is a number.
    fn optional_port(&mut self) -> Parsed<Option<u16>> {
        let is_number =
            self.peek().is_some_and(|word| word.starts_with(|first: char| first.is_ascii_digit()));
        is_number.then(|| self.port()).transpose()
    }

    /// A port, or a number of streams: from 1 to 65,535.
    fn port(&mut self) -> Parsed<u16> {
        match self.parse("a number from 1 to 65535")? {
            0 => Err("a number from 1 to 65535 is needed, not `0`".into()),
            number => Ok(number),
        }
    }

    fn time(&mut self) -> Parsed<Duration> {
        let seconds =
            self.with_unit("a time such as 200ms", &[("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("min", 60.0)])?;
        if seconds > LONGEST {
            Err("a year is the longest time".into())
        } else {
            Ok(Duration::from_secs_f64(seconds))
        }
    }

    fn size(&mut self) -> Parsed<usize> {
        let bytes =
            self.with_unit("a size such as 1500 or 64k", &[("k", 1024.0), ("m", 1_048_576.0), ("", 1.0)])?;
        if bytes > LARGEST {
            Err("a size of a billion bytes is the largest".into())
        } else {
            Ok(bytes as usize)
        }
    }

    fn mtu(&mut self) -> Parsed<usize> {
        match self.size()? {
            mtu if mtu < LEAST_MTU => Err(format!("{LEAST_MTU} bytes are the least MTU")),
            mtu => Ok(mtu),
        }
    }

    fn rate(&mut self) -> Parsed<u64> {
        let units = [("kbit", 1e3), ("mbit", 1e6), ("gbit", 1e9)];
        match self.with_unit("a rate such as 10mbit", &units)? as u64 {
            0 => Err("a rate of nothing carries nothing: take the link down".into()),
            rate => Ok(rate),
        }
    }

    fn probability(&mut self) -> Parsed<f64> {
        let share = self.with_unit("a probability such as 1%", &[("%", 0.01)])?;
        if share > 1.0 { Err("100% is the largest probability".into()) } else { Ok(share) }
    }

    /// A number that is not negative, with one of these units.
    fn with_unit(&mut self, what: &str, units: &[(&str, f64)]) -> Parsed<f64> {
        let word = self.next(what)?;
        let digits = word.trim_end_matches(|character: char| !character.is_ascii_digit());
        let unit = &word[digits.len()..];
        let scale = units.iter().find(|(name, _)| *name == unit).map(|(_, scale)| scale);
        let number = digits.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
        match (number, scale) {
            (Some(number), Some(scale)) => Ok(number * scale),
            _ => Err(format!("{what} is needed, not `{word}`")),
        }
    }
}
