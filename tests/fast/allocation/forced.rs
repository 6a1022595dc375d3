//! Arms given by hand among drawn ones: every method goes on, blocks stay whole, a replay agrees and finds what was changed.

use hagaki::domain::allocation::{Fault, FirstDifference, Origin, Replayed, Row, replay, rerandomize};
use proptest::prelude::*;

use super::*;

const SECRET: [u8; 32] = [7; 32];

/// So many subjects of two strata; those whose number is in `forced` get the arm that stands beside it.
fn course(scheme: &Scheme, count: u64, forced: &BTreeMap<u64, &str>) -> (State, Vec<Row>) {
    let mut state = State::new(scheme);
    let mut rows = Vec::new();
    for number in 1..=count {
        let levels = levels(&[("site", "011"), ("sex", if number % 3 == 0 { "F" } else { "M" })]);
        let (allotment, origin) = match forced.get(&number) {
            Some(arm) => (state.give(scheme, &levels, arm).unwrap(), Origin::Forced),
            None => (state.decide(scheme, &levels, &SECRET, number).unwrap().allotment, Origin::Drawn),
        };
        let row = Row { number, levels, allotment, origin };
        state.record_row(scheme, &row).unwrap();
        rows.push(row);
    }
    (state, rows)
}

fn blocks() -> Scheme {
    scheme(
        "method = \"block\"\narms = [{ code = \"A\", ratio = 2 }, { code = \"B\" }]\nfactors = [{ id = \"sex\" }]\n\
         strata = [\"sex\"]\n[block]\nsizes = [3, 6]",
    )
}

/// Every method for two equal arms, and those for others.
fn every_method() -> Vec<Scheme> {
    let two = "arms = [{ code = \"A\" }, { code = \"B\" }]\nfactors = [{ id = \"sex\" }]";
    let strata = "strata = [\"sex\"]";
    let mut texts = vec![
        format!("method = \"simple\"\n{two}"),
        format!("method = \"atkinson\"\n{two}"),
        format!("method = \"hu-hu\"\n{two}\n[hu-hu]\np = 0.8\ntotal_weight = 1\nstratum_weight = 1"),
        format!("method = \"minimization\"\n{two}\n[minimization]\ndistance = \"range\"\nrule = \"best\"\np = \"4/5\""),
        "method = \"minimization\"\narms = [{ code = \"A\" }, { code = \"B\", ratio = 2 }]\nfactors = [{ id = \"sex\" }]\n\
         [minimization]\ndistance = \"variance\"\nrule = \"ratio-arms\"\np = \"4/5\""
            .to_owned(),
    ];
    for (name, table) in [
        ("block", "sizes = [4, 6]"),
        ("block-urn", "lambda = 1"),
        ("biased-coin", "p = \"2/3\""),
        ("big-stick", "limit = 2"),
        ("chen", "limit = 2\np = 0.7"),
        ("wei-urn", "alpha = 0\nbeta = 1"),
        ("maximal", "limit = 2\nsubjects = 20"),
    ] {
        texts.push(format!("method = \"{name}\"\n{two}\n{strata}\n[{name}]\n{table}"));
    }
    texts.iter().map(|text| scheme(text)).collect()
}

#[test]
fn every_method_goes_on_after_a_run_by_hand_and_is_replayed() {
    for scheme in every_method() {
        let forced: BTreeMap<u64, &str> = (5..=16).map(|number| (number, "A")).chain([(20, "B")]).collect();
        let (state, rows) = course(&scheme, 60, &forced);
        let name = scheme.method().key();
        assert_eq!(state.total(), 60, "{name}: caps count everybody");
        assert_eq!(replay(&scheme, &SECRET, rows.clone()).unwrap(), state, "{name}");
        // A drawn one that is passed off as forced, and the other way round, is counted otherwise or drawn otherwise.
        let mut changed = rows.clone();
        changed[6].origin = Origin::Drawn;
        if changed[6].allotment
            != state_of(&scheme, &rows[..6]).decide(&scheme, &rows[6].levels, &SECRET, 7).unwrap().allotment
        {
            assert_eq!(replay(&scheme, &SECRET, changed).unwrap_err().number, 7, "{name}");
        }
        let again = rerandomize(&scheme, &[], &rows, &[], &[9; 32]).unwrap();
        for number in forced.keys() {
            assert_eq!(again[*number as usize - 1].arm, forced[number], "{name}: it keeps its arm");
        }
        assert_ne!(
            again.iter().map(|one| &one.arm).collect::<Vec<_>>(),
            rows.iter().map(|row| &row.allotment.arm).collect::<Vec<_>>()
        );
    }
}

fn state_of(scheme: &Scheme, rows: &[Row]) -> State {
    replay(scheme, &SECRET, rows.to_vec()).unwrap()
}

