//! `--population`: what simulated subjects are like, as typed or from a CSV.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use num_traits::{Signed, ToPrimitive, Zero};
use serde_json::{Value, json};

use crate::cli::Refused;
use crate::definition::csv_file::{self, Charset};
use crate::domain::allocation::{SITE, Scheme, TOTAL};
use crate::domain::cohort::Cohort;
use crate::domain::level;
use crate::domain::number::{self, Rational};
use crate::domain::simulation::{Characteristic, Population, Source};
use crate::domain::study::{Randomization, Study, arm_name};
use crate::limits;

/// How many sites there are where nothing tells.
const SITES_SUPPOSED: usize = 10;
/// Answers of an item of kind yesno.
const YES_NO: [&str; 2] = ["yes", "no"];
/// How many levels a factor has where nothing tells.
const LEVELS_SUPPOSED: usize = 2;

/// A scheme whose subjects are wanted.
pub struct Subjects<'a> {
    /// Its file, for problems.
    pub name: String,
    /// The scheme.
    pub scheme: &'a Scheme,
    /// The study it belongs to, which knows sites and answers.
    pub study: Option<&'a Study>,
    /// As which of the study's allocations it is simulated.
    pub stage: Stage<'a>,
    /// The study's cohorts, whose caps turn away who comes to its first allocation.
    pub cohorts: &'a [Cohort],
}

/// Which allocation of a study a scheme is of.
#[derive(Clone, Copy)]
pub enum Stage<'a> {
    /// The only one that is simulated: whatever it looks at is drawn.
    Alone,
    /// The first of a study whose further allocations are simulated, too.
    First,
    /// A further one: its arms, and those given before, are not drawn.
    Further(&'a Randomization),
}

impl<'a> Subjects<'a> {
    /// A scheme that is simulated for itself.
    pub fn alone(name: &str, scheme: &'a Scheme, study: Option<&'a Study>) -> Subjects<'a> {
        Subjects { name: name.to_string(), scheme, study, stage: Stage::Alone, cohorts: &[] }
    }

    /// The arms that allocations before this one give: name of the factor and codes.
    fn earlier(&self) -> Vec<(String, Vec<String>)> {
        let (Some(study), Stage::Further(own)) = (self.study, self.stage) else { return Vec::new() };
        let before = study.allocations().take_while(|rules| rules.id != own.id);
        before.map(|rules| (arm_name(rules.id), rules.arms.iter().map(|arm| arm.code.clone()).collect())).collect()
    }

    /// What decides who comes to it, beside the arms given before: the names in the condition, and its own id for the share of those who
    /// come at all; and what decides of which cohorts somebody is.
    pub(super) fn deciding(&self) -> Vec<String> {
        let own = match self.stage {
            Stage::Further(own) => Some(own),
            Stage::Alone | Stage::First => None,
        };
        let conditions = own.iter().flat_map(|own| &own.condition).map(|condition| &condition.rule);
        let rules = conditions.chain(self.cohorts.iter().map(|cohort| &cohort.when));
        let named = rules.flat_map(|rule| rule.names()).map(str::to_string);
        let arms = self.earlier();
        let named = named.filter(|name| arms.iter().all(|(arm, _)| arm != name));
        // The site is drawn under one name only.
        let site_item = self.study.and_then(|study| study.registration.site_item.as_deref());
        let doubles_site = |name: &String| {
            name != SITE && site_item == Some(name.as_str()) && self.scheme.needs().all(|id| id != name)
        };
        named.filter(|name| !doubles_site(name)).chain(own.map(|own| own.id.clone())).collect()
    }
}

/// A row of a CSV with its line.
pub type Row = (u64, csv::StringRecord);

/// What `--population` says.
#[derive(Debug)]
pub enum Given {
    /// Nothing.
    Nothing,
    /// Shares of levels, by factor.
    Shares(BTreeMap<String, Vec<(String, Rational)>>),
    /// A table with a column per factor.
    Rows {
        /// Its path.
        path: PathBuf,
        /// Names of the columns.
        columns: Vec<String>,
        /// Its rows with their lines.
        rows: Vec<Row>,
    },
}

