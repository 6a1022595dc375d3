//! `allocation.toml`, the statistician's file → a [`Scheme`] and its caps, or every problem at once.
//!
//! In charge of everything that can be said of the file by itself. Whether its factors are items of the registration
//! instrument, and its arms and sites those of `study.toml`, is checked where the whole bundle is known.

mod caps;
mod design;
mod deterministic;
mod forced;
mod list;
mod method;
mod recounting;
mod table;

use std::path::Path;

use num_traits::One;
use toml::de::DeTable;

pub(super) use self::design::{beside_trivial, percent};
use self::table::{Desk, Section, nearest};
use super::problem::Problem;
use crate::domain::allocation::{Arm, Factor, Method, SITE, Scheme, TOTAL};
use crate::domain::fact::Recounting;
use crate::domain::number::Rational;
use crate::domain::study::{Caps, Forcing, SiteCaps};
use crate::limits;

/// What an `allocation.toml` says.
#[derive(Clone, Debug)]
pub struct AllocationFile {
    /// How arms are allocated.
    pub scheme: Scheme,
    /// How later decisions count subjects of which something became known.
    pub recounting: Recounting,
    /// Who may give an arm by hand, and how often.
    pub forcing: Forcing,
    /// Greatest numbers of subjects in all, per arm and per stratum.
    pub caps: Caps,
    /// Greatest numbers of subjects per site.
    pub sites: SiteCaps,
}

/// Reads the text of an `allocation.toml` that needs no other file. Problems name `file`; `None` if one of them makes the
/// scheme unusable.
pub fn read(text: &str, file: &str, problems: &mut Vec<Problem>) -> Option<AllocationFile> {
    read_with(text, file, &|_| None, problems)
}

/// Reads an `allocation.toml` from a folder, and the list beside it if it names one.
///
/// # Errors
/// If `path` itself cannot be read as UTF-8; a list that cannot is a problem.
pub fn open(path: &Path, problems: &mut Vec<Problem>) -> std::io::Result<Option<AllocationFile>> {
    let read = |path: &Path| {
        let wrong = |wrong| std::io::Error::new(std::io::ErrorKind::InvalidData, wrong);
        String::from_utf8(std::fs::read(path)?).map_err(wrong)
    };
    let text = read(path)?;
    let beside = |name: &str| read(&path.parent().unwrap_or(Path::new("")).join(name)).ok();
    Ok(read_with(&text, &path.to_string_lossy(), &beside, problems))
}

/// Whether a file of a bundle can be an imported list: `list.csv`, or `list-….csv`.
pub fn is_list(name: &str) -> bool {
    list::is_name(name)
}

/// As [`read`]; `beside` gives the text of another file of the same folder.
pub fn read_with(
    text: &str,
    file: &str,
    beside: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<Problem>,
) -> Option<AllocationFile> {
    let first = problems.len();
    let found = read_into(&mut Desk::new(file, text, problems), text, beside);
    if let Some(own) = problems.get_mut(first..) {
        own.sort();
    }
    found
}

