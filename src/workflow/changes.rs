//! What an amendment changes, in words for a terminal and for letters: what is new and what it stands in place of.

mod conduct;
mod difference;
mod schedule;

use std::collections::BTreeMap;

use super::amendment::{calculated, recalculated};
use super::wording;
use crate::domain::allocation::{BlockSize, Distance, Factor, HuHu, Method, Minimization, Rule, Scheme};
use crate::domain::fact::Recounting;
use crate::domain::number;
use crate::domain::study::{FIRST, Forcing, Rescreening, Rules, Study};

/// Whom a line may be told to, beside whoever ran the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Everybody on the staff.
    Staff,
    /// Everybody where nothing is concealed; in a blinded study those alone who may know arms.
    Arms,
    /// Those alone who may know how subjects are allocated: with blocks, ratios, probabilities and counts the next arm could be guessed.
    Design,
    /// Managers: what others need not know of colleagues.
    Managers,
}

/// One change of a study, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) reach: Reach,
    pub(super) text: String,
}

/// Lines of one reach.
pub(super) fn reaching(reach: Reach, lines: &mut Vec<Line>, tell: impl FnOnce(&mut Vec<String>)) {
    let mut own = Vec::new();
    tell(&mut own);
    lines.extend(own.into_iter().map(|text| Line { reach, text }));
}

/// A line where something differs.
fn told(lines: &mut Vec<String>, what: &str, before: &str, now: &str) {
    if before != now {
        lines.push(format!("{what} {now} instead of {before}"));
    }
}

/// One line for each change of a study, from its definitions and files.
pub(super) fn changes(
    old: &Study,
    new: &Study,
    old_files: &BTreeMap<String, String>,
    new_files: &BTreeMap<String, String>,
) -> Vec<Line> {
    let mut lines = Vec::new();
    for now in new.allocations() {
        let first = lines.len();
        match old.find_rules(now.id) {
            Some(before) => {
                reaching(Reach::Arms, &mut lines, |lines| {
                    wording::arm_changes(before, now, lines);
                    arm_list_changes(before.scheme, now.scheme, lines);
                });
                reaching(Reach::Design, &mut lines, |lines| {
                    scheme_changes(before.scheme, now.scheme, lines);
                    wording::level_changes(old, new, before, now, lines);
                    recounting_changes(before, now, lines);
                    lines.extend(recalculated(old, new, before, now).iter().map(|one| {
                        format!(
                            "level {}: {}; subjects of before keep the level they were allocated by",
                            one.level,
                            calculated(one)
                        )
                    }));
                    cap_changes(before, now, lines);
                    forcing_changes(before, now, lines);
                });
                let condition = |study: &Study| study.find_randomization(now.id)?.condition.clone();
                reaching(Reach::Staff, &mut lines, |lines| {
                    conduct::criterion_change("condition", condition(old).as_ref(), condition(new).as_ref(), lines);
                });
            }
            None => {
                let text = "new; it begins without subjects".to_string();
                lines.push(Line { reach: Reach::Staff, text });
            }
        }
        if now.id != FIRST {
            let own = lines.iter_mut().skip(first);
            own.for_each(|line| line.text = format!("allocation {}: {}", now.id, line.text));
        }
    }
    reaching(Reach::Design, &mut lines, |lines| {
        if new.scheme.is_none() {
            cap_change(lines, "in all", old.caps.total, new.caps.total);
        }
        cohort_changes(old, new, lines);
        site_cap_changes(old, new, lines);
    });
    let (before, now) = (&old.registration.rescreening, &new.registration.rescreening);
    if before != now {
        let told = |own: &Rescreening| match own.after.iter().map(|kind| kind.key()).collect::<Vec<&str>>() {
            kinds if kinds.is_empty() => "never".to_string(),
            kinds => format!("after {}, at most {} times", kinds.join(", "), own.most),
        };
        let text = format!("rescreening: {} instead of {}", told(now), told(before));
        lines.push(Line { reach: Reach::Staff, text });
    }
    reaching(Reach::Staff, &mut lines, |lines| conduct::changes(old, new, lines));
    reaching(Reach::Managers, &mut lines, |lines| {
        conduct::people_changes(&old.people, &new.people, lines);
        conduct::key_changes(old, new, lines);
    });
    reaching(Reach::Staff, &mut lines, |lines| schedule::changes(old.schedule.as_ref(), new.schedule.as_ref(), lines));
    let files = each_file(old_files, new_files);
    lines.extend(files.into_iter().map(|(name, text)| Line { reach: reach_of(name), text }));
    lines
}