/// Where the levels of a factor come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `--population`, as shares.
    Shares,
    /// `--population`, as a CSV.
    Rows,
    /// The scheme's list, equally likely.
    Listed,
    /// The study beside the scheme, equally likely.
    Study,
    /// Nowhere: supposed, equally likely.
    Supposed,
    /// Not drawn: the arm that an earlier allocation gives.
    Earlier,
}

impl Origin {
    /// Name in `--json` and on pages.
    pub const fn key(self) -> &'static str {
        match self {
            Origin::Shares => "shares",
            Origin::Rows => "csv",
            Origin::Listed => "equal",
            Origin::Study => "study",
            Origin::Supposed => "supposed",
            Origin::Earlier => "earlier",
        }
    }
}

/// A factor as it was simulated.
#[derive(Clone, Debug)]
pub struct Described {
    /// Id.
    pub id: String,
    /// Levels with their shares.
    pub levels: Vec<(String, f64)>,
    /// Where they come from.
    pub origin: Origin,
}

impl Described {
    /// Whether `--population` tells its levels.
    pub fn is_given(&self) -> bool {
        matches!(self.origin, Origin::Shares | Origin::Rows)
    }

    /// Whether nothing told its levels.
    pub fn is_supposed(&self) -> bool {
        self.origin == Origin::Supposed
    }

    /// `{factor, from, levels: [{level, share}]}`.
    pub fn to_json(&self) -> Value {
        let levels: Vec<Value> =
            self.levels.iter().map(|(level, share)| json!({ "level": level, "share": share })).collect();
        json!({ "factor": self.id, "from": self.origin.key(), "levels": levels })
    }
}

/// Reads `--population`.
pub fn open(typed: Option<&str>) -> anyhow::Result<Given> {
    let Some(typed) = typed else { return Ok(Given::Nothing) };
    match typed.strip_prefix('@') {
        Some(path) => open_rows(Path::new(path)),
        None if typed.contains('=') && !Path::new(typed).is_file() => {
            read_shares(typed).map(Given::Shares).map_err(|wrong| Refused(format!("--population: {wrong}")).into())
        }
        None => open_rows(Path::new(typed)),
    }
}

/// `sex=F:0.6,M:0.4;site=001:3,002:1`. A level without a share weighs 1.
fn read_shares(typed: &str) -> Result<BTreeMap<String, Vec<(String, Rational)>>, String> {
    let mut factors = BTreeMap::new();
    for part in typed.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let Some((id, levels)) = part.split_once('=') else {
            return Err(format!("\"{part}\" is not of the form factor=level:share,level:share"));
        };
        let id = id.trim();
        let mut shares: Vec<(String, Rational)> = Vec::new();
        for pair in levels.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (level, share) = pair.rsplit_once(':').unwrap_or((pair, "1"));
            let (level, share) = (level.trim(), share.trim());
            let weight = number::parse(share).map_err(|_| format!("{id}: the share \"{share}\" is no number"))?;
            if weight.is_negative() {
                return Err(format!("{id}: the share of \"{level}\" is below 0"));
            }
            if shares.iter().any(|(known, _)| known == level) {
                return Err(format!("{id}: \"{level}\" stands twice"));
            }
            shares.push((level.to_string(), weight));
        }
        if shares.iter().all(|(_, share)| share.is_zero()) {
            return Err(format!("{id}: no level has a share above 0"));
        }
        if shares.len() > limits::LEVELS {
            return Err(format!("{id}: at most {} levels", limits::LEVELS));
        }
        if factors.insert(id.to_string(), shares).is_some() {
            return Err(format!("\"{id}\" stands twice"));
        }
    }
    if factors.is_empty() { Err("says nothing; write factor=level:share,level:share".to_string()) } else { Ok(factors) }
}

