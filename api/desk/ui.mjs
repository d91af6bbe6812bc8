// What all pages are made of.

import { Lost, Problem } from "./api.mjs";
import { html, useCallback, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "./html.mjs";
import { Icon } from "./icons.mjs";
import { store, useStore } from "./store.mjs";
import { thumbHashToDataURL } from "./vendor/thumbhash.mjs";

const TOAST_MS = 6_000;
const toasts = store([]);

/** Tell something at the edge of the page; `action` is `{label, href}` or `{label, run}`. */
export function say(text, { tone = "plain", action } = {}) {
  const toast = { id: `${Date.now()}-${Math.random()}`, text, tone, action };
  toasts.set((shown) => [...shown.slice(-3), toast]);
  setTimeout(() => dismiss(toast.id), tone === "bad" ? 2 * TOAST_MS : TOAST_MS);
}

const dismiss = (id) => toasts.set((shown) => shown.filter((toast) => toast.id !== id));

/** Tell what went wrong, in the server's own words. */
export function complain(error) {
  if (error?.name === "AbortError") return;
  say(sentence(error), { tone: "bad" });
}

export function sentence(error) {
  if (error instanceof Problem) {
    const fields = error.errors.filter(({ field }) => field).map(({ field, message }) => `${field}: ${message}`);
    return [error.message, ...fields].join(" · ");
  }
  return error instanceof Lost ? `${error.message} Nothing was changed.` : `${error?.message ?? error}`;
}

export function Toasts() {
  const shown = useStore(toasts);
  const layer = useRef();
  useEffect(() => {
    // Above a dialog that was opened since; without popovers they are below it.
    layer.current.hidePopover?.();
    if (shown.length) layer.current.showPopover?.();
  }, [shown]);
  return html`<div class="toasts" role="status" aria-live="polite" popover="manual" ref=${layer}>
    ${shown.map((toast) => html`<div class="toast ${toast.tone}" key=${toast.id}>
      <span>${toast.text}</span>
      ${toast.action && html`<a class="toast-action" href=${toast.action.href}>${toast.action.label}</a>`}
      <button class="quiet small" aria-label="Dismiss" onClick=${() => dismiss(toast.id)}><${Icon} name="reject" /></button>
    </div>`)}
  </div>`;
}

/** Runs something once at a time: `[isRunning, run]`; what it throws is told. */
export function useAction(action) {
  const [isRunning, setRunning] = useState(false);
  const run = async (...given) => {
    if (isRunning) return undefined;
    setRunning(true);
    try {
      return await action(...given);
    } catch (error) {
      complain(error);
      return undefined;
    } finally {
      setRunning(false);
    }
  };
  return [isRunning, run];
}

/** What `load(signal)` gives: `{value, error, isLoading, again}`; loaded anew when `facts` change. */
export function useLoaded(load, facts) {
  const [state, setState] = useState({ isLoading: true });
  const [round, setRound] = useState(0);
  const of = JSON.stringify(facts);
  useEffect(() => {
    const controller = new AbortController();
    setState((last) => ({ value: last.of === of ? last.value : undefined, of, isLoading: true }));
    load(controller.signal).then(
      (value) => controller.signal.aborted || setState({ value, of, isLoading: false }),
      (error) => controller.signal.aborted || setState((last) => ({ ...last, error, isLoading: false })),
    );
    return () => controller.abort();
  }, [of, round]);
  const again = useCallback(() => setRound((last) => last + 1), []);
  return { ...state, value: state.of === of ? state.value : undefined, again };
}

/** A page's frame while it loads, when it failed, and then. */
export function Loaded({ of, children, rows = 3 }) {
  if (of.value !== undefined) return children(of.value);
  if (of.error) return html`<${Failed} error=${of.error} again=${of.again} />`;
  return html`<${Skeleton} rows=${rows} />`;
}

export function Skeleton({ rows }) {
  return html`<div class="skeletons" role="status" aria-label="Loading">
    ${Array.from({ length: rows }, (_, row) => html`<div class="skeleton" key=${row} />`)}
  </div>`;
}

export function Failed({ error, again }) {
  return html`<div class="notice bad" role="alert">
    <${Icon} name=${error instanceof Lost ? "lost" : "warning"} />
    <div><strong>${error instanceof Lost ? "Not connected" : "That did not work"}</strong>
      <p>${error.message}</p></div>
    ${again && html`<button onClick=${again}>Try again</button>`}
  </div>`;
}

export function Empty({ title, children }) {
  return html`<div class="empty"><div class="empty-frame" aria-hidden="true"><i /><i /><i /></div>
    <h2>${title}</h2><div>${children}</div></div>`;
}

export function Progress({ value, label, isSmall }) {
  return html`<div class="progress ${isSmall ? "thin" : ""}" role="progressbar" aria-label=${label}
    aria-valuemin="0" aria-valuemax="100" aria-valuenow=${value}>
    <div style=${{ width: `${value}%` }} /></div>`;
}

const STATES = {
  pending: "Waiting its turn", queued: "Queued", processing: "In work", generating: "Developing",
  uploading: "Storing", completed: "Completed", failed: "Failed", awaiting: "Awaits review",
  approved: "Approved", final: "Final", rejected: "Rejected", expired: "Expired", delivered: "Delivered",
  cancelled: "Cancelled",
};

export const stateName = (state) => STATES[state] ?? state;

export function Status({ state }) {
  return html`<span class="status ${state}">${stateName(state)}</span>`;
}

const stageOf = (job) => (job.status === "processing" ? job.current_stage : job.status);

/** A job's stage in a word, with its review where there is one. */
export function JobStatus({ job }) {
  const state = job.status === "completed" && job.review ? job.review.state : stageOf(job);
  return html`<${Status} state=${state} />`;
}

/** An image with its blurred likeness beneath until it is there. */
export function Picture({ image, src, sizes, isEager }) {
  const [last, setLast] = useState({});
  const [round, setRound] = useState(0);
  const url = src ?? image.url;
  const state = last.url === url ? last.state : "loading";
  const setState = (next) => setLast({ url, state: next });
  const likeness = useMemo(() => blurred(image.thumbhash), [image.thumbhash]);
  const style = { "--ratio": `${image.width} / ${image.height}`, "--shape": image.width / image.height, backgroundColor: image.dominant_color };
  if (likeness) style.backgroundImage = `url(${likeness})`;
  if (image.gone) {
    return html`<div class="picture gone" style=${style}><span>This image was deleted.</span></div>`;
  }
  return html`<div class="picture ${state}" style=${style}>
    ${state === "failed"
      ? html`<button onClick=${() => { setState("loading"); setRound(round + 1); }}>The image did not load. Try again</button>`
      : html`<img key=${round} src=${url} srcset=${!src && image.srcset ? image.srcset : undefined} sizes=${sizes}
          alt=${image.alt_text ?? ""} width=${image.width} height=${image.height} decoding="async"
          loading=${isEager ? "eager" : "lazy"} onLoad=${() => setState("loaded")} onError=${() => setState("failed")} />`}
  </div>`;
}

function blurred(thumbhash) {
  try {
    return thumbhash
      ? thumbHashToDataURL(Uint8Array.from(atob(thumbhash), (byte) => byte.charCodeAt(0)))
      : undefined;
  } catch {
    return undefined;
  }
}

/** A dialog over everything; `onClose` is called however it is left. */
export function Dialog({ title, onClose, children, className = "", footer, onKeyDown }) {
  const dialog = useRef();
  const heading = useId();
  useLayoutEffect(() => {
    const before = document.activeElement;
    const shown = dialog.current;
    shown.showModal();
    return () => {
      shown.close(); // Before that, nothing outside can take the focus.
      if (before?.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  const onClick = (event) => event.target === dialog.current && onClose();
  return html`<dialog ref=${dialog} class=${className} aria-labelledby=${heading} onClick=${onClick}
    onCancel=${(event) => { event.preventDefault(); event.stopPropagation(); onClose(); }} onKeyDown=${onKeyDown}>
    <div class="dialog-body">
      <header><h2 id=${heading}>${title}</h2>
        <button class="quiet" aria-label="Close" onClick=${onClose}><${Icon} name="reject" /></button></header>
      ${children}
      ${footer && html`<footer>${footer}</footer>`}
    </div>
  </dialog>`;
}

/** Asks before something that cannot be taken back. */
export function Confirm({ title, children, verb, isBad, onConfirm, onClose }) {
  const [isRunning, run] = useAction(async () => {
    await onConfirm();
    onClose();
  });
  return html`<${Dialog} title=${title} onClose=${onClose} className="narrow" footer=${html`
      <button type="button" onClick=${onClose}>Back</button>
      <button type="button" class=${isBad ? "bad" : "primary"} disabled=${isRunning} onClick=${run} autofocus>
        ${isRunning ? "One moment…" : verb}</button>`}>
    ${children}
  <//>`;
}

/** Copies text; without the clipboard, which plain HTTP does not get, by way of a selection. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

export function CopyButton({ text, label = "Copy" }) {
  const [isCopied, setCopied] = useState(false);
  const run = async () => {
    await copy(typeof text === "function" ? text() : text);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return html`<button class="small" onClick=${run}><${Icon} name=${isCopied ? "approve" : "copy"} />
    <span aria-live="polite">${isCopied ? "Copied" : label}</span></button>`;
}

export function Id({ id }) {
  return html`<span class="mono id">${id}</span>`;
}

/** A page's title, which takes the focus when the page is come to. */
export function Title({ children, aside, lead }) {
  const title = useRef();
  useEffect(() => {
    if (document.activeElement === document.body) title.current.focus({ preventScroll: true });
  }, []);
  return html`<header class="page-head">
    <div><h1 tabindex="-1" ref=${title}>${children}</h1>${lead && html`<p class="lead">${lead}</p>`}</div>
    ${aside && html`<div class="page-aside">${aside}</div>`}
  </header>`;
}

export function Field({ label, hint, error, children }) {
  const id = useId();
  const told = error ?? hint;
  const described = told ? `${id}-told` : undefined;
  return html`<div class="field ${error ? "invalid" : ""}">
    <label for=${id}>${label}</label>
    ${children({ id, "aria-describedby": described, "aria-invalid": error ? "true" : undefined })}
    ${told && html`<small id=${described}>${told}</small>`}
  </div>`;
}

/** Whether a key was pressed for the page, not for a field or a shortcut of the browser. */
export function isForPage(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return false;
  const at = event.target;
  return !(at instanceof Element && at.closest("input:not([type=radio]):not([type=range]), textarea, select, [contenteditable]"));
}
