//! Answers that nobody gave: what a sample of a letter about a form is filled with.

use crate::domain::answer::{Answer, Fault, FaultCode, Form, Value as Meaning};
use crate::domain::instrument::{Choices, Instrument, Item, ItemKind};

/// A form with an answer for every item that has an obvious one.
pub fn invented_form(instrument: &Instrument, site: &str, today: chrono::NaiveDate) -> Form {
    let mut form = Form::default();
    for item in &instrument.items {
        let Some(value) = invented_value(item, site, today) else { continue };
        let typed = value.canonical();
        form.typed.insert(item.id.clone(), typed.clone());
        form.answers.insert(item.id.clone(), Answer { typed, value });
    }
    form
}

fn invented_value(item: &Item, site: &str, today: chrono::NaiveDate) -> Option<Meaning> {
    let first = |choices: &Choices| match choices {
        Choices::Sites => Some(site.to_string()),
        Choices::Listed(listed) => listed.first().map(|choice| choice.code.clone()),
    };
    match &item.kind {
        ItemKind::Text { .. } | ItemKind::Note => Some(Meaning::Text("A-0001".into())),
        ItemKind::Integer => {
            let least = item.hard.min.as_ref().map(|least| least.ceil().to_integer());
            Some(Meaning::Integer(least.and_then(|least| i64::try_from(least).ok()).unwrap_or(1)))
        }
        ItemKind::Decimal { .. } => Some(Meaning::Decimal("1.0".into())),
        ItemKind::Date => Some(Meaning::Date(today)),
        ItemKind::Time => chrono::NaiveTime::from_hms_opt(9, 0, 0).map(Meaning::Time),
        ItemKind::DateTime => today.and_hms_opt(9, 0, 0).map(Meaning::DateTime),
        ItemKind::YesNo => Some(Meaning::YesNo(true)),
        ItemKind::Choice(choices) => first(choices).map(Meaning::Choice),
        ItemKind::Choices(choices) => first(choices).map(|code| Meaning::Choices(vec![code])),
        ItemKind::Scale { low, .. } => Some(Meaning::Integer(*low)),
        ItemKind::File(_) | ItemKind::Heading | ItemKind::Calculation(_) => None,
    }
}

/// The form without its last answer, and the fault that this is.
pub(super) fn with_a_gap(mut form: Form) -> Form {
    if let Some((item, _)) = form.answers.pop_last() {
        form.typed.remove(&item);
        form.faults.push(Fault { item, code: FaultCode::Missing, typed: String::new(), expected: String::new() });
    }
    form
}
