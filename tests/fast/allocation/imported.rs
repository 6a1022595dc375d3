//! Imported lists: taken in order, refused where they are wrong, concealed where they are right.

use std::sync::Arc;

use hagaki::domain::allocation::{ArmList, Fault, Full, Method};
use hagaki::domain::study::Caps;

use super::*;

const LIST: &str = "method = \"list\"\narms = [ { code = \"A\" }, { code = \"B\" } ]\nfactors = [ { id = \"sex\", levels = [\"F\", \"M\"] }, { id = \"site\" } ]\nstrata = [\"sex\", \"site\"]\n[list]\nfile = \"list.csv\"";

fn read(text: &str, list: &str) -> (Option<Scheme>, Vec<String>) {
    let mut problems = Vec::new();
    let beside = |name: &str| (name == "list.csv").then(|| list.to_owned());
    let file = allocation_file::read_with(text, "allocation.toml", &beside, &mut problems);
    (file.map(|file| file.scheme), problems.iter().map(ToString::to_string).collect())
}

fn list_of(scheme: &Scheme) -> Arc<ArmList> {
    let Method::List(list) = scheme.method() else { panic!("{scheme:?}") };
    Arc::clone(list)
}

/// The arms that subjects of those levels get, one after the other, until the list is used up.
fn arms_of(scheme: &Scheme, subject: &Levels) -> String {
    let mut state = State::new(scheme);
    let mut arms = String::new();
    while state.find_full(scheme, &Caps::default(), None, subject).unwrap().is_none() {
        let number = state.total() + 1;
        let decision = state.decide(scheme, subject, &[8; 32], number).unwrap();
        // Nothing is random: another secret gives the same arm.
        assert_eq!(state.decide(scheme, subject, &[9; 32], number).unwrap().allotment, decision.allotment);
        state.record(scheme, subject, &decision.allotment).unwrap();
        arms.push_str(&decision.allotment.arm);
    }
    assert_eq!(state.find_full(scheme, &Caps::default(), None, subject).unwrap(), Some(Full::List));
    assert_eq!(state.decide(scheme, subject, &[8; 32], 99).unwrap_err(), Fault::ListUsedUp);
    assert_eq!(state.record(scheme, subject, &given(&scheme.arms()[0].code)).unwrap_err(), Fault::ListUsedUp);
    arms
}

#[test]
fn the_order_of_the_file_is_the_sequence_of_each_stratum() {
    let text = "number,sex,site,arm\n1,F,1,B\n1,M,1,A\n2,F,1,B\n2,M,1,B\n3,F,1,A\n4,F,1,A\n7,F,2,A\n8,F,2,B\n";
    let (scheme, problems) = read(LIST, text);
    assert_eq!(problems, Vec::<String>::new());
    let scheme = scheme.unwrap();
    assert_eq!(arms_of(&scheme, &levels(&[("sex", "F"), ("site", "1")])), "BBAA");
    assert_eq!(arms_of(&scheme, &levels(&[("sex", "M"), ("site", "1")])), "AB");
    assert_eq!(arms_of(&scheme, &levels(&[("sex", "F"), ("site", "2")])), "AB");
    // Nobody thought of such subjects: refused, and no arm is told.
    assert_eq!(arms_of(&scheme, &levels(&[("sex", "M"), ("site", "2")])), "");
    let list = list_of(&scheme);
    assert_eq!(list.places(), 8);
    assert_eq!(list.arm_counts(), [("A", 4), ("B", 4)]);
    let strata: Vec<(String, usize)> = list.sequences().map(|(levels, places)| (levels.join(" "), places)).collect();
    assert_eq!(strata, [("F 1".to_owned(), 4), ("F 2".to_owned(), 2), ("M 1".to_owned(), 2)]);
    // sha256sum of the text.
    assert_eq!(list.digest(), "59041ed88022ca4f0bdcbd568fc3e6dae2ad44056fa4d46811913f16ac3e3a47");
    assert!(!format!("{scheme:?}").contains("sequences"), "a list is not shown by chance");
}

#[test]
fn a_redcap_allocation_table_is_a_list() {
    let text = LIST.replace("\"A\"", "\"1\"").replace("\"B\"", "\"2\"");
    let table = "redcap_randomization_number,redcap_randomization_group,sex,redcap_data_access_group\nR-093,1,F,north\nR-101,2,F,north\n,2,M,north\n,1,M,north\n";
    let (scheme, problems) = read(&text, table);
    assert_eq!(problems, Vec::<String>::new());
    let scheme = scheme.unwrap();
    assert_eq!(arms_of(&scheme, &levels(&[("sex", "F"), ("site", "north")])), "12");
    assert_eq!(arms_of(&scheme, &levels(&[("sex", "M"), ("site", "north")])), "21");
    let (_, problems) = read(&text, &table.replace("R-101", "R-093"));
    assert_eq!(problems, ["list.csv:3: redcap_randomization_number: \"R-093\" stands twice — each number once"]);
    // The lines are the sequence, and numbers against it are pointed at, once; those of another stratum or kind say nothing.
    let sorted = table.replace("R-093", "R-0103") + "R-7,1,M,north\nS-6,2,M,north\nR-1,1,F,north\nR-2,2,F,north\n";
    let (scheme, problems) = read(&text, &sorted);
    assert_eq!(
        problems,
        [
            "list.csv:3: redcap_randomization_number: \"R-101\" stands behind \"R-0103\": arms are given in the order of the lines, \
          whatever the numbers — look whether the list was sorted otherwise after it was made; if so, sort it by these numbers"
        ]
    );
    assert_eq!(arms_of(&scheme.unwrap(), &levels(&[("sex", "F"), ("site", "north")])), "1212");
    // The field of the stratum has another name there.
    let renamed = format!("{text}\ncolumns = {{ sex = \"gender\" }}");
    let (scheme, problems) = read(&renamed, &table.replace("sex", "gender"));
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(arms_of(&scheme.unwrap(), &levels(&[("sex", "F"), ("site", "north")])), "12");
    let (_, problems) = read(&renamed.replace("{ sex", "{ sxe"), table);
    assert!(problems[0].contains("list.columns.sxe: \"sxe\" is no stratum — did you mean \"sex\"?"), "{problems:?}");
}

