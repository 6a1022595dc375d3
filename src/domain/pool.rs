//! From which kits the next one is taken, so that neither its place nor its day tells the arm.
//!
//! A site sees two things of a kit beside its code: whether it lay in the site's own stock or came from the central one, and the
//! last day on its label. If each arm went through its own kits, the arms would step to the next day, and from the site's stock to
//! the central one, at different moments; between these moments place and day part the subjects by arm. (Two arms, simple
//! randomization: whoever looks at the days gains 2.7 right guesses for each day of which there are 10 kits an arm, 7.0 for 50.)
//! So all arms step together. The kits of one place and one last day are a pool; it is whole while it holds one of every arm. The
//! next kit comes from the first pool that is whole, whatever its arm: those of the site before those of the central stock, and
//! in each place the one that expires first. So the pool is settled before the arm is known, and tells nothing of it. What remains
//! is that the subject who got the last kit of a pool has the arm that ran out there; which arm that is, it does not say.
//!
//! The price is what a pool keeps back of the other arms when one ran out: on average 3.5 of 20 kits by simple randomization, 8 of
//! 100, and no more than half a block a stratum where blocks are used. A patient who gets a later day loses nothing, while a trial
//! whose arms can be told from labels loses what all its patients came for; and nobody goes without for it: once no pool is
//! whole, what was kept back is handed out. By then the arms cannot step together, and a kit on the shelf comes before the blind:
//! each arm goes by its own days, at the site if that has all arms, else from the central stock, else wherever there is one. No
//! kit leaves after its day in any case. Kits kept back at several sites make whole pools again where they are shipped together.

use super::kit::Day;

/// Number of this rule in entries of the audit chain. **It is fixed for ever**: another rule gets another number.
pub const RULE: i64 = 1;

/// Where kits for a subject lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the own stock of the subject's site.
    Site,
    /// In the central stock.
    Central,
}

impl Place {
    /// Its name in the list of kits: the site's code, or nothing for the central stock.
    pub const fn at(self, site: &str) -> &str {
        match self {
            Place::Site => site,
            Place::Central => "",
        }
    }
}

/// Where the next kit comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// All arms from that place; of the arm's kits there that are good until that day at least, the one that expires first.
    All(Place, Day),
    /// No place has kits of every arm: wherever one of the arm lies, the site first.
    Any(Day),
}

impl Source {
    /// The places to look at in their order, each with the least last day.
    pub fn places(self) -> impl Iterator<Item = (Place, Day)> {
        let (first, second) = match self {
            Source::All(place, day) => ((place, day), None),
            Source::Any(day) => ((Place::Site, day), Some((Place::Central, day))),
        };
        std::iter::once(first).chain(second)
    }
}

/// The search for where the next kit comes from. It asks for the first day of every arm at a place from some day on, and is told,
/// until it asks no more.
#[derive(Clone, Debug)]
pub struct Search {
    least: Day,
    asks: Option<(Place, Day)>,
    /// The first place that has kits of every arm, whatever their days.
    covers: Option<Place>,
    whole: Option<(Place, Day)>,
}

impl Search {
    /// A search among kits that are good until `least` at least.
    pub const fn new(least: Day) -> Search {
        Search { least, asks: Some((Place::Site, least)), covers: None, whole: None }
    }

    /// What has to be known next: the first last day of each arm's kits at that place, not before that day.
    pub const fn asks(&self) -> Option<(Place, Day)> {
        self.asks
    }

    /// Takes what was asked for: one day for each arm, none where it has no such kit.
    pub fn hear(&mut self, firsts: impl IntoIterator<Item = Option<Day>>) {
        let Some((place, _)) = self.asks else { return };
        let firsts: Option<Vec<Day>> = firsts.into_iter().collect();
        let ends = firsts.and_then(|days| Some((*days.iter().min()?, *days.iter().max()?)));
        self.asks = match (ends, place) {
            (Some((first, last)), _) => {
                self.covers.get_or_insert(place);
                if first == last {
                    self.whole = Some((place, first));
                    None
                } else {
                    // No arm that begins later has a kit of a day before.
                    Some((place, last))
                }
            }
            (None, Place::Site) => Some((Place::Central, self.least)),
            (None, Place::Central) => None,
        };
    }

