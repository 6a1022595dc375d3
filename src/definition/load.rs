//! A bundle → a study, through all of its files and the checks between them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::agreement::Grounds;
use super::allocation_file::{self, AllocationFile};
use super::bundle::{ALLOCATION, Bundle, INSTRUMENTS, KITS, LETTERS, STUDY};
use super::document::Report;
use super::election_file;
use super::instrument_file::{self, InstrumentFile};
use super::keys_file;
use super::kit_leaks::Arms;
use super::kits_file::{self, Known, Listing};
use super::predictability::judge_predictability;
use super::problem::{Problem, Weight};
use super::study_file::{self, Located, StudyFile, did_you_mean};
use super::{
    agreement, cohorts, design, events_file, randomization, rescreening, rules, schedule_file, self_enrollment,
};
use crate::domain::allocation::{ArmList, Method, Scheme};
use crate::domain::fact::Recounting;
use crate::domain::instrument::Instrument;
use crate::domain::language::Language;
use crate::domain::study::{Caps, Criterion, Forcing, Kit, Randomization, Registration, Site, SiteCaps, Study};
use crate::domain::text;
use crate::domain::time::Instant;

/// Loads a bundle.
///
/// # Errors
/// Every problem of the bundle, warnings among them, in the order of files and lines, if one makes it unusable. Otherwise the
/// study comes with its warnings.
pub fn load(bundle: &Bundle) -> Result<(Study, Vec<Problem>), Vec<Problem>> {
    load_by(bundle, Report::default())
}

/// Loads a bundle that is in force: what earlier versions of the program took, and [`load`] refuses, is a warning there, so that no upgrade
/// stops a study.
///
/// # Errors
/// As [`load`].
pub fn load_in_force(bundle: &Bundle) -> Result<(Study, Vec<Problem>), Vec<Problem>> {
    load_by(bundle, Report::of_one_in_force())
}

fn load_by(bundle: &Bundle, report: Report) -> Result<(Study, Vec<Problem>), Vec<Problem>> {
    for problem in bundle.problems() {
        report.add(problem.clone());
    }
    let study = build(bundle, &report);
    let mut problems = report.into_problems();
    problems.sort_by(|one, other| order_of(&one.file).cmp(&order_of(&other.file)).then_with(|| one.cmp(other)));
    let broken = problems.iter().any(|problem| problem.weight == Weight::Error);
    match study {
        Some(study) if !broken => Ok((study, problems)),
        _ => Err(problems),
    }
}

/// The main file first.
fn order_of(file: &str) -> (bool, &str) {
    (file != STUDY, file)
}

/// One bundle, checked.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Folder of the bundle.
    pub folder: PathBuf,
    /// The study's slug and tag, if it can be used.
    pub study: Option<(String, String)>,
    /// Digest of its files.
    pub digest: String,
    /// The study, if it can be used and asks participants: its pages can be tried.
    pub asking: Option<Arc<Study>>,
    /// The study, if it can be used and has a schedule: its next times can be told.
    pub scheduled: Option<Arc<Study>>,
    /// The imported list of arms, where the study has one: its counts and digest are to be held against what was sent.
    pub list: Option<Arc<ArmList>>,
    /// Everything that is wrong with it or should be looked at.
    pub problems: Vec<Problem>,
}

impl Checked {
    /// Whether it can be used.
    pub fn is_sound(&self) -> bool {
        self.problems.iter().all(|problem| problem.weight == Weight::Warning)
    }
}

/// Checks several bundles, each for itself and against each other: slugs and tags must differ. Kits must be of use `now`.
pub fn check<P: AsRef<Path>>(folders: &[P], now: Instant) -> Vec<Checked> {
    let mut checked: Vec<Checked> = Vec::new();
    for folder in folders {
        let folder = folder.as_ref();
        let bundle = Bundle::read(folder);
        let (study, built, list, mut problems) = match load(&bundle) {
            Ok((study, mut warnings)) => {
                warnings.extend(kits_file::judge_age(KITS, &study, now.day_in(study.zone)));
                warnings.extend(keys_file::judge_keys(&study, now));
                warnings.extend(judge_predictability(&bundle, &study, &warnings));
                let list = study.scheme.as_ref().and_then(list_of);
                let names = (study.slug.clone(), study.tag.clone());
                (Some(names), Some(Arc::new(study)), list, warnings)
            }
            Err(problems) => (None, None, None, problems),
        };
        if let Some((slug, tag)) = &study {
            for (other, (other_slug, other_tag)) in
                checked.iter().filter_map(|one| Some((&one.folder, one.study.as_ref()?)))
            {
                let mut taken = |key: &str, value: &str| {
                    problems.push(Problem {
                        file: STUDY.to_string(),
                        line: None,
                        key: key.to_string(),
                        wrong: format!("\"{value}\" is taken by {}", other.display()),
                        right: "give each study its own".to_string(),
                        weight: Weight::Error,
                    });
                };
                // Mails call a study by either.
                let others = [other_slug, other_tag].map(|name| text::fold(name));
                for (key, name) in [("slug", slug), ("tag", tag)] {
                    if others.contains(&text::fold(name)) {
                        taken(key, name);
                    }
                }
            }
        }
        checked.push(Checked {
            folder: folder.to_path_buf(),
            study,
            asking: built.clone().filter(|study| study.survey.is_some()),
            scheduled: built.filter(|study| study.schedule.is_some()),
            digest: bundle.digest(),
            list,
            problems,
        });
    }
    checked
}

