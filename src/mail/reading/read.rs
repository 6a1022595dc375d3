//! The steps in their order: a raw mail and the world it came into → a [`Reading`].

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::absence;
use super::address::{self, Mailboxes};
use super::content::{self, Content};
use super::header::{Header, Lines};
use super::openpgp::{self, Seal, Sealed, Unsealed};
use super::outcome::{Disposition, Reading};
use super::reason::Reason;
use super::recipient::SubAddress;
use super::structure::{self, Part};
use super::subject::{self, Subject};
use super::vocabulary::Wish;
use super::{
    asked, automatic, bounce, charset, cut, follow_up, form, identity, letters, lines, recipient, returned, trust,
    veto, visitor, voting, word,
};
use crate::domain::answer::{self, Form};
use crate::domain::instrument::Instrument;
use crate::domain::language::Language;
use crate::domain::openpgp::Fault;
use crate::domain::request::{Act, Letters, Request};
use crate::domain::study::{Authentication, Person, Post, Study};
use crate::domain::text;
use crate::domain::time::{Instant, Zone};
use crate::limits;

/// What a mail is read against.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// Every study that the mail can mean: those that its [`signs`](super::signs) tell, or all.
    pub studies: &'a [&'a Study],
    /// The mailbox's address and whom it trusts.
    pub post: &'a Post,
    /// The time of reading.
    pub now: Instant,
    /// Whether a person has looked at the mail and let it go.
    pub vouched: Vouched,
}

/// Whether a person vouches for a mail's sender and date. What it says, and who may ask for it, is judged all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vouched {
    /// Nobody does.
    #[default]
    ByNobody,
    /// Somebody released it from quarantine.
    ByPerson,
}

/// Reads a mail; signatures are looked at, and what is encrypted stays so. The same bytes in the same world always give the same reading.
pub fn read(world: &World<'_>, raw: &[u8]) -> Reading {
    read_in(world, &openpgp::unseal(None, raw))
}

