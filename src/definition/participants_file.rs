//! A list of participants as CSV, in the form that LimeSurvey exports and imports, or any part of it.
//!
//! The columns are `email`, `firstname`, `lastname`, `token`, `language`, `validfrom`, `validuntil`, `emailstatus`,
//! `timezone` (ours: the person's own zone), `blacklisted`, `completed`, `usesleft` and `attribute_N <description>`; the separator is a comma, a semicolon or a tab, the charset
//! UTF-8, CP932 or EUC-JP. (LimeSurvey 6.2.1, "Import survey participants from CSV".)

use std::collections::BTreeMap;

use super::csv_file::{self, Charset, decode};
use super::problem::{Problem, Weight};
use crate::domain::language::Language;
use crate::domain::participant::{self, Candidate, Likeness, Seen};
use crate::domain::text;
use crate::domain::time::Zone;
use crate::limits;

/// What a list says.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// Who is to answer, in the order of the list.
    pub candidates: Vec<Candidate>,
    /// How many have answered elsewhere, or may not answer any more, by the list's own word.
    pub finished: usize,
    /// What is wrong: errors are of rows that are not among the candidates.
    pub problems: Vec<Problem>,
}

impl Listed {
    /// Whether some rows cannot be used.
    pub fn is_broken(&self) -> bool {
        self.problems.iter().any(|problem| problem.weight == Weight::Error)
    }
}

/// Columns with a meaning, as LimeSurvey names them.
const KNOWN: [&str; 11] = [
    "email",
    "firstname",
    "lastname",
    "token",
    "language",
    participant::TIME_ZONE,
    "validfrom",
    "validuntil",
    "emailstatus",
    "blacklisted",
    "completed",
];
/// Columns that are about letters and answers of the other system, and say nothing here.
const PASSED_OVER: [&str; 7] = ["tid", "invited", "sent", "reminded", "remindersent", "remindercount", "started"];

/// Reads a list. `languages` are the study's.
pub fn read(file: &str, bytes: &[u8], charset: Charset, zone: Zone, languages: &[Language]) -> Listed {
    let mut reader = Reader { file, zone, languages, listed: Listed::default() };
    match decode(bytes, charset) {
        Ok(content) => reader.read(&content),
        Err(undecided) => {
            reader.wrong(None, "", undecided.wrong(), "save it as UTF-8, or name its charset with --charset");
        }
    }
    reader.listed
}

/// A mail address as it is kept, folded, if it can be one.
pub fn sound_address(written: &str) -> Option<String> {
    let folded = text::fold_width(written.trim()).to_lowercase();
    let sound = folded.split_once('@').is_some_and(|(local, domain)| {
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>\",;:()[]\\".contains(c);
        !local.is_empty() && domain.contains('.') && !domain.contains('@') && folded.chars().all(plain)
    });
    (sound && folded.len() <= limits::ADDRESS_BYTES).then_some(folded)
}

/// A name as it is written: the family's first in Chinese characters, kana and Hangul, the given one first in letters.
pub(super) fn full_name(family: &str, given: &str) -> String {
    let eastern = text::is_eastern(family) || text::is_eastern(given);
    let (first, last) = if eastern { (family, given) } else { (given, family) };
    text::squeeze(&format!("{first} {last}"))
}

struct Reader<'a> {
    file: &'a str,
    zone: Zone,
    languages: &'a [Language],
    listed: Listed,
}

/// Where each column stands.
#[derive(Default)]
struct Columns {
    known: BTreeMap<&'static str, usize>,
    attributes: Vec<(String, usize)>,
    uses: Option<usize>,
}

