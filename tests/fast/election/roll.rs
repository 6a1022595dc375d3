//! Who may vote, what is frozen of it, which step is lawful when, and what a voter may hand in.

use std::collections::{BTreeMap, BTreeSet};

use encoding_rs::{EUC_JP, SHIFT_JIS};
use hagaki::definition::csv_file::Charset;
use hagaki::definition::{self, Bundle, ballots_file, election_file, roll_file, samples};
use hagaki::domain::election::Fault;
use hagaki::domain::election::judge::Invalid;
use hagaki::domain::election::paper::{self, PaperFault};
use hagaki::domain::election::phase::{Change, Phase, Standing, Step, Turnout, Unlawful};
use hagaki::domain::election::roll::{self, Entry, EntryFault, Frozen};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

fn entry(number: &str, district: &str) -> Entry {
    Entry {
        number: number.to_owned(),
        name: format!("Member {number}"),
        address: format!("{}@example.jp", number.to_lowercase()),
        language: None,
        district: Some(district.to_owned()).filter(|id| !id.is_empty()),
        class: None,
        postal: false,
    }
}

fn council() -> Election {
    definition::load(&samples::council()).unwrap().0.election.unwrap()
}

fn read(text: &str) -> Result<Vec<Entry>, Vec<String>> {
    let all = [Language::Ja, Language::En];
    let read = roll_file::read("roll.csv", text.as_bytes(), Charset::Guessed, &council(), &all);
    read.map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn a_roll_is_read_whatever_its_columns_are_called() {
    let english = read(
        "number,lastname,firstname,email,district,postal,language\n\
                        A1,山田,花,Hana@Example.jp,east,,ja\nA2,Larsen,Kim,,west,1,en-GB\n",
    )
    .unwrap();
    let [hana, kim] = &english[..] else { panic!("{english:?}") };
    assert_eq!((hana.name.as_str(), hana.address.as_str(), hana.postal), ("山田 花", "hana@example.jp", false));
    assert_eq!((kim.name.as_str(), kim.address.as_str(), kim.postal), ("Kim Larsen", "", true));
    assert_eq!((kim.language, kim.district.as_deref()), (Some(Language::En), Some("west")));

    let text = "会員番号,氏名,メール,選挙区,郵送\nＡ１,髙橋 花子,hana@example.jp,east,○\n";
    for (encoding, charset) in [(SHIFT_JIS, Charset::Cp932), (SHIFT_JIS, Charset::Guessed)] {
        let (bytes, _, _) = encoding.encode(text);
        let read = roll_file::read("roll.csv", &bytes, charset, &council(), &[Language::Ja]).unwrap();
        assert_eq!((read[0].number.as_str(), read[0].name.as_str(), read[0].postal), ("A1", "髙橋 花子", true));
    }
    let (bytes, _, lossy) = EUC_JP.encode("番号,氏名,地区\n1,山田 花,west\n");
    assert!(!lossy);
    let read = roll_file::read("roll.csv", &bytes, Charset::EucJp, &council(), &[Language::Ja]).unwrap();
    assert_eq!((read[0].name.as_str(), read[0].district.as_deref()), ("山田 花", Some("west")));
}

#[test]
fn every_line_that_cannot_be_used_is_told() {
    let told = read(
        "number,name,email,district,postal,language\n\
         A1,Hana,a@example.jp,east,,\n,Kim,b@example.jp,west,,\nA3,,c@example.jp,west,,\nA4,Robin,d@example.jp,eest,,\n\
         A5,Lee,e@example.jp,,,\nA6,Mori,not an address,east,,\nA7,Ito,g@example.jp,east,perhaps,\nA1,Abe,h@example.jp,west,,\n\
         A9,Oda,i@example.jp,west,,fr\nA10,Sato,j@example.jp\n",
    )
    .unwrap_err();
    let wanted = [
        "roll.csv:3: number: has no member number of at most 50 visible characters",
        "roll.csv:4: name: has no name of at most 200 visible characters",
        "roll.csv:5: district: is in the district \"eest\", which the election does not have — did you mean \"east\"?",
        "roll.csv:6: district: is in no district — write one of \"east\", \"west\"",
        "roll.csv:7: email: \"not an address\" is no mail address",
        "roll.csv:8: postal: \"perhaps\" says neither yes nor no",
        "roll.csv:9: number: \"A1\" stands in line 2, too",
        "roll.csv:10: language: \"fr\" is no language of the study",
        "roll.csv:11: has 3 cells where the first line has 6",
    ];
    assert_eq!(told.len(), wanted.len(), "{told:#?}");
    for (told, wanted) in told.iter().zip(wanted) {
        assert!(told.starts_with(wanted), "{told} is not {wanted}");
    }
    let told = read("number,nam,district\nA1,Hana,east\n").unwrap_err();
    assert!(told.iter().any(|one| one.contains("did you mean name?")), "{told:?}");
    assert!(told.iter().any(|one| one.starts_with("roll.csv:1: name: there is no such column")), "{told:?}");
    assert!(read("number,name\nA1,Hana\n").unwrap_err()[0].contains("district: there is no such column"));
    assert!(read("number,name,district\n").unwrap_err()[0].contains("names nobody"));
    assert!(read("").is_err());
}

#[test]
fn nobody_stands_on_a_roll_whom_the_election_does_not_know() {
    let mut election = election(vec![contest("c", Method::Single, 1, &["a", "b"])]);
    assert_eq!(entry("1", "").check(&election), Ok(()));
    assert_eq!(entry("1", "east").check(&election), Err(EntryFault::District(Some("east".to_owned()))));
    assert_eq!(Entry { name: "a\tb".to_owned(), ..entry("1", "") }.check(&election), Err(EntryFault::Name));
    assert_eq!(entry(" 1", "").check(&election), Err(EntryFault::Number));
    // The selector that chooses the form of a character is a part of the name.
    assert_eq!(Entry { name: "辻\u{E0100} 花".to_owned(), ..entry("1", "") }.check(&election), Ok(()));
    election.classes = vec![class("full", 2), class("student", 1)];
    assert_eq!(entry("1", "").check(&election), Err(EntryFault::Class(None)));
    assert_eq!(Entry { class: Some("full".to_owned()), ..entry("1", "") }.check(&election), Ok(()));
}

#[test]
fn the_digest_is_what_anybody_computes() {
    let rule = samples::council().election().unwrap().to_owned();
    let members = [entry("B2", "west"), entry("A10", "east"), Entry { postal: true, ..entry("A1", "east") }];
    let text = "A1\tMember A1\teast\t\t1\nA10\tMember A10\teast\t\t0\nB2\tMember B2\twest\t\t0\n";
    assert_eq!(roll::lines(&members), text);
    let hex = |text: &str| data_encoding::HEXLOWER.encode(&Sha256::digest(text));
    let both = format!("hagaki election 1\nrule {}\nroll {}\n", hex(&rule), hex(text));
    assert_eq!(data_encoding::HEXLOWER.encode(&Frozen::of(rule.as_bytes(), &members).whole), hex(&both));
    let numbers = roll::numbers(&council(), &members);
    assert_eq!(numbers, BTreeMap::from([(Some("east".to_owned()), 2), (Some("west".to_owned()), 1)]));
    assert_eq!(roll::numbers(&election(Vec::new()), &[]), BTreeMap::from([(None, 0)]));
}

proptest! {
    #[test]
    fn the_order_of_a_roll_means_nothing_and_all_else_does(
        roll in Just((0..12).map(|at| entry(&(at * 7 % 12).to_string(), "east")).collect::<Vec<Entry>>()).prop_shuffle(),
        at in 0usize..12,
        what in 0u8..5,
    ) {
        let sorted: Vec<Entry> = (0..12).map(|at| entry(&at.to_string(), "east")).collect();
        let frozen = Frozen::of(b"rule", &roll);
        prop_assert_eq!(frozen, Frozen::of(b"rule", &sorted));
        let mut other = roll.clone();
        match what {
            0 => other[at].name.push('x'),
            1 => other[at].district = Some("west".to_owned()),
            2 => other[at].postal = true,
            3 => other[at].number.push('0'),
            _ => drop(other.remove(at)),
        }
        prop_assert_ne!(frozen.whole, Frozen::of(b"rule", &other).whole);
        prop_assert_ne!(frozen.whole, Frozen::of(b"rules", &roll).whole);
        other = roll.clone();
        // An address is mended without anybody's right.
        other[at].address.clear();
        prop_assert_eq!(frozen, Frozen::of(b"rule", &other));
    }
}

fn terms() -> Terms {
    Terms {
        opens: Instant(100),
        closes: Instant(200),
        objections_until: Some(Instant(50)),
        additions_until: Some(Instant(150)),
        ..election(Vec::new()).terms
    }
}

fn standing<'t>(terms: &'t Terms, taken: &[Step], now: i64) -> Standing<'t> {
    Standing { terms, taken: taken.iter().copied().collect(), now: Instant(now) }
}

