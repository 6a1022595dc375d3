//! `hagaki subject show`: one subject as a person reads it, with every form about it and what they answered themself; personal answers are masked, and no arm is shown
//! of a blinded study.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::about;
use crate::cli::installation::Opened;
use crate::cli::unblind::judged;
use crate::cli::{End, Installation, Output};
use crate::domain::allocation::Origin;
use crate::domain::event::{Standing, Window};
use crate::domain::fact;
use crate::domain::instrument::{Instrument, ItemKind};
use crate::domain::language::Language;
use crate::domain::study::{Blinding, Study};
use crate::letters::Kind;
use crate::letters::facts::Shown;
use crate::limits;
use crate::store::allocation::AllocationRow;
use crate::store::fact::FactRow;
use crate::store::outbox::{self, OutboxRow, Which};
use crate::store::response::ResponseRow;
use crate::store::study::State;
use crate::store::{participant, response, study, subject};
use crate::workflow::Failure;
use crate::workflow::command;
use crate::workflow::correction;
use crate::workflow::course;
use crate::workflow::enroll::Further;
use crate::workflow::export::{self, KEPT_BACK};
use crate::workflow::facts::{keeps_entry_reason, keeps_reason};
use crate::workflow::follow_up::Chart;
use crate::workflow::ledger::Ledger;
use crate::workflow::shelf::Shelf;

/// Canonical answers by item id.
type Answers = BTreeMap<String, String>;

/// One subject in one language.
struct View<'a> {
    study: &'a Study,
    language: Language,
    chart: Chart,
    /// Numbers of the person's earlier and later screening.
    earlier: Option<String>,
    later: Option<String>,
    /// Number of the participant who enrolled themself.
    participant: Option<i64>,
    /// What they answered to the survey afterwards, each time anew; what counts of it.
    diary: Vec<ResponseRow>,
    /// Items of the survey that tell arms apart while the study conceals them.
    kept_in: BTreeSet<String>,
    /// Whether the study conceals its arms as yet.
    conceals: bool,
    /// The letters that somebody treats by, oldest first.
    letters: Vec<OutboxRow>,
}

pub(super) fn show(
    slug: &str,
    wanted: &str,
    language: Option<Language>,
    installation: &Installation,
    output: Output,
) -> anyhow::Result<End> {
    let opened = Opened::open(installation)?;
    let shelved = opened.study(slug)?;
    let study = &shelved.study;
    let finding = command::find_subject(&opened.store, study, shelved.id, wanted);
    let row = judged(opened.runtime.block_on(finding))?;
    let shelf = Shelf::new(opened.store.clone());
    let chart = opened.runtime.block_on(async {
        let mut ledger = Ledger::begin(&shelf).await?;
        Chart::load(&mut ledger, study, row.id).await
    })?;
    let earlier = match row.rescreens_id {
        Some(id) => Some(opened.runtime.block_on(subject::load(&opened.store, id))?),
        None => None,
    };
    let later = opened.runtime.block_on(subject::find_rescreening(&opened.store, row.id))?;
    let [earlier, later] = [earlier, later].map(|other| other.map(|other| study.subject_number(other.number)));
    let participant = match row.participant_id {
        Some(id) => Some(opened.runtime.block_on(participant::load(&opened.store, id))?.number),
        None => None,
    };
    let language = language.unwrap_or(study.languages[0]);
    let state = opened.runtime.block_on(study::load(&opened.store, shelved.id))?.state;
    let conceals = study.blinding == Blinding::Blinded && state != State::Closed;
    let (diary, kept_in) = match study.enrolls_itself() {
        true => opened.runtime.block_on(async {
            let mut diary = response::list_about(&opened.store, row.id).await?;
            diary.retain(|row| row.current && row.event.is_empty());
            diary.sort_by_key(|row| row.occasion);
            Ok::<_, Failure>((diary, export::kept_in(&opened.store, &shelved).await?))
        })?,
        false => (Vec::new(), BTreeSet::new()),
    };
    let letters = outbox::list(&opened.store, Which::Subject(row.id), None, limits::LISTED);
    let mut letters = opened.runtime.block_on(letters)?;
    letters.retain(|letter| Kind::find(&letter.kind).is_some_and(Kind::is_assignment));
    letters.reverse();
    let view = View { study, language, chart, earlier, later, participant, diary, kept_in, conceals, letters };
    if output.json {
        println!("{}", view.to_json()?);
    } else {
        print!("{}", view.to_text()?);
    }
    Ok(End::Done)
}