/// Reads a mail whose seals were taken off.
fn read_in(world: &World<'_>, unsealed: &Unsealed<'_>) -> Reading {
    let (raw, seal) = (&*unsealed.raw, &unsealed.seal);
    let familiar = |text: &str| count_keys(world, text);
    let header = Header::parse(raw);
    let subject = subject::read(&header, &familiar);
    let senders = from(&header);
    let (root, mut problems) = structure::split(header.clone());
    problems.extend(header.problems.iter().copied());
    problems.extend(oversized(raw, &header));

    let mut reading = outline(world, &header, &root, &subject, &senders, seal);
    if seal.panicked {
        return reading.hold([Reason::Panic]);
    }
    if !problems.is_empty() {
        reading.text = String::new();
        return reading.hold(problems);
    }
    let sub_address = reading.sub_address.clone();
    let addresses = &senders.addresses;
    if let Some(report) = bounce::read(&header, &root, &subject, addresses, sub_address.as_ref(), world.post) {
        let receipts = automatic::reasons(&header, &root, &subject, addresses, world.post);
        if !receipts.contains(&Reason::Mdn) && !receipts.contains(&Reason::FeedbackReport) {
            return Reading { disposition: Disposition::Bounce, bounce: Some(report), ..reading };
        }
    }
    let signs = automatic::reasons(&header, &root, &subject, addresses, world.post);
    if let Some(asked) = letters::by_page(world, &reading, &subject, &signs) {
        return asked;
    }
    if !signs.is_empty() {
        if matches!(sub_address, Some(SubAddress::Bounce(_))) {
            let said = content::read(&root, &familiar).text;
            reading.away_until = absence::until(&subject.text, &said, world.now.day_in(Zone::UTC));
        }
        return Reading { disposition: Disposition::NoReply, reasons: signs, ..reading };
    }
    let content = content::read(&root, &familiar);
    reading.text = text::without_controls(&content.text);
    reading.attachments.clone_from(&content.attachments);
    reading.charset_guess = content.charset_guess;
    let study = match find_study(world, &reading, &subject) {
        Ok(study) => study,
        Err(reason) => {
            let doubts = distrust(world, &header, &reading, &senders, None);
            return reading.hold(doubts.into_iter().chain([reason]));
        }
    };
    reading.study = Some(study.slug.clone());
    let doubts = distrust(world, &header, &reading, &senders, Some(study));
    if doubts.is_empty()
        && let Some(asked) = voter(&reading, study, &subject, &content)
    {
        return asked;
    }
    let Some(person) = reading.sender.as_deref().and_then(|sender| study.find_person_by_address(sender)) else {
        if let Some(asked) = letters::by_words(&reading, study, &subject, &content, &doubts) {
            return asked;
        }
        if doubts.is_empty()
            && let Some(asked) = visitor::asked(world, &reading, study, &subject, &content)
        {
            return asked;
        }
        let unknown = doubts.is_empty().then_some(Reason::UnknownSender);
        return reading.hold(doubts.into_iter().chain(unknown));
    };
    reading.person = Some(person.id.clone());
    reading.language = language(study, person, &reading);
    if !doubts.is_empty() {
        return reading.hold(doubts);
    }
    let (sealed, mark) = seal.judge(study, &person.id, world.now, world.vouched == Vouched::ByNobody);
    reading.openpgp = sealed;
    if let Some(mark) = mark {
        // However often what was signed is sent, under whatever Message-ID and to whatever token, it is one message.
        reading.message_key = format!("signed:{}", data_encoding::HEXLOWER.encode(&mark));
    }
    if seal.is_closed() {
        return unsealed_refused(reading, study, person);
    }
    let signed = seal.leaves_subject_open(study).then(|| {
        let subject = signed_subject(world, study, &content)?;
        let reading = Reading { subject: subject.text.clone(), ..reading.clone() };
        answer(world, reading, study, person, &subject, &content, header.body).request.map(|own| own.act)
    });
    let mut reading = answer(world, reading, study, person, &subject, &content, header.body);
    let acts = reading.request.as_ref().is_some_and(|request| request.act.acts());
    if let (true, Some(signed)) = (acts && reading.openpgp.faults.is_empty(), signed)
        && signed.as_ref() != reading.request.as_ref().map(|request| &request.act)
    {
        reading.openpgp.faults.push(Fault::SubjectUnsigned);
    }
    if acts && !reading.openpgp.faults.is_empty() {
        return unsealed_refused(reading, study, person);
    }
    // Nothing was refused for them.
    reading.openpgp.faults.clear();
    reading
}

/// What stands for the subject line where that is not signed: the first line of the signed text, if it asks for something. None if that line
/// names another study than the one that the unsigned header tells.
fn signed_subject(world: &World<'_>, study: &Study, content: &Content) -> Option<Subject> {
    let readable = if content.undecidable { "" } else { content.text.as_str() };
    let subject = subject::of_first_line(readable);
    let means_one = |tag: &str| looks_like_tag(tag) || world.studies.iter().any(|other| other.is_named(tag));
    let other = |tag: &String| means_one(tag) && !study.is_named(tag);
    (!subject.tags.iter().any(other)).then_some(subject)
}

/// The reading of a mail that is not taken as it was sealed.
fn unsealed_refused(reading: Reading, study: &Study, person: &Person) -> Reading {
    let act = Act::Unsealed(reading.openpgp.faults.clone());
    Reading { disposition: Disposition::ReplyError, reasons: Vec::new(), ..requested(reading, study, person, act) }
}

/// [`read`], but a panic in it becomes a reading with [`Reason::Panic`]: a poison mail must not stop the others.
pub fn read_contained(world: &World<'_>, raw: &[u8]) -> Reading {
    read_unsealed(world, &openpgp::unseal_contained(None, raw))
}

