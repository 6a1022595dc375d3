//! `hagaki read`: how would these mails be read? Changes nothing.
//!
//! Several files are one inbox, in the order given: a second delivery is told as one. Codes in addresses are shown and
//! not checked, since the key that checks them belongs to the daemon.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde_json::{Map, Value, json};

use crate::domain::answer;
use crate::domain::deed::Wanted;
use crate::domain::event::Anchor;
use crate::domain::instrument::Instrument;
use crate::domain::language::Language;
use crate::domain::request::{Act, FollowUp};
use crate::domain::study::Study;
use crate::domain::time::Instant;
use crate::letters::said::Said;
use crate::letters::words;
use crate::limits;
use crate::mail::reading::{Inbox, Reading, Vouched, World, read_contained};
use crate::workflow::follow_up::instrument_at;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Exit code when every file was read, whatever was in it.
const DONE: u8 = 0;
/// Exit code when the bundle does not say where its mail arrives.
const REFUSED: u8 = 1;
/// Exit code when a file could not be read.
const FAILURE: u8 = 3;

/// Reads mail files as `study` would at `now`, of a subject enrolled on that day if one is given, and reports on `out`; troubles go to
/// `troubles`. Returns the exit code.
///
/// # Errors
/// When a report cannot be written.
pub fn run(
    study: &Study,
    (now, enrolled): (Instant, Option<NaiveDate>),
    files: &[PathBuf],
    output: Output,
    out: &mut dyn Write,
    troubles: &mut dyn Write,
) -> io::Result<u8> {
    let Some(post) = &study.post else {
        writeln!(
            troubles,
            "The bundle of {} has no [mail] section, so nobody can tell whose mails are believed. Add to study.toml: \
             [mail] with address, authserv_ids and message_id_domain.",
            study.slug
        )?;
        return Ok(REFUSED);
    };
    let studies = [study];
    let world = World { studies: &studies, post, now, vouched: Vouched::ByNobody };
    let mut inbox = Inbox::default();
    let mut code = DONE;
    let names = names(files);
    for file in files {
        let raw = match load(file) {
            Ok(raw) => raw,
            Err(error) => {
                writeln!(troubles, "{} cannot be read: {error}", file.display())?;
                code = FAILURE;
                continue;
            }
        };
        let name = names.get(file).map_or("", String::as_str);
        let (reading, duplicate_of) = inbox.take(name, read_contained(&world, &raw));
        let reading = at_its_time(study, now, enrolled, reading);
        match output {
            Output::Json => writeln!(out, "{}", to_json(&file.to_string_lossy(), &reading, duplicate_of.as_deref()))?,
            Output::Text => {
                write_text(out, (study, now, enrolled), &file.to_string_lossy(), &reading, duplicate_of.as_deref())?
            }
        }
    }
    Ok(code)
}

/// A file, or as much of it as shows that it is too large.
fn load(file: &Path) -> io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    let enough = u64::try_from(limits::MAIL_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    File::open(file)?.take(enough).read_to_end(&mut raw)?;
    Ok(raw)
}

/// What each file is called in the report on another: its name, or its path where two have the same name.
fn names(files: &[PathBuf]) -> BTreeMap<PathBuf, String> {
    let short = |file: &Path| file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for file in files {
        *count.entry(short(file)).or_default() += 1;
    }
    let named = |file: &PathBuf| {
        let name = short(file);
        let alone = count.get(&name) == Some(&1);
        (file.clone(), if alone { name } else { file.to_string_lossy().into_owned() })
    };
    files.iter().map(named).collect()
}

