//! Escalations: whoever is to hear that somebody does not answer, or that a letter to them did not arrive. They are told of a number,
//! never of an answer.

use super::super::compose::{self, Addressing, Outgoing};
use super::super::ledger::Ledger;
use super::super::shelf::ShelvedStudy;
use super::super::{Failure, Means};
use super::people::{About, Office, Somebody};
use super::plan;
use crate::domain::schedule::{After, Anchor, Escalation, Letter, Moment, On, Past, Rule, TargetKind};
use crate::domain::study::{Person, Role};
use crate::letters::Facts;
use crate::letters::facts::{Silent, Tried, Unanswered};
use crate::limits;
use crate::store::outbox::OutboxRow;
use crate::store::planned_letter::{self, Fate, PlannedLetter, State, Which};
use crate::store::{Tx, participant};

/// What stands between a rule's id, the role that is told and after how many letters, where what comes next is kept; no id has it.
const TO: char = '>';

/// By what the letters of an escalation are kept beside those of its rule.
fn key(rule: &Rule, own: &Escalation) -> String {
    let after = match own.on {
        On::Unanswered { after } => after,
        On::Failed => 0,
    };
    format!("{}{TO}{}{TO}{after}", rule.id, own.to.key())
}

/// The id of the rule in what letters are kept by.
pub(super) fn rule_of(kept: &str) -> &str {
    kept.split(TO).next().unwrap_or_default()
}

/// The event that a rule's letters are about.
pub(super) fn event_of(rule: &Rule) -> Option<&String> {
    match &rule.moment {
        Moment::After(After { anchor: Anchor::Due(id) | Anchor::Event(id), .. }) => Some(id),
        _ => None,
    }
}

/// The escalations of a rule that wait for answers.
fn waiting(rule: &Rule) -> impl Iterator<Item = &Escalation> {
    rule.escalations.iter().filter(|own| matches!(own.on, On::Unanswered { .. }))
}

/// What of a rule's escalations changes for somebody, given the rule's last letter.
pub(super) fn changes<'r>(
    office: &'r Office<'_>,
    somebody: &'r Somebody,
    rule: &'r Rule,
    past: Option<&'r Past>,
) -> impl Iterator<Item = PlannedLetter> + 'r {
    waiting(rule).filter_map(move |own| {
        let key = key(rule, own);
        let before = somebody.planned.get(&key);
        let told = |row: &PlannedLetter, next: &crate::domain::schedule::Planned| {
            row.past.as_ref().is_some_and(|past| past.occasion == next.occasion)
        };
        let next = somebody.escalation(office, rule, own, past.cloned());
        match (next, before) {
            (Some(next), Some(row)) if told(row, &next) => None,
            (Some(next), _) => {
                let row = PlannedLetter {
                    study_id: office.shelved.id,
                    target: somebody.target.clone(),
                    letter: Letter::Unanswered,
                    state: match before.map(|row| row.state) {
                        Some(State::Held) => State::Held,
                        _ if office.rules.get(&rule.id).is_some_and(|row| row.held) => State::Held,
                        _ => State::Waiting,
                    },
                    occasion: Some(next.occasion),
                    due_at: next.at,
                    wished_at: next.wished,
                    urged: false,
                    why: String::new(),
                    past: before.and_then(|row| row.past.clone()),
                    sent_at: before.and_then(|row| row.sent_at),
                    rule: key,
                };
                before.is_none_or(|before| *before != row).then_some(row)
            }
            (None, Some(row)) if row.state != State::Ended => {
                let mut ended = row.clone();
                plan::end(&mut ended, "is not missed any more".to_string(), office.now);
                Some(ended)
            }
            (None, _) => None,
        }
    })
}

