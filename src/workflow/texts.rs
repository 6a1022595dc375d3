//! A JSON object of texts as it is written, compared without taking it apart where it is written alike.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// An object of texts, as it stands in the JSON around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texts<'a>(&'a str);

/// Keys and texts in the order they are written; of a key that stands twice the last one counts.
struct Pairs<'a>(Vec<(Cow<'a, str>, Text<'a>)>);

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
        let raw = <&'de RawValue>::deserialize(from)?.get();
        if raw.starts_with('{') { Ok(Texts(raw)) } else { Err(serde::de::Error::custom("no object of texts")) }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Pairs<'a>, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(8);
                while let Some((key, text)) = map.next_entry::<Key<'de>, Text<'de>>()? {
                    pairs.push((key.0, text));
                }
                Ok(Pairs(pairs))
            }
        }
        from.deserialize_map(All)
    }
}

impl Pairs<'_> {
    fn sorted(&self) -> BTreeMap<&str, &Text<'_>> {
        self.0.iter().map(|(key, text)| (key.as_ref(), text)).collect()
    }
}

/// The text of one key of an object; the others are passed over.
struct Named<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = Option<Text<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Option<Text<'de>>, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Named<'_> {
    type Value = Option<Text<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Text<'de>>, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Key<'de>>()? {
            match key.0 == self.0 {
                true => found = Some(map.next_value::<Text<'de>>()?),
                false => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

impl<'a> Texts<'a> {
    /// The text of a key; none where it is sealed.
    pub(super) fn get(&self, key: &str) -> Option<Cow<'a, str>> {
        match Named(key).deserialize(&mut serde_json::Deserializer::from_str(self.0)).ok()?? {
            Text::Clear(text) => Some(text),
            Text::Sealed(_) => None,
        }
    }

    /// Whether that JSON text is an object of the same texts, in whatever order. What is written alike is the same; it is nearly always
    /// that.
    pub(super) fn is(&self, json: &str) -> bool {
        let pairs = |text| serde_json::from_str::<Pairs<'_>>(text);
        self.0 == json
            || matches!((pairs(self.0), pairs(json)), (Ok(own), Ok(other)) if own.0 == other.0 || own.sorted() == other.sorted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_is_compared_and_never_taken_for_a_text() {
        let json = r#"{"born":{"sealed":"1.abc"},"site":"011"}"#;
        let own: Texts<'_> = serde_json::from_str(json).unwrap();
        assert_eq!((own.get("born"), own.get("site").as_deref()), (None, Some("011")));
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
        let texts = ["名", "site2", "x"].map(|key| own.get(key));
        assert_eq!([texts[0].as_deref(), texts[1].as_deref(), texts[2].as_deref()], [Some("a\"b"), Some(""), None]);
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
