//! Checks between the files of a bundle: that they speak of the same items, arms and sites.

use std::collections::BTreeSet;

use super::bundle::{ALLOCATION, Bundle, KITS, STUDY};
use super::document::{Report, Section, Source, quoted};
use super::instrument_file::InstrumentFile;
use super::study_file::{Located, StudyFile, did_you_mean};
use super::{moments, rules};
use crate::domain::allocation::{ArmList, Factor, TOTAL};
use crate::domain::instrument::{Choices, Item, ItemKind};
use crate::domain::study::{Arm, Blinding, Forcing, Person, Role, UniqueWithin};
use crate::domain::survey::Survey;
use crate::limits;

/// The word in `factors` and `strata` that means the site, whatever its item is called.
const SITE: &str = "site";

/// What a survey hides is not asked for in its own instrument.
pub(super) fn check_survey(survey: &Located<Survey>, instruments: &[InstrumentFile], report: &Report) {
    let Some(read) = instruments.iter().find(|read| read.instrument.id == survey.value.instrument) else { return };
    let items = || read.instrument.items.iter().zip(&read.places);
    check_files(read, report);
    if survey.value.privacy.names() {
        return;
    }
    let mode = survey.value.privacy.key();
    for (item, place) in items().filter(|(item, _)| matches!(item.kind, ItemKind::File(_))) {
        report.at(
            &read.file,
            Some(place.line),
            format!("{}.kind", place.key),
            format!("`{}` asks for a file, which would lie beside the answers of a survey that is \"{mode}\"", item.id),
            "leave it out: what is in a file, and when it came, tell who sent it; or write privacy = \"named\"",
        );
    }
    for (item, place) in items().filter(|(item, _)| item.personal) {
        report.at(
            &read.file,
            None,
            place.key.clone(),
            format!("`{}` tells who answered, though the survey is \"{mode}\"", item.id),
            "leave it out, or write privacy = \"named\"",
        );
    }
    moments::check(read, mode, report);
}

/// A form takes few files.
pub(super) fn check_files(read: &InstrumentFile, report: &Report) {
    let files = read.instrument.items.iter().zip(&read.places);
    if let Some((item, place)) =
        files.filter(|(item, _)| matches!(item.kind, ItemKind::File(_))).nth(limits::FILE_ITEMS)
    {
        report.at(
            &read.file,
            Some(place.line),
            format!("{}.kind", place.key),
            format!("`{}` is one file more than a form may ask for", item.id),
            format!("ask for at most {}, or make two forms", limits::FILE_ITEMS),
        );
    }
}

/// What can come by mail asks for no file: `what` comes with that form.
pub(super) fn check_no_file(read: &InstrumentFile, what: &str, report: &Report) {
    let items = read.instrument.items.iter().zip(&read.places);
    for (item, place) in items.filter(|(item, _)| matches!(item.kind, ItemKind::File(_))) {
        report.warn(
            &read.file,
            Some(place.line),
            format!("{}.kind", place.key),
            format!("`{}` is never asked: {what} can come by mail, which brings no files", item.id),
            "ask for the file in a form of an event",
        );
    }
}

/// Warns of a reference of which nothing says how it is written, for each way to write it would be another subject; and of one that is written as
/// our own numbers are.
fn check_reference(item: &Item, tag: &str, read: &InstrumentFile, report: &Report) {
    let place = read.instrument.items.iter().zip(&read.places).find(|(own, _)| own.id == item.id);
    let ours = [format!("{tag}-0001"), format!("{tag}0001"), format!("{tag}-001"), format!("{tag}001")];
    if let (ItemKind::Text { pattern: Some(pattern) }, Some((_, place))) = (&item.kind, &place)
        && let Some(own) = ours.iter().find(|own| pattern.compiled.is_match(own))
    {
        report.warn(
            &read.file,
            Some(place.line),
            format!("{}.pattern", place.key),
            format!("admits {own}, which reads as one of the study's own subject numbers and is refused"),
            "have sites call their subjects another way, or give the study another tag before its first subject",
        );
    }
    if let (ItemKind::Text { pattern: None }, Some((_, place))) = (&item.kind, place) {
        report.warn(
            &read.file,
            Some(place.line),
            format!("{}.pattern", place.key),
            format!(
                "is missing, and `{}` tells subjects apart: 7, 07 and #7 would be three of them, and a patient whose reference is written \
                 in another way would be allocated once more",
                item.id
            ),
            "write how all sites write it, such as pattern = '[A-Z]-[0-9]{4}' for Y-0007, before the study goes into production",
        );
    }
}

