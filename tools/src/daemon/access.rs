//! From names of users and groups to the rules of the service.

use std::collections::BTreeSet;

use nix::unistd::{Group, User};
use sctp_service::{Access, Rules};

use super::config::{Config, ConfigError, Name};

/// The kernel's border between privileged ports and others.
const KERNELS_BORDER: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
/// The same where it cannot be read.
const USUAL_BORDER: u16 = 1_024;

/// The rules that a configuration stands for, with users and groups as they are now.
///
/// # Errors
/// [`ConfigError::Unknown`].
pub(super) fn rules(config: &Config) -> Result<Rules, ConfigError> {
    let lowest_port = config.access.unprivileged_ports_from.unwrap_or_else(kernels_border);
    Ok(Rules { access: access(config)?, limits: config.limits.into(), lowest_port })
}

fn access(config: &Config) -> Result<Access, ConfigError> {
    let (users, groups) = (&config.access.users, &config.access.groups);
    if users.is_none() && groups.is_none() {
        return Ok(Access::All);
    }
    let mut numbers = (BTreeSet::new(), BTreeSet::new());
    for name in users.iter().flatten() {
        numbers.0.insert(user(name)?);
    }
    for name in groups.iter().flatten() {
        let (group, members) = group(name)?;
        numbers.1.insert(group);
        numbers.0.extend(members);
    }
    Ok(Access::Listed { users: numbers.0, groups: numbers.1 })
}

fn user(name: &Name) -> Result<u32, ConfigError> {
    match name {
        Name::Number(number) => Ok(*number),
        Name::Name(name) => match User::from_name(name) {
            Ok(Some(user)) => Ok(user.uid.as_raw()),
            _ => Err(ConfigError::Unknown { key: "access.users", what: "user", name: name.clone() }),
        },
    }
}

/// Its number, and those of its members. A connection tells the effective group of its process only.
fn group(name: &Name) -> Result<(u32, Vec<u32>), ConfigError> {
    let found = match name {
        Name::Number(number) => Group::from_gid((*number).into()),
        Name::Name(name) => Group::from_name(name),
    };
    let members = |group: &Group| {
        let users = group.mem.iter().filter_map(|member| User::from_name(member).ok().flatten());
        users.map(|user| user.uid.as_raw()).collect()
    };
    match (found, name) {
        (Ok(Some(group)), _) => Ok((group.gid.as_raw(), members(&group))),
        (_, Name::Number(number)) => Ok((*number, Vec::new())),
        (_, Name::Name(name)) => {
            Err(ConfigError::Unknown { key: "access.groups", what: "group", name: name.clone() })
        }
    }
}

fn kernels_border() -> u16 {
    let text = std::fs::read_to_string(KERNELS_BORDER).unwrap_or_default();
    text.trim().parse().unwrap_or(USUAL_BORDER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(users: Option<&[Name]>, groups: Option<&[Name]>) -> Result<Rules, ConfigError> {
        let mut config = Config::default();
        config.access.users = users.map(Into::into);
        config.access.groups = groups.map(Into::into);
        rules(&config)
    }

    #[test]
    fn without_lists_everybody_is_served_and_an_empty_list_serves_nobody_else() {
        assert_eq!(with(None, None).unwrap().access, Access::All);
        let nobody = Access::Listed { users: BTreeSet::new(), groups: BTreeSet::new() };
        assert_eq!(with(Some(&[]), None).unwrap().access, nobody);
    }

    #[test]
    fn names_and_numbers_are_understood_and_unknown_names_are_errors() {
        let rules =
            with(Some(&[Name::Name("root".into()), Name::Number(4_711)]), Some(&[Name::Number(4_712)]));
        let expected = Access::Listed { users: [0, 4_711].into(), groups: [4_712].into() };
        assert_eq!(rules.unwrap().access, expected);
        let error = with(Some(&[Name::Name("no-such-user".into())]), None).unwrap_err();
        assert_eq!(error.to_string(), "access.users: this host has no user no-such-user");
        assert!(with(None, Some(&[Name::Name("no-such-group".into())])).is_err());
    }
}
