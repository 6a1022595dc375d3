//! Invitations and reminders that somebody wants no more, or wants again: by the address that their letter names for it (RFC 2369), whose
//! code is checked by whoever has the key, or by a word, in the subject or alone in the text.

use super::content::Content;
use super::cut;
use super::outcome::{Disposition, Reading};
use super::read::{World, find_study, script};
use super::reason::Reason;
use super::recipient::SubAddress;
use super::subject::Subject;
use super::vocabulary::{Wish, vocabulary};
use crate::domain::request::{Act, Letters, Request};
use crate::domain::study::Study;
use crate::domain::text;

/// What is asked for by a mail to that address, whoever wrote it: programs do for their users, mostly with an empty mail. None for a mail
/// to another address, and for what reports or comes back, which asks for nothing.
pub(super) fn by_page(world: &World<'_>, reading: &Reading, subject: &Subject, signs: &[Reason]) -> Option<Reading> {
    let Some(SubAddress::OptOut(name)) = &reading.sub_address else { return None };
    let for_somebody = |sign: &Reason| {
        matches!(
            sign,
            Reason::AutoSubmitted
                | Reason::List
                | Reason::Precedence
                | Reason::AutoResponse
                | Reason::NullSender
                | Reason::AutomaticSender
        )
    };
    if !signs.iter().all(for_somebody) {
        return None;
    }
    // Whose page it is tells the study, where the name is genuine.
    let study = match world.studies {
        [only] => *only,
        _ => find_study(world, reading, subject).ok()?,
    };
    let letters = Letters {
        again: subject.wish == Some(Wish::Subscribe),
        page: Some(name.clone()),
        doubt: Some(Reason::UnknownSender.key()),
        automatic: !signs.is_empty(),
    };
    let disposition = if letters.automatic { Disposition::NoReply } else { Disposition::Reply };
    Some(Reading { reasons: signs.to_vec(), ..asked(reading, study, disposition, letters) })
}

/// What a mail of somebody who is none of the staff asks for by such a word. Of a sender who cannot be believed it is told on, so that they
/// hear how to do it; a mail in which anything else is wrong is for a person to look at.
pub(super) fn by_words(
    reading: &Reading,
    study: &Study,
    subject: &Subject,
    content: &Content,
    doubts: &[Reason],
) -> Option<Reading> {
    study.survey.as_ref()?;
    let again = match subject.wish {
        Some(Wish::Unsubscribe) => false,
        Some(Wish::Subscribe) => true,
        // The subject of a reply is that of our letter, in which such a word may stand.
        None | Some(Wish::Help) => alone(&content.text)?,
        Some(_) => return None,
    };
    let doubt = match doubts {
        [] => None,
        [one @ (Reason::AuthNone | Reason::AuthFail)] => Some(one.key()),
        _ => return None,
    };
    Some(asked(reading, study, Disposition::Reply, Letters { again, page: None, doubt, automatic: false }))
}

/// Whether letters are wanted again, of a text whose own words are such a word and nothing else.
fn alone(content: &str) -> Option<bool> {
    let own = cut::cut(content, &|_| None);
    let mut lines = own.iter().map(|kept| kept.line.trim()).filter(|line| !line.is_empty());
    let (only, None) = (lines.next()?, lines.next()) else { return None };
    let said = text::fold(only);
    let said = said.trim_end_matches(['.', '。', '!']);
    match vocabulary().wishes.iter().find(|(word, _)| word == said)?.1 {
        Wish::Unsubscribe => Some(false),
        Wish::Subscribe => Some(true),
        _ => None,
    }
}

fn asked(reading: &Reading, study: &Study, disposition: Disposition, letters: Letters) -> Reading {
    let language = script(study, reading).or(study.languages.first().copied()).unwrap_or(reading.language);
    let act = Act::Letters(letters);
    let request = Request { study: study.slug.clone(), person: String::new(), language, act };
    Reading { disposition, study: Some(study.slug.clone()), request: Some(request), language, ..reading.clone() }
}