/// Checks `[registration]` against its instrument.
pub(super) fn check_registration(study: &StudyFile, read: &InstrumentFile, report: &Report) {
    check_no_file(read, "a registration", report);
    let registration = &study.registration.value;
    let wrong = |key: &str, wrong: String, right: String| {
        let key = format!("{}.{key}", study.registration.key);
        report.at(STUDY, Some(study.registration.line), key, wrong, right);
    };
    let ids: Vec<&str> = read.instrument.items.iter().map(|item| item.id.as_str()).collect();
    match read.instrument.find(&registration.subject_item) {
        _ if registration.subject_item.is_empty() || read.faulty.contains(&registration.subject_item) => {}
        None => wrong(
            "subject_item",
            format!("{} has no item \"{}\"", read.file, registration.subject_item),
            did_you_mean(&registration.subject_item, &ids),
        ),
        Some(item) if !item.required || item.when.is_some() => {
            wrong(
                "subject_item",
                format!("`{}` may be left blank", item.id),
                "write required = true there, and no when".to_string(),
            );
        }
        Some(item) if !matches!(item.kind, ItemKind::Text { .. } | ItemKind::Integer) => {
            wrong(
                "subject_item",
                format!("`{}` is no text", item.id),
                "make its kind \"text\" or \"integer\"".to_string(),
            );
        }
        Some(item) => check_reference(item, &study.tag, read, report),
    }
    match registration.site_item.as_deref() {
        None if study.sites.len() > 1 => wrong(
            "site_item",
            "is missing, though there are several sites".to_string(),
            "name the item that asks for the site".to_string(),
        ),
        None => {}
        Some(id) => match read.instrument.find(id) {
            None => {
                let offers = |item: &&Item| matches!(item.kind, ItemKind::Choice(Choices::Sites));
                let right = match read.instrument.items.iter().find(offers) {
                    Some(item) => format!("write site_item = \"{}\"", item.id),
                    None => "add an item of kind \"choice\" with choices = \"sites\" there".to_string(),
                };
                wrong("site_item", format!("{} has no item \"{id}\"", read.file), right);
            }
            Some(item) if !matches!(item.kind, ItemKind::Choice(Choices::Sites)) => wrong(
                "site_item",
                format!("`{id}` does not offer the sites"),
                "write kind = \"choice\" and choices = \"sites\" there".to_string(),
            ),
            Some(item) if !item.required || item.when.is_some() => {
                wrong(
                    "site_item",
                    format!("`{id}` may be left blank"),
                    "write required = true there, and no when".to_string(),
                );
            }
            Some(_) => {}
        },
    }
    if registration.unique_within == UniqueWithin::Site && study.sites.len() == 1 && registration.site_item.is_none() {
        report.warn(
            STUDY,
            Some(study.registration.line),
            "registration.unique_within",
            "\"site\" is the same as \"study\" where there is one site",
            "",
        );
    }
}

/// What the factors of an allocation can be: items of the registration, for a further one also those of its own form and the
/// arms given before.
pub(super) struct Grounds<'a> {
    pub study: &'a StudyFile,
    pub registration: Option<&'a InstrumentFile>,
    /// The form of a further randomization.
    pub instrument: Option<&'a InstrumentFile>,
    /// What is known of a subject from before, as items.
    pub earlier: &'a [Item],
}

