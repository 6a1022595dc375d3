//! Which values an expression can have, as far as they stand in it.

use std::collections::{BTreeMap, BTreeSet};

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

/// What is true or false, as answers are kept.
const TRUTHS: [&str; 2] = ["yes", "no"];

/// Every value that it can have, as answers are kept; `known` are those of the items that it names. `None` where some are computed
/// or typed, so that they stand nowhere. That it may be blank is not among them.
pub(super) fn outcomes(expression: &IdedExpr, known: &BTreeMap<String, BTreeSet<String>>) -> Option<BTreeSet<String>> {
    match &expression.expr {
        Expr::Literal(literal) => of_literal(literal),
        Expr::Ident(name) => known.get(name).cloned(),
        Expr::Call(call) => of_call(call, known),
        _ => None,
    }
}

fn of_literal(literal: &LiteralValue) -> Option<BTreeSet<String>> {
    match literal {
        LiteralValue::String(text) => Some(BTreeSet::from([text.inner().to_string()])),
        LiteralValue::Int(number) => Some(BTreeSet::from([number.inner().to_string()])),
        LiteralValue::Boolean(truth) => Some(BTreeSet::from([TRUTHS[usize::from(!*truth.inner())].to_string()])),
        LiteralValue::Null => Some(BTreeSet::new()),
        _ => None,
    }
}

fn of_call(call: &CallExpr, known: &BTreeMap<String, BTreeSet<String>>) -> Option<BTreeSet<String>> {
    match (call.func_name.as_str(), &call.args[..]) {
        (operators::CONDITIONAL, [_, yes, no]) => {
            let mut both = outcomes(yes, known)?;
            both.extend(outcomes(no, known)?);
            Some(both)
        }
        (
            operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::LOGICAL_NOT
            | operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS
            | operators::IN
            | "answered"
            | "contains"
            | "startsWith"
            | "endsWith"
            | "matches",
            _,
        ) => Some(TRUTHS.map(str::to_string).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Expression;
    use super::*;

    #[test]
    fn what_stands_in_it_is_told_and_what_is_computed_is_not() {
        let set = |codes: &[&str]| codes.iter().map(ToString::to_string).collect::<BTreeSet<String>>();
        let known = BTreeMap::from([("sex".to_string(), set(&["F", "M"])), ("ill".to_string(), set(&["yes", "no"]))]);
        for (source, told) in [
            ("age < 65 ? 'younger' : 'older'", Some(set(&["younger", "older"]))),
            ("age < 18 ? 'minor' : (age < 65 ? 'younger' : 'older')", Some(set(&["minor", "younger", "older"]))),
            ("age < 65 ? 'younger' : null", Some(set(&["younger"]))),
            ("age < 65 ? 1 : 2", Some(set(&["1", "2"]))),
            ("ill ? 'X' : sex", Some(set(&["F", "M", "X"]))),
            ("age >= 20 && sex == 'F'", Some(set(&["yes", "no"]))),
            ("true", Some(set(&["yes"]))),
            ("answered(sex)", Some(set(&["yes", "no"]))),
            ("age + 1", None),
            ("age < 65 ? age : 99", None),
            ("remarks", None),
            ("age < 65 ? 1.50 : 2.0", None),
        ] {
            assert_eq!(Expression::compile(source).unwrap().outcomes(&known), told, "{source}");
        }
    }
}