const SOME: Turnout = Turnout { voters: 3, postal: 1, voted: 1, left: 1 };

#[test]
fn each_step_has_its_time() {
    use Step::{Certify, Close, Objection, Open, Record};
    let terms = terms();
    let may = |taken: &[Step], now, step| standing(&terms, taken, now).may(step, SOME);
    assert_eq!(may(&[], 10, Objection), Ok(()));
    assert_eq!(may(&[], 50, Objection), Err(Unlawful::ObjectionsOver(Instant(50))));
    assert_eq!(standing(&terms, &[], 10).may(Objection, Turnout::default()), Err(Unlawful::NobodyOnRoll));
    assert_eq!(may(&[], 60, Open), Err(Unlawful::Before(Objection)));
    assert_eq!(may(&[Objection], 49, Open), Err(Unlawful::ObjectionsUntil(Instant(50))));
    assert_eq!(may(&[Objection], 50, Open), Ok(()));
    assert_eq!(may(&[Objection], 200, Open), Err(Unlawful::Over(Instant(200))));
    let open = [Objection, Open];
    assert_eq!(may(&open, 120, Open), Err(Unlawful::Done));
    assert_eq!(may(&open, 60, Close), Err(Unlawful::Voting(Instant(200))));
    assert_eq!(may(&open, 199, Close), Err(Unlawful::Voting(Instant(200))));
    assert_eq!(standing(&terms, &open, 199).may(Close, Turnout { left: 0, ..SOME }), Ok(()));
    // Before the first moment of voting nobody can have voted, and nobody is kept from it.
    assert_eq!(
        standing(&terms, &open, 99).may(Close, Turnout { left: 0, ..SOME }),
        Err(Unlawful::Voting(Instant(200)))
    );
    assert_eq!(may(&open, 200, Close), Ok(()));
    assert_eq!(may(&open, 300, Record), Err(Unlawful::Before(Close)));
    assert_eq!(may(&[Objection, Open, Close], 300, Record), Ok(()));
    assert_eq!(may(&[Objection, Open, Close, Record], 300, Certify), Ok(()));
    assert_eq!(may(&[Objection], 300, Close), Err(Unlawful::Before(Open)));
    let quick = Terms { objections_until: None, ..terms.clone() };
    assert_eq!(standing(&quick, &[], 10).may(Open, SOME), Ok(()));
    assert_eq!(standing(&quick, &[], 10).may(Objection, SOME), Err(Unlawful::NoObjections));
    assert_eq!(standing(&quick, &[], 10).next(), Some(Open));
    assert_eq!(standing(&terms, &open, 10).next(), Some(Close));
    assert_eq!(standing(&terms, &Step::ALL, 10).next(), None);
}

