//! Samples of letters on amendments.

use crate::letters::facts::{Amendment, AmendmentPlanned};

/// What differs most from the sample: the operator decided it, and nothing can be told.
pub(super) fn bare(facts: &mut Amendment) {
    (facts.by, facts.reason, facts.planned_at) = (String::new(), String::new(), String::new());
    (facts.kept_back, facts.allocates, facts.more) = (true, false, 0);
    facts.changes.clear();
}

/// The same of one that is planned.
pub(super) fn bare_plan(facts: &mut AmendmentPlanned) {
    (facts.plan.by, facts.plan.reason, facts.plan.kept_back) = (String::new(), String::new(), true);
    (facts.allocates, facts.more) = (false, 0);
    facts.changes.clear();
}