/// One line for each file that differs.
pub fn file_changes(old_files: &BTreeMap<String, String>, new_files: &BTreeMap<String, String>) -> Vec<String> {
    each_file(old_files, new_files).into_iter().map(|(_, line)| line).collect()
}

/// The names of the files that differ, each with its line.
fn each_file<'a>(
    old_files: &'a BTreeMap<String, String>,
    new_files: &'a BTreeMap<String, String>,
) -> Vec<(&'a str, String)> {
    let mut lines = Vec::new();
    let names = old_files.keys().chain(new_files.keys().filter(|name| !old_files.contains_key(*name)));
    for name in names {
        let told = match (old_files.get(name), new_files.get(name)) {
            (Some(before), Some(now)) if before != now => match difference::count(before, now) {
                (0, 0) => "nothing but the ends of lines".to_string(),
                (gone, come) => format!("{come} lines new, changed or moved, {gone} gone from where they stood"),
            },
            (Some(_), None) => "removed".to_string(),
            (None, Some(_)) => "new".to_string(),
            _ => continue,
        };
        lines.push((name.as_str(), format!("file {name}: {told}")));
    }
    lines
}

/// Whom the name of a changed file may be told to: that one of the statistician's changed tells of the allocation.
fn reach_of(file: &str) -> Reach {
    if file.starts_with("keys/") {
        // Which colleague has which key is told with what else changes of people.
        return Reach::Managers;
    }
    let conduct = ["instruments/", "letters/", "holidays/", "pictures/"].iter().any(|folder| file.starts_with(folder));
    if conduct || ["study.toml", "schedule.toml"].contains(&file) { Reach::Staff } else { Reach::Design }
}

/// Which arms come and go.
fn arm_list_changes(old: &Scheme, new: &Scheme, lines: &mut Vec<String>) {
    for arm in new.arms() {
        let code = &arm.code;
        match old.arms().iter().find(|known| known.code == *code) {
            None => lines.push(format!("arm {code}: added; it begins without subjects")),
            Some(known) if known.closed != arm.closed => lines.push(if arm.closed {
                format!("arm {code}: closed; nobody gets it any more, its subjects stay")
            } else {
                format!("arm {code}: open again")
            }),
            Some(_) => {}
        }
    }
}

fn scheme_changes(old: &Scheme, new: &Scheme, lines: &mut Vec<String>) {
    if old.deterministic_reason() != new.deterministic_reason() {
        let told = |reason: Option<&str>| reason.unwrap_or("none").to_string();
        let [was, is] = [old, new].map(|scheme| told(scheme.deterministic_reason()));
        lines.push(format!("deterministic_reason: {is} instead of {was}"));
    }
    if old == new {
        return;
    }
    for arm in new.arms() {
        let (code, ratio) = (&arm.code, arm.ratio);
        match old.arms().iter().find(|known| known.code == *code) {
            None => lines.push(format!("arm {code}: ratio {ratio}")),
            Some(known) if known.ratio != ratio => {
                lines.push(format!("arm {code}: ratio {ratio} instead of {}", known.ratio));
            }
            Some(_) => {}
        }
    }
    method_changes(old.method(), new.method(), lines);
    factor_changes(old, new, lines);
    let listed = |ids: &[String]| if ids.is_empty() { "none".to_string() } else { ids.join(", ") };
    if old.strata() != new.strata() {
        lines.push(format!("strata: {} instead of {}", listed(new.strata()), listed(old.strata())));
    }
    let anew = new.epoch() > old.epoch();
    let arms_change = old.arms() != new.arms();
    lines.push(match new.method() {
        _ if anew => format!(
            "counts: epoch {} begins; everything decisions balance starts from zero, caps go on counting everybody",
            new.epoch()
        ),
        method if new.is_left_with_one() && !matches!(method, Method::List(_)) => {
            "counts: stand as they are; every subject gets the one arm that is open, and nothing is balanced meanwhile".to_string()
        }
        Method::Block(_) => {
            "counts: open blocks end as they are; the next subject of each stratum opens a new one".to_string()
        }
        Method::BlockUrn { .. } => {
            "counts: strata go on with their urns if arms were only closed, and begin new ones else".to_string()
        }
        Method::Simple | Method::None => {
            "counts: the method has no memory; the next subject is decided by the new ratios".to_string()
        }
        _ if arms_change => "counts: all subjects of open arms go on counting; an arm that is behind by the new list is favored until it \
                             has caught up (raise `epoch` if that is not wanted)"
            .to_string(),
        _ => "counts: go on".to_string(),
    });
}

