//! Subject lines: the clean text, the study's tag in brackets, and what is asked for.

use super::charset::Familiar;
use super::header::Header;
use super::vocabulary::{Voting, Wish, vocabulary};
use super::word;
use crate::domain::deed::Deed;
use crate::domain::text;

/// Longest subject that is kept, in characters.
const CHARS: usize = 300;

/// A subject, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// One clean line: no controls, nothing behind a smuggled line break.
    pub text: String,
    /// What stands in brackets, folded, in order.
    pub tags: Vec<String>,
    /// Folded text without prefixes and brackets.
    pub rest: String,
    /// What its words ask for.
    pub wish: Option<Wish>,
    /// Whether it is that of a reply, or of a mail that was passed on.
    pub replied: bool,
    /// What they ask for where an election is held.
    pub voting: Option<Voting>,
    /// Whether a word for randomizing is among its words, whatever else they ask for.
    pub randomizes: bool,
    /// Whether a word for enrolling is, too.
    pub enrolls: bool,
    /// Whether a word for the forms of events is; what is asked for in a study that has none is told without it.
    pub follows_up: bool,
    /// The first word with a digit in it, as typed: a subject's reference.
    pub reference: Option<String>,
}

/// Reads the `Subject` field.
pub fn read(header: &Header<'_>, familiar: Familiar<'_>) -> Subject {
    match header.first("subject") {
        Some(field) => read_text(&word::decode(&field.value(), familiar)),
        None => Subject::default(),
    }
}

/// Reads a decoded subject. A line break can only have been smuggled in by an encoded word: what follows it was meant
/// to become a header field of our answer, and is dropped.
pub fn read_text(decoded: &str) -> Subject {
    let line = decoded.split(['\r', '\n', '\u{2028}', '\u{2029}', '\u{85}']).find(|line| !line.trim().is_empty());
    let clean = text::clean(line.unwrap_or_default(), CHARS);
    let whole = text::fold_width(&clean);
    let wide = without_prefixes(&whole);
    let replied = wide.len() < whole.trim_start().len();
    let (tags, plain) = brackets(&wide);
    let rest = text::fold(&plain);
    let said = wishes(&rest);
    let wish = find_wish(&said);
    let voting = said_in(&rest, &vocabulary().votings).into_iter().next();
    let [randomizes, enrolls, follows_up] =
        [Wish::Randomize, Wish::Enroll, Wish::FollowUp].map(|wish| said.contains(&wish));
    let reference = plain
        .split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/')))
        .find(|token| token.chars().any(|c| c.is_ascii_digit()))
        .map(str::to_string);
    Subject { text: clean, tags, rest, wish, replied, voting, randomizes, enrolls, follows_up, reference }
}

/// What the first line of a text asks for, written as a subject line is and naming a subject or a study; else a subject that says nothing.
pub(super) fn of_first_line(text: &str) -> Subject {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    // An answer, or somebody else's words.
    if line.starts_with('>') || line.contains([':', '：']) {
        return Subject::default();
    }
    let read = read_text(line);
    let asks = read.wish.is_some() && read.reference.is_some();
    if asks || !read.tags.is_empty() { read } else { Subject::default() }
}

/// Takes `Re:`, `RE[2]:`, `Fwd:`, `返信:` off the front, however many there are.
fn without_prefixes(wide: &str) -> String {
    let mut rest = wide.trim_start();
    while let Some((head, tail)) = rest.split_once(':') {
        let stem =
            head.trim_end().trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '[' | ']' | '(' | ')' | '*'));
        if !vocabulary().prefixes.contains(&text::fold(stem)) {
            break;
        }
        rest = tail.trim_start();
    }
    rest.to_string()
}

/// What stands in brackets, and the text without them.
fn brackets(wide: &str) -> (Vec<String>, String) {
    let mut tags = Vec::new();
    let mut plain = String::new();
    let mut rest = wide;
    while let Some(open) = rest.find(['[', '【']) {
        let (before, after) = rest.split_at(open);
        plain.push_str(before);
        let inner = after.trim_start_matches(['[', '【']);
        let Some(close) = inner.find([']', '】']) else {
            rest = inner;
            continue;
        };
        let (tag, tail) = inner.split_at(close);
        tags.push(text::fold(tag));
        plain.push(' ');
        rest = tail.trim_start_matches([']', '】']);
    }
    plain.push_str(rest);
    (tags, without_prefixes(&plain))
}

