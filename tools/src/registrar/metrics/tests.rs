//! The page, beside what Prometheus's text format allows.

use std::collections::BTreeMap;

use super::*;

fn snapshot() -> Snapshot {
    let mut counts = [0; Latencies::BOUNDS.len()];
    (counts[0], counts[2]) = (4, 1);
    let registrations = Latencies { counts, longer: 1, sum: Duration::from_millis(1500) };
    Snapshot {
        id: "0x00000011".into(),
        serves: true,
        pools: 2,
        elements: 5,
        own_elements: 3,
        checksum: 0xffff,
        peers: PeerCounts { active: 2, ..PeerCounts::default() },
        asap_associations: 4,
        tcp_connections: 6,
        tcp_refusals: TcpRefusals { too_many: 8, too_slow: 9 },
        enrp_associations: 1,
        statistics: RegistrarStatistics { registrations: 5, failed_resolutions: 7, ..Default::default() },
        registrations,
        usage: Usage::now(),
    }
}

/// Samples by their names with labels, as strictly as `promtool check metrics` looks at them.
fn samples(page: &str) -> BTreeMap<String, f64> {
    assert!(page.ends_with('\n'), "the last line is no line");
    let (mut families, mut samples) = (BTreeMap::new(), BTreeMap::new());
    let mut helped = None;
    let mut current = String::new();
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect("a text");
            assert!(!text.is_empty() && helped.replace(name.to_owned()).is_none(), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a kind");
            assert_eq!(helped.take().as_deref(), Some(name), "HELP comes before TYPE");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is there twice");
            current = name.to_owned();
        } else {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            let base = name.split('{').next().unwrap();
            let is_of_family = base == current
                || families[&current] == "histogram"
                    && ["_bucket", "_sum", "_count"].iter().any(|end| base == format!("{current}{end}"));
            assert!(is_of_family, "{line} is not of {current}");
            let good = |letter: char| letter.is_ascii_lowercase() || letter == '_';
            assert!(base.chars().all(good), "{base}");
            assert!(samples.insert(name.to_owned(), value.parse().expect("a number")).is_none(), "{line}");
        }
    }
    samples
}

#[test]
fn the_page_is_in_prometheus_s_text_format_with_every_number_at_its_place() {
    let page = snapshot().page();
    assert_eq!((page.status, page.content_type), (200, "text/plain; version=0.0.4; charset=utf-8"));
    let samples = samples(&page.body);
    for (name, value) in [
        ("rspregistrar_serving", 1.0),
        ("rspregistrar_pools", 2.0),
        ("rspregistrar_pool_elements{home=\"this\"}", 3.0),
        ("rspregistrar_pool_elements{home=\"other\"}", 2.0),
        ("rspregistrar_pe_checksum", 65535.0),
        ("rspregistrar_peers{state=\"active\"}", 2.0),
        ("rspregistrar_peers{state=\"being_taken_over\"}", 0.0),
        ("rspregistrar_associations{protocol=\"asap\"}", 4.0),
        ("rspregistrar_tcp_connections", 6.0),
        ("rspregistrar_tcp_refusals_total{reason=\"too_many\"}", 8.0),
        ("rspregistrar_tcp_refusals_total{reason=\"too_slow\"}", 9.0),
        ("rspregistrar_requests_total{request=\"registration\",result=\"new\"}", 5.0),
        ("rspregistrar_requests_total{request=\"handle_resolution\",result=\"failed\"}", 7.0),
        ("rspregistrar_registration_duration_seconds_bucket{le=\"5e-05\"}", 4.0),
        ("rspregistrar_registration_duration_seconds_bucket{le=\"0.00025\"}", 5.0),
        ("rspregistrar_registration_duration_seconds_bucket{le=\"+Inf\"}", 6.0),
        ("rspregistrar_registration_duration_seconds_sum", 1.5),
        ("rspregistrar_registration_duration_seconds_count", 6.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name} in {:#?}", samples.keys());
    }
    assert!(samples["process_resident_memory_bytes"] > 1e5);
    assert!(samples["process_start_time_seconds"] > 1e9 && samples.contains_key("process_cpu_seconds_total"));
}
