//! Exact evaluation of expressions: decimals are fractions, so that `0.1 + 0.2 <= 0.3` is true.
//!
//! What decides on enrollment and allocation must not depend on floating point. The cel crate parses; its evaluator, whose
//! decimals are doubles, is not used. In all else the values are those of the CEL specification.

use std::cmp::Ordering;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};
use chrono::{Datelike, NaiveDate};
use num_bigint::BigInt;
use num_traits::{Signed, ToPrimitive, Zero};

use super::{ExpressionError, Scope};
use crate::domain::number::{self, Rational};
use crate::limits;

/// Value of a part of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// Left blank.
    Null,
    /// True or false.
    Truth(bool),
    /// Whole number.
    Integer(i64),
    /// Number with a decimal point, exact.
    Decimal(Rational),
    /// Text, code, day or time.
    Text(String),
    /// Several values.
    List(Vec<Fact>),
}

impl Fact {
    /// What it is, for an error.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Fact::Null => "null",
            Fact::Truth(_) => "bool",
            Fact::Integer(_) => "int",
            Fact::Decimal(_) => "double",
            Fact::Text(_) => "string",
            Fact::List(_) => "list",
        }
    }

    /// Whether both are the same value; whole and decimal numbers are compared as numbers.
    fn equals(&self, other: &Fact) -> bool {
        match (self, other) {
            (Fact::List(left), Fact::List(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.equals(right))
            }
            (Fact::Integer(whole), Fact::Decimal(number)) | (Fact::Decimal(number), Fact::Integer(whole)) => {
                *number == from_whole(*whole)
            }
            _ => self == other,
        }
    }
}

type Outcome = Result<Fact, ExpressionError>;

/// The value of an expression.
pub(super) fn evaluate(expression: &IdedExpr, scope: &Scope) -> Outcome {
    match &expression.expr {
        Expr::Literal(literal) => literal_value(literal),
        Expr::Ident(name) => scope.facts.get(name).cloned().ok_or_else(|| failure(format!("no item is named {name}"))),
        Expr::List(list) => {
            let elements: Result<Vec<Fact>, _> = list.elements.iter().map(|part| evaluate(part, scope)).collect();
            elements.map(Fact::List)
        }
        Expr::Call(call) => call_value(call, scope),
        _ => Err(failure("holds something that expressions do not have here")),
    }
}

fn failure(why: impl Into<String>) -> ExpressionError {
    ExpressionError::Evaluation(why.into())
}

fn literal_value(literal: &LiteralValue) -> Outcome {
    match literal {
        LiteralValue::Boolean(truth) => Ok(Fact::Truth(*truth.inner())),
        LiteralValue::Int(number) => Ok(Fact::Integer(*number.inner())),
        LiteralValue::Double(number) => {
            written(*number.inner()).map(Fact::Decimal).ok_or_else(|| failure("a number is too large or too small"))
        }
        LiteralValue::String(text) => Ok(Fact::Text(text.inner().to_string())),
        LiteralValue::Null => Ok(Fact::Null),
        LiteralValue::UInt(_) | LiteralValue::Bytes(_) => Err(failure("such a literal cannot be used here")),
    }
}

/// The decimal that stands in an expression. The parser gives doubles; the shortest decimal of the double is what was
/// written, for [`inexact_literal`] has refused everything else.
fn written(double: f64) -> Option<Rational> {
    number::parse(&format!("{double:e}")).ok()
}

/// The first decimal of an expression that the parser cannot carry exactly, if there is one.
pub(super) fn inexact_literal(source: &str) -> Option<String> {
    let mut quote = None;
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match (quote, c) {
            (Some(_), '\\') => taken += rest[taken..].chars().next().map_or(0, char::len_utf8),
            (Some(mark), _) if c == mark => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '.' | '0'..='9') => {
                taken = number_length(rest);
                let token = &rest[..taken];
                let decimal = token.contains(['.', 'e', 'E']) && token.contains(|c: char| c.is_ascii_digit());
                let exact = number::parse(token).ok();
                if decimal && (exact.is_none() || exact != token.parse().ok().and_then(written)) {
                    return Some(token.to_string());
                }
            }
            (None, 'a'..='z' | 'A'..='Z' | '_') => {
                taken = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            }
            (None, _) => {}
        }
        rest = &rest[taken..];
    }
    None
}

