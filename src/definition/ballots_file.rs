//! Ballots as a table: what is marked on each, and nothing of who marked it. A line is one ballot, or so many that are alike.
//!
//! In charge of the format, which the command that counts them documents ([`COLUMNS`]). Whatever it does not understand is a problem with
//! its line: a ballot that was left out silently would be a vote lost.

use std::collections::BTreeMap;

use super::csv_file::{self, Charset};
use super::document::{Report, nearest, quoted};
use super::problem::Problem;
use super::study_file::did_you_mean;
use crate::domain::election::{Ballot, Choice, Election, Fault, Mark, Who, count};
use crate::domain::text;
use crate::limits;

/// The columns, the votes' among them; no other is known.
pub const COLUMNS: [&str; 7] = ["contest", "district", "class", "votes", "write_in", "invalid", "count"];

/// Reads the ballots of an election from a table in UTF-8, CP932 or EUC-JP, with commas, semicolons or tabs.
///
/// # Errors
/// Every problem of the file.
pub fn read(file: &str, bytes: &[u8], election: &Election) -> Result<Vec<Ballot>, Vec<Problem>> {
    let report = Report::default();
    let ballots = match csv_file::decode(bytes, Charset::Guessed) {
        Ok(content) => Table { file, election, report: &report }.read(&content),
        Err(undecided) => {
            report.file(file, undecided.wrong(), "save it as UTF-8");
            Vec::new()
        }
    };
    let mut problems = report.into_problems();
    problems.sort();
    if problems.is_empty() { Ok(ballots) } else { Err(problems) }
}

/// Ballots as a table that [`read`] reads: each content once, with how many are like it, sorted by what stands there. So no order but that
/// of the contents themselves is left, and who has the table learns nothing of when or together with which others a ballot was cast.
pub fn write(ballots: &[Ballot]) -> String {
    let mut contents: BTreeMap<[String; 6], u64> = BTreeMap::new();
    for ballot in ballots {
        let (votes, written) = cells(&ballot.choice);
        let invalid = if ballot.choice == Choice::Spoiled { "1" } else { "" };
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        let (district, class) = (or_empty(&ballot.district), or_empty(&ballot.class));
        let content = [ballot.contest.clone(), district, class, votes, written, invalid.to_string()];
        *contents.entry(content).or_default() += ballot.count;
    }
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(COLUMNS).expect("memory takes any record");
    for (content, count) in contents {
        table.write_record(content.iter().chain([&count.to_string()])).expect("each record has the columns");
    }
    let bytes = table.into_inner().expect("memory takes what is left");
    String::from_utf8(bytes).expect("it was written from texts")
}

/// The same ballots in two tables: those that may be shown, and those of which there are so few in a district that they would tell how single
/// people voted ([`Terms::least_ballots`](crate::domain::election::Terms::least_ballots)); the second is empty where there are none. Whoever
/// counts needs both.
pub fn part(ballots: &[Ballot], least: u32) -> (String, String) {
    let mut many: BTreeMap<(&str, Option<&str>), u64> = BTreeMap::new();
    for ballot in ballots {
        *many.entry((&ballot.contest, ballot.district.as_deref())).or_default() += ballot.count;
    }
    let is_few = |own: &Ballot| {
        let cast = many.get(&(own.contest.as_str(), own.district.as_deref())).copied().unwrap_or_default();
        own.district.is_some() && cast < u64::from(least)
    };
    let (few, shown): (Vec<Ballot>, Vec<Ballot>) = ballots.iter().cloned().partition(is_few);
    (write(&shown), if few.is_empty() { String::new() } else { write(&few) })
}