impl Reader<'_> {
    fn wrong(&mut self, line: Option<usize>, key: &str, wrong: &str, right: &str) {
        self.problem(line, key, wrong, right, Weight::Error);
    }

    fn problem(&mut self, line: Option<usize>, key: &str, wrong: &str, right: &str, weight: Weight) {
        if self.listed.problems.len() < limits::PROBLEMS {
            self.listed.problems.push(Problem {
                file: self.file.to_string(),
                line,
                key: key.to_string(),
                wrong: wrong.to_string(),
                right: right.to_string(),
                weight,
            });
        }
    }

    fn read(&mut self, content: &str) {
        let separator = csv_file::separator(content);
        let mut rows = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(content.as_bytes());
        let Ok(header) = rows.headers().cloned() else {
            return self.wrong(Some(1), "", "the first line cannot be read", "it names the columns");
        };
        let Some(columns) = self.columns(&header) else { return };
        let mut seen = Seen::default();
        for row in rows.records() {
            let row = match row {
                Ok(row) => row,
                Err(error) => {
                    let line = error.position().and_then(|at| usize::try_from(at.line()).ok());
                    self.wrong(line, "", "the row cannot be read", "quotation marks stand in pairs");
                    continue;
                }
            };
            let line = row.position().and_then(|at| usize::try_from(at.line()).ok());
            if row.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            if row.len() != header.len() {
                let wrong = format!("has {} cells where the first line has {}", row.len(), header.len());
                self.wrong(line, "", &wrong, "put cells with a separator in them into quotation marks");
                continue;
            }
            if self.listed.candidates.len() >= limits::PARTICIPANTS {
                let wrong = format!("there are more than {} rows", limits::PARTICIPANTS);
                return self.wrong(line, "", &wrong, "split the list");
            }
            self.row(line, &columns, &row, &mut seen);
        }
    }

    fn columns(&mut self, header: &csv::StringRecord) -> Option<Columns> {
        let mut columns = Columns::default();
        for (at, written) in header.iter().enumerate() {
            let (name, description) = match written.split_once('<') {
                Some((name, rest)) => (name.trim(), rest.trim_end_matches('>').trim()),
                None => (written.trim(), ""),
            };
            let name = name.to_lowercase();
            if let Some(known) = KNOWN.iter().find(|known| **known == name) {
                if columns.known.insert(known, at).is_some() {
                    self.wrong(Some(1), &name, "stands there twice", "keep one of the two columns");
                }
            } else if name == "usesleft" {
                columns.uses = Some(at);
            } else if name.starts_with("attribute_") {
                let name = if description.is_empty() { name } else { description.to_string() };
                columns.attributes.push((name, at));
            } else if !PASSED_OVER.contains(&name.as_str()) {
                self.problem(
                    Some(1),
                    &name,
                    "is a column that is not used",
                    "attributes are called attribute_1 <name>",
                    Weight::Warning,
                );
            }
        }
        if !columns.known.contains_key("email") && !columns.known.contains_key("token") {
            self.wrong(
                Some(1),
                "",
                "there is no column email",
                "name the columns in the first line: email,firstname,lastname",
            );
            return None;
        }
        Some(columns)
    }

    fn row(&mut self, line: Option<usize>, columns: &Columns, row: &csv::StringRecord, seen: &mut Seen) {
        let cell = |name: &str| columns.known.get(name).and_then(|at| row.get(*at)).unwrap_or_default().trim();
        let uses = columns.uses.and_then(|at| row.get(at)).unwrap_or("1").trim();
        if !matches!(cell("completed"), "" | "N") || uses == "0" || uses.starts_with('-') {
            self.listed.finished += 1;
            return;
        }
        let errors = self.listed.problems.len();
        let mut address = self.address(line, cell("email"), cell("emailstatus"));
        if !address.is_empty() && !matches!(cell("blacklisted"), "" | "N" | "n" | "0") {
            self.unmailed(line, "blacklisted", cell("blacklisted"));
            address.clear();
        }
        let language = self.language(line, cell("language"));
        let from = self.moment(line, "validfrom", cell("validfrom"));
        let until = self.moment(line, "validuntil", cell("validuntil"));
        if let (Some(from), Some(until)) = (from, until)
            && until <= from
        {
            self.wrong(line, "validuntil", "does not lie after validfrom", "mend one of the two");
        }
        let zone = cell(participant::TIME_ZONE);
        if !zone.is_empty() && Zone::find(zone).is_none() {
            let wrong = format!("\"{zone}\" is no time zone");
            self.wrong(line, participant::TIME_ZONE, &wrong, "write one of the IANA list, such as Europe/Berlin");
        }
        let reference = text::squeeze(cell("token"));
        let name = full_name(cell("lastname"), cell("firstname"));
        if let Some(key) = [("token", &reference), ("firstname", &name)]
            .into_iter()
            .find(|(_, value)| text::has_control(value) || value.chars().count() > limits::REPEATED_CHARS)
            .map(|(key, _)| key)
        {
            self.wrong(line, key, "is too long or holds control characters", "write it in one short line");
        }
        let broken = self.listed.problems.iter().skip(errors).any(|problem| problem.weight == Weight::Error);
        if broken {
            return;
        }
        let zone = (participant::TIME_ZONE.to_string(), cell(participant::TIME_ZONE).to_string());
        let own = columns.attributes.iter().filter(|(name, _)| name != participant::TIME_ZONE);
        let own = own.filter_map(|(name, at)| Some((name.clone(), row.get(*at)?.trim().to_string()))).chain([zone]);
        let candidate = Candidate {
            reference,
            name,
            address,
            language,
            attributes: own.filter(|(_, value)| !value.is_empty()).collect(),
            from,
            until,
            line,
        };
        if self.is_another(&candidate, seen) {
            self.listed.candidates.push(candidate);
        }
    }

    /// Whether a row is somebody else than the rows above, as far as it can be told.
    fn is_another(&mut self, candidate: &Candidate, seen: &mut Seen) -> bool {
        let sign = candidate.sign();
        let found = seen.find(&sign);
        match found {
            None => seen.put(sign, candidate.line.unwrap_or_default()),
            Some((above, Likeness::Unclear)) => {
                let wrong =
                    format!("may be the same person as line {above}: they share an address, and a name is missing");
                self.wrong(candidate.line, "", &wrong, "give both a name, or both a token; or remove one of the two");
            }
            Some((above, _)) => {
                let wrong = format!("is the same person as line {above}");
                self.wrong(
                    candidate.line,
                    "",
                    &wrong,
                    "remove one of the two; people of one name at one address need a token each",
                );
            }
        }
        found.is_none()
    }

    /// The first of the addresses, folded; none where the list says that nothing can be sent there.
    fn address(&mut self, line: Option<usize>, written: &str, status: &str) -> String {
        let mut all = written.split([';', ',']).map(str::trim).filter(|one| !one.is_empty());
        let Some(first) = all.next() else { return String::new() };
        if all.next().is_some() {
            self.problem(line, "email", "holds several addresses", "letters go to the first", Weight::Warning);
        }
        let Some(folded) = sound_address(first) else {
            self.wrong(line, "email", &format!("\"{first}\" is no mail address"), "write it bare, as hana@example.jp");
            return String::new();
        };
        if !matches!(status, "" | "OK") {
            self.unmailed(line, "emailstatus", status);
            return String::new();
        }
        folded
    }

    /// Says that a row has a sound address to which nothing is sent.
    fn unmailed(&mut self, line: Option<usize>, key: &str, said: &str) {
        let right = "nothing is mailed there; hand the credential over in another way";
        self.problem(line, key, &format!("says \"{said}\""), right, Weight::Warning);
    }

    fn language(&mut self, line: Option<usize>, written: &str) -> Option<Language> {
        if written.is_empty() {
            return None;
        }
        let primary = written.split(['-', '_']).next().unwrap_or_default().to_lowercase();
        let found = Language::find(&primary).filter(|language| self.languages.contains(language));
        if found.is_none() {
            let wrong = format!("\"{written}\" is no language of the study");
            self.problem(line, "language", &wrong, "letters come in its first language", Weight::Warning);
        }
        found
    }

    fn moment(&mut self, line: Option<usize>, key: &str, written: &str) -> Option<crate::domain::time::Instant> {
        if written.is_empty() {
            return None;
        }
        let at = self.zone.parse_moment(written);
        if at.is_none() {
            self.wrong(
                line,
                key,
                &format!("\"{written}\" is no moment"),
                "write it as 2026-12-01 09:00, by the study's clock",
            );
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::{EUC_JP, SHIFT_JIS, UTF_8};

    use super::*;

    fn list(text: &str) -> Listed {
        let zone = Zone::find("Asia/Tokyo").unwrap();
        read("people.csv", text.as_bytes(), Charset::Guessed, zone, &[Language::Ja, Language::En])
    }

    #[test]
    fn somebodys_own_zone_is_kept() {
        let listed = list("email,timezone\na@example.jp,Europe/Berlin\nb@example.jp,\nc@example.jp,Berlin\n");
        let zone = |one: &Candidate| one.attributes.get(participant::TIME_ZONE).cloned();
        let zones: Vec<Option<String>> = listed.candidates.iter().map(zone).collect();
        assert_eq!(zones, [Some("Europe/Berlin".to_string()), None]);
        assert!(listed.problems[0].to_string().contains("\"Berlin\" is no time zone"), "{:?}", listed.problems);
    }

    const EXPORTED: &str = "\u{feff}tid,firstname,lastname,email,emailstatus,token,language,validfrom,validuntil,invited,reminded,remindercount,completed,usesleft, attribute_1 <Ward>\n\
        1,花,山田,Hana@Example.jp,OK,P001,ja,2026-12-01 09:00,,N,N,0,N,1,3 East\n\
        2,Kim,Larsen,kim@example.org;k2@example.org,OK,P002,en-GB,,2026-12-31,2026-11-01 10:00,N,0,N,1,\n\
        3,Done,Already,done@example.org,OK,P003,en,,,N,N,0,2026-11-02 10:00,0,\n\
        4,Opt,Out,opt@example.org,OptOut,P004,fr,,,N,N,0,N,1,\n";

    #[test]
    fn an_export_of_limesurvey_is_read_as_it_is() {
        let listed = list(EXPORTED);
        assert!(!listed.is_broken(), "{:?}", listed.problems);
        let [hana, kim, opt] = listed.candidates.as_slice() else { panic!("{listed:?}") };
        assert_eq!(
            (hana.name.as_str(), hana.address.as_str(), hana.reference.as_str()),
            ("山田 花", "hana@example.jp", "P001")
        );
        assert_eq!(hana.attributes.get("Ward").map(String::as_str), Some("3 East"));
        assert_eq!(hana.from, crate::domain::time::Instant::parse_rfc3339("2026-12-01T09:00:00+09:00"));
        assert_eq!((kim.address.as_str(), kim.language), ("kim@example.org", Some(Language::En)));
        assert_eq!(kim.until, crate::domain::time::Instant::parse_rfc3339("2026-12-31T00:00:00+09:00"));
        assert_eq!((opt.address.as_str(), opt.language), ("", None));
        assert_eq!(listed.finished, 1);
        let told: Vec<&str> = listed.problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(told, ["email", "emailstatus", "language"]);
        let listed = list("email,lastname,blacklisted\na@example.jp,A,Y\nb@example.jp,B,N\nc@example.jp,C,\n");
        let addresses: Vec<&str> = listed.candidates.iter().map(|one| one.address.as_str()).collect();
        assert_eq!(addresses, ["", "b@example.jp", "c@example.jp"]);
        assert!(!listed.is_broken() && listed.problems[0].to_string().contains("blacklisted"), "{:?}", listed.problems);
    }

    #[test]
    fn a_name_is_in_the_order_of_its_script() {
        let listed = list(
            "lastname,firstname,token\n山田,花,1\nPark,Robin,2\nヤマダ,ﾊﾅ,3\n김,민수,4\nＰａｒｋ,Ｒｏｂｉｎ,5\nPark,,6\n山田,Hana,7\n",
        );
        let names: Vec<&str> = listed.candidates.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(
            names,
            ["山田 花", "Robin Park", "ヤマダ ﾊﾅ", "김 민수", "Ｒｏｂｉｎ Ｐａｒｋ", "Park", "山田 Hana"]
        );
    }

    #[test]
    fn names_in_half_width_kana_are_never_read_as_others() {
        let zone = Zone::find("Asia/Tokyo").unwrap();
        let list = |names: &str| format!("email,lastname\n{names}");
        let read_as = |text: &str, charset| {
            let (bytes, _, lossy) = SHIFT_JIS.encode(text);
            assert!(!lossy);
            read("people.csv", &bytes, charset, zone, &[Language::Ja])
        };
        // Few names fit both charsets: which is meant is asked.
        let few = list("a@example.jp,ﾔﾏﾀﾞ ﾀﾛ\nb@example.jp,ｻﾄ ﾊﾅｺｺ\n");
        let asked = read_as(&few, Charset::Guessed);
        assert!(asked.candidates.is_empty() && asked.is_broken(), "{asked:?}");
        assert!(asked.problems[0].wrong.contains("half-width katakana"), "{:?}", asked.problems);
        assert_eq!(read_as(&few, Charset::Cp932).candidates[0].name, "ﾔﾏﾀﾞ ﾀﾛ");
    }

    #[test]
    fn excel_in_japan_writes_semicolons_and_other_charsets() {
        let text = "email;lastname;firstname\nhana@example.jp;髙橋;花子\n";
        let zone = Zone::find("Asia/Tokyo").unwrap();
        for (encoding, charset) in
            [(SHIFT_JIS, Charset::Cp932), (SHIFT_JIS, Charset::Guessed), (UTF_8, Charset::Guessed)]
        {
            let (bytes, _, _) = encoding.encode(text);
            let listed = read("people.csv", &bytes, charset, zone, &[Language::Ja]);
            assert_eq!(listed.candidates[0].name, "髙橋 花子", "{charset:?}");
        }
        let (bytes, _, _) = EUC_JP.encode("email,lastname\nhana@example.jp,山田\n");
        assert_eq!(read("people.csv", &bytes, Charset::EucJp, zone, &[]).candidates[0].name, "山田");
        assert!(read("people.csv", b"email\n\xff\xfe@\xff", Charset::Utf8, zone, &[]).is_broken());
    }

    #[test]
    fn a_household_shares_an_address() {
        let listed = list(
            "email,lastname,firstname\nhome@example.jp,山田,花\nHome@example.jp,山田,太郎\nhome@example.jp,山田,　花\n",
        );
        let names: Vec<&str> = listed.candidates.iter().map(|one| one.name.as_str()).collect();
        assert_eq!((names, listed.candidates[1].line), (vec!["山田 花", "山田 太郎"], Some(3)));
        assert!(
            listed.problems[0].to_string().contains("people.csv:4: is the same person as line 2"),
            "{:?}",
            listed.problems
        );
        // Who has no name may be anybody at the address.
        let listed = list("email,firstname\nhome@example.jp,A\nhome@example.jp,\nalone@example.jp,\n");
        assert_eq!((listed.candidates.len(), listed.is_broken()), (2, true));
        assert!(listed.problems[0].wrong.contains("may be the same person as line 2"), "{:?}", listed.problems);
        // Tokens tell people apart, and a row with one is not somebody of another name.
        let listed = list("email,token\nward@example.jp,P1\nward@example.jp,P2\nward@example.jp,P1\n");
        assert_eq!((listed.candidates.len(), listed.problems.len()), (2, 1));
    }

    #[test]
    fn every_bad_row_is_named_with_its_line() {
        let listed = list(
            "email,firstname,validfrom,validuntil\nno address,A,,\na@example.jp,A,tomorrow,\na@example.jp,B\nb@example.jp,B,2026-12-02,2026-12-01\nc@example.jp,C,,\nc@example.jp,C,,\n\"c@example.jp\nBcc: x@example.net\",D,,\n",
        );
        let told: Vec<(Option<usize>, &str)> = listed.problems.iter().map(|one| (one.line, one.key.as_str())).collect();
        assert_eq!(
            told,
            [
                (Some(2), "email"),
                (Some(3), "validfrom"),
                (Some(4), ""),
                (Some(5), "validuntil"),
                (Some(7), ""),
                (Some(8), "email")
            ]
        );
        assert_eq!(listed.candidates.len(), 1);
        let told: Vec<&str> = listed.problems.iter().map(|one| one.wrong.as_str()).collect();
        assert!(told[4].contains("line 6"), "{told:?}");
        assert!(list("name\nA\n").is_broken());
        assert!(list("").is_broken());
    }
}
