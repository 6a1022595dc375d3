//! Mails to an election: who asks for a link to vote, and who writes a vote, which is not taken.
//!
//! What a vote looks like is guessed widely: a mail in which somebody's vote stands is not to lie before a person who was to read it. Whatever
//! asks a question is for a person all the same.

use super::content::Content;
use super::cut;
use super::subject::Subject;
use super::vocabulary::{Voting, Wish, vocabulary};
use crate::domain::election::Election;
use crate::domain::language::Language;
use crate::domain::request::Act;
use crate::domain::text;

/// What a mail to an election asks for; none where a person has to read it.
pub(super) fn asked(election: &Election, subject: &Subject, content: &Content) -> Option<Act> {
    let (voting, wish) = match subject.replied {
        // The subject of a letter of ours speaks of links and votes, too; only a word of its own is a request.
        true => (alone(&vocabulary().votings, subject), alone(&vocabulary().wishes, subject)),
        false => (subject.voting, subject.wish),
    };
    if voting == Some(Voting::Credential) || wish == Some(Wish::Link) {
        return Some(Act::Credential);
    }
    if wish == Some(Wish::Help) {
        return Some(Act::Help);
    }
    let own: Vec<String> = cut::cut(&content.text, &|_| None).iter().map(|kept| text::fold(kept.line)).collect();
    let asks = subject.text.contains(['?', '？']) || own.iter().any(|line| line.contains('?'));
    let votes = voting == Some(Voting::Vote) || names_somebody(election, &own);
    (votes && !asks).then_some(Act::VoteByMail)
}

/// What the word means that a subject consists of, beside the study's tag.
fn alone<T: Copy>(words: &[(String, T)], subject: &Subject) -> Option<T> {
    words.iter().find(|(word, _)| *word == subject.rest).map(|(_, meaning)| *meaning)
}

/// Whether the sender's own words name a candidate, by the name in any language or by an id of two signs or more that stands alone.
fn names_somebody(election: &Election, own: &[String]) -> bool {
    let tight: String = own.iter().map(|line| text::fold_tight(line)).collect();
    let words: Vec<&str> =
        own.iter().flat_map(|line| line.split(|c: char| !(c.is_alphanumeric() || c == '-'))).collect();
    election.contests.iter().flat_map(|contest| &contest.candidates).any(|candidate| {
        let id = text::fold(&candidate.id);
        let named = Language::ALL.iter().any(|language| {
            let name = text::fold_tight(candidate.name.in_language(*language));
            name.chars().count() > 1 && tight.contains(&name)
        });
        named || id.chars().count() > 1 && words.contains(&id.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::election_file;
    use crate::mail::reading::subject::read_text;

    fn election() -> Election {
        let rules = "[terms]\nopens = \"2027-01-12 09:00\"\ncloses = \"2027-01-31 17:00\"\n[[contests]]\nid = \"chair\"\n\
                     title = \"Chair\"\nseats = 1\nmethod = \"single\"\ntie = [\"decision\"]\n[[contests.candidates]]\nid = \"c01\"\n\
                     name = { ja = \"青木 恵子\", en = \"AOKI Keiko\" }\n[[contests.candidates]]\nid = \"c02\"\nname = \"ISHII Ken\"\n";
        election_file::read("election.toml", rules).expect("sound rules").0
    }

    #[test]
    fn links_votes_and_questions_are_told_apart() {
        let election = election();
        for (subject, body, expected) in [
            ("[COUNCIL] credential", "", Some("credential")),
            ("[COUNCIL] 投票用紙", "よろしくお願いします。", Some("credential")),
            ("[COUNCIL] リンク", "", Some("credential")),
            ("Re: [COUNCIL] link", "I lost it.", Some("credential")),
            ("Re: [COUNCIL] Your personal link to vote", "Thank you.", None),
            ("Re: [COUNCIL] 投票用リンクのお知らせ（あなた専用）", "ありがとうございました。", None),
            ("Re: [COUNCIL] Your personal link to vote", "AOKI Keiko", Some("vote-by-mail")),
            ("[COUNCIL] ヘルプ", "", Some("help")),
            ("[COUNCIL] my vote", "yes", Some("vote-by-mail")),
            ("[COUNCIL] 投票", "信任", Some("vote-by-mail")),
            ("[COUNCIL]", "Chair: Aoki  Keiko", Some("vote-by-mail")),
            ("[COUNCIL]", "青木恵子に投票します", Some("vote-by-mail")),
            ("[COUNCIL]", "c02", Some("vote-by-mail")),
            ("[COUNCIL]", "What has Aoki Keiko done so far?", None),
            ("[COUNCIL] 投票について", "期日はいつまでですか？", None),
            ("[COUNCIL] my entry", "My district is wrong.", None),
            ("[COUNCIL]", "Thanks.\n> AOKI Keiko stands for chair", None),
        ] {
            let content = Content { text: body.to_string(), ..Content::default() };
            let act = asked(&election, &read_text(subject), &content);
            assert_eq!(act.as_ref().map(Act::key), expected, "{subject} / {body}");
        }
    }
}
