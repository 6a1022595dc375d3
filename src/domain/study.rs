//! A study as its bundle defines it: sites, people, rules. Built by `definition`, never changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;

use super::allocation::Scheme;
use super::cohort::Cohort;
use super::deed::Unblinding;
use super::event::Event;
use super::expression::Expression;
use super::fact::{FactKind, Recounting};
use super::instrument::{Instrument, Item};
use super::kit::StockRules;
use super::language::{Language, Text};
use super::openpgp::Certificate;
use super::schedule::Schedule;
use super::second_factor::StepUp;
use super::survey::Survey;
use super::time::Zone;

pub use super::role::Role;

/// Id of the allocation that comes with enrolling; further ones are called as `study.toml` says.
pub const FIRST: &str = "first";
/// Who enrolled a subject that enrolled itself, where else the id of a person of the study stands; none may be called so there.
pub const PARTICIPANT: &str = "participant";
/// Name of the arm in the form of those who enrolled themselves before.
pub const ARM: &str = "arm";
/// Name of the day of enrollment in the conditions of further randomizations.
pub const ENROLLED_ON: &str = "enrolled_on";

/// Name of the arm that an allocation gave, as a factor of later ones and in their conditions: `first_arm`.
pub fn arm_name(id: &str) -> String {
    format!("{id}_arm")
}

/// Name of the day of a further randomization in the conditions of later ones: `second_on`.
pub fn day_name(id: &str) -> String {
    format!("{id}_on")
}

/// A study: what its files say, checked as a whole.
#[derive(Clone, Debug)]
pub struct Study {
    /// Lower-case name in addresses, folders and commands; unique in a database.
    pub slug: String,
    /// Name in subject lines, between brackets.
    pub tag: String,
    /// Tags it had in production before, folded: mails and papers with them are understood. The files do not tell.
    pub former_tags: Vec<String>,
    /// Full name.
    pub title: Text,
    /// Languages its letters exist in; the first is the default.
    pub languages: Vec<Language>,
    /// Zone of its days and of the times in its letters.
    pub zone: Zone,
    /// Whether it randomizes in the open or under a code.
    pub blinding: Blinding,
    /// Public names of the arms, in the order of the file.
    pub arms: Vec<Arm>,
    /// Places that recruit; codes unique.
    pub sites: Vec<Site>,
    /// Staff; ids and addresses unique.
    pub people: Vec<Person>,
    /// What the study demands before it acts on a mail.
    pub trust: Trust,
    /// OpenPGP keys of the staff, by the id of the person; of those alone who have one on file.
    pub certificates: BTreeMap<String, Arc<Certificate>>,
    /// How a subject is registered; of a survey alone, its instrument and no items.
    pub registration: Registration,
    /// Whether it registers subjects.
    pub registers: bool,
    /// What participants or members are asked.
    pub survey: Option<Survey>,
    /// Every instrument, the registration's among them.
    pub instruments: Vec<Instrument>,
    /// What must hold before a subject is enrolled.
    pub eligibility: Vec<Criterion>,
    /// How arms are allocated; `None` for a registry.
    pub scheme: Option<Scheme>,
    /// How later decisions count subjects of which something became known.
    pub recounting: Recounting,
    /// Who may give an arm by hand at the first allocation, and how often.
    pub forcing: Forcing,
    /// Greatest numbers of subjects.
    pub caps: Caps,
    /// Kinds of subjects of whom only so many are taken.
    pub cohorts: Vec<Cohort>,
    /// Further randomizations of subjects who are enrolled, in the order of the file; none where the first allocation is all.
    pub randomizations: Vec<Randomization>,
    /// Planned moments of a subject's course, in the order of the file.
    pub events: Vec<Event>,
    /// Which letters go out by themselves, and when; none if there is no `schedule.toml`.
    pub schedule: Option<Schedule>,
    /// What is voted on, and by which rules; none if there is no `election.toml`.
    pub election: Option<super::election::Election>,
    /// Kits of a blinded study, as listed, which tells nothing of the order in which they leave; empty where there are none.
    pub kits: Vec<Kit>,
    /// What is demanded of the stock of kits.
    pub stock: StockRules,
    /// Which roles get which notice after an enrollment.
    pub notices: Vec<Notice>,
    /// Who may be told one subject's arm by request.
    pub unblinding: Unblinding,
    /// What the staff show, beyond signing in, before the pages of cases; nothing if none.
    pub step_up: Option<StepUp>,
    /// Who is told each day how far the study and its chain have come.
    pub digest: Digest,
    /// How many subjects the protocol plans; shown in reports, no cap.
    pub planned_subjects: Option<u32>,
    /// The address and trust facts the bundle brings itself (test bundles, `hagaki read`), else the mailbox decides.
    pub post: Option<Post>,
}

