//! The method and its own table.

use num_traits::{One, Signed, Zero};

use super::list;
use super::table::{self, Desk, Section, Value, suggestion};
use crate::domain::allocation::{Arm, BlockSize, Distance, Factor, HuHu, Method, Minimization, Rule, TOTAL};
use crate::domain::number::{self, Rational};
use crate::limits;

/// Names of the methods.
const METHODS: [&str; 13] = [
    "none",
    "simple",
    "block",
    "biased-coin",
    "big-stick",
    "chen",
    "block-urn",
    "wei-urn",
    "maximal",
    "minimization",
    "hu-hu",
    "atkinson",
    "list",
];
/// Methods with a table of their own.
pub(super) const TABLES: [&str; 11] = [
    "block",
    "biased-coin",
    "big-stick",
    "chen",
    "block-urn",
    "wei-urn",
    "maximal",
    "minimization",
    "hu-hu",
    "atkinson",
    "list",
];

const DISTANCES: [(&str, Distance); 5] = [
    ("range", Distance::Range),
    ("variance", Distance::Variance),
    ("sd", Distance::Sd),
    ("marginal-total", Distance::MarginalTotal),
    ("marginal-balance", Distance::MarginalBalance),
];
const RULES: [&str; 5] = ["best", "rank", "proportional", "ratio-coin", "ratio-arms"];

/// The method that the file names, if it and its table are right; `arms` are the open ones, `alone` whether all but one were closed.
pub(super) fn read(
    desk: &mut Desk<'_>,
    root: &Section<'_, '_>,
    arms: &[Arm],
    factors: &[Factor],
    strata: &[String],
    alone: bool,
    beside: &dyn Fn(&str) -> Option<String>,
) -> Option<Method> {
    let (name, span) = root.need_name(desk, "method", &format!("one of {}", METHODS.join(", ")))?;
    if !METHODS.contains(&name.as_str()) {
        desk.error(Some(span), "method", format!("\"{name}\" is no method"), suggestion(&name, &METHODS));
        return None;
    }
    for other in TABLES.iter().filter(|other| **other != name) {
        if let Some((_, at, _)) = root.entries().find(|(key, _, _)| key == other) {
            desk.warn(Some(at), other, format!("is not used by the method \"{name}\""), "");
        }
    }
    if !(alone && goes_on_alone(&name)) {
        check_arms(desk, &name, span, arms);
    }
    let own = |desk: &mut Desk<'_>, known: &[&str]| {
        let value = root.need(desk, &name, &format!("a table [{name}] with {}", known.join(", ")))?;
        Section::open(desk, &name, value, known)
    };
    match name.as_str() {
        "none" => Some(Method::None),
        "simple" => Some(Method::Simple),
        "block" => {
            let section = own(desk, &["sizes", "weights"])?;
            block(desk, &section, arms)
        }
        "biased-coin" => {
            let section = own(desk, &["p"])?;
            Some(Method::BiasedCoin { p: behind(desk, &section)? })
        }
        "big-stick" => {
            let section = own(desk, &["limit"])?;
            Some(Method::BigStick { limit: count(desk, &section, "limit")? })
        }
        "chen" => {
            let section = own(desk, &["limit", "p"])?;
            let (limit, p) = (count(desk, &section, "limit"), behind(desk, &section));
            Some(Method::Chen { limit: limit?, p: p? })
        }
        "block-urn" => {
            let section = own(desk, &["lambda"])?;
            Some(Method::BlockUrn { lambda: count(desk, &section, "lambda")? })
        }
        "wei-urn" => {
            let section = own(desk, &["alpha", "beta"])?;
            urn(desk, &section)
        }
        "maximal" => {
            let section = own(desk, &["limit", "subjects"])?;
            maximal(desk, &section)
        }
        "hu-hu" => {
            let section = own(desk, &["p", "total_weight", "stratum_weight"])?;
            hu_hu(desk, &section, root, factors, strata)
        }
        "atkinson" => atkinson(desk, root, factors),
        "list" => {
            let section = own(desk, &["file", "columns"])?;
            list::read(desk, &section, arms, factors, strata, beside).map(|list| Method::List(list.into()))
        }
        _ => {
            let section = own(desk, &["distance", "rule", "p", "q", "t", "burn_in"])?;
            minimization(desk, &section, root, arms, factors)
        }
    }
}

