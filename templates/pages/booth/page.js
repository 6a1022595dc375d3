// The page of the booth: one step after another, with the banner that says whether the vote is cast. All words are in the template.
"use strict";
(function () {
  const at = (id) => document.getElementById(id);
  const facts = JSON.parse(at("facts").textContent);
  // What the browser lacks is told by the section that is shown from the beginning.
  if (typeof Ballot === "undefined" || !self.crypto || !crypto.subtle) { return; }

  const CAST_SECONDS = 60;
  const SLICE_MS = 30;
  let language = facts.languages[0];
  let place = "unable";
  let kind = "not";
  // Of the voter: never sent, except the ballot.
  let election = null;
  let roll = null;
  let secret = null;
  let votes = null;
  let ballot = null;
  // Whether it was made in this page, whether it is on disk, and whether it may have reached the server.
  let own = false;
  let saved = false;
  let sent = false;
  let busy = false;

  const word = (key, fill) => facts.words[language][key].replace(/\{(\w+)\}/g, (_, name) => fill[name]);

  function say(node, key, fill) {
    node.dataset.word = key;
    node.dataset.fill = JSON.stringify(fill || {});
    const text = word(key, fill || {});
    // What stays the same is not told again.
    if (node.textContent !== text) { node.textContent = text; }
  }

  function hush(node) {
    delete node.dataset.word;
    node.textContent = "";
  }

  function complain(node, fault) {
    const known = fault instanceof Fault && facts.words.en[fault.code] !== undefined;
    say(node, known ? fault.code : "unexpected", known ? fault.facts : {});
  }

  function speak(chosen) {
    language = chosen;
    document.documentElement.lang = chosen;
    for (const node of document.querySelectorAll("[data-word]")) { say(node, node.dataset.word, JSON.parse(node.dataset.fill || "{}")); }
    for (const node of document.querySelectorAll("[data-label]")) { node.setAttribute("aria-label", word(node.dataset.label, {})); }
    for (const button of at("languages").children) {
      if (button.value === chosen) { button.setAttribute("aria-current", "true"); } else { button.removeAttribute("aria-current"); }
    }
    tell();
  }

  const canCast = () => facts.cast !== null && /^https?:$/.test(location.protocol)
    && new URL(facts.cast, location.href).origin === location.origin;

  // The banner and the title.
  function tell() {
    at("state").dataset.kind = kind;
    say(at("state_kind"), `state_${kind}`);
    const afterwards = saved ? "next_saved" : canCast() ? "next_sealed" : "next_by_file";
    // Who starts over has no ballot that could be sent again.
    const byPlace = kind === "not" || (kind === "unsure" && place !== "sealed");
    const next = !byPlace ? `next_${kind}` : place === "sealed" ? afterwards : `next_${place}`;
    if (facts.words[language][next] === undefined) { hush(at("state_next")); } else { say(at("state_next"), next); }
    document.title = [word(`state_${kind}`, {}), election ? election.name : ""].filter(Boolean).join(" · ");
  }

  function show(name) {
    for (const section of document.querySelectorAll("main > section")) { section.hidden = section.id !== name; }
    const first = place === "unable";
    place = name;
    tell();
    if (!first) {
      window.scrollTo(0, 0);
      at(name).querySelector("h1").focus({ preventScroll: true });
    }
  }

  const optional = (id, text) => {
    at(id).textContent = text;
    (at(`${id}_row`) || at(id)).hidden = text === "";
  };

  async function use(file, known) {
    election = await Election.read(file);
    roll = known;
    at("name").textContent = election.name;
    at("fingerprint").textContent = election.fingerprint;
    optional("description", election.description);
    optional("administrator", election.administrator);
    optional("authority", election.authority);
    at("elsewhere").hidden = !canCast();
    at("keep").hidden = !/^https?:$/.test(location.protocol);
    build();
    show("start");
  }

  // Whether a key is on the list that came with the page, by the beginnings of digests; each has as many characters as the next.
  const listed = (list) => async (key) => {
    const beginning = await Hash.beginning(key);
    for (let from = 0; from < list.length; from += beginning.length) {
      if (list.startsWith(beginning, from)) { return true; }
    }
    return false;
  };

  const bytesOf = async (file) => new Uint8Array(await new Response(file).arrayBuffer());

  async function load() {
    const [file] = at("load_file").files;
    const typed = at("load_text").value.trim();
    if (!file && typed === "") { throw new Fault("load_empty"); }
    const bytes = file ? await bytesOf(file) : null;
    if (bytes && Election.isArchive(bytes)) {
      const { file: text, keys } = await Election.open(bytes);
      const all = new Set(keys);
      return use(text, async (key) => all.has(key));
    }
    return use(bytes ? Election.text(bytes).trim() : typed, null);
  }

  async function enter() {
    const credential = Credential.read(at("credential").value);
    const found = await Credential.secret(credential, election.uuid);
    const key = Group.power(Group.generator, found).toString();
    if (roll && !(await roll(key))) { throw new Fault("credential_unknown"); }
    at("credential").value = credential;
    secret = found;
    show("vote");
  }

  async function takeOver() {
    const [file] = at("elsewhere_file").files;
    if (!file) { throw new Fault("elsewhere_empty"); }
    let text;
    try { text = Election.text(await bytesOf(file)).trim(); } catch (_) { throw new Fault("ballot_unreadable"); }
    ballot = await Ballot.read(election, text);
    own = false;
    sealed();
  }

  // The questions as they can be answered: one number each answer, and one before them for a blank ballot.
  const piece = (id) => at(id).content.firstElementChild.cloneNode(true);

  function build() {
    at("questions").replaceChildren(...election.questions.map((question, number) => {
      const { answers, blank, min, max } = question;
      const field = piece("question");
      const [legend, rule, fault, options, count] = field.children;
      legend.textContent = question.question;
      rule.id = `rule-${number}`;
      fault.id = `fault-${number}`;
      field.setAttribute("aria-describedby", `${rule.id} ${fault.id}`);
      say(rule, `rule_${min === max ? "exactly" : min === 0 ? "up_to" : "between"}${blank ? "_blank" : ""}`, { min, max });
      const one = min === 1 && max === 1;
      const option = (text) => {
        const label = piece("option");
        const [input, span] = label.children;
        input.type = one ? "radio" : "checkbox";
        input.name = `question-${number}`;
        span.textContent = text;
        options.append(label);
        return label;
      };
      answers.forEach(option);
      // First in a ballot, and the last that people look for.
      if (blank) {
        const label = option("");
        label.classList.add("blank");
        say(label.lastElementChild, "blank");
      }
      options.addEventListener("change", ({ target }) => {
        const isBlank = target.closest(".blank") !== null;
        for (const input of target.checked ? options.querySelectorAll("input") : []) {
          if (blank && (input.closest(".blank") !== null) !== isBlank) { input.checked = false; }
        }
        counted(question, field, false);
      });
      counted(question, field, false);
      return field;
    }));
  }

  function votesOf(question, field) {
    const inputs = Array.from(field.querySelectorAll("input"));
    if (question.blank) { inputs.unshift(inputs.pop()); }
    return inputs.map((input) => input.checked ? 1 : 0);
  }

  // Tells how many are chosen, and what is wrong with that: too many at once, too few when the choices are done.
  function counted(question, field, done) {
    const [, , fault, , count] = field.children;
    const { blank, min, max } = question;
    const found = votesOf(question, field);
    const isBlank = blank && found[0] === 1;
    const chosen = found.reduce((sum, one) => sum + one, 0);
    const over = !isBlank && chosen > max;
    say(count, isBlank ? "count_blank" : over ? "count_over" : "count", { count: chosen, max });
    count.classList.toggle("over", over);
    const wrong = !Ballot.isAllowed(question, found);
    if (wrong && (done || field.classList.contains("faulty"))) {
      say(fault, over ? "too_many" : "too_few", { count: chosen, min, max });
      field.classList.add("faulty");
    } else if (!wrong) {
      hush(fault);
      field.classList.remove("faulty");
    }
    return !wrong;
  }

  function review() {
    const fields = Array.from(at("questions").children);
    const wrong = fields.filter((field, number) => !counted(election.questions[number], field, true));
    if (wrong.length > 0) {
      say(at("vote_fault"), "vote_fault");
      wrong[0].querySelector("input").focus();
      return;
    }
    hush(at("vote_fault"));
    votes = fields.map((field, number) => votesOf(election.questions[number], field));
    at("chosen").replaceChildren(...election.questions.map(({ question, answers, blank }, number) => {
      const row = piece("choice");
      const [asked, chosen] = row.children;
      asked.textContent = question;
      const line = () => chosen.appendChild(document.createElement("div"));
      const marks = votes[number].slice(blank ? 1 : 0);
      if (blank && votes[number][0] === 1) {
        say(line(), "blank");
      } else if (!marks.includes(1)) {
        say(line(), "nothing");
      }
      answers.forEach((answer, place) => { if (marks[place] === 1) { line().textContent = answer; } });
      return row;
    }));
    hush(at("review_fault"));
    show("review");
  }

  // In this page, a slice at a time, where there are no workers.
  async function makeHere(progress) {
    let since = performance.now();
    const step = async () => {
      progress();
      if (performance.now() - since > SLICE_MS) {
        await new Promise((go) => { setTimeout(go, 0); });
        since = performance.now();
      }
    };
    return Ballot.make({ election, secret, votes, dice: Group.draw, step });
  }

  function makeBeside(progress) {
    return new Promise((done, failed) => {
      const address = URL.createObjectURL(new Blob([at("engine").textContent], { type: "text/javascript" }));
      const worker = new Worker(address);
      const end = (how, what) => {
        worker.terminate();
        URL.revokeObjectURL(address);
        how(what);
      };
      worker.onerror = () => end(failed, null);
      worker.onmessage = ({ data }) => {
        if (data.done) { progress(); }
        if (data.ballot) { end(done, data.ballot); }
        if (data.fault) { end(failed, new Fault(data.fault)); }
      };
      worker.postMessage({ file: election.file, secret, votes });
    });
  }

  async function seal() {
    const progress = at("progress");
    progress.max = Ballot.steps(election);
    progress.value = 0;
    const forth = () => { progress.value += 1; };
    show("sealing");
    try {
      try {
        ballot = await makeBeside(forth);
      } catch (fault) {
        if (fault instanceof Fault) { throw fault; }
        progress.value = 0;
        ballot = await makeHere(forth);
      }
      own = true;
      sealed();
    } catch (fault) {
      show("review");
      complain(at("review_fault"), fault);
    }
  }

  function sealed() {
    saved = false;
    at("tracker").textContent = ballot.tracker;
    hush(at("cast_fault"));
    hush(at("copied"));
    at("by_net").hidden = !canCast();
    at("by_file").hidden = canCast();
    say(at("by_file_hint"), "by_file_hint");
    const where = facts.cast !== null && /^https?:/.test(facts.cast) ? facts.cast : null;
    at("where").hidden = where === null;
    if (where !== null) {
      at("where_link").href = where;
      say(at("where_link"), "by_file_where", { address: where });
    }
    at("download").hidden = !own;
    show("sealed");
  }

  async function copy() {
    try {
      await navigator.clipboard.writeText(ballot.tracker);
      say(at("copied"), "copied");
    } catch (_) {
      getSelection().selectAllChildren(at("tracker"));
      say(at("copied"), "not_copied");
    }
  }

  function download() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([ballot.text], { type: "application/json" }));
    link.download = `${election.uuid}-${ballot.tracker.replace(/[^A-Za-z0-9]/g, "").slice(0, 8)}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    saved = true;
    tell();
  }

  // What came of sending the ballot: that it was taken, that it was not, or that nobody knows.
  async function sendOnce() {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), CAST_SECONDS * 1000);
    try {
      const answer = await fetch(new URL(facts.cast, location.href), {
        method: "POST", body: ballot.text, headers: { "Content-Type": "application/json" },
        credentials: "same-origin", redirect: "error", cache: "no-store", signal: stop.signal,
      });
      const said = await answer.json().catch(() => null) || {};
      if (answer.ok && said.tracker === ballot.tracker) { return { taken: true }; }
      // Only who takes ballots says that it was refused. What stands between may answer with an error when the ballot has arrived.
      const refused = answer.status >= 400 && answer.status < 500 && typeof said.refused === "string";
      if (!refused) { return { taken: null }; }
      const reason = `refused_${said.refused.replaceAll("-", "_")}`;
      const known = facts.words[language][reason] !== undefined;
      return { taken: false, reason: known ? reason : "refused_other", status: answer.status };
    } catch (_) {
      return { taken: null };
    } finally {
      clearTimeout(timer);
    }
  }

  async function cast() {
    if (busy) { return; }
    busy = true;
    hush(at("cast_fault"));
    kind = "sending";
    tell();
    const { taken, reason, status } = await sendOnce();
    busy = false;
    if (taken) { return end(); }
    // What may have arrived once is never said to be not cast, whatever is answered later.
    sent = sent || taken === null;
    kind = sent ? "unsure" : "not";
    tell();
    say(at("cast_fault"), taken === null ? "not_answered" : reason, { status });
  }

  function end() {
    kind = "voted";
    at("voted_tracker").textContent = ballot.tracker;
    forget();
    show("voted");
  }

  function forget() {
    secret = null;
    votes = null;
    ballot = null;
    saved = false;
    at("credential").value = "";
    at("elsewhere_file").value = "";
    at("chosen").replaceChildren();
    build();
  }

  // A form does its step, and says at its field what is wrong; what was typed stays.
  function does(form, step, fault, field) {
    at(form).addEventListener("submit", async (event) => {
      event.preventDefault();
      if (busy) { return; }
      busy = true;
      try {
        await step();
        hush(at(fault));
        at(field).removeAttribute("aria-invalid");
      } catch (wrong) {
        complain(at(fault), wrong);
        at(field).setAttribute("aria-invalid", "true");
        at(field).focus();
      } finally {
        busy = false;
      }
    });
  }

  does("load_form", load, "load_fault", "load_text");
  does("start_form", enter, "credential_fault", "credential");
  does("elsewhere_form", takeOver, "elsewhere_fault", "elsewhere_file");
  at("vote_form").addEventListener("submit", (event) => {
    event.preventDefault();
    review();
  });
  const onClick = (id, act) => at(id).addEventListener("click", () => { if (!busy) { act(); } });
  onClick("change", () => show("vote"));
  onClick("seal", seal);
  onClick("cast", cast);
  onClick("copy", copy);
  onClick("download", download);
  onClick("again", () => {
    forget();
    show("start");
  });
  at("languages").addEventListener("click", ({ target }) => { if (target.value) { speak(target.value); } });
  // Whoever leaves with a ballot that is neither cast nor kept is asked.
  window.addEventListener("beforeunload", (event) => {
    if (kind === "voted" || saved || (secret === null && ballot === null)) { return; }
    event.preventDefault();
    // As browsers before 2024 want to be told.
    event.returnValue = true;
  });

  const liked = (navigator.languages || []).map((tag) => tag.split("-")[0]);
  at("languages").hidden = false;
  speak(liked.find((tag) => facts.languages.includes(tag)) || language);
  if (facts.election === null) {
    show("load");
  } else {
    use(facts.election, listed(facts.roll)).catch((fault) => {
      show("load");
      complain(at("load_fault"), fault);
    });
  }
})();