/// The same, of a mail whose seals were taken off.
pub fn read_unsealed(world: &World<'_>, unsealed: &Unsealed<'_>) -> Reading {
    let raw = &*unsealed.raw;
    let attempt = |unsealed: &Unsealed<'_>| catch_unwind(AssertUnwindSafe(|| read_in(world, unsealed)));
    // What little is told of a poison mail is its own digest; the empty mail is known not to panic.
    attempt(unsealed).unwrap_or_else(|_| {
        let blank = read(world, b"");
        let content_digest = data_encoding::HEXLOWER.encode(&<sha2::Sha256 as sha2::Digest>::digest(raw));
        let message_key = format!("digest:{content_digest}");
        Reading { reasons: vec![Reason::Panic], content_digest, message_key, ..blank }
    })
}

/// What can be told of any mail, however broken.
fn outline(
    world: &World<'_>,
    header: &Header<'_>,
    root: &Part<'_>,
    subject: &Subject,
    senders: &Mailboxes,
    seal: &Seal,
) -> Reading {
    let sender = sender(senders);
    let message_id = identity::message_id(header);
    let from = sender.as_deref().unwrap_or_default();
    let content_digest = match seal.cipher() {
        // Of what was decrypted no digest is kept, from which it could be guessed.
        Some(cipher) => identity::sealed_digest(from, &cipher),
        None => identity::content_digest(from, &subject.text, root),
    };
    let default = world.studies.first().and_then(|study| study.languages.first()).copied().unwrap_or(Language::En);
    Reading {
        disposition: Disposition::Quarantine,
        reasons: Vec::new(),
        study: None,
        sender,
        person: None,
        request: None,
        bounce: None,
        away_until: None,
        subject: subject.text.clone(),
        message_key: identity::message_key(message_id.as_deref(), header, &content_digest),
        message_id,
        references: identity::references(header),
        date: identity::date(header),
        content_digest,
        language: if is_japanese(&subject.text) { Language::Ja } else { default },
        sub_address: recipient::find(header, &world.post.address),
        attachments: Vec::new(),
        charset_guess: None,
        openpgp: Sealed { encrypted: seal.is_encrypted(), ..Sealed::default() },
        text: String::new(),
    }
}

/// The one address a mail is from, folded.
pub(super) fn sender(senders: &Mailboxes) -> Option<String> {
    match senders.addresses.as_slice() {
        [only] if !senders.broken && !senders.group => Some(address::fold(only)),
        _ => None,
    }
}

/// What is too large, beside what counting fields and parts finds.
fn oversized(raw: &[u8], header: &Header<'_>) -> Option<Reason> {
    if raw.len() > limits::MAIL_BYTES {
        return Some(Reason::MailSize);
    }
    let body = header.body.unwrap_or_default();
    Lines::new(body).any(|(line, _)| line.len() > limits::LINE_BYTES).then_some(Reason::LineSize)
}

/// The mailboxes of every `From` field: ASCII, UTF-8 (RFC 6532), or with a display name in any raw charset.
pub(super) fn from(header: &Header<'_>) -> Mailboxes {
    let mut found = Mailboxes::default();
    for (at, field) in header.all("from").enumerate() {
        // Raw Japanese bytes of a display name hold signs that are special in ASCII, so they are decoded first.
        let mailboxes = address::parse(&word::decode_bytes(&field.value(), None, &charset::nobody));
        found.addresses.extend(mailboxes.addresses);
        found.group |= mailboxes.group;
        found.broken |= mailboxes.broken;
        // A second field is never just repeated: it makes two senders.
        if at > 0 {
            found.addresses.push(String::new());
        }
    }
    found
}