#[test]
fn no_draw_is_consumed() {
    // The law of `simple` knows no history: the others get what they would have got without it.
    let scheme = scheme("method = \"simple\"\narms = [{ code = \"A\" }, { code = \"B\" }]");
    let plain = course(&scheme, 30, &BTreeMap::new()).1;
    let mixed = course(&scheme, 30, &BTreeMap::from([(4, "A"), (5, "B"), (11, "A")])).1;
    for (one, other) in plain.iter().zip(&mixed).filter(|(_, other)| other.origin == Origin::Drawn) {
        assert_eq!(one, other);
    }
}

#[test]
fn an_arm_given_by_hand_takes_a_slot_of_the_open_block_or_stands_outside() {
    let scheme = blocks();
    let subject = levels(&[("sex", "F")]);
    let mut state = State::new(&scheme);
    let count = |state: &mut State, arm: &str, block_size: Option<u64>, origin| {
        let allotment = Allotment { arm: arm.to_owned(), slot: None, block_size };
        let row = Row { number: 1, levels: subject.clone(), allotment, origin };
        state.record_row(&scheme, &row)
    };
    // No block is open: outside.
    assert_eq!(state.give(&scheme, &subject, "B").unwrap().block_size, None);
    count(&mut state, "B", None, Origin::Forced).unwrap();
    count(&mut state, "A", Some(3), Origin::Drawn).unwrap();
    // One is: its slot, and of that arm none is left.
    assert_eq!(state.give(&scheme, &subject, "B").unwrap().block_size, Some(3));
    count(&mut state, "B", Some(3), Origin::Forced).unwrap();
    assert_eq!(state.give(&scheme, &subject, "B").unwrap().block_size, None);
    count(&mut state, "B", None, Origin::Forced).unwrap();
    // The block ends with what it holds itself.
    let outlook = state.outlook(&scheme, &subject).unwrap();
    assert_eq!(probabilities(&outlook.arms(&scheme)), ["1", "0"]);
    assert!(count(&mut state, "B", Some(3), Origin::Forced).is_err(), "the block has no such slot");
    assert!(count(&mut state, "A", None, Origin::Drawn).is_err(), "what is drawn stands in a block");
    assert_eq!(state.of_stratum(&scheme, &subject).unwrap(), 4);
}

#[test]
fn an_urn_gives_a_ball_if_it_has_one_and_a_list_its_next_place() {
    let urn = scheme("method = \"block-urn\"\narms = [{ code = \"A\" }, { code = \"B\" }]\n[block-urn]\nlambda = 2");
    let (state, _) = course(&urn, 5, &(1..=5).map(|number| (number, "A")).collect());
    // Two balls of A, three more outside: the next is B for certain, and the urn is refilled then.
    let none = levels(&[("sex", "M")]);
    assert_eq!(probabilities(&state.outlook(&urn, &none).unwrap().arms(&urn)), ["0", "1"]);
    assert_eq!(state.of_arm(&urn, "A"), 5);
    // A history cannot have drawn a ball that the urn did not hold, or nobody could be allocated after it.
    let mut elsewhere = State::new(&urn);
    for _ in 0..2 {
        elsewhere.record(&urn, &none, &given("A")).unwrap();
    }
    assert_eq!(elsewhere.record(&urn, &none, &given("A")), Err(Fault::NoPlace("A".to_owned())));
    assert_eq!(probabilities(&elsewhere.outlook(&urn, &none).unwrap().arms(&urn)), ["0", "1"]);
    elsewhere.record(&urn, &none, &given("B")).unwrap();

    let mut problems = Vec::new();
    let list = "method = \"list\"\narms = [{ code = \"A\" }, { code = \"B\" }]\n[list]\nfile = \"list.csv\"";
    let beside = |_: &str| Some("arm\nA\nB\nA\nA\nB\n".to_owned());
    let file = allocation_file::read_with(list, "allocation.toml", &beside, &mut problems);
    let list = file.unwrap_or_else(|| panic!("{problems:?}")).scheme;
    // Number 2 is given what is not next and stands outside; number 3 is drawn B; number 4 is given the place that is next.
    let (state, rows) = course(&list, 6, &BTreeMap::from([(2, "A"), (4, "A")]));
    let arms: Vec<&str> = rows.iter().map(|row| row.allotment.arm.as_str()).collect();
    assert_eq!(arms, ["A", "A", "B", "A", "A", "B"]);
    assert_eq!(replay(&list, &SECRET, rows).unwrap(), state);
}

