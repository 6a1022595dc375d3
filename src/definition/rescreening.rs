//! What screening again means where subjects are allocated as they are enrolled: another randomization.

use super::allocation_file::AllocationFile;
use super::bundle::STUDY;
use super::document::Report;
use super::study_file::StudyFile;
use crate::domain::fact::FactKind;
use crate::domain::study::Blinding;

/// Warns of a study that screens people again whom it allocated.
pub(super) fn check(study: &StudyFile, allocation: &AllocationFile, report: &Report) {
    let registration = &study.registration;
    let after = &registration.value.rescreening.after;
    if after.is_empty() || !allocation.scheme.randomizes() {
        return;
    }
    let warn = |wrong: String, right: &str| {
        let key = format!("{}.rescreening", registration.key);
        report.warn(STUDY, Some(registration.line), key, wrong, right.to_string());
    };
    let seen = match study.blinding {
        Blinding::Open => ", and whoever enrolls knows the arm that is given up",
        Blinding::Blinded => "",
    };
    warn(
        format!("subjects are allocated as they are enrolled, so to screen one again is to draw an arm again{seen}"),
        "remove it, if people are screened before they are enrolled; in production each such draw waits for \
         `hagaki subject rescreen` by somebody who does not enroll at the site",
    );
    let left_out = |kind: &&FactKind| allocation.recounting.exclude.contains(kind);
    let both: Vec<&str> = after.iter().filter(left_out).map(|kind| kind.key()).collect();
    if !both.is_empty() {
        let facts = both.join(", ");
        warn(
            format!(
                "the first arm of whoever is screened again leaves the counts ({facts}): later decisions balance as if it had never been"
            ),
            "leave these out of `exclude` in allocation.toml, unless the protocol wants it so",
        );
    }
}