impl View<'_> {
    fn to_json(&self) -> anyhow::Result<Value> {
        let (study, enrolled) = (self.study, &self.chart.enrolled);
        let subject = &enrolled.subject;
        let first = enrolled.allocation.as_ref();
        let further = enrolled.further.iter().map(|own| -> anyhow::Result<Value> {
            let form = study.find_randomization(&own.allocation.randomization);
            let form = form.and_then(|own| study.find_instrument(&own.instrument));
            let answers = own.answers()?;
            Ok(json!({ "randomization": own.allocation.randomization, "arm": self.arm(&own.allocation),
                       "kit": own.allocation.kit, "kit_now": own.kit, "origin": self.origin(&own.allocation).key(),
                       "randomized_at": own.allocation.allocated_at.local(study.zone),
                       "answers": form.map(|form| plain(form, answers)) }))
        });
        let events = self.entries().map(|(row, form)| -> anyhow::Result<Value> {
            Ok(json!({ "event": row.event, "instrument": row.instrument, "occasion": row.occasion, "person": row.person,
                       "answered_at": row.answered_at.map(|at| at.local(study.zone)), "corrected": row.replaces.is_some(),
                       "window": self.standing(row).map(|(_, standing)| standing.key()),
                       "reason": (!self.keeps_entry(row)).then_some(&row.reason), "answers": plain(form, answers_of(row)?) }))
        });
        let diary = self.diary().map(|(row, form)| -> anyhow::Result<Value> {
            let mut answers = plain(form, answers_of(row)?);
            answers.retain(|item, _| !self.kept_in.contains(item));
            Ok(json!({ "instrument": row.instrument, "occasion": row.occasion, "channel": row.channel.key(),
                       "answered_at": row.answered_at.map(|at| at.local(study.zone)), "mended": row.replaces.is_some(),
                       "answers": answers, "kept_back": self.kept_in }))
        });
        Ok(json!({
            "subject": study.subject_number(subject.number), "site": subject.site, "person": subject.person,
            "participant": self.participant, "enrolled_at": subject.enrolled_at.local(study.zone),
            "answers": plain(study.registration_instrument(), enrolled.answers()?),
            "arm": first.and_then(|given| self.arm(given)), "kit": first.and_then(|given| given.kit.as_ref()), "kit_now": enrolled.kit,
            "origin": first.map(|given| self.origin(given).key()), "allocated_at": self.allocated(),
            "rescreens": self.earlier, "rescreened_as": self.later,
            "further": further.collect::<anyhow::Result<Vec<Value>>>()?,
            "events": events.collect::<anyhow::Result<Vec<Value>>>()?,
            "responses": diary.collect::<anyhow::Result<Vec<Value>>>()?,
            "facts": enrolled.facts.iter().map(|fact| self.fact_json(fact)).collect::<Vec<Value>>(),
            "letters": self.letters.iter().map(|own| json!({ "id": own.id, "to": own.recipient, "state": own.state.key(),
                "failure": own.failure(), "written_at": own.created_at.local(study.zone) })).collect::<Vec<Value>>(),
        }))
    }

    fn to_text(&self) -> anyhow::Result<String> {
        let (study, enrolled) = (self.study, &self.chart.enrolled);
        let subject = &enrolled.subject;
        let mut page = Page::default();
        page.head(&study.subject_number(subject.number));
        let site = study.find_site(&subject.site).map_or("", |site| site.name.in_language(self.language));
        page.line("site", format!("{} {site}", subject.site).trim());
        page.line(
            "enrolled",
            &format!("{} by {}", subject.enrolled_at.local(study.zone), self.person(&subject.person)),
        );
        if let Some(participant) = self.participant {
            page.line("participant", &participant.to_string());
        }
        if let Some(earlier) = &self.earlier {
            page.line("rescreens", earlier);
        }
        if let Some(later) = &self.later {
            page.line("rescreened", &format!("as {later}"));
        }
        if let Some(given) = &enrolled.allocation {
            let at = self.allocated().unwrap_or_else(|| "an unknown time".to_string());
            match self.origin(given) {
                Origin::Imported => page.line("allocated", &format!("at {at}, elsewhere; its history was imported")),
                Origin::Forced => page.line("allocated", &format!("at {at}, by hand")),
                Origin::Drawn => {}
            }
            if let Some(arm) = self.arm(given) {
                page.line("arm", &self.arm_named(&arm));
            }
            page.kit(given, enrolled.kit.as_ref());
        }
        for letter in &self.letters {
            let failure = letter.failure().filter(|status| !status.is_empty());
            let failure = failure.map(|status| format!(" ({status})"));
            let delay = letter.delay().map(|(status, at)| format!(", delayed ({status}) at {}", at.local(study.zone)));
            let failure = failure.or(delay).unwrap_or_default();
            page.line("letter", &format!("{} to {}: {}{failure}", letter.id, letter.recipient, letter.state.key()));
        }
        let registration = study.registration_instrument();
        page.form(registration.title.in_language(self.language));
        page.answers(self.answers(registration, &enrolled.answers()?));
        for own in &enrolled.further {
            self.further(&mut page, own)?;
        }
        for (row, form) in self.entries() {
            self.entry(&mut page, row, form)?;
        }
        for (row, form) in self.diary() {
            self.response(&mut page, row, form)?;
        }
        for fact in &enrolled.facts {
            self.fact(&mut page, fact)?;
        }
        Ok(page.text)
    }

    /// A further allocation with its form.
    fn further(&self, page: &mut Page, own: &Further) -> anyhow::Result<()> {
        let (study, id) = (self.study, own.allocation.randomization.as_str());
        let rules = study.find_randomization(id);
        let title = rules.map_or(id, |rules| rules.title.in_language(self.language));
        page.form(&format!("{title} ({id})"));
        let at = own.allocated.map_or_else(|| own.allocation.allocated_at.local(study.zone), |at| at.local(study.zone));
        let origin = self.origin(&own.allocation);
        let how = match origin {
            Origin::Imported => "elsewhere; its history was imported".to_string(),
            Origin::Forced => format!("by hand; asked for by {}", self.person(&own.request.person)),
            Origin::Drawn => format!("asked for by {}", self.person(&own.request.person)),
        };
        let mark = if origin == Origin::Drawn { ";" } else { "," };
        page.line("allocated", &format!("at {at}{mark} {how}"));
        if let Some(arm) = self.arm(&own.allocation) {
            page.line("arm", &self.arm_named(&arm));
        }
        page.kit(&own.allocation, own.kit.as_ref());
        if let Some(form) = rules.and_then(|rules| study.find_instrument(&rules.instrument)) {
            page.answers(self.answers(form, &own.answers()?));
        }
        Ok(())
    }

    /// A form of an event.
    fn entry(&self, page: &mut Page, row: &ResponseRow, form: &Instrument) -> anyhow::Result<()> {
        let study = self.study;
        let event = study.find_event(&row.event);
        let name = event.map_or(row.event.as_str(), |event| event.name.in_language(self.language));
        let occasion =
            if event.is_some_and(|event| event.repeats) { format!(" {}", row.occasion) } else { String::new() };
        page.form(&format!("{name}{occasion}: {}", form.title.in_language(self.language)));
        let at = row.answered_at.map(|at| at.local(study.zone)).unwrap_or_default();
        page.line("entered", &format!("{at} by {}", self.person(&row.person)));
        if row.replaces.is_some() {
            page.line("corrected", if self.keeps_entry(row) { KEPT_BACK } else { &row.reason });
        }
        let outside = match self.standing(row) {
            Some((window, Standing::Early)) => Some(("before", window)),
            Some((window, Standing::Late)) => Some(("after", window)),
            Some((_, Standing::Within)) | None => None,
        };
        if let Some((when, Window { day, opens, closes })) = outside {
            page.line("window", &format!("took place {when} it: planned for {day}, {opens} to {closes}"));
        }
        page.answers(self.answers(form, &answers_of(row)?));
        Ok(())
    }

    /// The window of the event that a form belongs to, and where the day that the form tells stands to it.
    fn standing(&self, row: &ResponseRow) -> Option<(Window, Standing)> {
        let stations = self.chart.stations(self.study);
        let own = stations.iter().find(|station| station.event.id == row.event)?;
        Some((own.window?, course::standing(self.study, own.event, own.window, row)?))
    }

    /// What the participant answered to the survey once.
    fn response(&self, page: &mut Page, row: &ResponseRow, form: &Instrument) -> anyhow::Result<()> {
        page.form(&format!("{} {}", form.title.in_language(self.language), row.occasion));
        let at = row.answered_at.map(|at| at.local(self.study.zone)).unwrap_or_default();
        page.line("answered", &format!("{at} ({})", row.channel.key()));
        let mut answers = answers_of(row)?;
        answers.retain(|item, _| !self.kept_in.contains(item));
        page.answers(self.answers(form, &answers));
        if !self.kept_in.is_empty() {
            page.line("kept back", "answers by which arms could be told apart, until the study is closed");
        }
        Ok(())
    }

    /// Whether a fact's reason could tell the arm.
    fn keeps(&self, fact: &FactRow) -> bool {
        let before = self.chart.enrolled.facts.iter().filter(|known| known.number < fact.number);
        self.conceals && keeps_reason(self.study, &fact.person, before)
    }

    /// The same of why the form of an event was corrected.
    fn keeps_entry(&self, row: &ResponseRow) -> bool {
        self.conceals && keeps_entry_reason(self.study, row, &self.chart.enrolled.facts)
    }

    /// A fact for programs; without a reason that could tell the arm.
    fn fact_json(&self, fact: &FactRow) -> Value {
        let mut told = fact_json(self.study, fact);
        if self.keeps(fact) {
            told["reason"] = Value::Null;
        }
        told["taken_back_by"] = json!(self.taken_back_by(fact));
        told
    }

    /// Number of the fact that takes that one back, if one does.
    fn taken_back_by(&self, fact: &FactRow) -> Option<i64> {
        let later = self.chart.enrolled.facts.iter().find(|later| later.takes_back == Some(fact.number));
        later.map(|later| later.number)
    }

    /// What became known, with what was corrected by it.
    fn fact(&self, page: &mut Page, fact: &FactRow) -> anyhow::Result<()> {
        let (study, enrolled) = (self.study, &self.chart.enrolled);
        page.form(&format!("fact {}: {}", fact.number, about(fact, &enrolled.facts)));
        let at = fact.recorded_at.local(study.zone);
        let reason = if self.keeps(fact) { KEPT_BACK } else { &fact.reason };
        page.line("recorded", &format!("{at} by {}: {reason}", self.person(&fact.person)));
        if let Some(in_error) = fact.takes_back {
            page.line("takes back", &format!("fact {in_error}, which was recorded in error"));
        }
        if let Some(later) = self.taken_back_by(fact) {
            page.line("in error", &format!("taken back by fact {later}; counts no more"));
        }
        let right: Answers = serde_json::from_str(&fact.changes)?;
        let forms = enrolled.further.iter().map(|own| Some(own.allocation.randomization.as_str()));
        for form in std::iter::once(None).chain(forms) {
            let instrument = match form {
                None => Some(study.registration_instrument()),
                Some(id) => study.find_randomization(id).and_then(|own| study.find_instrument(&own.instrument)),
            };
            let Some(instrument) = instrument else { continue };
            let known = correction::on_file(enrolled, form, fact.number)?;
            let own = fact::changes_of(&right, form);
            for item in instrument.items.iter().filter(|item| own.contains_key(&item.id)) {
                let value = |answers: &Answers| {
                    let only = answers.get_key_value(&item.id).map(|(id, value)| (id.clone(), value.clone()));
                    let shown = self.answers(instrument, &only.into_iter().collect());
                    shown.into_iter().next().filter(|shown| !shown.value.is_empty())
                };
                let label = item.label.in_language(self.language);
                let [was, is] = [value(&known), value(&own)].map(|shown| shown.map_or("–".to_string(), valued));
                page.answer(label, &format!("{is} (was {was})"));
            }
        }
        Ok(())
    }

    /// Answers in words, texts whole; personal ones masked.
    fn answers(&self, form: &Instrument, canonical: &Answers) -> Vec<Shown> {
        let answered = form.items.iter().filter(|item| canonical.contains_key(&item.id));
        let listed = Shown::list(self.study, form, canonical, self.language);
        let shown = answered.zip(listed).map(|(item, listed)| {
            let whole = matches!(item.kind, ItemKind::Text { .. } | ItemKind::Note) && !item.personal;
            if whole { Shown::own(self.study, form, item, canonical, self.language) } else { listed }
        });
        shown.collect()
    }

    /// How an arm was given. While the study conceals its arms, one that was given by hand looks like one that was drawn, as in letters.
    fn origin(&self, given: &AllocationRow) -> Origin {
        match given.origin {
            Origin::Forced if self.conceals => Origin::Drawn,
            other => other,
        }
    }

    /// The code of an arm, unless the study conceals it.
    fn arm(&self, given: &AllocationRow) -> Option<String> {
        (self.study.blinding == Blinding::Open).then(|| given.arm.clone())
    }

    fn arm_named(&self, code: &str) -> String {
        let name = self.study.find_arm(code).map_or("", |arm| arm.name.in_language(self.language));
        format!("{code} {name}").trim().to_string()
    }

    fn person(&self, id: &str) -> String {
        let known = self.study.people.iter().find(|person| person.id == id);
        known.map_or_else(|| id.to_string(), |person| format!("{} ({id})", person.name.in_language(self.language)))
    }

    /// When the first allocation was made, where it was recorded later.
    fn allocated(&self) -> Option<String> {
        self.chart.enrolled.allocated.map(|allocated| allocated.local(self.study.zone))
    }

    /// The responses to the survey that count, each with its instrument.
    fn diary(&self) -> impl Iterator<Item = (&ResponseRow, &Instrument)> {
        self.diary.iter().filter_map(|row| Some((row, self.study.find_instrument(&row.instrument)?)))
    }

    /// The forms of events that count, each with its instrument, in the order of the study.
    fn entries(&self) -> impl Iterator<Item = (&ResponseRow, &Instrument)> {
        let of_event = |event: &str| self.study.events.iter().position(|own| own.id == event);
        let mut rows: Vec<&ResponseRow> =
            self.chart.responses.iter().filter(|row| row.current && !row.event.is_empty()).collect();
        rows.sort_by_key(|row| (of_event(&row.event), row.occasion));
        rows.into_iter().filter_map(|row| Some((row, self.study.find_instrument(&row.instrument)?)))
    }
}

