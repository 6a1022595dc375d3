//! The sample election of the demonstration, opened for votes: its times are moved to now, its roll comes from `config/demo/roll.csv`, and
//! both of the committee take the steps.

use anyhow::{Context, anyhow};

use super::{DESK, Demonstrated};
use crate::definition::csv_file::Charset;
use crate::definition::{Bundle, roll_file, samples};
use crate::domain::election::phase::Step;
use crate::domain::time::Instant;
use crate::workflow::Means;
use crate::workflow::election::steps::{self, Wish};
use crate::workflow::election::{credentials, of, roll};
use crate::workflow::life::Act;
use crate::workflow::shelf::{Shelf, ShelvedStudy};

/// The roll of the sample election.
const ROLL: &[u8] = include_bytes!("../../../config/demo/roll.csv");
/// The two of the committee, by their ids in the sample.
const COMMITTEE: [&str; 2] = ["committee", "scrutineer"];
/// Days for which votes are taken, and for which links are sent anew.
const DAYS: (i64, i64) = (14, 7);

/// COUNCIL with votes taken from now on.
pub(super) fn bundle(now: Instant) -> Bundle {
    let council = samples::council();
    let mut files = council.files().clone();
    if let Some(rules) = files.get_mut("election.toml") {
        let day = |days: i64| now.plus_seconds(days * 86_400).local(super::mails::zone());
        let moment = |days: i64| day(days).chars().take("2027-01-12 09:00".len()).collect::<String>();
        let times = [("opens", moment(0)), ("closes", moment(DAYS.0)), ("additions_until", moment(DAYS.1))];
        let line = |own: &str| {
            // Nobody waits for objections here.
            if own.starts_with("objections_until = ") {
                return None;
            }
            let moved = times.iter().find(|(key, _)| own.starts_with(&format!("{key} = ")));
            Some(moved.map_or_else(|| own.to_string(), |(key, at)| format!("{key} = \"{at}\"")))
        };
        *rules = rules.lines().filter_map(line).collect::<Vec<String>>().join("\n") + "\n";
    }
    Bundle::from_files(files)
}

/// Makes the roll, freezes it with the rules, and gives each voter a link.
pub(super) async fn open(shelf: &Shelf, shelved: &ShelvedStudy, means: Means<'_>) -> anyhow::Result<Vec<Demonstrated>> {
    let act = Act { actor: DESK, at: means.now, reason: "demonstration" };
    let languages = &shelved.study.languages;
    let list = roll_file::read("roll.csv", ROLL, Charset::Utf8, of(shelved)?, languages).map_err(|problems| {
        anyhow!("the sample roll is broken: {}", problems.first().map(ToString::to_string).unwrap_or_default())
    })?;
    roll::import(shelf, shelved, means, act, &list, false).await?;
    for by in COMMITTEE {
        steps::take(shelf, shelved, means, Wish { step: Step::Open, by, outcome: None, act }).await?;
    }
    let issued = credentials::issue(shelf, shelved, means, act).await.context("voters have no links")?;
    let base = means.desk.public_url.trim_end_matches('/');
    let mut links: Vec<Demonstrated> =
        issued.into_iter().map(|one| (one.entry.address, format!("{base}/v/{}", one.secret.text()))).collect();
    links.sort();
    Ok(links)
}
