//! Who may do what at a registrar: rules by address and pool. Written as text, one rule is
//!
//! ```text
//! allow|deny RIGHT,... [from any|own|ADDRESS[/LENGTH],...] [pool PATTERN]
//! ```
//!
//! with the rights `register`, `resolve`, `report`, `peer`, or `all`. The first rule that speaks of a request decides. After the last
//! one come, unwritten: `allow register,peer from own`, `deny register,peer`, `allow resolve,report`.
//!
//! ```
//! use rserpool::registrar::{Access, Right};
//!
//! let access = Access {
//!     rules: vec![
//!         "deny all from 192.0.2.66".parse().unwrap(),
//!         "allow register from 192.0.2.0/24 pool Echo*".parse().unwrap(),
//!     ],
//!     own_networks: Some(vec!["10.0.0.0/8".parse().unwrap()]),
//! };
//! let may_register = |from: &str, pool: &str| {
//!     access.allows(Right::Register, from.parse().unwrap(), Some(&pool.into()))
//! };
//! assert!(may_register("192.0.2.1", "EchoPool"));
//! assert!(!may_register("192.0.2.1", "OtherPool"));
//! assert!(!may_register("192.0.2.66", "EchoPool"));
//! assert!(may_register("10.1.2.3", "OtherPool"));
//! ```

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

pub use ipnet::IpNet;

use crate::PoolHandle;

/// What somebody may do at a registrar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Register elements.
    Register,
    /// Resolve pools, and be told of their changes.
    Resolve,
    /// Report elements as unreachable.
    Report,
    /// Be a registrar among registrars, which can add any element to any pool.
    Peer,
}

impl Right {
    const NAMES: [(&'static str, Self); 4] = [
        ("register", Self::Register),
        ("resolve", Self::Resolve),
        ("report", Self::Report),
        ("peer", Self::Peer),
    ];
}

/// Where requests come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// From anywhere.
    Any,
    /// From the registrar's own networks: see [`Access::own_networks`].
    Own,
    /// From a network, or one address.
    Network(IpNet),
}

/// Pool handles: `*` stands for any bytes, `?` for one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PoolPattern(String);

/// One rule: see the module's documentation for how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// Whether it allows; else it denies.
    pub allows: bool,
    /// What.
    pub rights: BTreeSet<Right>,
    /// To whom.
    pub sources: Vec<Source>,
    /// At which pools.
    pub pools: PoolPattern,
}

/// Who may do what.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Access {
    /// The first that speaks of a request decides.
    pub rules: Vec<AccessRule>,
    /// The registrar's own networks. A driver that finds none here fills in those of its interfaces; a registrar without driver
    /// takes all the world for its own.
    pub own_networks: Option<Vec<IpNet>>,
}

impl Access {
    /// Whether somebody may do something. Who wants to be a [peer](Right::Peer) names no pool.
    pub fn allows(&self, right: Right, from: IpAddr, pool_handle: Option<&PoolHandle>) -> bool {
        self.rule_for(right, from, pool_handle)
            .map_or_else(|| self.allows_unwritten(right, from), |rule| rule.allows)
    }

    /// The rule that decides, if it is not an unwritten one.
    pub(super) fn rule_for(
        &self,
        right: Right,
        from: IpAddr,
        pool_handle: Option<&PoolHandle>,
    ) -> Option<&AccessRule> {
        self.rules.iter().find(|rule| {
            rule.rights.contains(&right)
                && self.is_from(&rule.sources, from)
                && rule.pools.matches(pool_handle)
        })
    }

    /// Whether there is anything that somebody may do on the side of elements and users.
    pub(super) fn admits(&self, from: IpAddr) -> bool {
        [Right::Register, Right::Resolve, Right::Report].into_iter().any(|right| {
            let mut rules = self
                .rules
                .iter()
                .filter(|rule| rule.rights.contains(&right) && self.is_from(&rule.sources, from));
            let decisive = rules.find(|rule| rule.allows || rule.pools.matches(None));
            decisive.map_or_else(|| self.allows_unwritten(right, from), |rule| rule.allows)
        })
    }

    fn allows_unwritten(&self, right: Right, from: IpAddr) -> bool {
        match right {
            Right::Resolve | Right::Report => true,
            Right::Register | Right::Peer => self.is_own(from),
        }
    }

    fn is_from(&self, sources: &[Source], from: IpAddr) -> bool {
        sources.iter().any(|source| match source {
            Source::Any => true,
            Source::Own => self.is_own(from),
            Source::Network(network) => network.contains(&from.to_canonical()),
        })
    }

    fn is_own(&self, from: IpAddr) -> bool {
        let from = from.to_canonical();
        self.own_networks.as_ref().is_none_or(|own| own.iter().any(|network| network.contains(&from)))
    }
}

impl PoolPattern {
    /// Whether a pool is meant; without a pool, whether all are.
    fn matches(&self, pool_handle: Option<&PoolHandle>) -> bool {
        match pool_handle {
            _ if self.0 == "*" => true,
            Some(pool_handle) => matches(self.0.as_bytes(), pool_handle.as_bytes()),
            None => false,
        }
    }
}

impl Default for PoolPattern {
    /// All pools.
    fn default() -> Self {
        Self("*".into())
    }
}

