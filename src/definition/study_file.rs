//! `study.toml`: everything of a study but its instruments and its allocation.

use std::collections::BTreeMap;

use super::document::{Report, Section, Source, nearest, quoted};
use super::events_file::{self, ReadEvent};
use super::randomization::{self, Further};
use super::{pages_file, people, survey_file};
use crate::domain::deed::Unblinding;
use crate::domain::expression::Expression;
use crate::domain::fact::FactKind;
use crate::domain::kit::StockRules;
use crate::domain::language::{Language, Text};
use crate::domain::second_factor::StepUp;
use crate::domain::study::{
    Arm, Authentication, Blinding, Digest, Notice, Person, Post, Registration, Rescreening, Role, Sealing, Site, Trust,
    UniqueWithin,
};
use crate::domain::survey::Survey;
use crate::domain::text;
use crate::domain::time::Zone;
use crate::limits;

/// Something of the file, with its line.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub value: T,
    pub line: usize,
    /// Full key of the section it stands in.
    pub key: String,
}

/// A criterion whose rule has not been checked against the instrument yet.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub id: String,
    pub rule: Option<Expression>,
    pub message: Text,
}

/// The content of `study.toml`; where something was wrong, whatever keeps the other checks going.
#[derive(Debug)]
pub(super) struct StudyFile {
    pub slug: String,
    pub tag: String,
    pub title: Text,
    /// Empty if faulty: then completeness of languages is not checked.
    pub languages: Vec<Language>,
    pub zone: Zone,
    pub blinding: Blinding,
    pub planned_subjects: Option<u32>,
    pub trust: Trust,
    /// Of a study that registers nobody: the survey's instrument, and no items.
    pub registration: Located<Registration>,
    /// Whether it registers subjects.
    pub registers: bool,
    pub survey: Option<Located<Survey>>,
    pub arms: Vec<Located<Arm>>,
    pub randomizations: Vec<Located<Further>>,
    pub events: Vec<Located<ReadEvent>>,
    pub sites: Vec<Located<Site>>,
    pub people: Vec<Located<Person>>,
    pub eligibility: Vec<Located<Rule>>,
    pub notices: Vec<Notice>,
    pub stock: StockRules,
    pub unblinding: Unblinding,
    pub digest: Digest,
    pub step_up: Option<StepUp>,
    pub post: Option<Post>,
}

impl StudyFile {
    /// Whether participants enroll themselves.
    pub(super) fn enrolls(&self) -> bool {
        self.registers && self.survey.as_ref().is_some_and(|survey| survey.value.enrolls)
    }

    /// The arms of every allocation.
    pub(super) fn every_arm(&self) -> impl Iterator<Item = &Located<Arm>> {
        self.arms.iter().chain(self.randomizations.iter().flat_map(|own| &own.value.arms))
    }
}

/// Reads `study.toml`, beside which an election may lie; `None` only if it is no TOML.
pub(super) fn read(file: &str, content: &str, elects: bool, report: &Report) -> Option<StudyFile> {
    let source = Source::new(file, content);
    let table = source.parse(report)?;
    let root = Section::whole(&source, report, &table);
    let slug = root.need_name("slug", "my-study", '-');
    let tag = read_tag(&root);
    let languages = read_languages(&root);
    let title = root.need_wording("title", &languages);
    let zone = read_zone(&root);
    let survey = survey_file::read(&root);
    let registers = (survey.is_none() && !elects) || root.has("registration");
    let enrolls = survey.as_ref().is_some_and(|survey| survey.value.enrolls);
    let blindings = [("open", Blinding::Open), ("blinded", Blinding::Blinded)];
    let blinding = if registers { root.need_word("blinding", &blindings) } else { root.word("blinding", &blindings) };
    let planned_subjects = root.count("planned_subjects");
    let trust = read_trust(&root);
    let registration = match &survey {
        Some(survey) if !registers => registration_of(survey),
        None if !registers => no_registration(&root),
        _ => read_registration(&root, enrolls),
    };
    let mut codes = Codes::default();
    let arms = read_arms(&root, &languages, &mut codes);
    let randomizations = randomization::read(&root, &languages, &mut codes);
    let further: Vec<String> = randomizations.iter().map(|own| own.value.id.clone()).collect();
    let events = events_file::read(&root, &languages, &further);
    let sites = read_sites(&root, &languages, registers);
    let people = people::read(&root, &languages, &sites, registers && !enrolls);
    let eligibility = read_eligibility(&root, &languages);
    let notices = read_notices(&root);
    let stock = read_stock(&root);
    let unblinding = read_unblinding(&root);
    let digest = read_digest(&root);
    let step_up = pages_file::read(&root);
    let post = read_post(&root);
    root.close();
    Some(StudyFile {
        slug,
        tag,
        title,
        languages,
        zone,
        blinding: blinding.unwrap_or(Blinding::Open),
        planned_subjects,
        trust,
        registration,
        registers,
        survey,
        arms,
        randomizations,
        events,
        sites,
        people,
        eligibility,
        notices,
        stock,
        unblinding,
        digest,
        step_up,
        post,
    })
}

