// SHA-256, as the protocol writes it: of texts, to a text in base 64 or to a number below q.
"use strict";
const Hash = (function () {
  const of = async (data) => {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  };
  const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const base64 = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/=+$/, "");

  return {
    // What the tracker of a ballot and the fingerprint of an election are.
    base64: async (data) => base64(await of(data)),
    hex: async (data) => hex(await of(data)),
    number: async (text) => Group.scalar(BigInt("0x" + hex(await of(text)))),
    // The beginning of a digest, by which a page knows the credentials of its election: six bytes.
    beginning: async (text) => base64((await of(text)).subarray(0, 6)),
    hexOf: hex,
  };
})();