#[test]
fn a_place_that_does_not_follow_is_found() {
    let scheme = blocks();
    let (_, rows) = course(&scheme, 40, &BTreeMap::from([(9, "B"), (17, "A"), (26, "B")]));
    for (number, block_size) in [(9u64, Some(6)), (17, None), (26, Some(3))] {
        let mut changed = rows.clone();
        let own = &mut changed[number as usize - 1];
        let block_size = if own.allotment.block_size == block_size { None } else { block_size };
        if own.allotment.block_size == block_size {
            continue;
        }
        own.allotment.block_size = block_size;
        let found = replay(&scheme, &SECRET, changed).unwrap_err();
        let expected = Replayed::Allotted(rows[number as usize - 1].allotment.clone());
        let FirstDifference { number: at, expected: follows, .. } = *found;
        assert_eq!((at, follows), (number, expected));
    }
}

#[test]
fn a_closed_arm_is_not_given() {
    let scheme = scheme(
        "method = \"block\"\narms = [{ code = \"A\" }, { code = \"B\" }, { code = \"C\", closed = true }]\n[block]\nsizes = [4]",
    );
    assert!(State::new(&scheme).give(&scheme, &Levels::new(), "C").is_err());
    assert!(State::new(&scheme).give(&scheme, &Levels::new(), "D").is_err());
}

#[test]
fn the_table_is_read_and_its_faults_are_told() {
    let with = |table: &str| format!("method = \"simple\"\narms = [{{ code = \"A\" }}, {{ code = \"B\" }}]\n{table}");
    let mut problems = Vec::new();
    let text = with("[forced]\nlimit = 5\nroles = [\"statistician\", \"manager\"]");
    let read = allocation_file::read(&text, "allocation.toml", &mut problems).unwrap();
    assert_eq!((read.forcing.limit, read.forcing.roles.len(), problems.len()), (5, 2, 0));
    let none = allocation_file::read(&with(""), "allocation.toml", &mut problems).unwrap();
    assert_eq!((none.forcing.limit, none.forcing.roles.len()), (0, 0));
    for (table, key, word) in [
        ("[forced]\nlimit = 5", "forced.roles", "nobody"),
        ("[forced]\nlimit = 5\nroles = []", "forced.roles", "no role"),
        ("[forced]\nroles = [\"statistician\"]", "forced.limit", "missing"),
        ("[forced]\nlimit = -1\nroles = [\"statistician\"]", "forced.limit", "-1"),
        ("[forced]\nlimit = 5\nroles = [\"investigator\"]", "forced.roles", "must not choose"),
        ("[forced]\nlimit = 5\nroles = [\"statistican\"]", "forced.roles", "no role"),
        ("[forced]\nlimit = 5\nrole = [\"statistician\"]", "forced.role", "unknown key"),
    ] {
        let told = errors(&with(table));
        assert!(told.iter().any(|one| one.key == key && one.wrong.contains(word)), "{table}: {told:?}");
    }
    let none = errors("method = \"none\"\n[forced]\nlimit = 1\nroles = [\"statistician\"]");
    assert!(none[0].wrong.contains("gives no arms"), "{none:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn every_block_holds_its_own_subjects_in_ratio(
        forced in proptest::collection::btree_map(1u64..80, prop_oneof![Just("A"), Just("B")], 0..30),
        secret in any::<[u8; 32]>(),
    ) {
        let scheme = blocks();
        let mut state = State::new(&scheme);
        let mut rows = Vec::new();
        for number in 1..=80u64 {
            let levels = levels(&[("sex", if number % 3 == 0 { "F" } else { "M" })]);
            let (allotment, origin) = match forced.get(&number) {
                Some(arm) => (state.give(&scheme, &levels, arm).unwrap(), Origin::Forced),
                None => (state.decide(&scheme, &levels, &secret, number).unwrap().allotment, Origin::Drawn),
            };
            let row = Row { number, levels, allotment, origin };
            state.record_row(&scheme, &row).unwrap();
            rows.push(row);
        }
        prop_assert_eq!(&replay(&scheme, &secret, rows.clone()).unwrap(), &state);
        for sex in ["F", "M"] {
            let own = rows.iter().filter(|row| row.levels["sex"] == sex);
            let placed: Vec<(&str, u64)> =
                own.filter_map(|row| Some((row.allotment.arm.as_str(), row.allotment.block_size?))).collect();
            // What stands in blocks can be cut into them again, from the sizes alone.
            let mut rest = placed.as_slice();
            while let Some((_, size)) = rest.first() {
                let (block, behind) = rest.split_at((*size as usize).min(rest.len()));
                prop_assert!(block.iter().all(|(_, own)| own == size));
                let of_a = block.iter().filter(|(arm, _)| *arm == "A").count();
                prop_assert!(of_a as u64 <= 2 * size / 3 && (block.len() - of_a) as u64 <= size / 3);
                rest = behind;
            }
        }
    }
}
