//! Acts about one subject or kits: what a mail says beside the word in its subject line.
//!
//! The subject, kits and the reason have keys of their own in every language (`templates/words/`); the site's own reference may
//! also stand under the form's own key, and what is to be corrected stands under the items' keys, of the registration or of the form
//! of a further randomization.

use std::collections::BTreeMap;

use super::cut;
use super::lines;
use super::randomize;
use super::reason::Reason;
use super::subject::Subject;
use super::vocabulary::vocabulary;
use crate::domain::answer;
use crate::domain::deed::{Deed, Wanted};
use crate::domain::fact;
use crate::domain::study::{FIRST, Randomization, Study};
use crate::domain::text;
use crate::limits;

/// Stand for the keys of acts among the ids of items; no id has a blank in it.
pub(super) const SUBJECT: &str = "the subject";
const REASON: &str = "the reason";
const KITS: &str = "the kits";
const WHICH: &str = "the randomization";

/// Whether a key is one of those that name a subject, whatever the study's form calls it.
pub(super) fn says_subject(key: &str) -> bool {
    let words = &vocabulary().deed_subjects;
    words.contains(&text::fold_tight(key)) || words.contains(&text::fold_key_undecorated(key))
}

/// What a text says of a deed, and how.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) wanted: Wanted,
    /// Whether one of the deeds' own keys stood in it.
    pub(super) keyed: bool,
    /// Whether it holds data of the registration form beside the subject's reference and site.
    pub(super) registers: bool,
}