/// What stands in the columns `votes` and `write_in`.
fn cells(choice: &Choice) -> (String, String) {
    match choice {
        Choice::Names(names) => {
            let listed: Vec<&str> = names.iter().filter_map(Who::id).collect();
            let written = names.iter().filter_map(|who| match who {
                Who::Written(name) => Some(name.as_str()),
                Who::Listed(_) => None,
            });
            (listed.join(" "), written.collect::<Vec<&str>>().join("; "))
        }
        Choice::Marks(marks) => {
            let sign = |mark: &Mark| if *mark == Mark::Yes { '+' } else { '-' };
            let marks: Vec<String> = marks.iter().map(|(id, mark)| format!("{id}{}", sign(mark))).collect();
            (marks.join(" "), String::new())
        }
        Choice::Ranking(places) => {
            let places: Vec<String> = places.iter().map(|place| place.join(" = ")).collect();
            (places.join(" > "), String::new())
        }
        Choice::Spoiled => (String::new(), String::new()),
    }
}

struct Table<'a> {
    file: &'a str,
    election: &'a Election,
    report: &'a Report,
}

/// Where each column stands.
struct Places([Option<usize>; COLUMNS.len()]);

impl Places {
    /// The text in that column, if it is there and not blank.
    fn get<'r>(&self, column: &str, record: &'r csv::StringRecord) -> Option<&'r str> {
        let at = COLUMNS.iter().position(|own| *own == column)?;
        let place = self.0.get(at).copied().flatten()?;
        record.get(place).map(str::trim).filter(|cell| !cell.is_empty())
    }

    fn has(&self, column: &str) -> bool {
        COLUMNS.iter().zip(&self.0).any(|(own, place)| *own == column && place.is_some())
    }
}

