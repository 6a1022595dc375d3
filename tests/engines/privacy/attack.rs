//! Ways to join persons to answers. Each is handed a dump and what an outsider may know besides (in which order people went in
//! by the door), and never which answer is whose: that is for counting how often it guessed right.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::dump::{Dump, Found, find};

/// Somebody who answered.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) address: String,
    /// What they were shown in the end.
    pub(crate) receipt: String,
    /// Words that stand in their answer and nowhere else.
    pub(crate) words: String,
}

/// A way, and how many persons it joined to their own answer.
#[derive(Clone, Debug)]
pub(crate) struct Score {
    pub(crate) way: String,
    pub(crate) right: usize,
}

/// Tries every way; `people` stand in the order in which they answered.
pub(crate) fn attack(dump: &Dump, people: &[Person]) -> Vec<Score> {
    let mut scores = Vec::new();
    let mut note = |way: String, right: usize| scores.push(Score { way, right });
    let graph = Graph::new(dump);
    let by_join = people.iter().filter(|person| {
        let start = dump.rows.iter().position(|row| row.table == "response" && row.holds(&person.words));
        start
            .and_then(|start| graph.nearest(start, |row| row.table == "participant"))
            .is_some_and(|found| dump.rows[found].cell("address") == person.address)
    });
    note("shared values, from the answer".to_owned(), by_join.count());
    for (what, start_of) in [("receipt", receipt as fn(&Person) -> &str), ("address", address)] {
        let joined = people.iter().filter(|person| {
            let start = dump.rows.iter().position(|row| row.table != "response" && row.holds(start_of(person)));
            start
                .and_then(|start| graph.nearest(start, |row| row.table == "response"))
                .is_some_and(|found| dump.rows[found].holds(&person.words))
        });
        note(format!("shared values, from the {what}"), joined.count());
    }

    let all: Vec<&str> = people.iter().map(|person| person.words.as_str()).collect();
    let answers = answer_orders(dump, &all);
    for (who, persons) in person_orders(dump, people) {
        for (what, order) in &answers {
            for (direction, order) in [("", order.clone()), (", backwards", order.iter().rev().copied().collect())] {
                let right = persons.iter().zip(&order).filter(|(person, words)| people[**person].words == **words);
                note(format!("{who} against {what}{direction}"), right.count());
            }
        }
    }

    for (what, markers) in [("address", address as fn(&Person) -> &str), ("receipt", receipt)] {
        let right = people.iter().filter(|person| {
            nearest_in_bytes(dump, &person.words, people, markers).is_some_and(|near| near.address == person.address)
        });
        note(format!("nearest {what} in the bytes"), right.count());
    }
    scores
}

fn receipt(person: &Person) -> &str {
    &person.receipt
}

fn address(person: &Person) -> &str {
    &person.address
}

/// Rows joined by values that few of them share.
struct Graph<'a> {
    dump: &'a Dump,
    rows_of: BTreeMap<String, Vec<usize>>,
}

/// A value that more rows share joins nothing.
const SHARED_BY: usize = 4;

impl<'a> Graph<'a> {
    fn new(dump: &'a Dump) -> Graph<'a> {
        let mut rows_of: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, row) in dump.rows.iter().enumerate() {
            for value in values(row) {
                rows_of.entry(value).or_default().push(at);
            }
        }
        rows_of.retain(|_, rows| (2..=SHARED_BY).contains(&rows.len()));
        Graph { dump, rows_of }
    }

    /// The row of that kind to which the shortest way leads.
    fn nearest(&self, start: usize, wanted: impl Fn(&Found) -> bool) -> Option<usize> {
        let (mut seen, mut queue) = (BTreeSet::from([start]), VecDeque::from([(start, 0)]));
        while let Some((at, steps)) = queue.pop_front() {
            if at != start && wanted(&self.dump.rows[at]) {
                return Some(at);
            }
            if steps == 5 {
                continue;
            }
            for value in values(&self.dump.rows[at]) {
                for next in self.rows_of.get(&value).into_iter().flatten() {
                    if seen.insert(*next) {
                        queue.push_back((*next, steps + 1));
                    }
                }
            }
        }
        None
    }
}