/// Another method with its settings, or each setting that differs.
fn method_changes(old: &Method, new: &Method, lines: &mut Vec<String>) {
    let (key, before, now) = (new.key(), settings(old), settings(new));
    if old.key() != key {
        let whole = |key: &str, settings: &[(&str, String)]| {
            let named: Vec<String> = settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
            if named.is_empty() { key.to_string() } else { format!("{key} ({})", named.join(", ")) }
        };
        lines.push(format!("method: {} instead of {}", whole(key, &now), whole(old.key(), &before)));
        return;
    }
    let none = || "none".to_string();
    let of = |settings: &[(&str, String)], name: &str| {
        settings.iter().find(|(own, _)| *own == name).map_or_else(none, |(_, value)| value.clone())
    };
    let gone = before.iter().filter(|(name, _)| now.iter().all(|(own, _)| own != name));
    for (name, _) in now.iter().chain(gone) {
        let (before, now) = (of(&before, name), of(&now, name));
        if before != now {
            lines.push(format!("{key} {name}: {now} instead of {before}"));
        }
    }
}

/// A method's settings by their keys in the statistician's file, in its notation.
fn settings(method: &Method) -> Vec<(&'static str, String)> {
    let exact = number::show;
    match method {
        Method::None | Method::Simple | Method::Atkinson => Vec::new(),
        Method::Block(sizes) => {
            let of_all = |of: fn(&BlockSize) -> String| sizes.iter().map(of).collect::<Vec<String>>().join(", ");
            let mut settings = vec![("sizes", of_all(|own| own.size.to_string()))];
            if sizes.iter().any(|own| sizes.first().is_some_and(|first| own.weight != first.weight)) {
                settings.push(("weights", of_all(|own| number::show(&own.weight))));
            }
            settings
        }
        Method::BiasedCoin { p } => vec![("p", exact(p))],
        Method::BigStick { limit } => vec![("limit", limit.to_string())],
        Method::Chen { limit, p } => vec![("limit", limit.to_string()), ("p", exact(p))],
        Method::BlockUrn { lambda } => vec![("lambda", lambda.to_string())],
        Method::WeiUrn { alpha, beta } => vec![("alpha", exact(alpha)), ("beta", exact(beta))],
        Method::Maximal { limit, subjects } => vec![("limit", limit.to_string()), ("subjects", subjects.to_string())],
        Method::Minimization(Minimization { distance, rule, burn_in }) => {
            let (rule, (name, value)) = match rule {
                Rule::Best { p } => ("best", ("p", p)),
                Rule::Rank { q } => ("rank", ("q", q)),
                Rule::Proportional { t } => ("proportional", ("t", t)),
                Rule::RatioCoin { p } => ("ratio-coin", ("p", p)),
                Rule::RatioArms { p } => ("ratio-arms", ("p", p)),
            };
            let distance = match distance {
                Distance::Range => "range",
                Distance::Variance => "variance",
                Distance::Sd => "sd",
                Distance::MarginalTotal => "marginal-total",
                Distance::MarginalBalance => "marginal-balance",
            };
            let (distance, rule) = (distance.to_string(), rule.to_string());
            vec![("distance", distance), ("rule", rule), (name, exact(value)), ("burn_in", burn_in.to_string())]
        }
        Method::HuHu(HuHu { p, total_weight, stratum_weight }) => {
            vec![("p", exact(p)), ("total_weight", exact(total_weight)), ("stratum_weight", exact(stratum_weight))]
        }
        Method::List(list) => vec![
            ("file", list.file().to_string()),
            ("places", list.places().to_string()),
            ("SHA-256", list.digest().to_string()),
        ],
    }
}

