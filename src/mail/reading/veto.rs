//! Words that say that something else is meant than enrolling, and what a plain yes is.
//!
//! An allocation cannot be undone, so data alone do not enroll where the sender's own words speak against it: such a mail
//! is held for a person.

use super::cut::Kept;
use super::subject::Subject;
use super::vocabulary::{Wish, vocabulary};
use crate::domain::text;

/// Most lines of a reply in which its yes is looked for.
const YES_LINES: usize = 6;

/// Whether the subject, or a line of the sender's own that is no answer, speaks against enrolling.
pub(super) fn speaks(subject: &Subject, prose: &[&str]) -> bool {
    let words = vocabulary();
    let in_subject = says(&subject.rest, &words.vetoes)
        || says(&subject.rest, &words.subject_vetoes)
        || (!subject.wish.is_some_and(Wish::brings_data) && says(&subject.rest, &words.other_requests));
    in_subject || prose.iter().any(|line| says(&text::fold(line), &words.vetoes))
}

/// Whether a reply's own lines are a plain yes: nothing at all, or a yes by itself and nothing that takes it back.
pub(super) fn affirms(own: &[Kept<'_>]) -> bool {
    let words = vocabulary();
    let lines: Vec<String> = own.iter().map(|kept| text::fold(kept.line)).filter(|line| !line.is_empty()).collect();
    let takes_back = |line: &String| says(line, &words.vetoes) || says(line, &words.buts);
    let yes = |line: &String| {
        let parts = line.split(['、', '。', ',', '.', '!', ';', '…', ':']).map(str::trim);
        parts.filter(|part| !part.is_empty()).any(|part| words.confirms.iter().any(|word| word == part))
    };
    lines.is_empty() || lines.iter().take(YES_LINES).any(yes) && !lines.iter().any(takes_back)
}

/// Whether a folded text says one of these words: Latin ones by themselves, Japanese ones anywhere.
fn says(folded: &str, words: &[String]) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric();
    words.iter().any(|word| {
        folded.match_indices(word.as_str()).any(|(at, found)| {
            let before = folded.get(..at).and_then(|text| text.chars().next_back());
            let behind = folded.get(at + found.len()..).and_then(|text| text.chars().next());
            !word.is_ascii() || !before.is_some_and(letters) && !behind.is_some_and(letters)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::subject::read_text;
    use super::*;

    fn own(text: &str) -> Vec<Kept<'_>> {
        text.lines().enumerate().map(|(at, line)| Kept { number: at + 1, line }).collect()
    }

    #[test]
    fn subjects_that_ask_for_something_else() {
        for subject in [
            "[A] cancel enrollment",
            "[A] 登録取消",
            "[A] 取り消し",
            "[A] withdraw",
            "[A] unblind A-0031",
            "[A] balance",
            "[A] 緊急開鍵",
            "[A] please do not enroll",
            "[A] 訂正",
            "Undeliverable: [A] enroll",
            "Re: [A] enroll: I am on vacation",
        ] {
            assert!(speaks(&read_text(subject), &[]), "{subject}");
        }
        for subject in [
            "[A] enroll",
            "Re: [A] Not enrolled, please see inside",
            "Re: [A] 登録できませんでした（ご確認ください）",
            "[A] 登録(訂正)",
            "[A] Already enrolled with other data",
            "[A] corrected registration",
        ] {
            assert!(!speaks(&read_text(subject), &[]), "{subject}");
        }
    }

    #[test]
    fn lines_that_ask_for_something_else() {
        let enroll = read_text("[A] enroll");
        for line in [
            "登録しないでください",
            "この症例の登録を取り消してください。",
            "Not for enrollment, only a question:",
            "Please cancel this patient's enrollment:",
        ] {
            assert!(speaks(&enroll, &[line]), "{line}");
        }
        for line in
            ["お世話になっております。", "訂正して再送いたします。", "Mended, thank you.", "cancellation clinic"]
        {
            assert!(!speaks(&enroll, &[line]), "{line}");
        }
    }

    #[test]
    fn a_yes_is_a_yes_by_itself() {
        for reply in [
            "",
            "OK",
            "ok.\nSato",
            "Thank you, please go ahead.",
            "Dear center,\nyes",
            "Sato here. OK",
            "はい、確認しました。",
            "はい、お願いします。",
            "問題ありません。\nよろしくお願いいたします。",
        ] {
            assert!(affirms(&own(reply)), "{reply}");
        }
        for reply in [
            "OK but age is 41",
            "OK.\nBut the age is 41.",
            "いいえ、取り消してください。",
            "ただいま不在にしております。",
            "I am away until Monday",
            "はい。ただし年齢は41です。",
            "no",
        ] {
            assert!(!affirms(&own(reply)), "{reply}");
        }
    }
}
