// Makes the pages of questions smoother; they work without it. Questions that follow from an answer appear at once: the server, which
// alone knows the rules, is asked what the page looks like with what was typed, and nothing is recorded. What was typed and not sent
// outlives a reload in this tab, for whoever typed it, and no longer than the form is open.
//
// An item may be called as something that forms have (`action`, `children`): such names are not read off the form.
"use strict";
(() => {
  const PREFIX = "hagaki ";
  const form = document.getElementById("answers");
  const storage = (() => {
    try {
      return window.sessionStorage;
    } catch {
      return null;
    }
  })();

  // Takes away what the tab keeps, but what begins like that.
  const forget = (but) => {
    for (const key of Object.keys(storage ?? {})) {
      if (key.startsWith(PREFIX) && !(but && key.startsWith(but))) storage.removeItem(key);
    }
  };

  document.querySelector("footer form")?.addEventListener("submit", () => forget());
  document.querySelector(".more button[value=forget]")?.addEventListener("click", () => forget());
  if (!form) {
    // The form was sent, or left; but who is asked who they are comes back to it, and so may whoever was not let in or was signed out.
    const refused = document.querySelector("main > .problem:not(.others)") !== null;
    const thanked = document.querySelector(".receipt") !== null;
    if (thanked || (!refused && !/^\/(sign-in|confirm)(\/|$)|^\/s\/[^/]+\/?$/.test(location.pathname))) forget();
    return;
  }

  const state = (name) => form.querySelector(`input[type=hidden][name=${name}]`);
  const action = form.getAttribute("action");
  const whose = form.getAttribute("data-whose");
  // Shown again by the way back, a page may be older than what became of its form since: so the server is asked who is there now, and
  // for what. Pages of somebody who signed in are covered until that is known, so that whoever sits here next sees nothing of them.
  const signedIn = state("_guard") !== null;
  let leaving = false;
  const cover = (covered) => document.documentElement.toggleAttribute("data-covered", covered);
  const lookAround = async () => {
    const there = `${action}?lang=${document.documentElement.lang}${state("_mend") ? "&mend=1" : ""}`;
    try {
      const answer = await fetch(there, { credentials: "same-origin", cache: "no-store" });
      if (answer.status >= 500 || answer.status === 429) throw new Error("nobody can tell now");
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("answers");
      const same = !answer.redirected && fresh?.getAttribute("data-whose") === whose;
      if (same || (!signedIn && !answer.ok)) return cover(false);
      leaving = true;
      location.replace(answer.redirected ? answer.url : there);
    } catch {
      // Without a connection nobody can tell: what was typed stays, and stays covered.
      if (signedIn) setTimeout(lookAround, 2000);
    }
  };
  const cameBack = () => {
    leaving = false;
    if (signedIn) cover(true);
    lookAround();
  };
  if (performance.getEntriesByType("navigation")[0]?.type === "back_forward") cameBack();
  window.addEventListener("pagehide", () => {
    if (signedIn) cover(true);
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) cameBack();
  });

  const page = state("_page")?.value;
  if (!page || page === "review") return;

  const follows = form.hasAttribute("data-follows");
  const own = (name) => name !== "" && !name.startsWith("_");
  // A file stays with the server once it was sent, and a browser gives none back.
  const isFile = (name) => form.querySelector(`input[type=file][name="${name}"]`) !== null;
  const isTicked = (field) => field.type === "radio" || field.type === "checkbox";
  // The fields of this page. What other pages asked travels with it unseen: if it is changed there, this page is the same.
  const here = () => [...form.querySelectorAll("[name]:not([type=hidden])")].filter((field) => own(field.name) && !isFile(field.name));
  const typed = () => here().filter((field) => !isTicked(field) || field.checked).map((field) => [field.name, field.value]);
  // What the server shows, whatever the browser has filled in again by itself.
  const shown = JSON.stringify(
    here()
      .filter((field) => !isTicked(field) || field.defaultChecked)
      .map((field) => [field.name, field.defaultValue]),
  );

  // What others typed in this tab, or the same person on another form, is not theirs to see, nor of use any more.
  const mine = PREFIX + whose + " ";
  const key = mine + page;
  forget(mine);
  // What is kept with the server now takes the place of what the tab has.
  if (form.hasAttribute("data-kept")) forget();

  // What is shown stays what it is, with the cursor in it; what is new comes in, what does not follow any more goes.
  const merge = (fresh) => {
    // Answers that stand in no field to be seen travel with the form, as they do from page to page.
    const hidden = (of) => [...of.querySelectorAll("input[type=hidden]")].filter((field) => own(field.name));
    const carried = hidden(fresh);
    for (const field of hidden(form)) field.remove();
    const parts = (of) => [...of.querySelectorAll("[id]")].filter((part) => part.parentNode === of);
    const fields = (part) => [...part.querySelectorAll("[name]:not([type=hidden])")].map((field) => field.name + "=" + (isTicked(field) ? field.value : "")).join("&");
    const old = new Map(parts(form).map((part) => [part.id, part]));
    let news = false;
    let last = null;
    for (const part of parts(fresh)) {
      const there = old.get(part.id);
      old.delete(part.id);
      if (there && fields(there) === fields(part)) {
        // A label may repeat an earlier answer.
        const [label, wanted] = [there.querySelector("label, legend"), part.querySelector("label, legend")];
        if (label && wanted && !label.querySelector("input") && label.innerHTML !== wanted.innerHTML) label.replaceChildren(...wanted.childNodes);
        last = there;
        continue;
      }
      const focused = there?.contains(document.activeElement) ? document.activeElement : null;
      if (there) there.replaceWith(part);
      else if (last) last.after(part);
      else (parts(form)[0] ?? form.querySelector(".buttons")).before(part);
      news ||= !there;
      last = part;
      if (focused) [...part.querySelectorAll("[name]")].find((field) => field.name === focused.name && field.value === focused.value)?.focus();
    }
    for (const part of old.values()) {
      if (part.contains(document.activeElement)) continue;
      part.remove();
    }
    state("_seen").after(...carried);
    state("_seen").value = fresh.querySelector("[name=_seen]").value;
    return news;
  };

  let turn = 0;
  const tell = (what) => {
    const told = document.getElementById("_news");
    if (told) told.textContent = what === "" ? "" : told.dataset[what];
  };
  const look = async (told) => {
    const mine = ++turn;
    const fields = new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === "string"));
    fields.set("_step", "look");
    try {
      const answer = await fetch(action, { method: "POST", body: fields, credentials: "same-origin" });
      if (!answer.ok || answer.redirected) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("answers");
      // Overtaken by a later answer, or another page altogether: pressing the button goes the whole way.
      if (mine !== turn || !fresh || fresh.querySelector("[name=_page]")?.value !== page) return;
      const news = merge(document.importNode(fresh, true));
      tell(told ?? (news ? "more" : ""));
    } catch {
      // Without a connection the page stays as it is.
    }
  };

  // Kept at once, beside what the page showed before: it is put back where a page shows just that again, and nowhere else. What the
  // server shows otherwise is newer, for it was sent from here or from elsewhere since.
  const save = () => {
    try {
      const now = typed();
      if (JSON.stringify(now) === shown) storage?.removeItem(key);
      else storage?.setItem(key, JSON.stringify({ shown, typed: now }));
    } catch {
      // Full, or not allowed: then it is as without it.
    }
  };

  const restore = (values, into) => {
    const named = new Map();
    for (const [name, value] of values) named.set(name, [...(named.get(name) ?? []), value]);
    for (const field of form.querySelectorAll("[name]")) {
      if (!own(field.name) || field.type === "hidden" || field.type === "file" || !into(field.name)) continue;
      const kept = named.get(field.name) ?? [];
      if (isTicked(field)) field.checked = kept.includes(field.value);
      else if (kept.length > 0) field.value = kept[0];
    }
  };

  const kept = (() => {
    try {
      return JSON.parse(storage?.getItem(key) ?? "null");
    } catch {
      return null;
    }
  })();
  if (kept?.shown !== shown) {
    storage?.removeItem(key);
  } else if (JSON.stringify(kept.typed) !== JSON.stringify(typed())) {
    const there = new Set([...form.querySelectorAll("[name]")].map((field) => field.name));
    restore(kept.typed, () => true);
    tell("restored");
    // In the questions that come up by it; those that stood here may be written in by now.
    if (follows) look("restored").then(() => restore(kept.typed, (name) => !there.has(name)));
  }

  // What is too large is told of before it is sent in vain.
  const tooLarge = (field) => {
    const large = [...field.files].some((file) => file.size > Number(field.dataset.most));
    const told = document.getElementById(field.id.replace(/-in$/, "-large"));
    if (told) told.hidden = !large;
    if (large) field.value = "";
  };

  form.addEventListener("input", save);
  form.addEventListener("change", (event) => {
    if (event.target.type === "file") tooLarge(event.target);
    save();
    if (follows) look();
  });
  form.addEventListener("submit", () => {
    leaving = true;
    save();
  });
  window.addEventListener("beforeunload", (event) => {
    if (!leaving && JSON.stringify(typed()) !== shown) event.preventDefault();
  });
})();
