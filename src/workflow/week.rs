//! What a study's weekly report tells, computed from what is on file; nothing is written.
//!
//! The report tells of the seven days before the day on which it is written. Whoever is blinded, or enrolls, is told no count of an arm:
//! the most that is said is whether the arms keep to their ratio, which is true of every sound study and names no arm where it is not.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate, NaiveTime};

use super::addresses;
use super::amendment::{AllSchemes, Schemes};
use super::balance::{self, Balanced};
use super::course;
use super::due;
use super::shelf::ShelvedStudy;
use super::{Failure, proof};
use crate::domain::language::Language;
use crate::domain::study::{Person, Rules, Study};
use crate::domain::survey::Privacy;
use crate::domain::time::{Instant, Zone};
use crate::domain::token::AddressKey;
use crate::letters::Facts;
use crate::letters::facts::{
    WeekBound, WeekCount, WeekDue, WeekEnrollment, WeekFollowUp, WeekLetters, WeekSite, WeekSurvey, WeeklyReport,
    WeeklyReportUnblinded, percent, week_days, week_site,
};
use crate::limits;
use crate::store::allocation::AllocationRow;
use crate::store::fact::FactRow;
use crate::store::outbox::State;
use crate::store::roster::{self, Standing};
use crate::store::{Store, allocation, study, week};

/// Days of a week.
const WEEK: i64 = 7;
/// Subjects for each arm from which on it is judged whether arms keep to their ratio.
const JUDGED_FROM: u64 = 10;
/// How many standard deviations chance alone does not exceed ninety-nine times of a hundred.
const NINETY_NINE: f64 = 2.326_347_874;

/// Of each site the forms that are due and those that are overdue; and whether there are more subjects than were looked at.
type FollowUp = (BTreeMap<String, (u64, u64)>, bool);

/// What is on file of a study for the report of one week, in no language yet.
pub struct Week {
    last: NaiveDate,
    ended: bool,
    subjects: Vec<(String, NaiveDate, u64)>,
    survey: Option<WeekSurvey>,
    follow_up: Option<FollowUp>,
    letters: WeekLetters,
    allocated: Option<Allocated>,
}

/// What allocations are counted from.
struct Allocated {
    schemes: AllSchemes,
    journal: Vec<AllocationRow>,
    facts: Vec<FactRow>,
}

impl Week {
    /// Of the seven days before the day it is now, in the study's zone.
    ///
    /// # Errors
    /// The database; records that contradict each other.
    pub async fn load(store: &Store, shelved: &ShelvedStudy, key: &AddressKey, now: Instant) -> Result<Week, Failure> {
        let study = &shelved.study;
        let today = now.day_in(study.zone);
        let last = today.pred_opt().unwrap_or(today);
        let (first, end) = (week_days(last).0, midnight(study.zone, today));
        let begin = midnight(study.zone, today.checked_sub_days(Days::new(7)).unwrap_or(today));
        let row = study::load(store, shelved.id).await?;
        let mut subjects = Vec::new();
        if study.registers {
            for (site, at, count) in week::subjects(store, shelved.id, end).await? {
                subjects.push((site, at.day_in(study.zone), count));
            }
        }
        let allocated = match study.allocations().any(|rules| rules.scheme.randomizes()) {
            true => Some(Allocated {
                schemes: Schemes::load(store, &row, study).await?,
                journal: allocation::journal(store, shelved.id, 0).await?,
                facts: proof::all_facts(store, shelved.id).await?,
            }),
            false => None,
        };
        Ok(Week {
            last,
            ended: row.enrollment_ended_at.is_some() || row.state == study::State::Closed,
            subjects,
            survey: survey(store, shelved, key, (&row, now), (&first, &last.to_string())).await?,
            follow_up: follow_up(store, shelved, today).await?,
            letters: letters(&week::letters(store, shelved.id, (begin, end)).await?),
            allocated,
        })
    }

    /// The report for one of the staff.
    ///
    /// # Errors
    /// A row that cannot have been written by this program.
    pub fn report(&self, study: &Study, reader: &Person, language: Language) -> Result<Facts, Failure> {
        let (first_day, last_day) = week_days(self.last);
        let mut report = WeeklyReport {
            first_day,
            last_day,
            enrollment: study.registers.then(|| self.enrollment(study, language)),
            survey: self.survey.clone(),
            follow_up: self.follow_up.as_ref().map(|(sites, partial)| told_follow_up(study, sites, *partial, language)),
            letters: self.letters,
            bounds: Vec::new(),
        };
        let Some(Allocated { schemes, journal, facts }) = &self.allocated else {
            return Ok(Facts::WeeklyReport(Box::new(report)));
        };
        for rules in study.allocations() {
            let own = schemes.of(rules.id)?;
            let counted = balance::count(rules, own, journal, facts)?;
            if let Some(held) = judge(rules, own, &counted) {
                let title = study.find_randomization(rules.id).map(|own| &own.title);
                report.bounds.push(WeekBound::new(title, held, language));
            }
        }
        if !balance::may_know(study, reader) {
            return Ok(Facts::WeeklyReport(Box::new(report)));
        }
        let balance = balance::facts(study, schemes, journal, facts, language)?;
        Ok(Facts::WeeklyReportUnblinded(Box::new(WeeklyReportUnblinded { report, balance })))
    }

