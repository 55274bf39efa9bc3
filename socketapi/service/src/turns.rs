//! Whose turn it is: users that have something to do take turns, so that one who has much to do holds up nobody who has little.
//!
//! What is ready waits in a line of its user's, and the user who has had the least goes first. Who has had nothing to do for a while
//! saves nothing up: it begins with what the others have had. So each gets an equal share of what the service can do as long as all
//! want theirs, and all of it when nobody else does. What is not done yet stays in the kernel's queues.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

/// What one user may have had more than others at most, in turns: so long it waits for them in the worst case.
const MOST_OWED: u64 = 256;
/// For so many turns a user counts as one who may come back at once.
const RECENT: u64 = 64;
/// Lines that are kept while nobody waits.
const MOST_IDLE: usize = 64;
/// Turns behind which the kernel is asked for news, where there is nobody else.
const MOST_ALONE: usize = 64;

/// What is to be done for clients and sockets, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    users: FxHashMap<u32, Line>,
    /// How many numbers wait in all lines.
    waiting: usize,
    /// What the user had had who was last.
    level: u64,
    /// Turns that there have been.
    past: u64,
    /// Who was last.
    latest: Option<u32>,
    /// When somebody else was.
    changed: Option<u64>,
}

#[derive(Debug)]
struct Line {
    numbers: VecDeque<u64>,
    /// Turns that it has had, or as many as others.
    had: u64,
}

impl Turns {
    /// There is something to do for this number.
    pub(crate) fn wait(&mut self, user: u32, number: u64) {
        let line = self.line(user);
        line.numbers.push_back(number);
        self.waiting += 1;
    }

    /// A user has had so many turns more than it has taken.
    pub(crate) fn charge(&mut self, user: u32, turns: usize) {
        let most = self.level + MOST_OWED;
        let line = self.line(user);
        line.had = line.had.saturating_add(turns as u64).min(most);
    }

    fn line(&mut self, user: u32) -> &mut Line {
        let level = self.level;
        let line = self.users.entry(user).or_insert(Line { numbers: VecDeque::new(), had: level });
        if line.numbers.is_empty() {
            line.had = line.had.max(level);
        }
        line
    }

    /// Whether anything waits.
    pub(crate) fn are_due(&self) -> bool {
        self.waiting > 0
    }

    /// Whether users get in each other's way: more than one has had a turn lately.
    pub(crate) fn are_contended(&self) -> bool {
        self.changed.is_some_and(|changed| self.past - changed < RECENT)
    }

    /// How many turns there are to be before the kernel is asked for news: who has little to do is heard as soon as it says something.
    pub(crate) fn round(&self) -> usize {
        if !self.are_contended() {
            return self.waiting.min(MOST_ALONE);
        }
        self.users.values().filter(|line| !line.numbers.is_empty()).count()
    }

    /// Whose turn it is.
    pub(crate) fn next(&mut self) -> Option<u64> {
        let waiting = self.users.iter_mut().filter(|(_, line)| !line.numbers.is_empty());
        let (user, line) = waiting.min_by_key(|(user, line)| (line.had, **user))?;
        let (user, number) = (*user, line.numbers.pop_front()?);
        self.level = self.level.max(line.had);
        line.had += 1;
        self.waiting -= 1;
        self.past += 1;
        if self.latest.replace(user).is_some_and(|latest| latest != user) {
            self.changed = Some(self.past);
        }
        self.forget();
        Some(number)
    }

    /// Where nobody waits, nobody has had too much.
    fn forget(&mut self) {
        if self.waiting > 0 {
            return;
        }
        self.level = 0;
        if self.users.len() > MOST_IDLE {
            self.users.clear();
        }
        self.users.values_mut().for_each(|line| line.had = 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: u64 = 1_000;

    /// Numbers from here on are of the user 2.
    const SECOND: u64 = 1_000_000;

    fn of_second(taken: &[u64]) -> usize {
        taken.iter().filter(|number| **number >= SECOND).count()
    }

    fn take(turns: &mut Turns, count: usize) -> Vec<u64> {
        (0..count).map_while(|_| turns.next()).collect()
    }

    #[test]
    fn users_with_full_lines_have_equal_shares_however_long_the_lines_are() {
        let mut turns = Turns::default();
        (0..MANY).for_each(|number| turns.wait(1, number));
        (SECOND..SECOND + 50).for_each(|number| turns.wait(2, number));
        let taken = take(&mut turns, 100);
        assert_eq!(of_second(&taken), 50);
        // In their order.
        assert!(taken.iter().filter(|number| **number < SECOND).is_sorted());
        assert_eq!(take(&mut turns, 2_000).len(), MANY as usize - 50);
        assert!(!turns.are_due() && turns.next().is_none());
    }

    #[test]
    fn who_comes_now_and_then_waits_for_one_turn_of_another_one() {
        let mut turns = Turns::default();
        (0..MANY).for_each(|number| turns.wait(1, number));
        take(&mut turns, 100);
        for number in SECOND..SECOND + 50 {
            turns.wait(2, number);
            assert_eq!(of_second(&take(&mut turns, 2)), 1, "{number}");
            take(&mut turns, 3);
        }
    }

    #[test]
    fn who_had_nothing_to_do_has_saved_nothing_up() {
        let mut turns = Turns::default();
        turns.wait(2, SECOND);
        (0..MANY).for_each(|number| turns.wait(1, number));
        take(&mut turns, 500);
        (SECOND..SECOND + 400).for_each(|number| turns.wait(2, number));
        assert_eq!(of_second(&take(&mut turns, 200)), 100);
    }

    #[test]
    fn what_was_done_beside_turns_counts() {
        let mut turns = Turns::default();
        (0..MANY).for_each(|number| turns.wait(1, number));
        (SECOND..SECOND + MANY).for_each(|number| turns.wait(2, number));
        turns.charge(1, 20);
        assert_eq!(of_second(&take(&mut turns, 20)), 20);
        assert_eq!(of_second(&take(&mut turns, 20)), 10);
        turns.charge(1, usize::MAX / 2);
        let most = MOST_OWED as usize;
        assert!((most - 10..=most + 10).contains(&of_second(&take(&mut turns, most + 10))));
    }

    #[test]
    fn who_is_alone_has_all_turns_and_is_disturbed_no_more_when_others_have_gone() {
        let mut turns = Turns::default();
        (0..MANY).for_each(|number| turns.wait(1, number));
        turns.charge(1, 100);
        assert_eq!((turns.are_contended(), turns.round()), (false, MOST_ALONE));
        take(&mut turns, 10);
        turns.wait(2, SECOND);
        take(&mut turns, 5);
        assert_eq!((turns.are_contended(), turns.round()), (true, 1));
        turns.wait(2, SECOND);
        assert_eq!(turns.round(), 2);
        take(&mut turns, 2 * RECENT as usize);
        assert_eq!((turns.are_contended(), turns.round()), (false, MOST_ALONE));
    }

    #[test]
    fn where_nobody_waits_nobody_has_had_too_much_and_users_are_forgotten() {
        let mut turns = Turns::default();
        for user in 0..1_000 {
            turns.wait(user, 1);
            turns.charge(user, 1);
            turns.next();
        }
        assert!(turns.users.len() <= MOST_IDLE, "{}", turns.users.len());
        assert!(turns.users.values().all(|line| line.had == 0));
    }
}
