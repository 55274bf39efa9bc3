//! Who may do what at a registrar, and how much: options of `rspregistrar`.

use std::time::Duration;

use clap::Args;
use rserpool::Rate;
use rserpool::registrar::{AccessRule, IpNet, RegistrarConfig, Source};

/// Protection against those who mean harm, or are broken.
#[derive(Args, Clone, Debug)]
#[command(
    next_help_heading = "Options of protection (a user is who comes from one IPv4 address, or one /64 network of IPv6)"
)]
pub struct ProtectionOptions {
    /// Who may do what: "allow|deny RIGHT,... [from any|own|NETWORK,...] [pool PATTERN]" with the rights register, resolve, report,
    /// peer (a registrar), or all. Repeatable; the first rule that speaks of a request decides. If none does, all may resolve and
    /// report; who is of an own network may register and be a registrar
    #[arg(long, value_name = "RULE")]
    pub access: Vec<AccessRule>,
    /// The registrar's own networks, instead of those that its addresses are directly connected to: ADDRESS[/LENGTH],...
    #[arg(long, value_name = "NETWORK,...", value_delimiter = ',', value_parser = network)]
    pub own_networks: Vec<IpNet>,
    /// Handle resolutions of one pool per second and user; 0 or -1: no limit
    #[arg(long, value_name = "1/S", default_value = "-1", allow_hyphen_values = true, value_parser = limit)]
    pub maxhrrate: Limit,
    /// Reports per second that one element is unreachable, of one user; 0 or -1: no limit
    #[arg(long, value_name = "1/S", default_value = "-1", allow_hyphen_values = true, value_parser = limit)]
    pub maxeurate: Limit,
    /// Registrations and renewals per second and user; 0 or -1: no limit
    #[arg(long, value_name = "1/S", default_value = "-1", allow_hyphen_values = true, value_parser = limit)]
    pub max_registration_rate: Limit,
    /// Messages of any kind per second and user; 0 or -1: no limit
    #[arg(long, value_name = "1/S", default_value = "-1", allow_hyphen_values = true, value_parser = limit)]
    pub max_message_rate: Limit,
    /// Associations of one user
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub max_user_associations: usize,
    /// Elements of one user
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    pub max_user_elements: usize,
    /// Elements of one association
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub max_association_elements: usize,
    /// Pools that one user has made
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub max_user_pools: usize,
    /// Associations in all
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub max_associations: usize,
    /// Elements in all
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub max_elements: usize,
    /// Addresses of one element (1-1000); with more it is rejected
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub max_element_addresses: u16,
    /// Pools in all
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub max_pools: usize,
    /// Close associations that have not said anything after so many seconds
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub max_silence: u64,
    /// Users from here have no limits, for example a network behind one address: ADDRESS[/LENGTH],...
    #[arg(long, value_name = "NETWORK,...", value_delimiter = ',', value_parser = network)]
    pub exempt: Vec<IpNet>,
}

/// A rate, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<Rate>);

fn limit(text: &str) -> Result<Limit, String> {
    match text.parse::<f64>() {
        // RSPLIB's registrar takes 0 so, too.
        Ok(number) if number <= 0.0 => Ok(Limit(None)),
        _ => text
            .parse()
            .map(|rate| Limit(Some(rate)))
            .map_err(|error| format!("{error}, or 0 or -1 for no limit")),
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    match text.parse() {
        Ok(Source::Network(network)) => Ok(network),
        _ => Err("an address, or a network as 192.0.2.0/24, is needed".into()),
    }
}

impl ProtectionOptions {
    /// Sets what is asked for.
    pub fn apply(&self, config: &mut RegistrarConfig) {
        config.access.rules.clone_from(&self.access);
        config.access.own_networks = (!self.own_networks.is_empty()).then(|| self.own_networks.clone());
        config.max_associations = self.max_associations;
        (config.limits.elements, config.limits.pools) = (self.max_elements, self.max_pools);
        config.limits.addresses = self.max_element_addresses.into();
        let limits = &mut config.user_limits;
        limits.associations = self.max_user_associations;
        limits.elements = self.max_user_elements;
        limits.elements_of_association = self.max_association_elements;
        limits.pools = self.max_user_pools;
        limits.message_rate = self.max_message_rate.0;
        limits.registration_rate = self.max_registration_rate.0;
        limits.resolution_rate = self.maxhrrate.0;
        limits.report_rate = self.maxeurate.0;
        limits.silence = Duration::from_secs(self.max_silence);
        limits.exempt.clone_from(&self.exempt);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rserpool::registrar::UserLimits;
    use rserpool::{Profile, RegistrarId};

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        protection: ProtectionOptions,
    }

    fn config(options: &[&str]) -> Result<RegistrarConfig, clap::Error> {
        let cli = Cli::try_parse_from([&["rspregistrar"], options].concat())?;
        let mut config = RegistrarConfig::new(RegistrarId(1), Profile::Rsplib);
        cli.protection.apply(&mut config);
        Ok(config)
    }

    #[test]
    fn without_options_it_is_as_the_library_has_it() {
        assert_eq!(config(&[]).unwrap(), RegistrarConfig::new(RegistrarId(1), Profile::Rsplib));
        for none in ["--maxhrrate=-1", "--maxhrrate=0", "--maxeurate=0.0"] {
            assert_eq!(config(&[none]).unwrap().user_limits, UserLimits::default(), "{none}");
        }
    }

    #[test]
    fn rules_networks_and_limits_are_set() {
        let config = config(&[
            "--access=deny all from 192.0.2.66",
            "--access=allow register pool Echo*",
            "--own-networks=10.0.0.0/8,2001:db8::/32",
            "--exempt=10.0.0.1",
            "--maxhrrate=20",
            "--maxeurate=0.1",
        ])
        .unwrap();
        let rules: Vec<_> = config.access.rules.iter().map(ToString::to_string).collect();
        assert_eq!(rules, ["deny all from 192.0.2.66/32 pool *", "allow register from any pool Echo*"]);
        let own: Vec<_> = config.access.own_networks.iter().flatten().map(ToString::to_string).collect();
        assert_eq!(own, ["10.0.0.0/8", "2001:db8::/32"]);
        assert_eq!(config.user_limits.exempt, ["10.0.0.1/32".parse().unwrap()]);
        assert_eq!(config.user_limits.resolution_rate, Rate::per_second(20.0));
        assert_eq!(config.user_limits.report_rate, Rate::per_second(0.1));
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let wrong =
            ["--access=allow fly", "--own-networks=own", "--maxhrrate=2e9", "--maxeurate=x", "--exempt=any"];
        for wrong in wrong {
            assert!(config(&[wrong]).is_err(), "{wrong}");
        }
    }
}
