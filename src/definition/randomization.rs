//! `[[allocation]]`: further randomizations of subjects who are enrolled, each with a file, a form and a condition of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::agreement::{self, Grounds};
use super::allocation_file::{self, AllocationFile};
use super::bundle::{ALLOCATION, Bundle, INSTRUMENTS, STUDY};
use super::document::{Report, Section, Source};
use super::instrument_file::InstrumentFile;
use super::study_file::{Codes, Located, Rule, StudyFile, compile, did_you_mean, read_arms};
use super::{design, further, load, rules};
use crate::domain::allocation::{Method, Scheme};
use crate::domain::answer;
use crate::domain::expression::Type;
use crate::domain::instrument::{Choice, Choices, Instrument, Item, ItemKind, Limits};
use crate::domain::language::{Language, Text};
use crate::domain::study::{Arm, Blinding, Criterion, ENROLLED_ON, FIRST, Randomization, arm_name, day_name};
use crate::limits;

/// A section `[[allocation]]` that has not been checked against other files yet.
#[derive(Clone, Debug)]
pub(super) struct Further {
    pub id: String,
    pub title: Text,
    pub file: String,
    pub instrument: String,
    pub condition: Option<Located<Rule>>,
    pub arms: Vec<Located<Arm>>,
}

/// Whether a file of a bundle can be that of a further randomization: `allocation-….toml`.
pub(super) fn is_file(name: &str) -> bool {
    let rest = name.strip_prefix("allocation-").and_then(|rest| rest.strip_suffix(".toml"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
}

/// Reads the sections; `codes` are those of the arms so far.
pub(super) fn read(root: &Section, languages: &[Language], codes: &mut Codes) -> Vec<Located<Further>> {
    let (mut ids, mut files) = (Codes::default(), Codes::default());
    let mut all = Vec::new();
    for section in root.sections("allocation") {
        let id = section.need_name("id", "second", '_');
        ids.add_key(&section, "id", &id);
        if id == FIRST {
            let right =
                "another id, such as \"second\": the first is that of allocation.toml, which comes with enrolling";
            section.wrong("id", "\"first\" is taken", right);
        } else if id.bytes().any(|byte| byte.is_ascii_digit()) {
            let right = "letters and _ only: in a subject line, a word with a digit is the subject";
            section.wrong("id", format!("\"{id}\" holds a digit"), right);
        }
        let title = section.need_wording("title", languages);
        let file = section.need_text("file", "allocation-second.toml");
        if !file.is_empty() && !is_file(&file) {
            let right = "a name of the form \"allocation-second.toml\", beside allocation.toml";
            section.wrong("file", format!("\"{file}\" cannot be the name of its file"), right);
        }
        files.add_key(&section, "file", &file);
        let instrument = section.need_text("instrument", "response");
        let condition = section.text("when", "responder == 'yes'").map(|written| {
            let rule = compile(&section, "when", &written);
            let message = section.need_wording("message", languages);
            Located {
                value: Rule { id: id.clone(), rule, message },
                line: section.line_of("when"),
                key: section.key("when"),
            }
        });
        if condition.is_none() && section.wording("message", languages).is_some() {
            section.wrong("message", "is there, but no condition", "write when = \"…\", or remove the message");
        }
        let arms = read_arms(&section, languages, codes);
        if arms.is_empty() && !section.has("arms") {
            let right = "write a section [[allocation.arms]] with code and name for each, below its [[allocation]]";
            section.wrong("arms", "names no arm", right);
        }
        let further = Further { id, title, file, instrument, condition, arms };
        all.push(Located { value: further, line: section.line, key: section.key("") });
        section.close();
    }
    if all.len() > limits::RANDOMIZATIONS {
        root.wrong("allocation", format!("there are more than {} sections", limits::RANDOMIZATIONS), "");
    }
    all
}

/// What the other files of a bundle hold.
pub(super) struct Beside<'a> {
    pub bundle: &'a Bundle,
    pub study: &'a StudyFile,
    pub registration: Option<&'a InstrumentFile>,
    pub instruments: &'a [InstrumentFile],
    /// Types of each instrument's items, by the instrument's id.
    pub types: &'a BTreeMap<String, BTreeMap<String, Type>>,
    /// The statistician's file of the first allocation.
    pub first: Option<&'a AllocationFile>,
    pub report: &'a Report,
}

/// Reads the files of the sections and checks everything that they say against each other.
pub(super) fn build(beside: &Beside<'_>) -> Vec<Randomization> {
    let Beside { bundle, study, report, .. } = *beside;
    let used: BTreeSet<&str> = study.randomizations.iter().map(|own| own.value.file.as_str()).collect();
    for path in bundle.files().keys().filter(|path| is_file(path) && !used.contains(path.as_str())) {
        report.warn(
            path,
            None,
            "",
            "is not used",
            format!("name it in a section [[allocation]] of {STUDY}, or remove it"),
        );
    }
    if let (Some(first), None) = (study.randomizations.first(), bundle.file(ALLOCATION)) {
        let right = "add it: the first allocation comes with enrolling, further ones follow";
        report.at(STUDY, Some(first.line), first.key.clone(), format!("there is no {ALLOCATION} before it"), right);
    }
    let mut earlier = vec![known(ENROLLED_ON, ItemKind::Date, true), arms_of(FIRST, &study.arms, true)];
    let mut built = Vec::new();
    let mut before: Vec<&Arm> = study.arms.iter().map(|arm| &arm.value).collect();
    for own in &study.randomizations {
        built.extend(build_one(beside, own, &earlier));
        further::names_no_arm(beside, own, &before);
        before.extend(own.value.arms.iter().map(|arm| &arm.value));
        earlier.push(arms_of(&own.value.id, &own.value.arms, false));
        earlier.push(known(&day_name(&own.value.id), ItemKind::Date, false));
    }
    built
}

/// Something known of a subject beside its answers, as an item that expressions can name.
fn known(id: &str, kind: ItemKind, required: bool) -> Item {
    Item {
        id: id.to_string(),
        kind,
        label: Text::default(),
        help: None,
        aliases: Vec::new(),
        required,
        when: None,
        unit: None,
        personal: false,
        hard: Limits::default(),
        soft: Limits::default(),
        begins_page: false,
        matrix: None,
        values: Vec::new(),
    }
}

/// The arms of an allocation, as an item.
pub(super) fn arms_of(id: &str, arms: &[Located<Arm>], required: bool) -> Item {
    let choice = |arm: &Located<Arm>| Choice {
        code: arm.value.code.clone(),
        label: Text::default(),
        aliases: Vec::new(),
        other: false,
    };
    known(&arm_name(id), ItemKind::Choice(Choices::Listed(arms.iter().map(choice).collect())), required)
}

fn build_one(beside: &Beside<'_>, own: &Located<Further>, earlier: &[Item]) -> Option<Randomization> {
    let Beside { bundle, study, registration, report, .. } = *beside;
    let Further { id, title, file, instrument, condition, arms } = &own.value;
    let wrong = |key: &str, wrong: String, right: String| {
        report.at(STUDY, Some(own.line), format!("{}.{key}", own.key), wrong, right);
    };
    let form = find_form(beside, instrument, &wrong);
    if let (Some(form), Some(registration)) = (form, registration) {
        check_names(form, registration, earlier, report);
    }
    // Two randomizations may share a form: what is wrong with it is told once.
    let first = study.randomizations.iter().find(|other| other.value.instrument == *instrument);
    if let Some(form) = form.filter(|_| first.is_some_and(|first| first.value.id == *id)) {
        agreement::check_no_file(form, "a further randomization", report);
    }
    // Without its form nothing can be said of items.
    let grounds = Grounds { study, registration: registration.filter(|_| form.is_some()), instrument: form, earlier };
    if let (Some(condition), Some(_)) = (condition, form) {
        check_condition(beside, condition, &grounds);
    }
    let content = match bundle.file(file) {
        Some(content) => content,
        None => {
            if is_file(file) && !bundle.problems().iter().any(|problem| problem.file == *file) {
                wrong("file", format!("there is no file {file}"), format!("add it; it has the form of {ALLOCATION}"));
            }
            return None;
        }
    };
    let read = load::read_allocation(content, file, bundle, report);
    agreement::check_allocation((file, content), (&format!("{}.arms", own.key), arms), &grounds, report);
    let read = read?;
    if !read.scheme.randomizes() {
        report.file(file, "the method \"none\" randomizes nobody", "another method, or no section [[allocation]]");
        return None;
    }
    design::check((file, content), &read, &grounds, None, report);
    further::caps_are_met(beside, (file, content), &read);
    check_concealment(study, (file, content), &read, earlier, report);
    load::check_list(&read.scheme, &grounds, report);
    let AllocationFile { scheme, recounting, forcing, caps, sites: site_caps, .. } = read;
    let rule = condition.as_ref().and_then(|condition| condition.value.rule.clone());
    let message = condition.as_ref().map(|condition| condition.value.message.clone()).unwrap_or_default();
    Some(Randomization {
        id: id.clone(),
        title: title.clone(),
        instrument: instrument.clone(),
        condition: rule.map(|rule| Criterion { id: id.clone(), rule, message }),
        arms: arms.iter().map(|arm| arm.value.clone()).collect(),
        scheme,
        recounting,
        forcing,
        caps,
        site_caps,
    })
}

/// The form that a request fills in: one of the bundle's, and not that of the registration.
fn find_form<'a>(beside: &Beside<'a>, id: &str, wrong: &dyn Fn(&str, String, String)) -> Option<&'a InstrumentFile> {
    if id.is_empty() {
        return None;
    }
    if beside.study.registration.value.instrument == id {
        let right =
            format!("an instrument of its own, such as {INSTRUMENTS}response.toml: this one is filled in to enroll");
        wrong("instrument", format!("\"{id}\" is the form of the registration"), right);
        return None;
    }
    let found = beside.instruments.iter().find(|read| read.instrument.id == id);
    let path = format!("{INSTRUMENTS}{id}.toml");
    let there = beside.bundle.file(&path).is_some() || beside.bundle.problems().iter().any(|one| one.file == path);
    if found.is_none() && !there {
        let known: Vec<&str> = beside.instruments.iter().map(|read| read.instrument.id.as_str()).collect();
        let right = match did_you_mean(id, &known) {
            right if right.is_empty() => format!("add the file {path}"),
            right => right,
        };
        wrong("instrument", format!("there is no file {path}"), right);
    }
    found
}

