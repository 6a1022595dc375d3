//! What the codes of kits tell of their arms: a pattern that codes numbered at random would hardly have.
//!
//! Each sign of a code (its place among all codes, its length, its number, each of its characters) sorts the kits, and is held
//! against the arms. How likely a table at least as telling is, if the arms were dealt at random, is bounded from above and exactly
//! enough for any number of kits: one table has the probability `Π n_sign! · Π n_arm! / (n! · Π n_cell!)` (Fisher 1934), there are at
//! most `Π C(n_sign + arms − 1, arms − 1)` tables, so all that are no likelier than this one have no more than the product. Where each
//! sign is of one arm only, `arms^signs` counts the tables better. All signs looked at share [`RATE`], so that a list numbered at
//! random is warned of at most once in a thousand. Shorter lists than some ten kits of each of two arms, or five of each of three,
//! cannot be told from chance.

use std::collections::BTreeMap;

/// How often a list numbered at random may be warned of, at most.
const RATE: f64 = 0.001;
/// Greatest divisor and longest turn that is looked for.
const PERIOD: u64 = 8;

/// What of the codes goes with the arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// Their order.
    Order,
    /// How many characters they have.
    Length,
    /// What is left of the number in them after a division.
    Number(u64),
    /// The character at a place, from 1; from the end if so.
    Character(usize, bool),
}

impl Pattern {
    /// What is wrong.
    pub(super) fn wrong(self) -> String {
        match self {
            Pattern::Order => "the codes in their order show the arm".to_string(),
            Pattern::Length => "the length of the codes goes with the arm".to_string(),
            Pattern::Number(2) => "whether the number in a code is odd or even goes with the arm".to_string(),
            Pattern::Number(by) => {
                format!("the number in a code goes with the arm: by what is left when {by} divides it")
            }
            Pattern::Character(at, false) => format!("character {at} of the codes goes with the arm"),
            Pattern::Character(at, true) => format!("character {at} of the codes, from the end, goes with the arm"),
        }
    }
}

/// How many kits have each sign, by arm.
struct Table {
    pattern: Pattern,
    cells: Vec<Vec<usize>>,
}

impl Table {
    fn new<'k>(pattern: Pattern, arms: usize, kits: impl Iterator<Item = (Option<u64>, &'k usize)>) -> Table {
        let mut cells: BTreeMap<Option<u64>, Vec<usize>> = BTreeMap::new();
        for (sign, arm) in kits {
            let row = cells.entry(sign).or_insert_with(|| vec![0; arms]);
            if let Some(cell) = row.get_mut(*arm) {
                *cell += 1;
            }
        }
        Table { pattern, cells: cells.into_values().collect() }
    }

    /// Whether it parts the kits at all.
    fn parts(&self, kits: usize) -> bool {
        self.cells.len() > 1 && self.cells.len() < kits
    }

    /// The logarithm of a bound of how likely a table at least as telling is by chance.
    fn ln_bound(&self, arms: usize, ln: &Factorials) -> f64 {
        let sizes = || self.cells.iter().map(|row| row.iter().sum::<usize>());
        let of_arms: f64 = (0..arms).map(|arm| ln.of(self.cells.iter().filter_map(|row| row.get(arm)).sum())).sum();
        let of_signs: f64 = sizes().map(|size| ln.of(size)).sum();
        let of_cells: f64 = self.cells.iter().flatten().map(|cell| ln.of(*cell)).sum();
        let own = of_signs + of_arms - ln.of(sizes().sum()) - of_cells;
        // The greatest row follows from the others.
        let mut tables: Vec<f64> = sizes().map(|size| ln.choose(size + arms - 1, arms - 1)).collect();
        tables.sort_by(f64::total_cmp);
        tables.pop();
        let mut many: f64 = tables.into_iter().sum();
        if self.cells.iter().all(|row| row.iter().filter(|cell| **cell > 0).count() < 2) {
            let signs = self.cells.len();
            // As many signs as arms: each arm has one of them.
            many = many.min(if signs == arms { ln.of(arms) } else { signs as f64 * (arms as f64).ln() });
        }
        // Two ways to count are two ways to err.
        own + many + std::f64::consts::LN_2
    }
}

/// Logarithms of factorials, from 0 on.
struct Factorials(Vec<f64>);

impl Factorials {
    fn up_to(most: usize) -> Factorials {
        let mut sum = 0.0;
        let mut all = vec![0.0];
        all.extend((1..=most).map(|n| {
            sum += (n as f64).ln();
            sum
        }));
        Factorials(all)
    }

    fn of(&self, n: usize) -> f64 {
        self.0.get(n).copied().unwrap_or(f64::INFINITY)
    }

