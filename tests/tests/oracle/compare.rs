//! What differs between two lists of facts.

use std::collections::BTreeMap;

/// Facts of one case that stand on one side only, at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hunk {
    /// `family.case`
    pub case: String,
    pub linux: Vec<String>,
    pub ours: Vec<String>,
}

/// The differences of a family, in its order. Each fact begins with its case's name and a colon.
pub(crate) fn hunks(family: &str, linux: &[String], ours: &[String]) -> Vec<Hunk> {
    let [linux, mut ours] = [linux, ours].map(by_case);
    let mut found = Vec::new();
    for (case, facts) in &linux {
        let others = ours.remove(case).unwrap_or_default();
        found.extend(of_case(&format!("{family}.{case}"), facts, &others));
    }
    for (case, facts) in &ours {
        found.extend(of_case(&format!("{family}.{case}"), &[], facts));
    }
    found
}

fn by_case(facts: &[String]) -> BTreeMap<&str, Vec<&str>> {
    let mut cases = BTreeMap::<_, Vec<_>>::new();
    for fact in facts {
        let (case, fact) = fact.split_once(": ").unwrap_or(("", fact));
        cases.entry(case).or_default().push(fact);
    }
    cases
}

fn of_case(case: &str, linux: &[&str], ours: &[&str]) -> Vec<Hunk> {
    let common = common(linux, ours);
    let mut found = Vec::new();
    let (mut at_linux, mut at_ours) = (0, 0);
    for (i, j) in common.into_iter().chain([(linux.len(), ours.len())]) {
        if at_linux < i || at_ours < j {
            let owned = |facts: &[&str]| facts.iter().map(|&fact| fact.to_owned()).collect();
            let hunk = Hunk {
                case: case.to_owned(),
                linux: owned(&linux[at_linux..i]),
                ours: owned(&ours[at_ours..j]),
            };
            found.push(hunk);
        }
        (at_linux, at_ours) = (i + 1, j + 1);
    }
    found
}

/// The places of a longest common subsequence.
fn common(a: &[&str], b: &[&str]) -> Vec<(usize, usize)> {
    let mut longest = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i][j] = match a[i] == b[j] {
                true => longest[i + 1][j + 1] + 1,
                false => longest[i + 1][j].max(longest[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut places) = (0, 0, Vec::new());
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            places.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if longest[i + 1][j] >= longest[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    places
}

/// The differences as text, for people.
pub(crate) fn text(hunks: &[Hunk]) -> String {
    hunks.iter().map(ToString::to_string).collect()
}

impl std::fmt::Display for Hunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.case)?;
        self.linux.iter().try_for_each(|fact| writeln!(f, "  - {fact}"))?;
        self.ours.iter().try_for_each(|fact| writeln!(f, "  + {fact}"))
    }
}

#[test]
fn what_differs_is_found_at_its_place() {
    let [linux, ours] =
        [["c: a", "c: b", "c: d"], ["c: a", "c: x", "c: d"]].map(|facts| facts.map(str::to_owned).to_vec());
    let [hunk] = &hunks("f", &linux, &ours)[..] else { panic!("one difference") };
    let expected = Hunk { case: "f.c".to_owned(), linux: vec!["b".to_owned()], ours: vec!["x".to_owned()] };
    assert_eq!(hunk, &expected);
    assert!(hunks("f", &linux, &linux).is_empty());
}

#[test]
fn a_case_that_one_side_lacks_differs_as_a_whole() {
    let facts = ["c: a".to_owned(), "c: b".to_owned()];
    let hunk = |linux: &[&str], ours: &[&str]| {
        let owned = |facts: &[&str]| facts.iter().map(|&fact| fact.to_owned()).collect();
        Hunk { case: "f.c".to_owned(), linux: owned(linux), ours: owned(ours) }
    };
    assert_eq!(hunks("f", &facts, &[]), [hunk(&["a", "b"], &[])]);
    assert_eq!(hunks("f", &[], &facts), [hunk(&[], &["a", "b"])]);
}