    fn enrollment(&self, study: &Study, language: Language) -> WeekEnrollment {
        let ago = |day: NaiveDate| (self.last - day).num_days() / WEEK;
        let many = self.subjects.iter().map(|(_, day, _)| ago(*day) + 1).max().unwrap_or(1);
        let many = many.clamp(1, limits::WEEKS_DRAWN);
        let sum = |of: &dyn Fn(&str, i64) -> bool| -> u64 {
            self.subjects.iter().filter(|(site, day, _)| of(site, ago(*day))).map(|(.., count)| count).sum()
        };
        let (week, total) = (sum(&|_, ago| ago == 0), sum(&|_, _| true));
        let course = (0..many).rev().map(|weeks| WeekCount {
            day: back(self.last, weeks).to_string(),
            count: sum(&|_, ago| ago == weeks),
            total: sum(&|_, ago| ago >= weeks),
        });
        let mut codes: Vec<&str> = study.sites.iter().map(|site| site.code.as_str()).collect();
        let gone = self.subjects.iter().map(|(site, ..)| site.as_str()).filter(|code| !codes.contains(code));
        let gone: BTreeSet<&str> = gone.collect();
        codes.extend(gone);
        let site = |code: &&str| WeekSite {
            site: week_site(study, code, language),
            week: sum(&|site, ago| site == *code && ago == 0),
            total: sum(&|site, _| site == *code),
        };
        let planned = study.planned_subjects.unwrap_or_default();
        WeekEnrollment {
            week,
            total,
            planned,
            percent: percent(total, u64::from(planned)),
            ended: self.ended,
            sites: codes.iter().map(site).collect(),
            course: course.collect(),
            since: back(self.last, many).succ_opt().unwrap_or(self.last).to_string(),
            highest: total.max(u64::from(planned)),
        }
    }
}

/// So many weeks before a day.
fn back(day: NaiveDate, weeks: i64) -> NaiveDate {
    day.checked_sub_days(Days::new((weeks * WEEK).unsigned_abs())).unwrap_or(day)
}

/// The beginning of a day.
fn midnight(zone: Zone, day: NaiveDate) -> Instant {
    zone.resolve(day.and_time(NaiveTime::MIN))
}

async fn survey(
    store: &Store,
    shelved: &ShelvedStudy,
    key: &AddressKey,
    (row, now): (&study::StudyRow, Instant),
    days: (&str, &str),
) -> Result<Option<WeekSurvey>, Failure> {
    let Some(survey) = &shelved.study.survey else { return Ok(None) };
    // Both are of the list of those who are asked, which every mode has, and no more than counted.
    let (unsubscribed, unreached) = addresses::count_passed_over(store, shelved, key).await?;
    if survey.privacy == Privacy::FullyAnonymous {
        let asked = row.participants.unsigned_abs();
        return Ok(Some(WeekSurvey { asked, unknown: true, unsubscribed, unreached, ..WeekSurvey::default() }));
    }
    let counts = roster::count(store, shelved.id, now).await?;
    let of = |standings: &[Standing]| -> u64 {
        let own = counts.iter().filter(|(standing, _)| standings.contains(standing));
        own.map(|(_, count)| count.unsigned_abs()).sum()
    };
    let (asked, answered, left) = (of(Standing::ALL), of(&[Standing::Answered]), of(&[Standing::Withdrawn]));
    Ok(Some(WeekSurvey {
        asked,
        unknown: false,
        answered,
        answered_percent: percent(answered, asked),
        week: week::answered(store, shelved.id, days).await?,
        waiting: of(&[Standing::Waiting]),
        to_come: of(&[Standing::ToCome]),
        over: of(&[Standing::Expired, Standing::Revoked]),
        left,
        left_percent: percent(left, asked),
        unsubscribed,
        unreached,
    }))
}

/// How many events of each site are due and late, and whether there are subjects that were not looked at.
async fn follow_up(store: &Store, shelved: &ShelvedStudy, today: NaiveDate) -> Result<Option<FollowUp>, Failure> {
    if shelved.study.events.iter().all(|event| event.timing.is_none()) {
        return Ok(None);
    }
    let mut sites: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut before = i64::MAX;
    for _ in 0..limits::WEEK_CASES / limits::CASES_LOOKED_THROUGH {
        let cases = course::cases(store, shelved, &[], before, limits::CASES_LOOKED_THROUGH).await?;
        let Some(last) = cases.last() else { return Ok(Some((sites, false))) };
        before = last.subject.number;
        for one in due::among(&cases, today) {
            let (due, late) = sites.entry(one.case.subject.site.clone()).or_default();
            *if one.late { late } else { due } += 1;
        }
    }
    Ok(Some((sites, before > 1)))
}