/// Lines for a terminal.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn form(&mut self, title: &str) {
        self.text.push('\n');
        self.head(title);
    }

    fn line(&mut self, key: &str, value: &str) {
        self.text.push_str(&format!("  {key:<10} {value}\n"));
    }

    /// The kit that the subject has now, and the one it was allocated where that was replaced.
    fn kit(&mut self, given: &AllocationRow, now: Option<&String>) {
        match (&given.kit, now) {
            (Some(first), Some(now)) if first != now => self.line("kit", &format!("{now} (in place of {first})")),
            (Some(kit), _) | (None, Some(kit)) => self.line("kit", kit),
            (None, None) => {}
        }
    }

    fn answer(&mut self, label: &str, value: &str) {
        // What stands on several lines goes on below its own beginning.
        self.text.push_str(&format!("  {label}: {}\n", value.replace('\n', "\n    ")));
    }

    fn answers(&mut self, answers: Vec<Shown>) {
        for shown in answers {
            let label = shown.label.clone();
            self.answer(&label, &valued(shown));
        }
    }
}

/// A value with its unit.
fn valued(shown: Shown) -> String {
    format!("{} {}", shown.value, shown.unit).trim_end().to_string()
}

fn answers_of(row: &ResponseRow) -> anyhow::Result<Answers> {
    Ok(serde_json::from_str(&row.answers)?)
}