    /// What was found, once nothing is asked any more.
    pub fn source(&self) -> Source {
        match (self.whole, self.covers) {
            (Some((place, day)), _) => Source::All(place, day),
            (None, Some(place)) => Source::All(place, self.least),
            (None, None) => Source::Any(self.least),
        }
    }

    /// The whole search where the answers are at hand at once: `firsts` tells the days of every arm.
    pub fn through<F, I>(least: Day, firsts: F) -> Search
    where
        F: Fn(Place, Day) -> I,
        I: IntoIterator<Item = Option<Day>>,
    {
        let mut search = Search::new(least);
        while let Some((place, from)) = search.asks() {
            search.hear(firsts(place, from));
        }
        search
    }

    /// Whether the source tells nothing of the arm.
    pub const fn is_whole(&self) -> bool {
        self.whole.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;

    /// How many kits there are, by place, arm and day.
    type Stock = BTreeMap<(Place, usize, i64), u32>;

    fn first(stock: &Stock, arm: usize, place: Place, from: Day) -> Option<Day> {
        let days = stock.range((place, arm, from.0)..=(place, arm, i64::MAX));
        days.filter(|(_, count)| **count > 0).map(|((.., day), _)| Day(*day)).next()
    }

    fn search(stock: &Stock, arms: usize, least: Day) -> Search {
        Search::through(least, |place, from| {
            (0..arms).map(move |arm| first(stock, arm, place, from)).collect::<Vec<_>>()
        })
    }

    /// The place and day of the arm's kit that leaves next.
    fn next(stock: &Stock, source: Source, arm: usize) -> Option<(Place, Day)> {
        source.places().find_map(|(place, from)| Some((place, first(stock, arm, place, from)?)))
    }

    fn take(stock: &mut Stock, arm: usize, (place, day): (Place, Day)) {
        *stock.get_mut(&(place, arm, day.0)).unwrap() -= 1;
    }

    fn stocks() -> impl Strategy<Value = Stock> {
        let place = prop_oneof![Just(Place::Site), Just(Place::Central)];
        prop::collection::btree_map((place, 0usize..3, 1i64..6), 0u32..4, 0..24)
    }

    proptest! {
        #[test]
        fn place_and_day_are_the_same_for_every_arm_while_a_pool_is_whole(stock in stocks(), given in prop::collection::vec(0usize..3, 40), least in 0i64..3) {
            let mut stock = stock;
            for arm in given {
                let search = search(&stock, 3, Day(least));
                let whole = [Place::Site, Place::Central].into_iter().any(|place| {
                    (least..6).any(|day| (0..3).all(|arm| stock.get(&(place, arm, day)).is_some_and(|count| *count > 0)))
                });
                prop_assert_eq!(search.is_whole(), whole);
                let nexts: Vec<_> = (0..3).map(|arm| next(&stock, search.source(), arm)).collect();
                if whole {
                    prop_assert!(nexts.windows(2).all(|pair| pair[0] == pair[1]), "{nexts:?}");
                    prop_assert!(nexts[0].is_some());
                }
                // A kit on the shelf is given, and none after its day.
                for (arm, next) in nexts.iter().enumerate() {
                    let any = [Place::Site, Place::Central].into_iter().any(|place| first(&stock, arm, place, Day(least)).is_some());
                    prop_assert_eq!(next.is_some(), any);
                    prop_assert!(next.is_none_or(|(_, day)| day >= Day(least)));
                }
                if let Some(taken) = nexts[arm] {
                    take(&mut stock, arm, taken);
                }
            }
        }

        #[test]
        fn what_comes_first_does_not_depend_on_the_order_of_the_arms(stock in stocks()) {
            let turned: Stock = stock.iter().map(|((place, arm, day), count)| ((*place, (arm + 1) % 3, *day), *count)).collect();
            prop_assert_eq!(search(&stock, 3, Day(0)).source(), search(&turned, 3, Day(0)).source());
        }
    }

    #[test]
    fn all_arms_step_together_and_what_is_left_leaves_at_the_end() {
        let (site, central) = (Place::Site, Place::Central);
        let mut stock: Stock = [
            ((site, 0, 1), 1),
            ((site, 1, 1), 2),
            ((site, 0, 2), 1),
            ((site, 1, 2), 1),
            ((central, 0, 3), 1),
            ((central, 1, 3), 1),
        ]
        .into();
        let mut leaves = |arm: usize| {
            let source = search(&stock, 2, Day(1)).source();
            let next = next(&stock, source, arm);
            next.inspect(|next| take(&mut stock, arm, *next));
            next.map(|(place, Day(day))| (place, day))
        };
        assert_eq!(leaves(0), Some((site, 1)));
        // Arm 1 has two more of the first day, and yet both go on.
        assert_eq!(leaves(0), Some((site, 2)));
        // The site has none of arm 0 any more.
        assert_eq!(leaves(1), Some((central, 3)));
        // Nothing is whole any more: what lies there is given, by first expiry and at the site first.
        assert_eq!([leaves(0), leaves(0)], [Some((central, 3)), None]);
        assert_eq!(
            [leaves(1), leaves(1), leaves(1), leaves(1)],
            [Some((site, 1)), Some((site, 1)), Some((site, 2)), None]
        );
    }

    /// Two arms by simple randomization, `each` kits an arm and day, two days: how many right guesses days give away, and how many kits
    /// of the first day are left when all arms are at the second.
    fn simulated(each: u32, together: bool, trials: u32) -> (f64, f64) {
        let mut rng = ChaCha20Rng::seed_from_u64(20);
        let (mut gained, mut left) = (0.0, 0.0);
        for _ in 0..trials {
            let mut stock: Stock = (0..2)
                .flat_map(|arm| [((Place::Central, arm, 1), each), ((Place::Central, arm, 2), 100 * each)])
                .collect();
            // Subjects whose day is not the same for both arms: whoever sees one of them in either arm knows the others.
            let mut parted: u32 = 0;
            loop {
                let source = match together {
                    true => search(&stock, 2, Day(1)).source(),
                    false => Source::All(Place::Central, Day(1)),
                };
                let nexts = [0, 1].map(|arm| next(&stock, source, arm));
                let second = nexts.iter().all(|next| next.is_some_and(|(_, day)| day == Day(2)));
                if second {
                    break;
                }
                parted += u32::from(nexts[0] != nexts[1]);
                let arm = usize::from(rng.next_u32() & 1 == 1);
                take(&mut stock, arm, nexts[arm].unwrap());
            }
            gained += f64::from(parted.saturating_sub(1)) / 2.0;
            left += f64::from(stock.iter().filter(|((.., day), _)| *day == 1).map(|(_, count)| count).sum::<u32>());
        }
        (gained / f64::from(trials), left / f64::from(trials))
    }

    #[test]
    fn days_give_no_guess_away_and_cost_what_the_text_says() {
        // Each arm by its own days; the expected remainder of one of two arms of K kits is 2K·C(2K,K)/4^K (Banach's matchboxes).
        let (apart, left) = simulated(10, false, 4_000);
        assert!((2.4..3.5).contains(&apart) && left == 0.0, "{apart} {left}");
        for (each, expected) in [(10, 3.52), (50, 7.96)] {
            let (gained, left) = simulated(each, true, 4_000);
            assert_eq!(gained, 0.0);
            // Four standard errors; the remainder deviates by about 0.75 of its mean.
            assert!((left - expected).abs() < 0.05 * expected, "{each}: {left}");
        }
    }
}
