// What is asked of an editor before a draft is sent back, and the final held against its draft.

import { call } from "./api.mjs";
import { reject } from "./decide.mjs";
import { html, useEffect, useRef, useState } from "./html.mjs";
import { Icon } from "./icons.mjs";
import { money } from "./format.mjs";
import { Dialog, Failed, Field, Picture, Skeleton, useAction, useLoaded } from "./ui.mjs";

const MAX_SEED = 2 ** 32;
export const RATIOS = ["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "4:5", "5:4", "21:9", "9:21"];

export const newSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] % MAX_SEED;

export function RejectDialog({ job, onClose, onDone }) {
  const [comment, setComment] = useState("");
  const [isRunning, run] = useAction(async () => {
    await reject(job, { comment: comment.trim() });
    onClose();
    onDone?.();
  });
  const submit = (event) => { event.preventDefault(); run(); };
  return html`<${Dialog} title="Reject this draft?" onClose=${onClose} className="narrow">
    <form onSubmit=${submit}>
      <p>It cannot be approved afterwards. To have it made differently, ask for changes instead.</p>
      <${Field} label="Why (optional)">${(field) => html`<textarea ...${field} rows="2" maxlength="4000" value=${comment}
        onInput=${(event) => setComment(event.target.value)} />`}<//>
      <footer>
        <button type="button" onClick=${onClose}>Back</button>
        <button class="bad" disabled=${isRunning} autofocus>${isRunning ? "Rejecting…" : "Reject for good"}</button>
      </footer>
    </form>
  <//>`;
}

/** What a job was to make. */
async function parameters(jobId, signal) {
  const { jobs } = await call(`jobs/${jobId}/rounds`, { signal });
  const found = jobs.find((job) => job.job_id === jobId)?.parameters;
  if (!found) throw new Error("What this draft was asked for cannot be told now.");
  return found;
}

export function ReviseDialog({ job, onClose, onDone }) {
  const asked = useLoaded((signal) => parameters(job.job_id, signal), [job.job_id]);
  return html`<${Dialog} title="Ask for changes" onClose=${onClose} className="wide">
    ${asked.value ? html`<${ReviseForm} job=${job} asked=${asked.value} onClose=${onClose} onDone=${onDone} />`
      : asked.error ? html`<${Failed} error=${asked.error} again=${asked.again} />` : html`<${Skeleton} rows="2" />`}
  <//>`;
}

function ReviseForm({ job, asked, onClose, onDone }) {
  const [prompt, setPrompt] = useState(asked.prompt);
  const [negative, setNegative] = useState(asked.negative_prompt ?? "");
  const [style, setStyle] = useState(asked.style ?? "");
  const [ratio, setRatio] = useState(asked.aspect_ratio ?? "");
  const [seed, setSeed] = useState(newSeed());
  const [comment, setComment] = useState("");
  const [isRunning, run] = useAction(async () => {
    const revise = { prompt: prompt.trim(), seed: Number(seed) };
    if (negative.trim() !== (asked.negative_prompt ?? "")) revise.negative_prompt = negative.trim();
    if (style.trim() && style.trim() !== asked.style) revise.style = style.trim();
    if (ratio && ratio !== asked.aspect_ratio) revise.aspect_ratio = ratio;
    await reject(job, { comment: comment.trim(), revise });
    onClose();
    onDone?.();
  });
  const submit = (event) => { event.preventDefault(); run(); };
  const form = useRef();
  useEffect(() => form.current.querySelector("textarea").focus(), []);
  const on = (set) => (event) => set(event.target.value);
  return html`<form onSubmit=${submit} class="revise" ref=${form}>
    <div class="revise-image mat"><${Picture} image=${job.images?.[0] ?? job} sizes="320px" /></div>
    <div class="stack">
      <${Field} label="Prompt">${(field) => html`<textarea ...${field} rows="5" required minlength="3" maxlength="4000"
        value=${prompt} onInput=${on(setPrompt)} />`}<//>
      <div class="columns">
        <${Field} label="Seed" hint=${Number(seed) === asked.seed ? "As before: the picture stays close to this one" : `Was ${asked.seed}`}>
          ${(field) => html`<div class="joined"><input ...${field} type="number" min="0" max=${MAX_SEED - 1} required value=${seed} onInput=${on(setSeed)} />
            <button type="button" aria-label="New seed" onClick=${() => setSeed(newSeed())}>New</button>
            <button type="button" aria-label="Keep the seed" onClick=${() => setSeed(asked.seed)}>Keep</button></div>`}<//>
        <${Field} label="Shape">${(field) => html`<select ...${field} value=${ratio} onChange=${on(setRatio)}>
          ${!asked.aspect_ratio && html`<option value="">${asked.width} × ${asked.height}</option>`}
          ${RATIOS.map((each) => html`<option key=${each}>${each}</option>`)}</select>`}<//>
      </div>
      <details><summary>More</summary><div class="stack">
        <${Field} label="Style">${(field) => html`<input ...${field} value=${style} maxlength="100" onInput=${on(setStyle)} />`}<//>
        <${Field} label="Not in the picture">${(field) => html`<input ...${field} value=${negative} maxlength="4000" onInput=${on(setNegative)} />`}<//>
        <${Field} label="Comment for the record">${(field) => html`<input ...${field} value=${comment} maxlength="4000" onInput=${on(setComment)} />`}<//>
      </div></details>
      <p class="hint">This draft is rejected for good, and a new one is made in its place.
        ${job.cost?.amount_usd ? ` This one cost ${money(job.cost.amount_usd)}.` : ""}</p>
      <footer>
        <button type="button" onClick=${onClose}>Back</button>
        <button class="primary" disabled=${isRunning}>${isRunning ? "Sending…" : "Make the next round"}</button>
      </footer>
    </div>
  </form>`;
}

export function CompareDialog({ draft, final, onClose }) {
  const [at, setAt] = useState(50);
  const stage = useRef();
  const drag = (event) => {
    if (event.buttons !== 1 && event.type !== "pointerdown") return;
    const box = stage.current.getBoundingClientRect();
    setAt(Math.round(Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * 100));
    if (event.type === "pointerdown") stage.current.setPointerCapture(event.pointerId);
  };
  const slider = useRef();
  useEffect(() => slider.current.focus(), []);
  const bound = final.consistency;
  return html`<${Dialog} title="Draft and final" onClose=${onClose} className="full dark">
    <div class="compare" style=${{ "--at": `${at}%`, "--ratio": `${final.width} / ${final.height}`, "--shape": final.width / final.height }} ref=${stage} onPointerDown=${drag} onPointerMove=${drag}>
      <img src=${final.url} alt=${`Final: ${final.alt_text ?? ""}`} draggable=${false} />
      <img class="over" src=${draft.url} alt=${`Draft: ${draft.alt_text ?? ""}`} draggable=${false} />
      <span class="tag left">Draft</span><span class="tag right">Final</span>
      <div class="divider" aria-hidden="true"><span><${Icon} name="compare" /></span></div>
    </div>
    <label class="compare-range"><span>Draft</span>
      <input ref=${slider} type="range" min="0" max="100" value=${at} aria-label="How much of the draft is shown"
        aria-valuetext=${`${at} % draft`} onInput=${(event) => setAt(Number(event.target.value))} />
      <span>Final</span></label>
    <p class="edge mono"><span>${draft.width} × ${draft.height}</span><span>${final.provider}/${final.model}${bound ? ` · bound by ${bound}` : ""}</span><span>${final.width} × ${final.height}</span></p>
  <//>`;
}