impl<'a> Grounds<'a> {
    /// The item of that id, with its file.
    fn find(&self, id: &str) -> Option<(&'a Item, &'a InstrumentFile)> {
        let files = [self.registration, self.instrument].into_iter().flatten();
        files.filter_map(|read| Some((read.instrument.find(id)?, read))).next()
    }

    /// The levels that subjects can have of a factor, where the answers are fixed.
    pub(super) fn known_levels(&self, id: &str) -> Option<Vec<String>> {
        if id == SITE || self.study.registration.value.site_item.as_deref() == Some(id) {
            return Some(self.study.sites.iter().map(|site| site.value.code.clone()).collect());
        }
        let item = self.earlier.iter().find(|known| known.id == id).or_else(|| self.find(id).map(|(item, _)| item));
        match codes_of(item?) {
            Codes::Known(codes) => Some(codes),
            Codes::Open | Codes::None => None,
        }
    }
}

/// Checks a file of the statistician's against arms and items. Reads of it only what concerns other files; the scheme itself is
/// checked by `allocation_file`. The arms stand in study.toml under that key.
pub(super) fn check_allocation(
    (file, content): (&str, &str),
    (key, arms): (&str, &[Located<Arm>]),
    grounds: &Grounds<'_>,
    report: &Report,
) {
    let source = Source::new(file, content);
    // What is wrong with this file alone is told by its own reader.
    let silent = Report::default();
    let Some(table) = source.parse(&silent) else { return };
    let root = Section::whole(&source, &silent, &table);
    let here = |section: &Section, key: &str, wrong: String, right: String| {
        report.at(file, Some(section.line_of(key)), section.key(key), wrong, right);
    };
    let mut coded = BTreeSet::new();
    let named: Vec<&str> = arms.iter().map(|arm| arm.value.code.as_str()).collect();
    for arm in root.sections("arms") {
        let Some(code) = arm.peek_text("code") else { continue };
        coded.insert(code.to_string());
        if !named.contains(&code) {
            let right = if named.is_empty() {
                let section = if key == "arms" { "[[arms]]" } else { "[[allocation.arms]]" };
                format!("write a section {section} with code = \"{code}\" there")
            } else {
                format!("name it there, or write one of {}", quoted(&named))
            };
            let wrong = match key {
                "arms" => format!("{STUDY} names no arm \"{code}\""),
                _ => format!("{STUDY} names no arm \"{code}\" of this allocation"),
            };
            here(&arm, "code", wrong, right);
        }
    }
    if root.has("arms") {
        for arm in arms.iter().filter(|arm| !coded.contains(&arm.value.code) && !arm.value.code.is_empty()) {
            let wrong = format!("{file} has no arm \"{}\"", arm.value.code);
            report.at(STUDY, Some(arm.line), format!("{}.code", arm.key), wrong, "give both files the same arms");
        }
    }
    if let Some(forced) = root.section("forced") {
        check_forced(file, &forced, grounds.study, report);
    }
    if let Some(caps) = root.section("caps").filter(|caps| key != "arms" && caps.has("cohort")) {
        let wrong = format!("cohorts are of subjects who enroll, and stand in {ALLOCATION}");
        here(
            &caps,
            "cohort",
            wrong,
            "leave them out; the condition `when` can say who is randomized again".to_string(),
        );
    }
    if grounds.registration.is_none() {
        return;
    }
    let mut factors = BTreeSet::new();
    for factor in root.sections("factors") {
        let Some(id) = factor.peek_text("id") else { continue };
        factors.insert(id.to_string());
        let levels = factor.has("levels").then(|| factor.texts("levels", "F"));
        for (key, wrong, right) in check_factor(id, levels.as_deref(), grounds) {
            here(&factor, key, wrong, right);
        }
        if let (Some(levels), Some((item, read))) = (&levels, grounds.find(id))
            && let Some((key, wrong, right)) = check_results(item, read, levels)
        {
            report.warn(file, Some(factor.line_of(key)), factor.key(key), wrong, right);
        }
    }
    if root.peek_text("method") == Some("atkinson") {
        // What the file lists itself, its own reader has counted.
        let count = |factor: Section| match factor.has("levels") {
            true => factor.texts("levels", "F").len(),
            false => factor.peek_text("id").and_then(|id| grounds.known_levels(id)).map_or(1, |codes| codes.len()),
        };
        let levels: usize = root.sections("factors").into_iter().map(count).sum();
        if levels >= limits::ATKINSON_COLUMNS {
            let right = format!("at most {} levels in all, or minimization", limits::ATKINSON_COLUMNS - 1);
            here(&root, "factors", format!("{levels} levels in all are too many for the method \"atkinson\""), right);
        }
    }
    for id in root.texts("strata", SITE).iter().filter(|id| !factors.contains(*id)) {
        for (_, wrong, right) in check_factor(id, None, grounds) {
            here(&root, "strata", wrong, right);
        }
    }
}

