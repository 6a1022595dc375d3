//! A JSON object of texts as it is written, compared without taking it apart into texts of its own.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// Keys and texts in the order they are written; of a key that stands twice the last one counts.
#[derive(Debug)]
pub(super) struct Texts<'a>(Vec<(Cow<'a, str>, Text<'a>)>);

/// A text, or a sealed one by its letters.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Text<'a> {
    Clear(Cow<'a, str>),
    Sealed(Cow<'a, str>),
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Text<'a>, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a sealed one")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text::Clear(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text::Clear(Cow::Owned(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text<'de>, A::Error> {
                let sealed = map.next_entry::<Key<'de>, Key<'de>>()?;
                let sealed = sealed.filter(|(key, _)| key.0 == "sealed");
                match (sealed, map.next_key::<Key<'de>>()?) {
                    (Some((_, letters)), None) => Ok(Text::Sealed(letters.0)),
                    _ => Err(serde::de::Error::custom("neither a text nor a sealed one")),
                }
            }
        }
        from.deserialize_any(One)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Texts<'a>, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Texts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(8);
                while let Some((key, text)) = map.next_entry::<Key<'de>, Text<'de>>()? {
                    pairs.push((key.0, text));
                }
                Ok(Texts(pairs))
            }
        }
        from.deserialize_map(Pairs)
    }
}

impl Texts<'_> {
    /// The text of a key; none where it is sealed.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        match self.0.iter().rfind(|(own, _)| own == key)? {
            (_, Text::Clear(text)) => Some(text),
            (_, Text::Sealed(_)) => None,
        }
    }

    /// Whether that JSON text is an object of the same texts, in whatever order.
    pub(super) fn is(&self, json: &str) -> bool {
        fn sorted<'t>(texts: &'t Texts<'_>) -> BTreeMap<&'t str, &'t Text<'t>> {
            texts.0.iter().map(|(key, text)| (key.as_ref(), text)).collect()
        }
        serde_json::from_str::<Texts<'_>>(json).is_ok_and(|other| self.0 == other.0 || sorted(self) == sorted(&other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_is_compared_and_never_taken_for_a_text() {
        let json = r#"{"born":{"sealed":"1.abc"},"site":"011"}"#;
        let own: Texts<'_> = serde_json::from_str(json).unwrap();
        assert_eq!((own.get("born"), own.get("site")), (None, Some("011")));
        assert!(own.is(r#"{ "site": "011", "born": {"sealed": "1.abc"} }"#));
        for other in [
            r#"{"born":"1.abc","site":"011"}"#,
            r#"{"born":{"sealed":"1.abd"},"site":"011"}"#,
            r#"{"born":{"opened":"1.abc"},"site":"011"}"#,
            r#"{"born":{"sealed":"1.abc","more":"1"},"site":"011"}"#,
            r#"{"born":{},"site":"011"}"#,
        ] {
            assert!(!own.is(other), "{other}");
        }
    }

    #[test]
    fn objects_of_the_same_texts_are_the_same() {
        let own: Texts<'_> = serde_json::from_str(r#"{"site":"011","名":"a\"b","site2":""}"#).unwrap();
        assert_eq!((own.get("名"), own.get("site2"), own.get("x")), (Some("a\"b"), Some(""), None));
        for same in [
            r#"{"site":"011","名":"a\"b","site2":""}"#,
            r#" { "site2": "", "\u540d": "a\u0022b", "site": "011" }"#,
            r#"{"site":"012","site":"011","名":"a\"b","site2":""}"#,
        ] {
            assert!(own.is(same), "{same}");
        }
        for other in [
            "",
            "{",
            "[]",
            "null",
            r#"{"site":"011","名":"a\"b"}"#,
            r#"{"site":"011","名":"a\"b","site2":"","more":"1"}"#,
            r#"{"site":"011","名":"a\"b","site2":null}"#,
            r#"{"site":11,"名":"a\"b","site2":""}"#,
            r#"{"site":"011","site":"012","名":"a\"b","site2":""}"#,
            r#"{"site":"011","名":"a\"b","site2":""} {}"#,
        ] {
            assert!(!own.is(other), "{other}");
        }
    }
}
