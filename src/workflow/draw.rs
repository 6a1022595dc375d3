//! One decision: drawn, told in the chain, recorded. The same for the allocation that comes with enrolling and for further ones.

use serde_json::{Value, json};

use super::entry::{record_digest, sign};
use super::ledger::Page;
use super::shelf::ShelvedStudy;
use super::stock::AtHand;
use super::{Failure, Means, proof, schedule};
use crate::domain::allocation::{Allotment, Fault, Levels, Origin, Scheme, record as allocation_journal};
use crate::domain::study::{FIRST, Rules, Study};
use crate::domain::{level, pool};
use crate::letters::facts::Reason;
use crate::store::allocation::AllocationRow;
use crate::store::kit::KitRow;
use crate::store::{Tx, allocation, kit};

/// What is to be decided: for whom, and the arm if it is given by hand.
pub(super) struct Wanted<'a> {
    /// The subject's levels.
    pub(super) levels: Levels,
    /// The subject's site.
    pub(super) site: &'a str,
    /// The kits at hand there, in a blinded study.
    pub(super) at_hand: Option<&'a AtHand>,
    /// The arm that is given instead of drawn.
    pub(super) given: Option<&'a Given<'a>>,
}

/// An arm given by hand, and by whom.
#[derive(Clone, Debug)]
pub(super) struct Given<'a> {
    /// Code of the arm.
    pub(super) arm: &'a str,
    /// A kit of that arm that was handed out already; else the next one is.
    pub(super) kit: Option<KitRow>,
    /// Who has it recorded.
    pub(super) actor: &'a str,
    /// Who decided so, why, and when it happened: `{by, reason, at}`.
    pub(super) told: Value,
}

/// An allocation decided or given, but not yet recorded.
pub(super) struct Drawn {
    number: i64,
    levels: Levels,
    allotment: Allotment,
    origin: Origin,
    kit: Option<KitRow>,
    /// Whether the stock gave the kit, and nobody named it.
    by_rule: bool,
    journal: String,
}

/// A checked form that the scheme takes no decision for.
pub(super) fn no_levels(fault: Fault) -> Failure {
    Failure::Contradiction(format!("a checked form cannot be allocated: {fault}"))
}

/// Why a subject of those levels cannot be allocated by that allocation, if it cannot: a calculation that a level follows from gives
/// nothing, or something that the statistician's file does not know. `answered` says which answers there are.
pub(super) fn missing_levels(
    study: &Study,
    scheme: &Scheme,
    levels: &Levels,
    allocation: &str,
    answered: &dyn Fn(&str) -> bool,
) -> Vec<Reason> {
    let forms = study.forms_of(allocation);
    let (mut blank, mut none) = (Vec::new(), Vec::new());
    for fault in scheme.faults_of(levels) {
        match fault {
            Fault::MissingLevel(id) => {
                for item in level::wanting(&forms, &id, answered) {
                    if level::is_calculated(&forms, &item) { none.push(item) } else { blank.push(item) }
                }
            }
            Fault::UnknownLevel { factor, .. } => {
                none.extend(level::inputs(&forms, &factor).into_iter().map(|item| item.id.clone()));
                none.push(factor);
            }
            _ => {}
        }
    }
    for ids in [&mut blank, &mut none] {
        ids.sort();
        ids.dedup();
    }
    let registered = |id: &String| allocation != FIRST && study.registration_instrument().find(id).is_some();
    let (on_file, asked): (Vec<String>, Vec<String>) = blank.into_iter().partition(registered);
    let reasons = [
        (on_file, Reason::DataMissing as fn(Vec<String>) -> Reason),
        (asked, Reason::AnswerNeeded),
        (none, Reason::NoLevel),
    ];
    reasons.into_iter().filter(|(ids, _)| !ids.is_empty()).map(|(ids, reason)| reason(ids)).collect()
}

