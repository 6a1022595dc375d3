//! A condition of which only some names are known: its parts joined by `&&` that can be told, the others taken as met.

use std::collections::BTreeSet;

use cel::common::ast::{Expr, IdedExpr, operators};

use super::evaluate::{Fact, evaluate};
use super::{ExpressionError, Scope};

/// The parts that `&&` joins.
fn parts<'e>(expression: &'e IdedExpr, found: &mut Vec<&'e IdedExpr>) {
    match &expression.expr {
        Expr::Call(call) if call.func_name == operators::LOGICAL_AND => {
            call.args.iter().for_each(|part| parts(part, found));
        }
        _ => found.push(expression),
    }
}

/// The names in a part; expressions have neither macros nor maps.
fn names(expression: &IdedExpr, found: &mut BTreeSet<String>) {
    match &expression.expr {
        Expr::Ident(name) => drop(found.insert(name.clone())),
        Expr::List(list) => list.elements.iter().for_each(|part| names(part, found)),
        Expr::Call(call) => {
            call.target.iter().for_each(|part| names(part, found));
            call.args.iter().for_each(|part| names(part, found));
        }
        _ => {}
    }
}

/// Whether every part holds whose names are all known.
pub(super) fn holds(
    expression: &IdedExpr,
    scope: &Scope,
    known: &dyn Fn(&str) -> bool,
) -> Result<bool, ExpressionError> {
    let (mut all, mut named) = (Vec::new(), BTreeSet::new());
    parts(expression, &mut all);
    for part in all {
        named.clear();
        names(part, &mut named);
        if !named.iter().all(|name| known(name)) {
            continue;
        }
        match evaluate(part, scope)? {
            Fact::Truth(true) => {}
            Fact::Truth(false) => return Ok(false),
            other => return Err(ExpressionError::Result(other.kind().to_string())),
        }
    }
    Ok(true)
}

/// The unknown names of the parts that are taken as met.
pub(super) fn unknown(expression: &IdedExpr, known: &dyn Fn(&str) -> bool) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    names(expression, &mut named);
    named.retain(|name| !known(name));
    named
}