/// One reading as an object; keys without a value are left out.
pub fn to_json(file: &str, reading: &Reading, duplicate_of: Option<&str>) -> Value {
    let form = reading.form();
    let fields: Map<String, Value> = form
        .map(|form| form.canonical().into_iter().map(|(item, value)| (item, json!(value))).collect())
        .unwrap_or_default();
    let errors: Vec<Value> = form
        .map(|form| form.faults.iter().map(|fault| json!({ "item": fault.item, "code": fault.code.key() })).collect())
        .unwrap_or_default();
    let reasons: Vec<&str> = reading.reasons.iter().map(|reason| reason.key()).collect();
    let mut object = Map::new();
    object.insert("file".into(), json!(file));
    object.insert("disposition".into(), json!(reading.disposition.key()));
    object.insert("fields".into(), Value::Object(fields));
    object.insert("errors".into(), json!(errors));
    object.insert("reasons".into(), json!(reasons));
    let mut add = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            object.insert(key.into(), value);
        }
    };
    add("study", reading.study.as_ref().map(|study| json!(study)));
    add("request", reading.request.as_ref().map(|request| json!(request.act.key())));
    add(
        "subject_asked_for",
        reading.request.as_ref().and_then(|request| asked_for(&request.act)).map(|text| json!(text)),
    );
    let filled_in = reading.request.as_ref().and_then(|request| follow_up(&request.act));
    add("event", filled_in.and_then(|wanted| wanted.event.as_ref()).map(|event| json!(event)));
    add("no_such_event", filled_in.filter(|wanted| !wanted.which.is_empty()).map(|wanted| json!(wanted.which)));
    add("form", filled_in.and_then(form_meant).map(|form| json!(form)));
    add("randomization", reading.request.as_ref().and_then(|request| randomization(&request.act)).map(|id| json!(id)));
    let wanted = reading.request.as_ref().and_then(|request| wanted(&request.act));
    let why = filled_in.map(|own| &own.reason).or(wanted.map(|own| &own.reason));
    add("reason", why.filter(|why| !why.is_empty()).map(|why| json!(why)));
    add("changes", wanted.filter(|wanted| !wanted.changes.is_empty()).map(|wanted| json!(wanted.changes)));
    add("no_such_randomization", wanted.filter(|wanted| !wanted.which.is_empty()).map(|wanted| json!(wanted.which)));
    add("kits", wanted.filter(|wanted| !wanted.kits.is_empty()).map(|wanted| json!(wanted.kits)));
    let lacks = wanted.map(|wanted| wanted.lacks().iter().map(|lack| lack.key()).collect::<Vec<_>>());
    add("lacking", lacks.filter(|lacks| !lacks.is_empty()).map(|lacks| json!(lacks)));
    add("sender", reading.sender.as_ref().map(|sender| json!(sender)));
    add("person", reading.person.as_ref().map(|person| json!(person)));
    add("language", reading.request.as_ref().map(|request| json!(request.language.code())));
    add("subject", (!reading.subject.is_empty()).then(|| json!(reading.subject)));
    add("message_id", reading.message_id.as_ref().map(|id| json!(id)));
    add("token", token(reading).map(|token| json!(token)));
    add("token_checked", token(reading).map(|_| json!(false)));
    let openpgp = &reading.openpgp;
    add("encrypted", openpgp.encrypted.then(|| json!(true)));
    add("signed_by", openpgp.signed_by.as_ref().map(|key| json!(key)));
    let faults: Vec<&str> = openpgp.faults.iter().map(|fault| fault.key()).collect();
    add("seal_faults", (!faults.is_empty()).then(|| json!(faults)));
    add("charset_guess", reading.charset_guess.map(|charset| json!(charset)));
    let attached: Vec<&String> = reading.attachments.iter().filter_map(|attachment| attachment.name.as_ref()).collect();
    add("attachments", (!attached.is_empty()).then(|| json!(attached)));
    let unused = form.map(|form| &form.unknown).or(wanted.map(|wanted| &wanted.unused));
    let unknown: Option<Vec<&String>> = unused.map(|unused| unused.iter().map(|(key, _)| key).collect());
    add("unknown_keys", unknown.filter(|keys| !keys.is_empty()).map(|keys| json!(keys)));
    add("rescreening_of", form.and_then(|form| form.rescreens.as_ref()).map(|earlier| json!(earlier)));
    add("bounce", bounce(reading));
    add("duplicate_of", duplicate_of.map(|file| json!(file)));
    Value::Object(object)
}

fn asked_for(act: &Act) -> Option<&str> {
    match act {
        Act::Status(reference) => reference.as_deref(),
        Act::Randomize(wanted) => Some(&wanted.subject).filter(|subject| !subject.is_empty()).map(String::as_str),
        Act::FollowUp(wanted) => Some(&wanted.subject).filter(|subject| !subject.is_empty()).map(String::as_str),
        Act::Deed(wanted) => Some(&wanted.subject).filter(|subject| !subject.is_empty()).map(String::as_str),
        _ => None,
    }
}

