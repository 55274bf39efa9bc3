//! Policies as RSPLIB's `-policy` option spells them: a name, and the numbers that the policy needs.

use rserpool::wire::{Policy, PolicyField, PolicyType};

/// Reads `Name:number:number`. Loads, degradations and delay factors are shares, from 0 to 1; weights and priorities
/// are whole numbers. The load of a Least Used policy starts at 0 and is the service's to change.
pub fn parse(text: &str) -> Result<Policy, String> {
    let mut parts = text.split(':');
    let name = parts.next().unwrap_or_default();
    let kind =
        PolicyType::from_name(name).ok_or_else(|| format!("no such policy; there are: {}", names()))?;
    let mut policy = Policy::new(kind);
    // The load and the distance are not configured: they are measured.
    let wanted = |field: &&PolicyField| !matches!(field, PolicyField::Load | PolicyField::Distance);
    let fields: Vec<_> = kind.fields().iter().filter(wanted).collect();
    for field in &fields {
        let text = match (parts.next(), kind) {
            (Some(text), _) => text,
            // RSPLIB has no number for it: one more user adds nothing to the load.
            (None, PolicyType::RandomizedPriorityLeastUsed) => "0",
            (None, _) => {
                let needed = fields.len();
                return Err(format!("{name} needs {needed} number(s) after its name, separated by colons"));
            }
        };
        policy = policy.with(**field, number(**field, text)?);
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
        _ => match text.parse::<f64>() {
            Ok(share) if (0.0..=1.0).contains(&share) => Ok((share * f64::from(u32::MAX)) as u32),
            _ => Err(format!("`{text}` is not a number from 0 to 1")),
        },
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