/// Tells those of a role that somebody does not answer, if that is so still; the letters, and what comes next.
///
/// # Errors
/// The database; a template that cannot state the letter.
pub(super) async fn tell(
    tx: &mut Tx,
    office: &Office<'_>,
    means: Means<'_>,
    somebody: &Somebody,
    row: &PlannedLetter,
) -> Result<(Vec<Outgoing>, PlannedLetter), Failure> {
    let mut next = row.clone();
    let rule = office.schedule.find(rule_of(&row.rule));
    let own = rule.and_then(|rule| waiting(rule).find(|own| key(rule, own) == row.rule).map(|own| (rule, own)));
    let Some((rule, own)) = own else {
        plan::end(&mut next, plan::GONE.to_string(), office.now);
        return Ok((Vec::new(), next));
    };
    let past = somebody.planned.get(&rule.id).and_then(|row| row.past.clone());
    let Some(due) = somebody.escalation(office, rule, own, past).filter(|due| row.urged || due.at <= office.now) else {
        plan::end(&mut next, "is not missed any more".to_string(), office.now);
        return Ok((Vec::new(), next));
    };
    let which = Which {
        target: Some(&somebody.target),
        rule: Some(&rule.id),
        from: crate::domain::time::Instant(i64::MIN),
        to: crate::domain::time::Instant(i64::MAX),
    };
    let sent = planned_letter::list_settled(&mut *tx, office.shelved.id, which, limits::SCHEDULE_LISTED).await?;
    let own_series = |fate: Fate, series| fate == Fate::Written && series == due.occasion.series;
    let days = sent.iter().filter(|(one, _)| own_series(one.fate, one.occasion.series)).map(|(one, _)| one.settled_at);
    let days: Vec<_> = days.collect();
    let tried = Tried {
        letters: u32::try_from(days.len()).unwrap_or(u32::MAX),
        since: days.iter().min().map(|at| at.day_in(office.study().zone)),
        failed: None,
    };
    let letters = match &somebody.about {
        About::Participant(row) => {
            letters(office.shelved, means, (&[own.to], &[]), Silent::Participant(row.number), tried)?
        }
        About::Subject(number, sites) => {
            let event = event_of(rule).and_then(|id| office.study().events.iter().find(|event| event.id == *id));
            let silent = Silent::Site { subject: *number, event: event.map(|event| (event, None)) };
            letters(office.shelved, means, (&[own.to], sites), silent, tried)?
        }
        About::Person => Vec::new(),
    };
    next.past = Some(Past { occasion: due.occasion, wished: due.wished });
    next.sent_at = Some(office.now);
    plan::end(&mut next, "was told".to_string(), office.now);
    Ok((letters, next))
}

/// One letter to each of those who have one of these roles, whoever has several of them.
fn letters(
    shelved: &ShelvedStudy,
    means: Means<'_>,
    (to, sites): (&[Role], &[String]),
    silent: Silent<'_>,
    tried: Tried<'_>,
) -> Result<Vec<Outgoing>, Failure> {
    let study = &shelved.study;
    let acts = |person: &Person| sites.is_empty() || sites.iter().any(|site| person.acts_for(site));
    let told = study.people.iter().filter(|person| to.iter().any(|role| person.has(*role)) && acts(person));
    told.map(|person| {
        let addressing = Addressing::unasked(study, person);
        let url = &means.desk.public_url;
        let facts = Unanswered::new(study, person, silent, tried, url, addressing.language);
        compose::compose(shelved, means, addressing, Facts::Unanswered(facts))
    })
    .collect()
}

/// A letter could not be delivered: those are told whom its rule names for that. Letters of no schedule are told to nobody here.
///
/// # Errors
/// The database; a template that cannot state the letter.
pub async fn tell_failed(
    ledger: &mut Ledger<'_>,
    means: Means<'_>,
    letter: &OutboxRow,
    status: &str,
) -> Result<(), Failure> {
    let (Some(study_id), true) = (letter.study_id, Letter::find(&letter.kind).is_some()) else { return Ok(()) };
    let found = planned_letter::list_of_messages(&mut ledger.tx, &[letter.message_id.as_str()]).await?;
    let Some(settled) = found.first() else { return Ok(()) };
    let shelf = ledger.shelf();
    let shelved = shelf.find_by_id(study_id).await?;
    let rule = shelved.study.schedule.as_ref().and_then(|own| own.find(&settled.rule));
    let participant = settled.target.number().filter(|_| settled.target.kind == TargetKind::Participant);
    let Some(number) = participant else { return Ok(()) };
    let whose = participant::load(&mut ledger.tx, number).await?;
    let tried = Tried { letters: 1, since: Some(settled.settled_at.day_in(shelved.study.zone)), failed: Some(status) };
    let named = rule.iter().flat_map(|rule| &rule.escalations).filter(|own| own.on == On::Failed);
    let to: Vec<Role> = named.map(|own| own.to).collect();
    let silent = Silent::Participant(whose.number);
    let outgoing = shelf.write_surely(&shelved, |shelved| letters(shelved, means, (&to, &[]), silent, tried))?;
    compose::post(&mut ledger.tx, Some(study_id), means, None, &outgoing).await
}