/// A request names its subject beside the form's items, and conditions name the items of both forms at once: no name may
/// mean two things.
fn check_names(form: &InstrumentFile, registration: &InstrumentFile, earlier: &[Item], report: &Report) {
    let wrong = |read: &InstrumentFile, at: usize, wrong: String| {
        let place = read.places.get(at);
        let key = place.map_or(String::new(), |place| format!("{}.id", place.key));
        report.at(&read.file, place.map(|place| place.when_line), key, wrong, "give it another id");
    };
    for read in [registration, form] {
        for (at, item) in read.instrument.items.iter().enumerate() {
            if earlier.iter().any(|known| known.id == item.id) {
                let what = "means what is known of a subject when it is randomized again";
                wrong(read, at, format!("\"{}\" {what}", item.id));
            }
        }
    }
    for (at, item) in form.instrument.items.iter().enumerate() {
        if registration.instrument.find(&item.id).is_some() {
            wrong(form, at, format!("\"{}\" is an item of {} too", item.id, registration.file));
        }
    }
    let named = |instrument: &Instrument| answer::keys(instrument).keys().cloned().collect::<BTreeSet<String>>();
    let (own, theirs) = (named(&form.instrument), named(&registration.instrument));
    for key in own.intersection(&theirs) {
        let item = answer::keys(&form.instrument).get(key).cloned().unwrap_or_default();
        let at = form.instrument.items.iter().position(|one| one.id == item).unwrap_or(0);
        if registration.instrument.find(&item).is_none() {
            let place = form.places.get(at);
            let wrong = format!("\"{key}\" is a label or alias of an item of {} too", registration.file);
            let (line, key) = (place.map(|place| place.when_line), place.map_or("", |place| &place.key));
            report.at(&form.file, line, key, wrong, "another wording: a mail could mean either");
        }
    }
}