/// The form of an event, where one is brought or asked for.
fn follow_up(act: &Act) -> Option<&FollowUp> {
    match act {
        Act::FollowUp(wanted) => Some(wanted),
        _ => None,
    }
}

/// Id of the form of an event that is meant, where that can be told.
fn form_meant(wanted: &FollowUp) -> Option<&String> {
    wanted.instrument.as_ref().filter(|_| !wanted.fits)
}

/// The form of an event as it is asked of a subject who was enrolled on that day, with the days of the event where those are counted
/// from it; none where it cannot be told which form is meant.
fn asked_at(study: &Study, wanted: &FollowUp, enrolled: Option<NaiveDate>) -> Option<Instrument> {
    let event = study.find_event(wanted.event.as_deref()?)?;
    let timing = event.timing.as_ref().filter(|timing| timing.after == Anchor::Enrolled);
    let window = timing.zip(enrolled).and_then(|(timing, day)| timing.window(day));
    instrument_at(study, event, form_meant(wanted)?, window)
}

/// The reading in which a day outside of the event's is unusual. What is on file of the subject is not known here.
fn at_its_time(study: &Study, now: Instant, enrolled: Option<NaiveDate>, mut reading: Reading) -> Reading {
    let act = reading.request.as_mut().map(|request| &mut request.act);
    if let Some(Act::FollowUp(wanted)) = act
        && !wanted.lines.is_empty()
        && let Some(instrument) = asked_at(study, wanted, enrolled)
    {
        wanted.form = answer::read_form(study, &instrument, &wanted.lines, now.day_in(study.zone));
    }
    reading
}

/// Id of the further randomization that is asked for, where that can be told.
fn randomization(act: &Act) -> Option<&str> {
    match act {
        Act::Randomize(wanted) => wanted.randomization.as_deref(),
        _ => None,
    }
}

/// What is wanted, where it is an act about a subject or kits.
fn wanted(act: &Act) -> Option<&Wanted> {
    match act {
        Act::Deed(wanted) => Some(wanted),
        _ => None,
    }
}

/// The token in the address of a mail that is no delivery report.
fn token(reading: &Reading) -> Option<String> {
    use crate::mail::reading::SubAddress;
    match reading.sub_address.as_ref()? {
        SubAddress::Site(_) | SubAddress::Confirm(_) | SubAddress::OptOut(_) => {
            reading.sub_address.as_ref().map(SubAddress::text)
        }
        SubAddress::Bounce(_) | SubAddress::Study(_) | SubAddress::Other(_) => None,
    }
}

fn bounce(reading: &Reading) -> Option<Value> {
    let report = reading.bounce.as_ref()?;
    let mut object = Map::new();
    object.insert("action".into(), json!(report.action.key()));
    for (key, value) in [
        ("original_message_id", &report.original_message_id),
        ("recipient", &report.recipient),
        ("status", &report.status),
        ("verp", &report.verp),
        ("diagnostic", &report.diagnostic),
    ] {
        if let Some(value) = value {
            object.insert(key.into(), json!(value));
        }
    }
    object.insert("checked".into(), json!(false));
    Some(Value::Object(object))
}

/// The form that a request fills in.
fn form_of<'s>(study: &'s Study, act: &Act) -> Option<&'s Instrument> {
    match act {
        Act::Enroll(_) => Some(study.registration_instrument()),
        Act::Respond(_) => study.find_instrument(&study.survey.as_ref()?.instrument),
        Act::Randomize(wanted) => {
            study.find_instrument(&study.find_randomization(wanted.randomization.as_deref()?)?.instrument)
        }
        Act::FollowUp(wanted) => study.find_instrument(wanted.instrument.as_deref()?),
        _ => None,
    }
}

