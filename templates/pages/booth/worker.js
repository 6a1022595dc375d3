// Makes ballots beside the page, so that it stays live: this same script, started as a worker.
"use strict";
if (typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope) {
  self.onmessage = async ({ data }) => {
    let done = 0;
    const step = async () => {
      done += 1;
      self.postMessage({ done });
    };
    try {
      const election = await Election.read(data.file);
      const { secret, votes } = data;
      self.postMessage({ ballot: await Ballot.make({ election, secret, votes, dice: Group.draw, step }) });
    } catch (fault) {
      self.postMessage({ fault: fault instanceof Fault ? fault.code : "unexpected" });
    }
  };
}