/// What a row could be joined by: long values, keys with the table they lead to, its transaction.
fn values(row: &Found) -> Vec<String> {
    let mut values = Vec::new();
    for (column, cell) in &row.cells {
        match column.as_str() {
            "(xmin)" => values.push(format!("xmin {cell}")),
            "id" => values.push(format!("{} {cell}", row.table)),
            "(rowid)" | "(ctid)" => {}
            column => {
                if let Some(table) = column.strip_suffix("_id") {
                    values.push(format!("{table} {cell}"));
                }
                // Entries of the chain name rows in their text.
                let inside = cell.split(|c: char| !c.is_alphanumeric() && c != '@' && c != '.' && c != '-');
                values.extend(inside.filter(|word| word.len() >= 8).map(str::to_owned));
                if row.table == "audit" {
                    let participant = cell.split("\"participant\":").nth(1).and_then(|rest| rest.split(',').next());
                    values.extend(participant.map(|id| format!("participant {id}")));
                }
            }
        }
        if column == "id" && cell.len() >= 8 {
            values.push(cell.clone());
        }
    }
    values
}

/// Orders in which persons may have answered: seen at the door, and as their uses lie there.
fn person_orders(dump: &Dump, people: &[Person]) -> Vec<(String, Vec<usize>)> {
    let mut orders = vec![("people at the door".to_owned(), (0..people.len()).collect())];
    let participants: BTreeMap<&str, &str> =
        dump.table("participant").map(|row| (row.cell("id"), row.cell("address"))).collect();
    let credentials: BTreeMap<&str, &str> =
        dump.table("credential").map(|row| (row.cell("id"), row.cell("participant_id"))).collect();
    let person_of = |row: &&Found| {
        let participant = credentials.get(row.cell("credential_id"))?;
        let address = participants.get(participant)?;
        people.iter().position(|person| person.address == *address)
    };
    let uses: Vec<&Found> = dump.table("answered").collect();
    for (how, order) in sorted(&uses) {
        let order: Vec<usize> = order.iter().filter_map(|at| person_of(&uses[*at])).collect();
        if order.len() == people.len() {
            orders.push((format!("uses by {how}"), order));
        }
    }
    orders
}

/// Orders in which answers lie there.
fn answer_orders<'a>(dump: &Dump, all: &[&'a str]) -> Vec<(String, Vec<&'a str>)> {
    let responses: Vec<&Found> = dump.table("response").collect();
    let words_of = |row: &Found| all.iter().find(|words| row.holds(words)).copied();
    let mut orders: Vec<(String, Vec<&str>)> = sorted(&responses)
        .into_iter()
        .map(|(how, order)| {
            (format!("answers by {how}"), order.iter().filter_map(|at| words_of(responses[*at])).collect())
        })
        .collect();
    let mut places: Vec<(usize, usize, &str)> = Vec::new();
    for words in all {
        let mut found = dump.files.iter().enumerate();
        if let Some((file, at)) = found.find_map(|(file, (_, bytes))| Some((file, find(bytes, words.as_bytes())?))) {
            places.push((file, at, words));
        }
    }
    places.sort_unstable();
    orders.push(("answers by place in the files".to_owned(), places.into_iter().map(|(_, _, words)| words).collect()));
    orders
}

/// Rows as a scan finds them, and by each of their columns.
fn sorted(rows: &[&Found]) -> Vec<(String, Vec<usize>)> {
    let mut orders = vec![("scan".to_owned(), (0..rows.len()).collect::<Vec<_>>())];
    let columns: BTreeSet<&str> = rows.iter().flat_map(|row| row.cells.keys().map(String::as_str)).collect();
    for column in columns {
        let key = |at: &usize| {
            let cell = rows[*at].cell(column);
            // A number, a place on a page, or a text.
            let numbers: Vec<i64> =
                cell.trim_matches(['(', ')']).split(',').filter_map(|part| part.parse().ok()).collect();
            (numbers, cell.to_owned(), *at)
        };
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_cached_key(key);
        orders.push((column.to_owned(), order));
    }
    orders
}

/// Whose marker lies nearest to an answer in the files.
fn nearest_in_bytes<'p>(
    dump: &Dump,
    words: &str,
    people: &'p [Person],
    marker: fn(&Person) -> &str,
) -> Option<&'p Person> {
    dump.files.iter().find_map(|(_, bytes)| {
        let at = find(bytes, words.as_bytes())?;
        let near = bytes.get(at.saturating_sub(8_192)..(at + 8_192).min(bytes.len()))?;
        let middle = at.min(8_192);
        people
            .iter()
            .filter_map(|person| Some((find(near, marker(person).as_bytes())?.abs_diff(middle), person)))
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, person)| person)
    })
}