/// Bytes of the number that a text begins with, at least one.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| from + bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    end.max(1)
}

fn call_value(call: &CallExpr, scope: &Scope) -> Outcome {
    match (call.func_name.as_str(), &call.args[..]) {
        (operators::CONDITIONAL, [condition, yes, no]) => {
            let chosen = if truth(evaluate(condition, scope)?)? { yes } else { no };
            evaluate(chosen, scope)
        }
        (operators::LOGICAL_OR, [left, right]) => either(left, right, scope, true),
        (operators::LOGICAL_AND, [left, right]) => either(left, right, scope, false),
        _ => {
            let parts = call.target.iter().map(|target| &**target).chain(&call.args);
            let values: Vec<Fact> = parts.map(|part| evaluate(part, scope)).collect::<Result<_, _>>()?;
            operator_value(&call.func_name, &values)
        }
    }
}

/// `||` where `deciding` is true, `&&` where it is false: a side that decides makes up for another that cannot be told, as
/// CEL has it.
fn either(left: &IdedExpr, right: &IdedExpr, scope: &Scope, deciding: bool) -> Outcome {
    let left = evaluate(left, scope).and_then(truth);
    if left == Ok(deciding) {
        return Ok(Fact::Truth(deciding));
    }
    let right = truth(evaluate(right, scope)?)?;
    if right == deciding { Ok(Fact::Truth(deciding)) } else { left.map(Fact::Truth) }
}

fn truth(value: Fact) -> Result<bool, ExpressionError> {
    match value {
        Fact::Truth(truth) => Ok(truth),
        other => Err(failure(format!("a {} stands where a condition is needed", other.kind()))),
    }
}

fn operator_value(name: &str, values: &[Fact]) -> Outcome {
    match (name, values) {
        (operators::LOGICAL_NOT, [Fact::Truth(truth)]) => Ok(Fact::Truth(!truth)),
        (operators::EQUALS, [left, right]) => Ok(Fact::Truth(left.equals(right))),
        (operators::NOT_EQUALS, [left, right]) => Ok(Fact::Truth(!left.equals(right))),
        (operators::LESS, [left, right]) => Ok(Fact::Truth(order(left, right)? == Ordering::Less)),
        (operators::LESS_EQUALS, [left, right]) => Ok(Fact::Truth(order(left, right)? != Ordering::Greater)),
        (operators::GREATER, [left, right]) => Ok(Fact::Truth(order(left, right)? == Ordering::Greater)),
        (operators::GREATER_EQUALS, [left, right]) => Ok(Fact::Truth(order(left, right)? != Ordering::Less)),
        (operators::IN, [one, Fact::List(list)]) => Ok(Fact::Truth(list.iter().any(|other| one.equals(other)))),
        (operators::NEGATE, [Fact::Integer(number)]) => whole(number.checked_neg()),
        (operators::NEGATE, [Fact::Decimal(number)]) => Ok(Fact::Decimal(-number)),
        (_, [Fact::Integer(left), Fact::Integer(right)]) => whole_arithmetic(name, *left, *right),
        (_, [Fact::Decimal(left), Fact::Decimal(right)]) => decimal_arithmetic(name, left, right),
        _ => function_value(name, values),
    }
}

