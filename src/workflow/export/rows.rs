//! Rows of a table, read a page at a time: however many there are, one page of them is in memory.

use std::collections::{BTreeMap, VecDeque};

use super::cells::{self, Cell};
use super::{Source, Table, What, Wish};
use crate::domain::allocation::Origin;
use crate::domain::fact::{changes_of, further_item};
use crate::domain::study::{Blinding, FIRST};
use crate::domain::survey::Mark;
use crate::limits;
use crate::store::allocation::AllocationRow;
use crate::store::fact::FactRow;
use crate::store::response::ResponseRow;
use crate::store::study::State;
use crate::store::subject::SubjectRow;
use crate::store::{Store, StoreError, allocation, fact, participant, randomization, response, study, subject};
use crate::workflow::Failure;
use crate::workflow::course;
use crate::workflow::enroll::stored_answers;
use crate::workflow::facts::{keeps_entry_reason, keeps_reason};
use crate::workflow::shelf::ShelvedStudy;

/// What stands for a reason whose words could tell an arm, until the study is closed.
pub const KEPT_BACK: &str = "(kept back while the study is blinded; on file)";

/// Answers by item.
type Answers = BTreeMap<String, String>;

/// The rows of a table that are still to come.
pub struct Rows<'a> {
    store: &'a Store,
    shelved: &'a ShelvedStudy,
    table: &'a Table,
    wish: Wish,
    place: Place,
    waiting: VecDeque<Vec<Cell>>,
    done: bool,
}

/// Behind which row the next page begins.
enum Place {
    Number(i64),
    Mark(Mark),
}