impl Study {
    /// The registration instrument.
    pub fn registration_instrument(&self) -> &Instrument {
        self.instruments
            .iter()
            .find(|instrument| instrument.id == self.registration.instrument)
            .expect("definition admits no study whose registration instrument is absent")
    }

    /// Whether it asks for something that identifies a person, or keeps a roll of voters: then a key outside the database is needed.
    pub fn asks_personal(&self) -> bool {
        self.election.is_some()
            || self.instruments.iter().any(|instrument| instrument.items.iter().any(|item| item.personal))
    }

    /// Whether participants enroll themselves before they answer; then nobody else enrolls.
    pub fn enrolls_itself(&self) -> bool {
        self.registers && self.survey.as_ref().is_some_and(|survey| survey.enrolls)
    }

    /// Whether subjects are given kits: those of a blinded study are, but nothing is handed out to people at home unless the study
    /// lists what.
    pub fn hands_out_kits(&self) -> bool {
        self.blinding == Blinding::Blinded && !(self.enrolls_itself() && self.kits.is_empty())
    }

    /// The item of the registration that an instrument may name beside its own: that of those who enrolled themselves before.
    pub fn carried_item(&self, instrument: &Instrument, name: &str) -> Option<&Item> {
        self.survey.as_ref().filter(|survey| survey.enrolls && survey.instrument == instrument.id)?;
        self.registration_instrument().find(name)
    }

    /// Whether a site's own reference of a subject identifies a person.
    pub fn names_personally(&self) -> bool {
        self.registers
            && self.registration_instrument().find(&self.registration.subject_item).is_some_and(|item| item.personal)
    }

    /// The instrument of that id.
    pub fn find_instrument(&self, id: &str) -> Option<&Instrument> {
        self.instruments.iter().find(|instrument| instrument.id == id)
    }

    /// The forms whose answers the allocation of that id can look at: the registration, and that of a further one.
    pub fn forms_of(&self, allocation: &str) -> Vec<&Instrument> {
        let own = self.find_randomization(allocation).and_then(|own| self.find_instrument(&own.instrument));
        std::iter::once(self.registration_instrument()).chain(own).collect()
    }

    /// The item of that id, of the registration before the forms of further randomizations.
    pub fn find_item(&self, id: &str) -> Option<&Item> {
        let mut further = self.randomizations.iter().filter_map(|own| self.find_instrument(&own.instrument));
        self.registration_instrument().find(id).or_else(|| further.find_map(|form| form.find(id)))
    }