#[test]
fn the_roll_is_changed_until_the_cut_off() {
    use Step::{Close, Objection, Open};
    let terms = terms();
    let change = |taken: &[Step], now| standing(&terms, taken, now).may_change_roll();
    assert_eq!(change(&[], 10), Ok(Change::Free));
    assert_eq!(change(&[Objection], 60), Ok(Change::Free));
    assert_eq!(change(&[], 200), Err(Unlawful::Over(Instant(200))));
    assert_eq!(change(&[Objection, Open], 120), Ok(Change::Late));
    assert_eq!(change(&[Objection, Open], 150), Err(Unlawful::CutOff(Instant(150))));
    assert_eq!(change(&[Objection, Open], 200), Err(Unlawful::Over(Instant(200))));
    // An urn that was opened early: the rules' time is not over yet, and it would be wrong to say so.
    assert_eq!(change(&[Objection, Open, Close], 120), Err(Unlawful::Opened));
    let strict = Terms { additions_until: None, ..terms.clone() };
    assert_eq!(standing(&strict, &[Objection, Open], 60).may_change_roll(), Err(Unlawful::RollFrozen));
    let import = |taken: &[Step], now| standing(&terms, taken, now).may_import();
    assert_eq!(import(&[], 10), Ok(()));
    assert_eq!(import(&[], 200), Err(Unlawful::Over(Instant(200))));
    assert_eq!(import(&[Objection], 10), Err(Unlawful::OneByOne));
    // Whoever may still add voters is told how, and nobody else.
    assert_eq!(import(&[Objection, Open], 60), Err(Unlawful::OneByOne));
    assert_eq!(import(&[Objection, Open], 150), Err(Unlawful::CutOff(Instant(150))));
    assert_eq!(import(&[Objection, Open, Close], 160), Err(Unlawful::Opened));
    assert_eq!(standing(&strict, &[Objection, Open], 60).may_import(), Err(Unlawful::RollFrozen));
}