fn check_condition(beside: &Beside<'_>, condition: &Located<Rule>, grounds: &Grounds<'_>) {
    let Beside { study, report, types, .. } = *beside;
    let Some(rule) = &condition.value.rule else { return };
    if study.blinding == Blinding::Blinded
        && let Some(arm) = grounds
            .earlier
            .iter()
            .find(|known| matches!(known.kind, ItemKind::Choice(_)) && rule.names().any(|name| name == known.id))
    {
        let wrong = format!("names `{}`, though the study is blinded: who is refused would tell the arm", arm.id);
        let right = "a condition over answers; the arm can be a factor of the second file";
        report.at(STUDY, Some(condition.line), condition.key.clone(), wrong, right);
        return;
    }
    let forms = [grounds.registration, grounds.instrument];
    let mut all: BTreeMap<String, Type> = BTreeMap::new();
    for form in forms.iter().flatten() {
        all.extend(types.get(&form.instrument.id).cloned().unwrap_or_default());
    }
    all.extend(grounds.earlier.iter().map(|known| (known.id.clone(), rules::type_of(&known.kind, study))));
    let items = forms.iter().flatten().flat_map(|form| &form.instrument.items).chain(grounds.earlier);
    let place = rules::Place { file: STUDY, line: condition.line, key: condition.key.clone() };
    rules::check_further(rule, &place, &all, &items.collect::<Vec<&Item>>(), report);
}