impl<'a> Rows<'a> {
    /// All rows of a table.
    pub fn of(store: &'a Store, shelved: &'a ShelvedStudy, table: &'a Table, wish: Wish) -> Rows<'a> {
        let place = match table.source {
            Source::Responses(_) => Place::Mark(Mark([0; 16])),
            _ => Place::Number(0),
        };
        Rows { store, shelved, table, wish, place, waiting: VecDeque::new(), done: false }
    }

    /// The next row: one cell for each column.
    ///
    /// # Errors
    /// The database; records that contradict each other.
    pub async fn next(&mut self) -> Result<Option<Vec<Cell>>, Failure> {
        while self.waiting.is_empty() && !self.done {
            self.turn().await?;
        }
        Ok(self.waiting.pop_front())
    }

    /// Reads one page.
    async fn turn(&mut self) -> Result<(), Failure> {
        let (store, study) = (self.store, self.shelved.id);
        match (&self.table.source, &self.place) {
            (Source::Responses(instrument), Place::Mark(after)) => {
                let page = response::list(store, study, after, limits::EXPORT_ROWS).await?;
                let end = page.last().map(|row| Place::Mark(row.id));
                self.turned(page.len(), end);
                for row in page.iter().filter(|row| row.instrument == *instrument && (row.current || self.wish.history))
                {
                    let cells = self.response(row).await?;
                    self.waiting.push_back(cells);
                }
            }
            (Source::Subjects, Place::Number(after)) => {
                let page = subject::list(store, study, *after, limits::EXPORT_ROWS).await?;
                let end = page.last().map(|row| Place::Number(row.number));
                self.turned(page.len(), end);
                self.subjects(&page).await?;
            }
            (Source::Allocations, Place::Number(after)) => {
                let page = allocation::list(store, study, *after, limits::EXPORT_ROWS).await?;
                let end = page.last().map(|row| Place::Number(row.number));
                let forms = randomization::list(store, study, *after, limits::EXPORT_ROWS).await?;
                let conceals = !self.wish.arms && self.conceals().await?;
                self.turned(page.len(), end);
                for row in &page {
                    let form = forms.iter().find(|form| form.allocation_number == row.number);
                    let mut answers = form.map(|form| read(&form.answers)).transpose()?.unwrap_or_default();
                    if row.randomization != FIRST {
                        for fact in fact::list_by_subject(store, row.subject_id).await? {
                            answers.extend(changes_of(&read(&fact.changes)?, Some(&row.randomization)));
                        }
                    }
                    let number = subject::load(self.store, row.subject_id).await?.number;
                    self.allocation(row, number, &answers, conceals);
                }
            }
            (Source::Facts, Place::Number(after)) => {
                let conceals = self.conceals().await?;
                let page = fact::list(store, study, *after, limits::EXPORT_ROWS).await?;
                let end = page.last().map(|row| Place::Number(row.number));
                self.turned(page.len(), end);
                for row in &page {
                    self.facts(row, conceals).await?;
                }
            }
            (Source::Participants, Place::Number(after)) => {
                let page = participant::list(store, study, *after, limits::EXPORT_ROWS).await?;
                let end = page.last().map(|row| Place::Number(row.number));
                self.turned(page.len(), end);
                let zone = self.shelved.study.zone;
                for row in page {
                    let cells = self.own(|id| match id {
                        "participant" => Cell::number(row.number),
                        "reference" => Cell::text(row.reference.as_str()),
                        "name" => Cell::text(row.name.as_str()),
                        "address" => Cell::text(row.address.as_str()),
                        "attributes" if row.attributes != "{}" => Cell::text(row.attributes.as_str()),
                        "language" => Cell::text(row.language.as_str()),
                        "state" => Cell::text(row.state.key()),
                        "created_at" => Cell::moment(row.created_at, zone),
                        _ => Cell::Blank,
                    });
                    self.waiting.push_back(cells);
                }
            }
            (_, Place::Mark(_)) | (Source::Responses(_), Place::Number(_)) => self.done = true,
        }
        Ok(())
    }

    fn turned(&mut self, rows: usize, end: Option<Place>) {
        self.done = (rows as i64) < limits::EXPORT_ROWS;
        if let Some(end) = end {
            self.place = end;
        }
    }

    /// A row of columns of ours, each by its name.
    fn own(&self, cell: impl Fn(&str) -> Cell) -> Vec<Cell> {
        self.row(&Answers::new(), cell)
    }

    fn row(&self, answers: &Answers, own: impl Fn(&str) -> Cell) -> Vec<Cell> {
        let study = &self.shelved.study;
        let cells = self.table.columns.iter().map(|column| match &column.what {
            What::Own(id) => own(id),
            What::Item(item) | What::Chosen(item, _) => {
                cells::of_answer(study, column, answers.get(&item.id).map(String::as_str), self.wish)
            }
        });
        cells.collect()
    }

    async fn subjects(&mut self, page: &[SubjectRow]) -> Result<(), Failure> {
        let (Some(first), Some(last)) = (page.iter().map(|row| row.id).min(), page.iter().map(|row| row.id).max())
        else {
            return Ok(());
        };
        let mut given: BTreeMap<i64, AllocationRow> = BTreeMap::new();
        for row in allocation::list_of_subjects(self.store, self.shelved.id, first, last).await? {
            if row.randomization == FIRST {
                given.insert(row.subject_id, row);
            }
        }
        let mut corrected: BTreeMap<i64, Answers> = BTreeMap::new();
        for row in fact::list_of_subjects(self.store, self.shelved.id, first, last).await? {
            corrected.entry(row.subject_id).or_default().extend(changes_of(&read(&row.changes)?, None));
        }
        let study = &self.shelved.study;
        for row in page {
            let mut answers = stored_answers(row)?;
            answers.extend(corrected.remove(&row.id).unwrap_or_default());
            let own = given.get(&row.id);
            let earlier = match row.rescreens_id {
                Some(earlier) => study.subject_number(subject::load(self.store, earlier).await?.number),
                None => String::new(),
            };
            let participant = match row.participant_id {
                Some(id) => Some(participant::load(self.store, id).await?.number),
                None => None,
            };
            let cells = self.row(&answers, |id| match id {
                "subject" => Cell::text(study.subject_number(row.number)),
                "person" => Cell::text(row.person.as_str()),
                "participant" => participant.map_or(Cell::Blank, Cell::number),
                "site" => Cell::text(row.site.as_str()),
                "enrolled_at" => Cell::moment(row.enrolled_at, study.zone),
                "rescreens" => Cell::text(earlier.as_str()),
                "arm" => own.map_or(Cell::Blank, |own| Cell::text(own.arm.as_str())),
                "kit" => own.and_then(|own| own.kit.as_deref()).map_or(Cell::Blank, Cell::text),
                _ => Cell::Blank,
            });
            self.waiting.push_back(cells);
        }
        Ok(())
    }

    /// While the study conceals its arms, one that was given by hand looks like one that was drawn, as in letters.
    fn allocation(&mut self, row: &AllocationRow, subject: i64, answers: &Answers, conceals: bool) {
        let study = &self.shelved.study;
        let origin = if conceals && row.origin == Origin::Forced { Origin::Drawn } else { row.origin };
        let cells = self.row(answers, |id| match id {
            "number" => Cell::number(row.number),
            "subject" => Cell::text(study.subject_number(subject)),
            "allocation" => Cell::text(row.randomization.as_str()),
            "allocated_at" => Cell::moment(row.allocated_at, study.zone),
            "origin" => Cell::text(origin.key()),
            "arm" => Cell::text(row.arm.as_str()),
            "kit" => row.kit.as_deref().map_or(Cell::Blank, Cell::text),
            _ => Cell::Blank,
        });
        self.waiting.push_back(cells);
    }

    /// Whether the study conceals its arms as yet.
    async fn conceals(&self) -> Result<bool, Failure> {
        let blinded = self.shelved.study.blinding == Blinding::Blinded;
        Ok(blinded && study::load(self.store, self.shelved.id).await?.state != State::Closed)
    }

    async fn facts(&mut self, row: &FactRow, conceals: bool) -> Result<(), Failure> {
        let about = subject::load(self.store, row.subject_id).await?;
        let mut known = stored_answers(&about)?;
        for own in allocation::list_by_subject(self.store, row.subject_id).await? {
            if let Some(request) = randomization::find(self.store, own.study_id, own.number).await? {
                let answers = read(&request.answers)?;
                known.extend(answers.into_iter().map(|(item, value)| (further_item(&own.randomization, &item), value)));
            }
        }
        let mut before = fact::list_by_subject(self.store, row.subject_id).await?;
        let taken_back_by = before.iter().find(|later| later.takes_back == Some(row.number)).map(|later| later.number);
        before.retain(|before| before.number < row.number);
        for before in &before {
            known.extend(read(&before.changes)?);
        }
        let study = &self.shelved.study;
        let reason = match conceals && keeps_reason(study, &row.person, &before) {
            true => KEPT_BACK,
            false => row.reason.as_str(),
        };
        let hides = |name: &str| {
            let item = match name.split_once('.') {
                None => study.registration_instrument().find(name),
                Some((own, item)) => study
                    .find_randomization(own)
                    .and_then(|own| study.find_instrument(&own.instrument))
                    .and_then(|form| form.find(item)),
            };
            self.wish.deidentified && item.is_none_or(|item| item.personal)
        };
        let changes = read(&row.changes)?;
        let mut lines: Vec<(&str, &str, &str)> = changes
            .iter()
            .filter(|(item, _)| !hides(item))
            .map(|(item, after)| (item.as_str(), known.get(item).map_or("", String::as_str), after.as_str()))
            .collect();
        if lines.is_empty() {
            lines.push(("", "", ""));
        }
        for (name, before, after) in lines {
            let (form, item) = name.split_once('.').map_or((None, name), |(form, item)| (Some(form), item));
            let own = row.randomization.as_deref().or(form).unwrap_or_default();
            let cells = self.own(|id| match id {
                "subject" => Cell::text(study.subject_number(about.number)),
                "fact" => Cell::text(row.kind.key()),
                "fact_number" => Cell::number(row.number),
                "taken_back_by" => taken_back_by.map_or(Cell::Blank, Cell::number),
                "about" => Cell::text(own),
                "recorded_at" => Cell::moment(row.recorded_at, study.zone),
                "person" => Cell::text(row.person.as_str()),
                "reason" => Cell::text(reason),
                "item" => Cell::text(item),
                "before" => Cell::text(before),
                "after" => Cell::text(after),
                _ => Cell::Blank,
            });
            self.waiting.push_back(cells);
        }
        Ok(())
    }

    async fn response(&self, row: &ResponseRow) -> Result<Vec<Cell>, Failure> {
        let number = match row.participant_id {
            Some(id) => Cell::number(participant::load(self.store, id).await?.number),
            None => Cell::Blank,
        };
        let about = match row.subject_id {
            Some(id) => Some(subject::load(self.store, id).await?),
            None => None,
        };
        let (study, zone) = (&self.shelved.study, self.shelved.study.zone);
        let about = about.as_ref();
        let arm =
            match about.filter(|_| self.table.columns.iter().any(|column| matches!(column.what, What::Own("arm")))) {
                Some(about) => allocation::list_by_subject(self.store, about.id).await?,
                None => Vec::new(),
            };
        let arm = arm.into_iter().find(|given| given.randomization == FIRST);
        let planned = self.table.columns.iter().any(|column| matches!(column.what, What::Own("window")));
        let stations = match about.filter(|_| planned) {
            Some(about) => course::of_subject(self.store, self.shelved, about).await?,
            None => Vec::new(),
        };
        let station = stations.iter().find(|station| station.event.id == row.event);
        let standing = station.and_then(|own| course::standing(study, own.event, own.window, row));
        let mut reason = row.reason.as_str();
        // Answers that no person of the study gave are those of somebody who knows no arm.
        if let Some(about) = about.filter(|_| !reason.is_empty() && !row.person.is_empty())
            && self.conceals().await?
        {
            let facts = fact::list_by_subject(self.store, about.id).await?;
            if keeps_entry_reason(study, row, &facts) {
                reason = KEPT_BACK;
            }
        }
        let cells = self.row(&read(&row.answers)?, |id| match id {
            "response" => Cell::text(row.id.text()),
            "subject" => about.map_or(Cell::Blank, |about| Cell::text(study.subject_number(about.number))),
            "site" => about.map_or(Cell::Blank, |about| Cell::text(about.site.as_str())),
            "arm" => arm.as_ref().map_or(Cell::Blank, |given| Cell::text(given.arm.as_str())),
            "event" => Cell::text(row.event.as_str()),
            "person" => Cell::text(row.person.as_str()),
            "participant" => number.clone(),
            "occasion" => Cell::number(row.occasion),
            "channel" => Cell::text(row.channel.key()),
            "language" => Cell::text(row.language.as_str()),
            "answered_at" => row.answered_at.map_or(Cell::Blank, |at| Cell::moment(at, zone)),
            "planned_on" => station.and_then(|own| own.window).map_or(Cell::Blank, |window| Cell::Day(window.day)),
            "window" => standing.map_or(Cell::Blank, |standing| Cell::text(standing.key())),
            "current" => Cell::Flag(row.current),
            "replaces" => row.replaces.map_or(Cell::Blank, |earlier| Cell::text(earlier.text())),
            "reason" => Cell::text(reason),
            _ => Cell::Blank,
        });
        let inside = |cell| match cell {
            Cell::File(path, file) => Cell::File(format!("{}/{path}", row.id.text()), file),
            other => other,
        };
        Ok(cells.into_iter().map(inside).collect())
    }
}

fn read(answers: &str) -> Result<Answers, Failure> {
    let broken = |error: serde_json::Error| StoreError::Other { what: "answers".into(), cause: error.to_string() };
    Ok(serde_json::from_str(answers).map_err(broken)?)
}