/// Reads the sender's own lines of a text as `deed`.
pub(super) fn read(study: &Study, deed: Deed, subject: &Subject, content: &str) -> Result<Said, Reason> {
    let keys = answer::keys(study.registration_instrument());
    let further = Further::of(study, deed);
    let asks_which = (deed == Deed::Correct || deed.of_allocation()) && !study.randomizations.is_empty();
    let known = |key: &str| {
        let (tight, bare) = (text::fold_tight(key), text::fold_key_undecorated(key));
        let says = |words: &[String]| words.contains(&tight) || words.contains(&bare);
        if says(&vocabulary().deed_subjects) {
            Some(SUBJECT.to_owned())
        } else if deed.concerns_kits() && says(&vocabulary().deed_kits) {
            Some(KITS.to_owned())
        } else if says(&vocabulary().deed_reasons) {
            Some(REASON.to_owned())
        } else {
            let registered = keys.get(&tight).or_else(|| keys.get(&bare)).cloned();
            registered
                .or_else(|| further.item(&tight))
                .or_else(|| further.item(&bare))
                .or_else(|| (asks_which && randomize::says_which(key)).then(|| WHICH.to_owned()))
                .or_else(|| if deed == Deed::Correct { further.other(study, key) } else { None })
        }
    };
    let form = randomize::reaches(study);
    let reaches = |key: &str| if key == REASON { lines::Reach::Lines } else { form(key) };
    let (lines, _) = lines::split(&cut::cut(content, &known), &known, &reaches);
    if lines.len() > limits::KEYS {
        return Err(Reason::KeyCount);
    }
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut unused = Vec::new();
    for line in &lines {
        let value = text::without_controls(&line.value).trim().to_owned();
        match known(&line.key) {
            Some(_) if value.is_empty() => {}
            Some(key) => {
                let values = said.entry(key).or_default();
                if !values.iter().any(|other| text::fold(other) == text::fold(&value)) {
                    values.push(value);
                }
            }
            None if deed == Deed::Correct => unused.push((text::without_controls(&line.key), value)),
            None => {}
        }
    }
    let which = said.remove(WHICH).unwrap_or_default();
    let keyed = [SUBJECT, REASON, KITS].iter().any(|key| said.contains_key(*key));
    // Of several subjects none is taken: one at a time.
    let one = |values: Option<Vec<String>>| match values.as_deref() {
        Some([only]) => text::clean(only, limits::DEED_SUBJECT_CHARS),
        _ => String::new(),
    };
    let registration = &study.registration;
    let named = said.remove(SUBJECT);
    let kits = codes(&said.remove(KITS).unwrap_or_default());
    let reason = said.remove(REASON).unwrap_or_default().join("; ");
    let reason = text::clean(&reason, limits::DEED_REASON_CHARS);
    let site = registration.site_item.as_ref().and_then(|item| said.get(item)).cloned();
    let registers = said.keys().any(|item| {
        *item != registration.subject_item && registration.site_item.as_ref().is_none_or(|site| site != item)
    });
    let reference = match &named {
        // Beside our number, the site's own reference is something to be corrected.
        Some(_) => None,
        None => said.remove(&registration.subject_item),
    };
    let mut wanted = Wanted {
        deed,
        subject: one(named.or(reference)),
        site: site.map(|site| one(Some(site))).filter(|site| !site.is_empty()),
        reason,
        changes: BTreeMap::new(),
        kits,
        randomization: None,
        which: String::new(),
        unused,
    };
    if wanted.subject.is_empty() && wanted.kits.is_empty() && !keyed_subject(&lines, &known) {
        let reference = subject.reference.clone();
        if deed == Deed::QuarantineKit {
            wanted.kits.extend(reference);
        } else {
            wanted.subject = reference.unwrap_or_default();
        }
    }
    if deed == Deed::Correct {
        let own = further.told(study, &subject.rest, &which);
        let is_named =
            |item: &str| item.split_once('.').is_some_and(|(form, _)| study.find_randomization(form).is_some());
        let name = |item: String| match own {
            Some(own) if study.registration_instrument().find(&item).is_none() && !is_named(&item) => {
                further.name(own, item)
            }
            _ => item,
        };
        // A name that none of them has is never passed over; nor that of several.
        let is_none = |value: &&String| {
            own.is_none() || !study.randomizations.iter().any(|own| randomize::says(&text::fold(value), own))
        };
        let no_such = which.iter().filter(is_none).map(String::as_str).collect::<Vec<&str>>().join(" / ");
        wanted.which = text::clean(&no_such, limits::DEED_SUBJECT_CHARS);
        wanted.changes = said.into_iter().map(|(item, values)| (name(item), values.join(" / "))).collect();
    }
    if deed.of_allocation() && asks_which {
        let (named, no_such) = allocation(study, &subject.rest, &which);
        wanted.randomization = named;
        wanted.which = text::clean(&no_such, limits::DEED_SUBJECT_CHARS);
    }
    Ok(Said { wanted, keyed, registers })
}

/// The allocation that an error is about, if the subject line and the lines of the text name one and no other; and what they name that
/// the study does not have.
fn allocation(study: &Study, rest: &str, which: &[String]) -> (Option<String>, String) {
    let registration = |value: &String| vocabulary().deed_registrations.contains(&text::fold_tight(value));
    let says = |value: &str, own: &Randomization| randomize::says(&text::fold(value), own);
    let own = study.randomizations.iter();
    let named = own.filter(|own| says(rest, own) || which.iter().any(|value| says(value, own)));
    let mut named: Vec<&str> = named.map(|own| own.id.as_str()).collect();
    if which.iter().any(registration) {
        named.push(FIRST);
    }
    let none = |value: &&String| !registration(value) && !study.randomizations.iter().any(|own| says(value, own));
    let no_such = which.iter().filter(none).map(String::as_str).collect::<Vec<&str>>().join(" / ");
    (if let [only] = named.as_slice() { Some((*only).to_string()) } else { None }, no_such)
}

/// The forms of further randomizations, as far as a deed concerns them: the keys of each by its id.
struct Further<'s> {
    forms: Vec<(&'s str, &'s BTreeMap<String, String>)>,
}