impl Table<'_> {
    fn at(&self, line: usize, key: &str, wrong: impl Into<String>, right: impl Into<String>) {
        self.report.at(self.file, Some(line), key, wrong, right);
    }

    fn read(&self, content: &str) -> Vec<Ballot> {
        let mut reader = csv::ReaderBuilder::new();
        reader.delimiter(csv_file::separator(content)).flexible(true).comment(Some(b'#')).has_headers(false);
        let mut reader = reader.from_reader(content.as_bytes());
        let mut records = reader.records();
        let mut ballots = Vec::new();
        let mut places = None;
        let mut width = 0;
        let mut lines = 0;
        for record in &mut records {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    self.report.file(self.file, format!("cannot be read ({error})"), "");
                    return ballots;
                }
            };
            let line = record.position().map_or(0, csv::Position::line);
            let line = usize::try_from(line).unwrap_or(usize::MAX);
            let Some(places) = &places else {
                width = record.len();
                if width == 1 {
                    self.blank_lines(line, content);
                }
                places = Some(self.places(line, &record));
                if !self.report.is_sound(self.file) {
                    return ballots;
                }
                continue;
            };
            if record.len() != width {
                let wrong = format!("has {} columns, the line that names them has {width}", record.len());
                self.at(line, "", wrong, "put what holds a comma in quotes");
                continue;
            }
            lines += 1;
            if lines > limits::BALLOT_LINES {
                self.at(
                    line,
                    "",
                    format!("is more than {} lines", limits::BALLOT_LINES),
                    "put ballots that are alike in one line, with count",
                );
                return ballots;
            }
            ballots.extend(self.ballot(line, places, &record));
        }
        if places.is_none() {
            self.report.file(
                self.file,
                "is empty",
                format!("write a line that names the columns: {}", self.needed().join(",")),
            );
        }
        ballots
    }

    /// Where there is one column, an empty line may be a blank ballot or none at all.
    fn blank_lines(&self, header: usize, content: &str) {
        for (at, text) in content.lines().enumerate().skip(header) {
            if text.trim().is_empty() {
                let right = "write \"\" for a blank ballot, or take the line out";
                self.at(at + 1, "votes", "is an empty line, which may be a blank ballot or none", right);
            }
        }
    }

    /// The columns without which this election's ballots cannot be told.
    fn needed(&self) -> Vec<&'static str> {
        let several = self.election.contests.len() > 1;
        let districts = !self.election.districts.is_empty();
        let classes = !self.election.classes.is_empty();
        let needs = [("contest", several), ("district", districts), ("class", classes), ("votes", true)];
        needs.into_iter().filter(|(_, needed)| *needed).map(|(column, _)| column).collect()
    }

    fn places(&self, line: usize, header: &csv::StringRecord) -> Places {
        let mut places = Places([None; COLUMNS.len()]);
        for (place, name) in header.iter().enumerate() {
            let name = text::fold(name);
            match COLUMNS.iter().position(|column| *column == name) {
                Some(at) => {
                    if places.0.get_mut(at).is_some_and(|own| own.replace(place).is_some()) {
                        self.at(line, &name, "names two columns", "keep one of them");
                    }
                }
                None => {
                    let right = match nearest(&name, &COLUMNS) {
                        Some(near) => format!("did you mean {near}?"),
                        None => format!("known are {}", COLUMNS.join(", ")),
                    };
                    self.at(line, &name, "is no column of ballots", right);
                }
            }
        }
        for column in self.needed().into_iter().filter(|column| !places.has(column)) {
            let right = format!("write a column {column} in the first line, and what it says of each ballot below");
            self.at(line, column, "there is no such column", right);
        }
        places
    }

    /// One line; everything that is wrong with it is reported.
    fn ballot(&self, line: usize, places: &Places, record: &csv::StringRecord) -> Option<Ballot> {
        let only = self.election.contests.first().filter(|_| self.election.contests.len() == 1);
        let contest = match (places.get("contest", record), only) {
            (Some(id), _) => id.to_string(),
            (None, Some(only)) => only.id.clone(),
            (None, None) => {
                self.at(line, "contest", "does not say for which contest it is", self.some_of(self.contests()));
                return None;
            }
        };
        let count = self.count(line, places, record)?;
        let choice = match places.get("invalid", record) {
            Some(word) if ["0", "no", "false"].contains(&word.to_ascii_lowercase().as_str()) => {
                let right = "leave the cell empty for a ballot that is not invalid";
                self.at(line, "invalid", format!("\"{word}\" does not say that the ballot is invalid"), right);
                return None;
            }
            Some(_) => Choice::Spoiled,
            None => self.choice(line, &contest, places, record)?,
        };
        let text = |column: &str| places.get(column, record).map(str::to_string);
        let ballot = Ballot { contest, district: text("district"), class: text("class"), choice, count };
        match count::check(self.election, &ballot) {
            Ok(()) => Some(ballot),
            Err(fault) => {
                self.tell(line, &ballot, &fault);
                None
            }
        }
    }

    fn count(&self, line: usize, places: &Places, record: &csv::StringRecord) -> Option<u64> {
        let Some(written) = places.get("count", record) else {
            if places.has("count") {
                self.at(line, "count", "is empty", "write how many ballots are like this one");
                return None;
            }
            return Some(1);
        };
        let number = text::fold_width(written).parse::<u64>().ok().filter(|own| (1..=limits::VOTERS).contains(own));
        if number.is_none() {
            let right = format!("write a whole number from 1 to {}", limits::VOTERS);
            self.at(line, "count", format!("\"{written}\" is no number of ballots"), right);
        }
        number
    }

    fn choice(&self, line: usize, contest: &str, places: &Places, record: &csv::StringRecord) -> Option<Choice> {
        let votes = text::fold_width(places.get("votes", record).unwrap_or_default());
        let Some(own) = self.election.find(contest) else {
            self.at(
                line,
                "contest",
                Fault::Contest(contest.to_string()).to_string(),
                did_you_mean(contest, &self.contests()),
            );
            return None;
        };
        let district = places.get("district", record);
        let written = places.get("write_in", record);
        let confirms = own.holding_for(district) == crate::domain::election::Holding::Confidence;
        if written.is_some() && (confirms || own.naming().is_none() || own.write_in == 0) {
            self.at(line, "write_in", "no name is written in in this contest", "leave the cell empty");
            return None;
        }
        match own.naming() {
            _ if confirms => self.marks(line, &votes),
            None => self.ranking(line, &votes),
            Some(_) => self.names(line, &votes, written.unwrap_or_default()),
        }
    }

    fn names(&self, line: usize, votes: &str, written: &str) -> Option<Choice> {
        let mut names: Vec<Who> = words(votes).map(|id| Who::Listed(id.to_string())).collect();
        for name in written.split([';', '\n', '；']).map(str::trim).filter(|name| !name.is_empty()) {
            let sound =
                name.chars().count() <= limits::WRITE_IN_CHARS && !text::has_control(name) && !text::has_bidi(name);
            if !sound {
                let wrong =
                    format!("a name is longer than {} characters, or holds an invisible one", limits::WRITE_IN_CHARS);
                self.at(line, "write_in", wrong, "write the name as it can be read, or the ballot as invalid");
                return None;
            }
            names.push(Who::Written(text::squeeze(name)));
        }
        Some(Choice::Names(names))
    }

    fn marks(&self, line: usize, votes: &str) -> Option<Choice> {
        let mut marks = Vec::new();
        for word in words(votes) {
            let mark = match (word.strip_suffix('+'), word.strip_suffix('-')) {
                (Some(id), _) => (id.to_string(), Mark::Yes),
                (_, Some(id)) => (id.to_string(), Mark::No),
                _ => {
                    let right = format!("write {word}+ for yes, {word}- for no");
                    self.at(line, "votes", format!("\"{word}\" says neither yes nor no"), right);
                    return None;
                }
            };
            marks.push(mark);
        }
        Some(Choice::Marks(marks))
    }

    fn ranking(&self, line: usize, votes: &str) -> Option<Choice> {
        if votes.is_empty() {
            return Some(Choice::Ranking(Vec::new()));
        }
        let mut places = Vec::new();
        for place in votes.split('>') {
            let shared: Vec<String> = place.split('=').map(|id| id.trim().to_string()).collect();
            if shared.iter().any(|id| id.is_empty() || id.contains(char::is_whitespace)) {
                let right = "write c01 > c02 = c03: the first place first, = between those who share one";
                self.at(line, "votes", format!("\"{votes}\" is no order of candidates"), right);
                return None;
            }
            places.push(shared);
        }
        Some(Choice::Ranking(places))
    }

    fn tell(&self, line: usize, ballot: &Ballot, fault: &Fault) {
        let districts: Vec<&str> = self.election.districts.iter().map(|own| own.id.as_str()).collect();
        let classes: Vec<&str> = self.election.classes.iter().map(|own| own.id.as_str()).collect();
        let candidates: Vec<&str> = match self.election.find(&ballot.contest) {
            Some(contest) => contest.candidates.iter().map(|own| own.id.as_str()).collect(),
            None => Vec::new(),
        };
        let (key, right) = match fault {
            Fault::Contest(id) => ("contest", did_you_mean(id, &self.contests())),
            Fault::District(Some(_)) if districts.is_empty() => ("district", "leave it empty".to_string()),
            Fault::District(Some(id)) => ("district", did_you_mean(id, &districts)),
            Fault::District(None) => ("district", self.some_of(districts)),
            Fault::Class(Some(_)) if classes.is_empty() => ("class", "leave it empty".to_string()),
            Fault::Class(Some(id)) => ("class", did_you_mean(id, &classes)),
            Fault::Class(None) => ("class", self.some_of(classes)),
            Fault::Candidate(id) => ("votes", did_you_mean(id, &candidates)),
            Fault::NoVote(_) => ("contest", "take its ballots out of the file".to_string()),
            _ => ("votes", String::new()),
        };
        self.at(line, key, fault.to_string(), right);
    }

    fn contests(&self) -> Vec<&str> {
        self.election.contests.iter().map(|own| own.id.as_str()).collect()
    }

    fn some_of(&self, known: Vec<&str>) -> String {
        if known.len() <= 20 { format!("write one of {}", quoted(&known)) } else { String::new() }
    }
}

/// Words parted by blanks, commas or semicolons.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '、')).filter(|word| !word.is_empty())
}