/// Whoever gives an arm by hand must be there, and in a blinded study be one who may know it.
fn check_forced(file: &str, forced: &Section, study: &StudyFile, report: &Report) {
    let line = Some(forced.line_of("roles"));
    let roles: Vec<Role> = forced
        .texts("roles", "statistician")
        .iter()
        .filter_map(|word| Role::ALL.into_iter().find(|role| role.key() == word))
        .collect();
    for role in roles.iter().filter(|role| study.blinding == Blinding::Blinded && !role.unblinded()) {
        let wrong = format!("\"{}\" may not know arms in a blinded study", role.key());
        report.at(file, line, forced.key("roles"), wrong, "write \"statistician\" or \"pharmacist\"");
    }
    let forcing = Forcing { limit: 1, roles };
    let may = |person: &Located<Person>| forcing.allows(study.blinding, &person.value);
    if !forcing.roles.is_empty() && !study.people.iter().any(may) {
        let wrong = "nobody can give an arm by hand: no person has such a role and enrolls nobody";
        report.warn(file, line, forced.key("roles"), wrong, format!("give somebody in {STUDY} one of these roles"));
    }
}

/// Checks an imported list against the answers that subjects can give: a level nobody can have is most often a code written
/// otherwise, and a combination without places is refused.
pub(super) fn check_list(list: &ArmList, factors: &[Factor], grounds: &Grounds<'_>, report: &Report) {
    let listed = |id: &String| factors.iter().find(|factor| factor.id == *id).and_then(|factor| factor.levels.clone());
    let levels = |id: &String| grounds.known_levels(id).or_else(|| listed(id));
    let strata: Vec<Option<Vec<String>>> = list.strata().iter().map(levels).collect();
    let mut sound = true;
    for (at, (id, known)) in list.strata().iter().zip(&strata).enumerate() {
        let Some(known) = known else { continue };
        let levels: BTreeSet<&String> = list.sequences().filter_map(|(levels, _)| levels.get(at)).collect();
        for level in levels.into_iter().filter(|level| !known.contains(level)) {
            let names: Vec<&str> = known.iter().map(String::as_str).collect();
            report.file(
                list.file(),
                format!("nobody can have the level \"{level}\" of `{id}`"),
                did_you_mean(level, &names),
            );
            sound = false;
        }
    }
    let Some(strata) = strata.into_iter().collect::<Option<Vec<Vec<String>>>>() else { return };
    let possible = strata.iter().try_fold(1usize, |product, levels| product.checked_mul(levels.len()));
    if let Some(missing) = possible.and_then(|possible| possible.checked_sub(list.sequences().count()))
        && sound
        && missing > 0
    {
        let wrong = format!("has no place for {missing} of the combinations of {}", quoted_ids(list.strata()));
        report.warn(list.file(), None, "", wrong, "their subjects will be refused; add lines for them");
    }
}

fn quoted_ids(ids: &[String]) -> String {
    quoted(&ids.iter().map(String::as_str).collect::<Vec<_>>())
}

