//! The templates' sentences on faults and reasons, for whoever reads them elsewhere than in a letter: a command's refusal says what
//! the mail's answer would have said.

use handlebars::Handlebars;
use serde::Serialize;

use super::facts::{FaultLine, Reader, Reason, ReasonLine};
use super::stationery::pieces_for_texts;
use crate::domain::answer::Fault;
use crate::domain::instrument::Instrument;
use crate::domain::language::Language;
use crate::domain::study::{Person, Study};

/// Words faults and reasons of a study in one language.
pub struct Said<'s> {
    study: &'s Study,
    language: Language,
    today: chrono::NaiveDate,
    /// An operator acts for every site.
    operator: Person,
    pieces: Option<Handlebars<'static>>,
}

impl<'s> Said<'s> {
    /// In that language, on that day.
    pub fn new(study: &'s Study, language: Language, today: chrono::NaiveDate) -> Said<'s> {
        let operator = Person {
            id: String::new(),
            name: Default::default(),
            addresses: Vec::new(),
            roles: Vec::new(),
            sites: Vec::new(),
            language: None,
            representative: None,
        };
        Said { study, language, today, operator, pieces: pieces_for_texts(language).ok() }
    }

    fn reader(&self) -> Reader<'_> {
        Reader { study: self.study, person: &self.operator, today: self.today, language: self.language }
    }

    /// What is wrong with an answer, behind the item's id: `isi: “99” is outside of the limits. Expected: …`.
    pub fn fault(&self, instrument: &Instrument, fault: &Fault) -> String {
        self.about_item(fault, &FaultLine::fault(&self.reader(), instrument, fault))
    }

    /// What is unusual about an answer.
    pub fn doubt(&self, instrument: &Instrument, fault: &Fault) -> String {
        self.about_item(fault, &FaultLine::doubt(&self.reader(), instrument, fault))
    }

    /// Why somebody is not enrolled or randomized.
    pub fn reason(&self, reason: &Reason) -> String {
        let line = ReasonLine::new(self.study, reason, self.language);
        self.sentence(&line.partial, &line).unwrap_or(line.code)
    }

    fn about_item(&self, fault: &Fault, line: &FaultLine) -> String {
        let said = self.sentence(&line.partial, line).unwrap_or_else(|| line.code.clone());
        if fault.item.is_empty() { said } else { format!("{}: {said}", fault.item) }
    }

    fn sentence(&self, piece: &str, facts: &impl Serialize) -> Option<String> {
        let said = self.pieces.as_ref()?.render(piece, facts).ok()?;
        Some(said.trim().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{self, samples};
    use crate::domain::answer::FaultCode;

    #[test]
    fn every_fault_and_reason_is_a_sentence() {
        let study = definition::load(&samples::cygnus()).expect("a sample").0;
        let form = study.find_instrument("response").expect("its form");
        for language in Language::ALL {
            let said = Said::new(&study, language, chrono::NaiveDate::default());
            use FaultCode::{Charset, Check, Code, Conflict, Control, Date, Missing, Pattern, Range, Type, Unknown};
            use FaultCode::{FileEmpty, FileGone, FileRoom, FileSize, FileType, FileWaiting};
            let typed = [Missing, Range, Code, Type, Pattern, Date, Unknown, Conflict, Charset, Control, Check];
            let files = [FileType, FileSize, FileEmpty, FileGone, FileRoom, FileWaiting];
            for code in typed.into_iter().chain(files) {
                let fault = Fault { item: "isi".into(), code, typed: "99 <".into(), expected: String::new() };
                for line in [said.fault(form, &fault), said.doubt(form, &fault)] {
                    assert!(line.starts_with("isi: ") && line != format!("isi: {}", code.key()), "{line}");
                    assert!(!line.contains("&lt;"), "{line}");
                }
            }
            for reason in
                [Reason::NotEligible(vec!["adult".into()]), Reason::Condition("second".into()), Reason::ArmFull]
            {
                assert_ne!(said.reason(&reason), reason.key());
            }
            let range =
                Fault { item: "isi".into(), code: FaultCode::Range, typed: "99".into(), expected: String::new() };
            let line = said.fault(form, &range);
            assert!(line.contains("99") && line.contains("28"), "{line}");
        }
    }
}
