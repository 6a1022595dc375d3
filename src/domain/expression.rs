//! CEL expressions of a bundle: compiled and type-checked when it is loaded, evaluated on answers.

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression {
    /// As written in the bundle.
    pub source: String,
}
