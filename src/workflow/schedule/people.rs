//! Who gets letters of a schedule, and what happened to them: read for a page of people at once, and put before
//! [`decide()`](crate::domain::schedule::decide()).

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::super::addresses::Fates;
use super::super::again;
use super::super::course;
use super::super::enroll::stored_answers;
use super::super::respond::answers_once;
use super::super::shelf::ShelvedStudy;
use super::super::{Failure, credentials, opt_out};
use super::subjects;
use crate::domain::answer::of_canonical;
use crate::domain::expression::Scope;
use crate::domain::schedule::{
    After, Anchor, ClockOf, Decision, Escalation, Facts, Letter, Mark, Moment, Past, Planned, Rule, Schedule, Stop,
    Target, TargetKind, decide, escalation, stopped,
};
use crate::domain::study::{FIRST, Study};
use crate::domain::survey::{Access, Privacy, Survey};
use crate::domain::time::{Instant, Zone};
use crate::domain::token::AddressKey;
use crate::store::credential::{self, CredentialRow};
use crate::store::participant::{self, ParticipantRow};
use crate::store::planned_letter::{self, PlannedLetter};
use crate::store::schedule::RuleRow;
use crate::store::study::{State, StudyRow};
use crate::store::{Store, Tx, fact, response, subject};

/// The schedule in force, and what of its study letters depend on.
pub(super) struct Office<'a> {
    /// The study.
    pub(super) shelved: &'a ShelvedStudy,
    /// Its schedule.
    pub(super) schedule: &'a Schedule,
    /// Its rules as they are kept.
    pub(super) rules: BTreeMap<String, RuleRow>,
    /// What is on file of subjects, outside the transaction.
    pub(super) store: &'a Store,
    /// Its row, locked.
    pub(super) row: StudyRow,
    /// Now.
    pub(super) now: Instant,
    /// The key by which addresses are known again.
    pub(super) key: &'a AddressKey,
}

/// What is decided of a rule for somebody.
pub(super) enum Verdict {
    /// This letter is the next.
    Next(Planned),
    /// This letter is left out for good.
    Skip(Planned, String),
    /// None comes, as things stand.
    Ended(String),
}

impl<'a> Office<'a> {
    pub(super) fn study(&self) -> &'a Study {
        &self.shelved.study
    }

    /// Whether nobody may know who answered.
    pub(super) fn is_nobodys(&self) -> bool {
        self.study().survey.as_ref().is_some_and(|survey| survey.privacy == Privacy::FullyAnonymous)
    }

    /// Since when letters of a rule come; none before it was looked at first.
    fn begins(&self, rule: &Rule, somebody: &Somebody) -> Option<Instant> {
        let study = self.study();
        let mut begins = self.rules.get(&rule.id)?.begins_at;
        if let Some(opens) = study.survey.as_ref().and_then(|survey| survey.opens).filter(|_| rule.audience.answers()) {
            begins = begins.max(study.zone.resolve(opens.into()));
        }
        // Nobody is sent what came before they were there; what comes once comes to them, too.
        if let (Moment::Cron(_), About::Participant(row)) = (&rule.moment, &somebody.about) {
            begins = begins.max(row.created_at);
        }
        Some(begins)
    }
}

/// What letters are about.
pub(super) enum About {
    /// Somebody who answers about themselves, and gets them.
    Participant(Box<ParticipantRow>),
    /// The subject of that number in the study; those get them who act for one of its sites.
    Subject(i64, Vec<String>),
    /// Everything together, to a person of the study.
    Person,
}

