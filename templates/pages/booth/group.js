// The group of the ballots, BELENIOS-2048: numbers modulo a prime of 2048 bits whose order is q, and their powers.
"use strict";
const Group = (function () {
  const prime = BigInt(
    "2069478569142254640101364365750500806492298929575110409710088478705737421924271740192223725449768433" +
    "8129066633138078958404960054389636289796393038773905722803605973749427671376777618898589872735865049" +
    "0811670993105358677809800307904916540637771737641986785272734744763418356000356983051931442845617019" +
    "1100078673730733356412397173289791324047457883446826065232797464795113767265869358218004631792207366" +
    "8860052627186363386088796882120769432366149491002923444346373222145884100586421050242120365433561201" +
    "3204811188524087310770141516662001623131771693721892480785077118278423174980732765988288251691831031" +
    "25680162072880719"
  );
  const generator = BigInt(
    "2402352677501852209227687703532399932712287657378364916510075318787663274146353219320285676155269678" +
    "7996946682987493890950838965734256019006010684771644917354741372831046104586813145117816467554005274" +
    "0288984613986453266121505579709716201616827031288643245666383486363578210615491841998253431518974065" +
    "8186868651151358576410138882215396016043228843603930989333662772848406593138406010231675095763777982" +
    "6651036068224066350766977640253462537730851331734951942489677540525736590494924776314759915751987751" +
    "7771148149092045660020547812705472823814097251863985833411570056835369555342378147558249189605029668" +
    "0037745308460627"
  );
  const order = BigInt("78571733251071885079927659812671450121821421258408794611510081919805623223441");
  // Six bits of an exponent at once: of the tables with which 50 to 1,500 powers are made, it is the quickest.
  const BITS = 6n;
  const ROWS = Math.ceil(256 / Number(BITS));

  function power(base, exponent) {
    let product = 1n;
    for (const bit of exponent.toString(2)) {
      product = product * product % prime;
      if (bit === "1") { product = product * base % prime; }
    }
    return product;
  }

  // Powers of one base. Every power that a ballot needs is one of the generator or of the election's key: who makes a proof knows what
  // the numbers in it are powers of.
  class Powers {
    constructor(base) {
      this.rows = [];
      let first = base;
      for (let row = 0; row < ROWS; row += 1) {
        const powers = [1n];
        while (powers.length < 1 << Number(BITS)) { powers.push(powers[powers.length - 1] * first % prime); }
        first = powers[powers.length - 1] * first % prime;
        this.rows.push(powers);
      }
    }

    of(exponent) {
      let product = 1n;
      for (const powers of this.rows) {
        product = product * powers[Number(BigInt.asUintN(Number(BITS), exponent))] % prime;
        exponent >>= BITS;
      }
      return product;
    }
  }

  const scalar = (number) => ((number % order) + order) % order;
  const times = (a, b) => a * b % prime;
  // Of the group, and not the one that everybody knows the secret of.
  const isKey = (number) => number > 1n && number < prime && power(number, order) === 1n;

  // A number below q that nobody can foresee: of 512 bits, so that none is likelier than others.
  function draw() {
    const bytes = crypto.getRandomValues(new Uint8Array(64));
    return bytes.reduce((number, byte) => number << 8n | BigInt(byte), 0n) % order;
  }

  return { name: "BELENIOS-2048", generator, order, power, Powers, scalar, times, isKey, draw };
})();