#[test]
fn what_is_wrong_in_a_list_is_said_with_its_line() {
    let said = |list: &str| {
        let (scheme, problems) = read(LIST, list);
        assert!(scheme.is_none(), "{list}");
        problems
    };
    assert_eq!(
        said("number,sex,site,arm\n1,F,1,A\n3,F,1,B\n1,M,1,C\n1,X,1,A\n2,M,,A\n2,F\n4,F,1,B\nx,F,2,A\n"),
        [
            "list.csv:3: number: is 3 where 2 comes next — sort the list as it is to be used; numbers of a stratum ascend without gaps",
            "list.csv:4: arm: there is no arm \"C\" — write one of A, B",
            "list.csv:5: sex: \"X\" is no level of \"sex\" — known here: F, M",
            "list.csv:6: site: is empty — a level in every line",
            "list.csv:7: has 2 columns, the first line has 4",
            "list.csv:9: number: \"x\" is no number — 1, 2, 3 … in each stratum",
        ]
    );
    assert_eq!(
        said("number,sex,group\n1,F,A\n"),
        [
            "list.csv:1: arm: there is no column \"arm\" — number,(strata),arm, or a REDCap allocation table",
            "list.csv:1: site: there is no column \"site\" — the strata of allocation.toml, or list.columns there",
        ]
    );
    assert!(said("age,sex,site,arm\n1,F,1,A\n")[0].contains("list.csv:1: age: is neither the arm nor a stratum"));
    assert!(said("sex,sex,site,arm\nF,F,1,A\n")[0].contains("stands twice"));
    assert!(said("sex,site,arm\n")[0].contains("has no line with an arm"));
    assert!(said("")[0].contains("list.csv:1"));
    // A wrongly sorted list is what numbers are there for.
    assert!(said("number,sex,site,arm\n1,F,1,A\n10,F,1,B\n2,F,1,B\n")[0].contains("is 10 where 2 comes next"));
}

#[test]
fn a_list_in_another_ratio_is_warned_of() {
    let (scheme, problems) = read(LIST, "sex,site,arm\nF,1,A\nF,1,A\nF,1,B\n");
    assert!(scheme.is_some());
    assert_eq!(
        problems,
        [
            "allocation.toml:6: list.file: list.csv has the arms A 2, B 1, which is not 1:1 — look whether it is the right list"
        ]
    );
}

#[test]
fn a_list_without_strata_is_one_sequence() {
    let text = LIST.replace("strata = [\"sex\", \"site\"]\n", "");
    let (scheme, problems) = read(&text, "\u{feff}arm\r\nB\r\nA\r\nA\r\nB\r\n");
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(arms_of(&scheme.unwrap(), &Levels::new()), "BAAB");
}

#[test]
fn a_list_may_be_prolonged_and_nothing_else() {
    let list = "sex,site,arm\nF,1,A\nF,1,B\nM,1,B\nM,1,A\n";
    let before = read(LIST, list).0.unwrap();
    let continues = |text: &str, list: &str| read(text, list).0.unwrap().breaks(&before).is_empty();
    assert!(continues(LIST, list));
    assert!(continues(LIST, &format!("{list}F,1,A\nF,2,B\n")));
    assert!(!continues(LIST, "sex,site,arm\nF,1,A\nF,1,B\nM,1,B\n"), "cut short");
    assert!(!continues(LIST, "sex,site,arm\nF,1,A\nF,1,B\nM,1,A\nM,1,B\n"), "changed");
    assert!(!continues(LIST, "sex,site,arm\nF,1,A\nF,1,B\n"), "without a stratum");
    assert!(
        continues(&LIST.replace("{ id = \"site\" }", "{ id = \"site\" }, { id = \"x\" }"), list),
        "a factor nobody asks for"
    );
    let simple = "method = \"simple\"\narms = [ { code = \"A\" }, { code = \"B\" } ]";
    assert!(!continues(simple, ""));
    assert!(scheme(simple).breaks(&scheme(simple)).is_empty());
}

#[test]
fn a_history_must_be_that_of_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("allocation.toml");
    std::fs::write(&file, LIST).unwrap();
    std::fs::write(folder.path().join("list.csv"), "sex,site,arm\nF,1,A\nF,1,B\n").unwrap();
    let history = folder.path().join("H.csv");
    let ask = |rows: &str| {
        std::fs::write(&history, format!("sex,site,arm\n{rows}")).unwrap();
        let found = explain(&file, Some(&history), Some("sex=F,site=1"));
        found.map(|found| found.outcome.arms).map_err(|fault| fault.to_string())
    };
    let arms = ask("F,1,A\n").unwrap();
    assert_eq!(
        (probabilities(&arms), imbalances(&arms)),
        (vec!["0".to_owned(), "1".to_owned()], vec!["-".to_owned(); 2])
    );
    assert!(ask("F,1,B\n").unwrap_err().contains("H.csv:2: the arm \"B\" has no place left"));
    assert_eq!(ask("F,1,A\nF,1,B\n").unwrap_err(), "--next: the list is used up for subjects of these levels");
}
