//! Warnings about designs that are poor for this study: what the statistician's file cannot show by itself.

use num_traits::{One, Zero};

use super::agreement::Grounds;
use super::allocation_file::{AllocationFile, beside_trivial, percent};
use super::document::{Report, Section, Source};
use super::study_file::StudyFile;
use crate::domain::allocation::{Arm, Method, Minimization, guess};
use crate::domain::number::Rational;
use crate::domain::study::Blinding;

/// Most rounds of the ratio in a fixed block that an open study is warned of.
const SMALL_ROUNDS: u64 = 3;
/// Fewest planned subjects per stratum that are not warned of.
const SUBJECTS_PER_STRATUM: u64 = 4;

/// Looks at a sound scheme beside its study; `planned` is how many subjects it is for, where that is known.
pub(super) fn check(
    (name, content): (&str, &str),
    file: &AllocationFile,
    grounds: &Grounds<'_>,
    planned: Option<u32>,
    report: &Report,
) {
    let study = grounds.study;
    let source = Source::new(name, content);
    let silent = Report::default();
    let Some(table) = source.parse(&silent) else { return };
    let root = Section::whole(&source, &silent, &table);
    let here = |table: &'static str, key: &str, wrong: String, right: String| {
        let (line, key) = match root.section(table) {
            Some(section) if !table.is_empty() => (section.line_of(key), section.key(key)),
            _ => (root.line_of(key), key.to_string()),
        };
        report.warn(name, Some(line), key, wrong, right);
    };
    blocks(file, study, &here);
    strata(file, grounds, planned, &here);
    if let (Method::Minimization(Minimization { burn_in, .. }), Some(planned)) = (file.scheme.method(), planned)
        && *burn_in >= u64::from(planned)
    {
        let wrong = format!("is {burn_in}, and {planned} subjects are planned: nobody will be minimized");
        here("minimization", "burn_in", wrong, "0, or some ten subjects".to_string());
    }
    if let (Some(total), Some(planned)) = (file.caps.total, planned)
        && total < planned
    {
        let wrong = format!("closes the study at {total} subjects, though {planned} are planned");
        here("caps", "total", wrong, format!("{planned}, or another planned_subjects in study.toml"));
    }
    let caps = if root.section("caps").is_some_and(|caps| caps.has("arms")) { "arms" } else { "arm" };
    arm_caps(file, planned, caps, &here);
    if study.blinding == Blinding::Blinded {
        telling_caps(file, caps, &here);
    }
    for code in file.sites.own.keys().filter(|code| study.sites.iter().all(|site| site.value.code != **code)) {
        let key = if root.section("caps").is_some_and(|caps| caps.has("sites")) { "sites" } else { "site" };
        let wrong = format!("caps the site \"{code}\", which the study does not have");
        here("caps", key, wrong, "a code of a section [[sites]] in study.toml".to_string());
    }
}

/// The open arms, each with its cap if it has one.
fn capped(file: &AllocationFile) -> Vec<(&Arm, Option<u64>)> {
    let cap =
        |arm: &Arm| file.caps.arms.iter().rev().find(|(code, _)| *code == arm.code).map(|(_, cap)| u64::from(*cap));
    file.scheme.arms().iter().filter(|arm| !arm.closed).map(|arm| (arm, cap(arm))).collect()
}

/// An arm that is full closes the study to everybody: by the ratio long before the others are, perhaps.
fn arm_caps(file: &AllocationFile, planned: Option<u32>, key: &str, here: &Warn<'_>) {
    let arms = capped(file);
    let sum: u64 = arms.iter().map(|(arm, _)| arm.ratio).sum();
    let Some(meant) = file.caps.total.into_iter().chain(planned).min().map(u64::from) else { return };
    let first = arms
        .iter()
        .filter_map(|(arm, cap)| Some((*cap.as_ref()? * sum / arm.ratio, *arm, (*cap)?)))
        .min_by_key(|one| one.0);
    let Some((at, arm, cap)) = first.filter(|(at, ..)| *at < meant) else { return };
    let wrong = format!(
        "closes the study to everybody when {cap} subjects have the arm \"{}\", by the ratio at about {at} in all, though {meant} are meant",
        arm.code
    );
    let right =
        format!("at least {} for it, and some more for chance; or caps.total alone", (meant * arm.ratio).div_ceil(sum));
    here("caps", key, wrong, right);
}