    /// The site of that code.
    pub fn find_site(&self, code: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.code == code)
    }

    /// The person who owns that (already folded) address.
    pub fn find_person_by_address(&self, address: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.addresses.iter().any(|own| own == address))
    }

    /// The arm of that code, of whichever allocation: codes are distinct across all of them.
    pub fn find_arm(&self, code: &str) -> Option<&Arm> {
        self.every_arm().find(|arm| arm.code == code)
    }

    /// The arms of every allocation, those of the first before the others.
    pub fn every_arm(&self) -> impl Iterator<Item = &Arm> {
        self.arms.iter().chain(self.randomizations.iter().flat_map(|own| &own.arms))
    }

    /// Whether somebody can still get the arm of that code by one of the study's allocations.
    pub fn is_open_arm(&self, code: &str) -> bool {
        self.allocations().any(|rules| rules.scheme.is_open(code))
    }

    /// The event of that id.
    pub fn find_event(&self, id: &str) -> Option<&Event> {
        self.events.iter().find(|event| event.id == id)
    }

    /// The further randomization of that id.
    pub fn find_randomization(&self, id: &str) -> Option<&Randomization> {
        self.randomizations.iter().find(|own| own.id == id)
    }

    /// The rules of every allocation, in the order of the file; empty for a registry.
    pub fn allocations(&self) -> impl Iterator<Item = Rules<'_>> {
        let first = self.scheme.as_ref().map(|scheme| Rules {
            id: FIRST,
            scheme,
            arms: &self.arms,
            caps: &self.caps,
            recounting: &self.recounting,
            forcing: &self.forcing,
        });
        first.into_iter().chain(self.randomizations.iter().map(Randomization::rules))
    }

    /// The rules of the allocation of that id.
    pub fn find_rules(&self, id: &str) -> Option<Rules<'_>> {
        self.allocations().find(|rules| rules.id == id)
    }

    /// A subject's number as people read and write it: `AURORA-0042`.
    pub fn subject_number(&self, number: i64) -> String {
        format!("{}-{number:04}", self.tag)
    }

    /// The number in a text such as `AURORA-0042` or `aurora 42`, if it names a subject of this study that way.
    pub fn parse_subject_number(&self, text: &str) -> Option<i64> {
        let folded = super::text::fold_tight(text);
        let mut tags = std::iter::once(&self.tag).chain(&self.former_tags).map(|tag| super::text::fold_tight(tag));
        let digits = |tag: String| folded.strip_prefix(&tag)?.trim_start_matches('-').parse().ok();
        tags.find_map(digits).filter(|number| *number > 0)
    }

    /// Whether a folded word is its slug, its tag or one it had.
    pub fn is_named(&self, word: &str) -> bool {
        let own = [&self.slug, &self.tag].into_iter().chain(&self.former_tags);
        own.into_iter().any(|name| super::text::fold(name) == word)
    }

    /// The language of a person's letters.
    pub fn language_of(&self, person: &Person) -> Language {
        person.language.unwrap_or(self.languages[0])
    }
}

/// Whether a study rehearses or counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Rehearsal: own secret and numbers, TEST in every letter, data that can be purged.
    Development,
    /// The real thing.
    Production,
}

impl Stage {
    /// Name in receipts, reports and tables.
    pub const fn key(self) -> &'static str {
        match self {
            Stage::Development => "development",
            Stage::Production => "production",
        }
    }

    /// The stage of that name.
    pub fn find(key: &str) -> Option<Stage> {
        [Stage::Development, Stage::Production].into_iter().find(|stage| stage.key() == key)
    }
}

/// Who is told the arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blinding {
    /// The site learns the arm.
    Open,
    /// The site learns a kit's code; only unblinded roles learn the arm.
    Blinded,
}

/// Public name of an arm.
#[derive(Clone, Debug)]
pub struct Arm {
    /// Code as in `allocation.toml`.
    pub code: String,
    /// What people read.
    pub name: Text,
}

/// A place that recruits.
#[derive(Clone, Debug)]
pub struct Site {
    /// Code as typed in mails and stored.
    pub code: String,
    /// What people read.
    pub name: Text,
    /// Greatest number of subjects from here.
    pub cap: Option<u32>,
    /// First day on which it enrolls, in the study's zone; from the beginning if none.
    pub opens: Option<NaiveDate>,
    /// Last day on which it enrolls; to the end if none.
    pub closes: Option<NaiveDate>,
}

/// A member of the staff.
#[derive(Clone, Debug)]
pub struct Person {
    /// Short name, unique in the study.
    pub id: String,
    /// As letters greet them.
    pub name: Text,
    /// Folded addresses they write from; letters go to the first.
    pub addresses: Vec<String>,
    /// What they may ask for and are told.
    pub roles: Vec<Role>,
    /// Sites they act for; empty means all.
    pub sites: Vec<String>,
    /// Language of their letters, if not the study's first.
    pub language: Option<Language>,
    /// Id of whoever speaks for them, where several people share the address: without that person's word by mail no password of
    /// the account is chosen.
    pub representative: Option<String>,
}