/// At a mismatch the last `*` takes one byte more: no more steps than the product of the lengths.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut position) = (0, 0);
    let mut star = None;
    while position < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[position] => (at, position) = (at + 1, position + 1),
            _ => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                (at, position) = (star_at + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// Why a text is no access rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccessRuleError {
    /// It does not begin with what it does.
    #[error("an access rule begins with allow or deny, not with \"{found}\"")]
    Verdict {
        /// What is there.
        found: String,
    },
    /// No right.
    #[error("\"{found}\" is no right: register, resolve, report, peer or all is needed")]
    Right {
        /// What is there.
        found: String,
    },
    /// No source.
    #[error("\"{found}\" is no source: any, own, an address, or a network as 192.0.2.0/24 is needed")]
    Source {
        /// What is there.
        found: String,
    },
    /// Something after the rights that is not known.
    #[error("\"{found}\" is not understood: from SOURCE,... or pool PATTERN is needed")]
    Clause {
        /// What is there.
        found: String,
    },
    /// The same again.
    #[error("from is there twice: name all sources after one, with commas between them")]
    Twice,
    /// After the pattern, of which it would be a part.
    #[error("from goes before pool, since all that follows pool is its pattern")]
    Order,
    /// Registrars have to do with all pools.
    #[error("the right peer cannot be given for some pools only: write a rule of its own for it")]
    PeerOfPool,
}

impl FromStr for Source {
    type Err = AccessRuleError;

    fn from_str(text: &str) -> Result<Self, AccessRuleError> {
        let address = || text.parse().ok().map(|address: IpAddr| IpNet::from(address.to_canonical()));
        match text {
            "any" => Ok(Self::Any),
            "own" => Ok(Self::Own),
            _ => {
                let network = text.parse().ok().map(|network: IpNet| canonical(network.trunc()));
                network
                    .or_else(address)
                    .map(Self::Network)
                    .ok_or_else(|| AccessRuleError::Source { found: text.into() })
            }
        }
    }
}

/// Addresses of IPv4 come as such, whatever a network of them is written as.
fn canonical(network: IpNet) -> IpNet {
    let mapped = network.prefix_len().checked_sub(96).zip(match network.addr() {
        IpAddr::V6(address) => address.to_ipv4_mapped(),
        IpAddr::V4(_) => None,
    });
    mapped.and_then(|(length, address)| IpNet::new(address.into(), length).ok()).unwrap_or(network)
}

fn sources(text: &str) -> Result<Vec<Source>, AccessRuleError> {
    text.split(',').map(Source::from_str).collect()
}

fn rights(text: &str) -> Result<BTreeSet<Right>, AccessRuleError> {
    if text == "all" {
        return Ok(Right::NAMES.map(|(_, right)| right).into());
    }
    let right = |name: &str| {
        let known = Right::NAMES.into_iter().find(|(known, _)| *known == name);
        known.map(|(_, right)| right).ok_or_else(|| AccessRuleError::Right { found: name.into() })
    };
    text.split(',').map(right).collect()
}

impl FromStr for AccessRule {
    type Err = AccessRuleError;

    fn from_str(text: &str) -> Result<Self, AccessRuleError> {
        let (verdict, rest) = next_word(text);
        let allows = match verdict {
            "allow" => true,
            "deny" => false,
            other => return Err(AccessRuleError::Verdict { found: other.into() }),
        };
        let (names, rest) = next_word(rest);
        let mut rule = Self {
            allows,
            rights: rights(names)?,
            sources: vec![Source::Any],
            pools: PoolPattern::default(),
        };
        let rest = match next_word(rest) {
            ("from", of) => {
                let (names, rest) = next_word(of);
                rule.sources = sources(names)?;
                rest
            }
            _ => rest,
        };
        rule.parse_pool(rest)?;
        let is_all_or_nothing = names == "all" || !rule.rights.contains(&Right::Peer);
        match is_all_or_nothing || rule.pools.matches(None) {
            true => Ok(rule),
            false => Err(AccessRuleError::PeerOfPool),
        }
    }
}

impl AccessRule {
    /// Reads what follows the sources: nothing, or the pools.
    fn parse_pool(&mut self, text: &str) -> Result<(), AccessRuleError> {
        match next_word(text) {
            ("", _) => Ok(()),
            // A pool handle may have blanks in it, but hardly a source.
            ("pool", pattern)
                if pattern.rsplit_once(" from ").is_some_and(|(_, of)| sources(of.trim()).is_ok()) =>
            {
                Err(AccessRuleError::Order)
            }
            ("pool", pattern) if !pattern.is_empty() => {
                self.pools = PoolPattern(pattern.into());
                Ok(())
            }
            ("from", _) => Err(AccessRuleError::Twice),
            (word, _) => Err(AccessRuleError::Clause { found: word.into() }),
        }
    }
}

/// The first word, and what follows it.
fn next_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, right)| right == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Own => f.write_str("own"),
            Self::Network(network) => network.fmt(f),
        }
    }
}

impl fmt::Display for PoolPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for AccessRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.allows { "allow" } else { "deny" };
        let rights = match self.rights.len() == Right::NAMES.len() {
            true => "all".to_owned(),
            false => list(&self.rights),
        };
        write!(f, "{verdict} {rights} from {} pool {}", list(&self.sources), self.pools)
    }
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(",")
}
