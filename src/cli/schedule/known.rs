//! People of a rehearsal who are on file: participants with what became of their credentials, subjects with their courses.

use std::collections::BTreeMap;

use super::invented::{closes, rules_of};
use crate::cli::Refused;
use crate::domain::event;
use crate::domain::participant::TIME_ZONE;
use crate::domain::schedule::rehearsal::Somebody;
use crate::domain::schedule::{Anchor, ClockOf, Letter, Mark, Past, Schedule, Stop, Target, TargetKind};
use crate::domain::study::{FIRST, Study};
use crate::domain::time::{Instant, Zone};
use crate::domain::token::AddressKey;
use crate::limits;
use crate::store::credential::{self, CredentialRow};
use crate::store::participant::{self, ParticipantRow};
use crate::store::planned_letter::{self, Which};
use crate::store::{Store, allocation};
use crate::workflow::course::{self, Case};
use crate::workflow::credentials::on_file;
use crate::workflow::opt_out;
use crate::workflow::shelf::ShelvedStudy;

/// Participants that are read at once.
const PAGE: i64 = 500;

/// Somebody on file, without rules yet, and what they are to them.
pub(super) type Known = (TargetKind, Somebody);

/// Everybody on file whom a rule of one of the schedules is about.
///
/// # Errors
/// Those of the database; records that contradict each other; more people than a rehearsal takes.
pub(super) async fn people(
    store: &Store,
    key: &AddressKey,
    shelved: &ShelvedStudy,
    schedules: &[&Schedule],
    names: bool,
) -> anyhow::Result<Vec<Known>> {
    let wanted = |kind| schedules.iter().flat_map(|own| &own.rules).any(|rule| rule.target() == kind);
    let mut people = Vec::new();
    let most = limits::REHEARSED_PEOPLE as usize;
    let many = || {
        let right = "rehearse with invented people: --people 1000";
        Refused(format!("more than {most} people and subjects are on file; {right}"))
    };
    if wanted(TargetKind::Participant) {
        let mut after = 0;
        loop {
            let page = participant::list(store, shelved.id, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.number;
            let addresses: Vec<(i64, &str)> = page.iter().map(|row| (row.id, row.address.as_str())).collect();
            let unsubscribed = opt_out::among(store, key, &addresses).await?;
            for row in &page {
                let mut somebody = answering(store, &shelved.study, row, names).await?;
                if unsubscribed.contains_key(&row.id) {
                    somebody.stops.insert(Stop::Unsubscribe, Instant(i64::MIN));
                }
                people.push((TargetKind::Participant, somebody));
            }
            if people.len() > most {
                return Err(many().into());
            }
        }
    }
    if wanted(TargetKind::Subject) {
        // One more than is told shows that there are more.
        let page = i64::try_from(most.saturating_sub(people.len()))? + 1;
        for case in course::cases(store, shelved, &[], i64::MAX, page).await? {
            people.push((TargetKind::Subject, subject(store, &shelved.study, case).await?));
        }
        if people.len() > most {
            return Err(many().into());
        }
    }
    Ok(people)
}

async fn answering(store: &Store, study: &Study, row: &ParticipantRow, names: bool) -> anyhow::Result<Somebody> {
    let name = format!("participant {}", row.number);
    let shown = (names && !row.name.is_empty()).then(|| row.name.clone());
    let mut stops = closes(study);
    let mut happened = BTreeMap::new();
    if row.state == participant::State::Withdrawn {
        stops.insert(Stop::Withdrawal, Instant(i64::MIN));
    }
    let credentials = credential::list_of(store, row.id).await?;
    let active = |one: &&CredentialRow| one.state == credential::State::Active;
    match credentials.iter().rfind(active) {
        Some(own) => {
            if let Some(until) = own.validity.until {
                stops.insert(Stop::Expiry, until);
            }
            if let Some(at) = own.issued_at {
                happened.insert(Anchor::Invitation, Mark { day: at.day_in(study.zone), at: Some(at), closes: None });
            }
        }
        None if !credentials.is_empty() => {
            stops.insert(Stop::Expiry, Instant(i64::MIN));
        }
        None => {}
    }
    let (past, invited) = before(store, row.study_id, Target::participant(row.id)).await?;
    if let Some(at) =
        invited.filter(|at| happened.get(&Anchor::Invitation).is_none_or(|mark: &Mark| mark.at < Some(*at)))
    {
        happened.insert(Anchor::Invitation, Mark { day: at.day_in(study.zone), at: Some(at), closes: None });
    }
    // Of an answer the day is kept: it counts as given at its end.
    let uses = credential::uses_of_participant(store, row.id).await?;
    let last = uses.iter().filter_map(|used| used.day.parse::<chrono::NaiveDate>().ok()).max();
    let answered = last.and_then(|day| day.succ_opt()).map(|behind| study.zone.resolve(behind.into()).plus_seconds(-1));
    if let (Some(day), Some(at)) = (last, answered) {
        happened.insert(Anchor::LastResponse, Mark { day, at: Some(at), closes: None });
    }
    if study.enrolls_itself()
        && let Some(own) = crate::store::subject::find_by_participant(store, row.id).await?
    {
        let at = own.enrolled_at;
        let mark = Mark { day: at.day_in(study.zone), at: Some(at), closes: None };
        happened.insert(Anchor::Enrolled, mark);
        happened.insert(Anchor::Randomized(FIRST.to_string()), mark);
    }
    let zone = on_file(row).attributes.get(TIME_ZONE).and_then(|zone| Zone::find(zone));
    Ok(Somebody { name, shown, zone, happened, answered, stops, past, ..Somebody::default() })
}

/// The last letter of each rule about that, and when they were invited last by one.
async fn before(
    store: &Store,
    study_id: i64,
    target: Target,
) -> anyhow::Result<(BTreeMap<String, Past>, Option<Instant>)> {
    let which = Which { target: Some(&target), rule: None, from: Instant(i64::MIN), to: Instant(i64::MAX) };
    let rows = planned_letter::list(store, study_id, which, limits::SCHEDULE_LISTED).await?;
    let invitations = rows.iter().filter(|row| row.letter == Letter::Invitation);
    let invited = invitations.filter_map(|row| row.sent_at).max();
    Ok((rows.into_iter().filter_map(|row| Some((row.rule, row.past?))).collect(), invited))
}

async fn subject(store: &Store, study: &Study, case: Case<'_>) -> anyhow::Result<Somebody> {
    let enrolled = case.subject.enrolled_at;
    let mark = |at: Instant| Mark { day: at.day_in(study.zone), at: Some(at), closes: None };
    let mut happened = BTreeMap::from([(Anchor::Enrolled, mark(enrolled))]);
    for given in allocation::list_by_subject(store, case.subject.id).await? {
        happened.insert(Anchor::Randomized(given.randomization.clone()), mark(given.allocated_at));
    }
    let mut forms = BTreeMap::new();
    for station in &case.stations {
        let id = station.event.id.clone();
        if let Some(event::Window { day, closes, .. }) = station.window {
            happened.insert(Anchor::Due(id.clone()), Mark { day, at: None, closes: Some(closes) });
        }
        if let Some(day) = station.took_place {
            happened.insert(Anchor::Event(id.clone()), Mark { day, at: None, closes: None });
        }
        let complete = station.forms.iter().all(|(_, entries)| !entries.is_empty());
        let last = station.forms.iter().flat_map(|(_, entries)| entries).filter_map(|entry| entry.answered_at).max();
        if let Some(at) = last.filter(|_| complete) {
            forms.insert(id, at);
        }
    }
    let stops = case.ended.map(|stop| (stop, Instant(i64::MIN))).into_iter().collect();
    let name = study.subject_number(case.subject.number);
    let target = Target { kind: TargetKind::Subject, id: case.subject.id.to_string() };
    let (past, _) = before(store, case.subject.study_id, target).await?;
    Ok(Somebody { name, happened, forms, stops, past, ..Somebody::default() })
}

/// The same people by the rules of a schedule.
pub(super) fn by_rules(people: &[Known], schedule: &Schedule) -> Vec<Somebody> {
    let own = |(kind, somebody): &Known| Somebody {
        rules: rules_of(schedule, |rule| rule.target() == *kind),
        zone: somebody.zone.filter(|_| schedule.clock == ClockOf::Person),
        ..somebody.clone()
    };
    people.iter().map(own).collect()
}