/// Whether a method that chose among several arms can go on with the one that is left.
fn goes_on_alone(method: &str) -> bool {
    !matches!(method, "none" | "list")
}

fn check_arms(desk: &mut Desk<'_>, method: &str, span: std::ops::Range<usize>, arms: &[Arm]) {
    let equal = arms.iter().all(|arm| arms.first().is_some_and(|first| first.ratio == arm.ratio));
    let two_equal = matches!(method, "biased-coin" | "big-stick" | "chen" | "maximal" | "hu-hu");
    if method == "none" && arms.len() > 1 {
        desk.error(
            Some(span),
            "method",
            format!("\"none\" cannot choose among {} arms", arms.len()),
            "one arm, or another method",
        );
    } else if two_equal && (arms.len() != 2 || !equal) {
        desk.error(
            Some(span),
            "method",
            format!("\"{method}\" takes two arms of equal ratio here"),
            "minimization, block or block-urn take any arms, wei-urn and atkinson any number of equal ratio",
        );
    } else if matches!(method, "wei-urn" | "atkinson") && !equal {
        desk.error(
            Some(span),
            "method",
            format!("\"{method}\" is defined for arms of equal ratio"),
            "minimization, block or block-urn take any arms",
        );
    } else if method != "none" && arms.len() < 2 {
        desk.error(
            Some(span),
            "method",
            format!("\"{method}\" needs at least two arms"),
            "method = \"none\" for a single arm",
        );
    }
}

fn block(desk: &mut Desk<'_>, section: &Section<'_, '_>, arms: &[Arm]) -> Option<Method> {
    let sum: u64 = arms.iter().map(|arm| arm.ratio).sum::<u64>().max(1);
    let path = section.path_of("sizes");
    let value = section.need(desk, "sizes", "totals of a block, such as [4, 6]")?;
    let values = table::list(desk, &path, value)?;
    if values.is_empty() || values.len() > limits::BLOCK_SIZES {
        desk.error(Some(value.span()), &path, "no size, or too many", format!("1 to {} sizes", limits::BLOCK_SIZES));
        return None;
    }
    let weights = weights(desk, section, values.len())?;
    let mut sizes: Vec<BlockSize> = Vec::new();
    let mut right = true;
    for (value, weight) in values.iter().zip(weights) {
        let Some(size) = table::whole(desk, &path, value, 1, limits::BLOCK) else {
            right = false;
            continue;
        };
        if size % sum != 0 {
            let more = size.div_ceil(sum) * sum;
            desk.error(
                Some(value.span()),
                &path,
                format!("{size} is no multiple of {sum}, the sum of the ratios"),
                format!("{more}, for example"),
            );
            right = false;
        } else if sizes.iter().any(|known| known.size == size) {
            desk.error(Some(value.span()), &path, format!("{size} stands twice"), "give it a greater weight instead");
            right = false;
        }
        sizes.push(BlockSize { size, weight });
    }
    sizes.sort_by_key(|size| size.size);
    right.then_some(Method::Block(sizes))
}

fn weights(desk: &mut Desk<'_>, section: &Section<'_, '_>, count: usize) -> Option<Vec<Rational>> {
    let Some(value) = section.get("weights") else { return Some(vec![Rational::one(); count]) };
    let path = section.path_of("weights");
    let values = table::list(desk, &path, value)?;
    if values.len() != count {
        desk.error(
            Some(value.span()),
            &path,
            format!("{} weights for {count} sizes", values.len()),
            "as many weights as sizes",
        );
        return None;
    }
    let mut weights = Vec::new();
    for value in values {
        weights.push(weight(desk, &path, value).filter(|weight| {
            if weight.is_zero() {
                desk.error(Some(value.span()), &path, "is 0", "leave the size out instead");
            }
            !weight.is_zero()
        }));
    }
    weights.into_iter().collect()
}

/// A weight: an exact number from 0.
pub(super) fn weight(desk: &mut Desk<'_>, path: &str, value: &Value<'_>) -> Option<Rational> {
    let most = number::ratio(limits::RATIO, 1);
    between(desk, path, value, &Rational::zero(), &most)
}

fn between(desk: &mut Desk<'_>, path: &str, value: &Value<'_>, least: &Rational, most: &Rational) -> Option<Rational> {
    let number = table::exact(desk, path, value)?;
    if number < *least || number > *most {
        let right = format!("from {} to {}", number::show(least), number::show(most));
        desk.error(Some(value.span()), path, format!("is {}", number::show(&number)), right);
        return None;
    }
    Some(number)
}

