// An election, from its file or from its archive; what cannot be voted in here is refused by name.
"use strict";
const Election = (function () {
  const BLOCK = 512;

  function text(bytes) {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    try { return decoder.decode(bytes); } catch (_) { throw new Fault("election_unreadable"); }
  }

  function parsed(file) {
    try { return JSON.parse(file); } catch (_) { throw new Fault("election_unreadable"); }
  }

  const isCount = (number) => Number.isSafeInteger(number) && number >= 0;

  function question(asked) {
    if (asked.type !== undefined) { throw new Fault("election_other_kind"); }
    const { answers, min, max } = asked;
    const blank = asked.blank === true;
    const possible = Array.isArray(answers) && answers.length > 0 && answers.every((answer) => typeof answer === "string")
      && isCount(min) && isCount(max) && min <= max && max <= answers.length && typeof asked.question === "string";
    if (!possible) { throw new Fault("election_unreadable"); }
    return { question: asked.question, answers, blank, min, max };
  }

  // Of the exact text of its file, which every proof names by its digest.
  async function read(file) {
    const found = parsed(file);
    if (found === null || typeof found !== "object" || !Array.isArray(found.questions) || found.questions.length === 0
      || typeof found.uuid !== "string" || !/^\d{1,620}$/.test(found.public_key)) {
      throw new Fault("election_unreadable");
    }
    if (found.version !== 1) { throw new Fault("election_other_kind"); }
    const questions = found.questions.map(question);
    if (found.group !== Group.name) { throw new Fault("election_other_kind"); }
    const key = BigInt(found.public_key);
    if (!Group.isKey(key)) { throw new Fault("election_key"); }
    const told = (name) => typeof found[name] === "string" ? found[name] : "";
    return {
      file, fingerprint: await Hash.base64(file), uuid: found.uuid, key, questions, name: told("name"),
      description: told("description"), administrator: told("administrator"), authority: told("credential_authority"),
    };
  }

  // The records of an archive up to its set-up, by name; each holds what its name says.
  async function records(bytes) {
    const found = new Map();
    for (let at = 0; at + BLOCK <= bytes.length;) {
      const field = (from, size) => text(bytes.subarray(at + from, at + from + size)).split("\0")[0];
      const name = field(0, 100);
      const size = parseInt(field(124, 12), 8);
      if (!(size >= 0) || at + BLOCK + size > bytes.length) { throw new Fault("archive_cut"); }
      const body = bytes.subarray(at + BLOCK, at + BLOCK + size);
      const [digest, kind] = name.split(".");
      if (kind !== undefined && digest !== await Hash.hex(body)) { throw new Fault("archive_changed"); }
      if (kind === "event") { return { found, setup: parsed(text(body)) }; }
      found.set(digest, body);
      at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    }
    throw new Fault("archive_cut");
  }

  // The election's file and the keys of its credentials, from an archive.
  async function open(bytes) {
    const { found, setup } = await records(bytes);
    const data = (digest) => {
      if (!found.has(digest)) { throw new Fault("archive_cut"); }
      return text(found.get(digest));
    };
    const payload = setup !== null && setup.type === "Setup" ? parsed(data(setup.payload)) : null;
    if (payload === null) { throw new Fault("election_unreadable"); }
    const list = parsed(data(payload.credentials));
    if (!Array.isArray(list)) { throw new Fault("election_unreadable"); }
    return { file: data(payload.election), keys: list.map((line) => String(line).split(",")[0]) };
  }

  const isArchive = (bytes) => bytes.length >= BLOCK && String.fromCharCode(...bytes.subarray(0, 8)) === "BELENIOS";

  return { read, open, isArchive, text };
})();