fn open_rows(path: &Path) -> anyhow::Result<Given> {
    let (columns, rows) = read_csv(path)?;
    if rows.is_empty() {
        return Err(Refused(format!("{}: has no rows to draw from", path.display())).into());
    }
    Ok(Given::Rows { path: path.to_path_buf(), columns, rows })
}

/// A CSV's columns, and its rows with their lines, in whatever charset and with whatever separator; lines that begin with `#` are left
/// out.
pub(in crate::cli) fn read_csv(path: &Path) -> anyhow::Result<(Vec<String>, Vec<Row>)> {
    let shown = path.display();
    let size = std::fs::metadata(path).with_context(|| shown.to_string())?.len();
    if size > limits::COVARIATE_BYTES {
        return Err(Refused(format!("{shown}: at most {} bytes", limits::COVARIATE_BYTES)).into());
    }
    let bytes = std::fs::read(path).with_context(|| shown.to_string())?;
    let text = csv_file::decode(&bytes, Charset::Guessed)
        .map_err(|undecided| Refused(format!("{shown}: {}; save it as UTF-8", undecided.wrong())))?;
    let mut reader = csv::ReaderBuilder::new();
    reader.delimiter(csv_file::separator(&text)).comment(Some(b'#')).trim(csv::Trim::All);
    let mut reader = reader.from_reader(text.as_bytes());
    let broken = |wrong: csv::Error| Refused(format!("{shown}: {wrong}"));
    let columns: Vec<String> = reader.headers().map_err(broken)?.iter().map(ToString::to_string).collect();
    if let Some(twice) = columns.iter().find(|name| columns.iter().filter(|other| other == name).count() > 1) {
        return Err(Refused(format!("{shown}: the column \"{twice}\" stands twice")).into());
    }
    let mut rows = Vec::new();
    let mut lines = Lines { text: text.as_bytes(), at: 0, line: 1 };
    for record in reader.records() {
        let record = record.map_err(broken)?;
        if rows.len() >= limits::COVARIATE_ROWS {
            return Err(Refused(format!("{shown}: at most {} rows", limits::COVARIATE_ROWS)).into());
        }
        lines.go_to(record.position().map_or(0, csv::Position::byte));
        rows.push((lines.line, record));
    }
    Ok((columns, rows))
}

/// Counts lines up to a record. The reader's own count is behind by one where lines end in CR LF, and counts comments to the
/// record that follows them.
struct Lines<'t> {
    text: &'t [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// Goes on to the record that begins at or behind that byte.
    fn go_to(&mut self, byte: u64) {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        let mut in_comment = false;
        while let Some(next) = self.text.get(self.at) {
            let skipped = self.at < byte || in_comment || matches!(next, b'\r' | b'\n' | b'#');
            if !skipped {
                return;
            }
            in_comment = self.at >= byte && *next != b'\n' && (in_comment || *next == b'#');
            self.line += u64::from(*next == b'\n');
            self.at += 1;
        }
    }
}