/// In a blinded study nothing that a site sees may follow from an earlier arm.
fn check_concealment(
    study: &StudyFile,
    (file, content): (&str, &str),
    read: &AllocationFile,
    earlier: &[Item],
    report: &Report,
) {
    if study.blinding != Blinding::Blinded {
        return;
    }
    let scheme: &Scheme = &read.scheme;
    let by_arm = scheme.strata().iter().any(|id| earlier.iter().any(|known| known.id == *id));
    let ends = read.caps.stratum.is_some() || matches!(scheme.method(), Method::List(_));
    if by_arm && ends {
        let wrong = match read.caps.stratum {
            Some(_) => {
                "hold an earlier arm, and [caps] stratum closes a full stratum: in a blinded study a refusal would tell the arm"
            }
            None => {
                "hold an earlier arm, and a stratum whose list is used up is closed: in a blinded study a refusal would tell the arm"
            }
        };
        let right = "leave the arm out of `strata` (it can be a factor of minimization instead), or leave out what closes a stratum";
        let (source, silent) = (Source::new(file, content), Report::default());
        let line = source.parse(&silent).map(|table| Section::whole(&source, &silent, &table).line_of("strata"));
        report.at(file, line, "strata", wrong, right);
    }
}

/// Files of a bundle's allocations by id, the first among them, as far as its study.toml can be read; for versions of a bundle
/// that were in force once.
pub fn allocation_files(bundle: &Bundle) -> Vec<(String, String)> {
    let mut files = vec![(FIRST.to_string(), ALLOCATION.to_string())];
    let table: toml::Table = bundle.file(STUDY).and_then(|text| text.parse().ok()).unwrap_or_default();
    let sections = table.get("allocation").and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for section in sections {
        let text = |key: &str| section.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        files.extend(text("id").zip(text("file")));
    }
    files
}

/// What a file of this bundle says of an allocation; for versions of a bundle that were in force once.
pub fn read_allocation(bundle: &Bundle, file: &str) -> Option<AllocationFile> {
    let beside = |name: &str| bundle.file(name).map(str::to_owned);
    let text = bundle.file(file).unwrap_or_default();
    allocation_file::read_with(text, file, &beside, &mut Vec::new())
}