fn read_tag(root: &Section) -> String {
    let tag = root.need_text("tag", "MY-STUDY");
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !tag.is_empty() && (!tag.chars().all(fits) || tag.len() > 30) {
        root.wrong(
            "tag",
            format!("\"{tag}\" cannot stand in every mail's subject"),
            "use at most 30 plain letters, digits, - _ and . without blanks or brackets",
        );
    }
    tag
}

fn read_languages(root: &Section) -> Vec<Language> {
    if !root.need("languages", "[\"ja\", \"en\"]") {
        return Vec::new();
    }
    let mut languages = Vec::new();
    for code in root.texts("languages", "ja") {
        match Language::find(&code) {
            Some(language) if languages.contains(&language) => {
                root.wrong("languages", format!("\"{code}\" stands in it twice"), "name each language once");
            }
            Some(language) => languages.push(language),
            None => {
                let known: Vec<&str> = Language::ALL.iter().map(|language| language.code()).collect();
                root.wrong(
                    "languages",
                    format!("\"{code}\" is not known"),
                    format!("write some of {}", quoted(&known)),
                );
            }
        }
    }
    if languages.is_empty() {
        root.wrong("languages", "names no language", "write languages = [\"ja\", \"en\"], the default first");
    }
    languages
}

fn read_zone(root: &Section) -> Zone {
    let name = root.need_text("time_zone", "Asia/Tokyo");
    let zone = Zone::find(&name);
    if zone.is_none() && !name.is_empty() {
        root.wrong(
            "time_zone",
            format!("\"{name}\" is not known"),
            "write a name of the IANA list, such as \"Asia/Tokyo\" or \"Europe/Berlin\"",
        );
    }
    zone.unwrap_or(Zone::UTC)
}

fn read_trust(root: &Section) -> Trust {
    let mut trust = Trust {
        authentication: Authentication::Dmarc,
        token: false,
        confirm: false,
        openpgp: Sealing::default(),
        encrypt_letters: false,
    };
    let Some(section) = root.section("trust") else { return trust };
    let words = [("dmarc", Authentication::Dmarc), ("open", Authentication::Open)];
    trust.authentication = section.word("authentication", &words).unwrap_or(Authentication::Dmarc);
    trust.token = section.flag("token").unwrap_or(false);
    trust.confirm = section.flag("confirm").unwrap_or(false);
    let sealings = [(false, false), (true, false), (false, true), (true, true)];
    let sealings = sealings.map(|(signed, encrypted)| Sealing { signed, encrypted }).map(|own| (own.key(), own));
    trust.openpgp = section.word("openpgp", &sealings).unwrap_or_default();
    trust.encrypt_letters = section.flag("encrypt_letters").unwrap_or(false);
    if trust.authentication == Authentication::Open {
        section.warn(
            "authentication",
            "anybody can pretend to be an investigator",
            "keep \"dmarc\" unless the network is closed",
        );
    }
    section.close();
    trust
}