/// Arms that are not capped alike: which of them is full is known, and so is the arm of the last subject before.
fn telling_caps(file: &AllocationFile, key: &str, here: &Warn<'_>) {
    let arms = capped(file);
    // Caps by ratio, compared without dividing; an arm without a cap is never full.
    let share = |(arm, cap): &(&Arm, Option<u64>)| cap.map(|cap| Rational::new(cap.into(), arm.ratio.into()));
    let Some(least) = arms.iter().filter_map(share).min() else { return };
    let mut first = arms.iter().filter(|one| share(one) == Some(least.clone()));
    let (Some((arm, _)), None) = (first.next(), first.next()) else { return };
    let wrong = format!(
        "is reached by \"{}\" first, as far as the ratio goes: when the study is full, whoever knows the caps guesses that the last subject \
         before has that arm, though the study is blinded",
        arm.code
    );
    here("caps", key, wrong, "caps of all arms by their ratio, or caps.total alone".to_string());
}

type Warn<'a> = dyn Fn(&'static str, &str, String, String) + 'a;

/// Who enrolls in an open study sees the arms and can count along.
fn blocks(file: &AllocationFile, study: &StudyFile, here: &Warn<'_>) {
    let Method::Block(sizes) = file.scheme.method() else { return };
    let [only] = sizes.as_slice() else { return };
    let ratios: Vec<u64> = file.scheme.arms().iter().filter(|arm| !arm.closed).map(|arm| arm.ratio).collect();
    let sum: u64 = ratios.iter().sum::<u64>().max(1);
    // A block of one round is warned of whatever the study is.
    if study.blinding != Blinding::Open || only.size > SMALL_ROUNDS * sum || only.size == sum || ratios.len() < 2 {
        return;
    }
    let Some(own) = guess::best_share(&ratios, &[(only.size, Rational::one())]) else { return };
    let wrong = format!(
        "the study is open: who counts along in fixed blocks of {} guesses {} of the allocations right{}",
        only.size,
        percent(&own),
        beside_trivial(&ratios)
    );
    let better = [3, 4, 5].map(|rounds| (rounds * sum, Rational::one()));
    let listed = better.iter().map(|(size, _)| size.to_string()).collect::<Vec<String>>().join(", ");
    let right = match guess::best_share(&ratios, &better) {
        Some(share) if share < own => {
            format!(
                "several sizes, such as sizes = [{listed}] ({}), or minimization over the same factors",
                percent(&share)
            )
        }
        _ => "several sizes, or minimization over the same factors".to_string(),
    };
    here("block", "sizes", wrong, right);
}

/// Strata that hardly anybody falls into balance nothing: blocks in them stay open.
fn strata(file: &AllocationFile, grounds: &Grounds<'_>, planned: Option<u32>, here: &Warn<'_>) {
    let mut strata: Vec<&String> = file.scheme.strata().iter().collect();
    let mut key = "strata";
    if let Method::HuHu(settings) = file.scheme.method() {
        if settings.stratum_weight.is_zero() {
            return;
        }
        if strata.is_empty() {
            // Then the combinations of all factors are the strata.
            strata = file.scheme.factors().iter().map(|factor| &factor.id).collect();
            key = "factors";
        }
    }
    let (Some(planned), false) = (planned, strata.is_empty()) else { return };
    let levels = |id: &String| {
        let factor = file.scheme.factors().iter().find(|factor| factor.id == *id);
        match factor.and_then(|factor| factor.levels.as_ref()) {
            Some(listed) => Some(listed.len() as u64),
            None => grounds.known_levels(id).map(|codes| codes.len() as u64),
        }
    };
    let product = strata.into_iter().map(levels).try_fold(1u64, |all, own| all.checked_mul(own?));
    let Some(count) = product else { return };
    let planned = u64::from(planned);
    if count * SUBJECTS_PER_STRATUM > planned {
        let follows = match file.scheme.method() {
            Method::Block(_) => "most blocks stay open and the arms are out of balance",
            Method::HuHu(_) => "`stratum_weight` balances next to nothing",
            _ => "the arms are out of balance in most",
        };
        let wrong = format!(
            "make {count} strata for {planned} planned subjects: with fewer than {SUBJECTS_PER_STRATUM} in each, {follows}"
        );
        let right = match planned / SUBJECTS_PER_STRATUM {
            0 | 1 => "minimization over the same factors".to_string(),
            most => {
                let named = if key == "factors" { " (name them: strata = [ … ])" } else { "" };
                format!("at most {most} strata{named}, or minimization over the same factors")
            }
        };
        here("", key, wrong, right);
    }
}