fn write_text(
    out: &mut dyn Write,
    (study, now, enrolled): (&Study, Instant, Option<NaiveDate>),
    file: &str,
    reading: &Reading,
    duplicate_of: Option<&str>,
) -> io::Result<()> {
    writeln!(out, "{file}: {}", reading.disposition.key())?;
    let mut line = |label: &str, value: &str| {
        if value.is_empty() {
            Ok(())
        } else {
            writeln!(out, "  {label:<12} {}", value.replace('\n', "\n               "))
        }
    };
    for reason in &reading.reasons {
        let key = reason.key();
        let words = words::held(Language::En, key).map_or_else(String::new, |words| format!(": {words}"));
        line("because", &format!("{key}{words}"))?;
    }
    line("same as", duplicate_of.unwrap_or_default())?;
    let person = reading.person.as_ref().map(|person| format!(" ({person})")).unwrap_or_default();
    line("from", &format!("{}{person}", reading.sender.as_deref().unwrap_or("nobody in particular")))?;
    line("study", reading.study.as_deref().unwrap_or_default())?;
    line("subject", &reading.subject)?;
    if let Some(request) = &reading.request {
        let about = asked_for(&request.act).map(|about| format!(" {about}")).unwrap_or_default();
        let event = follow_up(&request.act).and_then(|wanted| wanted.event.as_deref());
        let which = randomization(&request.act).or(event).map(|id| format!(" ({id})")).unwrap_or_default();
        line("asks for", &format!("{}{which}{about}, answer in {}", request.act.key(), request.language))?;
    }
    if let Some(wanted) = reading.request.as_ref().and_then(|request| follow_up(&request.act)) {
        line("form", form_meant(wanted).map_or("", String::as_str))?;
        line("no such event", &wanted.which)?;
        line("reason", &wanted.reason)?;
    }
    if let Some(wanted) = reading.request.as_ref().and_then(|request| wanted(&request.act)) {
        line("kits", &wanted.kits.join(", "))?;
        line("reason", &wanted.reason)?;
        for (item, value) in &wanted.changes {
            line("to correct", &format!("{item}: {value}"))?;
        }
        let lacks: Vec<&str> = wanted.lacks().iter().map(|lack| lack.key()).collect();
        line("lacking", &lacks.join(", "))?;
        line("no such form", &wanted.which)?;
        for (key, value) in &wanted.unused {
            line("not a key", &format!("{key}: {value}"))?;
        }
    }
    line("token", &token(reading).map(|token| format!("{token} (not checked)")).unwrap_or_default())?;
    line("signed by", reading.openpgp.signed_by.as_deref().unwrap_or_default())?;
    for fault in &reading.openpgp.faults {
        line("not sealed", fault.key())?;
    }
    line("charset", &reading.charset_guess.map(|charset| format!("{charset} (guessed)")).unwrap_or_default())?;
    for attachment in &reading.attachments {
        let name = attachment.name.as_deref().unwrap_or("without a name");
        line("attached", &format!("{name}, {}, {} bytes, not opened", attachment.media, attachment.bytes))?;
    }
    if let Some(report) = &reading.bounce {
        let status = report.status.as_deref().unwrap_or("no status");
        line(
            "report",
            &format!("{} {status} for {}", report.action.key(), report.recipient.as_deref().unwrap_or("somebody")),
        )?;
        line("letter", report.original_message_id.as_deref().unwrap_or_default())?;
        line("address", &report.verp.as_ref().map(|verp| format!("{verp} (not checked)")).unwrap_or_default())?;
    }
    if let Some(form) = reading.form() {
        for (item, value) in form.canonical() {
            line(&item, &value)?;
        }
        let asked = reading.request.as_ref().and_then(|request| form_of(study, &request.act));
        let wanted = reading.request.as_ref().and_then(|request| follow_up(&request.act));
        let timed = wanted.and_then(|wanted| asked_at(study, wanted, enrolled));
        let instrument = timed.as_ref().or(asked).unwrap_or_else(|| study.registration_instrument());
        let said = Said::new(study, Language::En, now.day_in(study.zone));
        for fault in &form.faults {
            line("wrong", &said.fault(instrument, fault))?;
        }
        for doubt in &form.doubts {
            line("unusual", &said.doubt(instrument, doubt))?;
        }
        for (key, value) in &form.unknown {
            line("not a key", &format!("{key}: {value}"))?;
        }
    }
    Ok(())
}
