// What is wrong, by a name for which the page has words.
"use strict";
class Fault extends Error {
  constructor(code, facts) {
    super(code);
    this.code = code;
    this.facts = facts || {};
  }
}