/// What letters are about, with what happened to it.
pub(super) struct Somebody {
    /// As letters name it.
    pub(super) target: Target,
    /// What it is.
    pub(super) about: About,
    /// The credential that lets them in; none where none does, or nobody may know which.
    pub(super) own: Option<CredentialRow>,
    /// What comes next, rule by rule.
    pub(super) planned: BTreeMap<String, PlannedLetter>,
    /// Whose clock counts.
    pub(super) zone: Zone,
    /// What happened, the last time it did.
    pub(super) happened: BTreeMap<Anchor, Mark>,
    /// When they answered last.
    pub(super) answered: Option<Instant>,
    /// Of a subject, when the forms of events came in, by the event's id.
    pub(super) forms: BTreeMap<String, Instant>,
    /// From when on letters end.
    pub(super) stops: BTreeMap<Stop, Instant>,
    /// Whether they answered, and can do so once.
    spent: bool,
    /// Whether letters to their address come back, so that none is sent.
    unreached: bool,
    /// The last day of an absence that an automatic answer told.
    away_until: Option<NaiveDate>,
}

impl Somebody {
    /// Something of which nothing is known yet.
    pub(super) fn new(target: Target, about: About, zone: Zone) -> Somebody {
        Somebody {
            target,
            about,
            own: None,
            planned: BTreeMap::new(),
            zone,
            happened: BTreeMap::new(),
            answered: None,
            forms: BTreeMap::new(),
            stops: BTreeMap::new(),
            spent: false,
            unreached: false,
            away_until: None,
        }
    }

    /// The row of a participant.
    ///
    /// # Errors
    /// A contradiction where it is none.
    pub(super) fn row(&self) -> Result<&ParticipantRow, Failure> {
        let nobody =
            || Failure::Contradiction(format!("{} {} is no participant", self.target.kind.key(), self.target.id));
        match &self.about {
            About::Participant(row) => Ok(row),
            About::Subject(..) | About::Person => Err(nobody()),
        }
    }

