//! The booth: the page on which somebody makes the ballot of a verifiable election, on their own device.
//!
//! In charge of putting it together: one file with its style, its scripts, the words of all languages and the election's parameters in it,
//! which asks for nothing else, works when it is saved, and has one digest that the notice of the election can tell. The scripts are in
//! `templates/pages/booth/`, the words in `templates/pages/<language>/booth.toml`. Decides nothing about ballots, and never sees what
//! is chosen.
//!
//! Whoever serves it answers a GET of its address with [`BoothPage::answer`], and a POST of the address that [`BoothPlan::cast`] names,
//! of the same origin, whose body is the ballot byte for byte (`application/json`, up to
//! [`BEL_BALLOT_BYTES`](crate::limits::BEL_BALLOT_BYTES), which is more than forms have):
//!
//! * taken, or there already: a success with `{"tracker": "…"}`, the ballot's digest ([`base64_digest`]). The page says that the vote is
//!   cast when it is told the tracker that it computed, and never otherwise; so it is told when the ballot is durable.
//! * not taken: a status from 400 to 499 with `{"refused": "…"}`, one of [`REFUSALS`].
//!
//! Anything else leaves open whether the ballot was taken. The page then says so, and sends the same bytes again.
//!
//! [`base64_digest`]: crate::domain::belenios::json::base64_digest

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use data_encoding::{BASE64, HEXLOWER};
use handlebars::{Handlebars, RenderError};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::domain::belenios::element::Element;
use crate::domain::language::Language;

/// Why a ballot is not taken, as the page has words for it.
pub const REFUSALS: [&str; 8] =
    ["closed", "not-open", "unknown-credential", "voted", "other-election", "invalid", "sign-in", "busy"];

/// Computes; runs beside the page, too.
const ENGINE: &str = concat!(
    include_str!("../../templates/pages/booth/group.js"),
    include_str!("../../templates/pages/booth/hash.js"),
    include_str!("../../templates/pages/booth/fault.js"),
    include_str!("../../templates/pages/booth/credential.js"),
    include_str!("../../templates/pages/booth/election.js"),
    include_str!("../../templates/pages/booth/proofs.js"),
    include_str!("../../templates/pages/booth/ballot.js"),
    include_str!("../../templates/pages/booth/worker.js"),
);
const PAGE: &str = include_str!("../../templates/pages/booth/page.js");
const STYLE: &str = include_str!("../../templates/pages/booth/booth.css");
const TEMPLATE: &str = include_str!("../../templates/pages/booth/booth.hbs");
/// Of each language its words, and what it calls itself.
const WORDS: [(Language, &str, &str); 2] = [
    (Language::Ja, include_str!("../../templates/pages/ja/booth.toml"), "日本語"),
    (Language::En, include_str!("../../templates/pages/en/booth.toml"), "English"),
];
/// Bytes of a key's digest by which the page knows it: a wrong credential passes for one of 100,000 once in billions, and is refused later.
const KEY_DIGEST_BYTES: usize = 6;

/// What a booth is made for.
#[derive(Clone, Copy, Debug, Default)]
pub struct BoothPlan<'a> {
    /// The election's file, byte for byte; a page without one asks for the archive.
    pub election: Option<&'a str>,
    /// The public keys of its credentials, so that a credential that is not one of them is told at once.
    pub keys: &'a [Element],
    /// Where ballots are sent to: an address that is absolute or begins at the page's own, which the empty one is. None if they are handed in
    /// as files.
    pub cast: Option<&'a str>,
}

/// The page as it is served, saved and published.
#[derive(Clone, Debug)]
pub struct BoothPage {
    text: String,
    policy: String,
}

impl BoothPage {
    /// Puts it together; the same plan gives the same bytes.
    ///
    /// # Errors
    /// The template is broken.
    pub fn assemble(plan: &BoothPlan<'_>) -> Result<BoothPage, RenderError> {
        // What is in the page is named by digest, so nothing that was put into it by somebody else runs. The worker is the page's own script.
        let policy = format!(
            "default-src 'none'; script-src '{}' '{}'; style-src '{}'; img-src data:; worker-src blob:; connect-src 'self'; form-action \
             'none'; base-uri 'none'",
            integrity(ENGINE),
            integrity(PAGE),
            integrity(STYLE)
        );
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        let languages: Vec<Value> = WORDS
            .iter()
            .map(|(language, words, name)| json!({ "code": language.code(), "name": name, "words": read(words) }))
            .collect();
        let facts = json!({
            "policy": policy,
            "style": STYLE,
            "engine": ENGINE,
            "page": PAGE,
            "first": languages[0],
            "languages": languages,
            "facts": facts(plan),
        });
        let text = registry.render_template(TEMPLATE, &facts)?;
        Ok(BoothPage { text, policy })
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its SHA-256 in hexadecimal, as `sha256sum` prints it of the saved file.
    pub fn digest(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(&self.text))
    }