type Finding = (&'static str, String, String);

/// What is wrong with a factor: the key, the fault, and what would be right.
fn check_factor(id: &str, levels: Option<&[String]>, grounds: &Grounds<'_>) -> Vec<Finding> {
    let study = grounds.study;
    let Some(registration) = grounds.registration else { return Vec::new() };
    if id == TOTAL {
        // Not an item: every subject has the same level of it.
        return Vec::new();
    }
    let site_item = study.registration.value.site_item.as_deref();
    if id == SITE || site_item == Some(id) {
        return check_site_factor(id, levels, study, registration);
    }
    if let Some(known) = grounds.earlier.iter().find(|known| known.id == id) {
        return match codes_of(known) {
            Codes::Known(codes) => check_levels(id, levels, &codes),
            Codes::Open | Codes::None => {
                vec![(
                    "id",
                    format!("`{id}` is a day, and no factor"),
                    "a calculation of the form that gives a level".into(),
                )]
            }
        };
    }
    let Some((item, read)) = grounds.find(id) else {
        let files: Vec<&InstrumentFile> = [Some(registration), grounds.instrument].into_iter().flatten().collect();
        let arms = grounds.earlier.iter().filter(|known| matches!(codes_of(known), Codes::Known(_)));
        let items = files.iter().flat_map(|read| &read.instrument.items).chain(arms);
        let ids: Vec<&str> = items.map(|item| item.id.as_str()).collect();
        let named: Vec<&str> = files.iter().map(|read| read.file.as_str()).collect();
        let wrong = match named.as_slice() {
            [only] => format!("{only} has no item \"{id}\""),
            several => format!("neither of {} has an item \"{id}\"", several.join(" and ")),
        };
        return vec![("id", wrong, did_you_mean(id, &ids))];
    };
    if read.faulty.contains(id) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if item.personal {
        let wrong =
            format!("`{id}` is personal, and what allocations look at stands in the clear, so that they can be proved");
        findings.push(("id", wrong, format!("use a calculation from `{id}` that tells less, such as a class of ages")));
    }
    if !matches!(item.kind, ItemKind::Calculation(_)) && (!item.required || item.when.is_some()) {
        let right = format!("write required = true in {}, and no when", read.file);
        findings.push(("id", format!("`{id}` may be left blank, but decides the allocation"), right));
    }
    match codes_of(item) {
        Codes::Known(codes) => findings.extend(check_levels(id, levels, &codes)),
        Codes::Open if levels.is_none() => findings.push((
            "id",
            format!("`{id}` has no fixed answers"),
            "list its levels: levels = [\"young\", \"old\"]".to_string(),
        )),
        Codes::Open => {}
        Codes::None => findings.push((
            "id",
            format!("`{id}` offers no choices"),
            "use an item of kind choice, yesno or scale, or a calculation that gives a level".to_string(),
        )),
    }
    findings
}

/// A level that a calculation gives for ordinary answers, and that is not listed: such subjects cannot be allocated, unless a criterion
/// keeps them out.
fn check_results(item: &Item, read: &InstrumentFile, levels: &[String]) -> Option<Finding> {
    let ItemKind::Calculation(expression) = &item.kind else { return None };
    let results = rules::results(expression, &read.instrument.items);
    let missing: Vec<&str> =
        results.iter().map(String::as_str).filter(|one| levels.iter().all(|level| level != one)).collect();
    (!missing.is_empty()).then(|| {
        let wrong = format!("lacks {}, which `{}` gives for some answers", quoted(&missing), item.id);
        let right = format!(
            "list every value that the calculation in {} can give, unless [[eligibility]] keeps such subjects out",
            read.file
        );
        ("levels", wrong, right)
    })
}

fn check_site_factor(id: &str, levels: Option<&[String]>, study: &StudyFile, read: &InstrumentFile) -> Vec<Finding> {
    let site_item = study.registration.value.site_item.as_deref();
    let resolved = site_item.is_some_and(|id| read.instrument.find(id).is_some());
    if id == SITE && resolved && site_item != Some(SITE) && read.instrument.find(SITE).is_some() {
        let right = "name the item in registration.site_item, or give it another id".to_string();
        return vec![("id", "the item `site` is not the site of the registration".to_string(), right)];
    }
    if site_item.is_none_or(|id| read.instrument.find(id).is_none()) && study.sites.len() > 1 {
        return Vec::new();
    }
    let codes: Vec<String> = study.sites.iter().map(|site| site.value.code.clone()).collect();
    check_levels(id, levels, &codes)
}

/// The answers an item can have.
pub(super) enum Codes {
    /// These.
    Known(Vec<String>),
    /// Any; only the statistician knows.
    Open,
    /// None that a factor can take.
    None,
}

/// The answers that an item can have.
pub(super) fn codes_of(item: &Item) -> Codes {
    match &item.kind {
        ItemKind::Choice(Choices::Listed(listed)) => {
            Codes::Known(listed.iter().map(|choice| choice.code.clone()).collect())
        }
        ItemKind::YesNo => Codes::Known(vec!["yes".to_string(), "no".to_string()]),
        ItemKind::Scale { low, high } if high.saturating_sub(*low) < 100 => {
            Codes::Known((*low..=*high).map(|step| step.to_string()).collect())
        }
        ItemKind::Calculation(_) => Codes::Open,
        _ => Codes::None,
    }
}

/// Levels and answers must be the same set: a level nobody can have is a slip, an answer without level stops an enrollment.
fn check_levels(id: &str, levels: Option<&[String]>, codes: &[String]) -> Vec<Finding> {
    let Some(levels) = levels else { return Vec::new() };
    let known: Vec<&str> = codes.iter().map(String::as_str).collect();
    let unknown = levels.iter().filter(|level| !codes.contains(level)).map(|level| {
        ("levels", format!("nobody can have the level \"{level}\" of `{id}`"), did_you_mean(level, &known))
    });
    let missing: Vec<&str> = known.iter().copied().filter(|code| !levels.iter().any(|level| level == code)).collect();
    let absent = (!missing.is_empty()).then(|| {
        (
            "levels",
            format!("lacks {} of `{id}`", quoted(&missing)),
            "list every answer, or leave levels out".to_string(),
        )
    });
    unknown.chain(absent).collect()
}

/// Checks what blinding asks for: kits, and somebody who may know.
pub(super) fn check_blinding(study: &StudyFile, bundle: &Bundle, report: &Report) {
    if bundle.file(ALLOCATION).is_none() && !study.arms.is_empty() {
        report.file(
            ALLOCATION,
            "is missing, though study.toml names arms",
            "add the statistician's file, or remove the arms for a registry without allocation",
        );
    }
    if study.blinding != Blinding::Blinded {
        return;
    }
    if study.arms.is_empty() {
        report.file(STUDY, "blinding = \"blinded\" needs arms", "write a section [[arms]] with code and name for each");
    }
    // Nothing is handed out to people at home, unless the study says what.
    if bundle.file(KITS).is_none() && !study.arms.is_empty() && !study.enrolls() {
        report.file(
            KITS,
            "is missing, though the study is blinded",
            "add a list with the first line code,arm and one line for each kit",
        );
    }
    let knows = |role: Role| role.unblinded() && study.people.iter().any(|person| person.value.has(role));
    if !Role::ALL.into_iter().any(knows) {
        report.file(
            STUDY,
            "a blinded study needs somebody who may know the arms",
            "give somebody the role \"pharmacist\" or \"statistician\"",
        );
    }
    for person in study.people.iter().filter(|person| {
        person.value.roles.iter().any(|role| role.unblinded()) && person.value.roles.iter().any(|role| role.enrolls())
    }) {
        report.at(
            STUDY,
            Some(person.line),
            format!("{}.roles", person.key),
            format!("\"{}\" enrolls subjects and would learn their arms", person.value.id),
            "part the two roles in a blinded study",
        );
    }
}
