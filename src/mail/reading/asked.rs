//! Requests about subjects who are enrolled: what a mail asks for by its words and its lines, or in a form of ours that it quotes.

use super::content::Content;
use super::form::agree;
use super::read::{World, answers_ours, speaks_of_else};
use super::reason::Reason;
use super::recipient::SubAddress;
use super::subject::Subject;
use super::vocabulary::Wish;
use super::{Reading, follow_up, randomize, returned};
use crate::domain::answer::Form;
use crate::domain::deed::Deed;
use crate::domain::request::{Act, FollowUp, Randomize};
use crate::domain::study::Study;

/// The act about a subject that a mail asks for; none for a reply to a one-time token that brings nothing new.
pub(super) fn deed(
    world: &World<'_>,
    reading: &Reading,
    study: &Study,
    deed: Deed,
    subject: &Subject,
    content: &Content,
) -> Result<Option<Act>, Reason> {
    let readable = if content.undecidable { "" } else { content.text.as_str() };
    let mut said = super::deed::read(study, deed, subject, readable)?;
    let mut twin = content.twin.clone();
    if matches!(reading.sub_address, Some(SubAddress::Confirm(_))) && !said.keyed {
        return Ok(None);
    }
    if !said.keyed
        && !said.registers
        && answers_ours(world, reading)
        && let Some(mended) = returned::form(&content.text)
    {
        said = super::deed::read(study, deed, subject, &mended)?;
        twin = content.twin.as_deref().and_then(returned::form);
    }
    if let Some(twin) = &twin
        && !super::deed::agree(&said, &super::deed::read(study, deed, subject, twin)?, twin)
    {
        return Err(Reason::TwinsDiffer);
    }
    // A registration form under such a word could mean either.
    let unclear = said.registers && !said.keyed && deed != Deed::Unblind;
    if unclear && !said.wanted.lacks().is_empty() {
        return Err(Reason::OtherRequest);
    }
    Ok(Some(Act::Deed(said.wanted)))
}

/// The subject whose state a mail asks for: named by a line as for every other request, by our number anywhere in the text, or in
/// the subject line; none where it names none. Of several all are given, as one name that nobody has.
pub(super) fn status(study: &Study, subject: &Subject, form: &Form, content: &str) -> Option<String> {
    let item = &study.registration.subject_item;
    let in_form = || form.value(item).or_else(|| form.typed.get(item).cloned());
    super::deed::named(study, content).or_else(in_form).or_else(|| subject.reference.clone())
}

/// The further randomization that a mail asks for; none where it asks for something else, or is a reply to a one-time token
/// that brings nothing new.
pub(super) fn randomization(
    world: &World<'_>,
    reading: &Reading,
    study: &Study,
    wish: Option<Wish>,
    subject: &Subject,
    content: &Content,
) -> Result<Option<Randomize>, Reason> {
    let today = world.now.day_in(study.zone);
    let readable = if content.undecidable { "" } else { content.text.as_str() };
    let mut said = randomize::read(study, subject, readable, today)?;
    let mut twin = content.twin.clone();
    if !said.keyed
        && !said.registers
        && answers_ours(world, reading)
        && let Some(mended) = returned::form(&content.text)
    {
        said = randomize::read(study, subject, &mended, today)?;
        twin = content.twin.as_deref().and_then(returned::form);
    }
    let filled = !said.wanted.form.typed.is_empty();
    let confirms = matches!(reading.sub_address, Some(SubAddress::Confirm(_)));
    let means_it = match wish {
        // A reply without new data is a yes, or none.
        _ if confirms && !filled => false,
        Some(Wish::Randomize) => !said.registers || filled,
        // The answer to a blank form still has that word in its subject.
        Some(Wish::Form) => (subject.randomizes || filled) && !said.registers,
        // Data decide before words.
        None => filled && !said.registers,
        Some(_) => false,
    };
    if !means_it {
        return Ok(None);
    }
    // Data of both forms could mean either.
    if said.registers {
        return Err(Reason::OtherRequest);
    }
    if let Some(twin) = &twin {
        let other = randomize::read(study, subject, twin, today)?;
        if !randomize::names_same(&said, &other, twin) || !agree(&said.wanted.form, &other.wanted.form, twin) {
            return Err(Reason::TwinsDiffer);
        }
    }
    let known = |key: &str| randomize::known_item(study, key);
    if filled && speaks_of_else(subject, &content.text, &known, &randomize::reaches(study)) {
        return Err(Reason::OtherRequest);
    }
    Ok(Some(said.wanted))
}

/// The form of an event that a mail brings or asks for; none where it asks for something else, or is a reply to a one-time token that
/// brings nothing new.
pub(super) fn follow_up(
    world: &World<'_>,
    reading: &Reading,
    study: &Study,
    wish: Option<Wish>,
    subject: &Subject,
    content: &Content,
) -> Result<Option<FollowUp>, Reason> {
    if !matches!(wish, None | Some(Wish::FollowUp | Wish::Form)) {
        return Ok(None);
    }
    let today = world.now.day_in(study.zone);
    let readable = if content.undecidable { "" } else { content.text.as_str() };
    let mut said = follow_up::read(study, subject, readable, today)?;
    let mut twin = content.twin.clone();
    if !said.keyed
        && !said.registers
        && answers_ours(world, reading)
        && let Some(mended) = returned::form(&content.text)
    {
        said = follow_up::read(study, subject, &mended, today)?;
        twin = content.twin.as_deref().and_then(returned::form);
    }
    let filled = !said.wanted.form.typed.is_empty();
    let confirms = matches!(reading.sub_address, Some(SubAddress::Confirm(_)));
    // A reply without new data is a yes, or none.
    if confirms && !filled || !follow_up::is_meant(&said, wish, subject) {
        return Ok(None);
    }
    // Data of both forms could mean either, unless it is said which.
    if said.registers && !said.named {
        return Err(Reason::OtherRequest);
    }
    if let Some(twin) = &twin {
        let other = follow_up::read(study, subject, twin, today)?;
        if !follow_up::names_same(&said, &other, twin) || !agree(&said.wanted.form, &other.wanted.form, twin) {
            return Err(Reason::TwinsDiffer);
        }
    }
    let known = |key: &str| follow_up::known_item(study, key);
    let seen = Subject { wish: Some(Wish::FollowUp), ..follow_up::seen(study, subject) };
    if filled && speaks_of_else(&seen, &content.text, &known, &follow_up::reaches(study)) {
        return Err(Reason::OtherRequest);
    }
    Ok(Some(said.wanted))
}
