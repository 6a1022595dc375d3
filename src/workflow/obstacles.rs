//! What speaks against enrolling a new subject: who asks, the study's state, the criteria, and what is full.

use super::draw::{missing_levels, no_levels};
use super::enroll::{Way, levels_of};
use super::ledger::Page;
use super::shelf::ShelvedStudy;
use super::stock::AtHand;
use super::{Failure, Means};
use crate::domain::allocation::Full;
use crate::domain::answer::{self, Form};
use crate::domain::cohort;
use crate::domain::study::{Blinding, FIRST, Person, Study};
use crate::domain::time::Instant;
use crate::letters::facts::Reason;
use crate::store::study::State as StudyState;
use crate::store::{Tx, subject};

/// Why this person may not enroll at this site, if they may not.
pub(super) fn unentitled(study: &Study, person: &Person, site: &str, way: Way<'_>) -> Option<Reason> {
    if !person.roles.iter().any(|role| role.enrolls()) {
        return Some(Reason::NoRole);
    }
    if !person.acts_for(site) {
        return Some(Reason::SiteNotTheirs(site.to_string()));
    }
    if study.trust.token && way.vouched != Some(site) {
        return Some(Reason::NoToken);
    }
    None
}

/// Everything that speaks against enrolling a new subject now; all reasons at once, none of which tells an arm. If nothing
/// does: the kits at hand, in a blinded study. Criteria and opening days are judged at `means.now`, cohorts as they are recorded.
pub(super) async fn refusals(
    tx: &mut Tx,
    page: &Page,
    shelved: &ShelvedStudy,
    means: Means<'_>,
    recorded_at: Instant,
    site: &str,
    form: &Form,
) -> Result<Result<Option<AtHand>, Vec<Reason>>, Failure> {
    let study = &shelved.study;
    match page.row.state {
        StudyState::Closed => return Ok(Err(vec![Reason::Closed])),
        _ if page.row.enrollment_ended_at.is_some() => return Ok(Err(vec![Reason::EnrollmentEnded])),
        StudyState::Paused => return Ok(Err(vec![Reason::Paused])),
        StudyState::Open => {}
    }
    let mut reasons = Vec::new();
    let mut at_hand = None;
    let unmet = answer::unmet(study, form, means.now.day_in(study.zone))
        .map_err(|error| Failure::Contradiction(format!("a criterion cannot be evaluated: {error}")))?;
    if !unmet.is_empty() {
        reasons.push(Reason::NotEligible(unmet.iter().map(|criterion| criterion.id.clone()).collect()));
    }
    let today = means.now.day_in(study.zone);
    let own = study.find_site(site);
    match own.and_then(|site| site.opens) {
        Some(opens) if today < opens => reasons.push(Reason::SiteNotOpen(opens)),
        _ => {}
    }
    match own.and_then(|site| site.closes) {
        Some(closes) if today > closes => reasons.push(Reason::SiteClosed(closes)),
        _ => {}
    }
    let members = cohort::members(study, &form.canonical(), recorded_at.day_in(study.zone));
    let taken = study.cohorts.iter().zip(&page.cohorts).zip(members);
    let full = taken.filter(|((cohort, count), member)| *member && **count >= u64::from(cohort.cap));
    let full: Vec<String> = full.map(|((cohort, _), _)| cohort.id.clone()).collect();
    if !full.is_empty() {
        reasons.push(Reason::CohortFull(full));
    }
    let site_cap = own.and_then(|site| site.cap);
    match (&study.scheme, page.states.get(FIRST)) {
        (Some(scheme), Some(state)) => {
            let levels = levels_of(study, scheme, site, form);
            let lacking = missing_levels(study, scheme, &levels, FIRST, &|id| form.answers.contains_key(id));
            if !lacking.is_empty() {
                reasons.extend(lacking);
                return Ok(Err(reasons));
            }
            match state.find_full(scheme, &study.caps, site_cap, &levels).map_err(no_levels)? {
                Some(Full::Arm) if study.blinding == Blinding::Open => reasons.push(Reason::ArmFull),
                Some(Full::Total | Full::Arm) => reasons.push(Reason::StudyFull),
                Some(Full::Site) => reasons.push(Reason::SiteFull),
                Some(Full::List) if scheme.strata().is_empty() => reasons.push(Reason::StudyFull),
                Some(Full::Stratum | Full::List) => reasons.push(Reason::StratumFull),
                None => {}
            }
            if study.hands_out_kits() && reasons.is_empty() {
                let counted = AtHand::count(tx, shelved, &study.arms, means.now, site).await?;
                if !counted.covers_open_arms(scheme, &study.arms) {
                    reasons.push(Reason::NoKits);
                }
                at_hand = Some(counted);
            }
        }
        // A registry has no allocation state: subjects are counted in the store.
        _ => {
            if study.caps.total.is_some_and(|cap| page.row.subjects >= i64::from(cap)) {
                reasons.push(Reason::StudyFull);
            } else if let Some(cap) = site_cap
                && subject::count_at_site(&mut *tx, shelved.id, site).await? >= i64::from(cap)
            {
                reasons.push(Reason::SiteFull);
            }
        }
    }
    Ok(if reasons.is_empty() { Ok(at_hand) } else { Err(reasons) })
}