/// The probability of the arm that is behind.
fn behind(desk: &mut Desk<'_>, section: &Section<'_, '_>) -> Option<Rational> {
    probability(desk, section, "p", &number::ratio(1, 2))
}

/// A probability from `least` to 1.
fn probability(desk: &mut Desk<'_>, section: &Section<'_, '_>, key: &str, least: &Rational) -> Option<Rational> {
    let value = section.need(desk, key, "a probability, such as \"4/5\"")?;
    between(desk, &section.path_of(key), value, least, &Rational::one())
}

fn count(desk: &mut Desk<'_>, section: &Section<'_, '_>, key: &str) -> Option<u64> {
    let value = section.need(desk, key, "an integer from 1")?;
    table::whole(desk, &section.path_of(key), value, 1, limits::BLOCK)
}

fn urn(desk: &mut Desk<'_>, section: &Section<'_, '_>) -> Option<Method> {
    let mut part = |key: &str| {
        let value = section.need(desk, key, "a number from 0")?;
        weight(desk, &section.path_of(key), value)
    };
    let (alpha, beta) = (part("alpha"), part("beta"));
    if beta.as_ref().is_some_and(Zero::is_zero) {
        let (_, at, _) = section.entries().find(|(key, _, _)| *key == "beta")?;
        let wrong = "is 0: no allocation changes the urn, so this is simple randomization, which balances nothing";
        desk.warn(Some(at), &section.path_of("beta"), wrong, "1, for example; or method = \"simple\"");
    } else if alpha.as_ref().is_some_and(Zero::is_zero) && beta.is_some() {
        let (_, at, _) = section.entries().find(|(key, _, _)| *key == "alpha")?;
        desk.warn(
            Some(at),
            &section.path_of("alpha"),
            "is 0: the second allocation is certain, in each stratum",
            "1 or more: ICH E9 asks for a random element in every allocation",
        );
    }
    Some(Method::WeiUrn { alpha: alpha?, beta: beta? })
}

fn maximal(desk: &mut Desk<'_>, section: &Section<'_, '_>) -> Option<Method> {
    let limit = count(desk, section, "limit");
    let value = section.need(desk, "subjects", "an even number of subjects, of a stratum if there are strata");
    let path = section.path_of("subjects");
    let subjects = value.and_then(|value| table::whole(desk, &path, value, 2, limits::MAXIMAL_SUBJECTS));
    let (limit, subjects, value) = (limit?, subjects?, value?);
    if subjects % 2 == 1 {
        // Berger, Ivanova & Knoll 2003 count sequences that end in balance.
        desk.error(
            Some(value.span()),
            &path,
            format!("is {subjects}: sequences that end in balance have an even length"),
            format!("{}, for example", subjects + 1),
        );
        return None;
    }
    let binding = limit.min(subjects / 2);
    if binding * subjects > limits::MAXIMAL_CELLS {
        desk.error(
            Some(value.span()),
            &path,
            format!("{subjects} subjects with a limit of {binding} are too many sequences to count"),
            format!("limit × subjects of at most {}", limits::MAXIMAL_CELLS),
        );
        return None;
    }
    if limit > subjects / 2 {
        let wrong = format!("is {limit}, which sequences of {subjects} that end in balance never reach");
        desk.warn(
            section.get("limit").map(|value| value.span()),
            &section.path_of("limit"),
            wrong,
            "2 or 3, for example",
        );
    }
    if limit == 1 {
        let wrong = "is 1: every second allocation can be foreseen";
        desk.warn(
            section.get("limit").map(|value| value.span()),
            &section.path_of("limit"),
            wrong,
            "2 or 3, for example",
        );
    }
    Some(Method::Maximal { limit, subjects })
}

