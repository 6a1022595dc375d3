//! The `[survey]` of `study.toml`: what participants or members are asked, and what nobody may find out.

use super::document::Section;
use super::self_enrollment;
use super::study_file::Located;
use crate::domain::survey::{Access, Privacy, Responses, Survey};
use crate::limits;

/// Reads `[survey]`; `None` if there is none.
pub(super) fn read(root: &Section) -> Option<Located<Survey>> {
    let section = root.section("survey")?;
    let privacy = Privacy::ALL.map(|privacy| (privacy.key(), privacy));
    let access = [("credentials", Access::Credentials), ("members", Access::Members)];
    let responses = [("once", Responses::Once), ("repeat", Responses::Repeated)];
    let survey = Survey {
        instrument: section.need_text("instrument", "weekly"),
        privacy: section.need_word("privacy", &privacy).unwrap_or(Privacy::Named),
        access: section.word("access", &access).unwrap_or(Access::Credentials),
        responses: section.word("responses", &responses).unwrap_or(Responses::Once),
        interval_days: interval_days(&section),
        opens: section.day("opens"),
        closes: section.day("closes"),
        cap: section.count("cap"),
        review: section.flag("review").unwrap_or(true),
        edit: section.flag("edit").unwrap_or(false),
        batch: section.count("batch").unwrap_or(limits::URN_BATCH),
        enrolls: section.flag("enrolls").unwrap_or(false),
    };
    if survey.enrolls {
        self_enrollment::check_section(root, &section, &survey);
    }
    match survey.responses {
        Responses::Once if section.has("interval_days") => section.warn(
            "interval_days",
            "everybody answers once, so that there are no days between",
            "remove interval_days, or write responses = \"repeat\"",
        ),
        Responses::Repeated if !section.has("interval_days") => section.warn(
            "responses",
            "how far apart the responses of one person are is not said: each form that is sent counts, also several on one day",
            "write interval_days = 1 for a response a day at most, 7 for one a week, 0 if each is meant to count",
        ),
        _ => {}
    }
    if let (Some(first), Some(last)) = (survey.opens, survey.closes)
        && last < first
    {
        section.wrong(
            "closes",
            format!("{last} lies before opens = {first}"),
            "the last day on which answers are taken",
        );
    }
    match survey.privacy.names() {
        true if section.has("batch") => section.wrong(
            "batch",
            "answers stand with the person, so that none are mixed",
            "remove batch, or write privacy = \"anonymous\"",
        ),
        true => {}
        false => nameless(&section, &survey),
    }
    if survey.access == Access::Members && survey.privacy == Privacy::FullyAnonymous {
        section.wrong(
            "access",
            "whoever signs in is known, and so is that they answered; the survey is \"fully-anonymous\"",
            "write access = \"credentials\", or privacy = \"anonymous\"",
        );
    }
    if survey.edit && !survey.privacy.names() {
        section.wrong(
            "edit",
            format!("an answer that is \"{}\" cannot be found again to be mended", survey.privacy.key()),
            "remove edit = true, or write privacy = \"named\"",
        );
    }
    if survey.edit && survey.responses == Responses::Repeated {
        section.wrong(
            "edit",
            "of several responses it would not be clear which one is mended",
            "remove edit = true, or write responses = \"once\"",
        );
    }
    let (line, key) = (section.line, section.key(""));
    section.close();
    Some(Located { value: survey, line, key })
}

/// How far apart the responses of one person are.
fn interval_days(section: &Section) -> u32 {
    let Some(days) = section.whole_number("interval_days") else { return 0 };
    let most = limits::RESPONSE_INTERVAL_DAYS;
    u32::try_from(days).ok().filter(|days| *days <= most).unwrap_or_else(|| {
        section.wrong(
            "interval_days",
            format!("{days} days cannot be waited for"),
            format!("a number from 0 to {most}"),
        );
        0
    })
}

/// What a survey must say, and must not, so that its answers cannot be joined to persons.
fn nameless(section: &Section, survey: &Survey) {
    let mode = survey.privacy.key();
    if !(limits::URN_BATCH_LEAST..=limits::URN_BATCH_MOST).contains(&survey.batch) {
        section.wrong(
            "batch",
            format!("{} answers cannot be opened together", survey.batch),
            format!("a number from {} to {}", limits::URN_BATCH_LEAST, limits::URN_BATCH_MOST),
        );
    } else if survey.batch < limits::URN_BATCH {
        section.warn(
            "batch",
            format!("somebody who knows the {} who answered last can guess who wrote what", survey.batch),
            format!("{} or more; take more where people know each other", limits::URN_BATCH),
        );
    }
    if survey.closes.is_none() {
        section.wrong(
            "closes",
            format!("answers of an \"{mode}\" survey are opened in batches, and the last of them when it closes"),
            "name the last day on which answers are taken",
        );
    }
    if survey.responses == Responses::Repeated {
        section.wrong(
            "responses",
            format!("several answers of one person could make up a batch by themselves, and the survey is \"{mode}\""),
            "write responses = \"once\", or privacy = \"named\"",
        );
    }
    if survey.cap.is_some_and(|cap| cap < survey.batch) {
        section.wrong(
            "cap",
            format!("fewer answers are taken than are opened together ({}), so that none could be read", survey.batch),
            "a cap of at least one batch",
        );
    }
}
