//! `hagaki credentials list`: who was asked and where each stands; in a survey that keeps no such list, counts alone.

use serde_json::{Value, json};

use super::Office;
use crate::cli::{End, Installation, Refused};
use crate::domain::survey::Privacy;
use crate::domain::time::{Instant, Zone};
use crate::limits;
use crate::store::roster::{self, RosterRow};
use crate::store::{credential, participant, study};
use crate::workflow::export::delimited::{Charset, Delimited};
use crate::workflow::opt_out;

/// How the list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Shape {
    /// A table for people.
    Table,
    /// One object a line.
    Json,
    /// A file for a spreadsheet.
    Csv,
}

impl Shape {
    /// What was asked for.
    pub(in crate::cli) const fn new(json: bool, csv: bool) -> Shape {
        match (json, csv) {
            (true, _) => Shape::Json,
            (false, true) => Shape::Csv,
            (false, false) => Shape::Table,
        }
    }
}

/// Columns of the file.
const COLUMNS: [&str; 12] = [
    "number",
    "token",
    "name",
    "email",
    "standing",
    "invited",
    "from",
    "until",
    "credentials",
    "times",
    "answered",
    "unsubscribed",
];

pub(in crate::cli) fn list(slug: &str, installation: &Installation, shape: Shape) -> anyhow::Result<End> {
    let office = Office::open(slug, installation)?;
    let (store, study) = (&office.opened.store, &office.shelved.study);
    if study.survey.as_ref().is_some_and(|survey| survey.privacy == Privacy::FullyAnonymous) {
        return counts(&office, shape);
    }
    let mut file = match shape {
        Shape::Csv => {
            let columns = COLUMNS.iter().map(ToString::to_string);
            Some(Delimited::headed(std::io::stdout(), Charset::Utf8Marked, columns)?)
        }
        Shape::Table | Shape::Json => None,
    };
    let (now, mut after) = (office.opened.now(), 0);
    loop {
        let page = roster::list(store, office.shelved.id, now, after, limits::ROSTER_ROWS);
        let page = office.opened.runtime.block_on(page)?;
        let Some(last) = page.last() else { break };
        after = last.number;
        let people: Vec<(i64, &str)> = page.iter().map(|one| (one.id, one.address.as_str())).collect();
        let unsubscribed = opt_out::among(store, &office.keys.address, &people);
        let unsubscribed = office.opened.runtime.block_on(unsubscribed)?;
        for one in &page {
            let from = unsubscribed.get(&one.id).map(|scope| scope.key());
            match (&mut file, shape) {
                (Some(file), _) => file.texts(record(one, from, study.zone).iter().map(String::as_str))?,
                (None, Shape::Json) => println!("{}", object(one, from, study.zone)),
                (None, _) => println!("{}", line(one, from, study.zone)),
            }
        }
    }
    if let Some(file) = file {
        file.end()?;
    }
    Ok(End::Done)
}

/// How many credentials are in which state, and how many have answered.
fn counts(office: &Office, shape: Shape) -> anyhow::Result<End> {
    if shape == Shape::Csv {
        let why = "the survey is fully anonymous: no list is kept of who answered; without --csv there are counts";
        return Err(Refused(why.to_string()).into());
    }
    let store = &office.opened.store;
    let counts = office.opened.runtime.block_on(credential::count(store, office.shelved.id))?;
    let row = office.opened.runtime.block_on(study::load(store, office.shelved.id))?;
    let counts = counts.into_iter().map(|(state, count)| (state.key(), count));
    let unsubscribed = Some(unsubscribed(office)?).filter(|count| *count > 0);
    let unsubscribed = unsubscribed.map(|count| ("unsubscribed", count));
    for (state, count) in counts.chain([("answered", row.responses)]).chain(unsubscribed) {
        match shape {
            Shape::Json => println!("{}", json!({ "state": state, "count": count })),
            Shape::Table | Shape::Csv => println!("{state:<10} {count}"),
        }
    }
    Ok(End::Done)
}

/// How many want no more invitations and reminders: those who are asked are known, and nothing joins them to an answer.
fn unsubscribed(office: &Office) -> anyhow::Result<i64> {
    let (store, runtime) = (&office.opened.store, &office.opened.runtime);
    let (mut count, mut after) = (0, 0);
    loop {
        let page = runtime.block_on(participant::list(store, office.shelved.id, after, limits::ROSTER_ROWS))?;
        let Some(last) = page.last() else { return Ok(count) };
        after = last.number;
        let people: Vec<(i64, &str)> = page.iter().map(|one| (one.id, one.address.as_str())).collect();
        let found = runtime.block_on(opt_out::among(store, &office.keys.address, &people))?;
        count += i64::try_from(found.len())?;
    }
}

fn local(at: Option<Instant>, zone: Zone) -> String {
    at.map(|at| at.local(zone)).unwrap_or_default()
}

fn object(one: &RosterRow, unsubscribed: Option<&str>, zone: Zone) -> Value {
    let state = if one.active { credential::State::Active } else { credential::State::Revoked };
    json!({
        "number": one.number, "reference": one.reference, "name": one.name, "address": one.address,
        "participant": one.state.key(), "state": state.key(), "standing": one.standing.key(),
        "invited": one.invited_at.map(|at| at.local(zone)), "from": one.from.map(|from| from.local(zone)),
        "until": one.until.map(|until| until.local(zone)), "credentials": one.credentials, "answered": one.days,
        "refusals": one.refusals, "unsubscribed": unsubscribed,
    })
}

fn record(one: &RosterRow, unsubscribed: Option<&str>, zone: Zone) -> [String; 12] {
    [
        one.number.to_string(),
        one.reference.clone(),
        one.name.clone(),
        one.address.clone(),
        one.standing.key().to_string(),
        local(one.invited_at, zone),
        local(one.from, zone),
        local(one.until, zone),
        one.credentials.to_string(),
        one.days.len().to_string(),
        one.days.join(" "),
        unsubscribed.unwrap_or_default().to_string(),
    ]
}

fn line(one: &RosterRow, unsubscribed: Option<&str>, zone: Zone) -> String {
    let until = one.until.map_or_else(|| "-".to_string(), |until| until.local(zone));
    let (reference, standing, times) = (&one.reference, one.standing.key(), one.days.len());
    let who = format!("{} {}", one.address, one.name);
    let out = if unsubscribed.is_some() { "  (unsubscribed)" } else { "" };
    format!("{:>6}  {reference:<12} {standing:<10} {until:<24} {times:>3}  {}{out}", one.number, who.trim())
}