fn list_of(scheme: &Scheme) -> Option<Arc<ArmList>> {
    match scheme.method() {
        Method::List(list) => Some(Arc::clone(list)),
        _ => None,
    }
}

/// Reads every file, then checks them against each other; `None` only if there is no study to be built.
fn build(bundle: &Bundle, report: &Report) -> Option<Study> {
    let Some(content) = bundle.file(STUDY) else {
        let told = bundle.problems().iter().any(|problem| problem.file == STUDY);
        if !told {
            report.file(
                STUDY,
                "is missing",
                "a bundle is a folder with study.toml in it; hagaki init writes one to start from",
            );
        }
        return None;
    };
    let election = bundle.election();
    let file = study_file::read(STUDY, content, election.is_some(), report);
    let languages = file.as_ref().map(|file| file.languages.clone()).unwrap_or_default();
    let instruments = read_instruments(bundle, &languages, report);
    let allocation = bundle.file(ALLOCATION).map(|content| read_allocation(content, ALLOCATION, bundle, report));
    check_letters(bundle, &languages, report);
    let file = file?;

    let registration = find_instrument(&file.registration, &instruments, bundle, report);
    if let Some(survey) = file.survey.as_ref().filter(|_| file.registers) {
        let place = Located { value: survey.value.instrument.as_str(), line: survey.line, key: survey.key.clone() };
        find_instrument_named(&place, &instruments, bundle, report);
    }
    if let Some(survey) = &file.survey {
        agreement::check_survey(survey, &instruments, report);
    }
    let mut all_types = BTreeMap::new();
    let registers_by = |read: &&InstrumentFile| {
        registration.is_some_and(|registration| registration.instrument.id == read.instrument.id)
    };
    // The registration first: the form of those who enrolled themselves may name what stands in it.
    let (first, others): (Vec<_>, Vec<_>) = instruments.iter().partition(registers_by);
    for read in first.into_iter().chain(others) {
        let beside = self_enrollment::beside(&file, read, registration, &all_types);
        instrument_file::check_pipes(read, &beside.items, report);
        let types = rules::check_instrument(read, &file, &beside, report);
        if registration.is_some_and(|registration| registration.instrument.id == read.instrument.id) {
            rules::check_eligibility(&file, STUDY, read, &types, report);
            if file.registers {
                agreement::check_registration(&file, read, report);
            }
        }
        all_types.insert(read.instrument.id.clone(), types);
    }
    let registered = registration.and_then(|read| Some((read, all_types.get(&read.instrument.id)?)));
    let cohorts = bundle.file(ALLOCATION).map(|content| cohorts::read(content, &file, registered, report));
    let grounds = Grounds { study: &file, registration, instrument: None, earlier: &[] };
    if let Some(content) = bundle.file(ALLOCATION) {
        agreement::check_allocation((ALLOCATION, content), ("arms", &file.arms), &grounds, report);
        if let Some(Some(read)) = &allocation {
            design::check((ALLOCATION, content), read, &grounds, file.planned_subjects, report);
            rescreening::check(&file, read, report);
        }
    }
    let beside = randomization::Beside {
        bundle,
        study: &file,
        registration,
        instruments: &instruments,
        types: &all_types,
        first: allocation.as_ref().and_then(Option::as_ref),
        report,
    };
    let randomizations = randomization::build(&beside);
    let events = events_file::build(&file, &instruments, registration, &all_types, report);
    agreement::check_blinding(&file, bundle, report);
    let by_file = allocation.as_ref().and_then(Option::as_ref);
    self_enrollment::check(&file, &instruments, registration, by_file, bundle, report);
    let schedule = schedule_file::build(&schedule_file::Around {
        study: &file,
        instruments: &instruments,
        registration,
        types: &all_types,
        events: &events,
        allocates: bundle.file(ALLOCATION).is_some(),
        bundle,
        report,
    });
    let election = election.and_then(|content| election_file::of_study(content, &file, bundle, report));
    let first = allocation.iter().flatten().map(|read| &read.scheme);
    let schemes: Vec<&Scheme> = first.chain(randomizations.iter().map(|own| &own.scheme)).collect();
    let kits = bundle.file(KITS).map(|content| read_kits(content, &file, &schemes, report)).unwrap_or_default();
    let allocation = match allocation {
        Some(read) => Some(read?),
        None => None,
    };
    let scheme = allocation.as_ref().map(|file| &file.scheme);
    if let Some(scheme) = scheme {
        check_list(scheme, &grounds, report);
    }
    if let (Some(first), true) = (file.randomizations.first(), scheme.is_some_and(|scheme| !scheme.randomizes())) {
        let wrong = format!("{ALLOCATION} randomizes nobody, so there is nothing to go on from");
        report.at(STUDY, Some(first.line), first.key.clone(), wrong, "a method there, or no section [[allocation]]");
    }
    let schemes = scheme.into_iter().chain(randomizations.iter().map(|own| &own.scheme));
    check_unused_lists(bundle, &schemes.collect::<Vec<&Scheme>>(), report);
    let certificates = keys_file::read(bundle, &file.people, file.trust, report);
    let sound_languages = !file.languages.is_empty();
    sound_languages.then(|| Study {
        cohorts: cohorts.unwrap_or_default(),
        events,
        schedule,
        election,
        certificates,
        ..assemble(file, instruments, allocation, randomizations, kits)
    })
}

