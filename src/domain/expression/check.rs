//! Static types of expressions, so that a slip in a rule is found when the bundle is loaded and not at a patient's bedside.

use std::collections::BTreeMap;
use std::fmt;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

/// Type of an item's value or of a part of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// Whole number.
    Integer,
    /// Number with a decimal point.
    Decimal,
    /// True or false.
    YesNo,
    /// Text.
    Text,
    /// One of these codes.
    Choice(Vec<String>),
    /// Several of these codes.
    Choices(Vec<String>),
    /// Day, an ISO text.
    Date,
    /// Time of day, an ISO text.
    Time,
    /// Day and time, an ISO text.
    DateTime,
    /// A list of values of one type.
    List(Box<Type>),
    /// A text as written in the expression; it may stand for a day, a time or a choice's code.
    Literal(String),
    /// `null`.
    Null,
    /// Anything: something else is wrong already.
    Unknown,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Integer => f.write_str("a whole number"),
            Type::Decimal => f.write_str("a decimal number"),
            Type::YesNo => f.write_str("yes or no"),
            Type::Text | Type::Literal(_) => f.write_str("a text"),
            Type::Choice(_) => f.write_str("a choice"),
            Type::Choices(_) => f.write_str("several choices"),
            Type::Date => f.write_str("a date"),
            Type::Time => f.write_str("a time"),
            Type::DateTime => f.write_str("a date with a time"),
            Type::List(of) => write!(f, "a list of values, each {of}"),
            Type::Null => f.write_str("null"),
            Type::Unknown => f.write_str("something unknown"),
        }
    }
}

/// One thing that is wrong with an expression, and what would be right. Its texts are part of a bundle's problems.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// A name that no item has.
    #[error("no item is named `{0}`")]
    Name(String),
    /// A function or macro that expressions do not have here.
    #[error("there is no function `{0}` here")]
    Function(String),
    /// A function called with the wrong number or kind of values.
    #[error("`{function}` is called with the wrong values")]
    Arguments {
        /// Its name.
        function: String,
        /// How it is called.
        usage: &'static str,
    },
    /// Two values that cannot be compared or computed with.
    #[error("`{operator}` stands between {left} and {right}")]
    Operands {
        /// As written.
        operator: String,
        /// Type on its left.
        left: String,
        /// Type on its right.
        right: String,
    },
    /// A condition is needed and something else stands there.
    #[error("{0} stands where a condition is needed")]
    Condition(String),
    /// A choice's item is compared with something it can never be.
    #[error("'{value}' is none of the choices")]
    Choice {
        /// As written.
        value: String,
        /// The codes there are.
        codes: Vec<String>,
    },
    /// A text that stands for a day or time and is none.
    #[error("'{value}' is not {wanted}")]
    Moment {
        /// As written.
        value: String,
        /// What is needed.
        wanted: &'static str,
    },
    /// A regular expression that is none.
    #[error("'{0}' is no regular expression")]
    Pattern(String),
}

impl Misuse {
    /// What would be right; empty where nothing better than "mend it" can be said.
    pub fn right(&self) -> String {
        match self {
            Misuse::Name(_) | Misuse::Pattern(_) => String::new(),
            Misuse::Function(_) => {
                "use answered(item), days_between(from, to), years_between(from, to), size(…), and the text functions \
                 contains, startsWith, endsWith, matches"
                    .to_string()
            }
            Misuse::Arguments { usage, .. } => format!("write {usage}"),
            Misuse::Operands { left, right, .. } => {
                let numbers = [Type::Integer.to_string(), Type::Decimal.to_string()];
                let text = Type::Text.to_string();
                if numbers.contains(left) && numbers.contains(right) {
                    "give a whole number a decimal point (10.0 for 10)".to_string()
                } else if numbers.contains(left) && *right == text || *left == text && numbers.contains(right) {
                    "write numbers without quotes, and compare texts with texts".to_string()
                } else {
                    "compare and compute with values of one kind; texts, dates and choices stand in quotes".to_string()
                }
            }
            Misuse::Condition(_) => "write a comparison, such as age >= 20".to_string(),
            Misuse::Choice { codes, .. } => format!("write one of {}", codes.join(", ")),
            Misuse::Moment { wanted, .. } => match *wanted {
                "a date" => "write it as '2026-04-01'".to_string(),
                "a time" => "write it as '09:05'".to_string(),
                _ => "write it as '2026-04-01T09:05'".to_string(),
            },
        }
    }
}

/// Type of an expression's result, and what is wrong with it.
pub(super) fn check(expression: &IdedExpr, types: &BTreeMap<String, Type>) -> (Option<Type>, Vec<Misuse>) {
    let mut checker = Checker { types, misuses: Vec::new() };
    let result = checker.type_of(&expression.expr);
    let known = (result != Type::Unknown).then_some(result);
    (known, checker.misuses)
}