/// The population of all schemes together: every factor and stratum of any, what decides who comes to further allocations, and what
/// `--population` names beside.
///
/// # Errors
/// What is wrong with `--population`, for a person.
pub fn build(schemes: &[Subjects<'_>], given: Given) -> Result<(Population, Vec<Described>), String> {
    let mut ids: Vec<String> = schemes.iter().flat_map(|own| ids_of(own.scheme)).collect();
    // Names in a condition whose values nothing tells are no part of the population: what names them is taken as met.
    let told = |own: &Subjects<'_>, id: &str| match &given {
        Given::Shares(shares) if shares.contains_key(id) => true,
        Given::Rows { columns, .. } if columns.iter().any(|name| name == id) => true,
        _ => own.study.is_some_and(|study| level::fixed(study, id).is_some()),
    };
    for own in schemes {
        ids.extend(own.deciding().into_iter().filter(|id| told(own, id)));
    }
    if let Given::Shares(shares) = &given {
        ids.extend(shares.keys().cloned());
    }
    let mut earlier: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (id, codes) in schemes.iter().flat_map(Subjects::earlier) {
        earlier.entry(id).or_default().extend(codes);
    }
    ids.extend(earlier.keys().cloned());
    ids.sort();
    ids.dedup();
    ids.retain(|id| id != TOTAL);
    if ids.len() > limits::POPULATION_FACTORS {
        return Err(format!("{} factors in all; at most {}", ids.len(), limits::POPULATION_FACTORS));
    }
    let (mut characteristics, mut described) = (Vec::new(), Vec::new());
    for id in ids {
        if let Some(codes) = earlier.get(&id) {
            characteristics.push(arms_before(&id, codes, schemes, &given)?);
            continue;
        }
        let (own, origin) = characteristic(&id, schemes, &given)?;
        check(&own, schemes)?;
        described.push(Described { id, levels: shares_of(&own), origin });
        characteristics.push(own);
    }
    Ok((Population::new(characteristics), described))
}

/// The arms that an earlier allocation gives; drawn nowhere.
fn arms_before(id: &str, codes: &[String], schemes: &[Subjects<'_>], given: &Given) -> Result<Characteristic, String> {
    if let Given::Shares(shares) = given
        && shares.contains_key(id)
    {
        return Err(format!("--population: \"{id}\" is the arm that the allocation before gives; leave it out"));
    }
    let alone = |own: &&Subjects<'_>| {
        own.earlier().iter().all(|(own, _)| own != id) && own.scheme.needs().any(|need| need == id)
    };
    if let Some(own) = schemes.iter().find(alone) {
        return Err(format!(
            "{}: looks at \"{id}\", which the allocations of another --file give; simulate it by itself, or with the folder of its study",
            own.name
        ));
    }
    let mut levels = codes.to_vec();
    levels.sort_unstable();
    levels.dedup();
    Ok(Characteristic { id: id.to_string(), levels, source: Source::Earlier })
}

/// The places in the population of what is watched for that scheme: no arm that is given at it or later, nothing that only a later form
/// asks, and nothing that only decides who comes.
pub fn watched(own: &Subjects<'_>, schemes: &[Subjects<'_>], population: &Population) -> BTreeSet<usize> {
    let looked_at: BTreeSet<&str> = schemes.iter().flat_map(|own| own.scheme.needs()).collect();
    let deciding: BTreeSet<String> = schemes.iter().flat_map(Subjects::deciding).collect();
    let earlier = own.earlier();
    let later = |id: &str| match (own.study, own.stage) {
        (Some(study), Stage::First) => asked_later(study, &study.randomizations, id),
        (Some(study), Stage::Further(further)) => {
            let at = study.randomizations.iter().position(|one| one.id == further.id).map_or(0, |at| at + 1);
            let behind = study.randomizations.get(at..).unwrap_or_default();
            asked_later(study, behind, id)
                && study.find_instrument(&further.instrument).is_none_or(|form| form.find(id).is_none())
        }
        (_, Stage::Alone) | (None, _) => false,
    };
    let all = population.characteristics().iter().enumerate();
    let watched = all.filter(|(_, one)| match one.source {
        Source::Earlier => earlier.iter().any(|(id, _)| *id == one.id),
        Source::Shares(_) | Source::Rows(_) => {
            let id = one.id.as_str();
            (looked_at.contains(id) || !deciding.contains(id)) && !later(id)
        }
    });
    watched.map(|(at, _)| at).collect()
}

/// Whether only the forms of those allocations ask for an item.
fn asked_later(study: &Study, behind: &[Randomization], id: &str) -> bool {
    let asks = |own: &Randomization| study.find_instrument(&own.instrument).is_some_and(|form| form.find(id).is_some());
    behind.iter().any(asks) && study.registration_instrument().find(id).is_none()
}

