//! The journal entry of a decision: everything a statistician needs to follow it by hand, as JSON.
//!
//! It holds counts, probabilities and draws, so it must reach nobody who enrolls (promise 6).

use serde_json::{Map, Value, json};

use super::decision::Decision;
use super::scheme::Scheme;
use super::state::State;
use super::{Fault, Levels};

/// `{number, method, levels, counts, arms: [{code, imbalance, probability}], draws: [{below, value}], arm, slot, block_size,
/// place_in_block}` with fractions and draws as text; what does not apply is left out. `before` is the state the decision
/// was made in; `counts` holds per factor the subjects of each cell (arm code, `#slot` appended for dummies) who have the
/// subject's level.
pub fn record(scheme: &Scheme, before: &State, levels: &Levels, decision: &Decision) -> Result<Value, Fault> {
    let mut entry = Map::new();
    entry.insert("number".to_owned(), json!(decision.number));
    entry.insert("method".to_owned(), json!(scheme.method().key()));
    let needed: Map<String, Value> =
        scheme.needs().filter_map(|id| Some((id.to_owned(), json!(levels.get(id)?)))).collect();
    entry.insert("levels".to_owned(), Value::Object(needed));
    entry.insert("counts".to_owned(), Value::Object(counts(scheme, before, levels)?));
    entry.insert("arms".to_owned(), decision.outlook.to_json(scheme));
    let draws = decision.draws.iter().map(|drawn| {
        let (below, value) = drawn.digits();
        json!({ "below": below, "value": value })
    });
    entry.insert("draws".to_owned(), Value::Array(draws.collect()));
    entry.insert("arm".to_owned(), json!(decision.allotment.arm));
    let optional = [
        ("slot", decision.allotment.slot.map(u64::from)),
        ("block_size", decision.allotment.block_size),
        ("place_in_block", decision.place_in_block),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            entry.insert(key.to_owned(), json!(value));
        }
    }
    Ok(Value::Object(entry))
}

fn counts(scheme: &Scheme, before: &State, levels: &Levels) -> Result<Map<String, Value>, Fault> {
    let plan = scheme.plan();
    let name = |cell: &super::plan::Cell| {
        let code = plan.arms.get(cell.arm).map(|arm| arm.code.as_str()).unwrap_or_default();
        cell.slot.map_or_else(|| code.to_owned(), |slot| format!("{code}#{slot}"))
    };
    let row = |counts: Vec<u64>| {
        let named = plan.cells.iter().zip(counts).map(|(cell, count)| (name(cell), json!(count)));
        Value::Object(named.collect())
    };
    Ok(before.margins(scheme, levels)?.into_iter().map(|(factor, counts)| (factor, row(counts))).collect())
}

impl super::decision::Outlook {
    /// `[{code, imbalance, probability}]` in the order of the file, numbers as text, imbalance null where there is none.
    pub fn to_json(&self, scheme: &Scheme) -> Value {
        let arm = |arm: super::decision::ArmOutlook| {
            json!({
                "code": arm.code,
                "imbalance": arm.imbalance.map(|imbalance| imbalance.to_string()),
                "probability": arm.probability.to_string(),
            })
        };
        Value::Array(self.arms(scheme).into_iter().map(arm).collect())
    }
}
