//! Warnings about poor designs that the statistician's file shows by itself, with figures computed for it.

use num_traits::One;

use super::table::{Desk, Section};
use crate::domain::allocation::{Arm, BlockSize, Method, guess};
use crate::domain::number::{self, Rational};
use crate::domain::study::Caps;
use crate::limits;

/// Looks at a scheme that can be used.
pub(super) fn look(desk: &mut Desk<'_>, root: &Section<'_, '_>, arms: &[Arm], method: &Method, caps: Option<&Caps>) {
    match method {
        Method::Block(sizes) => {
            blocks(desk, root, arms, sizes);
            nearly_fixed(desk, root, arms, sizes);
            if let Some(cap) = caps.and_then(|caps| caps.stratum) {
                stratum_cap(desk, root, sizes, cap);
            }
        }
        Method::BigStick { limit: 1 } | Method::Chen { limit: 1, .. } => {
            let wrong = "is 1: every second allocation is certain, and whoever knows the others guesses 75 % right";
            warn(desk, root, method.key(), "limit", wrong.to_owned(), "3, for example");
        }
        Method::Atkinson => {
            let wrong = "the second subject, if it has the levels of the first, gets another arm for certain";
            let right = "minimization, or hu-hu, with p below 1: ICH E9 asks for a random element in every allocation";
            desk.warn(root.get("method").map(|value| value.span()), "method", wrong, right);
        }
        Method::BlockUrn { lambda: 1 } => {
            let sum: u64 = arms.iter().map(|arm| arm.ratio).sum();
            let wrong = format!("is 1: the urn is a block of {sum}, and its last allocation is certain");
            warn(desk, root, "block-urn", "lambda", wrong, "2 or more");
        }
        _ => {}
    }
}

fn warn(desk: &mut Desk<'_>, root: &Section<'_, '_>, table: &str, key: &str, wrong: String, right: &str) {
    let span = root.get(table).map(|value| {
        let inside = value.get_ref().as_table().and_then(|inside| inside.get(key));
        inside.map_or_else(|| value.span(), toml::Spanned::span)
    });
    desk.warn(span, &format!("{table}.{key}"), wrong, right);
}

/// One block per round of the ratio, alone or among others.
fn blocks(desk: &mut Desk<'_>, root: &Section<'_, '_>, arms: &[Arm], sizes: &[BlockSize]) {
    let ratios: Vec<u64> = arms.iter().map(|arm| arm.ratio).collect();
    let sum: u64 = ratios.iter().sum::<u64>().max(1);
    let Some(first) = sizes.first().filter(|first| first.size == sum && arms.len() > 1) else { return };
    let share = |sizes: &[(u64, Rational)]| guess::best_share(&ratios, sizes);
    let fixed = |rounds: u64| share(&[(rounds * sum, Rational::one())]);
    let own: Vec<(u64, Rational)> = sizes.iter().map(|size| (size.size, size.weight.clone())).collect();
    let (Some(own), Some(larger)) = (share(&own), fixed(2)) else { return };
    let (random, double) = (sizes.len() > 1, 2 * sum);
    let listed: Vec<String> = sizes.iter().map(|size| size.size.to_string()).collect();
    let kind =
        if random { format!("random blocks of {}", listed.join(", ")) } else { format!("blocks of {}", first.size) };
    let compared =
        if own > larger { format!(", fixed blocks of {double} in {}", percent(&larger)) } else { String::new() };
    let wrong = format!(
        "the last allocation of a block of {sum} can be foreseen: {kind} let who knows the others guess {} of all allocations \
         right{compared}{}",
        percent(&own),
        beside_trivial(&ratios)
    );
    let right = match share(&[2, 3, 4].map(|rounds| (rounds * sum, Rational::one()))) {
        Some(better) => {
            let sizes = [2, 3, 4].map(|rounds| (rounds * sum).to_string()).join(", ");
            format!("sizes = [{sizes}] ({})", percent(&better))
        }
        None => "larger blocks, of several sizes".to_owned(),
    };
    warn(desk, root, "block", "sizes", wrong, &right);
}

/// Weights under which nearly all blocks have one size: it can be counted on.
fn nearly_fixed(desk: &mut Desk<'_>, root: &Section<'_, '_>, arms: &[Arm], sizes: &[BlockSize]) {
    let all: Rational = sizes.iter().map(|size| &size.weight).sum();
    let Some(most) = sizes.iter().max_by_key(|size| size.weight.clone()).filter(|_| sizes.len() > 1) else { return };
    let part = &most.weight / all;
    if part < number::ratio(limits::DESIGN_SIZE_PERCENT, 100) {
        return;
    }
    let ratios: Vec<u64> = arms.iter().map(|arm| arm.ratio).collect();
    let own: Vec<(u64, Rational)> = sizes.iter().map(|size| (size.size, size.weight.clone())).collect();
    let even: Vec<(u64, Rational)> = sizes.iter().map(|size| (size.size, Rational::one())).collect();
    let guessed = guess::best_share(&ratios, &own);
    let guessed = guessed.map_or_else(String::new, |share| {
        let trivial = beside_trivial(&ratios);
        format!(", and guesses {} of all allocations right{trivial}", percent(&share))
    });
    let wrong = format!(
        "give {} of the blocks the size {}: who counts on it knows where a block ends, as if all were of that size{guessed}",
        percent(&part),
        most.size
    );
    let right = match guess::best_share(&ratios, &even) {
        Some(share) => format!("no weights ({}), or such as are nearer to each other", percent(&share)),
        None => "no weights, or such as are nearer to each other".to_owned(),
    };
    warn(desk, root, "block", "weights", wrong, &right);
}

fn stratum_cap(desk: &mut Desk<'_>, root: &Section<'_, '_>, sizes: &[BlockSize], cap: u32) {
    if let Some(size) = sizes.iter().find(|size| u64::from(cap) % size.size != 0) {
        let (cap, size) = (u64::from(cap), size.size);
        let lower = cap / size * size;
        let right = if lower > 0 { format!("{lower} or {}", lower + size) } else { size.to_string() };
        let wrong =
            format!("a stratum that is full at {cap} ends inside of a block of {size}, with its arms out of ratio");
        warn(desk, root, "caps", "stratum", wrong, &right);
    }
}

/// What needs no knowledge of anybody's allocation, where that is more than one in so many arms.
pub(in crate::definition) fn beside_trivial(ratios: &[u64]) -> String {
    let largest = ratios.iter().copied().max();
    if ratios.iter().all(|ratio| Some(*ratio) == largest) {
        return String::new();
    }
    format!("; always naming the largest arm is right in {}", percent(&guess::largest_share(ratios)))
}

/// `70.8 %`.
pub(in crate::definition) fn percent(share: &Rational) -> String {
    format!("{} %", number::decimal(&(share * number::ratio(100, 1)), 1))
}
