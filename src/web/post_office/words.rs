//! Words for keys that the page shows: dispositions, reasons, kinds of letters, roles.

use std::collections::BTreeMap;

use crate::domain::language::Language;
use crate::letters::words as pieces;

type Section = BTreeMap<String, String>;

/// The words of every language, from `templates/pages/<language>/words.toml`.
#[derive(Debug)]
pub(super) struct Words(BTreeMap<Language, BTreeMap<String, Section>>);

impl Words {
    /// Reads the files built in.
    pub(super) fn load() -> Result<Words, toml::de::Error> {
        let files = [
            (Language::En, include_str!("../../../templates/pages/en/words.toml")),
            (Language::Ja, include_str!("../../../templates/pages/ja/words.toml")),
        ];
        files
            .into_iter()
            .map(|(language, file)| Ok((language, toml::from_str(file)?)))
            .collect::<Result<_, _>>()
            .map(Words)
    }

    /// The word of a key, if there is one.
    pub(super) fn find(&self, language: Language, section: &str, key: &str) -> Option<&str> {
        self.0.get(&language)?.get(section)?.get(key).map(String::as_str)
    }

    /// The word of a key, else the key.
    pub(super) fn word(&self, language: Language, section: &str, key: &str) -> String {
        self.find(language, section, key).unwrap_or(key).to_string()
    }

    /// A reason as `hagaki inbox list` has it, `key` or `key:items`, in words.
    pub(super) fn reason(&self, language: Language, reason: &str) -> String {
        let (key, items) = reason.split_once(':').unwrap_or((reason, ""));
        let held = || pieces::held(language, key);
        let word = self.find(language, "reason", key).or_else(|| self.find(language, "fault", key)).or_else(held);
        match (word, items) {
            (Some(word), "") => word.to_string(),
            (Some(word), items) => format!("{word} ({items})"),
            (None, _) => reason.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::letters::Kind;

    #[test]
    fn the_languages_have_words_for_the_same_keys() {
        let words = Words::load().expect("the words are TOML");
        let keys = |language: Language| -> BTreeSet<(String, String)> {
            let sections = words.0[&language].iter();
            sections.flat_map(|(name, keys)| keys.keys().map(|key| (name.clone(), key.clone()))).collect()
        };
        assert_eq!(keys(Language::En), keys(Language::Ja));
        for kind in Kind::ALL {
            assert!(words.find(Language::Ja, "kind", kind.key()).is_some(), "{}", kind.key());
        }
        assert_eq!(words.reason(Language::En, "not-eligible:fit"), "criteria not met (fit)");
        assert_eq!(words.reason(Language::Ja, "a-reason-of-tomorrow:x"), "a-reason-of-tomorrow:x");
        assert!(words.reason(Language::Ja, "auth-none").contains("認証結果"));
    }
}
