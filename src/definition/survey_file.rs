//! The `[survey]` of `study.toml`: what participants or members are asked, and what nobody may find out.

use super::document::Section;
use super::study_file::Located;
use crate::domain::survey::{Access, Privacy, Responses, Survey};

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
        opens: section.day("opens"),
        closes: section.day("closes"),
        cap: section.count("cap"),
        review: section.flag("review").unwrap_or(true),
        edit: section.flag("edit").unwrap_or(false),
    };
    if let (Some(first), Some(last)) = (survey.opens, survey.closes)
        && last < first
    {
        section.wrong(
            "closes",
            format!("{last} lies before opens = {first}"),
            "the last day on which answers are taken",
        );
    }
    if !survey.privacy.names() {
        section.wrong(
            "privacy",
            format!("\"{}\" cannot be kept yet against somebody who has the whole database", survey.privacy.key()),
            "write privacy = \"named\"; what is not kept must not be promised to participants",
        );
    }
    if survey.access == Access::Members {
        section.wrong("access", "accounts of members are not built yet", "write access = \"credentials\"");
    }
    if survey.edit {
        section.wrong("edit", "mending an answer that was sent is not built yet", "remove edit = true");
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