/// A list speaks of what subjects can answer.
pub(super) fn check_list(scheme: &Scheme, grounds: &Grounds<'_>, report: &Report) {
    if let (Some(list), Some(_)) = (list_of(scheme), grounds.registration) {
        agreement::check_list(&list, scheme.factors(), grounds, report);
    }
}

/// A list is used by one of the statistician's files.
fn check_unused_lists(bundle: &Bundle, schemes: &[&Scheme], report: &Report) {
    let used: Vec<Arc<ArmList>> = schemes.iter().filter_map(|scheme| list_of(scheme)).collect();
    for path in bundle.files().keys().filter(|path| allocation_file::is_list(path)) {
        if used.iter().all(|list| list.file() != path) {
            let right = format!("name it in {ALLOCATION}, or remove it");
            report.warn(path, None, "", "is a list of arms that is not used", right);
        }
    }
}

fn read_kits(content: &str, study: &StudyFile, schemes: &[&Scheme], report: &Report) -> Vec<Kit> {
    let known = Known {
        arms: study.every_arm().map(|arm| arm.value.code.as_str()).collect(),
        sites: study.sites.iter().map(|site| site.value.code.as_str()).collect(),
    };
    let closed = |code: &str| schemes.iter().flat_map(|own| own.arms()).any(|arm| arm.closed && arm.code == code);
    let arms = std::iter::once(&study.arms).chain(study.randomizations.iter().map(|own| &own.value.arms));
    let arms =
        arms.map(|own| own.iter().map(|arm| arm.value.code.as_str()).map(|code| (code, !closed(code))).collect());
    let allocations: Vec<Arms<'_>> = arms.collect();
    let listing = Listing { file: KITS, known: Some(known), taken: &BTreeSet::new() };
    let Some(kits) = listing.read(content, report) else { return Vec::new() };
    listing.check_stock(&kits, &allocations, study.stock, study.sites.iter().map(|site| &site.value), report);
    kits
}

/// The one place where a file of the statistician's is read as a scheme.
pub(super) fn read_allocation(content: &str, file: &str, bundle: &Bundle, report: &Report) -> Option<AllocationFile> {
    let mut problems = Vec::new();
    let beside = |name: &str| bundle.file(name).map(str::to_owned);
    let read = allocation_file::read_with(content, file, &beside, &mut problems);
    for problem in problems {
        report.add(problem);
    }
    read
}

fn read_instruments(bundle: &Bundle, languages: &[Language], report: &Report) -> Vec<InstrumentFile> {
    let mut instruments = Vec::new();
    for (path, content) in bundle.files().iter().filter(|(path, _)| path.starts_with(INSTRUMENTS)) {
        let Some(id) = path.strip_prefix(INSTRUMENTS).and_then(|name| name.strip_suffix(".toml")) else { continue };
        if !id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-')) {
            report.file(path, "the name of the file cannot be used", "use small letters, digits, - and _");
        }
        instruments.extend(instrument_file::read(path, id, content, languages, report));
    }
    instruments
}