    fn facts<'f>(
        &'f self,
        office: &'f Office<'_>,
        begins: Instant,
        past: Option<Past>,
        (rule, scope): (&Rule, Option<&'f Scope>),
    ) -> Facts<'f> {
        let form = match &rule.moment {
            Moment::After(After { anchor: Anchor::Due(id) | Anchor::Event(id), .. }) => Some(id),
            _ => None,
        };
        Facts {
            zone: self.zone,
            days: &office.schedule.days,
            begins,
            happened: &self.happened,
            answered: form.map_or(self.answered, |event| self.forms.get(event).copied()),
            stops: &self.stops,
            away_until: self.away_until,
            past,
            scope,
        }
    }

    /// What comes next of a rule behind that letter; its condition is looked at where there is a scope.
    pub(super) fn verdict(
        &self,
        office: &Office<'_>,
        rule: &Rule,
        past: Option<Past>,
        scope: Option<&Scope>,
    ) -> Verdict {
        if let Some(why) = self.is_out_of_reach(office, rule) {
            return Verdict::Ended(why.to_string());
        }
        let Some(begins) = office.begins(rule, self) else { return Verdict::Ended("its rule is new".to_string()) };
        match decide(rule, &self.facts(office, begins, past, (rule, scope)), office.now) {
            Decision::Ended(reason) => Verdict::Ended(reason.to_string()),
            // Each invitation brings an access of its own there, of which nobody knows whose it is.
            Decision::Next(_) | Decision::Skip(..)
                if office.is_nobodys() && rule.letter == Letter::Invitation && self.invited_by_rule().is_some() =>
            {
                Verdict::Ended("was given an access already".to_string())
            }
            Decision::Skip(letter, reason) => Verdict::Skip(letter, reason.to_string()),
            Decision::Next(letter) if self.is_invited_otherwise(rule, &letter) => {
                Verdict::Skip(letter, "was invited otherwise".to_string())
            }
            Decision::Next(letter) => Verdict::Next(letter),
        }
    }

    /// When those are told who are to hear that letters led to no answer, the last of them being that one.
    pub(super) fn escalation(
        &self,
        office: &Office<'_>,
        rule: &Rule,
        own: &Escalation,
        past: Option<Past>,
    ) -> Option<Planned> {
        let facts = self.facts(office, office.begins(rule, self)?, past, (rule, None));
        escalation(rule, own, &facts)
    }

    /// Why a letter of a rule that was written must not leave any more.
    pub(super) fn is_stopped(&self, office: &Office<'_>, rule: &Rule) -> Option<String> {
        if let Some(why) = self.is_out_of_reach(office, rule) {
            return Some(why.to_string());
        }
        let facts = self.facts(office, Instant(i64::MIN), None, (rule, None));
        stopped(rule, &facts, office.now).map(|reason| reason.to_string())
    }

    fn is_out_of_reach(&self, office: &Office<'_>, rule: &Rule) -> Option<&'static str> {
        let About::Participant(row) = &self.about else { return None };
        if row.address.is_empty() {
            return Some("no address is on file");
        }
        if self.unreached {
            return Some("letters to the address come back");
        }
        if self.own.is_none() && !office.is_nobodys() && !self.stops.contains_key(&Stop::Expiry) {
            return Some("no credential was issued");
        }
        (self.spent && !rule.until_response && rule.letter.asks()).then_some("has answered, and can do so once")
    }

    /// Whether somebody was invited by a letter of no rule (`hagaki credentials issue`, or because they asked), so that this one would be
    /// the second to ask the same.
    fn is_invited_otherwise(&self, rule: &Rule, letter: &Planned) -> bool {
        if rule.letter != Letter::Invitation {
            return false;
        }
        let by_rule = self.invited_by_rule();
        let told = self.own.as_ref().and_then(|own| own.issued_at);
        let Some(told) = told.filter(|told| by_rule.is_none_or(|by_rule| *told > by_rule)) else { return false };
        let asks_once = rule.is_once() && !matches!(rule.moment, Moment::After(_));
        asks_once || told.day_in(self.zone) == letter.at.day_in(self.zone)
    }

    fn invited_by_rule(&self) -> Option<Instant> {
        let invitations = self.planned.values().filter(|one| one.letter == Letter::Invitation);
        invitations.filter_map(|one| one.sent_at).max()
    }

    /// Notes the last invitation, by whatever way it came.
    pub(super) fn note_invitation(&mut self) {
        let told = self.own.as_ref().and_then(|own| own.issued_at);
        if let Some(at) = self.invited_by_rule().into_iter().chain(told).max() {
            self.happened.insert(Anchor::Invitation, self.mark(at));
        }
    }

    /// The day on which they were invited last.
    pub(super) fn asked_on(&self) -> Option<NaiveDate> {
        self.happened.get(&Anchor::Invitation).map(|mark| mark.day)
    }

    fn mark(&self, at: Instant) -> Mark {
        Mark { day: at.day_in(self.zone), at: Some(at), closes: None }
    }

    /// What a rule's condition can name.
    ///
    /// # Errors
    /// The database; records that contradict each other.
    pub(super) async fn scope(&self, tx: &mut Tx, office: &Office<'_>) -> Result<Scope, Failure> {
        let today = office.now.day_in(self.zone);
        match &self.about {
            About::Participant(row) => scope_of(tx, office, row.id, today).await,
            About::Subject(number, _) => subjects::scope(tx, office, *number, today).await,
            About::Person => Ok(Scope::blank([], today)),
        }
    }
}

/// What the condition of a rule can name of a participant: the last response, and the registration of whoever enrolled themself.
async fn scope_of(tx: &mut Tx, office: &Office<'_>, participant: i64, today: NaiveDate) -> Result<Scope, Failure> {
    let study = office.study();
    let survey = study.survey.as_ref().filter(|survey| survey.privacy.names());
    let asked = survey.and_then(|survey| study.find_instrument(&survey.instrument));
    let enrolls = study.enrolls_itself();
    let registration = study.registration_instrument().items.iter().filter(|_| enrolls && asked.is_some());
    let names: Vec<&str> =
        registration.chain(asked.iter().flat_map(|asked| &asked.items)).map(|item| item.id.as_str()).collect();
    let mut scope = Scope::blank(names.iter().copied(), today);
    let Some(asked) = asked else { return Ok(scope) };
    if let Some(own) = subject::find_by_participant(&mut *tx, participant).await?.filter(|_| enrolls) {
        let facts = fact::list_by_subject(&mut *tx, own.id).await?;
        let day = own.enrolled_at.day_in(study.zone);
        let form = again::registered_as(study, stored_answers(&own)?, &facts, day)?;
        scope = scope.with(&form.answers);
    }
    let last = response::list_of(&mut *tx, participant, &asked.id).await?.pop();
    let answers: BTreeMap<String, String> =
        last.and_then(|last| serde_json::from_str(&last.answers).ok()).unwrap_or_default();
    for item in &asked.items {
        if let Some(value) = answers.get(&item.id).and_then(|answer| of_canonical(&item.kind, answer)) {
            scope.set(&item.id, &value);
        }
    }
    Ok(scope)
}