/// What the words of a subject ask for, the more specific first. Latin words must stand alone, several side by side; Japanese
/// has no blanks, so there they may stand anywhere.
fn wishes(rest: &str) -> Vec<Wish> {
    said_in(rest, &vocabulary().wishes)
}

/// What the words of a list mean that stand in a folded subject, in the order of the list.
fn said_in<T: Copy>(rest: &str, list: &[(String, T)]) -> Vec<T> {
    let tokens = rest.split(|c: char| !(c.is_alphanumeric() || c == '-')).filter(|token| !token.is_empty());
    let tokens: Vec<&str> = tokens.collect();
    let spaced = format!(" {} ", tokens.join(" "));
    let stands = |word: &str| match word.is_ascii() {
        true if word.contains(' ') => spaced.contains(&format!(" {word} ")),
        true => tokens.contains(&word),
        false => rest.contains(word),
    };
    list.iter().filter(|(word, _)| stands(word)).map(|(_, meaning)| *meaning).collect()
}

fn find_wish(said: &[Wish]) -> Option<Wish> {
    let mut said = said.iter().copied().filter(|wish| *wish != Wish::FollowUp);
    let first = said.next()?;
    // A registration that was corrected is still a registration.
    let enrolls = first == Wish::Deed(Deed::Correct) && said.any(Wish::brings_data);
    Some(if enrolls { Wish::Enroll } else { first })
}

/// What the folded text of a subject that says so asks for in a study with events: a form of one of them, unless another of its
/// words stands above that. A form that was corrected is still a form.
pub(super) fn follow_up_wish(rest: &str) -> Wish {
    match find_wish(&wishes(rest)) {
        None | Some(Wish::Enroll | Wish::Randomize | Wish::Deed(Deed::Correct)) => Wish::FollowUp,
        Some(other) => other,
    }
}

/// Whether a subject begins like those of automatic answers.
pub fn is_automatic(subject: &Subject) -> bool {
    begins(subject, &vocabulary().automatic)
}

/// Whether a subject begins like those of delivery reports.
pub fn is_bounce(subject: &Subject) -> bool {
    begins(subject, &vocabulary().bounces)
}

