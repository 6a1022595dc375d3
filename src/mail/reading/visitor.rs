//! What a mail asks for that comes from none of the staff.

use super::content::Content;
use super::outcome::{Disposition, Reading};
use super::read::{World, affirms, mended, script, vetoed};
use super::reason::Reason;
use super::recipient::SubAddress;
use super::subject::Subject;
use super::vocabulary::Wish;
use super::{cut, form, returned};
use crate::domain::answer::Form;
use crate::domain::deed::Deed;
use crate::domain::instrument::Instrument;
use crate::domain::request::{Act, Request};
use crate::domain::study::Study;

/// What somebody asks for who is none of the staff, and may be a participant: that is for the database to tell. None for what
/// is nothing of a survey's.
pub(super) fn asked(
    world: &World<'_>,
    reading: &Reading,
    study: &Study,
    subject: &Subject,
    content: &Content,
) -> Option<Reading> {
    let instrument = study.find_instrument(&study.survey.as_ref()?.instrument)?;
    if !content.problems.is_empty() {
        return (subject.wish == Some(Wish::Link)).then(|| reading.clone().hold(content.problems.clone()));
    }
    let requested = |disposition, act| {
        let language = script(study, reading).or(study.languages.first().copied()).unwrap_or(reading.language);
        let request = Request { study: study.slug.clone(), person: String::new(), language, act };
        Some(Reading { disposition, request: Some(request), language, ..reading.clone() })
    };
    if subject.wish == Some(Wish::Link) {
        return requested(Disposition::Reply, Act::Link);
    }
    let filled = form::fill(world, study, instrument, content);
    let form = match filled.and_then(|form| mended(world, reading, study, instrument, content, form)) {
        Ok(form) => form,
        Err(reason) => return Some(reading.clone().hold([reason])),
    };
    let confirms = matches!(reading.sub_address, Some(SubAddress::Confirm(_)));
    if form.typed.is_empty()
        && !confirms
        && let Some(seen) = unread(world, study, instrument, subject, content)
    {
        return requested(Disposition::ReplyError, Act::Respond(seen));
    }
    match &reading.sub_address {
        // It is answered that both forms are filled in on the page.
        _ if form.typed.is_empty() && form::enrolls(world, study, content) => {
            requested(Disposition::ReplyError, Act::SurveyForm)
        }
        _ if !form.typed.is_empty() => {
            if vetoed(instrument, subject, content) {
                return Some(reading.clone().hold([Reason::OtherRequest]));
            }
            let faulty = !form.faults.is_empty();
            let disposition = if faulty { Disposition::ReplyError } else { Disposition::Register };
            requested(disposition, Act::Respond(form))
        }
        Some(SubAddress::Confirm(token)) if affirms(&content.text) => {
            requested(Disposition::Reply, Act::Confirm(token.clone()))
        }
        Some(SubAddress::Confirm(token)) => requested(Disposition::Reply, Act::Unconfirmed(token.clone())),
        _ if subject.wish == Some(Wish::Form) => requested(Disposition::Reply, Act::SurveyForm),
        _ if subject.wish == Some(Wish::Help) => requested(Disposition::Reply, Act::Help),
        // Of themself: an act about a subject is for the staff to ask for.
        _ if subject.wish == Some(Wish::Deed(Deed::Withdraw)) => requested(Disposition::Reply, Act::Leave),
        _ => None,
    }
}

/// The answers to a survey that stand in a mail's quotation alone, and in no whole frame of ours: they are shown to the sender and not
/// taken. None where the sender's own words are a question, or speak of something else, which is for a person to read.
fn unread(
    world: &World<'_>,
    study: &Study,
    instrument: &Instrument,
    subject: &Subject,
    content: &Content,
) -> Option<Form> {
    let may_bring = subject.wish.is_none_or(|wish| wish == Wish::Form || wish.brings_data());
    let own = cut::cut(&content.text, &|_| None);
    let asks = own.iter().any(|kept| kept.line.contains(['?', '？']));
    if content.undecidable || !may_bring || asks || vetoed(instrument, subject, content) {
        return None;
    }
    let lines = returned::quoted(&content.text)?;
    let seen = form::fill_text(study, instrument, &lines, world.now.day_in(study.zone)).ok()?;
    (!seen.typed.is_empty()).then(|| form::unread(seen))
}