fn read_registration(root: &Section, enrolls: bool) -> Located<Registration> {
    let mut registration = Registration {
        instrument: String::new(),
        site_item: None,
        subject_item: String::new(),
        unique_within: UniqueWithin::Site,
        rescreening: Rescreening::default(),
    };
    let key = "registration".to_string();
    let Some(section) = root.section("registration") else {
        if !root.has("registration") {
            root.wrong(
                "registration",
                "is missing",
                "write a section [registration] with instrument, site_item and subject_item",
            );
        }
        return Located { value: registration, line: root.line, key };
    };
    registration.instrument = section.need_text("instrument", "registration");
    registration.site_item = section.text("site_item", "site");
    let words = [("site", UniqueWithin::Site), ("study", UniqueWithin::Study)];
    let unique_within = section.word("unique_within", &words);
    if enrolls {
        registration.unique_within = UniqueWithin::Study;
        let named = [section.text("subject_item", "").map(|_| "subject_item"), unique_within.map(|_| "unique_within")];
        for key in named.into_iter().flatten() {
            let wrong = "participants enroll themselves, and each participant is one subject, whatever is typed";
            section.wrong(key, wrong, format!("remove {key}"));
        }
    } else {
        registration.subject_item = section.need_text("subject_item", "subject_ref");
        registration.unique_within = unique_within.unwrap_or(UniqueWithin::Site);
    }
    registration.rescreening = read_rescreening(&section);
    if enrolls && !registration.rescreening.after.is_empty() {
        let wrong = "participants enroll themselves, and nobody does so twice";
        section.wrong("rescreening", wrong, "remove rescreening");
    }
    let line = section.line;
    section.close();
    Located { value: registration, line, key }
}

/// A survey alone registers nobody: its instrument is the one that mails to the study fill in.
fn registration_of(survey: &Located<Survey>) -> Located<Registration> {
    let registration = Registration {
        instrument: survey.value.instrument.clone(),
        site_item: None,
        subject_item: String::new(),
        unique_within: UniqueWithin::Study,
        rescreening: Rescreening::default(),
    };
    Located { value: registration, line: survey.line, key: survey.key.clone() }
}

/// An election alone registers nobody, and asks nothing.
fn no_registration(root: &Section) -> Located<Registration> {
    let registration = Registration {
        instrument: String::new(),
        site_item: None,
        subject_item: String::new(),
        unique_within: UniqueWithin::Study,
        rescreening: Rescreening::default(),
    };
    Located { value: registration, line: root.line, key: "registration".to_string() }
}

/// `rescreening` and `rescreenings`: after which facts, and how often.
fn read_rescreening(section: &Section) -> Rescreening {
    const AFTER: [FactKind; 3] = [FactKind::Ineligible, FactKind::RandomizedInError, FactKind::Withdrawn];
    let mut rescreening = Rescreening::default();
    let known: Vec<&str> = AFTER.iter().map(|kind| kind.key()).collect();
    if section.has("rescreening") {
        for word in section.texts("rescreening", "withdrawn") {
            match AFTER.into_iter().find(|kind| kind.key() == word) {
                Some(kind) if rescreening.after.contains(&kind) => {
                    section.wrong("rescreening", format!("\"{word}\" stands in it twice"), "name each once");
                }
                Some(kind) => rescreening.after.push(kind),
                None => section.wrong(
                    "rescreening",
                    format!("nobody is screened again after \"{word}\""),
                    did_you_mean(&word, &known),
                ),
            }
        }
    }
    if let Some(most) = section.count("rescreenings") {
        if most > limits::RESCREENINGS {
            let right = format!("write a number from 1 to {}", limits::RESCREENINGS);
            section.wrong("rescreenings", format!("{most} is too many"), right);
        }
        if !section.has("rescreening") {
            let right = format!("write rescreening = [{}], or some of them", quoted(&known));
            section.wrong("rescreenings", "does not say after what a subject may be screened again", right);
        }
        rescreening.most = most;
    }
    rescreening
}

/// The arms of an allocation; their codes are distinct from those so far.
pub(super) fn read_arms(root: &Section, languages: &[Language], codes: &mut Codes) -> Vec<Located<Arm>> {
    let mut arms = Vec::new();
    for section in root.sections("arms") {
        let code = section.need_code("code", "A");
        let name = section.need_wording("name", languages);
        codes.add(&section, &code);
        arms.push(Located { value: Arm { code, name }, line: section.line, key: section.key("") });
        section.close();
    }
    if arms.len() > limits::ARMS {
        root.wrong("arms", format!("there are more than {} arms", limits::ARMS), "");
    }
    arms
}

