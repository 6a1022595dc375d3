//! The file that says who has which credential. It stays with who made them.

use secrecy::zeroize::Zeroizing;

use crate::definition::registrar_file::Addressee;
use crate::domain::belenios::credential::Credential;
use crate::domain::language::Language;

const COLUMNS: [&str; 6] = ["number", "name", "email", "language", "weight", "credential"];

/// Somebody with their credential.
pub(super) struct Kept {
    pub addressee: Addressee,
    pub credential: Credential,
}

/// The file of them, in the order of the roll.
pub(super) fn file(kept: &[Kept]) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let mut rows = csv::Writer::from_writer(Vec::new());
    rows.write_record(COLUMNS)?;
    for Kept { addressee, credential } in kept {
        let language = addressee.language.map_or("", Language::code);
        let weight = addressee.weight.to_string();
        let (number, name, address) = (addressee.number.as_str(), addressee.name.as_str(), addressee.address.as_str());
        rows.write_record([number, name, address, language, &weight, credential.text()])?;
    }
    Ok(Zeroizing::new(rows.into_inner().map_err(|error| error.into_error())?))
}

/// Reads it.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Kept>, String> {
    let mut rows = csv::Reader::from_reader(bytes);
    if rows.headers().map_or(true, |header| header != COLUMNS[..]) {
        return Err("is not the file that was made: its first line is another one".to_owned());
    }
    let mut kept = Vec::new();
    for row in rows.records() {
        let row = row.map_err(|error| error.to_string())?;
        let line = row.position().map_or(0, csv::Position::line);
        let cell = |at: usize| row.get(at).unwrap_or_default();
        let credential = Credential::parse(cell(5)).map_err(|fault| format!("line {line}: credential: {fault}"))?;
        let weight = cell(4).parse().map_err(|_| format!("line {line}: weight: is no number"))?;
        let (number, name, address) = (cell(0).to_owned(), cell(1).to_owned(), cell(2).to_owned());
        let addressee = Addressee { number, name, address, language: Language::find(cell(3)), weight };
        kept.push(Kept { addressee, credential });
    }
    Ok(kept)
}
