//! The pages' templates and words: one markup for all languages in `templates/pages/<place>/`, its words in
//! `templates/pages/<language>/<place>.toml`, and the letters' shared pieces, so that a fault is worded on a page as in a
//! letter.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use handlebars::{Context, Handlebars, html_escape};
use serde_json::{Value, json};

use super::assets;
use crate::domain::language::Language;
use crate::letters::stationery;

/// Why pages cannot be built: a file of ours is broken.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// A template.
    #[error(transparent)]
    Template(#[from] Box<handlebars::TemplateError>),
    /// The words.
    #[error(transparent)]
    Words(#[from] toml::de::Error),
    /// A piece of the letters.
    #[error("{0}")]
    Piece(String),
}

/// Compiled pages of one place, in every language.
#[derive(Debug)]
pub struct Pages {
    sheets: BTreeMap<Language, Sheet>,
}

#[derive(Debug)]
struct Sheet {
    registry: Handlebars<'static>,
    words: Words,
}

/// A page's template: its name and source.
pub type Source = (&'static str, &'static str);

/// The words of a language, by key.
type Words = BTreeMap<String, String>;

impl Pages {
    /// Compiles the templates of a place once for each language, with its words in them (`{{t.key}}`); `words` are the languages' files.
    ///
    /// # Errors
    /// A template or a words file of ours is broken.
    pub fn load(templates: &[Source], words: &[(Language, &str)]) -> Result<Pages, PagesError> {
        let mut sheets = BTreeMap::new();
        for (language, file) in words {
            let mut registry = stationery::pieces_for_pages(*language).map_err(PagesError::Piece)?;
            let words: Words = toml::from_str(file)?;
            for (name, source) in templates {
                let whole = worded(&with_pieces(source, templates), &words);
                registry.register_template_string(name, &whole).map_err(Box::new)?;
            }
            sheets.insert(*language, Sheet { registry, words });
        }
        Ok(Pages { sheets })
    }

    /// A page; `facts` is an object, to which `language`, `page` and `assets` are added.
    ///
    /// # Errors
    /// A template that names what the facts do not have.
    pub fn render(&self, language: Language, page: &str, facts: Value) -> Result<String, handlebars::RenderError> {
        let Some(sheet) = self.sheets.get(&language).or_else(|| self.sheets.values().next()) else {
            return Ok(String::new());
        };
        let mut facts = facts;
        if let Some(object) = facts.as_object_mut() {
            object.insert("language".to_string(), json!(language.code()));
            object.insert("page".to_string(), json!(page));
            object.insert("assets".to_string(), assets::paths());
            // A page without a form has nothing that is wrong on it.
            object.entry("faults").or_insert_with(|| json!([]));
            // One that is no study's names nobody to ask.
            object.entry("contact").or_insert(Value::Null);
        }
        // Set, not wrapped: wrapping would copy it.
        let mut context = Context::null();
        *context.data_mut() = facts;
        sheet.registry.render_with_context(page, &context)
    }

    /// A page as a response. A template of ours that fails on real facts is worth a log line and a page that says so.
    pub fn respond(&self, status: StatusCode, language: Language, page: &str, facts: Value) -> Response {
        let answering = facts.get("answering") == Some(&Value::Bool(true));
        match self.render(language, page, facts) {
            Ok(text) => {
                let page = (status, [(header::CONTENT_LANGUAGE, language.code())], Html(text)).into_response();
                if answering { can_be_gone_back_to(page) } else { page }
            }
            Err(error) => {
                tracing::error!(page, %error, "a page cannot be rendered");
                let (code, told) = (language.code(), self.word(language, "unavailable", &[]));
                let text = format!(
                    "<!DOCTYPE html><html lang=\"{code}\"><meta charset=\"utf-8\"><title>hagaki</title><p>{told}</p></html>"
                );
                (StatusCode::INTERNAL_SERVER_ERROR, Html(text)).into_response()
            }
        }
    }

    /// A word of that key, with `{name}` in it replaced.
    pub fn word(&self, language: Language, key: &str, fill: &[(&str, &str)]) -> String {
        let word = self.sheets.get(&language).and_then(|sheet| sheet.words.get(key));
        let mut word = word.map_or(key, String::as_str).to_string();
        for (name, value) in fill {
            word = word.replace(&format!("{{{name}}}"), value);
        }
        word
    }
}

/// A template with the pieces put in that stand alone on their lines: the engine would copy all facts for each that it enters.
fn with_pieces(source: &str, templates: &[Source]) -> String {
    let mut whole = String::with_capacity(source.len());
    for line in source.split_inclusive('\n') {
        let name = line.strip_prefix("{{> ").and_then(|rest| rest.strip_suffix("}}\n"));
        match name.and_then(|name| templates.iter().find(|(own, _)| *own == name)) {
            Some((_, piece)) => whole.push_str(&with_pieces(piece, templates)),
            None => whole.push_str(line),
        }
    }
    whole
}

/// A template with the words of a language put in: they are the same on every page, and the engine would copy all of them whenever it
/// enters a piece. One that there is not stays a name that no facts have, at which rendering fails.
fn worded(source: &str, words: &Words) -> String {
    let mut whole = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, tag)) = rest.split_once("{{") {
        whole.push_str(before);
        let word = tag.split_once("}}").and_then(|(name, after)| Some((words.get(key_of(name)?)?, after)));
        rest = match word {
            Some((word, after)) => {
                whole.push_str(&html_escape(word));
                after
            }
            None => {
                whole.push_str("{{");
                tag
            }
        };
    }
    whole.push_str(rest);
    whole
}

