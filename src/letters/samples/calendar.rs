//! Samples of the letters that a study's calendar sends.

use crate::domain::language::Language;
use crate::domain::study::Study;
use crate::domain::survey::Access;
use crate::domain::time::Instant;
use crate::letters::facts::{
    AddressesStopped, DueEvent, Facts, FollowUpDue, Missing, Reader, Reminded, Reminder, Silent, Tried, Unanswered,
    WeekBound, WeekSurvey, WeeklyReport, WeeklyReportUnblinded, WindowDays,
};
use crate::letters::kind::Kind;

/// Where the pages of samples are.
const PAGES: &str = "https://hagaki.example.jp";

/// What differs most from a sample; nothing of any other letter.
pub(super) fn variants(full: &Facts) -> Vec<Facts> {
    match full {
        Facts::Reminder(facts) => {
            let password = Reminder {
                link: String::new(),
                asked_on: String::new(),
                of: 0,
                named: false,
                anonymous: true,
                ..facts.clone()
            };
            let account = format!("{PAGES}/account");
            let member = Reminder {
                login: false,
                renews: false,
                account,
                of: 2,
                last: true,
                saves: false,
                leaves: false,
                until: String::new(),
                closes: String::new(),
                ..password.clone()
            };
            [password, member].map(Facts::Reminder).into()
        }
        Facts::FollowUpDue(facts) => {
            let own: Vec<DueEvent> = facts.due.iter().take(1).cloned().collect();
            let mut one = FollowUpDue { subject: "A-0003".into(), count: 1, more: 0, due: own, ..facts.clone() };
            one.due.iter_mut().for_each(|due| due.several = false);
            let long = FollowUpDue { more: 12, count: facts.count + 12, ..facts.clone() };
            let mut shown = FollowUpDue { page: String::new(), ..facts.clone() };
            shown.due.iter_mut().flat_map(|due| &mut due.forms).for_each(|form| form.link.clear());
            [one, long, shown].map(Facts::FollowUpDue).into()
        }
        Facts::WeeklyReport(facts) => reports(facts).map(|own| Facts::WeeklyReport(Box::new(own))).into(),
        Facts::WeeklyReportUnblinded(facts) => {
            let balance = &facts.balance;
            let whole = |report| WeeklyReportUnblinded { report, balance: balance.clone() };
            let whole = |report| Facts::WeeklyReportUnblinded(Box::new(whole(report)));
            reports(&facts.report).map(whole).into()
        }
        Facts::AddressesStopped(facts) => {
            let mut bare = facts.clone();
            bare.lines.iter_mut().for_each(|line| line.status.clear());
            let unnamed = AddressesStopped { lines: Vec::new(), unnamed: 3, more: 0 };
            let many = AddressesStopped { more: 12, ..facts.clone() };
            [bare, unnamed, many].map(Facts::AddressesStopped).into()
        }
        Facts::Unanswered(facts) => {
            let status = "5.1.1".to_string();
            let failed =
                Unanswered { failed: true, status, page: String::new(), since: String::new(), ..facts.clone() };
            let window =
                Some(WindowDays { day: "2026-12-18".into(), opens: "2026-12-15".into(), closes: "2026-12-25".into() });
            let site = Unanswered {
                participant: String::new(),
                subject: "A-0017".into(),
                event: "Week 4".into(),
                window,
                ..facts.clone()
            };
            let refused = Unanswered { failed: true, event: String::new(), window: None, ..site.clone() };
            let refused = Unanswered { form: String::new(), page: String::new(), ..refused };
            [failed, site, refused].map(Facts::Unanswered).into()
        }
        _ => Vec::new(),
    }
}

/// The letters as a study of that kind would send them.
pub(super) fn of_study(kind: Kind, reader: &Reader<'_>, now: Instant) -> Option<Facts> {
    let Reader { study, language, .. } = *reader;
    match kind {
        Kind::Reminder => Some(Facts::Reminder(reminder(study, now, language)?)),
        Kind::Unanswered => Some(Facts::Unanswered(unanswered(reader, now))),
        Kind::FollowUpDue => Some(Facts::FollowUpDue(due(reader)?)),
        _ => None,
    }
}

fn reminder(study: &Study, now: Instant, language: Language) -> Option<Reminder> {
    let members = study.survey.as_ref()?.access == Access::Members;
    let (link, sign_in) = (format!("{PAGES}/a/abcdefghijklmnopqrstuvwxyz"), format!("{PAGES}/s/{}", study.slug));
    let (account, page) = (format!("{PAGES}/account"), format!("{PAGES}/u/17.abcdefghijklmnop"));
    let reminded = Reminded {
        number: 1,
        of: Some(3),
        asked_on: now.plus_seconds(-3 * 86_400).day_in(study.zone).into(),
        link: (!members).then_some(&link),
        login: false,
        sign_in: &sign_in,
        account: members.then_some(&account),
        until: Some(now.plus_seconds(7 * 86_400)),
        saves: true,
        leaves: true,
        unsubscribe: &page,
    };
    Some(Reminder::new(study, &reminded, language))
}

fn unanswered(reader: &Reader<'_>, now: Instant) -> Unanswered {
    let study = reader.study;
    let since = now.plus_seconds(-9 * 86_400).day_in(study.zone);
    let event = study.events.first();
    let window = event.and_then(|event| event.timing.as_ref()).and_then(|timing| timing.window(since));
    let silent = match study.survey {
        Some(_) => Silent::Participant(1),
        None => Silent::Site { subject: 1, event: event.map(|event| (event, window)) },
    };
    let tried = Tried { letters: 3, since: Some(since), failed: None };
    Unanswered::new(study, reader.person, silent, tried, PAGES, reader.language)
}

fn due(reader: &Reader<'_>) -> Option<FollowUpDue> {
    let study = reader.study;
    let site = study.sites.iter().find(|site| reader.person.acts_for(&site.code))?;
    let (event, timing) = study.events.iter().find_map(|event| Some((event, event.timing.as_ref()?)))?;
    let window = timing.window(reader.today)?;
    let forms = event.instruments.iter().filter_map(|id| study.find_instrument(id)).collect();
    let missing = Missing { subject: 1, site: &site.code, event, window, late: false, forms };
    Some(FollowUpDue::new(study, window.day, None, &[missing], PAGES, reader.language))
}

/// Reports of other studies: nothing that one can have, and everything that can be said otherwise.
fn reports(full: &WeeklyReport) -> [WeeklyReport; 3] {
    let none = WeeklyReport { enrollment: None, survey: None, follow_up: None, bounds: Vec::new(), ..full.clone() };
    let asked = WeekSurvey { asked: 120, unknown: true, unsubscribed: 5, unreached: 3, ..WeekSurvey::default() };
    let unknown = WeeklyReport { survey: Some(asked), ..none.clone() };
    let mut other = full.clone();
    if let Some(enrollment) = &mut other.enrollment {
        (enrollment.ended, enrollment.planned) = (true, 0);
        for own in &mut enrollment.sites {
            own.site.name.clear();
        }
        if let Some(own) = enrollment.sites.first_mut() {
            own.site.code.clear();
        }
    }
    if let Some(follow_up) = &mut other.follow_up {
        follow_up.partial = true;
    }
    other.letters.failed = 0;
    let bound = |randomization: &str, few, held| WeekBound { randomization: randomization.into(), few, held };
    other.bounds = vec![bound("second randomization", true, false), bound("", false, false)];
    [none, unknown, other]
}