fn read_into(desk: &mut Desk<'_>, text: &str, beside: &dyn Fn(&str) -> Option<String>) -> Option<AllocationFile> {
    let (document, faults) = DeTable::parse_recoverable(text);
    for fault in &faults {
        desk.error(fault.span(), "", format!("is no TOML: {}", fault.message()), "");
    }
    if !faults.is_empty() {
        return None;
    }
    let root = Section::root(document.get_ref());
    let mut known = vec!["method", "arms", "factors", "strata", "caps", "corrections", "exclude", "epoch", "forced"];
    known.push(deterministic::KEY);
    known.extend(method::TABLES);
    root.know(desk, &known);
    let arms = arms(desk, &root);
    let factors = factors(desk, &root);
    let mut strata = strata(desk, &root, &factors);
    let open: Vec<Arm> = arms.iter().filter(|arm| !arm.closed).cloned().collect();
    let alone = open.len() == 1 && arms.len() > 1;
    let method = method::read(desk, &root, &open, &factors, &strata, alone, beside);
    let deterministic_reason = deterministic::read(desk, &root, method.as_ref(), alone);
    closed_arms(desk, &root, &arms, &open, method.as_ref());
    let epoch = match root.get("epoch") {
        Some(value) => table::whole(desk, "epoch", value, 1, limits::EPOCHS)
            .and_then(|epoch| u32::try_from(epoch).ok())
            .unwrap_or(1),
        None => 1,
    };
    let caps = caps::read(desk, &root, &arms, &strata);
    let recounting = recounting::read(desk, &root, method.as_ref());
    let forcing = forced::read(desk, &root, method.as_ref());
    let stratifies =
        !matches!(&method, Some(Method::None | Method::Simple | Method::Minimization(_) | Method::Atkinson));
    if let (false, Some((caps, _)), Some(value)) = (stratifies, &caps, root.get("strata"))
        && caps.stratum.is_none()
    {
        let right = "name them as factors of minimization, hu-hu or atkinson";
        desk.warn(Some(value.span()), "strata", "the method does not stratify", right);
        strata.clear();
    }
    if desk.errors() > 0 {
        return None;
    }
    if let (Some(method), false) = (&method, alone) {
        design::look(desk, &root, &open, method, caps.as_ref().map(|(caps, _)| caps));
    }
    let (caps, sites) = caps?;
    Some(AllocationFile {
        scheme: Scheme::new(arms, factors, strata, method?)
            .in_epoch(epoch)
            .with_deterministic_reason(deterministic_reason),
        recounting,
        forcing,
        caps,
        sites,
    })
}

/// What a method must be able to do if arms are closed.
fn closed_arms(desk: &mut Desk<'_>, root: &Section<'_, '_>, arms: &[Arm], open: &[Arm], method: Option<&Method>) {
    let Some(value) = root.get("arms").filter(|_| open.len() < arms.len()) else { return };
    if open.is_empty() {
        let right = "one open arm; `hagaki study close` ends enrollment";
        desk.error(Some(value.span()), "arms", "every arm is closed", right);
    }
    if matches!(method, Some(Method::List(_))) {
        let wrong = "the method \"list\" cannot have arms that are closed";
        desk.error(Some(value.span()), "arms", wrong, "another method, with a higher epoch");
    }
}

fn arms(desk: &mut Desk<'_>, root: &Section<'_, '_>) -> Vec<Arm> {
    let right = "arms = [ { code = \"A\", ratio = 1 }, { code = \"B\", ratio = 1 } ]";
    let none = root.get("method").is_some_and(|value| value.get_ref().as_str() == Some("none"));
    let value = if none { root.get("arms") } else { root.need(desk, "arms", right) };
    let Some(value) = value else { return Vec::new() };
    let mut arms: Vec<Arm> = Vec::new();
    for (number, value) in table::list(desk, "arms", value).unwrap_or_default().iter().enumerate() {
        let path = format!("arms[{}]", number + 1);
        let Some(section) = Section::open(desk, &path, value, &["code", "ratio", "closed"]) else { continue };
        let code = section.need_name(desk, "code", "a short text, such as \"A\"");
        let ratio = match section.get("ratio") {
            Some(value) => table::whole(desk, &section.path_of("ratio"), value, 1, limits::RATIO).unwrap_or(1),
            None => 1,
        };
        let closed = match section.get("closed") {
            Some(value) => table::flag(desk, &section.path_of("closed"), value).unwrap_or(false),
            None => false,
        };
        let Some((code, span)) = code else { continue };
        if arms.iter().any(|arm| arm.code == code) {
            desk.error(
                Some(span),
                &section.path_of("code"),
                format!("\"{code}\" stands twice"),
                "a code of its own for each arm",
            );
        }
        arms.push(Arm { code, ratio, closed });
    }
    if arms.len() > limits::ARMS {
        desk.error(Some(value.span()), "arms", format!("{} arms", arms.len()), format!("at most {}", limits::ARMS));
        arms.truncate(limits::ARMS);
    }
    arms
}