fn told_follow_up(
    study: &Study,
    sites: &BTreeMap<String, (u64, u64)>,
    partial: bool,
    language: Language,
) -> WeekFollowUp {
    let site = |(code, (due, late)): (&String, &(u64, u64))| WeekDue {
        site: week_site(study, code, language),
        due: *due,
        late: *late,
    };
    WeekFollowUp {
        due: sites.values().map(|(due, _)| due).sum(),
        late: sites.values().map(|(_, late)| late).sum(),
        sites: sites.iter().map(site).collect(),
        partial,
    }
}

fn letters(counts: &[(State, u64)]) -> WeekLetters {
    let mut told = WeekLetters::default();
    for (state, count) in counts {
        told.written += count;
        match state {
            State::Sent | State::Delivered => told.sent += count,
            State::Failed | State::Bounced => told.failed += count,
            // Its reason was over before it left: most often, there was an answer.
            State::Dropped => told.written -= count,
            State::Waiting | State::Held => told.waiting += count,
        }
    }
    told
}

/// Whether the arms of an allocation are as near to their ratio as chance alone would bring them ninety-nine times of a hundred: some
/// answer where that can be judged by the totals, which holds the answer where there are enough of them. It cannot be where arms were
/// closed, or came, or have another ratio than before.
fn judge(rules: Rules<'_>, schemes: &Schemes, counted: &Balanced) -> Option<Option<bool>> {
    let arms = schemes.last().arms();
    let epoch = schemes.last().epoch();
    let own = std::iter::once(schemes.first()).chain(schemes.turns(&[]).into_iter().map(|turn| turn.scheme));
    let alike = own.filter(|scheme| scheme.epoch() == epoch).all(|scheme| scheme.arms() == arms);
    if !schemes.last().randomizes() || !alike || arms.iter().any(|arm| arm.closed) {
        return None;
    }
    let counted = counted.epoch.as_ref().map_or(counted, |epoch| &*epoch.counted);
    let ratio = |code: &str| arms.iter().find(|arm| arm.code == code).map_or(0, |arm| arm.ratio);
    let ratios: Vec<u64> = rules.arms.iter().map(|arm| ratio(&arm.code)).collect();
    Some(keeps(&counted.arms, &ratios))
}

/// Pearson's chi-squared test of goodness of fit at one of a hundred, its bound by Wilson & Hilferty 1931; none where there are too few.
fn keeps(counts: &[u64], ratios: &[u64]) -> Option<bool> {
    let (all, shares): (u64, u64) = (counts.iter().sum(), ratios.iter().sum());
    let arms = u64::try_from(ratios.iter().filter(|ratio| **ratio > 0).count()).unwrap_or_default();
    if arms < 2 || all < JUDGED_FROM * arms {
        return None;
    }
    let own = counts.iter().zip(ratios).filter(|(_, ratio)| **ratio > 0);
    let apart = own.map(|(count, ratio)| {
        let expected = all as f64 * *ratio as f64 / shares as f64;
        (*count as f64 - expected).powi(2) / expected
    });
    let free = (arms - 1) as f64;
    let spread = 2.0 / (9.0 * free);
    let bound = free * (1.0 - spread + NINETY_NINE * spread.sqrt()).powi(3);
    Some(apart.sum::<f64>() <= bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arms_that_chance_alone_would_not_bring_so_far_apart_are_found() {
        assert_eq!(keeps(&[5, 14], &[1, 1]), None, "too few");
        // The bound for one degree of freedom is 6.63: of a hundred, 62 to 38 lie within, 64 to 36 do not.
        assert_eq!(keeps(&[62, 38], &[1, 1]), Some(true));
        assert_eq!(keeps(&[64, 36], &[1, 1]), Some(false));
        assert_eq!(keeps(&[64, 36], &[2, 1]), Some(true));
        // For three degrees it is 11.34.
        assert_eq!(keeps(&[34, 18, 26, 22], &[1, 1, 1, 1]), Some(true));
        assert_eq!(keeps(&[40, 15, 27, 18], &[1, 1, 1, 1]), Some(false));
    }

    #[test]
    fn letters_are_counted_once_each() {
        let counts = [(State::Sent, 3), (State::Delivered, 2), (State::Bounced, 1), (State::Waiting, 4)];
        let told = letters(&counts);
        assert_eq!((told.written, told.sent, told.failed, told.waiting), (10, 5, 1, 4));
    }
}