proptest! {
    /// Whatever steps were taken, time alone never leads back, and a step that may be taken leads on.
    #[test]
    fn phases_only_go_on(bits in 0u8..32, early in 0i64..300, wait in 0i64..300, left in 0u64..2, objects in any::<bool>()) {
        let terms = Terms { objections_until: objects.then_some(Instant(50)), ..terms() };
        let taken: BTreeSet<Step> = Step::ALL.into_iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, step)| step).collect();
        let now = Standing { terms: &terms, taken, now: Instant(early) };
        let then = Standing { now: Instant(early + wait), ..now.clone() };
        prop_assert!(now.phase() <= then.phase());
        for step in Step::ALL {
            if now.may(step, Turnout { voters: 1, left, ..Turnout::default() }).is_ok() {
                let mut after = now.clone();
                after.taken.insert(step);
                prop_assert!(now.phase() <= after.phase(), "{step:?}");
                prop_assert_eq!(after.may(step, SOME), Err(Unlawful::Done));
            }
        }
        // No vote is taken in a phase in which the roll could still be changed freely, nor counted while votes are taken.
        prop_assert!(now.phase() != Phase::Open || now.may_change_roll() != Ok(Change::Free));
    }
}

#[test]
fn what_a_voter_hands_in_is_looked_at() {
    let election = council();
    let own = (Some("east"), None);
    let paper = |contest: &str, choice: Choice| paper::read(&election, own, &[(contest.to_owned(), choice)]);
    let named = |written: &str| Choice::Names(written.split_whitespace().map(who).collect());
    assert_eq!(paper::read(&election, own, &[]), Err(PaperFault::Empty));
    assert_eq!(
        paper("boards", named("c01")),
        Err(PaperFault::Ballot("boards".to_owned(), Fault::Contest("boards".to_owned())))
    );
    assert_eq!(
        paper("council", named("c99")),
        Err(PaperFault::Ballot("council".to_owned(), Fault::Candidate("c99".to_owned())))
    );
    assert_eq!(paper("council", named("c01 +Somebody")), Err(PaperFault::Ballot("council".to_owned(), Fault::Kind)));
    assert_eq!(paper("council", Choice::Spoiled), Err(PaperFault::Ballot("council".to_owned(), Fault::Kind)));
    let twice = [("council".to_owned(), named("c01")), ("council".to_owned(), named("c02"))];
    assert_eq!(paper::read(&election, own, &twice), Err(PaperFault::Twice("council".to_owned())));

    let good = paper("council", named("c02 c01")).unwrap();
    assert_eq!(
        (good.len(), good[0].district.as_deref(), paper::spoils(&election, &good)),
        (1, Some("east"), Vec::new())
    );
    assert_eq!(good[0].choice, named("c01 c02"), "each voter sees the candidates in an order of their own");
    for (written, reason) in [("c01 c02 c03", Invalid::Over), ("c06", Invalid::District)] {
        let spoiled = paper("council", named(written)).unwrap();
        assert_eq!(paper::spoils(&election, &spoiled), [("council".to_owned(), reason)], "{written}");
    }
    let blank = paper("council", named("")).unwrap();
    assert!(paper::spoils(&election, &blank).is_empty());

    // Names that are written in.
    let mut open = contest("auditor", Method::Single, 1, &["a"]);
    open.write_in = 1;
    let open = super::election(vec![open]);
    let written = |name: &str| {
        let choice = Choice::Names(vec![Who::Written(name.to_owned()), Who::Listed("a".to_owned())]);
        paper::read(&open, (None, None), &[("auditor".to_owned(), choice)])
    };
    let kept = written(" 山田　 太郎 ").unwrap();
    assert_eq!(kept[0].choice, Choice::Names(vec![Who::Listed("a".to_owned()), Who::Written("山田 太郎".to_owned())]));
    for bad in ["", " ", "a; b", "a\u{7}b", "=1+1", "@a", &"あ".repeat(101)] {
        assert_eq!(written(bad), Err(PaperFault::Written("auditor".to_owned())), "{bad:?}");
    }
}

