//! `/proc/sys/net/sctp`: Linux's names, our values.

use std::time::Duration;

use sctp_abi::options::MAX_AUTOCLOSE;
use sctp_core::config::AssociationConfig;

/// The divisors of alpha and beta as powers of two (RFC 9260, 16).
const RTO_ALPHA_EXP: u64 = 3;
const RTO_BETA_EXP: u64 = 2;
/// Addresses are matched by their scope (RFC 9260, 5.1.2).
const SCOPED: u64 = 1;
/// Buffers are of an association, not of the socket (RFC 6458, 3.3).
const PER_ASSOCIATION: u64 = 1;
/// Growth of the window by so much of the receive buffer, as a power of two, is worth a SACK of its own (RFC 9260, 6.2: a quarter).
const RWND_UPDATE_SHIFT: u64 = 2;
/// No number of retransmissions is larger: "never".
const NEVER: u32 = 65_535;

/// What a file says, without the end of its line.
pub(super) fn value(name: &str, config: &AssociationConfig, udp_port: u16) -> Option<String> {
    let extensions = &config.extensions;
    let number = match name {
        "addip_enable" => extensions.asconf.into(),
        "addip_noauth_enable" => 0,
        "addr_scope_policy" => SCOPED,
        "association_max_retrans" => config.association_max_retrans.into(),
        "auth_enable" => extensions.auth.into(),
        "cookie_hmac_alg" => return Some("sha256".into()),
        "cookie_preserve_enable" => 1,
        "default_auto_asconf" => config.auto_asconf.into(),
        "ecn_enable" => extensions.ecn.into(),
        "encap_port" | "udp_port" => udp_port.into(),
        "hb_interval" => config.hb_interval.map_or(0, millis),
        "intl_enable" => extensions.interleaving.into(),
        "max_autoclose" => MAX_AUTOCLOSE.as_secs(),
        "max_burst" => config.max_burst.into(),
        "max_init_retransmits" => config.max_init_retransmits.into(),
        "path_max_retrans" => config.path_max_retrans.into(),
        "pf_enable" => config.potentially_failed_max_retrans.is_some().into(),
        "pf_expose" => {
            if config.expose_potentially_failed {
                2
            } else {
                0
            }
        }
        "pf_retrans" => config.potentially_failed_max_retrans.unwrap_or(NEVER).into(),
        "plpmtud_probe_interval" => config.mtu_search.map_or(0, |search| millis(search.probe_timer)),
        "prsctp_enable" => extensions.partial_reliability.into(),
        "ps_retrans" => config.primary_switchover_max_retrans.unwrap_or(NEVER).into(),
        "rcvbuf_policy" | "sndbuf_policy" => PER_ASSOCIATION,
        "reconf_enable" => extensions.reconfig.into(),
        "rto_alpha_exp_divisor" => RTO_ALPHA_EXP,
        "rto_beta_exp_divisor" => RTO_BETA_EXP,
        "rto_initial" => millis(config.rto_initial),
        "rto_max" => millis(config.rto_max),
        "rto_min" => millis(config.rto_min),
        "rwnd_update_shift" => RWND_UPDATE_SHIFT,
        "sack_timeout" => millis(config.sack_delay),
        "sctp_rmem" => return Some(sizes(config.receive_buffer)),
        "sctp_wmem" => return Some(sizes(config.send_buffer)),
        "valid_cookie_life" => 60_000,
        _ => return None,
    };
    Some(number.to_string())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The least, usual and largest size of a buffer.
fn sizes(usual: usize) -> String {
    format!("4096\t{usual}\t{}", usual.max(212_992))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9260, 16.
    #[test]
    fn the_protocol_s_parameters_are_shown_in_milliseconds() {
        let config = sctp_abi::defaults();
        let shown = |name| value(name, &config, 9_899).unwrap();
        let names = ["rto_initial", "rto_min", "rto_max", "hb_interval", "max_init_retransmits", "udp_port"];
        assert_eq!(names.map(shown), ["1000", "1000", "60000", "30000", "8", "9899"]);
        assert_eq!(value("no_such_file", &config, 0), None);
    }
}
