//! The Schulze method (M. Schulze, "A new monotonic, clone-independent, reversal symmetric, and Condorcet-consistent single-winner
//! election method", Social Choice and Welfare 36, 2011), by winning votes: a defeat is the stronger the more votes the winner of the pair
//! has, and of equally many, the fewer the loser has. Candidates that a ballot does not rank share its last place.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// How strong a defeat is: the stronger, the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Strength {
    /// Votes of those who prefer the winner of the pair.
    pub winning: u64,
    /// Votes of those who prefer the loser.
    pub losing: Reverse<u64>,
}

/// How many prefer whom, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairwise {
    /// Candidates, in the order of rows and columns.
    pub candidates: Vec<String>,
    /// Votes of those who prefer the row's candidate to the column's.
    pub prefer: Vec<Vec<u64>>,
    /// The strongest path from the row's candidate to the column's, if there is one.
    pub paths: Vec<Vec<Option<Strength>>>,
}

impl Pairwise {
    /// Compares those candidates by rankings with their votes.
    pub fn of<'b>(candidates: Vec<String>, rankings: impl Iterator<Item = (&'b [Vec<String>], u64)>) -> Pairwise {
        let many = candidates.len();
        let at: BTreeMap<&str, usize> = candidates.iter().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
        let mut prefer = vec![vec![0u64; many]; many];
        for (ranking, votes) in rankings {
            let mut place = vec![usize::MAX; many];
            for (rank, shared) in ranking.iter().enumerate() {
                for id in shared {
                    if let Some(place) = at.get(id.as_str()).and_then(|at| place.get_mut(*at)) {
                        *place = rank;
                    }
                }
            }
            for (row, own) in prefer.iter_mut().zip(&place) {
                for (cell, other) in row.iter_mut().zip(&place) {
                    *cell += if own < other { votes } else { 0 };
                }
            }
        }
        let paths = strongest(&prefer);
        Pairwise { candidates, prefer, paths }
    }

    /// The candidates in the order of the method. Of those left, whoever is beaten by none of them comes next; those who come
    /// together share a place.
    pub fn order(&self) -> Vec<Vec<String>> {
        let mut left: Vec<usize> = (0..self.candidates.len()).collect();
        let mut order = Vec::new();
        while !left.is_empty() {
            let unbeaten = |own: &usize| left.iter().all(|other| !self.beats(*other, *own));
            let (next, rest): (Vec<usize>, Vec<usize>) = left.iter().copied().partition(unbeaten);
            // Beating is transitive, so somebody is unbeaten.
            if next.is_empty() {
                break;
            }
            order.push(next.into_iter().filter_map(|at| self.candidates.get(at).cloned()).collect());
            left = rest;
        }
        order
    }

    fn beats(&self, one: usize, other: usize) -> bool {
        cell(&self.paths, one, other) > cell(&self.paths, other, one)
    }
}

fn cell<T: Copy + Default>(matrix: &[Vec<T>], row: usize, column: usize) -> T {
    matrix.get(row).and_then(|row| row.get(column)).copied().unwrap_or_default()
}

/// The widest paths of the graph of defeats, by Floyd and Warshall.
fn strongest(prefer: &[Vec<u64>]) -> Vec<Vec<Option<Strength>>> {
    let many = prefer.len();
    let defeat = |row: usize, column: usize| {
        let (own, other) = (cell(prefer, row, column), cell(prefer, column, row));
        (own > other).then_some(Strength { winning: own, losing: Reverse(other) })
    };
    let mut paths: Vec<Vec<Option<Strength>>> =
        (0..many).map(|row| (0..many).map(|column| defeat(row, column)).collect()).collect();
    for over in 0..many {
        let from = paths.get(over).cloned().unwrap_or_default();
        for row in &mut paths {
            let to = row.get(over).copied().unwrap_or_default();
            for (cell, beyond) in row.iter_mut().zip(&from) {
                *cell = (*cell).max(to.min(*beyond));
            }
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(text: &str) -> Vec<Vec<String>> {
        text.split('>').map(|place| place.split('=').map(str::to_owned).collect()).collect()
    }

    #[test]
    fn who_is_not_ranked_shares_the_last_place() {
        let candidates: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        let ballots = [(ranking("a"), 2), (ranking("b=c>a"), 1)];
        let pairs = Pairwise::of(candidates, ballots.iter().map(|(places, votes)| (places.as_slice(), *votes)));
        assert_eq!(pairs.prefer, [[0, 2, 2], [1, 0, 0], [1, 0, 0]]);
        assert_eq!(pairs.order(), [vec!["a"], vec!["b", "c"]]);
    }

    #[test]
    fn of_defeats_by_equally_many_the_clearer_is_stronger() {
        let candidates: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        // a beats b by 4 to 3, b beats c by 4 to 2, c beats a by 4 to 3.
        let ballots = ["a>b", "a>b>c", "b>c>a", "b>c=a", "c>a>b", "c>a>b", "c>a", "b>c>a"].map(|own| (ranking(own), 1));
        let pairs = Pairwise::of(candidates, ballots.iter().map(|(places, votes)| (places.as_slice(), *votes)));
        let best = |row: usize, column: usize| pairs.paths[row][column].unwrap();
        for (row, column) in [(0, 1), (1, 2), (2, 0)] {
            let (own, other) = (pairs.prefer[row][column], pairs.prefer[column][row]);
            assert!(own > other, "{row} {column}: {own} {other}");
            assert_eq!(best(row, column), Strength { winning: own, losing: Reverse(other) });
        }
        assert!(Strength { winning: 4, losing: Reverse(2) } > Strength { winning: 4, losing: Reverse(3) });
        assert!(Strength { winning: 5, losing: Reverse(4) } > Strength { winning: 4, losing: Reverse(0) });
    }

    #[test]
    fn a_circle_is_broken_at_its_weakest_defeat() {
        let candidates: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        let ballots = [(ranking("a>b>c"), 8), (ranking("b>c>a"), 7), (ranking("c>a>b"), 6)];
        let pairs = Pairwise::of(candidates, ballots.iter().map(|(places, votes)| (places.as_slice(), *votes)));
        // a beats b by 14, b beats c by 15, c beats a by 13.
        assert_eq!(pairs.order(), [["a"], ["b"], ["c"]]);
    }
}