/// Why the sender is not believed, or the mail not taken as new; everything at once.
fn distrust(
    world: &World<'_>,
    header: &Header<'_>,
    reading: &Reading,
    senders: &Mailboxes,
    study: Option<&Study>,
) -> Vec<Reason> {
    let mut doubts = Vec::new();
    if world.vouched == Vouched::ByPerson && senders.addresses.len() == 1 {
        return doubts;
    }
    match senders.addresses.len() {
        0 if header.has("from") => doubts.push(Reason::FromSyntax),
        0 => doubts.push(Reason::NoFrom),
        1 if senders.broken || senders.group => doubts.push(Reason::FromSyntax),
        1 => {}
        _ => doubts.push(Reason::MultipleFrom),
    }
    match reading.date.map(|date| world.now.seconds_since(date)) {
        None => doubts.push(Reason::NoDate),
        Some(age) if age > limits::DATE_AGE_SECONDS => doubts.push(Reason::StaleDate),
        Some(age) if age < -limits::DATE_AHEAD_SECONDS => doubts.push(Reason::FutureDate),
        Some(_) => {}
    }
    // Of a sender who cannot be told nothing can be confirmed either.
    let demanded = study.map_or(Authentication::Dmarc, |study| study.trust.authentication);
    if let (Authentication::Dmarc, Some(sender)) = (demanded, &reading.sender)
        && let Err(reason) = trust::dmarc(header, &world.post.authserv_ids, sender)
    {
        doubts.push(reason);
    }
    doubts
}

/// The study a mail is for: by address, by the tag in the subject, or because its sender belongs to only one. An address
/// and a subject that name different ones, a tag of no study, or one of two, are not guessed away.
pub(super) fn find_study<'a>(world: &World<'a>, reading: &Reading, subject: &Subject) -> Result<&'a Study, Reason> {
    let named_by =
        |word: &str| -> Vec<&'a Study> { world.studies.iter().copied().filter(|study| study.is_named(word)).collect() };
    let is_among = |all: &[&Study], study: &Study| all.iter().any(|own| own.slug == study.slug);
    let by_tags: Vec<Vec<&Study>> =
        subject.tags.iter().map(|tag| named_by(tag)).filter(|all| !all.is_empty()).collect();
    let mut named = match by_tags.first() {
        Some(first) => first.clone(),
        None => named_by(subject.rest.split(' ').next().unwrap_or_default()),
    };
    named.retain(|study| by_tags.iter().all(|all| is_among(all, study)));
    if named.is_empty() && !by_tags.is_empty() {
        return Err(Reason::UnknownStudy);
    }
    match (&reading.sub_address, named.as_slice()) {
        (Some(SubAddress::Study(slug)), named) => {
            let study = world.studies.iter().find(|study| study.slug.eq_ignore_ascii_case(slug)).copied();
            study.filter(|study| named.is_empty() || is_among(named, study)).ok_or(Reason::UnknownStudy)
        }
        (_, [study]) => Ok(study),
        (_, [_, _, ..]) => Err(Reason::SharedName),
        (_, []) if subject.tags.iter().any(|tag| looks_like_tag(tag)) => Err(Reason::UnknownStudy),
        (_, []) => {
            let sender = reading.sender.as_deref().unwrap_or_default();
            let mut own = world.studies.iter().filter(|study| study.find_person_by_address(sender).is_some());
            match (own.next(), own.next(), world.studies) {
                (Some(study), None, _) | (None, None, [study]) => Ok(study),
                _ => Err(Reason::UnknownStudy),
            }
        }
    }
}

/// Whether a word in brackets could be some study's tag, and not what gateways add: `[External]`, `[Spam?]`.
fn looks_like_tag(tag: &str) -> bool {
    let letters = tag.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    letters && tag.chars().any(|c| matches!(c, '-' | '_') || c.is_ascii_digit())
}

