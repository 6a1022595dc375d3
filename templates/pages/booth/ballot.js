// A ballot: the choices encrypted, every rule of the questions proved, and all of it signed with the credential.
"use strict";
const Ballot = (function () {
  const sum = (numbers) => numbers.reduce((all, one) => all + one, 0);

  // How often `step` is called for a ballot.
  function steps(election) {
    return sum(election.questions.map(({ answers, blank, min, max }) =>
      3 * (answers.length + (blank ? 1 : 0)) + max - min + 1 + (blank ? 3 : 0)));
  }

  // Whether a ballot may say so: one number for each answer, and before them one for a blank ballot where there may be one.
  function isAllowed({ answers, blank, min, max }, votes) {
    const fits = votes.length === answers.length + (blank ? 1 : 0) && votes.every((vote) => vote === 0 || vote === 1);
    const count = sum(votes.slice(blank ? 1 : 0));
    return fits && (blank && votes[0] === 1 ? count === 0 : min <= count && count <= max);
  }

  async function answer(question, votes, bases, context, dice, step) {
    const { blank, min, max } = question;
    const first = blank ? 1 : 0;
    const choices = [];
    const own = [];
    const individual = [];
    for (const vote of votes) {
      const randomness = dice();
      const marked = bases.key.of(randomness);
      const alpha = bases.generator.of(randomness);
      const beta = vote === 1 ? Group.times(marked, Group.generator) : marked;
      await step();
      const claims = [0, 1].map((claimed) => ({ randomness, value: vote, claimed }));
      individual.push(await Proofs.ofBranches(bases, `prove|${context}|${alpha},${beta}|`, claims, vote, dice, step));
      choices.push({ alpha, beta });
      own.push(randomness);
    }
    const all = `${context}|${choices.map(({ alpha, beta }) => `${alpha},${beta}`).join(",")}`;
    // What the answers without the blank one encrypt together.
    const count = sum(votes.slice(first));
    const randomness = Group.scalar(own.slice(first).reduce((total, one) => total + one, 0n));
    const claims = [];
    for (let claimed = min; claimed <= max; claimed += 1) { claims.push({ randomness, value: count, claimed }); }
    const made = {
      choices: choices.map(({ alpha, beta }) => ({ alpha: alpha.toString(), beta: beta.toString() })),
      individual_proofs: individual.map((proof) => proof.map(Proofs.written)),
    };
    let overall;
    let isBlank = null;
    if (blank) {
      const marked = { randomness: own[0], value: votes[0] };
      const total = { randomness, value: count };
      const either = [marked, total].map((claim) => ({ ...claim, claimed: 0 }));
      isBlank = await Proofs.ofBranches(bases, `bproof0|${all}|`, either, votes[0] === 1 ? 1 : 0, dice, step);
      const truth = votes[0] === 1 ? 0 : 1 + count - min;
      overall = await Proofs.ofBranches(bases, `bproof1|${all}|`, [{ ...marked, claimed: 1 }, ...claims], truth, dice, step);
    } else {
      const product = (part) => choices.reduce((total, choice) => Group.times(total, choice[part]), 1n);
      overall = await Proofs.ofBranches(
        bases, `prove|${all}|${product("alpha")},${product("beta")}|`, claims, count - min, dice, step,
      );
    }
    made.overall_proof = overall.map(Proofs.written);
    if (isBlank) { made.blank_proof = isBlank.map(Proofs.written); }
    return made;
  }

  // Makes one, and its tracker. `dice` gives numbers below q; `step` is waited for now and then, `steps` times in all.
  async function make({ election, secret, votes, dice, step }) {
    if (votes.length !== election.questions.length
      || !election.questions.every((question, place) => isAllowed(question, votes[place]))) {
      throw new Fault("ballot_not_allowed");
    }
    const bases = { generator: new Group.Powers(Group.generator), key: new Group.Powers(election.key) };
    const credential = bases.generator.of(secret).toString();
    const context = `${election.fingerprint}|${credential}`;
    const ballot = { election_uuid: election.uuid, election_hash: election.fingerprint, credential, answers: [] };
    for (const [place, question] of election.questions.entries()) {
      ballot.answers.push(await answer(question, votes[place], bases, context, dice, step));
    }
    const hash = await Hash.base64(JSON.stringify(ballot));
    const proof = Proofs.written(await Proofs.ofSecret(`sig|${hash}|`, bases.generator, secret, dice));
    ballot.signature = { hash, proof };
    const text = JSON.stringify(ballot);
    return { text, tracker: await Hash.base64(text) };
  }

  // A ballot that was made elsewhere, if it is one of this election and nothing of it was lost on the way.
  async function read(election, text) {
    let found;
    try { found = JSON.parse(text); } catch (_) { throw new Fault("ballot_unreadable"); }
    if (found === null || typeof found !== "object" || typeof found.signature !== "object" || found.signature === null) {
      throw new Fault("ballot_unreadable");
    }
    if (found.election_uuid !== election.uuid || found.election_hash !== election.fingerprint) {
      throw new Fault("ballot_other_election");
    }
    const { signature, ...unsigned } = found;
    if (JSON.stringify(found) !== text || signature.hash !== await Hash.base64(JSON.stringify(unsigned))) {
      throw new Fault("ballot_unreadable");
    }
    return { text, tracker: await Hash.base64(text) };
  }

  return { steps, isAllowed, make, read };
})();
