//! What was changed after it was made is refused, by the reason that is true of it, with the chain over it made anew.

use hagaki::domain::belenios::archive::{DATA_SUFFIX, EVENT_SUFFIX};
use hagaki::domain::belenios::audit::{self, Expected, Report};
use hagaki::domain::belenios::group;
use hagaki::domain::belenios::json::hex_digest;
use hagaki::domain::belenios::problem::Code;
use hagaki::domain::belenios::setup::Credentials;
use hagaki::domain::belenios::tar;
use num_bigint::BigUint;

use super::world::{Parts, SEED, TIME, World, question, records};

fn world() -> World {
    let mut world = World::new(&[question(&["はい", "いいえ"], false, 0, 1)], &[1, 1, 1]);
    for (voter, votes) in [(0, [1, 0]), (1, [0, 1]), (0, [0, 1])] {
        world.vote(voter, &[votes.to_vec()]);
    }
    world.close();
    world
}

fn check(bytes: &[u8]) -> Report {
    audit::check(bytes, Expected::default(), SEED)
}

fn codes(report: &Report) -> Vec<Code> {
    report.problems.iter().map(|problem| problem.code).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The text after `before` and up to the next quotation mark, exchanged.
fn exchange(bytes: &[u8], before: &str, by: impl Fn(&str) -> String) -> Vec<u8> {
    let all = text(bytes);
    let from = all.find(before).unwrap_or_else(|| panic!("{before}")) + before.len();
    let to = from + all[from..].find('"').unwrap();
    format!("{}{}{}", &all[..from], by(&all[from..to]), &all[to..]).into_bytes()
}

fn number(text: &str) -> BigUint {
    text.parse().unwrap()
}

/// The other number with the same square, which is of no power of the generator.
fn negated(text: &str) -> String {
    (number(group::PRIME) - number(text)).to_string()
}

fn one_more(text: &str) -> String {
    (number(text) + 1_u8).to_string()
}

/// The first ballot, changed and the rest as it is.
fn in_ballot(parts: &mut Parts, change: impl Fn(&[u8]) -> Vec<u8>) {
    parts.ballots[0] = change(&parts.ballots[0]);
}

#[test]
fn what_was_changed_is_refused_by_its_reason() {
    let world = world();
    assert_eq!(codes(&check(&world.parts.write())), [], "unchanged");
    type Change<'a> = Box<dyn Fn(&mut Parts) + 'a>;
    let stranger = World::new(&[question(&["はい", "いいえ"], false, 0, 1)], &[1, 1, 1, 1]);
    let strangers_ballot = || {
        let secret = &stranger.voters[0];
        hagaki::domain::belenios::ballot::make(&world.election, secret, &[vec![1, 0]], &world.dice).unwrap()
    };
    let mutations: Vec<(&str, Code, Change<'_>)> = vec![
        (
            "a response in an individual proof",
            Code::SignatureHash,
            Box::new(|parts| {
                in_ballot(parts, |ballot| exchange(ballot, "\"response\":\"", one_more));
            }),
        ),
        (
            "the same, signed anew by the voter",
            Code::IndividualProof,
            Box::new(|parts| {
                let broken = exchange(&parts.ballots[0], "\"response\":\"", one_more);
                parts.ballots[0] = world.signed(&broken, 0);
            }),
        ),
        (
            "a response in the overall proof, signed anew",
            Code::OverallProof,
            Box::new(|parts| {
                let at = text(&parts.ballots[0]).find("overall_proof").unwrap();
                let (head, tail) = parts.ballots[0].split_at(at);
                let broken = [head, &exchange(tail, "\"response\":\"", one_more)].concat();
                parts.ballots[0] = world.signed(&broken, 0);
            }),
        ),
        (
            "a response of a signature",
            Code::Signature,
            Box::new(|parts| {
                let at = text(&parts.ballots[0]).find("\"signature\"").unwrap();
                let (head, tail) = parts.ballots[0].split_at(at);
                parts.ballots[0] = [head, &exchange(tail, "\"response\":\"", one_more)].concat();
            }),
        ),
        (
            "an exponent written by its order more",
            Code::NotAnExponent,
            Box::new(|parts| {
                in_ballot(parts, |ballot| {
                    let at = text(ballot).find("\"signature\"").unwrap();
                    let more = |text: &str| (number(text) + number(group::ORDER)).to_string();
                    let (head, tail) = ballot.split_at(at);
                    [head, &exchange(tail, "\"response\":\"", more)].concat()
                });
            }),
        ),
        (
            "an encrypted number outside the group",
            Code::OutsideGroup,
            Box::new(|parts| {
                parts.ballots[0] = world.signed(&exchange(&parts.ballots[0], "\"alpha\":\"", negated), 0);
            }),
        ),
        (
            "an encrypted number of zero",
            Code::NotAnElement,
            Box::new(|parts| {
                parts.ballots[0] = world.signed(&exchange(&parts.ballots[0], "\"alpha\":\"", |_| "0".to_owned()), 0);
            }),
        ),
        (
            "a number with a leading zero",
            Code::NotAnElement,
            Box::new(|parts| {
                parts.ballots[0] =
                    world.signed(&exchange(&parts.ballots[0], "\"alpha\":\"", |old| format!("0{old}")), 0);
            }),
        ),
        (
            "a choice taken out",
            Code::BallotShape,
            Box::new(|parts| {
                let ballot = text(&parts.ballots[0]);
                let (from, to) = (ballot.find("},{\"alpha\"").unwrap() + 1, ballot.find("],\"individual").unwrap());
                parts.ballots[0] = world.signed(format!("{}{}", &ballot[..from], &ballot[to..]).as_bytes(), 0);
            }),
        ),
        (
            "a ballot of another election",
            Code::OtherElection,
            Box::new(|parts| {
                in_ballot(parts, |ballot| exchange(ballot, "\"election_hash\":\"", |_| "A".repeat(43)));
            }),
        ),
        (
            "a ballot of another identifier",
            Code::OtherElection,
            Box::new(|parts| {
                in_ballot(parts, |ballot| exchange(ballot, "\"election_uuid\":\"", |_| "1".repeat(14)));
            }),
        ),
        (
            "a credential that is not on the list",
            Code::CredentialUnknown,
            Box::new(|parts| {
                parts.ballots.push(strangers_ballot());
            }),
        ),
        (
            "spaces in a ballot",
            Code::OtherForm,
            Box::new(|parts| {
                in_ballot(parts, |ballot| text(ballot).replace("\",\"", "\", \"").into_bytes());
            }),
        ),
        (
            "a field more in a ballot",
            Code::Unreadable,
            Box::new(|parts| {
                in_ballot(parts, |ballot| text(ballot).replacen('{', "{\"more\":1,", 1).into_bytes());
            }),
        ),
        (
            "exactly the same ballot twice",
            Code::BallotTwice,
            Box::new(|parts| {
                parts.ballots.push(parts.ballots[2].clone());
            }),
        ),
        (
            "the last vote of somebody dropped",
            Code::Tally,
            Box::new(|parts| {
                parts.ballots.pop();
            }),
        ),
        ("the order of two votes of one person", Code::Tally, Box::new(|parts| parts.ballots.swap(0, 2))),
        ("all ballots dropped", Code::NumTallied, Box::new(|parts| parts.ballots.clear())),
        ("the number of counted ballots", Code::NumTallied, Box::new(|parts| parts.tallied += 1)),
        ("the weight counted", Code::TotalWeight, Box::new(|parts| parts.weight -= 1)),
        (
            "a number of the encrypted sum",
            Code::Tally,
            Box::new(|parts| {
                parts.sum = exchange(&parts.sum, "\"beta\":\"", one_more);
            }),
        ),
        (
            "a mandatory decryption removed",
            Code::DecryptionMissing,
            Box::new(|parts| {
                parts.decryptions.pop();
            }),
        ),
        (
            "decryptions under each other's number",
            Code::DecryptionProof,
            Box::new(|parts| {
                let (first, second) = (parts.decryptions[0].1.clone(), parts.decryptions[1].1.clone());
                parts.decryptions = vec![(1, second), (2, first)];
            }),
        ),
        ("a decryption of nobody", Code::OwnerUnknown, Box::new(|parts| parts.decryptions[0].0 = 3)),
        ("a decryption of number zero", Code::OwnerUnknown, Box::new(|parts| parts.decryptions[0].0 = 0)),
        (
            "a decryption outside the group",
            Code::OutsideGroup,
            Box::new(|parts| {
                parts.decryptions[0].1 = exchange(&parts.decryptions[0].1, "[[\"", negated);
            }),
        ),
        (
            "a decryption with a row too few",
            Code::DecryptionShape,
            Box::new(|parts| {
                parts.decryptions[0].1 = b"{\"decryption_factors\":[],\"decryption_proofs\":[]}".to_vec();
            }),
        ),
        ("the result", Code::Result, Box::new(|parts| parts.result = Some(b"{\"result\":[[1,1]]}".to_vec()))),
        (
            "a result above what could be",
            Code::Result,
            Box::new(|parts| {
                parts.result = Some(b"{\"result\":[[0,3]]}".to_vec());
            }),
        ),
        (
            "a result with an answer too many",
            Code::ResultShape,
            Box::new(|parts| {
                parts.result = Some(b"{\"result\":[[0,2,0]]}".to_vec());
            }),
        ),
        ("the result missing", Code::ResultMissing, Box::new(|parts| parts.result = None)),
        (
            "a trustee's proof",
            Code::TrusteeProof,
            Box::new(|parts| {
                parts.trustees = exchange(&parts.trustees, "\"response\":\"", one_more);
            }),
        ),
        (
            "a trustee's key",
            Code::ElectionKey,
            Box::new(|parts| {
                parts.trustees = exchange(&parts.trustees, "\"public_key\":\"", |_| group::GENERATOR.to_owned());
            }),
        ),
        (
            "a trustee more",
            Code::ElectionKey,
            Box::new(|parts| {
                let one = text(&parts.trustees);
                let end = one.find(",[\"Single\"").unwrap();
                parts.trustees = format!("{},{}", &one[..end], &one[1..]).into_bytes();
            }),
        ),
        ("no trustee", Code::NoTrustees, Box::new(|parts| parts.trustees = b"[]".to_vec())),
        (
            "trustees of whom some are enough",
            Code::Threshold,
            Box::new(|parts| {
                parts.trustees = text(&parts.trustees).replacen("Single", "Pedersen", 1).into_bytes();
            }),
        ),
        (
            "a credential twice",
            Code::CredentialTwice,
            Box::new(|parts| {
                let list = text(&parts.credentials);
                let first = &list[1..list.find(',').unwrap()];
                parts.credentials = format!("[{first},{}", &list[1..]).into_bytes();
            }),
        ),
        (
            "a credential outside the group",
            Code::OutsideGroup,
            Box::new(|parts| {
                let voted: Vec<String> = world.keys[..2].iter().map(|(key, _)| key.to_string()).collect();
                let own = world.keys[2].0.to_string();
                assert!(!voted.contains(&own));
                parts.credentials = text(&parts.credentials).replace(&own, &negated(&own)).into_bytes();
            }),
        ),
        (
            "a weight that is none",
            Code::Weight,
            Box::new(|parts| {
                parts.credentials = text(&parts.credentials).replacen("\"]", ",-1\"]", 1).into_bytes();
            }),
        ),
        (
            "the weight of somebody who voted",
            Code::TotalWeight,
            Box::new(|parts| {
                let weighted: Vec<_> = world.keys.iter().map(|(key, _)| (*key, 2)).collect();
                parts.credentials = Credentials::file(&weighted);
            }),
        ),
        (
            "a credential that everybody has",
            Code::OpenKey,
            Box::new(|parts| {
                parts.credentials = text(&parts.credentials).replacen('[', "[\"1\",", 1).into_bytes();
            }),
        ),
        ("nobody on the list", Code::NoCredentials, Box::new(|parts| parts.credentials = b"[]".to_vec())),
        (
            "the wording of the question",
            Code::OtherElection,
            Box::new(|parts| {
                parts.election = text(&parts.election).replace("信任", "不信任").into_bytes();
            }),
        ),
        (
            "fewest above most",
            Code::Question,
            Box::new(|parts| {
                parts.election = text(&parts.election).replace("\"min\":0", "\"min\":2").into_bytes();
            }),
        ),
        (
            "another version",
            Code::UnknownVersion,
            Box::new(|parts| {
                parts.election = text(&parts.election).replacen("\"version\":1", "\"version\":2", 1).into_bytes();
            }),
        ),
        (
            "another group",
            Code::UnknownGroup,
            Box::new(|parts| {
                parts.election = text(&parts.election).replace("BELENIOS-2048", "Ed25519").into_bytes();
            }),
        ),
        (
            "an identifier that is none",
            Code::Uuid,
            Box::new(|parts| {
                parts.election = exchange(&parts.election, "\"uuid\":\"", |_| "O0Il".repeat(4));
            }),
        ),
    ];
    for (name, code, change) in mutations {
        let mut parts = world.parts.clone();
        change(&mut parts);
        let report = check(&parts.write());
        assert!(codes(&report).contains(&code), "{name}: {:?}", codes(&report));
        assert_eq!(report.result, None, "{name}");
    }
}

#[test]
fn what_only_looks_different_is_accepted() {
    let world = world();
    let unsorted = {
        let mut texts: Vec<String> = serde_json::from_slice(&world.parts.credentials).unwrap();
        texts.reverse();
        serde_json::to_vec(&texts).unwrap()
    };
    let weighted = text(&world.parts.credentials).replace("\",", ",1\",").replace("\"]", ",1\"]").into_bytes();
    for credentials in [unsorted, weighted] {
        let report = check(&Parts { credentials, ..world.parts.clone() }.write());
        assert_eq!(codes(&report), []);
    }
}

#[test]
fn what_is_known_from_elsewhere_has_to_be_so() {
    let world = world();
    let bytes = world.parts.write();
    let right = Expected {
        fingerprint: Some(world.election.fingerprint.clone()),
        credentials: Some(hagaki::domain::belenios::json::base64_digest(&world.parts.credentials)),
        voters: Some(3),
        open: false,
    };
    assert_eq!(codes(&audit::check(&bytes, right.clone(), SEED)), []);
    let other = Some("A".repeat(43));
    for (expected, code) in [
        (Expected { fingerprint: other.clone(), ..right.clone() }, Code::OtherFingerprint),
        (Expected { credentials: other, ..right.clone() }, Code::OtherCredentials),
        (Expected { voters: Some(4), ..right }, Code::OtherVoters),
    ] {
        assert_eq!(codes(&audit::check(&bytes, expected, SEED)), [code]);
    }
}

/// An archive as names and contents, to be put together in another way.
fn written(records: &[(String, Vec<u8>)]) -> Vec<u8> {
    records.iter().flat_map(|(name, body)| tar::record(name, body, TIME).unwrap()).collect()
}

#[test]
fn what_was_put_together_in_another_way_is_refused() {
    let world = world();
    let bytes = world.parts.write();
    let named: Vec<(String, Vec<u8>)> =
        records(&bytes).into_iter().map(|record| (record.name().unwrap().to_owned(), record.body)).collect();
    assert_eq!(written(&named), bytes);
    let events: Vec<usize> = (0..named.len()).filter(|at| named[*at].0.ends_with(EVENT_SUFFIX)).collect();
    type Change = fn(&mut Vec<(String, Vec<u8>)>, &[usize]);
    let changes: Vec<(&str, Code, Change)> = vec![
        ("an event taken out", Code::Parent, |named, events| {
            named.drain(events[1] - 1..=events[1]);
        }),
        ("the number of an event", Code::Height, |named, events| {
            let body = text(&named[events[1]].1).replace("\"height\":1", "\"height\":7").into_bytes();
            named[events[1]] = (format!("{}{EVENT_SUFFIX}", hex_digest(&body)), body);
        }),
        ("what an event follows", Code::Parent, |named, events| {
            let body = exchange(&named[events[1]].1, "\"parent\":\"", |_| "0".repeat(64));
            named[events[1]] = (format!("{}{EVENT_SUFFIX}", hex_digest(&body)), body);
        }),
        ("data under a name that is not theirs", Code::Digest, |named, _| named[1].1.push(b' ')),
        ("data of no event", Code::UnusedData, |named, events| {
            named.insert(events[1], (format!("{}{DATA_SUFFIX}", hex_digest(b"{}")), b"{}".to_vec()));
        }),
        ("data that are not there", Code::PayloadMissing, |named, events| {
            named.remove(events[1] - 1);
        }),
        ("a name of no kind", Code::RecordName, |named, _| named.push(("note.txt".to_owned(), Vec::new()))),
        ("no beginning", Code::Header, |named, _| {
            named.remove(0);
        }),
        ("a ballot after the end of voting", Code::EventOrder, |named, events| {
            let last = named.len();
            let body = text(&named[events[1]].1);
            let (head, height) = (&named[last - 1].0[..64], events.len());
            let body = body.replace("\"height\":1", &format!("\"height\":{height}"));
            let body = exchange(body.as_bytes(), "\"parent\":\"", |_| head.to_owned());
            let body = exchange(&body, "\"payload\":\"", |_| hex_digest(b"{}"));
            named.push((format!("{}{DATA_SUFFIX}", hex_digest(b"{}")), b"{}".to_vec()));
            named.push((format!("{}{EVENT_SUFFIX}", hex_digest(&body)), body));
        }),
    ];
    for (name, code, change) in changes {
        let mut changed = named.clone();
        change(&mut changed, &events);
        let report = check(&written(&changed));
        assert!(codes(&report).contains(&code), "{name}: {:?}", codes(&report));
        assert_eq!(report.result, None, "{name}");
    }
    type Bytes = fn(Vec<u8>) -> Vec<u8>;
    let changes: Vec<(&str, Code, Bytes)> = vec![
        ("another mode", Code::TarHeader, |bytes| {
            let other = text(&bytes[1024..1536]).replace("0000644", "0000600");
            [&bytes[..1024], &checksummed(other.as_bytes()), &bytes[1536..]].concat()
        }),
        ("another time", Code::TarHeader, |bytes| {
            let (old, new) = (format!("{TIME:011o}"), format!("{:011o}", TIME + 1));
            let other = text(&bytes[1024..1536]).replace(&old, &new);
            [&bytes[..1024], &checksummed(other.as_bytes()), &bytes[1536..]].concat()
        }),
        ("end marks", Code::TarHeader, |bytes| [&bytes[..], &[0; 1024]].concat()),
        ("cut off", Code::TarCut, |bytes| bytes[..bytes.len() - 100].to_vec()),
        ("a byte after the end", Code::TarCut, |bytes| [&bytes[..], b"\0"].concat()),
        ("something in the padding", Code::TarPadding, |mut bytes| {
            let last = bytes.len() - 1;
            bytes[last] = 1;
            bytes
        }),
        ("nothing", Code::Header, |_| Vec::new()),
    ];
    for (name, code, change) in changes {
        let report = check(&change(bytes.clone()));
        assert!(codes(&report).contains(&code), "{name}: {:?}", codes(&report));
        assert_eq!(report.result, None, "{name}");
    }
}

/// The block with the checksum it has to have.
fn checksummed(block: &[u8]) -> Vec<u8> {
    let mut block = block.to_vec();
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}
