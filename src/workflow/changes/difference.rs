//! How many lines of a text are new and how many are gone, in their order: a line that stands elsewhere now is both.

use std::collections::{BTreeMap, HashMap};

use crate::limits;

/// How many lines of the text before are gone, and how many of the text of now have come.
pub(super) fn count(before: &str, now: &str) -> (usize, usize) {
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let (mut before, mut now) = (numbered(before, &mut numbers), numbered(now, &mut numbers));
    let same = before.iter().zip(&now).take_while(|(one, other)| one == other).count();
    before.drain(..same);
    now.drain(..same);
    while !before.is_empty() && before.last() == now.last() {
        before.pop();
        now.pop();
    }
    let kept = if before.len().saturating_mul(now.len()) <= limits::LINE_PAIRS {
        common(&before, &now)
    } else {
        // Too long to be compared line by line: as many as both hold, but what only stands in another order is told as well.
        held_by_both(&before, &now).min(before.len().min(now.len()) - 1)
    };
    (before.len() - kept, now.len() - kept)
}

/// A text's lines by numbers that are equal where the lines are.
fn numbered<'t>(text: &'t str, numbers: &mut HashMap<&'t str, u32>) -> Vec<u32> {
    let number = |line| {
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        *numbers.entry(line).or_insert(next)
    };
    text.lines().map(number).collect()
}

/// Length of the longest common subsequence.
fn common(before: &[u32], now: &[u32]) -> usize {
    let mut row = vec![0_usize; now.len() + 1];
    for line in before {
        let mut diagonal = 0;
        for (at, other) in now.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if line == other { diagonal + 1 } else { above.max(row[at]) };
            diagonal = above;
        }
    }
    row[now.len()]
}

fn held_by_both(before: &[u32], now: &[u32]) -> usize {
    let mut left: BTreeMap<u32, usize> = BTreeMap::new();
    before.iter().for_each(|line| *left.entry(*line).or_default() += 1);
    let mut taken = |line: &&u32| match left.get_mut(line) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    };
    now.iter().filter(|line| taken(line)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_in_their_order() {
        for (before, now, told) in [
            ("a\nb\nc\n", "a\nb\nc\n", (0, 0)),
            ("a\nb\nc\n", "a\nx\nc\n", (1, 1)),
            ("a\nb\nc\n", "a\nc\nb\n", (1, 1)),
            ("a\nname 1\nb\nname 2\n", "a\nname 2\nb\nname 1\n", (2, 2)),
            ("", "a\nb\n", (0, 2)),
            ("a\na\nb\n", "a\n", (2, 0)),
        ] {
            assert_eq!(count(before, now), told, "{before:?} {now:?}");
        }
    }

    #[test]
    fn long_texts_in_another_order_differ() {
        let lines: Vec<String> = (0..limits::LINE_PAIRS.isqrt() + 2).map(|number| format!("kit {number}\n")).collect();
        let turned: Vec<String> = lines.iter().rev().cloned().collect();
        assert_eq!(count(&lines.concat(), &turned.concat()), (1, 1));
        assert_eq!(count(&lines.concat(), &format!("{}more\n", lines.concat())), (0, 1));
    }
}