fn ids_of(scheme: &Scheme) -> Vec<String> {
    scheme.factors().iter().map(|factor| factor.id.clone()).chain(scheme.strata().iter().cloned()).collect()
}

fn characteristic(id: &str, schemes: &[Subjects<'_>], given: &Given) -> Result<(Characteristic, Origin), String> {
    let own = |levels: Vec<String>, source| Characteristic { id: id.to_string(), levels, source };
    match given {
        Given::Shares(shares) => {
            if let Some(shares) = shares.get(id) {
                let weights = whole(id, shares)?;
                let levels = shares.iter().map(|(level, _)| level.clone()).collect();
                return Ok((own(levels, Source::Shares(weights)), Origin::Shares));
            }
        }
        Given::Rows { path, columns, rows } => {
            if let Some(column) = columns.iter().position(|name| name == id) {
                let (levels, places) = column_of(path, id, column, rows)?;
                return Ok((own(levels, Source::Rows(places)), Origin::Rows));
            }
        }
        Given::Nothing => {}
    }
    let listed = schemes.iter().flat_map(|scheme| scheme.scheme.factors()).filter(|factor| factor.id == id);
    let listed = listed.filter_map(|factor| factor.levels.clone()).next();
    let known = || schemes.iter().find_map(|scheme| level::fixed(scheme.study?, id));
    let (levels, origin) = match (listed, id) {
        (Some(levels), _) => (levels, Origin::Listed),
        (None, _) => match known() {
            Some(levels) => (levels, Origin::Study),
            None if id == SITE => ((1..=SITES_SUPPOSED).map(|site| format!("{site:03}")).collect(), Origin::Supposed),
            None => ((1..=LEVELS_SUPPOSED).map(|level| level.to_string()).collect(), Origin::Supposed),
        },
    };
    let weights = vec![1; levels.len()];
    Ok((own(levels, Source::Shares(weights)), origin))
}

/// Shares as integers in the same proportions.
fn whole(id: &str, shares: &[(String, Rational)]) -> Result<Vec<u64>, String> {
    let below = number::common_multiple(shares.iter().map(|(_, share)| share.denom()));
    let weights: Option<Vec<u64>> =
        shares.iter().map(|(_, share)| (share.numer() * (&below / share.denom())).to_u64()).collect();
    let sum = weights.as_ref().and_then(|weights| weights.iter().try_fold(0u64, |sum, own| sum.checked_add(*own)));
    weights.filter(|_| sum.is_some()).ok_or_else(|| format!("--population: {id}: the shares have too many digits"))
}

/// The levels in a column, sorted, and the place of each row's.
fn column_of(path: &Path, id: &str, column: usize, rows: &[Row]) -> Result<(Vec<String>, Vec<u32>), String> {
    let mut levels: Vec<&str> = Vec::new();
    for (line, row) in rows {
        match row.get(column).unwrap_or_default() {
            "" => return Err(format!("{}:{line}: the column \"{id}\" is empty", path.display())),
            level => levels.push(level),
        }
    }
    let mut distinct = levels.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() > limits::LEVELS {
        return Err(format!("{}: the column \"{id}\" has more than {} levels", path.display(), limits::LEVELS));
    }
    let place = |level: &&str| distinct.binary_search(level).ok().and_then(|place| u32::try_from(place).ok());
    let places = levels.iter().filter_map(place).collect();
    Ok((distinct.iter().map(ToString::to_string).collect(), places))
}

/// Every level that can come must be one of each scheme's.
fn check(own: &Characteristic, schemes: &[Subjects<'_>]) -> Result<(), String> {
    let can_come = |place: usize| match &own.source {
        Source::Shares(weights) => weights.get(place).is_some_and(|weight| *weight > 0),
        Source::Rows(_) => true,
        Source::Earlier => false,
    };
    for scheme in schemes {
        let decides = scheme.deciding().contains(&own.id);
        let further = matches!(scheme.stage, Stage::Further(further) if further.id == own.id);
        let known = scheme.study.and_then(|study| level::fixed(study, &own.id)).filter(|_| decides);
        let known = if further { Some(YES_NO.map(str::to_string).to_vec()) } else { known };
        let mut coming = own.levels.iter().enumerate().filter(|(place, _)| can_come(*place)).map(|(_, level)| level);
        if let Some(known) = known
            && let Some(unknown) = coming.find(|level| !known.contains(level))
        {
            let what = if further { "says who comes to that allocation" } else { "is an item with fixed answers" };
            return Err(format!(
                "--population: \"{}\" {what}; it takes {}, not \"{unknown}\"",
                own.id,
                known.join(", ")
            ));
        }
        let factor = scheme.scheme.factors().iter().find(|factor| factor.id == own.id);
        let Some(listed) = factor.and_then(|factor| factor.levels.as_ref()) else { continue };
        let mut coming = own.levels.iter().enumerate().filter(|(place, _)| can_come(*place)).map(|(_, level)| level);
        if let Some(unknown) = coming.find(|level| !listed.contains(level)) {
            let known = listed.join(", ");
            return Err(format!(
                "{}: \"{unknown}\" is no level of the factor \"{}\"; it has {known}",
                scheme.name, own.id
            ));
        }
    }
    Ok(())
}

fn shares_of(own: &Characteristic) -> Vec<(String, f64)> {
    let counts: Vec<u64> = match &own.source {
        Source::Shares(weights) => weights.clone(),
        Source::Rows(rows) => {
            let mut counts = vec![0; own.levels.len()];
            rows.iter().for_each(|place| counts[*place as usize] += 1);
            counts
        }
        Source::Earlier => vec![0; own.levels.len()],
    };
    let sum: u64 = counts.iter().sum::<u64>().max(1);
    own.levels.iter().cloned().zip(counts.into_iter().map(|count| count as f64 / sum as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_an_editor_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.csv");
        for (text, expected) in [
            ("a,b\n1,2\n3,4\n", [2, 3]),
            ("a,b\r\n1,2\r\n3,4\r\n", [2, 3]),
            ("# said\na,b\n1,2\n# more\n\n3,4\n", [3, 6]),
            ("a,b\n\"1\n1\",2\n3,4", [2, 4]),
            ("a,b\r\n#x\r\n1,2\r\n\r\n3,#4\r\n", [3, 5]),
            ("a;b\r\n1,5;2\r\n3;4\r\n", [2, 3]),
            ("a\tb\n1\t2;2\n3\t4\n", [2, 3]),
        ] {
            std::fs::write(&path, text).unwrap();
            let (_, rows) = read_csv(&path).unwrap();
            assert_eq!(rows.iter().map(|(line, _)| *line).collect::<Vec<u64>>(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_csv_of_excel_in_japan_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.csv");
        let (bytes, _, _) = encoding_rs::SHIFT_JIS.encode("性別;施設\r\n女;001\r\n");
        std::fs::write(&path, &bytes).unwrap();
        let (columns, rows) = read_csv(&path).unwrap();
        assert_eq!(columns, ["性別", "施設"]);
        assert_eq!(rows[0].1.iter().collect::<Vec<&str>>(), ["女", "001"]);
        std::fs::write(&path, b"a,b\n\xff\xff,2\n").unwrap();
        assert!(read_csv(&path).unwrap_err().to_string().contains("save it as UTF-8"));
    }

    #[test]
    fn shares_are_read_exactly() {
        let shares = read_shares(" sex = F:0.6 , M:0.4 ; age=a:b:1/3").unwrap();
        assert_eq!(whole("sex", &shares["sex"]).unwrap(), [3, 2]);
        assert_eq!(shares["age"][0].0, "a:b");
        for wrong in ["sex", "sex=F:x", "sex=F:-1", "sex=F:0,M:0", "sex=F,F", "sex=F;sex=M", ""] {
            assert!(read_shares(wrong).is_err(), "{wrong}");
        }
    }
}