impl Person {
    /// Whether they may act for that site.
    pub fn acts_for(&self, site: &str) -> bool {
        self.sites.is_empty() || self.sites.iter().any(|own| own == site)
    }

    /// Whether they act for one of those sites: of a subject, that under which it was enrolled and that to which it was corrected.
    pub fn acts_for_any<'a>(&self, sites: impl IntoIterator<Item = &'a str>) -> bool {
        sites.into_iter().any(|site| self.acts_for(site))
    }

    /// Whether they may know arms of a blinded study: whoever enrolls or watches is blinded, whatever other role they have.
    pub fn knows_arms(&self) -> bool {
        self.roles.iter().any(|role| role.unblinded())
            && !self.roles.iter().any(|role| role.enrolls() || *role == Role::Monitor)
    }

    /// Whether they have that role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

/// What a study demands before it acts on a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trust {
    /// What our border must have said of the sender.
    pub authentication: Authentication,
    /// A valid site token in the address is needed on top.
    pub token: bool,
    /// Each enrollment must be confirmed by replying to a one-time token.
    pub confirm: bool,
    /// How mails that enroll or act must be sealed.
    pub openpgp: Sealing,
    /// Letters with case data leave encrypted or not at all.
    pub encrypt_letters: bool,
}

/// How a mail must be sealed by OpenPGP before a study acts on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealing {
    /// It must bear a valid signature by the key of its sender.
    pub signed: bool,
    /// It must come encrypted to us.
    pub encrypted: bool,
}

impl Sealing {
    /// Word in `study.toml`.
    pub const fn key(self) -> &'static str {
        match (self.signed, self.encrypted) {
            (false, false) => "off",
            (true, false) => "signed",
            (false, true) => "encrypted",
            (true, true) => "required",
        }
    }
}

/// What our border must have said of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// A DMARC pass aligned with the From domain (RFC 7489).
    Dmarc,
    /// Nothing: closed networks only.
    Open,
}

/// How a subject is registered.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Id of the instrument.
    pub instrument: String,
    /// Item that holds the site's code; `None` in a study with one site.
    pub site_item: Option<String>,
    /// Item that holds the site's own reference of the subject: the business key. Empty where participants enroll themselves: then
    /// the participant is it.
    pub subject_item: String,
    /// How far that reference is unique.
    pub unique_within: UniqueWithin,
    /// Whether a subject may be screened again.
    pub rescreening: Rescreening,
}

/// Whether a subject may be screened again, as another one that points at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rescreening {
    /// What must have become known of the earlier subject: one of these; never if there is none.
    pub after: Vec<FactKind>,
    /// How often a person may be screened again.
    pub most: u32,
}

impl Default for Rescreening {
    /// Never.
    fn default() -> Rescreening {
        Rescreening { after: Vec::new(), most: 1 }
    }
}

/// How far a subject reference is unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UniqueWithin {
    /// One subject of that reference in the whole study.
    Study,
    /// One at each site.
    Site,
}

/// A condition of enrollment.
#[derive(Clone, Debug)]
pub struct Criterion {
    /// Short name, unique in the study.
    pub id: String,
    /// True for an eligible subject; names registration items.
    pub rule: Expression,
    /// What the physician reads when it does not hold.
    pub message: Text,
}

/// Greatest numbers of subjects; a cap is exact under concurrency. Caps of sites stand at the sites.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// In the whole study.
    pub total: Option<u32>,
    /// Per arm's code: an arm that is full closes the study to everybody, so that no refusal tells an arm.
    pub arms: Vec<(String, u32)>,
    /// In each stratum (combination of the factors the scheme stratifies by).
    pub stratum: Option<u32>,
}