fn hu_hu(
    desk: &mut Desk<'_>,
    section: &Section<'_, '_>,
    root: &Section<'_, '_>,
    factors: &[Factor],
    strata: &[String],
) -> Option<Method> {
    let p = behind(desk, section);
    let mut part = |key: &str| {
        let value = section.need(desk, key, "a number from 0")?;
        weight(desk, &section.path_of(key), value)
    };
    let (total, stratum) = (part("total_weight"), part("stratum_weight"));
    if factors.iter().any(|factor| factor.id == TOTAL) {
        let span = root.get("factors").map(|value| value.span());
        let right = "leave it out, and write its weight as hu-hu.total_weight";
        desk.error(span, "factors", "\"total\" is no factor of this method", right);
    }
    let (p, total_weight, stratum_weight) = (p?, total?, stratum?);
    if factors.is_empty() && strata.is_empty() && stratum_weight.is_positive() {
        let right = "strata = [ … ], or factors = [ … ], or stratum_weight = 0";
        let span = section.get("stratum_weight").map(|value| value.span());
        desk.error(span, &section.path_of("stratum_weight"), "there is no stratum to weigh", right);
        return None;
    }
    if total_weight.is_zero() && stratum_weight.is_zero() && factors.iter().all(|factor| factor.weight.is_zero()) {
        let wrong = "all weights are 0: every subject is allocated by even chances";
        desk.warn(Some(section.span.clone()), &section.path, wrong, "a weight above 0");
    }
    Some(Method::HuHu(HuHu { p, total_weight, stratum_weight }))
}

fn atkinson(desk: &mut Desk<'_>, root: &Section<'_, '_>, factors: &[Factor]) -> Option<Method> {
    if let Some(value) = root.get("atkinson") {
        Section::open(desk, "atkinson", value, &[])?;
    }
    let span = root.get("factors").map(|value| value.span());
    if factors.iter().any(|factor| factor.id == TOTAL) {
        let wrong = "\"total\" is no factor of this method, which always heeds the whole study";
        desk.error(span.clone(), "factors", wrong, "leave it out");
    }
    if factors.iter().any(|factor| !factor.weight.is_one()) {
        desk.warn(span.clone(), "factors", "the method does not use weights", "leave them out");
    }
    let columns = 1 + factors.iter().map(|factor| factor.levels.as_ref().map_or(1, Vec::len)).sum::<usize>();
    if columns > limits::ATKINSON_COLUMNS {
        let right = format!("at most {} levels in all", limits::ATKINSON_COLUMNS - 1);
        desk.error(span, "factors", format!("{} levels in all are too many for this method", columns - 1), right);
        return None;
    }
    Some(Method::Atkinson)
}

fn minimization(
    desk: &mut Desk<'_>,
    section: &Section<'_, '_>,
    root: &Section<'_, '_>,
    arms: &[Arm],
    factors: &[Factor],
) -> Option<Method> {
    let names: Vec<&str> = DISTANCES.iter().map(|(name, _)| *name).collect();
    let distance =
        section.need_name(desk, "distance", &format!("one of {}", names.join(", "))).and_then(|(name, span)| {
            let found = DISTANCES.iter().find(|(known, _)| *known == name).map(|(_, distance)| *distance);
            if found.is_none() {
                desk.error(
                    Some(span),
                    &section.path_of("distance"),
                    format!("\"{name}\" is no distance"),
                    suggestion(&name, &names),
                );
            }
            found
        });
    let rule = section.need_name(desk, "rule", &format!("one of {}", RULES.join(", ")));
    let rule = rule.and_then(|(name, span)| rule_of(desk, section, &name, span, arms));
    let burn_in = match section.get("burn_in") {
        Some(value) => table::whole(desk, &section.path_of("burn_in"), value, 0, u64::from(u32::MAX)),
        None => Some(0),
    };
    match root.get("factors") {
        None => {
            desk.error(None, "factors", "minimization needs at least one factor", "factors = [ { id = \"site\" } ]")
        }
        Some(value) if factors.is_empty() => {
            desk.error(
                Some(value.span()),
                "factors",
                "minimization needs at least one factor",
                "factors = [ { id = \"site\" } ]",
            );
        }
        Some(value) if factors.iter().all(|factor| !factor.weight.is_positive()) => {
            desk.warn(
                Some(value.span()),
                "factors",
                "all weights are 0: every subject is allocated by ratio alone",
                "a weight above 0",
            );
        }
        Some(_) => (),
    }
    Some(Method::Minimization(Minimization { distance: distance?, rule: rule?, burn_in: burn_in? }))
}

