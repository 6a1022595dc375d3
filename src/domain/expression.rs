//! CEL expressions of a bundle: compiled and type-checked when it is loaded, evaluated on answers.
//!
//! The language is the Common Expression Language without its macros (`all`, `map` …), so that the cost of an
//! expression is bounded by its length. What an item is in an expression:
//!
//! | item | value |
//! | --- | --- |
//! | `integer`, `scale` | `int` |
//! | `decimal`, `calculation` with a decimal result | `double`, but exact: a fraction and no floating point |
//! | `yesno` | `bool` |
//! | `choice` | its code, a `string` |
//! | `choices` | its codes, a `list` |
//! | `date`, `time`, `datetime` | ISO texts, which compare as they should: `consent_date >= '2026-04-01'` |
//! | `text`, `note` | `string` |
//! | left blank | `null` |
//!
//! `today` is the day of reading in the study's zone. Functions of our own: `answered(item)`, `days_between(from, to)`,
//! `years_between(from, to)` (whole years, as age is counted).
//!
//! Decimals are computed and compared exactly: `0.1 + 0.2 <= 0.3` holds. Only the result of a calculation is rounded, to six
//! digits behind the point, and what names the calculation sees it as it is kept and shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, LazyLock};

use cel::{Env, Program};
use chrono::NaiveDate;

use super::answer::{Answer, Value};
use super::number;
use crate::limits;

mod check;
mod evaluate;
mod outcomes;
mod partly;

use evaluate::{Fact, evaluate, six_digits};

pub use check::{Misuse, Type};

/// The standard functions of CEL; built once.
static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// Name of the day of reading in expressions; no item may have it as its id.
pub const TODAY: &str = "today";

/// A compiled expression.
#[derive(Clone)]
pub struct Expression {
    /// As written in the bundle.
    pub source: String,
    program: Arc<Program>,
    names: BTreeSet<String>,
}

/// Why an expression cannot be compiled or evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// Longer or deeper than the limits.
    #[error(
        "is longer than {chars} characters, has more than {signs} operators or is nested deeper than {depth} brackets",
        chars = limits::EXPRESSION_CHARS,
        signs = limits::EXPRESSION_SIGNS,
        depth = limits::EXPRESSION_DEPTH
    )]
    Size,
    /// No CEL; the parser's words.
    #[error("{0}")]
    Syntax(String),
    /// It could not be evaluated on these answers, most often because one that it needs is blank.
    #[error("{0}")]
    Evaluation(String),
    /// Its result is of another type than is needed here.
    #[error("gives {0}")]
    Result(String),
}

impl Expression {
    /// Compiles an expression; its names and types are not checked yet, see [`Expression::check`].
    ///
    /// # Errors
    /// [`ExpressionError::Size`] or [`ExpressionError::Syntax`].
    pub fn compile(source: &str) -> Result<Expression, ExpressionError> {
        let signs = source.chars().filter(|c| "!-+*/%<>=&|?:.".contains(*c)).count() + source.matches("in").count();
        if source.chars().count() > limits::EXPRESSION_CHARS || signs > limits::EXPRESSION_SIGNS {
            return Err(ExpressionError::Size);
        }
        match bracket_depth(source) {
            None => return Err(ExpressionError::Syntax("a bracket has no partner".to_string())),
            Some(depth) if depth > limits::EXPRESSION_DEPTH => return Err(ExpressionError::Size),
            Some(_) => {}
        }
        if let Some(literal) = evaluate::inexact_literal(source) {
            return Err(ExpressionError::Syntax(format!(
                "{literal} has more digits than can be kept exactly; 15 always can"
            )));
        }
        let program = STANDARD.compile(source).map_err(|errors| {
            let first = errors.errors.first().map_or_else(|| "cannot be read".to_string(), |error| error.msg.clone());
            ExpressionError::Syntax(first)
        })?;
        match check::tree_depth(program.expression()) {
            None => return Err(ExpressionError::Syntax("all, exists, map, filter and { } cannot be used".to_string())),
            Some(depth) if depth > limits::EXPRESSION_TREE => return Err(ExpressionError::Size),
            Some(_) => {}
        }
        let names = program.references().variables().into_iter().map(str::to_string).collect();
        Ok(Expression { source: source.to_string(), program: Arc::new(program), names })
    }

