// The desk: who looks, where they are, and what is around every page.

import { Lost, Problem, call, connection } from "./api.mjs";
import { html, render, useEffect, useState } from "./html.mjs";
import { Icon } from "./icons.mjs";
import { desk, isAwaiting, keepUp, nudge } from "./live.mjs";
import { Mark } from "./mark.mjs";
import { Batch } from "./pages/batch.mjs";
import { Blog, Blogs } from "./pages/blogs.mjs";
import { Costs } from "./pages/costs.mjs";
import { Job } from "./pages/job.mjs";
import { Jobs } from "./pages/jobs.mjs";
import { New } from "./pages/new.mjs";
import { Providers } from "./pages/providers.mjs";
import { Review } from "./pages/review.mjs";
import { SignIn } from "./pages/signin.mjs";
import { route, to } from "./router.mjs";
import { hasKey, may, reviewer, session, signOut } from "./session.mjs";
import { kept, useStore } from "./store.mjs";
import { Dialog, Empty, Failed, Field, Toasts, isForPage } from "./ui.mjs";

const PAGES = [
  { name: "review", title: "Review", scope: "read", page: Review },
  { name: "new", title: "New", scope: "generate", page: New },
  { name: "jobs", title: "Jobs", scope: "read", page: Jobs, one: Job },
  { name: "blogs", title: "Blogs", scope: "read", page: Blogs, one: Blog },
  { name: "costs", title: "Costs", scope: "read", page: Costs },
  { name: "providers", title: "Providers", scope: "read", page: Providers },
];
const UNLISTED = [{ name: "batches", title: "Batch", scope: "read", one: Batch }];
const THEMES = ["system", "light", "dark"];

async function enter() {
  session.set({ state: "asking" });
  try {
    session.set({ state: "in", caller: await call("caller") });
  } catch (error) {
    if (error instanceof Problem && error.status === 401) signOut(hasKey() ? error.message : undefined);
    else session.set({ state: error instanceof Lost ? "away" : "refused", told: error });
  }
}

function Desk() {
  const { state, told } = useStore(session);
  useEffect(() => { enter(); }, []);
  useEffect(() => {
    if (state !== "away") return undefined;
    addEventListener("online", enter);
    return () => removeEventListener("online", enter);
  }, [state]);
  if (state === "in") return html`<${Shell} />`;
  if (state === "out") return html`<${SignIn} told=${told} enter=${enter} /><${Toasts} />`;
  if (state === "asking") return html`<div class="curtain" role="status" aria-label="Loading" />`;
  return html`<main class="gate"><h1 class="wordmark"><${Mark} />Darkroom</h1><${Failed} error=${told} again=${enter} /></main>`;
}

