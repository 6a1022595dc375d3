//! A world of records for unit tests: every question has its answer at once.

use core::net::IpAddr;
use std::collections::BTreeMap;

use super::{Answer, Answers, Gap, Kind, Question, Record};

/// The records of a name.
pub(super) type Entry = (String, Vec<Record>);

pub(super) fn texts(name: &str, texts: &[&str]) -> Entry {
    (name.to_owned(), texts.iter().map(|text| Record::Text((*text).to_owned())).collect())
}

pub(super) fn exchanges(name: &str, hosts: &[(u16, &str)]) -> Entry {
    let record =
        |(preference, host): &(u16, &str)| Record::Exchange { preference: *preference, host: (*host).to_owned() };
    (name.to_owned(), hosts.iter().map(record).collect())
}

pub(super) fn addresses(name: &str, addresses: &[&str]) -> Entry {
    (name.to_owned(), addresses.iter().map(|address| Record::Address(address.parse().unwrap())).collect())
}

pub(super) fn pointers(name: &str, names: &[&str]) -> Entry {
    (name.to_owned(), names.iter().map(|name| Record::Pointer((*name).to_owned())).collect())
}

/// What DNS would say.
#[derive(Clone, Default)]
pub(super) struct World {
    records: BTreeMap<Question, Vec<Record>>,
    failing: Vec<String>,
}

impl World {
    pub(super) fn new(entries: &[Entry]) -> World {
        entries.iter().cloned().fold(World::default(), World::with)
    }

    /// With other records of these kinds of that name.
    pub(super) fn with(mut self, (name, records): Entry) -> World {
        let kind = |record: &Record| match record {
            Record::Text(_) => Kind::Text,
            Record::Exchange { .. } => Kind::Exchange,
            Record::Address(IpAddr::V4(_)) => Kind::Four,
            Record::Address(IpAddr::V6(_)) => Kind::Six,
            Record::Pointer(_) => Kind::Pointer,
        };
        for record in &records {
            self.records.remove(&Question { kind: kind(record), name: name.clone() });
        }
        for record in records {
            self.records.entry(Question { kind: kind(&record), name: name.clone() }).or_default().push(record);
        }
        self
    }

    /// Where nobody answers for a name.
    pub(super) fn failing(mut self, name: &str) -> World {
        self.failing.push(name.to_owned());
        self
    }

    /// Judges again and again, with what was asked for.
    pub(super) fn judge<T>(&self, judge: impl Fn(&Answers) -> Result<T, Gap>) -> Result<T, Gap> {
        let mut answers = Answers::default();
        for _ in 0..1_000 {
            let question = match judge(&answers) {
                Err(Gap::Asks(question)) => question,
                judged => return judged,
            };
            let answer = match self.records.get(&question) {
                _ if self.failing.contains(&question.name) => Answer::Failed("server failure".to_owned()),
                Some(records) => Answer::Records(records.clone()),
                None => Answer::Records(Vec::new()),
            };
            answers.put(question, answer);
        }
        panic!("it asks without end");
    }
}
