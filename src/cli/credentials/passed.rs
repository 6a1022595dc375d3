//! Who of a list got no credential, and why: by line of the list and number of the participant, without a name.

use serde_json::{Value, json};

use super::Office;
use crate::cli::{Refused, counted};
use crate::domain::participant::{Likeness, Trait};
use crate::domain::survey::Privacy;
use crate::limits;
use crate::workflow::recognize::PassedOver;

/// What can be done for somebody who was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Kind {
    /// Their credential can be issued anew.
    Credentials,
    /// Nobody knows which credential is theirs.
    Nobodys,
    /// They have an account.
    Members,
}

impl Kind {
    /// Of an office whose participants get credentials.
    pub(super) fn of(office: &Office) -> Kind {
        let survey = office.shelved.study.survey.as_ref();
        match survey.is_some_and(|survey| survey.privacy == Privacy::FullyAnonymous) {
            true => Kind::Nobodys,
            false => Kind::Credentials,
        }
    }
}

/// By what somebody is known, for programs.
const fn key(likeness: Likeness) -> &'static str {
    match likeness {
        Likeness::Same(Trait::Reference) => "token",
        Likeness::Same(Trait::NameAndAddress) => "name-and-address",
        Likeness::Same(Trait::Address) => "address",
        Likeness::Unclear | Likeness::Other => "unclear",
    }
}

/// Says how many of those who were taken in are not written to.
pub(in crate::cli) fn unsubscribed(many: usize) {
    if many > 0 {
        let people = counted(many as u64, "person");
        println!(
            "{people} among them unsubscribed from every study here: they are on file, are not written to, and can ask for their way in"
        );
    }
}

/// Them for programs.
pub(in crate::cli) fn json(passed: &[PassedOver]) -> Value {
    let one = |one: &PassedOver| json!({ "line": one.line, "participant": one.number, "by": key(one.likeness), "withdrew": one.withdrew });
    passed.iter().map(one).collect()
}

fn line(one: &PassedOver) -> String {
    let line = one.line.map_or_else(String::new, |line| format!("line {line}: "));
    let who = one.number.map_or_else(|| "somebody above".to_string(), |number| format!("participant {number}"));
    let withdrew = if one.withdrew { "; they withdrew, and are asked no more" } else { "" };
    match one.likeness {
        Likeness::Same(Trait::Reference) => format!("  {line}{who}, by the token{withdrew}"),
        Likeness::Same(Trait::NameAndAddress) => format!("  {line}{who}, by name and address{withdrew}"),
        Likeness::Same(Trait::Address) => format!("  {line}{who}, by the address{withdrew}"),
        Likeness::Unclear | Likeness::Other => {
            format!("  {line}may be {who}: they share an address, and too little is known to tell them apart{withdrew}")
        }
    }
}

fn lines<'a>(passed: impl ExactSizeIterator<Item = &'a PassedOver>) -> String {
    let more = passed.len().saturating_sub(limits::PEOPLE_NAMED);
    let mut lines: Vec<String> = passed.take(limits::PEOPLE_NAMED).map(line).collect();
    if more > 0 {
        lines.push(format!("  and {more} more; --json names all"));
    }
    lines.join("\n")
}

/// Says who was passed over, why, and what can be done.
pub(in crate::cli) fn tell(slug: &str, kind: Kind, passed: &[PassedOver]) {
    if passed.is_empty() {
        return;
    }
    let people = counted(passed.len() as u64, "person");
    let what = if kind == Kind::Members { "on the roll already" } else { "known already, and got none" };
    println!("{people} on the list: {what}\n{}", lines(passed.iter()));
    match kind {
        Kind::Credentials => {
            println!(
                "`hagaki credentials reissue {slug} NUMBER` issues one of them a fresh credential; the one before is dead then"
            );
        }
        Kind::Nobodys => println!("nobody can tell whose credential is whose, so that none is issued anew"),
        Kind::Members => {}
    }
}

/// Says how many of those who were taken in are not written to.
pub(in crate::cli) fn unreached(slug: &str, many: usize) {
    if many > 0 {
        let people = counted(many as u64, "person");
        println!(
            "{people} among them not written to, for letters to the address come back: `hagaki outbox addresses {slug}`"
        );
    }
}

/// The refusal of a list with people of whom it cannot be told whether they are on file.
pub(super) fn unclear(slug: &str, kind: Kind, unclear: &[&PassedOver]) -> Refused {
    let shows = match kind {
        Kind::Nobodys => String::new(),
        Kind::Credentials | Kind::Members => format!(" (`hagaki credentials list {slug}` shows the others)"),
    };
    Refused(format!(
        "nothing was issued: of {} on the list it cannot be told whether they are known already\n{}\n\
         give the rows a name{shows}, or say that they are other people with --as-others, or \
         pass over them with --skip",
        counted(unclear.len() as u64, "person"),
        lines(unclear.iter().copied())
    ))
}