/// What a known and believed person asks for.
fn answer(
    world: &World<'_>,
    reading: Reading,
    study: &Study,
    person: &Person,
    subject: &Subject,
    content: &Content,
    body: Option<&[u8]>,
) -> Reading {
    if !content.problems.is_empty() {
        return reading.hold(content.problems.clone());
    }
    // A study that randomizes once has one word the more for enrolling.
    let again = !study.randomizations.is_empty();
    let follows = !study.events.is_empty() && subject.follows_up;
    let wish = if follows { follow_up::seen(study, subject).wish } else { subject.wish };
    let wish = wish.filter(|wish| *wish != Wish::Enroll && (again || *wish != Wish::Randomize));
    // Headers alone are a mail that was cut off; an empty body is an honest slip, and answered.
    if body.is_none() {
        return reading.hold([Reason::NoBody]);
    }
    if let Some(Wish::Deed(deed)) = wish {
        match asked::deed(world, &reading, study, deed, subject, content) {
            Ok(Some(act)) => return requested(reading, study, person, act),
            Ok(None) => {}
            Err(reason) => return reading.hold([reason]),
        }
    }
    if !study.events.is_empty() {
        match asked::follow_up(world, &reading, study, wish, subject, content) {
            Ok(Some(wanted)) => {
                let clear = wanted.event.is_some() && !wanted.fits && wanted.form.faults.is_empty();
                let disposition = of_form(wanted.lines.is_empty(), clear);
                let reading = requested(reading, study, person, Act::FollowUp(wanted));
                return Reading { disposition, ..reading };
            }
            Ok(None) => {}
            Err(reason) => return reading.hold([reason]),
        }
    }
    if again {
        match asked::randomization(world, &reading, study, wish, subject, content) {
            Ok(Some(wanted)) => {
                let faulty = !wanted.form.faults.is_empty() || wanted.fits.is_some();
                let disposition = of_form(wanted.form.typed.is_empty(), !faulty);
                let reading = requested(reading, study, person, Act::Randomize(wanted));
                return Reading { disposition, ..reading };
            }
            Ok(None) => {}
            Err(reason) => return reading.hold([reason]),
        }
    }
    let instrument = study.registration_instrument();
    let filled = form::fill(world, study, instrument, content);
    let form = match filled.and_then(|form| mended(world, &reading, study, instrument, content, form)) {
        Ok(form) => form,
        Err(reason) => return reading.hold([reason]),
    };
    let (disposition, act) = match &reading.sub_address {
        // New data in the reply are a new request; anything but a yes is no confirmation.
        Some(SubAddress::Confirm(token)) if form.typed.is_empty() && affirms(&content.text) => {
            (Disposition::Reply, Act::Confirm(token.clone()))
        }
        Some(SubAddress::Confirm(token)) if form.typed.is_empty() => {
            (Disposition::Reply, Act::Unconfirmed(token.clone()))
        }
        // With data in it, it is told apart from a registration below.
        _ if wish == Some(Wish::Balance) && form.typed.is_empty() => (Disposition::Reply, Act::Balance),
        _ if vetoed(instrument, subject, content) => {
            if !form.typed.is_empty() {
                return reading.hold([Reason::OtherRequest]);
            }
            (Disposition::Reply, Act::Help)
        }
        _ => decide(study, subject, wish, form, content),
    };
    let reasons = if disposition == Disposition::ReplyError { content.notes.clone() } else { Vec::new() };
    Reading { disposition, reasons, ..requested(reading, study, person, act) }
}

/// What is to be done with a form about a subject, blank or filled in.
const fn of_form(blank: bool, clear: bool) -> Disposition {
    match (blank, clear) {
        (true, _) => Disposition::Reply,
        (false, true) => Disposition::Register,
        (false, false) => Disposition::ReplyError,
    }
}

/// What somebody asks of an election, of the committee or not: whether they are on its roll is for the database to tell.
fn voter(reading: &Reading, study: &Study, subject: &Subject, content: &Content) -> Option<Reading> {
    let election = study.election.as_ref()?;
    if !content.problems.is_empty() {
        return None;
    }
    let act = voting::asked(election, subject, content)?;
    let language = script(study, reading).or(study.languages.first().copied()).unwrap_or(reading.language);
    let person = reading.sender.as_deref().and_then(|sender| study.find_person_by_address(sender));
    let id = person.map(|person| person.id.clone());
    let request = Request { study: study.slug.clone(), person: id.clone().unwrap_or_default(), language, act };
    let refuses = matches!(request.act, Act::VoteByMail);
    let disposition = if refuses { Disposition::ReplyError } else { Disposition::Reply };
    // Nothing that somebody wrote of a vote is kept for people to read.
    let text = if refuses { String::new() } else { reading.text.clone() };
    Some(Reading { disposition, request: Some(request), person: id, language, text, ..reading.clone() })
}

