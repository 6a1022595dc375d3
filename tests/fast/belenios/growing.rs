//! An archive that grows step by step, and what it does not take.

use hagaki::domain::belenios::archive::Archive;
use hagaki::domain::belenios::audit::{self, Audit, Expected, Stage};
use hagaki::domain::belenios::ballot;
use hagaki::domain::belenios::choices::{ChoiceFault, Chosen};
use hagaki::domain::belenios::growing::{Growing, StepFault};
use hagaki::domain::belenios::json::{base64_digest, hex_digest};
use hagaki::domain::belenios::problem::Code;
use hagaki::domain::belenios::tar;
use hagaki::domain::belenios::trustee_key::TrusteeKey;

use super::world::{SEED, Seeded, World, question, records};

/// Goes on from a file.
fn resumed(bytes: &[u8]) -> Option<Growing> {
    let mut audit = Audit::begin(Expected { open: true, ..Expected::default() });
    for record in records(bytes) {
        audit.work_off(SEED);
        audit.take(record);
    }
    audit.work_off(SEED);
    Growing::of(audit).ok()
}

fn keys(world: &World) -> Vec<TrusteeKey> {
    world.trustees.iter().map(|secret| TrusteeKey::read(&format!("\"{secret}\"")).unwrap()).collect()
}

#[test]
fn an_election_from_its_first_step_to_its_result() {
    let world = World::new(&[question(&["甲", "乙"], true, 1, 1)], &[1, 1, 2]);
    let mut bytes = world.parts.voting().bytes().to_vec();
    let mut growing = resumed(&bytes).unwrap();
    let make = |voter: usize, votes: &[u64]| {
        ballot::make(&world.election, &world.voters[voter], &[votes.to_vec()], &world.dice)
    };
    let first = make(0, &[0, 1, 0]).unwrap();
    let cast = growing.add_ballot(&first).unwrap();
    assert_eq!((cast.tracker.as_str(), cast.replaces), (base64_digest(&first).as_str(), false));
    bytes.extend(&cast.bytes);
    assert_eq!(growing.add_ballot(&first), Err(StepFault::Wrong(Code::BallotTwice)));
    // What is refused leaves no trace: the same again with what holds.
    let mut changed = make(1, &[0, 0, 1]).unwrap();
    let whole = changed.clone();
    let at = changed.len() / 2;
    changed[at] ^= 1;
    assert!(matches!(growing.add_ballot(&changed), Err(StepFault::Wrong(_))));
    let stranger = ballot::make(&world.election, &world.trustees[0], &[vec![1, 0, 0]], &world.dice).unwrap();
    assert_eq!(growing.add_ballot(&stranger), Err(StepFault::Wrong(Code::CredentialUnknown)));
    bytes.extend(growing.add_ballot(&whole).unwrap().bytes);
    // Another process goes on.
    let mut growing = resumed(&bytes).unwrap();
    assert_eq!(growing.add_ballot(&first), Err(StepFault::Wrong(Code::BallotTwice)));
    let cast = growing.add_ballot(&make(0, &[1, 0, 0]).unwrap()).unwrap();
    assert!(cast.replaces);
    bytes.extend(cast.bytes);
    bytes.extend(growing.add_ballot(&make(2, &[0, 0, 1]).unwrap()).unwrap().bytes);
    assert_eq!(growing.counted(), (3, 4));

    let (keys, dice) = (keys(&world), Seeded::new(9));
    assert_eq!(growing.decrypt(&keys[0], &dice), Err(StepFault::NotClosed));
    assert_eq!(growing.add_decryption(b"{}"), Err(StepFault::NotClosed));
    bytes.extend(growing.close().unwrap());
    assert_eq!(growing.close(), Err(StepFault::Closed));
    assert_eq!(growing.add_ballot(&make(1, &[0, 1, 0]).unwrap()), Err(StepFault::Closed));

    let mut growing = resumed(&bytes).unwrap();
    assert_eq!(growing.stage(), Stage::Tallied);
    assert_eq!(growing.decrypt(&TrusteeKey::draw(&dice), &dice), Err(StepFault::NoTrustee));
    let parts = keys.iter().map(|key| growing.decrypt(key, &dice).unwrap()).collect::<Vec<_>>();
    assert_eq!((parts[0].owner, parts[1].owner), (1, 2));
    assert_eq!(parts[0].sum, parts[1].sum);
    // The second trustee is the first to send a part; whose it is shows in its proofs.
    let taken = growing.add_decryption(&parts[1].file).unwrap();
    assert_eq!((taken.owner, &taken.missing, &taken.votes), (2, &vec![1], &None));
    bytes.extend(&taken.bytes);
    assert_eq!(growing.add_decryption(&parts[1].file), Err(StepFault::There(2)));
    assert_eq!(growing.decrypt(&keys[1], &dice), Err(StepFault::There(2)));
    let text = String::from_utf8(parts[0].file.clone()).unwrap();
    let exchanged = text.replacen("\"response\":\"", "\"response\":\"1", 1);
    assert!(matches!(growing.add_decryption(exchanged.as_bytes()), Err(StepFault::Wrong(_))));
    assert_eq!(growing.add_decryption(b""), Err(StepFault::Wrong(Code::Unreadable)));

    let mut growing = resumed(&bytes).unwrap();
    let taken = growing.add_decryption(&parts[0].file).unwrap();
    assert_eq!(taken.votes, Some(vec![vec![1, 0, 3]]));
    bytes.extend(taken.bytes);
    assert_eq!(growing.add_decryption(&parts[0].file), Err(StepFault::Finished));
    assert_eq!(growing.decrypt(&keys[0], &dice), Err(StepFault::Finished));
    let report = audit::check(&bytes, Expected::default(), SEED);
    assert_eq!(report.problems, []);
    assert_eq!((report.ballots, report.voted, report.result), (4, 3, taken.votes));
}