/// The key of the word that a tag names, from whichever depth.
fn key_of(tag: &str) -> Option<&str> {
    tag.trim_start_matches("../").trim_start_matches("@root.").strip_prefix("t.")
}

/// Lets a browser keep a page on which answers are under way, for its way back and nothing else: pages after the first answer a POST, and
/// are not asked for again. Everything else is never kept (`guard`). Who may see it when it is shown again is looked after by the script
/// of these pages and by [`FORGET_PAGES`] ("What a browser keeps" in `src/ARCHITECTURE.md`).
fn can_be_gone_back_to(mut page: Response) -> Response {
    page.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    page
}

/// Takes the pages that a browser kept away from it, at sign-out (W3C Clear Site Data section 3.1); by https, and on this machine.
pub const FORGET_PAGES: (HeaderName, &str) = (HeaderName::from_static("clear-site-data"), "\"cache\"");

/// The first language of `offered` that a browser asks for (RFC 9110 section 12.5.4), if it asks for any of them.
pub fn accepted(headers: &HeaderMap, offered: &[Language]) -> Option<Language> {
    let text = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
    let mut wishes: Vec<(u32, Language)> = text
        .split(',')
        .take(20)
        .filter_map(|wish| {
            let (tag, quality) = wish.split_once(';').unwrap_or((wish, ""));
            let primary = tag.trim().split('-').next()?.to_ascii_lowercase();
            let language = Language::find(&primary).filter(|language| offered.contains(language))?;
            let quality = quality.trim().strip_prefix("q=").map_or(Some(1.0_f32), |q| q.parse().ok())?;
            let thousandths = (quality.clamp(0.0, 1.0) * 1000.0) as u32;
            (thousandths > 0).then_some((thousandths, language))
        })
        .collect();
    // Stable: of equal wishes the first stays first.
    wishes.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
    wishes.first().map(|(_, language)| *language)
}

/// The headers of a request, as if its browser liked a language best that was chosen on a page.
pub(super) fn speaking(headers: &HeaderMap, chosen: Option<&str>) -> HeaderMap {
    let mut headers = headers.clone();
    let Some(language) = chosen.and_then(Language::find) else { return headers };
    let others = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let wishes = [Some(language.code()), others].into_iter().flatten().collect::<Vec<_>>().join(", ");
    if let Ok(wishes) = HeaderValue::from_str(&wishes) {
        headers.insert(header::ACCEPT_LANGUAGE, wishes);
    }
    headers
}

/// Has pages speak the language that their address names (`?lang=ja`), also those that say that there is none, or that it failed.
pub(super) fn in_language_of_address(pages: Router) -> Router {
    pages.layer(middleware::from_fn(async |mut request: Request, next: Next| {
        let query = request.uri().query().unwrap_or_default();
        if let Some(chosen) = query.split('&').find_map(|field| field.strip_prefix("lang=")) {
            let headers = speaking(request.headers(), Some(chosen));
            *request.headers_mut() = headers;
        }
        next.run(request).await
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_that_was_chosen_comes_before_what_a_browser_likes() {
        let likes =
            |text: &'static str| HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, HeaderValue::from_static(text))]);
        let both = [Language::Ja, Language::En];
        for (headers, chosen, expected) in [
            (likes("en-US,en;q=0.9"), Some("ja"), Some(Language::Ja)),
            (HeaderMap::new(), Some("ja"), Some(Language::Ja)),
            (likes("en-US,en;q=0.9"), None, Some(Language::En)),
            (likes("en"), Some("//evil.example"), Some(Language::En)),
        ] {
            assert_eq!(accepted(&speaking(&headers, chosen), &both), expected, "{headers:?} {chosen:?}");
        }
        assert_eq!(accepted(&speaking(&likes("en"), Some("ja")), &[Language::En]), Some(Language::En));
    }

    #[test]
    fn pieces_and_words_are_put_in_ahead() {
        let templates = [("top", "<h1>{{t.hello}}</h1>\n{{> line}}\n"), ("line", "<hr>\n"), ("item", "{{label}}")];
        let page = "{{> top}}\n{{#each items}}{{> item}}{{/each}}\n{{> absent}}\n";
        let whole = with_pieces(page, &templates);
        assert_eq!(whole, "<h1>{{t.hello}}</h1>\n<hr>\n{{#each items}}{{> item}}{{/each}}\n{{> absent}}\n");

        let words = Words::from([("hello".to_string(), "Now & \"here\"".to_string())]);
        let page =
            "{{#if x}}{{t.hello}}{{../../t.hello}}{{@root.t.hello}}{{/if}}{{t.absent}}{{{style}}}{{text.hello}} {{";
        let told = "Now &amp; &quot;here&quot;";
        let expected = format!(
            "{{{{#if x}}}}{told}{told}{told}{{{{/if}}}}{{{{t.absent}}}}{{{{{{style}}}}}}{{{{text.hello}}}} {{{{"
        );
        assert_eq!(worded(page, &words), expected);
    }

    #[test]
    fn browsers_say_which_language_they_like_best() {
        let asked = |text: &'static str, offered: &[Language]| {
            accepted(&HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, HeaderValue::from_static(text))]), offered)
        };
        let both = [Language::Ja, Language::En];
        assert_eq!(asked("en-US,en;q=0.9,ja;q=0.8", &both), Some(Language::En));
        assert_eq!(asked("fr, ja;q=0.3, en;q=0.2", &both), Some(Language::Ja));
        assert_eq!(asked("en;q=0, ja", &both), Some(Language::Ja));
        assert_eq!(asked("en", &[Language::Ja]), None);
        assert_eq!(asked("*", &both), None);
        assert_eq!(accepted(&HeaderMap::new(), &both), None);
    }
}
