//! Policies as RSPLIB's `-policy` option spells them: a name, and the numbers that the policy needs.

use rserpool::wire::{Policy, PolicyField, PolicyType};

/// The abbreviations of RSPLIB's test programs.
const SHORT_NAMES: [(&str, PolicyType); 13] = [
    ("rr", PolicyType::RoundRobin),
    ("wrr", PolicyType::WeightedRoundRobin),
    ("rand", PolicyType::Random),
    ("wrand", PolicyType::WeightedRandom),
    ("prio", PolicyType::Priority),
    ("lu", PolicyType::LeastUsed),
    ("lud", PolicyType::LeastUsedDegradation),
    ("plu", PolicyType::PriorityLeastUsed),
    ("plud", PolicyType::PriorityLeastUsedDegradation),
    ("rlu", PolicyType::RandomizedLeastUsed),
    ("rlud", PolicyType::RandomizedLeastUsedDegradation),
    ("rplu", PolicyType::RandomizedPriorityLeastUsed),
    ("rplud", PolicyType::RandomizedPriorityLeastUsedDegradation),
];

/// Reads `Name:number:number`. Loads, degradations and delay factors are shares, from 0 to 1; weights and priorities
/// are whole numbers. The load of a Least Used policy starts at 0 and is the service's to change.
pub fn parse(text: &str) -> Result<Policy, String> {
    read(text, |_| None)
}

/// The same, but numbers may be left out: weights are 1 then, and all else is 0.
pub fn parse_or_usual(text: &str) -> Result<Policy, String> {
    read(text, |field| Some(u32::from(field == PolicyField::Weight)))
}

/// A share, such as a load, as policies have it: a number, or a fraction such as 1/3.
///
/// # Errors
/// What is wrong with it.
pub fn share(text: &str) -> Result<u32, String> {
    let (number, of) = text.split_once('/').unwrap_or((text, "1"));
    let share = number.parse::<f64>().and_then(|number| Ok(number / of.parse::<f64>()?));
    match share {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok((share * f64::from(u32::MAX)) as u32),
        _ => Err(format!("`{text}` is not a number from 0 to 1")),
    }
}

/// With another number, if one is said, and if it is of this policy.
pub fn with_number(policy: Policy, field: PolicyField, number: Option<u32>) -> Policy {
    match number.filter(|_| policy.policy_type.fields().contains(&field)) {
        Some(number) => policy.with(field, number),
        None => policy,
    }
}

fn read(text: &str, usual: impl Fn(PolicyField) -> Option<u32>) -> Result<Policy, String> {
    let mut parts = text.split(':');
    let name = parts.next().unwrap_or_default();
    let short = SHORT_NAMES.iter().find(|(short, _)| short.eq_ignore_ascii_case(name)).map(|(_, kind)| *kind);
    let kind = short
        .or_else(|| PolicyType::from_name(name))
        .ok_or_else(|| format!("no such policy; there are: {}", names()))?;
    let mut policy = Policy::new(kind);
    // The load and the distance are not configured: they are measured.
    let wanted = |field: &&PolicyField| !matches!(field, PolicyField::Load | PolicyField::Distance);
    let fields: Vec<_> = kind.fields().iter().filter(wanted).collect();
    for field in &fields {
        // RSPLIB has no number for it: one more user adds nothing to the load.
        let of_kind = (kind == PolicyType::RandomizedPriorityLeastUsed).then_some(0);
        let missing =
            || format!("{name} needs {} number(s) after its name, separated by colons", fields.len());
        let said = parts.next().map(|text| number(**field, text)).transpose()?;
        policy = policy.with(**field, said.or(of_kind).or_else(|| usual(**field)).ok_or_else(missing)?);
    }
    match parts.next() {
        Some(extra) => Err(format!("`{extra}` is one number too many for {name}")),
        None => Ok(policy),
    }
}

fn number(field: PolicyField, text: &str) -> Result<u32, String> {
    match field {
        PolicyField::Weight | PolicyField::Priority => {
            text.parse().map_err(|_| format!("`{text}` is not a whole number below 2^32"))
        }
        _ => share(text),
    }
}

fn names() -> String {
    let names: Vec<_> = PolicyType::all().map(PolicyType::name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_spelled_as_rsplibs() {
        assert_eq!(parse("RoundRobin"), Ok(Policy::new(PolicyType::RoundRobin)));
        assert_eq!(parse("leastused"), Ok(Policy::least_used(0)));
        assert_eq!(parse("WeightedRoundRobin:7").unwrap().numbers(), [7]);
        assert_eq!(parse("PriorityLeastUsed:1").unwrap().numbers(), [0, u32::MAX]);
        assert_eq!(parse("WeightedRandomDPF:3:0.5").unwrap().numbers(), [3, u32::MAX / 2, 0]);
        assert_eq!(parse("RandomizedPriorityLeastUsed").unwrap().numbers(), [0, 0]);
        assert_eq!(parse("RandomizedPriorityLeastUsed:1").unwrap().numbers(), [0, u32::MAX]);
    }

    #[test]
    fn rsplib_s_test_programs_abbreviate_and_leave_numbers_out() {
        assert_eq!(parse_or_usual("wrr"), parse("WeightedRoundRobin:1"));
        assert_eq!(parse_or_usual("weightedroundrobin:7"), parse("WRR:7"));
        assert_eq!(parse_or_usual("lud").unwrap().numbers(), [0, 0]);
        assert!(parse("wrr").is_err() && parse_or_usual("rr:1").is_err() && parse_or_usual("xx").is_err());
        for (short, kind) in SHORT_NAMES {
            assert_eq!(parse_or_usual(short).unwrap().policy_type, kind, "{short}");
        }
    }

    #[test]
    fn numbers_are_replaced_where_the_policy_has_them() {
        let half = share("0.5").unwrap();
        assert_eq!((share("1/2"), share("7/4294967295")), (Ok(half), Ok(7)));
        assert!(share("1/0").is_err() && share("2/1").is_err() && share("1/").is_err());
        let loaded = |policy| with_number(policy, PolicyField::Load, Some(half));
        assert_eq!(loaded(parse("lu").unwrap()), Policy::least_used(half));
        assert_eq!(loaded(parse("rr").unwrap()), parse("rr").unwrap());
        assert_eq!(with_number(Policy::least_used(7), PolicyField::Load, None), Policy::least_used(7));
    }

    #[test]
    fn wrong_policies_are_refused_with_the_reason() {
        for (wrong, reason) in [
            ("Best", "no such policy"),
            ("WeightedRoundRobin", "needs 1 number"),
            ("RoundRobin:1", "too many"),
            ("LeastUsedDegradation:2", "from 0 to 1"),
            ("Priority:-1", "whole number"),
        ] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains(reason), "{wrong}: {error}");
        }
    }
}