function Shell() {
  const { parts: [name, one], query } = useStore(route);
  const { caller } = useStore(session);
  const [help, setHelp] = useState(false);
  const found = [...PAGES, ...UNLISTED].find((page) => page.name === name);
  const Page = one === undefined ? found?.page : found?.one;
  const address = `${name}/${one ?? ""}`;

  useEffect(() => {
    document.title = `${one ?? found?.title ?? "Not found"} · Darkroom`;
    scrollTo(0, 0);
    requestAnimationFrame(() => document.querySelector("main h1")?.focus({ preventScroll: true }));
  }, [address]);
  useEffect(() => {
    const onKeyDown = (event) => {
      if (event.key === "?" && isForPage(event) && !document.querySelector("dialog[open]")) setHelp(true);
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, []);

  const skip = () => document.querySelector("main h1")?.focus();
  return html`
    <button class="skip" onClick=${skip}>Skip to the page</button>
    <header class="top">
      <a class="wordmark" href=${to("review")}><${Mark} />Darkroom</a>
      <${Navigation} name=${name} />
      <div class="tools"><${Theme} />
        <button class="quiet icon-only" aria-label="Keys of the keyboard" title="Keys (?)" onClick=${() => setHelp(true)}><kbd>?</kbd></button>
        <${Who} caller=${caller} /></div>
    </header>
    <${Connection} />
    <main>${!Page ? html`<${Nowhere} />`
      : may(found.scope) ? html`<${Page} key=${address} id=${one} query=${query} />`
      : html`<h1 tabindex="-1">${found.title}</h1><${Empty} title="Not with this key"><p>The key${caller.key_name ? ` “${caller.key_name}”` : ""} lacks the scope <code>${found.scope}</code>.</p><//>`}</main>
    ${help && html`<${Help} onClose=${() => setHelp(false)} />`}
    <${Toasts} />`;
}

function Nowhere() {
  return html`<h1 tabindex="-1">Not found</h1><${Empty} title="There is no such page"><a class="button" href=${to("review")}>To the review</a><//>`;
}

function Navigation({ name }) {
  const { jobs, shown } = useStore(desk);
  const waiting = [...shown].filter((id) => isAwaiting(jobs[id])).length;
  return html`<nav aria-label="Desk"><ul>${PAGES.filter((page) => may(page.scope)).map((page) => html`<li key=${page.name}>
    <a href=${to(page.name)} aria-current=${page.name === name ? "page" : undefined}><${Icon} name=${page.name} /><span>${page.title}</span>
      ${page.name === "review" && waiting > 0 && html`<span class="badge" aria-label=${`${waiting} await review`}>${waiting}</span>`}</a></li>`)}</ul></nav>`;
}

function Theme() {
  const [theme, setTheme] = useState(kept.get("theme") ?? "system");
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  const change = () => {
    setTheme(next);
    kept.set("theme", next === "system" ? null : next);
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
  };
  const icon = { system: "system", light: "sun", dark: "moon" }[theme];
  return html`<button class="quiet icon-only" aria-label=${`Theme: ${theme}; change to ${next}`} title=${`Theme: ${theme}`} onClick=${change}><${Icon} name=${icon} /></button>`;
}

function Who({ caller }) {
  const [isOpen, setOpen] = useState(false);
  const name = useStore(reviewer);
  return html`<button class="who" onClick=${() => setOpen(true)} aria-label=${`You: ${name || caller.key_name || "no name"}`}>${(name || caller.key_name || "you").slice(0, 1).toUpperCase()}</button>
    ${isOpen && html`<${Dialog} title="You" className="narrow" onClose=${() => setOpen(false)} footer=${html`
        ${caller.key_name && html`<button onClick=${() => signOut()}><${Icon} name="out" />Sign out</button>`}
        <button class="primary" onClick=${() => setOpen(false)}>Done</button>`}>
      <${Field} label="Your name" hint="Kept with your decisions, and in this browser.">${(field) => html`<input ...${field} value=${name} maxlength="200" autocomplete="name" onInput=${(event) => reviewer.set(event.target.value)} />`}<//>
      <dl class="facts"><div><dt>Key</dt><dd>${caller.key_name ?? "none is set up; this machine is served without"}</dd></div>
        <div><dt>Tenant</dt><dd>${caller.tenant}</dd></div>
        <div><dt>May</dt><dd>${caller.scopes.includes("admin") ? "everything" : caller.scopes.join(", ")}</dd></div>
        <div><dt>Darkroom</dt><dd>${caller.version} · <a href="docs">API</a></dd></div></dl><//>`}`;
}

function Connection() {
  const { state, told } = useStore(connection);
  const [last, setLast] = useState(state);
  const [isBack, setBack] = useState(false);
  useEffect(() => {
    if (state === last) return undefined;
    setLast(state);
    if (state !== "live") { setBack(false); return undefined; }
    setBack(true);
    return undefined;
  }, [state]);
  useEffect(() => {
    if (!isBack) return undefined;
    const timer = setTimeout(() => setBack(false), 4000);
    return () => clearTimeout(timer);
  }, [isBack]);
  return html`<div class="connection ${state} ${isBack ? "back" : ""}" role="status">
    ${state === "lost" && html`<${Icon} name="lost" /><span>The connection is lost. What you see may be old; it goes on by itself once the server answers.</span><button class="small" onClick=${nudge}>Try now</button>`}
    ${state === "degraded" && html`<${Icon} name="warning" /><span>${told} Jobs that were accepted go on.</span>`}
    ${state === "live" && isBack && html`<${Icon} name="approve" /><span>Connected again, and up to date.</span>`}
  </div>`;
}

const KEYS = [
  ["← ↑ → ↓", "to the next draft"], ["Enter", "enlarge"], ["a", "approve, and go on"], ["r", "reject"],
  ["e", "ask for changes"], ["1 … 4", "choose among the images of a draft"], ["c", "compare the draft with its final"],
  ["Esc", "close"], ["?", "this list"],
];

function Help({ onClose }) {
  return html`<${Dialog} title="Keys" onClose=${onClose} className="narrow"><dl class="keys">
    ${KEYS.map(([key, does]) => html`<div key=${key}><dt><kbd>${key}</kbd></dt><dd>${does}</dd></div>`)}</dl><//>`;
}

keepUp();
render(html`<${Desk} />`, document.getElementById("desk"));
