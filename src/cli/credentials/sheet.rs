//! `--sheet`: credentials as one page to print, a letter or a card for each person, complete in itself.

use std::io::Write;

use anyhow::{Context, anyhow};
use serde_json::json;

use crate::domain::credential::Secret;
use crate::domain::language::Language;
use crate::domain::study::Study;
use crate::domain::time::Instant;
use crate::letters::facts::{Head, Invitation, Invited};
use crate::web::pages::Pages;
use crate::web::qr;
use crate::workflow::DeskAddress;
use crate::workflow::credentials::{self, Issued};
use crate::workflow::shelf::ShelvedStudy;

/// Cards side by side; a row never breaks across pages.
const BESIDE: usize = 2;

/// A sheet that is being written: cards in rows, or letters of a page each.
pub(super) struct Sheet<W> {
    pages: Pages,
    out: W,
    cards: bool,
    written: usize,
}

impl<W: Write> Sheet<W> {
    /// Begins a sheet in the language of its study.
    pub(super) fn begin(out: W, study: &Study, cards: bool) -> anyhow::Result<Sheet<W>> {
        let templates = [
            ("top", include_str!("../../../templates/pages/sheet/top.hbs")),
            ("way", include_str!("../../../templates/pages/sheet/way.hbs")),
            ("letter", include_str!("../../../templates/pages/sheet/letter.hbs")),
            ("card", include_str!("../../../templates/pages/sheet/card.hbs")),
        ];
        let words = [
            (Language::En, include_str!("../../../templates/pages/en/sheet.toml")),
            (Language::Ja, include_str!("../../../templates/pages/ja/sheet.toml")),
        ];
        let pages = Pages::load(&templates, &words)?;
        let language = study.languages.first().copied().unwrap_or(Language::En);
        let mut sheet = Sheet { pages, out, cards, written: 0 };
        let style = include_str!("../../../templates/pages/sheet/sheet.css");
        let facts = json!({ "style": style, "title": study.title.in_language(language) });
        let top = sheet.pages.render(language, "top", facts)?;
        sheet.out.write_all(top.as_bytes())?;
        sheet.out.flush()?;
        Ok(sheet)
    }

    /// Adds somebody.
    pub(super) fn add(
        &mut self,
        shelved: &ShelvedStudy,
        desk: &DeskAddress,
        now: Instant,
        one: &Issued,
    ) -> anyhow::Result<()> {
        let study = &shelved.study;
        let person = credentials::addressee(study, &one.candidate);
        let language = study.language_of(&person);
        let sign_in = credentials::sign_in(&desk.public_url, study);
        let invited = Invited {
            link: one.link.as_deref(),
            account: None,
            login: one.login.as_ref(),
            password: one.password.as_deref(),
            sign_in: &sign_in,
            validity: one.validity,
            days: one.waits.map(|(_, days)| days),
            joins: one.joins,
            once: one.once,
            answered: one.answered,
            unsubscribe: None,
            now,
        };
        let promise = study
            .survey
            .as_ref()
            .map(|survey| self.pages.word(language, survey.privacy.key(), &[("batch", &survey.batch.to_string())]));
        let facts = json!({
            "promise": promise,
            "head": Head::new(study, shelved.stage, &person, None, &desk.address, now, language),
            "way": Invitation::new(study, &invited, language),
            "code": one.link.as_deref().map(code).transpose()?,
            "link": one.link.as_deref().map(parts),
            "address": address(&sign_in),
            "card": self.cards,
        });
        let (begins, page) = match self.cards {
            true => (self.written.is_multiple_of(BESIDE), "card"),
            false => (false, "letter"),
        };
        let text = self.pages.render(language, page, facts)?;
        if begins {
            let ends_before = if self.written == 0 { "" } else { "</div>\n" };
            self.out.write_all(ends_before.as_bytes())?;
            self.out.write_all(b"<div class=\"row\">\n")?;
        }
        self.out.write_all(text.as_bytes())?;
        self.written += 1;
        Ok(())
    }

    /// Has what was added reach its file.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        self.out.flush().context("the sheet cannot be written")
    }

    /// Ends the sheet.
    pub(super) fn end(mut self) -> anyhow::Result<W> {
        let row = if self.cards && self.written > 0 { "</div>\n" } else { "" };
        self.out.write_all(format!("{row}</body>\n</html>\n").as_bytes())?;
        self.flush()?;
        Ok(self.out)
    }
}

/// A page's address as people type it.
fn address(url: &str) -> &str {
    url.strip_prefix("https://").unwrap_or(url)
}

/// A link as people type it: what it begins with, and its secret in groups, which the page takes as they are.
fn parts(link: &str) -> serde_json::Value {
    let (base, secret) = link.rsplit_once('/').unwrap_or(("", link));
    let groups = Secret::parse(secret).map_or_else(|| secret.to_string(), |secret| secret.grouped());
    json!({ "base": format!("{}/", address(base)), "groups": groups })
}

fn code(link: &str) -> anyhow::Result<serde_json::Value> {
    qr::picture(link).map_err(|error| anyhow!("the link is too long for a QR code ({error}); shorten [web] public_url"))
}
