//! The sample file beside the options.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches, Parser};
use rserpool::handlespace::Limits;
use rserpool::policy::Policies;
use rserpool::registrar::{Access, EnrpConfig, UserLimits};
use rserpool::wire::Format;

use super::*;
use crate::config_file;

const SAMPLE: &str = include_str!("../../../rspregistrar/rspregistrar.toml");

/// The keys that are commented out, with their values.
fn settings() -> BTreeMap<&'static str, &'static str> {
    let lines = SAMPLE.lines().filter_map(|line| line.strip_prefix("# ")?.split_once(" = "));
    lines.filter(|(key, _)| !key.contains([' ', ':', '*'])).collect()
}

/// What holds with this file.
fn read(text: &str) -> ArgMatches {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let arguments: [OsString; 3] = ["rspregistrar".into(), "--config".into(), file.path().into()];
    config_file::read(&Cli::command(), &arguments).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn values(matches: &ArgMatches, arg: &Arg) -> Vec<OsString> {
    let values = matches.get_raw(arg.get_id().as_str());
    values.map(|values| values.map(ToOwned::to_owned).collect()).unwrap_or_default()
}

#[test]
fn the_sample_has_every_option_with_its_default_or_a_good_example_and_changes_nothing() {
    let (command, mut settings) = (Cli::command(), settings());
    let others = ["help", "version", "config", "check-config"];
    let options = command.get_arguments().filter_map(|arg| Some((arg.get_long()?, arg)));
    for (name, arg) in options.filter(|(name, _)| !others.contains(name)) {
        let value = settings.remove(name).unwrap_or_else(|| panic!("{name} is missing"));
        let matches = read(&format!("{name} = {value}"));
        if !arg.get_default_values().is_empty() {
            assert_eq!(values(&matches, arg), arg.get_default_values(), "{name}");
        }
    }
    assert!(settings.is_empty(), "no options: {settings:?}");
    let (before, after) = (Cli::command().get_matches_from(["rspregistrar"]), read(SAMPLE));
    assert!(config_file::differences(&command, &before, &after).is_empty());
}

#[test]
fn what_the_sample_says_of_reloads_is_so() {
    let command = Cli::command();
    let is_option = |name: &str| command.get_arguments().any(|arg| arg.get_long() == Some(name));
    let unknown: Vec<_> = CHANGEABLE.iter().filter(|name| !is_option(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// Another value of an option than its default, or than what its profile says.
fn other(name: &str, sample: &str) -> String {
    match (sample.parse::<i64>(), sample.trim_matches('"')) {
        // The most that it may be.
        (Ok(128), _) => "127".into(),
        // Rates have none by default, for -1 and for 0.
        (Ok(number), _) => (number + 6).to_string(),
        (_, "false") => "true".into(),
        (_, "auto") => r#""239.1.2.3""#.into(),
        (_, "rsplib") if name == "profile" => r#""fast""#.into(),
        (_, "registrar") => r#""another""#.into(),
        _ => sample.into(),
    }
}

/// What a running registrar can be told.
fn state(matches: &ArgMatches) -> String {
    let cli = Cli::from_arg_matches(matches).unwrap();
    let config = cli.config(RegistrarId(1));
    let log = cli.log.filter().to_string();
    format!("{config:?} {log} {} {:?} {:?}", cli.quiet, cli.outages, cli.driver_options())
}

#[test]
fn a_reload_changes_what_can_be_changed_and_nothing_else() {
    let command = Cli::command();
    let before = read("");
    for (name, sample) in settings() {
        let wanted = read(&format!("{name} = {}", other(name, sample)));
        assert_eq!(config_file::differences(&command, &before, &wanted), [name]);
        let is_changeable = |name: &str| CHANGEABLE.contains(&name);
        let taken = config_file::take_over(&command, &before, &wanted, is_changeable).unwrap();
        assert_eq!(state(&taken) != state(&before), is_changeable(name), "{name}");
    }
}

#[test]
fn what_needs_a_restart_has_no_half_an_effect_on_what_does_not() {
    // Without registrars there would be no use for peers.
    let (before, wanted) = (read("peer = [\"192.0.2.1\"]"), read("peer = [\"192.0.2.2\"]\nenrp = \"off\""));
    let is_changeable = |name: &str| CHANGEABLE.contains(&name);
    let taken = config_file::take_over(&Cli::command(), &before, &wanted, is_changeable).unwrap();
    let peers = Cli::from_arg_matches(&taken).unwrap().config(RegistrarId(1)).enrp.peers;
    assert_eq!(peers, [location::addresses("192.0.2.2", 9901).unwrap()]);
}

/// Each field of the registrar's settings that is a time, or a number, is reached by an option.
#[test]
fn every_timer_and_limit_can_be_set() {
    let options = [
        "serverannouncecycle=101",
        "endpointkeepalivetransmissioninterval=302",
        "keep-alive-jitter=3",
        "endpointkeepalivetimeoutinterval=104",
        "connect-timeout=105",
        "update-delay=106",
        "autoclosetimeout=7",
        "max-answer-items=8",
        "maxhresitems=7",
        "max-subscriptions=9",
        "maxincrement=10",
        "maxbadpereports=11",
        "distancestep=12",
        "peerheartbeatcycle=121",
        "peermaxtimelastheard=122",
        "peermaxtimenoresponse=123",
        "mentordiscoverytimeout=124",
        "takeoverexpiryinterval=125",
        "takeover-patience=126",
        "max-claims=27",
        "max-peers=28",
        "max-table-bytes=129",
        "maxelementsperhtrequest=30",
        "max-associations=31",
        "max-elements=32",
        "max-pools=33",
        "max-element-addresses=34",
    ];
    let options = options.map(|option| format!("--{option}"));
    let cli = Cli::try_parse_from(["rspregistrar".to_owned()].iter().chain(&options)).unwrap();
    let config = cli.config(RegistrarId(1));
    let millis = Duration::from_millis;
    let enrp = EnrpConfig {
        max_peers: 28,
        heartbeat_cycle: millis(121),
        max_time_last_heard: millis(122),
        max_time_no_response: millis(123),
        mentor_discovery_timeout: millis(124),
        takeover_expiry: millis(125),
        takeover_patience: millis(126),
        max_claims: 27,
        max_table_entries: 30,
        max_table_len: 129,
        // What is not a time or a number.
        transport: None,
        peers: Vec::new(),
        names: Vec::new(),
        multicast: false,
        suggest_takeovers: false,
    };
    let expected = RegistrarConfig {
        limits: Limits { elements: 32, pools: 33, addresses: 34 },
        distance_step: millis(12),
        max_associations: 31,
        default_items: 7,
        max_items: 8,
        increment: Some(10),
        keep_alive_interval: millis(302),
        keep_alive_jitter: 3,
        keep_alive_timeout: millis(104),
        max_bad_pe_reports: 11,
        announce_interval: Some(millis(101)),
        connect_timeout: millis(105),
        autoclose: Duration::from_secs(7),
        max_subscriptions: 9,
        update_delay: millis(106),
        enrp,
        id: RegistrarId(1),
        format: Format::default(),
        policies: Policies::default(),
        min_address_scope: None,
        announce_transports: Vec::new(),
        access: Access::default(),
        user_limits: UserLimits::default(),
    };
    assert_eq!(config, expected);
}

#[test]
fn lives_are_in_seconds_only_if_it_is_said() {
    for (option, unit) in
        [("--profile=rfc", LifeUnit::Milliseconds), ("--life-in-seconds", LifeUnit::Seconds)]
    {
        let cli = Cli::try_parse_from(["rspregistrar", option]).unwrap();
        assert_eq!(cli.config(RegistrarId(1)).format.life_unit, unit, "{option}");
    }
}

#[test]
fn numbers_are_clamped_to_what_their_options_take() {
    let takes = |name: &str, value: i64| {
        Cli::try_parse_from(["rspregistrar".to_owned(), format!("--{name}={value}")]).is_ok()
    };
    for &(name, least, greatest) in CLAMPED {
        assert!(takes(name, least) && takes(name, greatest), "{name}");
        assert!(!takes(name, least - 1), "{name}: {least}");
        assert!(greatest.checked_add(1).is_none_or(|above| !takes(name, above)), "{name}: {greatest}");
    }
}

#[test]
fn what_cannot_start_anywhere_is_told() {
    let check =
        |options: &[&str]| Cli::try_parse_from([&["rspregistrar"], options].concat()).unwrap().check();
    for good in [
        &["--local=127.0.0.1,::1", "--asap=127.0.0.1", "--enrp=[::1]:3863"][..],
        &["--tun=10.9.0.2/24,fd09::2/64", "--asap=fd09::2"],
        &["--asap=192.0.2.1:9901", "--enrp=off"],
        &["--local=127.0.0.1", "--disable-ipv6"],
    ] {
        assert_eq!(check(good), Ok(()), "{good:?}");
    }
    for (wrong, expected) in [
        (&["--local=::1", "--disable-ipv6"][..], "--local ::1 is not possible with --disable-ipv6"),
        (&["--tun=fd09::2/64", "--disable-ipv6"], "--tun fd09::2 is not possible with --disable-ipv6"),
        (&["--local=127.0.0.1", "--asap=127.0.0.1,127.0.0.2"], "--asap: 127.0.0.2 is none of "),
        (&["--local=127.0.0.1", "--enrp=127.0.0.2:9901"], "--enrp: 127.0.0.2 is none of "),
        (&["--tun=10.9.0.2/24", "--asap=10.9.0.1"], "--asap: 10.9.0.1 is none of "),
        (&["--disable-ipv6", "--asap=::1"], "--asap: ::1 is none of "),
        (&["--local=0.0.0.0"], "--local: the wildcard 0.0.0.0 "),
        (&["--local=fe80::1"], "--local: "),
        (&["--asap=192.0.2.1:9901"], "--asap and --enrp need different ports, both have 9901"),
    ] {
        let told = check(wrong).expect_err("it cannot start");
        assert!(told.starts_with(expected), "{wrong:?}: {told}");
    }
}

#[test]
fn an_identifier_that_is_not_given_is_drawn_and_never_zero() {
    // RFC 5353, 2.1 and 3.2.1.
    for options in [&["rspregistrar"][..], &["rspregistrar", "--identifier=0"]] {
        let cli = Cli::try_parse_from(options).unwrap();
        let drawn: BTreeSet<_> = (0..100).map(|_| cli.id()).collect();
        assert!(drawn.len() > 90 && !drawn.contains(&RegistrarId::NONE), "{drawn:?}");
    }
}
