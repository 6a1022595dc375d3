//! A JSON object of texts as it is written, compared without taking it apart into texts of its own.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// Keys and texts in the order they are written; of a key that stands twice the last one counts.
#[derive(Debug)]
pub(super) struct Texts<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

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
                while let Some((key, text)) = map.next_entry::<Text<'de>, Text<'de>>()? {
                    pairs.push((key.0, text.0));
                }
                Ok(Texts(pairs))
            }
        }
        from.deserialize_map(Pairs)
    }
}

impl Texts<'_> {
    /// The text of a key.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rfind(|(own, _)| own == key).map(|(_, text)| text.as_ref())
    }

    /// Whether that JSON text is an object of the same texts, in whatever order.
    pub(super) fn is(&self, json: &str) -> bool {
        let sorted = |texts: &Texts<'_>| -> BTreeMap<String, String> {
            texts.0.iter().map(|(key, text)| (key.to_string(), text.to_string())).collect()
        };
        serde_json::from_str::<Texts<'_>>(json).is_ok_and(|other| self.0 == other.0 || sorted(self) == sorted(&other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