/// Who may give an arm by hand instead of having it drawn, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forcing {
    /// How many allocations of the study at most; 0 where arms are only drawn.
    pub limit: u32,
    /// Roles that may.
    pub roles: Vec<Role>,
}

impl Forcing {
    /// Whether a person may give an arm in a study blinded so: never one who enrolls, under whatever other role, and in a
    /// blinded study only one who may know arms.
    pub fn allows(&self, blinding: Blinding, person: &Person) -> bool {
        let knows = match blinding {
            Blinding::Open => true,
            Blinding::Blinded => person.roles.iter().any(|role| role.unblinded()) && !person.has(Role::Monitor),
        };
        knows && self.roles.iter().any(|role| person.has(*role)) && !person.roles.iter().any(|role| role.enrolls())
    }
}

/// Greatest numbers of subjects per site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteCaps {
    /// Of every site without one of its own.
    pub each: Option<u32>,
    /// Of single sites, by code.
    pub own: BTreeMap<String, u32>,
}

impl SiteCaps {
    /// The cap of that site.
    pub fn of(&self, code: &str) -> Option<u32> {
        self.own.get(code).copied().or(self.each)
    }
}

/// A further randomization of subjects who are enrolled, such as a second one of responders.
#[derive(Clone, Debug)]
pub struct Randomization {
    /// Lower-case name without digits; never [`FIRST`].
    pub id: String,
    /// What people read.
    pub title: Text,
    /// Id of the instrument whose items a request fills in.
    pub instrument: String,
    /// What must hold, if anything must; its id is that of the randomization.
    pub condition: Option<Criterion>,
    /// Public names of its arms, whose codes no other allocation of the study has.
    pub arms: Vec<Arm>,
    /// How arms are allocated.
    pub scheme: Scheme,
    /// How its later decisions count subjects of which something became known.
    pub recounting: Recounting,
    /// Who may give an arm of it by hand, and how often.
    pub forcing: Forcing,
    /// Greatest numbers of subjects in it.
    pub caps: Caps,
    /// Greatest numbers of subjects in it per site.
    pub site_caps: SiteCaps,
}

impl Randomization {
    /// Its rules.
    pub fn rules(&self) -> Rules<'_> {
        let Randomization { id, scheme, arms, caps, recounting, forcing, .. } = self;
        Rules { id, scheme, arms, caps, recounting, forcing }
    }
}

/// What one allocation goes by, be it the first or a further one.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Its id.
    pub id: &'a str,
    /// How arms are allocated.
    pub scheme: &'a Scheme,
    /// Public names of its arms.
    pub arms: &'a [Arm],
    /// Greatest numbers of subjects, those of sites aside.
    pub caps: &'a Caps,
    /// How later decisions count subjects of which something became known.
    pub recounting: &'a Recounting,
    /// Who may give an arm by hand, and how often.
    pub forcing: &'a Forcing,
}

/// One kit of a blinded study.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kit {
    /// What the site learns.
    pub code: String,
    /// Arm it belongs to.
    pub arm: String,
    /// Site it lies at; `None` for a central stock.
    pub site: Option<String>,
    /// Last day it may be given; `None` if it does not expire.
    pub expires: Option<chrono::NaiveDate>,
    /// Lot it was made in; empty if none was listed.
    pub lot: String,
}

/// Who is told of an enrollment, beside the physician.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Everybody with this role (who acts for the subject's site).
    pub role: Role,
}

/// Who is told each day how far the study and its chain have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Roles that get the letter; none switches it off.
    pub roles: Vec<Role>,
    /// Minute of the day in the study's zone, from 0.
    pub minute: u32,
}

impl Default for Digest {
    /// The statistician, at seven in the morning.
    fn default() -> Digest {
        Digest { roles: vec![Role::Statistician], minute: 7 * 60 }
    }
}

/// Address and trust facts a bundle may bring itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Service address, such as `reg@example.jp`.
    pub address: String,
    /// Authentication servers whose word counts (RFC 8601 section 2.5).
    pub authserv_ids: Vec<String>,
    /// Right-hand side of our Message-IDs.
    pub message_id_domain: String,
}