impl<'s> Further<'s> {
    fn of(study: &'s Study, deed: Deed) -> Further<'s> {
        let own = study.randomizations.iter().filter(|_| deed == Deed::Correct);
        let forms =
            own.filter_map(|own| Some((own.id.as_str(), answer::keys(study.find_instrument(&own.instrument)?))));
        Further { forms: forms.collect() }
    }

    /// The item that a folded key means in the forms that have it; the key itself where it means several.
    fn item(&self, key: &str) -> Option<String> {
        let mut items: Vec<&String> = self.forms.iter().filter_map(|(_, keys)| keys.get(key)).collect();
        items.dedup();
        match items.as_slice() {
            [] => None,
            [only] => Some((*only).clone()),
            _ => Some(key.to_owned()),
        }
    }

    /// What else a key can mean in a correction: an item of a certain form (`second.isi`), or one that is calculated.
    fn other(&self, study: &Study, key: &str) -> Option<String> {
        for folded in [text::fold_tight(key), text::fold_key_undecorated(key)] {
            let Some((form, item)) = folded.split_once('.') else { continue };
            let forms = study.randomizations.iter().filter(|own| form == own.id);
            let mut items = forms.filter_map(|own| {
                let item = answer::find_named(study.find_instrument(&own.instrument)?, item)?;
                Some(fact::further_item(&own.id, &item.id))
            });
            if let Some(item) = items.next() {
                return Some(item);
            }
        }
        let further = study.randomizations.iter().filter_map(|own| study.find_instrument(&own.instrument));
        let mut forms = std::iter::once(study.registration_instrument()).chain(further);
        forms.find_map(|form| answer::find_named(form, key)).map(|item| item.id.clone())
    }

    /// The randomization that the subject line or a line of the text names.
    fn told(&self, study: &'s Study, rest: &str, which: &[String]) -> Option<&'s str> {
        let says = |own: &&Randomization| {
            randomize::says(rest, own) || which.iter().any(|value| randomize::says(&text::fold(value), own))
        };
        let mut named = study.randomizations.iter().filter(|_| !self.forms.is_empty()).filter(says);
        match (named.next(), named.next()) {
            (Some(only), None) => Some(&only.id),
            _ => None,
        }
    }

    /// How an item of that randomization's form is called among what is corrected.
    fn name(&self, own: &str, item: String) -> String {
        let keys = self.forms.iter().find(|(id, _)| *id == own).map(|(_, keys)| *keys);
        let item = keys.and_then(|keys| keys.get(&item)).cloned().unwrap_or(item);
        fact::further_item(own, &item)
    }
}

/// The subjects that the sender's own lines name: behind one of the keys, else by our numbers wherever they stand. Several are
/// parted by commas; none is one.
pub(super) fn named(study: &Study, content: &str) -> Option<String> {
    let instrument = study.registration_instrument();
    let keys = answer::keys(instrument);
    let known = |key: &str| match says_subject(key) {
        true => Some(SUBJECT.to_owned()),
        false => keys.get(&text::fold_tight(key)).or_else(|| keys.get(&text::fold_key_undecorated(key))).cloned(),
    };
    let own = cut::cut(content, &known);
    let mut names: Vec<String> = Vec::new();
    let mut add = |name: &str| {
        let name = text::clean(&text::without_controls(name), limits::DEED_SUBJECT_CHARS);
        if !name.is_empty() && !names.iter().any(|other| text::fold_tight(other) == text::fold_tight(&name)) {
            names.push(name);
        }
    };
    let (lines, _) = lines::split(&own, &known, &lines::reaches(instrument));
    lines.iter().filter(|line| says_subject(&line.key)).for_each(|line| add(&line.value));
    if names.is_empty() {
        let mut add = |name: &str| names.extend((!names.iter().any(|other| other == name)).then(|| name.to_owned()));
        let numbers = own.iter().flat_map(|kept| numbers(study, kept.line));
        numbers.for_each(|number| add(&study.subject_number(number)));
    }
    let all = text::clean(&names.join(", "), limits::DEED_SUBJECT_CHARS);
    (!all.is_empty()).then_some(all)
}

/// Our subject numbers in a line: words that begin with the study's tag and end in digits.
fn numbers(study: &Study, line: &str) -> Vec<i64> {
    let wide = text::fold_width(line);
    let words = wide.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')));
    words.filter_map(|word| study.parse_subject_number(word)).collect()
}

/// Codes of kits, as typed: parted by commas, blanks or lines; each once.
fn codes(values: &[String]) -> Vec<String> {
    let mut codes: Vec<String> = Vec::new();
    for code in values
        .iter()
        .flat_map(|value| value.split([',', '、', '，', ';', '；', '･', '・', ' ', '\u{3000}', '\t', '\n']))
    {
        let code = text::clean(&text::fold_width(code), limits::DEED_SUBJECT_CHARS);
        if !code.is_empty() && !codes.iter().any(|other| text::fold_tight(other) == text::fold_tight(&code)) {
            codes.push(code);
        }
    }
    // One more than can be acted upon, so that it is refused and not cut.
    codes.truncate(limits::DEED_KITS + 1);
    codes
}

/// Whether a subject was named in the text, though none could be taken.
fn keyed_subject(lines: &[answer::Line], known: &dyn Fn(&str) -> Option<String>) -> bool {
    lines.iter().any(|line| known(&line.key).as_deref() == Some(SUBJECT) && !line.value.trim().is_empty())
}

/// Whether a text and its HTML twin say the same: the twin may lack the keys, but not the words, and must not name another
/// subject, reason or correction.
pub(super) fn agree(one: &Said, other: &Said, twin: &str) -> bool {
    let squeezed = |text: &str| text::fold(text).replace(' ', "");
    let whole = squeezed(twin);
    let same = |own: &str, others: &str| {
        let own = squeezed(own);
        if others.is_empty() { whole.contains(&own) } else { own == squeezed(others) }
    };
    let (one, other) = (&one.wanted, &other.wanted);
    let items = other.changes.keys().all(|item| one.changes.contains_key(item));
    let changes =
        one.changes.iter().all(|(item, value)| same(value, other.changes.get(item).map_or("", String::as_str)));
    let codes = |wanted: &Wanted| wanted.kits.join(" ");
    let named = |wanted: &Wanted| wanted.randomization.is_some() || !wanted.which.is_empty();
    same(&codes(one), &codes(other))
        && (one.randomization == other.randomization && one.which == other.which || !named(other))
        && same(&one.subject, &other.subject)
        && same(&one.reason, &other.reason)
        && items
        && changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{self, samples};
    use crate::mail::reading::subject::read_text;

    fn said(deed: Deed, subject: &str, content: &str) -> Said {
        let study = definition::load(&samples::aurora()).expect("a sample").0;
        read(&study, deed, &read_text(subject), content).expect("few lines")
    }

    #[test]
    fn subject_and_reason_in_both_languages_and_any_width() {
        for content in [
            "subject: AURORA-0042\nreason: anaphylaxis",
            "Subject: AURORA-0042\r\nReason: anaphylaxis\r\n",
            "症例番号：AURORA-0042\n理由：anaphylaxis",
            "Ｓｕｂｊｅｃｔ　ｎｕｍｂｅｒ：　AURORA-0042\nＲｅａｓｏｎ＝anaphylaxis",
            "【症例番号】AURORA-0042\n【理由】anaphylaxis",
            "■ 症例番号: AURORA-0042\n■ 理由:\n  anaphylaxis",
            "識別番号: AURORA-0042\n理由: anaphylaxis",
            "お世話になっております。\n\n症例番号: AURORA-0042\n理由: anaphylaxis\n\n-- \n山田",
        ] {
            let said = said(Deed::Unblind, "[AURORA] 開鍵", content);
            assert_eq!((said.wanted.subject.as_str(), said.wanted.reason.as_str()), ("AURORA-0042", "anaphylaxis"));
            assert!(said.wanted.lacks().is_empty(), "{content}");
        }
    }

    #[test]
    fn the_subject_line_names_the_subject_if_the_text_does_not() {
        let line = "[AURORA] unblind AURORA-0042";
        assert_eq!(said(Deed::Unblind, line, "reason: shock").wanted.subject, "AURORA-0042");
        assert_eq!(said(Deed::Unblind, line, "subject: Y-1\nreason: shock").wanted.subject, "Y-1");
    }

    #[test]
    fn of_two_subjects_none_is_taken() {
        let two = said(Deed::Unblind, "[AURORA] unblind A-1", "subject: A-1\nsubject: A-2\nreason: shock");
        assert_eq!(two.wanted.subject, "");
        let same = said(Deed::Unblind, "[AURORA] unblind", "subject: A-1\n症例番号: ａ－１\nreason: shock");
        assert_eq!(same.wanted.subject, "A-1");
    }

    #[test]
    fn what_is_quoted_is_not_taken() {
        let quoted =
            said(Deed::Unblind, "[AURORA] unblind", "Please.\n\nOn Friday, X wrote:\n> subject: A-1\n> reason: y\n");
        assert!(!quoted.keyed && quoted.wanted.subject.is_empty());
    }

    #[test]
    fn kits_are_named_in_both_languages_parted_by_anything() {
        for content in [
            "kits: K-1, k-2\nreason: too warm",
            "キット: Ｋ－１、k-2\n理由: too warm",
            "薬剤コード：K-1\n薬剤コード：k-2 K-1\n理由：too warm",
        ] {
            let said = said(Deed::QuarantineKit, "[AURORA] キット隔離", content);
            assert_eq!(said.wanted.kits, ["K-1", "k-2"], "{content}");
            assert!(said.keyed && said.wanted.lacks().is_empty());
        }
        let line = said(Deed::QuarantineKit, "[AURORA] quarantine kit K-7", "reason: too warm");
        assert_eq!(line.wanted.kits, ["K-7"]);
        let line = said(Deed::ReplaceKit, "[AURORA] replace kit AURORA-0042", "reason: broken");
        assert_eq!(line.wanted.subject, "AURORA-0042");
        let keyed = said(Deed::ReplaceKit, "[AURORA] replace kit AURORA-0042", "kit: K-1\nreason: broken");
        assert_eq!((keyed.wanted.subject.as_str(), keyed.wanted.kits.len()), ("", 1));
        assert!(said(Deed::Unblind, "[AURORA] unblind", "kit: K-1").wanted.kits.is_empty());
    }

    #[test]
    fn corrections_are_the_items_beside_our_number() {
        let by_number = said(
            Deed::Correct,
            "[AURORA] 訂正",
            "症例番号: AURORA-1\n理由: 誤記\n識別番号: Y-2\n年齢: 61\n備考なし: x",
        );
        let changes: Vec<_> = by_number.wanted.changes.into_iter().collect();
        assert_eq!(changes, [("age".into(), "61".into()), ("subject_ref".into(), "Y-2".to_owned())]);
        let by_reference = said(Deed::Correct, "[AURORA] 訂正", "識別番号: Y-2\n理由: 誤記\n年齢: 61");
        assert_eq!((by_reference.wanted.subject.as_str(), by_reference.wanted.changes.len()), ("Y-2", 1));
        assert!(by_reference.registers);
        assert!(said(Deed::Withdraw, "[AURORA] 取消", "識別番号: Y-2\n年齢: 61").wanted.changes.is_empty());
    }

    #[test]
    fn items_of_a_further_form_are_corrected_too() {
        let study = definition::load(&samples::cygnus()).expect("a sample").0;
        let said = |subject: &str, content: &str| {
            let said = read(&study, Deed::Correct, &read_text(subject), content).expect("few lines");
            said.wanted.changes.into_iter().collect::<Vec<_>>()
        };
        let pair = |item: &str, value: &str| (item.to_owned(), value.to_owned());
        let text = "症例番号: CYGNUS-0001\n理由: 誤記\n年齢: 61\nISI：８";
        assert_eq!(said("[CYGNUS] 訂正", text), [pair("age", "61"), pair("isi", "８")]);
        let named = "subject: CYGNUS-0001\nreason: slip\nrandomization: second\nInsomnia severity score: 8\nAge: 61";
        assert_eq!(said("[CYGNUS] correct", named), [pair("age", "61"), pair("second.isi", "8")]);
        assert_eq!(said("[CYGNUS] 訂正 第二割付", "症例番号: CYGNUS-0001\nISI: 8"), [pair("second.isi", "8")]);
        for key in ["second.ISI", "Second.isi", "ｓｅｃｏｎｄ．ISI", "■ second.不眠重症度スコア"] {
            assert_eq!(
                said("[CYGNUS] correct", &format!("subject: CYGNUS-0001\n{key}: 8")),
                [pair("second.isi", "8")],
                "{key}"
            );
        }
        // What is calculated is known by its name, to be told so.
        let calculated = "subject: CYGNUS-0001\nSeverity: severe\nsecond.重症度: severe";
        assert_eq!(
            said("[CYGNUS] correct", calculated),
            [pair("second.severity", "severe"), pair("severity", "severe")]
        );
    }

    #[test]
    fn an_error_is_about_the_randomization_that_is_named() {
        let study = definition::load(&samples::cygnus()).expect("a sample").0;
        let said = |subject: &str, line: &str| {
            let content = format!("subject: CYGNUS-0001\nreason: slip\n{line}\n");
            let wanted = read(&study, Deed::InError, &read_text(subject), &content).expect("few lines").wanted;
            (wanted.randomization, wanted.which)
        };
        for (subject, line, named) in [
            ("[CYGNUS] randomized in error", "randomization: second", Some("second")),
            ("[CYGNUS] 誤割付", "割付：第二割付", Some("second")),
            ("[CYGNUS] randomized in error second", "", Some("second")),
            ("[CYGNUS] 誤割付", "割付: 登録", Some(FIRST)),
            ("[CYGNUS] enrolled in error", "Randomization: Registration", Some(FIRST)),
            ("[CYGNUS] randomized in error", "", None),
            ("[CYGNUS] randomized in error second", "randomization: registration", None),
        ] {
            assert_eq!(said(subject, line), (named.map(str::to_owned), String::new()), "{subject} {line}");
        }
        assert_eq!(said("[CYGNUS] 誤割付", "割付: third"), (None, "third".to_owned()));
        // Its form is none of the mail's business.
        let form = read(&study, Deed::Ineligible, &read_text("[CYGNUS] ineligible"), "subject: CYGNUS-0001\nISI: 8");
        assert!(form.expect("few lines").wanted.changes.is_empty());
    }

    #[test]
    fn what_cannot_be_used_of_a_correction_is_kept() {
        let study = definition::load(&samples::cygnus()).expect("a sample").0;
        let said = |subject: &str, content: &str| {
            read(&study, Deed::Correct, &read_text(subject), content).expect("few lines").wanted
        };
        let text = "subject: CYGNUS-0001\nreason: slip\nrandomization: third\nColor: blue\nAge: 61";
        let wanted = said("[CYGNUS] correct", text);
        assert_eq!(
            (wanted.which.as_str(), wanted.unused.as_slice()),
            ("third", &[("Color".into(), "blue".into())][..])
        );
        assert_eq!(wanted.lacks(), [crate::domain::deed::Lack::Randomization]);
        let told = said("[CYGNUS] correct second", "subject: CYGNUS-0001\nrandomization: third\nISI: 8").which;
        assert_eq!(told, "third", "the subject line does not make good what stands in the text");
        assert_eq!(said("[CYGNUS] correct", "subject: CYGNUS-0001\nrandomization: second\nISI: 8").which, "");
    }
}
