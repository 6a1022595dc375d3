//! The languages letters and pages speak, and texts that exist in several of them.

use std::collections::BTreeMap;
use std::fmt;

/// A language we write in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// English.
    En,
    /// Japanese.
    Ja,
}

impl Language {
    /// Every language, in the order of their codes.
    pub const ALL: [Language; 2] = [Language::En, Language::Ja];

    /// The two-letter code (ISO 639-1), as in keys, folder names and `Content-Language`.
    pub const fn code(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::Ja => "ja",
        }
    }

    /// The language of a code, if it is one of ours.
    pub fn find(code: &str) -> Option<Language> {
        Language::ALL.into_iter().find(|language| language.code() == code)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A text in one or more languages; never empty once a bundle has been checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(BTreeMap<Language, String>);

impl Text {
    /// A text from its wordings.
    pub fn new(wordings: impl IntoIterator<Item = (Language, String)>) -> Text {
        Text(wordings.into_iter().collect())
    }

    /// The wording in `language`, else in the first language that has one, else the empty string.
    pub fn in_language(&self, language: Language) -> &str {
        self.0.get(&language).or_else(|| self.0.values().next()).map_or("", String::as_str)
    }

    /// Every wording with its language.
    pub fn wordings(&self) -> impl Iterator<Item = (Language, &str)> {
        self.0.iter().map(|(language, wording)| (*language, wording.as_str()))
    }

    /// Whether no language has a wording.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