    /// The names of items (and [`TODAY`]) that it uses, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// What is wrong with its names and types, and the type of its result where it can be told.
    pub fn check(&self, types: &BTreeMap<String, Type>) -> (Option<Type>, Vec<Misuse>) {
        check::check(self.program.expression(), types)
    }

    /// Every value that it can have, as answers are kept, where each stands in it or is among those `known` of an item that it names.
    pub fn outcomes(&self, known: &BTreeMap<String, BTreeSet<String>>) -> Option<BTreeSet<String>> {
        outcomes::outcomes(self.program.expression(), known)
    }

    /// Whether it is true.
    ///
    /// # Errors
    /// [`ExpressionError::Evaluation`] or [`ExpressionError::Result`]; the latter never after a clean check.
    pub fn holds(&self, scope: &Scope) -> Result<bool, ExpressionError> {
        match self.run(scope)? {
            Fact::Truth(truth) => Ok(truth),
            other => Err(ExpressionError::Result(other.kind().to_string())),
        }
    }

    /// Whether it is true as far as can be told where only some names are known: a part joined by `&&` that names something else
    /// is taken as met.
    ///
    /// # Errors
    /// As [`Expression::holds`].
    pub fn holds_as_far_as(&self, scope: &Scope, known: &dyn Fn(&str) -> bool) -> Result<bool, ExpressionError> {
        partly::holds(self.program.expression(), scope, known)
    }

    /// The names for which parts of it are taken as met by [`Expression::holds_as_far_as`].
    pub fn unknown_names(&self, known: &dyn Fn(&str) -> bool) -> BTreeSet<String> {
        partly::unknown(self.program.expression(), known)
    }

    /// Its value as an answer: `None` for null. Decimal results are rounded to six digits behind the point, halves to even.
    ///
    /// # Errors
    /// As [`Expression::holds`].
    pub fn value(&self, scope: &Scope) -> Result<Option<Value>, ExpressionError> {
        match self.run(scope)? {
            Fact::Null => Ok(None),
            Fact::Truth(truth) => Ok(Some(Value::YesNo(truth))),
            Fact::Integer(number) => Ok(Some(Value::Integer(number))),
            Fact::Decimal(number) => match six_digits(&number) {
                Some(digits) => Ok(Some(Value::Decimal(digits))),
                None => Err(ExpressionError::Result("a number that is too long".to_string())),
            },
            Fact::Text(text) => Ok(Some(Value::Text(text))),
            other @ Fact::List(_) => Err(ExpressionError::Result(other.kind().to_string())),
        }
    }

    fn run(&self, scope: &Scope) -> Result<Fact, ExpressionError> {
        evaluate(self.program.expression(), scope)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Expression) -> bool {
        self.source == other.source
    }
}

/// What the names of an expression stand for.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    facts: BTreeMap<String, Fact>,
}

impl Scope {
    /// A scope in which every one of `items` is blank and only the day of reading is known.
    pub fn blank<'a>(items: impl IntoIterator<Item = &'a str>, today: NaiveDate) -> Scope {
        let mut facts: BTreeMap<String, Fact> = items.into_iter().map(|id| (id.to_string(), Fact::Null)).collect();
        facts.insert(TODAY.to_string(), Fact::Text(iso(today)));
        Scope { facts }
    }

    /// The same with these answers filled in.
    pub fn with<'a>(mut self, answers: impl IntoIterator<Item = (&'a String, &'a Answer)>) -> Scope {
        for (id, answer) in answers {
            self.set(id, &answer.value);
        }
        self
    }

    /// Gives an item its value.
    pub fn set(&mut self, id: &str, value: &Value) {
        self.facts.insert(id.to_string(), fact(value));
    }

    /// Makes an item blank.
    pub fn clear(&mut self, id: &str) {
        self.facts.insert(id.to_string(), Fact::Null);
    }
}