/// The reading of a request that is answered and records no subject.
fn requested(reading: Reading, study: &Study, person: &Person, act: Act) -> Reading {
    let request = Request { study: study.slug.clone(), person: person.id.clone(), language: reading.language, act };
    Reading { disposition: Disposition::Reply, request: Some(request), ..reading }
}

/// Whether a mail answers one of our letters.
pub(super) fn answers_ours(world: &World<'_>, reading: &Reading) -> bool {
    reading.references.iter().any(|id| {
        let domain = id.rsplit_once('@').map(|(_, domain)| domain);
        domain.is_some_and(|domain| domain.eq_ignore_ascii_case(&world.post.message_id_domain))
    })
}

/// The form, or, where a mail holds no data of its own, the form of ours that was mended in its quotation. One that enrolls a subject
/// has to be in a reply to one of our letters: an allocation cannot be undone. So has what is passed on, which is somebody else's.
pub(super) fn mended(
    world: &World<'_>,
    reading: &Reading,
    study: &Study,
    instrument: &Instrument,
    content: &Content,
    form: Form,
) -> Result<Form, Reason> {
    let enrolls = study.registers && instrument.id == study.registration.instrument;
    let foreign = enrolls || is_passed_on(&reading.subject);
    if !form.typed.is_empty() || foreign && !answers_ours(world, reading) {
        return Ok(form);
    }
    let Some(text) = returned::form(&content.text) else { return Ok(form) };
    let today = world.now.day_in(study.zone);
    let mended = form::fill_text(study, instrument, &text, today)?;
    let other = content.twin.as_deref().and_then(returned::form);
    if let Some(twin) = other {
        let other = form::fill_text(study, instrument, &twin, today)?;
        if !form::agree(&mended, &other, &twin) {
            return Err(Reason::TwinsDiffer);
        }
    }
    Ok(mended)
}

/// Whether a subject line is that of a mail that was passed on.
fn is_passed_on(subject: &str) -> bool {
    let folded = text::fold(subject);
    ["fwd:", "fw:", "転送:"].iter().any(|mark| folded.starts_with(mark))
}

/// Whether the sender's own words speak of something else than filling in the form.
pub(super) fn vetoed(instrument: &Instrument, subject: &Subject, content: &Content) -> bool {
    let keys = answer::keys(instrument);
    let known = |key: &str| keys.get(&text::fold_tight(key)).map(|item| item.to_string());
    let reaches = lines::reaches(instrument);
    let speaks = |words: &str| speaks_of_else(subject, words, &known, &reaches);
    // Where the text answers nothing, its HTML twin was read, and what that says beside the answers counts.
    let twin = content.twin.as_deref().filter(|_| {
        let (lines, _) = lines::split(&cut::cut(&content.text, &known), &known, &reaches);
        !lines.iter().any(|line| known(&line.key).is_some())
    });
    speaks(&content.text) || twin.is_some_and(speaks)
}

/// Whether the subject, or a line of the sender's own that is no answer, speaks against what is asked.
pub(super) fn speaks_of_else(
    subject: &Subject,
    content: &str,
    known: &dyn Fn(&str) -> Option<String>,
    reaches: lines::Reaches<'_>,
) -> bool {
    let (_, mut prose) = lines::split(&cut::cut(content, known), known, reaches);
    prose.retain(|line| !line.starts_with([' ', '\t', '\u{3000}']));
    veto::speaks(subject, &prose)
}

/// Whether a reply says a plain yes.
pub(super) fn affirms(content: &str) -> bool {
    veto::affirms(&cut::cut(content, &|_| None))
}