fn factor_changes(old: &Scheme, new: &Scheme, lines: &mut Vec<String>) {
    if old.factors() == new.factors() {
        return;
    }
    let levels = |factor: &Factor| factor.levels.as_ref().map_or_else(|| "all".to_string(), |all| all.join(", "));
    let first = lines.len();
    for factor in new.factors() {
        let (id, weight) = (&factor.id, number::show(&factor.weight));
        let Some(known) = old.factors().iter().find(|known| known.id == *id) else {
            lines.push(format!("factor {id}: added, weight {weight}, levels {}", levels(factor)));
            continue;
        };
        if known.weight != factor.weight {
            lines.push(format!("factor {id}: weight {weight} instead of {}", number::show(&known.weight)));
        }
        if known.levels != factor.levels {
            lines.push(format!("factor {id}: levels {} instead of {}", levels(factor), levels(known)));
        }
    }
    for gone in old.factors().iter().filter(|known| new.factors().iter().all(|factor| factor.id != known.id)) {
        lines.push(format!("factor {}: gone, weight {}", gone.id, number::show(&gone.weight)));
    }
    if lines.len() == first {
        lines.push("factors: in another order, which changes no decision".to_string());
    }
}

/// How corrected and excluded subjects are counted.
fn recounting_changes(before: Rules<'_>, now: Rules<'_>, lines: &mut Vec<String>) {
    let (before, now) = (before.recounting, now.recounting);
    let corrections = |own: &Recounting| if own.corrected { "corrected" } else { "original" };
    if before.corrected != now.corrected {
        lines.push(format!("corrections: {} instead of {}", corrections(now), corrections(before)));
    }
    let excluded = |own: &Recounting| {
        let kinds: Vec<&str> = own.exclude.iter().map(|kind| kind.key()).collect();
        if kinds.is_empty() { "none".to_string() } else { kinds.join(", ") }
    };
    if before.exclude != now.exclude {
        lines.push(format!("exclude: {} instead of {}", excluded(now), excluded(before)));
    }
}

fn cap_change(lines: &mut Vec<String>, what: &str, before: Option<u32>, now: Option<u32>) {
    let shown = |cap: Option<u32>| cap.map_or_else(|| "none".to_string(), |cap| cap.to_string());
    if before != now {
        lines.push(format!("cap {what}: {} instead of {}", shown(now), shown(before)));
    }
}

fn cohort_changes(old: &Study, new: &Study, lines: &mut Vec<String>) {
    for cohort in &new.cohorts {
        let before = old.cohorts.iter().find(|known| known.id == cohort.id);
        if let Some(known) = before.filter(|known| known.when != cohort.when) {
            lines.push(format!(
                "cohort {}: rule `{}` instead of `{}`; everybody on file is counted by the new one",
                cohort.id, cohort.when.source, known.when.source
            ));
        }
        cap_change(lines, &format!("of cohort {}", cohort.id), before.map(|known| known.cap), Some(cohort.cap));
    }
    for gone in old.cohorts.iter().filter(|known| !new.cohorts.iter().any(|cohort| cohort.id == known.id)) {
        cap_change(lines, &format!("of cohort {}", gone.id), Some(gone.cap), None);
    }
}

fn forcing_changes(before: Rules<'_>, now: Rules<'_>, lines: &mut Vec<String>) {
    if before.forcing != now.forcing {
        let told = |own: &Forcing| match own.roles.iter().map(|role| role.key()).collect::<Vec<&str>>() {
            roles if roles.is_empty() => "none".to_string(),
            roles => format!("at most {}, by {}", own.limit, roles.join(", ")),
        };
        lines.push(format!("given by hand: {} instead of {}", told(now.forcing), told(before.forcing)));
    }
}

fn cap_changes(old: Rules<'_>, new: Rules<'_>, lines: &mut Vec<String>) {
    cap_change(lines, "in all", old.caps.total, new.caps.total);
    cap_change(lines, "of each stratum", old.caps.stratum, new.caps.stratum);
    let of =
        |rules: Rules<'_>, code: &str| rules.caps.arms.iter().filter(|(own, _)| own == code).map(|(_, cap)| *cap).min();
    for arm in new.arms {
        cap_change(lines, &format!("of arm {}", arm.code), of(old, &arm.code), of(new, &arm.code));
    }
}

fn site_cap_changes(old: &Study, new: &Study, lines: &mut Vec<String>) {
    for site in &new.sites {
        if let Some(before) = old.find_site(&site.code) {
            cap_change(lines, &format!("of site {}", site.code), before.cap, site.cap);
        }
        for own in &new.randomizations {
            let before = old.find_randomization(&own.id).map(|before| before.site_caps.of(&site.code));
            if let Some(before) = before {
                let what = format!("of site {} in allocation {}", site.code, own.id);
                cap_change(lines, &what, before, own.site_caps.of(&site.code));
            }
        }
    }
}