fn find_instrument<'i>(
    registration: &Located<Registration>,
    instruments: &'i [InstrumentFile],
    bundle: &Bundle,
    report: &Report,
) -> Option<&'i InstrumentFile> {
    let id = registration.value.instrument.as_str();
    let place = Located { value: id, line: registration.line, key: registration.key.clone() };
    find_instrument_named(&place, instruments, bundle, report)
}

/// The instrument that a section names; where there is none, what would be right.
fn find_instrument_named<'i>(
    place: &Located<&str>,
    instruments: &'i [InstrumentFile],
    bundle: &Bundle,
    report: &Report,
) -> Option<&'i InstrumentFile> {
    let id = place.value;
    let found = instruments.iter().find(|read| read.instrument.id == id);
    // A file that cannot be read is there and has been told of.
    let path = format!("{INSTRUMENTS}{id}.toml");
    let there = bundle.file(&path).is_some() || bundle.problems().iter().any(|problem| problem.file == path);
    if found.is_none() && !there && !id.is_empty() {
        let known: Vec<&str> = instruments.iter().map(|read| read.instrument.id.as_str()).collect();
        let right = match did_you_mean(id, &known) {
            right if right.is_empty() => format!("add the file {INSTRUMENTS}{id}.toml"),
            right => right,
        };
        let key = format!("{}.instrument", place.key);
        report.at(STUDY, Some(place.line), key, format!("there is no file {INSTRUMENTS}{id}.toml"), right);
    }
    found
}

/// Letters lie in folders of the study's languages.
fn check_letters(bundle: &Bundle, languages: &[Language], report: &Report) {
    for path in bundle.files().keys() {
        let Some((folder, _)) = path.strip_prefix(LETTERS).map(|rest| rest.split_once('/').unwrap_or(("", rest)))
        else {
            continue;
        };
        let known =
            Language::find(folder).is_some_and(|language| languages.is_empty() || languages.contains(&language));
        if !known {
            report.warn(
                path,
                None,
                "",
                "lies in no folder of a language of the study and is never used",
                format!("move it to {LETTERS}{}/", languages.first().map_or("ja", |language| language.code())),
            );
        }
    }
}

fn assemble(
    file: StudyFile,
    instruments: Vec<InstrumentFile>,
    allocation: Option<AllocationFile>,
    randomizations: Vec<Randomization>,
    kits: Vec<Kit>,
) -> Study {
    let (scheme, recounting, forcing, caps, site_caps) = match allocation {
        // A registry's file may hold caps all the same.
        Some(file) => {
            (Some(file.scheme).filter(Scheme::randomizes), file.recounting, file.forcing, file.caps, file.sites)
        }
        None => (None, Recounting::default(), Forcing::default(), Caps::default(), SiteCaps::default()),
    };
    let sites = file.sites.into_iter().map(|located| located.value);
    // The site's own section comes before the statistician's file, which gives a cap to many sites at once.
    let sites = sites.map(|site| Site { cap: site.cap.or(site_caps.of(&site.code)), ..site }).collect();
    let eligibility = file
        .eligibility
        .into_iter()
        .map(|located| located.value)
        .filter_map(|rule| Some(Criterion { id: rule.id, rule: rule.rule?, message: rule.message }));
    let mut instruments: Vec<Instrument> = instruments.into_iter().map(|read| read.instrument).collect();
    if file.registration.value.instrument.is_empty() {
        // What there is to fill in where nobody is registered and nobody asked: nothing.
        instruments.push(Instrument::empty());
    }
    Study {
        slug: file.slug,
        tag: file.tag,
        former_tags: Vec::new(),
        title: file.title,
        languages: file.languages,
        zone: file.zone,
        blinding: file.blinding,
        arms: file.arms.into_iter().map(|located| located.value).collect(),
        sites,
        people: file.people.into_iter().map(|located| located.value).collect(),
        trust: file.trust,
        certificates: BTreeMap::new(),
        registration: file.registration.value,
        registers: file.registers,
        survey: file.survey.map(|located| located.value),
        instruments,
        eligibility: eligibility.collect(),
        scheme,
        recounting,
        forcing,
        caps,
        cohorts: Vec::new(),
        events: Vec::new(),
        schedule: None,
        election: None,
        randomizations,
        kits,
        stock: file.stock,
        notices: file.notices,
        unblinding: file.unblinding,
        step_up: file.step_up,
        digest: file.digest,
        planned_subjects: file.planned_subjects,
        post: file.post,
    }
}
