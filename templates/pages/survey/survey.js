// Makes the pages of questions smoother; they work without it. Questions that follow from an answer appear at once: the server, which
// alone knows the rules, is asked what the page looks like with what was typed, and nothing is recorded. What was typed and not sent
// outlives a reload in this tab, and no longer than the form is open.
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

  const forget = () => {
    for (const key of Object.keys(storage ?? {})) {
      if (key.startsWith(PREFIX)) storage.removeItem(key);
    }
  };

  document.querySelector("footer form")?.addEventListener("submit", forget);
  if (!form?.elements._page || form.elements._page.value === "review") {
    // The form was sent, or left; but who is asked who they are comes back to it, and so may whoever was not let in or was signed out.
    const refused = document.querySelector("main > .problem") !== null;
    if (!form && !refused && !/^\/(sign-in|confirm)(\/|$)/.test(location.pathname)) forget();
    return;
  }

  const own = (name) => name !== "" && !name.startsWith("_");
  // A file stays with the server once it was sent, and a browser gives none back.
  const isFile = (name) => form.querySelector(`input[type=file][name="${name}"]`) !== null;
  const typed = () => [...new FormData(form)].filter(([name, value]) => own(name) && typeof value === "string" && !isFile(name));
  // The form by which somebody enrolls stands at the same address, before the one that is asked afterwards.
  const first = PREFIX + location.pathname + " first ";
  const key = (form.elements._first ? first : PREFIX + location.pathname + " ") + form.elements._page.value;
  if (!form.elements._first) {
    for (const old of Object.keys(storage ?? {})) {
      if (old.startsWith(first)) storage.removeItem(old);
    }
  }
  const before = JSON.stringify(typed());
  let leaving = false;

  // What is shown stays what it is, with the cursor in it; what is new comes in, what does not follow any more goes.
  const merge = (fresh) => {
    // Answers that stand in no field to be seen travel with the form, as they do from page to page.
    const hidden = (of) => [...of.querySelectorAll("input[type=hidden]")].filter((field) => own(field.name));
    const carried = hidden(fresh);
    for (const field of hidden(form)) field.remove();
    const parts = (of) => [...of.children].filter((child) => child.id !== "");
    const fields = (part) => [...part.querySelectorAll("[name]:not([type=hidden])")].map((field) => field.name + "=" + (field.type === "radio" || field.type === "checkbox" ? field.value : "")).join("&");
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
    for (const field of carried) form.prepend(field);
    form.elements._seen.value = fresh.querySelector("[name=_seen]").value;
    return news;
  };

  let turn = 0;
  const tell = (what) => {
    const told = document.getElementById("news");
    if (told) told.textContent = what === "" ? "" : told.dataset[what];
  };
  const look = async (told) => {
    const mine = ++turn;
    const fields = new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === "string"));
    fields.set("_step", "look");
    try {
      const answer = await fetch(form.action, { method: "POST", body: fields, credentials: "same-origin" });
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("answers");
      // Overtaken by a later answer, or another page altogether: pressing the button goes the whole way.
      if (mine !== turn || !fresh || fresh.querySelector("[name=_page]")?.value !== form.elements._page.value) return;
      const news = merge(document.importNode(fresh, true));
      tell(told ?? (news ? "more" : ""));
    } catch {
      // Without a connection the page stays as it is.
    }
  };

  let saving = 0;
  const save = () => {
    clearTimeout(saving);
    saving = setTimeout(() => {
      try {
        storage?.setItem(key, JSON.stringify(typed()));
      } catch {
        // Full, or not allowed: then it is as without it.
      }
    }, 300);
  };

  const restore = (values) => {
    const named = new Map();
    for (const [name, value] of values) named.set(name, [...(named.get(name) ?? []), value]);
    for (const field of form.querySelectorAll("[name]")) {
      if (!own(field.name) || field.type === "hidden" || !named.has(field.name)) continue;
      const kept = named.get(field.name);
      if (field.type === "radio" || field.type === "checkbox") field.checked = kept.includes(field.value);
      else field.value = kept[0];
    }
  };

  const kept = storage?.getItem(key);
  if (kept && kept !== before && !form.querySelector(".faulty")) {
    try {
      restore(JSON.parse(kept));
      tell("restored");
      if (form.dataset.follows) look("restored").then(() => restore(JSON.parse(kept)));
    } catch {
      storage.removeItem(key);
    }
  }

  form.addEventListener("input", save);
  // What is too large is told of before it is sent in vain.
  const tooLarge = (field) => {
    const large = [...field.files].some((file) => file.size > Number(field.dataset.most));
    const told = document.getElementById(field.id.replace(/-in$/, "-large"));
    if (told) told.hidden = !large;
    if (large) field.value = "";
  };

  form.addEventListener("change", (event) => {
    if (event.target.type === "file") tooLarge(event.target);
    save();
    if (form.dataset.follows) look();
  });
  form.addEventListener("submit", () => {
    leaving = true;
  });
  window.addEventListener("beforeunload", (event) => {
    if (!leaving && JSON.stringify(typed()) !== before) event.preventDefault();
  });
})();