/// Reads what happened to participants of a locked study.
///
/// # Errors
/// The database; records that contradict each other.
pub(super) async fn participants(
    tx: &mut Tx,
    office: &Office<'_>,
    rows: Vec<ParticipantRow>,
) -> Result<Vec<Somebody>, Failure> {
    let study = office.study();
    let Some(survey) = &study.survey else { return Ok(Vec::new()) };
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let mut own: BTreeMap<i64, Vec<CredentialRow>> = BTreeMap::new();
    for one in credential::list_of_all(tx, &ids).await? {
        own.entry(one.participant_id.unwrap_or_default()).or_default().push(one);
    }
    let days: BTreeMap<i64, String> = credential::last_days(tx, &ids).await?.into_iter().collect();
    let moments: BTreeMap<i64, Instant> = match survey.privacy.names() {
        true => response::last_moments(tx, &ids).await?.into_iter().collect(),
        false => BTreeMap::new(),
    };
    let mailed_to: Vec<&str> = rows.iter().map(|row| row.address.as_str()).collect();
    let fates = Fates::read(&mut *tx, office.key, &mailed_to).await?;
    let mut planned: BTreeMap<String, BTreeMap<String, PlannedLetter>> = BTreeMap::new();
    let targets: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
    for one in planned_letter::list_of(tx, office.shelved.id, TargetKind::Participant, &targets).await? {
        planned.entry(one.target.id.clone()).or_default().insert(one.rule.clone(), one);
    }
    let closes = closes(office, Some(survey));
    let addresses: Vec<(i64, &str)> = rows.iter().map(|row| (row.id, row.address.as_str())).collect();
    let unsubscribed = opt_out::among(&mut *tx, office.key, &addresses).await?;
    let mut people = Vec::with_capacity(rows.len());
    for row in rows {
        let zone = zone_of(office, &row);
        let target = Target::participant(row.id);
        let own = own.remove(&row.id).unwrap_or_default();
        let active = own.iter().rfind(|one| one.state == credential::State::Active).cloned();
        let mut stops = closes.clone();
        if row.state == participant::State::Withdrawn {
            stops.insert(Stop::Withdrawal, Instant(i64::MIN));
        }
        if unsubscribed.contains_key(&row.id) {
            stops.insert(Stop::Unsubscribe, Instant(i64::MIN));
        }
        match &active {
            Some(active) => {
                if let Some(until) = active.validity.until {
                    stops.insert(Stop::Expiry, until);
                }
            }
            None if !own.is_empty() => {
                stops.insert(Stop::Expiry, Instant(i64::MIN));
            }
            None => {}
        }
        let answered = match (moments.get(&row.id), days.get(&row.id)) {
            (Some(at), _) => Some(*at),
            // Of an answer the day alone is kept: it counts as given at its end, but not later than now.
            (None, Some(day)) => day.parse().ok().map(|day| end_of(day, study.zone).min(office.now)),
            (None, None) => None,
        };
        let spent = answered.is_some() && active.as_ref().is_some_and(|own| answers_once(survey, own));
        let planned = planned.remove(&target.id).unwrap_or_default();
        let unreached = fates.is_stopped(&row.address);
        let away_until = fates.find(&row.address).and_then(|fate| fate.away_until);
        let about = About::Participant(Box::new(row));
        let known = Somebody { unreached, away_until, ..Somebody::new(target, about, zone) };
        let mut somebody = Somebody { planned, own: active, answered, stops, spent, ..known };
        somebody.note_invitation();
        if let Some(at) = answered {
            let mark = somebody.mark(at);
            somebody.happened.insert(Anchor::LastResponse, mark);
        }
        note_further(tx, office, survey, &mut somebody).await?;
        people.push(somebody);
    }
    Ok(people)
}