/// Levels of an expression's tree; `None` if it holds a macro, a map or a struct, which expressions do not have here.
pub(super) fn tree_depth(expression: &IdedExpr) -> Option<usize> {
    let parts: Vec<&IdedExpr> = match &expression.expr {
        Expr::Call(call) => call.target.iter().map(|target| &**target).chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Select(select) => vec![&*select.operand],
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Vec::new(),
        Expr::Comprehension(_) | Expr::Map(_) | Expr::Struct(_) => return None,
    };
    parts.into_iter().try_fold(0, |deepest, part| Some(tree_depth(part)?.max(deepest))).map(|deepest| deepest + 1)
}

struct Checker<'a> {
    types: &'a BTreeMap<String, Type>,
    misuses: Vec<Misuse>,
}

impl Checker<'_> {
    fn type_of(&mut self, expression: &Expr) -> Type {
        match expression {
            Expr::Literal(literal) => self.type_of_literal(literal),
            Expr::Ident(name) => match self.types.get(name) {
                Some(known) => known.clone(),
                None => self.wrong(Misuse::Name(name.clone())),
            },
            Expr::List(list) => {
                let types: Vec<Type> = list.elements.iter().map(|element| self.type_of(&element.expr)).collect();
                self.type_of_list(types)
            }
            Expr::Call(call) => self.type_of_call(call),
            Expr::Select(select) => {
                self.type_of(&select.operand.expr);
                self.wrong(Misuse::Function(format!(".{}", select.field)))
            }
            Expr::Comprehension(comprehension) => {
                self.type_of(&comprehension.iter_range.expr);
                self.wrong(Misuse::Function("all, exists, map, filter".to_string()))
            }
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => self.wrong(Misuse::Function("{ }".to_string())),
        }
    }

    fn wrong(&mut self, misuse: Misuse) -> Type {
        if !self.misuses.contains(&misuse) {
            self.misuses.push(misuse);
        }
        Type::Unknown
    }

    fn type_of_literal(&mut self, literal: &LiteralValue) -> Type {
        match literal {
            LiteralValue::Boolean(_) => Type::YesNo,
            LiteralValue::Int(_) => Type::Integer,
            LiteralValue::Double(_) => Type::Decimal,
            LiteralValue::String(text) => Type::Literal(text.inner().to_string()),
            LiteralValue::Null => Type::Null,
            LiteralValue::UInt(number) => self.wrong(Misuse::Function(format!("{}u", number.inner()))),
            LiteralValue::Bytes(_) => self.wrong(Misuse::Function("b''".to_string())),
        }
    }

    fn type_of_list(&mut self, types: Vec<Type>) -> Type {
        let mut types = types.into_iter();
        let Some(first) = types.next() else { return Type::List(Box::new(Type::Unknown)) };
        let mut codes = Vec::new();
        if let Type::Literal(code) = &first {
            codes.push(code.clone());
        }
        for other in types {
            match (&first, &other) {
                (Type::Literal(_), Type::Literal(code)) => codes.push(code.clone()),
                _ if first == other || first == Type::Unknown || other == Type::Unknown => {}
                _ => return self.mismatch(",", &first, &other),
            }
        }
        // A list of written texts: each of them is checked against what it is compared with.
        if codes.is_empty() { Type::List(Box::new(first)) } else { Type::Choices(codes) }
    }

    fn type_of_call(&mut self, call: &CallExpr) -> Type {
        let types: Vec<Type> =
            call.target.iter().map(|target| &**target).chain(&call.args).map(|part| self.type_of(&part.expr)).collect();
        match (call.func_name.as_str(), &types[..]) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, _) => {
                for part in &types {
                    self.condition(part);
                }
                Type::YesNo
            }
            (operators::CONDITIONAL, [condition, yes, no]) => {
                self.condition(condition);
                self.unify(":", yes, no)
            }
            (operators::EQUALS, [left, right]) => self.comparison("==", left, right),
            (operators::NOT_EQUALS, [left, right]) => self.comparison("!=", left, right),
            (operators::LESS, [left, right]) => self.order("<", left, right),
            (operators::LESS_EQUALS, [left, right]) => self.order("<=", left, right),
            (operators::GREATER, [left, right]) => self.order(">", left, right),
            (operators::GREATER_EQUALS, [left, right]) => self.order(">=", left, right),
            (operators::IN, [left, right]) => self.membership(left, right),
            (operators::ADD, [left, right]) => self.arithmetic("+", left, right),
            (operators::SUBSTRACT, [left, right]) => self.arithmetic("-", left, right),
            (operators::MULTIPLY, [left, right]) => self.arithmetic("*", left, right),
            (operators::DIVIDE, [left, right]) => self.arithmetic("/", left, right),
            (operators::MODULO, [left, right]) => self.arithmetic("%", left, right),
            (operators::NEGATE, [part]) => self.arithmetic("-", part, part),
            (name, types) => self.type_of_function(name, types),
        }
    }

    fn type_of_function(&mut self, name: &str, types: &[Type]) -> Type {
        let text = |t: &Type| matches!(t, Type::Text | Type::Literal(_) | Type::Choice(_) | Type::Unknown);
        match (name, types) {
            ("answered", [_]) => Type::YesNo,
            ("days_between" | "years_between", [from, to]) => {
                let mut fine = true;
                for part in [from, to] {
                    match part {
                        Type::Literal(day) => self.moment(day, &Type::Date),
                        Type::Date | Type::DateTime | Type::Unknown => {}
                        _ => fine = false,
                    }
                }
                if fine { Type::Integer } else { self.misused(name, "days_between(from, to) with two dates") }
            }
            ("size", [Type::Choices(_) | Type::List(_) | Type::Text | Type::Unknown]) => Type::Integer,
            ("matches", [subject, Type::Literal(pattern)]) if text(subject) => {
                if regex::RegexBuilder::new(pattern).size_limit(crate::limits::PATTERN_BYTES).build().is_err() {
                    return self.wrong(Misuse::Pattern(pattern.clone()));
                }
                Type::YesNo
            }
            ("contains" | "startsWith" | "endsWith", [left, right]) if text(left) && text(right) => Type::YesNo,
            ("int", [Type::Integer | Type::Decimal | Type::Unknown]) => Type::Integer,
            ("double", [Type::Integer | Type::Decimal | Type::Unknown]) => Type::Decimal,
            ("answered", _) => self.misused(name, "answered(item)"),
            ("days_between", _) => self.misused(name, "days_between(from, to) with two dates"),
            ("years_between", _) => self.misused(name, "years_between(from, to) with two dates"),
            ("size", _) => self.misused(name, "size(item) with a text or several choices"),
            ("matches", _) => self.misused(name, "item.matches('pattern') with a text"),
            ("contains" | "startsWith" | "endsWith", _) => self.misused(name, "item.contains('text') with a text"),
            ("int" | "double", _) => self.misused(name, "int(item) or double(item) with a number"),
            _ => self.wrong(Misuse::Function(name.to_string())),
        }
    }

    fn misused(&mut self, function: &str, usage: &'static str) -> Type {
        self.wrong(Misuse::Arguments { function: function.to_string(), usage })
    }

    fn mismatch(&mut self, operator: &str, left: &Type, right: &Type) -> Type {
        self.wrong(Misuse::Operands {
            operator: operator.to_string(),
            left: left.to_string(),
            right: right.to_string(),
        })
    }

    fn condition(&mut self, part: &Type) {
        if !matches!(part, Type::YesNo | Type::Unknown) {
            self.wrong(Misuse::Condition(part.to_string()));
        }
    }

    fn comparison(&mut self, operator: &str, left: &Type, right: &Type) -> Type {
        if !matches!(left, Type::Null) && !matches!(right, Type::Null) {
            match (left, right) {
                (Type::Integer | Type::Decimal, Type::Integer | Type::Decimal) => {}
                _ => {
                    self.unify(operator, left, right);
                }
            }
        }
        Type::YesNo
    }

    fn order(&mut self, operator: &str, left: &Type, right: &Type) -> Type {
        let ordered = |t: &Type| {
            matches!(
                t,
                Type::Integer
                    | Type::Decimal
                    | Type::Date
                    | Type::Time
                    | Type::DateTime
                    | Type::Literal(_)
                    | Type::Unknown
            )
        };
        let numbers = |t: &Type| matches!(t, Type::Integer | Type::Decimal);
        if !ordered(left) || !ordered(right) {
            self.mismatch(operator, left, right);
        } else if !(numbers(left) && numbers(right)) {
            self.unify(operator, left, right);
        }
        Type::YesNo
    }

    fn membership(&mut self, left: &Type, right: &Type) -> Type {
        match (left, right) {
            (Type::Unknown, _) | (_, Type::Unknown) => {}
            (Type::Literal(code), Type::Choices(codes)) => {
                if !codes.contains(code) {
                    self.wrong(Misuse::Choice { value: code.clone(), codes: codes.clone() });
                }
            }
            (one, Type::Choices(codes)) => {
                for code in codes {
                    self.unify("in", one, &Type::Literal(code.clone()));
                }
            }
            (one, Type::List(of)) => {
                self.unify("in", one, of);
            }
            (one, other) => {
                self.mismatch("in", one, other);
            }
        }
        Type::YesNo
    }

    fn arithmetic(&mut self, operator: &str, left: &Type, right: &Type) -> Type {
        match (left, right) {
            (Type::Integer, Type::Integer) => Type::Integer,
            (Type::Decimal, Type::Decimal) if operator != "%" => Type::Decimal,
            (Type::Unknown, _) | (_, Type::Unknown) => Type::Unknown,
            _ => self.mismatch(operator, left, right),
        }
    }

    /// The common type of two values that are compared; written texts are checked against what they stand for.
    fn unify(&mut self, operator: &str, left: &Type, right: &Type) -> Type {
        match (left, right) {
            (Type::Unknown, other) | (other, Type::Unknown) => other.clone(),
            (Type::Null, other) | (other, Type::Null) => other.clone(),
            (Type::Choice(codes), Type::Literal(code)) | (Type::Literal(code), Type::Choice(codes)) => {
                if !codes.contains(code) {
                    self.wrong(Misuse::Choice { value: code.clone(), codes: codes.clone() });
                }
                left.clone()
            }
            (moment @ (Type::Date | Type::Time | Type::DateTime), Type::Literal(written))
            | (Type::Literal(written), moment @ (Type::Date | Type::Time | Type::DateTime)) => {
                self.moment(written, moment);
                moment.clone()
            }
            (Type::Text | Type::Literal(_), Type::Text | Type::Literal(_))
            | (Type::Choice(_), Type::Choice(_))
            | (Type::Choices(_), Type::Choices(_)) => left.clone(),
            _ if left == right => left.clone(),
            _ => self.mismatch(operator, left, right),
        }
    }

    fn moment(&mut self, written: &str, wanted: &Type) {
        let (fine, wanted) = match wanted {
            Type::Time => (written.len() == 5 && NaiveTime::parse_from_str(written, "%H:%M").is_ok(), "a time"),
            Type::DateTime => (
                written.len() == 16 && NaiveDateTime::parse_from_str(written, "%Y-%m-%dT%H:%M").is_ok(),
                "a date with a time",
            ),
            _ => (written.len() == 10 && NaiveDate::parse_from_str(written, "%Y-%m-%d").is_ok(), "a date"),
        };
        if !fine {
            self.wrong(Misuse::Moment { value: written.to_string(), wanted });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Expression;
    use super::*;

    fn types() -> BTreeMap<String, Type> {
        let codes = || vec!["F".to_string(), "M".to_string()];
        BTreeMap::from([
            ("age".to_string(), Type::Integer),
            ("weight".to_string(), Type::Decimal),
            ("sex".to_string(), Type::Choice(codes())),
            ("signs".to_string(), Type::Choices(vec!["a".into(), "b".into()])),
            ("consent".to_string(), Type::YesNo),
            ("born".to_string(), Type::Date),
            ("remarks".to_string(), Type::Text),
            ("today".to_string(), Type::Date),
        ])
    }

    fn wrongs(source: &str) -> Vec<String> {
        let (_, misuses) = Expression::compile(source).unwrap().check(&types());
        misuses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn sound_rules_pass() {
        for source in [
            "age >= 20 && age <= 99",
            "weight / 2.0 > 30",
            "sex == 'F' || sex in ['M']",
            "'a' in signs",
            "size(signs) > 0",
            "consent",
            "!consent && born < '2000-01-01'",
            "years_between(born, today) >= 20",
            "remarks.contains('x') || matches(remarks, '^a+$')",
            "answered(weight) ? weight > 40 : false",
            "remarks != null",
            "double(age) * 1.5 < weight",
            "-age < 0",
        ] {
            let (result, misuses) = Expression::compile(source).unwrap().check(&types());
            assert_eq!((result, misuses), (Some(Type::YesNo), vec![]), "{source}");
        }
    }

    #[test]
    fn slips_are_named() {
        for (source, expected) in [
            ("agee > 3", "no item is named `agee`"),
            ("age > '20'", "`>` stands between a whole number and a text"),
            ("sex == 'f'", "'f' is none of the choices"),
            ("sex in ['F', 'W']", "'W' is none of the choices"),
            ("'c' in signs", "'c' is none of the choices"),
            ("sex == 1", "`==` stands between a choice and a whole number"),
            ("born < '2000/01/01'", "'2000/01/01' is not a date"),
            ("age && consent", "a whole number stands where a condition is needed"),
            ("weight * 2 > 1.0", "`*` stands between a decimal number and a whole number"),
            ("now() == born", "there is no function `now` here"),
            ("days_between(born) > 1", "`days_between` is called with the wrong values"),
            ("consent > 0", "`>` stands between yes or no and a whole number"),
            ("remarks.matches('(')", "'(' is no regular expression"),
            ("born.year > 3", "there is no function `.year` here"),
        ] {
            assert_eq!(wrongs(source), [expected], "{source}");
        }
    }
}