#[test]
fn no_vote_that_was_cast_here_is_taken_back() {
    let bundle = samples::council();
    let mut files = bundle.files().clone();
    let rules = files.get_mut("election.toml").unwrap();
    *rules = rules.replace("revote = false", "revote = true");
    let alone = election_file::read("election.toml", rules).unwrap();
    assert!(alone.0.terms.revote, "what was cast elsewhere is counted");
    let told = definition::load(&Bundle::from_files(files)).unwrap_err();
    assert!(
        told.iter().any(|one| one.to_string().starts_with("election.toml: terms.revote: a vote that was cast here")),
        "{told:?}"
    );
}

/// Choices for each contest of an election with every kind of ballot.
fn kinds() -> Election {
    let mut named = contest("names", Method::Plural(up_to(2)), 2, &["a", "b", "c"]);
    named.write_in = 2;
    election(vec![
        named,
        contest("marks", Method::Confidence, 2, &["a", "b"]),
        contest("order", Method::Schulze(any_order()), 1, &["a", "b", "c"]),
    ])
}

fn drawn(at: usize, draws: &[usize]) -> Ballot {
    let ids = ["a", "b", "c"];
    match at {
        0 => {
            let mut own: Vec<String> = draws.iter().filter(|at| **at < 3).map(|at| ids[*at].to_owned()).collect();
            own.extend(draws.iter().filter(|at| **at >= 3).map(|at| format!("+Name_{at},\"x\"")));
            names("names", &own.join(" "))
        }
        1 => {
            let own = draws.iter().map(|at| format!("{}{}", ids[at % 2], if at.is_multiple_of(3) { '+' } else { '-' }));
            marks("marks", &own.collect::<Vec<String>>().join(" "))
        }
        _ => {
            let own: Vec<&str> = draws.iter().map(|at| ids[at % 3]).collect();
            ranking("order", &own.join(if draws.len().is_multiple_of(2) { ">" } else { "=" }))
        }
    }
}

proptest! {
    /// A table of ballots is read as what was written, whatever their order, and counts the same.
    #[test]
    fn a_table_of_ballots_holds_all_of_them(draws in prop::collection::vec((0usize..3, prop::collection::vec(0usize..5, 0..4)), 0..20)) {
        let election = kinds();
        let ballots: Vec<Ballot> = draws.iter().map(|(at, draws)| drawn(*at, draws)).collect();
        let table = ballots_file::write(&ballots);
        let read = ballots_file::read("ballots.csv", table.as_bytes(), &election).unwrap();
        prop_assert_eq!(read.iter().map(|own| own.count).sum::<u64>(), ballots.len() as u64);
        let facts = Facts { roll: BTreeMap::from([(None, 100)]), ..seeded("x") };
        prop_assert_eq!(count(&election, &facts, &read).unwrap(), count(&election, &facts, &ballots).unwrap());
        let backwards: Vec<Ballot> = ballots.iter().rev().cloned().collect();
        prop_assert_eq!(&table, &ballots_file::write(&backwards));
        prop_assert_eq!(table, ballots_file::write(&read));
    }

    /// The order in which marks came is lost, unless it is what is marked.
    #[test]
    fn no_ballot_is_known_by_the_order_of_its_marks(at in 0usize..3, draws in prop::collection::vec(0usize..5, 0..4)) {
        let election = kinds();
        let backwards: Vec<usize> = draws.iter().rev().copied().collect();
        let kept = |draws: &[usize]| {
            let own = drawn(at, draws);
            paper::read(&election, (None, None), &[(own.contest, own.choice)]).map(|paper| ballots_file::write(&paper))
        };
        let is_order = at == 2 && draws.len().is_multiple_of(2);
        prop_assert!(is_order || kept(&draws) == kept(&backwards));
    }

    /// Every paper has room in the length that all of them have.
    #[test]
    fn papers_of_an_election_have_one_length(draws in prop::collection::vec(0usize..5, 0..4)) {
        let election = kinds();
        let own: Vec<(String, Choice)> = (0..3).map(|at| drawn(at, &draws)).map(|own| (own.contest, own.choice)).collect();
        if let Ok(paper) = paper::read(&election, (None, None), &own) {
            prop_assert!(ballots_file::write(&paper).len() < paper::sealed_bytes(&election));
        }
    }
}