fn rule_of(
    desk: &mut Desk<'_>,
    section: &Section<'_, '_>,
    name: &str,
    span: std::ops::Range<usize>,
    arms: &[Arm],
) -> Option<Rule> {
    let path = section.path_of("rule");
    if !RULES.contains(&name) {
        desk.error(Some(span), &path, format!("\"{name}\" is no rule"), suggestion(name, &RULES));
        return None;
    }
    warn_unused(desk, section, name);
    // Where one arm is left, what the rule said of several stands as it did.
    let alone = arms.len() == 1;
    let least = |above: u64, below: u64| if alone { Rational::zero() } else { number::ratio(above, below) };
    let count = arms.len().max(2) as u64;
    let sum: u64 = arms.iter().map(|arm| arm.ratio).sum::<u64>().max(1);
    let smallest = arms.iter().map(|arm| arm.ratio).min().unwrap_or(1);
    let unequal = arms.iter().any(|arm| arm.ratio != smallest);
    if unequal && matches!(name, "best" | "rank" | "proportional") {
        let wrong = format!("\"{name}\" does not keep unequal ratios: the arms' shares drift from them");
        desk.warn(Some(span.clone()), &path, wrong, "rule = \"ratio-arms\"");
    }
    match name {
        "best" => Some(Rule::Best { p: probability(desk, section, "p", &least(1, count))? }),
        "ratio-coin" => Some(Rule::RatioCoin { p: probability(desk, section, "p", &least(smallest, sum))? }),
        "ratio-arms" => {
            let divisor = arms.iter().fold(0, |divisor, arm| common_divisor(divisor, arm.ratio));
            if sum > limits::DUMMY_ARMS {
                desk.error(
                    Some(span),
                    &path,
                    format!("the ratios sum to {sum}: too many dummy arms"),
                    format!("a sum of at most {}", limits::DUMMY_ARMS),
                );
                return None;
            }
            if divisor > 1 {
                desk.warn(
                    Some(span),
                    &path,
                    format!("all ratios are multiples of {divisor}: there are more dummy arms than needed"),
                    format!("ratios divided by {divisor}"),
                );
            }
            Some(Rule::RatioArms { p: probability(desk, section, "p", &least(1, sum))? })
        }
        "proportional" => {
            let value = section.need(desk, "t", "a number from 0 to 1")?;
            let t = between(desk, &section.path_of("t"), value, &Rational::zero(), &Rational::one())?;
            if t.is_one() && arms.len() == 2 {
                desk.warn(
                    Some(value.span()),
                    &section.path_of("t"),
                    "is 1: with two arms, the other arm is certain wherever one is without imbalance",
                    "less than 1, such as \"4/5\": ICH E9 asks for a random element in every allocation",
                );
            }
            Some(Rule::Proportional { t })
        }
        _ => {
            if unequal && arms.len() > limits::RANKED_ARMS {
                desk.error(
                    Some(span),
                    &path,
                    "too many arms of unequal ratio to rank",
                    format!("at most {}", limits::RANKED_ARMS),
                );
                return None;
            }
            rank(desk, section, count, alone)
        }
    }
}

/// Warns of settings that belong to another rule.
fn warn_unused(desk: &mut Desk<'_>, section: &Section<'_, '_>, name: &str) {
    let used = match name {
        "rank" => "q",
        "proportional" => "t",
        _ => "p",
    };
    for other in ["p", "q", "t"].into_iter().filter(|other| *other != used) {
        if let Some((_, at, _)) = section.entries().find(|(key, _, _)| *key == other) {
            desk.warn(
                Some(at),
                &section.path_of(other),
                format!("is not used by the rule \"{name}\""),
                format!("{used} = …"),
            );
        }
    }
}

/// q strictly between 1/K and 2/(K - 1), where all probabilities are above 0 and fall with the rank.
fn rank(desk: &mut Desk<'_>, section: &Section<'_, '_>, count: u64, alone: bool) -> Option<Rule> {
    let value = section.need(desk, "q", "a number, such as \"1/2\"")?;
    let path = section.path_of("q");
    let q = table::exact(desk, &path, value)?;
    let (least, most) = (number::ratio(1, count), number::ratio(2, count - 1));
    if !alone && (q <= least || q >= most) {
        let right = format!("above {} and below {}", number::show(&least), number::show(&most));
        desk.error(Some(value.span()), &path, format!("is {}", number::show(&q)), right);
        return None;
    }
    Some(Rule::Rank { q })
}

fn common_divisor(mut first: u64, mut second: u64) -> u64 {
    while second != 0 {
        (first, second) = (second, first % second);
    }
    first
}
