use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn access(rules: &[&str]) -> Access {
    let own_networks = ["10.0.0.0/8", "2001:db8:1::/48"].map(|network| network.parse().unwrap());
    Access {
        rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
        own_networks: Some(own_networks.into()),
    }
}

#[test]
fn without_rules_only_own_networks_register_and_are_peers_and_everybody_resolves() {
    let access = access(&[]);
    let pool = PoolHandle::from("EchoPool");
    for own in ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8:1::7"] {
        assert!(access.allows(Right::Register, ip(own), Some(&pool)), "{own}");
        assert!(access.allows(Right::Peer, ip(own), None), "{own}");
    }
    for foreign in ["11.1.2.3", "2001:db8:2::7", "::1"] {
        assert!(!access.allows(Right::Register, ip(foreign), Some(&pool)), "{foreign}");
        assert!(!access.allows(Right::Peer, ip(foreign), None), "{foreign}");
        assert!(access.allows(Right::Resolve, ip(foreign), Some(&pool)), "{foreign}");
        assert!(access.allows(Right::Report, ip(foreign), Some(&pool)), "{foreign}");
    }
}

#[test]
fn who_does_not_know_its_networks_takes_all_for_its_own() {
    assert!(Access::default().allows(Right::Peer, ip("192.0.2.1"), None));
}

#[test]
fn the_first_rule_that_speaks_of_a_request_decides() {
    let access = access(&[
        "deny register from 10.6.6.0/24,10.7.7.7",
        "allow register from 192.0.2.0/24 pool Echo*",
        "deny resolve from 192.0.2.0/24 pool Secret",
        "deny register from own pool Secret",
    ]);
    let register = |from, pool: &str| access.allows(Right::Register, ip(from), Some(&pool.into()));
    assert!(!register("10.6.6.1", "Echo") && !register("10.7.7.7", "Echo") && register("10.7.7.8", "Echo"));
    assert!(register("192.0.2.9", "EchoPool") && !register("192.0.2.9", "Pool"));
    assert!(!register("10.1.1.1", "Secret"));
    assert!(!access.allows(Right::Resolve, ip("192.0.2.9"), Some(&"Secret".into())));
    assert!(access.allows(Right::Resolve, ip("192.0.3.9"), Some(&"Secret".into())));
}

#[test]
fn who_may_do_nothing_at_all_is_not_admitted() {
    let some = access(&["allow resolve from 192.0.2.1 pool Echo*", "deny all from 192.0.2.0/24"]);
    assert!(some.admits(ip("192.0.2.1")) && !some.admits(ip("192.0.2.2")) && some.admits(ip("192.0.3.1")));
    let secret = access(&["deny all from 192.0.2.2 pool Secret"]);
    assert!(secret.admits(ip("192.0.2.2")), "other pools are left");
}

#[test]
fn patterns_match_whole_handles() {
    let matches = |pattern: &str, handle: &str| PoolPattern(pattern.into()).matches(Some(&handle.into()));
    let yes = [("Echo", "Echo"), ("E?ho", "Echo"), ("*Pool", "EchoPool"), ("*", ""), ("a*b*c", "aXbbYc")];
    for (pattern, handle) in yes.into_iter().chain([("**", "x"), ("Echo*", "Echo"), ("My Pool", "My Pool")]) {
        assert!(matches(pattern, handle), "{pattern} {handle}");
    }
    for (pattern, handle) in
        [("Echo", "EchoPool"), ("?", ""), ("*Pool", "PoolX"), ("a*b*c", "acb"), ("", "x")]
    {
        assert!(!matches(pattern, handle), "{pattern} {handle}");
    }
    assert!(!matches(&"*a".repeat(40), &"a".repeat(39)));
    assert!(PoolPattern("*".into()).matches(Some(&PoolHandle::new([0xff, 0x00]))));
}

#[test]
fn rules_are_written_as_they_are_read() {
    let forms = [
        ("allow all", "allow all from any pool *"),
        (" deny  report,register from own", "deny register,report from own pool *"),
        (
            "allow register from 192.0.2.7/24,::1 pool My Pool?",
            "allow register from 192.0.2.0/24,::1/128 pool My Pool?",
        ),
        ("allow peer from ::ffff:10.0.0.1", "allow peer from 10.0.0.1/32 pool *"),
        ("deny all from ::ffff:10.1.0.0/104,::/0", "deny all from 10.0.0.0/8,::/0 pool *"),
        ("deny all pool Secret", "deny all from any pool Secret"),
    ];
    for (text, normal) in forms {
        let rule: AccessRule = text.parse().unwrap();
        assert_eq!(rule.to_string(), normal);
        assert_eq!(normal.parse(), Ok(rule));
    }
}

#[test]
fn what_is_no_rule_is_told_why() {
    let error = |text: &str| text.parse::<AccessRule>().unwrap_err();
    assert_eq!(error(""), AccessRuleError::Verdict { found: String::new() });
    assert_eq!(error("permit all"), AccessRuleError::Verdict { found: "permit".into() });
    assert_eq!(error("allow"), AccessRuleError::Right { found: String::new() });
    assert_eq!(error("allow register,fly"), AccessRuleError::Right { found: "fly".into() });
    assert_eq!(error("allow all from 10.0.0.0/33"), AccessRuleError::Source { found: "10.0.0.0/33".into() });
    assert_eq!(error("allow all from"), AccessRuleError::Source { found: String::new() });
    assert_eq!(error("allow all to x"), AccessRuleError::Clause { found: "to".into() });
    assert_eq!(error("allow all pool"), AccessRuleError::Clause { found: "pool".into() });
    assert_eq!(error("allow peer pool Echo"), AccessRuleError::PeerOfPool);
    // Neither is forgotten in silence.
    assert_eq!(error("deny all from 10.0.0.1 from 10.0.0.2"), AccessRuleError::Twice);
    assert_eq!(error("deny all pool Echo* from 10.0.0.1,own"), AccessRuleError::Order);
    assert!("deny all pool Letters from home".parse::<AccessRule>().is_ok());
}