/// Decides the study's next number by those rules, by a draw if no arm is given. Nothing is changed by it.
///
/// # Errors
/// The database; records that contradict each other.
pub(super) async fn draw(
    tx: &mut Tx,
    page: &Page,
    shelved: &ShelvedStudy,
    rules: Rules<'_>,
    wanted: Wanted<'_>,
) -> Result<Drawn, Failure> {
    let Wanted { levels, site, at_hand, given } = wanted;
    let state = page.state(rules.id)?;
    let number = page.row.allocations + 1;
    let scheme = rules.scheme;
    let (allotment, origin, mut journal) = match given {
        None => {
            let decision =
                state.decide(scheme, &levels, page.row.secret.bytes()?, number.unsigned_abs()).map_err(no_levels)?;
            let journal = allocation_journal(scheme, state, &levels, &decision).map_err(no_levels)?;
            (decision.allotment, Origin::Drawn, journal)
        }
        Some(given) => {
            let allotment = state.give(scheme, &levels, given.arm).map_err(no_levels)?;
            let needed: Levels =
                scheme.needs().filter_map(|id| Some((id.to_string(), levels.get(id)?.clone()))).collect();
            let mut journal = json!({ "number": number, "method": scheme.method().key(), "levels": needed,
                                      "arm": allotment.arm, "forced": given.told });
            if let Some(slot) = allotment.slot {
                journal["slot"] = json!(slot);
            }
            if let Some(size) = allotment.block_size {
                journal["block_size"] = json!(size);
            }
            (allotment, Origin::Forced, journal)
        }
    };
    if let (Some(facts), true) = (journal.as_object_mut(), rules.id != FIRST) {
        facts.insert("randomization".to_string(), json!(rules.id));
    }
    sign(&mut journal, shelved);
    let by_rule = given.is_none_or(|given| given.kit.is_none());
    let kit = match (at_hand, given.and_then(|given| given.kit.clone())) {
        (None, _) => None,
        (Some(_), Some(kit)) => Some(kit),
        (Some(at_hand), None) => {
            let kit = at_hand.next(tx, shelved, &allotment.arm, site, |code| scheme.is_open(code)).await?;
            Some(kit.ok_or_else(|| Failure::Contradiction("a kit was there a moment ago".to_string()))?)
        }
    };
    Ok(Drawn { number, levels, allotment, origin, kit, by_rule, journal: journal.to_string() })
}

impl Drawn {
    /// What the entry in the chain tells of it.
    pub(super) fn told(&self) -> Value {
        let mut told = json!({
            "number": self.number,
            "arm": self.allotment.arm,
            "kit": self.kit.as_ref().map(|kit| &kit.code),
            "levels": self.levels,
            "record": record_digest(&self.journal),
        });
        if self.kit.is_some() && self.by_rule {
            // By this a proof knows that it can find the kit again.
            told["kit_rule"] = json!(pool::RULE);
        }
        told
    }

    /// Its number.
    pub(super) fn number(&self) -> i64 {
        self.number
    }

    /// The kit that is handed out.
    pub(super) fn kit(&self) -> Option<&KitRow> {
        self.kit.as_ref()
    }

    /// Records it for a subject and counts it.
    ///
    /// # Errors
    /// The database; records that contradict each other.
    pub(super) async fn commit(
        self,
        tx: &mut Tx,
        page: &mut Page,
        shelved: &ShelvedStudy,
        rules: Rules<'_>,
        means: Means<'_>,
        subject_id: i64,
    ) -> Result<AllocationRow, Failure> {
        let Drawn { number, levels, allotment, origin, kit, journal, .. } = self;
        if let Some(kit) = &kit {
            kit::record_use(tx, kit, number, 1).await?;
        }
        let row = AllocationRow {
            study_id: shelved.id,
            number,
            subject_id,
            randomization: rules.id.to_string(),
            slot: allotment.slot.map(i64::from),
            block_size: allotment.block_size.and_then(|size| i64::try_from(size).ok()),
            arm: allotment.arm,
            levels: serde_json::to_string(&levels).expect("a map of texts is JSON"),
            kit: kit.map(|kit| kit.code),
            bundle_version: shelved.version,
            allocated_at: means.now,
            origin,
        };
        proof::record(page.state_mut(rules.id)?, rules.scheme, &row)?;
        page.row.allocations = number;
        page.touch();
        allocation::insert(tx, &row, &journal).await?;
        schedule::touch_subject(tx, shelved, subject_id, None).await?;
        Ok(row)
    }
}