fn read_sites(root: &Section, languages: &[Language], needed: bool) -> Vec<Located<Site>> {
    let mut codes = Codes::default();
    let mut sites = Vec::new();
    for section in root.sections("sites") {
        let code = section.need_code("code", "012");
        let name = section.need_wording("name", languages);
        let cap = section.count("cap");
        let (opens, closes) = (section.day("opens"), section.day("closes"));
        if let (Some(first), Some(last)) = (opens, closes)
            && last < first
        {
            section.wrong(
                "closes",
                format!("{last} lies before opens = {first}"),
                "the last day on which the site enrolls",
            );
        }
        codes.add(&section, &code);
        sites.push(Located {
            value: Site { code, name, cap, opens, closes },
            line: section.line,
            key: section.key(""),
        });
        section.close();
    }
    if needed && sites.is_empty() && !root.has("sites") {
        root.wrong("sites", "there is no site", "write a section [[sites]] with code and name for each");
    }
    if sites.len() > limits::SITES {
        root.wrong("sites", format!("there are more than {} sites", limits::SITES), "");
    }
    sites
}

/// Codes seen so far; those that differ in case or width only are the same to people.
#[derive(Default)]
pub(super) struct Codes(BTreeMap<String, usize>);

impl Codes {
    pub(super) fn add(&mut self, section: &Section, code: &str) {
        self.add_key(section, "code", code);
    }

    pub(super) fn add_key(&mut self, section: &Section, key: &str, code: &str) {
        if code.is_empty() {
            return;
        }
        match self.0.get(&text::fold_tight(code)) {
            Some(line) => {
                section.wrong(key, format!("\"{code}\" is taken on line {line} already"), "give each its own");
            }
            None => {
                self.0.insert(text::fold_tight(code), section.line_of(key));
            }
        }
    }
}

fn read_eligibility(root: &Section, languages: &[Language]) -> Vec<Located<Rule>> {
    let mut ids = Codes::default();
    let mut rules = Vec::new();
    for section in root.sections("eligibility") {
        let id = section.need_name("id", "adult", '_');
        ids.add_key(&section, "id", &id);
        let written = section.need_text("rule", "age >= 20");
        let rule = compile(&section, "rule", &written);
        let message = section.need_wording("message", languages);
        rules.push(Located {
            value: Rule { id, rule, message },
            line: section.line_of("rule"),
            key: section.key("rule"),
        });
        section.close();
    }
    rules
}

/// Compiles an expression, or reports why it is none.
pub(super) fn compile(section: &Section, key: &str, written: &str) -> Option<Expression> {
    if written.is_empty() {
        return None;
    }
    match Expression::compile(written) {
        Ok(expression) => Some(expression),
        Err(error) => {
            let right = if written.contains(" and ") || written.contains(" or ") {
                "write && for and, || for or"
            } else if written.contains(" = ") {
                "write == to compare"
            } else if !written.is_ascii() && text::fold_width(written) != written {
                "write signs and digits half-width"
            } else {
                "write a condition such as age >= 20 && sex == 'F'"
            };
            section.wrong(key, format!("this expression cannot be read ({})", short(&error.to_string())), right);
            None
        }
    }
}

/// The parser's words without all that it would have liked better.
fn short(error: &str) -> &str {
    let plain = error.strip_prefix("Syntax error: ").unwrap_or(error);
    plain.split(" expecting").next().unwrap_or(plain)
}

fn read_notices(root: &Section) -> Vec<Notice> {
    let mut notices: Vec<Notice> = Vec::new();
    for section in root.sections("notices") {
        if let Some(role) = section.need_word("role", &roles()) {
            if notices.iter().any(|notice| notice.role == role) {
                section.wrong("role", format!("\"{}\" has a notice already", role.key()), "remove one of the two");
            }
            notices.push(Notice { role });
        }
        section.close();
    }
    notices
}

/// `[digest]`: whom the day's state is sent to, and when.
fn read_digest(root: &Section) -> Digest {
    let mut digest = Digest::default();
    let Some(section) = root.section("digest") else { return digest };
    if section.has("roles") {
        digest.roles.clear();
        for written in section.texts("roles", "statistician") {
            match Role::ALL.into_iter().find(|role| role.key() == written) {
                Some(role) if !digest.roles.contains(&role) => digest.roles.push(role),
                Some(_) => {}
                None => {
                    let names = Role::ALL.map(Role::key);
                    section.wrong("roles", format!("\"{written}\" is no role"), did_you_mean(&written, &names));
                }
            }
        }
    }
    if let Some(text) = section.text("at", "07:00") {
        let parsed = text.split_once(':').and_then(|(hour, minute)| {
            let plain = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            let (hour, minute): (u32, u32) =
                (plain(hour) && plain(minute)).then_some((hour.parse().ok()?, minute.parse().ok()?))?;
            (hour < 24 && minute < 60).then_some(hour * 60 + minute)
        });
        match parsed {
            Some(minute) => digest.minute = minute,
            None => section.wrong(
                "at",
                format!("\"{text}\" is no time of day"),
                "write hours and minutes, such as \"07:00\"",
            ),
        }
    }
    section.close();
    digest
}

