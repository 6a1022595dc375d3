// Proofs that tell nothing else. `dice` gives numbers below q; `bases` are the powers of the generator and of the election's key.
"use strict";
const Proofs = (function () {
  // That somebody knows the secret of a key: of a ballot, with `sig|HASH|`.
  async function ofSecret(before, generator, secret, dice) {
    const own = dice();
    const challenge = await Hash.number(before + generator.of(own));
    return { challenge, response: Group.scalar(own - secret * challenge) };
  }

  // That claim `truth` holds, without telling which it is. A claim: a number `value` was encrypted with `randomness`, and is said to be
  // `claimed`. What a branch raises to its challenge, g^r and y^r × g^(value - claimed), are powers of the bases themselves.
  async function ofBranches(bases, before, claims, truth, dice, step) {
    const proofs = [];
    const commitments = [];
    let sum = 0n;
    for (const [place, { randomness, value, claimed }] of claims.entries()) {
      const own = place === truth;
      const challenge = own ? 0n : dice();
      const response = dice();
      const exponent = Group.scalar(response + randomness * challenge);
      const more = Group.scalar(BigInt(value - claimed) * challenge);
      const b = bases.key.of(exponent);
      commitments.push(`${bases.generator.of(exponent)},${own ? b : Group.times(b, bases.generator.of(more))}`);
      proofs.push({ challenge, response });
      sum += challenge;
      await step();
    }
    const challenge = Group.scalar(await Hash.number(before + commitments.join(",")) - sum);
    const response = Group.scalar(proofs[truth].response - claims[truth].randomness * challenge);
    proofs[truth] = { challenge, response };
    return proofs;
  }

  const written = ({ challenge, response }) => ({ challenge: challenge.toString(), response: response.toString() });

  return { ofSecret, ofBranches, written };
})();