/// Canonical answers, without those that identify somebody.
fn plain(instrument: &Instrument, answers: Answers) -> Answers {
    let plain = |item: &str| instrument.find(item).is_some_and(|item| !item.personal);
    answers.into_iter().filter(|(item, _)| plain(item)).collect()
}

/// A fact for programs; right values of items that identify somebody are null.
pub(super) fn fact_json(study: &Study, fact: &FactRow) -> Value {
    let mut changes: BTreeMap<String, Value> = serde_json::from_str(&fact.changes).unwrap_or_default();
    for (name, value) in &mut changes {
        let (form, item) = name.split_once('.').map_or((None, name.as_str()), |(form, item)| (Some(form), item));
        let instrument = match form {
            None => Some(study.registration_instrument()),
            Some(id) => study.find_randomization(id).and_then(|own| study.find_instrument(&own.instrument)),
        };
        let known = instrument.and_then(|instrument| instrument.find(item));
        if known.is_none_or(|item| item.personal) {
            *value = Value::Null;
        }
    }
    json!({ "number": fact.number, "kind": fact.kind.key(), "allocation": fact.randomization, "person": fact.person,
            "actor": fact.actor, "reason": fact.reason, "changes": changes, "after_allocation": fact.after_allocation,
            "takes_back": fact.takes_back,
            "recorded_at": fact.recorded_at.local(study.zone) })
}
