//! Files, variables and options that are good, and that are not.

use clap::Parser;

use super::*;

const SAMPLE: &str = include_str!("../../../sctpd/sctpd.toml");

/// Reads a file of this text.
fn read(text: &str, sources: &Sources<'_>) -> Result<Config, ConfigError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    Config::read(Some(file.path()), sources)
}

fn refused(text: &str) -> String {
    read(text, &Sources::default()).unwrap_err().to_string()
}

/// Its keys without the comment signs before them.
fn uncommented(sample: &str) -> String {
    let is_key = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains([' ', ':', '"']));
    let lines =
        sample.lines().map(|line| line.strip_prefix("# ").filter(|line| is_key(line)).unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_sample_changes_nothing_and_has_every_key_with_its_default() {
    assert_eq!(read(SAMPLE, &Sources::default()).unwrap(), Config::default());
    let table: toml::Table = uncommented(SAMPLE).parse().unwrap();
    let default = toml::Table::try_from(Config::default()).unwrap();
    let keys = |table: &toml::Table, section: &str| -> Vec<String> {
        table[section].as_table().unwrap().keys().cloned().collect()
    };
    for section in ["limits", "defaults"] {
        assert_eq!(table[section], default[section], "{section}");
    }
    assert_eq!(keys(&table, "transport"), ["kind", "local", "remote_udp_port", "tun", "tun_mtu", "udp_port"]);
    assert_eq!(keys(&table, "access"), ["groups", "unprivileged_ports_from", "users"]);
    for key in ["name", "log", "statistics", "stop_ms"] {
        assert_eq!(table[key], default[key], "{key}");
    }
    // No key that is not known.
    let all: Config = table.try_into().unwrap();
    assert!(all.user.is_some() && all.pcap.is_some() && all.access.users.is_some());
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let unknown = refused("log = \"info\"\n[limits]\nsocket = 5\n");
    assert!(unknown.contains("line 3") && unknown.contains("unknown field `socket`"), "{unknown}");
    let kind = refused("[transport]\nkind = \"tcp\"\n");
    assert!(kind.contains("line 2") && kind.contains("tcp"), "{kind}");
    let syntax = refused("log = \n");
    assert!(syntax.contains("line 1"), "{syntax}");
    let missing = Config::read(Some(Path::new("/nonexistent/sctpd.toml")), &Sources::default()).unwrap_err();
    assert!(missing.to_string().starts_with("cannot read /nonexistent/sctpd.toml"), "{missing}");
}

#[test]
fn values_out_of_range_and_those_that_do_not_go_together_are_named() {
    for (text, key) in [
        ("name = \"\"", "name"),
        ("stop_ms = 600001", "stop_ms"),
        ("limits.sockets = 65537", "limits.sockets"),
        ("log = \"a=b=c\"", "log"),
        ("transport.kind = \"tun\"", "transport.tun"),
        ("transport.tun = [\"10.9.0.2/24\"]", "transport.tun"),
        ("transport = { kind = \"tun\", tun = [\"x\"] }", "transport.tun"),
        ("transport.remote_udp_port = 0", "transport.remote_udp_port"),
        ("defaults.rto_min_ms = 2000", "defaults.rto_initial_ms"),
        ("defaults.rto_max_ms = 3600001", "defaults.rto_min_ms, rto_max_ms"),
        ("defaults.sack_delay_ms = 501", "defaults.sack_delay_ms"),
        ("defaults.outbound_streams = 0", "defaults.outbound_streams"),
        ("defaults.send_buffer = 1", "defaults.send_buffer"),
    ] {
        let error = refused(text);
        assert!(error.starts_with(key), "{text}: {error}");
    }
}

#[test]
fn the_environment_goes_before_the_file_and_the_command_line_before_both() {
    let environment = [
        ("SCTPD_LOG", "info"),
        ("SCTPD_LIMITS_SOCKETS", "7"),
        ("SCTPD_TRANSPORT_UDP_PORT", "9001"),
        ("SCTPD_TRANSPORT_LOCAL", "[\"127.0.0.1\"]"),
        ("SCTPD_CONFIG", "/elsewhere"),
        ("PATH", "/bin"),
    ];
    let environment = environment.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let set = ["limits.sockets=8".to_owned()];
    let sources = Sources { set: &set, environment, transport: None };
    let file = "log = \"trace\"\nlimits.sockets = 6\nlimits.connections = 5\n";
    let config = read(file, &sources).unwrap();
    assert_eq!((config.log.as_str(), config.limits.sockets, config.limits.connections), ("info", 8, 5));
    assert_eq!(config.transport.udp_port, 9001);
    assert_eq!(config.transport.local, [IpAddr::from([127, 0, 0, 1])]);
}

#[test]
fn wrong_variables_and_settings_are_named() {
    let environment: BTreeMap<_, _> = [("SCTPD_LIMITS_SOCKET".to_owned(), "7".to_owned())].into();
    let error = read("", &Sources { environment, ..Sources::default() }).unwrap_err().to_string();
    assert!(error.starts_with("SCTPD_LIMITS_SOCKET: unknown field"), "{error}");
    for (setting, part) in [
        ("limits.sockets=many", "invalid type"),
        ("log", "KEY=VALUE"),
        ("log.x=1", "invalid type"),
        ("nothing=1", "unknown field"),
    ] {
        let set = [setting.to_owned()];
        let error = read("", &Sources { set: &set, ..Sources::default() }).unwrap_err().to_string();
        assert!(error.starts_with(&format!("--set {setting}")) && error.contains(part), "{error}");
    }
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    transport: TransportOptions,
}

#[test]
fn transport_options_of_the_command_line_go_before_the_file() {
    let read = |arguments: &[&str], text: &str| {
        let transport = Cli::parse_from([&["sctpd"], arguments].concat()).transport;
        let config = read(text, &Sources { transport: Some(&transport), ..Sources::default() }).unwrap();
        (config.transport_options(&transport).unwrap(), config)
    };
    let file = "pcap = \"/a\"\n[transport]\nkind = \"udp\"\nudp_port = 9000\nlocal = [\"127.0.0.1\"]\n";
    let (options, _) = read(&[], file);
    assert_eq!((options.raw, options.udp, options.local.len()), (false, Some(9000), 1));
    let (options, _) = read(&["--raw", "--local", "127.0.0.2,127.0.0.3", "--pcap", "/b"], file);
    assert_eq!((options.raw, options.udp, options.local.len()), (true, None, 2));
    assert_eq!(options.pcap, Some("/b".into()));
    let (options, config) = read(&["--tun", "10.9.0.2/24", "--loss", "1"], file);
    assert_eq!((options.tun.len(), options.local.len(), options.loss), (1, 0, 1.0));
    assert_eq!(config.transport.tun, ["10.9.0.2/24"]);
}

#[test]
fn a_reload_names_what_it_cannot_change() {
    let old = Config::default();
    let new = read("log = \"info\"\nlimits.sockets = 1\nstop_ms = 5\n", &Sources::default()).unwrap();
    assert!(old.needs_restart(&new).is_empty());
    let new =
        read("user = \"nobody\"\ntransport.udp_port = 1\ndefaults.max_burst = 5\n", &Sources::default());
    assert_eq!(old.needs_restart(&new.unwrap()), ["user", "transport", "defaults"]);
}
