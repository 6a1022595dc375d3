// The credential of a voter: read as it was typed, and the secret that follows from it.
"use strict";
const Credential = (function () {
  const DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  // How it is written: three by three with a character that checks the others, or the longer form without one.
  const SHORT = [3, 3, 3, 3, 3];
  const LONG = [5, 6, 5, 6];
  const CHECKED = 53n;
  const length = (groups) => groups.reduce((sum, size) => sum + size, 0);

  function grouped(characters, groups) {
    let at = 0;
    return groups.map((size) => characters.slice(at, at += size)).join("-");
  }

  // Whether the last character is the one that belongs to those before.
  function isWhole(characters) {
    const value = Array.from(characters.slice(0, -1)).reduce((sum, one) => sum * 58n + BigInt(DIGITS.indexOf(one)), 0n);
    return DIGITS.indexOf(characters.slice(-1)) === Number(CHECKED - value % CHECKED);
  }

  // The credential in its one form, from wide letters, other dashes, and spaces as well.
  function read(typed) {
    const characters = typed.normalize("NFKC").replace(/[\s\p{Pd}\u2212\u30fc\u2500\u200b\ufeff]/gu, "");
    if (characters === "") { throw new Fault("credential_empty"); }
    const foreign = Array.from(characters).find((one) => !DIGITS.includes(one));
    if (foreign !== undefined) { throw new Fault("credential_character", { character: foreign }); }
    const groups = [SHORT, LONG].find((groups) => length(groups) === characters.length);
    if (!groups) {
      throw new Fault("credential_length", { count: characters.length, short: length(SHORT), long: length(LONG) });
    }
    if (groups === SHORT && !isWhole(characters)) { throw new Fault("credential_typo"); }
    return grouped(characters, groups);
  }

  async function stretched(credential, uuid) {
    const bytes = (text) => new TextEncoder().encode(text);
    const key = await crypto.subtle.importKey("raw", bytes(credential), "PBKDF2", false, ["deriveBits"]);
    const how = { name: "PBKDF2", hash: "SHA-256", salt: bytes(uuid), iterations: 1000 };
    return Hash.hexOf(new Uint8Array(await crypto.subtle.deriveBits(how, key, 256)));
  }

  // The secret of a credential that was read, in an election.
  async function secret(credential, uuid) {
    const digits = credential.split("-").length === SHORT.length
      ? await stretched(credential, uuid)
      : await Hash.hex(`derive_credential|${uuid}|0|${credential}`) + await Hash.hex(`derive_credential|${uuid}|1|${credential}`);
    return Group.scalar(BigInt("0x" + digits));
  }

  return { read, secret };
})();
