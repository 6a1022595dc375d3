//! Samples of the letters on forms of events.

use super::{invented_form, with_a_gap};
use crate::domain::time::Instant;
use crate::letters::facts::{
    Enrollment, EventEntry, EventForm, EventName, Facts, FollowUpConfirm, FollowUpConflict, FollowUpDone, FollowUpForm,
    FollowUpHead, FollowUpRefused, Lacking, Reader,
};
use crate::letters::kind::Kind;

/// What differs most from a sample; nothing of any other letter.
pub(super) fn variants(full: &Facts) -> Vec<Facts> {
    match full {
        Facts::FollowUpForm(facts) => {
            let (mut open, mut form) = (facts.clone(), facts.form.clone());
            if let Some(form) = &mut form {
                let head = FollowUpHead { subject: String::new(), event: String::new(), ..head_of(facts) };
                form.follow_up = Some(FollowUpHead { form: "visit".into(), ..head });
            }
            let names = vec![EventName { id: "week_4".into(), title: "Week 4".into() }];
            (open.subject, open.event, open.window, open.form) = (String::new(), String::new(), None, None);
            open.events.clone_from(&names);
            let lacks = vec![Lacking::subject()];
            let sent = FollowUpForm { sent: true, lacks, which: "Week 12".into(), form, ..open.clone() };
            let forms = FollowUpForm { forms: names, sent: true, window: None, form: None, ..facts.clone() };
            [open, sent, forms].map(Facts::FollowUpForm).into()
        }
        Facts::FollowUpRefused(facts) => {
            let bare = FollowUpRefused { faults: Vec::new(), unknown: Vec::new(), form: None, ..facts.clone() };
            vec![Facts::FollowUpRefused(bare)]
        }
        Facts::FollowUpDone(facts) => {
            let done = FollowUpDone { unused: Vec::new(), window: None, ..facts.clone() };
            let before = FollowUpDone { before: true, occasion: 2, ..done.clone() };
            let superseded = FollowUpDone { superseded: true, ..before.clone() };
            let corrected = FollowUpDone { reason: "misread".into(), ..done.clone() };
            let kept = corrected.clone().without_reason();
            [done, before, superseded, corrected, kept].map(Facts::FollowUpDone).into()
        }
        Facts::FollowUpConfirm(facts) => {
            let bare = FollowUpConfirm { doubts: Vec::new(), window: None, unused: Vec::new(), ..facts.clone() };
            let correcting = FollowUpConfirm { reason: "misread".into(), ..bare.clone() };
            [bare, correcting].map(Facts::FollowUpConfirm).into()
        }
        _ => Vec::new(),
    }
}

fn head_of(facts: &FollowUpForm) -> FollowUpHead {
    let head = facts.form.as_ref().and_then(|form| form.follow_up.clone());
    head.expect("the sample has the head of a form of an event")
}

/// The letters as a study that has events would send them.
pub(super) fn of_study(
    kind: Kind,
    reader: &Reader<'_>,
    enrollment: &Enrollment<'_>,
    service: &str,
    now: Instant,
) -> Option<Facts> {
    let event = reader.study.events.first()?;
    let instrument = event.instruments.iter().find_map(|id| reader.study.find_instrument(id))?;
    let window = event.timing.as_ref().and_then(|timing| timing.window(reader.today));
    let about = EventForm { event, instrument, window, subject: enrollment.subject, site: enrollment.site };
    let form = invented_form(instrument, enrollment.site, reader.today);
    let answers = form.canonical();
    let entry = EventEntry {
        at: Some(now),
        person: &reader.person.id,
        occasion: event.repeats.then_some(1),
        digest: "00",
        answers: &answers,
        reason: "",
    };
    Some(match kind {
        Kind::FollowUpForm => Facts::FollowUpForm(FollowUpForm::blank(reader, about)),
        Kind::FollowUpRefused => {
            Facts::FollowUpRefused(FollowUpRefused::new(reader, about, &with_a_gap(form), "", &[]))
        }
        Kind::FollowUpDone => Facts::FollowUpDone(FollowUpDone::new(reader, about, entry, Some(&form), None)),
        Kind::FollowUpConflict => {
            Facts::FollowUpConflict(FollowUpConflict::new(reader, about, entry, &with_a_gap(form.clone())))
        }
        Kind::FollowUpConfirm => {
            let to = (service.replacen('@', "+TOKEN@", 1), now.plus_seconds(86_400));
            Facts::FollowUpConfirm(FollowUpConfirm::new(reader, about, &form, None, (&to.0, to.1)))
        }
        _ => return None,
    })
}