    /// The same as browsers write it (W3C Subresource Integrity).
    pub fn integrity(&self) -> String {
        integrity(&self.text)
    }

    /// The page as a response; its own policy stands in the place of that of other pages, whose scripts lie apart.
    pub fn answer(&self) -> Response {
        let policy = format!("{}; frame-ancestors 'none'", self.policy);
        ([(header::CONTENT_SECURITY_POLICY, policy)], Html(self.text.clone())).into_response()
    }
}

fn integrity(text: &str) -> String {
    format!("sha256-{}", BASE64.encode(&Sha256::digest(text)))
}

fn read(words: &str) -> Value {
    toml::from_str(words).expect("a test reads the words of every language")
}

/// What the script reads; nothing in it ends the element that it stands in.
fn facts(plan: &BoothPlan<'_>) -> String {
    let words: Map<String, Value> =
        WORDS.iter().map(|(language, words, _)| (language.code().to_owned(), read(words))).collect();
    let facts = json!({
        "languages": WORDS.map(|(language, ..)| language.code()),
        "words": words,
        "election": plan.election,
        "roll": roll(plan.keys),
        "cast": plan.cast,
    });
    facts.to_string().replace('<', "\\u003c")
}

/// The beginnings of the keys' digests, one behind the other, in an order that tells nothing.
fn roll(keys: &[Element]) -> String {
    let digest = |key: &Element| BASE64.encode(&Sha256::digest(key.to_string())[..KEY_DIGEST_BYTES]);
    let mut digests: Vec<String> = keys.iter().map(digest).collect();
    digests.sort_unstable();
    digests.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_an_election_says_leaves_its_place() {
        let file = r#"{"name":"</script><script>alert(1)</script><!-- {{policy}}"}"#;
        let plan = BoothPlan { election: Some(file), keys: &[], cast: Some("/cast") };
        let page = BoothPage::assemble(&plan).unwrap();
        assert_eq!(page.text().matches("<script").count(), 3);
        assert!(!page.text().contains("alert(1)</script>"));
        let facts = page.text().split("id=\"facts\">").nth(1).and_then(|rest| rest.split("</script>").next()).unwrap();
        let facts: Value = serde_json::from_str(facts).unwrap();
        assert_eq!(facts["election"], file);
        assert_eq!(page.digest(), BoothPage::assemble(&plan).unwrap().digest());
        assert_ne!(page.digest(), BoothPage::assemble(&BoothPlan::default()).unwrap().digest());
    }

    #[test]
    fn scripts_run_by_their_digests_and_ask_for_nothing() {
        let page = BoothPage::assemble(&BoothPlan::default()).unwrap();
        for part in [ENGINE, PAGE, STYLE] {
            assert!(page.policy.contains(&integrity(part)));
            assert!(page.text().contains(part));
            assert!(
                !part.contains("</") && !part.contains("<!--") && !part.contains("http:") && !part.contains("https:")
            );
        }
        for asked in ["src=", "@import", "url(", "import("] {
            assert!(!page.text().contains(asked), "{asked}");
        }
        assert!(page.answer().headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("frame-ancestors"));
    }

    #[test]
    fn both_languages_have_every_word_that_is_asked_for() {
        let [japanese, english] = WORDS.map(|(_, words, _)| read(words));
        let (japanese, english) = (japanese.as_object().unwrap(), english.as_object().unwrap());
        assert!(japanese.keys().eq(english.keys()));
        let holes = |text: &Value| {
            let text = text.as_str().unwrap();
            let mut found: Vec<String> =
                text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0.to_owned())).collect();
            found.sort();
            found
        };
        for (key, word) in english {
            assert_eq!(holes(word), holes(&japanese[key]), "{key}");
        }
        for code in REFUSALS {
            assert!(english.contains_key(&format!("refused_{}", code.replace('-', "_"))), "{code}");
        }
        let named = |text: &'static str, before: &'static str| {
            text.split(before).skip(1).filter_map(|rest| rest.split('"').next())
        };
        let told = named(TEMPLATE, "data-word=\"").chain(named(TEMPLATE, "data-label=\""));
        // Faults are told by their names.
        for key in told.chain(named(ENGINE, "new Fault(\"")).chain(named(PAGE, "new Fault(\"")) {
            assert!(english.contains_key(key), "{key}");
        }
    }
}
