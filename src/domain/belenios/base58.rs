//! Base58: digits and letters without 0, O, I and l, in which identifiers of elections and credentials are written.

use secrecy::zeroize::Zeroize as _;

use crate::domain::time::Dice;

/// The characters, each standing for its place.
pub const ALPHABET: &str = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// How many there are.
pub const BASE: u64 = ALPHABET.len() as u64;
/// Random bytes from this on would favor the first characters.
const EVEN: u8 = u8::MAX / ALPHABET.len() as u8 * ALPHABET.len() as u8;

/// What a character stands for.
pub fn value(c: char) -> Option<u64> {
    ALPHABET.find(c).map(|at| at as u64)
}

/// So many characters, each as likely as any other.
pub fn draw(length: usize, dice: &dyn Dice) -> String {
    // With all its room from the start, so that no part of a secret stays behind where the text was.
    let mut text = String::with_capacity(length);
    let mut bytes = [0_u8; 32];
    while text.len() < length {
        dice.fill(&mut bytes);
        let even = bytes.iter().filter(|byte| **byte < EVEN);
        let characters = even.map(|byte| char::from(ALPHABET.as_bytes()[usize::from(*byte) % ALPHABET.len()]));
        text.extend(characters.take(length - text.len()));
    }
    bytes.zeroize();
    text
}
