// Runs the computing part of a booth without a browser: takes the script `engine` out of the page, so that what is tested is what is
// shipped. `node engine.mjs PAGE TASK`, with what the task needs on standard input as JSON; tells what came of it as JSON.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const [page, task] = process.argv.slice(2);
const script = readFileSync(page, "utf8").match(/<script id="engine">([^]*?)<\/script>/)[1];
const { Group, Hash, Credential, Election, Proofs, Ballot, Fault } =
  new Function(`${script}\nreturn { Group, Hash, Credential, Election, Proofs, Ballot, Fault };`)();

// Dice that give what a case fixes, and no more.
const fixed = (...numbers) => () => {
  assert.ok(numbers.length > 0, "no more is drawn than is fixed");
  return BigInt(numbers.shift());
};
const step = async () => {};
const generator = () => new Group.Powers(Group.generator);
const elections = new Map();

async function election(file) {
  if (!elections.has(file)) { elections.set(file, await Election.read(file)); }
  return elections.get(file);
}

const tasks = {
  // Every case of `primitives.json` that a booth computes.
  async primitives(cases) {
    assert.equal(cases.group, Group.name);
    for (const { text, value } of cases.sha256_b64) { assert.equal(await Hash.base64(text), value); }
    for (const { credential, uuid, secret_exponent, public_key } of cases.credentials) {
      assert.equal(Credential.read(credential), credential);
      assert.equal(String(await Credential.secret(credential, uuid)), secret_exponent);
      assert.equal(String(generator().of(BigInt(secret_exponent))), public_key);
      assert.equal(String(Group.power(Group.generator, BigInt(secret_exponent))), public_key);
    }
    const same = (made, expected) => assert.deepEqual(Proofs.written(made), { challenge: expected.challenge, response: expected.response });
    const { pok } = cases;
    same(await Proofs.ofSecret(`pok|${Group.name}|${pok.public_key}|`, generator(), BigInt(pok.x), fixed(pok.w)), pok);
    const { interval_proof: interval } = cases;
    const bases = { generator: generator(), key: new Group.Powers(BigInt(interval.y)) };
    const randomness = BigInt(interval.r);
    assert.equal(String(bases.generator.of(randomness)), interval.alpha);
    assert.equal(String(Group.times(bases.key.of(randomness), Group.generator)), interval.beta);
    const { fake_branch_0: fake } = interval;
    const proof = await Proofs.ofBranches(
      bases, `prove|${interval.S}|${interval.alpha},${interval.beta}|`, [0, 1].map((claimed) => ({ randomness, value: interval.m, claimed })),
      interval.m, fixed(fake.challenge, fake.response, interval.w_true_branch), step,
    );
    proof.forEach((made, branch) => same(made, interval.proof[branch]));
    assert.equal(String(Group.scalar(proof[0].challenge + proof[1].challenge)), interval.total_challenge);
    const { ballot_signature: signature } = cases;
    const hash = await Hash.base64(signature.hashed_text);
    assert.equal(hash, signature.hash);
    const signed = await Promise.all(cases.credentials.map(({ secret_exponent }) =>
      Proofs.ofSecret(`sig|${hash}|`, generator(), BigInt(secret_exponent), fixed(signature.w))));
    assert.ok(signed.some((made) => String(made.response) === signature.response && String(made.challenge) === signature.challenge));
    return "same";
  },

  // The secret exponents of credentials as they were typed, or why there is none.
  credentials: ({ uuid, typed }) => Promise.all(typed.map(async (one) => {
    try {
      const credential = Credential.read(one);
      return { credential, secret: String(await Credential.secret(credential, uuid)) };
    } catch (fault) {
      assert.ok(fault instanceof Fault, fault);
      return { fault: fault.code, facts: fault.facts };
    }
  })),

  // Ballots, each of an election's file, a secret exponent and votes.
  async ballots(wanted) {
    const made = [];
    for (const { file, secret, votes } of wanted) {
      let steps = 0;
      const count = async () => { steps += 1; };
      try {
        const found = await election(file);
        const ballot = await Ballot.make({ election: found, secret: BigInt(secret), votes, dice: Group.draw, step: count });
        assert.equal(steps, Ballot.steps(found));
        assert.deepEqual(await Ballot.read(found, ballot.text), ballot);
        made.push(ballot);
      } catch (fault) {
        assert.ok(fault instanceof Fault, fault);
        made.push({ fault: fault.code });
      }
    }
    return made;
  },

  // What is read in archives, or why nothing is.
  archives: (paths) => Promise.all(paths.map(async (path) => {
    try {
      const { file, keys } = await Election.open(new Uint8Array(readFileSync(path)));
      const { fingerprint, name } = await Election.read(file);
      return { fingerprint, name, keys: keys.length };
    } catch (fault) {
      assert.ok(fault instanceof Fault, fault);
      return { fault: fault.code };
    }
  })),
};

process.stdout.write(JSON.stringify(await tasks[task](JSON.parse(readFileSync(0, "utf8")))));