fn read_unblinding(root: &Section) -> Unblinding {
    let default = Unblinding::default();
    let Some(section) = root.section("unblinding") else { return default };
    let unblinding = Unblinding {
        roles: read_roles(&section, "roles").unwrap_or(default.roles),
        tell: read_roles(&section, "tell").unwrap_or(default.tell),
        confirm: section.flag("confirm").unwrap_or(default.confirm),
    };
    section.close();
    unblinding
}

/// A list of roles; none if the key is absent.
fn read_roles(section: &Section, key: &'static str) -> Option<Vec<Role>> {
    if !section.has(key) {
        return None;
    }
    let known: Vec<&str> = Role::ALL.iter().map(|role| role.key()).collect();
    let mut listed = Vec::new();
    for word in section.texts(key, "investigator") {
        match Role::ALL.into_iter().find(|role| role.key() == word) {
            Some(role) if listed.contains(&role) => {
                section.wrong(key, format!("\"{word}\" stands in it twice"), "name each role once");
            }
            Some(role) => listed.push(role),
            None => section.wrong(key, format!("\"{word}\" is no role"), did_you_mean(&word, &known)),
        }
    }
    Some(listed)
}

/// Every role with its word.
pub(super) fn roles() -> Vec<(&'static str, Role)> {
    Role::ALL.iter().map(|role| (role.key(), *role)).collect()
}

/// `[kits]`: numbers from 0 up.
fn read_stock(root: &Section) -> StockRules {
    let Some(section) = root.section("kits") else { return StockRules::default() };
    let number = |key: &'static str, most: u32, unsaid: u32| -> u32 {
        let Some(number) = section.whole_number(key) else { return unsaid };
        let sound = u32::try_from(number).ok().filter(|number| *number <= most);
        if sound.is_none() {
            section.wrong(
                key,
                format!("{number} is too small or too large"),
                format!("write a number from 0 to {most}"),
            );
        }
        sound.unwrap_or(0)
    };
    let stock = StockRules {
        minimum_days: number("minimum_days", limits::KIT_MINIMUM_DAYS, 0),
        threshold: number("threshold", limits::KIT_THRESHOLD, 0),
        central_threshold: number("central_threshold", limits::KIT_THRESHOLD, 0),
        replacements: number("replacements", limits::KIT_REPLACEMENTS_MOST, limits::KIT_REPLACEMENTS),
    };
    section.close();
    stock
}

fn read_post(root: &Section) -> Option<Post> {
    let section = root.section("mail")?;
    let address = section.need_text("address", "reg@example.jp");
    let address = people::sound_address(&section, "address", &address).unwrap_or_default();
    let authserv_ids = section.texts("authserv_ids", "mx.example.jp");
    if authserv_ids.is_empty() && !section.has("authserv_ids") {
        section.wrong(
            "authserv_ids",
            "is missing",
            "write authserv_ids = [\"mx.example.jp\"], the servers whose word counts",
        );
    }
    let message_id_domain = section.need_text("message_id_domain", "reg.example.jp");
    section.close();
    Some(Post { address, authserv_ids: authserv_ids.iter().map(|id| id.to_lowercase()).collect(), message_id_domain })
}

/// Suggests the known id that is nearest, or lists some.
pub(super) fn did_you_mean(written: &str, known: &[&str]) -> String {
    // Among numbers only the same one with other zeros is meant.
    let written = text::fold_width(written);
    let written = written.as_str();
    let digits = !written.is_empty() && written.bytes().all(|b| b.is_ascii_digit());
    let zeros = |code: &str| code.trim_start_matches('0') == written.trim_start_matches('0');
    let near = if digits { known.iter().copied().find(|code| zeros(code)) } else { nearest(written, known) };
    match near {
        Some(near) => format!("did you mean \"{near}\"?"),
        None if known.is_empty() => String::new(),
        None if known.len() <= 20 => format!("write one of {}", quoted(known)),
        None => String::new(),
    }
}