fn order(left: &Fact, right: &Fact) -> Result<Ordering, ExpressionError> {
    match (left, right) {
        (Fact::Integer(left), Fact::Integer(right)) => Ok(left.cmp(right)),
        (Fact::Decimal(left), Fact::Decimal(right)) => Ok(left.cmp(right)),
        (Fact::Integer(left), Fact::Decimal(right)) => Ok(from_whole(*left).cmp(right)),
        (Fact::Decimal(left), Fact::Integer(right)) => Ok(left.cmp(&from_whole(*right))),
        (Fact::Text(left), Fact::Text(right)) => Ok(left.cmp(right)),
        (Fact::Truth(left), Fact::Truth(right)) => Ok(left.cmp(right)),
        _ => Err(failure(format!("a {} and a {} have no order", left.kind(), right.kind()))),
    }
}

fn from_whole(number: i64) -> Rational {
    Rational::from_integer(number.into())
}

fn whole(number: Option<i64>) -> Outcome {
    number.map(Fact::Integer).ok_or_else(|| failure("a whole number becomes too large"))
}

/// Whole numbers divide to whole numbers, towards zero.
fn whole_arithmetic(operator: &str, left: i64, right: i64) -> Outcome {
    match operator {
        operators::ADD => whole(left.checked_add(right)),
        operators::SUBSTRACT => whole(left.checked_sub(right)),
        operators::MULTIPLY => whole(left.checked_mul(right)),
        operators::DIVIDE | operators::MODULO if right == 0 => Err(failure("divides by zero")),
        operators::DIVIDE => whole(left.checked_div(right)),
        operators::MODULO => whole(left.checked_rem(right)),
        other => Err(failure(format!("there is no {other} of two whole numbers"))),
    }
}

fn decimal_arithmetic(operator: &str, left: &Rational, right: &Rational) -> Outcome {
    let result = match operator {
        operators::ADD => left + right,
        operators::SUBSTRACT => left - right,
        operators::MULTIPLY => left * right,
        operators::DIVIDE if right.is_zero() => return Err(failure("divides by zero")),
        operators::DIVIDE => left / right,
        other => return Err(failure(format!("there is no {other} of two decimal numbers"))),
    };
    if result.numer().bits().max(result.denom().bits()) > limits::EXPRESSION_BITS {
        return Err(failure("a decimal number becomes too long"));
    }
    Ok(Fact::Decimal(result))
}

fn function_value(name: &str, values: &[Fact]) -> Outcome {
    match (name, values) {
        ("answered", [value]) => Ok(Fact::Truth(*value != Fact::Null)),
        ("days_between", [from, to]) => Ok(Fact::Integer((day_of(to)? - day_of(from)?).num_days())),
        ("years_between", [from, to]) => Ok(Fact::Integer(whole_years(day_of(from)?, day_of(to)?))),
        ("size", [Fact::Text(text)]) => whole(text.chars().count().to_i64()),
        ("size", [Fact::List(list)]) => whole(list.len().to_i64()),
        ("contains", [Fact::Text(text), Fact::Text(part)]) => Ok(Fact::Truth(text.contains(part.as_str()))),
        ("startsWith", [Fact::Text(text), Fact::Text(part)]) => Ok(Fact::Truth(text.starts_with(part.as_str()))),
        ("endsWith", [Fact::Text(text), Fact::Text(part)]) => Ok(Fact::Truth(text.ends_with(part.as_str()))),
        ("matches", [Fact::Text(text), Fact::Text(pattern)]) => {
            let pattern = regex::RegexBuilder::new(pattern).size_limit(limits::PATTERN_BYTES).build();
            let pattern = pattern.map_err(|_| failure("matches needs a regular expression"))?;
            Ok(Fact::Truth(pattern.is_match(text)))
        }
        ("int", [Fact::Integer(number)]) => Ok(Fact::Integer(*number)),
        ("int", [Fact::Decimal(number)]) => whole(number.to_integer().to_i64()),
        ("double", [Fact::Integer(number)]) => Ok(Fact::Decimal(from_whole(*number))),
        ("double", [Fact::Decimal(number)]) => Ok(Fact::Decimal(number.clone())),
        _ => {
            let kinds: Vec<&str> = values.iter().map(Fact::kind).collect();
            Err(failure(format!("there is no {name} of {}", kinds.join(", "))))
        }
    }
}