fn fact(value: &Value) -> Fact {
    match value {
        Value::Integer(number) => Fact::Integer(*number),
        Value::Decimal(digits) => number::parse(digits).map_or(Fact::Null, Fact::Decimal),
        Value::YesNo(truth) => Fact::Truth(*truth),
        Value::Choices(codes) => Fact::List(codes.iter().cloned().map(Fact::Text).collect()),
        Value::Text(_) | Value::Choice(_) | Value::Date(_) | Value::Time(_) | Value::DateTime(_) => {
            Fact::Text(value.canonical())
        }
        // Conditions name no files.
        Value::File(_) => Fact::Null,
    }
}

fn iso(day: NaiveDate) -> String {
    day.format("%Y-%m-%d").to_string()
}

/// Deepest nesting of brackets outside of quotes, a conditional counting as one, a call as two, `[` and `{` as three because the parser
/// takes so much more stack for them; `None` if they do not match. The parser must not see those: recovering from one
/// unclosed bracket after the other, it overflows the stack.
fn bracket_depth(source: &str) -> Option<usize> {
    let (mut open, mut deepest): (Vec<(char, usize)>, usize) = (Vec::new(), 0);
    let mut depth = 0;
    let mut quote = None;
    let mut before = ' ';
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => {
                chars.next();
            }
            (Some(mark), _) if c == mark => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => open.push((')', if before.is_alphanumeric() { 2 } else { 1 })),
            (None, '[') => open.push((']', 3)),
            (None, '{') => open.push(('}', 3)),
            (None, '?') => depth += 1,
            (None, ')' | ']' | '}') => {
                let (wanted, weight) = open.pop()?;
                depth -= weight;
                if wanted != c {
                    return None;
                }
            }
            (None, _) => {}
        }
        if matches!((quote, c), (None, '(' | '[' | '{')) {
            depth += open.last().map_or(0, |(_, weight)| *weight);
        }
        deepest = deepest.max(depth);
        if c != ' ' {
            before = c;
        }
    }
    open.is_empty().then_some(deepest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 20).unwrap()
    }

    fn scope() -> Scope {
        let mut scope = Scope::blank(["age", "sex", "weight", "born", "pregnant", "signs", "blank"], today());
        scope.set("age", &Value::Integer(65));
        scope.set("sex", &Value::Choice("F".into()));
        scope.set("weight", &Value::Decimal("62.5".into()));
        scope.set("born", &Value::Date(NaiveDate::from_ymd_opt(1961, 11, 21).unwrap()));
        scope.set("pregnant", &Value::YesNo(false));
        scope.set("signs", &Value::Choices(vec!["a".into(), "c".into()]));
        scope
    }

    #[test]
    fn answers_decide() {
        for (source, expected) in [
            ("age >= 20 && age <= 99", true),
            ("sex == 'F' && !pregnant", true),
            ("sex in ['M', 'X']", false),
            ("weight > 60.0", true),
            ("weight > 60", true),
            ("'c' in signs && size(signs) == 2", true),
            ("answered(blank)", false),
            ("answered(blank) && blank > 3", false),
            ("!answered(blank) || blank > 3", true),
            ("blank == 'x'", false),
            ("born < '1970-01-01'", true),
            ("years_between(born, today) == 64", true),
            ("days_between(born, today) > 23000", true),
            ("sex == 'F' ? age > 60 : age > 70", true),
        ] {
            assert_eq!(Expression::compile(source).unwrap().holds(&scope()), Ok(expected), "{source}");
        }
    }

    #[test]
    fn what_cannot_be_evaluated_is_an_error() {
        for source in ["blank > 3", "unknown == 1", "days_between(sex, today) > 1", "age / (age - 65) > 1"] {
            let result = Expression::compile(source).unwrap().holds(&scope());
            assert!(matches!(result, Err(ExpressionError::Evaluation(_))), "{source}: {result:?}");
        }
        let number = Expression::compile("age + 1").unwrap();
        assert!(matches!(number.holds(&scope()), Err(ExpressionError::Result(_))));
        assert_eq!(number.value(&scope()), Ok(Some(Value::Integer(66))));
    }

    #[test]
    fn what_is_not_known_is_taken_as_met_part_by_part() {
        let known = |name: &str| ["age", "sex"].contains(&name);
        for (source, expected, unknown) in [
            ("sex == 'F' && days_between(born, today) > 1", true, vec!["born", "today"]),
            ("sex == 'M' && days_between(born, today) > 1", false, vec!["born", "today"]),
            ("age > 70 && sex == 'F' && pregnant", false, vec!["pregnant"]),
            ("sex == 'M' || pregnant", true, vec!["pregnant"]),
            ("age > 60", true, vec![]),
        ] {
            let expression = Expression::compile(source).unwrap();
            assert_eq!(expression.holds_as_far_as(&scope(), &known), Ok(expected), "{source}");
            assert_eq!(expression.unknown_names(&known).into_iter().collect::<Vec<String>>(), unknown, "{source}");
        }
    }

    #[test]
    fn calculations_are_short_decimals() {
        let bmi = Expression::compile("weight / (1.6 * 1.6)").unwrap();
        assert_eq!(bmi.value(&scope()), Ok(Some(Value::Decimal("24.414062".into()))));
        assert_eq!(Expression::compile("weight * 0.0").unwrap().value(&scope()), Ok(Some(Value::Decimal("0".into()))));
    }

    #[test]
    fn size_is_limited() {
        let long = format!("age == {}", "1".repeat(limits::EXPRESSION_CHARS));
        assert_eq!(Expression::compile(&long), Err(ExpressionError::Size));
        let deep = format!("{}age{}", "(".repeat(100), ")".repeat(100));
        assert_eq!(Expression::compile(&deep), Err(ExpressionError::Size));
        assert!(matches!(Expression::compile("age >"), Err(ExpressionError::Syntax(_))));
    }

    #[test]
    fn long_chains_fit_the_stack_of_a_small_thread() {
        let chains =
            [("!", 1), ("-", 1), ("- ", 1), ("age+", 1), ("b.", 1), ("age==", 2), ("!pregnant||", 3), ("age in ", 1)];
        for (part, signs) in chains {
            let most = limits::EXPRESSION_SIGNS / signs;
            for times in [most, most + 1] {
                try_everything(&format!("{}age", part.repeat(times)));
            }
        }
        for part in ["(", "[", "(!", "[-", "{1:", "f(", "true?(", "a[("] {
            for times in [limits::EXPRESSION_DEPTH / 2, limits::EXPRESSION_DEPTH, 500] {
                let open = part.repeat(times);
                for close in ["", ")", "]", ")]"] {
                    try_everything(&format!("{open}age{}", close.repeat(times)));
                }
            }
        }
    }

    fn try_everything(source: &str) {
        println!("{source}");
        if let Ok(expression) = Expression::compile(source) {
            let _ = (expression.value(&scope()), expression.check(&BTreeMap::new()));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn any_text_compiles_or_not_without_panic(source in r#"[ageswixt0-9 .,?:!&|<>=+*/()\[\]{}'"%\-]{0,40}"#) {
            if let Ok(expression) = Expression::compile(&source) {
                let _ = expression.value(&scope());
                let _ = expression.check(&BTreeMap::new());
            }
        }

        #[test]
        fn any_unicode_compiles_or_not_without_panic(source in any::<String>()) {
            let _ = Expression::compile(&source);
        }
    }
}