fn factors(desk: &mut Desk<'_>, root: &Section<'_, '_>) -> Vec<Factor> {
    let Some(value) = root.get("factors") else { return Vec::new() };
    let mut factors: Vec<Factor> = Vec::new();
    for (number, value) in table::list(desk, "factors", value).unwrap_or_default().iter().enumerate() {
        let path = format!("factors[{}]", number + 1);
        let Some(section) = Section::open(desk, &path, value, &["id", "levels", "weight"]) else { continue };
        let id = section.need_name(desk, "id", "an item's id, \"site\" or \"total\"");
        let weight = match section.get("weight") {
            Some(value) => method::weight(desk, &section.path_of("weight"), value).unwrap_or_else(Rational::one),
            None => Rational::one(),
        };
        let levels = levels(desk, &section);
        let Some((id, span)) = id else { continue };
        if factors.iter().any(|factor| factor.id == id) {
            desk.error(
                Some(span.clone()),
                &section.path_of("id"),
                format!("\"{id}\" stands twice"),
                "each factor once",
            );
        }
        if id == "arm" {
            let right = "another id: histories name the arm there";
            desk.error(Some(span.clone()), &section.path_of("id"), "\"arm\" is the name of a column", right);
        }
        if id == TOTAL && levels.is_some() {
            desk.error(Some(span), &section.path_of("levels"), "the factor \"total\" has no levels", "leave them out");
        }
        factors.push(Factor { id, levels, weight });
    }
    if factors.len() > limits::FACTORS {
        desk.error(
            Some(value.span()),
            "factors",
            format!("{} factors", factors.len()),
            format!("at most {}", limits::FACTORS),
        );
        factors.truncate(limits::FACTORS);
    }
    factors
}

fn levels(desk: &mut Desk<'_>, section: &Section<'_, '_>) -> Option<Vec<String>> {
    let value = section.get("levels")?;
    let path = section.path_of("levels");
    let mut levels: Vec<String> = Vec::new();
    let values = table::list(desk, &path, value)?;
    if values.is_empty() || values.len() > limits::LEVELS {
        let right = format!("1 to {} levels, or no list where new ones may appear", limits::LEVELS);
        desk.error(Some(value.span()), &path, format!("{} levels", values.len()), right);
        return None;
    }
    for value in values {
        let Some(level) = table::name(desk, &path, value) else { continue };
        if levels.contains(&level) {
            desk.error(Some(value.span()), &path, format!("\"{level}\" stands twice"), "each level once");
        }
        levels.push(level);
    }
    Some(levels)
}

/// Ids that the scheme stratifies by: of factors, where the file lists factors, or `site`.
fn strata(desk: &mut Desk<'_>, root: &Section<'_, '_>, factors: &[Factor]) -> Vec<String> {
    let Some(value) = root.get("strata") else { return Vec::new() };
    let mut strata: Vec<String> = Vec::new();
    for value in table::list(desk, "strata", value).unwrap_or_default() {
        let Some(id) = table::name(desk, "strata", value) else { continue };
        let known = factors.is_empty() || id == SITE || factors.iter().any(|factor| factor.id == id);
        if id == TOTAL {
            desk.error(Some(value.span()), "strata", "\"total\" is no stratum", "leave it out");
        } else if !known {
            let near = nearest(&id, factors.iter().map(|factor| factor.id.as_str()).chain([SITE]));
            let right =
                near.map_or_else(|| "an id of [factors]".to_owned(), |near| format!("did you mean \"{near}\"?"));
            desk.error(Some(value.span()), "strata", format!("\"{id}\" is no factor"), right);
        } else if strata.contains(&id) {
            desk.error(Some(value.span()), "strata", format!("\"{id}\" stands twice"), "each stratum once");
        }
        strata.push(id);
    }
    if strata.len() > limits::FACTORS {
        desk.error(
            Some(value.span()),
            "strata",
            format!("{} strata", strata.len()),
            format!("at most {}", limits::FACTORS),
        );
        strata.truncate(limits::FACTORS);
    }
    strata
}
