//! Shares and numbers that rules of an election ask for.

use crate::definition::document::Section;
use crate::domain::election::{Base, Bound, Least, Quorum, Reelected, RunnerUp, Share};
use crate::domain::number::{self, Rational, ratio};

/// A number, or a fraction in quotes such as `"2/3"`.
fn exact(section: &Section, key: &'static str) -> Option<Rational> {
    let Some(written) = section.peek_text(key) else { return section.number(key) };
    section.skip(key);
    let number = number::parse(written).ok();
    if number.is_none() {
        let right = format!("write a fraction in quotes, such as {key} = \"1/2\"");
        section.wrong(key, format!("\"{written}\" is no number"), right);
    }
    number
}

/// A share from 0 to 1, the ends left out but for 1 itself; reported if it is none.
pub(super) fn fraction(section: &Section, key: &'static str) -> Option<Rational> {
    let number = exact(section, key)?;
    let sound = number > ratio(0, 1) && number <= ratio(1, 1);
    if !sound {
        let right = format!("write a fraction in quotes, such as {key} = \"1/2\"");
        section.wrong(key, format!("{number} is no share"), right);
    }
    sound.then_some(number)
}

/// `at_least` or `more_than`; reported if there is not just one of them.
fn bound(section: &Section) -> Option<(Bound, Rational)> {
    let (least, more) = (fraction(section, "at_least"), fraction(section, "more_than"));
    match (section.has("at_least"), section.has("more_than")) {
        (true, true) => {
            section.wrong("more_than", "stands beside at_least", "keep one of the two");
            None
        }
        (false, false) => None,
        (true, false) => least.map(|share| (Bound::AtLeast, share)),
        (false, true) => {
            if more == Some(ratio(1, 1)) {
                section.wrong("more_than", "is more than all", "write at_least = 1, or a smaller share");
            }
            more.map(|share| (Bound::MoreThan, share))
        }
    }
}

fn need_bound(section: &Section, example: &str) -> Option<(Bound, Rational)> {
    let bound = bound(section);
    if !section.has("at_least") && !section.has("more_than") {
        section.wrong("", "does not say how many", format!("write {example}"));
    }
    bound
}

/// `quorum = { at_least = "1/3", count = "cast" }`.
pub(super) fn quorum(section: &Section) -> Option<Quorum> {
    let own = section.section("quorum")?;
    let found = need_bound(&own, "at_least = \"1/3\", the share of the roll");
    let valid_only = own.word("count", &[("cast", false), ("valid", true)]).unwrap_or(false);
    own.close();
    let (bound, share) = found?;
    Some(Quorum { share: Share { bound, share, of: Base::Roll }, valid_only })
}

/// What `of` says.
fn base(section: &Section, known: &[Base], otherwise: Base) -> Base {
    let words: Vec<(&str, Base)> = known.iter().map(|base| (base.key(), *base)).collect();
    section.word("of", &words).unwrap_or(otherwise)
}

/// `least = { votes = 5 }`, or a share.
pub(super) fn least(section: &Section) -> Option<Least> {
    let own = section.section("least")?;
    let (votes, bound) = (own.count("votes"), bound(&own));
    let of = base(&own, &[Base::Valid, Base::Cast, Base::Roll], Base::Valid);
    let shares = own.has("at_least") || own.has("more_than");
    if own.has("votes") == shares {
        let right = "write votes = 5, or more_than = \"1/2\" and of = \"valid\"";
        own.wrong("votes", "does not say in one way how many", right);
    }
    own.close();
    match (votes, bound) {
        (Some(votes), _) => Some(Least::Votes(votes.into())),
        (None, Some((bound, share))) => Some(Least::Share(Share { bound, share, of })),
        (None, None) => None,
    }
}

/// What a vote of confidence takes.
pub(super) fn pass(own: &Section) -> Share {
    let found = bound(own);
    let of = base(own, &[Base::Marks, Base::Valid, Base::Cast, Base::Roll], Base::Marks);
    let (bound, share) = found.unwrap_or((Bound::MoreThan, ratio(1, 2)));
    Share { bound, share, of }
}

/// `reelected_at_most = 3`, or `"2/3"` of the seats.
pub(super) fn reelected(section: &Section) -> Option<Reelected> {
    let number = exact(section, "reelected_at_most")?;
    let written = section.peek_text("reelected_at_most").is_some();
    let whole = u32::try_from(number.to_integer()).ok().filter(|_| number.is_integer());
    match (whole, written) {
        (Some(most), false) => Some(Reelected::Number(most)),
        _ if number > ratio(0, 1) && number < ratio(1, 1) => Some(Reelected::Share(number)),
        _ => {
            let right = "write a whole number, or a share of the seats in quotes, such as \"2/3\"";
            section.wrong("reelected_at_most", format!("{number} is neither a number nor a share of seats"), right);
            None
        }
    }
}

/// `runners_up = { keep = 3, at_least = "1/2" }`.
pub(super) fn runners_up(section: &Section) -> Option<RunnerUp> {
    let own = section.section("runners_up")?;
    let rule = RunnerUp { keep: own.count("keep"), at_least: fraction(&own, "at_least") };
    own.close();
    Some(rule)
}

/// More than half of those who marked yes or no.
pub(super) fn majority() -> Share {
    Share { bound: Bound::MoreThan, share: ratio(1, 2), of: Base::Marks }
}