/// The day of an ISO day or day and time.
fn day_of(value: &Fact) -> Result<NaiveDate, ExpressionError> {
    let day = match value {
        Fact::Text(text) => text.get(..10).and_then(|day| NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()),
        _ => None,
    };
    day.ok_or_else(|| failure("days_between and years_between need two days"))
}

/// Birthdays from `from` to `to`; negative where `to` comes first.
fn whole_years(from: NaiveDate, to: NaiveDate) -> i64 {
    if to < from {
        return -whole_years(to, from);
    }
    let years = i64::from(to.year() - from.year());
    if (to.month(), to.day()) < (from.month(), from.day()) { years - 1 } else { years }
}

/// At most six digits behind the point, halves to the even digit; `None` if it is longer than a number may be.
pub(super) fn six_digits(value: &Rational) -> Option<String> {
    let million = Rational::from_integer(1_000_000.into());
    let scaled = value.abs() * &million;
    let floor = scaled.to_integer();
    let twice = (&scaled - Rational::from_integer(floor.clone())) * Rational::from_integer(2.into());
    let odd = !(&floor % BigInt::from(2)).is_zero();
    let up = match twice.cmp(&Rational::from_integer(1.into())) {
        Ordering::Greater => true,
        Ordering::Equal => odd,
        Ordering::Less => false,
    };
    let rounded = Rational::from_integer(floor + i32::from(up)) / million;
    let fixed = number::decimal(&if value.is_negative() { -rounded } else { rounded }, 6);
    let short = fixed.trim_end_matches('0').trim_end_matches('.');
    (short.len() <= limits::NUMBER_CHARS).then(|| short.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::Expression;
    use super::*;
    use crate::domain::answer::Value;
    use proptest::prelude::*;

    fn scope(values: &[(&str, &str)]) -> Scope {
        let today = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
        let mut scope = Scope::blank(["blank"], today);
        for (id, digits) in values {
            scope.set(id, &Value::Decimal((*digits).to_string()));
        }
        scope
    }

    fn holds(source: &str, scope: &Scope) -> bool {
        Expression::compile(source).unwrap().holds(scope).unwrap()
    }

    #[test]
    fn decimals_decide_exactly() {
        let scope = scope(&[("dose", "0.1"), ("step", "0.2"), ("most", "0.30"), ("long", "0.10000000000000000001")]);
        for source in [
            "dose + step <= 0.3",
            "dose + step == most",
            "most in [1.0, dose + step]",
            "1.0 / 3.0 * 3.0 == 1.0",
            "double(7) / 2.0 == 3.5 && 7 / 2 == 3",
            "-7 / 2 == -3 && -7 % 2 == -1",
            "int(2.9) == 2 && int(-2.9) == -2",
            "long > dose && long != 0.1",
            "1e-3 * 1000.0 == 1",
            "9007199254740993 > 9007199254740992.0",
        ] {
            assert!(holds(source, &scope), "{source}");
        }
        let level = Expression::compile("dose + step > 0.3 ? 'hi' : 'lo'").unwrap();
        assert_eq!(level.value(&scope), Ok(Some(Value::Text("lo".into()))));
    }

    #[test]
    fn a_side_that_decides_makes_up_for_one_that_cannot_be_told() {
        let scope = scope(&[]);
        assert!(holds("blank > 3 || true", &scope) && !holds("blank > 3 && false", &scope));
        for source in ["blank > 3 || false", "true && blank > 3", "blank > 3 && true", "1.0 / 0.0 > 1.0", "1 % 0 == 0"]
        {
            let result = Expression::compile(source).unwrap().holds(&scope);
            assert!(matches!(result, Err(ExpressionError::Evaluation(_))), "{source}: {result:?}");
        }
    }

    #[test]
    fn what_grows_too_long_is_an_error() {
        let scope = scope(&[("x", "9999999999999999.5")]);
        for source in ["x * x * x * x * x", "9223372036854775807 + 1", "int(x * x)"] {
            assert!(Expression::compile(source).unwrap().value(&scope).is_err(), "{source}");
        }
        let product = ["x"; 20].join(" * ");
        let power = |factors: usize| {
            Expression::compile(&format!("{} > 1.0", vec![format!("({product})"); factors].join(" * ")))
        };
        assert_eq!(power(3).unwrap().holds(&scope), Ok(true));
        assert_eq!(power(6).unwrap().holds(&scope), Err(failure("a decimal number becomes too long")));
    }

    #[test]
    fn decimals_that_the_parser_would_round_are_refused() {
        for source in ["x < 0.1000000000000000055", "x < 12345678901234567.8", "x < 1e-400", "x<1e300", "'a' + 1e999"] {
            let compiled = Expression::compile(source);
            assert!(matches!(compiled, Err(ExpressionError::Syntax(_))), "{source}: {compiled:?}");
        }
        for source in
            ["x1 < 0.3", "t == '0.1000000000000000055'", "x < .5", "x < 123456789012.345", "x < 1e100", "x > -0.0"]
        {
            assert!(Expression::compile(source).is_ok(), "{source}");
        }
    }

    #[test]
    fn leap_day_birthdays_come_in_march() {
        let born = NaiveDate::from_ymd_opt(2004, 2, 29).unwrap();
        assert_eq!(whole_years(born, NaiveDate::from_ymd_opt(2026, 2, 28).unwrap()), 21);
        assert_eq!(whole_years(born, NaiveDate::from_ymd_opt(2026, 3, 1).unwrap()), 22);
    }

    #[test]
    fn halves_are_rounded_to_even() {
        for (number, shown) in [
            ("24.4140625", "24.414062"),
            ("0.0000015", "0.000002"),
            ("-0.0000005", "0"),
            ("-2.50", "-2.5"),
            ("2/3", "0.666667"),
            ("100", "100"),
        ] {
            assert_eq!(six_digits(&number::parse(number).unwrap()).as_deref(), Some(shown), "{number}");
        }
    }

    fn decimal() -> impl Strategy<Value = String> {
        (-999_999i64..=999_999, 0usize..=6).prop_map(|(digits, places)| {
            let scale = 10i64.pow(u32::try_from(places).unwrap());
            number::decimal(&(from_whole(digits) / from_whole(scale)), places)
        })
    }

    proptest! {
        #[test]
        fn arithmetic_and_order_are_those_of_fractions(a in decimal(), b in decimal(), c in decimal()) {
            let exact = |text: &str| number::parse(text).unwrap();
            let named = scope(&[("a", &a), ("b", &b), ("c", &c)]);
            for (operator, result) in [
                ("+", Some(exact(&a) + exact(&b))),
                ("-", Some(exact(&a) - exact(&b))),
                ("*", Some(exact(&a) * exact(&b))),
                ("/", (!exact(&b).is_zero()).then(|| exact(&a) / exact(&b))),
            ] {
                for source in [format!("a {operator} b"), with_points(&a, operator, &b)] {
                    let less = Expression::compile(&format!("{source} < c")).unwrap().holds(&named);
                    let value = Expression::compile(&source).unwrap().value(&named);
                    match &result {
                        Some(result) => {
                            prop_assert_eq!(less, Ok(*result < exact(&c)));
                            prop_assert_eq!(value, Ok(six_digits(result).map(Value::Decimal)));
                            let same = format!("(a {operator} b) == ({source})");
                            prop_assert!(holds(&same, &named));
                        }
                        None => prop_assert!(less.is_err() && value.is_err()),
                    }
                }
            }
        }
    }

    /// The same with the numbers written into the expression.
    fn with_points(a: &str, operator: &str, b: &str) -> String {
        let point = |text: &str| if text.contains('.') { text.to_string() } else { format!("{text}.0") };
        format!("({}) {operator} ({})", point(a), point(b))
    }
}