/// Data decide before words: the answer to a blank form still has `form` in its subject. Only a question for a subject's
/// state names a subject (and its site) without meaning to enroll.
fn decide(study: &Study, subject: &Subject, wish: Option<Wish>, form: Form, content: &Content) -> (Disposition, Act) {
    let registration = &study.registration;
    let names_only = form.typed.keys().all(|item| {
        *item == registration.subject_item || registration.site_item.as_ref().is_some_and(|site| site == item)
    });
    match wish {
        Some(Wish::Status) if names_only => {
            let readable = if content.undecidable { "" } else { content.text.as_str() };
            (Disposition::Reply, Act::Status(asked::status(study, subject, &form, readable)))
        }
        // An election alone has no form.
        Some(Wish::Form) if !study.registers && study.survey.is_none() => (Disposition::Reply, Act::Help),
        Some(Wish::Form) if form.typed.is_empty() && !study.registers => (Disposition::Reply, Act::SurveyForm),
        Some(Wish::Form) if form.typed.is_empty() => (Disposition::Reply, Act::BlankForm),
        Some(Wish::Link) if study.survey.is_some() || form.typed.is_empty() => (Disposition::Reply, Act::Link),
        // One of the staff may be a participant, too; a study that asks nobody has nothing to stop.
        Some(Wish::Unsubscribe | Wish::Subscribe) if form.typed.is_empty() && study.survey.is_some() => {
            let again = wish == Some(Wish::Subscribe);
            (Disposition::Reply, Act::Letters(Letters { again, ..Letters::default() }))
        }
        Some(Wish::Help | Wish::Unsubscribe | Wish::Subscribe) if form.typed.is_empty() => {
            (Disposition::Reply, Act::Help)
        }
        // One of the staff may be a participant, too.
        _ if !study.registers && !form.typed.is_empty() => match form.faults.is_empty() {
            true => (Disposition::Register, Act::Respond(form)),
            false => (Disposition::ReplyError, Act::Respond(form)),
        },
        // A survey alone takes nobody in by mail.
        _ if !study.registers => (Disposition::Reply, Act::Help),
        _ if form.faults.is_empty() => (Disposition::Register, Act::Enroll(form)),
        _ => (Disposition::ReplyError, Act::Enroll(form)),
    }
}

/// The person's own language, else the mail's, if the study speaks it.
fn language(study: &Study, person: &Person, reading: &Reading) -> Language {
    person.language.or_else(|| script(study, reading)).unwrap_or_else(|| study.language_of(person))
}

/// The language of a mail, if the study speaks it.
pub(super) fn script(study: &Study, reading: &Reading) -> Option<Language> {
    let script = if is_japanese(&reading.subject) || is_japanese(&reading.text) { Language::Ja } else { Language::En };
    study.languages.contains(&script).then_some(script)
}

fn is_japanese(text: &str) -> bool {
    text.chars().any(|c| matches!(c, '\u{3041}'..='\u{30FF}' | '\u{4E00}'..='\u{9FFF}' | '\u{FF66}'..='\u{FF9F}'))
}

/// How many keys of the studies' forms a text holds that are not plain ASCII.
fn count_keys(world: &World<'_>, candidate: &str) -> usize {
    let start: String = candidate.chars().take(limits::ANSWER_CHARS).collect();
    let folded = text::fold(&start);
    let forms = world.studies.iter().flat_map(|study| {
        let further = study.randomizations.iter().filter_map(|own| study.find_instrument(&own.instrument));
        let events = study.events.iter().flat_map(|event| &event.instruments);
        let events = events.filter_map(|id| study.find_instrument(id));
        let asked = study.survey.iter().filter_map(|survey| study.find_instrument(&survey.instrument));
        further.chain(events).chain(asked).chain([study.registration_instrument()])
    });
    let keys = forms.flat_map(|form| answer::keys(form).keys());
    keys.filter(|key| !key.is_ascii() && folded.contains(key.as_str())).count()
}
