//! Single words and short sentences that facts and pages take from the templates ready-made.

use super::stationery::built_in_file;
use crate::domain::language::Language;

/// A piece `templates/<language>/inline/<name>.hbs` that names no fact.
fn piece(language: Language, name: &str) -> Option<&'static str> {
    built_in_file(language, &format!("inline/{name}.hbs")).map(str::trim_end)
}

/// A canonical yes or no in words; anything else as it is.
pub fn yes_no(language: Language, canonical: &str) -> &str {
    let name = match canonical {
        "yes" => "answer-yes",
        "no" => "answer-no",
        _ => return canonical,
    };
    piece(language, name).unwrap_or(canonical)
}

/// The key under which a registration names the earlier subject that is screened again.
pub fn rescreening_key(language: Language) -> &'static str {
    piece(language, "rescreening-key").expect("the words of every language are built in")
}

/// The key under which a form of an event says why it corrects what is on file.
pub fn correction_reason_key(language: Language) -> &'static str {
    piece(language, "correction-reason-key").expect("the words of every language are built in")
}

/// What was done about how somebody signs in, by its key, in words.
pub fn act(language: Language, key: &str) -> String {
    piece(language, &format!("act-{key}")).unwrap_or(key).to_string()
}

/// Name of the piece that words why a mail is held or not answered; `held-other` for a key without words.
pub fn held_piece(key: &str) -> String {
    let name = format!("held-{key}");
    let plain = key.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    if plain && Language::ALL.iter().all(|language| piece(*language, &name).is_some()) {
        name
    } else {
        "held-other".to_string()
    }
}

/// Why a mail is held or not answered, in words; none for a key without words.
pub fn held(language: Language, key: &str) -> Option<&'static str> {
    let name = held_piece(key);
    if name == "held-other" { None } else { piece(language, &name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_reader_has_words_in_every_language() {
        let source = include_str!("../mail/reading/reason.rs");
        let keys: Vec<&str> = source.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(keys.len() > 40, "{keys:?}");
        for language in Language::ALL {
            for key in
                keys.iter().chain(&["poison", "no-request", "bounce-unverified", "reply-budget", "signed-elsewhere"])
            {
                assert!(held(language, key).is_some_and(|words| !words.is_empty()), "{key} in {language}");
            }
            assert!(piece(language, "held-other").is_some());
        }
        assert_eq!(held_piece("../frame/text"), "held-other");
        assert_eq!(held(Language::En, "a-reason-of-tomorrow"), None);
    }

    #[test]
    fn every_act_upon_an_account_has_words_in_every_language() {
        for language in Language::ALL {
            for known in crate::store::account_act::Act::ALL {
                assert!(
                    piece(language, &format!("act-{}", known.key())).is_some_and(|words| !words.is_empty()),
                    "{known:?}"
                );
            }
        }
    }

    #[test]
    fn yes_and_no_are_words_of_the_language() {
        assert_eq!(yes_no(Language::Ja, "no"), "いいえ");
        assert_eq!(yes_no(Language::En, "yes"), "yes");
        assert_eq!(yes_no(Language::Ja, "other"), "other");
    }
}