    fn choose(&self, n: usize, k: usize) -> f64 {
        self.of(n) - self.of(k) - self.of(n - k)
    }
}

/// The last number in a code, or what of it a register holds.
fn number(code: &str) -> Option<u64> {
    let end = code.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = code[..end].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    // Any 18 digits behind each other have a number; those before would change it by multiples that 8 and 5 divide, not 3 and 7.
    code[start.max(end.saturating_sub(18))..end].parse().ok()
}

/// The first pattern that chance would hardly make, of kits by code and arm; the arms are those from 0 on, each of some kit.
pub(super) fn find_pattern(kits: &[(&str, usize)]) -> Option<Pattern> {
    let arms = kits.iter().map(|(_, arm)| arm + 1).max().unwrap_or(0);
    if arms < 2 {
        return None;
    }
    let ln = Factorials::up_to(kits.len() + arms);
    let mut tables = Vec::new();
    let mut side_by_side = false;
    for backwards in [false, true] {
        let key = |code: &str| if backwards { code.chars().rev().collect() } else { code.to_string() };
        let mut sorted: Vec<(String, usize)> = kits.iter().map(|(code, arm)| (key(code), *arm)).collect();
        sorted.sort_unstable();
        let changes = sorted.windows(2).filter(|pair| matches!(pair, [(_, one), (_, other)] if one != other)).count();
        side_by_side |= changes + 1 == arms;
        let mut by_place = |sign: &dyn Fn(u64) -> u64| {
            let places = (0u64..).zip(&sorted).map(|(at, (_, arm))| (Some(sign(at)), arm));
            tables.push(Table::new(Pattern::Order, arms, places));
        };
        let all = kits.len() as u64;
        by_place(&|at| at * arms as u64 / all);
        by_place(&|at| at * PERIOD / all);
        if !backwards {
            (2..=PERIOD).for_each(|period| by_place(&|at| at % period));
        }
    }
    let mut by_code = |pattern: Pattern, sign: &dyn Fn(&str) -> Option<u64>| {
        tables.push(Table::new(pattern, arms, kits.iter().map(|(code, arm)| (sign(code), arm))));
    };
    by_code(Pattern::Length, &|code| Some(code.len() as u64));
    for by in 2..=PERIOD {
        by_code(Pattern::Number(by), &|code| Some(number(code)? % by));
    }
    let longest = kits.iter().map(|(code, _)| code.len()).max().unwrap_or(0);
    let alike = kits.iter().all(|(code, _)| code.len() == longest);
    for at in 1..=longest {
        let of = |byte: Option<&u8>| byte.map(|byte| u64::from(byte.to_ascii_uppercase()));
        by_code(Pattern::Character(at, false), &|code| of(code.as_bytes().get(at - 1)));
        if !alike {
            by_code(Pattern::Character(at, true), &|code| of(code.as_bytes().iter().nth_back(at - 1)));
        }
    }
    tables.retain(|table| table.parts(kits.len()));
    // Side by side, forwards or backwards, counts as two more.
    let most = (RATE / (tables.len() + 2) as f64).ln();
    let counts = (0..arms).map(|arm| kits.iter().filter(|(_, own)| *own == arm).count());
    let orders = ln.of(kits.len()) - counts.map(|count| ln.of(count)).sum::<f64>();
    if side_by_side && ln.of(arms) - orders < most {
        return Some(Pattern::Order);
    }
    tables.into_iter().find(|table| table.ln_bound(arms, &ln) < most).map(|table| table.pattern)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;

    fn below(rng: &mut ChaCha20Rng, most: usize) -> usize {
        (rng.next_u64() % most as u64) as usize
    }

    /// Arms 0, 1 … in equal numbers, dealt at random.
    fn dealt(rng: &mut ChaCha20Rng, arms: usize, each: usize) -> Vec<usize> {
        let mut dealt: Vec<usize> = (0..arms * each).map(|at| at % arms).collect();
        for at in (1..dealt.len()).rev() {
            let other = below(rng, at + 1);
            dealt.swap(at, other);
        }
        dealt
    }

    fn found(codes: &[String], arms: &[usize]) -> Option<Pattern> {
        let kits: Vec<(&str, usize)> = codes.iter().map(String::as_str).zip(arms.iter().copied()).collect();
        find_pattern(&kits)
    }

    /// Codes as people number kits: running, with gaps, with letters, of several lengths, of several series.
    fn codes(rng: &mut ChaCha20Rng, shape: usize, count: usize) -> Vec<String> {
        let letter = |rng: &mut ChaCha20Rng| char::from(b'A' + below(rng, 26) as u8);
        let mut codes = std::collections::BTreeSet::new();
        let mut at = 0;
        while codes.len() < count {
            at += 1;
            codes.insert(match shape {
                0 => format!("K{at:04}"),
                1 => format!("{}", 1 + below(rng, count * 20)),
                2 => (0..6).map(|_| letter(rng)).collect(),
                3 => format!("{}{}-{:03}", letter(rng), letter(rng), below(rng, 1000)),
                _ => format!("S{}-{at}", at % 3),
            });
        }
        codes.into_iter().collect()
    }

    #[test]
    fn codes_dealt_at_random_are_warned_of_less_than_once_in_a_thousand() {
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let (mut lists, mut warned) = (0, 0);
        for round in 0..4_000 {
            let (arms, each) = (2 + below(&mut rng, 3), 2 + below(&mut rng, 60));
            let codes = codes(&mut rng, round % 5, arms * each);
            let dealt = dealt(&mut rng, arms, each);
            lists += 1;
            warned += usize::from(found(&codes, &dealt).is_some());
        }
        // The bound allows four; it is far from reached.
        assert!(warned <= 1, "{warned} of {lists}");
    }

    #[test]
    fn small_lists_in_every_arrangement_keep_the_rate() {
        // All 184,756 ways to deal two arms of ten to twenty running numbers, by every hundredth.
        let codes: Vec<String> = (1..=20).map(|at| format!("K{at:02}")).collect();
        let (mut all, mut warned) = (0, 0);
        for bits in (0u32..1 << 20).filter(|bits| bits.count_ones() == 10).step_by(101) {
            let arms: Vec<usize> = (0..20).map(|at| usize::from(bits >> at & 1 == 1)).collect();
            all += 1;
            warned += usize::from(found(&codes, &arms).is_some());
        }
        assert!(warned * 1_000 <= all, "{warned} of {all}");
    }

    #[test]
    fn what_a_sign_tells_is_found() {
        let mut rng = ChaCha20Rng::seed_from_u64(9);
        let arms = dealt(&mut rng, 2, 10);
        let gaps: Vec<usize> = (0..20).map(|at| 100 + 40 * at + 2 * below(&mut rng, 18)).collect();
        let all = |code: &dyn Fn(usize, usize) -> String| {
            let codes: Vec<String> = (0..20).map(|at| code(at, arms[at])).collect();
            found(&codes, &arms)
        };
        assert_eq!(all(&|at, arm| format!("K{}", gaps[at] + arm)), Some(Pattern::Number(2)));
        let words: Vec<String> =
            (0..20).map(|_| (0..6).map(|_| char::from(b'A' + below(&mut rng, 26) as u8)).collect()).collect();
        assert_eq!(all(&|at, arm| words[at][arm..].to_string()), Some(Pattern::Length));
        assert_eq!(all(&|at, arm| format!("{}{at:02}", ["A", "B"][arm])), Some(Pattern::Order));
        let ends: Vec<usize> = (0..20).map(|_| 10 + below(&mut rng, 90)).collect();
        assert_eq!(
            all(&|at, arm| format!("{at:02}{}{}", ["A", "B"][arm], ends[at])),
            Some(Pattern::Character(3, false))
        );
        // Not every one of them, but too many.
        let many = dealt(&mut rng, 2, 40);
        let codes: Vec<String> = (0..80)
            .map(|at| format!("K{}", 100 + 40 * at + 2 * below(&mut rng, 18) + if at % 8 == 0 { 0 } else { many[at] }))
            .collect();
        assert_eq!(found(&codes, &many), Some(Pattern::Number(2)));
        let turns: Vec<usize> = (0..20).map(|at| at % 2).collect();
        assert_eq!(found(&(0..20).map(|at| format!("K{at:02}")).collect::<Vec<_>>(), &turns), Some(Pattern::Order));
    }

    #[test]
    fn a_short_list_may_look_like_anything() {
        let codes: Vec<String> = (1..=8).map(|at| format!("K{at}")).collect();
        assert_eq!(found(&codes, &[0, 1, 0, 1, 0, 1, 0, 1]), None);
        assert_eq!(found(&codes, &[0; 8]), None);
        let five: Vec<String> = (0..15).map(|at| format!("{}{at}", ["A", "B", "C"][at / 5])).collect();
        assert_eq!(found(&five, &(0..15).map(|at| at / 5).collect::<Vec<_>>()), Some(Pattern::Order));
    }

    #[test]
    fn the_last_number_counts() {
        assert_eq!([number("K12-034"), number("A7B"), number("AB")], [Some(34), Some(7), None]);
        assert_eq!(number(&"1".repeat(40)), Some(111_111_111_111_111_111));
    }
}