#[test]
fn a_part_of_another_sum_is_not_taken() {
    let mut world = World::new(&[question(&["可"], false, 0, 1)], &[1, 1]);
    world.vote(0, &[vec![1]]);
    let mut fewer = resumed(world.parts.voting().bytes()).unwrap();
    fewer.close().unwrap();
    world.vote(1, &[vec![0]]);
    let mut all = resumed(world.parts.voting().bytes()).unwrap();
    all.close().unwrap();
    let (key, dice) = (&keys(&world)[0], Seeded::new(9));
    let part = fewer.decrypt(key, &dice).unwrap();
    assert_ne!(part.sum, all.decrypt(key, &dice).unwrap().sum, "a trustee can tell the two sums apart");
    assert_eq!(all.add_decryption(&part.file), Err(StepFault::Wrong(Code::DecryptionProof)));
}

#[test]
fn nothing_is_built_on_what_does_not_hold() {
    let mut world = World::new(&[question(&["可"], false, 0, 1)], &[1]);
    world.vote(0, &[vec![1]]);
    let voting = world.parts.voting().bytes().to_vec();
    assert!(resumed(&voting).is_some());
    assert!(resumed(Archive::begin(super::world::TIME).bytes()).is_none(), "no set-up");
    let mut ballot = world.parts.ballots[0].clone();
    ballot.push(b' ');
    world.parts.ballots.push(ballot);
    assert!(resumed(world.parts.voting().bytes()).is_none(), "a ballot in another form");
    // Data whose event was not written.
    let name = format!("{}.data.json", hex_digest(b"x"));
    let record = tar::record(&name, b"x", super::world::TIME).unwrap();
    assert!(resumed(&[voting, record].concat()).is_none());
}

#[test]
fn what_is_chosen_keeps_the_rule() {
    let own = question(&["甲", "乙", "丙"], true, 2, 2);
    let names = |names: &[&str]| Chosen::Answers(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(names(&["丙", "甲"]).votes(&own), Ok(vec![0, 1, 0, 1]));
    assert_eq!(Chosen::Blank.votes(&own), Ok(vec![1, 0, 0, 0]));
    assert_eq!(Chosen::Numbers(vec![0, 1, 1, 0]).votes(&own), Ok(vec![0, 1, 1, 0]));
    assert_eq!(names(&["甲"]).votes(&own), Err(ChoiceFault::Count { min: 2, max: 2, chosen: 1 }));
    assert_eq!(names(&["甲", "丁"]).votes(&own), Err(ChoiceFault::Unknown("丁".to_owned())));
    assert_eq!(names(&["甲", "甲"]).votes(&own), Err(ChoiceFault::Twice("甲".to_owned())));
    assert_eq!(Chosen::Numbers(vec![1, 1, 1, 0]).votes(&own), Err(ChoiceFault::BlankAndChosen));
    assert_eq!(Chosen::Numbers(vec![0, 2, 0, 0]).votes(&own), Err(ChoiceFault::Numbers(4)));
    assert_eq!(Chosen::Blank.votes(&question(&["甲"], false, 0, 1)), Err(ChoiceFault::NoBlank));
    let twins = question(&["甲", "甲"], false, 1, 1);
    assert_eq!(names(&["甲"]).votes(&twins), Err(ChoiceFault::Ambiguous("甲".to_owned())));
}