fn begins(subject: &Subject, words: &[String]) -> bool {
    let folded = text::fold(&subject.text);
    let bare = folded.trim_start_matches(['[', '【', '(', '<', ' ', '*']);
    words.iter().any(|word| folded.starts_with(word.as_str()) || bare.starts_with(word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_wishes() {
        for (typed, tag, wish) in [
            ("[STUDY-A] registration", "study-a", Some(Wish::Enroll)),
            ("RE: Re[2]: 返信： ［ＳＴＵＤＹ－Ａ］　症例登録", "study-a", Some(Wish::Enroll)),
            ("【STUDY-A】登録用紙", "study-a", Some(Wish::Form)),
            ("[STUDY-A] Re: status of A-0031", "study-a", Some(Wish::Status)),
            ("[STUDY-A] 登録状況", "study-a", Some(Wish::Status)),
            ("[STUDY-A] ヘルプ", "study-a", Some(Wish::Help)),
            ("[STUDY-A] リンクを送ってください", "study-a", Some(Wish::Link)),
            ("[STUDY-A] unblind A-0031", "study-a", Some(Wish::Deed(Deed::Unblind))),
            ("[STUDY-A] Emergency unblinding", "study-a", Some(Wish::Deed(Deed::Unblind))),
            ("【STUDY-A】緊急開鍵", "study-a", Some(Wish::Deed(Deed::Unblind))),
            ("［ＳＴＵＤＹ－Ａ］　割付開示", "study-a", Some(Wish::Deed(Deed::Unblind))),
            ("Re: [STUDY-A] ＵＮＢＬＩＮＤ", "study-a", Some(Wish::Deed(Deed::Unblind))),
            ("[STUDY-A] ｷｰｵｰﾌﾟﾝのお願い", "study-a", Some(Wish::Deed(Deed::Unblind))),
            ("[STUDY-A] 盲検解除", "study-a", Some(Wish::Deed(Deed::Unblind))),
            ("[STUDY-A] withdraw", "study-a", Some(Wish::Deed(Deed::Withdraw))),
            ("[STUDY-A] 同意撤回", "study-a", Some(Wish::Deed(Deed::Withdraw))),
            ("[STUDY-A] 取り消し", "study-a", Some(Wish::Deed(Deed::Withdraw))),
            ("[STUDY-A] randomized in error", "study-a", Some(Wish::Deed(Deed::InError))),
            ("[STUDY-A] randomized-in-error", "study-a", Some(Wish::Deed(Deed::InError))),
            ("[STUDY-A] 誤割付", "study-a", Some(Wish::Deed(Deed::InError))),
            ("[STUDY-A] ineligible", "study-a", Some(Wish::Deed(Deed::Ineligible))),
            ("[STUDY-A] 不適格", "study-a", Some(Wish::Deed(Deed::Ineligible))),
            ("[STUDY-A] correction", "study-a", Some(Wish::Deed(Deed::Correct))),
            ("[STUDY-A] 訂正", "study-a", Some(Wish::Deed(Deed::Correct))),
            ("[STUDY-A] replace kit K-1", "study-a", Some(Wish::Deed(Deed::ReplaceKit))),
            ("[STUDY-A] Kit  replacement, A-0031", "study-a", Some(Wish::Deed(Deed::ReplaceKit))),
            ("[STUDY-A] ｷｯﾄ交換のお願い", "study-a", Some(Wish::Deed(Deed::ReplaceKit))),
            ("[STUDY-A] Quarantine kits", "study-a", Some(Wish::Deed(Deed::QuarantineKit))),
            ("[STUDY-A] キット隔離", "study-a", Some(Wish::Deed(Deed::QuarantineKit))),
            ("[STUDY-A] replace my kitchen", "study-a", None),
            ("[STUDY-A] 登録(訂正)", "study-a", Some(Wish::Enroll)),
            ("[STUDY-A] cancel enrollment", "study-a", Some(Wish::Enroll)),
            ("[STUDY-A] unblinded", "study-a", None),
            ("[STUDY-A] unhelpful formality", "study-a", None),
            ("[STUDY-A]", "study-a", None),
        ] {
            let subject = read_text(typed);
            assert_eq!(subject.tags, [tag], "{typed}");
            assert_eq!(subject.wish, wish, "{typed}");
        }
    }

    #[test]
    fn references() {
        assert_eq!(read_text("[STUDY-2] status A-0031").reference.as_deref(), Some("A-0031"));
        assert_eq!(read_text("[STUDY-2] 状況　Ａ－００３１").reference.as_deref(), Some("A-0031"));
        assert_eq!(read_text("[STUDY-2] status").reference, None);
    }

    #[test]
    fn smuggled_lines_are_dropped() {
        let subject = read_text("[STUDY-A]\r\nBcc: victim@example.org");
        assert_eq!(subject.text, "[STUDY-A]");
        assert_eq!(read_text("a\u{2028}b\u{202E}").text, "a");
        assert_eq!(read_text("a\0b\u{7}c").text, "a b c");
    }

    #[test]
    fn subjects_of_programs() {
        for typed in ["Auto: [STUDY-A]", "Automatic reply: x", "【自動応答】受付", "不在通知", "自動返信：登録"]
        {
            assert!(is_automatic(&read_text(typed)), "{typed}");
        }
        for typed in ["[STUDY-A] 登録（山田不在のため佐藤）", "Autopsy", "[STUDY-A] registration"] {
            assert!(!is_automatic(&read_text(typed)), "{typed}");
        }
        for typed in ["Undeliverable: x", "failure notice", "配信不能: x", "Delivery Status Notification (Failure)"]
        {
            assert!(is_bounce(&read_text(typed)), "{typed}");
        }
    }
}