/// What rules count from beside invitations and responses, where any does: when somebody enrolled, and days that were answered.
async fn note_further(
    tx: &mut Tx,
    office: &Office<'_>,
    survey: &Survey,
    somebody: &mut Somebody,
) -> Result<(), Failure> {
    let (study, whose) = (office.study(), somebody.row()?.id);
    if study.enrolls_itself()
        && let Some(own) = subject::find_by_participant(&mut *tx, whose).await?
    {
        let mark = somebody.mark(own.enrolled_at);
        somebody.happened.insert(Anchor::Enrolled, mark);
        somebody.happened.insert(Anchor::Randomized(FIRST.to_string()), mark);
        let facts = fact::list_by_subject(&mut *tx, own.id).await?;
        if let Some(stop) = course::ended_by(&facts) {
            // Whoever is withdrawn as a subject is so as a participant: what is told is why.
            somebody.stops.remove(&Stop::Withdrawal);
            somebody.stops.insert(stop, Instant(i64::MIN));
        }
    }
    let items =
        office.schedule.rules.iter().filter(|rule| rule.audience.answers()).filter_map(|rule| match &rule.moment {
            Moment::After(After { anchor: anchor @ Anchor::Item { instrument, item }, .. }) => {
                Some((anchor, instrument, item))
            }
            _ => None,
        });
    for (anchor, instrument, item) in items.filter(|_| survey.privacy.names()) {
        let responses = response::list_of(&mut *tx, whose, instrument).await?;
        let day = responses.iter().rev().find_map(|one| {
            let answers: BTreeMap<String, String> = serde_json::from_str(&one.answers).ok()?;
            answers.get(item)?.parse::<NaiveDate>().ok()
        });
        if let Some(day) = day {
            somebody.happened.insert(anchor.clone(), Mark { day, at: None, closes: None });
        }
    }
    Ok(())
}

/// When no letter of a study goes out any more; of a survey, to those who answer it.
pub(super) fn closes(office: &Office<'_>, survey: Option<&Survey>) -> BTreeMap<Stop, Instant> {
    let cap = survey.and_then(|survey| survey.cap);
    let full = cap.is_some_and(|cap| office.row.responses >= i64::from(cap));
    if office.row.state == State::Closed || full {
        return BTreeMap::from([(Stop::Close, Instant(i64::MIN))]);
    }
    let behind = survey.and_then(|survey| survey.closes).and_then(|day| day.succ_opt());
    behind.map(|behind| (Stop::Close, office.study().zone.resolve(behind.into()))).into_iter().collect()
}

fn end_of(day: NaiveDate, zone: Zone) -> Instant {
    let behind = day.succ_opt().unwrap_or(day);
    zone.resolve(behind.into()).plus_seconds(-1)
}

/// The zone of somebody's letters: their own where the list told it and the schedule goes by it.
fn zone_of(office: &Office<'_>, row: &ParticipantRow) -> Zone {
    let zone = office.study().zone;
    match office.schedule.clock {
        ClockOf::Study => zone,
        ClockOf::Person => {
            let own = credentials::on_file(row).attributes.remove(crate::domain::participant::TIME_ZONE);
            own.and_then(|own| Zone::find(&own)).unwrap_or(zone)
        }
    }
}

/// Whether letters bring a link of their own, or lead to a page on which somebody signs in.
pub(super) fn brings_link(survey: &Survey, own: &CredentialRow) -> bool {
    survey.access == Access::Credentials && (own.link_digest.is_some() || own.login.is_none())
}
